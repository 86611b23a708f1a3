"""Same recipe, seed and machine: same bits, in another process too. And what training imports."""

import hashlib
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from planted import WORDS, classifier_recipe, language_model_recipe, planted_store

from ulmfit.config.recipes import Architecture, Classifier, Dropouts, Freezing
from ulmfit.errors import UserError
from ulmfit.model.classifier import PoolingClassifier
from ulmfit.model.language_model import LanguageModel
from ulmfit.model.sampled_softmax import Sampler
from ulmfit.store.tokens import write_tokens
from ulmfit.train.device import choose, compute

PROGRAM = """
import sys
from pathlib import Path
from ulmfit.train.classifier import train_classifier
from ulmfit.train.language_model import train_language_model
from ulmfit.train.predict import predict
corpus, tokens, folder, lm, ft, clf, *seeds = sys.argv[1:]
for seed in seeds:
    path = Path(folder, seed)
    train_language_model(lm, Path(corpus), None, "fwd", int(seed), path / "lm/model.safetensors",
                         path / "lm/history.csv", "pretrain", device="cpu")
    train_language_model(ft, Path(tokens), path / "lm/model.safetensors", "fwd", int(seed),
                         path / "ft/model.safetensors", path / "ft/history.csv", "finetune",
                         device="cpu")
    train_classifier(clf, Path(tokens), path / "ft/model.safetensors", "fwd", 60, int(seed),
                     path / "clf/model.safetensors", path / "clf/history.csv",
                     path / "clf/probabilities.npz", device="cpu")
    predict(path / "clf/model.safetensors", Path(tokens), "test", path / "clf/test.npz", "cpu")
print(*sys.modules)
"""
FILES = (
    *(f"{stage}/model.safetensors" for stage in ("lm", "ft", "clf")),
    *("clf/probabilities.npz", "clf/test.npz"),
)


def run_python(*arguments: str) -> str:
    source = str(Path(__file__).parents[2] / "src")
    return subprocess.run(
        [sys.executable, "-c", *arguments],
        env={**os.environ, "PYTHONPATH": source},
        check=True,
        capture_output=True,
        text=True,
    ).stdout


HEAVY = {"pandas", "pydantic", "spacy", "sklearn", "scipy", "matplotlib", "sentencepiece"}
COMPILER = {"torch._dynamo", "torch._inductor", "sympy"}


def test_two_processes_make_the_same_bytes_without_importing_more_than_training_needs(
    tokens, tmp_path
):
    """A whole variant: pretraining, fine-tuning, classifier, predictions of the test fold."""
    corpus = tmp_path / "corpus"
    words = ("xxunk", "xxpad", *(f"w{n}" for n in reversed(range(2, WORDS))))
    write_tokens(corpus, replace(planted_store(seed=1), vocabulary=words), {})
    recipes = (
        language_model_recipe(epochs=1, softmax="sampled", negatives=10),
        language_model_recipe(variable_bptt=True, freezing=Freezing(depth=1)),
        classifier_recipe(epochs=4, early_stopping=True),
    )
    folders = (str(corpus), str(tokens))
    digests = {}
    for process, seeds in (("first", "1"), ("second", "12")):
        loaded = run_python(PROGRAM, *folders, str(tmp_path / process), *recipes, *seeds)
        assert not (HEAVY | COMPILER) & set(loaded.split())
        for seed in seeds:
            files = [(tmp_path / process / seed / name).read_bytes() for name in FILES]
            digests[process, seed] = [hashlib.sha256(file).hexdigest() for file in files]
    assert digests["first", "1"] == digests["second", "1"]
    pairs = zip(digests["second", "1"], digests["second", "2"], strict=True)
    assert all(one != two for one, two in pairs)


def test_a_stage_leaves_the_settings_of_the_process_alone():
    threads, state = torch.get_num_threads(), torch.get_rng_state()
    with compute("cpu", threads=1, seed=5):
        torch.rand(3)
    assert torch.get_num_threads() == threads
    assert torch.equal(torch.get_rng_state(), state)


def test_an_unknown_or_absent_device_is_refused():
    with pytest.raises(UserError, match="auto, cpu or cuda"):
        choose("gpu")
    if not torch.cuda.is_available():
        with pytest.raises(UserError, match="finds no GPU"):
            choose("cuda")


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_gpu_gives_the_losses_and_gradients_of_the_cpu(precision):
    plain = Dropouts(embedding=0, input=0, weight=0, hidden=0, output=0)
    sizes = Architecture(24, 40, 3)
    ids, lengths = torch.randint(0, 300, (50, 6)), torch.tensor([50, 41, 33, 30, 8, 2])
    labels = torch.tensor([0, 1, 2, 0, 1, 2])
    results = []
    for device in ("cpu", "cuda"):
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
            lm.to(where.device)
            sampling.to(where.device)
            classifier.to(where.device)
            x = ids.to(where.device)
            losses = [
                *(
                    model.loss(x[:-1], x[1:], model.encoder.initial_state(6), 2.0, 1.0)[0]
                    for model in (lm, sampling)
                ),
                classifier.loss(x, lengths, labels.to(where.device), 2.0, 1.0)[0],
            ]
            torch.autograd.backward(losses)
            models = (lm, sampling, classifier)
            gradients = [p.grad for model in models for p in model.parameters()]
            results.append([t.detach().cpu() for t in (*losses, *gradients)])
    for cpu, gpu in zip(*results, strict=True):
        if precision == "fp32":
            torch.testing.assert_close(gpu, cpu, rtol=1e-3, atol=1e-5)
        else:
            assert gpu.dtype == cpu.dtype == torch.float32
            assert (gpu - cpu).norm() <= 0.05 * cpu.norm()
