"""Whether probabilities mean what they say: reliability, calibration error and Brier score."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BINS = 15
"""Bins of equal width between 0 and 1, as Guo et al. (2017)."""

Probabilities = NDArray[np.floating]
"""(runs, documents, classes) of predictions on the same documents."""


@dataclass(frozen=True)
class Bin:
    """Predictions whose confidence, the largest probability, lies in (``low``, ``high``].

    ``documents`` counts them over all runs; ``confidence`` and ``accuracy`` are their means.
    """

    low: float
    high: float
    documents: int
    confidence: float
    accuracy: float


def reliability(probability: Probabilities, label: NDArray[np.intp]) -> list[Bin]:
    """The bins that are not empty, lowest first, of the runs' predictions taken together."""
    confidence, right = _confidence(probability, label)
    return list(_bins(confidence.ravel(), right.ravel()))


def calibration_error(probability: Probabilities, label: NDArray[np.intp]) -> float:
    """Expected calibration error (Naeini et al. 2015), the mean over runs.

    Of one run: the mean over documents of the distance between confidence and accuracy of a
    document's bin.
    """
    confidence, right = _confidence(probability, label)
    errors = [
        sum(part.documents * abs(part.accuracy - part.confidence) for part in _bins(*run))
        / len(label)
        for run in zip(confidence, right, strict=True)
    ]
    return float(np.mean(errors))


def brier_score(probability: Probabilities, label: NDArray[np.intp]) -> float:
    """Mean over runs and documents of the squared distance to the label (Brier 1950), 0 to 2.

    Summed over all classes: for two classes twice what is often called so.
    """
    distance = probability.astype(np.float64)
    distance[:, np.arange(len(label)), label] -= 1
    return float((distance**2).sum(axis=2).mean())


def _confidence(
    probability: Probabilities, label: NDArray[np.intp]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    confidence = probability.max(axis=2).astype(np.float64)
    return confidence, np.asarray(probability.argmax(axis=2) == label)


def _bins(confidence: NDArray[np.float64], right: NDArray[np.bool_]) -> Iterator[Bin]:
    edges = np.linspace(0, 1, BINS + 1)
    place = np.clip(np.searchsorted(edges, confidence, side="left") - 1, 0, BINS - 1)
    for index in np.unique(place).tolist():
        inside = place == index
        yield Bin(
            low=float(edges[index]),
            high=float(edges[index + 1]),
            documents=int(inside.sum()),
            confidence=float(confidence[inside].mean()),
            accuracy=float(right[inside].mean()),
        )
