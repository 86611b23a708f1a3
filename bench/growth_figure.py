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
LEFT, TOP, GAP = 0.55, 0.35, 0.75
HEIGHT = 1.9
"""Inches."""


def draw(found: Mapping[str, Any], path: Path) -> None:
    """Write an SVG; equal values give equal bytes. ``found`` is ``growth`` of the results."""
    rows = -(-len(found) // COLUMNS)
    width = (WIDTH - COLUMNS * LEFT - 0.15) / COLUMNS
    with settings():
        figure = new_figure(WIDTH, rows * (TOP + HEIGHT + GAP) - 0.2)
        for number, (name, panel) in enumerate(found.items()):
            row, column = divmod(number, COLUMNS)
            left = LEFT + column * (width + LEFT)
            axes = add_axes(figure, left, TOP + row * (TOP + HEIGHT + GAP), width, HEIGHT)
            _panel(axes, name, panel)
        with atomic(path) as temporary:
            figure.savefig(temporary, format="svg", metadata={"Date": None, "Creator": None})


def _panel(axes: Axes, title: str, panel: Mapping[str, Any]) -> None:
    series = panel["series"]
    for (name, points), look in zip(series.items(), looks(series).values(), strict=True):
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
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(LogLocator(10, numticks=8))
        axis.set_minor_formatter(NullFormatter())
        axis.set_minor_locator(NullLocator())
        axis.set_major_formatter(lambda value, _: f"{value:,.10g}")
    axes.grid(True)
    axes.set_title(title.capitalize(), loc="left", fontsize=BODY, fontweight="bold", color=INK)
    axes.set_xlabel(panel["unit"])
    axes.set_ylabel("CPU-seconds")
    axes.legend(fontsize=SMALL, frameon=False, handlelength=1.6, borderaxespad=0.2)
