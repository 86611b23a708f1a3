"""What a study has planned and does not have yet is named, with the runs that it waits for."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import pytest

from synthetic_results import SyntheticResults
from ulmfit.errors import UserError
from ulmfit.report.gaps import gaps
from ulmfit.report.results import Study, read_study


def keep(path: Path, wanted) -> None:  # type: ignore[no-untyped-def]
    """Keep the lines of a table that a function wants."""
    with open(path, newline="") as file:
        reader = csv.DictReader(file)
        head, rows = reader.fieldnames, [row for row in reader if wanted(row)]
    with open(path, "w", newline="") as file:
        writer = csv.DictWriter(file, head or ())
        writer.writeheader()
        writer.writerows(rows)


@pytest.fixture
def tables(synthetic_results: SyntheticResults, tmp_path: Path) -> Path:
    return Path(shutil.copytree(synthetic_results.tables, tmp_path / "tables"))


@pytest.fixture
def read(synthetic_results: SyntheticResults, tables: Path):  # type: ignore[no-untyped-def]
    return lambda: read_study(synthetic_results.manifest, tables, partial=True)


def statements(study: Study) -> dict[str, list[str]]:
    return {item.name: [gap.statement for gap in gaps(study, item)] for item in study.experiments}


def test_a_finished_study_has_no_gaps(read) -> None:  # type: ignore[no-untyped-def]
    assert not any(statements(read()).values())


def test_a_missing_table_is_a_gap_for_each_of_its_lines(tables: Path, read) -> None:  # type: ignore[no-untyped-def]
    (tables / "ensembles.csv").unlink()
    found = statements(read())
    assert len(found.pop("ensembles")) == 3
    assert not any(found.values())


def test_a_missing_table_is_an_error_for_a_report_that_must_be_whole(
    synthetic_results: SyntheticResults, tables: Path
) -> None:
    (tables / "ensembles.csv").unlink()
    with pytest.raises(UserError, match="no such file"):
        read_study(synthetic_results.manifest, tables)


def test_a_line_without_its_runs_says_which_it_waits_for(tables: Path, read) -> None:  # type: ignore[no-untyped-def]
    keep(tables / "main.csv", lambda row: row["variant"] != "no-pretraining")
    keep(tables / "runs.csv", lambda row: row["variant"] != "no-pretraining" or row["seed"] == "0")
    (statement,) = statements(read())["main"]
    assert statement.startswith("No pretraining waits for 2 of 3 runs: clf/docstrings/")
    assert statement.count("clf/docstrings/") == 2


def test_a_line_of_fewer_seeds_than_planned_is_a_gap(tables: Path, read) -> None:  # type: ignore[no-untyped-def]
    path = tables / "main.csv"
    text = path.read_text().replace("No pretraining,word,fwd,3,", "No pretraining,word,fwd,2,")
    assert text != path.read_text()
    path.write_text(text)
    (statement,) = statements(read())["main"]
    assert statement.startswith("No pretraining ")


def test_lines_of_one_title_say_their_setting(tables: Path, read) -> None:  # type: ignore[no-untyped-def]
    keep(
        tables / "low-shot.csv",
        lambda row: (row["variant"], row["n_labelled"]) != ("from-scratch", "100"),
    )
    (statement,) = statements(read())["low-shot"]
    assert statement.startswith("From scratch (docstrings, 100 labels, word, forward)")
