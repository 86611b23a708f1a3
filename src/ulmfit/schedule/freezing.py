"""Which layer groups train when, and how fast (paper section 3.3; ulmfit.md 3.4, 3.5)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ulmfit.config.recipes import Classifier, Freezing, LanguageModel, Schedule
from ulmfit.errors import UserError
from ulmfit.schedule.rates import one_for_each, peak_rates


@dataclass(frozen=True)
class Stage:
    """``epochs`` in which exactly the groups named in ``trainable`` receive gradients.

    ``rates`` are the peak rates of all groups, lowest first, the frozen ones included.
    """

    name: str
    trainable: tuple[str, ...]
    epochs: int
    rates: tuple[float, ...]
    schedule: Schedule


Steps = list[tuple[str, tuple[str, ...]]]
"""Names of successive stages, and of the groups that train in them."""
ALL = "all"


def gradual(groups: tuple[str, ...], freezing: Freezing) -> Steps:
    """The top group alone, then one more group a stage from the top down, then all.

    UserError if ``freezing.depth`` asks for more stages than there are groups above the lowest.
    """
    top = len(groups) - 1
    depth = top if freezing.depth is None else freezing.depth
    if depth > top:
        raise UserError(
            f"freezing.depth: {depth} stages before the last, and {len(groups)} layer groups "
            f"({', '.join(groups)}) allow at most {top}"
        )
    return [
        *(
            (groups[low] if low == top else f"+{groups[low]}", groups[low:])
            for low in range(top, top - depth, -1)
        ),
        (ALL, groups),
    ]


def unfrozen(groups: tuple[str, ...], freezing: Freezing) -> Steps:  # noqa: ARG001
    """All groups from the first update on."""
    return [(ALL, groups)]


def last(groups: tuple[str, ...], freezing: Freezing) -> Steps:  # noqa: ARG001
    """The top group alone, always."""
    return [(groups[-1], groups[-1:])]


def chain_thaw(groups: tuple[str, ...], freezing: Freezing) -> Steps:  # noqa: ARG001
    """The top group, then each other one alone from the lowest up, then all (Felbo et al. 2017)."""
    alone = (groups[-1], *groups[:-1])
    return [*((name, (name,)) for name in alone), (ALL, groups)]


PLANS: dict[str, Callable[[tuple[str, ...], Freezing], Steps]] = {
    "gradual": gradual,
    "none": unfrozen,
    "last": last,
    "chain-thaw": chain_thaw,
}
"""Steps as a function of (names of the groups, lowest first; recipe)."""


def stages(groups: Sequence[str], recipe: LanguageModel | Classifier) -> list[Stage]:
    """What a recipe does with the named groups, lowest first, stage by stage.

    Each stage but the last has ``freezing.epochs``, the last one the rest. UserError if that is
    none, if a list of rates does not fit the groups, or if stages have a schedule of their own or
    restore weights although one curve and one Adam are to span the run.
    """
    names, freezing = tuple(groups), recipe.freezing
    steps = PLANS[freezing.plan](names, freezing)
    before = len(steps) - 1
    rest = recipe.epochs - before * freezing.epochs
    if rest < 1:
        raise UserError(
            f"freezing: plan {freezing.plan} takes {before} x {freezing.epochs} of {recipe.epochs} "
            "epochs and leaves none for its last stage: raise epochs or lower freezing.epochs"
        )
    own = freezing.schedule
    if before and own is not None and "run" in (own.scope, recipe.schedule.scope):
        raise UserError(
            "freezing.schedule: stages with a schedule of their own need scope stage, "
            "in schedule and in freezing.schedule"
        )
    if before and freezing.reload_best and recipe.schedule.scope == "run":
        raise UserError(
            "freezing.reload_best: with schedule.scope run, Adam's moments of the weights left "
            "behind would move the restored ones: set schedule.scope to stage"
        )
    rates = peak_rates(recipe.optimizer, names)
    final = rates
    if freezing.final_rates is not None:
        final = one_for_each("freezing.final_rates", freezing.final_rates, names)
    early = tuple(rate * freezing.lr_factor for rate in rates)
    *first, (name, trainable) = steps
    return [
        *(Stage(*step, freezing.epochs, early, own or recipe.schedule) for step in first),
        Stage(name, trainable, rest, final, recipe.schedule),
    ]


def group_names(recipe: LanguageModel | Classifier) -> tuple[str, ...]:
    """Names of the layer groups of a recipe's model, lowest first (ulmfit.md 2.8)."""
    lstms = tuple(f"lstm{k}" for k in range(recipe.architecture.layers))
    if isinstance(recipe, Classifier):
        return ("embedding", *lstms, "head")
    return (*lstms, "decoder")


def stretch(epochs: int, updates_per_epoch: int, min_steps: int) -> int:
    """Whole number by which all epochs are multiplied so that a run makes ``min_steps`` updates."""
    return max(1, math.ceil(min_steps / (epochs * updates_per_epoch)))
