"""Batches sort documents by length; what is predicted and counted goes by document all the same."""

import csv
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from planted import classifier_recipe, planted_store

from ulmfit.config.recipes import Classifier, Freezing, from_json
from ulmfit.evaluate.predictions import read_predictions
from ulmfit.evaluate.score import score
from ulmfit.model.classifier import PoolingClassifier
from ulmfit.store.files import read_json
from ulmfit.store.probabilities import read_probabilities
from ulmfit.store.tables import write_table
from ulmfit.store.tokens import TokenStore, write_tokens
from ulmfit.train import predict as stage
from ulmfit.train.classifier import train_classifier
from ulmfit.train.predict import class_probabilities, pooled_features

BATCH = 16
OTHERS = 101
"""Documents of select and of report: six batches of 16 and five left over."""


def store_of(sizes, folds):
    """Documents of ``sizes`` tokens; each repeats a word of its own."""
    return TokenStore(
        ids=np.repeat(np.arange(2, 2 + len(sizes)), sizes),
        offsets=np.cumsum([0, *sizes]),
        document=np.array([f"d{n}" for n in range(len(sizes))]),
        fold=np.array(folds),
        label=np.zeros(len(sizes), np.int16),
        rank=np.full(len(sizes), -1, np.int32),
        vocabulary=("xxunk", "xxpad", *(f"w{n}" for n in range(len(sizes)))),
        classes=("a",),
    )


class Names:
    """Stands for a model: the "features" of a document are its own word and its length."""

    width = 2
    encoder = SimpleNamespace(embedding=torch.zeros(1))

    def __init__(self, padding):
        self.recipe = Classifier(padding=padding, batch_size=3)
        self.seen = 0

    def eval(self):
        return self

    def pool(self, ids, lengths):
        assert lengths.tolist() == sorted(lengths.tolist(), reverse=True)
        self.seen += len(lengths)
        words = ids.amax(0)
        return SimpleNamespace(features=torch.stack([words, (ids == words).sum(0)], 1).float())


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 30), st.sampled_from(["select", "report"])), min_size=1),
    st.sampled_from(["masked", "unmasked"]),
    st.integers(1, 9),
    st.randoms(use_true_random=False),
)
def test_features_of_every_document_come_once_and_in_the_order_asked_for(
    documents, padding, batch, random
):
    sizes, folds = zip(*documents, strict=True)
    store, model = store_of(sizes, folds), Names(padding)
    asked = list(range(len(sizes)))
    random.shuffle(asked)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stage, "BATCH", batch)
        features = pooled_features(model, store, np.array(asked), "bwd")
    assert model.seen == len(sizes)
    assert features.tolist() == [[2 + place, sizes[place]] for place in asked]


def shuffled(store, seed):
    """The same documents in another order."""
    order = np.random.default_rng(seed).permutation(len(store.document))
    texts = [store.read(place, "fwd") for place in order.tolist()]
    return replace(
        store,
        ids=np.concatenate(texts),
        offsets=np.cumsum([0, *map(len, texts)]),
        **{name: getattr(store, name)[order] for name in ("document", "fold", "label", "rank")},
    )


def test_masked_predictions_go_by_id_whatever_the_order_of_documents_and_the_batches(monkeypatch):
    torch.manual_seed(0)
    recipe = from_json(Classifier, classifier_recipe())
    model = PoolingClassifier(40, 2, recipe)
    found = []
    for store, batch in (
        (planted_store(others=OTHERS), 1),
        (planted_store(others=OTHERS), BATCH),
        (shuffled(planted_store(others=OTHERS), 1), 128),
    ):
        monkeypatch.setattr(stage, "BATCH", batch)
        documents = store.of_fold(("select", "report"))
        features = pooled_features(model, store, documents, "fwd")
        rows = class_probabilities(model, features)
        found.append(dict(zip(store.document[documents].tolist(), rows, strict=True)))
    alone, *others = found
    assert len(alone) == 2 * OTHERS
    for other in others:
        assert other.keys() == alone.keys()
        assert all(np.allclose(other[name], alone[name], rtol=0, atol=1e-5) for name in alone)


@pytest.mark.parametrize("padding", ["masked", "unmasked"])
def test_the_error_of_a_fold_is_k_of_n_from_training_to_metrics(tmp_path, monkeypatch, padding):
    """With ragged last batches: never a mean of batch means (ulmfit.md 5.8)."""
    monkeypatch.setattr(stage, "BATCH", BATCH)
    store = shuffled(planted_store(others=OTHERS), 2)
    write_tokens(tmp_path / "tokens", store, {})
    folder = tmp_path / "clf"
    outputs = [folder / name for name in ("model.safetensors", "history.csv", "p.npz")]
    recipe = classifier_recipe(
        padding=padding, batch_size=BATCH // 2, epochs=2, freezing=Freezing(plan="none")
    )
    train_classifier(recipe, tmp_path / "tokens", None, "fwd", 20, 0, *outputs, device="cpu")
    with open(outputs[1], newline="") as file:
        said = float(list(csv.DictReader(file))[-1]["select_error"])

    label = dict(zip(store.document.tolist(), store.label.tolist(), strict=True))
    document, fold, probability = read_probabilities(outputs[2])
    truth = np.array([label[name] for name in document.tolist()])
    wrong = (probability.argmax(1) != truth)[fold == "select"]
    assert len(wrong) == OTHERS
    assert 0 < wrong.sum() < OTHERS
    assert said == pytest.approx(wrong.sum() / OTHERS, rel=1e-6)
    batches = [wrong[start : start + BATCH].mean() for start in range(0, OTHERS, BATCH)]
    assert said != pytest.approx(np.mean(batches), rel=1e-6)

    table = pd.DataFrame(
        {"id": store.document, "label": np.array(store.classes)[store.label], "split": "train"}
    ).sample(frac=1, random_state=3)
    write_table(tmp_path / "documents.parquet", table)
    scored = [tmp_path / name for name in ("predictions.parquet", "metrics.json")]
    score([outputs[2]], tmp_path / "documents.parquet", *scored, [folder / "card.json"])
    metrics = read_json(scored[1])["folds"]["select"]
    assert (metrics["errors"], metrics["n"]) == (int(wrong.sum()), OTHERS)
    assert metrics["error"] == metrics["errors"] / metrics["n"]
    predictions = read_predictions(scored[0])
    assert predictions.label.tolist() == [label[name] for name in predictions.document.tolist()]
