"""What is finished of a study that is not: the part that tables can show, and what the rest needs.

Nothing is trained and nothing predicted, so the sealed fold stays as closed as it is.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from ulmfit.config.chains import steps
from ulmfit.config.manifest import manifest
from ulmfit.config.plan import Plan
from ulmfit.config.runs import Run
from ulmfit.evaluate.baselines import baseline_recipe
from ulmfit.store.files import digest, read_json, sha256

STAGES = {"pretrain": "pretraining", "finetune": "LM fine-tuning", "classify": "its training"}
OTHER_RECIPE = "what is there has another recipe"
SCORED = ("metrics.json", "predictions.parquet")


def so_far(plan: Plan, results: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """(the manifest of the whole study, the manifest of what is finished of it).

    The first has a key more, ``waits``: for each run that is not finished, what it waits for. A
    run is finished when every training behind it, and a baseline's fit, has the recipe that the
    plan gives it, and when it was scored from the files that lie there: those that are gone, as
    weights and texts may be, are not asked for. Of the second, rows have the seeds that are
    finished; a row that stands for the better of several is there when all of them are, for else
    the choice would be another.
    """
    whole = manifest(plan)
    files = _Files(results, plan.study.study)
    waits = {
        run.path: reason for run in plan.runs() if (reason := _reason(plan, run, files)) is not None
    }
    there = {run["path"] for run in whole["runs"]} - waits.keys()
    tested = {
        path
        for path in there.intersection(whole["unsealed"])
        if _has(results / path / "test", SCORED) and not files.changed(f"{path}/test")
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


class _Files:
    """The files of a study, each read once, and whether they are those that runs were scored from.

    ``metrics.json`` names its inputs with the folder of the results as the job saw it.
    """

    def __init__(self, results: Path, study: str) -> None:
        self.results, self.prefix = results, f"results/{study}/"
        self.digest = cache(sha256)

    def changed(self, folder: str) -> str:
        """Name of an input of the score in ``folder`` that is another now; empty if there is none.

        An input that does not lie there any more cannot have become another.
        """
        inputs: dict[str, str] = read_json(self.results / folder / "metrics.json").get("inputs", {})
        for name, before in inputs.items():
            _, found, rest = name.rpartition(self.prefix)
            path = self.results / rest
            if found and path.exists() and self.digest(path) != before:
                return rest
        return ""


def _reason(plan: Plan, run: Run, files: _Files) -> str | None:
    """What a run waits for first; None if it is finished."""
    results = files.results
    for step in steps(plan, run):
        where = f"{STAGES[step.stage]} ({step.folder})"
        if not _has(results / step.folder, ("card.json", "history.csv")):
            begun = (results / step.folder / "checkpoints").is_dir()
            return f"{where}, {'begun' if begun else 'not begun'}"
        card = read_json(results / step.folder / "card.json")
        if not _as_planned(card, json.loads(step.recipe)):
            return f"{where}: {OTHER_RECIPE}"
    what = "its fit" if run.kind == "baseline" else "its score"
    if not _has(results / run.path, SCORED):
        return what
    if run.kind == "baseline":
        card = read_json(results / run.path / "metrics.json").get("training") or {}
        if not _as_planned(card, baseline_recipe(run.fields["baseline"], {})):
            return f"{what} ({run.path}): {OTHER_RECIPE}"
    if other := files.changed(run.path):
        return f"{what} ({run.path}): what is there was made from another {other}"
    return None


def _as_planned(card: Mapping[str, Any], recipe: Mapping[str, Any]) -> bool:
    return bool(card.get("recipe_digest") == digest(recipe))


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
