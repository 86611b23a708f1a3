"""A document of 50,000 tokens goes from a table to predictions, in bounded memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ulmfit.config.recipes import Architecture, Classifier, Freezing, Tokenizer, to_dict
from ulmfit.config.sources import Folds, Table
from ulmfit.data.stages import make_documents, make_folds
from ulmfit.store.files import canonical_json
from ulmfit.store.probabilities import read_probabilities
from ulmfit.store.tokens import read_tokens
from ulmfit.text.stages import make_tokenizer, make_tokens

LONG = 50_000
MIB = 1 << 10
# Not ru_maxrss, which begins at the memory of the process that starts another.
MEASURED = """
import re, sys
from pathlib import Path
from ulmfit.cli import main
assert main(sys.argv[1:]) == 0
print(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1])
"""
RECIPE = Classifier(
    architecture=Architecture(embedding=32, hidden=64, layers=2),
    epochs=1,
    batch_size=4,
    freezing=Freezing(plan="none"),
    max_seq=140,
)


def token_folder(folder: Path, length: int) -> Path:
    """Tokens of 40 documents for training and two for testing, the first of each so long."""
    rng = np.random.default_rng(0)
    words = [f"{first}{second}" for first in "abcdefghij" for second in "klmnopqrst"]

    def rows(count: int) -> str:
        sizes = [length, *[20] * (count - 1)]
        texts = (" ".join(rng.choice(words, size)) for size in sizes)
        return "text,label\n" + "".join(f"{text},{'ab'[n % 2]}\n" for n, text in enumerate(texts))

    folder.mkdir()
    files = {split: folder / f"{split}.csv" for split in ("train", "test")}
    files["train"].write_text(rows(40), encoding="utf-8")
    files["test"].write_text(rows(2), encoding="utf-8")
    documents, folds = folder / "documents.parquet", folder / "folds.parquet"
    make_documents(
        "table", canonical_json(to_dict(Table())), files, documents, folder / "source.json"
    )
    sizes = canonical_json(to_dict(Folds(select=4, report=4)))
    make_folds(documents, sizes, 0, folds, folder / "folds.json")
    make_tokenizer(canonical_json(to_dict(Tokenizer())), None, None, folder / "tokenizer.json", 1)
    make_tokens(folder / "tokenizer.json", documents, folds, folder / "tokens", 1)
    return folder / "tokens"


def run(*command: object) -> int:
    """Run a stage and return its largest memory, in KiB."""
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, *map(str, command)],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return int(done.stdout.split()[-1])


def train_and_predict(tokens: Path) -> tuple[int, int]:
    model = tokens.parent / "model.safetensors"
    facts = tokens / "tokens.json"
    trained = run(
        *("classify", "--recipe", json.dumps(to_dict(RECIPE)), "--tokens", facts, "--seed", 0),
        *("--output", model, "--history", tokens.parent / "history.csv", "--device", "cpu"),
        *("--probabilities", tokens.parent / "probabilities.npz"),
    )
    predicted = run(
        *("predict", "--weights", model, "--tokens", facts, "--device", "cpu"),
        *("--output", tokens.parent / "test.npz"),
    )
    return trained, predicted


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_document_of_50_000_tokens_takes_no_more_memory_than_a_short_one(tmp_path):
    tokens = token_folder(tmp_path / "long", LONG)
    store = read_tokens(tokens)
    lengths = dict(zip(store.document, np.diff(store.offsets), strict=True))
    assert lengths["train-1"] > LONG
    assert lengths["test-1"] > LONG
    assert dict(zip(store.document, store.fold, strict=True))["train-1"] == "fit"
    long = train_and_predict(tokens)
    document, _, probability = read_probabilities(tokens.parent / "test.npz")
    assert document.tolist() == ["test-1", "test-2"]
    assert np.isfinite(probability).all()
    short = train_and_predict(token_folder(tmp_path / "short", 2 * RECIPE.max_seq))
    # What the gradients of all 50,000 steps of a batch of four need would take 300 MiB more.
    assert max(np.subtract(long, short)) < 100 * MIB
