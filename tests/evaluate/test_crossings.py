"""Where a row reaches the error of another: by hand, in its limits, and how often it is right."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import norm

from ulmfit.evaluate.cells import Cell
from ulmfit.evaluate.crossings import Crossing, _statement, crossing, crossing_rows
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


def test_no_upper_end_is_claimed_that_no_measured_size_shows():
    """Between two sizes an interval is narrower than at either."""
    generator = np.random.default_rng(5)
    claimed = 0
    for _ in range(60):
        wrong = draw(generator, 500, (0.40, 0.30, 0.29))
        target = draw(generator, 500, (0.34,))[0]
        found = crossing(
            [(size, Side.of(part)) for size, part in zip(SIZES, wrong, strict=True)],
            Side.of(target),
        )
        told = any(estimate_difference(part, target).high <= 0 for part in wrong)
        assert math.isfinite(found.high) == told
        claimed += told
    assert 0 < claimed < 60


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


# What is said of them


def cell(title, size, wrong, among=None):
    """A cell whose runs are wrong on these documents, (runs, documents)."""
    wrong = np.asarray(wrong, dtype=bool)
    name = f"docs/{title}/{size}"
    entry = {"id": name, "dataset": "docs", "variant": title, "title": title, "among": among}
    entry |= {"tokenizer": "word", "direction": "fwd", "n_labelled": size, "published": None}
    return Cell(
        entry=entry,
        runs=tuple(f"{name}/{run}" for run in range(len(wrong))),
        kind="model",
        chosen=None,
        document=np.array([f"{place:04d}" for place in range(wrong.shape[1])]),
        label=np.zeros(wrong.shape[1], dtype=np.intp),
        probability=np.stack([~wrong, wrong], axis=2).astype(np.float32),
        classes=("neg", "pos"),
        labelled=size,
        copied=None,
    )


def said(labels, low, high, runs=3):
    wrong = np.zeros((runs, 10))
    row = [cell("Scratch", size, wrong) for size in (100, 2000)]
    return _statement(Crossing(labels, low, high), row, cell("ULMFiT", 100, wrong))


AIM = "to be as good as ULMFiT with 100"


@pytest.mark.parametrize(
    ("ends", "statement"),
    [
        (
            (848.0, 633.0, 1159.0),
            "Scratch takes 848 labels (interval 633 to 1,159; measured: 100 and 2,000) "
            f"{AIM}, 8.5 times as many [6.3, 12].",
        ),
        (
            (1974.0, 952.0, math.inf),
            f"Scratch takes at least 952 labels {AIM}, at least 9.5 times as many (estimate 1,974);"
            " whether 2,000 are enough cannot be told.",
        ),
        (
            (math.inf, 991.0, math.inf),
            f"Scratch takes at least 991 labels {AIM}, at least 9.9 times as many (estimate more "
            "than 2,000); whether 2,000 are enough cannot be told.",
        ),
        (
            (106.0, 0.0, 151.0),
            f"Scratch takes at most 151 labels {AIM}, at most 1.5 times as many (estimate 106); "
            "whether 100 are enough cannot be told.",
        ),
        (
            (0.0, 0.0, 151.0),
            f"Scratch takes at most 151 labels {AIM}, at most 1.5 times as many (estimate at most "
            "100); whether 100 are enough cannot be told.",
        ),
        (
            (300.0, 0.0, math.inf),
            f"How many labels Scratch takes {AIM} cannot be told from 100 to 2,000 (estimate 300).",
        ),
        ((math.inf,) * 3, f"Scratch takes more than 2,000 labels {AIM}."),
        ((0.0, 0.0, 0.0), f"Scratch takes fewer than 100 labels {AIM}."),
    ],
)
def test_a_statement_claims_what_its_interval_supports(ends, statement):
    assert said(*ends) == statement


def test_of_too_few_seeds_a_statement_says_so():
    assert said(848.0, 633.0, 1159.0, runs=2).endswith("; too few seeds to claim it.")


def test_the_reference_is_measured_against_the_better_of_several_with_its_most_labels():
    """Of the worst model; the better of two rates counts, though each is a row as well."""
    generator = np.random.default_rng(5)
    errors = {"ULMFiT": (0.4, 0.1), "Full": (0.4, 0.12), "Slow": (0.7, 0.5), "Fast": (0.7, 0.3)}
    cells = []
    for title, of_sizes in errors.items():
        wrong = draw(generator, 600, of_sizes)
        cells += [cell(title, size, part) for size, part in zip((100, 2000), wrong, strict=True)]
    fast = cells[-2:]
    for shown in fast:
        among = [{"id": one.entry["id"]} for one in cells[4:] if one.labelled == shown.labelled]
        both = cell("Better rate", shown.labelled, shown.wrong, among)
        cells.append(both)
    references = {f"docs/{size}": f"docs/ULMFiT/{size}" for size in (100, 2000)}
    experiment = {"name": "low-shot", "fold": "report", "reference": references}
    rows = [row for row in crossing_rows(experiment, cells) if row["statement"]]
    (spared,) = [row for row in rows if row["of_n_labelled"] == 2000]
    assert (spared["title"], spared["of_title"]) == ("ULMFiT", "Better rate")
    assert 100 < spared["low"] < spared["n_labelled"] < spared["high"] < 2000
    assert "to be as good as Better rate with 2,000, 0." in spared["statement"]
    assert not any("Better rate" in row["title"] for row in rows)
