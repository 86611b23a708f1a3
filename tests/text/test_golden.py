"""Tokens written by hand from ulmfit.md 1.3 to 1.5, for each rule set and both directions."""

import json
from pathlib import Path

import numpy as np
import pytest

from ulmfit.store.tokens import TokenStore
from ulmfit.text.rule_sets import RULE_SETS
from ulmfit.text.words import WordTokenizer

GOLDEN = json.loads((Path(__file__).parent / "golden/tokens.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("rules", RULE_SETS)
@pytest.mark.parametrize("case", GOLDEN, ids=lambda case: case["about"])
def test_documents_become_the_tokens_of_the_golden_file(case, rules):
    tokens = WordTokenizer(rules).tokenise(tuple(case["fields"]))
    assert tokens == case[rules].split(" ")


@pytest.mark.parametrize(
    ("rules", "backward"),
    [
        ("fastai-0.7", "3 xfld . body the 2 xfld title a 1 xfld xbos \\n"),
        ("fastai-v1", "3 xxfld . body the xxmaj 2 xxfld title xxmaj a 1 xxfld xxbos"),
        ("fastai-v2", "3 xxfld . body the xxmaj 2 xxfld title xxmaj a 1 xxfld xxbos"),
    ],
)
def test_backward_every_mark_follows_what_it_marks(rules, backward):
    encoding = WordTokenizer(rules)([("A Title", "The body.", ""), ("x",)])
    store = TokenStore(
        ids=encoding.ids,
        offsets=np.concatenate(([0], np.cumsum(encoding.lengths))),
        document=np.array(["a", "b"]),
        fold=np.array(["fit", "fit"]),
        label=np.array([-1, -1], np.int16),
        rank=np.array([0, 1], np.int32),
        vocabulary=encoding.types,
        classes=(),
    )
    assert [store.vocabulary[i] for i in store.read(0, "bwd")] == backward.split(" ")
