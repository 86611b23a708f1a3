"""Baselines without a language model, trained on the same labelled documents as the models.

Hyperparameters are chosen on the fold select only. A new baseline is one function in
:data:`BASELINES`.
"""

from __future__ import annotations

import json
import platform
import resource
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

import ulmfit
from ulmfit.errors import UserError
from ulmfit.evaluate.metrics import compute_metrics
from ulmfit.evaluate.predictions import Predictions, class_indices, sorted_order
from ulmfit.evaluate.score import write_scored
from ulmfit.store.files import digest, sha256
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


@dataclass(frozen=True)
class TfidfOptions:
    """Options of :func:`train_tfidf`; the lists are searched on the fold select.

    ``ngram``: tokens of the longest n-gram; ``max_iter`` of the solver.
    """

    C: Sequence[float] = (0.1, 1.0, 10.0, 100.0)
    min_df: Sequence[int] = (1, 2)
    ngram: int = 2
    max_iter: int = 1000


def train_tfidf(
    fit: Texts, select: Texts, classes: int, options: dict[str, Any]
) -> tuple[Predict, dict[str, Any]]:
    """Logistic regression on sublinear TF-IDF of n-grams; returns (model, what was chosen).

    The lowest error on ``select`` chooses ``C`` and ``min_df``, then the lower log loss, then the
    earlier value in the options. Raises UserError for unknown options, for labels of one class
    only, and where no word occurs often enough.
    """
    try:
        grid = TfidfOptions(**options)
    except TypeError as error:
        raise UserError(f"options of the baseline tfidf: {error}") from error
    if len(set(fit.label.tolist())) < 2:
        raise UserError("the baseline tfidf needs labelled documents of at least two classes")
    best: tuple[float, float] | None = None
    for min_df, strength in product(grid.min_df, grid.C):
        candidate = _fit_tfidf(fit, classes, grid, min_df, strength)
        metrics = compute_metrics(select.label, candidate(select.text))
        if best is None or (metrics.error, metrics.loss) < best:
            best = metrics.error, metrics.loss
            predict, chosen = candidate, {"C": strength, "min_df": min_df}
    return predict, chosen


def _fit_tfidf(
    fit: Texts, classes: int, grid: TfidfOptions, min_df: int, strength: float
) -> Predict:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    vectorizer = TfidfVectorizer(
        sublinear_tf=True, token_pattern=TOKEN, ngram_range=(1, grid.ngram), min_df=min_df
    )
    try:
        features = vectorizer.fit_transform(fit.text)
    except ValueError as error:
        raise UserError(f"the baseline tfidf with min_df {min_df}: {error}") from error
    model = LogisticRegression(C=strength, max_iter=grid.max_iter).fit(features, fit.label)

    def predict(text: list[str]) -> NDArray[np.float64]:
        # A class without a labelled document keeps the probability 0.
        probability = np.zeros((len(text), classes))
        probability[:, model.classes_] = model.predict_proba(vectorizer.transform(text))
        return probability

    return predict


BASELINES: dict[str, Baseline] = {"tfidf": train_tfidf}


def baseline(
    name: str,
    documents: Path,
    folds: Path,
    n_labelled: int | Literal["all"],
    predictions: Path,
    metrics: Path,
    options_json: str = "{}",
    test: bool = False,
    ledger: Path | None = None,
) -> None:
    """Train a baseline and write ``predictions.parquet`` and ``metrics.json``.

    Training sees the documents of the fold fit with rank below ``n_labelled``. Predicted
    are select and report or, with ``test``, the sealed test fold alone, counted in ``ledger`` (see
    :func:`ulmfit.evaluate.score.count_evaluation`); the model is trained again for it, and is the
    same. One thread, no randomness.

    Raises UserError for an unknown baseline or option, and where fit has too few documents.
    """
    from threadpoolctl import threadpool_limits

    if name not in BASELINES:
        raise UserError(f"no baseline {name!r}: choose one of {', '.join(BASELINES)}")
    options = json.loads(options_json)
    wall, cpu = time.perf_counter(), time.process_time()
    with threadpool_limits(1):
        rows, classes = _read_texts(documents, folds)
        fit = _labelled(rows, n_labelled, folds)
        select = rows.of(rows.fold == "select")
        predict, chosen = BASELINES[name](fit, select, len(classes), options)
        shown = rows.of(np.isin(rows.fold, ["test"] if test else ["select", "report"]))
        probability = predict(shown.text).astype(np.float32)
    recipe = {"name": name, **options}
    card = {
        "stage": "baseline",
        "recipe": recipe,
        "recipe_digest": digest(recipe),
        "chosen": chosen,
        "n_labelled": len(fit.text),
        "device": "cpu",
        "device_name": platform.machine(),
        "wall_s": time.perf_counter() - wall,
        "cpu_s": time.process_time() - cpu,
        "peak_memory_mib": _peak_memory_mib(),
        "versions": _versions(),
    }
    write_scored(
        Predictions(shown.document, shown.fold, shown.label, probability, classes),
        predictions,
        metrics,
        inputs=[documents, folds],
        ledger=ledger,
        weights=digest([recipe, len(fit.text), sha256(documents), sha256(folds)]),
        facts={"training": card, "member_cards": [], "members": []},
    )


def _read_texts(documents: Path, folds: Path) -> tuple[Texts, tuple[str, ...]]:
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


def _labelled(rows: Texts, n_labelled: int | Literal["all"], folds: Path) -> Texts:
    fit = rows.fold == "fit"
    if n_labelled == "all":
        return rows.of(fit)
    labelled = rows.of(fit & (rows.rank >= 0) & (rows.rank < n_labelled))
    if len(labelled.text) != n_labelled:
        raise UserError(
            f"{folds}: {n_labelled} labelled documents wanted, the fold fit has {int(fit.sum())}"
        )
    return labelled


def _peak_memory_mib() -> float:
    """Largest resident memory of this process so far, in MiB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)  # bytes there, KiB elsewhere


def _versions() -> dict[str, str]:
    import sklearn

    return {
        "ulmfit": ulmfit.__version__,
        "scikit-learn": sklearn.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
    }
