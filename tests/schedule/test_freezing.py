"""Plans of freezing: which groups train when, and at which rates."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ulmfit.config.recipes import (
    Architecture,
    Classifier,
    Dropouts,
    Freezing,
    LanguageModel,
    Optimizer,
    Schedule,
)
from ulmfit.errors import UserError
from ulmfit.model.classifier import PoolingClassifier
from ulmfit.model.groups import classifier_groups, language_model_groups
from ulmfit.model.language_model import LanguageModel as Encoder
from ulmfit.schedule.freezing import PLANS, group_names, stages, stretch

GROUPS = ("embedding", "lstm0", "lstm1", "lstm2", "head")


LM_GROUPS = (*GROUPS[1:-1], "decoder")


def outline(plan):
    return [(stage.name, stage.trainable, stage.epochs) for stage in plan]


def test_gradual_unfreezing_adds_one_group_a_stage_from_the_head_down():
    plan = stages(GROUPS, Classifier(epochs=15, freezing=Freezing(epochs=2)))
    assert outline(plan) == [
        ("head", GROUPS[4:], 2),
        ("+lstm2", GROUPS[3:], 2),
        ("+lstm1", GROUPS[2:], 2),
        ("+lstm0", GROUPS[1:], 2),
        ("all", GROUPS, 7),
    ]


def test_gradual_unfreezing_to_the_depth_of_the_released_scripts():
    plan = stages(GROUPS, Classifier(epochs=52, freezing=Freezing(depth=2)))
    assert outline(plan) == [
        ("head", GROUPS[4:], 1),
        ("+lstm2", GROUPS[3:], 1),
        ("all", GROUPS, 50),
    ]


def test_a_language_model_of_depth_one_trains_the_tied_embedding_first():
    plan = stages(LM_GROUPS, LanguageModel(epochs=15, freezing=Freezing(depth=1)))
    assert outline(plan) == [("decoder", ("decoder",), 1), ("all", LM_GROUPS, 14)]


def test_a_depth_beyond_the_groups_is_refused():
    with pytest.raises(UserError, match=r"depth: 5 stages .* 5 layer groups .* at most 4"):
        stages(GROUPS, Classifier(freezing=Freezing(depth=5)))


def test_no_freezing_is_one_stage_with_all_groups():
    recipe = Classifier(epochs=3, freezing=Freezing(plan="none"))
    assert outline(stages(GROUPS, recipe)) == [("all", GROUPS, 3)]


def test_last_trains_the_head_alone_to_the_end():
    recipe = Classifier(epochs=3, freezing=Freezing(plan="last"))
    assert outline(stages(GROUPS, recipe)) == [("head", ("head",), 3)]


RATES = (1e-4, 1e-4, 1e-4, 1e-4, 1e-3)
"""Of both chain-thaws in ulmfit.md 3.5: 0.001 for the last layer, 0.0001 for the others."""
ONE_BY_ONE = [("head",), ("embedding",), ("lstm0",), ("lstm1",), ("lstm2",), GROUPS]


def rates_of_the_trained(plan):
    return [
        [rate for name, rate in zip(GROUPS, stage.rates, strict=True) if name in stage.trainable]
        for stage in plan
    ]


def test_chain_thaw_of_deepmoji_ends_with_one_rate_for_all():
    recipe = Classifier(
        epochs=6000,
        optimizer=Optimizer(rates=RATES),
        schedule=Schedule(kind="constant"),
        freezing=Freezing(plan="chain-thaw", epochs=1000, final_rates=(1e-4,) * 5),
    )
    plan = stages(GROUPS, recipe)
    assert [stage.trainable for stage in plan] == ONE_BY_ONE
    assert [stage.epochs for stage in plan] == [1000] * 6
    assert rates_of_the_trained(plan) == [[1e-3], [1e-4], [1e-4], [1e-4], [1e-4], [1e-4] * 5]
    assert {stage.schedule.kind for stage in plan} == {"constant"}


def test_chain_thaw_of_the_released_script_keeps_the_rate_of_the_head():
    steps, final = Schedule("clr", ratio=8, cut_div=3), Schedule("clr", ratio=8, cut_div=8)
    recipe = Classifier(
        epochs=55,
        optimizer=Optimizer(rates=RATES),
        schedule=final,
        freezing=Freezing(plan="chain-thaw", schedule=steps),
    )
    plan = stages(GROUPS, recipe)
    assert [stage.trainable for stage in plan] == ONE_BY_ONE
    assert [stage.epochs for stage in plan] == [1, 1, 1, 1, 1, 50]
    assert rates_of_the_trained(plan) == [[1e-3], [1e-4], [1e-4], [1e-4], [1e-4], list(RATES)]
    assert [stage.schedule for stage in plan] == [steps] * 5 + [final]


def test_a_factor_scales_the_rates_of_all_stages_but_the_last():
    recipe = Classifier(optimizer=Optimizer(lr=0.01, layer_decay=1), freezing=Freezing(lr_factor=2))
    *first, final = stages(GROUPS, recipe)
    assert {rate for stage in first for rate in stage.rates} == {0.02}
    assert set(final.rates) == {0.01}


def test_every_plan_trains_the_recipes_epochs_and_only_last_leaves_groups_out():
    for name in PLANS:
        freezing = Freezing(plan=name, epochs=2)
        plan = stages(GROUPS, Classifier(epochs=11, freezing=freezing))
        assert sum(stage.epochs for stage in plan) == 11
        assert plan[-1].trainable == (("head",) if name == "last" else GROUPS)


@pytest.mark.parametrize(
    ("plan", "epochs", "message"),
    [("gradual", 8, "takes 4 x 2 of 8 epochs"), ("chain-thaw", 10, "takes 5 x 2 of 10 epochs")],
)
def test_stages_that_leave_no_epoch_for_the_last_are_refused(plan, epochs, message):
    with pytest.raises(UserError, match=message):
        stages(GROUPS, Classifier(epochs=epochs, freezing=Freezing(plan=plan, epochs=2)))


def test_rates_that_do_not_fit_the_groups_are_refused():
    with pytest.raises(UserError, match=r"optimizer\.rates: 4 rates for 5 layer groups"):
        stages(GROUPS, Classifier(optimizer=Optimizer(rates=(0.1,) * 4)))
    with pytest.raises(UserError, match=r"freezing\.final_rates: 1 rates for 4 layer groups"):
        stages(LM_GROUPS, LanguageModel(freezing=Freezing(plan="none", final_rates=(0.1,))))


@pytest.mark.parametrize("place", ["schedule", "freezing"])
def test_stages_with_a_schedule_of_their_own_fit_into_no_curve_over_the_run(place):
    run, stage = Schedule(scope="run"), Schedule()
    recipe = Classifier(
        schedule=run if place == "schedule" else stage,
        freezing=Freezing(schedule=stage if place == "schedule" else run),
    )
    with pytest.raises(UserError, match=r"freezing\.schedule: .* need scope stage"):
        stages(GROUPS, recipe)


@pytest.mark.parametrize("recipe", [Classifier, LanguageModel])
def test_restored_weights_may_not_meet_the_moments_of_others(recipe):
    groups = GROUPS if recipe is Classifier else LM_GROUPS
    freezing = Freezing(plan="chain-thaw", reload_best=True)
    run = recipe(schedule=Schedule(scope="run"), freezing=freezing)
    with pytest.raises(UserError, match=r"freezing\.reload_best: .* set schedule\.scope to stage"):
        stages(groups, run)
    assert len(stages(groups, replace(run, schedule=Schedule()))) > 1
    assert len(stages(groups, replace(run, freezing=replace(freezing, plan="none")))) == 1
    assert len(stages(groups, replace(run, freezing=replace(freezing, reload_best=False)))) > 1


def test_group_names_are_those_of_the_models():
    sizes = Architecture(embedding=4, hidden=6, layers=3)
    lm = LanguageModel(architecture=sizes)
    assert group_names(lm) == tuple(language_model_groups(Encoder(11, sizes, Dropouts())))
    classifier = Classifier(architecture=sizes)
    model = PoolingClassifier(11, 2, classifier)
    assert group_names(classifier) == tuple(classifier_groups(model))


@settings(deadline=None)
@given(st.integers(1, 100), st.integers(1, 50), st.integers(1, 5000))
def test_stretched_epochs_reach_the_fewest_updates_by_the_smallest_factor(epochs, updates, least):
    factor = stretch(epochs, updates, least)
    assert factor * epochs * updates >= least
    assert factor == 1 or (factor - 1) * epochs * updates < least
