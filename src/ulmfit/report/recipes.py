"""Recipes as tables: what each variant does differently from the reference, and every recipe."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args, get_type_hints

from ulmfit.config.recipes import Classifier, LanguageModel
from ulmfit.report import wording
from ulmfit.report.cards import STAGES, Trained, ancestry, trainings
from ulmfit.report.results import Study
from ulmfit.store.files import canonical_json

Flat = dict[tuple[str, str], str]
"""Values by (stage, dotted key), as text."""
ABSENT = "\N{EN DASH}"
MODELS = {"pretrain": LanguageModel, "finetune": LanguageModel, "classify": Classifier}


@dataclass(frozen=True)
class Difference:
    """One setting in which a variant departs from the reference."""

    stage: str
    key: str
    reference: str
    value: str


@dataclass(frozen=True)
class Departure:
    """All departures of one variant; ``where`` names the settings if there are several."""

    title: str
    description: str
    where: str
    differences: tuple[Difference, ...]


@dataclass(frozen=True)
class UsedRecipe:
    """One distinct recipe: digest, stage, how many trainings used it and for whom, its rows.

    A row is a dotted key, its value and its meaning; ``anchor`` is its id on the page.
    """

    digest: str
    stage: str
    jobs: int
    users: str
    rows: tuple[tuple[str, str, str], ...]
    anchor: str


def recipe_anchor(stage: str, card: Mapping[str, Any]) -> str:
    """Id of the place on the page that shows the recipe of a card; empty if it has none."""
    return f"recipe-{stage}-{card.get('recipe_digest', '')}" if card.get("recipe") else ""


def used_recipes(study: Study, results: Path) -> list[UsedRecipe]:
    """Every distinct recipe of the study's cards, stage by stage."""
    users = {
        **{model["path"]: str(model["name"]) for model in study.manifest["language_models"]},
        **{run["path"]: str(run["title"]) for run in study.manifest["runs"]},
    }
    found: dict[tuple[str, str], list[Trained]] = {}
    for trained in trainings(study.manifest, results):
        if trained.card.get("recipe"):
            key = (trained.stage, str(trained.card.get("recipe_digest", "")))
            found.setdefault(key, []).append(trained)
    return [
        UsedRecipe(
            digest,
            wording.STAGES.get(stage, stage),
            len(group),
            ", ".join(dict.fromkeys(users[item.path] for item in group)),
            tuple(
                (key, value, _meanings(stage).get(key, ""))
                for key, value in flatten(group[0].card["recipe"]).items()
            ),
            recipe_anchor(stage, group[0].card),
        )
        for (stage, digest), group in sorted(
            found.items(), key=lambda item: (STAGES.index(item[0][0]), item[0][1])
        )
    ]


def departures(study: Study, results: Path) -> tuple[str, list[Departure]]:
    """Title of the reference variant, and what each other variant does differently.

    Variants are compared at equal data set, tokenizer, direction and number of labels, along the
    whole chain from pretraining to classifier; settings with equal departures are one entry.
    """
    every = trainings(study.manifest, results)
    by_path = {item.path: item for item in every}
    corpora = {
        model["path"]: model["corpus"]
        for model in study.manifest["language_models"]
        if model["stage"] == "pretrain"
    }
    chains: dict[str, dict[tuple[str, ...], Flat]] = {}
    titles: dict[str, str] = {}
    for run in study.manifest["runs"]:
        trained = by_path.get(run["path"])
        if run["kind"] != "model" or trained is None:
            continue
        keys: tuple[str, ...] = (run["dataset"], run["tokenizer"], run["direction"])
        keys += (str(run["n_labelled"]),)
        titles.setdefault(run["variant"], run["title"])
        chains.setdefault(run["variant"], {}).setdefault(keys, _chain(trained, every, corpora))
    reference = _reference_variant(study)
    if reference not in chains:
        return "", []
    result = []
    for variant, settings in chains.items():
        grouped: dict[tuple[Difference, ...], list[tuple[str, ...]]] = {}
        for keys, flat in settings.items():
            if variant != reference and keys in chains[reference]:
                difference = _compare(chains[reference][keys], flat)
                grouped.setdefault(difference, []).append(keys)
        for difference, where in grouped.items():
            place = _where(where) if len(grouped) > 1 else ""
            about = study.manifest.get("variants", {}).get(variant, {}).get("description", "")
            result.append(Departure(titles[variant], about, place, difference))
    return titles[reference], result


def flatten(recipe: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Nested recipe as dotted keys with values as text."""
    flat: dict[str, str] = {}
    for key, value in recipe.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            flat.update(flatten(value, f"{name}."))
        else:
            flat[name] = value if isinstance(value, str) else canonical_json(value)
    return flat


def _chain(trained: Trained, every: list[Trained], corpora: Mapping[str, str]) -> Flat:
    """Settings of all trainings behind one; ``corpora`` of the pretrained models by their path."""
    found: Flat = {}
    for item in ancestry(trained, every):
        if item.path in corpora:
            found[item.stage, "corpus"] = corpora[item.path]
        for key, value in flatten(item.card.get("recipe") or {}).items():
            found[item.stage, key] = value
    return found


def _compare(reference: Flat, flat: Flat) -> tuple[Difference, ...]:
    differences = []
    for stage in STAGES:
        keys = [key for at, key in {**reference, **flat} if at == stage]
        has = [any(at == stage for at, _ in each) for each in (reference, flat)]
        name = wording.STAGES.get(stage, stage)
        if has[0] != has[1]:
            differences.append(
                Difference(name, "whole stage", *("yes" if each else "none" for each in has))
            )
            continue
        for key in keys:
            before, after = (each.get((stage, key), ABSENT) for each in (reference, flat))
            if before != after:
                differences.append(Difference(name, key, before, after))
    return tuple(differences)


def _reference_variant(study: Study) -> str:
    for experiment in study.experiments:
        for cell in experiment.references.values():
            if cell in experiment.cells:
                return str(experiment.cells[cell]["variant"])
    return ""


def _where(settings: Iterable[tuple[str, ...]]) -> str:
    parts = [
        f"{dataset}, {wording.labels(n_labelled)}, {wording.tokenizer(tokenizer)}, "
        f"{wording.direction(direction)}"
        for dataset, tokenizer, direction, n_labelled in settings
    ]
    return "; ".join(parts)


def _meanings(stage: str) -> dict[str, str]:
    """Description of each dotted key of a stage's recipe."""
    return _describe(MODELS[stage]) if stage in MODELS else {}


def _describe(kind: type[Any], prefix: str = "") -> dict[str, str]:
    meanings: dict[str, str] = {}
    hints = get_type_hints(kind)
    for item in dataclasses.fields(kind):
        name = f"{prefix}{item.name}"
        hint = hints[item.name]
        nested = [part for part in (hint, *get_args(hint)) if dataclasses.is_dataclass(part)]
        for part in nested:
            meanings.update(_describe(part, f"{name}."))  # type: ignore[arg-type]
        if hint not in nested:
            meanings[name] = str(item.metadata.get("description", ""))
    return meanings
