"""The registered experiments and variants: which cells they are, how a study lays over them."""

from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from ulmfit.config.manifest import manifest
from ulmfit.config.recipes import Classifier, LanguageModel, from_json, to_dict
from ulmfit.errors import UserError
from ulmfit.schedule.freezing import group_names
from ulmfit.schedule.freezing import stages as freezing_stages
from ulmfit.schedule.rates import peak_rates
from ulmfit.studies import load_plan, load_registry, load_study

CONFIG = Path(__file__).parents[2] / "config"
REGISTERED = yaml.safe_load((CONFIG / "experiments.yaml").read_text())
TABLES = ("pretraining", "lm-quality", "lm-finetuning", "classifier-finetuning")
BASE = {"study": "demo", "datasets": {"docstrings": {"corpus": "library-docs"}}}


def plan(experiments, **more):
    return load_plan(BASE | {"experiments": experiments} | more, CONFIG, "demo.yaml")


@pytest.fixture(scope="module")
def full():
    return load_study(CONFIG / "studies/docstrings-full.yaml")


@pytest.fixture(scope="module")
def cells():
    """Recipes of every cell of Tables 4 to 7 by variant, for the paper's preset."""
    made = plan(dict.fromkeys(TABLES))
    kinds = {"pretrain": LanguageModel, "finetune": LanguageModel, "classify": Classifier}
    return {
        run.variant: {
            stage: None
            if run.fields[stage] == "none"
            else from_json(kind, made.recipe(stage, run.fields))
            for stage, kind in kinds.items()
        }
        for run in made.runs()
    }


# ulmfit.md section 11: what is trained, classifier freezing, schedule, rate, decay, early stopping.
COOKBOOK = {
    "ulmfit": ("pf", "gradual", "stlr", 0.01, 2.6, False),
    "no-pretraining": ("f", "gradual", "stlr", 0.01, 2.6, True),
    "vanilla-lm": ("pf", "gradual", "stlr", 0.01, 2.6, True),
    "no-finetuning": ("p", "gradual", "stlr", 0.01, 2.6, True),
    "lm-full": ("pf", "gradual", "stlr", 0.01, 2.6, True),
    "lm-full-discr": ("pf", "gradual", "stlr", 0.01, 2.6, True),
    "from-scratch": ("", "none", "constant", 0.001, 1.0, True),
    "full": ("pf", "none", "constant", 0.001, 1.0, True),
    "full-discr": ("pf", "none", "constant", 0.01, 2.6, True),
    "last": ("pf", "last", "constant", 0.001, 1.0, True),
    "chain-thaw": ("pf", "chain-thaw", "constant", 0.01, 2.6, True),
    "freez": ("pf", "gradual", "constant", 0.001, 1.0, True),
    "freez-discr": ("pf", "gradual", "constant", 0.01, 2.6, True),
    "freez-stlr": ("pf", "gradual", "stlr", 0.001, 1.0, True),
    "freez-cos": ("pf", "gradual", "cosine", 0.001, 1.0, True),
}


def test_tables_4_to_7_are_fifteen_cells(cells):
    assert cells.keys() == COOKBOOK.keys()


@pytest.mark.parametrize("variant", COOKBOOK)
def test_each_cell_is_that_of_the_cookbook(cells, variant):
    recipes = cells[variant]
    classify = recipes["classify"]
    found = (
        "".join(stage[0] for stage in ("pretrain", "finetune") if recipes[stage]),
        classify.freezing.plan,
        classify.schedule.kind,
        classify.optimizer.lr,
        classify.optimizer.layer_decay,
        classify.early_stopping,
    )
    assert found == COOKBOOK[variant]


EXTRAS = ("full-stlr", "full-cos")
FULL = ("lm-finetuning", "classifier-finetuning", "unfreezing")


def test_rows_of_one_rate_choose_between_the_papers_and_the_studys_top_rate(full):
    """Or Tables 6 and 7 would compare the tuned rates of ULMFiT with untuned ones."""
    stages = full._stages["docstrings"]
    one_rate = {"lm-full", "from-scratch", *EXTRAS} | {
        name for name, row in COOKBOOK.items() if row[4] == 1.0
    }
    found = {}
    for name in FULL:
        assert [cell.variant for cell in full.cells(name) if not cell.among] == [
            row for row in REGISTERED[name]["cells"] if row not in one_rate
        ]
        for cell in full.cells(name):
            if cell.among:
                paper, own = (part.variant for part in cell.among)
                found[paper] = own
    assert found.keys() == one_rate
    for paper, own in found.items():
        stage, kind = (
            ("finetune", LanguageModel) if paper == "lm-full" else ("classify", Classifier)
        )
        recipes = [
            from_json(kind, stages.recipes[stage][stages.names[variant][stage]])
            for variant in (paper, own, "ulmfit")
        ]
        theirs, ours, ulmfit = (to_dict(recipe) for recipe in recipes)
        assert theirs["optimizer"].pop("lr") == 0.001
        assert ours["optimizer"].pop("lr") == ulmfit["optimizer"]["lr"]
        theirs["freezing"].pop("schedule"), ours["freezing"].pop("schedule")
        # The rate apart, they are the same.
        assert ours == theirs


def test_a_choice_stands_beside_the_papers_number_of_its_first_variant(make_plan, study):
    study["experiments"]["main"] |= {
        "published": ["table-7"],
        "cells": ["ulmfit", {"among": ["full", "from-scratch"]}],
    }
    made = manifest(make_plan(study))["experiments"][0]
    assert [cell["published"] for cell in made["cells"]] == [None, 6.87]


OF_2018 = ("scripts2018", "notebook2018")


@pytest.fixture(scope="module", params=["paper", *OF_2018, "modern"])
def by_preset(request):
    """(preset, recipes of LM and classifier of every cell of Tables 4 to 7 with it)."""
    made = plan(dict.fromkeys(TABLES), preset=request.param)
    kinds = {"finetune": LanguageModel, "classify": Classifier}
    return request.param, {
        run.variant: {
            stage: None
            if run.fields[stage] == "none"
            else from_json(kind, made.recipe(stage, run.fields))
            for stage, kind in kinds.items()
        }
        for run in made.runs()
    }


def peaks(recipe):
    return (recipe.optimizer.rates, recipe.optimizer.lr, recipe.optimizer.layer_decay)


ONE_RATE = (None, 0.001, 1.0)


@pytest.mark.parametrize("variant", COOKBOOK)
def test_each_classifier_is_that_of_the_cookbook_with_every_preset(by_preset, variant):
    """STLR and discriminative rates are what `ulmfit` has in their place with that preset."""
    preset, recipes = by_preset
    found, usual = recipes[variant]["classify"], recipes["ulmfit"]["classify"]
    _, unfreezing, kind, _, decay, stops = COOKBOOK[variant]
    assert found.freezing.plan == unfreezing
    assert found.early_stopping is (stops and preset not in OF_2018)
    if variant == "chain-thaw":
        assert found.optimizer.rates == (1e-4, 1e-4, 1e-4, 1e-4, 1e-3)
        step = found.freezing.schedule
        if preset in OF_2018:
            # The script: a circular curve for each group, its own schedule at the end (3.5).
            assert (step.kind, step.ratio, step.cut_div, step.scope) == ("clr", 8, 3, "stage")
            assert found.schedule == usual.schedule
        else:
            assert (step, found.schedule.kind) == (None, "constant")
        return
    assert found.schedule.kind == (usual.schedule.kind if kind == "stlr" else kind)
    assert peaks(found) == (ONE_RATE if decay == 1.0 else peaks(usual))
    if kind != "stlr":
        assert unfreezing != "gradual" or found.freezing.schedule is None


@pytest.mark.parametrize("variant", COOKBOOK)
def test_each_language_model_is_that_of_the_cookbook_with_every_preset(by_preset, variant):
    _, recipes = by_preset
    found, usual = recipes[variant]["finetune"], recipes["ulmfit"]["finetune"]
    if variant in ("no-finetuning", "from-scratch"):
        assert found is None
    elif variant == "vanilla-lm":
        assert found == replace(usual, dropouts=replace(usual.dropouts, multiplier=0.0))
    elif variant == "no-pretraining":
        # No epoch trains an embedding before random, frozen LSTMs.
        assert found == replace(usual, freezing=replace(usual.freezing, plan="none"))
    elif variant.startswith("lm-full"):
        assert (found.freezing.plan, found.schedule.kind) == ("none", "constant")
        if variant == "lm-full":
            assert peaks(found) == ONE_RATE
        else:
            assert len(set(peak_rates(found.optimizer, "0123"))) == 4
            assert found.optimizer.rates == usual.optimizer.rates
    else:
        assert found == usual


@pytest.mark.parametrize("preset", ["paper", *OF_2018, "modern"])
def test_every_registered_experiment_works_with_every_preset_but_where_rows_are_one_run(preset):
    for name in REGISTERED:
        # The language model of the notebook has neither AR nor TAR.
        if (preset, name) == ("notebook2018", "regularisation"):
            with pytest.raises(UserError, match="'No AR, no TAR' and 'ULMFiT' are the same run"):
                plan({name: None}, preset=preset)
        else:
            assert plan({name: None}, preset=preset).cells(name)


def test_chain_thaw_of_deepmoji_has_patience_and_a_fresh_adam_in_each_step(full):
    stages = full._stages["docstrings"]
    recipe = from_json(Classifier, stages.recipes["classify"]["chain-thaw-deepmoji"])
    assert (recipe.schedule.scope, recipe.patience, recipe.freezing.reload_best) == (
        *("stage", 5),
        True,
    )
    # Patience can end a step.
    assert [stage.epochs for stage in freezing_stages(group_names(recipe), recipe)] == [8] * 6


@pytest.mark.parametrize("stops", [True, False])
@pytest.mark.parametrize("preset", ["paper", *OF_2018, "modern"])
def test_a_study_decides_for_every_registered_variant_who_stops_early(preset, stops):
    recipes = {"classify": {"early_stopping": stops}}
    stages = plan({"main": None}, preset=preset, recipes=recipes)._stages["docstrings"]
    found = {
        from_json(Classifier, recipe).early_stopping
        for recipe in stages.recipes["classify"].values()
    }
    assert found == {stops}


@pytest.mark.parametrize("preset", ["paper", *OF_2018, "modern"])
def test_extras_have_the_early_stopping_of_ulmfit(preset):
    """Rows x3 to x8 of ulmfit.md section 11 stop as `ulmfit` does, x1 and x2 as the ablations."""
    stages = plan({"main": None}, preset=preset)._stages["docstrings"]
    recipes = stages.recipes["classify"]
    stopping = {
        name
        for name, names in stages.names.items()
        if from_json(Classifier, recipes[names["classify"]]).early_stopping
    }
    assert stages.names.keys() >= {"one-cycle", "unmasked-padding", "pooling-max"}
    compared = {"full-high-rate", "from-scratch-high-rate", "from-scratch-tuned"}
    compared |= {"full-stlr", "full-discr-stlr", "full-cos", "freez-discr-cos"}
    compared |= {"chain-thaw-deepmoji", *COOKBOOK} - {"ulmfit"}
    assert stopping == (set() if preset in OF_2018 else compared)


def test_language_models_differ_where_tables_5_and_6_say(cells):
    usual = cells["ulmfit"]["finetune"]
    assert (usual.schedule.kind, usual.optimizer.lr, usual.optimizer.layer_decay) == (
        *("stlr", 4e-3),
        2.6,
    )
    full, discr = cells["lm-full"]["finetune"], cells["lm-full-discr"]["finetune"]
    assert (full.schedule.kind, full.optimizer.lr, full.optimizer.layer_decay) == (
        *("constant", 1e-3),
        1.0,
    )
    assert (discr.schedule.kind, discr.optimizer) == ("constant", usual.optimizer)
    vanilla = cells["vanilla-lm"]
    assert vanilla["pretrain"].dropouts.multiplier == vanilla["finetune"].dropouts.multiplier == 0


def test_chain_thaw_has_the_rates_of_the_paper(cells):
    assert cells["chain-thaw"]["classify"].optimizer.rates == (1e-4, 1e-4, 1e-4, 1e-4, 1e-3)


def test_one_cycle_spreads_the_rates_of_the_slice(full):
    recipes = full._stages["docstrings"].recipes["classify"]
    optimizer = from_json(Classifier, recipes["one-cycle"]).optimizer
    assert optimizer.lr / optimizer.layer_decay**4 == pytest.approx(0.01 / 2.6**4, rel=1e-3)


def test_variants_without_unfreezing_differ_from_ulmfit_in_that_alone(full):
    stages = full._stages["docstrings"]
    recipes = {
        name: from_json(Classifier, stages.recipes["classify"][stages.names[name]["classify"]])
        for name in ("ulmfit", "full-discr-stlr", "masked-padding", "pooling-max", "no-ar-tar")
    }
    ulmfit, other = recipes["ulmfit"], recipes["full-discr-stlr"]
    assert (other.optimizer, other.schedule) == (ulmfit.optimizer, ulmfit.schedule)
    assert other.freezing.plan == "none"
    # Not the paper's ablations: they do not stop early.
    assert recipes["masked-padding"] == recipes["no-ar-tar"] == ulmfit
    assert not recipes["pooling-max"].early_stopping


def test_every_registered_experiment_is_in_the_full_studies(full):
    assert REGISTERED.keys() == full.study.experiments.keys()
    paper = load_study(CONFIG / "studies/paper.yaml")
    assert REGISTERED.keys() == paper.study.experiments.keys()


def test_the_full_study_is_the_built_in_one_with_more_experiments(full):
    built_in = load_study(CONFIG / "config.yaml").study
    for key in ("preset", "datasets", "split_seed", "seeds", "recipes"):
        assert getattr(full.study, key) == getattr(built_in, key), key


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


def test_published_tables_have_all_rows_of_their_experiments():
    published = load_registry(CONFIG).published
    for name in TABLES:
        (table,) = REGISTERED[name]["published"]
        assert published[table].keys() == {"imdb", "trec6", "ag-news"}
        for rows in published[table].values():
            assert rows.keys() == set(REGISTERED[name]["cells"])
    ulmfit = {
        table: {dataset: rows["ulmfit"] for dataset, rows in published[table].items()}
        for table in ("table-4", "table-5", "table-6", "table-7")
    }
    assert all(row == {"imdb": 5.0, "trec6": 5.69, "ag-news": 5.38} for row in ulmfit.values())
    tested = {**published["table-2"], **published["table-3"]}
    assert {dataset: min(rows.values()) for dataset, rows in tested.items()} == {
        dataset: rows["ulmfit, fwd+bwd"] for dataset, rows in tested.items()
    }


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
    with pytest.raises(UserError, match=r"experiments.low-shots: .* no experiment of this name"):
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


def test_the_manifest_tells_what_is_published_quoted_and_read(make_plan, study, variants):
    variants["reader"] = {"finetune_text": "with-test"}
    study["experiments"]["main"] |= {
        "published": ["table-7"],
        "cells": ["ulmfit", "full", {"variant": "full", "direction": "bwd"}, "reader"],
    }
    made = manifest(make_plan(study, variants))["experiments"][0]
    numbers = [(cell["variant"], cell["published"]) for cell in made["cells"]]
    assert numbers == [("ulmfit", None), ("full", 6.87), ("full", None), ("reader", None)]
    assert made["quoted"] == [{"dataset": "reviews", "title": "CoVe", "error": 8.2}]
    assert [cell["reads_test_text"] for cell in made["cells"]] == [False, False, False, True]


def test_an_unknown_published_table_is_refused(make_plan, study):
    study["experiments"]["main"]["published"] = ["table-77"]
    with pytest.raises(UserError, match="unknown table 'table-77'; did you mean 'table-7'"):
        manifest(make_plan(study))
