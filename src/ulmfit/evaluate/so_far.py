"""What is finished of a study that is not: the part that tables can show, and what the rest needs.

Nothing is trained and nothing predicted, so the sealed fold stays as closed as it is.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from ulmfit.config.chains import Step, steps
from ulmfit.config.manifest import manifest
from ulmfit.config.plan import Plan
from ulmfit.config.runs import Run
from ulmfit.store.files import digest, read_json

STAGES = {"pretrain": "pretraining", "finetune": "LM fine-tuning", "classify": "its training"}
SCORED = ("metrics.json", "predictions.parquet")


def so_far(plan: Plan, results: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """(the manifest of the whole study, the manifest of what is finished of it).

    The first has a key more, ``waits``: for each run that is not finished, what it waits for. A
    run is finished when it is scored and every training behind it has the recipe that the plan
    gives it. Of the second, rows have the seeds that are finished; a row that stands for the
    better of several is there when all of them are, for else the choice would be another.
    """
    whole = manifest(plan)
    waits = {
        run.path: reason
        for run in plan.runs()
        if (reason := _reason(plan, run, results)) is not None
    }
    there = {run["path"] for run in whole["runs"]} - waits.keys()
    tested = {
        path
        for path in there.intersection(whole["unsealed"])
        if _has(results / path / "test", SCORED)
    }
    models = [
        model
        for model in whole["language_models"]
        if _has(results / model["path"], ("card.json", "history.csv"))
    ]
    part = {
        **whole,
        "runs": [run for run in whole["runs"] if run["path"] in there],
        "unsealed": [path for path in whole["unsealed"] if path in tested],
        "language_models": models,
        "leakage": [entry for entry in whole["leakage"] if (results / entry["path"]).exists()],
        "experiments": [
            _experiment(entry, tested if entry["fold"] == "test" else there)
            for entry in whole["experiments"]
        ],
    }
    return {**whole, "waits": waits}, part


def _reason(plan: Plan, run: Run, results: Path) -> str | None:
    """What a run waits for first; None if it is finished."""
    for step in steps(plan, run):
        where = f"{STAGES[step.stage]} ({step.folder})"
        if not _has(results / step.folder, ("card.json", "history.csv")):
            begun = (results / step.folder / "checkpoints").is_dir()
            return f"{where}, {'begun' if begun else 'not begun'}"
        if not _as_planned(step, results):
            return f"{where}: what is there has another recipe"
    if not _has(results / run.path, SCORED):
        return "its fit" if run.kind == "baseline" else "its score"
    return None


def _as_planned(step: Step, results: Path) -> bool:
    card = read_json(results / step.folder / "card.json")
    return bool(card["recipe_digest"] == digest(json.loads(step.recipe)))


def _has(folder: Path, names: Collection[str]) -> bool:
    return all((folder / name).exists() for name in names)


def _experiment(entry: Mapping[str, Any], there: Collection[str]) -> dict[str, Any]:
    cells = [
        {**cell, "runs": [run for run in cell["runs"] if run in there]}
        for cell in entry["cells"]
        if any(run in there for run in cell["runs"])
        or (cell["among"] and all(run in there for one in cell["among"] for run in one["runs"]))
    ]
    ids = {cell["id"] for cell in cells}
    references = entry["reference"] or {}
    kept = {group: cell for group, cell in references.items() if cell in ids}
    return {**entry, "cells": cells, "reference": kept}
