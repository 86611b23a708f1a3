"""AR and TAR (ulmfit.md 2.6), and whole epochs of training, against fastai's learner."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from fastai.callback.core import Callback, TrainEvalCallback
from fastai.callback.rnn import RNNRegularizer, rnn_cbs
from fastai.data.core import DataLoaders
from fastai.learner import Learner
from fastai.losses import CrossEntropyLossFlat
from fastai.optimizer import SGD
from fastai.text.data import LMDataLoader
from fastai_twins import (
    REALISTIC,
    SMALL,
    SharedMasks,
    assert_same,
    assert_same_gradients,
    batch,
    classifiers,
    language_models,
    parameters,
    recipe,
    regularised,
    train_without_weight_drop,
    words,
)

from ulmfit.config.recipes import Dropouts
from ulmfit.train.batches import window_lengths
from ulmfit.train.language_model import windows

DROPOUTS = Dropouts(embedding=0.1, input=0.3, weight=0.4, hidden=0.2, output=0.25)


class Losses(Callback):
    """Notes the cross-entropy and the minimised loss of each update."""

    order = RNNRegularizer.order + 1
    run_valid = False

    def __init__(self, seen: list[list[float]]) -> None:
        self.seen = seen

    def after_loss(self) -> None:
        self.seen.append([self.learn.loss.item(), self.learn.loss_grad.item()])


@pytest.fixture(autouse=True)
def _double_regularisation(monkeypatch):
    """fastai computes AR and TAR in fp32; without its cast they are float64 like all else here."""
    monkeypatch.setattr(torch.Tensor, "float", lambda tensor: tensor)


@pytest.mark.parametrize(("vocabulary", "sizes"), [SMALL, REALISTIC])
def test_an_epoch_of_training_with_every_dropout_ar_and_tar_agrees(
    monkeypatch, tmp_path, vocabulary, sizes
):
    """fastai's own learner, data loader and callbacks; the last window is shorter.

    Losses of every update and all weights afterwards agree, so AR acts on the output after
    dropout, TAR on the output before it, the state passes on, and batches are the same.
    """
    ours, theirs = language_models(vocabulary, sizes, DROPOUTS)
    text = words(vocabulary, 103)
    masks = SharedMasks(monkeypatch, ours.encoder)
    ours.train()
    state = ours.encoder.initial_state(4)
    losses = []
    lengths = window_lengths(25, 7, None)
    for ids, targets in windows(text.numpy().astype(np.int32), 4, lengths, torch.device("cpu")):
        loss, cross_entropy, state = ours.loss(ids, targets, state, ar=2.0, tar=1.0)
        ours.zero_grad()
        loss.backward()
        with torch.no_grad():
            for parameter in ours.parameters():
                parameter -= 0.5 * parameter.grad
        losses.append([cross_entropy.item(), loss.item()])
    assert len(losses) == 4

    masks.serve()
    loader = LMDataLoader([text], bs=4, seq_len=7, shuffle=False)
    seen: list[list[float]] = []
    learner = Learner(
        DataLoaders(loader, loader),
        theirs,
        loss_func=CrossEntropyLossFlat(),
        opt_func=SGD,
        lr=0.5,
        path=tmp_path,
        default_cbs=False,  # they smooth losses in fp32 and draw progress bars
        cbs=[TrainEvalCallback(), *rnn_cbs(alpha=2.0, beta=1.0), Losses(seen)],
    )
    learner.fit(1)
    assert_same(torch.tensor(losses), torch.tensor(seen), "losses")
    for name, mine, other in parameters(ours, theirs):
        assert_same(mine.detach(), other.detach(), name)


def classifier_pair():
    ours, theirs = classifiers(recipe())
    ours.train()
    train_without_weight_drop(theirs)
    return ours, theirs


@pytest.mark.parametrize("length", [4, 18, 27])
def test_terms_and_gradients_of_the_classifier_agree_where_nothing_is_padded(length):
    """The output of the last layer without dropout in both terms; steps over chunk seams count."""
    ours, theirs = classifier_pair()
    ids, lengths, padded = batch([length] * 6)
    labels = torch.arange(6) % 3
    loss, _, _ = ours.loss(ids, lengths, labels, ar=2.0, tar=1.0)
    loss.backward()
    prediction = theirs(padded)
    reference = regularised(prediction, F.cross_entropy(prediction[0], labels), 2.0, 1.0)
    reference.backward()
    assert_same(loss.detach(), reference.detach(), "loss")
    assert_same_gradients(ours, theirs)


def test_ours_averages_over_real_tokens_and_fastai_over_its_padding_too():
    ours, theirs = classifier_pair()
    ids, lengths, padded = batch([40, 39, 21, 20, 19, 11, 7, 1])
    mine = ours.pool(ids, lengths)
    outputs, padding = theirs[0](padded)
    steps = outputs[:, 1:] - outputs[:, :-1]
    real = outputs[~padding].square().mean()
    real_steps = steps[~padding[:, 1:] & ~padding[:, :-1]].square().mean()
    assert_same(mine.activation, real, "AR over real tokens")
    assert_same(mine.temporal, real_steps, "TAR over real tokens")
    prediction, zero = theirs(padded), torch.zeros((), dtype=torch.float64)
    ar = regularised(prediction, zero.clone(), 1.0, 0.0)
    tar = regularised(prediction, zero.clone(), 0.0, 1.0)
    assert_same(ar, outputs.square().mean(), "AR over the whole rectangle")
    assert_same(tar, steps.square().mean(), "TAR over the whole rectangle")
    assert ar < 0.9 * real  # places of no text are 0
    assert tar > 1.1 * real_steps  # texts begin with a step from 0


def test_fastai_has_no_tar_for_a_single_stream_and_ours_has():
    ours, theirs = language_models(*SMALL)
    ids, targets = words(37, 6, 1), words(37, 6, 1, seed=1)
    loss = [
        ours.loss(ids, targets, ours.encoder.initial_state(1), ar=0.0, tar=tar)[0]
        for tar in (0.0, 1.0)
    ]
    prediction = theirs(ids.T)
    cross_entropy = F.cross_entropy(prediction[0][0], targets[:, 0])
    assert_same(loss[0], cross_entropy, "cross-entropy")
    assert regularised(prediction, cross_entropy, 0.0, 1.0) is cross_entropy
    assert loss[1] > loss[0]
