"""Unfreezing plans."""

from hypothesis import given, settings
from hypothesis import strategies as st

from ulmfit.config.recipes import Classifier
from ulmfit.schedule.freezing import PLANS, epochs_for

GROUPS = ("embedding", "lstm0", "lstm1", "lstm2", "head")


def test_gradual_unfreezing_adds_one_group_a_stage_from_the_head_down():
    plan = PLANS["gradual"](GROUPS, Classifier(epochs=7, unfreeze_epochs=2))
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


@settings(deadline=None)
@given(st.integers(1, 100), st.integers(1, 50), st.integers(1, 5000))
def test_added_epochs_reach_the_fewest_updates_and_not_one_epoch_more(epochs, updates, least):
    total = epochs_for(epochs, updates, least)
    assert total >= epochs
    assert total * updates >= least
    assert total == epochs or (total - 1) * updates < least
