"""What a cell is made of: the numbers of the files, and clear lines for names that are unknown."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from synthetic_results import write_rows
from ulmfit import cli
from ulmfit.archiving import restore
from ulmfit.errors import UserError
from ulmfit.explanation import explain
from ulmfit.store.files import read_json


def row_of(results: Path, table: str, title: str) -> dict[str, str]:
    with open(results / "tables" / f"{table}.csv", newline="") as file:
        return next(row for row in csv.DictReader(file) if row["title"] == title)


def test_the_counts_of_the_runs_add_up_to_the_cell(study: Path) -> None:
    lines = explain(study, "main", "ULMFiT", "error")
    counts = [re.match(r"  seed (\d): (\d+) / (\d+) = ", line) for line in lines]
    found = [tuple(map(int, match.groups())) for match in counts if match]
    assert [seed for seed, _, _ in found] == [0, 1, 2]
    error = float(row_of(study, "main", "ULMFiT")["error"])
    assert sum(k for _, k, _ in found) / sum(n for _, _, n in found) == pytest.approx(error)
    assert lines[0] == f"error = {row_of(study, 'main', 'ULMFiT')['error']}"


def test_the_interval_is_that_of_the_table(study: Path) -> None:
    row = row_of(study, "main", "TF-IDF + logistic regression")
    text = "\n".join(explain(study, "main", "tfidf", "difference"))
    for column in ("error_low", "error_high", "difference", "difference_low", "difference_high"):
        assert row[column] in text
    assert row_of(study, "main", "ULMFiT")["error"] in text


def test_runs_are_told_with_card_log_and_recipe(study: Path) -> None:
    cell = next(
        cell
        for cell in read_json(study / "manifest.json")["experiments"][0]["cells"]
        if cell["variant"] == "from-scratch"
    )
    text = "\n".join(explain(study, "main", "from-scratch", "error"))
    for run in cell["runs"]:
        card = read_json(study / run / "card.json")
        assert f"classify {run}" in text
        assert f"recipe: {card['recipe_digest']}" in text
        assert card["weights_sha256"] in text
        assert str(study / "logs" / f"{run}.log") in text
    assert "commit: 0123456789abcdef0123456789abcdef01234567" in text
    assert "torch 2.13.0" in text
    assert "Synthetic CPU" in text
    assert f"optimizer.lr {card['recipe']['optimizer']['lr']}" in text
    assert "33" * 32 in text


def test_members_of_an_ensemble_are_told(study: Path) -> None:
    runs = {run["path"]: run for run in read_json(study / "manifest.json")["runs"]}
    text = "\n".join(explain(study, "ensembles", "4", "error"))
    members = [
        member for run in runs.values() if run["kind"] == "ensemble" for member in run["members"]
    ]
    assert members
    assert all(f"classify {member}" in text for member in members)


def test_the_choice_among_rows_is_told(study: Path) -> None:
    row = row_of(study, "main", "From scratch (better rate)")
    lines = explain(study, "main", "From scratch (better rate)", "error")
    chosen = [line for line in lines if line.startswith("  chosen: ")]
    assert len(chosen) == 1
    assert ("tuned" in chosen[0]) == ("tuned" in row["chosen"])


def test_evaluations_on_the_test_fold_are_told_where_it_is_shown(study: Path) -> None:
    shown = [line for line in explain(study, "sealed", "tfidf", "error") if "evaluations" in line]
    assert len(shown) == 1
    assert not any("evaluations" in line for line in explain(study, "main", "tfidf", "error"))


def test_where_lines_cross_all_sizes_of_the_one_and_the_other_are_told(
    changed: Callable[[], Path],
) -> None:
    results = changed()
    cells = {
        (cell["variant"], cell["n_labelled"]): cell["id"]
        for cell in read_json(results / "manifest.json")["experiments"][2]["cells"]
    }
    row = {
        **{"experiment": "low-shot", "dataset": "docstrings", "variant": "ulmfit"},
        **{"tokenizer": "word", "direction": "fwd", "n_labelled": "120.5"},
        **{"cell": cells["ulmfit", 100], "of_cell": cells["tfidf", 100]},
    }
    write_rows(results / "tables" / "crossings.csv", [row])
    told = [line for line in explain(results, "crossings", "2", "n_labelled") if "(docs" in line]
    wanted = [("ulmfit", 100), ("ulmfit", 2000), ("tfidf", 100)]
    assert {line.split("(")[-1].rstrip(")") for line in told} == {cells[key] for key in wanted}


@pytest.mark.parametrize(
    ("table", "row"),
    [
        ("runs", "2"),
        ("language_models", "2"),
        ("epochs", "2"),
        ("confusion", "2"),
        ("leakage", "2"),
    ],
)
def test_every_table_can_be_asked(study: Path, table: str, row: str) -> None:
    assert len(explain(study, table, row, "dataset")) > 2


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (("mian", "ULMFiT", "error"), "unknown table 'mian'; did you mean 'main'?"),
        (("main", "ULMFit", "error"), "unknown row 'ULMFit'; did you mean 'ULMFiT'?"),
        (("main", "ULMFiT", "eror"), "unknown column 'eror'; did you mean 'error'?"),
        (("low-shot", "ULMFiT", "error"), "2 rows are called 'ULMFiT': name a line: 2 (docstrings"),
    ],
)
def test_an_unknown_name_is_one_line(
    study: Path, names: tuple[str, ...], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["explain", *names, "--results", str(study)]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert told in lines[0]


def test_a_folder_without_tables_is_said(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="has no tables"):
        explain(tmp_path, "main", "ULMFiT", "error")


def test_a_table_that_is_older_than_its_runs_is_told(changed: Callable[[], Path]) -> None:
    results = changed()
    path = results / "tables" / "main.csv"
    path.write_text(path.read_text().replace(row_of(results, "main", "ULMFiT")["error"], "0.5"))
    assert any(
        "older than the runs" in line for line in explain(results, "main", "ULMFiT", "error")
    )


def test_a_restored_study_can_be_asked_too(study: Path, damaged: Path, tmp_path: Path) -> None:
    restore(damaged, tmp_path / "synthetic")
    for names in (("main", "ULMFiT", "error"), ("sealed", "tfidf", "error_low")):
        there = "\n".join(explain(tmp_path / "synthetic", *names))
        assert there.replace(str(tmp_path / "synthetic"), str(study)) == "\n".join(
            explain(study, *names)
        )
