"""How many labels one row needs to be as good as another with fewer (ulmfit.md 5.5, 11).

The error of a row is interpolated linearly in the logarithm of its number of labels. It has reached
another error at the smallest number at which its mean is not above it. The interval holds the
numbers between the first at which that can no longer be excluded and the first at which the row is
better beyond chance: the interval of the difference (:mod:`ulmfit.evaluate.statistics`), turned
round (Fieller 1954). It needs no resampling of three seeds, and never says more than the measured
sizes do: an end that lies beyond them stays open.

Each interval is for its pair of rows alone, 95 % as if no other had been looked at: it answers "how
many", and whether rows differ at a size is what the corrected tests of the experiment's table say.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from ulmfit.evaluate.cells import Cell, check_same_documents, fewest_seeds
from ulmfit.evaluate.statistics import FEWEST_SEEDS, SIGNIFICANCE, Side, chances

CROSSING_COLUMNS = (
    *("experiment", "dataset", "tokenizer", "direction", "variant", "title"),
    *("of_variant", "of_title", "of_n_labelled", "n_labelled", "low", "high", "statement"),
    *("cell", "of_cell", "smallest", "largest", "place", "fold"),
)

Row = dict[str, Any]


@dataclass(frozen=True)
class Crossing:
    """Number of labels at which a row reaches an error, with a 95 % interval.

    Each is 0 where the smallest measured size is already enough, infinite where the largest is not.
    """

    labels: float
    low: float
    high: float


def crossing(curve: Sequence[tuple[int, Side]], target: Side) -> Crossing:
    """Where the row ``curve`` (number of labels, side; ascending) reaches the error of ``target``.

    All sides are of the same documents.
    """
    aim = float(target.by_document.mean())
    errors = [float(side.by_document.mean()) for _, side in curve]

    def bound(sign: int) -> Callable[[int, float], float]:
        def value(segment: int, share: float) -> float:
            (_, first), (_, second) = curve[segment], curve[segment + 1]
            between = (1 - share) * errors[segment] + share * errors[segment + 1]
            if not sign:
                return between - aim
            of_difference = chances([(1 - share, first), (share, second), (-1.0, target)])
            return between - aim + sign * of_difference.half_width(SIGNIFICANCE)

        return value

    low, middle, high = (_first_below(curve, bound(sign)) for sign in (-1, 0, 1))
    return Crossing(middle, low, high)


def _first_below(curve: Sequence[tuple[int, Side]], value: Callable[[int, float], float]) -> float:
    """Number of labels at which ``value`` falls to zero, before the first size where it is below.

    0 if that is the smallest size, infinite if it is none: between two sizes an interval is
    narrower than at either, so what no measured size shows is not claimed.
    """
    from scipy.optimize import brentq

    if value(0, 0.0) <= 0:
        return 0.0
    for segment in range(len(curve) - 1):
        if value(segment, 1.0) <= 0:
            share = float(brentq(partial(value, segment), 0.0, 1.0))
            first, second = (math.log(curve[segment + index][0]) for index in (0, 1))
            return math.exp((1 - share) * first + share * second)
    return math.inf


def crossing_rows(experiment: Row, cells: Sequence[Cell]) -> list[Row]:
    """How many labels each row of several sizes needs to reach every other row of its data set.

    ``n_labelled`` and the ends of its interval stay empty where they lie beyond the measured sizes,
    but for an interval that lies there as a whole: it ends at the size next to it. ``place`` says
    where the crossing lies: ``below``, ``within`` or ``beyond`` the measured sizes. ``statement``
    says in words what the paper says of its figure 3 (ulmfit.md 5.5), of pairs that it would name:
    see :func:`_worth_saying` and :func:`_spares_labels`.
    """
    sides = {cell.entry["id"]: Side.of(cell.wrong) for cell in cells}
    rows: list[Row] = []
    lines = curves(cells)
    for curve in lines:
        runs = {run for cell in curve for run in cell.runs}
        for target in cells:
            same = target.entry["dataset"] == curve[0].entry["dataset"]
            if not same or runs & set(target.runs) or _line(target) == _line(curve[0]):
                continue
            check_same_documents(curve[0], target, curve[0].entry["id"], target.entry["id"])
            points = [(cell.labelled or 0, sides[cell.entry["id"]]) for cell in curve]
            found = crossing(points, sides[target.entry["id"]])
            smallest, largest = points[0][0], points[-1][0]
            rows.append(
                {
                    **curve[0].entry,
                    "experiment": experiment["name"],
                    "fold": experiment["fold"],
                    "of_variant": target.entry["variant"],
                    "of_title": target.entry["title"],
                    "of_n_labelled": target.entry["n_labelled"],
                    "n_labelled": _inside(found.labels),
                    "low": largest if math.isinf(found.low) else found.low or None,
                    "high": _inside(found.high) if found.high else smallest,
                    "statement": _statement(found, curve, target)
                    if _spares_labels(experiment, lines, curve, target)
                    or (found.labels and _worth_saying(experiment, lines, curve, target))
                    else None,
                    "cell": curve[0].entry["id"],
                    "of_cell": target.entry["id"],
                    "smallest": smallest,
                    "largest": largest,
                    "place": _place(found.labels),
                }
            )
    return rows


def _worth_saying(
    experiment: Row, lines: Sequence[Sequence[Cell]], curve: Sequence[Cell], target: Cell
) -> bool:
    """Whether a row reaches the reference, or the worst model another one, with its fewest labels.

    A row that stands for the better of several is not named where these are rows themselves.
    """
    here = _of_dataset(lines, target)
    if not any(target is other[0] for other in here):
        return False
    shown = {other[0].entry["id"] for other in here}
    if any((among := _candidates(cell)) and among <= shown for cell in (curve[0], target)):
        return False
    if target.entry["id"] in experiment["reference"].values():
        return True
    models = [other for other in here if other[0].kind != "baseline"]
    worst = max(models, key=lambda other: float(other[0].wrong.mean()), default=None)
    return worst is curve and target.kind != "baseline"


def _spares_labels(
    experiment: Row, lines: Sequence[Sequence[Cell]], curve: Sequence[Cell], target: Cell
) -> bool:
    """Whether the reference reaches the worst of the other models with its most labels.

    Here the better of several counts and these do not, so that the reference is not praised for
    being ahead of the worse of two rates.
    """
    if curve[0].entry["id"] not in experiment["reference"].values():
        return False
    ends = [other[-1] for other in _of_dataset(lines, target) if other is not curve]
    ends = [end for end in ends if end.kind != "baseline"]
    candidates = {name for end in ends for name in _candidates(end)}
    ends = [end for end in ends if end.entry["id"] not in candidates]
    return target is max(ends, key=lambda end: float(end.wrong.mean()), default=None)


def _of_dataset(lines: Sequence[Sequence[Cell]], target: Cell) -> list[Sequence[Cell]]:
    return [other for other in lines if _line(other[0])[0] == _line(target)[0]]


def _candidates(cell: Cell) -> set[str]:
    """Cells of which this one is the better."""
    return {candidate["id"] for candidate in cell.entry["among"] or ()}


def _line(cell: Cell) -> tuple[str, ...]:
    keys = ("dataset", "variant", "title", "tokenizer", "direction")
    return tuple(str(cell.entry[key]) for key in keys)


def curves(cells: Sequence[Cell]) -> list[list[Cell]]:
    """Cells of each row that has several sizes, ascending; of equal sizes the first."""
    lines: dict[tuple[str, ...], dict[int, Cell]] = {}
    for cell in cells:
        if cell.labelled:
            lines.setdefault(_line(cell), {}).setdefault(cell.labelled, cell)
    found = [[sizes[size] for size in sorted(sizes)] for sizes in lines.values()]
    return [curve for curve in found if len(curve) > 1]


def _inside(labels: float) -> float | None:
    return labels if 0 < labels < math.inf else None


def _place(labels: float) -> str:
    if labels == 0:
        return "below"
    return "beyond" if math.isinf(labels) else "within"


def _statement(found: Crossing, curve: Sequence[Cell], target: Cell) -> str:
    """What the paper says of its figure 3 (ulmfit.md 5.5), no more than the interval supports.

    A number is claimed where the interval is closed, a bound where one end is; where both are open
    nothing is, and the estimate stands in brackets.
    """
    smallest, largest = (f"{end.labelled or 0:,}" for end in (curve[0], curve[-1]))
    row = _name(curve[0], target)
    aim = f"to be as good as {_name(target, curve[0])} with {target.labelled or 0:,}"
    times = _times(found, target.labelled or 0)
    estimate = f"(estimate {_count(found.labels, smallest, largest)})"
    few = fewest_seeds([*curve, target])
    remark = "" if few is None or few >= FEWEST_SEEDS else "; too few seeds to claim it"
    if math.isinf(found.low):
        text = f"{row} takes more than {largest} labels {aim}"
    elif found.high == 0:
        text = f"{row} takes fewer than {smallest} labels {aim}"
    elif found.low and math.isfinite(found.high):
        bounds = (
            f"(interval {found.low:,.0f} to {found.high:,.0f}; measured: {_around(found, curve)})"
        )
        text = f"{row} takes {found.labels:,.0f} labels {bounds} {aim}{times}"
    elif found.low:
        text = f"{row} takes at least {found.low:,.0f} labels {aim}{times} {estimate}"
        text += f"; whether {largest} are enough cannot be told"
    elif math.isfinite(found.high):
        text = f"{row} takes at most {found.high:,.0f} labels {aim}{times} {estimate}"
        text += f"; whether {smallest} are enough cannot be told"
    else:
        text = f"How many labels {row} takes {aim} cannot be told from {smallest} to {largest} "
        text += estimate
    return f"{text}{remark}."


def _around(found: Crossing, curve: Sequence[Cell]) -> str:
    """The measured sizes that the number of labels lies between."""
    sizes = [cell.labelled or 0 for cell in curve]
    above = next(size for size in sizes if size >= found.labels)
    return f"{max(size for size in sizes if size < found.labels):,} and {above:,}"


def _count(labels: float, smallest: str, largest: str) -> str:
    if labels == 0:
        return f"at most {smallest}"
    return f"more than {largest}" if math.isinf(labels) else f"{labels:,.0f}"


def _times(found: Crossing, size: int) -> str:
    """How many times as many labels that is: with its interval, or as the bound that is known."""
    if not size:
        return ""
    if not found.low:
        return f", at most {_ratio(found.high / size)} times as many"
    if math.isinf(found.high):
        return f", at least {_ratio(found.low / size)} times as many"
    low, middle, high = (_ratio(end / size) for end in (found.low, found.labels, found.high))
    return f", {middle} times as many [{low}, {high}]"


def _ratio(ratio: float) -> str:
    return f"{ratio:,.0f}" if ratio >= 9.95 else f"{ratio:.1f}" if ratio >= 1 else f"{ratio:.2f}"


def _name(cell: Cell, other: Cell) -> str:
    """Title, with tokenizer and direction where the other's differ."""
    parts = [
        str(cell.entry[key])
        for key in ("tokenizer", "direction")
        if "-" not in (cell.entry[key], other.entry[key]) and cell.entry[key] != other.entry[key]
    ]
    return f"{cell.entry['title']} ({', '.join(parts)})" if parts else str(cell.entry["title"])
