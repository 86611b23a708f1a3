"""Cells of Tables 4 to 7 and rows beside them, as resolved: ulmfit.md section 11."""

from dataclasses import replace

import pytest
from test_experiments import REGISTERED, TABLES, plan

from ulmfit.config.recipes import Classifier, LanguageModel, from_json, to_dict
from ulmfit.errors import UserError
from ulmfit.schedule.freezing import group_names
from ulmfit.schedule.freezing import stages as freezing_stages
from ulmfit.schedule.rates import peak_rates


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
