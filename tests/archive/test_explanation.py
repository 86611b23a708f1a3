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
from ulmfit.evaluate.cells import Study
from ulmfit.explanation import Place, derive_cell, explain, same
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


FACTS = ("before_test", "calibration", "confusion", "epochs", "hardest", "pairs", "runs")
"""Tables of many lines that are alike: some of them are asked for."""


def test_every_number_of_every_table_is_what_its_terms_give(study: Path) -> None:
    read = Study(study / "manifest.json", study)
    told: set[tuple[str, str]] = set()
    for path in sorted((study / "tables").glob("*.csv")):
        with open(path, newline="") as file:
            rows = list(csv.DictReader(file))
        for line in range(0, len(rows), max(1, len(rows) // 6) if path.stem in FACTS else 1):
            for column, value in rows[line].items():
                derived = derive_cell(read, Place(path, line + 2, rows[line], column))
                where = (path.stem, line + 2, column, value, derived)
                if derived is None:
                    assert not re.fullmatch(r"-?\d+(\.\d+)?(e-\d+)?", value), where
                else:
                    assert same(value, derived.value), where
                    assert derived.lines, where
                    told |= {(path.stem, column)} if value else set()
    wanted = ("macro_f1", "ece", "brier", "n_needed", "seeds_needed", "p_holm", "error_unique")
    assert {("main", column) for column in (*wanted, "published_low", "p_mcnemar")} - told <= {
        ("main", "p_mcnemar")
    }
    costs = ("wall_s", "cpu_s", "parameters_trained")
    assert {("costs", column) for column in costs} <= told
    assert {("crossings", column) for column in ("n_labelled", "low", "high")} & told


def sums(lines: list[str]) -> list[float]:
    """What the sums give that lines show as ``(a + b) / n``."""
    found = [re.search(r"\(([\d.e+ -]+)\) / (\d+) = ", line) for line in lines]
    terms = [(match[1].split(" + "), int(match[2])) for match in found if match]
    return [sum(map(float, parts)) / count for parts, count in terms]


@pytest.mark.parametrize("column", ["macro_f1", "ece", "brier"])
def test_the_terms_that_are_shown_add_up_to_the_cell(study: Path, column: str) -> None:
    lines = explain(study, "main", "ULMFiT", column)
    value = float(row_of(study, "main", "ULMFiT")[column])
    assert sums(lines)[-1] == pytest.approx(value, abs=1e-6)
    assert f"  gives {value!r}" in lines
    assert not any("wrong" in line or "interval" in line for line in lines)


def test_the_bins_that_are_shown_add_up_to_the_calibration_error(study: Path) -> None:
    lines = explain(study, "main", "ULMFiT", "ece")
    n = int(row_of(study, "main", "ULMFiT")["n"])
    bins = [re.search(r": (\d+) x \|([\d.]+) - ([\d.]+)\| = ", line) for line in lines]
    parts = [(int(match[1]), float(match[2]), float(match[3])) for match in bins if match]
    assert sum(count for count, _, _ in parts) == 3 * n
    value = sum(count * abs(right - sure) for count, right, sure in parts) / (3 * n)
    assert value == pytest.approx(float(row_of(study, "main", "ULMFiT")["ece"]), abs=1e-6)


def test_what_a_row_costs_is_the_sum_of_its_stages_cards(study: Path) -> None:
    with open(study / "tables/costs.csv", newline="") as file:
        line, row = next(
            (number, row)
            for number, row in enumerate(csv.DictReader(file), start=2)
            if row["title"] == "ULMFiT, fwd+bwd" and row["experiment"] == "ensembles"
        )
    text = explain(study, "costs", str(line), "wall_s")
    runs = [re.match(r"  seed \d: (.*) = [\d.]+  ensembles/", each) for each in text]
    cards = [re.findall(r"([\d.]+) \((\w+)\)", match[1]) for match in runs if match]
    assert [[stage for _, stage in run] for run in cards] == [["classify", "classify"]] * 3
    total = sum(float(value) for run in cards for value, _ in run)
    assert total / 3 == pytest.approx(float(row["wall_s"]))


def test_the_documents_that_are_needed_are_the_fewest_with_the_power(study: Path) -> None:
    with open(study / "tables/main.csv", newline="") as file:
        rows = list(enumerate(csv.DictReader(file), start=2))
    line, row = next((line, row) for line, row in rows if row["n_needed"])
    text = explain(study, "main", str(line), "n_needed")
    found = [re.match(r"    (\d+) documents: power ([\d.]+)", each) for each in text]
    powers = {int(match[1]): float(match[2]) for match in found if match}
    n = int(row["n_needed"])
    assert powers[n - 1] < 0.8 <= powers[n]


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


@pytest.mark.parametrize("column", ["macro_f1", "brier", "n_unique", "ece"])
def test_any_number_that_is_older_than_its_runs_is_told(
    changed: Callable[[], Path], column: str
) -> None:
    results = changed()
    path = results / "tables" / "main.csv"
    with open(path, newline="") as file:
        rows = list(csv.DictReader(file))
    write_rows(path, [{**row, column: "0.123"} for row in rows])
    older = [
        line for line in explain(results, "main", "ULMFiT", column) if "older than the runs" in line
    ]
    assert older == ["  The table says 0.123: it is older than the runs, make it again."]


def test_a_restored_study_can_be_asked_too(study: Path, damaged: Path, tmp_path: Path) -> None:
    restore(damaged, tmp_path / "synthetic")
    for names in (("main", "ULMFiT", "error"), ("sealed", "tfidf", "error_low")):
        there = "\n".join(explain(tmp_path / "synthetic", *names))
        assert there.replace(str(tmp_path / "synthetic"), str(study)) == "\n".join(
            explain(study, *names)
        )
