"""A study with everything at once: many variants, long and hostile titles, two data sets, no order.

Written as the files that the stage `evaluate` would write, with numbers from a seeded generator;
the tables' columns are those of the shared invented study.
"""

from __future__ import annotations

import csv
import itertools
from pathlib import Path
from typing import Any

import numpy as np

from synthetic_results import duplicates
from ulmfit.evaluate.costs import COST_COLUMNS
from ulmfit.evaluate.crossings import CROSSING_COLUMNS
from ulmfit.evaluate.experiments import CALIBRATION_COLUMNS, CELL_COLUMNS, CONFUSION_COLUMNS
from ulmfit.evaluate.hardest import HARDEST_COLUMNS, PAIR_COLUMNS
from ulmfit.evaluate.leakage import LEAKAGE_COLUMNS, leakage_rows
from ulmfit.evaluate.tables import EPOCH_COLUMNS, LANGUAGE_MODEL_COLUMNS, RUN_COLUMNS
from ulmfit.store.files import digest, write_json

HOSTILE = "<script>alert('x')</script> & \"quotes\" $x_1$ | pipe"
VARIANTS = {
    "ulmfit": "ULMFiT",
    "full": "All layers at once, constant rate",
    "full-discr": "All layers at once, discriminative rates",
    "last": "Only the last layer",
    "chain-thaw": "Chain-thaw",
    "freez": "Gradual unfreezing",
    "freez-discr": "Gradual unfreezing, discriminative rates",
    "freez-stlr": "Gradual unfreezing, slanted triangular rates",
    "freez-cos": "Gradual unfreezing, cosine",
    "from-scratch": "From scratch",
    "hostile": HOSTILE,
}
READINGS = (("word", "fwd"), ("word", "bwd"), ("subword", "fwd"))
DATASETS = {"imdb": 25_000, "trec-6": 500}
SIZES: tuple[int | str, ...] = (100, 500, "all")


def write_crowded_study(results: Path, seeds: int = 3, epochs: int = 12) -> Path:
    """Write manifest, tables, cards, sources and counts; return the manifest."""
    return _Crowd(results, seeds, epochs).write()


class _Crowd:
    def __init__(self, results: Path, seeds: int, epochs: int) -> None:
        self.results, self.seeds, self.epochs = results, seeds, epochs
        self.generator = np.random.default_rng(3)
        self.runs: list[dict[str, Any]] = []
        self.rows: dict[str, list[dict[str, Any]]] = {"runs": [], "epochs": [], "models": []}
        self.rows |= {"calibration": [], "costs": []}
        self.errors: dict[tuple[Any, ...], float] = {}

    def write(self) -> Path:
        for name, dataset in itertools.product(VARIANTS, DATASETS):
            readings = READINGS if name == "ulmfit" else READINGS[:1]
            for (tokenizer, direction), size in itertools.product(readings, SIZES):
                for seed in range(self.seeds):
                    self._run(name, dataset, tokenizer, direction, size, seed)
        models = self._language_models()
        experiments = [
            self._experiment("classifier-finetuning", list(VARIANTS), READINGS[:1], ["all"]),
            self._experiment("readings", ["ulmfit"], READINGS, ["all"]),
            self._experiment("low-shot", ["ulmfit", "full", "from-scratch"], READINGS[:1], SIZES),
        ]
        write_json(
            self.results / "manifest.json",
            {
                "study": "crowded",
                "title": f"A crowded study {HOSTILE}",
                "description": f"Everything at once. {HOSTILE}",
                "config": {"study": "crowded", "note": HOSTILE},
                "seeds": {"runs": [0, 1, 2], "statement": "One pretraining seed, others vary."},
                "variants": {
                    name: {"title": title, "description": f"Does {name}."}
                    for name, title in VARIANTS.items()
                },
                "texts": {
                    name: {
                        "role": "dataset",
                        "title": f"Text {name} {HOSTILE}",
                        "citation": "Somebody et al.",
                        "licence": "free for research",
                        "source": f"data/{name}/source.json",
                        "folds": f"data/{name}/folds.json",
                    }
                    for name in DATASETS
                },
                "language_models": models,
                "runs": self.runs,
                "experiments": experiments,
            },
        )
        for name, n in DATASETS.items():
            folder = self.results / "data" / name
            write_json(
                folder / "source.json",
                {
                    "name": name,
                    "versions": {"numpy": "2.4.6"},
                    "counts": {"documents": 4 * n},
                    "sha256": "f" * 64,
                    "example": HOSTILE,
                },
            )
            folds = {
                "fit": {"documents": n, "classes": {"neg": n // 2, "pos": n // 2}},
                "report": {"documents": n, "classes": {"neg": n // 2, "pos": n // 2}},
            }
            write_json(folder / "folds.json", {"folds": folds})
        tables = self.results / "tables"
        _write(tables / "confusion.csv", CONFUSION_COLUMNS, [])
        _write(tables / "crossings.csv", CROSSING_COLUMNS, self._crossings(experiments))
        _write(tables / "calibration.csv", CALIBRATION_COLUMNS, self.rows["calibration"])
        _write(tables / "costs.csv", COST_COLUMNS, self.rows["costs"])
        _write(tables / "hardest.csv", HARDEST_COLUMNS, [])
        _write(tables / "pairs.csv", PAIR_COLUMNS, [])
        _write(tables / "runs.csv", RUN_COLUMNS, self.rows["runs"])
        _write(tables / "epochs.csv", EPOCH_COLUMNS, self.rows["epochs"])
        _write(tables / "language_models.csv", LANGUAGE_MODEL_COLUMNS, self.rows["models"])
        leakage = [
            row
            for name, n in DATASETS.items()
            for row in leakage_rows({"dataset": name, "corpus": "wikitext-103"}, duplicates(n))
        ]
        _write(tables / "leakage.csv", LEAKAGE_COLUMNS, leakage)
        return self.results / "manifest.json"

    def _run(
        self, name: str, dataset: str, tokenizer: str, direction: str, size: int | str, seed: int
    ) -> None:
        path = f"clf/{dataset}/{name}/{tokenizer}/{direction}/n{size}/s0-{seed}-{seed}"
        keys = {
            "variant": name,
            "title": VARIANTS[name],
            "kind": "model",
            "dataset": dataset,
            "tokenizer": tokenizer,
            "direction": direction,
            "n_labelled": size,
            "seed": seed,
            "path": path,
        }
        place = list(VARIANTS).index(name)
        level = 0.06 + 0.006 * place + 0.04 * (2 - SIZES.index(size)) + 0.1 * (name[:4] == "from")
        error = level + 0.004 * self.generator.normal()
        self.errors[(name, dataset, tokenizer, direction, size, seed)] = error
        self.runs.append({**keys, "id": path, "members": []})
        recipe = {"epochs": self.epochs, "optimizer": {"lr": 0.01, "layer_decay": 1 + 0.1 * place}}
        card = {
            "stage": "classify",
            "recipe": recipe,
            "recipe_digest": digest(recipe),
            "parents": [],
            "device": "cuda",
            "device_name": "Invented GPU",
            "commit": "a" * 40,
            "dirty": True,
            "wall_s": 100.0,
            "cpu_s": 90.0,
            "peak_memory_mib": 900.0,
            "weights_sha256": digest(path),
        }
        write_json(self.results / path / "card.json", card)
        n = DATASETS[dataset]
        for fold in ("select", "report"):
            errors = round(error * n)
            self.rows["runs"].append(
                {**keys, **card, "fold": fold, "n": n, "errors": errors, "error": errors / n}
                | {"macro_f1": 1 - error}
            )
        for epoch in range(1, self.epochs + 1):
            value = error + 0.2 / epoch + 0.003 * self.generator.normal()
            line = {**keys, "kind": "classifier", "training": "classify", "epoch": epoch}
            self.rows["epochs"].append({**line, "select_error": value})

    def _language_models(self) -> list[dict[str, Any]]:
        models = []
        stages = [("pretrain", None, 1), *(("finetune", name, self.seeds) for name in DATASETS)]
        for stage, dataset, seeds in stages:
            names = ["ulmfit"] if dataset is None else ["ulmfit", "no-pretraining"]
            for name, (tokenizer, direction) in itertools.product(names, READINGS):
                for seed in range(seeds):
                    path = f"lm/{stage}/{dataset}/{name}/{tokenizer}/{direction}/s{seed}"
                    model = {
                        "stage": stage,
                        "name": name,
                        "dataset": dataset,
                        "corpus": "wikitext-103",
                        "tokenizer": tokenizer,
                        "direction": direction,
                        "n_text": "all",
                        "seed": seed,
                        "path": path,
                    }
                    models.append(model)
                    self._language_model(model)
        return models

    def _language_model(self, model: dict[str, Any]) -> None:
        start = 60_000.0 if model["dataset"] is None or model["name"] != "ulmfit" else 180.0
        end = {"fwd": 60.0, "bwd": 63.0}[model["direction"]] + 30 * (model["name"] != "ulmfit")
        for epoch in range(5):
            value = start if epoch == 0 else end * (1 + 0.6 / epoch) + self.generator.normal()
            line = {**model, "kind": "lm", "training": model["stage"], "variant": model["name"]}
            self.rows["epochs"].append({**line, "epoch": epoch, "valid_perplexity": value})
        self.rows["models"].append(
            {
                **model,
                "valid_perplexity_before": start,
                "valid_perplexity": value,
                "valid_accuracy": 0.31,
                "epochs": 4,
                "cpu_s": 4000.0,
                "tokens_per_s": 8123.4,
                "device": "cuda",
            }
        )

    def _experiment(
        self, name: str, variants: list[str], readings: Any, sizes: Any
    ) -> dict[str, Any]:
        cells, rows, references = [], [], {}
        for dataset, size in itertools.product(DATASETS, sizes):
            base = self._mean("ulmfit", dataset, "word", "fwd", size)
            references[f"{dataset}/{size}"] = f"{dataset}/ulmfit/word/fwd/{size}"
            for variant, (tokenizer, direction) in itertools.product(variants, readings):
                cell = {
                    "id": f"{dataset}/{variant}/{tokenizer}/{direction}/{size}",
                    "title": VARIANTS[variant],
                    "variant": variant,
                    "dataset": dataset,
                    "tokenizer": tokenizer,
                    "direction": direction,
                    "n_labelled": size,
                    "kind": "model",
                    "published": "5.00" if variant == "ulmfit" else None,
                    "runs": [
                        run["id"]
                        for run in self.runs
                        if (run["variant"], run["dataset"], run["tokenizer"], run["direction"])
                        == (variant, dataset, tokenizer, direction)
                        and run["n_labelled"] == size
                    ],
                    "among": None,
                }
                cells.append(cell)
                error = self._mean(variant, dataset, tokenizer, direction, size)
                row = {
                    **cell,
                    "cell": cell["id"],
                    "seeds": self.seeds,
                    "n": DATASETS[dataset],
                    "error": error,
                    "error_low": error - 0.01,
                    "error_high": error + 0.01,
                    "published": 0.05 if variant == "ulmfit" else None,
                    "published_low": 0.042 if variant == "ulmfit" else None,
                    "published_high": 0.059 if variant == "ulmfit" else None,
                    "reproduced": "no" if variant == "ulmfit" else None,
                    "macro_f1": 1 - error,
                    "ece": error / 3,
                    "brier": 2 * error,
                    "n_unique": DATASETS[dataset] - 1,
                    "error_unique": error,
                    "error_unique_low": error - 0.01,
                    "error_unique_high": error + 0.01,
                    "labelled": 20_000 if size == "all" else size,
                }
                self._more(name, row)
                if cell["id"] != references[f"{dataset}/{size}"]:
                    difference = error - base
                    clear = abs(difference) > 0.01
                    row |= {
                        "difference": difference,
                        "difference_low": difference - 0.01,
                        "difference_high": difference + 0.01,
                        "p": 0.0001 if clear else 0.4,
                        "p_holm": 0.0005 if clear else 1.0,
                        "verdict": "not distinguished"
                        if not clear
                        else ("worse" if difference > 0 else "better"),
                    }
                rows.append(row)
        _write(self.results / "tables" / f"{name}.csv", CELL_COLUMNS, rows)
        return {
            "name": name,
            "title": name.capitalize().replace("-", " "),
            "caption": f"Invented. {HOSTILE}",
            "fold": "report",
            "reference": references,
            "cells": cells,
        }

    def _more(self, experiment: str, row: dict[str, Any]) -> None:
        """Bins and costs of one row."""
        keys = {**row, "experiment": experiment, "fold": "report"}
        for index in range(15):
            confidence = (index + 0.5) / 15
            part = {"documents": 5 * index, "confidence": confidence, "accuracy": confidence**2}
            self.rows["calibration"].append({**keys, **part})
        place = list(VARIANTS).index(row["variant"])
        self.rows["costs"].append(
            {
                **keys,
                "wall_s": 2000.0 + 700 * place,
                "cpu_s": 1000.0,
                "tokens": 10_000_000 * (1 + place),
                "parameters_trained": 24_000_000 if place % 3 else 62_652,
                "what": "pretraining + LM fine-tuning + classifier, mean of 3 runs",
            }
        )

    def _crossings(self, experiments: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Where two lines reach the first one with its fewest labels, of each data set."""
        (low_shot,) = (item for item in experiments if item["name"] == "low-shot")
        rows = []
        for cell in low_shot["cells"]:
            if cell["n_labelled"] == SIZES[0] and cell["variant"] != "ulmfit":
                first = f"{cell['dataset']}/ulmfit/word/fwd/{SIZES[0]}"
                point = 300 if cell["variant"] == "full" else None
                rows.append(
                    {
                        **cell,
                        "experiment": "low-shot",
                        "cell": cell["id"],
                        "of_variant": "ulmfit",
                        "of_title": VARIANTS["ulmfit"],
                        "of_cell": first,
                        "of_n_labelled": SIZES[0],
                        "n_labelled": point,
                        "low": 200,
                        "high": 400 if point else None,
                        "smallest": SIZES[0],
                        "largest": 20_000,
                        "place": "within" if point else "beyond",
                        "statement": f"ULMFiT with 100 labels matches {cell['title']} with more.",
                    }
                )
        return rows

    def _mean(
        self, name: str, dataset: str, tokenizer: str, direction: str, size: int | str
    ) -> float:
        keys = (name, dataset, tokenizer, direction, size)
        return sum(self.errors[(*keys, seed)] for seed in range(self.seeds)) / self.seeds


def _write(path: Path, columns: list[str], rows: list[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
