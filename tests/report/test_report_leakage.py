"""The table of duplicates and its sentences say what `leakage.csv` says."""

from __future__ import annotations

from pathlib import Path

from synthetic_results import duplicates
from ulmfit.evaluate.leakage import leakage_rows
from ulmfit.report.leakage import leakage_sheet, leakage_statements
from ulmfit.report.results import Row, read_study


def rows_of(dataset: str, **changes: object) -> list[Row]:
    """Rows of a dataset as the CSV has them."""
    counts = duplicates(200) | changes
    rows = leakage_rows({"dataset": dataset, "corpus": "wiki"}, counts)
    keys = ("dataset", "corpus", "kind", "part", "other", "documents", "exact", "normalised")
    return [
        {key: "" if row.get(key) is None else str(row[key]) for key in (*keys, "min_words")}
        for row in rows
    ]


def test_the_table_of_the_report_has_every_number_of_the_csv(reported: Path) -> None:
    rows = read_study(reported / "manifest.json", reported / "tables").leakage
    sheet = leakage_sheet(rows)
    (lines,) = sheet.groups
    shown = [tuple(cell.value for cell in line.cells[2:]) for line in lines]
    assert shown == [(row["documents"], row["exact"], row["normalised"]) for row in rows]
    counted = [line.cells[1].text for line in lines]
    assert len(set(counted)) == len(counted)
    assert "Texts in both train and test" in counted
    assert "Documents of test with a copy in fit" in counted
    assert "Documents of train within a document of the corpus library-docs" in counted
    html = (reported / "report" / "report.html").read_text(encoding="utf-8")
    assert 'id="table-leakage"' in html
    assert all(text in html for text in counted)


def test_one_sentence_a_data_set(reported: Path) -> None:
    (sentence, other) = leakage_statements([*rows_of("films"), *rows_of("news")])
    assert sentence == (
        "films: 1,103 texts stand in both train and test (1,203 when normalised); "
        "normalised copies in the fit fold: 1,210 of 200 report documents and 1,212 of 200 test "
        "documents."
    )
    assert other.startswith("news: ")
    (shown,) = leakage_statements(
        read_study(reported / "manifest.json", reported / "tables").leakage
    )
    assert shown in (reported / "report" / "report.html").read_text(encoding="utf-8")


def test_a_data_set_without_a_test_split_says_nothing_of_it() -> None:
    form = {"repeats": {"train": 1, "corpus": 0}, "shared": {"train": {"corpus": 0}}}
    form |= {"conflicts": {"texts": 0, "documents": 0}, "copies": {"report": {"fit": 1}}}
    sentences = leakage_statements(
        rows_of(
            "own",
            documents={"train": 100, "corpus": 5},
            exact=form,
            normalised=form,
            folds={"report": 20},
            contained={"train": {"searched": 90, "found": 2}},
        )
    )
    assert sentences == ["own: normalised copies in the fit fold: 1 of 20 report documents."]


def test_the_notes_name_the_least_number_of_words() -> None:
    notes = " ".join(leakage_sheet(rows_of("films")).notes)
    assert "at least 8 words" in notes
    assert "at least 9 words" in " ".join(
        leakage_sheet(rows_of("films", contained_min_words=9)).notes
    )
