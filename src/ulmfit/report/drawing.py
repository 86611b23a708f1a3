"""What all figures share: size, type, measured text, labels that keep clear of each other, bytes.

Imports matplotlib; :mod:`ulmfit.report.figures` loads this module only when figures are made.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties

from ulmfit.report.palette import INK, MUTED, PAPER, RULE
from ulmfit.store.files import atomic

WIDTH = 7.0
"""Inches: the text width of a page."""
BODY, SMALL = 8.0, 7.0
"""Sizes of type in points."""
LEADER = 0.22
"""Inches between axes and the names of their lines."""
MARGIN = 0.05
"""Inches left free at the border of a figure."""
LINE_HEIGHT = 1.25
POINTS_PER_INCH = 72
RESOLUTION = 200
"""Dots per inch of the PNG."""
SETTINGS: dict[str, Any] = {
    "font.family": ["DejaVu Sans"],  # comes with matplotlib, so equal on every machine
    "font.size": BODY,
    "text.parse_math": False,  # titles come from the study: a dollar sign is a dollar sign
    "text.color": INK,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": SMALL,
    "ytick.labelsize": SMALL,
    "grid.color": RULE,
    "grid.linewidth": 0.6,
    "figure.facecolor": PAPER,
    "axes.facecolor": "none",
    "pdf.fonttype": 42,  # TrueType, so that text can be searched and printers have no trouble
    "svg.fonttype": "path",
    "svg.hashsalt": "ulmfit",
}


def new_figure(width: float, height: float) -> Figure:
    """An empty figure, sizes in inches."""
    figure = Figure(figsize=(width, height))
    FigureCanvasAgg(figure)
    return figure


def blank(text: str) -> Figure:
    """A figure that only says why there is nothing to draw."""
    figure = new_figure(WIDTH, 0.5)
    add_text(figure, MARGIN, 0.25, text, va="center", color=MUTED)
    return figure


def add_axes(figure: Figure, left: float, top: float, width: float, height: float) -> Axes:
    """Axes at inches from the left and from the TOP of the figure."""
    whole_width, whole_height = figure.get_size_inches()
    return figure.add_axes(
        (
            left / whole_width,
            1 - (top + height) / whole_height,
            width / whole_width,
            height / whole_height,
        )
    )


def add_text(figure: Figure, left: float, top: float, text: str, **style: Any) -> None:
    """Text whose anchor lies at inches from the left and from the TOP of the figure."""
    width, height = figure.get_size_inches()
    figure.text(left / width, 1 - top / height, text, **style)


def text_width(text: str, size: float, weight: str = "normal") -> float:
    """Width in inches of the widest line of a text."""
    canvas = FigureCanvasAgg(Figure(dpi=POINTS_PER_INCH))
    font = FontProperties(family="DejaVu Sans", size=size, weight=weight)
    renderer: Any = canvas.get_renderer()  # type: ignore[no-untyped-call]
    widths = (
        renderer.get_text_width_height_descent(line, font, False)[0] for line in text.split("\n")
    )
    return float(max(widths)) / POINTS_PER_INCH


def text_height(text: str, size: float) -> float:
    """Height in inches of a text, by its number of lines."""
    return (text.count("\n") + 1) * size * LINE_HEIGHT / POINTS_PER_INCH


def wrap(text: str, characters: int, lines: int = 2) -> str:
    """Text broken into at most so many lines; what does not fit becomes an ellipsis."""
    text = " ".join(text.split())
    broken = textwrap.wrap(
        text, characters, max_lines=lines, placeholder=" \N{HORIZONTAL ELLIPSIS}"
    )
    return "\n".join(broken)


def spread(wanted: Sequence[float], sizes: Sequence[float], low: float, high: float) -> list[float]:
    """Centres nearest to the wanted ones (least squares) at which intervals do not overlap.

    Labels keep their order. Neighbours that would touch are pooled into a block, which lies at the
    mean of what its members want (pool adjacent violators); blocks are then kept within
    ``[low, high]`` as far as they fit.
    """
    order = sorted(range(len(wanted)), key=lambda index: (wanted[index], index))
    # Each block: its members, the sum of (wanted - offset in the block), its total size.
    blocks: list[tuple[list[int], float, float]] = []
    for index in order:
        half = sizes[index] / 2
        block = ([index], wanted[index] - half, sizes[index])
        while blocks and _start(blocks[-1], low, high) + blocks[-1][2] > _start(block, low, high):
            members, total, size = blocks.pop()
            block = (
                members + block[0],
                total + block[1] - size * len(block[0]),
                size + block[2],
            )
        blocks.append(block)
    centres = [0.0] * len(wanted)
    for block in blocks:
        edge = _start(block, low, high)
        for index in block[0]:
            centres[index] = edge + sizes[index] / 2
            edge += sizes[index]
    return centres


def _start(block: tuple[list[int], float, float], low: float, high: float) -> float:
    members, total, size = block
    return max(low, min(total / len(members), high - size))


def end_labels(
    axes: Axes, ends: Sequence[tuple[float, float]], labels: Sequence[str], colours: Sequence[str]
) -> None:
    """Name each line at the right border of the axes, joined to its end by a thin leader.

    ``ends`` are data coordinates of the last point of each line.
    """
    box, whole = axes.get_position(), axes.figure.get_size_inches()  # type: ignore[union-attr]
    inches, unit = box.height * whole[1], 1 / (box.width * whole[0])
    places = [axes.transAxes.inverted().transform(axes.transData.transform(end)) for end in ends]
    heights = [text_height(label, SMALL) / inches for label in labels]
    wanted = [min(max(float(place[1]), 0.0), 1.0) for place in places]
    centres = spread(wanted, heights, -0.1, 1.1)
    for place, start, centre, label, colour in zip(
        places, wanted, centres, labels, colours, strict=True
    ):
        # Inside the axes the leader is dotted: it is no part of the curve.
        axes.plot(
            [float(place[0]), 1.0],
            [start, start],
            transform=axes.transAxes,
            color=colour,
            linewidth=0.6,
            linestyle=(0, (1, 3)),
            clip_on=False,
            zorder=1,
        )
        axes.plot(
            [1.0, 1 + 0.05 * unit, 1 + 0.16 * unit],
            [start, start, centre],
            transform=axes.transAxes,
            color=colour,
            linewidth=0.6,
            clip_on=False,
            zorder=1,
        )
        axes.text(
            1 + 0.19 * unit,
            centre,
            label,
            transform=axes.transAxes,
            va="center",
            ha="left",
            fontsize=SMALL,
            linespacing=1.1,
        )


@contextmanager
def settings() -> Iterator[None]:
    """Context in which figures are built and saved; nothing of the user's matplotlibrc counts."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(cast(Any, SETTINGS))
        yield


def save(figure: Figure, folder: Path, name: str) -> None:
    """Write ``<name>.svg``, ``<name>.pdf`` and ``<name>.png``: equal figures give equal bytes."""
    with atomic(folder / f"{name}.svg") as temporary:
        figure.savefig(temporary, format="svg", metadata={"Date": None, "Creator": None})
    with atomic(folder / f"{name}.pdf") as temporary:
        figure.savefig(
            temporary,
            format="pdf",
            metadata={"CreationDate": None, "Creator": None, "Producer": None},
        )
    with atomic(folder / f"{name}.png") as temporary:
        figure.savefig(temporary, format="png", dpi=RESOLUTION, metadata={"Software": None})
