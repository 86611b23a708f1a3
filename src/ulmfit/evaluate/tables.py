"""All tables of a study, from its manifest and its run files; rates are fractions, not per cent."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from ulmfit.config.paths import DUPLICATES
from ulmfit.errors import UserError
from ulmfit.evaluate.cells import Study
from ulmfit.evaluate.costs import COST_COLUMNS, cost_row
from ulmfit.evaluate.crossings import CROSSING_COLUMNS, crossing_rows
from ulmfit.evaluate.experiments import (
    CALIBRATION_COLUMNS,
    CELL_COLUMNS,
    CONFUSION_COLUMNS,
    Row,
    calibration_rows,
    cell_rows,
    confusion_rows,
)
from ulmfit.evaluate.hardest import HARDEST_COLUMNS, PAIR_COLUMNS, hardest_rows, pair_rows
from ulmfit.evaluate.leakage import LEAKAGE_COLUMNS, leakage_rows
from ulmfit.store.files import read_json, sha256, write_text

RUN_COLUMNS = (
    *("dataset", "tokenizer", "direction", "variant", "n_labelled", "seed", "fold", "n"),
    *("errors", "error", "macro_f1", "loss", "wall_s", "tokens_per_s", "peak_memory_mib"),
    *("device", "recipe_digest", "path", "kind", "title", "members", "test_evaluations"),
)
LANGUAGE_MODEL_COLUMNS = (
    *("stage", "name", "dataset", "corpus", "tokenizer", "direction", "n_text", "seed"),
    *("valid_perplexity_before", "valid_perplexity", "valid_loss", "valid_accuracy", "epochs"),
    *("wall_s", "cpu_s", "tokens_per_s", "peak_memory_mib", "device", "recipe_digest", "path"),
)
BEFORE_TEST_COLUMNS = ("path", "fold", "n", "errors", "error", "macro_f1", "loss")
SEALED = "test"
EPOCH_COLUMNS = (
    *("kind", "training", "dataset", "tokenizer", "direction", "variant", "n_labelled", "seed"),
    *("epoch", "stage", "train_loss", "train_error", "valid_loss", "valid_perplexity"),
    *("valid_accuracy", "select_loss", "select_error", "lr", "tokens_per_s", "wall_s", "path"),
)
FOLDS = ("select", "report", "test")
SHOWN_MISSING = 10


def make_tables(manifest: Path, results: Path, output: Path) -> None:
    """Write the CSV tables of a study into the folder ``output``.

    ``runs.csv``, ``language_models.csv``, ``epochs.csv``, ``confusion.csv``, ``leakage.csv``,
    ``crossings.csv``, ``calibration.csv``, ``costs.csv``, ``hardest.csv``, ``pairs.csv`` and one
    table for each experiment. ``results`` is the folder that the manifest's paths start from.
    Raises UserError listing the files that runs have not written yet.
    """
    study = Study(manifest, results)
    _require(_needed(study))
    tables: dict[str, tuple[Sequence[str], Iterable[Row]]] = {
        "runs": (RUN_COLUMNS, _run_rows(study, FOLDS)),
        "language_models": (LANGUAGE_MODEL_COLUMNS, _language_model_rows(study)),
        "epochs": (EPOCH_COLUMNS, _epoch_rows(study)),
        "leakage": (LEAKAGE_COLUMNS, _leakage_rows(study)),
        "hardest": (HARDEST_COLUMNS, hardest_rows(study)),
        "pairs": (PAIR_COLUMNS, pair_rows(study)),
    }
    confusion: list[Row] = []
    crossings: list[Row] = []
    calibration: list[Row] = []
    costs: list[Row] = []
    for experiment in study.manifest["experiments"]:
        fold = experiment["fold"]
        cells = [study.cell(entry, fold) for entry in experiment["cells"]]
        cell_table = cell_rows(experiment, cells)
        tables[experiment["name"]] = (CELL_COLUMNS, cell_table)
        crossings += crossing_rows(experiment, cells)
        for cell, row in zip(cells, cell_table, strict=True):
            confusion += confusion_rows(experiment, cell)
            calibration += calibration_rows(experiment, cell)
            costs.append(cost_row(study, experiment, cell, row["error"]))
    tables["confusion"] = (CONFUSION_COLUMNS, confusion)
    tables["crossings"] = (CROSSING_COLUMNS, crossings)
    tables["calibration"] = (CALIBRATION_COLUMNS, calibration)
    tables["costs"] = (COST_COLUMNS, costs)
    for name, (columns, rows) in tables.items():
        _write(output / f"{name}.csv", columns, rows)


def write_before_test(manifest: Path, output: Path) -> None:
    """Write what is known of each run before the test fold is opened, to ``output``.

    ``manifest`` lies in the folder that its paths start from. One line for each run and fold; no
    title, no setting of the study: only another result makes another table.
    """
    runs = read_json(manifest)["runs"]
    metrics = sorted(manifest.parent / run["path"] / "metrics.json" for run in runs)
    _require(metrics)
    rows = []
    for path in metrics:
        content = read_json(path)
        if SEALED in content["folds"]:
            raise UserError(f"{path} already shows the {SEALED} fold: delete it and run again")
        rows += [
            {"path": path.parent.as_posix(), "fold": fold, **values}
            for fold, values in sorted(content["folds"].items())
        ]
    _write(output, BEFORE_TEST_COLUMNS, rows)


def _scored(study: Study, folds: Sequence[str]) -> list[tuple[str, str]]:
    """(run, fold) of every fold that each run is scored on: test only where it is unsealed.

    A study that chooses and shows on one fold may have none called report.
    """
    unsealed = set(study.manifest["unsealed"])
    return [
        (run, fold)
        for run in study.runs
        for fold in folds
        if (study.runs[run]["path"] in unsealed if fold == "test" else study.scored(run, fold))
    ]


def _needed(study: Study) -> Iterator[Path]:
    unsealed = set(study.manifest["unsealed"])
    for run, facts in study.runs.items():
        for fold in ("select", "test") if facts["path"] in unsealed else ("select",):
            yield study.folder(run, fold) / "metrics.json"
            yield study.folder(run, fold) / "predictions.parquet"
        if facts["kind"] == "model":
            yield study.folder(run, "report") / "history.csv"
    for model in study.manifest["language_models"]:
        yield study.results / model["path"] / "card.json"
        yield study.results / model["path"] / "history.csv"
    for entry in study.manifest["leakage"]:
        yield study.results / entry["path"]
        yield study.results / DUPLICATES.format(**entry)


def _require(paths: Iterable[Path]) -> None:
    """Raise UserError listing those of ``paths`` that do not exist."""
    missing = [str(path) for path in dict.fromkeys(paths) if not path.exists()]
    if missing:
        rest = len(missing) - SHOWN_MISSING
        raise UserError(
            f"{len(missing)} files of the study are missing, finish its runs first: "
            + ", ".join(missing[:SHOWN_MISSING])
            + (f" and {rest} more" if rest > 0 else "")
        )


def _run_rows(study: Study, folds: Sequence[str]) -> list[Row]:
    rows = []
    for run, fold in _scored(study, folds):
        metrics = study.metrics(run, fold)
        cards = [metrics["training"]] if metrics["training"] else metrics["member_cards"]
        rows.append(
            {
                **study.runs[run],
                **study.fold_metrics(run, fold),
                **_cost(cards),
                "fold": fold,
                "members": len(metrics["members"]),
                "test_evaluations": metrics.get("test_evaluations"),
            }
        )
    return rows


def _cost(cards: Sequence[Row]) -> Row:
    """What training took; an ensemble costs what its members cost together."""
    return {
        "wall_s": sum(card["wall_s"] for card in cards),
        "tokens_per_s": cards[0].get("tokens_per_s") if len(cards) == 1 else None,
        "peak_memory_mib": max(card["peak_memory_mib"] for card in cards),
        "device": "+".join(sorted({card["device"] for card in cards})),
        "recipe_digest": "+".join(dict.fromkeys(card["recipe_digest"] for card in cards)),
    }


def _language_model_rows(study: Study) -> list[Row]:
    """Before = epoch 0 of the history; the other validation figures are of the epoch
    whose weights the model has."""
    rows = []
    for model in study.manifest["language_models"]:
        card = read_json(study.results / model["path"] / "card.json")
        history = _read_history(study.results / model["path"] / "history.csv", card)
        of_weights = str(card["weights_epoch"])
        untouched = [row["valid_perplexity"] for row in history if row["epoch"] == "0"]
        rows.append(
            {
                **next(row for row in history if row["epoch"] == of_weights),
                **card,
                **model,
                "valid_perplexity_before": untouched[0] if untouched else None,
            }
        )
    return rows


def _epoch_rows(study: Study) -> list[Row]:
    """Histories of all trainings; empty where a column belongs to the other kind of model."""
    rows = []
    for model in study.manifest["language_models"]:
        card = read_json(study.results / model["path"] / "card.json")
        for row in _read_history(study.results / model["path"] / "history.csv", card):
            rows.append(
                {**model, "kind": "lm", "training": model["stage"], "variant": model["name"], **row}
            )
    for run in study.runs.values():
        if run["kind"] == "model":
            card = study.metrics(str(run["id"]), "select")["training"]
            for row in _read_history(study.results / run["path"] / "history.csv", card):
                rows.append({**run, "kind": "classifier", "training": "classify", **row})
    return rows


def _leakage_rows(study: Study) -> list[Row]:
    return [
        row
        for entry in study.manifest["leakage"]
        for row in leakage_rows(entry, read_json(study.results / entry["path"]))
    ]


def _read_history(path: Path, card: Row) -> list[dict[str, str]]:
    """The epochs of a training; UserError if the card has a digest that is not the file's."""
    if card.get("history_sha256", digest := sha256(path)) != digest:
        raise UserError(
            f"{path} is not the one that the card of its training describes: delete it, run again"
        )
    with open(path, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    if not rows:
        raise UserError(f"{path} has no epochs: delete it and run again")
    return rows


def _write(path: Path, columns: Sequence[str], rows: Iterable[Row]) -> None:
    """Write rows as CSV; keys that are no column are left out, None is an empty cell."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, text.getvalue())
