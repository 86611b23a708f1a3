"""What a report of an unfinished study says of its gaps: which lines, and what they wait for."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path

from ulmfit.config import paths
from ulmfit.report import wording
from ulmfit.report.gaps import Gap, gaps
from ulmfit.report.layout import Cell, Column, Line, Sheet
from ulmfit.report.results import Experiment, Study, read_study
from ulmfit.store.files import write_text

SEAL = "the test fold, which opens when every run is finished"
GAP_COLUMNS = ("experiment", "cell", "title", "planned", "missing", "run", "waits_for")
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
    found = []
    for gap in gaps(study, experiment):
        reasons = list(dict.fromkeys(why for _, why in _reasons(study, experiment, gap) if why))
        more = len(reasons) - NAMED
        rest = f"; and {more} more" if more > 0 else ""
        missing = f"{len(gap.runs)} of {wording.plural(gap.planned, 'run')} missing"
        found.append(
            f"{gap.title}: {missing}. Waits for {'; '.join(reasons[:NAMED])}{rest}."
            if reasons
            else gap.statement
        )
    return found


def make_gap_table(manifest: Path | str, tables: Path | str) -> Path:
    """Write ``unfinished.csv`` beside the tables of an unfinished study; returns its path.

    A line for each run that is missing from a line of a table, with what it waits for: other tables
    have no line for what is not there.
    """
    study = read_study(manifest, tables)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(GAP_COLUMNS)
    for experiment in study.experiments:
        for gap in gaps(study, experiment):
            for run, reason in _reasons(study, experiment, gap):
                facts = (experiment.name, gap.cell, gap.title, gap.planned, len(gap.runs))
                writer.writerow([*facts, run, reason])
    path = Path(tables) / f"{paths.UNFINISHED}.csv"
    write_text(path, text.getvalue())
    return path


def _reasons(study: Study, experiment: Experiment, gap: Gap) -> Iterator[tuple[str, str]]:
    """Each missing run of a line, and what it waits for; empty where nobody has looked."""
    waits = study.manifest.get("waits") or {}
    last = SEAL if experiment.fold == "test" and waits else ""
    yield from ((path, waits.get(path, last)) for path in gap.runs)


def unfinished_sheet(study: Study) -> Sheet | None:
    """Every run that is not there, and what it waits for first; None if the study is finished."""
    waits = study.manifest.get("waits") or {}
    if not waits:
        return None
    columns = ("Data set", "Labels", "Variant", "Tokenizer", "Direction", "Seed", "Waits for")
    numeric = ("Labels", "Seed")
    return Sheet(
        name=paths.UNFINISHED,
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
