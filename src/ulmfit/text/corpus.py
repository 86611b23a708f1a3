"""The documents of a text beside their folds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice, pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ulmfit.errors import UserError
from ulmfit.store.tables import (
    DOCUMENT_COLUMNS,
    FOLD_COLUMNS,
    read_batches,
    read_table,
    text_fields,
)
from ulmfit.store.tokens import FOLDS
from ulmfit.text.encoding import Rows

if TYPE_CHECKING:
    import pandas as pd

CHUNK = 256
"""Most documents that go to a process at a time."""
CHUNK_CHARACTERS = 1_000_000
"""About as much text goes to a process at a time: there are several chunks in memory."""


@dataclass(frozen=True)
class Corpus:
    """Documents in the order of documents.parquet, those in no fold left out.

    ``row`` (documents,) is the place of each in ``path``, ``characters`` (documents,) its length,
    ``fields`` the names of the text columns; the text itself is read in parts and never held.
    ``document``, ``fold``, ``label``, ``rank`` (documents,) and ``classes`` are as in
    :class:`ulmfit.store.tokens.TokenStore`.
    """

    path: Path
    fields: list[str]
    row: NDArray[np.intp]
    characters: NDArray[np.int64]
    document: NDArray[np.str_]
    fold: NDArray[np.str_]
    label: NDArray[np.int16]
    rank: NDArray[np.int32]
    classes: tuple[str, ...]

    def borders(self, documents: NDArray[np.intp]) -> list[int]:
        """Where chunks of some documents begin, and their end: (chunks + 1) places among them."""
        borders, characters = [0], 0
        for place, length in enumerate(self.characters[documents].tolist()):
            full = place - borders[-1] == CHUNK or characters + length > CHUNK_CHARACTERS
            if full and place > borders[-1]:
                borders.append(place)
                characters = 0
            characters += length
        return [*borders, len(documents)] if len(documents) else borders

    def chunks(self, documents: NDArray[np.intp]) -> Iterator[Rows]:
        """Texts of documents, given in ascending order, a chunk at a time."""
        texts = self._texts(self.row[documents])
        for start, end in pairwise(self.borders(documents)):
            yield list(islice(texts, end - start))

    def _texts(self, rows: NDArray[np.intp]) -> Iterator[tuple[str, ...]]:
        start = 0
        for table in read_batches(self.path, DOCUMENT_COLUMNS):
            first, last = np.searchsorted(rows, (start, start + len(table)))
            part = table.iloc[rows[first:last] - start]
            start += len(table)
            columns = (part[name].fillna("").tolist() for name in self.fields)
            yield from zip(*columns, strict=True)


def read_corpus(documents: Path, folds: Path) -> Corpus:
    """Read documents and folds; raises UserError if they do not fit together."""
    table, fields = _without_text(documents)
    placed = read_table(folds, FOLD_COLUMNS)
    if not fields:
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
    table = table[table["id"].isin(placed["id"])]
    placed = placed.set_index("id").loc[table["id"]]
    classes = tuple(sorted(str(label) for label in table["label"].dropna().unique()))
    index = {label: i for i, label in enumerate(classes)}
    labels = table["label"].astype(object).where(table["label"].notna(), None)
    return Corpus(
        path=documents,
        fields=fields,
        row=table.index.to_numpy(),
        characters=table["characters"].to_numpy(np.int64),
        document=table["id"].to_numpy(dtype=np.str_),
        fold=placed["fold"].to_numpy(dtype=np.str_),
        label=np.array([-1 if v is None else index[str(v)] for v in labels], np.int16),
        rank=placed["rank"].fillna(-1).to_numpy(np.int32),
        classes=classes,
    )


def _without_text(documents: Path) -> tuple[pd.DataFrame, list[str]]:
    """Ids, labels and characters of all documents, and the names of the text columns."""
    import pandas as pd

    parts, fields = [], []
    for table in read_batches(documents, DOCUMENT_COLUMNS):
        fields = text_fields(table)
        characters = np.zeros(len(table), np.int64)
        for name in fields:
            characters += table[name].str.len().fillna(0).to_numpy(np.int64)
        parts.append(table[["id", "label"]].assign(characters=characters))
    if not parts:
        raise UserError(f"{documents}: no documents in it")
    return pd.concat(parts, ignore_index=True), fields
