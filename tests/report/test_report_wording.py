"""Numbers as they are written."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ulmfit.report import wording

fractions = st.floats(min_value=-1, max_value=1, allow_nan=False)


@given(fractions, st.integers(0, 3))
def test_percent_is_the_fraction_times_hundred_to_its_last_digit(value: float, places: int) -> None:
    written = float(wording.percent(value, places).replace(wording.MINUS, "-"))
    assert math.isclose(written, 100 * value, abs_tol=0.5000001 * 10**-places)


@given(fractions)
def test_points_show_a_sign_unless_they_are_zero(value: float) -> None:
    text = wording.points(value, 1)
    shown = round(100 * value, 1)
    assert text[0] == ("+" if shown > 0 else wording.MINUS if shown < 0 else "0")


@pytest.mark.parametrize("value", [-0.0, -0.0004, 0.0004, 0.0])
def test_zero_has_no_sign(value: float) -> None:
    assert wording.points(value, 1) == "0.0"


def test_interval_is_empty_when_a_bound_is_missing() -> None:
    assert wording.interval(None, 0.2) == ""
    assert wording.interval(-0.015, 0.2, sign=True) == "[−1.5,\N{NO-BREAK SPACE}+20.0]"


def test_small_p_values_are_not_written_as_zero() -> None:
    assert [wording.p_value(value) for value in (None, 0.0, 0.00099, 0.001, 1.0)] == [
        "",
        "< 0.001",
        "< 0.001",
        "0.001",
        "1.000",
    ]


def test_decimals_follow_the_number_of_documents() -> None:
    assert wording.decimals([{"n": "25000"}, {"n": "9999"}]) == 1
    assert wording.decimals([{"n": "25000"}, {"n": "10000"}]) == 2


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, ""), (8.44, "8.4 s"), (59.96, "60.0 s"), (185, "3 min 05 s"), (7800, "2 h 10 min")],
)
def test_durations_read_as_spoken(seconds: float | None, text: str) -> None:
    assert wording.duration(seconds) == text


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (410_000, "410 kB"), (1.44e9, "1.4 GB")],
)
def test_sizes_use_decimal_units(size: float, text: str) -> None:
    assert wording.size(size) == text


def test_ranges_and_lists_read_as_sentences() -> None:
    assert wording.span([3, 3], "seed") == "3 seeds"
    assert wording.span([3, 1], "seed") == "1 to 3 seeds"
    assert wording.listing(["a", "b", "c"]) == "a, b and c"


def test_lines_of_one_title_are_told_apart_by_their_reading() -> None:
    row = {"title": "ULMFiT", "tokenizer": "word", "direction": "fwd"}
    rows = [row, {**row, "direction": "bwd"}, {**row, "title": "Full"}]
    assert wording.distinct_titles(rows) == ["ULMFiT (forward)", "ULMFiT (backward)", "Full"]
