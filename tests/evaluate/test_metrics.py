"""Metrics of a fold against scikit-learn and by hand."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ulmfit.evaluate.metrics import compute_metrics, confusion_matrix


@st.composite
def labelled(draw):
    """(label, probability float32) of up to 40 documents in up to 6 classes."""
    seed, n, classes = draw(
        st.tuples(st.integers(0, 2**32 - 1), st.integers(1, 40), st.integers(2, 6))
    )
    generator = np.random.default_rng(seed)
    # Small concentrations give probabilities at and near 0 and 1.
    probability = generator.dirichlet(
        np.full(classes, draw(st.sampled_from([0.02, 1.0, 30.0]))), size=n
    )
    return generator.integers(classes, size=n), probability.astype(np.float32)


@settings(deadline=None)
@given(labelled())
def test_metrics_equal_scikit_learn(case):
    from sklearn import metrics

    label, probability = case
    ours = compute_metrics(label, probability)
    predicted = probability.argmax(1)
    assert ours.accuracy == pytest.approx(metrics.accuracy_score(label, predicted))
    assert ours.macro_f1 == pytest.approx(metrics.f1_score(label, predicted, average="macro"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # float32 rows add up to 1 only nearly
        loss = metrics.log_loss(label, probability, labels=range(probability.shape[1]))
    assert ours.loss == pytest.approx(loss, rel=1e-4, abs=1e-5)
    assert np.array_equal(
        confusion_matrix(label, predicted, probability.shape[1]),
        metrics.confusion_matrix(label, predicted, labels=range(probability.shape[1])),
    )


@settings(deadline=None)
@given(labelled())
def test_error_is_errors_over_documents(case):
    metrics = compute_metrics(*case)
    assert metrics.error == metrics.errors / metrics.n
    assert metrics.accuracy == (metrics.n - metrics.errors) / metrics.n


def test_error_is_not_a_mean_of_batch_means():
    # 97 documents in batches of 32 leave one document for the last batch.
    label = np.zeros(97, dtype=int)
    wrong = np.zeros(97, dtype=bool)
    wrong[[3, 40, 96]] = True
    probability = np.where(wrong[:, None], [0.1, 0.9], [0.9, 0.1])
    of_batches = np.mean([wrong[start : start + 32].mean() for start in range(0, 97, 32)])
    metrics = compute_metrics(label, probability)
    assert (metrics.errors, metrics.error) == (3, 3 / 97)
    assert of_batches == pytest.approx(0.265625)


def test_a_class_that_never_occurs_does_not_count_in_macro_f1():
    metrics = compute_metrics(np.array([0, 1]), np.array([[0.8, 0.1, 0.1], [0.1, 0.8, 0.1]]))
    assert metrics.macro_f1 == 1


def test_a_certain_mistake_has_a_finite_loss():
    assert compute_metrics(np.array([1]), np.array([[1.0, 0.0]])).loss == pytest.approx(15.94, 0.01)


def test_no_documents_is_an_error():
    with pytest.raises(ValueError, match="no documents"):
        compute_metrics(np.zeros(0, dtype=int), np.zeros((0, 2)))
