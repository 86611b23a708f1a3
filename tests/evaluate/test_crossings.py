"""Where a row reaches the error of another: by hand, in its limits, and how often it is right."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import norm

from ulmfit.evaluate.crossings import crossing
from ulmfit.evaluate.statistics import Side, estimate_difference

SIZES = (100, 1000, 10_000)


def single(error, documents=1000):
    """The side of one run that errs on the first documents."""
    return Side.of((np.arange(documents) < round(error * documents))[None])


def curve(*errors):
    return [(size, single(error)) for size, error in zip(SIZES, errors, strict=True)]


def test_between_two_sizes_the_error_falls_linearly_in_the_logarithm():
    # 40 % lie half way from 50 % to 30 %: at the geometric mean of 100 and 1,000.
    found = crossing(curve(0.5, 0.3, 0.2), single(0.4))
    assert found.labels == pytest.approx(math.sqrt(100 * 1000))
    assert crossing(curve(0.5, 0.4, 0.2), single(0.25)).labels == pytest.approx(1000 * 10**0.75)


def test_a_size_that_is_just_as_good_is_the_crossing():
    assert crossing(curve(0.5, 0.4, 0.2), single(0.4)).labels == pytest.approx(1000)


def test_the_first_of_several_crossings_counts():
    assert crossing(curve(0.5, 0.3, 0.45), single(0.4)).labels < 1000


def test_what_lies_beyond_the_sizes_stays_open():
    better = crossing(curve(0.5, 0.4, 0.3), single(0.6))
    assert (better.labels, better.low, better.high) == (0, 0, 0)
    worse = crossing(curve(0.5, 0.4, 0.3), single(0.1))
    assert (worse.labels, worse.low, worse.high) == (math.inf,) * 3
    nearly = crossing(curve(0.5, 0.4, 0.3), single(0.299))
    assert nearly.labels == math.inf > nearly.low > 1000


@pytest.mark.parametrize("seed", range(5))
def test_the_interval_is_that_of_the_difference_turned_round(seed):
    """At a measured size: inside if the table there does not tell the two apart."""
    generator = np.random.default_rng(seed)
    wrong = draw(generator, 600, (0.5, 0.4, 0.3))
    target = draw(generator, 600, (0.41,))[0]
    points = [(size, Side.of(part)) for size, part in zip(SIZES, wrong, strict=True)]
    found = crossing(points, Side.of(target))
    for size, part in zip(SIZES, wrong, strict=True):
        gap = estimate_difference(part, target)
        assert (found.low < size) == (gap.low <= 0)
        assert (found.high < size) == (gap.high <= 0)


def draw(generator, documents, errors, runs=3, shift=0.03):
    """Wrong predictions of rows that share the difficulty of documents."""
    difficulty = generator.normal(0, 2.0, documents)
    total = math.sqrt(1 + 2.0**2 + shift**2)
    return [
        norm.ppf(error) * total
        + difficulty
        + generator.normal(0, shift, (runs, 1))
        + generator.normal(0, 1, (runs, documents))
        > 0
        for error in errors
    ]


def test_intervals_of_crossings_cover_the_truth():
    """True errors fall in a straight line, so the truth is known: 10 times as many labels."""
    generator = np.random.default_rng(31)
    holds = []
    for _ in range(300):
        *wrong, target = draw(generator, 500, (0.45, 0.35, 0.25, 0.35))
        points = [(size, Side.of(part)) for size, part in zip(SIZES, wrong, strict=True)]
        found = crossing(points, Side.of(target))
        assert found.low <= found.labels <= found.high
        holds.append(found.low <= 1000 <= found.high)
    assert 0.92 <= np.mean(holds) <= 0.99
