"""Reliability diagrams: how often a prediction is right, against how sure it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator

from ulmfit.report import drawing, wording
from ulmfit.report.palette import MUTED, PAPER, Look
from ulmfit.report.results import Experiment, Row, Study, number
from ulmfit.report.series import chunks

LEFT, GAP, TITLE, FOOTER = 0.52, 0.12, 0.28, 0.42
TALL = 2.0
SMALLEST = 0.01
"""Bins with fewer of the predictions are not drawn: chance moves them about."""


@dataclass(frozen=True)
class Line:
    """One row of a table: points (confidence, accuracy) in per cent."""

    label: str
    look: Look
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Panel:
    """Lines to be compared."""

    title: str
    lines: tuple[Line, ...]


def reliability_panels(
    study: Study, experiment: Experiment, looks: Mapping[str, Look]
) -> list[Panel]:
    """Panels of rows with bins; of several sizes of one data set the smallest and the largest."""
    bins: dict[str, list[Row]] = {}
    for part in study.calibration:
        if part["experiment"] == experiment.name:
            bins.setdefault(part["cell"], []).append(part)
    panels = []
    for group in outer_groups(experiment):
        rows = [row for row in group if row["cell"] in bins and not experiment.repeats(row)]
        variants = [row["variant"] for row in rows]
        lines = [
            Line(
                f"{title} ({wording.percent(number(row, 'ece'))})",
                looks[row["variant"]].reading(variants[:index].count(row["variant"])),
                _points(bins[row["cell"]]),
            )
            for index, (row, title) in enumerate(
                zip(rows, wording.distinct_titles(rows), strict=True)
            )
        ]
        parts = chunks(lines)
        where = f"{group[0]['dataset']}, {wording.labels(group[0]['n_labelled'])}"
        for index, some in enumerate(parts):
            of = f" ({index + 1} of {len(parts)})" if len(parts) > 1 else ""
            panels.append(Panel(f"{where}{of}", some))
    return panels


def outer_groups(experiment: Experiment) -> list[tuple[Row, ...]]:
    """Groups of rows that a small figure has room for: of each data set the first and the last."""
    groups = experiment.groups()
    sizes = {
        dataset: [group for group in groups if group[0]["dataset"] == dataset]
        for dataset in dict.fromkeys(group[0]["dataset"] for group in groups)
    }
    return [
        group
        for same in sizes.values()
        for index, group in enumerate(same)
        if index in (0, len(same) - 1)
    ]


def _points(bins: Sequence[Row]) -> tuple[tuple[float, float], ...]:
    total = sum(number(part, "documents") or 0.0 for part in bins)
    return tuple(
        (100 * (number(part, "confidence") or 0.0), 100 * (number(part, "accuracy") or 0.0))
        for part in bins
        if (number(part, "documents") or 0.0) >= SMALLEST * total
    )


def reliability_plot(panels: Sequence[Panel]) -> Figure:
    """Panels in one or two columns; the diagonal is perfect calibration."""
    columns = 1 if len(panels) == 1 else 2
    labels = [
        [drawing.wrap(line.label, 34 if columns == 1 else 20, lines=3) for line in panel.lines]
        for panel in panels
    ]
    named = max(drawing.text_width(text, drawing.SMALL) for group in labels for text in group)
    column = (drawing.WIDTH - GAP * (columns - 1)) / columns
    plot = min(TALL * 1.3, column - LEFT - named - drawing.LEADER - drawing.MARGIN)
    tall = TITLE + TALL + FOOTER
    figure = drawing.new_figure(drawing.WIDTH, -(-len(panels) // columns) * tall)
    for index, panel in enumerate(panels):
        left = LEFT + (index % columns) * (column + GAP)
        top = (index // columns) * tall
        drawing.add_text(
            figure,
            left - LEFT + drawing.MARGIN,
            top + 0.05,
            drawing.wrap(panel.title, 52, lines=1),
            va="top",
            weight="bold",
        )
        axes = drawing.add_axes(figure, left, top + TITLE, plot, TALL)
        _panel(axes, panel.lines)
        axes.set_xlabel("Confidence (%)", labelpad=2)
        axes.set_ylabel("Right (%)" if index % columns == 0 else "", labelpad=3)
        drawing.end_labels(
            axes,
            [line.points[-1] for line in panel.lines],
            labels[index],
            [line.look.colour for line in panel.lines],
        )
    return figure


def _panel(axes: Axes, lines: Sequence[Line]) -> None:
    axes.grid(True)
    axes.plot([0, 100], [0, 100], color=MUTED, linewidth=0.8, linestyle=(0, (4, 3)), zorder=1)
    for place, line in enumerate(lines):
        axes.plot(
            *zip(*line.points, strict=True),
            color=line.look.colour,
            linestyle=line.look.linestyle,
            linewidth=1.2,
            marker=line.look.marker,
            markersize=3.5,
            markerfacecolor=PAPER if line.look.hollow else line.look.colour,
            zorder=3 + place,
        )
    axes.set_xlim(0, 100)
    axes.set_ylim(0, 100)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(FixedLocator([0, 25, 50, 75, 100]))
