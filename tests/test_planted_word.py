"""Text to ensemble, stage by stage: one word tells two classes (ulmfit.md 10, check 11)."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ulmfit.config.recipes import (
    CLASSIFIER_DROPOUTS,
    Architecture,
    Classifier,
    Dropouts,
    Freezing,
    LanguageModel,
    Optimizer,
    Tokenizer,
    to_dict,
)
from ulmfit.config.sources import Folds, Table
from ulmfit.data.stages import make_documents, make_folds
from ulmfit.evaluate.score import score
from ulmfit.store.files import canonical_json, read_json
from ulmfit.store.tokens import read_vocabulary
from ulmfit.text.stages import make_tokenizer, make_tokens
from ulmfit.train.classifier import train_classifier
from ulmfit.train.language_model import train_language_model

PLANTED = {"bad": "dreadful", "good": "splendid"}
SIZES = Architecture(embedding=12, hidden=16, layers=2)
DROPOUTS = Dropouts(multiplier=0.2)
PRETRAIN = LanguageModel(
    SIZES, DROPOUTS, optimizer=Optimizer(lr=0.01), epochs=2, batch_size=8, bptt=20
)
FINETUNE = LanguageModel(
    SIZES,
    DROPOUTS,
    optimizer=Optimizer(lr=0.01),
    freezing=Freezing(depth=1),
    epochs=3,
    batch_size=8,
    bptt=20,
)
CLASSIFY = Classifier(
    SIZES,
    Dropouts(**{**vars(CLASSIFIER_DROPOUTS), "multiplier": 0.2}),
    optimizer=Optimizer(lr=0.02, layer_decay=1.3, clip=1.0),
    epochs=24,
    batch_size=16,
    bptt=8,
    max_seq=100,
)


def token_folder(folder: Path, rows: list[dict[str, str]], folds: Folds) -> Path:
    """Documents, folds and tokens of a table, which has a vocabulary of its own."""
    folder.mkdir()
    with open(folder / "train.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    options = Table(label="label" if "label" in rows[0] else None)
    documents, division = folder / "documents.parquet", folder / "folds.parquet"
    files = {"train": folder / "train.csv"}
    source = folder / "source.json"
    make_documents("table", canonical_json(to_dict(options)), files, documents, source)
    make_folds(documents, canonical_json(to_dict(folds)), 0, division, folder / "folds.json")
    tokenizer = folder / "tokenizer.json"
    make_tokenizer(canonical_json(to_dict(Tokenizer(min_freq=2))), None, None, tokenizer, 1)
    make_tokens(tokenizer, documents, division, folder / "tokens", 1)
    return folder / "tokens"


def language_model(
    recipe: LanguageModel, tokens: Path, parent: Path | None, direction: str, folder: Path
) -> Path:
    weights = folder / "model.safetensors"
    train_language_model(
        canonical_json(to_dict(recipe)),
        tokens,
        parent,
        direction,
        0,
        weights,
        folder / "history.csv",
        "pretrain" if parent is None else "finetune",
        device="cpu",
    )
    return weights


def errors(members: Sequence[Path], documents: Path, folder: Path) -> tuple[int, int]:
    """(wrong documents, documents) of the fold report, of one classifier or of a mean of some."""
    score(
        [member / "probabilities.npz" for member in members],
        documents,
        folder / "predictions.parquet",
        folder / "metrics.json",
        [member / "card.json" for member in members],
    )
    metrics = read_json(folder / "metrics.json")["folds"]["report"]
    return metrics["errors"], metrics["n"]


def texts(words: list[str], count: int, seed: int) -> list[list[str]]:
    rng = np.random.default_rng(seed)
    return [rng.choice(words, rng.integers(4, 16)).tolist() for _ in range(count)]


def test_200_documents_go_from_text_to_an_ensemble_that_knows_the_planted_word(tmp_path):
    words = [first + second for first in "bdfgklmnpr" for second in ("ale", "ore", "une", "ist")]
    corpus = token_folder(
        tmp_path / "corpus",
        [{"text": " ".join(text)} for text in texts(words[:30], 100, seed=1)],
        Folds(select=0.2, near_duplicate=0),
    )
    rows = []
    for number, text in enumerate(texts(words[10:], 200, seed=2)):
        label = ("bad", "good")[number % 2]
        text.insert(number * 7 % (len(text) + 1), PLANTED[label])
        rows.append({"text": " ".join(text), "label": label})
    tokens = token_folder(tmp_path / "task", rows, Folds(select=40, report=60, near_duplicate=0))
    known, task = (set(read_vocabulary(path / "vocabulary.txt")) for path in (corpus, tokens))
    assert set(PLANTED.values()) <= task - known
    assert len(known & task) > 20

    documents = tmp_path / "task" / "documents.parquet"
    members, wrong = [], []
    for direction in ("fwd", "bwd"):
        folder = tmp_path / direction
        pretrained = language_model(PRETRAIN, corpus, None, direction, folder / "lm")
        tuned = language_model(FINETUNE, tokens, pretrained, direction, folder / "ft")
        classifier = folder / "clf"
        train_classifier(
            canonical_json(to_dict(CLASSIFY)),
            tokens,
            tuned,
            direction,
            None,
            0,
            *(classifier / name for name in ("model.safetensors", "history.csv")),
            classifier / "probabilities.npz",
            device="cpu",
        )
        members.append(classifier)
        single, count = errors([classifier], documents, classifier)
        assert count == 60
        assert single / count < 0.05
        wrong.append(single)
    both, _ = errors(members, documents, tmp_path / "both")
    assert both <= max(wrong)
