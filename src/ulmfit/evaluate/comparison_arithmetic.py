"""How the columns of an experiment's table that compare a row with another come about.

The other is the reference of its group, or the number that the paper printed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ulmfit.evaluate.arithmetic import COLUMNS as OF_ROW
from ulmfit.evaluate.arithmetic import Derived, Place, half_width
from ulmfit.evaluate.cells import Cell
from ulmfit.evaluate.experiments import cell_rows
from ulmfit.evaluate.power import (
    MOST_DOCUMENTS,
    MOST_SEEDS,
    POWER,
    documents_needed,
    power_of_documents,
    power_of_seeds,
    seeds_needed,
)
from ulmfit.evaluate.statistics import (
    FEWEST_SEEDS,
    SIGNIFICANCE,
    estimate_difference,
    estimate_error,
    estimate_gap,
    mcnemar,
    wilson,
)

NO_REFERENCE = "nothing to compare with: the row is the reference, or its experiment has none"
FEW_SEEDS = f"fewer than {FEWEST_SEEDS} seeds: nothing is tested"


def _compared(
    made: Callable[[Place, Cell], Derived], *, tested: bool = False
) -> Callable[[Place], Derived]:
    """Of a column that is empty without a reference and, perhaps, below three seeds."""

    def column(place: Place) -> Derived:
        if place.reference is None:
            return Derived((NO_REFERENCE,), None)
        if tested and not place.tested:
            return Derived((FEW_SEEDS,), None)
        return made(place, place.reference)

    return column


def _difference(place: Place, reference: Cell) -> Derived:
    ours, theirs = place.cell.wrong, reference.wrong
    scale = len(ours) * len(theirs)
    value = int(ours.sum()) * len(theirs) - int(theirs.sum()) * len(ours)
    value = value / (scale * ours.shape[1])
    one, other = float(ours.mean()), float(theirs.mean())
    told = f"mean error minus that of {reference.entry['title']} ({reference.entry['id']})"
    return Derived((f"{told}: {one!r} - {other!r} = {value!r}",), value)


def _difference_bound(sign: int) -> Callable[[Place, Cell], Derived]:
    def made(place: Place, reference: Cell) -> Derived:
        found = _difference(place, reference)
        lines, half = half_width(place.of_difference)
        value = max(-1.0, min(1.0, float(found.value or 0.0) + sign * half))
        name = "plus" if sign > 0 else "minus"
        return Derived((*found.lines, *lines, f"difference {name} half-width = {value!r}"), value)

    return made


def _p(place: Place, reference: Cell) -> Derived:
    found = estimate_difference(place.cell.wrong, reference.wrong)
    lines = ["the significance at which the interval of the difference touches zero"]
    if found.p is not None and found.p < 1:
        half = place.of_difference.half_width(found.p)
        lines.append(f"half-width at p: {half:.9g}; the difference is {abs(found.value):.9g}")
    return Derived((*_difference(place, reference).lines, *lines), found.p)


def _p_holm(place: Place, reference: Cell) -> Derived:
    rows = cell_rows(dict(place.experiment), place.every)
    family = {
        row["comparison"]: (row["p"], row["title"]) for row in rows if row.get("p") is not None
    }
    order = sorted(family.items(), key=lambda item: item[1][0])
    lines = [
        "Holm: the distinct comparisons of the table by p, each p times the number of those not "
        "yet passed, at most 1, never below the one before"
    ]
    highest, value = 0.0, None
    for rank, (key, (p, title)) in enumerate(order):
        highest = max(highest, min(1.0, (len(order) - rank) * p))
        lines.append(f"{p:.6g} x {len(order) - rank} -> {highest:.6g}  {title}")
        if key == (place.cell.runs, reference.runs):
            value = highest
    return Derived(tuple(lines), value)


def _p_mcnemar(place: Place, reference: Cell) -> Derived:
    ours, theirs = place.cell.wrong, reference.wrong
    if not len(ours) == len(theirs) == 1:
        return Derived(("of pairs of single runs alone",), None)
    first, second = int((ours[0] & ~theirs[0]).sum()), int((~ours[0] & theirs[0]).sum())
    told = f"exact test of {first} against {second} documents that only one of the two gets wrong"
    return Derived((told,), mcnemar(ours[0], theirs[0]))


def _needed(what: str) -> Callable[[Place, Cell], Derived]:
    find, power, most = {
        "documents": (documents_needed, power_of_documents, MOST_DOCUMENTS),
        "seeds a side": (seeds_needed, power_of_seeds, MOST_SEEDS),
    }[what]

    def made(place: Place, reference: Cell) -> Derived:
        found = place.of_difference
        difference = _difference(place, reference)
        significance = _row(place)["significance"]
        assert isinstance(difference.value, float)
        parts = ", ".join(f"{variance:.6g} ({degrees})" for variance, degrees in found.parts)
        lines = [
            *difference.lines,
            f"variance of the difference between runs, by side (degrees of freedom): {parts or 0}",
            f"  of it the runs' chance on single documents: {found.interaction:.6g}",
            f"variance of the difference between documents: {found.documents:.6g}, n = {found.n}",
            f"significance that Holm's correction leaves to this row: {significance:.6g}",
            f"the fewest {what} at which the power of the test of this difference is {POWER:.0%}:",
        ]
        value = find(difference.value, found, significance)
        for count in () if value is None else (value - 1, value):
            at = f"  {count} {what}: power "
            floor = 2 if find is documents_needed else FEWEST_SEEDS
            if count >= floor:
                lines.append(f"{at}{power(difference.value, found, count, significance):.6f}")
        if value is None and (not difference.value or not (found.seeds or most != MOST_SEEDS)):
            lines.append("  there is no difference, or no seed has a say")
        elif value is None:
            at_most = power(difference.value, found, most, significance)
            lines.append(f"  {most} {what}: power {at_most:.6f}, so no number is enough")
        return Derived(tuple(lines), value)

    return made


def _published(place: Place) -> Derived:
    printed = place.cell.entry["published"]
    if printed is None:
        return Derived(("the paper printed no error of this row",), None)
    return Derived((f"{printed} % as the paper prints it, as a fraction",), float(printed) / 100)


def _published_bound(end: int) -> Callable[[Place], Derived]:
    def made(place: Place) -> Derived:
        found, n = _published(place), place.cell.entry["published_n"]
        if not isinstance(found.value, float) or n is None:
            return Derived((*found.lines, "without documents there is no interval"), None)
        bounds = wilson(found.value * n, n)
        told = f"Wilson interval of it on {n} documents = [{bounds[0]!r}, {bounds[1]!r}]"
        return Derived((*found.lines, told), bounds[end])

    return made


def _reproduced(place: Place) -> Derived:
    found, n = _published(place), place.cell.entry["published_n"]
    if not isinstance(found.value, float) or n is None:
        return Derived((*found.lines,), None)
    if not place.cell.deterministic and len(place.cell.runs) < FEWEST_SEEDS:
        return Derived((*found.lines, FEW_SEEDS), None)
    gap = estimate_gap(estimate_error(place.cell.wrong), found.value, n)
    told = f"ours minus published: {gap.value!r}, 95 % interval [{gap.low!r}, {gap.high!r}]"
    holds = gap.low <= 0 <= gap.high
    return Derived((*found.lines, f"{told}: yes where it holds zero"), "yes" if holds else "no")


def _verdict(place: Place, reference: Cell) -> Derived:
    found = estimate_difference(place.cell.wrong, reference.wrong)
    holm = _p_holm(place, reference)
    told = (
        f"better or worse where the interval [{found.low!r}, {found.high!r}] is on one side of "
        f"zero and Holm's p ({holm.value!r}) is below {SIGNIFICANCE}; {FEW_SEEDS}"
    )
    return Derived((*holm.lines, told), _row(place)["verdict"])


def _row(place: Place) -> dict[str, Any]:
    """The row as the table has it, with what Holm's correction leaves to it."""
    rows = cell_rows(dict(place.experiment), place.every)
    return next(row for row in rows if row["cell"] == place.cell.entry["id"])


COLUMNS: Mapping[str, Callable[[Place], Derived]] = {
    "difference": _compared(_difference),
    "difference_low": _compared(_difference_bound(-1)),
    "difference_high": _compared(_difference_bound(1)),
    "p": _compared(_p, tested=True),
    "p_holm": _compared(_p_holm, tested=True),
    "p_mcnemar": _compared(_p_mcnemar),
    "verdict": _compared(_verdict),
    "n_needed": _compared(_needed("documents"), tested=True),
    "seeds_needed": _compared(_needed("seeds a side"), tested=True),
    "published": _published,
    "published_low": _published_bound(0),
    "published_high": _published_bound(1),
    "reproduced": _reproduced,
}
"""What makes each column that compares."""


def derive(place: Place, column: str) -> Derived | None:
    """How a column of an experiment's table comes about; None for one that is a name."""
    made = COLUMNS.get(column) or OF_ROW.get(column)
    return None if made is None else made(place)
