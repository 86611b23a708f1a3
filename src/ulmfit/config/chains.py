"""From which trainings a run comes, first to last: what must be there before it can be."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ulmfit.config import paths
from ulmfit.config.plan import Plan
from ulmfit.config.runs import Run

MODELS = (
    ("pretrain", paths.PRETRAINED),
    ("finetune", paths.FINETUNED),
    ("classify", paths.CLASSIFIER),
)
"""Stages that train, in their order, and where their models lie."""


@dataclass(frozen=True)
class Step:
    """One training: its stage, its folder below the results, its recipe as canonical JSON."""

    stage: str
    folder: str
    recipe: str


def steps(plan: Plan, run: Run) -> Iterator[Step]:
    """The trainings behind a run, each after those that it starts from; none for a baseline.

    Those of an ensemble are its members', some of them several times.
    """
    for member in run.members:
        yield from steps(plan, member)
    if run.kind != "model":
        return
    for stage, pattern in MODELS:
        if run.fields[stage] != paths.NONE:
            yield Step(stage, pattern.format(**run.fields), plan.recipe(stage, run.fields))
