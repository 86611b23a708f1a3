"""Uncertainty of error rates where runs (seeds) and documents are crossed.

Every run of a cell sees the same documents, so an error rate has two sources of chance: which
documents the fold drew and which seeds the runs drew. Each has a variance and an interval of its
own, Student's t, and the half-widths are joined as the sides of a right angle (the method of
variance estimates recovery, MOVER: Zou & Donner 2008), because few runs and many documents know
their variances so unequally well:

* seeds: variance between the runs over their number, one degree of freedom less than runs; for a
  difference the sum of both sides, with the degrees of freedom of Welch (1947);
* documents: variance of the documents' mean errors over their number, less the part that the
  variance between runs already holds (a run's chance on a document, the interaction).

The percentile interval of a crossed bootstrap is not used: it never leaves the range of the runs,
so where seeds matter more than documents, three runs cover far too rarely
(``tests/evaluate/test_coverage.py`` shows both). Nor is seed noise pooled over the cells of a
table: methods differ in noise, and what one row shows may not depend on which others stand beside
it.

Runs of two cells are taken as independent even under equal seed numbers: nothing but a shared
parent model connects them, and that makes the interval of a difference too wide, never too narrow.
Documents are taken as independent of each other; near copies in one fold are not modelled.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Literal

import numpy as np
from numpy.typing import NDArray

SIGNIFICANCE = 0.05
FEWEST_SEEDS = 3
SMALLEST_P = 1e-12
ROUNDING = 1e-15
"""A variance below this is rounding; one wrong document of a million makes more."""

Wrong = NDArray[np.bool_]
"""(runs, documents): is this run wrong on this document?"""
Verdict = Literal["better", "worse", "not distinguished", "too few seeds"]


@dataclass(frozen=True)
class Estimate:
    """A value with its 95 % interval; ``p`` two-sided against zero, if tested."""

    value: float
    low: float
    high: float
    p: float | None = None


def wilson(errors: float, n: int) -> tuple[float, float]:
    """Wilson score interval of the rate errors / n: chance of documents only (Wilson 1927).

    ``errors`` need not be whole: a rate that was printed rounded, or a mean over runs.
    """
    z = NormalDist().inv_cdf(1 - SIGNIFICANCE / 2)
    rate = errors / n
    centre = (rate + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(rate * (1 - rate) / n + z * z / (4 * n * n))
    return max(0.0, centre - half), min(1.0, centre + half)


def estimate_error(wrong: Wrong) -> Estimate:
    """Mean error of the runs ``wrong`` (runs, documents), for new documents and new seeds.

    A single run gets the Wilson interval, and so does, as far as it is wider, a cell that is always
    right or always wrong.
    """
    runs, n = wrong.shape
    errors = int(wrong.sum())
    value = errors / (runs * n)
    by_documents = wilson(round(value * n), n)
    if runs == 1:
        return Estimate(value, *by_documents)
    half = chances([(1.0, Side.of(wrong))]).half_width(SIGNIFICANCE)
    low, high = value - half, value + half
    if errors in (0, runs * n):
        low, high = min(low, by_documents[0]), max(high, by_documents[1])
    return Estimate(value, max(0.0, low), min(1.0, high))


def estimate_difference(wrong: Wrong, reference: Wrong) -> Estimate:
    """Mean error of a cell minus that of its reference on the same documents, column by column.

    A side with one run (a deterministic baseline) contributes documents only. ``p`` is the
    significance at which the interval touches zero, so the two agree.
    """
    scale = len(wrong) * len(reference)
    errors = int(wrong.sum()) * len(reference) - int(reference.sum()) * len(wrong)
    value = errors / (scale * wrong.shape[1])
    of_difference = chances([(1.0, Side.of(wrong)), (-1.0, Side.of(reference))])
    half = of_difference.half_width(SIGNIFICANCE)
    p = of_difference.significance(abs(value))
    return Estimate(value, max(-1.0, value - half), min(1.0, value + half), p)


def estimate_gap(ours: Estimate, published: float, n: int) -> Estimate:
    """Our error minus a published one that was measured on ``n`` other documents.

    The half-widths of both intervals are joined side by side, each to its own side (Newcombe 1998,
    method 10): the published number has the Wilson interval of its test set, and of its runs
    nothing is known.
    """
    low, high = wilson(published * n, n)
    value = ours.value - published
    return Estimate(
        value,
        value - math.hypot(ours.value - ours.low, high - published),
        value + math.hypot(ours.high - ours.value, published - low),
    )


@dataclass(frozen=True)
class Side:
    """What the chance of a cell's mean error rests on.

    ``by_document`` (documents,) mean error of the runs on each document; ``seeds`` the variance of
    the mean error over the runs, its degrees of freedom in ``degrees`` (0: one run, no such
    variance); ``interaction`` the part of it that is the runs' chance on single documents.
    """

    by_document: NDArray[np.float64]
    seeds: float
    degrees: int
    interaction: float

    @classmethod
    def of(cls, wrong: Wrong) -> Side:
        """The side of the runs ``wrong`` (runs, documents)."""
        runs = len(wrong)
        seeds = float(wrong.mean(axis=1).var(ddof=1)) / runs if runs > 1 else 0.0
        return cls(wrong.mean(axis=0), seeds, runs - 1, _interaction(wrong))


@dataclass(frozen=True)
class Chances:
    """Variances of a mean error, or of a sum of several, and their degrees of freedom.

    ``parts`` are those of ``seeds``, (variance, degrees of freedom) of each side with several runs;
    ``interaction`` is what more documents would make smaller of it; ``n`` documents stand behind
    all.
    """

    seeds: float
    seed_degrees: float
    documents: float
    document_degrees: float
    parts: tuple[tuple[float, int], ...]
    interaction: float
    n: int

    def half_width(self, significance: float) -> float:
        """Half the width of the interval that misses the truth with this probability."""
        from scipy.special import stdtrit

        quantile = 1 - significance / 2
        return math.sqrt(
            stdtrit(self.seed_degrees, quantile) ** 2 * self.seeds
            + stdtrit(self.document_degrees, quantile) ** 2 * self.documents
        )

    def significance(self, distance: float) -> float:
        """Significance whose interval has this half-width, at least :data:`SMALLEST_P`."""
        from scipy.optimize import brentq

        if distance == 0:
            return 1.0
        if self.half_width(SMALLEST_P) <= distance:
            return SMALLEST_P

        def beyond(logarithm: float) -> float:
            return self.half_width(math.exp(logarithm)) - distance

        return math.exp(brentq(beyond, math.log(SMALLEST_P), 0.0))


def chances(sides: Sequence[tuple[float, Side]]) -> Chances:
    """Chances of a sum of mean errors, each with its weight, on the same documents."""
    n = len(sides[0][1].by_document)
    seeds = [(weight**2 * side.seeds, side.degrees) for weight, side in sides if side.degrees]
    variance = sum(part for part, _ in seeds)
    welch = sum(part**2 / degrees for part, degrees in seeds)
    by_document = sum(weight * side.by_document for weight, side in sides)
    documents = float(np.var(by_document, ddof=1)) / n if n > 1 else 0.0
    interaction = sum(weight**2 * side.interaction for weight, side in sides)
    documents -= interaction
    return Chances(
        variance,
        variance**2 / welch if welch else 1.0,
        documents if documents > ROUNDING else 0.0,
        max(1, n - 1),
        tuple(seeds),
        min(interaction, variance),
        n,
    )


def _interaction(wrong: Wrong) -> float:
    """Variance that run-by-document noise gives the mean error; 0 for one run, where it hides."""
    runs, n = wrong.shape
    if runs < 2 or n < 2:
        return 0.0
    by_run, by_document = wrong.mean(axis=1, keepdims=True), wrong.mean(axis=0)
    residual = wrong - by_run - by_document + wrong.mean()
    return float((residual**2).sum() / ((runs - 1) * (n - 1)) / (runs * n))


def adjust_holm(p: Sequence[float]) -> list[float]:
    """Holm's step-down adjusted p-values, in the order given (Holm 1979)."""
    return [min(1.0, value) for value in _step_down(p)]


def holm_significance(p: Sequence[float]) -> list[float]:
    """The significance at which Holm's procedure tests each of these, in the order given.

    A p below it is one whose adjusted p is below :data:`SIGNIFICANCE`, and the reverse.
    """
    return [SIGNIFICANCE * value / up for value, up in zip(p, _step_down(p), strict=True)]


def _step_down(p: Sequence[float]) -> list[float]:
    order = sorted(range(len(p)), key=lambda index: p[index])
    adjusted = [0.0] * len(p)
    highest = 0.0
    for rank, index in enumerate(order):
        highest = max(highest, (len(p) - rank) * p[index])
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
