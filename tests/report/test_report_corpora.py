"""Tables, figures and paper of a study that is pretrained on two corpora tell them apart."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from finished_study import finish

from synthetic_results import SyntheticResults, write_synthetic_results
from ulmfit.config.paths import DUPLICATES
from ulmfit.evaluate.tables import make_tables
from ulmfit.report.background import texts
from ulmfit.report.fact_sheets import language_model_sheet
from ulmfit.report.leakage import leakage_sheet, leakage_statements
from ulmfit.report.palette import looks
from ulmfit.report.recipes import departures
from ulmfit.report.results import Study, read_study
from ulmfit.report.series import perplexity_panels
from ulmfit.store.files import read_json, write_json
from ulmfit.store.tables import write_table


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> SyntheticResults:
    """The invented study with a second corpus, of which the third document of a fold has a copy."""
    results = tmp_path_factory.mktemp("study") / "synthetic"
    made = write_synthetic_results(results, tables=False, second_corpus=True)
    path = results / DUPLICATES.format(dataset="docstrings", corpus="wiki")
    table = pd.read_parquet(path)
    write_table(path, table.assign(in_corpus=table.groupby("fold").cumcount() == 2))
    _parents(results, read_json(made.manifest))
    make_tables(made.manifest, results, made.tables)
    return made


def _parents(results: Path, manifest: dict[str, Any]) -> None:
    """Cards name what their models were trained from, as those of trainings do."""
    places = [model["path"] for model in manifest["language_models"]]
    for path in [*places, *(run["path"] for run in manifest["runs"] if run["kind"] == "model")]:
        card = read_json(results / path / "card.json")
        stage, *parts = path.split("/")
        if stage == "lm":
            continue
        dataset, corpus, tokenizer, direction, pretrain, finetune, n_text, *_ = parts
        seeds = parts[-1].removeprefix("s").split("-")
        parent = f"lm/{corpus}/{tokenizer}/{direction}/{pretrain}/s{seeds[0]}"
        if stage == "clf" and finetune != "none":
            head = f"ft/{dataset}/{corpus}/{tokenizer}/{direction}/{pretrain}/{finetune}"
            parent = f"{head}/{n_text}/s{seeds[0]}-{seeds[1]}"
        elif pretrain == "none":
            continue
        card["parents"] = [{"path": parent}]
        write_json(results / path / "card.json", card)


@pytest.fixture(scope="module")
def study(written: SyntheticResults) -> Study:
    return read_study(written.manifest, written.tables)


def rows(written: SyntheticResults, name: str) -> list[dict[str, str]]:
    with open(written.tables / f"{name}.csv", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_documents_without_copies_are_those_of_all_corpora_that_a_table_reads(
    written: SyntheticResults,
) -> None:
    main = {row["cell"]: row for row in rows(written, "main")}
    both = {row["cell"]: row for row in rows(written, "corpora")}
    shared = main.keys() & both.keys()
    assert shared
    for cell in shared:
        assert int(main[cell]["n_unique"]) == int(main[cell]["n"]) - 2
        assert main[cell]["error"] == both[cell]["error"]
    assert {int(row["n"]) - int(row["n_unique"]) for row in both.values()} == {3}


def test_copies_are_told_for_no_row_while_one_corpus_is_not_counted(
    written: SyntheticResults, tmp_path: Path
) -> None:
    manifest = read_json(written.manifest)
    manifest["leakage"] = [entry for entry in manifest["leakage"] if entry["corpus"] != "wiki"]
    write_json(tmp_path / "manifest.json", manifest)
    make_tables(tmp_path / "manifest.json", written.results, tmp_path / "tables")
    again = SyntheticResults(written.results, tmp_path / "manifest.json", tmp_path / "tables")
    assert {row["n_unique"] for row in rows(again, "corpora")} == {""}
    assert all(row["n_unique"] for row in rows(again, "main"))


def test_the_comparison_of_two_corpora_is_one_row_of_a_table(written: SyntheticResults) -> None:
    (row,) = [row for row in rows(written, "corpora") if row["variant"] == "on-wiki"]
    assert row["difference"]
    assert row["verdict"]


def test_what_no_corpus_has_part_in_stands_once_in_the_table_of_duplicates(study: Study) -> None:
    (lines,) = leakage_sheet(study.leakage).groups
    counted = [line.cells[1].text for line in lines]
    assert len(set(counted)) == len(counted)
    assert {"Repeats within the corpus library-docs", "Repeats within the corpus wiki"} <= set(
        counted
    )
    (sentence,) = leakage_statements(study.leakage)
    assert sentence.count("both train and test") == 1
    assert sentence.count("report documents") == 1


def test_language_models_of_one_text_and_two_corpora_are_told_apart(study: Study) -> None:
    sheet = language_model_sheet(study)
    names = [
        tuple(cell.text for cell in line.cells[:6]) for group in sheet.groups for line in group
    ]
    assert len(set(names)) == len(names)
    shown = {name[2] for name in names}
    assert {"docstrings (after library-docs)", "docstrings (after wiki)", "docstrings"} <= shown
    panels = perplexity_panels(study, looks(study.variants()))
    tuned = [item for panel in panels if "fine-tuning" in panel.title for item in panel.series]
    labels = [item.label for item in tuned]
    assert len(set(labels)) == len(labels)
    assert any(label.endswith("after wiki") for label in labels)
    # Three seeds each: no line of the figure has the curves of two models.
    assert {len(item.seeds) for item in tuned} == {3}


def test_the_paper_says_that_a_variant_has_another_corpus(
    study: Study, written: SyntheticResults
) -> None:
    _, changed = departures(study, written.results)
    (found,) = [item for item in changed if item.title == "Pretrained on Wikipedia"]
    corpus = [item for item in found.differences if item.key == "corpus"]
    assert [(item.stage, item.reference, item.value) for item in corpus] == [
        ("pretraining", "library-docs", "wiki")
    ]
    (without,) = [item for item in changed if item.title == "No pretraining"]
    assert [item.key for item in without.differences if item.stage == "pretraining"] == [
        "whole stage"
    ]


def test_report_and_paper_name_both_corpora(study: Study, written: SyntheticResults) -> None:
    named = [(item["role"], item["title"]) for item in texts(study, written.results)]
    assert named == [
        ("dataset", "Docstring sections"),
        ("corpus", "Library documentation"),
        ("corpus", "Wikipedia"),
    ]
    finish(written.results)
    html = (written.results / "report" / "report.html").read_text(encoding="utf-8")
    assert "docstrings after wiki" in html
    assert "Repeats within the corpus wiki" in html
    provenance = read_json(written.results / "provenance.json")
    assert {"docstrings", "library-docs", "wiki"} == provenance["texts"].keys()
