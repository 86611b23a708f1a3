"""Uncertainty of error rates where runs (seeds) and documents are crossed.

Every run of a cell sees the same documents, so an error rate has two sources of chance: which
documents the fold drew and which seeds the runs drew. Both enter each interval:

* documents: bootstrap, the same resampled documents for all runs of both cells;
* seeds: Student's t. Three or five runs are too few to resample: the percentile interval of a
  crossed bootstrap never leaves the range of the runs, and where seeds matter more than documents
  it covers far too rarely (``tests/evaluate/test_coverage.py`` shows both). The standard deviation
  is the larger of the cell's own and the one pooled over all cells of the same data set and size,
  with the pooled degrees of freedom: pooled, because the t with the 2 degrees of freedom of three
  runs tells nothing from anything; never below the cell's own, because cells differ in noise.

Runs of two cells are taken as independent even under equal seed numbers: nothing but a shared
parent model connects them, and that makes the interval of a difference too wide, never too narrow.
Documents are taken as independent of each other; near copies in one fold are not modelled.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ulmfit.store.files import digest

SIGNIFICANCE = 0.05
DRAWS = 10_000
FEWEST_SEEDS = 3

Wrong = NDArray[np.bool_]
"""(runs, documents): is this run wrong on this document?"""
Verdict = Literal["better", "worse", "not distinguished", "too few seeds"]


@dataclass(frozen=True)
class SeedNoise:
    """Variance of an error rate between runs that differ in their seeds, and its precision.

    ``degrees`` of freedom; 0 where nothing is known or nothing varies.
    """

    variance: float
    degrees: int


NO_NOISE = SeedNoise(0.0, 0)


@dataclass(frozen=True)
class Estimate:
    """A value with its 95 % interval; ``p`` two-sided against zero, if tested."""

    value: float
    low: float
    high: float
    p: float | None = None


def pool_noise(cells: Iterable[Sequence[float]]) -> SeedNoise:
    """Seed noise pooled over cells, each given by the error rates of its runs.

    The mean of the cells' variances, weighted by their degrees of freedom; cells with one run tell
    nothing.
    """
    rates = [np.asarray(cell, dtype=np.float64) for cell in cells if len(cell) > 1]
    degrees = sum(len(cell) - 1 for cell in rates)
    if degrees == 0:
        return NO_NOISE
    squares = sum(float(((cell - cell.mean()) ** 2).sum()) for cell in rates)
    return SeedNoise(squares / degrees, degrees)


def wilson(errors: int, n: int) -> tuple[float, float]:
    """Wilson score interval of the rate errors / n: chance of documents only (Wilson 1927)."""
    z = NormalDist().inv_cdf(1 - SIGNIFICANCE / 2)
    rate = errors / n
    centre = (rate + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(rate * (1 - rate) / n + z * z / (4 * n * n))
    return max(0.0, centre - half), min(1.0, centre + half)


def estimate_error(wrong: Wrong, noise: SeedNoise, key: Sequence[str]) -> Estimate:
    """Mean error of the runs ``wrong`` (runs, documents), for new documents and new seeds.

    A single run without known seed noise gets the Wilson interval, and so does, as far as it is
    wider, a cell that is always right or always wrong. ``key`` seeds the bootstrap.
    """
    runs, n = wrong.shape
    errors = int(wrong.sum())
    value = errors / (runs * n)
    by_documents = wilson(round(value * n), n)
    if runs == 1 and noise.degrees == 0:
        return Estimate(value, *by_documents)
    draws = value + _draw_deviations([(wrong, noise)], key)
    low, high = _interval(draws)
    if errors in (0, runs * n):
        low, high = min(low, by_documents[0]), max(high, by_documents[1])
    return Estimate(value, max(0.0, low), min(1.0, high))


def estimate_difference(
    wrong: Wrong,
    noise: SeedNoise,
    reference: Wrong,
    reference_noise: SeedNoise,
    key: Sequence[str],
) -> Estimate:
    """Mean error of a cell minus that of its reference on the same documents, column by column.

    A side without seed noise (a deterministic baseline: ``NO_NOISE``) contributes documents only.
    ``p`` is twice the smaller share of the draws on one side of zero, at least 2 / (draws + 1), so
    it agrees with the interval.
    """
    scale = len(wrong) * len(reference)
    errors = int(wrong.sum()) * len(reference) - int(reference.sum()) * len(wrong)
    value = errors / (scale * wrong.shape[1])
    draws = value + _draw_deviations([(wrong, noise), (reference, reference_noise)], key)
    low, high = _interval(draws)
    beyond = 1 + min(int((draws <= 0).sum()), int((draws >= 0).sum()))
    return Estimate(value, max(-1.0, low), min(1.0, high), min(1.0, 2 * beyond / (DRAWS + 1)))


def _draw_deviations(
    sides: Sequence[tuple[Wrong, SeedNoise]], key: Sequence[str]
) -> NDArray[np.float64]:
    """Draws (DRAWS,) of what chance adds to the mean error of a side, or to their difference."""
    generator = np.random.default_rng(int(digest(list(key)), 16))
    deviations = _draw_documents(sides, generator)
    for wrong, noise in sides:
        if noise.degrees:
            own = pool_noise([wrong.mean(axis=1).tolist()]).variance
            scale = math.sqrt(max(own, noise.variance) / len(wrong))
            deviations += scale * generator.standard_t(noise.degrees, DRAWS)
    return deviations


def _draw_documents(
    sides: Sequence[tuple[Wrong, SeedNoise]], generator: np.random.Generator
) -> NDArray[np.float64]:
    """The documents' share of the deviations, by multinomial weights on documents.

    Documents with equal numbers of errors on each side are interchangeable, so weights are drawn
    for the distinct differences instead of the documents: the same distribution, a few columns
    instead of thousands. The variance between runs already holds the chance of a run on a
    document (the interaction); it is taken out here, or it would count twice.
    """
    n = sides[0][0].shape[1]
    scale = math.prod(len(wrong) for wrong, _ in sides)
    total = np.zeros(n, dtype=np.int64)
    for sign, (wrong, _) in zip((1, -1), sides, strict=False):
        total += sign * (scale // len(wrong)) * wrong.sum(axis=0)
    levels, counts = np.unique(total, return_counts=True)
    weights = generator.multinomial(n, counts / n, size=DRAWS)
    deviations = np.asarray((weights @ levels) / (n * scale) - total.mean() / scale)
    variance = float(np.var(total / scale, ddof=1)) / n if n > 1 else 0.0
    interaction = sum(_interaction(wrong) for wrong, noise in sides if noise.degrees)
    if variance > 0:
        deviations *= math.sqrt(max(0.0, 1 - interaction / variance))
    return deviations


def _interaction(wrong: Wrong) -> float:
    """Variance that run-by-document noise gives the mean error; 0 for one run, where it hides."""
    runs, n = wrong.shape
    if runs < 2 or n < 2:
        return 0.0
    by_run, by_document = wrong.mean(axis=1, keepdims=True), wrong.mean(axis=0)
    residual = wrong - by_run - by_document + wrong.mean()
    return float((residual**2).sum() / ((runs - 1) * (n - 1)) / (runs * n))


def _interval(draws: NDArray[np.float64]) -> tuple[float, float]:
    low, high = np.quantile(draws, [SIGNIFICANCE / 2, 1 - SIGNIFICANCE / 2])
    return float(low), float(high)


def adjust_holm(p: Sequence[float]) -> list[float]:
    """Holm's step-down adjusted p-values, in the order given (Holm 1979)."""
    order = sorted(range(len(p)), key=lambda index: p[index])
    adjusted = [0.0] * len(p)
    highest = 0.0
    for rank, index in enumerate(order):
        highest = max(highest, min(1.0, (len(p) - rank) * p[index]))
        adjusted[index] = highest
    return adjusted


def verdict(low: float, high: float, p_holm: float | None, seeds: int | None) -> Verdict:
    """What a table may say of a difference of errors (negative is better) with its interval.

    ``seeds`` is the smaller number of runs of the two sides, deterministic baselines not counted
    (None if both are). Below :data:`FEWEST_SEEDS` nothing is claimed beyond the models at hand.
    A claim needs the adjusted p-value and the interval on its side.
    """
    if seeds is not None and seeds < FEWEST_SEEDS:
        return "too few seeds"
    if p_holm is None or p_holm >= SIGNIFICANCE:
        return "not distinguished"
    if high < 0:
        return "better"
    return "worse" if low > 0 else "not distinguished"


def mcnemar(wrong: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    """Exact two-sided McNemar test of two models on the same documents, (documents,) each.

    Describes this pair of models, not the methods that made them (McNemar 1947).
    """
    first = int((wrong & ~other).sum())
    discordant = first + int((~wrong & other).sum())
    # Integers until the division, so thousands of discordant documents neither overflow nor round.
    ways = tail = 1
    for k in range(min(first, discordant - first)):
        ways = ways * (discordant - k) // (k + 1)
        tail += ways
    return float(min(1.0, 2 * tail / 2**discordant))
