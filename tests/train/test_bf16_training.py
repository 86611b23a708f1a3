"""Recipes that say bf16: what a training and a prediction then compute with, and what they keep."""

import hashlib
import json

import numpy as np
import pytest
import torch
from planted import classifier_recipe, language_model_recipe
from safetensors.torch import load_file

from ulmfit.config.recipes import Freezing
from ulmfit.model import awd_lstm
from ulmfit.store.probabilities import read_probabilities
from ulmfit.train import device
from ulmfit.train.classifier import train_classifier
from ulmfit.train.language_model import train_language_model
from ulmfit.train.predict import predict


def language_model(tokens, folder, precision, **changes):
    """A trained language model's folder."""
    recipe = language_model_recipe(precision=precision, **changes)
    paths = (folder / "model.safetensors", folder / "history.csv")
    train_language_model(recipe, tokens, None, "fwd", 1, *paths, "pretrain", device="cpu")
    return folder


def classifier(tokens, folder, precision, **changes):
    """A trained classifier's folder."""
    recipe = classifier_recipe(precision=precision, freezing=Freezing(plan="none"), **changes)
    paths = [folder / name for name in ("model.safetensors", "history.csv", "probabilities.npz")]
    train_classifier(recipe, tokens, None, "fwd", None, 1, *paths, device="cpu")
    return folder


def weights(folder):
    return load_file(folder / "model.safetensors")


def digest(folder):
    return hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()


@pytest.mark.parametrize("train", [language_model, classifier])
def test_the_same_recipe_gives_the_same_bits_and_fp32_others(train, tokens, tmp_path):
    first = train(tokens, tmp_path / "first", "bf16", epochs=2)
    second = train(tokens, tmp_path / "second", "bf16", epochs=2)
    other = train(tokens, tmp_path / "other", "fp32", epochs=2)
    assert digest(first) == digest(second) != digest(other)


@pytest.mark.parametrize("train", [language_model, classifier])
def test_weights_stay_fp32(train, tokens, tmp_path):
    found = weights(train(tokens, tmp_path / "bf16", "bf16", epochs=1))
    for name, tensor in found.items():
        assert tensor.dtype in (torch.float32, torch.int64), name
    # Weights rounded to bf16 would all have sixteen zero bits.
    for name, tensor in found.items():
        if "lstms" in name:
            assert ((tensor.view(torch.int32) & 0xFFFF) != 0).float().mean() > 0.9, name


def test_a_classifier_learns_the_planted_word(tokens, tmp_path):
    folder = classifier(tokens, tmp_path / "bf16", "bf16")
    _, _, probability = read_probabilities(folder / "probabilities.npz")
    assert probability.dtype == np.float32
    last = (folder / "history.csv").read_text().splitlines()
    error = float(last[-1].split(",")[last[0].split(",").index("select_error")])
    assert error < 0.1


def test_the_card_says_what_computed(tokens, tmp_path):
    kernels = ("bf16_native", "bf16_fused_lstm", "bf16_packed_products")
    for precision in ("fp32", "bf16"):
        folder = language_model(tokens, tmp_path / precision, precision, epochs=1)
        card = json.loads((folder / "card.json").read_text())
        assert card["recipe"]["precision"] == precision
        assert [name in card["matmul"] for name in kernels] == [precision == "bf16"] * 3


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_prediction_has_the_precision_of_the_training(precision, tokens, tmp_path, monkeypatch):
    folder = classifier(tokens, tmp_path / "model", precision, epochs=1)
    used = []
    original = awd_lstm.lstm
    monkeypatch.setattr(awd_lstm, "lstm", lambda *given: used.append(given[-1]) or original(*given))
    predict(folder / "model.safetensors", tokens, "test", folder / "test.npz", "cpu")
    assert set(used) == {precision}


@pytest.mark.parametrize(
    ("precision", "native", "said"), [("bf16", False, 1), ("bf16", True, 0), ("fp32", False, 0)]
)
def test_a_slow_bf16_is_said_in_one_line(precision, native, said, monkeypatch, capsys):
    monkeypatch.setattr(device, "bf16_is_native", lambda _device: native)
    with device.compute("cpu", threads=1, seed=0, precision=precision):
        pass
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == said
    assert all("slower than precision fp32" in line for line in lines)
