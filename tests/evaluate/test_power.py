"""How many documents or seeds would tell a difference: against scipy, by hand and by simulation."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats
from simulated_runs import Table

from ulmfit.evaluate.power import POWER, documents_needed, power, seeds_needed
from ulmfit.evaluate.statistics import Chances, Side, chances, estimate_difference


def of_documents(variance, n):
    """Chances of two single models whose difference on a document has this variance."""
    return Chances(0.0, 1.0, variance / n, n - 1, (), 0.0, n)


@pytest.mark.parametrize("n", [30, 500, 4000])
@pytest.mark.parametrize("shift", [0.5, 2.0, 2.8, 4.0])
def test_power_over_documents_is_that_of_the_paired_t_test(n, shift):
    edge = stats.t.ppf(0.975, n - 1)
    expected = stats.nct.sf(edge, n - 1, shift) + stats.nct.cdf(-edge, n - 1, shift)
    difference = shift * math.sqrt(0.08 / n)
    # The variance between documents is taken as known, which few documents make too hopeful.
    assert power(difference, [], 0.08 / n, n - 1) == pytest.approx(expected, abs=0.02)


@pytest.mark.parametrize("degrees", [2, 4, 8])
@pytest.mark.parametrize("shift", [1.0, 3.0, 6.0])
def test_power_over_seeds_is_that_of_students_test(degrees, shift):
    edge = stats.t.ppf(0.975, degrees)
    expected = stats.nct.sf(edge, degrees, shift) + stats.nct.cdf(-edge, degrees, shift)
    found = power(shift * 0.01, [(0.0001, degrees)], 0.0, 999)
    assert found == pytest.approx(expected, abs=0.005)


def test_without_a_difference_the_power_is_the_significance():
    assert power(0.0, [], 0.1, 4999) == pytest.approx(0.05, abs=0.001)
    assert power(0.0, [(0.1, 4)], 0.0, 999) == pytest.approx(0.05, abs=0.002)


def test_500_documents_tell_3_5_points_where_pairs_of_models_differ_on_8_per_cent():
    variance = 0.08 - 0.035**2
    assert documents_needed(0.035, of_documents(variance, 500)) == pytest.approx(500, rel=0.02)


def test_the_number_is_the_smallest_that_is_enough():
    found = chances([(1.0, side(0.2, 1)), (-1.0, side(0.26, 2))])
    n = documents_needed(0.06, found)
    assert n is not None
    assert at(found, n) >= POWER > at(found, n - 1)


def at(found, n):
    """Power to tell 6 points by another number of documents."""
    share = found.n / n
    left = 1 - found.interaction / found.seeds * (1 - share)
    parts = [(variance * left, degrees) for variance, degrees in found.parts]
    return power(0.06, parts, found.documents * share, n - 1)


def side(error, seed, runs=3, documents=800, shift=0.02):
    table = Table(runs, documents, error, 2.0, (shift,))
    return Side.of(table.draw(np.random.default_rng(seed))[0])


@pytest.mark.parametrize("significance", [0.05, 0.01, 0.001])
def test_power_at_another_significance_is_that_of_the_paired_t_test(significance):
    edge = stats.t.ppf(1 - significance / 2, 3999)
    expected = stats.nct.sf(edge, 3999, 3.2) + stats.nct.cdf(-edge, 3999, 3.2)
    difference = 3.2 * math.sqrt(0.08 / 4000)
    found = power(difference, [], 0.08 / 4000, 3999, significance)
    assert found == pytest.approx(expected, abs=0.005)


def test_a_smaller_significance_needs_more_documents_and_more_seeds():
    found = chances([(1.0, side(0.2, 1)), (-1.0, side(0.26, 2))])
    for needed, difference in ((documents_needed, 0.12), (seeds_needed, 0.06)):
        at_5, at_1 = (needed(difference, found, significance) for significance in (0.05, 0.01))
        assert at_5 is not None
        assert at_1 is not None
        assert at_5 < at_1


@pytest.mark.parametrize("significance", [0.05, 0.05 / 3, 0.005])
@pytest.mark.parametrize("seed", range(6))
def test_what_a_test_does_not_tell_needs_more_documents_than_it_had(significance, seed):
    """At the very edge of the significance of the test, and within it."""
    found = chances([(1.0, side(0.2, seed, shift=0.05)), (-1.0, side(0.26, seed + 10, shift=0.1))])
    for share in (0.999, 0.6):
        n = documents_needed(share * found.half_width(significance), found, significance)
        assert n is None or n > found.n


def test_a_larger_difference_needs_fewer_documents_and_a_smaller_chance_too():
    assert documents_needed(0.02, of_documents(0.1, 500)) > documents_needed(
        0.04, of_documents(0.1, 500)
    )
    assert documents_needed(0.02, of_documents(0.1, 500)) > documents_needed(
        0.02, of_documents(0.05, 500)
    )
    assert documents_needed(-0.02, of_documents(0.1, 500)) == documents_needed(
        0.02, of_documents(0.1, 500)
    )


def test_no_number_of_documents_tells_what_the_seeds_hide():
    # Runs of both sides differ by 2 points, and the sides by 2.
    parts = ((0.02**2 / 3, 2), (0.02**2 / 3, 2))
    noisy = Chances(2 * 0.02**2 / 3, 4.0, 0.00001, 799, parts, 0.0, 800)
    assert documents_needed(0.02, noisy) is None
    assert seeds_needed(0.02, noisy) > 10


def test_without_a_difference_there_is_nothing_to_ask_for():
    found = chances([(1.0, side(0.2, 1)), (-1.0, side(0.2, 2))])
    assert documents_needed(0.0, found) is None
    assert seeds_needed(0.0, found) is None
    assert seeds_needed(0.1, of_documents(0.1, 500)) is None


def test_seeds_needed_are_those_of_students_test_where_documents_have_no_say():
    """Two samples, normal, a standard deviation apart: 17 a side in every table of power."""
    parts = ((0.01**2 / 3, 2), (0.01**2 / 3, 2))
    assert seeds_needed(0.01, Chances(2 * 0.01**2 / 3, 4.0, 0.0, 999, parts, 0.0, 1000)) == 17


@pytest.mark.parametrize(
    ("shift", "errors"),
    [(0.0, (0.30, 0.36)), (0.03, (0.30, 0.37))],
)
def test_the_number_of_documents_has_the_power_it_promises(shift, errors):
    """Chances known from a large draw; then many tables of the number that they ask for."""
    generator = np.random.default_rng(21)
    large = draw(generator, 60_000, errors, shift, runs=400)
    known = chances([(1.0, Side.of(large[0])), (-1.0, Side.of(large[1]))])
    seeds, times = 3, len(large[0]) / 3
    scaled = replace(
        known,
        seeds=known.seeds * times,
        interaction=known.interaction * times,
        parts=tuple((variance * times, seeds - 1) for variance, _ in known.parts),
    )
    n = documents_needed(errors[1] - errors[0], scaled)
    assert n is not None
    told = []
    for _ in range(400):
        first, second = draw(generator, n, errors, shift, runs=seeds)
        found = estimate_difference(second, first)
        told.append(found.low > 0 or found.high < 0)
    assert np.mean(told) == pytest.approx(POWER, abs=0.06)


def draw(generator, documents, errors, shift, runs):
    """Wrong predictions of two methods that share the difficulty of documents."""
    difficulty = generator.normal(0, 2.0, documents).astype(np.float32)
    cells = []
    for error in errors:
        total = math.sqrt(1 + 2.0**2 + shift**2)
        moved = stats.norm.ppf(error) * total + generator.normal(0, shift, (runs, 1))
        noise = generator.standard_normal((runs, documents), dtype=np.float32)
        cells.append(moved.astype(np.float32) + difficulty + noise > 0)
    return cells
