"""Learning curves: every seed a thin line, their mean a thick one, each line named at its end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, StrMethodFormatter

from ulmfit.report import drawing
from ulmfit.report.palette import PAPER, Look

Curve = tuple[tuple[float, float], ...]
"""Points (epoch, value) of one seed, in order."""
LEFT, GAP, TITLE, FOOTER = 0.52, 0.12, 0.26, 0.42
"""Inches: axis labels, space before labels and columns, panel heading, axis below."""
TALL = 2.0
"""Inches: height of the axes of one panel."""
ROOM = 4.0
"""A value before training is drawn only if it lies within so many times the largest later one."""


@dataclass(frozen=True)
class Series:
    """All seeds of one line."""

    label: str
    look: Look
    seeds: tuple[Curve, ...]

    def mean(self) -> Curve:
        """Mean over seeds at each epoch that every seed has."""
        tables = [dict(curve) for curve in self.seeds]
        shared = sorted(set.intersection(*(set(table) for table in tables)))
        return tuple(
            (epoch, sum(table[epoch] for table in tables) / len(tables)) for epoch in shared
        )


@dataclass(frozen=True)
class Panel:
    """Lines to be compared with each other."""

    title: str
    series: tuple[Series, ...]


def curve_plot(panels: Sequence[Panel], value: str, *, log: bool = False) -> Figure:
    """Panels in one or two columns with a common scale, or one each where ``log`` is set."""
    columns = 1 if len(panels) == 1 else 2
    rows = -(-len(panels) // columns)
    wide = 34 if columns == 1 else 18
    labels = [
        [drawing.wrap(item.label, wide, lines=3) for item in panel.series] for panel in panels
    ]
    named = max(drawing.text_width(text, drawing.SMALL) for group in labels for text in group)
    column = (drawing.WIDTH - GAP * (columns - 1)) / columns
    plot = column - LEFT - named - drawing.LEADER - drawing.MARGIN
    titles = [drawing.wrap(panel.title, 20 * round(column / 1.2)) for panel in panels]
    title = TITLE + max(drawing.text_height(text, drawing.BODY) for text in titles) - 0.14
    tall = title + TALL + FOOTER
    figure = drawing.new_figure(drawing.WIDTH, rows * tall)
    for index, panel in enumerate(panels):
        left = LEFT + (index % columns) * (column + GAP)
        top = (index // columns) * tall
        drawing.add_text(
            figure,
            left - LEFT + drawing.MARGIN,
            top + 0.04,
            titles[index],
            va="top",
            weight="bold",
            linespacing=1.2,
        )
        axes = drawing.add_axes(figure, left, top + title, plot, TALL)
        _lines(axes, panel.series)
        _scale(axes, [panel] if log else panels, log)
        axes.set_xlabel("Epoch", labelpad=2)
        axes.set_ylabel(value if index % columns == 0 or log else "", labelpad=3)
        ends = [item.mean()[-1] if item.mean() else item.seeds[0][-1] for item in panel.series]
        drawing.end_labels(axes, ends, labels[index], [item.look.colour for item in panel.series])
    return figure


def _lines(axes: Axes, series: Sequence[Series]) -> None:
    axes.grid(axis="y")
    for place, item in enumerate(series):
        style: dict[str, Any] = {"color": item.look.colour, "linestyle": item.look.linestyle}
        if len(item.seeds) > 1:
            for curve in item.seeds:
                axes.plot(*zip(*curve, strict=True), **style, linewidth=0.5, alpha=0.55, zorder=2)
        mean = item.mean() or item.seeds[0]
        axes.plot(
            *zip(*mean, strict=True),
            **style,
            linewidth=1.6,
            marker=item.look.marker,
            markersize=4,
            markerfacecolor=PAPER if item.look.hollow else item.look.colour,
            markevery=max(1, len(mean) // 8),
            zorder=3 + place,
        )


def _scale(axes: Axes, panels: Sequence[Panel], log: bool) -> None:
    points = [
        point
        for panel in panels
        for item in panel.series
        for curve in item.seeds
        for point in curve
    ]
    trained = [value for epoch, value in points if epoch > 0] or [value for _, value in points]
    # An untrained model's perplexity is the size of its vocabulary and would flatten all the rest,
    # unless the rest is a single epoch.
    short = max(epoch for epoch, _ in points) <= 1
    shown = [value for epoch, value in points if epoch > 0 or short or value <= ROOM * max(trained)]
    low, high = min(shown), max(shown)
    first, last = min(epoch for epoch, _ in points), max(epoch for epoch, _ in points)
    room = 0.03 * (last - first or 1)
    axes.set_xlim(first - room, last + room)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True, min_n_ticks=1))
    if log:
        axes.set_yscale("log")
        axes.set_ylim(low / 1.08, high * 1.08)
        wide = high > 12 * low
        axes.yaxis.set_major_locator(
            LogLocator(subs=(1.0, 2.0, 5.0)) if wide else MaxNLocator(7, steps=[1, 2, 5, 10])
        )
        axes.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
        axes.yaxis.set_minor_formatter(NullFormatter())
        axes.minorticks_off()
    else:
        margin = 0.06 * (high - low) or 1.0
        axes.set_ylim(max(0.0, low - margin), high + margin)
        axes.yaxis.set_major_locator(MaxNLocator(nbins=6, steps=[1, 2, 5, 10]))
