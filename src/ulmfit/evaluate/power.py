"""How many documents, or seeds, would tell a difference that was observed.

The power of the test behind the tables: a difference is told where it exceeds the half-width of its
interval (:mod:`ulmfit.evaluate.statistics`). The variance between runs is itself an estimate, so
the power is the mean over what it may come out as (chi squared); the one between documents is taken
as known. Both variances and the difference are those observed: a plan for the next study, not a
second look at this one.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache

import numpy as np
from numpy.typing import NDArray

from ulmfit.evaluate.statistics import FEWEST_SEEDS, SIGNIFICANCE, Chances

POWER = 0.8
MOST_DOCUMENTS = 10**9
MOST_SEEDS = 1000
PARTS = 400
"""Parts of equal probability that the distribution of a variance is cut into."""


def power(difference: float, chances: Chances) -> float:
    """Probability that a true difference is told, at the two-sided significance of the tables."""
    from scipy.special import ndtr, stdtrit

    spread = math.sqrt(chances.seeds + chances.documents)
    if spread == 0:
        return 1.0 if difference else 0.0
    quantile = 1 - SIGNIFICANCE / 2
    between_runs = stdtrit(chances.seed_degrees, quantile) ** 2 * chances.seeds
    between_documents = stdtrit(chances.document_degrees, quantile) ** 2 * chances.documents
    half = np.sqrt(between_runs * _shares(chances.seed_degrees) + between_documents)
    told = ndtr((abs(difference) - half) / spread) + ndtr((-abs(difference) - half) / spread)
    return float(told.mean())


def documents_needed(difference: float, chances: Chances) -> int | None:
    """Fewest documents that tell ``difference`` with :data:`POWER`, at the seeds there are.

    None if there is no difference, and where the chance of the seeds alone is too large for any
    number of documents (up to :data:`MOST_DOCUMENTS`).
    """
    lasting = chances.seeds - chances.interaction
    shrinking = chances.n * chances.interaction
    documents = chances.n * chances.documents

    def enough(n: int) -> bool:
        planned = Chances(
            lasting + shrinking / n,
            chances.seed_degrees,
            documents / n,
            max(1, n - 1),
            shrinking / n,
            n,
        )
        return power(difference, planned) >= POWER

    return _fewest(enough, 2, MOST_DOCUMENTS) if difference else None


def seeds_needed(difference: float, chances: Chances, seeds: int) -> int | None:
    """Fewest seeds a side that tell ``difference`` with :data:`POWER`, on the documents there are.

    ``seeds`` is the number there are. None if there is no difference, where no seed has a say (two
    deterministic baselines), and where no number of seeds (up to :data:`MOST_SEEDS`) is enough.
    """

    def enough(count: int) -> bool:
        planned = Chances(
            chances.seeds * seeds / count,
            chances.seed_degrees * (count - 1) / (seeds - 1),
            chances.documents,
            chances.document_degrees,
            chances.interaction * seeds / count,
            chances.n,
        )
        return power(difference, planned) >= POWER

    if not difference or not chances.seeds or seeds < 2:
        return None
    return _fewest(enough, FEWEST_SEEDS, MOST_SEEDS)


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
def _shares(degrees: float) -> NDArray[np.float64]:
    """What an estimated variance may be of the true one, (:data:`PARTS`,), equally probable."""
    from scipy.special import chdtri

    return np.asarray(chdtri(degrees, 1 - (np.arange(PARTS) + 0.5) / PARTS) / degrees)
