"""The registered experiments and variants: which cells they are, how a study lays over them."""

from pathlib import Path

import pytest
import yaml

from ulmfit.config.manifest import manifest
from ulmfit.errors import UserError
from ulmfit.studies import load_plan, load_study

CONFIG = Path(__file__).parents[2] / "config"
REGISTERED = yaml.safe_load((CONFIG / "experiments.yaml").read_text())
TABLES = ("pretraining", "lm-quality", "lm-finetuning", "classifier-finetuning")
BASE = {"study": "demo", "datasets": {"docstrings": {"corpus": "library-docs"}}}


def plan(experiments, **more):
    return load_plan(BASE | {"experiments": experiments} | more, CONFIG, "demo.yaml")


def test_every_registered_experiment_is_in_the_full_studies(full):
    assert REGISTERED.keys() == full.study.experiments.keys()
    paper = load_study(CONFIG / "studies/paper.yaml")
    assert REGISTERED.keys() == paper.study.experiments.keys()


def test_the_full_study_is_the_built_in_one_with_more_experiments_and_seeds(full):
    built_in = load_study(CONFIG / "config.yaml").study
    for key in ("preset", "datasets", "split_seed", "recipes"):
        assert getattr(full.study, key) == getattr(built_in, key), key
    assert full.study.seeds.vary == built_in.seeds.vary
    assert full.study.seeds.runs[: len(built_in.seeds.runs)] == built_in.seeds.runs


def test_every_variant_is_in_some_experiment(full):
    studies = [full, *map(load_study, (CONFIG / "config.yaml", CONFIG / "studies/smoke.yaml"))]
    used = {
        part.variant
        for made in studies
        for name in made.study.experiments
        for cell in made.cells(name)
        for part in cell.among or (cell,)
    }
    assert set(full.variants) == used


def test_a_study_lays_its_differences_over_a_registered_experiment():
    made = plan({"low-shot": {"n_labelled": [50]}, "pooling": None, "padding": {}})
    registered = plan({"low-shot": {}}).study.experiments["low-shot"]
    low_shot = made.study.experiments["low-shot"]
    assert low_shot.n_labelled == (50,)
    assert (low_shot.title, low_shot.cells) == (registered.title, registered.cells)
    assert made.study.experiments["pooling"].title == REGISTERED["pooling"]["title"]


def test_an_experiment_with_a_title_takes_nothing_from_the_registry():
    own = {"title": "Mine", "cells": ["ulmfit"]}
    experiment = plan({"main": own}).study.experiments["main"]
    assert (experiment.fold, experiment.published, experiment.aliases) == ("report", (), ())


def test_an_experiment_that_nobody_knows_is_refused():
    with pytest.raises(UserError, match=r"low-shots: has no .*; did you mean 'low-shot'"):
        plan({"low-shots": {"n_labelled": [50]}})


def test_a_misspelt_key_of_a_difference_is_named():
    with pytest.raises(UserError, match=r"low-shot\.n_labeled: .*did you mean 'n_labelled'"):
        plan({"low-shot": {"n_labeled": [50]}})


def test_sizes_may_differ_by_dataset(make_plan, study):
    study["experiments"]["main"]["n_labelled"] = {"reviews": [10, 20]}
    assert {cell.n_labelled for cell in make_plan(study).cells("main")} == {"10", "20"}
    study["experiments"]["main"]["n_labelled"] = {"revews": [10]}
    with pytest.raises(UserError, match="n_labelled: unknown dataset 'revews'"):
        make_plan(study)


@pytest.mark.parametrize("sizes", [[], {}, {"reviews": []}])
def test_an_experiment_without_sizes_is_refused(make_plan, study, sizes):
    study["experiments"]["main"]["n_labelled"] = sizes
    with pytest.raises(UserError, match="n_labelled is empty"):
        make_plan(study)


@pytest.mark.parametrize(
    ("aliases", "message"),
    [(["table 7"], "alias 'table 7'"), (["other"], "'main' is called 'other' too")],
)
def test_targets_are_names_and_unique(make_plan, study, aliases, message):
    main = study["experiments"]["main"]
    study["experiments"] = {"main": main | {"aliases": aliases}, "other": main}
    with pytest.raises(UserError, match=message):
        make_plan(study)


def test_the_fold_that_chooses_is_shown_only_where_the_preset_allows_it(make_plan, study):
    study["experiments"]["main"]["fold"] = "select"
    with pytest.raises(UserError, match="the fold select chooses epochs"):
        make_plan(study)
    made = make_plan(study, presets={"paper": {"one_fold": True}})
    assert manifest(made)["experiments"][0]["fold"] == "select"


def test_a_study_may_do_without_the_report_fold_where_one_fold_is_enough(make_plan, study):
    study["datasets"]["reviews"]["folds"] = {"report": 0}
    with pytest.raises(UserError, match=r"reviews.folds: report is 0"):
        make_plan(study)
    study["experiments"]["main"]["fold"] = "select"
    made = make_plan(study, presets={"paper": {"one_fold": True}})
    assert '"report":0.0' in made.fold_options("reviews").replace(" ", "")


def test_a_part_is_the_same_experiment_with_its_own_runs_only(full):
    part = full.part("classifier-finetuning")
    name = "classifier-finetuning"
    assert [cell.id for cell in part.cells(name)] == [cell.id for cell in full.cells(name)]
    paths = {run.path for run in part.runs()}
    rows = (part for cell in full.cells(name) for part in cell.among or (cell,))
    assert paths == {run.path for row in rows for run in row.runs}
    assert paths < {run.path for run in full.runs()}


@pytest.mark.parametrize("name", [name for name in REGISTERED if "fold" not in REGISTERED[name]])
def test_no_table_of_another_fold_unseals_the_test_fold(full, name):
    assert not list(full.part(name).unsealed())


def test_supervised_language_models_have_a_vocabulary_of_their_texts_or_keep_the_pretrained(full):
    runs = {run.variant: run for run in full.part("low-shot").runs() if run.n_labelled == "100"}
    folders = {name: full.tokens("docstrings", run.fields) for name, run in runs.items()}
    assert folders == {
        "ulmfit": "tokens/docstrings/word/none",
        "supervised": "tokens/docstrings/word/100",
        "supervised-kept-vocabulary": "tokens/docstrings/word/library-docs",
        "from-scratch": "tokens/docstrings/word/none",
    }
    kept = {"text": "docstrings", "tokenizer": "word", "trained_on": "library-docs"}
    assert full.keeps(kept) == "tokens/library-docs/word/none"
    assert full.keeps(kept | {"trained_on": "100"}) is None
    assert full.keeps(kept | {"tokenizer": "subword"}) is None
    # Sub-words are those of the corpus anyway, so there is nothing to keep.
    other = dict(runs["supervised-kept-vocabulary"].fields, tokenizer="subword", n_text="100")
    assert full.tokens("docstrings", other) == "tokens/docstrings/subword/library-docs"


def test_a_vocabulary_is_kept_only_where_there_is_pretraining(make_plan, study, variants):
    variants["kept"] = {"pretrain": "none", "vocabulary": "pretrained"}
    study["experiments"]["main"]["cells"].append("kept")
    with pytest.raises(UserError, match="variant kept: it has no pretraining"):
        make_plan(study, variants)


def test_members_of_an_ensemble_may_be_other_variants(make_plan, study):
    study["ensembles"] = {
        "both": {"members": [{}, {"variant": "full", "direction": "bwd"}], "combine": "vote"}
    }
    study["experiments"]["main"]["cells"] = ["ulmfit", {"variant": "ulmfit", "ensemble": "both"}]
    made = make_plan(study)
    ensemble = next(run for run in made.runs() if run.kind == "ensemble")
    assert [(member.variant, member.direction) for member in ensemble.members] == [
        ("ulmfit", "fwd"),
        ("full", "bwd"),
    ]
    assert made.combination("both") == "vote"
    assert "majority vote" in made.cells("main")[1].title


def test_ensembles_of_the_same_members_are_cells_of_their_own(full):
    found = [cell.id for cell in full.cells("tokenization")]
    assert len(found) == len(set(found)) == 9
    ways = {cell.title for cell in full.cells("tokenization") if "four-way" in cell.id}
    assert len(ways) == 4


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ([{}, {}], "the same classifier"),
        ([{}, {"variant": "tfidf"}], "the baseline 'tfidf' cannot be a member"),
        ([{}, {"variant": "fulll"}], "unknown variant 'fulll'; did you mean 'full'"),
        ([{}, {"tokenizer": "letters"}], "unknown tokenizer 'letters'"),
    ],
)
def test_members_that_make_no_ensemble_are_refused(make_plan, study, members, message):
    study["ensembles"] = {"odd": {"members": members}}
    study["experiments"]["main"]["cells"] = ["ulmfit", {"variant": "ulmfit", "ensemble": "odd"}]
    with pytest.raises(UserError, match=message):
        make_plan(study)


def test_the_manifest_tells_which_rows_read_the_test_text(make_plan, study, variants):
    variants["reader"] = {"finetune_text": "with-test"}
    study["experiments"]["main"]["cells"] = ["ulmfit", "reader"]
    made = manifest(make_plan(study, variants))["experiments"][0]
    assert [cell["reads_test_text"] for cell in made["cells"]] == [False, True]


def test_an_unknown_published_table_is_refused(make_plan, study):
    study["experiments"]["main"]["published"] = ["table-77"]
    with pytest.raises(UserError, match="unknown table 'table-77'; did you mean 'table-7'"):
        manifest(make_plan(study))


def test_a_choice_stands_beside_the_papers_number_of_its_first_variant(make_plan, study):
    study["experiments"]["main"] |= {
        "published": ["table-7"],
        "n_labelled": ["all"],
        "cells": ["ulmfit", {"among": ["full", "from-scratch"]}],
    }
    made = manifest(make_plan(study))["experiments"][0]
    assert [cell["published"] for cell in made["cells"]] == [None, "6.80"]
