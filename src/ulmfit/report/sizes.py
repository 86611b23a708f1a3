"""Error against the number of labelled documents, one line a variant, and where lines cross."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, MaxNLocator, NullLocator
from matplotlib.transforms import ScaledTranslation

from ulmfit.report import drawing, wording
from ulmfit.report.dots import seeds
from ulmfit.report.palette import MUTED, PAPER, Look
from ulmfit.report.results import Experiment, Row, Study, number

LEFT, TITLE, FOOTER = 0.52, 0.3, 0.56
TALL = 2.7
BEYOND = 2.5
"""Place of ``all`` on the axis where no table says how many: so many times the largest number."""
STEP = 3.2
"""Points between the intervals of crossings at one level."""
MOST_CROSSINGS = 6
"""Crossings that a caption can say without becoming a table."""

Line = tuple[str, Look, tuple[Row, ...]]


def size_lines(experiment: Experiment, looks: Mapping[str, Look]) -> dict[str, list[Line]]:
    """Lines of at least two sizes, by data set; empty where there is only one size.

    A line that stands for the better of several is left out where all of them are shown.
    """
    rows = [row for row in experiment.rows if not experiment.repeats(row)]
    panels: dict[str, list[Line]] = {}
    keys = ("dataset", "variant", "title", "tokenizer", "direction")
    found = list(dict.fromkeys(tuple(row[key] for key in keys) for row in rows))
    for dataset in dict.fromkeys(key[0] for key in found):
        lines = [
            tuple(row for row in rows if tuple(row[key] for key in keys) == value)
            for value in found
            if value[0] == dataset
        ]
        lines = [line for line in lines if len({row["n_labelled"] for row in line}) > 1]
        if not lines:
            continue
        titles = wording.distinct_titles([line[0] for line in lines])
        variants = [line[0]["variant"] for line in lines]
        panels[dataset] = [
            (title, looks[variant].reading(variants[:index].count(variant)), line)
            for index, (title, variant, line) in enumerate(
                zip(titles, variants, lines, strict=True)
            )
        ]
    return panels


def shown_crossings(study: Study, experiment: Experiment) -> list[Row]:
    """Where other lines reach the reference with its fewest labels, by data set (ulmfit.md 11)."""
    shown = []
    for dataset in dict.fromkeys(row["dataset"] for row in experiment.rows):
        references = [
            row
            for row in experiment.rows
            if row["dataset"] == dataset and experiment.is_reference(row)
        ]
        if not references:
            continue
        fewest = min(references, key=_labelled)
        drawn = {row["cell"] for row in experiment.rows if not experiment.repeats(row)}
        shown += [
            row
            for row in study.crossings
            if row["experiment"] == experiment.name
            and row["of_cell"] == fewest["cell"]
            and row["cell"] in drawn
        ]
    return shown


def size_plot(
    experiment: Experiment, looks: Mapping[str, Look], crossings: Sequence[Row]
) -> Figure:
    """One panel a data set: labels on a logarithmic axis, 95 % intervals as bands, crossings."""
    panels = size_lines(experiment, looks)
    labels = {
        dataset: [drawing.wrap(title, 30, lines=3) for title, _, _ in lines]
        for dataset, lines in panels.items()
    }
    named = max(
        drawing.text_width(text, drawing.SMALL) for group in labels.values() for text in group
    )
    plot = drawing.WIDTH - LEFT - named - drawing.LEADER - drawing.MARGIN
    title = TITLE if len(panels) > 1 else 0.08
    tall = title + TALL + FOOTER
    figure = drawing.new_figure(drawing.WIDTH, tall * len(panels))
    for index, (dataset, lines) in enumerate(panels.items()):
        top = index * tall
        if len(panels) > 1:
            drawing.add_text(figure, drawing.MARGIN, top + 0.04, dataset, va="top", weight="bold")
        axes = drawing.add_axes(figure, LEFT, top + title, plot, TALL)
        ends = _panel(axes, lines)
        _cross(figure, axes, lines, crossings)
        rows = [row for _, _, line in lines for row in line]
        axes.set_xlabel(f"Labelled documents ({seeds(rows)})", labelpad=2)
        axes.set_ylabel(f"Error on the {experiment.fold} fold (%)", labelpad=3)
        drawing.end_labels(axes, ends, labels[dataset], [look.colour for _, look, _ in lines])
    return figure


def _labelled(row: Row) -> float:
    """Documents that a line was trained on; infinite where its table does not say."""
    size = row["n_labelled"]
    return number(row, "labelled") or (float("inf") if size == "all" else float(size))


def _panel(axes: Axes, lines: Sequence[Line]) -> list[tuple[float, float]]:
    rows = [row for _, _, line in lines for row in line]
    known = [value for row in rows if (value := _labelled(row)) < float("inf")]
    beyond = BEYOND * max(known, default=1.0)
    places = {row["n_labelled"]: min(_labelled(row), beyond) for row in rows}
    axes.set_xscale("log")
    axes.grid(axis="y")
    ends = []
    for index, (_, look, line) in enumerate(lines):
        points = sorted(
            (places[row["n_labelled"]], 100 * (number(row, "error") or 0.0), _bounds(row))
            for row in line
        )
        where = [x for x, _, _ in points]
        axes.plot(
            where,
            [y for _, y, _ in points],
            color=look.colour,
            linestyle=look.linestyle,
            linewidth=1.4,
            marker=look.marker,
            markersize=4.5,
            markerfacecolor=PAPER if look.hollow else look.colour,
            zorder=3 + index,
        )
        low, high = [bounds[0] for _, _, bounds in points], [bounds[1] for _, _, bounds in points]
        axes.fill_between(where, low, high, color=look.colour, alpha=0.16, linewidth=0, zorder=2)
        # A band alone is lost where others lie on it, and in print.
        for edge in (low, high):
            axes.plot(where, edge, color=look.colour, linewidth=0.4, alpha=0.6, zorder=2)
        ends.append(points[-1][:2])
    ordered = sorted(places, key=places.__getitem__)
    axes.xaxis.set_major_locator(FixedLocator([places[size] for size in ordered]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticklabels(
        [_tick(size, places[size], known) for size in ordered],
    )
    axes.yaxis.set_major_locator(MaxNLocator(nbins=7, steps=[1, 2, 5, 10]))
    low_end, high_end = axes.get_ylim()
    axes.set_ylim(max(0.0, low_end), high_end)
    return ends


def _bounds(row: Row) -> tuple[float, float]:
    error = number(row, "error") or 0.0
    low, high = number(row, "error_low"), number(row, "error_high")
    return 100 * (error if low is None else low), 100 * (error if high is None else high)


def _tick(size: str, place: float, known: Sequence[float]) -> str:
    return f"all\n({place:,.0f})" if size == "all" and place in known else wording.count(size)


def _cross(figure: Figure, axes: Axes, lines: Sequence[Line], crossings: Sequence[Row]) -> None:
    """A level from the reference to each crossing, and the interval of the crossing on it."""
    looks = {row["cell"]: look for _, look, line in lines for row in line}
    errors = {row["cell"]: number(row, "error") for _, _, line in lines for row in line}
    reached = [
        row for row in crossings if number(row, "n_labelled") is not None and row["cell"] in looks
    ]
    reached = [row for row in reached if errors.get(row["of_cell"]) is not None]
    reached.sort(key=lambda row: number(row, "n_labelled") or 0.0)
    for place, row in enumerate(reached):
        level = 100 * (errors[row["of_cell"]] or 0.0)
        point, look = number(row, "n_labelled") or 0.0, looks[row["cell"]]
        low = number(row, "low") or number(row, "smallest") or point
        high = number(row, "high") or number(row, "largest") or point
        axes.plot(
            [number(row, "smallest") or point, point],
            [level, level],
            color=MUTED,
            linewidth=0.7,
            linestyle=(0, (1, 2)),
            zorder=1,
        )
        # Intervals that overlap lie below one another.
        lower = ScaledTranslation(0, -STEP * (place + 1) / 72, figure.dpi_scale_trans)
        axes.plot(
            [low, high],
            [level, level],
            color=look.colour,
            linewidth=1.8,
            solid_capstyle="butt",
            transform=axes.transData + lower,
            zorder=19,
        )
        axes.plot(
            point,
            level,
            look.marker,
            color=look.colour,
            markerfacecolor=PAPER,
            markersize=6,
            markeredgewidth=1.3,
            zorder=20,
        )
