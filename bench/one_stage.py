"""A fresh process that runs one stage of a study once: ``python -m bench.one_stage NAME FOLDER``.

FOLDER has what the stages before it wrote. Says CPU-seconds, seconds and memory of the function
behind the command, so without the start of the interpreter and its imports.
"""

from __future__ import annotations

import hashlib
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.clock import peak_mib
from ulmfit.config.recipes import Architecture, LanguageModel, Schedule, Tokenizer, to_dict
from ulmfit.config.sources import Folds
from ulmfit.store.files import canonical_json

DOCUMENTS, FOLDS, TOKENIZER, TOKENS = (
    "documents.parquet",
    "folds.parquet",
    "tokenizer.json",
    "tokens",
)
WORDS = Tokenizer(kind="word", max_vocab=2000)
"""So few that a corpus of each size fills the vocabulary: an update costs the same for all."""
TINY = LanguageModel(
    architecture=Architecture(embedding=24, hidden=48, layers=2),
    schedule=Schedule(kind="constant"),
    epochs=1,
    batch_size=16,
)
EMBEDDING = 100
"""Of the language model whose weights are written and read."""

Parts = dict[str, Callable[[], object]]


def folds(folder: Path) -> Parts:
    """Divide the documents; near copies are looked for."""
    from ulmfit.data.stages import make_folds

    options = canonical_json(to_dict(Folds(select=0.05)))
    summary = folder / "folds.json"
    return {"folds": lambda: make_folds(folder / DOCUMENTS, options, 0, folder / FOLDS, summary)}


def tokens(folder: Path) -> Parts:
    """Cut the documents into words, number them, write the token folder."""
    from ulmfit.text.stages import make_tokenizer, make_tokens

    tokenizer = folder / TOKENIZER
    make_tokenizer(canonical_json(to_dict(WORDS)), None, None, tokenizer, 1)
    inputs = tokenizer, folder / DOCUMENTS, folder / FOLDS
    return {"tokens": lambda: make_tokens(*inputs, folder / TOKENS, 1)}


def epoch(folder: Path) -> Parts:
    """Train a tiny language model for an epoch."""
    from ulmfit.train.language_model import train_language_model

    recipe, output = canonical_json(to_dict(TINY)), folder / "lm"
    inputs = recipe, folder / TOKENS, None, "fwd", 0
    outputs = output / "model.safetensors", output / "history.csv"
    return {
        "epoch": lambda: train_language_model(*inputs, *outputs, "pretrain", device="cpu"),
    }


def weights(folder: Path, vocabulary: int) -> Parts:
    """Write and read the weights of a language model with its vocabulary."""
    from ulmfit.model.language_model import LanguageModel as Model
    from ulmfit.train.card import vocabulary_bytes
    from ulmfit.train.weights import load, save

    words = tuple(f"w{k}" for k in range(vocabulary))
    recipe = LanguageModel(architecture=Architecture(embedding=EMBEDDING, hidden=200))
    model = Model(vocabulary, recipe.architecture, recipe.dropouts)
    path = folder / "model.safetensors"
    card = {"vocabulary_sha256": hashlib.sha256(vocabulary_bytes(words)).hexdigest()}
    return {"save": lambda: save(path, model, words, card), "load": lambda: load(path)}


STAGES: dict[str, Callable[..., Parts]] = {
    "folds": folds,
    "tokens": tokens,
    "epoch": epoch,
    "weights": weights,
}


def timed(parts: Parts) -> dict[str, Any]:
    """CPU-seconds and seconds of each part, and memory before the first and at most."""
    baseline, cpu, wall = peak_mib(), {}, {}
    for name, part in parts.items():
        cpu_mark, wall_mark = time.process_time(), time.perf_counter()
        part()
        cpu[name] = time.process_time() - cpu_mark
        wall[name] = time.perf_counter() - wall_mark
    return {"cpu": cpu, "wall": wall, "peak_mib": peak_mib(), "baseline_mib": baseline}


def main() -> None:
    """Run what the arguments say: a stage, its folder, and for ``weights`` a number of words."""
    name, folder, *numbers = sys.argv[1:]
    result = timed(STAGES[name](Path(folder), *map(int, numbers)))
    print(json.dumps(result))


if __name__ == "__main__":
    main()
