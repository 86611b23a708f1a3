"""Embedding rows and decoder bias moved to another vocabulary, against fastai's function."""

import random

import pytest
import torch
from fastai.text.learner import match_embeds
from fastai_twins import assert_same

from ulmfit.model.vocabulary_transfer import transfer


def vocabularies():
    """Special words, known and unknown words in other places, and a padded tail of equal ones."""
    special = ["xxunk", "xxpad", "xxbos"]
    old = [f"word{k}" for k in range(50)]
    new = [f"word{k}" for k in range(20, 75)]
    random.Random(0).shuffle(new)
    return [*special, *old, "xxfake", "xxfake"], [*special, *new, "Word3", "xxfake"]


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("biased", [False, True])
def test_rows_and_bias_are_those_of_fastai(dtype, biased):
    old, new = vocabularies()
    torch.manual_seed(0)
    matrix = torch.randn(len(old), 6, dtype=dtype)
    bias = torch.randn(len(old), dtype=dtype)
    weights = {"0.encoder.weight": matrix.clone(), "1.decoder.weight": matrix.clone()}
    if biased:
        weights["1.decoder.bias"] = bias.clone()
    theirs = match_embeds(weights, old, new)
    rows, known = transfer(matrix, old, new)
    assert known == sum(word in old for word in new) == 34
    assert_same(rows, theirs["0.encoder.weight"], "embedding")
    assert_same(rows, theirs["1.decoder.weight"], "decoder")
    found = torch.tensor([word in old for word in new])
    assert torch.equal(rows[found], theirs["0.encoder.weight"][found])
    if biased:
        moved, _ = transfer(bias, old, new)
        assert_same(moved, theirs["1.decoder.bias"], "bias")
        assert torch.equal(moved[found], theirs["1.decoder.bias"][found])
