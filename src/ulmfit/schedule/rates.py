"""Learning rates over time (schedules) and over layers (discriminative)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from ulmfit.config.recipes import Optimizer, Schedule
from ulmfit.errors import UserError


def slanted_triangular(t: int, total: int, schedule: Schedule) -> float:
    """Share of the peak rate at update ``t`` of ``total``, counted from 0 (paper equation 3).

    Rises for the first ``cut_frac`` of the updates, then falls towards 1 / ``ratio``. The paper's
    denominators are zero below 1 / cut_frac updates and make the rate negative when the cut is
    not whole; at least one rising update and ``total - cut`` falling ones avoid both and change
    nothing elsewhere (ulmfit.md 3.2).
    """
    cut = max(math.floor(total * schedule.cut_frac), 1)
    p = t / cut if t < cut else 1 - (t - cut) / max(total - cut, 1)
    return _above_lowest(p, schedule)


def circular(t: int, total: int, schedule: Schedule) -> float:
    """Share of the peak rate as fastai 0.7's ``use_clr=(ratio, cut_div)`` has it (ulmfit.md 3.2).

    At least one rising update, where fastai divides by zero: below ``cut_div`` updates.
    """
    cut = max(total // schedule.cut_div, 1)
    p = t / cut if t <= cut else 1 - (t - cut) / (total - cut)
    return _above_lowest(p, schedule)


def _above_lowest(p: float, schedule: Schedule) -> float:
    return (1 + p * (schedule.ratio - 1)) / schedule.ratio


def cosine(t: int, total: int, schedule: Schedule) -> float:  # noqa: ARG001
    """Share of the peak rate as fastai 0.7's CosAnneal has it in one cycle (ulmfit.md 3.3).

    A hundredth in the first twentieth of the updates, then half a cosine, counted from update 0.
    """
    return 0.01 if t < total / 20 else (1 + math.cos(math.pi * t / total)) / 2


def one_cycle(t: int, total: int, schedule: Schedule) -> float:
    """Share of the peak rate, along cosines: up from 1 / ``ratio``, down to 1 / ``final_ratio``.

    Smith 2018; the phases of :class:`torch.optim.lr_scheduler.OneCycleLR`, but at least one update
    long on the way up, where torch starts behind the peak or divides by zero.
    """
    return _along_cycle(t, total, schedule, (1 / schedule.ratio, 1.0, 1 / schedule.final_ratio))


def _along_cycle(
    t: int, total: int, schedule: Schedule, values: tuple[float, float, float]
) -> float:
    """From the first value over the middle one at the peak to the last, along cosines."""
    first, middle, last = values
    peak = max(schedule.cut_frac * total - 1, 1.0)
    if t <= peak:
        return _anneal(first, middle, t / peak)
    return _anneal(middle, last, (t - peak) / (total - 1 - peak))


def _anneal(start: float, end: float, share: float) -> float:
    return end + (start - end) / 2 * (1 + math.cos(math.pi * share))


def constant(t: int, total: int, schedule: Schedule) -> float:  # noqa: ARG001
    """1 at every update."""
    return 1.0


SCHEDULES: dict[str, Callable[[int, int, Schedule], float]] = {
    "stlr": slanted_triangular,
    "clr": circular,
    "cosine": cosine,
    "one-cycle": one_cycle,
    "constant": constant,
}
"""Share of the peak rate as a function of (update, updates in all, recipe)."""


def at(t: int, total: int, schedule: Schedule) -> tuple[float, float | None]:
    """(share of the peak rate, Adam's beta1 or None for the optimizer's) at update ``t``.

    Only one-cycle moves beta1: from the first of ``momenta`` to the second and back. Every shape
    starts at its lowest rate, so a single update, which would train next to nothing there, is at
    the peak. From two updates on one is, but for the cosine, which begins to fall before it: of two
    it makes 0.01 and 0.5, as fastai.
    """
    cycles = schedule.kind == "one-cycle"
    ends, peak = schedule.momenta
    if total == 1:
        return 1.0, peak if cycles else None
    share = SCHEDULES[schedule.kind](t, total, schedule)
    return share, _along_cycle(t, total, schedule, (ends, peak, ends)) if cycles else None


def discriminative(lr: float, decay: float, groups: int) -> list[float]:
    """Peak rate of each layer group, lowest first: ``lr / decay**k``, k groups below the top.

    Discriminative fine-tuning, paper section 3.2; the paper's decay is 2.6.
    """
    return [lr / decay**k for k in reversed(range(groups))]


def peak_rates(optimizer: Optimizer, groups: Sequence[str]) -> tuple[float, ...]:
    """Peak rate of each of the named groups, lowest first; UserError if the list does not fit."""
    if optimizer.rates is None:
        return tuple(discriminative(optimizer.lr, optimizer.layer_decay, len(groups)))
    return one_for_each("optimizer.rates", optimizer.rates, groups)


def one_for_each(key: str, rates: tuple[float, ...], groups: Sequence[str]) -> tuple[float, ...]:
    """``rates`` if there is one for each group; UserError naming the ``key`` and both numbers."""
    if len(rates) != len(groups):
        raise UserError(
            f"{key}: {len(rates)} rates for {len(groups)} layer groups ({', '.join(groups)}): "
            "give one rate for each group, lowest first"
        )
    return rates
