"""Markdown of the tables: the whole text of one, and what must never break it."""

from __future__ import annotations

from pathlib import Path

import pytest
from crowded_study import HOSTILE, write_crowded_study

from synthetic_results import SyntheticResults, write_synthetic_results
from ulmfit.config.paths import READ_TABLES
from ulmfit.errors import UserError
from ulmfit.report.layout import Cell, Column, Line, Sheet
from ulmfit.report.results import read_study
from ulmfit.report.tables import escape, make_markdown, markdown

GOLDEN = """\
### Ablation \\| first

Errors on the report fold: word tokens.

| Variant | n | Error % | 95 % interval | Verdict |
| --- | ---: | ---: | ---: | --- |
| **ULMFiT** | **4,000** | **36.5** | **\\[35.0, 38.0\\]** | **reference** |
| From \\*scratch\\* |  | 47.7 | \\[46.1, 49.3\\] | worse |
| TF-IDF | 4,000 | 44.0 |  | not distinguished |

One seed &lt; three.
"""


def test_a_sheet_becomes_exactly_this_markdown() -> None:
    columns = (
        Column("Variant"),
        *(Column(name, True) for name in ("n", "Error %", "95 % interval")),
        Column("Verdict"),
    )
    lines = [
        Line(_cells("ULMFiT", "4,000", "36.5", "[35.0, 38.0]", "reference"), strong=True),
        Line(_cells("From *scratch*", "", "47.7", "[46.1, 49.3]", "worse")),
        Line(_cells("TF-IDF", "4,000", "44.0", "", "not distinguished")),
    ]
    sheet = Sheet(
        "main",
        "Ablation | first",
        "Errors on the report fold: word tokens.",
        columns,
        ((lines[0], lines[1]), (lines[2],)),
        ("One seed < three.",),
    )
    assert markdown(sheet) == GOLDEN


def _cells(*texts: str) -> tuple[Cell, ...]:
    return tuple(Cell(text) for text in texts)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> SyntheticResults:
    written = write_synthetic_results(tmp_path_factory.mktemp("markdown") / "synthetic")
    make_markdown(written.manifest, written.tables)
    return written


def test_every_table_has_its_markdown_and_nothing_else_is_written(
    results: SyntheticResults,
) -> None:
    names = ["main", "ensembles", "low-shot", "sealed", *READ_TABLES]
    assert sorted(path.stem for path in results.tables.glob("*.md")) == sorted(names)


def test_markdown_shows_the_numbers_of_the_csv(results: SyntheticResults) -> None:
    text = (results.tables / "main.md").read_text(encoding="utf-8")
    study = read_study(results.manifest, results.tables)
    rows = study.experiments[0].rows
    lines = [line for line in text.splitlines() if line.startswith("|")]
    head, body = [name.strip() for name in lines[0].strip("|").split(" | ")], lines[2:]
    assert len(body) == len(rows)
    for line, row in zip(body, rows, strict=True):
        cells = [cell.strip(" *") for cell in line.strip("|").split(" | ")]
        shown = dict(zip(head, cells, strict=True))
        assert float(shown["Error %"]) == pytest.approx(100 * float(row["error"]), abs=0.0501)
        assert shown["n"] == row["n"]
        assert shown["Seeds"] == row["seeds"]
        # As the paper prints it, whatever its digits.
        assert shown["Published %"] == (study.experiments[0].cells[row["cell"]]["published"] or "")
        if row["difference"]:
            difference = float(shown["Difference"].replace("−", "-"))
            assert difference == pytest.approx(100 * float(row["difference"]), abs=0.0501)
            assert shown["Verdict"] == row["verdict"]
        else:
            assert shown["Verdict"] == "reference"


def test_a_line_that_stands_for_the_better_of_two_says_which(results: SyntheticResults) -> None:
    text = (results.tables / "main.md").read_text(encoding="utf-8")
    assert "From scratch (better rate) = From scratch, tuned" in text
    assert "chosen on the select fold" in text


def test_few_seeds_are_marked_and_said(tmp_path: Path) -> None:
    results = write_synthetic_results(tmp_path / "synthetic", seeds=2)
    make_markdown(results.manifest, results.tables)
    text = (results.tables / "main.md").read_text(encoding="utf-8")
    assert "| 2† |" in text
    assert "Fewer than 3 seeds" in text
    assert "| 1† |" not in text, "a baseline has no seed to vary"


def test_hostile_titles_stay_in_their_cells(tmp_path: Path) -> None:
    manifest = write_crowded_study(tmp_path)
    make_markdown(manifest, tmp_path / "tables")
    text = (tmp_path / "tables" / "classifier-finetuning.md").read_text(encoding="utf-8")
    assert escape(HOSTILE) in text
    assert "<script" not in text
    table = [line for line in text.splitlines() if line.startswith("|")]
    assert len({line.replace("\\|", "").count("|") for line in table}) == 1


def test_a_table_without_a_column_is_named(results: SyntheticResults, tmp_path: Path) -> None:
    for path in results.tables.glob("*.csv"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "main.csv").write_text("cell,dataset\n")
    with pytest.raises(UserError, match=r"main\.csv: no column n_labelled"):
        make_markdown(results.manifest, tmp_path)


def test_a_manifest_without_a_key_is_named(results: SyntheticResults, tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text('{"study": "x"}')
    with pytest.raises(UserError, match="no title, seeds"):
        make_markdown(tmp_path / "manifest.json", results.tables)
