"""Ways to combine an ensemble's members."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import log_softmax, softmax

from ulmfit.evaluate.ensembles import combine, fit_weights

RULES = ("mean", "logits", "weighted", "vote")
shapes = st.tuples(st.integers(1, 5), st.integers(1, 20), st.integers(2, 5))
seeds = st.integers(0, 2**32 - 1)


def drawn(seed, shape):
    """Probabilities (members, documents, classes), and weights (members,)."""
    generator = np.random.default_rng(seed)
    members, documents, classes = shape
    return (
        generator.dirichlet(np.ones(classes), size=(members, documents)),
        generator.dirichlet(np.ones(members)),
    )


@given(seeds, shapes, st.sampled_from(RULES))
def test_every_row_is_a_distribution(seed, shape, rule):
    members, weights = drawn(seed, shape)
    made = combine(members, rule, weights)
    assert made.shape == shape[1:]
    assert made.min() >= 0
    np.testing.assert_allclose(made.sum(axis=1), 1, atol=1e-9)


@given(seeds, shapes, st.sampled_from(("mean", "logits", "weighted")))
def test_equal_members_combine_to_the_member(seed, shape, rule):
    members, weights = drawn(seed, shape)
    equal = np.repeat(members[:1], shape[0], axis=0)
    np.testing.assert_allclose(combine(equal, rule, weights), members[0], atol=1e-9)


@given(seeds, shapes, st.sampled_from(RULES))
def test_the_order_of_members_does_not_matter(seed, shape, rule):
    members, weights = drawn(seed, shape)
    order = np.random.default_rng(seed).permutation(shape[0])
    again = combine(members[order], rule, weights[order])
    np.testing.assert_allclose(again, combine(members, rule, weights), atol=1e-9)


@given(seeds, shapes)
def test_the_mean_of_logits_needs_no_logits(seed, shape):
    """Their constants, which probabilities have lost, fall out of the softmax."""
    generator = np.random.default_rng(seed)
    logits = generator.normal(0, 3, shape)
    expected = softmax(logits.mean(axis=0), axis=1)
    found = combine(np.exp(log_softmax(logits, axis=2)), "logits", np.ones(shape[0]))
    np.testing.assert_allclose(found, expected, atol=1e-9)


def test_a_probability_of_zero_has_a_logarithm():
    members = np.array([[[1.0, 0.0]], [[0.5, 0.5]]])
    made = combine(members, "logits", np.ones(2))
    assert np.isfinite(made).all()
    assert made[0, 0] > 0.99


@given(seeds, shapes)
def test_the_class_of_most_votes_wins(seed, shape):
    members, weights = drawn(seed, shape)
    votes = [np.bincount(row, minlength=shape[2]) for row in members.argmax(axis=2).T]
    for row, counted in zip(combine(members, "vote", weights), votes, strict=True):
        assert counted[row.argmax()] == counted.max()


def test_equal_votes_go_to_the_higher_mean_probability():
    members = np.array([[[0.9, 0.1, 0.0]], [[0.4, 0.6, 0.0]]])
    assert combine(members, "vote", np.ones(2))[0].argmax() == 0
    assert combine(members[:, :, [1, 0, 2]], "vote", np.ones(2))[0].argmax() == 1


@given(seeds, shapes)
def test_fitted_weights_lie_on_the_simplex_and_lose_to_no_single_member(seed, shape):
    members, _ = drawn(seed, shape)
    label = np.random.default_rng(seed).integers(shape[2], size=shape[1])
    weights = fit_weights(members, label)
    assert weights.min() >= 0
    assert weights.sum() == pytest.approx(1)

    def loss(chosen):
        return -np.log(np.tensordot(chosen, members, 1)[np.arange(len(label)), label]).mean()

    for other in (np.full(shape[0], 1 / shape[0]), *np.eye(shape[0])):
        assert loss(weights) <= loss(other) + 1e-4


def test_fitted_weights_of_two_members_are_those_of_a_grid():
    members, _ = drawn(3, (2, 400, 3))
    label = members[0].argmax(axis=1)
    right = members[:, np.arange(400), label]
    grid = np.linspace(0, 1, 2001)
    losses = -np.log(grid[:, None] * right[0] + (1 - grid[:, None]) * right[1]).mean(axis=1)
    assert fit_weights(members, label)[0] == pytest.approx(grid[losses.argmin()], abs=2e-3)


def test_members_that_say_the_same_weigh_the_same():
    members, _ = drawn(5, (1, 50, 3))
    equal = np.repeat(members, 3, axis=0)
    np.testing.assert_allclose(fit_weights(equal, np.zeros(50, int)), 1 / 3)
