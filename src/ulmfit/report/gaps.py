"""What a study has planned and its tables do not show yet, and which runs that waits for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ulmfit.report import wording
from ulmfit.report.results import Experiment, Row, Study, number

NAMED = 3
"""So many runs are named; more are counted."""


@dataclass(frozen=True)
class Gap:
    """One planned line without all its numbers, and the runs (folders) that are not there yet."""

    experiment: str
    cell: str
    title: str
    runs: tuple[str, ...]
    planned: int

    @property
    def statement(self) -> str:
        """One sentence."""
        if not self.runs:
            return f"{self.title} is not in this table: make the tables again."
        named = ", ".join(self.runs[:NAMED])
        more = len(self.runs) - NAMED
        rest = f" and {wording.plural(more, 'more run', 'more runs')}" if more > 0 else ""
        return (
            f"{self.title} waits for {len(self.runs)} of "
            f"{wording.plural(self.planned, 'run')}: {named}{rest}."
        )


def gaps(study: Study, experiment: Experiment) -> list[Gap]:
    """Planned lines of an experiment that have no error, or rest on fewer runs than planned."""
    there = {run["path"] for run in study.runs if run["fold"] == experiment.fold}
    rows = {row["cell"]: row for row in experiment.rows}
    titles = [str(cell["title"]) for cell in experiment.cells.values()]
    found = []
    for name, cell in experiment.cells.items():
        planned = _planned(cell)
        row = rows.get(name)
        if row is None or number(row, "error") is None or _lacks_seeds(row, cell):
            title = str(cell["title"])
            several = titles.count(title) > 1
            found.append(
                Gap(
                    experiment.name,
                    name,
                    f"{title} ({_setting(cell)})" if several else title,
                    tuple(path for path in planned if path not in there),
                    len(planned),
                )
            )
    return found


def _planned(cell: Mapping[str, Any]) -> list[str]:
    cells = [cell, *(cell.get("among") or ())]
    return list(dict.fromkeys(path for each in cells for path in each.get("runs") or ()))


def _lacks_seeds(row: Row, cell: Mapping[str, Any]) -> bool:
    seeds = number(row, "seeds")
    planned = len(cell.get("runs") or ())
    return not cell.get("among") and seeds is not None and seeds < planned


def _setting(cell: Mapping[str, Any]) -> str:
    return ", ".join(
        (
            str(cell["dataset"]),
            wording.labels(str(cell["n_labelled"])),
            wording.tokenizer(str(cell["tokenizer"])),
            wording.direction(str(cell["direction"])),
        )
    )
