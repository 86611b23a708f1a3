"""Error against the number of labelled documents, one line a variant."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, MaxNLocator, NullLocator

from ulmfit.report import drawing, wording
from ulmfit.report.dots import seeds
from ulmfit.report.palette import PAPER, Look
from ulmfit.report.results import Experiment, Row, number

LEFT, TITLE, FOOTER = 0.52, 0.3, 0.42
TALL = 2.7
BEYOND = 2.5
"""Place of ``all`` on the axis: so many times the largest number."""

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


def size_plot(experiment: Experiment, looks: Mapping[str, Look]) -> Figure:
    """One panel a data set, labels on a logarithmic axis, 95 % intervals as bars."""
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
        rows = [row for _, _, line in lines for row in line]
        axes.set_xlabel(f"Labelled documents ({seeds(rows)})", labelpad=2)
        axes.set_ylabel(f"Error on the {experiment.fold} fold (%)", labelpad=3)
        drawing.end_labels(axes, ends, labels[dataset], [look.colour for _, look, _ in lines])
    return figure


def _panel(axes: Axes, lines: Sequence[Line]) -> list[tuple[float, float]]:
    sizes = {row["n_labelled"] for _, _, line in lines for row in line}
    largest = max((float(size) for size in sizes if size != "all"), default=1.0)
    places = {size: largest * BEYOND if size == "all" else float(size) for size in sizes}
    axes.set_xscale("log")
    axes.grid(axis="y")
    ends = []
    for index, (_, look, line) in enumerate(lines):
        # Bars of different lines stand beside each other, not on top of each other.
        shift = 1 + 0.025 * (index - (len(lines) - 1) / 2)
        points = sorted(
            (places[row["n_labelled"]] * shift, 100 * (number(row, "error") or 0.0), row)
            for row in line
        )
        axes.plot(
            [x for x, _, _ in points],
            [y for _, y, _ in points],
            color=look.colour,
            linestyle=look.linestyle,
            linewidth=1.4,
            marker=look.marker,
            markersize=4.5,
            markerfacecolor=PAPER if look.hollow else look.colour,
            zorder=3 + index,
        )
        for x, _, row in points:
            low, high = number(row, "error_low"), number(row, "error_high")
            if low is not None and high is not None:
                axes.plot([x, x], [100 * low, 100 * high], color=look.colour, linewidth=0.9)
        ends.append(points[-1][:2])
    ordered = sorted(sizes, key=places.__getitem__)
    axes.xaxis.set_major_locator(FixedLocator([places[size] for size in ordered]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticklabels([wording.count(size) for size in ordered])
    axes.yaxis.set_major_locator(MaxNLocator(nbins=7, steps=[1, 2, 5, 10]))
    low, high = axes.get_ylim()
    axes.set_ylim(max(0.0, low), high)
    return ends
