"""Metrics of one fold, over documents: never a mean of batch means (ulmfit.md 5.8, 10 check 10)."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Metrics:
    """What ``metrics.json`` says of a fold; rates are fractions, ``loss`` is in nats.

    ``n`` documents, ``errors`` of them wrong; ``error`` = errors / n.
    """

    n: int
    errors: int
    error: float
    accuracy: float
    macro_f1: float
    loss: float

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


def compute_metrics(label: NDArray[np.integer[Any]], probability: NDArray[Any]) -> Metrics:
    """Metrics of class indices ``label`` (n,) under ``probability`` (n, classes).

    The predicted class is the most probable one, the first of equals. Macro-F1 is the mean over
    the classes that occur as label or prediction (as in scikit-learn). Raises ValueError without
    documents.
    """
    n, classes = probability.shape
    if n == 0:
        raise ValueError("no documents to score")
    predicted = probability.argmax(axis=1)
    confusion = confusion_matrix(label, predicted, classes)
    right = np.diag(confusion)
    errors = int(n - right.sum())
    support = confusion.sum(axis=0) + confusion.sum(axis=1)
    f1 = 2 * right[support > 0] / support[support > 0]
    return Metrics(
        n=n,
        errors=errors,
        error=errors / n,
        accuracy=(n - errors) / n,
        macro_f1=float(f1.mean()),
        loss=float(losses(label, probability).mean()),
    )


def losses(label: NDArray[np.integer[Any]], probability: NDArray[Any]) -> NDArray[np.float64]:
    """Log loss of each document, (n,) in nats.

    Probabilities are bounded away from 0 and 1 by the resolution of float32, as in scikit-learn.
    """
    bound = float(np.finfo(np.float32).eps)
    of_label = probability[np.arange(len(label)), label].astype(np.float64)
    return np.asarray(-np.log(np.clip(of_label, bound, 1 - bound)))


def confusion_matrix(
    label: NDArray[np.integer[Any]], predicted: NDArray[np.integer[Any]], classes: int
) -> NDArray[np.int64]:
    """Documents by (label, predicted class), (classes, classes)."""
    pairs = np.bincount(label.astype(np.int64) * classes + predicted, minlength=classes * classes)
    return pairs.reshape(classes, classes)
