"""TF-IDF and logistic regression."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ulmfit.errors import UserError
from ulmfit.evaluate.labelled_texts import TOKEN, Predict, Texts
from ulmfit.evaluate.metrics import compute_metrics


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
