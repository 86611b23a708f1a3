"""Duplicates within and between the splits of a dataset, its folds and the corpus, counted.

Two documents are duplicates if their text fields, joined, are equal: *exact* as they stand,
*normalised* in :func:`ulmfit.data.normal_form.normal_form`. A corpus holds long articles, so a
document also counts as *contained* in it if its normal form, of at least
:data:`ulmfit.data.containment.MIN_WORDS` words, stands word for word within one document of the
corpus.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ulmfit.data.containment import MIN_WORDS, Search
from ulmfit.data.documents import SPLITS, texts
from ulmfit.data.normal_form import normal_form
from ulmfit.errors import UserError
from ulmfit.store.files import sha256, write_json
from ulmfit.store.progress import progress
from ulmfit.store.tables import (
    DOCUMENT_COLUMNS,
    FOLD_COLUMNS,
    count_rows,
    read_batches,
    read_table,
    write_table,
)

if TYPE_CHECKING:
    import pandas as pd

EVALUATED = ("select", "report", "test")
TRAINED_ON = ("fit", "unlabelled")


def make_leakage(
    documents: Path, folds: Path, corpus: Path, output: Path, duplicates: Path
) -> None:
    """Write the counts of a dataset as JSON and the duplicates of its evaluated documents.

    ``corpus`` is the ``documents.parquet`` of the text that the dataset's language models are
    pretrained on; it is read in parts. Raises UserError if documents and folds do not fit.
    """
    table = read_table(documents, DOCUMENT_COLUMNS)
    fold = _folds_of(table, read_table(folds, FOLD_COLUMNS), folds, documents)
    exact = Forms.of(texts(table).tolist())
    normal = Forms.of([normal_form(text) for text in texts(table)])
    search = Search(normal.distinct)
    size = _read_corpus(corpus, exact, normal, search)
    split = table["split"].to_numpy(dtype=np.str_)
    label = table["label"]
    write_json(
        output,
        {
            "documents": {name: int((split == name).sum()) for name in _present(split, SPLITS)}
            | {"corpus": size},
            "exact": _counts(exact, split, fold, label),
            "normalised": _counts(normal, split, fold, label),
            "labelled": int(label.notna().sum()),
            "folds": {name: int((fold == name).sum()) for name in _present(fold, EVALUATED)},
            "contained": {
                name: {
                    "searched": int(search.searched[normal.code[split == name]].sum()),
                    "found": int(search.found[normal.code[split == name]].sum()),
                }
                for name in _present(split, SPLITS)
            },
            "contained_min_words": MIN_WORDS,
            "inputs": {
                "documents_sha256": sha256(documents),
                "folds_sha256": sha256(folds),
                "corpus_sha256": sha256(corpus),
            },
        },
    )
    in_corpus = normal.in_corpus | search.found
    write_table(duplicates, _evaluated_documents(table, fold, normal, in_corpus))


@dataclass
class Forms:
    """Texts in one form, numbered: ``code`` (documents,) says which of ``distinct`` each is.

    ``in_corpus`` (distinct,) tells those that are a whole document of the corpus, and
    ``corpus_repeats`` counts documents of the corpus that an earlier one equals.
    """

    distinct: list[str]
    code: NDArray[np.intp]
    in_corpus: NDArray[np.bool_]
    corpus_repeats: int = 0
    _number: dict[str, int] = field(default_factory=dict)
    _met: set[bytes] = field(default_factory=set)

    @classmethod
    def of(cls, forms: list[str]) -> Forms:
        """Number the forms of a dataset's documents."""
        number: dict[str, int] = {}
        code = np.array([number.setdefault(text, len(number)) for text in forms], dtype=np.intp)
        return cls(list(number), code, np.zeros(len(number), dtype=bool), _number=number)

    def meet(self, text: str) -> None:
        """Take note of one document of the corpus."""
        # A digest instead of the text: the corpus may be larger than the memory.
        digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
        self.corpus_repeats += digest in self._met
        self._met.add(digest)
        if (number := self._number.get(text)) is not None:
            self.in_corpus[number] = True


def _read_corpus(path: Path, exact: Forms, normal: Forms, search: Search) -> int:
    """Meet each document of the corpus once; returns their number."""
    rows = (text for part in read_batches(path, DOCUMENT_COLUMNS) for text in texts(part))
    size = count_rows(path)
    for text in progress(rows, size, "documents of the corpus"):
        form = normal_form(text)
        exact.meet(text)
        normal.meet(form)
        search.look_into(form)
    return size


def _folds_of(
    table: pd.DataFrame, division: pd.DataFrame, folds: Path, documents: Path
) -> NDArray[np.str_]:
    """Fold of each document, (documents,); empty for those in none."""
    fold = division.set_index("id")["fold"]
    if not fold.index.isin(table["id"]).all():
        raise UserError(f"{folds} names documents that are not in {documents}: make it again")
    return fold.reindex(table["id"]).fillna("").to_numpy(dtype=np.str_)


def _present(values: NDArray[np.str_], names: tuple[str, ...]) -> list[str]:
    return [name for name in names if (values == name).any()]


def _counts(
    forms: Forms, split: NDArray[np.str_], fold: NDArray[np.str_], label: pd.Series[str]
) -> dict[str, Any]:
    """Every count of duplicates in one form.

    ``repeats``: documents beyond the first of each text, ``repeats_with_label`` of each text and
    label. ``shared``: distinct texts of both parts.
    ``conflicts``: distinct texts that stand under several labels, and their documents. ``copies``:
    documents of an evaluated fold whose text also stands in a fold that is trained on.
    """
    rows = {name: split == name for name in _present(split, SPLITS)}
    parts = {name: np.unique(forms.code[inside]) for name, inside in rows.items()}
    repeats = {name: int(rows[name].sum()) - len(part) for name, part in parts.items()}
    pairs = label.to_frame().assign(code=forms.code)
    parts["corpus"] = np.flatnonzero(forms.in_corpus)
    shared: dict[str, dict[str, int]] = {}
    for first, second in combinations(parts, 2):
        both = np.intersect1d(parts[first], parts[second], assume_unique=True)
        shared.setdefault(first, {})[second] = len(both)
    labels = label.groupby(forms.code).nunique()
    conflicting = labels.index[labels > 1]
    return {
        "repeats": repeats | {"corpus": forms.corpus_repeats},
        "repeats_with_label": {
            name: int(pairs[inside].duplicated().sum()) for name, inside in rows.items()
        },
        "shared": shared,
        "conflicts": {
            "texts": len(conflicting),
            "documents": int((np.isin(forms.code, conflicting) & label.notna()).sum()),
        },
        "copies": {
            name: {
                other: int(_copied(forms, fold, other)[fold == name].sum())
                for other in _present(fold, TRAINED_ON)
            }
            for name in _present(fold, EVALUATED)
        },
    }


def _copied(forms: Forms, fold: NDArray[np.str_], other: str) -> NDArray[np.bool_]:
    """Whether the text of each document stands in the fold ``other``, (documents,)."""
    return np.isin(forms.code, forms.code[fold == other])


def _evaluated_documents(
    table: pd.DataFrame, fold: NDArray[np.str_], normal: Forms, in_corpus: NDArray[np.bool_]
) -> pd.DataFrame:
    """Evaluated documents: normalised duplicates in what is trained on, copies in the corpus."""
    import pandas as pd

    evaluated = np.isin(fold, EVALUATED)
    columns = {f"duplicate_in_{name}": _copied(normal, fold, name) for name in TRAINED_ON}
    columns["in_corpus"] = in_corpus[normal.code]
    return pd.DataFrame({"id": table["id"], "fold": fold, **columns})[evaluated]
