"""What a training tells glibc's allocator."""

import dataclasses
import platform

import pytest
from planted import SIZES, classifier_recipe, language_model_recipe

from ulmfit.train import device
from ulmfit.train.classifier import train_classifier
from ulmfit.train.device import SMALL
from ulmfit.train.language_model import train_language_model


@pytest.fixture
def told(monkeypatch):
    """Arguments of every call of mallopt."""
    if platform.libc_ver()[0] != "glibc":
        pytest.skip("another C library")
    calls = {}

    class Library:
        def __init__(self, _name):
            pass

        def mallopt(self, name, value):
            calls[name] = value

    monkeypatch.setattr(device.ctypes, "CDLL", Library)
    return calls


@pytest.mark.parametrize(("hidden", "kept"), [(SMALL, True), (SMALL + 1, False)])
def test_a_large_classifier_gives_its_largest_blocks_back(hidden, kept, tokens, tmp_path, told):
    sizes = dataclasses.replace(SIZES, hidden=hidden)
    recipe = classifier_recipe(architecture=sizes, epochs=4, batch_size=64)
    paths = [tmp_path / name for name in ("model.safetensors", "history.csv", "p.npz")]
    train_classifier(recipe, tokens, None, "fwd", 8, 0, *paths, device="cpu")
    assert told[device.M_MMAP_MAX] == (0 if kept else device.MMAP_MAX)
    assert told[device.M_MMAP_THRESHOLD] == 2**25


@pytest.mark.parametrize(
    ("hidden", "precision", "kept"),
    [(SMALL, "fp32", True), (SMALL + 1, "fp32", False), (SMALL + 1, "bf16", True)],
)
def test_a_large_language_model_gives_its_largest_blocks_back_in_fp32(
    hidden, precision, kept, tokens, tmp_path, told
):
    paths = (tmp_path / "model.safetensors", tmp_path / "history.csv")
    sizes = dataclasses.replace(SIZES, hidden=hidden)
    recipe = language_model_recipe(epochs=1, architecture=sizes, precision=precision)
    train_language_model(recipe, tokens, None, "fwd", 0, *paths, "pretrain", device="cpu")
    assert told[device.M_MMAP_MAX] == (0 if kept else device.MMAP_MAX)
