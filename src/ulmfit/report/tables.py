"""Markdown of every table of a study, beside its CSV."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from ulmfit.report.fact_sheets import language_model_sheet
from ulmfit.report.layout import Line, Sheet
from ulmfit.report.leakage import leakage_sheet
from ulmfit.report.measures import crossing_sheet, measure_sheet, row_cost_sheet
from ulmfit.report.orderings import orderings_sheet
from ulmfit.report.results import Study, read_study
from ulmfit.report.sheets import experiment_sheet
from ulmfit.report.unfinished import gap_statements, unfinished_sheet, unfinished_statement
from ulmfit.store.files import write_text


def make_markdown(manifest: Path | str, tables: Path | str) -> list[Path]:
    """Write Markdown for each experiment and each table of facts that readers see into ``tables``.

    ``tables`` holds the CSV tables that the stage `evaluate` wrote. Returns the files written, in
    the order of the manifest; raises UserError if a table is missing or damaged.
    """
    written = []
    for sheet in standing_alone(read_study(manifest, tables)):
        path = Path(tables) / f"{sheet.name}.md"
        write_text(path, markdown(sheet))
        written.append(path)
    return written


def standing_alone(study: Study) -> list[Sheet]:
    """The sheet of each experiment, of the language models and of the duplicates.

    A file stands alone, so each experiment says what the seeds are; the report says it once. Where
    the study is not finished, every sheet says so, each experiment names its lines that are missing
    and what they wait for, and one more sheet, ``unfinished``, lists the runs.
    """
    statement = study.manifest["seeds"].get("statement")
    sheets = [
        _noted(experiment_sheet(experiment), [statement or "", *gap_statements(study, experiment)])
        for experiment in study.experiments
    ]
    # Of a study of baselines this one is empty: the workflow expects the file.
    sheets += [language_model_sheet(study), measure_sheet(study)]
    sheets += [crossing_sheet(study), row_cost_sheet(study), orderings_sheet(study)]
    if study.leakage:
        sheets.append(leakage_sheet(study.leakage))
    missing = unfinished_sheet(study)
    if missing is None:
        return sheets
    return [*(_noted(sheet, [unfinished_statement(study)]) for sheet in sheets), missing]


def _noted(sheet: Sheet, notes: Iterable[str]) -> Sheet:
    return replace(sheet, notes=(*sheet.notes, *filter(None, notes)))


def markdown(sheet: Sheet) -> str:
    """A sheet as a GitHub-flavoured Markdown table with title, caption and notes."""
    lines = [
        f"### {escape(sheet.title)}",
        "",
        escape(sheet.caption),
        "",
        _row(column.heading for column in sheet.columns),
        _row("---:" if column.numeric else "---" for column in sheet.columns),
        *(_markdown_line(line) for group in sheet.groups for line in group),
    ]
    for note in sheet.notes:
        lines += ["", escape(note)]
    return "\n".join(lines) + "\n"


def escape(text: str) -> str:
    """Text that Markdown shows as it is: one line, no markup, no HTML, no table border."""
    text = " ".join(text.split())
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*_\[\]|~])", r"\\\1", text)


def _markdown_line(line: Line) -> str:
    texts = [escape(cell.text) for cell in line.cells]
    return _row(f"**{text}**" if line.strong and text else text for text in texts)


def _row(texts: Iterable[str]) -> str:
    return "| " + " | ".join(texts) + " |"
