"""The documents of a text beside their folds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ulmfit.errors import UserError
from ulmfit.store.tables import DOCUMENT_COLUMNS, FOLD_COLUMNS, read_table, text_fields
from ulmfit.store.tokens import FOLDS
from ulmfit.text.encoding import Rows

if TYPE_CHECKING:
    import pandas as pd

CHUNK = 256
"""Documents that go to a process at a time."""


@dataclass(frozen=True)
class Corpus:
    """Documents in the order of documents.parquet, those in no fold left out.

    ``table`` has the text columns; ``document``, ``fold``, ``label``, ``rank`` (documents,) and
    ``classes`` are as in :class:`ulmfit.store.tokens.TokenStore`.
    """

    table: pd.DataFrame
    document: NDArray[np.str_]
    fold: NDArray[np.str_]
    label: NDArray[np.int16]
    rank: NDArray[np.int32]
    classes: tuple[str, ...]

    @property
    def fields(self) -> list[str]:
        """Names of the text columns."""
        return text_fields(self.table)

    @property
    def characters(self) -> NDArray[np.int64]:
        """Characters of each document, (documents,)."""
        total = np.zeros(len(self.table), np.int64)
        for name in self.fields:
            total += self.table[name].str.len().fillna(0).to_numpy(np.int64)
        return total

    def chunks(self, rows: NDArray[np.intp] | None = None) -> Iterator[Rows]:
        """Texts of the documents, or of those in some rows, a chunk at a time."""
        rows = np.arange(len(self.table)) if rows is None else rows
        for start in range(0, len(rows), CHUNK):
            part = self.table.iloc[rows[start : start + CHUNK]]
            yield list(zip(*(part[name].fillna("").tolist() for name in self.fields), strict=True))


def read_corpus(documents: Path, folds: Path) -> Corpus:
    """Read documents and folds; raises UserError if they do not fit together."""
    table = read_table(documents, DOCUMENT_COLUMNS)
    placed = read_table(folds, FOLD_COLUMNS)
    if not text_fields(table):
        raise UserError(f"{documents}: no text column; name it `text`, or `text_1`, `text_2` ...")
    for path, ids in ((documents, table["id"]), (folds, placed["id"])):
        if ids.duplicated().any():
            twice = ids[ids.duplicated()].iloc[0]
            raise UserError(f"{path}: document {twice!r} occurs twice: ids must be unique")
    foreign = placed.loc[~placed["id"].isin(table["id"]), "id"]
    if len(foreign):
        raise UserError(
            f"{folds}: document {foreign.iloc[0]!r} is not in {documents}: make the folds again"
        )
    strange = placed.loc[~placed["fold"].isin(FOLDS), "fold"]
    if len(strange):
        raise UserError(f"{folds}: no fold {strange.iloc[0]!r}: only {', '.join(FOLDS)}")
    in_a_fold = table["id"].isin(placed["id"])
    if not in_a_fold.all():  # spares a copy of a large corpus
        table = table[in_a_fold].reset_index(drop=True)
    placed = placed.set_index("id").loc[table["id"]]
    classes = tuple(sorted(str(label) for label in table["label"].dropna().unique()))
    index = {label: i for i, label in enumerate(classes)}
    labels = table["label"].astype(object).where(table["label"].notna(), None)
    return Corpus(
        table=table,
        document=table["id"].to_numpy(dtype=np.str_),
        fold=placed["fold"].to_numpy(dtype=np.str_),
        label=np.array([-1 if v is None else index[str(v)] for v in labels], np.int16),
        rank=placed["rank"].fillna(-1).to_numpy(np.int32),
        classes=classes,
    )
