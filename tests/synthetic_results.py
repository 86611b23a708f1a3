"""A small invented study in the files of a real one: manifest, runs, language models, tables.

The plan is resolved from a config, as always. No model is trained: errors are drawn from a
logistic model of document difficulty, variant and seed, so numbers look as they do in real studies
and the same documents are hard for everybody.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ulmfit.config import paths
from ulmfit.config.manifest import manifest
from ulmfit.config.plan import Plan
from ulmfit.config.recipes import Classifier, to_dict
from ulmfit.config.study import Preset, Registry, Study, Text, Variant
from ulmfit.config.validation import check
from ulmfit.evaluate.metrics import compute_metrics
from ulmfit.evaluate.tables import make_tables
from ulmfit.store.files import digest, write_json
from ulmfit.store.tables import write_table

CLASSES = ("example", "note", "param", "return", "summary")
STUDY = {
    "study": "synthetic",
    "title": "An invented study",
    "description": "Numbers drawn from a logistic model; no model was trained.",
    "datasets": {"docstrings": {"corpus": "library-docs"}},
    "experiments": {
        "main": {
            "title": "Ablation",
            "caption": "Invented errors on 2,000 labels.",
            "n_labelled": [2000],
            "cells": [
                "ulmfit",
                "no-pretraining",
                "from-scratch",
                "from-scratch-tuned",
                {
                    "among": ["from-scratch", "from-scratch-tuned"],
                    "title": "From scratch (better rate)",
                },
                "tfidf",
            ],
        },
        "ensembles": {
            "title": "Directions",
            "n_labelled": [2000],
            "cells": [
                "ulmfit",
                {"variant": "ulmfit", "direction": "bwd"},
                {"variant": "ulmfit", "ensemble": "fwd+bwd"},
            ],
        },
        "low-shot": {
            "title": "Fewer labels",
            "n_labelled": [100, 2000],
            "cells": ["ulmfit", "from-scratch", "tfidf"],
        },
        "sealed": {
            "title": "The sealed test fold",
            "n_labelled": [2000],
            "fold": "test",
            "cells": [
                "ulmfit",
                {"variant": "ulmfit", "ensemble": "fwd+bwd"},
                {
                    "among": ["from-scratch", "from-scratch-tuned"],
                    "title": "From scratch (better rate)",
                },
                "tfidf",
            ],
        },
    },
}
VARIANTS = {
    "ulmfit": {"title": "ULMFiT", "description": "All parts."},
    "no-pretraining": {"title": "No pretraining", "pretrain": "none"},
    "from-scratch": {"title": "From scratch", "pretrain": "none", "finetune": "none"},
    "from-scratch-tuned": {
        "title": "From scratch, tuned",
        "pretrain": "none",
        "finetune": "none",
        "classify": {"optimizer": {"lr": 0.003}},
    },
    "tfidf": {"title": "TF-IDF + logistic regression", "baseline": "tfidf"},
}
SECOND_CORPUS = {
    "variants": {"on-wiki": {"title": "Pretrained on Wikipedia", "corpus": "wiki"}},
    "experiments": {
        "corpora": {
            "title": "Two corpora",
            "n_labelled": [2000],
            "cells": ["ulmfit", "on-wiki", "no-pretraining"],
        }
    },
}
"""What a study has more that is pretrained on two corpora."""
PUBLISHED = {"ulmfit": "5.00", "from-scratch": "9.93"}
EASE = {
    "ulmfit": 0.2,
    "no-pretraining": -0.2,
    "on-wiki": 0.4,
    "from-scratch": -0.9,
    "from-scratch-tuned": -0.6,
    "tfidf": -0.4,
}
VERSIONS = {"ulmfit": "0.1.0", "numpy": "2.4.6", "python": "3.12.1", "torch": "2.13.0"}


@dataclass(frozen=True)
class SyntheticResults:
    """Where an invented study lies: ``results`` is ``results/<study>``."""

    results: Path
    manifest: Path
    tables: Path


def write_synthetic_results(
    results: Path,
    seeds: int = 3,
    documents: int = 200,
    tables: bool = True,
    second_corpus: bool = False,
) -> SyntheticResults:
    """Write a study of one dataset with ``seeds`` seeds.

    ``documents`` is the size of each of the folds select, report and test.
    """
    synthetic = SyntheticResults(results, results / "manifest.json", results / "tables")
    _Study(results, planned(seeds, second_corpus), documents).write(synthetic.manifest)
    if tables:
        make_tables(synthetic.manifest, results, synthetic.tables)
    return synthetic


def planned(seeds: int, second_corpus: bool = False) -> dict[str, Any]:
    """The manifest of the invented study."""
    more: dict[str, Any] = SECOND_CORPUS if second_corpus else {"variants": {}, "experiments": {}}
    experiments = STUDY["experiments"] | more["experiments"]
    registry = Registry(
        corpora={
            "library-docs": Text(source="docstrings-prose", title="Library documentation"),
            "wiki": Text(source="docstrings-prose", title="Wikipedia"),
        },
        datasets={
            "docstrings": Text(
                source="docstrings-sections",
                title="Docstring sections",
                folds={"report": 0.2, "test": 0.2},
            )
        },
        variants=check(dict[str, Variant], VARIANTS | more["variants"], "variants"),
        presets={"paper": Preset()},
    )
    study = {
        **STUDY,
        "experiments": experiments,
        "order": list(experiments),
        "seeds": {"runs": list(range(seeds)), "vary": ["finetune", "classify"]},
    }
    made = manifest(Plan(check(Study, study, "study"), registry))
    # The paper has no such rows; the table must show them nevertheless.
    for cell in made["experiments"][0]["cells"]:
        cell["published"] = PUBLISHED.get(cell["variant"])
        cell["published_n"] = 2500 if cell["published"] else None
    return made


def draw_probability(
    label: np.ndarray, difficulty: np.ndarray, ease: float, generator: np.random.Generator
) -> np.ndarray:
    """(documents, classes) float32: a softmax that is right where ease beats difficulty."""
    logit = generator.normal(0, 0.5, (len(label), len(CLASSES)))
    margin = ease - difficulty + generator.normal(0, 0.8, len(label))
    logit[np.arange(len(label)), label] += 1 + margin
    power = np.exp(logit)
    return (power / power.sum(1, keepdims=True)).astype(np.float32)


def duplicates(documents: int) -> dict[str, Any]:
    """Invented counts as the stage `leakage` writes them, each number but once."""

    def form(first: int) -> dict[str, Any]:
        numbers = iter(range(first, first + 100))
        return {
            "repeats": {name: next(numbers) for name in ("train", "test", "corpus")},
            "shared": {
                "train": {name: next(numbers) for name in ("test", "corpus")},
                "test": {"corpus": next(numbers)},
            },
            "conflicts": {"texts": next(numbers), "documents": next(numbers)},
            "copies": {
                fold: {name: next(numbers) for name in ("fit", "unlabelled")}
                for fold in ("select", "report", "test")
            },
        }

    return {
        "documents": {"train": 3000, "test": documents, "corpus": 700},
        "exact": form(1100),
        "normalised": form(1200),
        "labelled": 3000 + documents,
        "folds": dict.fromkeys(("select", "report", "test"), documents),
        "contained": {
            "train": {"searched": 2900, "found": 31},
            "test": {"searched": 41, "found": 0},
        },
        "contained_min_words": 8,
    }


class _Study:
    def __init__(self, results: Path, manifest: dict[str, Any], documents: int) -> None:
        self.results = results
        self.manifest = manifest
        generator = np.random.default_rng(7)
        fold = np.repeat(["select", "report", "test"], documents)
        self.label = generator.integers(len(CLASSES), size=len(fold))
        self.table = pd.DataFrame(
            {
                "document": [f"d{index:05d}" for index in range(len(fold))],
                "fold": fold,
                "label": np.array(CLASSES)[self.label],
            }
        )
        self.difficulty = generator.normal(0, 1.5, len(fold))
        self.probability: dict[str, np.ndarray] = {}
        self.cards: dict[str, dict[str, Any]] = {}

    def write(self, path: Path) -> None:
        write_json(path, self.manifest)
        self._texts()
        for entry in self.manifest["leakage"]:
            write_json(self.results / entry["path"], duplicates(len(self.table) // 3))
            self._copies(self.results / paths.DUPLICATES.format(**entry))
        for model in self.manifest["language_models"]:
            self._language_model(model)
        # Members of ensembles first.
        for run in sorted(self.manifest["runs"], key=lambda run: run["kind"] == "ensemble"):
            self._run(run)

    def _copies(self, path: Path) -> None:
        """Of each fold the first document stands in fit, the second in the corpus."""
        place = self.table.groupby("fold").cumcount()
        table = self.table[["document", "fold"]].rename(columns={"document": "id"})
        marks = {
            "duplicate_in_fit": place == 0,
            "duplicate_in_unlabelled": False,
            "in_corpus": place == 1,
        }
        write_table(path, table.assign(**marks))

    def _texts(self) -> None:
        documents = len(self.table) // 3
        for text in self.manifest["texts"].values():
            facts = {"source": text["title"], "documents": 5000, "sha256": "0" * 64}
            write_json(self.results / text["source"], facts)
            folds = ("fit", "select", "report", "test")
            write_json(
                self.results / text["folds"],
                {
                    "split_seed": 0,
                    "folds": {
                        fold: {"documents": 2000 if fold == "fit" else documents} for fold in folds
                    },
                },
            )

    def _card(self, stage: str, name: str, direction: str, seed: int) -> dict[str, Any]:
        recipe = {"name": name, "epochs": 3, "optimizer": {"lr": 0.004}}
        if stage == "classify":
            recipe = to_dict(Classifier(epochs=8 + list(EASE).index(name)))
        return {
            "stage": stage,
            "recipe": recipe,
            "recipe_digest": digest(recipe),
            "direction": direction,
            "vocabulary_sha256": "1" * 64,
            "parents": [],
            "seed": seed,
            "device": "cpu",
            "device_name": "Synthetic CPU",
            "matmul": {"float32": "highest"},
            "versions": VERSIONS,
            "commit": "0123456789abcdef0123456789abcdef01234567",
            "dirty": False,
            "wall_s": 20.5 + seed,
            "cpu_s": 20.0 + seed,
            "tokens_per_s": 8000.0 + 10 * seed,
            "peak_memory_mib": 410.5,
            "tokens": None if stage == "baseline" else 90_000,
            "documents": None if stage != "classify" else 2000,
            "vocabulary_size": 500,
            "classes": list(CLASSES),
            "epochs": 3,
            "weights_epoch": 3,
            "updates": 300,
            "parameters": 1_234_567,
            "weights_sha256": digest([stage, name, direction, seed]) * 4,
            "resumed_from": [],
        }

    def _language_model(self, model: dict[str, Any]) -> None:
        first_loss = 6.5 if model["stage"] == "pretrain" or model["corpus"] is None else 5.0
        rows = []
        for epoch in range(4):
            loss = first_loss - 0.4 * math.sqrt(epoch) + 0.01 * model["seed"]
            rows.append(
                {
                    "epoch": epoch,
                    "stage": "all",
                    "train_loss": loss + 0.1 if epoch else None,
                    "valid_loss": loss,
                    "valid_perplexity": math.exp(loss),
                    "valid_accuracy": 0.3 - 0.02 * loss,
                    "lr": 0.004 / (epoch + 1),
                    "tokens_per_s": 8000.0,
                    "wall_s": 7.0 * epoch,
                }
            )
        folder = self.results / model["path"]
        write_rows(folder / "history.csv", rows)
        card = self._card(model["stage"], model["name"], model["direction"], model["seed"])
        write_json(folder / "card.json", card)

    def _run(self, run: dict[str, Any]) -> None:
        path = run["path"]
        if run["kind"] == "ensemble":
            self.probability[path] = np.mean([self.probability[m] for m in run["members"]], axis=0)
        else:
            generator = np.random.default_rng(int(digest(path), 16))
            ease = EASE[run["variant"]] + 0.35 * math.log(run["n_labelled"] / 500)
            ease += generator.normal(0, 0.12)
            self.probability[path] = draw_probability(self.label, self.difficulty, ease, generator)
            stage = "baseline" if run["kind"] == "baseline" else "classify"
            self.cards[path] = self._card(stage, run["variant"], run["direction"], run["seed"])
        if run["kind"] == "model":
            write_json(self.results / path / "card.json", self.cards[path])
            self._classifier_history(self.results / path / "history.csv")
        self._score(run, self.results / path, ("select", "report"))
        if path in self.manifest["unsealed"]:
            self._score(run, self.results / path / "test", ("test",))

    def _score(self, run: dict[str, Any], folder: Path, folds: Iterable[str]) -> None:
        path, probability = run["path"], self.probability[run["path"]]
        table = self.table.copy()
        for column, name in enumerate(CLASSES):
            table[f"p_{name}"] = probability[:, column]
        table = table[table["fold"].isin(list(folds))]
        write_table(folder / "predictions.parquet", table.reset_index(drop=True))
        members = run["members"] or ([path] if run["kind"] == "model" else [])
        metrics = {
            "folds": {},
            "training": self.cards.get(path),
            "member_cards": [self.cards[member] for member in run["members"]],
            "members": [f"{member}/probabilities.npz" for member in members],
            "inputs": {f"{member}/probabilities.npz": "3" * 64 for member in members},
            "classes": list(CLASSES),
            "versions": VERSIONS,
        }
        for fold in folds:
            rows = (self.table["fold"] == fold).to_numpy()
            metrics["folds"][fold] = compute_metrics(self.label[rows], probability[rows]).to_dict()
        if "test" in folds:
            metrics["test_evaluations"] = 1
        write_json(folder / "metrics.json", metrics)

    def _classifier_history(self, path: Path) -> None:
        rows = [
            {
                "epoch": epoch + 1,
                "stage": stage,
                "train_loss": 1.6 / (epoch + 1),
                "train_error": 0.6 / (epoch + 1),
                # Validated every second epoch, so the other cells are empty.
                "select_loss": 1.5 / (epoch + 1) if epoch % 2 else None,
                "select_error": 0.3 + 0.3 / (epoch + 1) if epoch % 2 else None,
                "lr": 0.01,
                "tokens_per_s": 9000.0,
                "wall_s": 5.0 * (epoch + 1),
            }
            for epoch, stage in enumerate(["head", "last-lstm", "all", "all"])
        ]
        write_rows(path, rows)


def write_rows(path: Path, rows: list[dict[str, Any]]) -> None:
    """Write dictionaries with equal keys as CSV; None is an empty cell."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
