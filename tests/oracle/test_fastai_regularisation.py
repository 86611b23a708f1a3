"""AR and TAR (ulmfit.md 2.6), and whole epochs of training, against fastai's learner."""

import numpy as np
import pytest
import torch
from fastai.callback.core import Callback
from fastai.callback.rnn import RNNRegularizer, rnn_cbs
from fastai.data.core import DataLoaders
from fastai.learner import Learner, Recorder
from fastai.losses import CrossEntropyLossFlat
from fastai.optimizer import SGD
from fastai.text.data import LMDataLoader
from fastai_twins import (
    NONE,
    REALISTIC,
    SMALL,
    SharedMasks,
    assert_same,
    batch,
    classifiers,
    language_models,
    parameters,
    regularised,
    train_without_weight_drop,
    weights_from,
    words,
)

from ulmfit.config.recipes import Classifier, Dropouts
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
    optimizer = torch.optim.SGD(ours.parameters(), lr=0.5)
    state = ours.encoder.initial_state(4)
    losses = []
    for ids, targets in windows(text.numpy().astype(np.int32), 4, 7, torch.device("cpu")):
        loss, cross_entropy, state = ours.loss(ids, targets, state, ar=2.0, tar=1.0)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
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
        cbs=[*rnn_cbs(alpha=2.0, beta=1.0), Losses(seen)],
    )
    learner.remove_cb(Recorder)  # it smooths losses in fp32
    learner.fit(1)
    assert_same(torch.tensor(losses), torch.tensor(seen), "losses")
    for name, mine, other in parameters(ours, theirs):
        assert_same(mine.detach(), other.detach(), name)
