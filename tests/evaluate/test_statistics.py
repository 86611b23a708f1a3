"""Intervals, tests and verdicts against scipy, by hand, and in their limits."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from ulmfit.evaluate.statistics import (
    SIGNIFICANCE,
    Estimate,
    adjust_holm,
    estimate_difference,
    estimate_error,
    estimate_gap,
    holm_significance,
    mcnemar,
    verdict,
    wilson,
)

fractions = st.floats(0, 1, allow_nan=False)


def draw_wrong(runs, documents, rate, seed=0):
    return np.random.default_rng(seed).random((runs, documents)) < rate


@settings(deadline=None)
@given(st.integers(1, 5000), st.data())
def test_wilson_equals_scipy(n, data):
    errors = data.draw(st.integers(0, n))
    expected = stats.binomtest(errors, n).proportion_ci(method="wilson")
    assert wilson(errors, n) == pytest.approx((expected.low, expected.high), abs=1e-12)


@pytest.mark.parametrize(
    ("error", "n", "half"),
    [
        # ulmfit.md section 8, in points; normal intervals, so those of few errors differ a little.
        (4.6, 25_000, 0.26),
        (5.0, 2_500, 0.85),
        (3.6, 500, 1.63),
        (5.69, 545, 1.94),
        (5.01, 7_600, 0.49),
        (5.38, 12_000, 0.40),
        (0.80, 70_000, 0.07),
        (2.16, 38_000, 0.15),
        (29.98, 50_000, 0.40),
    ],
)
def test_published_errors_have_the_intervals_of_their_test_sets(error, n, half):
    low, high = wilson(error / 100 * n, n)
    assert 100 * (high - low) / 2 == pytest.approx(half, abs=0.05 if n < 1000 else 0.01)
    assert low < error / 100 < high


def test_a_gap_has_newcombes_interval():
    """Newcombe 1998, table II, (a), method 10: 56 of 70 and 48 of 80."""
    gap = estimate_gap(Estimate(56 / 70, *wilson(56, 70)), 48 / 80, 80)
    assert (gap.value, gap.low, gap.high) == pytest.approx((0.2, 0.0524, 0.3339), abs=5e-5)


def test_a_published_error_within_chance_is_no_contradiction():
    ours = Estimate(0.052, 0.049, 0.055)
    near, far = estimate_gap(ours, 0.046, 25_000), estimate_gap(ours, 0.036, 500)
    # 0.6 points off, of 25,000 documents; 1.6 points off, of 500.
    assert near.low > 0
    assert far.low < 0 < far.high


def test_gaps_cover_the_truth():
    generator = np.random.default_rng(5)
    holds = []
    for _ in range(2000):
        ours, theirs = generator.binomial([4000, 545], 0.06)
        gap = estimate_gap(Estimate(ours / 4000, *wilson(ours, 4000)), theirs / 545, 545)
        holds.append(gap.low <= 0 <= gap.high)
    assert 0.94 <= np.mean(holds) <= 0.965


def test_the_significance_that_holm_leaves_by_hand():
    # Three tests: a third, a half and all of 5 %; behind one that fails, what would have failed.
    assert holm_significance([0.04, 0.001, 0.02]) == pytest.approx([0.05, 0.05 / 3, 0.025])
    assert holm_significance([0.02, 0.021, 0.022]) == pytest.approx(
        [0.05 / 3, 0.05 / 3 * 0.021 / 0.02, 0.05 / 3 * 0.022 / 0.02]
    )
    assert holm_significance([]) == []


@given(st.lists(st.floats(1e-12, 1), min_size=1, max_size=12))
def test_a_p_value_below_its_significance_is_one_that_holm_lets_pass(p):
    for value, adjusted, level in zip(p, adjust_holm(p), holm_significance(p), strict=True):
        assert SIGNIFICANCE / len(p) <= level * (1 + 1e-9)
        assert level <= SIGNIFICANCE * (1 + 1e-9)
        if adjusted != pytest.approx(SIGNIFICANCE):
            assert (value < level) == (adjusted < SIGNIFICANCE)


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


def test_mean_error_is_errors_over_runs_times_documents():
    wrong = draw_wrong(3, 97, 0.3)
    assert estimate_error(wrong).value == wrong.sum() / (3 * 97)


def test_one_run_has_the_wilson_interval():
    wrong = draw_wrong(1, 500, 0.2)
    estimate = estimate_error(wrong)
    assert (estimate.low, estimate.high) == wilson(int(wrong.sum()), 500)


@pytest.mark.parametrize("errors", [0, 1])
def test_a_cell_that_is_always_right_or_wrong_has_an_interval(errors):
    estimate = estimate_error(np.full((3, 200), bool(errors)))
    assert (estimate.low, estimate.high) == wilson(200 * errors, 200)


def test_two_deterministic_models_have_the_paired_t_test_over_documents():
    wrong, other = draw_wrong(1, 3000, 0.3, 1), draw_wrong(1, 3000, 0.25, 2)
    other |= wrong & draw_wrong(1, 3000, 0.5, 3)
    estimate = estimate_difference(wrong, other)
    expected = stats.ttest_rel(wrong[0].astype(float), other[0].astype(float))
    bounds = expected.confidence_interval(0.95)
    assert estimate.p == pytest.approx(expected.pvalue)
    assert (estimate.low, estimate.high) == pytest.approx((bounds.low, bounds.high))


def test_without_chance_of_documents_a_difference_has_the_test_of_welch_over_seeds():
    # Every run errs on a block of documents of its own length, the blocks of each side apart: with
    # so many documents their chance is small beside that of the seeds.
    documents = np.arange(1_000_000)
    rates, others = np.array([0.1, 0.2, 0.36]), np.array([0.5, 0.52, 0.58, 0.51])
    wrong = documents < (rates * 1_000_000)[:, None]
    other = documents >= 1_000_000 - (others * 1_000_000)[:, None]
    estimate = estimate_difference(wrong, other)
    expected = stats.ttest_ind(rates, others, equal_var=False)
    bounds = expected.confidence_interval(0.95)
    assert estimate.p == pytest.approx(expected.pvalue, rel=1e-2)
    assert (estimate.low, estimate.high) == pytest.approx((bounds.low, bounds.high), rel=1e-2)


def test_without_chance_of_documents_an_error_has_the_t_interval_of_its_seeds():
    rates = np.array([0.40, 0.45, 0.51])
    wrong = np.arange(1_000_000) < (rates * 1_000_000)[:, None]
    estimate = estimate_error(wrong)
    half = stats.t.ppf(0.975, 2) * rates.std(ddof=1) / np.sqrt(3)
    assert (estimate.low, estimate.high) == pytest.approx(
        (rates.mean() - half, rates.mean() + half), rel=1e-2
    )


def test_what_a_row_shows_does_not_depend_on_other_rows():
    # The claim is in the signatures: an estimate sees its own runs and the reference's.
    calm, reference = draw_wrong(3, 4000, 0.38, 1), draw_wrong(3, 4000, 0.40, 2)
    noisy = np.vstack([draw_wrong(1, 4000, rate, 3) for rate in (0.3, 0.5, 0.7)])

    def width(wrong):
        estimate = estimate_difference(wrong, reference)
        return estimate.high - estimate.low

    assert width(noisy) > 5 * width(calm)


def test_a_difference_changes_its_sign_with_its_sides():
    wrong, other = draw_wrong(3, 400, 0.3, 1), draw_wrong(5, 400, 0.25, 2)
    there, back = estimate_difference(wrong, other), estimate_difference(other, wrong)
    assert (there.value, there.p) == (-back.value, pytest.approx(back.p))
    assert (there.low, there.high) == pytest.approx((-back.high, -back.low))


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 2**32 - 1), st.integers(1, 4), st.integers(1, 4), st.integers(2, 60))
def test_estimates_do_not_depend_on_the_order_of_documents(seed, runs, others, documents):
    generator = np.random.default_rng(seed)
    wrong = generator.random((runs, documents)) < 0.4
    other = generator.random((others, documents)) < 0.3
    order = generator.permutation(documents)
    first = estimate_difference(wrong, other)
    again = estimate_difference(wrong[:, order], other[:, order])
    assert first.low == pytest.approx(again.low)
    assert first.p == pytest.approx(again.p)
    assert -1 <= first.low <= first.value <= first.high <= 1
    assert 0 <= first.p <= 1


def test_equal_runs_are_never_told_apart():
    wrong = draw_wrong(3, 300, 0.3)
    assert estimate_difference(wrong, wrong).p == 1
    assert estimate_difference(wrong[:1], wrong[:1]).p == 1


def test_p_value_and_interval_agree():
    for seed in range(40):
        wrong, other = draw_wrong(3, 300, 0.30, seed), draw_wrong(3, 300, 0.36, seed + 100)
        estimate = estimate_difference(wrong, other)
        assert (estimate.low > 0 or estimate.high < 0) == (estimate.p < 0.05)


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
