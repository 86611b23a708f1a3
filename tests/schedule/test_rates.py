"""Slanted triangular and discriminative learning rates."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ulmfit.config.recipes import Schedule
from ulmfit.schedule.rates import SCHEDULES, discriminative, slanted_triangular


def circular(i: int, nb: int, div: float, cut_div: float) -> float:
    """fastai 0.7's CircularLR (ulmfit.md 3.2), written out as an independent reference."""
    cut_pt = nb // cut_div
    pct = i / cut_pt if i <= cut_pt else 1 - (i - cut_pt) / (nb - cut_pt)
    return (1 + pct * (div - 1)) / div


@pytest.mark.parametrize(
    ("t", "rate"),
    [
        (0, 0.0003125),
        (1, 0.0012812),
        (5, 0.0051563),
        (9, 0.0090313),
        (10, 0.01),
        (11, 0.0098924),
        (50, 0.0056944),
        (99, 0.0004201),
    ],
)
def test_stlr_gives_the_published_table(t, rate):
    assert 0.01 * slanted_triangular(t, 100, Schedule()) == pytest.approx(rate, abs=6e-8)


@pytest.mark.parametrize(("ratio", "cut_div", "total"), [(32, 10, 100), (32, 10, 250), (8, 8, 64)])
def test_stlr_equals_fastai_clr_when_the_cut_is_whole(ratio, cut_div, total):
    schedule = Schedule(ratio=ratio, cut_frac=1 / cut_div)
    for t in range(total):
        assert slanted_triangular(t, total, schedule) == pytest.approx(
            circular(t, total, ratio, cut_div), abs=1e-12
        )


@pytest.mark.parametrize(
    ("t", "rate"),
    [(0, 0.00125), (5, 0.005625), (10, 0.01), (20, 0.005625), (29, 0.001688)],
)
def test_stlr_with_ratio_8_and_a_third_gives_the_script_values(t, rate):
    schedule = Schedule(ratio=8, cut_frac=1 / 3)
    assert 0.01 * slanted_triangular(t, 30, schedule) == pytest.approx(rate, abs=5e-7)


def test_stlr_falls_after_the_cut():
    schedule = Schedule(ratio=8, cut_frac=1 / 3)
    rates = [slanted_triangular(t, 30, schedule) for t in range(30)]
    assert all(later < earlier for earlier, later in pairwise(rates[10:]))
    assert all(later > earlier for earlier, later in pairwise(rates[:11]))


def test_stlr_with_ratio_8_and_an_eighth_starts_at_an_eighth():
    assert 0.01 * slanted_triangular(0, 80, Schedule(ratio=8, cut_frac=1 / 8)) == 0.00125


@settings(deadline=None)
@given(
    total=st.integers(1, 2000),
    cut_frac=st.floats(0.001, 0.999),
    ratio=st.floats(1.001, 1000),
)
def test_stlr_stays_between_its_ends_and_reaches_the_peak_once(total, cut_frac, ratio):
    schedule = Schedule(cut_frac=cut_frac, ratio=ratio)
    rates = [slanted_triangular(t, total, schedule) for t in range(total)]
    assert min(rates) >= 1 / ratio - 1e-12
    assert max(rates) <= 1 + 1e-12
    if total > 1:
        assert rates.count(1.0) == 1


def test_stlr_never_goes_below_the_floor_for_any_length_up_to_2000():
    schedule = Schedule()
    for total in range(1, 2001):
        assert slanted_triangular(total - 1, total, schedule) >= 1 / schedule.ratio - 1e-12


@pytest.mark.parametrize("name", sorted(SCHEDULES))
def test_every_schedule_is_a_share_of_the_peak(name):
    for total in (1, 2, 9, 10, 137):
        assert all(0 < SCHEDULES[name](t, total, Schedule()) <= 1 for t in range(total))


def test_discriminative_rates_of_the_paper():
    rates = discriminative(0.01, 2.6, 5)
    assert rates == pytest.approx([2.18830e-4, 5.68958e-4, 1.47929e-3, 3.84615e-3, 1e-2], rel=1e-5)


def test_discriminative_decay_of_one_gives_every_group_the_same_rate():
    assert discriminative(0.004, 1.0, 4) == [0.004] * 4
