"""A report of an unfinished study says which lines are missing, and what they wait for."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from finished_study import finish

from synthetic_results import SyntheticResults
from ulmfit.evaluate.tables import make_tables
from ulmfit.report.paper import make_paper
from ulmfit.report.paper_content import paper_content
from ulmfit.report.results import Study, read_study
from ulmfit.report.sheets import experiment_sheet
from ulmfit.report.tables import escape as tables_escape
from ulmfit.report.tables import make_markdown
from ulmfit.report.tex import escape as tex_escape
from ulmfit.report.tex import make_tex
from ulmfit.report.unfinished import (
    gap_statements,
    make_gap_table,
    unfinished_sheet,
    unfinished_statement,
)
from ulmfit.store.files import read_json, write_json

WAITS = "LM fine-tuning (ft/somewhere), not begun"


@pytest.fixture
def unfinished(
    changed: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> tuple[Study, list[str], Path]:
    """A study whose last seed of each forward ULMFiT is not there, and no baseline."""
    monkeypatch.setattr("ulmfit.report.drawing.RESOLUTION", 20)
    results = changed()
    whole = read_json(results / "manifest.json")
    seeds = max(run["seed"] for run in whole["runs"])
    gone = [
        run["path"]
        for run in whole["runs"]
        if run["kind"] == "baseline"
        or (run["kind"], run["variant"], run["seed"]) == ("model", "ulmfit", seeds)
    ]
    part = {**whole, "experiments": []}
    part["runs"] = [run for run in whole["runs"] if run["path"] not in gone]
    for entry in whole["experiments"]:
        cells = [
            {**cell, "runs": [path for path in cell["runs"] if path not in gone]}
            for cell in entry["cells"]
        ]
        cells = [cell for cell in cells if cell["runs"] or cell["among"]]
        part["experiments"].append({**entry, "cells": cells})
    write_json(results / "finished.json", part)
    write_json(results / "manifest.json", {**whole, "waits": dict.fromkeys(gone, WAITS)})
    make_tables(results / "finished.json", results, results / "tables")
    return read_study(results / "manifest.json", results / "tables"), gone, results


def test_the_page_marks_what_is_missing(unfinished: tuple[Study, list[str], Path]) -> None:
    study, gone, results = unfinished
    html = finish(results).read_text(encoding="utf-8")
    runs = len(study.manifest["runs"])
    assert f"not finished: {runs - len(gone)} of {runs} runs are there" in html
    assert html.count("Not in this table, or not whole:") == len(study.experiments)
    assert html.count(WAITS) > len(gone)
    with open(results / "tables" / "main.csv", newline="") as file:
        assert "tfidf" not in {row["variant"] for row in csv.DictReader(file)}
    assert "TF-IDF + logistic regression" in html or "tfidf" in html


def test_each_missing_line_is_named_with_what_it_waits_for(
    unfinished: tuple[Study, list[str], Path],
) -> None:
    study, gone, _ = unfinished
    sheet = unfinished_sheet(study)
    assert sheet is not None
    assert [len(group) for group in sheet.groups] == [len(gone)]
    main = study.experiments[0]
    statements = gap_statements(study, main)
    seeds = len(study.manifest["seeds"]["runs"])
    assert any(f": 1 of {seeds} runs missing. Waits for {WAITS}." in text for text in statements)
    assert any(f": 1 of 1 run missing. Waits for {WAITS}." in text for text in statements)
    (reference,) = [row for row in main.rows if main.is_reference(row)]
    (line,) = [each for group in experiment_sheet(main).groups for each in group if each.strong]
    column = [item.heading for item in experiment_sheet(main).columns].index("Seeds")
    assert line.cells[column].text.startswith(f"{seeds - 1} of {seeds}")
    assert reference["seeds"] == str(seeds - 1)


def test_every_table_and_the_paper_mark_what_is_missing(
    unfinished: tuple[Study, list[str], Path],
) -> None:
    study, gone, results = unfinished
    manifest, tables = results / "manifest.json", results / "tables"
    make_markdown(manifest, tables)
    make_tex(manifest, tables)
    for experiment in study.experiments:
        told = gap_statements(study, experiment)
        assert told
        markdown = (tables / f"{experiment.name}.md").read_text(encoding="utf-8")
        latex = (tables / f"{experiment.name}.tex").read_text(encoding="utf-8")
        for statement in (*told, unfinished_statement(study)):
            assert tables_escape(statement) in markdown
            assert tex_escape(statement) in latex
    with open(make_gap_table(manifest, tables), newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["run"] for row in rows} == set(gone)
    assert {row["waits_for"] for row in rows} == {WAITS}
    cells = {(item.name, cell) for item in study.experiments for cell in item.cells}
    assert {(row["experiment"], row["cell"]) for row in rows} <= cells
    finish(results)
    content = paper_content(study, results, read_json(results / "provenance.json"), ())
    said = [block["text"] for block in content["abstract"] if block["kind"] == "gap"]
    assert unfinished_statement(study) in said
    shown = [
        block["text"]
        for section in content["sections"]
        for block in section["blocks"]
        if block["kind"] == "gap"
    ]
    assert set(shown) >= {
        text for experiment in study.experiments for text in gap_statements(study, experiment)
    }
    listed = [section["heading"] for section in content["appendix"]]
    assert "Runs that are not there" in listed


def test_the_paper_reads_what_lies_beside_its_manifest(
    unfinished: tuple[Study, list[str], Path], tmp_path: Path
) -> None:
    _, _, results = unfinished
    finish(results)
    beside = tmp_path / "so-far"
    for name in ("tables", "figures"):
        shutil.copytree(results / name, beside / name)
        shutil.rmtree(results / name)
    for name in ("manifest.json", "provenance.json"):
        (results / name).rename(beside / name)
    pdf = make_paper(beside / "manifest.json", results, beside / "report/paper.pdf")
    assert pdf.read_bytes().startswith(b"%PDF")


def test_a_sealed_fold_is_what_its_rows_wait_for(synthetic_results: SyntheticResults) -> None:
    study = read_study(synthetic_results.manifest, synthetic_results.tables)
    sealed = next(item for item in study.experiments if item.fold == "test")
    runs = tuple(run for run in study.runs if run["fold"] != "test")
    other = study.manifest["runs"][-1]["path"]
    told = replace(study, runs=runs, manifest={**study.manifest, "waits": {other: WAITS}})
    statements = gap_statements(told, replace(sealed, rows=()))
    assert len(statements) == len(sealed.cells)
    assert any("Waits for the test fold, which opens when every" in text for text in statements)


def test_a_finished_study_says_nothing(synthetic_results: SyntheticResults, reported: Path) -> None:
    study = read_study(synthetic_results.manifest, synthetic_results.tables)
    assert unfinished_statement(study) == ""
    assert unfinished_sheet(study) is None
    assert not any(gap_statements(study, experiment) for experiment in study.experiments)
    assert "ot finished" not in (reported / "report/report.html").read_text(encoding="utf-8")
