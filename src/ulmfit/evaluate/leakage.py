"""Duplicates within and between splits, folds and corpus: their table, and who has a copy."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ulmfit.store.tables import DUPLICATE_COLUMNS, damage_named

LEAKAGE_COLUMNS = (
    *("dataset", "corpus", "kind", "part", "other", "documents", "exact", "normalised"),
    "min_words",
)

FORMS = ("exact", "normalised")
ORDER = ("train", "fit", "select", "report", "test", "unlabelled", "corpus")


def leakage_rows(entry: Mapping[str, str], counts: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Rows of one dataset from what the stage `leakage` counted (``leakage-<corpus>.json``).

    ``kind`` says what ``exact`` and ``normalised`` count: ``repeated``, documents of ``part``
    beyond the first of each text; ``shared``, distinct texts in both ``part`` and ``other``;
    ``conflicting``, distinct texts under several labels; ``copied``, documents of the fold
    ``part`` whose text also stands in the fold ``other``; ``contained``, documents of ``part``
    of at least ``min_words`` words that stand within one of ``other``. ``documents`` is the number
    of documents looked at.
    """
    for kind, part, other, documents, found in _counts(counts):
        yield {
            "dataset": entry["dataset"],
            "corpus": entry["corpus"],
            "kind": kind,
            "part": part,
            "other": other,
            "documents": documents,
            **found,
        }


def read_copies(files: Iterable[Path]) -> set[str]:
    """Ids of documents of which the fold fit, the unlabelled text or a corpus has a copy.

    ``files`` are ``duplicates-<corpus>.parquet``; raises UserError if one is damaged.
    """
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    found: set[str] = set()
    for path in files:
        with damage_named(path):
            table = pq.read_table(path, columns=list(DUPLICATE_COLUMNS))
        for column in DUPLICATE_COLUMNS[1:]:
            found.update(table.filter(pc.field(column))["id"].to_pylist())
    return found


def _counts(counts: Mapping[str, Any]) -> Iterator[tuple[str, str, str, int | None, Any]]:
    exact = counts["exact"]
    for part in _ordered(counts["documents"]):
        yield "repeated", part, "", counts["documents"][part], _both(counts, "repeats", part)
    for part in _ordered(exact["shared"]):
        for other in _ordered(exact["shared"][part]):
            yield "shared", part, other, None, _both(counts, "shared", part, other)
    yield "conflicting", "", "", counts["labelled"], _both(counts, "conflicts", "texts")
    for part in _ordered(exact["copies"]):
        for other in _ordered(exact["copies"][part]):
            documents = counts["folds"][part]
            yield "copied", part, other, documents, _both(counts, "copies", part, other)
    for part in _ordered(counts["contained"]):
        found = counts["contained"][part]
        values = {"normalised": found["found"], "min_words": counts["contained_min_words"]}
        yield "contained", part, "corpus", found["searched"], values


def _ordered(names: Iterable[str]) -> list[str]:
    """Names of splits, folds and the corpus as readers expect them; JSON sorts its keys."""
    return sorted(names, key=ORDER.index)


def _both(counts: Mapping[str, Any], *keys: str) -> dict[str, Any]:
    """The count under some keys in each form."""
    found = {}
    for form in FORMS:
        value = counts[form]
        for key in keys:
            value = value[key]
        found[form] = value
    return found
