"""Which numbers of the paper may stand beside which rows of ours (ulmfit.md section 5)."""

from __future__ import annotations

from typing import Any

from ulmfit.config.plan import Plan
from ulmfit.config.runs import PlannedCell, Run
from ulmfit.config.study import Experiment, PublishedTable, Registry
from ulmfit.config.validation import check_name
from ulmfit.errors import UserError

REFERENCE = "ulmfit"
"""The row that the paper compares all others with."""


def check_published(registry: Registry, where: str) -> None:
    """Every row must be a variant, every dataset registered, every error a number (UserError)."""
    for name, table in registry.published.items():
        for key, part in (("rows", table.rows), ("quoted", table.quoted)):
            for dataset, errors in part.items():
                place = f"{where}: {name}.{key}"
                check_name(dataset, registry.datasets, place, "dataset")
                for row, error in errors.items():
                    if key == "rows":
                        check_name(row, registry.variants, f"{place}.{dataset}", "variant")
                    _check_number(f"{place}.{dataset}.{row}", error)
        for dataset, documents in table.documents.items():
            check_name(dataset, registry.datasets, f"{where}: {name}.documents", "dataset")
            if documents < 1:
                raise UserError(f"{where}: {name}.documents.{dataset}: at least 1, not {documents}")


def published_error(
    plan: Plan, experiment: Experiment, cell: PlannedCell
) -> tuple[str | None, int | None]:
    """What the paper prints for a row, in per cent, and the documents behind it, if known.

    None and None where it never ran that row. Its rows have all labels and words; fold and
    direction are those of its table. A choice among variants stands for the first of them.
    """
    if cell.n_labelled != "all" or not _words(plan, cell):
        return None, None
    for table in _tables(plan, experiment):
        variant = (cell.among[0] if cell.among else cell).variant
        error = table.rows.get(cell.dataset, {}).get(variant)
        if error is not None and _direction(plan, cell) == table.direction:
            return error, table.documents.get(cell.dataset)
    return None, None


def quoted_errors(
    plan: Plan, experiment: Experiment, cells: list[PlannedCell]
) -> list[dict[str, Any]]:
    """Errors of other systems that the paper quotes for what an experiment shows, in per cent."""
    shown = {cell.dataset for cell in cells if cell.n_labelled == "all"}
    return [
        {"dataset": dataset, "title": title, "error": error}
        for table in _tables(plan, experiment)
        for dataset, errors in table.quoted.items()
        if dataset in shown
        for title, error in errors.items()
    ]


def published_orderings(plan: Plan) -> dict[str, list[dict[str, str]]]:
    """Of each variant of the study, its error and ULMFiT's in each ablation table of the paper.

    Errors are in per cent as printed. An ordering may be asked on any data and number of labels, an
    error only where the paper measured it (:func:`published_error`).
    """
    cells = [cell for name in plan.experiments() for cell in plan.cells(name)]
    shown = {row.variant for cell in cells for row in (cell.among or (cell,))}
    found: dict[str, list[dict[str, str]]] = {}
    for table in plan.registry.published.values():
        for dataset, errors in table.rows.items():
            title = plan.registry.datasets[dataset].title or dataset
            for variant in errors.keys() & shown - {REFERENCE} if REFERENCE in errors else ():
                pair = {"error": errors[variant], "ulmfit": errors[REFERENCE]}
                found.setdefault(variant, []).append({"dataset": dataset, "title": title, **pair})
    return dict(sorted(found.items()))


def _tables(plan: Plan, experiment: Experiment) -> list[PublishedTable]:
    tables = [plan.registry.published[name] for name in experiment.published]
    return [table for table in tables if table.shows(experiment.fold)]


def _models(cell: PlannedCell) -> list[Run]:
    rows = cell.among or (cell,)
    return [model for row in rows for run in row.runs for model in run.members or (run,)]


def _words(plan: Plan, cell: PlannedCell) -> bool:
    models = _models(cell)
    return bool(models) and all(
        model.kind == "model" and plan.kind(model.tokenizer) == "word" for model in models
    )


def _direction(plan: Plan, cell: PlannedCell) -> str | None:
    """``fwd``, ``bwd``, or ``fwd+bwd`` for the mean of the two; None for other ensembles."""
    if cell.kind != "ensemble":
        return cell.direction
    directions = [member.direction for member in cell.runs[0].members]
    plain = plan.combination(cell.runs[0].fields["ensemble"]) == "mean"
    own = {member.variant for member in cell.runs[0].members} == {cell.variant}
    return "fwd+bwd" if plain and own and sorted(directions) == ["bwd", "fwd"] else None


def _check_number(where: str, error: str) -> None:
    try:
        valid = 0 <= float(error) <= 100
    except ValueError:
        valid = False
    if not valid:
        raise UserError(f"{where}: {error!r} is no error in per cent")
