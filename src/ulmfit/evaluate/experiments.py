"""The table of one experiment: errors of its cells, and what may be said of their differences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ulmfit.errors import UserError
from ulmfit.evaluate.calibration import brier_score, calibration_error, reliability
from ulmfit.evaluate.cells import Cell, check_same_documents, fewest_seeds
from ulmfit.evaluate.metrics import compute_metrics
from ulmfit.evaluate.power import documents_needed, seeds_needed
from ulmfit.evaluate.statistics import (
    FEWEST_SEEDS,
    Estimate,
    Side,
    adjust_holm,
    chances,
    estimate_difference,
    estimate_error,
    estimate_gap,
    holm_significance,
    mcnemar,
    verdict,
    wilson,
)

CELL_COLUMNS = (
    *("dataset", "n_labelled", "variant", "title", "tokenizer", "direction", "seeds", "n"),
    *("error", "error_low", "error_high", "difference", "difference_low", "difference_high"),
    *("p", "p_holm", "verdict", "chosen", "published", "kind", "cell"),
    *("error_sd", "error_min", "error_max", "p_mcnemar"),
    *("macro_f1", "n_needed", "seeds_needed", "published_low", "published_high", "reproduced"),
    *("n_unique", "error_unique", "error_unique_low", "error_unique_high", "ece", "brier"),
    "labelled",
)
CONFUSION_COLUMNS = (
    *("experiment", "cell", "dataset", "n_labelled", "variant", "title", "fold"),
    *("label", "predicted", "count"),
)

CALIBRATION_COLUMNS = (
    *("experiment", "cell", "dataset", "n_labelled", "variant", "title", "fold"),
    *("bin_low", "bin_high", "documents", "confidence", "accuracy"),
)

Row = dict[str, Any]


def cell_rows(experiment: Row, cells: Sequence[Cell]) -> list[Row]:
    """One row a cell; Holm's family is the distinct comparisons of this table that are tested.

    Documents and seeds needed are those of a test at the significance that Holm leaves to a row, so
    one that is not distinguished needs more documents than it has.
    """
    by_id = {cell.entry["id"]: cell for cell in cells}
    rows, tested = [], {}
    for cell in cells:
        row = _error_row(cell)
        reference = reference_of(experiment, cell, by_id)
        if reference is not None and reference.runs != cell.runs:
            row |= _difference_row(cell, reference)
            if row["p"] is not None:
                tested[cell.runs, reference.runs] = row["p"]
        row["comparison"] = (cell.runs, reference.runs if reference else None)
        rows.append(row)
    p = list(tested.values())
    adjusted = dict(zip(tested, adjust_holm(p), strict=True))
    significance = dict(zip(tested, holm_significance(p), strict=True))
    for row in rows:
        if "difference" in row:
            row["p_holm"] = adjusted.get(row["comparison"])
            row["verdict"] = verdict(
                row["difference_low"], row["difference_high"], row["p_holm"], row["fewest_seeds"]
            )
        if row.get("p") is not None:
            row["significance"] = significance[row["comparison"]]
            planned = (row["difference"], row["chances"], row["significance"])
            row["n_needed"] = documents_needed(*planned)
            row["seeds_needed"] = seeds_needed(*planned)
    return rows


def reference_of(experiment: Row, cell: Cell, by_id: dict[str, Cell]) -> Cell | None:
    """The cell that ``cell`` is compared with, itself perhaps; None if the experiment has none."""
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
        "kind": cell.kind,
        "cell": entry["id"],
        "labelled": cell.labelled,
        "macro_f1": float(
            np.mean([compute_metrics(cell.label, run).macro_f1 for run in cell.probability])
        ),
        "ece": calibration_error(cell.probability, cell.label),
        "brier": brier_score(cell.probability, cell.label),
        **_published(cell, error),
        **_without_copies(cell),
    }


def _published(cell: Cell, error: Estimate) -> Row:
    """The number of the paper, its interval, and whether ours may be the same."""
    if cell.entry["published"] is None:
        return {"published": None}
    # The manifest quotes the paper in per cent, digits as printed.
    published, n = float(cell.entry["published"]) / 100, cell.entry["published_n"]
    if n is None:
        return {"published": published}
    low, high = wilson(published * n, n)
    gap = estimate_gap(error, published, n)
    told = cell.deterministic or len(cell.runs) >= FEWEST_SEEDS
    same = "yes" if gap.low <= 0 <= gap.high else "no"
    return {
        "published": published,
        "published_low": low,
        "published_high": high,
        "reproduced": same if told else None,
    }


def _without_copies(cell: Cell) -> Row:
    """The error on documents of which nothing that was trained on has a copy, where it is known."""
    if cell.copied is None:
        return {}
    kept = ~cell.copied
    if not kept.any():
        return {"n_unique": 0}
    error = estimate_error(cell.wrong[:, kept])
    return {
        "n_unique": int(kept.sum()),
        "error_unique": error.value,
        "error_unique_low": error.low,
        "error_unique_high": error.high,
    }


def _difference_row(cell: Cell, reference: Cell) -> Row:
    check_same_documents(cell, reference, cell.entry["id"], reference.entry["id"])
    difference = estimate_difference(cell.wrong, reference.wrong)
    seeds = fewest_seeds([cell, reference])
    single = len(cell.runs) == len(reference.runs) == 1
    # A comparison that may claim nothing is not tested, and does not weigh on the others' Holm.
    tested = verdict(difference.low, difference.high, None, seeds) != "too few seeds"
    of_difference = chances([(1.0, Side.of(cell.wrong)), (-1.0, Side.of(reference.wrong))])
    return {
        "difference": difference.value,
        "difference_low": difference.low,
        "difference_high": difference.high,
        "p": difference.p if tested else None,
        "chances": of_difference,
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


def calibration_rows(experiment: Row, cell: Cell) -> list[Row]:
    """One row for each bin of confidence that is not empty, the runs of a cell taken together."""
    return [
        {
            **cell.entry,
            "experiment": experiment["name"],
            "cell": cell.entry["id"],
            "fold": experiment["fold"],
            "bin_low": part.low,
            "bin_high": part.high,
            "documents": part.documents,
            "confidence": part.confidence,
            "accuracy": part.accuracy,
        }
        for part in reliability(cell.probability, cell.label)
    ]
