"""Intervals, tests and verdicts against scipy, by hand, and in their limits."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from ulmfit.evaluate.statistics import (
    NO_NOISE,
    SeedNoise,
    adjust_holm,
    estimate_difference,
    estimate_error,
    mcnemar,
    pool_noise,
    verdict,
    wilson,
)

KEY = ["report", "run-a", "run-b"]
fractions = st.floats(0, 1, allow_nan=False)


def draw_wrong(runs, documents, rate, seed=0):
    return np.random.default_rng(seed).random((runs, documents)) < rate


@settings(deadline=None)
@given(st.integers(1, 5000), st.data())
def test_wilson_equals_scipy(n, data):
    errors = data.draw(st.integers(0, n))
    expected = stats.binomtest(errors, n).proportion_ci(method="wilson")
    assert wilson(errors, n) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_holm_by_hand():
    # 3 x 0.01, 2 x 0.03, and 0.04 raised to the one before it.
    assert adjust_holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    # 4 x 0.005, 3 x 0.011, 2 x 0.02, and the last is not multiplied.
    assert adjust_holm([0.005, 0.011, 0.02, 0.04]) == pytest.approx([0.02, 0.033, 0.04, 0.04])
    assert adjust_holm([0.6, 0.7]) == [1.0, 1.0]
    assert adjust_holm([]) == []


@given(st.lists(fractions, min_size=1, max_size=12))
def test_holm_lies_between_the_plain_and_the_bonferroni_value(p):
    adjusted = adjust_holm(p)
    for plain, ours in zip(p, adjusted, strict=True):
        assert plain <= ours <= min(1.0, plain * len(p))
    order = np.argsort(p, kind="stable")
    assert np.all(np.diff(np.array(adjusted)[order]) >= 0)


@given(st.lists(fractions, min_size=2, max_size=8), st.randoms(use_true_random=False))
def test_holm_does_not_depend_on_the_order(p, random):
    order = list(range(len(p)))
    random.shuffle(order)
    assert adjust_holm([p[index] for index in order]) == [adjust_holm(p)[index] for index in order]


@settings(deadline=None)
@given(st.integers(0, 60), st.integers(0, 60), st.integers(0, 20))
def test_mcnemar_equals_the_exact_binomial_test(only_first, only_second, both):
    wrong = np.repeat([True, False, True], [only_first, only_second, both])
    other = np.repeat([False, True, True], [only_first, only_second, both])
    if only_first + only_second == 0:
        assert mcnemar(wrong, other) == 1
        return
    expected = stats.binomtest(only_first, only_first + only_second).pvalue
    assert mcnemar(wrong, other) == pytest.approx(expected, rel=1e-9)


def test_mcnemar_bears_thousands_of_discordant_documents():
    wrong = np.arange(20_000) < 9_000
    expected = stats.binomtest(9_000, 20_000).pvalue
    assert mcnemar(wrong, ~wrong) == pytest.approx(expected, rel=1e-9)


def test_pooled_noise_is_the_residual_variance_of_an_analysis_of_variance():
    cells = [[0.10, 0.12, 0.17], [0.30, 0.31, 0.29, 0.34], [0.5]]
    noise = pool_noise(cells)
    squares = 2 * np.var(cells[0], ddof=1) + 3 * np.var(cells[1], ddof=1)
    assert noise.degrees == 5
    assert noise.variance == pytest.approx(squares / 5)
    assert pool_noise([[0.5], [0.4]]) == NO_NOISE


def test_mean_error_is_errors_over_runs_times_documents():
    wrong = draw_wrong(3, 97, 0.3)
    assert estimate_error(wrong, NO_NOISE, KEY).value == wrong.sum() / (3 * 97)


def test_one_deterministic_run_has_the_wilson_interval():
    wrong = draw_wrong(1, 500, 0.2)
    estimate = estimate_error(wrong, NO_NOISE, KEY)
    assert (estimate.low, estimate.high) == wilson(int(wrong.sum()), 500)


@pytest.mark.parametrize("errors", [0, 1])
def test_a_cell_that_is_always_right_or_wrong_has_an_interval(errors):
    wrong = np.full((3, 200), bool(errors))
    estimate = estimate_error(wrong, SeedNoise(1e-8, 6), KEY)
    assert (estimate.low, estimate.high) == pytest.approx(wilson(200 * errors, 200), abs=1e-4)


def test_without_seed_noise_a_difference_has_the_paired_standard_error_of_documents():
    generator = np.random.default_rng(1)
    wrong, other = generator.random((1, 3000)) < 0.3, generator.random((1, 3000)) < 0.25
    other |= wrong & (generator.random((1, 3000)) < 0.5)
    difference = wrong.astype(float) - other
    estimate = estimate_difference(wrong, NO_NOISE, other, NO_NOISE, KEY)
    half = 1.96 * difference.std() / np.sqrt(3000)
    assert estimate.value == pytest.approx(difference.mean())
    assert estimate.high - estimate.low == pytest.approx(2 * half, rel=0.04)
    p = 2 * stats.norm.sf(abs(difference.mean()) / difference.std() * np.sqrt(3000))
    assert estimate.p == pytest.approx(p, abs=0.015)


def test_equal_documents_leave_the_t_interval_of_the_seeds():
    # Every run errs on a block of documents of its own length, nested in those of the others: the
    # document variance is small beside that of the seeds.
    rates = np.array([0.10, 0.20, 0.36])
    wrong = np.arange(10_000) < (rates * 10_000)[:, None]
    noise = pool_noise([rates.tolist()])
    estimate = estimate_error(wrong, noise, KEY)
    half = stats.t.ppf(0.975, 2) * rates.std(ddof=1) / np.sqrt(3)
    assert rates.mean() - half < 0 == estimate.low
    assert estimate.high == pytest.approx(rates.mean() + half, rel=0.06)


def test_a_cell_noisier_than_the_pool_keeps_its_own_noise():
    rates = np.array([0.2, 0.3, 0.4])
    wrong = np.arange(2000) < (rates * 2000)[:, None]
    calm = estimate_error(wrong, SeedNoise(1e-9, 20), KEY)
    pooled = estimate_error(wrong, SeedNoise(float(rates.var(ddof=1)), 20), KEY)
    assert calm == pooled


def test_more_seed_noise_widens_and_more_degrees_narrow_the_interval():
    wrong = draw_wrong(3, 400, 0.3)

    def width(noise):
        estimate = estimate_error(wrong, noise, KEY)
        return estimate.high - estimate.low

    assert width(SeedNoise(4e-3, 12)) > width(SeedNoise(1e-3, 12)) > width(SeedNoise(1e-3, 100))


def test_a_difference_changes_its_sign_with_its_sides():
    wrong, other = draw_wrong(3, 400, 0.3, 1), draw_wrong(5, 400, 0.25, 2)
    noise = SeedNoise(1e-4, 8)
    there = estimate_difference(wrong, noise, other, noise, KEY)
    back = estimate_difference(other, noise, wrong, noise, KEY)
    assert there.value == -back.value
    assert (there.low, there.high) == pytest.approx((-back.high, -back.low), abs=0.003)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**32 - 1), st.integers(1, 4), st.integers(1, 4), st.integers(2, 60))
def test_estimates_do_not_depend_on_the_order_of_documents(seed, runs, others, documents):
    generator = np.random.default_rng(seed)
    wrong = generator.random((runs, documents)) < 0.4
    other = generator.random((others, documents)) < 0.3
    noise = SeedNoise(1e-3, 4)
    order = generator.permutation(documents)
    first = estimate_difference(wrong, noise, other, noise, KEY)
    again = estimate_difference(wrong[:, order], noise, other[:, order], noise, KEY)
    assert first.low == pytest.approx(again.low)
    assert first.p == again.p
    assert -1 <= first.low <= first.value <= first.high <= 1
    assert 0 < first.p <= 1


def test_equal_runs_are_never_told_apart():
    wrong = draw_wrong(3, 300, 0.3)
    assert estimate_difference(wrong, NO_NOISE, wrong, NO_NOISE, KEY).p == 1


def test_p_value_and_interval_agree():
    noise = SeedNoise(1e-4, 10)
    for seed in range(40):
        wrong, other = draw_wrong(3, 300, 0.30, seed), draw_wrong(3, 300, 0.36, seed + 100)
        estimate = estimate_difference(wrong, noise, other, noise, [str(seed)])
        excludes_zero = estimate.low > 0 or estimate.high < 0
        assert excludes_zero == (estimate.p < 0.05) or estimate.p == pytest.approx(0.05, abs=0.001)


def test_the_key_decides_the_draws():
    wrong, noise = draw_wrong(3, 300, 0.3), SeedNoise(1e-4, 10)
    assert estimate_error(wrong, noise, ["a"]) == estimate_error(wrong, noise, ["a"])
    assert estimate_error(wrong, noise, ["a"]) != estimate_error(wrong, noise, ["b"])


@pytest.mark.parametrize(
    ("low", "high", "p_holm", "seeds", "expected"),
    [
        (-0.05, -0.01, 0.01, 3, "better"),
        (0.01, 0.05, 0.01, 3, "worse"),
        (0.01, 0.05, 0.01, None, "worse"),
        (0.01, 0.05, 0.05, 3, "not distinguished"),
        (-0.01, 0.05, 0.01, 3, "not distinguished"),
        (0.01, 0.05, 0.01, 2, "too few seeds"),
        (0.01, 0.05, None, 1, "too few seeds"),
    ],
)
def test_a_verdict_needs_seeds_p_value_and_interval(low, high, p_holm, seeds, expected):
    assert verdict(low, high, p_holm, seeds) == expected
