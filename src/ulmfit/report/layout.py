"""What a table is before it becomes Markdown or HTML: both show the same sheet."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ulmfit.report import wording
from ulmfit.report.results import Row, number


@dataclass(frozen=True)
class Cell:
    """What one cell shows, and the value of the file behind it (for sorting and for checking).

    ``share`` shades the cell: its part of its line, between 0 and 1.
    """

    text: str
    value: str = ""
    verdict: bool = False
    share: float | None = None


@dataclass(frozen=True)
class Column:
    """A heading; numbers stand to the right."""

    heading: str
    numeric: bool = False


@dataclass(frozen=True)
class Line:
    """The cells of one line; a strong line is what the others are compared with.

    ``link`` is the id of the place on the page that tells more of it.
    """

    cells: tuple[Cell, ...]
    strong: bool = False
    link: str = ""


@dataclass(frozen=True)
class Sheet:
    """A table: ``groups`` are lines that belong together, ``notes`` stand below."""

    name: str
    title: str
    caption: str
    columns: tuple[Column, ...]
    groups: tuple[tuple[Line, ...], ...]
    notes: tuple[str, ...] = ()


Show = Callable[[Row], Cell]
"""From a row of a CSV table to one cell of a sheet."""


def plain(column: str) -> Show:
    """The value as it stands in the file."""
    return lambda row: Cell(row[column], row[column])


def counted(column: str) -> Show:
    """A whole number."""
    return lambda row: Cell(wording.count(row[column]), row[column])


def percent(
    column: str, places: int, write: Callable[[float | None, int], str] = wording.percent
) -> Show:
    """A fraction in per cent, or as ``write`` says."""
    return lambda row: Cell(write(number(row, column), places), row[column])


def worded(column: str, write: Callable[[str], str]) -> Show:
    """A name in words."""
    return lambda row: Cell(write(row[column]))
