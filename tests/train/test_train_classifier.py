"""Classifier fine-tuning from token folder to probabilities."""

import csv
import json

import numpy as np
import pytest
import torch
from planted import classifier_recipe, language_model_recipe, planted_store
from sklearn.utils.class_weight import compute_class_weight

from ulmfit.config.recipes import Freezing, Optimizer, Schedule
from ulmfit.errors import UserError
from ulmfit.model.classifier import PoolingClassifier
from ulmfit.store.probabilities import read_probabilities
from ulmfit.store.tokens import TokenStore, write_tokens
from ulmfit.store.weights import load_weights
from ulmfit.train import classifier as stage
from ulmfit.train.classifier import train_classifier
from ulmfit.train.language_model import train_language_model
from ulmfit.train.optimizer import GroupOptimizer
from ulmfit.train.predict import predict

UNFROZEN = Freezing(plan="none")
CONSTANT = Schedule(kind="constant")


def train(tokens, folder, initial=None, direction="fwd", n_labelled=None, seed=0, **changes):
    train_classifier(
        classifier_recipe(**changes),
        tokens,
        initial,
        direction,
        n_labelled,
        seed,
        folder / "model.safetensors",
        folder / "history.csv",
        folder / "probabilities.npz",
        device="cpu",
    )
    return folder / "model.safetensors"


def language_model(tokens, folder, initial=None, direction="fwd"):
    train_language_model(
        language_model_recipe(),
        tokens,
        initial,
        direction,
        seed=0,
        output=folder / "model.safetensors",
        history=folder / "history.csv",
        stage="pretrain" if initial is None else "finetune",
        device="cpu",
    )
    return folder / "model.safetensors"


def rows(folder):
    with open(folder / "history.csv", newline="") as file:
        return list(csv.DictReader(file))


def accuracy(path, fold="report"):
    document, folds, probability = read_probabilities(path)
    store = planted_store()
    label = dict(zip(store.document.tolist(), store.label.tolist(), strict=True))
    truth = np.array([label[name] for name in document[folds == fold].tolist()])
    return (probability[folds == fold].argmax(1) == truth).mean(), probability[folds == fold], truth


def test_a_planted_word_is_learned_in_both_directions_from_raw_ids_to_probabilities(
    tokens, tmp_path
):
    scores, probabilities = [], []
    for direction in ("fwd", "bwd"):
        folder = tmp_path / direction
        pretrained = language_model(tokens, folder / "lm", direction=direction)
        tuned = language_model(tokens, folder / "ft", pretrained, direction)
        train(tokens, folder / "clf", tuned, direction)
        score, probability, truth = accuracy(folder / "clf" / "probabilities.npz")
        scores.append(score)
        probabilities.append(probability)
        assert score > 0.95
    both = (np.mean(probabilities, axis=0).argmax(1) == truth).mean()
    assert both >= min(scores)


@pytest.mark.parametrize(
    "changes",
    [
        {"freezing": Freezing(plan="chain-thaw", reload_best=True), "schedule": CONSTANT},
        {"freezing": UNFROZEN, "schedule": Schedule("one-cycle", cut_frac=0.3)},
        {"schedule": Schedule("cosine")},
        {
            "schedule": Schedule("clr", ratio=8, cut_div=8),
            "freezing": Freezing(depth=2, schedule=Schedule("clr", ratio=8, cut_div=3)),
        },
    ],
    ids=["chain-thaw", "one-cycle", "cosine", "released script"],
)
def test_other_plans_and_schedules_learn_the_planted_word_too(tokens, tmp_path, changes):
    train(tokens, tmp_path / "clf", language_model(tokens, tmp_path / "lm"), **changes)
    assert accuracy(tmp_path / "clf" / "probabilities.npz")[0] > 0.95


def test_probabilities_cover_select_and_report_in_file_order_and_sum_to_one(tokens, tmp_path):
    train(tokens, tmp_path / "clf", freezing=UNFROZEN, epochs=1)
    document, fold, probability = read_probabilities(tmp_path / "clf" / "probabilities.npz")
    store = planted_store()
    expected = np.isin(store.fold, ["select", "report"])
    assert document.tolist() == store.document[expected].tolist()
    assert fold.tolist() == store.fold[expected].tolist()
    np.testing.assert_allclose(probability.sum(1), 1, atol=1e-6)


def test_prediction_repeats_the_probabilities_of_training(tokens, tmp_path):
    path = train(tokens, tmp_path / "clf", freezing=UNFROZEN, epochs=2, direction="bwd")
    predict(path, tokens, "report", tmp_path / "again.npz", "cpu")
    document, fold, probability = read_probabilities(tmp_path / "again.npz")
    trained = read_probabilities(tmp_path / "clf" / "probabilities.npz")
    of_report = trained[1] == "report"
    assert document.tolist() == trained[0][of_report].tolist()
    assert set(fold) == {"report"}
    np.testing.assert_allclose(probability, trained[2][of_report], atol=1e-6)


def test_prediction_of_the_test_fold(tokens, tmp_path):
    path = train(tokens, tmp_path / "clf", freezing=UNFROZEN, epochs=1)
    predict(path, tokens, "test", tmp_path / "test.npz", "cpu")
    assert len(read_probabilities(tmp_path / "test.npz")[0]) == 20


def test_gradual_unfreezing_shows_in_the_history(tokens, tmp_path):
    train(tokens, tmp_path / "clf", epochs=5, validate_every=2)
    history = rows(tmp_path / "clf")
    assert [row["stage"] for row in history] == ["head", "+lstm1", "+lstm0", "all", "all"]
    assert [bool(row["select_error"]) for row in history] == [False, True, False, True, True]


def test_frozen_groups_keep_their_bits(tokens, tmp_path):
    start = language_model(tokens, tmp_path / "lm")
    changed = train(tokens, tmp_path / "clf", start, optimizer=Optimizer(lr=1e-30, clip=0.0))
    before, after = load_weights(start)[0], load_weights(changed)[0]
    assert all(torch.equal(after[name], before[name]) for name in before)


@pytest.mark.parametrize(("scope", "rising_at"), [("stage", [0, 13, 26, 39]), ("run", [0])])
def test_the_triangle_spans_a_stage_or_the_run(tokens, tmp_path, monkeypatch, scope, rising_at):
    rates = []
    plain = GroupOptimizer.step
    monkeypatch.setattr(GroupOptimizer, "step", lambda *a: rates.append(plain(*a)) or rates[-1])
    train(tokens, tmp_path / "clf", epochs=4, schedule=Schedule(scope=scope))
    assert len(rates) == 4 * 13  # 200 documents in batches of 16
    lowest = 0.02 / 32
    assert [t for t, rate in enumerate(rates) if rate == pytest.approx(lowest)] == rising_at


def test_early_stopping_restores_the_epoch_with_the_lowest_error_then_loss(tokens, tmp_path):
    train(tokens, tmp_path / "clf", epochs=6, early_stopping=True, freezing=UNFROZEN)
    history = rows(tmp_path / "clf")
    scores = [(float(row["select_error"]), float(row["select_loss"])) for row in history]
    card = json.loads((tmp_path / "clf" / "card.json").read_text())
    assert card["weights_epoch"] == 1 + scores.index(min(scores))
    error = 1 - accuracy(tmp_path / "clf" / "probabilities.npz", "select")[0]
    assert error == pytest.approx(min(scores)[0])


def test_patience_ends_training_after_epochs_without_improvement(tokens, tmp_path, monkeypatch):
    wrong = iter([50, 30, 40, 40, 10])

    def scripted(self, _features):
        logits = torch.nn.functional.one_hot(self.select_labels, 2).float()
        logits[: next(wrong)] *= -1
        return logits

    monkeypatch.setattr(stage._Training, "_logits", scripted)
    train(tokens, tmp_path / "clf", epochs=50, patience=2, freezing=UNFROZEN)
    assert [row["select_error"] for row in rows(tmp_path / "clf")] == ["0.5", "0.3", "0.4", "0.4"]


def test_fewer_labels_are_the_first_of_the_nested_order(tokens, tmp_path):
    train(tokens, tmp_path / "clf", n_labelled=33, freezing=UNFROZEN, epochs=1)
    card = json.loads((tmp_path / "clf" / "card.json").read_text())
    assert card["documents"] == 33
    assert card["updates"] == 2  # 16 + 16, and a lone document is left out


def test_two_labelled_documents_are_enough(tokens, tmp_path):
    train(tokens, tmp_path / "clf", n_labelled=2, epochs=4, min_steps=9)
    assert json.loads((tmp_path / "clf" / "card.json").read_text())["updates"] == 3 * 4


def test_one_labelled_document_is_refused(tokens, tmp_path):
    with pytest.raises(UserError, match="1 labelled documents in fold fit"):
        train(tokens, tmp_path / "clf", n_labelled=1)


def test_unlabelled_documents_do_not_train_a_classifier(tmp_path):
    store = planted_store()
    label = store.label.copy()
    label[:50] = -1
    write_tokens(tmp_path / "tokens", TokenStore(**{**vars(store), "label": label}), {})
    train(tmp_path / "tokens", tmp_path / "clf", freezing=UNFROZEN, epochs=1)
    assert json.loads((tmp_path / "clf" / "card.json").read_text())["documents"] == 150


def test_a_loss_that_is_not_finite_names_its_place_and_writes_nothing(tokens, tmp_path):
    with pytest.raises(UserError, match=r"stage all, epoch 1, update \d+, learning rate .*lr"):
        train(tokens, tmp_path / "clf", optimizer=Optimizer(lr=1e38, clip=0.0), freezing=UNFROZEN)
    assert not (tmp_path / "clf").exists()


def test_prediction_with_another_vocabulary_or_other_classes_is_refused(tokens, tmp_path):
    path = train(tokens, tmp_path / "clf", freezing=UNFROZEN, epochs=1)
    store = planted_store()
    words = ("xxunk", "xxpad", *(f"v{i}" for i in range(2, 40)))
    for name, change in (
        ("vocabulary", {"vocabulary": words}),
        ("classes", {"classes": ("a", "b")}),
    ):
        write_tokens(tmp_path / name, TokenStore(**{**vars(store), **change}), {})
        with pytest.raises(UserError, match=name):
            predict(path, tmp_path / name, "report", tmp_path / "p.npz", "cpu")


def test_prediction_with_a_language_model_or_for_an_empty_fold_is_refused(tokens, tmp_path):
    with pytest.raises(UserError, match="not a classifier"):
        predict(language_model(tokens, tmp_path / "lm"), tokens, "test", tmp_path / "p.npz", "cpu")
    path = train(tokens, tmp_path / "clf", freezing=UNFROZEN, epochs=1)
    with pytest.raises(UserError, match="fold unlabelled"):
        predict(path, tokens, "unlabelled", tmp_path / "p.npz", "cpu")


def test_more_labels_than_there_are_is_refused(tokens, tmp_path):
    with pytest.raises(UserError, match="201 labelled documents asked for and 200 in fold fit"):
        train(tokens, tmp_path / "clf", n_labelled=201)
    assert not (tmp_path / "clf").exists()


def test_labels_without_a_class_are_refused(tmp_path):
    store = planted_store()
    one_class = np.where(store.fold == "fit", 0, store.label).astype(np.int16)
    write_tokens(tmp_path / "tokens", TokenStore(**{**vars(store), "label": one_class}), {})
    with pytest.raises(UserError, match="none of class good: raise n_labelled"):
        train(tmp_path / "tokens", tmp_path / "clf")


@pytest.mark.parametrize(
    "changes",
    [
        {"pooling": "max", "chunk_rule": "inclusive", "max_seq": 8, "dropout_masks": "chunk"},
        {"padding": "unmasked", "head_sizes": (), "head_dropouts": (0.1,)},
        {"head_sizes": (20, 10), "head_dropouts": (0.2, 0.1, 0.1), "label_smoothing": 0.1},
    ],
)
def test_every_kind_of_classifier_comes_back_from_its_folder(tokens, tmp_path, changes):
    path = train(tokens, tmp_path / "clf", epochs=4, **changes)
    predict(path, tokens, "report", tmp_path / "again.npz", "cpu")
    trained = read_probabilities(tmp_path / "clf" / "probabilities.npz")
    again = read_probabilities(tmp_path / "again.npz")[2]
    np.testing.assert_allclose(again, trained[2][trained[1] == "report"], atol=1e-6)


@pytest.mark.parametrize("kind", ["none", "balanced"])
def test_class_weights_come_from_the_labels_that_are_trained_on(tmp_path, monkeypatch, kind):
    store = planted_store()
    label = store.label.copy()
    label[np.flatnonzero((store.fold == "fit") & (label == 1))[5:]] = -1
    write_tokens(tmp_path / "tokens", TokenStore(**{**vars(store), "label": label}), {})
    used = []
    plain = PoolingClassifier.loss
    monkeypatch.setattr(
        PoolingClassifier, "loss", lambda *given: used.append(given[-1]) or plain(*given)
    )
    train(tmp_path / "tokens", tmp_path / "clf", epochs=4, class_weights=kind)
    labels = label[(store.fold == "fit") & (label >= 0)]
    expected = compute_class_weight(
        kind if kind == "balanced" else None, classes=np.arange(2), y=labels
    )
    assert used
    for weights in used:
        found = torch.ones(2) if weights is None else weights
        np.testing.assert_allclose(found.numpy(), expected, rtol=1e-6)


def test_smoothed_training_reports_plain_losses(tokens, tmp_path):
    frozen = {"optimizer": Optimizer(lr=1e-30, clip=0.0), "epochs": 4}
    train(tokens, tmp_path / "plain", **frozen)
    train(tokens, tmp_path / "smoothed", **frozen, label_smoothing=0.5)
    for column in ("train_loss", "select_loss"):
        plain, smoothed = (rows(tmp_path / name)[0][column] for name in ("plain", "smoothed"))
        assert plain == smoothed
