"""What experiments need of datasets and of the workflow is asked for before any job."""

import re
import shutil
from pathlib import Path

import pytest

from ulmfit.config.experiments import RULES
from ulmfit.config.plan import Plan
from ulmfit.config.study import Preset, Registry, SourceFile, Study, Text, Variant
from ulmfit.config.validation import check
from ulmfit.errors import UserError
from ulmfit.studies import load_plan, load_study

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / "config"


def test_every_rule_of_the_workflow_is_known():
    text = "\n".join(
        path.read_text()
        for path in (ROOT / "workflow").rglob("*")
        if path.suffix in ("", ".smk") and path.is_file()
    )
    found = re.findall(r"^ *(?:rule|checkpoint) (\w+):", text, re.M)
    found += re.findall(r"^ *use rule \w+ as (\w+) with:", text, re.M)
    assert sorted(found) == sorted(RULES)


@pytest.mark.parametrize("name", ["baseline", "report", "all", "score", "before-test"])
def test_no_experiment_and_no_alias_is_called_like_a_rule(make_plan, study, name):
    main = study["experiments"]["main"]
    study["experiments"] = {"main": main | {"aliases": [name]}}
    with pytest.raises(UserError, match=rf"experiments.main: '{name}' is the name of a rule"):
        make_plan(study)
    study["experiments"] = {name: main}
    with pytest.raises(UserError, match=rf"experiments.{name}: '{name}' is the name of a rule"):
        make_plan(study)


def test_an_unknown_published_table_stops_the_plan(make_plan, study):
    study["experiments"]["main"]["published"] = ["table-77"]
    with pytest.raises(UserError, match="published: unknown table 'table-77'; did you mean"):
        make_plan(study)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[main]", "experiments.yaml: "),
        ("main: [ulmfit]", "experiments.yaml: main"),
        ("main: {titel: Test, cells: [ulmfit]}", "experiments.yaml: main.titel: .* 'title'"),
    ],
)
def test_a_mistake_in_the_registered_experiments_is_reported_there(tmp_path, text, message):
    config = tmp_path / "config"
    shutil.copytree(CONFIG, config)
    (config / "experiments.yaml").write_text(text)
    with pytest.raises(UserError, match=message):
        load_study(config / "config.yaml")


TWO = {
    "study": "demo",
    "datasets": {name: {"corpus": "library-docs"} for name in ("imdb", "trec6")},
}


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"n_labelled": {"imdb": [100]}}, "n_labelled is empty for trec6"),
        ({"n_labelled": {"imdb": [100], "trec6": []}}, "n_labelled is empty for trec6"),
        ({"n_labelled": {"imdb": [1000], "trec5": [5]}}, "unknown dataset 'trec5'.*'trec6'"),
        (
            {"datasets": ["imdb"], "n_labelled": {"imdb": [100], "trec6": [100]}},
            "unknown dataset 'trec6'",
        ),
    ],
)
def test_no_dataset_vanishes_from_a_table(more, message):
    own = {"title": "Own", "cells": ["ulmfit"], **more}
    with pytest.raises(UserError, match=message):
        load_plan(TWO | {"experiments": {"own": own}}, CONFIG, "demo.yaml")
    own |= {"datasets": ["imdb"], "n_labelled": {"imdb": [100]}}
    plan = load_plan(TWO | {"experiments": {"own": own}}, CONFIG, "demo.yaml")
    assert {cell.dataset for cell in plan.cells("own")} == {"imdb"}


TRAIN = SourceFile(path="train.csv")


@pytest.mark.parametrize(
    ("text", "has"),
    [
        (Text("table", files={"train": TRAIN}), False),
        (Text("table", files={"train": TRAIN}, folds={"test": 0.2}), True),
        (Text("table", files={"train": TRAIN}, options={"split": "part"}), True),
        (Text("table", files={"train": TRAIN, "test": SourceFile(path="test.csv")}), True),
        (Text("docstrings-sections"), False),
        (Text("docstrings-sections", folds={"test": 100}), True),
        # Its files tell, once they are read.
        (Text("folder", files={"folder": SourceFile(path="reviews")}), True),
    ],
)
def test_the_test_fold_is_shown_only_of_a_dataset_that_can_have_one(text, has):
    study = {
        "study": "demo",
        "datasets": {"own": {"corpus": "wiki"}},
        "experiments": {
            "final": {"title": "Final", "fold": "test", "cells": ["tfidf"], "reference": None}
        },
    }
    registry = Registry(
        corpora={"wiki": Text("docstrings-prose")},
        datasets={"own": text},
        variants={"tfidf": Variant(baseline="tfidf")},
        presets={"paper": Preset()},
    )
    if has:
        Plan(check(Study, study, "demo.yaml"), registry)
        return
    with pytest.raises(UserError, match=r"experiments\.final: shows the fold test, but own has no"):
        Plan(check(Study, study, "demo.yaml"), registry)
