"""Learning rates over time and over layers."""

import math
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ulmfit.config.recipes import Optimizer, Schedule
from ulmfit.errors import UserError
from ulmfit.schedule.rates import SCHEDULES, at, discriminative, peak_rates, slanted_triangular


def circular(i: int, nb: int, div: float, cut_div: float) -> float:
    """fastai 0.7's CircularLR (ulmfit.md 3.2), written out as an independent reference."""
    cut_pt = nb // cut_div
    pct = i / cut_pt if i <= cut_pt else 1 - (i - cut_pt) / (nb - cut_pt)
    return (1 + pct * (div - 1)) / div


def published(t: int, total: int, cut_frac: float = 0.1, ratio: float = 32) -> float:
    """The paper's equation 3 to the letter."""
    cut = math.floor(total * cut_frac)
    p = t / cut if t < cut else 1 - (t - cut) / (cut * (1 / cut_frac - 1))
    return (1 + p * (ratio - 1)) / ratio


class CosAnneal:
    """fastai 0.7's cosine annealing in one cycle (ulmfit.md 3.3), one call an update."""

    def __init__(self, nb: int) -> None:
        self.nb, self.iteration, self.cycle_iter = nb, 0, 0

    def share(self) -> float:
        warm = self.iteration < self.nb / 20
        share = 1 / 100 if warm else (math.cos(math.pi * self.cycle_iter / self.nb) + 1) / 2
        self.iteration += 1
        self.cycle_iter += 1
        return share


def of_kind(kind: str, total: int, **keys: object) -> list[float]:
    schedule = Schedule(kind=kind, **keys)
    return [at(t, total, schedule)[0] for t in range(total)]


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
    for total in range(1, 2001):
        assert min(of_kind("stlr", total)) >= 1 / 32 - 1e-12


@pytest.mark.parametrize(("total", "last", "negative"), [(19, -0.0083, 8), (109, -0.00055, 6)])
def test_the_published_formula_goes_below_zero_where_ours_does_not(total, last, negative):
    theirs = [0.01 * published(t, total) for t in range(total)]
    assert theirs[-1] == pytest.approx(last, abs=6e-5)
    assert sum(rate < 0 for rate in theirs) == negative
    assert min(of_kind("stlr", total)) >= 1 / 32 - 1e-12


def test_the_published_formula_ends_below_zero_at_99_updates_and_ours_does_not():
    assert 0.01 * published(98, 99) == pytest.approx(-0.00064, abs=5e-6)
    assert min(of_kind("stlr", 99)) >= 1 / 32 - 1e-12


def test_the_published_formula_divides_by_zero_below_ten_updates_where_ours_is_defined():
    with pytest.raises(ZeroDivisionError):
        published(0, 9)
    assert of_kind("stlr", 9)[0] == 1 / 32
    assert max(of_kind("stlr", 9)) == 1


def test_the_published_formula_is_ours_where_the_cut_is_whole():
    assert of_kind("stlr", 250) == pytest.approx([published(t, 250) for t in range(250)])


def test_stlr_is_clr_at_100_updates():
    assert of_kind("stlr", 100) == pytest.approx(of_kind("clr", 100), abs=1e-12)


@settings(deadline=None)
@given(total=st.integers(1, 2000), cut_div=st.integers(2, 40), ratio=st.floats(1.001, 1000))
def test_clr_is_fastai_wherever_fastai_is_defined(total, cut_div, ratio):
    ours = of_kind("clr", total, cut_div=cut_div, ratio=ratio)
    if total >= cut_div:
        theirs = [circular(i, total, ratio, cut_div) for i in range(total)]
        assert ours == pytest.approx(theirs, abs=1e-12)
    assert min(ours) >= 1 / ratio - 1e-12


@pytest.mark.parametrize(
    ("i", "rate"), [(0, 0.00125), (5, 0.005625), (10, 0.01), (20, 0.005625), (29, 0.001688)]
)
def test_clr_8_3_gives_the_published_values(i, rate):
    rates = of_kind("clr", 30, ratio=8, cut_div=3)
    assert 0.01 * rates[i] == pytest.approx(rate, abs=5e-7)
    assert rates[11] < rates[10]


def test_clr_8_8_starts_at_an_eighth():
    assert 0.01 * of_kind("clr", 80, ratio=8, cut_div=8)[0] == 0.00125


@pytest.mark.parametrize("total", [2, 7, 19, 20, 21, 99, 100, 137, 2000])
def test_cosine_is_fastai_in_one_cycle(total):
    annealing = CosAnneal(total)
    assert of_kind("cosine", total) == pytest.approx([annealing.share() for _ in range(total)])


def test_cosine_starts_at_a_hundredth_and_then_falls_from_where_the_cosine_is():
    rates = of_kind("cosine", 100)
    assert rates[:5] == [0.01] * 5
    assert rates[5] == pytest.approx(0.5 + 0.5 * math.cos(math.pi / 20))
    assert rates[50] == pytest.approx(0.5)
    assert all(later < earlier for earlier, later in pairwise(rates[5:]))


@pytest.mark.parametrize("cut_frac", [0.1, 0.25, 0.3])
@pytest.mark.parametrize("total", [20, 21, 30, 57, 100, 333])
@pytest.mark.parametrize(("ratio", "final_ratio"), [(32, 1e5), (25, 1e4)])
def test_one_cycle_is_that_of_torch_in_rate_and_momentum(cut_frac, total, ratio, final_ratio):
    schedule = Schedule("one-cycle", cut_frac, ratio=ratio, final_ratio=final_ratio)
    adam = torch.optim.Adam([torch.zeros(1, requires_grad=True)], lr=0.1)
    theirs = torch.optim.lr_scheduler.OneCycleLR(
        adam,
        max_lr=1.0,
        total_steps=total,
        pct_start=cut_frac,
        base_momentum=0.7,
        max_momentum=0.8,
        div_factor=ratio,
        final_div_factor=final_ratio / ratio,
    )
    for t in range(total):
        share, beta1 = at(t, total, schedule)
        assert share == pytest.approx(adam.param_groups[0]["lr"], abs=1e-12)
        assert beta1 == pytest.approx(adam.param_groups[0]["betas"][0], abs=1e-12)
        adam.step()
        if t < total - 1:
            theirs.step()


@pytest.mark.parametrize("total", [2, 3, 9, 10, 19])
def test_a_short_one_cycle_still_rises_for_one_update(total):
    rates = of_kind("one-cycle", total)
    assert rates[:2] == pytest.approx([1 / 32, 1])
    assert rates[-1] == pytest.approx(1e-5 if total > 2 else 1)


@pytest.mark.parametrize("kind", SCHEDULES)
def test_a_single_update_is_at_the_peak(kind):
    assert at(0, 1, Schedule(kind=kind)) == (1.0, 0.7 if kind == "one-cycle" else None)


@pytest.mark.parametrize("kind", sorted(SCHEDULES.keys() - {"cosine"}))
@pytest.mark.parametrize("total", range(1, 41))
def test_some_update_of_a_short_schedule_is_at_the_peak(kind, total):
    rates = of_kind(kind, total)
    # One-cycle's peak lies between two updates where cut_frac x total is not whole.
    near = 0.99 if kind == "one-cycle" else 1.0
    assert max(rates) >= near
    if kind != "constant" and total > 1:
        assert rates[0] == pytest.approx(1 / 32)


def test_the_cosine_of_a_short_schedule_is_the_part_behind_the_peak():
    assert of_kind("cosine", 2) == pytest.approx([0.01, 0.5])
    assert of_kind("cosine", 3) == pytest.approx([0.01, 0.75, 0.25])


def test_only_one_cycle_moves_the_momentum():
    for kind in SCHEDULES:
        beta1 = {at(t, 30, Schedule(kind=kind))[1] for t in range(30)}
        assert (beta1 == {None}) == (kind != "one-cycle")


@settings(deadline=None)
@given(
    kind=st.sampled_from(sorted(SCHEDULES)),
    total=st.integers(1, 2000),
    cut_frac=st.floats(0.001, 0.999),
    ratio=st.floats(1.001, 1000),
    cut_div=st.integers(1, 50),
)
def test_every_schedule_is_a_share_of_the_peak(kind, total, cut_frac, ratio, cut_div):
    rates = of_kind(kind, total, cut_frac=cut_frac, ratio=ratio, cut_div=cut_div)
    assert min(rates) > 0
    assert max(rates) <= 1 + 1e-12


def test_discriminative_rates_of_the_paper():
    rates = discriminative(0.01, 2.6, 5)
    assert rates == pytest.approx([2.18830e-4, 5.68958e-4, 1.47929e-3, 3.84615e-3, 1e-2], rel=1e-5)


def test_discriminative_decay_of_one_gives_every_group_the_same_rate():
    assert discriminative(0.004, 1.0, 4) == [0.004] * 4


def test_a_list_of_rates_takes_the_place_of_rate_and_decay():
    rates = (4e-3 / 6, 4e-3 / 3, 4e-3, 2e-3)  # the scripts' language model (ulmfit.md 3.1)
    groups = ("lstm0", "lstm1", "lstm2", "decoder")
    assert peak_rates(Optimizer(lr=7.0, rates=rates), groups) == rates
    assert peak_rates(Optimizer(lr=0.4, layer_decay=2.0), groups) == (0.05, 0.1, 0.2, 0.4)


def test_a_list_of_rates_that_does_not_fit_the_groups_is_refused_with_both_numbers():
    with pytest.raises(UserError, match=r"optimizer\.rates: 2 rates for 3 layer groups"):
        peak_rates(Optimizer(rates=(0.1, 0.2)), ("lstm0", "lstm1", "decoder"))
