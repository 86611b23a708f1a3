"""What holds of every documents table, whatever its source."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from ulmfit.data.rst import count_tokens
from ulmfit.errors import UserError
from ulmfit.store.tables import text_fields

if TYPE_CHECKING:
    import pandas as pd

SPLITS = ("train", "test", "unlabelled")
PLACE = "place"
"""Column that a source may add, and that is not stored: file and line of a document."""


def texts(table: pd.DataFrame) -> pd.Series[str]:
    """Each document's text fields as one string."""
    first, *others = text_fields(table)
    joined = table[first].fillna("")
    for field in others:
        joined = joined + " " + table[field].fillna("")
    return joined


def check(table: pd.DataFrame) -> None:
    """Raise UserError for double ids, unknown splits, empty documents, missing or stray labels."""
    if table.empty:
        raise UserError("no documents at all: look at the source")
    _refuse(table, table["id"].isna(), "without an id", "give each one")
    _refuse_double_ids(table)
    odd = ~table["split"].isin(SPLITS)
    _refuse(table, odd, f"with a split that is not {' / '.join(SPLITS)}", "mend it", "split")
    _refuse(table, texts(table).str.strip() == "", "without text", "fill them, or take them out")
    if not (table["split"] == "train").any():
        raise UserError("no document in split train, so nothing to train on: look at the source")
    supervised = table["split"] != "unlabelled"
    stray = ~supervised & table["label"].notna()
    _refuse(table, stray, "with a label in split unlabelled", "take it out", "label")
    if table.loc[supervised, "label"].notna().any():
        _refuse(
            table,
            supervised & table["label"].isna(),
            "without a label in split train or test",
            "give each one, or move them to split unlabelled",
        )
        classes = table.loc[supervised, "label"].unique()
        if len(classes) < 2:
            raise UserError(f"one class only, {classes[0]!r}: a classifier needs two or more")


def _refuse(
    table: pd.DataFrame, wrong: pd.Series[bool], what: str, mend: str, show: str = ""
) -> None:
    """Raise UserError for wrong documents, with the first one's place and its value of ``show``."""
    if wrong.any():
        row = int(wrong.to_numpy().argmax())
        value = f", {show} {table[show].iloc[row]!r}" if show else ""
        raise UserError(
            f"{wrong.sum()} of {len(table)} documents {what}; "
            f"the first is {_name(table, row)}{value}: {mend}"
        )


def _refuse_double_ids(table: pd.DataFrame) -> None:
    double = table["id"].duplicated()
    if double.any():
        row = int(double.to_numpy().argmax())
        other = int((table["id"] == table["id"].iloc[row]).to_numpy().argmax())
        raise UserError(
            f"{double.sum()} of {len(table)} documents with an id that another one has; the first "
            f"is {_name(table, row)}, after {_name(table, other)}: give each an id of its own"
        )


def _name(table: pd.DataFrame, row: int) -> str:
    place = f"{table[PLACE].iloc[row]}, " if PLACE in table else ""
    return f"{place}id {table['id'].iloc[row]!r}"


def count(table: pd.DataFrame, column: str) -> dict[str, int]:
    """Rows for each value of a column, values sorted."""
    return {str(value): int(n) for value, n in table[column].value_counts().sort_index().items()}


def describe(table: pd.DataFrame) -> dict[str, Any]:
    """Sizes of a documents table and the SHA-256 of its ids, splits, labels and texts."""
    known = table[table["label"].notna()]
    digest = hashlib.sha256()
    content = table[["id", "split", "label", *text_fields(table)]].astype(object)
    for row in content.where(content.notna(), None).itertuples(index=False):
        digest.update(json.dumps(row).encode())
    facts = {
        "documents": len(table),
        "groups": int(table["group"].nunique()),
        "words": sum(len(text.split()) for text in texts(table)),
        "tokens": sum(count_tokens(text) for text in texts(table)),
        "classes": count(known, "label"),
        "content_sha256": digest.hexdigest(),
    }
    if "domain" in table:
        facts["domains"] = count(table, "domain")
        facts["domains_of_class"] = {
            str(label): count(rows, "domain") for label, rows in known.groupby("label")
        }
    return facts
