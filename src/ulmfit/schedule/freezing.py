"""Which layer groups train in which epochs (paper section 3.3; ulmfit.md 3.4)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ulmfit.config.recipes import Classifier
from ulmfit.errors import UserError


@dataclass(frozen=True)
class Stage:
    """``epochs`` in which exactly the groups named in ``trainable`` receive gradients."""

    name: str
    trainable: tuple[str, ...]
    epochs: int


def gradual(groups: Sequence[str], recipe: Classifier) -> list[Stage]:
    """The top group alone, then one more group a stage from the top down, then all for the rest.

    With G groups there are G - 1 stages of ``unfreeze_epochs`` before the last one, which is when
    the lowest group joins in; UserError if they leave it no epoch.
    """
    names = tuple(groups)
    top = len(names) - 1
    rest = recipe.epochs - top * recipe.unfreeze_epochs
    if rest < 1:
        raise UserError(
            f"gradual unfreezing takes {top} x {recipe.unfreeze_epochs} of {recipe.epochs} epochs "
            "and leaves none to train all groups: raise epochs or lower unfreeze_epochs"
        )
    return [
        *(
            Stage(
                names[low] if low == top else f"+{names[low]}", names[low:], recipe.unfreeze_epochs
            )
            for low in range(top, 0, -1)
        ),
        Stage("all", names, rest),
    ]


def unfrozen(groups: Sequence[str], recipe: Classifier) -> list[Stage]:
    """All groups from the first update on."""
    return [Stage("all", tuple(groups), recipe.epochs)]


PLANS: dict[str, Callable[[Sequence[str], Classifier], list[Stage]]] = {
    "gradual": gradual,
    "none": unfrozen,
}
"""Stages as a function of (names of the groups, lowest first; recipe)."""


def stretch(epochs: int, updates_per_epoch: int, min_steps: int) -> int:
    """Whole number by which all epochs are multiplied so that a run makes ``min_steps`` updates."""
    return max(1, math.ceil(min_steps / (epochs * updates_per_epoch)))
