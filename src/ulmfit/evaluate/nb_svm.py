"""NB-SVM: a linear SVM on naive Bayes features, interpolated with naive Bayes.

Wang & Manning 2012, Baselines and Bigrams: Simple, Good Sentiment and Topic Classification
(ACL, P12-2018), section 2.3; several classes are told apart one against the rest.
"""

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
class NbSvmOptions:
    """Options of :func:`train_nb_svm`; the lists are searched on the fold select.

    ``beta`` is the interpolation: 0 gives every feature of a class the same weight, which is naive
    Bayes, and 1 the SVM's own. ``alpha`` smooths the counts of naive Bayes; ``ngram``: tokens of
    the longest n-gram; ``max_iter`` of the solver.
    """

    C: Sequence[float] = (0.1, 1.0, 10.0)
    beta: Sequence[float] = (0.25, 0.5, 1.0)
    min_df: Sequence[int] = (1, 2)
    alpha: float = 1.0
    ngram: int = 2
    max_iter: int = 5000


@dataclass(frozen=True)
class _Classifiers:
    """One SVM for each class present: ``ratio`` and ``weights`` (features, classes)."""

    ratio: NDArray[np.float64]
    weights: NDArray[np.float64]
    intercepts: NDArray[np.float64]

    def scores(self, features: Any, beta: float) -> NDArray[np.float64]:
        """(documents, classes), weights interpolated (their section 2.3)."""
        usual = np.abs(self.weights).mean(axis=0)
        weights = (1 - beta) * usual + beta * self.weights
        return np.asarray(features @ (self.ratio * weights) + self.intercepts)


def train_nb_svm(
    fit: Texts, select: Texts, classes: int, options: dict[str, Any]
) -> tuple[Predict, dict[str, Any]]:
    """An NB-SVM on binary n-grams; returns (model, what was chosen).

    The lowest error on ``select`` chooses ``C``, ``beta`` and ``min_df``, then the lower log loss,
    then the earlier value in the options. An SVM has no probabilities: they are the softmax of its
    scores times a factor, also fitted on ``select``, which moves no prediction. Raises UserError
    for unknown options, for labels of one class only, and where no word occurs often enough.
    """
    from sklearn.feature_extraction.text import CountVectorizer

    try:
        grid = NbSvmOptions(**options)
    except TypeError as error:
        raise UserError(f"options of the baseline nb-svm: {error}") from error
    present = np.unique(fit.label)
    if len(present) < 2:
        raise UserError("the baseline nb-svm needs labelled documents of at least two classes")
    best: tuple[float, float] | None = None
    for min_df in grid.min_df:
        vectorizer = CountVectorizer(
            binary=True, token_pattern=TOKEN, ngram_range=(1, grid.ngram), min_df=min_df
        )
        try:
            features = vectorizer.fit_transform(fit.text).astype(np.float64)
        except ValueError as error:
            raise UserError(f"the baseline nb-svm with min_df {min_df}: {error}") from error
        chosen_from = vectorizer.transform(select.text).astype(np.float64)
        models = [(c, _fit(features, fit.label, present, grid, c)) for c in grid.C]
        for (strength, model), beta in product(models, grid.beta):
            scores = model.scores(chosen_from, beta)
            factor = _factor(scores, select.label, present)
            metrics = compute_metrics(
                select.label, _probabilities(scores, factor, present, classes)
            )
            if best is None or (metrics.error, metrics.loss) < best:
                best = metrics.error, metrics.loss
                kept = vectorizer, model, beta, factor
                chosen = {"C": strength, "beta": beta, "min_df": min_df, "factor": factor}

    def predict(text: list[str]) -> NDArray[np.float64]:
        vectorizer, model, beta, factor = kept
        scores = model.scores(vectorizer.transform(text).astype(np.float64), beta)
        return _probabilities(scores, factor, present, classes)

    return predict, chosen


def log_count_ratio(
    features: Any, positive: NDArray[np.bool_], alpha: float
) -> NDArray[np.float64]:
    """log((p / |p|) / (q / |q|)) of each feature, (features,): p counts it in ``positive`` rows.

    q counts it in the other rows; ``alpha`` is added to every count (their equation 1).
    """
    p = alpha + np.asarray(features[positive].sum(axis=0)).ravel()
    q = alpha + np.asarray(features[~positive].sum(axis=0)).ravel()
    return np.asarray(np.log(p / p.sum()) - np.log(q / q.sum()))


def _fit(
    features: Any,
    label: NDArray[np.intp],
    present: NDArray[np.intp],
    grid: NbSvmOptions,
    strength: float,
) -> _Classifiers:
    from sklearn.svm import LinearSVC

    ratios, weights, intercepts = [], [], []
    for one in present:
        ratio = log_count_ratio(features, label == one, grid.alpha)
        # The primal problem has one solution, so no random order of the dual's coordinates.
        machine = LinearSVC(C=strength, dual=False, max_iter=grid.max_iter)
        machine.fit(features.multiply(ratio).tocsr(), label == one)
        ratios.append(ratio)
        weights.append(machine.coef_.ravel())
        intercepts.append(float(machine.intercept_[0]))
    return _Classifiers(np.column_stack(ratios), np.column_stack(weights), np.array(intercepts))


def _probabilities(
    scores: NDArray[np.float64], factor: float, present: NDArray[np.intp], classes: int
) -> NDArray[np.float64]:
    """Softmax of scaled scores; a class without a labelled document keeps the probability 0."""
    from scipy.special import softmax

    probability = np.zeros((len(scores), classes))
    probability[:, present] = softmax(factor * scores, axis=1)
    return probability


def _factor(
    scores: NDArray[np.float64], label: NDArray[np.intp], present: NDArray[np.intp]
) -> float:
    """The factor, 0.01 to 100, of the lowest log loss on the documents of known classes."""
    from scipy.optimize import minimize_scalar
    from scipy.special import log_softmax

    known = np.isin(label, present)
    column = np.searchsorted(present, label[known])
    if not len(column):
        return 1.0

    def loss(log_factor: float) -> float:
        shares = log_softmax(np.exp(log_factor) * scores[known], axis=1)
        return float(-shares[np.arange(len(column)), column].mean())

    bounds = (float(np.log(0.01)), float(np.log(100.0)))
    return float(np.exp(minimize_scalar(loss, bounds=bounds, method="bounded").x))
