"""Unfreezing plans."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ulmfit.config.recipes import Classifier
from ulmfit.errors import UserError
from ulmfit.schedule.freezing import PLANS, stretch

GROUPS = ("embedding", "lstm0", "lstm1", "lstm2", "head")


def test_gradual_unfreezing_adds_one_group_a_stage_from_the_head_down():
    plan = PLANS["gradual"](GROUPS, Classifier(epochs=15, unfreeze_epochs=2))
    assert [(stage.name, stage.trainable, stage.epochs) for stage in plan] == [
        ("head", GROUPS[4:], 2),
        ("+lstm2", GROUPS[3:], 2),
        ("+lstm1", GROUPS[2:], 2),
        ("+lstm0", GROUPS[1:], 2),
        ("all", GROUPS, 7),
    ]


def test_no_freezing_is_one_stage_with_all_groups():
    (stage,) = PLANS["none"](GROUPS, Classifier(epochs=3))
    assert (stage.trainable, stage.epochs) == (GROUPS, 3)


def test_every_plan_ends_with_all_groups():
    for plan in PLANS.values():
        assert plan(GROUPS, Classifier())[-1].trainable == GROUPS


def test_every_plan_has_the_same_number_of_epochs():
    recipe = Classifier(epochs=11, unfreeze_epochs=2)
    assert {sum(stage.epochs for stage in plan(GROUPS, recipe)) for plan in PLANS.values()} == {11}


def test_unfreezing_that_leaves_no_epoch_for_all_groups_is_refused():
    with pytest.raises(UserError, match="takes 4 x 2 of 8 epochs"):
        PLANS["gradual"](GROUPS, Classifier(epochs=8, unfreeze_epochs=2))


@settings(deadline=None)
@given(st.integers(1, 100), st.integers(1, 50), st.integers(1, 5000))
def test_stretched_epochs_reach_the_fewest_updates_by_the_smallest_factor(epochs, updates, least):
    factor = stretch(epochs, updates, least)
    assert factor * epochs * updates >= least
    assert factor == 1 or (factor - 1) * epochs * updates < least
