"""A small invented study in the files of a real one: manifest, runs, language models, tables.

No model is trained: the errors are drawn from a logistic model of document difficulty, variant and
seed, so numbers look as they do in real studies and the same documents are hard for everybody.
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

from synthetic_tables import write_tables
from ulmfit.store.files import digest, write_json
from ulmfit.store.tables import write_table

DATASET, CORPUS = "docstrings", "library-docs"
CLASSES = ("example", "note", "param", "return", "summary")
SIZES = (100, 2000)
EASE = {
    "ulmfit": 0.2,
    "no-pretraining": -0.2,
    "from-scratch": -0.9,
    "from-scratch-tuned": -0.6,
    "tfidf": -0.4,
}
TITLES = {
    "ulmfit": "ULMFiT",
    "no-pretraining": "Without pretraining",
    "from-scratch": "From scratch, 1e-3",
    "from-scratch-tuned": "From scratch, 3e-3",
    "tfidf": "TF-IDF + logistic regression",
}
PUBLISHED = {"ulmfit": {"imdb": 5.00}, "from-scratch": {"imdb": 9.93}}
VERSIONS = {"ulmfit": "0.1.0", "numpy": "2.4.6", "python": "3.12.1", "torch": "2.13.0"}


@dataclass(frozen=True)
class SyntheticResults:
    """Where an invented study lies: ``results`` is ``results/<study>``."""

    results: Path
    manifest: Path
    tables: Path


def write_synthetic_results(
    results: Path, seeds: int = 3, documents: int = 200
) -> SyntheticResults:
    """Write a study of one dataset, five variants, two sizes and ``seeds`` seeds.

    ``documents`` is the size of each of the folds select, report and test.
    """
    study = _Study(results, seeds, documents)
    manifest = study.write()
    write_tables(manifest, results, results / "tables")
    return SyntheticResults(results, manifest, results / "tables")


class _Study:
    def __init__(self, results: Path, seeds: int, documents: int) -> None:
        self.results, self.seeds = results, range(seeds)
        generator = np.random.default_rng(7)
        self.documents = pd.DataFrame(
            {
                "document": [f"d{index:05d}" for index in range(3 * documents)],
                "fold": np.repeat(["select", "report", "test"], documents),
            }
        )
        self.label = generator.integers(len(CLASSES), size=len(self.documents))
        self.documents["label"] = np.array(CLASSES)[self.label]
        self.difficulty = generator.normal(0, 1.5, len(self.documents))
        self.runs: list[dict[str, Any]] = []
        self.models: list[dict[str, Any]] = []

    def write(self) -> Path:
        self._sources()
        for seed in self.seeds:
            for direction in ("fwd", "bwd"):
                self._language_models(direction, seed)
            for size in SIZES:
                members = [
                    self._model("ulmfit", direction, size, seed) for direction in ("fwd", "bwd")
                ]
                self._ensemble(members, size, seed)
                for variant in ("no-pretraining", "from-scratch", "from-scratch-tuned"):
                    self._model(variant, "fwd", size, seed)
        for size in SIZES:
            self._baseline(size)
        path = self.results / "manifest.json"
        write_json(path, self._manifest())
        return path

    def _sources(self) -> None:
        third = len(self.documents) // 3
        folds = {"fit": 2000, "select": third, "report": third, "test": third}
        for text, counts in (
            (DATASET, {"documents": 2000 + 3 * third}),
            (CORPUS, {"documents": 14731}),
        ):
            folder = self.results / "data" / text
            write_json(
                folder / "source.json",
                {
                    "name": text,
                    "versions": {"numpy": "2.4.6"},
                    "counts": counts,
                    "sha256": "0" * 64,
                },
            )
            write_json(folder / "folds.json", {"folds": folds, "classes": list(CLASSES)})

    def _card(self, stage: str, name: str, direction: str, seed: int, parents: list[str]) -> Any:
        recipe = {"name": name, "epochs": 3, "optimizer": {"lr": 0.004}}
        return {
            "stage": stage,
            "recipe": recipe,
            "recipe_digest": digest(recipe),
            "direction": direction,
            "vocabulary_sha256": "1" * 64,
            "parents": [{"path": parent, "weights_sha256": "2" * 64} for parent in parents],
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
            "epochs": 3,
            "updates": 300,
            "parameters": 1_234_567,
            "weights_sha256": digest([stage, name, direction, seed]) * 4,
            "resumed_from": [],
        }

    def _language_models(self, direction: str, seed: int) -> None:
        """One pretrained model a direction (seed 0 only), one fine-tuned model a seed."""
        pretrained = f"lm/{CORPUS}/word/{direction}/s0"
        if seed == 0:
            self._language_model("pretrain", None, direction, 0, pretrained, [], 6.5)
        path = f"lm/{DATASET}/word/{direction}/s0-{seed}"
        self._language_model("finetune", DATASET, direction, seed, path, [pretrained], 5.0)

    def _language_model(
        self,
        stage: str,
        dataset: str | None,
        direction: str,
        seed: int,
        path: str,
        parents: list[str],
        first_loss: float,
    ) -> None:
        rows = []
        for epoch in range(4):
            loss = first_loss - 0.4 * math.sqrt(epoch) + 0.01 * seed
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
        write_rows(self.results / path / "history.csv", rows)
        write_json(
            self.results / path / "card.json", self._card(stage, "ulmfit", direction, seed, parents)
        )
        self.models.append(
            {
                "stage": stage,
                "name": "ulmfit",
                "dataset": dataset,
                "corpus": CORPUS,
                "tokenizer": "word",
                "direction": direction,
                "n_text": "all",
                "seed": seed,
                "path": path,
            }
        )

    def _probability(self, variant: str, direction: str, size: int, seed: int) -> np.ndarray:
        """(documents, classes): a softmax that is right where ease beats difficulty."""
        generator = np.random.default_rng(
            [seed, size, sorted(EASE).index(variant), len(direction), direction == "bwd"]
        )
        ease = EASE[variant] + 0.35 * math.log(size / 500) + generator.normal(0, 0.12)
        logit = generator.normal(0, 0.5, (len(self.label), len(CLASSES)))
        margin = ease - self.difficulty + generator.normal(0, 0.8, len(self.label))
        logit[np.arange(len(self.label)), self.label] += 1 + margin
        power = np.exp(logit)
        return (power / power.sum(1, keepdims=True)).astype(np.float32)

    def _run(
        self,
        variant: str,
        title: str,
        kind: str,
        tokenizer: str,
        direction: str,
        size: int,
        seed: int,
        path: str,
        probability: np.ndarray,
        training: Any,
        **facts: Any,
    ) -> None:
        run = {
            "id": path,
            "variant": variant,
            "title": title,
            "kind": kind,
            "dataset": DATASET,
            "tokenizer": tokenizer,
            "direction": direction,
            "n_labelled": size,
            "seed": seed,
            "path": path,
        }
        self.runs.append(run)
        folder = self.results / path
        for target, folds in ((folder, ("select", "report")), (folder / "test", ("test",))):
            keep = self.documents["fold"].isin(folds).to_numpy()
            table = self.documents[keep].reset_index(drop=True)
            for column, name in enumerate(CLASSES):
                table[f"p_{name}"] = probability[keep, column]
            write_table(target / "predictions.parquet", table)
            metrics = {
                "folds": {fold: self._metrics(probability, fold) for fold in folds},
                "training": training,
                "members": [f"{path}/probabilities.npz"],
                "inputs": {f"{path}/probabilities.npz": "3" * 64},
                "versions": VERSIONS,
                **facts,
            }
            if "test" in folds:
                metrics["test_evaluations"] = 1
            write_json(target / "metrics.json", metrics)

    def _metrics(self, probability: np.ndarray, fold: str) -> dict[str, Any]:
        keep = (self.documents["fold"] == fold).to_numpy()
        label, probability = self.label[keep], probability[keep]
        errors = int((probability.argmax(1) != label).sum())
        return {
            "n": len(label),
            "errors": errors,
            "error": errors / len(label),
            "accuracy": 1 - errors / len(label),
            "macro_f1": 1 - errors / len(label),
            "loss": float(-np.log(probability[np.arange(len(label)), label]).mean()),
        }

    def _model(self, variant: str, direction: str, size: int, seed: int) -> np.ndarray:
        path = f"clf/{DATASET}/{variant}/word/{direction}/n{size}/s0-{seed}-{seed}"
        probability = self._probability(variant, direction, size, seed)
        card = self._card("classify", variant, direction, seed, [f"lm/{DATASET}/word/{direction}"])
        title = TITLES[variant]
        self._run(variant, title, "model", "word", direction, size, seed, path, probability, card)
        write_json(self.results / path / "card.json", card)
        stages = ["head", "last-lstm", "all", "all"]
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
            for epoch, stage in enumerate(stages)
        ]
        write_rows(self.results / path / "history.csv", rows)
        return probability

    def _ensemble(self, members: list[np.ndarray], size: int, seed: int) -> None:
        path = f"clf/{DATASET}/ulmfit/word/fwd+bwd/n{size}/s0-{seed}-{seed}"
        cards = [
            self._card("classify", "ulmfit", direction, seed, []) for direction in ("fwd", "bwd")
        ]
        probability = np.mean(members, axis=0)
        title = "ULMFiT, bidirectional"
        self._run(
            "ulmfit",
            title,
            "ensemble",
            "word",
            "fwd+bwd",
            size,
            seed,
            path,
            probability,
            None,
            member_cards=cards,
        )

    def _baseline(self, size: int) -> None:
        path = f"baseline/{DATASET}/tfidf/n{size}"
        card = self._card("baseline", "tfidf", "-", 0, [])
        for key in ("tokens_per_s", "weights_sha256"):
            del card[key]
        self._run(
            "tfidf",
            TITLES["tfidf"],
            "baseline",
            "-",
            "-",
            size,
            0,
            path,
            self._probability("tfidf", "-", size, 0),
            card,
        )

    def _manifest(self) -> dict[str, Any]:
        return {
            "study": "synthetic",
            "title": "An invented study",
            "description": "Numbers drawn from a logistic model; no model was trained.",
            "config": {"study": "synthetic", "seeds": list(self.seeds), "datasets": [DATASET]},
            "seeds": {
                "pretrain": "one",
                "finetune": "varies",
                "statement": "One pretraining seed; fine-tuning and classifier seeds vary.",
            },
            "texts": {
                text: {
                    "role": role,
                    "source": f"data/{text}/source.json",
                    "folds": f"data/{text}/folds.json",
                }
                for text, role in ((DATASET, "dataset"), (CORPUS, "corpus"))
            },
            "language_models": self.models,
            "runs": self.runs,
            "experiments": [
                self._experiment("main", "Ablation", "report", SIZES[-1:]),
                self._experiment("low-shot", "Fewer labels", "report", SIZES),
                self._experiment("sealed", "The sealed test fold", "test", SIZES[-1:]),
            ],
        }

    def _experiment(self, name: str, title: str, fold: str, sizes: Iterable[int]) -> Any:
        cells, references = [], {}
        for size in sizes:
            cells += [
                self._cell("ulmfit", "word", "fwd", size, "model"),
                self._cell("ulmfit", "word", "fwd+bwd", size, "ensemble"),
                self._cell("no-pretraining", "word", "fwd", size, "model"),
            ]
            scratch = [
                self._cell(variant, "word", "fwd", size, "model")
                for variant in ("from-scratch", "from-scratch-tuned")
            ]
            best = {
                **scratch[0],
                "id": f"{DATASET}/best-from-scratch/word/fwd/{size}",
                "title": "From scratch (better rate)",
                "variant": "best-from-scratch",
                "published": None,
                "runs": [],
                "among": [cell["id"] for cell in scratch],
            }
            cells += [*scratch, best, self._cell("tfidf", "-", "-", size, "baseline")]
            references[f"{DATASET}/{size}"] = f"{DATASET}/ulmfit/word/fwd/{size}"
        caption = f"Invented errors on the fold {fold}."
        return {
            "name": name,
            "title": title,
            "caption": caption,
            "fold": fold,
            "reference": references,
            "cells": cells,
        }

    def _cell(self, variant: str, tokenizer: str, direction: str, size: int, kind: str) -> Any:
        runs = [
            run
            for run in self.runs
            if (run["variant"], run["direction"], run["n_labelled"], run["kind"])
            == (variant, direction, size, kind)
        ]
        return {
            "id": f"{DATASET}/{variant}/{tokenizer}/{direction}/{size}",
            "title": runs[0]["title"],
            "variant": variant,
            "dataset": DATASET,
            "tokenizer": tokenizer,
            "direction": direction,
            "n_labelled": size,
            "kind": kind,
            "published": PUBLISHED.get(variant) if kind == "model" else None,
            "runs": [run["id"] for run in runs],
            "among": None,
        }


def write_rows(path: Path, rows: list[dict[str, Any]]) -> None:
    """Write dictionaries with equal keys as CSV; None is an empty cell."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
