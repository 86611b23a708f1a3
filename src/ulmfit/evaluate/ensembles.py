"""Ways to combine the probabilities of several classifiers (paper section 3.3, ulmfit.md 4)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Members = NDArray[np.float64]
"""Probabilities (members, documents, classes)."""

_TINY = float(np.finfo(np.float32).tiny)
"""Stands for a probability that float32 rounded to zero, whose logarithm would be infinite."""

_TIE = 1e-3
"""Votes that the mean probability counts for: it decides between classes of equal votes only."""


def combine(members: Members, rule: str, weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Probabilities (documents, classes) of an ensemble by ``rule``; rows add up to 1.

    ``mean``, the default of the paper: the mean of probabilities; ``weighted``: their mean by
    ``weights`` (members,); ``logits``: the softmax of the mean of logarithms of probabilities,
    which is that of the mean of logits, because a softmax takes no notice of a constant; ``vote``:
    shares of the members' votes, the mean probability deciding between equal ones.
    """
    if rule == "logits":
        logits = np.log(np.maximum(members, _TINY)).mean(axis=0)
        shares = np.exp(logits - logits.max(axis=1, keepdims=True))
        return np.asarray(shares / shares.sum(axis=1, keepdims=True))
    if rule == "vote":
        classes = members.shape[2]
        votes = np.eye(classes)[members.argmax(axis=2)].sum(axis=0)
        return np.asarray((votes + _TIE * members.mean(axis=0)) / (len(members) + _TIE))
    if rule == "weighted":
        return np.asarray(np.tensordot(weights, members, axes=1))
    return np.asarray(members.mean(axis=0))


def fit_weights(members: Members, label: NDArray[np.intp]) -> NDArray[np.float64]:
    """Weights (members,), none negative and 1 in all, of the lowest log loss on ``label``.

    The log loss of a mixture is convex in its weights, so where the search starts is no matter;
    equal weights are kept unless others are better. Give it documents of the fold select only.
    """
    from scipy.optimize import minimize

    count = len(members)
    # (members, documents): the probability of the true class.
    right = np.maximum(members[:, np.arange(len(label)), label], _TINY)
    equal = np.full(count, 1 / count)

    def loss(weights: NDArray[np.float64]) -> float:
        return float(-np.log(weights @ right).mean())

    def slope(weights: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(-(right / (weights @ right)).mean(axis=1))

    found = minimize(
        loss,
        equal,
        jac=slope,
        method="SLSQP",
        bounds=[(0.0, 1.0)] * count,
        constraints={
            "type": "eq",
            "fun": lambda weights: weights.sum() - 1,
            "jac": lambda _: np.ones(count),
        },
    ).x.clip(0, 1)
    if not np.isfinite(found).all() or found.sum() == 0:
        return equal
    found = found / found.sum()
    return np.asarray(found) if loss(found) < loss(equal) else equal
