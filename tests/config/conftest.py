"""A small valid study and registry, as YAML would give them."""

import copy
from pathlib import Path

import pytest

from ulmfit.config.plan import Plan
from ulmfit.config.study import Preset, PublishedTable, Registry, Study, Text, Variant
from ulmfit.config.validation import check
from ulmfit.studies import load_study

STUDY = {
    "study": "demo",
    "datasets": {"reviews": {"corpus": "wiki"}},
    "seeds": {"runs": [0, 1], "vary": ["finetune", "classify"]},
    "experiments": {
        "main": {
            "title": "Main",
            "n_labelled": [100],
            "cells": ["ulmfit", "full", "no-pretraining", "no-finetuning", "from-scratch"],
        }
    },
}
VARIANTS = {
    "ulmfit": {"title": "ULMFiT"},
    "full": {"classify": {"freezing": {"plan": "none"}, "schedule": {"kind": "constant"}}},
    "no-pretraining": {"pretrain": "none"},
    "no-finetuning": {"finetune": "none"},
    "from-scratch": {"pretrain": "none", "finetune": "none", "classify": "full"},
    "tfidf": {"baseline": "tfidf"},
}
PRESETS = {"paper": {}}
PUBLISHED = {
    "table-2": {
        "fold": "test",
        "direction": "fwd+bwd",
        "rows": {"reviews": {"ulmfit": "4.6"}},
        "quoted": {"reviews": {"CoVe": "8.2"}},
    },
    "table-7": {"fold": "validation", "direction": "fwd", "rows": {"reviews": {"full": "6.80"}}},
}


@pytest.fixture
def study():
    return copy.deepcopy(STUDY)


@pytest.fixture
def variants():
    return copy.deepcopy(VARIANTS)


@pytest.fixture
def make_plan():
    """Build a plan from the values above, or from changed ones."""

    def build(study=STUDY, variants=VARIANTS, presets=PRESETS):
        registry = Registry(
            corpora={"wiki": Text(source="docstrings-prose")},
            datasets={
                "reviews": Text(source="docstrings-sections", folds={"report": 0.2, "test": 0.1})
            },
            variants=check(dict[str, Variant], variants, "variants.yaml"),
            presets=check(dict[str, Preset], presets, "presets.yaml"),
            published=check(dict[str, PublishedTable], PUBLISHED, "published.yaml"),
        )
        return Plan(check(Study, study, "demo.yaml"), registry)

    return build


@pytest.fixture(scope="session")
def full():
    """The plan of the built-in data with every registered experiment."""
    return load_study(Path(__file__).parents[2] / "config/studies/docstrings-full.yaml")
