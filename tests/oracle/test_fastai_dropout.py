"""The five dropouts with the same masks in our models and in fastai's (ulmfit.md 2.2, 7.11).

fastai asks for masks by shape, and :class:`SharedMasks` gives it those that ours drew; so the
axes over which a mask is shared agree, the rates, the order, and where each mask acts.
"""

import pytest
import torch
import torch.nn.functional as F
from fastai.text.models.awdlstm import dropout_mask
from fastai_twins import (
    REALISTIC,
    SMALL,
    SharedMasks,
    assert_same,
    assert_same_gradients,
    batch,
    classifiers,
    language_models,
    recipe,
    words,
)

from ulmfit.config.recipes import Dropouts
from ulmfit.model.dropout import keep_mask

RATES = {"embedding": 0.1, "input": 0.3, "weight": 0.4, "hidden": 0.2}


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize(("vocabulary", "sizes"), [SMALL, REALISTIC])
@pytest.mark.parametrize("multiplier", [1.0, 0.5])
def test_language_models_agree_in_loss_and_gradients(
    monkeypatch, vocabulary, sizes, multiplier, dtype
):
    rates = Dropouts(**RATES, output=0.25, multiplier=multiplier)
    ours, theirs = language_models(vocabulary, sizes, rates, dtype)
    ours.train()
    theirs.train()
    masks = SharedMasks(monkeypatch, ours.encoder)
    ids, targets = words(vocabulary, 7, 5), words(vocabulary, 7, 5, seed=1)
    loss, _, _ = ours.loss(ids, targets, ours.encoder.initial_state(5), 0.0, 0.0)
    masks.serve()
    reference = F.cross_entropy(theirs(ids.T)[0].flatten(0, 1), targets.T.flatten())
    loss.backward()
    reference.backward()
    assert_same(loss.detach(), reference.detach(), "loss")
    assert_same_gradients(ours, theirs)


def test_gradients_reach_exactly_the_recurrent_weights_that_stayed(monkeypatch):
    ours, theirs = language_models(*SMALL, Dropouts(**RATES, output=0.25))
    ours.train()
    theirs.train()
    masks = SharedMasks(monkeypatch, ours.encoder)
    ids, targets = words(37, 7, 5), words(37, 7, 5, seed=1)
    ours.loss(ids, targets, ours.encoder.initial_state(5), 0.0, 0.0)[0].backward()
    masks.serve()
    F.cross_entropy(theirs(ids.T)[0].flatten(0, 1), targets.T.flatten()).backward()
    for k, mask in enumerate(masks.recurrent[0]):
        assert ours.encoder.lstms[k].weight_hh.grad.bool().equal(mask.bool())
        assert theirs[0].rnns[k].weight_hh_l0_raw.grad.bool().equal(mask.bool())


def classifier_pair(**keys):
    ours, theirs = classifiers(recipe(dropouts=Dropouts(**RATES, output=0), **keys))
    return ours.train(), theirs.train()


def test_classifiers_agree_in_logits_and_gradients_when_all_chunks_share_the_masks(monkeypatch):
    ours, theirs = classifier_pair()
    masks = SharedMasks(monkeypatch, ours.encoder)
    ids, lengths, padded = batch([30, 29, 21, 20, 14, 10, 9, 3])
    labels = torch.arange(8) % 3
    loss, _, logits = ours.loss(ids, lengths, labels, 0.0, 0.0)
    masks.serve(chunks=6)
    reference = theirs(padded)[0]
    loss.backward()
    F.cross_entropy(reference, labels).backward()
    assert_same(logits, reference.detach(), "logits")
    assert_same_gradients(ours, theirs)


def test_masks_of_each_chunk_agree_for_documents_of_as_many_chunks(monkeypatch):
    """Then fastai's first chunk is the first of every document, and so on."""
    ours, theirs = classifier_pair(dropout_masks="chunk")
    masks = SharedMasks(monkeypatch, ours.encoder)
    ids, lengths, padded = batch([30, 29, 28, 28, 27, 26])
    labels = torch.arange(6) % 3
    loss, _, logits = ours.loss(ids, lengths, labels, 0.0, 0.0)
    assert len(masks.recurrent) == 6
    masks.serve()
    reference = theirs(padded)[0]
    loss.backward()
    F.cross_entropy(reference, labels).backward()
    assert_same(logits, reference.detach(), "logits")
    assert_same_gradients(ours, theirs)


def test_difference_ours_draws_once_for_a_document_and_fastai_anew_for_each_chunk(monkeypatch):
    ours, theirs = classifier_pair()
    masks = SharedMasks(monkeypatch, ours.encoder)
    ids, lengths, padded = batch([30, 29])
    ours.pool(ids, lengths)
    masks.serve(chunks=6)
    theirs(padded)
    assert len(masks.recurrent) == 1
    assert masks.asked == {"locked": 6 * 4, "recurrent": 6 * 3}


@pytest.mark.parametrize("p", [0.02, 0.25, 0.5])
def test_masks_drop_the_same_share_and_scale_the_rest_alike(p):
    torch.manual_seed(0)
    like = torch.empty(0, dtype=torch.float64)
    mine, other = keep_mask((500, 400), p, like), dropout_mask(like, (500, 400), p)
    assert mine is not None
    assert mine.max().item() == pytest.approx(other.max().item(), rel=1e-4)
    assert mine.unique().numel() == other.unique().numel() == 2
    assert mine.mean().item() == pytest.approx(other.mean().item(), abs=0.01)
