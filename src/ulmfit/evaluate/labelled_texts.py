"""Labelled texts by fold: what baselines without a language model are trained on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ulmfit.errors import UserError
from ulmfit.evaluate.predictions import class_indices, sorted_order
from ulmfit.store.tables import DOCUMENT_COLUMNS, FOLD_COLUMNS, read_table, text_fields


@dataclass(frozen=True)
class Texts:
    """Labelled documents, (n,) each.

    ``rank`` is the place in the nested order of the fold fit, -1 elsewhere; ``label`` an index
    into the sorted class names.
    """

    document: NDArray[np.str_]
    fold: NDArray[np.str_]
    rank: NDArray[np.int64]
    text: list[str]
    label: NDArray[np.intp]

    def of(self, rows: NDArray[Any]) -> Texts:
        """Some rows, by mask or by indices."""
        chosen = np.arange(len(self.text))[rows]
        return Texts(
            self.document[chosen],
            self.fold[chosen],
            self.rank[chosen],
            [self.text[index] for index in chosen],
            self.label[chosen],
        )


Predict = Callable[[list[str]], NDArray[np.float64]]
"""From n texts to probabilities (n, classes)."""
Baseline = Callable[[Texts, Texts, int, dict[str, Any]], tuple[Predict, dict[str, Any]]]
"""From documents of fit and select, number of classes and options to (model, what was chosen)."""


TOKEN = r"\w+|[^\w\s]"
"""Words of any length and single punctuation marks, as the language models see them.

scikit-learn's own pattern drops both, which costs this baseline 4 to 5 points of error on sections
of docstrings.
"""


def read_texts(documents: Path, folds: Path) -> tuple[Texts, tuple[str, ...]]:
    """All labelled documents of a fold, sorted by fold and id, with the sorted class names."""
    table = read_table(documents, DOCUMENT_COLUMNS)
    placed = read_table(folds, FOLD_COLUMNS).merge(table, on="id", how="left", validate="1:1")
    classes = tuple(sorted(table["label"].dropna().unique()))
    placed = placed[placed["label"].notna()]
    document = placed["id"].to_numpy().astype(np.str_)
    fold = placed["fold"].to_numpy().astype(np.str_)
    # Fields are joined by a line end, which no n-gram of the vectoriser can tell from a space.
    text = placed[text_fields(table)].fillna("").agg("\n".join, axis=1).tolist()
    rows = Texts(
        document,
        fold,
        placed["rank"].fillna(-1).to_numpy().astype(np.int64),
        text,
        class_indices(placed["label"].tolist(), classes, documents),
    )
    return rows.of(sorted_order(document, fold)), classes


def first_labelled(rows: Texts, n_labelled: int | Literal["all"], folds: Path) -> Texts:
    """Documents of the fold fit with rank below ``n_labelled``; raises UserError if too few."""
    fit = rows.fold == "fit"
    if n_labelled == "all":
        return rows.of(fit)
    labelled = rows.of(fit & (rows.rank >= 0) & (rows.rank < n_labelled))
    if len(labelled.text) != n_labelled:
        raise UserError(
            f"{folds}: {n_labelled} labelled documents wanted, the fold fit has {int(fit.sum())}"
        )
    return labelled
