"""Mistakes in YAML stop before anything runs, with file, place and the nearest valid name."""

import pytest

from ulmfit.config.checks import check_folds
from ulmfit.config.recipes import Classifier, Schedule, from_json, to_dict
from ulmfit.config.sources import Folds
from ulmfit.config.study import Study
from ulmfit.config.validation import check, merge
from ulmfit.errors import UserError
from ulmfit.store.files import canonical_json


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"devise": "cpu"}, "demo.yaml: devise: unknown key 'devise'; did you mean 'device'?"),
        (
            {"device": "gpu"},
            "demo.yaml: device: input should be 'auto', 'cpu' or 'cuda', not 'gpu'",
        ),
        ({"seeds": {"runs": []}}, "demo.yaml: seeds.runs: "),
        ({"split_seed": -1}, "demo.yaml: split_seed: "),
        (
            {"datasets": {"reviews": {"corpos": "wiki"}}},
            "demo.yaml: datasets.reviews.corpos: unknown key 'corpos'; did you mean 'corpus'?",
        ),
        ({"study": "No Spaces"}, "demo.yaml: study: "),
        (
            {"recipes": {"clasify": {}}},
            "demo.yaml: recipes.clasify: unknown key 'clasify'; did you mean 'classify'?",
        ),
    ],
)
def test_a_mistake_is_said_in_one_line_with_its_place(study, change, message):
    with pytest.raises(UserError) as caught:
        check(Study, study | change, "demo.yaml")
    assert str(caught.value).startswith(message)
    assert "pydantic" not in str(caught.value)


def test_a_missing_key_is_named(study):
    del study["datasets"]
    with pytest.raises(UserError, match=r"demo\.yaml: key 'datasets' is missing"):
        check(Study, study, "demo.yaml")


@pytest.mark.parametrize(
    ("variant", "message"),
    [
        ({"classify": {"optimizer": {"rl": 1}}}, "unknown key 'rl'; "),
        ({"classify": {"optimizer": {"lr": 0}}}, "classify: optimizer.lr: "),
        ({"classify": {"freezing": "none"}}, "classify: freezing: "),
        ({"classify": {"freezing": {"depth": 0}}}, "classify: freezing.depth: "),
        ({"finetune": {"freezing": {"schedule": {"kind": "clr", "cut": 3}}}}, "unknown key 'cut'"),
        ({"classify": {"optimizer": {"rates": [0.1, -0.1]}}}, "optimizer.rates: rates must not be"),
        (
            {"classify": {"freezing": {"final_rates": [-1]}}},
            "freezing.final_rates: rates must not be negative, not [-1.0]",
        ),
        ({"pretrain": {"schedule": {"momenta": [1, 0.7]}}}, "schedule.momenta: momenta must be"),
        ({"classify": {"freezing": {"plan": "graduel"}}}, "classify: freezing.plan: "),
        ({"classify": {"pooling": "avg"}}, "classify: pooling: "),
        ({"classify": {"head_sizes": [9, 9]}}, "classify: head_dropouts: 2 head_sizes need 3"),
        ({"classify": {"head_sizes": 50}}, "classify: head_sizes: "),
        ({"classify": "ful"}, "unknown variant 'ful'; did you mean 'full'?"),
        ({"classify": "none"}, "classify cannot be 'none'"),
    ],
)
def test_a_mistake_in_a_variant_names_the_variant(make_plan, variants, variant, message):
    variants["odd"] = variant
    with pytest.raises(UserError, match="study demo: variant odd") as caught:
        make_plan(variants=variants)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"cells": ["ulmfat"]}, "unknown variant 'ulmfat'; did you mean 'ulmfit'?"),
        ({"reference": "tfidf"}, "reference 'tfidf' is not among the cells"),
        ({"datasets": ["review"]}, "unknown dataset 'review'; did you mean 'reviews'?"),
        ({"tokenizer": "words"}, "unknown tokenizer 'words'; did you mean 'word'?"),
        ({"n_labelled": [0]}, "n_labelled must be at least 2"),
        ({"cells": ["ulmfit", {"variant": "ulmfit", "ensemble": "both"}]}, "unknown ensemble"),
    ],
)
def test_a_mistake_in_an_experiment_names_the_experiment(make_plan, study, change, message):
    study["experiments"]["main"] |= change
    with pytest.raises(UserError, match="main") as caught:
        make_plan(study)
    assert message in str(caught.value)


@pytest.mark.parametrize("stage", ["pretrain", "finetune", "classify"])
def test_an_unknown_key_of_a_recipe_of_the_study_is_named(make_plan, study, stage):
    study.setdefault("recipes", {})[stage] = {"batchsize": 3}
    message = rf"{stage}: batchsize: unknown key 'batchsize'; did you mean 'batch_size'\?"
    with pytest.raises(UserError, match=message):
        make_plan(study)


def test_unknown_dataset_and_corpus_are_refused(make_plan, study):
    study["datasets"] = {"reviews": {"corpus": "wikki"}}
    with pytest.raises(UserError, match="unknown corpus 'wikki'; did you mean 'wiki'"):
        make_plan(study)


def test_merge_goes_into_nested_mappings_and_changes_neither():
    base, over = {"a": {"b": 1, "c": 2}, "d": 3}, {"a": {"c": 4}, "e": 5}
    assert merge(base, over) == {"a": {"b": 1, "c": 4}, "d": 3, "e": 5}
    assert base == {"a": {"b": 1, "c": 2}, "d": 3}
    assert over == {"a": {"c": 4}, "e": 5}


def test_a_recipe_survives_the_way_through_json():
    head = {"head_sizes": [9, 8], "head_dropouts": [0.1, 0.2, 0.3]}
    recipe = check(
        Classifier,
        {
            "optimizer": {"rates": [0.1, 0.2], "decoupled": True},
            "freezing": {"plan": "chain-thaw", "schedule": {"kind": "clr"}, "final_rates": [0.3]},
            **head,
        },
        "here",
    )
    assert recipe.optimizer.rates == (0.1, 0.2)
    assert recipe.freezing.schedule == Schedule(kind="clr")
    assert from_json(Classifier, canonical_json(to_dict(recipe))) == recipe


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"epochs": 4}, "classify: freezing: plan gradual takes 4 x 1 of 4 epochs"),
        ({"optimizer": {"rates": [0.1]}}, "classify: optimizer.rates: 1 rates for 5 layer groups"),
    ],
)
def test_stages_and_rates_that_cannot_be_stop_before_any_job_starts(
    make_plan, study, variants, change, message
):
    variants["odd"] = {"classify": change}
    make_plan(study, variants)  # nobody uses it
    study["experiments"]["main"]["cells"].append("odd")
    with pytest.raises(UserError, match="study demo: variant odd") as caught:
        make_plan(study, variants)
    assert message in str(caught.value)


@pytest.mark.parametrize("name", ["one_rate", "One", "none", "-x"])
def test_a_name_that_no_path_can_have_is_refused(make_plan, variants, name):
    variants[name] = {}
    with pytest.raises(UserError, match=f"variant '{name}': names are lower-case"):
        make_plan(variants=variants)


@pytest.mark.parametrize("seeds", [[-1, 0], [0, 0]])
def test_equal_or_negative_seeds_are_refused(make_plan, study, seeds):
    study["seeds"]["runs"] = seeds
    with pytest.raises(UserError, match=r"seeds\.runs"):
        make_plan(study)


def test_a_study_may_not_take_the_place_of_the_archives(make_plan, study):
    study["study"] = "archive"
    with pytest.raises(UserError, match="study archive: no study may have this name"):
        make_plan(study)


def test_an_experiment_may_not_take_the_name_of_another_table(make_plan, study):
    study["experiments"]["runs"] = study["experiments"].pop("main")
    with pytest.raises(UserError, match="no experiment may be called 'runs'"):
        make_plan(study)


def test_a_dataset_without_the_fold_that_a_table_shows_is_refused():
    with pytest.raises(UserError, match=r"reviews\.folds: report is 0"):
        check_folds("reviews", Folds(select=0.1, report=0.0), "report")
    check_folds("reviews", Folds(select=0.1, report=0.0), "test")
    with pytest.raises(UserError, match=r"reviews\.folds: select is 0"):
        check_folds("reviews", Folds(select=0.0, report=0.1), "report")
