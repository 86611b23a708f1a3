"""Presets: the readings of the method, and the order in which recipes are laid."""

import copy
from pathlib import Path

import pytest
import yaml

from ulmfit.config.plan import Plan
from ulmfit.config.recipes import Classifier, LanguageModel, Tokenizer, from_json, to_dict
from ulmfit.config.study import Preset, Registry, Study, Text, Variant
from ulmfit.config.validation import check
from ulmfit.errors import UserError

CONFIG = Path(__file__).parents[2] / "config"
PRESETS = ("paper", "scripts2018", "notebook2018", "modern")
RAW = yaml.safe_load((CONFIG / "presets.yaml").read_text())

# ulmfit.md section 10, with rows 1 to 21 of section 0 that are not there and the scope of STLR: a
# switch by stage and key, and its value in each preset. Where the paper states nothing (dashes of
# section 10), the AWD-LSTM's clipping and row 7's default stand.
DECAY = {"rates": None, "layer_decay": 2.6}
SINGLE = {"rates": None, "layer_decay": 1.0}
CIRCLE = {"kind": "clr", "scope": "stage"}
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
    ("classify.freezing.frozen_batch_norm", "train", "eval", "eval", "train"),
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
    ("finetune.reshuffle", True, False, False, True),
    ("pretrain.softmax", "exact", "sampled", "sampled", "exact"),
    ("finetune.architecture.decoder_bias", False, False, False, True),
    ("finetune.architecture.hidden", 1150, 1150, 1150, 1152),
    ("classify.architecture.hidden", 1150, 1150, 1150, 1152),
    ("classify.padding", "masked", "unmasked", "unmasked", "masked"),
    ("classify.dropout_masks", "document", "chunk", "chunk", "document"),
    ("classify.chunk_rule", "strict", "strict", "strict", "inclusive"),
    ("classify.max_seq", 1400, 1400, 1400, 1440),
    ("tokenizer.rules", "fastai-0.7", "fastai-0.7", "fastai-0.7", "fastai-v2"),
    ("tokenizer.min_freq", 3, 2, 3, 3),
    ("tokenizer.max_vocab", 60000, 30000, 60000, 60000),
]
BY_DEFAULT = {"finetune.freezing.schedule", "classify.freezing.schedule"}


def plan(preset, presets=RAW, recipes=None, dataset=None, variants=None):
    study = {
        "study": "demo",
        "preset": preset,
        "datasets": {"reviews": {"corpus": "wiki", "recipes": dataset or {}}},
        "recipes": recipes or {},
        "experiments": {"main": {"title": "Main", "cells": ["ulmfit", "other"]}},
    }
    registry = Registry(
        corpora={"wiki": Text(source="docstrings-prose")},
        datasets={"reviews": Text(source="docstrings-sections", folds={"report": 0.2})},
        variants=check(dict[str, Variant], variants or {"other": {}}, "variants"),
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


@pytest.mark.parametrize("preset", PRESETS)
def test_no_preset_leaves_a_switch_to_the_defaults(preset):
    for path in {row[0] for row in TABLE} - BY_DEFAULT:
        stage, *keys = path.split(".")
        value = RAW[preset]["architecture" if keys[0] == "architecture" else stage]
        for key in keys[1:] if keys[0] == "architecture" else keys:
            # Nothing is frozen, so nothing else of freezing is said.
            assert key in value, path
            value = value[key]


@pytest.mark.parametrize(
    ("preset", "early_stopping"),
    [("paper", True), ("scripts2018", False), ("notebook2018", False), ("modern", True)],
)
def test_what_stops_early_is_everything_but_ulmfit(preset, early_stopping):
    made = plan(preset, variants={"other": {"finetune": "none"}, "whole": {"classify": "ulmfit"}})
    assert not resolved(made)["classify"].early_stopping
    stages = made._stages["reviews"]
    other = made.recipe("classify", {"classify": stages.names["other"]["classify"]})
    assert from_json(Classifier, other).early_stopping is early_stopping
    # A variant that shares the classifier of ulmfit shares it whole.
    assert stages.names["whole"]["classify"] == "ulmfit"


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
    """Preset, study, dataset, ablations, variant: each layer set alone in turn, lowest first."""
    preset = copy.deepcopy(RAW)
    preset["paper"]["classify"] = {"epochs": 11}
    layers = [{}, {"classify": {"epochs": 12}}, {"classify": {"epochs": 13}}]

    def epochs(variant, *, study=False, dataset=False, ablations=False, own=False):
        values = copy.deepcopy(preset)
        values["paper"]["ablations"] = {"classify": {"epochs": 14}} if ablations else {}
        made = plan(
            "paper",
            presets=values,
            recipes=layers[1] if study else None,
            dataset=layers[2] if dataset else None,
            variants={"other": {"classify": {"ar": 0.5} | ({"epochs": 15} if own else {})}},
        )
        return resolved(made, variant)["classify"].epochs

    assert epochs("other") == 11
    assert epochs("other", study=True) == 12
    assert epochs("other", study=True, dataset=True) == 13
    assert epochs("other", study=True, dataset=True, ablations=True) == 14
    assert epochs("other", study=True, dataset=True, ablations=True, own=True) == 15
    assert epochs("ulmfit", study=True, dataset=True, ablations=True, own=True) == 13


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
