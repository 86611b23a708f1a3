"""Further measures, crossings and costs as sheets, and what figures say of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from synthetic_results import SyntheticResults
from ulmfit.report.figures import _labels
from ulmfit.report.measures import crossing_sheet, measure_sheet, row_cost_sheet
from ulmfit.report.palette import COLOURS, looks
from ulmfit.report.reliability import outer_groups, reliability_panels
from ulmfit.report.results import Study, read_study
from ulmfit.report.sizes import shown_crossings


@pytest.fixture
def study(synthetic_results: SyntheticResults) -> Study:
    return read_study(synthetic_results.manifest, synthetic_results.tables)


@pytest.fixture
def crowd(crowded: Path) -> Study:
    return read_study(crowded / "manifest.json", crowded / "tables")


def test_every_cell_of_a_fold_has_its_measures_and_costs_once(study: Study) -> None:
    cells = {(row["cell"], item.fold) for item in study.experiments for row in item.rows}
    for sheet in (measure_sheet(study), row_cost_sheet(study)):
        assert sum(len(group) for group in sheet.groups) == len(cells)
        for group in sheet.groups:
            assert all(len(line.cells) == len(sheet.columns) for line in group)


def test_a_crossing_outside_the_measured_sizes_is_not_given_a_number(crowd: Study) -> None:
    sheet = crossing_sheet(crowd)
    head = [column.heading for column in sheet.columns]
    lines = [line for group in sheet.groups for line in group]
    shown = [
        [line.cells[head.index(name)].text for name in ("from labels on", "95 % interval")]
        for line in lines
        if line.cells[head.index("Row")].text == "From scratch"
    ]
    assert shown == [["more than 20,000", "[200,\N{NO-BREAK SPACE}above 20,000]"]] * 2


def test_the_table_of_crossings_says_that_each_interval_is_for_one_pair(crowd: Study) -> None:
    assert "Each interval is for one pair of rows, not corrected" in crossing_sheet(crowd).caption


def test_whatever_is_said_of_a_crossing_stands_in_its_table(study: Study) -> None:
    sheet = crossing_sheet(study)
    place = [column.heading for column in sheet.columns].index("In words")
    shown = {line.cells[place].text for group in sheet.groups for line in group}
    said = {row["statement"] for row in study.crossings if row["statement"]}
    assert said <= shown
    assert any(
        row["of_n_labelled"] == row["largest"] for row in study.crossings if row["statement"]
    )


def test_the_caption_of_low_shot_says_the_crossings_that_lie_within(crowd: Study) -> None:
    experiment = next(item for item in crowd.experiments if item.name == "low-shot")
    assert len(shown_crossings(crowd, experiment)) == 4
    ((entry, _),) = _labels(crowd, experiment, looks(crowd.variants()))
    assert entry.caption.count("matches") == 2
    assert "matches From scratch" not in entry.caption


def test_reliability_shows_bins_with_enough_documents(crowd: Study) -> None:
    experiment = next(item for item in crowd.experiments if item.name == "low-shot")
    panels = reliability_panels(crowd, experiment, looks(crowd.variants()))
    assert [panel.title for panel in panels] == [
        f"{name}, {size}" for name in ("imdb", "trec-6") for size in ("100 labels", "all labels")
    ]
    for panel in panels:
        for line in panel.lines:
            # 15 bins of 0, 5, 10 ... documents, 525 in all: the first two have less than 1 %.
            assert len(line.points) == 13
            assert all(0 <= value <= 100 for point in line.points for value in point)


def test_of_several_sizes_the_outer_ones_are_shown(crowd: Study) -> None:
    experiment = next(item for item in crowd.experiments if item.name == "low-shot")
    assert [group[0]["n_labelled"] for group in outer_groups(experiment)] == ["100", "all"] * 2


def test_eleven_variants_have_colours_of_their_own() -> None:
    names = [f"variant-{index}" for index in range(len(COLOURS))]
    assert len({look.colour for look in looks(names).values()}) == len(names) == 11
