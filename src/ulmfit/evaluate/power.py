"""How many documents, or seeds, would tell a difference that was observed.

The power of the test behind the tables: a difference is told where it exceeds the half-width of its
interval (:mod:`ulmfit.evaluate.statistics`). The variances between runs are themselves estimates of
few runs, and so are the degrees of freedom of their sum: the power is the mean over what they may
come out as (chi squared). The variance between documents is taken as known. All of them, and the
difference, are those observed: a plan for the next study, not a second look at this one.

The power is asked for at the significance of the test that the table makes, Holm's: 5 % or less,
by the other p-values of the table, which are taken as observed like everything else. At 5 % for
each comparison alone, a number could come out that the study has had already without telling the
difference. At 5 % divided by the number of comparisons, as several endpoints are planned before any
is seen, it would be out of proportion to the verdict beside it: of three seeds, Student's t is so
long there that differences which the table tells would ask for many times its documents.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

from ulmfit.evaluate.statistics import FEWEST_SEEDS, SIGNIFICANCE, Chances

POWER = 0.8
MOST_DOCUMENTS = 10**9
MOST_SEEDS = 1000
DRAWS = {1: 400, 2: 60}
"""Equally probable values that each variance takes, by how many are estimated."""

Parts = Sequence[tuple[float, int]]
"""(variance, degrees of freedom) between the runs of each side that has several."""


def power(
    difference: float,
    parts: Parts,
    documents: float,
    document_degrees: float,
    significance: float = SIGNIFICANCE,
) -> float:
    """Probability that a true difference is told, at a two-sided significance.

    ``documents`` is the variance of the difference over documents.
    """
    from scipy.special import ndtr, stdtrit

    parts = [(variance, degrees) for variance, degrees in parts if variance > 0]
    spread = math.sqrt(sum(variance for variance, _ in parts) + documents)
    if spread == 0:
        return 1.0 if difference else 0.0
    quantile = 1 - significance / 2
    between = stdtrit(document_degrees, quantile) ** 2 * documents
    if parts:
        drawn = [variance * _shares(degrees, len(parts)) for variance, degrees in parts]
        grid = np.meshgrid(*drawn, indexing="ij")
        seeds = sum(grid)
        welch = sum(each**2 / degrees for each, (_, degrees) in zip(grid, parts, strict=True))
        between = between + stdtrit(seeds**2 / welch, quantile) ** 2 * seeds
    half = np.sqrt(between)
    told = ndtr((abs(difference) - half) / spread) + ndtr((-abs(difference) - half) / spread)
    return float(np.mean(told))


def documents_needed(
    difference: float, chances: Chances, significance: float = SIGNIFICANCE
) -> int | None:
    """Fewest documents that tell ``difference`` with :data:`POWER`, at the seeds there are.

    None if there is no difference, and where the chance of the seeds alone is too large for any
    number of documents (up to :data:`MOST_DOCUMENTS`).
    """

    def enough(n: int) -> bool:
        return power_of_documents(difference, chances, n, significance) >= POWER

    return _fewest(enough, 2, MOST_DOCUMENTS) if difference else None


def power_of_documents(
    difference: float, chances: Chances, n: int, significance: float = SIGNIFICANCE
) -> float:
    """The power that ``n`` documents would have, at the seeds there are."""
    share = chances.n / n
    lasting = chances.seeds - chances.interaction
    left = (lasting + chances.interaction * share) / chances.seeds if chances.seeds else 0.0
    parts = [(variance * left, degrees) for variance, degrees in chances.parts]
    return power(difference, parts, chances.documents * share, max(1, n - 1), significance)


def seeds_needed(
    difference: float, chances: Chances, significance: float = SIGNIFICANCE
) -> int | None:
    """Fewest seeds a side that tell ``difference`` with :data:`POWER`, on the documents there are.

    None if there is no difference, where no seed has a say (two deterministic baselines), and where
    no number of seeds (up to :data:`MOST_SEEDS`) is enough.
    """

    def enough(count: int) -> bool:
        return power_of_seeds(difference, chances, count, significance) >= POWER

    return _fewest(enough, FEWEST_SEEDS, MOST_SEEDS) if difference and chances.seeds else None


def power_of_seeds(
    difference: float, chances: Chances, count: int, significance: float = SIGNIFICANCE
) -> float:
    """The power that ``count`` seeds a side would have, on the documents there are."""
    parts = [(variance * (degrees + 1) / count, count - 1) for variance, degrees in chances.parts]
    documents, degrees = chances.documents, chances.document_degrees
    return power(difference, parts, documents, degrees, significance)


def _fewest(enough: Callable[[int], bool], least: int, most: int) -> int | None:
    """Smallest number that is enough, by bisection; more is never less."""
    if not enough(most):
        return None
    low, high = least - 1, most
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


@cache
def _shares(degrees: int, parts: int) -> NDArray[np.float64]:
    """What an estimated variance may be of the true one, equally probable."""
    from scipy.special import chdtri

    count = DRAWS[parts]
    return np.asarray(chdtri(degrees, 1 - (np.arange(count) + 0.5) / count) / degrees)
