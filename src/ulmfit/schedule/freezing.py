"""Which layer groups train in which epochs (paper section 3.3; ulmfit.md 3.4)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ulmfit.config.recipes import Classifier


@dataclass(frozen=True)
class Stage:
    """``epochs`` in which exactly the groups named in ``trainable`` receive gradients."""

    name: str
    trainable: tuple[str, ...]
    epochs: int


def gradual(groups: Sequence[str], recipe: Classifier) -> list[Stage]:
    """The top group alone, then one more group a stage from the top down, then all for the rest.

    With G groups there are G - 1 stages of ``unfreeze_epochs`` before the last one, which is when
    the lowest group joins in.
    """
    names = tuple(groups)
    top = len(names) - 1
    return [
        *(
            Stage(
                names[low] if low == top else f"+{names[low]}", names[low:], recipe.unfreeze_epochs
            )
            for low in range(top, 0, -1)
        ),
        Stage("all", names, recipe.epochs),
    ]


def unfrozen(groups: Sequence[str], recipe: Classifier) -> list[Stage]:
    """All groups from the first update on."""
    return [Stage("all", tuple(groups), recipe.epochs)]


PLANS: dict[str, Callable[[Sequence[str], Classifier], list[Stage]]] = {
    "gradual": gradual,
    "none": unfrozen,
}
"""Stages as a function of (names of the groups, lowest first; recipe)."""


def epochs_for(epochs: int, updates_per_epoch: int, min_steps: int) -> int:
    """``epochs``, or as many more as it takes to make ``min_steps`` updates."""
    return max(epochs, math.ceil(min_steps / updates_per_epoch))
