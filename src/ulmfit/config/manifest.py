"""The manifest: a resolved study as plain data, for the stages that make tables and the report."""

from __future__ import annotations

import json
from typing import Any

from ulmfit.config import paths
from ulmfit.config.paths import NONE
from ulmfit.config.plan import Plan
from ulmfit.config.published import published_error, published_orderings, quoted_errors
from ulmfit.config.recipes import to_dict
from ulmfit.config.runs import PlannedCell, Run
from ulmfit.config.study import Experiment


def manifest(plan: Plan) -> dict[str, Any]:
    """What was planned: texts, language models, runs and experiments with their cells."""
    study = plan.study
    return {
        "study": study.study,
        "title": study.title or study.study,
        "description": study.description,
        "config": plain(study),
        "preset": {
            "name": study.preset,
            "title": plan.preset.title or study.preset,
            "description": plan.preset.description,
        },
        "seeds": {"runs": list(study.seeds.runs), "statement": seeds_statement(plan)},
        "texts": _texts(plan),
        "leakage": [
            {
                "dataset": name,
                "corpus": corpus,
                "path": paths.LEAKAGE.format(dataset=name, corpus=corpus),
            }
            for name, corpus in plan.leakages()
        ],
        "variants": {
            name: {"title": variant.title or name, "description": variant.description}
            for name, variant in plan.variants.items()
        },
        "orderings": published_orderings(plan),
        "language_models": language_models(plan),
        "runs": [_run(plan, run) for run in plan.runs()],
        "unsealed": [run.path for run in plan.unsealed()],
        "experiments": [_experiment(plan, name) for name in plan.experiments()],
    }


def seeds_statement(plan: Plan) -> str:
    """One sentence: which randomness the seeds of the study repeat, and which they do not."""
    seeds = plan.study.seeds
    fixed = [stage for stage in ("pretrain", "finetune", "classify") if stage not in seeds.vary]
    words = {
        "pretrain": "pretraining",
        "finetune": "language-model fine-tuning",
        "classify": "classifier training",
    }
    vary = [words[stage] for stage in words if stage in seeds.vary]
    if not vary or len(seeds.runs) == 1:
        text = f"Every stage used one seed ({min(seeds.runs)}): a row is one run"
    else:
        together = ", varied together" if len(vary) > 1 else ""
        text = f"Runs differ in the seed of {_listing(vary)}{together}"
        text += f" ({len(seeds.runs)} seeds)"
        if fixed:
            text += f"; {_listing([words[stage] for stage in fixed])} used one seed"
    return f"{text}. The folds are the same for all (split seed {plan.study.split_seed})."


def _listing(names: list[str]) -> str:
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def language_models(plan: Plan) -> list[dict[str, Any]]:
    """Every pretrained and fine-tuned LM that some run needs, once."""
    found: dict[str, dict[str, Any]] = {}
    for run in plan.runs():
        if run.kind != "model":
            continue
        fields = run.fields
        common = {"tokenizer": run.tokenizer, "direction": run.direction}
        if fields["pretrain"] != NONE:
            path = paths.PRETRAINED.format(**fields)
            found[path] = {
                **common,
                "stage": "pretrain",
                "name": fields["pretrain"],
                "dataset": None,
                "corpus": fields["corpus"],
                "n_text": "all",
                "seed": int(fields["pretrain_seed"]),
                "path": path,
            }
        if fields["finetune"] != NONE:
            path = paths.FINETUNED.format(**fields)
            # A model without a pretrained parent is named for that, or two would look alike.
            name = fields["finetune"] if fields["pretrain"] != NONE else "no-pretraining"
            found[path] = {
                **common,
                "stage": "finetune",
                "name": name,
                "dataset": run.dataset,
                "corpus": None if fields["corpus"] == NONE else fields["corpus"],
                "n_text": fields["n_text"],
                # A stage that does not vary has the smallest: this one tells the models apart.
                "seed": max(int(fields["pretrain_seed"]), int(fields["finetune_seed"])),
                "path": path,
            }
    return list(found.values())


def _texts(plan: Plan) -> dict[str, Any]:
    return {
        name: {
            "role": "dataset" if name in plan.study.datasets else "corpus",
            "title": plan.text(name).title or name,
            "citation": plan.text(name).citation,
            "licence": plan.text(name).licence,
            "source": paths.SOURCE.format(text=name),
            "folds": paths.FOLD_COUNTS.format(text=name),
        }
        for name in plan.texts()
    }


def _run(plan: Plan, run: Run) -> dict[str, Any]:
    return {
        "id": run.path,
        "kind": run.kind,
        "variant": run.variant,
        "title": plan.variants[run.variant].title or run.variant,
        "dataset": run.dataset,
        "tokenizer": run.tokenizer,
        "direction": run.direction,
        "n_labelled": _number(run.n_labelled),
        "seed": run.seed,
        "path": run.path,
        "members": [member.path for member in run.members],
    }


def _experiment(plan: Plan, name: str) -> dict[str, Any]:
    experiment = plan.study.experiments[name]
    cells = plan.cells(name)
    corpora = plan.corpora_of(
        run for cell in cells for part in cell.among or (cell,) for run in part.runs
    )
    return {
        "name": name,
        "title": experiment.title,
        "caption": experiment.caption,
        "fold": experiment.fold,
        "reference": plan.references(name),
        "quoted": quoted_errors(plan, experiment, cells),
        "cells": [
            {**_cell(plan, cell, experiment), "corpora": list(corpora[cell.dataset])}
            for cell in cells
        ],
    }


def _cell(plan: Plan, cell: PlannedCell, experiment: Experiment) -> dict[str, Any]:
    runs = (*cell.runs, *(run for part in cell.among for run in part.runs))
    models = [model for run in runs for model in (run, *run.members)]
    published, documents = published_error(plan, experiment, cell)
    return {
        "id": cell.id,
        "title": cell.title,
        "variant": cell.variant,
        "dataset": cell.dataset,
        "tokenizer": cell.tokenizer,
        "direction": cell.direction,
        "n_labelled": _number(cell.n_labelled),
        "kind": cell.kind,
        "fold": experiment.fold,
        "published": published,
        "published_n": documents,
        "reads_test_text": any(
            model.fields.get("n_text", "").startswith("with-test") for model in models
        ),
        "chooses": _choices(plan, cell, models),
        "runs": [run.path for run in cell.runs],
        "among": [
            {"id": part.id, "title": part.title, "runs": [run.path for run in part.runs]}
            for part in cell.among
        ]
        or None,
    }


def _choices(plan: Plan, cell: PlannedCell, models: list[Run]) -> list[str]:
    """What a row chose by the fold select: epoch, candidate, weights, settings."""
    stops = any(
        json.loads(plan.recipe(stage, model.fields))["early_stopping"]
        for model in models
        if model.kind == "model"
        for stage in ("finetune", "classify")
        if model.fields[stage] != NONE
    )
    weighted = any(
        plan.combination(model.fields["ensemble"]) == "weighted"
        for model in models
        if model.kind == "ensemble"
    )
    found = {
        "epoch": stops,
        "candidate": bool(cell.among),
        "weights": weighted,
        "settings": any(model.kind == "baseline" for model in models),
    }
    return [what for what, chosen in found.items() if chosen]


def _number(n: str) -> int | str:
    return n if n == "all" else int(n)


def plain(value: Any) -> Any:
    """Dataclasses, tuples and mappings as JSON has them."""
    if hasattr(value, "__dataclass_fields__"):
        return {name: plain(item) for name, item in to_dict(value).items()}
    if isinstance(value, dict):
        return {str(name): plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value
