"""Duplicates within and between splits, folds and corpora: one table, and a sentence a data set."""

from __future__ import annotations

from collections.abc import Sequence

from ulmfit.report import wording
from ulmfit.report.layout import Cell, Column, Line, Sheet, counted, plain
from ulmfit.report.results import Row, number

NOTES = (
    "Exact: the text fields are equal as they stand. Normalised: equal once HTML entities are "
    "characters, line breaks in HTML are blanks, characters are in Unicode form NFKC, case is "
    "folded, and only letters and digits remain, single blanks between the words.",
    "Repeats leave out the first document of each text; texts in two parts, or under several "
    "labels, are distinct texts; all other lines count documents.",
)


def leakage_sheet(rows: Sequence[Row]) -> Sheet:
    """One line a count: exact and normalised duplicates of each data set."""
    return Sheet(
        name="leakage",
        title="Duplicates",
        caption="Duplicates within and between splits, folds and the corpus of pretraining.",
        columns=(
            Column("Data set"),
            Column("Counted"),
            Column("Documents", True),
            Column("Exact", True),
            Column("Normalised", True),
        ),
        # What no corpus has part in is counted beside each.
        groups=tuple(
            tuple(dict.fromkeys(_line(row) for row in rows if row["dataset"] == dataset))
            for dataset in _datasets(rows)
        ),
        notes=(*NOTES, *_containment_note(rows)),
    )


def leakage_statements(rows: Sequence[Row]) -> list[str]:
    """One sentence a data set: texts in both train and test, and copies in the fit fold."""
    return [
        _statement(dataset, [row for row in rows if row["dataset"] == dataset])
        for dataset in _datasets(rows)
    ]


def _datasets(rows: Sequence[Row]) -> list[str]:
    return list(dict.fromkeys(row["dataset"] for row in rows))


def _line(row: Row) -> Line:
    numbers = (counted(column)(row) for column in ("documents", "exact", "normalised"))
    return Line((plain("dataset")(row), Cell(_counted(row)), *numbers))


def _counted(row: Row) -> str:
    """What a row counts."""
    part, other = (
        f"the corpus {row['corpus']}" if row[key] == "corpus" else row[key]
        for key in ("part", "other")
    )
    return {
        "repeated": f"Repeats within {part}",
        "shared": f"Texts in both {part} and {other}",
        "conflicting": "Texts under several labels",
        "copied": f"Documents of {part} with a copy in {other}",
        "contained": f"Documents of {part} within a document of {other}",
    }[row["kind"]]


def _statement(dataset: str, rows: Sequence[Row]) -> str:
    parts = [
        f"{wording.plural(number(row, 'exact') or 0, 'text stands', 'texts stand')} in both train "
        f"and test ({wording.count(row['normalised'])} when normalised)"
        for row in rows
        if (row["kind"], row["part"], row["other"]) == ("shared", "train", "test")
    ]
    copies = [
        f"{wording.count(row['normalised'])} of {wording.count(row['documents'])} {row['part']} "
        "documents"
        for row in rows
        if (row["kind"], row["other"]) == ("copied", "fit") and row["part"] != "select"
    ]
    if copies:
        found = wording.listing(dict.fromkeys(copies))
        parts.append(f"normalised copies in the fit fold: {found}")
    return f"{dataset}: {'; '.join(dict.fromkeys(parts)) or 'nothing is evaluated'}."


def _containment_note(rows: Sequence[Row]) -> list[str]:
    words = [row["min_words"] for row in rows if row["kind"] == "contained"]
    return [
        f"Within a document of the corpus: a normalised document of at least {least} words stands "
        "there word for word. Words that a corpus has replaced, such as by <unk>, hide it."
        for least in dict.fromkeys(words)
    ]
