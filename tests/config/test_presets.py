"""Presets: the readings of the method, and the order in which recipes are laid."""

import copy
from pathlib import Path

import pytest
import yaml

from ulmfit.config.plan import Plan
from ulmfit.config.recipes import (
    Classifier,
    LanguageModel,
    Schedule,
    Tokenizer,
    from_json,
    to_dict,
)
from ulmfit.config.study import Preset, Registry, Study, Text, Variant
from ulmfit.config.validation import check
from ulmfit.errors import UserError

CONFIG = Path(__file__).parents[2] / "config"
PRESETS = ("paper", "scripts2018", "notebook2018", "modern")
RAW = yaml.safe_load((CONFIG / "presets.yaml").read_text())
VARIANTS = yaml.safe_load((CONFIG / "variants.yaml").read_text())
CHANGED = {name: VARIANTS[name] for name in RAW["notebook2018"]["variants"]}

# ulmfit.md section 10, with rows 1 to 21 of section 0 that are not there and the scope of STLR: a
# switch by stage and key, and its value in each preset. Where the paper states nothing (dashes of
# section 10), the AWD-LSTM's clipping and row 7's default stand, else the released code (3.8,
# 3.10).
DECAY = {"rates": None, "layer_decay": 2.6}
SINGLE = {"rates": None, "layer_decay": 1.0}
CIRCLE = {"kind": "clr", "scope": "stage"}
SCRIPT_RATES = pytest.approx((3e-4 / 6, 3e-4 / 3, 3e-4, 3e-4))
TRIANGLE = {"kind": "stlr", "cut_frac": 0.1, "ratio": 32.0}
TABLE = [
    (
        "finetune.schedule",
        TRIANGLE | {"scope": "run"},
        CIRCLE | {"ratio": 32.0, "cut_div": 10},
        CIRCLE | {"ratio": 20.0, "cut_div": 10},
        TRIANGLE | {"scope": "stage"},
    ),
    (
        "finetune.freezing",
        {"plan": "none"},
        {"plan": "none"},
        {"plan": "gradual", "depth": 1, "epochs": 1, "lr_factor": 0.5},
        {"plan": "gradual", "depth": 1, "epochs": 1},
    ),
    ("finetune.freezing.schedule", None, None, CIRCLE | {"ratio": 32.0, "cut_div": 2}, None),
    (
        "finetune.optimizer",
        DECAY | {"lr": 4e-3},
        {"rates": pytest.approx((4e-3 / 6, 4e-3 / 3, 4e-3, 4e-3 / 2))},
        SINGLE | {"lr": 1e-3},
        DECAY | {"lr": 4e-3},
    ),
    (
        "classify.schedule",
        TRIANGLE | {"scope": "run"},
        CIRCLE | {"ratio": 8.0, "cut_div": 8},
        CIRCLE | {"ratio": 32.0, "cut_div": 10},
        TRIANGLE | {"scope": "stage"},
    ),
    (
        "classify.freezing.schedule",
        None,
        CIRCLE | {"ratio": 8.0, "cut_div": 3},
        CIRCLE | {"ratio": 8.0, "cut_div": 3},
        None,
    ),
    ("classify.freezing.depth", None, 2, 2, None),
    ("classify.freezing.frozen_batch_norm", "eval", "eval", "eval", "train"),
    (
        "classify.optimizer",
        DECAY | {"lr": 0.01},
        DECAY | {"lr": 0.01},
        {"rates": (1e-4, 1e-4, 1e-4, 1e-3, 1e-2)},
        DECAY | {"lr": 0.01},
    ),
    ("finetune.optimizer.beta1", 0.7, 0.8, 0.8, 0.7),
    ("classify.optimizer.beta1", 0.7, 0.8, 0.7, 0.7),
    ("finetune.optimizer.beta2", 0.99, 0.99, 0.99, 0.99),
    ("classify.optimizer.beta2", 0.99, 0.99, 0.99, 0.99),
    ("finetune.batch_size", 64, 64, 52, 64),
    ("classify.batch_size", 64, 32, 24, 64),
    ("finetune.optimizer.clip", 0.25, 0.3, 0, 0.3),
    ("classify.optimizer.clip", 0.25, 25, 0.25, 0.25),
    ("finetune.optimizer.weight_decay", 1.2e-6, 1e-7, 1e-7, 1e-2),
    ("classify.optimizer.weight_decay", 1.2e-6, 1e-6, 0, 1e-2),
    ("finetune.optimizer.decoupled", False, False, False, True),
    ("classify.optimizer.decoupled", False, False, False, True),
    (
        "pretrain.optimizer",
        {"rates": SCRIPT_RATES, "beta1": 0.7, "weight_decay": 1.2e-6, "clip": 0.25},
        {"rates": SCRIPT_RATES, "beta1": 0.8, "weight_decay": 1e-7, "clip": 0.3},
        {"rates": SCRIPT_RATES, "beta1": 0.8, "weight_decay": 1e-7, "clip": 0.3},
        SINGLE | {"lr": 4e-3, "beta1": 0.7, "weight_decay": 1e-2, "clip": 0.3},
    ),
    (
        "pretrain.schedule",
        CIRCLE | {"ratio": 32.0, "cut_div": 10},
        CIRCLE | {"ratio": 32.0, "cut_div": 10},
        CIRCLE | {"ratio": 32.0, "cut_div": 10},
        TRIANGLE | {"scope": "stage"},
    ),
    ("pretrain.negatives", 15000, 15000, 15000, 15000),
    ("pretrain.min_steps", 1, 1, 1, 1),
    ("finetune.min_steps", 1, 200, 200, 200),
    ("classify.min_steps", 1, 200, 200, 200),
    ("pretrain.dropouts.multiplier", 0.5, 0.5, 0.5, 0.1),
    ("finetune.dropouts.multiplier", 1.0, 1.0, 0.7, 1.0),
    ("classify.dropouts.multiplier", 1.0, 1.0, 0.5, 0.5),
    ("classify.dropouts.weight", 0.5, 0.5, 0.5, 0.5),
    ("finetune.dropouts.weight", 0.2, 0.2, 0.2, 0.2),
    ("classify.head_dropouts", (0.4, 0.1), (0.4, 0.1), (0.4, 0.1), (0.4, 0.1)),
    ("finetune.ar", 2.0, 2.0, 0.0, 2.0),
    ("finetune.tar", 1.0, 1.0, 0.0, 1.0),
    ("finetune.ar_on", "dropped", "raw", "raw", "dropped"),
    ("classify.ar", 2.0, 2.0, 2.0, 2.0),
    ("classify.early_stopping", False, False, False, False),
    ("finetune.variable_bptt", True, True, True, False),
    ("finetune.rate_by_length", True, False, False, True),
    ("finetune.reshuffle", False, False, False, True),
    ("pretrain.softmax", "sampled", "sampled", "sampled", "exact"),
    ("finetune.architecture.decoder_bias", False, False, False, True),
    ("finetune.architecture.hidden", 1150, 1150, 1150, 1152),
    ("classify.architecture.hidden", 1150, 1150, 1150, 1152),
    ("classify.padding", "masked", "unmasked", "unmasked", "masked"),
    ("classify.dropout_masks", "chunk", "chunk", "chunk", "document"),
    ("classify.chunk_rule", "strict", "strict", "strict", "inclusive"),
    ("classify.max_seq", 1400, 1400, 1400, 1440),
    ("tokenizer.rules", "fastai-0.7", "fastai-0.7", "fastai-0.7", "fastai-v2"),
    ("tokenizer.min_freq", 3, 2, 3, 3),
    ("tokenizer.max_vocab", 60000, 30000, 60000, 60000),
]


def plan(
    preset,
    presets=RAW,
    recipes=None,
    dataset=None,
    variants=None,
    own_variants=None,
    cells=(),
):
    study = {
        "study": "demo",
        "preset": preset,
        "datasets": {"reviews": {"corpus": "wiki", "recipes": dataset or {}}},
        "recipes": recipes or {},
        "experiments": {"main": {"title": "Main", "cells": ["ulmfit", "other", *cells]}},
        "variants": own_variants or {},
    }
    registry = Registry(
        corpora={"wiki": Text(source="docstrings-prose")},
        datasets={"reviews": Text(source="docstrings-sections", folds={"report": 0.2})},
        variants=check(
            dict[str, Variant],
            CHANGED | (variants or {"other": {"classify": {"ar": 0.5}}}),
            "variants",
        ),
        presets=check(dict[str, Preset], presets, "presets.yaml"),
    )
    return Plan(check(Study, study, "demo.yaml"), registry)


def resolved(made, variant="ulmfit"):
    fields = next(run.fields for run in made.runs() if run.variant == variant)
    kinds = {"pretrain": LanguageModel, "finetune": LanguageModel, "classify": Classifier}
    recipes = {stage: from_json(kind, made.recipe(stage, fields)) for stage, kind in kinds.items()}
    return recipes | {"tokenizer": from_json(Tokenizer, made.tokenizers["word"])}


def look_up(recipes, path):
    stage, *keys = path.split(".")
    value = recipes[stage]
    for key in keys:
        value = getattr(value, key)
    return value


@pytest.mark.parametrize("index", range(len(PRESETS)), ids=PRESETS)
@pytest.mark.parametrize("row", TABLE, ids=[row[0] for row in TABLE])
def test_each_switch_has_the_value_of_the_table(row, index):
    found, expected = look_up(resolved(plan(PRESETS[index])), row[0]), row[1 + index]
    if isinstance(expected, dict):
        found = {key: to_dict(found)[key] for key in expected}
    assert found == expected


def leaves(value, path=""):
    """Paths of a nested mapping down to what is no mapping; a schedule that may be null is one."""
    for key, part in value.items():
        if isinstance(part, dict) and not path.endswith("freezing."):
            yield from leaves(part, f"{path}{key}.")
        else:
            yield path + key


OF_NO_PRESET = {"precision", "compute_threads", "kind"}


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize(
    ("stage", "kind"),
    [
        ("tokenizer", Tokenizer),
        ("pretrain", LanguageModel),
        ("finetune", LanguageModel),
        ("classify", Classifier),
    ],
)
def test_no_preset_leaves_a_switch_to_the_defaults(preset, stage, kind):
    said = RAW[preset][stage]
    if stage != "tokenizer":
        said = said | {"architecture": RAW[preset]["architecture"]}
    assert set(leaves(said)) == set(leaves(to_dict(kind()))) - OF_NO_PRESET


@pytest.mark.parametrize("preset", PRESETS)
def test_a_schedule_before_the_last_stage_says_every_key(preset):
    own = [RAW[preset][stage]["freezing"]["schedule"] for stage in ("finetune", "classify")]
    assert all(schedule.keys() == to_dict(Schedule()).keys() for schedule in own if schedule)


@pytest.mark.parametrize(
    ("preset", "early_stopping"),
    [("paper", True), ("scripts2018", False), ("notebook2018", False), ("modern", True)],
)
def test_what_stops_early_are_the_ablations(preset, early_stopping):
    variants = {
        "other": {"finetune": "none", "ablation": True},
        "one-rate": {"classify": {"optimizer": {"layer_decay": 1.0}}},
        "whole": {"classify": "ulmfit", "ablation": True},
    }
    made = plan(preset, variants=variants)
    assert not resolved(made)["classify"].early_stopping
    stages = made._stages["reviews"]
    other = made.recipe("classify", {"classify": stages.names["other"]["classify"]})
    assert from_json(Classifier, other).early_stopping is early_stopping
    # A variant that shares the classifier of ulmfit shares it whole.
    assert stages.names["whole"]["classify"] == "ulmfit"
    # One that is no ablation of the paper differs in what it says alone: the README's example.
    one_rate = made.recipe("classify", {"classify": stages.names["one-rate"]["classify"]})
    usual = to_dict(resolved(made)["classify"])
    optimizer = usual["optimizer"] | {"layer_decay": 1.0, "rates": None}
    assert to_dict(from_json(Classifier, one_rate)) == usual | {"optimizer": optimizer}


@pytest.mark.parametrize("stops", [False, True])
def test_a_study_decides_for_all_variants_who_stops_early(stops):
    variants = {"other": {"ablation": True, "classify": {"ar": 0.5}}, "extra": {"pretrain": "none"}}
    made = plan(
        "paper", recipes={"classify": {"early_stopping": stops}}, variants=variants, cells=["extra"]
    )
    found = {name: resolved(made, name)["classify"].early_stopping for name in ("ulmfit", "other")}
    assert found == {"ulmfit": stops, "other": stops}


@pytest.mark.parametrize("own", [{"lr": 0.02}, {"layer_decay": 2.0}])
def test_a_rate_or_decay_laid_over_rates_of_groups_ends_them(own):
    """As in config.yaml with `scripts2018`, or the README's example with `notebook2018`."""
    made = plan("scripts2018", recipes={"finetune": {"optimizer": own}})
    optimizer = resolved(made)["finetune"].optimizer
    assert optimizer.rates is None
    assert {key: getattr(optimizer, key) for key in own} == own
    # Rates in the same layer are meant, and other keys leave them alone.
    both = own | {"rates": [1e-3, 1e-3, 1e-3, 1e-3]}
    made = plan("scripts2018", recipes={"finetune": {"optimizer": both}})
    assert resolved(made)["finetune"].optimizer.rates == (1e-3,) * 4
    made = plan("scripts2018", recipes={"finetune": {"optimizer": {"clip": 0.1}}})
    assert resolved(made)["finetune"].optimizer.rates[2] == 4e-3


def test_a_preset_lays_keys_over_variants_of_the_registry_but_not_of_the_study():
    presets = copy.deepcopy(RAW)
    presets["paper"]["variants"] = {"other": {"classify": {"epochs": 30}}}
    variants = {"other": {"classify": {"ar": 0.5, "epochs": 20}}}
    recipe = resolved(plan("paper", presets, variants=variants), "other")["classify"]
    assert (recipe.epochs, recipe.ar) == (30, 0.5)
    made = plan("paper", presets, variants=variants, own_variants=variants)
    assert resolved(made, "other")["classify"].epochs == 20


@pytest.mark.parametrize(
    ("laid", "message"),
    [
        ({"otter": {}}, "variants: unknown variant 'otter'; did you mean 'other'"),
        ({"other": {"pretrain": {"epochs": 2}}}, "other: pretrain is 'none', so no key"),
    ],
)
def test_a_preset_that_changes_what_is_not_there_is_refused(laid, message):
    presets = copy.deepcopy(RAW)
    presets["paper"]["variants"] = laid
    with pytest.raises(UserError, match=message):
        plan("paper", presets, variants={"other": {"pretrain": "none"}})


def test_test_text_is_read_where_the_preset_or_the_variant_says_so():
    def texts(preset, variants):
        runs = plan(preset, variants=variants).runs()
        return {run.variant: run.fields["n_text"] for run in runs}

    variants = {"other": {"finetune_text": "with-test"}}
    assert texts("modern", variants) == {"ulmfit": "all", "other": "with-test"}
    variants = {"other": {"finetune_text": "all"}}
    assert texts("notebook2018", variants) == {"ulmfit": "with-test", "other": "all"}
    assert {name for name in PRESETS if RAW[name]["finetune_text"] != "all"} == {"notebook2018"}


def test_only_the_preset_of_the_paper_may_choose_and_show_on_one_fold():
    allowed = {name: preset.one_fold for name, preset in plan("paper").registry.presets.items()}
    assert allowed == {name: name == "paper" for name in PRESETS}


@pytest.mark.parametrize("preset", PRESETS)
def test_precision_and_threads_belong_to_no_preset(preset):
    def keys(value):
        if isinstance(value, dict):
            for key, part in value.items():
                yield key
                yield from keys(part)

    assert not {"precision", "compute_threads"} & set(keys(RAW[preset]))


def test_each_layer_lies_over_the_one_before():
    """Preset, ablations, study, dataset, variant: each layer set alone in turn, lowest first."""
    preset = copy.deepcopy(RAW)
    preset["paper"]["classify"] = {"epochs": 11}
    layers = [{}, {"classify": {"epochs": 13}}, {"classify": {"epochs": 14}}]

    def epochs(variant, *, study=False, dataset=False, ablations=False, own=False):
        values = copy.deepcopy(preset)
        values["paper"]["ablations"] = {"classify": {"epochs": 12}} if ablations else {}
        made = plan(
            "paper",
            presets=values,
            recipes=layers[1] if study else None,
            dataset=layers[2] if dataset else None,
            variants={
                "other": {
                    "ablation": True,
                    "classify": {"ar": 0.5} | ({"epochs": 15} if own else {}),
                }
            },
        )
        return resolved(made, variant)["classify"].epochs

    assert epochs("other") == 11
    assert epochs("other", ablations=True) == 12
    assert epochs("other", ablations=True, study=True) == 13
    assert epochs("other", ablations=True, study=True, dataset=True) == 14
    assert epochs("other", ablations=True, study=True, dataset=True, own=True) == 15
    assert epochs("ulmfit", ablations=True) == 11
    assert epochs("ulmfit", ablations=True, study=True, dataset=True, own=True) == 14


def test_a_tokenizer_lies_over_the_preset():
    made = plan("paper", recipes={"tokenizers": {"word": {"min_freq": 7}}})
    tokenizer = resolved(made)["tokenizer"]
    assert (tokenizer.min_freq, tokenizer.rules) == (7, "fastai-0.7")


def test_an_unknown_preset_is_refused():
    with pytest.raises(UserError, match="preset: unknown preset 'papr'; did you mean 'paper'"):
        plan("papr")


def test_a_mistake_in_a_preset_is_said():
    with pytest.raises(UserError, match="classify: epoch: unknown key 'epoch'"):
        plan("paper", presets={"paper": {"classify": {"epoch": 1}}})
