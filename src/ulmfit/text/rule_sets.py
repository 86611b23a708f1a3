"""The text rules by name, as the key `rules` of a tokenizer has it."""

from __future__ import annotations

from collections.abc import Sequence

from ulmfit.errors import UserError
from ulmfit.text import fastai_07, fastai_v1, fastai_v2
from ulmfit.text.rules import RuleSet

RULE_SETS = {
    "fastai-0.7": fastai_07.RULES,
    "fastai-v1": fastai_v1.RULES,
    "fastai-v2": fastai_v2.RULES,
}


def rule_set(name: str) -> RuleSet:
    """The rule set of that name; raises UserError if there is none."""
    if name not in RULE_SETS:
        raise UserError(f"no text rules named {name!r}: choose one of {', '.join(RULE_SETS)}")
    return RULE_SETS[name]


def apply_rules(fields: Sequence[str], rules: RuleSet) -> str:
    """The text that goes to the tokenizer, from the text fields of one document."""
    text = rules.join(fields)
    for rule in rules.before:
        text = rule(text)
    return text
