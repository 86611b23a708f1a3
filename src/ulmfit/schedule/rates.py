"""Learning rates over time (slanted triangular, constant) and over layers (discriminative)."""

from __future__ import annotations

import math
from collections.abc import Callable

from ulmfit.config.recipes import Schedule


def slanted_triangular(t: int, total: int, schedule: Schedule) -> float:
    """Share of the peak rate at update ``t`` of ``total``, counted from 0 (paper equation 3).

    Rises for the first ``cut_frac`` of the updates, then falls towards 1 / ``ratio``. The paper's
    denominators are zero below 1 / cut_frac updates and make the rate negative when the cut is
    not whole; at least one rising update and ``total - cut`` falling ones avoid both and change
    nothing elsewhere (ulmfit.md 3.2).
    """
    cut = max(math.floor(total * schedule.cut_frac), 1)
    p = t / cut if t < cut else 1 - (t - cut) / max(total - cut, 1)
    return (1 + p * (schedule.ratio - 1)) / schedule.ratio


def constant(t: int, total: int, schedule: Schedule) -> float:  # noqa: ARG001
    """1 at every update."""
    return 1.0


SCHEDULES: dict[str, Callable[[int, int, Schedule], float]] = {
    "stlr": slanted_triangular,
    "constant": constant,
}
"""Share of the peak rate as a function of (update, updates in all, recipe)."""


def discriminative(lr: float, decay: float, groups: int) -> list[float]:
    """Peak rate of each layer group, lowest first: ``lr / decay**k``, k groups below the top.

    Discriminative fine-tuning, paper section 3.2; the paper's decay is 2.6.
    """
    return [lr / decay**k for k in reversed(range(groups))]
