"""What a report of an unfinished study says of its gaps: which lines, and what they wait for."""

from __future__ import annotations

from ulmfit.report import wording
from ulmfit.report.gaps import gaps
from ulmfit.report.layout import Cell, Column, Line, Sheet
from ulmfit.report.results import Experiment, Study

SEAL = "the test fold, which opens when every run is finished"
NAMED = 1
"""So many things that a line waits for are named; more are counted."""


def unfinished_statement(study: Study) -> str:
    """How much of the study is there; empty if it is finished."""
    waits = study.manifest.get("waits") or {}
    if not waits:
        return ""
    runs = len(study.manifest["runs"])
    return (
        f"This study is not finished: {runs - len(waits)} of {wording.plural(runs, 'run')} are "
        "there. Tables and figures show these alone. Lines may still change as seeds are added, "
        "and Holm's p as lines are; the test fold opens when every run is finished."
    )


def gap_statements(study: Study, experiment: Experiment) -> list[str]:
    """One sentence for each planned line of a table without all its runs, and what it waits for."""
    waits = study.manifest.get("waits") or {}
    found = []
    for gap in gaps(study, experiment):
        last = SEAL if experiment.fold == "test" and waits else ""
        reasons = list(dict.fromkeys(filter(None, (waits.get(path, last) for path in gap.runs))))
        more = len(reasons) - NAMED
        rest = f"; and {more} more" if more > 0 else ""
        missing = f"{len(gap.runs)} of {wording.plural(gap.planned, 'run')} missing"
        found.append(
            f"{gap.title}: {missing}. Waits for {'; '.join(reasons[:NAMED])}{rest}."
            if reasons
            else gap.statement
        )
    return found


def unfinished_sheet(study: Study) -> Sheet | None:
    """Every run that is not there, and what it waits for first; None if the study is finished."""
    waits = study.manifest.get("waits") or {}
    if not waits:
        return None
    columns = ("Data set", "Labels", "Variant", "Tokenizer", "Direction", "Seed", "Waits for")
    numeric = ("Labels", "Seed")
    return Sheet(
        name="unfinished",
        title="Runs that are not there",
        caption="Runs that are not there yet, and what each of them waits for first.",
        columns=tuple(Column(name, name in numeric) for name in columns),
        groups=(
            tuple(
                Line(
                    (
                        Cell(run["dataset"]),
                        Cell(wording.count(run["n_labelled"]), str(run["n_labelled"])),
                        Cell(run["title"]),
                        Cell(wording.tokenizer(run["tokenizer"])),
                        Cell(wording.direction(run["direction"])),
                        Cell(str(run["seed"]), str(run["seed"])),
                        Cell(waits[run["path"]]),
                    )
                )
                for run in study.manifest["runs"]
                if run["path"] in waits
            ),
        ),
    )
