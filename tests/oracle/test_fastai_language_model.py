"""Our language model against fastai's with the same weights."""

import dataclasses

import pytest
import torch
import torch.nn.functional as F
from fastai.text.models.awdlstm import awd_lstm_lm_split
from fastai_twins import (
    NONE,
    PADDING,
    REALISTIC,
    SMALL,
    TOLERANCE,
    assert_same,
    assert_same_gradients,
    language_models,
    parameters,
    train_without_weight_drop,
    weights_from,
    words,
)

from ulmfit.model.groups import language_model_groups
from ulmfit.model.language_model import LanguageModel

BOTH_SIZES = pytest.mark.parametrize(("vocabulary", "sizes"), [SMALL, REALISTIC])
BOTH_TYPES = pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
WITH_BIAS = pytest.mark.parametrize("bias", [False, True])
LENGTHS = (7, 7, 1, 5)
"""Time steps of consecutive windows over the same streams."""


def windows(vocabulary, sequences=5):
    """(ids, targets) of consecutive windows, each (time, sequences)."""
    text = words(vocabulary, sum(LENGTHS) + 1, sequences)
    start = 0
    for steps in LENGTHS:
        yield text[start : start + steps], text[start + 1 : start + steps + 1]
        start += steps


def outputs_of(layers, seen):
    """Have each layer append its outputs to ``seen``."""
    for layer in layers:
        layer.register_forward_hook(lambda _layer, _inputs, output: seen.append(output[0]))


@torch.no_grad()
@BOTH_TYPES
@BOTH_SIZES
@WITH_BIAS
def test_all_layers_states_logits_and_loss_agree_over_consecutive_windows(
    vocabulary, sizes, bias, dtype
):
    sizes = dataclasses.replace(sizes, decoder_bias=bias)
    ours, theirs = language_models(vocabulary, sizes, dtype=dtype)
    mine, other = [], []
    outputs_of(ours.encoder.lstms, mine)
    outputs_of(theirs[0].rnns, other)
    state = ours.encoder.initial_state(5)
    for ids, targets in windows(vocabulary):
        mine.clear()
        other.clear()
        hidden, _, after = ours.encoder(ids, state, ours.encoder.draw_masks(5))
        decoded, _, _ = theirs(ids.T)
        for k in range(sizes.layers):
            assert_same(mine[k], other[k].transpose(0, 1), f"outputs of layer {k}")
            for part in (0, 1):
                assert_same(after[k][part], theirs[0].hidden[k][part][0], f"state of layer {k}")
        logits = F.linear(hidden, ours.encoder.embedding, ours.decoder_bias)
        assert_same(logits.transpose(0, 1), decoded, "logits")
        loss, right, _ = ours.evaluate(ids, targets, state)
        total = F.cross_entropy(
            decoded.flatten(0, 1).double(), targets.T.flatten(), reduction="sum"
        )
        assert loss.item() == pytest.approx(total.item(), rel=TOLERANCE[dtype])
        assert right.item() == (decoded.argmax(2) == targets.T).sum().item()
        state = after


@BOTH_TYPES
@BOTH_SIZES
@WITH_BIAS
def test_training_loss_and_gradient_of_every_parameter_agree(vocabulary, sizes, bias, dtype):
    sizes = dataclasses.replace(sizes, decoder_bias=bias)
    ours, theirs = language_models(vocabulary, sizes, dtype=dtype)
    ours.train()
    train_without_weight_drop(theirs)
    state = ours.encoder.initial_state(5)
    for ids, targets in windows(vocabulary):
        loss, _, state = ours.loss(ids, targets, state, 0.0, 0.0)
        loss.backward()
        reference = F.cross_entropy(theirs(ids.T)[0].flatten(0, 1), targets.T.flatten())
        reference.backward()
        assert_same(loss.detach(), reference.detach(), "loss")
    assert_same_gradients(ours, theirs)


def test_fastai_alone_keeps_gradient_from_the_padding_row():
    ours, theirs = language_models(*SMALL)
    ids, targets = words(37, 6, 4), words(37, 6, 4, seed=1)
    ids[2, 1] = PADDING
    ours.loss(ids, targets, ours.encoder.initial_state(4), 0.0, 0.0)[0].backward()
    F.cross_entropy(theirs(ids.T)[0].flatten(0, 1), targets.T.flatten()).backward()
    difference = (ours.encoder.embedding.grad - theirs[0].encoder.weight.grad).norm(dim=1)
    assert (difference > 1e-9).nonzero().flatten().tolist() == [PADDING]


@WITH_BIAS
def test_weights_come_back_from_fastai_bit_by_bit(bias):
    sizes = dataclasses.replace(SMALL[1], decoder_bias=bias)
    ours, theirs = language_models(37, sizes)
    other = LanguageModel(37, sizes, NONE).double()
    other.load_state_dict(weights_from(theirs, other))
    for name, tensor in ours.state_dict().items():
        assert torch.equal(other.state_dict()[name], tensor), name


def test_layer_groups_are_those_of_fastai():
    ours, theirs = language_models(37, dataclasses.replace(SMALL[1], decoder_bias=True))
    twin = {id(other): mine for _, mine, other in parameters(ours, theirs)}
    theirs_groups = [{id(twin[id(p)]) for p in group} for group in awd_lstm_lm_split(theirs)]
    assert [{id(p) for p in group} for group in language_model_groups(ours).values()] == (
        theirs_groups
    )
