"""Our classifier against fastai's with the same weights (ulmfit.md 2.7, 3.6, 3.7).

Where fastai reads a batch as it means to, logits, gradients and running statistics agree. Its chunk
grid starts at each document's first token, as ours does: it pads whole chunks in front and the rest
at the end. That has three consequences which fastai does not mean, unless the longest document
fills its last chunk or has no more than one. The second half of this file names them: fastai's
prediction then depends on the other documents of the batch (fastai 3379 reports the first of the
three), ours never does.
"""

import dataclasses
import random

import pytest
import torch
import torch.nn.functional as F
from fastai.text.models.awdlstm import awd_lstm_clas_split
from fastai.text.models.core import masked_concat_pool
from fastai_twins import (
    BPTT,
    MAX_LEN,
    REALISTIC,
    assert_same,
    assert_same_gradients,
    batch,
    classifiers,
    parameters,
    recipe,
    train_without_weight_drop,
    weights_from,
)
from torch import nn

from ulmfit.config.recipes import CLASSIFIER_DROPOUTS
from ulmfit.model.classifier import PoolingClassifier
from ulmfit.model.groups import classifier_groups

RULES = [pytest.param("strict", 1, id="strict"), pytest.param("inclusive", 0, id="inclusive")]
"""Rules that pool what fastai pools, with what max_seq has over max_len.

``strict`` keeps a chunk that starts less than max_seq before the end of the text, fastai and
``inclusive`` one that starts at most max_len before it.
"""
EVERY_RULE = pytest.mark.parametrize(("rule", "surplus"), RULES)


def under(rule, surplus):
    """A small classifier of ours under a rule, and fastai's."""
    return classifiers(recipe(chunk_rule=rule, max_seq=MAX_LEN + surplus))


def pooled(theirs, padded):
    outputs, mask = theirs[0](padded)
    return masked_concat_pool(outputs, mask, BPTT)


@torch.no_grad()
@EVERY_RULE
def test_logits_of_single_documents_agree_at_every_length(rule, surplus):
    ours, theirs = under(rule, surplus)
    for length in range(1, 3 * MAX_LEN):
        ids, lengths, padded = batch([length], seed=length)
        assert_same(ours(ids, lengths), theirs(padded)[0], f"logits of {length} tokens")


@torch.no_grad()
@EVERY_RULE
@pytest.mark.parametrize(
    ("length", "kept"), [(1439, 1439), (1440, 1440), (1441, 1369), (1512, 1440), (2000, 1424)]
)
def test_what_is_pooled_agrees_at_fastais_own_chunk_and_max_len(length, kept, rule, surplus):
    ours, theirs = classifiers(recipe(bptt=72, chunk_rule=rule, max_seq=1440 + surplus), 1440)
    ids, lengths, padded = batch([length], bptt=72)
    outputs, mask = theirs[0](padded)
    assert outputs.shape[1] == kept
    other = masked_concat_pool(outputs, mask, 72)
    assert_same(ours.pool(ids, lengths).features, other, "features")


RAGGED = [
    pytest.param([5, 4, 4, 2, 1], id="one chunk"),
    pytest.param([4, 4, 3, 1], id="less than a chunk"),
    pytest.param([20, 19, 16, 15, 11, 6, 5, 4, 1], id="several chunks"),
    pytest.param([60, 59, 41, 40, 39, 26, 25, 24, 21, 20, 19, 3, 1], id="longer than max_len"),
    pytest.param([23] * 6, id="no padding"),
]


@torch.no_grad()
@EVERY_RULE
@pytest.mark.parametrize("lengths", RAGGED)
def test_logits_of_ragged_batches_agree(lengths, rule, surplus):
    ours, theirs = under(rule, surplus)
    ids, lengths, padded = batch(lengths)
    assert_same(ours(ids, lengths), theirs(padded)[0], "logits")


@EVERY_RULE
@pytest.mark.parametrize("lengths", RAGGED)
def test_gradients_and_batch_norm_of_a_training_step_agree(lengths, rule, surplus):
    ours, theirs = under(rule, surplus)
    ids, lengths, padded = batch(lengths)
    labels = torch.arange(len(lengths)) % 3
    ours.train()
    train_without_weight_drop(theirs)
    loss, _, _ = ours.loss(ids, lengths, labels, 0.0, 0.0)
    loss.backward()
    reference = F.cross_entropy(theirs(padded)[0], labels)
    reference.backward()
    assert_same(loss.detach(), reference.detach(), "loss")
    assert_same_gradients(ours, theirs)
    state = ours.state_dict()
    for name, tensor in weights_from(theirs, ours).items():
        assert_same(state[name].double(), tensor.double(), name)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_logits_and_gradients_of_a_realistic_batch_agree(dtype):
    """In fp32 too, where our LSTM may run in another kernel; batch norm takes running statistics,
    because those of a batch of like documents magnify rounding.
    """
    vocabulary, sizes = REALISTIC
    longer = recipe(architecture=sizes, bptt=72, max_seq=216)
    ours, theirs = classifiers(longer, 216, vocabulary, 4, dtype)
    ids, lengths, padded = batch(
        [288, 287, 217, 216, 215, 73, 72, 20], vocabulary=vocabulary, bptt=72
    )
    labels = torch.arange(len(lengths)) % 4
    loss, _, logits = ours.loss(ids, lengths, labels, 0.0, 0.0)
    reference = theirs(padded)[0]
    assert_same(logits, reference.detach(), "logits")
    loss.backward()
    F.cross_entropy(reference, labels).backward()
    assert_same_gradients(ours, theirs)


def test_the_head_has_fastais_layers_rates_and_order_but_for_its_missing_biases():
    rates = dataclasses.replace(CLASSIFIER_DROPOUTS, multiplier=0.5)
    ours, theirs = classifiers(recipe(dropouts=rates, head_dropouts=(0.4, 0.1)))
    layers = [layer for layer in theirs[1].modules() if not list(layer.children())]
    assert [type(layer) for layer in layers] == [type(layer) for layer in ours.head]
    for mine, other in zip(ours.head, layers, strict=True):
        if isinstance(mine, nn.Dropout):
            assert mine.p == other.p
        elif isinstance(mine, nn.BatchNorm1d):
            assert (mine.eps, mine.momentum) == (other.eps, other.momentum)
        elif isinstance(mine, nn.Linear):
            assert mine.bias is not None
            assert other.bias is None
    features = torch.randn(8, 18, dtype=torch.float64)
    ours.train()
    theirs.train()
    torch.manual_seed(3)
    mine = ours.head(features)
    torch.manual_seed(3)
    assert_same(mine, theirs[1].layers(features), "logits under the same dropout")


def test_layer_groups_are_those_of_fastai():
    ours, theirs = classifiers(recipe())
    twin = {id(other): id(mine) for _, mine, other in parameters(ours, theirs)}
    groups = [{twin[id(p)] for p in group} for group in awd_lstm_clas_split(theirs)]
    bias = {id(p) for name, p in ours.head.named_parameters() if name in ("2.bias", "6.bias")}
    assert [{id(p) for p in group} - bias for group in classifier_groups(ours).values()] == groups


def test_weights_come_back_from_fastai_bit_by_bit():
    ours, theirs = classifiers(recipe())
    other = PoolingClassifier(37, 3, recipe()).double()
    other.load_state_dict(weights_from(theirs, other))
    for name, tensor in ours.state_dict().items():
        assert torch.equal(other.state_dict()[name], tensor), name


# Differences, by name.


@torch.no_grad()
def test_with_max_seq_of_fastais_max_len_the_strict_rule_drops_one_chunk_more_at_its_multiples():
    """v2 keeps 1440 of 1440 tokens, the released rule 1368 (ulmfit.md 3.7 and 10, check 5)."""
    ours, theirs = classifiers(recipe(chunk_rule="strict"))
    other = []
    for length in range(1, 3 * MAX_LEN):
        ids, lengths, padded = batch([length], seed=length)
        if not torch.allclose(ours(ids, lengths), theirs(padded)[0], rtol=0, atol=1e-9):
            other.append(length)
    assert other == [n for n in range(MAX_LEN, 3 * MAX_LEN) if n % BPTT == 0]


def misread(lengths):
    """Places, longest first, of the documents that fastai reads otherwise in this batch."""
    longest, rest = max(lengths), max(lengths) % BPTT
    if rest == 0 or longest < BPTT:
        return []
    # The last, shorter chunk of the grid: these documents have text in it, the others ended before.
    reach = [(length - 1) % BPTT < rest for length in lengths]
    wrong = []
    for place, length in enumerate(lengths):
        chunks = -(-length // BPTT)
        lost = reach[place] and place >= sum(reach)
        wrong_last = reach[place] and chunks == 1
        one_chunk_less = not reach[place] and (chunks + 1) * BPTT > MAX_LEN
        if lost or wrong_last or one_chunk_less:
            wrong.append(place)
    return wrong


@torch.no_grad()
@pytest.mark.parametrize("longest", [7, 18, 33, 52])
def test_fastai_differs_for_exactly_these_documents_of_a_batch(longest):
    ours, theirs = classifiers(recipe())
    rng = random.Random(longest)
    found = 0
    for seed in range(12):
        lengths = sorted([longest, *(rng.randint(1, longest) for _ in range(7))], reverse=True)
        ids, sizes, padded = batch(lengths, seed)
        difference = (ours(ids, sizes) - theirs(padded)[0]).abs().amax(1)
        assert (difference > 1e-9).nonzero().flatten().tolist() == misread(lengths), lengths
        found += len(misread(lengths))
    assert found > 12


@torch.no_grad()
def test_difference_one_fastai_does_not_read_the_end_of_a_document_behind_one_that_ended():
    """It takes the first rows of the batch for those that still have text."""
    ours, theirs = classifiers(recipe())
    # The grid ends with a chunk of 2: the texts of 12 and 7 reach into it, that of 9 does not.
    ids, lengths, padded = batch([12, 9, 7])
    changed = padded.clone()
    changed[2, -1] = (changed[2, -1] - 1) % 35 + 2
    assert (padded[2] != changed[2]).sum() == 1
    assert torch.equal(theirs(padded)[0], theirs(changed)[0])
    before = ours(ids, lengths)
    ids[6, 2] = changed[2, -1]
    after = ours(ids, lengths)
    assert torch.equal(before[:2], after[:2])
    assert not torch.equal(before[2], after[2])


@torch.no_grad()
def test_difference_two_fastai_takes_another_output_for_the_last_of_a_short_document():
    """It looks for the end of a text in the last ``bptt`` places, where this one has padding in
    front: its "last output" is one of that padding, 0. Maximum and mean are right.
    """
    ours, theirs = classifiers(recipe())
    ids, lengths, padded = batch([12, 2])
    mine, other = ours.pool(ids, lengths).features, pooled(theirs, padded)
    assert_same(mine[0], other[0], "features of the long document")
    assert_same(mine[1, 6:], other[1, 6:], "maximum and mean of the short document")
    assert (other[1, :6] == 0).all()
    assert (mine[1, :6] != 0).all()


@torch.no_grad()
def test_difference_three_fastai_counts_padding_at_the_end_as_text_that_max_len_keeps():
    """A chunk starting 20 tokens before the end of a text is kept, but not with padding behind."""
    ours, theirs = classifiers(recipe())
    fewer, _ = classifiers(recipe(max_seq=MAX_LEN - BPTT))
    # 33 ends in a chunk of 3, so 25 (5 chunks) has 3 places of padding behind, and 24 has 4.
    ids, lengths, padded = batch([33, 25, 24])
    other = pooled(theirs, padded)
    assert_same(ours.pool(ids, lengths).features[0], other[0], "features of the longest")
    assert_same(fewer.pool(ids, lengths).features[1:], other[1:], "features of the others")
    ids, lengths, padded = batch([25])
    assert_same(ours.pool(ids, lengths).features, pooled(theirs, padded), "features alone")
