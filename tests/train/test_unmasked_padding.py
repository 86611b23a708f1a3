"""Padding that counts like text, as in 2018, against torch's LSTM (ulmfit.md 3.6 and 3.7)."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from planted import classifier_recipe, planted_store

from torch_lstm import TorchEncoder
from ulmfit.config.recipes import Architecture, Classifier, Dropouts, Freezing, Optimizer
from ulmfit.model.classifier import PoolingClassifier
from ulmfit.store.probabilities import read_probabilities
from ulmfit.store.tokens import PADDING
from ulmfit.store.weights import load_weights
from ulmfit.train.batches import pad
from ulmfit.train.classifier import train_classifier
from ulmfit.train.predict import class_logits, pooled_features, predict

NONE = Dropouts(embedding=0, input=0, weight=0, hidden=0, output=0)
RECIPE = Classifier(
    architecture=Architecture(embedding=6, hidden=9, layers=2),
    dropouts=NONE,
    bptt=4,
    max_seq=10,
    batch_size=16,
    padding="unmasked",
)


def classifier(**changes):
    torch.manual_seed(0)
    return PoolingClassifier(40, 2, replace(RECIPE, **changes)).eval()


def padded_in_front(store, documents):
    texts = [store.read(index, "fwd").tolist() for index in documents]
    longest = max(map(len, texts))
    return torch.tensor([[PADDING] * (longest - len(text)) + text for text in texts]).T


def naive(model, ids):
    """(features, AR mean, TAR mean) of a batch: everything counts from the first kept chunk on."""
    outputs, _ = TorchEncoder(model.encoder)(ids)
    size = len(ids)
    strict = model.recipe.chunk_rule == "strict"
    kept = outputs[
        min(
            start
            for start in range(0, size, 4)
            if (start > size - 10 if strict else size - start <= 10)
        ) :
    ]
    features = torch.cat([kept[-1], kept.max(0).values, kept.mean(0)], dim=1)
    return features, kept.square().mean(), (kept[1:] - kept[:-1]).square().mean()


@pytest.mark.parametrize("rule", ["strict", "inclusive"])
def test_a_batch_is_pooled_with_its_padding(rule):
    store, documents = planted_store(), [0, 5, 9, 20, 33]
    assert len(set(store.lengths[documents])) > 3
    model = classifier(chunk_rule=rule)
    pooled = model.pool(*pad(store, documents, "fwd", "unmasked"))
    features, activation, temporal = naive(model, padded_in_front(store, documents))
    torch.testing.assert_close(pooled.features, features, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(pooled.activation, activation)
    torch.testing.assert_close(pooled.temporal, temporal)


def test_prediction_batches_are_twice_those_of_training_longest_first_fold_by_fold():
    store, model = planted_store(), classifier()
    documents = store.of_fold(("report", "select"))
    features = pooled_features(model, store, documents, "fwd")
    for fold in ("select", "report"):
        places = np.flatnonzero(store.fold[documents] == fold)
        lengths = store.lengths[documents[places]].tolist()
        order = places[sorted(range(len(places)), key=lambda k: (-lengths[k], k))]
        for start in range(0, len(order), 32):
            batch = order[start : start + 32]
            expected, _, _ = naive(model, padded_in_front(store, documents[batch]))
            torch.testing.assert_close(features[batch], expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("padding", "same"), [("masked", True), ("unmasked", False)])
def test_whether_a_prediction_depends_on_its_batch(padding, same):
    store, model = planted_store(), classifier(padding=padding)
    documents = store.of_fold("report")
    together = class_logits(model, pooled_features(model, store, documents, "fwd")).softmax(1)
    alone = torch.cat(
        [
            class_logits(model, pooled_features(model, store, documents[k : k + 1], "fwd"))
            for k in range(len(documents))
        ]
    ).softmax(1)
    assert ((together - alone).abs().max().item() < 1e-5) == same


def test_500_tokens_are_predicted_otherwise_beside_2000_where_padding_counts():
    short, long = torch.randint(2, 40, (500,)), torch.randint(2, 40, (2000,))
    beside = torch.stack([long, torch.cat([torch.full((1500,), PADDING), short])], dim=1)
    model = classifier(bptt=70, max_seq=1400)
    together = model(beside, torch.tensor([2000, 2000])).softmax(1)[1]
    alone = model(short.unsqueeze(1), torch.tensor([500])).softmax(1)[0]
    assert (together - alone).abs().max() > 1e-4


@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_the_padding_row_gets_no_gradient_and_the_words_that_of_torchs_padding_idx(dropout):
    store, documents = planted_store(), [0, 5, 9, 20]
    model = classifier(dropouts=replace(NONE, embedding=dropout)).train()
    ids, lengths = pad(store, documents, "fwd", "unmasked")
    assert (ids == PADDING).any()
    masks = model.encoder.draw_masks(len(documents))
    looked_up = model.encoder.embed(ids, masks)
    weights = torch.randn_like(looked_up)
    (looked_up * weights).sum().backward()
    theirs = torch.nn.Embedding.from_pretrained(
        model.encoder.embedding.detach().clone(), freeze=False, padding_idx=PADDING
    )
    rows = torch.ones(40) if masks.rows is None else masks.rows
    (theirs(ids) * rows[ids].unsqueeze(-1) * weights).sum().backward()
    torch.testing.assert_close(model.encoder.embedding.grad, theirs.weight.grad)

    model.zero_grad()
    model.loss(ids, lengths, torch.tensor([0, 1, 0, 1]), ar=2.0, tar=1.0)[0].backward()
    norms = model.encoder.embedding.grad.norm(dim=1)
    assert norms[PADDING] == 0
    assert (norms > 0).sum() > 10 * (1 - dropout)


def test_training_leaves_the_row_of_counted_padding_at_its_bits(tokens, tmp_path):
    found = []
    for epochs in (1, 3):
        recipe = classifier_recipe(
            padding="unmasked",
            epochs=epochs,
            optimizer=Optimizer(lr=0.02, weight_decay=0.0),
            freezing=Freezing(plan="none"),
        )
        folder = tmp_path / str(epochs)
        outputs = [folder / file for file in ("model.safetensors", "history.csv", "p.npz")]
        train_classifier(recipe, tokens, None, "fwd", 60, 0, *outputs, device="cpu")
        found.append(load_weights(outputs[0])[0]["encoder.embedding"])
    still = (found[0] == found[1]).all(1)
    assert still[PADDING]
    assert not still[10:].any()


def test_training_and_prediction_pad_alike_and_repeat_themselves(tokens, tmp_path):
    recipe = classifier_recipe(padding="unmasked", epochs=4, ar=2.0, tar=1.0)
    found = []
    for name in ("first", "second"):
        folder = tmp_path / name
        outputs = [folder / file for file in ("model.safetensors", "history.csv", "p.npz")]
        train_classifier(recipe, tokens, None, "fwd", 60, 0, *outputs, device="cpu")
        found.append([path.read_bytes() for path in (outputs[0], outputs[2])])
    assert found[0] == found[1]
    trained, fold, expected = read_probabilities(tmp_path / "first" / "p.npz")
    for part in ("select", "report"):
        predict(outputs[0], tokens, part, tmp_path / "again.npz", "cpu")
        document, _, probability = read_probabilities(tmp_path / "again.npz")
        assert document.tolist() == trained[fold == part].tolist()
        np.testing.assert_array_equal(probability, expected[fold == part])
