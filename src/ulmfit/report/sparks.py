"""Small curves of one training as inline SVG: what it was trained on dashed, held out solid."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

from ulmfit.report import wording
from ulmfit.report.results import Row, number

WIDTH, HEIGHT = 300, 116
LEFT, RIGHT, TOP, BOTTOM = 40, 8, 20, 16
"""Room for the values, none, the title and the epochs, in units of the drawing."""
PANELS = {
    "classifier": (
        ("Error %", 100.0, 1, "select_error", "train_error"),
        ("Loss (nats)", 1.0, 2, "select_loss", "train_loss"),
    ),
    "lm": (("Loss (nats)", 1.0, 2, "valid_loss", "train_loss"),),
}
"""For each kind of training: title, factor, decimals, column of held-out and of training text."""

Point = tuple[float, float]


def sparks(epochs: Sequence[Row]) -> list[str]:
    """An SVG element for each panel of a training that has a finite value; ``epochs``: its rows."""
    drawings = []
    for title, factor, places, held_out, trained in PANELS[epochs[0]["kind"]] if epochs else ():
        lines = {
            "held out": _points(epochs, held_out, factor),
            "training": _points(epochs, trained, factor),
        }
        if any(lines.values()):
            drawings.append(_draw(title, lines, places))
    return drawings


def _points(epochs: Sequence[Row], column: str, factor: float) -> list[Point]:
    return [
        (float(row["epoch"]), factor * value)
        for row in epochs
        if (value := number(row, column)) is not None and math.isfinite(value)
    ]


def _draw(title: str, lines: Mapping[str, Sequence[Point]], places: int) -> str:
    every = [point for points in lines.values() for point in points]
    first, last = min(x for x, _ in every), max(x for x, _ in every)
    low, high = min(y for _, y in every), max(y for _, y in every)

    def place(point: Point) -> tuple[float, float]:
        across = (point[0] - first) / (last - first or 1)
        up = (point[1] - low) / (high - low or 1)
        return (
            round(LEFT + across * (WIDTH - LEFT - RIGHT), 1),
            round(HEIGHT - BOTTOM - up * (HEIGHT - TOP - BOTTOM), 1),
        )

    parts = [_text(LEFT, 11, title, "start")]
    for value in dict.fromkeys((low, high)):
        y = place((first, value))[1]
        parts.append(f'<path class="grid" d="M{LEFT} {y}H{WIDTH - RIGHT}"/>')
        parts.append(_text(LEFT - 4, y + 3, wording.fixed(value, places), "end"))
    for value in dict.fromkeys((first, last)):
        x = place((value, low))[0]
        anchor = "start" if value == first else "end"
        parts.append(_text(x, HEIGHT - 3, f"epoch {value:.0f}", anchor))
    for name, points in lines.items():
        if points:
            path = "L".join("{} {}".format(*place(point)) for point in points)
            parts.append(f'<path class="{name.replace(" ", "-")}" d="M{path}"/>')
            if name == "held out" or len(points) == 1:
                parts += [
                    '<circle class="{}" cx="{}" cy="{}" r="2.2"/>'.format(
                        name.replace(" ", "-"), *place(point)
                    )
                    for point in points
                ]
    label = f"{title} by epoch. " + " ".join(
        _described(name, points, places) for name, points in lines.items() if points
    )
    return (
        f'<svg class="spark" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="{escape(label)}">{"".join(parts)}</svg>'
    )


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}">{escape(text)}</text>'


def _described(name: str, points: Sequence[Point], places: int) -> str:
    (first, start), (last, end) = points[0], points[-1]
    best, least = min(points, key=lambda point: point[1])
    return (
        f"{name.capitalize()}: {wording.fixed(start, places)} at epoch {first:.0f}, "
        f"{wording.fixed(end, places)} at epoch {last:.0f}, lowest {wording.fixed(least, places)} "
        f"at epoch {best:.0f}."
    )
