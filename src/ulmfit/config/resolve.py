"""Variants to stage recipes: equal recipes get equal names, so equal paths, so one job."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from ulmfit.config.checks import check_corpus
from ulmfit.config.paths import NONE
from ulmfit.config.recipes import to_dict
from ulmfit.config.study import RECIPE_TYPES, STAGES, Override, Preset, Registry, Study, Variant
from ulmfit.config.validation import check, check_name, merge
from ulmfit.errors import UserError
from ulmfit.store.files import canonical_json

BASE = "ulmfit"
"""Name of the variant that all others are differences from, and of the study's base recipes."""

ABLATION = "ulmfit-ablation"
"""Name of the base recipes with what the preset lays under ablations; of no variant."""


@dataclass(frozen=True)
class StageRecipes:
    """Recipes of one dataset: of each variant the recipe name of each stage, of each name its JSON.

    ``names[variant][stage]`` is a recipe name or ``none``; ``recipes[stage][name]`` canonical JSON.
    """

    names: dict[str, dict[str, str]]
    recipes: dict[str, dict[str, str]]


def all_variants(study: Study, registry: Registry) -> dict[str, Variant]:
    """Variants of the registry as the preset changes them, those of the study in their place.

    ``ulmfit`` is always present. UserError if a variant says what nothing could come of.
    """
    preset = preset_of(study, registry)
    variants = {BASE: Variant(title="ULMFiT"), **registry.variants}
    for name, stages in preset.variants.items():
        where = f"presets.yaml: {study.preset}.variants"
        check_name(name, registry.variants, where, "variant")
        variants[name] = _changed(variants[name], stages, f"{where}.{name}")
    variants |= study.variants
    if ABLATION in variants:
        raise UserError(f"study {study.study}: no variant may be called {ABLATION!r}")
    for name in variants:
        where = f"study {study.study}: variant {name}"
        _check_text(where, name, variants, preset.finetune_text)
        _check_corpus(where, name, variants, registry)
    return variants


def _changed(variant: Variant, stages: Mapping[Any, Override], where: str) -> Variant:
    """A variant with keys of its stages' recipes laid over its own."""
    own = {stage: getattr(variant, stage) for stage in stages}
    for stage, value in own.items():
        if isinstance(value, str):
            raise UserError(f"{where}: {stage} is {value!r}, so no key can be laid over it")
    laid: dict[str, Any] = {stage: lay(own[stage] or {}, over) for stage, over in stages.items()}
    return replace(variant, **laid)


def _check_text(where: str, name: str, variants: Mapping[str, Variant], usual: str) -> None:
    """A text of LM fine-tuning that no LM would read must not look as if one did (UserError)."""
    variant = variants[name]
    if variant.finetune == NONE and variant.finetune_text is not None:
        raise UserError(
            f"{where}: finetune_text is {variant.finetune_text!r}, but finetune is {NONE!r}: "
            "leave one of them out"
        )
    if _points(variant, "finetune") and variant.finetune_text is None:
        owner = variants.get(str(variant.finetune), variant)
        if (owner.finetune_text or usual) != usual:
            raise UserError(
                f"{where}: finetune shares the recipe of {variant.finetune!r} but not its text: "
                f"give finetune_text, {owner.finetune_text!r} for the same language model"
            )


def _check_corpus(
    where: str, name: str, variants: Mapping[str, Variant], registry: Registry
) -> None:
    """A corpus must be known, and one that nothing reads must not look read (UserError)."""
    variant = variants[name]
    owner = variants.get(str(variant.pretrain), variant)
    if variant.corpus is None:
        if owner.corpus is not None:
            raise UserError(
                f"{where}: pretrain shares the recipe of {variant.pretrain!r} but not its corpus: "
                f"give corpus, {owner.corpus!r} for the same language model"
            )
        return
    check_corpus(f"{where}: corpus", variant.corpus, registry)
    if variant.baseline is not None or owner.pretrain == NONE:
        raise UserError(
            f"{where}: corpus is {variant.corpus!r}, but nothing is pretrained: "
            "leave one of them out"
        )


def lay(base: Override, over: Override) -> Override:
    """``over`` laid over a stage's ``base``: :func:`merge`, and one rule more.

    ``lr`` or ``layer_decay`` without ``rates`` ends the ``rates`` below, which would hide them.
    """
    merged = merge(base, over)
    own = over.get("optimizer")
    if isinstance(own, dict) and {"lr", "layer_decay"} & own.keys() and "rates" not in own:
        merged["optimizer"] = merged["optimizer"] | {"rates": None}
    return merged


def preset_of(study: Study, registry: Registry) -> Preset:
    """The reading of the method that the study's recipes differ from; raises UserError."""
    check_name(study.preset, registry.presets, f"study {study.study}: preset", "preset")
    return registry.presets[study.preset]


def tokenizer_recipes(study: Study, registry: Registry) -> dict[str, str]:
    """Canonical JSON of each tokenizer of the study, by name."""
    preset = preset_of(study, registry)
    return {
        name: _canonical(
            "tokenizer", [preset.tokenizer, override], f"study {study.study}: tokenizers.{name}"
        )
        for name, override in study.recipes.tokenizers.items()
    }


def stage_recipes(study: Study, registry: Registry, dataset: str) -> StageRecipes:
    """Resolve every known variant on one dataset; each merged recipe is validated.

    The layers of a recipe, each over the one before: defaults of the dataclass, preset, what the
    preset says of ablations (variants with `ablation`), study, dataset, variant.

    A recipe is named after the variant that says it: `ulmfit` for the base recipe, else the first
    in alphabetical order, so that reordering the YAML moves no path. Variants that say nothing of a
    stage, and baselines, name none, so that one more of them moves no path either.
    """
    variants = all_variants(study, registry)
    contents = {
        stage: {
            name: _content(study, preset_of(study, registry), variants, dataset, name, stage)
            for name in variants
        }
        for stage in STAGES
    }
    names: dict[str, dict[str, str]] = {name: {} for name in variants}
    recipes: dict[str, dict[str, str]] = {}
    for stage, by_variant in contents.items():
        name_of: dict[str, str] = {}
        owners = [name for name in sorted(variants) if _owns(variants[name], stage)]
        ablations = {
            name: ABLATION
            for name, variant in variants.items()
            if variant.ablation and _silent(variant, stage)
        }
        # Last those that only an `ulmfit` with keys of its own leaves without a name.
        for variant in [BASE, *ablations, *owners, *sorted(variants)]:
            content = by_variant[variant]
            if content is not None:
                name_of.setdefault(content, ablations.get(variant, variant))
        for variant, content in by_variant.items():
            names[variant][stage] = NONE if content is None else name_of[content]
        recipes[stage] = {name: content for content, name in name_of.items()}
    return StageRecipes(names, recipes)


def _content(
    study: Study,
    preset: Preset,
    variants: dict[str, Variant],
    dataset: str,
    name: str,
    stage: str,
) -> str | None:
    """Canonical JSON of a variant's recipe of one stage; None where the stage is left out."""
    where = f"study {study.study}: variant {name}"
    own = getattr(variants[name], stage)
    owner = name
    if _points(variants[name], stage):
        check_name(own, variants, f"{where}: {stage}", "variant")
        owner = own
        if _points(variants[owner], stage):
            raise UserError(f"{where}: {stage} points to {own}, which points to another variant")
        own = getattr(variants[owner], stage)
    if own == NONE:
        if stage == "classify":
            raise UserError(f"{where}: classify cannot be 'none'")
        return None
    layers = [
        {"architecture": preset.architecture},
        getattr(preset, stage),
        preset.ablations.get(stage, {}) if variants[owner].ablation else {},  # type: ignore[call-overload]
        {"architecture": study.recipes.architecture},
        getattr(study.recipes, stage),
    ]
    if stage != "pretrain":
        layers.append(study.datasets[dataset].recipes.get(stage, {}))  # type: ignore[call-overload]
    return _canonical(stage, [*layers, own or {}], f"{where}: {stage}")


def _silent(variant: Variant, stage: str) -> bool:
    """Whether a variant that is no baseline takes a stage as it finds it."""
    return variant.baseline is None and not getattr(variant, stage)


def _owns(variant: Variant, stage: str) -> bool:
    """Whether a variant says keys of a stage's recipe itself."""
    return bool(getattr(variant, stage)) and not isinstance(getattr(variant, stage), str)


def _points(variant: Variant, stage: str) -> bool:
    """Whether a stage of a variant is the name of another variant."""
    own = getattr(variant, stage)
    return isinstance(own, str) and own != NONE


def _canonical(stage: str, overrides: list[Override], where: str) -> str:
    values: dict[str, Any] = to_dict(RECIPE_TYPES[stage]())
    for override in overrides:
        values = lay(values, override)
    return canonical_json(to_dict(check(RECIPE_TYPES[stage], values, where)))
