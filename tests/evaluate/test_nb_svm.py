"""NB-SVM against its definition and scikit-learn's naive Bayes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_matrix
from sklearn.naive_bayes import MultinomialNB

from ulmfit.errors import UserError
from ulmfit.evaluate.labelled_texts import Texts
from ulmfit.evaluate.nb_svm import log_count_ratio, train_nb_svm


def texts(fold, rows):
    n = len(rows)
    return Texts(
        np.array([f"{fold}-{i}" for i in range(n)]),
        np.full(n, fold),
        np.arange(n),
        [text for text, _ in rows],
        np.array([label for _, label in rows], dtype=np.intp),
    )


def test_the_ratio_is_that_of_the_paper():
    features = csr_matrix([[1, 1, 0], [1, 0, 0], [0, 1, 1]])
    found = log_count_ratio(features, np.array([True, True, False]), alpha=1.0)
    p, q = np.array([3, 2, 1]) / 6, np.array([1, 2, 2]) / 5
    np.testing.assert_allclose(found, np.log(p / q))


@given(st.integers(0, 2**32 - 1), st.floats(0.1, 5))
def test_the_ratio_is_that_of_multinomial_naive_bayes(seed, alpha):
    generator = np.random.default_rng(seed)
    features = csr_matrix(generator.integers(2, size=(12, 7)))
    label = np.arange(12) % 2
    fitted = MultinomialNB(alpha=alpha).fit(features, label).feature_log_prob_
    np.testing.assert_allclose(
        log_count_ratio(features, label == 1, alpha), fitted[1] - fitted[0], atol=1e-9
    )


ROWS = [("good film", 0), ("fine film", 0), ("bad film", 1), ("poor film", 1)] * 3
SELECT = [("good fine", 0), ("bad poor", 1)]


def test_both_ends_of_the_interpolation_tell_plain_texts_apart():
    fit, select = texts("fit", ROWS), texts("select", SELECT)
    unseen = ["fine good film", "poor bad film", "good poor bad"]
    for beta in (0.0, 1.0):
        options = {"C": [1.0], "beta": [beta], "min_df": [1], "ngram": 1}
        predict, chosen = train_nb_svm(fit, select, 2, options)
        assert predict(unseen).argmax(axis=1).tolist() == [0, 1, 1]
        assert chosen["beta"] == beta


def test_three_classes_are_told_apart_one_against_the_rest():
    rows = [*ROWS, *[("blue sky", 2), ("grey sky", 2)] * 3]
    predict, _ = train_nb_svm(
        texts("fit", rows), texts("select", [*SELECT, ("sky", 2)]), 3, {"min_df": [1]}
    )
    made = predict(["good", "bad", "sky"])
    assert made.argmax(axis=1).tolist() == [0, 1, 2]
    np.testing.assert_allclose(made.sum(axis=1), 1)


@pytest.mark.parametrize(
    ("rows", "options", "message"),
    [
        (ROWS, {"c": [1.0]}, "options of the baseline nb-svm"),
        (ROWS[:2], {}, "at least two classes"),
        (ROWS, {"min_df": [99]}, "with min_df 99"),
    ],
)
def test_what_cannot_be_trained_is_said(rows, options, message):
    with pytest.raises(UserError, match=message):
        train_nb_svm(texts("fit", rows), texts("select", SELECT), 2, options)
