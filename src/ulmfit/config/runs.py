"""What an experiment consists of: runs, each in a folder of its own, and rows of runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from ulmfit.config.study import Experiment

Fields = Mapping[str, str]
"""Wildcards of a path pattern."""


@dataclass(frozen=True)
class Run:
    """One trained and scored model, ensemble or baseline."""

    kind: str
    variant: str
    dataset: str
    tokenizer: str
    direction: str
    n_labelled: str
    seed: int
    pattern: str
    fields: Fields
    members: tuple[Run, ...] = ()

    @cached_property
    def path(self) -> str:
        """Folder of the run, relative to the results of the study."""
        return self.pattern.format(**self.fields)

    @property
    def cell(self) -> str:
        """Name of the table cell: a run without its seed."""
        # Ensembles of the same members may combine them differently, and others of the same
        # tokenizers and directions may differ in what their members inherit from the row.
        inherited = ("ensemble", "tokenizer", "direction")
        what = [self.fields[name] for name in inherited] if self.kind == "ensemble" else []
        return "/".join(
            (self.dataset, self.variant, self.tokenizer, self.direction, self.n_labelled, *what)
        )


@dataclass(frozen=True)
class PlannedCell:
    """A row of a table: its runs, or the cells among which the select fold decides."""

    id: str
    title: str
    variant: str
    dataset: str
    tokenizer: str
    direction: str
    n_labelled: str
    runs: tuple[Run, ...]
    among: tuple[PlannedCell, ...] = ()

    @property
    def kind(self) -> str:
        """``model``, ``ensemble`` or ``baseline``; ``choice`` where the select fold decides."""
        return self.runs[0].kind if self.runs else "choice"

    def answers_to(self, experiment: Experiment) -> bool:
        """Whether the reference of an experiment means this row: never an ensemble."""
        if self.kind == "ensemble" or self.variant != experiment.reference:
            return False
        usual = (experiment.tokenizer, experiment.direction)
        # Baselines have no tokenizer and no direction.
        return self.kind == "baseline" or (self.tokenizer, self.direction) == usual
