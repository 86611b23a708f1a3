"""Recipes in the report: every setting has its meaning beside it."""

from __future__ import annotations

import pytest

from ulmfit.config.recipes import Classifier, Freezing, LanguageModel, Schedule, to_dict
from ulmfit.report.recipes import _meanings, flatten

OWN = Freezing(schedule=Schedule(kind="clr"), final_rates=(1e-4, 1e-3))


@pytest.mark.parametrize("freezing", [Freezing(), OWN])
@pytest.mark.parametrize(
    ("stage", "kind"),
    [("pretrain", LanguageModel), ("finetune", LanguageModel), ("classify", Classifier)],
)
def test_every_key_of_a_recipe_has_a_meaning(
    stage: str, kind: type[LanguageModel | Classifier], freezing: Freezing
) -> None:
    meanings = _meanings(stage)
    assert all(meanings[name] for name in flatten(to_dict(kind(freezing=freezing))))


def test_a_schedule_of_the_stages_is_shown_key_by_key_and_a_list_of_rates_as_one() -> None:
    rows = flatten(to_dict(Classifier(freezing=OWN)))
    assert rows["freezing.schedule.kind"] == "clr"
    assert rows["freezing.final_rates"] == "[0.0001,0.001]"
    assert flatten(to_dict(Classifier()))["freezing.schedule"] == "null"
