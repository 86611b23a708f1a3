"""The report: one HTML file that needs nothing but itself, set like a paper.

It shows what the tables, figures, cards, logs and ``provenance.json`` of a study say, and documents
that were hard. Everything in them is escaped; a content policy allows no script but the page's own
and no request at all. The script sorts tables and opens what a link leads to; all can be read
without it.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ulmfit.errors import UserError
from ulmfit.report import wording
from ulmfit.report.background import environment, headline, texts
from ulmfit.report.captions import write_captions
from ulmfit.report.dossiers import behind, dossiers, line_anchor
from ulmfit.report.fact_sheets import (
    confusion_sheets,
    cost_sheet,
    disk_sheet,
    language_model_sheet,
    run_sheet,
)
from ulmfit.report.findings import findings
from ulmfit.report.foreign import visible
from ulmfit.report.layout import Sheet
from ulmfit.report.leakage import leakage_sheet, leakage_statements
from ulmfit.report.limits import limits, sealed_fold_statement
from ulmfit.report.measures import crossing_sheet, measure_sheet, row_cost_sheet
from ulmfit.report.orderings import orderings_sheet
from ulmfit.report.recipes import departures, used_recipes
from ulmfit.report.results import Experiment, Study, read_study
from ulmfit.report.sheets import experiment_sheet
from ulmfit.report.svg import inline_svg
from ulmfit.report.unfinished import gap_statements, unfinished_sheet, unfinished_statement
from ulmfit.store.files import read_json, write_text

TEMPLATES = Path(__file__).parent / "templates"
VERDICTS = {"better": "better", "worse": "worse", "reference": "reference"}
"""Verdicts with a colour of their own; any other is grey."""


def make_report(manifest: Path | str, results: Path | str, output: Path | str) -> Path:
    """Write the report of a study.

    ``manifest`` lies beside ``tables/``, ``figures/`` (see
    :func:`ulmfit.report.figures.make_figures`) and ``provenance.json``; ``results`` is
    ``results/<study>`` with the runs and ``output`` the HTML file. Raises UserError if one of them
    is missing or damaged. Captions for the report of Snakemake go into ``captions`` beside it.
    """
    results, beside = Path(results), Path(manifest).parent
    study = read_study(manifest, beside / "tables")
    provenance = read_json(beside / "provenance.json")
    figures = _figures(beside / "figures")
    write_captions(study, figures, Path(output).parent / "captions")
    write_text(output, _render(_context(study, results, provenance, figures)))
    return Path(output)


def _context(
    study: Study,
    results: Path,
    provenance: Mapping[str, Any],
    figures: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    reference, differences = departures(study, results)
    return {
        "manifest": study.manifest,
        "provenance": provenance,
        "unfinished": unfinished_sheet(study),
        "unfinished_statement": unfinished_statement(study),
        "facts_of_study": headline(study, provenance),
        "findings": findings(study.experiments, study.crossings),
        "experiments": [
            {
                "experiment": experiment,
                "sheet": _linked(experiment_sheet(experiment), experiment),
                "behind": behind(study, experiment),
                "gaps": gap_statements(study, experiment),
                "figures": [item for item in figures if item["experiment"] == experiment.name],
                "confusion": confusion_sheets(study, experiment),
            }
            for experiment in study.experiments
        ],
        "language_models": language_model_sheet(study) if study.language_models else None,
        "measures": _with_lines(measure_sheet(study)),
        "crossings": _with_lines(crossing_sheet(study)),
        "orderings": _with_lines(orderings_sheet(study)),
        "row_costs": _with_lines(row_cost_sheet(study)),
        "across": [item for item in figures if item["kind"] == "labels" and not item["experiment"]],
        "perplexity": [item for item in figures if item["kind"] == "perplexity"],
        "curves": [item for item in figures if item["kind"] == "curves"],
        "leakage": leakage_sheet(study.leakage) if study.leakage else None,
        "leakage_statements": leakage_statements(study.leakage),
        "texts": texts(study, results),
        "reference": reference,
        "departures": differences,
        "recipes": used_recipes(study, results),
        "test_statement": sealed_fold_statement(study, provenance),
        "cost": cost_sheet(provenance["cost"]) if provenance["cost"] else None,
        "disk": disk_sheet(provenance["disk_bytes"]),
        "environment": environment(provenance),
        "runs": run_sheet(study),
        "dossiers": dossiers(study, results),
        "limits": limits(study, provenance),
    }


def _with_lines(sheet: Sheet) -> Sheet | None:
    return sheet if any(sheet.groups) else None


def _linked(sheet: Sheet, experiment: Experiment) -> Sheet:
    """The table of an experiment with a link from each line to the runs behind it."""
    return replace(
        sheet,
        groups=tuple(
            tuple(
                replace(line, link=line_anchor(experiment, row))
                for line, row in zip(lines, rows, strict=True)
            )
            for lines, rows in zip(sheet.groups, experiment.groups(), strict=True)
        ),
    )


def _render(context: Mapping[str, Any]) -> str:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    jinja = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=lambda value: (
            visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value
        ),
        trim_blocks=True,
        lstrip_blocks=True,
    )
    # A number each time it is asked, so that tables and figures count in the order of the page.
    numbers: dict[str, int] = {}

    def numbered(kind: str) -> str:
        numbers[kind] = numbers.get(kind, 0) + 1
        return f"{kind} {numbers[kind]}"

    jinja.tests["digest"] = lambda text: re.fullmatch("[0-9a-f]{12,}", text) is not None
    script = (TEMPLATES / "sort.js").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    jinja.globals.update(
        numbered=numbered,
        script=script,
        script_sha256=digest,
        css=(TEMPLATES / "report.css").read_text(encoding="utf-8"),
        verdict=lambda text: VERDICTS.get(text, "open"),
        count=wording.count,
        plural=wording.plural,
    )
    return jinja.get_template("report.html").render(context)


def _figures(folder: Path) -> list[dict[str, Any]]:
    """Entries of ``figures.json`` with the drawing itself, safe to put in the page."""
    from markupsafe import Markup

    entries = read_json(folder / "figures.json")
    if not all({"name", "kind", "experiment", "title", "caption"} <= set(item) for item in entries):
        raise UserError(f"{folder / 'figures.json'} is damaged: make the figures again")
    return [
        {
            **item,
            "svg": Markup(inline_svg(folder / f"{item['name']}.svg", item["name"], item["title"])),
        }
        for item in entries
    ]
