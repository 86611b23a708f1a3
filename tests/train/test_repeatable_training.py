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

from ulmfit.config.recipes import Freezing
from ulmfit.errors import UserError
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
