"""All tables of a study, from its manifest and its run files; rates are fractions, not per cent."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path

from ulmfit.errors import UserError
from ulmfit.evaluate.cells import Study
from ulmfit.evaluate.experiments import (
    CELL_COLUMNS,
    CONFUSION_COLUMNS,
    Row,
    cell_rows,
    confusion_rows,
)
from ulmfit.store.files import read_json, write_text

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
EPOCH_COLUMNS = (
    *("kind", "training", "dataset", "tokenizer", "direction", "variant", "n_labelled", "seed"),
    *("epoch", "stage", "train_loss", "train_error", "valid_loss", "valid_perplexity"),
    *("valid_accuracy", "select_loss", "select_error", "lr", "tokens_per_s", "wall_s", "path"),
)
RESERVED = ("runs", "language_models", "epochs", "confusion")
SHOWN_MISSING = 10


def make_tables(manifest: Path, results: Path, output: Path) -> None:
    """Write the CSV tables of a study into the folder ``output``.

    ``runs.csv``, ``language_models.csv``, ``epochs.csv``, ``confusion.csv`` and one table for each
    experiment. ``results`` is the folder that the manifest's paths start from. Raises UserError
    listing the files that runs have not written yet.
    """
    study = Study(manifest, results)
    check_complete(study)
    tables: dict[str, tuple[Sequence[str], Iterable[Row]]] = {
        "runs": (RUN_COLUMNS, _run_rows(study)),
        "language_models": (LANGUAGE_MODEL_COLUMNS, _language_model_rows(study)),
        "epochs": (EPOCH_COLUMNS, _epoch_rows(study)),
    }
    confusion: list[Row] = []
    for experiment in study.manifest["experiments"]:
        if experiment["name"] in RESERVED:
            raise UserError(f"{manifest}: no experiment may be called {experiment['name']}")
        fold = experiment["fold"]
        cells = [study.cell(entry, fold) for entry in experiment["cells"]]
        noise = study.seed_noise(fold)
        tables[experiment["name"]] = (CELL_COLUMNS, cell_rows(experiment, cells, noise))
        for cell in cells:
            confusion += confusion_rows(experiment, cell)
    tables["confusion"] = (CONFUSION_COLUMNS, confusion)
    for name, (columns, rows) in tables.items():
        _write(output / f"{name}.csv", columns, rows)


def make_runs_table(manifest: Path, results: Path, output: Path, folds: Sequence[str]) -> None:
    """Write the runs of a study on some folds: what was known before the test fold was opened."""
    _write(output, RUN_COLUMNS, _run_rows(Study(manifest, results), folds))


def check_complete(study: Study) -> None:
    """Raise UserError listing the files that the tables need and that do not exist."""
    needed: dict[Path, None] = {}
    for run, folds in _scored_folds(study).items():
        for fold in folds:
            for name in ("metrics.json", "predictions.parquet"):
                needed[study.folder(run, fold) / name] = None
        if study.runs[run]["kind"] == "model":
            needed[study.folder(run, "report") / "history.csv"] = None
    for model in study.manifest["language_models"]:
        for name in ("card.json", "history.csv"):
            needed[study.results / model["path"] / name] = None
    missing = [str(path) for path in needed if not path.exists()]
    if missing:
        rest = len(missing) - SHOWN_MISSING
        raise UserError(
            f"{len(missing)} files of the study are missing, finish its runs first: "
            + ", ".join(missing[:SHOWN_MISSING])
            + (f" and {rest} more" if rest > 0 else "")
        )


def _scored_folds(study: Study) -> dict[str, list[str]]:
    """Folds that each run shows: test only where an experiment unseals it."""
    unsealed = {
        run
        for experiment in study.manifest["experiments"]
        if experiment["fold"] == "test"
        for entry in experiment["cells"]
        for run in study.possible_runs(entry)
    }
    return {
        run: ["report", "select", "test"] if run in unsealed else ["report", "select"]
        for run in study.runs
    }


def _run_rows(study: Study, shown: Sequence[str] = ("report", "select", "test")) -> list[Row]:
    rows = []
    for run, folds in _scored_folds(study).items():
        for fold in (fold for fold in folds if fold in shown):
            metrics = study.metrics(run, fold)
            training = metrics["training"]
            cards = [training] if training else metrics.get("member_cards", [])
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
    if not cards:
        return {}
    speeds = {card.get("tokens_per_s") for card in cards}
    return {
        "wall_s": sum(card["wall_s"] for card in cards),
        "tokens_per_s": speeds.pop() if len(cards) == 1 else None,
        "peak_memory_mib": max(card["peak_memory_mib"] for card in cards),
        "device": "+".join(sorted({card["device"] for card in cards})),
        "recipe_digest": "+".join(dict.fromkeys(card["recipe_digest"] for card in cards)),
    }


def _language_model_rows(study: Study) -> list[Row]:
    """Before = epoch 0 of the history; the other validation figures are of the last epoch."""
    rows = []
    for model in study.manifest["language_models"]:
        history = _read_history(study.results / model["path"] / "history.csv")
        card = read_json(study.results / model["path"] / "card.json")
        untouched = [row["valid_perplexity"] for row in history if row["epoch"] == "0"]
        rows.append(
            {
                **history[-1],
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
        for row in _read_history(study.results / model["path"] / "history.csv"):
            rows.append(
                {**model, "kind": "lm", "training": model["stage"], "variant": model["name"], **row}
            )
    for run in study.runs.values():
        if run["kind"] == "model":
            for row in _read_history(study.results / run["path"] / "history.csv"):
                rows.append({**run, "kind": "classifier", "training": "classify", **row})
    return rows


def _read_history(path: Path) -> list[dict[str, str]]:
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
