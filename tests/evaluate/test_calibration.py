"""Calibration against scikit-learn, by hand, and on predictions that are what they say."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss

from ulmfit.evaluate.calibration import BINS, brier_score, calibration_error, reliability


def draw(runs=2, documents=3000, classes=3, seed=0):
    """Probabilities and labels that are drawn from those of the first run."""
    generator = np.random.default_rng(seed)
    probability = generator.dirichlet(np.full(classes, 0.7), (runs, documents))
    label = (probability[0].cumsum(axis=1) > generator.random((documents, 1))).argmax(axis=1)
    return probability.astype(np.float32), label


def test_bins_are_those_of_scikit_learn():
    probability, label = draw(runs=1)
    right = probability[0].argmax(axis=1) == label
    accuracy, confidence = calibration_curve(right, probability[0].max(axis=1), n_bins=BINS)
    bins = reliability(probability, label)
    assert [part.accuracy for part in bins] == pytest.approx(accuracy)
    assert [part.confidence for part in bins] == pytest.approx(confidence, abs=1e-6)
    assert sum(part.documents for part in bins) == len(label)
    assert all(part.low < part.confidence <= part.high for part in bins)


def test_runs_are_taken_together():
    probability, label = draw(runs=3)
    both = reliability(probability, label)
    alone = [reliability(probability[run : run + 1], label) for run in range(3)]
    assert sum(part.documents for part in both) == 3 * len(label)
    right = sum(part.accuracy * part.documents for part in both)
    assert right == pytest.approx(
        sum(part.accuracy * part.documents for run in alone for part in run)
    )


def test_the_expected_calibration_error_by_hand():
    # Three sure and one unsure prediction; two of the sure ones and the unsure one are right.
    probability = np.array([[[0.9, 0.1], [0.9, 0.1], [0.9, 0.1], [0.4, 0.6]]])
    label = np.array([0, 0, 1, 1])
    expected = 3 / 4 * abs(2 / 3 - 0.9) + 1 / 4 * abs(1 - 0.6)
    assert calibration_error(probability, label) == pytest.approx(expected)


def test_the_expected_calibration_error_is_the_mean_over_runs():
    probability, label = draw(runs=3)
    alone = [calibration_error(probability[run : run + 1], label) for run in range(3)]
    assert calibration_error(probability, label) == pytest.approx(np.mean(alone))


def test_predictions_that_are_what_they_say_are_calibrated():
    probability, label = draw(runs=1, documents=40_000)
    assert calibration_error(probability, label) < 0.01
    sure = np.zeros_like(probability)
    sure[0, np.arange(40_000), probability[0].argmax(axis=1)] = 1
    # As sure as can be: off by its whole error.
    error = float((probability[0].argmax(axis=1) != label).mean())
    assert calibration_error(sure, label) == pytest.approx(error)


@pytest.mark.parametrize("classes", [2, 5])
def test_the_brier_score_is_that_of_scikit_learn(classes):
    probability, label = draw(runs=1, classes=classes)
    shares = probability[0] / probability[0].sum(axis=1, keepdims=True, dtype=np.float64)
    expected = brier_score_loss(label, shares, labels=range(classes), scale_by_half=False)
    assert brier_score(probability, label) == pytest.approx(expected, rel=1e-5)


def test_scores_leave_the_predictions_alone():
    probability, label = draw()
    before = probability.copy()
    brier_score(probability, label)
    assert np.array_equal(probability, before)
