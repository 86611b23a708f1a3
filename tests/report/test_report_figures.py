"""Figures: same bytes, own looks, labels that never lie on each other."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from finished_study import keep_known_rows
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure
from matplotlib.text import Text

from synthetic_results import SyntheticResults
from ulmfit.errors import UserError
from ulmfit.report import drawing
from ulmfit.report.costs import Group, cost_plot
from ulmfit.report.curves import Series
from ulmfit.report.figures import draw_figures, make_figures
from ulmfit.report.palette import looks
from ulmfit.report.results import read_study
from ulmfit.report.series import classifier_panels
from ulmfit.store.files import read_json

EXPERIMENTS = ("main", "ensembles", "low-shot", "sealed")


def test_two_runs_give_equal_bytes(reported: Path, tmp_path: Path) -> None:
    first = sorted((reported / "figures").iterdir())
    make_figures(reported / "manifest.json", reported / "tables", tmp_path)
    assert [path.name for path in first] == sorted(path.name for path in tmp_path.iterdir())
    for path in first:
        assert path.read_bytes() == (tmp_path / path.name).read_bytes(), path.name


def test_each_kind_of_figure_is_drawn_and_listed_with_its_caption(reported: Path) -> None:
    entries = read_json(reported / "figures" / "figures.json")
    assert {entry["name"]: entry["kind"] for entry in entries} == {
        **{f"errors-{name}": "errors" for name in EXPERIMENTS},
        **{f"calibration-{name}": "calibration" for name in EXPERIMENTS},
        **{f"cost-{name}": "cost" for name in EXPERIMENTS},
        "labels-low-shot": "labels",
        "curves-docstrings-2000": "curves",
        "curves-docstrings-100": "curves",
        "perplexity": "perplexity",
    }
    for entry in entries:
        assert "3 seeds" in entry["caption"]
        for ending in ("svg", "pdf", "png"):
            assert (reported / "figures" / f"{entry['name']}.{ending}").stat().st_size > 1000
        if entry["kind"] != "perplexity":
            assert "n\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}200 documents" in entry["caption"]


def test_text_is_drawn_as_paths_and_the_svg_has_no_date(crowded: Path) -> None:
    for path in (crowded / "figures").glob("*.svg"):
        svg = path.read_text()
        assert not re.search(r"<text|<script|font-family|<dc:date", svg), path.name
        assert "<path" in svg


@pytest.mark.parametrize("study", ["reported", "crowded"])
def test_no_label_overlaps_another_or_leaves_the_figure(
    study: str, request: pytest.FixtureRequest
) -> None:
    results: Path = request.getfixturevalue(study)
    with drawing.settings():
        for entry, figure in draw_figures(
            read_study(results / "manifest.json", results / "tables")
        ):
            boxes = _text_boxes(figure)
            assert boxes
            _assert_apart(boxes, entry.name)
            for text, box in boxes:
                inside = figure.bbox.padded(1)
                assert inside.x0 <= box.x0 <= box.x1 <= inside.x1, (entry.name, text)
                assert inside.y0 <= box.y0 <= box.y1 <= inside.y1, (entry.name, text)


@given(
    st.floats(1.0, 1e5),
    st.sampled_from([1.1, 2, 3.7, 6, 8.1, 30, 1e4]),
)
@settings(max_examples=20, deadline=None)
def test_an_axis_of_cost_has_a_few_marks_whatever_rows_cost(cost: float, spread: float) -> None:
    rows = [{"error": 0.1, "error_low": 0.09, "error_high": 0.11}] * 2
    costs = [
        {"wall_s": 60.0 * factor, "tokens": 1e3 * cost * factor, "parameters_trained": 1e4 * factor}
        for factor in (1.0, spread)
    ]
    group = Group("docstrings", rows, ("one", "two"), tuple(looks("ab").values()), costs)
    with drawing.settings():
        figure = cost_plot([group], "report")
        _assert_apart(_text_boxes(figure), figure)
        for axes in figure.axes:
            low, high = axes.get_xlim()
            marks = [mark for mark in axes.xaxis.get_majorticklocs() if low <= mark <= high]
            assert (1 if spread > 8 else 2) <= len(marks) <= 6, (marks, low, high)


def _assert_apart(boxes: list[tuple[str, Any]], figure: object) -> None:
    for (first, a), (second, b) in itertools.combinations(boxes, 2):
        width = min(a.x1, b.x1) - max(a.x0, b.x0)
        height = min(a.y1, b.y1) - max(a.y0, b.y0)
        assert width <= 0.5 or height <= 0.5, (figure, first, second)


def _text_boxes(figure: Figure) -> list[tuple[str, Any]]:
    figure.canvas.draw()
    texts = [item for item in figure.findobj(Text) if item.get_visible() and item.get_text()]
    boxes = [(item.get_text(), item.get_window_extent()) for item in texts]
    # Ticks beyond the limits of an axis are artists, but not drawn.
    return [
        (text, box)
        for item, (text, box) in zip(texts, boxes, strict=True)
        if not _is_hidden_tick(figure, item)
    ]


def _is_hidden_tick(figure: Figure, text: Text) -> bool:
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            ticks = [*axis.get_major_ticks(), *axis.get_minor_ticks()]
            if any(text in (tick.label1, tick.label2) for tick in ticks):
                low, high = sorted(axis.get_view_interval())
                shown = [
                    tick.label1
                    for tick in ticks
                    if tick.label1.get_visible() and low <= tick.get_loc() <= high
                ]
                return text not in shown
    return False


def test_every_variant_keeps_one_colour_in_every_figure(crowded: Path) -> None:
    study = read_study(crowded / "manifest.json", crowded / "tables")
    found = looks(study.variants())
    checked = 0
    with drawing.settings():
        for entry, figure in draw_figures(study):
            if entry.kind == "errors":
                continue
            for axes in figure.axes:
                names = [text.get_text().replace("\n", " ") for text in axes.texts]
                leaders = [line for line in axes.lines if line.get_transform() == axes.transAxes]
                for name, leader in zip(names, leaders[1::2], strict=True):
                    variant = {"From scratch": "from-scratch", "Chain-thaw": "chain-thaw"}.get(name)
                    if variant:
                        assert leader.get_color() == found[variant].colour
                        checked += 1
    assert checked > 5


def test_sizes_of_different_experiments_make_one_figure(
    changed: Callable[..., Path], tmp_path: Path
) -> None:
    def one_size_each(manifest: dict[str, Any]) -> None:
        for experiment in manifest["experiments"]:
            size = 100 if experiment["name"] == "low-shot" else 2000
            cells = experiment["cells"]
            experiment["cells"] = [cell for cell in cells if cell["n_labelled"] == size]

    results = changed(one_size_each)
    keep_known_rows(results)
    written = make_figures(results / "manifest.json", results / "tables", tmp_path)
    assert tmp_path / "labels.svg" in written
    assert tmp_path / "labels-low-shot.svg" not in written


def test_what_cannot_be_drawn_is_said_in_a_figure_of_the_same_name(
    changed: Callable[..., Path], tmp_path: Path
) -> None:
    results = changed()
    epochs = results / "tables" / "epochs.csv"
    epochs.write_text(epochs.read_text().partition("\n")[0] + "\n")
    written = make_figures(results / "manifest.json", results / "tables", tmp_path)
    names = {path.stem for path in written}
    assert {"perplexity", "curves-docstrings-100", "curves-docstrings-2000"} <= names


def test_models_that_no_line_shows_have_their_curves_too(reported: Path) -> None:
    study = read_study(reported / "manifest.json", reported / "tables")
    kept = [item for item in study.experiments if item.name == "sealed"]
    panels = classifier_panels(
        replace(study, experiments=tuple(kept)), "docstrings", "2000", looks(study.variants())
    )
    labels = [[item.label for item in panel.series] for panel in panels]
    assert labels == [
        ["ULMFiT", "From scratch (better rate)"],
        [
            "No pretraining (word, forward)",
            "From scratch (word, forward)",
            "ULMFiT (word, backward)",
        ],
    ]


@given(st.lists(st.text(min_size=1), unique=True, max_size=32))
def test_variants_differ_without_colour(names: list[str]) -> None:
    in_grey = {(look.marker, look.linestyle) for look in looks(names).values()}
    assert len(in_grey) == len(names)


labels = st.lists(st.tuples(st.floats(0, 1), st.floats(0.01, 0.1)), min_size=1, max_size=9)


@given(labels)
def test_spread_labels_keep_order_distance_and_bounds(pairs: list[tuple[float, float]]) -> None:
    wanted, sizes = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    centres = drawing.spread(wanted, sizes, 0.0, 1.0)
    order = sorted(range(len(pairs)), key=lambda index: (wanted[index], index))
    for below, above in itertools.pairwise(order):
        gap = (sizes[below] + sizes[above]) / 2
        assert centres[above] - centres[below] >= gap - 1e-9
    assert centres[order[0]] >= sizes[order[0]] / 2 - 1e-9
    assert centres[order[-1]] <= 1 - sizes[order[-1]] / 2 + 1e-9


def test_labels_with_room_stay_where_their_lines_end() -> None:
    assert drawing.spread([0.9, 0.1], [0.1, 0.1], 0.0, 1.0) == pytest.approx([0.9, 0.1])


def test_mean_curve_takes_only_epochs_that_every_seed_has() -> None:
    look = looks(["a"])["a"]
    series = Series("a", look, (((1, 40.0), (2, 30.0), (3, 20.0)), ((1, 50.0), (3, 30.0))))
    assert series.mean() == ((1, 45.0), (3, 25.0))


def test_a_missing_table_is_named(synthetic_results: SyntheticResults, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"main\.csv: no such file"):
        make_figures(synthetic_results.manifest, tmp_path, tmp_path / "figures")
