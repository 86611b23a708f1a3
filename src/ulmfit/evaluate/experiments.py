"""The table of one experiment: errors of its cells, and what may be said of their differences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ulmfit.errors import UserError
from ulmfit.evaluate.cells import Cell, check_same_documents, fewest_seeds
from ulmfit.evaluate.statistics import (
    adjust_holm,
    estimate_difference,
    estimate_error,
    mcnemar,
    verdict,
)

CELL_COLUMNS = (
    *("dataset", "n_labelled", "variant", "title", "tokenizer", "direction", "seeds", "n"),
    *("error", "error_low", "error_high", "difference", "difference_low", "difference_high"),
    *("p", "p_holm", "verdict", "chosen", "published", "kind", "cell"),
    *("error_sd", "error_min", "error_max", "p_mcnemar"),
)
CONFUSION_COLUMNS = (
    *("experiment", "cell", "dataset", "n_labelled", "variant", "title", "fold"),
    *("label", "predicted", "count"),
)

Row = dict[str, Any]


def cell_rows(experiment: Row, cells: Sequence[Cell]) -> list[Row]:
    """One row a cell; Holm's family is the distinct comparisons of this table that are tested."""
    by_id = {cell.entry["id"]: cell for cell in cells}
    rows, tested = [], {}
    for cell in cells:
        row = _error_row(cell)
        reference = _reference_of(experiment, cell, by_id)
        if reference is not None and reference.runs != cell.runs:
            row |= _difference_row(cell, reference)
            if row["p"] is not None:
                tested[cell.runs, reference.runs] = row["p"]
        row["comparison"] = (cell.runs, reference.runs if reference else None)
        rows.append(row)
    adjusted = dict(zip(tested, adjust_holm(list(tested.values())), strict=True))
    for row in rows:
        if "difference" in row:
            row["p_holm"] = adjusted.get(row["comparison"])
            row["verdict"] = verdict(
                row["difference_low"], row["difference_high"], row["p_holm"], row["fewest_seeds"]
            )
    return rows


def _reference_of(experiment: Row, cell: Cell, by_id: dict[str, Cell]) -> Cell | None:
    references = experiment["reference"]
    if not references:
        return None
    name = references.get("/".join(cell.group))
    if name is not None and name not in by_id:
        raise UserError(f"experiment {experiment['name']}: reference {name} is none of its cells")
    return by_id.get(name)


def _error_row(cell: Cell) -> Row:
    entry = cell.entry
    error = estimate_error(cell.wrong)
    rates = cell.wrong.mean(axis=1)
    return {
        **entry,
        "seeds": len(cell.runs),
        "n": len(cell.document),
        "error": error.value,
        "error_low": error.low,
        "error_high": error.high,
        "error_sd": float(rates.std(ddof=1)) if len(rates) > 1 else None,
        "error_min": float(rates.min()),
        "error_max": float(rates.max()),
        "chosen": cell.chosen,
        # The manifest quotes the paper in per cent, digits as printed.
        "published": None if entry["published"] is None else float(entry["published"]) / 100,
        "kind": cell.kind,
        "cell": entry["id"],
    }


def _difference_row(cell: Cell, reference: Cell) -> Row:
    check_same_documents(cell, reference, cell.entry["id"], reference.entry["id"])
    difference = estimate_difference(cell.wrong, reference.wrong)
    seeds = fewest_seeds([cell, reference])
    single = len(cell.runs) == len(reference.runs) == 1
    # A comparison that may claim nothing is not tested, and does not weigh on the others' Holm.
    tested = verdict(difference.low, difference.high, None, seeds) != "too few seeds"
    return {
        "difference": difference.value,
        "difference_low": difference.low,
        "difference_high": difference.high,
        "p": difference.p if tested else None,
        "fewest_seeds": seeds,
        "p_mcnemar": mcnemar(cell.wrong[0], reference.wrong[0]) if single else None,
    }


def confusion_rows(experiment: Row, cell: Cell) -> list[Row]:
    """One row for each pair (label, predicted class), counts summed over the runs of a cell."""
    counts = cell.confusion()
    return [
        {
            **cell.entry,
            "experiment": experiment["name"],
            "cell": cell.entry["id"],
            "fold": experiment["fold"],
            "label": label,
            "predicted": predicted,
            "count": int(counts[row, column]),
        }
        for row, label in enumerate(cell.classes)
        for column, predicted in enumerate(cell.classes)
    ]
