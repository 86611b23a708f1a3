"""A small good file of every kind that one stage writes and another reads."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import torch

from ulmfit.config.recipes import Tokenizer
from ulmfit.evaluate.predictions import Predictions, write_predictions
from ulmfit.store.files import write_json, write_text
from ulmfit.store.probabilities import write_probabilities
from ulmfit.store.tables import write_table
from ulmfit.store.tokens import TokenStore, write_tokens
from ulmfit.store.weights import save_weights
from ulmfit.text.tokenizers import TokenizerFile, write_tokenizer
from ulmfit.train import weights
from ulmfit.train.card import vocabulary_sha256

WORDS = ("xxunk", "xxpad", "a", "b", "é")


def documents(n: int) -> pd.DataFrame:
    """Documents of n rows, the last two without a label."""
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "id": [f"d{i}" for i in range(n)],
            "split": ["train"] * (n - 2) + ["unlabelled"] * 2,
            "label": [("neg", "pos")[i % 2] for i in range(n - 2)] + [None] * 2,
            "group": [f"g{i // 2}" for i in range(n)],
            "text": [" ".join(map(str, rng.integers(0, 99, 9))) for i in range(n)],
        }
    )


def make_table(folder: Path, n: int = 8) -> None:
    write_table(folder / "documents.parquet", documents(n))


def make_folds(folder: Path, n: int = 8) -> None:
    table = documents(n)[["id"]].assign(fold="fit", rank=range(n))
    write_table(folder / "folds.parquet", table)


def make_tokens(folder: Path, n: int = 8) -> None:
    rng = np.random.default_rng(0)
    store = TokenStore(
        ids=rng.integers(0, len(WORDS), 5 * n),
        offsets=np.arange(0, 5 * n + 1, 5),
        document=np.array([f"d{i}" for i in range(n)]),
        fold=np.array(["fit", "select"] * n)[:n],
        label=np.zeros(n, np.int16),
        rank=np.arange(n, dtype=np.int32),
        vocabulary=WORDS,
        classes=("neg", "pos"),
    )
    write_tokens(folder, store, {"note": "kept"})


def make_weights(folder: Path, n: int = 8, words: tuple[str, ...] = WORDS) -> None:
    tensors = {"encoder.embedding": torch.arange(float(4 * n)).reshape(n, 4)}
    write_text(folder / weights.VOCABULARY, "".join(f"{word}\n" for word in words))
    card = {"vocabulary_sha256": vocabulary_sha256(words), "direction": "fwd", "stage": "classify"}
    save_weights(folder / "model.safetensors", tensors, card)


def make_probabilities(folder: Path, n: int = 8) -> None:
    probability = np.random.default_rng(0).dirichlet([1, 1], n)
    ids = np.array([f"d{i}" for i in range(n)])
    write_probabilities(folder / "probabilities.npz", ids, np.array(["select"] * n), probability)


def make_predictions(folder: Path, n: int = 8) -> None:
    ids = np.array([f"d{i:06}" for i in range(n)])
    probability = np.random.default_rng(0).dirichlet([1, 1], n).astype(np.float32)
    scored = Predictions(ids, np.array(["select"] * n), np.arange(n) % 2, probability, ("n", "p"))
    write_predictions(folder / "predictions.parquet", scored)


def make_tokenizer(folder: Path, n: int = 8) -> None:
    file = TokenizerFile(Tokenizer(kind="subword"), bytes(range(n % 256)) * (n // 256 + 1))
    write_tokenizer(folder / "tokenizer.json", file, {})


def make_metrics(folder: Path, n: int = 8) -> None:
    folds = {f"fold {i}": {"errors": i, "error": i / 7, "loss": float("nan")} for i in range(n)}
    write_json(folder / "metrics.json", {"folds": folds, "classes": ["neg", "pos"]})
