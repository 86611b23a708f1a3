"""What the paper says, in order, as plain data: the template sets it, and adds no word."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ulmfit.report import paper_prose as prose
from ulmfit.report import wording
from ulmfit.report.background import environment, headline, texts
from ulmfit.report.fact_sheets import confusion_sheets, cost_sheet, language_model_sheet
from ulmfit.report.findings import Finding, findings, telling_crossing
from ulmfit.report.gaps import gaps
from ulmfit.report.layout import Sheet
from ulmfit.report.leakage import leakage_sheet, leakage_statements
from ulmfit.report.limits import limits, sealed_fold_statement
from ulmfit.report.measures import crossing_sheet, measure_sheet, row_cost_sheet
from ulmfit.report.orderings import orderings_sheet
from ulmfit.report.paper_sheets import (
    method_sheet,
    other_recipes_sheet,
    published_sheet,
    settings_sheet,
    text_sheet,
)
from ulmfit.report.recipes import departures, used_recipes
from ulmfit.report.references import cited
from ulmfit.report.results import Experiment, Study
from ulmfit.report.sheets import experiment_sheet
from ulmfit.report.unfinished import gap_statements, unfinished_sheet, unfinished_statement
from ulmfit.report.verdicts import verdict_sentence

Block = dict[str, Any]
Section = dict[str, Any]
Entry = Mapping[str, Any]
FLUSH: Block = {"kind": "flush"}
"""Tables and figures of the sections before stand before what follows."""
NAMES = ("Experiment", "Data set", "Labels", "Variant", "Label", "Model", "Text", "Line", "Setting")
"""Headings of columns that name a line, wherever a table is too wide for one part."""
LATER = ("perplexity", "curves", "calibration")
"""Kinds of figures that the appendix shows."""
CODE = ("Recipe", "Setting")
"""Headings of columns whose cells are code."""
LABELS = "Labels needed (each interval for its pair alone, without Holm's correction):"
"""What stands before the sentences on where rows cross."""


def paper_content(
    study: Study,
    results: Path,
    provenance: Mapping[str, Any],
    figures: Sequence[Entry],
) -> dict[str, Any]:
    """The paper as ``templates/paper.typ`` reads it: title, facts, abstract, sections, appendix."""
    said = findings(study.experiments, study.crossings)
    content: dict[str, Any] = {
        "title": study.manifest["title"],
        "facts": headline(study, provenance),
        "footer": f"Study {study.manifest['study']}",
        "abstract": _abstract(study, said),
        "sections": [
            _section("Question", _question(study)),
            _section("Method", _method(study, results)),
            _section("Data", _data(study, results)),
            _section("Results", _overview(study)),
            *(_experiment(study, item, said, figures) for item in study.experiments),
            *_across(study, figures),
            _section("Published numbers", [FLUSH, *_published(study)]),
            _section("Cost", _cost(study, provenance)),
            _section("Limits", [_list(limits(study, provenance))]),
            _section("Reproducibility", _reproducibility(study, provenance)),
        ],
        "appendix": _appendix(study, results, figures),
    }
    works: Block = {"kind": "references", "items": cited(content)}
    content["sections"].append(_section("References", [works]))
    return content


def _abstract(study: Study, said: Sequence[Finding]) -> list[Block]:
    blocks = [_text(study.manifest.get("description") or prose.QUESTION)]
    tested = [item.name for item in study.experiments if item.fold == "test"]
    first = said[:1]
    sealed = [item for item in said[1:] if item.experiment in tested][:1]
    for finding in (*first, *sealed):
        blocks += _finding(finding)
    if telling := telling_crossing(study):
        blocks.append({"kind": "finding", "label": LABELS, "text": telling})
    blocks += [_text(verdict_sentence(study.experiments))] if said else []
    missing = sum(len(gaps(study, item)) for item in study.experiments)
    if unfinished := unfinished_statement(study):
        blocks.append(_gap(unfinished))
    if missing:
        blocks.append(
            _gap(
                f"{wording.plural(missing, 'line')} of the tables "
                f"{'waits' if missing == 1 else 'wait'} for runs that are not there yet; the "
                "sections name them."
            )
        )
    return blocks


def _question(study: Study) -> list[Block]:
    asked = [
        f"{item.title}." + (f" {item.caption}" if item.caption else "")
        for item in study.experiments
    ]
    return [_text(prose.QUESTION), *([_list(asked)] if asked else [])]


def _method(study: Study, results: Path) -> list[Block]:
    reference, changed = departures(study, results)
    preset = study.manifest.get("preset", {})
    table = [_table(method_sheet(reference, changed), below=True)] if changed else []
    blocks = [_text(prose.VARIANTS), *_see(table), *table]
    if preset.get("title"):
        about = f"{preset['title']}. {preset.get('description') or ''}".strip()
        blocks.append(_labelled("Preset.", about))
    blocks += [_labelled("Folds.", prose.FOLDS), _labelled("Uncertainty.", prose.UNCERTAINTY)]
    if study.crossings:
        blocks.append(_labelled("Labels needed.", prose.CROSSINGS))
    blocks.append(_labelled("Calibration.", prose.CALIBRATION))
    if statement := study.manifest["seeds"].get("statement"):
        blocks.append(_labelled("Seeds.", statement))
    return blocks


def _data(study: Study, results: Path) -> list[Block]:
    blocks = [_table(text_sheet(study, results), below=True)] if study.manifest["texts"] else []
    blocks = [*_see(blocks), *blocks]
    for text in texts(study, results):
        terms = dict(text["terms"].lines)
        said = [
            f"Citation: {terms.get('citation') or _origin(text['packages'])}.",
            f"Licence: {terms.get('licence') or 'none is registered'}.",
        ]
        blocks.append(_labelled(f"{text['title']} ({text['role']}).", " ".join(said)))
    if study.leakage:
        blocks.append(_labelled("Duplicates.", " ".join(leakage_statements(study.leakage))))
    return blocks or [_gap("No text is listed in the manifest.")]


def _origin(packages: Mapping[str, str]) -> str:
    """What stands for a citation where none is registered."""
    if not packages:
        return "none is registered"
    named = wording.listing(f"{name} {version}" for name, version in packages.items())
    return f"nothing beyond the installed packages whose documentation the text is: {named}"


def _overview(study: Study) -> list[Block]:
    named = any(item.references for item in study.experiments)
    return [
        _text(
            "Sentences are seen from the reference, the line in bold that the others are compared "
            "with; differences are in percentage points, and a bound below zero points the other "
            "way."
            if named
            else "No experiment names a line to compare with; its tables stand for themselves."
        )
    ]


def _experiment(
    study: Study,
    experiment: Experiment,
    said: Sequence[Finding],
    figures: Sequence[Entry],
) -> Section:
    blocks = []
    for finding in said:
        if finding.experiment == experiment.name:
            blocks += _finding(finding)
    blocks += [_gap(statement) for statement in gap_statements(study, experiment)]
    shown = [_table(_titled(experiment_sheet(experiment)))] if experiment.rows else []
    shown += [
        _figure(item)
        for item in figures
        if item["experiment"] == experiment.name and item["kind"] not in LATER
    ]
    return _section(experiment.title, [*blocks, *_see(shown), *shown], 2)


def _titled(sheet: Sheet) -> Sheet:
    return replace(sheet, caption=f"{sheet.title}. {sheet.caption}")


def _across(study: Study, figures: Sequence[Entry]) -> list[Section]:
    """Tables and figures of all experiments together that have no section of their own."""
    drawn = [
        _figure(item) for item in figures if not item["experiment"] and item["kind"] not in LATER
    ]
    drawn += _tables(crossing_sheet(study), measure_sheet(study))
    return [_section("All experiments", [*_see(drawn), *drawn], 2)] if drawn else []


def _published(study: Study) -> list[Block]:
    sheet = published_sheet(study.experiments)
    quotes = any(item.quoted for item in study.experiments)
    shown = [*([_table(sheet)] if sheet else []), *_tables(orderings_sheet(study))]
    if sheet is not None:
        said = prose.PUBLISHED
    elif quotes:
        said = "Notes under the tables quote other systems that the paper quotes."
    else:
        said = "No line of this study is one whose error the paper printed."
    return [_text(said), *_see(shown), *shown]


def _cost(study: Study, provenance: Mapping[str, Any]) -> list[Block]:
    blocks = [_table(cost_sheet(provenance["cost"]))] if provenance["cost"] else []
    blocks += _tables(row_cost_sheet(study))
    return [*_see(blocks), *blocks] or [_gap("No training left a card that says what it cost.")]


def _reproducibility(study: Study, provenance: Mapping[str, Any]) -> list[Block]:
    blocks = [_labelled("Test fold.", sealed_fold_statement(study, provenance))]
    code = provenance["code"]
    if not code["commit"]:
        blocks.append(_text(prose.CODE_NAMES_NOBODY))
    elif code["dirty"]:
        blocks.append(
            _gap(f"Tracked files differ from commit {code['commit']}: it does not name this code.")
        )
    if statement := study.manifest["seeds"].get("statement"):
        blocks.append(_labelled("Seeds.", statement))
    blocks += [_text(prose.ENVIRONMENT), _facts(environment(provenance).lines)]
    return blocks


def _appendix(study: Study, results: Path, figures: Sequence[Entry]) -> list[Section]:
    recipes = used_recipes(study, results)
    settings = [
        _table(sheet)
        for sheet in (settings_sheet(recipes), other_recipes_sheet(recipes))
        if sheet is not None
    ]
    sections = [
        _section(
            "Hyperparameters",
            settings or [_gap("The recipes of this study are not among its results.")],
        )
    ]
    if study.language_models:
        sheet = language_model_sheet(study)
        sections.append(_section("Language models", [_table(sheet)]))
    drawn = [_figure(item) for item in figures if item["kind"] in LATER]
    if drawn:
        sections.append(_section("Training and calibration", drawn))
    # One line may be the reference of several experiments.
    confusion = dict.fromkeys(
        sheet for item in study.experiments for sheet in confusion_sheets(study, item)
    )
    if confusion:
        tables = [_table(sheet, f"confusion-{place}") for place, sheet in enumerate(confusion)]
        sections.append(_section("Confusion of classes", tables))
    if study.leakage:
        sections.append(_section("Duplicates", [_table(leakage_sheet(study.leakage))]))
    if (missing := unfinished_sheet(study)) is not None:
        sections.append(_section("Runs that are not there", [_table(missing)]))
    sections.append(_section("Sources", _sources(study, results)))
    return sections


def _sources(study: Study, results: Path) -> list[Block]:
    blocks: list[Block] = []
    for text in texts(study, results):
        blocks.append(_labelled(f"{text['title']} ({text['role']} {text['name']}).", ""))
        lines = [
            *text["source"].lines,
            *((f"folds: {name}", value) for name, value in text["folds"].lines),
        ]
        blocks.append(_facts(lines) if lines else _gap("Its source is not among the results."))
    return blocks


def _finding(finding: Finding) -> list[Block]:
    blocks = [{"kind": "finding", "label": "", "text": finding.lead}]
    for comparison in finding.comparisons:
        verdict = comparison.verdict or "no verdict"
        label = f"{verdict[:1].upper()}{verdict[1:]}:"
        text = f"{'; '.join(comparison.clauses)}."
        blocks.append({"kind": "finding", "label": label, "text": text})
    if finding.crossings:
        text = " ".join(finding.crossings)
        blocks.append({"kind": "finding", "label": LABELS, "text": text})
    return blocks


def _section(heading: str, blocks: Sequence[Block], level: int = 1) -> Section:
    return {"heading": heading, "level": level, "blocks": list(blocks)}


def _text(text: str) -> Block:
    return {"kind": "text", "text": text}


def _labelled(label: str, text: str) -> Block:
    return {"kind": "labelled", "label": label, "text": text}


def _list(items: Iterable[str]) -> Block:
    return {"kind": "list", "items": list(items)}


def _facts(lines: Iterable[tuple[str, str]]) -> Block:
    return {"kind": "facts", "lines": [list(line) for line in lines]}


def _gap(text: str) -> Block:
    return {"kind": "gap", "text": text}


def _see(shown: Sequence[Block]) -> list[Block]:
    """Where to look: the tables and figures of a section, which float."""
    ids = [item["sheet"]["id"] if item["kind"] == "table" else item["id"] for item in shown]
    return [{"kind": "see", "ids": ids}] if ids else []


def _figure(entry: Entry) -> Block:
    return {
        "kind": "figure",
        "id": f"figure-{entry['picture']}",
        "picture": entry["picture"],
        "title": entry["title"],
        "caption": entry["caption"],
    }


def _tables(*sheets: Sheet) -> list[Block]:
    """Those that have lines."""
    return [_table(sheet) for sheet in sheets if any(sheet.groups)]


def _table(sheet: Sheet, name: str = "", *, below: bool = False) -> Block:
    """A table; ``below`` keeps it from the head of a page, where the abstract is."""
    headings = [column.heading for column in sheet.columns]
    named = [place for place, heading in enumerate(headings[:4]) if heading in NAMES]
    return {
        "kind": "table",
        "sheet": {
            "id": f"table-{name or sheet.name or sheet.title}",
            "title": sheet.title,
            "below": below,
            "caption": sheet.caption,
            "columns": [
                {
                    "heading": column.heading,
                    "numeric": column.numeric,
                    "code": column.heading in CODE,
                }
                for column in sheet.columns
            ],
            "names": max(named, default=0) + 1,
            "groups": [
                [
                    {
                        "strong": line.strong,
                        "cells": [{"text": cell.text, "share": cell.share} for cell in line.cells],
                    }
                    for line in group
                ]
                for group in sheet.groups
            ],
            "notes": list(sheet.notes),
        },
    }
