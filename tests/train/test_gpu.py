"""On a GPU: the numbers of the CPU, and the same bits again, interrupted or replayed."""

import hashlib
from pathlib import Path

import pytest
import torch
from planted import classifier_recipe, language_model_recipe

from ulmfit.config.recipes import Architecture, Classifier, Dropouts, Freezing
from ulmfit.model.classifier import PoolingClassifier
from ulmfit.model.language_model import LanguageModel
from ulmfit.model.sampled_softmax import Sampler
from ulmfit.store.checkpoints import Every
from ulmfit.store.probabilities import read_probabilities
from ulmfit.train import replay
from ulmfit.train.classifier import train_classifier
from ulmfit.train.device import compute
from ulmfit.train.language_model import train_language_model
from ulmfit.train.optimizer import GroupOptimizer
from ulmfit.train.predict import predict

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU"),
]

# Large enough for several windows of a shape, so that updates are replayed.
RECIPES = {
    "pretrain": language_model_recipe(epochs=3, softmax="sampled", negatives=10),
    "pretrain-bf16": language_model_recipe(epochs=3, precision="bf16"),
    "finetune": language_model_recipe(epochs=4, variable_bptt=True, freezing=Freezing(depth=1)),
    "classify": classifier_recipe(epochs=5, early_stopping=True),
    "classify-bf16": classifier_recipe(epochs=5, precision="bf16"),
}


def train(case, tokens, folder, device="cuda", every=300.0):
    """Train a case; returns the digests of what it made."""
    common = {
        "recipe_json": RECIPES[case],
        "tokens": tokens,
        "initial": None,
        "direction": "fwd",
        "seed": 3,
        "output": folder / "model.safetensors",
        "history": folder / "history.csv",
        "device": device,
        "every": every if isinstance(every, Every) else Every(every),
    }
    if case.startswith("classify"):
        made = folder / "probabilities.npz"
        train_classifier(**common, n_labelled=None, probabilities=made)
    else:
        made = folder / "model.safetensors"
        train_language_model(**common, stage=case.split("-")[0])
    files = (folder / "model.safetensors", made)
    return [hashlib.sha256(file.read_bytes()).hexdigest() for file in files]


@pytest.mark.parametrize("case", RECIPES)
def test_the_same_seed_gives_the_same_bits(case, tokens, tmp_path):
    assert train(case, tokens, tmp_path / "a") == train(case, tokens, tmp_path / "b")


@pytest.mark.parametrize("case", RECIPES)
def test_a_training_that_is_interrupted_ends_with_the_same_bits(
    case, tokens, tmp_path, monkeypatch
):
    whole = train(case, tokens, tmp_path / "whole")
    step, made = GroupOptimizer.step, []

    def break_off(optimizer, share=1.0):
        made.append(share)
        if len(made) in (5, 23):
            raise RuntimeError("the machine fails")
        return step(optimizer, share)

    monkeypatch.setattr(GroupOptimizer, "step", break_off)
    often = Every.parse("2")
    for _ in range(2):
        with pytest.raises(RuntimeError, match="the machine fails"):
            train(case, tokens, tmp_path / "parts", every=often)
    assert train(case, tokens, tmp_path / "parts", every=often) == whole


@pytest.mark.parametrize("case", ["pretrain", "pretrain-bf16", "finetune"])
def test_replayed_updates_are_those_that_are_made_as_usual(case, tokens, tmp_path, monkeypatch):
    recorded = []
    record = replay.Replays._record
    monkeypatch.setattr(
        replay.Replays, "_record", lambda self, inputs: recorded.append(1) or record(self, inputs)
    )
    replayed = train(case, tokens, tmp_path / "replayed")
    assert recorded
    monkeypatch.setattr(replay, "USUAL", 10**9)
    assert train(case, tokens, tmp_path / "usual") == replayed


@pytest.mark.parametrize("case", ["classify", "classify-bf16"])
def test_a_gpu_predicts_what_a_cpu_predicts(case, tokens, tmp_path):
    train(case, tokens, tmp_path, device="cpu")
    found = []
    for device in ("cpu", "cuda"):
        made: Path = tmp_path / f"{device}.npz"
        predict(tmp_path / "model.safetensors", tokens, "test", made, device)
        found.append(torch.from_numpy(read_probabilities(made)[2]))
    tolerance = 0.02 if case.endswith("bf16") else 1e-5
    torch.testing.assert_close(*found, rtol=1e-3, atol=tolerance)


@pytest.mark.parametrize(("precision", "most"), [("fp32", 1e-3), ("bf16", 0.05)])
def test_a_gpu_gives_the_losses_and_gradients_of_the_cpu(precision, most):
    """Against fp32 on the CPU, as shares of the norm."""
    exact = losses_and_gradients("cpu", "fp32")
    found = losses_and_gradients("cuda", precision)
    for gpu, value in zip(found, exact, strict=True):
        assert gpu.dtype == torch.float32
        assert (gpu - value).norm() <= most * value.norm()


def losses_and_gradients(device, precision):
    """Of two language models and a classifier without dropout, on the CPU."""
    plain = Dropouts(embedding=0, input=0, weight=0, hidden=0, output=0)
    # No multiples of eight, so that sizes are filled up.
    sizes = Architecture(28, 42, 3)
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(0, 300, (50, 6), generator=generator)
    lengths, labels = torch.tensor([50, 41, 33, 30, 8, 2]), torch.tensor([0, 1, 2, 0, 1, 2])
    with compute(device, threads=1, seed=0, precision=precision) as where:
        torch.manual_seed(0)
        lm = LanguageModel(300, sizes, plain, precision=precision)
        # All words are drawn: the two devices' draws of fewer would differ.
        sampler = Sampler(torch.arange(1, 301), 300)
        sampling = LanguageModel(300, sizes, plain, sampler, precision=precision)
        recipe = Classifier(
            architecture=sizes,
            dropouts=plain,
            head_dropouts=(0, 0),
            bptt=16,
            pooling="mean",
            precision=precision,
        )
        classifier = PoolingClassifier(300, 3, recipe)
        models = [model.to(where.device) for model in (lm, sampling, classifier)]
        # Before training six documents hardly differ, and a batch norm that divides by their spread
        # multiplies whatever was rounded before it.
        classifier.head.eval()
        x = ids.to(where.device)
        losses = [
            *(
                model.loss(x[:-1], x[1:], model.encoder.initial_state(6), 2.0, 1.0)[0]
                for model in (lm, sampling)
            ),
            classifier.loss(x, lengths, labels.to(where.device), 2.0, 1.0)[0],
        ]
        torch.autograd.backward(losses)
        gradients = [p.grad for model in models for p in model.parameters()]
        return [t.detach().cpu() for t in (*losses, *gradients)]
