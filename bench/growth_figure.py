"""The figure of growth: a panel for each kind of size, both axes logarithmic."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, NullFormatter, NullLocator

from ulmfit.report.drawing import BODY, SMALL, WIDTH, add_axes, new_figure, settings
from ulmfit.report.palette import INK, MUTED, looks
from ulmfit.store.files import atomic

COLUMNS = 2
LEFT, RIGHT, TOP, HEIGHT, BOTTOM = 0.75, 0.1, 0.3, 1.9, 0.5
"""Inches around and of the axes of a panel."""


def draw(found: Mapping[str, Any], path: Path) -> None:
    """Write an SVG; equal values give equal bytes. ``found`` is ``growth`` of the results."""
    rows = -(-len(found) // COLUMNS)
    width, height = WIDTH / COLUMNS, TOP + HEIGHT + BOTTOM
    with settings():
        figure = new_figure(WIDTH, rows * height)
        for number, (name, panel) in enumerate(found.items()):
            row, column = divmod(number, COLUMNS)
            corner = column * width + LEFT, row * height + TOP
            _panel(add_axes(figure, *corner, width - LEFT - RIGHT, HEIGHT), name, panel)
        with atomic(path) as temporary:
            figure.savefig(temporary, format="svg", metadata={"Date": None, "Creator": None})


def _panel(axes: Axes, title: str, panel: Mapping[str, Any]) -> None:
    series = panel["series"]
    for name, look in looks(sorted(series)).items():
        points = series[name]
        sizes = [one["size"] for one in points]
        seconds = [statistics.median(one["cpu"]) for one in points]
        # In proportion, through the largest size: above it, the smaller ones pay a fixed cost.
        line = [seconds[-1] * size / sizes[-1] for size in sizes]
        axes.plot(sizes, line, color=MUTED, linewidth=0.6, linestyle=":")
        axes.plot(
            sizes,
            seconds,
            color=look.colour,
            marker=look.marker,
            markersize=3.5,
            linewidth=1.1,
            label=name,
        )
    axes.set_xscale("log")
    axes.set_yscale("log")
    for axis, (low, high) in ((axes.xaxis, axes.get_xlim()), (axes.yaxis, axes.get_ylim())):
        axis.set_major_locator(LogLocator(10, (1, 2, 5) if high < 60 * low else (1,), numticks=8))
        axis.set_minor_formatter(NullFormatter())
        axis.set_minor_locator(NullLocator())
        axis.set_major_formatter(lambda value, _: f"{value:,.10g}")
    axes.grid(True)
    axes.set_title(title.capitalize(), loc="left", fontsize=BODY, fontweight="bold", color=INK)
    axes.set_xlabel(panel["unit"])
    axes.set_ylabel("CPU-seconds")
    axes.legend(fontsize=SMALL, frameon=False, handlelength=1.6, borderaxespad=0.2)
