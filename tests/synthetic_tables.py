"""The tables of an invented study, by a short approximation that needs no stage of the package."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path
from typing import Any

RUN_COLUMNS = ["dataset", "tokenizer", "direction", "variant", "n_labelled", "seed", "fold", "n", "errors", "error", "macro_f1", "loss", "wall_s", "tokens_per_s", "peak_memory_mib", "device", "recipe_digest", "path", "kind", "title", "members"]
CELL_COLUMNS = ["dataset", "n_labelled", "variant", "title", "tokenizer", "direction", "seeds", "n", "error", "error_low", "error_high", "difference", "difference_low", "difference_high", "p", "p_holm", "verdict", "chosen", "published", "kind", "cell"]
LANGUAGE_MODEL_COLUMNS = ["stage", "name", "dataset", "corpus", "tokenizer", "direction", "n_text", "seed", "valid_perplexity_before", "valid_perplexity", "valid_loss", "valid_accuracy", "epochs", "wall_s", "cpu_s", "tokens_per_s", "peak_memory_mib", "device", "recipe_digest", "path"]
EPOCH_COLUMNS = ["kind", "training", "dataset", "tokenizer", "direction", "variant", "n_labelled", "seed", "epoch", "stage", "train_loss", "train_error", "valid_loss", "valid_perplexity", "valid_accuracy", "select_loss", "select_error", "lr", "tokens_per_s", "wall_s", "path"]
CONFUSION_COLUMNS = ["cell", "dataset", "n_labelled", "variant", "title", "fold", "label", "predicted", "count"]


def write_tables(manifest_path: Path, results: Path, tables: Path) -> None:
    manifest = json.loads(manifest_path.read_text())
    runs = {run["id"]: run for run in manifest["runs"]}
    metrics = {name: _metrics(results / run["path"]) for name, run in runs.items()}
    _write(tables / "runs.csv", RUN_COLUMNS, _run_rows(runs, metrics))
    for experiment in manifest["experiments"]:
        _write(tables / f"{experiment['name']}.csv", CELL_COLUMNS, _cell_rows(experiment, metrics))
    confusion = [
        {**_keys(cell), "cell": cell["id"], "fold": experiment["fold"]}
        | {"label": label, "predicted": predicted, "count": 40 if label == predicted else 5}
        for experiment in manifest["experiments"]
        for cell in experiment["cells"]
        for label in ("example", "note", "param", "return", "summary")
        for predicted in ("example", "note", "param", "return", "summary")
    ]
    _write(tables / "confusion.csv", CONFUSION_COLUMNS, confusion)
    _write(
        tables / "language_models.csv",
        LANGUAGE_MODEL_COLUMNS,
        [_language_model_row(model, results) for model in manifest["language_models"]],
    )
    epochs = [
        {**model, **row, "kind": "lm", "training": model["stage"], "variant": model["name"]}
        for model in manifest["language_models"]
        for row in _history(results / model["path"])
    ] + [
        {**run, **row, "kind": "classifier", "training": "classify"}
        for run in runs.values()
        if run["kind"] == "model"
        for row in _history(results / run["path"])
    ]
    _write(tables / "epochs.csv", EPOCH_COLUMNS, epochs)


def _write(path: Path, columns: list[str], rows: list[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _metrics(folder: Path) -> dict[str, Any]:
    report = json.loads((folder / "metrics.json").read_text())
    test = json.loads((folder / "test" / "metrics.json").read_text())
    return {**report, "folds": {**report["folds"], **test["folds"]}}


def _history(folder: Path) -> list[dict[str, str]]:
    with open(folder / "history.csv", newline="") as file:
        return list(csv.DictReader(file))


def _keys(cell: dict[str, Any]) -> dict[str, Any]:
    return {
        name: cell[name]
        for name in ("dataset", "n_labelled", "variant", "title", "tokenizer", "direction", "kind")
    }


def _run_rows(runs: dict[str, Any], metrics: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {**(metrics[name]["training"] or {}), **run, **values, "fold": fold, "members": 1}
        for name, run in runs.items()
        for fold, values in metrics[name]["folds"].items()
    ]


def _cell_rows(experiment: dict[str, Any], metrics: dict[str, Any]) -> list[dict[str, Any]]:
    rows = {}
    for cell in experiment["cells"]:
        chosen = cell["among"][-1] if cell["among"] else None
        names = cell["runs"] or rows[chosen]["runs"]
        folds = [metrics[name]["folds"][experiment["fold"]] for name in names]
        error = sum(fold["error"] for fold in folds) / len(folds)
        half = 2.2 * math.sqrt(error * (1 - error) / folds[0]["n"])
        rows[cell["id"]] = {
            **_keys(cell),
            "cell": cell["id"],
            "runs": names,
            "seeds": len(names),
            "n": folds[0]["n"],
            "error": error,
            "error_low": error - half,
            "error_high": error + half,
            "chosen": chosen,
            "published": (cell["published"] or {}).get(cell["dataset"]),
        }
    for row in rows.values():
        name = experiment["reference"][f"{row['dataset']}/{row['n_labelled']}"]
        if name == row["cell"]:
            continue
        row["difference"] = row["error"] - rows[name]["error"]
        row["difference_low"], row["difference_high"] = (
            row["difference"] - 0.06,
            row["difference"] + 0.06,
        )
        row["p"] = min(1.0, math.exp(-abs(row["difference"]) * 60))
        row["p_holm"] = min(1.0, 3 * row["p"])
        clear = row["p_holm"] < 0.05
        row["verdict"] = (
            "not distinguished" if not clear else "worse" if row["difference"] > 0 else "better"
        )
        if row["seeds"] < 3 and row["kind"] != "baseline":
            row["verdict"], row["p"], row["p_holm"] = "too few seeds", None, None
    return list(rows.values())


def _language_model_row(model: dict[str, Any], results: Path) -> dict[str, Any]:
    card = json.loads((results / model["path"] / "card.json").read_text())
    history = _history(results / model["path"])
    return {
        **card,
        **model,
        "valid_perplexity_before": history[0]["valid_perplexity"],
        **{name: history[-1][name] for name in LANGUAGE_MODEL_COLUMNS if name in history[-1]},
        "stage": model["stage"],
        "wall_s": card["wall_s"],
    }
