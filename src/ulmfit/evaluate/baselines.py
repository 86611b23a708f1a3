"""Baselines without a language model, trained on the same labelled documents as the models.

Hyperparameters are chosen on the fold select only. A new baseline is one function in
:data:`BASELINES`.
"""

from __future__ import annotations

import json
import platform
import resource
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np

import ulmfit
from ulmfit.errors import UserError
from ulmfit.evaluate.labelled_texts import Baseline, first_labelled, read_texts
from ulmfit.evaluate.nb_svm import train_nb_svm
from ulmfit.evaluate.predictions import Predictions
from ulmfit.evaluate.score import write_scored
from ulmfit.evaluate.tfidf import train_tfidf
from ulmfit.store.files import digest, sha256

BASELINES: dict[str, Baseline] = {"tfidf": train_tfidf, "nb-svm": train_nb_svm}


def baseline(
    name: str,
    documents: Path,
    folds: Path,
    n_labelled: int | Literal["all"],
    predictions: Path,
    metrics: Path,
    options_json: str = "{}",
    test: bool = False,
    ledger: Path | None = None,
) -> None:
    """Train a baseline and write ``predictions.parquet`` and ``metrics.json``.

    Training sees the documents of the fold fit with rank below ``n_labelled``. Predicted
    are select and report or, with ``test``, the sealed test fold alone, counted in ``ledger`` (see
    :func:`ulmfit.evaluate.score.count_evaluation`); the model is trained again for it, and is the
    same. One thread, no randomness.

    Raises UserError for an unknown baseline or option, and where fit has too few documents.
    """
    from threadpoolctl import threadpool_limits

    if name not in BASELINES:
        raise UserError(f"no baseline {name!r}: choose one of {', '.join(BASELINES)}")
    options = json.loads(options_json)
    wall, cpu = time.perf_counter(), time.process_time()
    with threadpool_limits(1):
        rows, classes = read_texts(documents, folds)
        fit = first_labelled(rows, n_labelled, folds)
        select = rows.of(rows.fold == "select")
        predict, chosen = BASELINES[name](fit, select, len(classes), options)
        shown = rows.of(np.isin(rows.fold, ["test"] if test else ["select", "report"]))
        probability = predict(shown.text).astype(np.float32)
    recipe = baseline_recipe(name, options)
    card = {
        "stage": "baseline",
        "recipe": recipe,
        "recipe_digest": digest(recipe),
        "chosen": chosen,
        "n_labelled": len(fit.text),
        "device": "cpu",
        "device_name": platform.machine(),
        "wall_s": time.perf_counter() - wall,
        "cpu_s": time.process_time() - cpu,
        "peak_memory_mib": _peak_memory_mib(),
        "versions": _versions(),
    }
    write_scored(
        Predictions(shown.document, shown.fold, shown.label, probability, classes),
        predictions,
        metrics,
        inputs=[documents, folds],
        ledger=ledger,
        weights=digest([recipe, len(fit.text), sha256(documents), sha256(folds)]),
        facts={"training": card, "member_cards": [], "members": []},
    )


def baseline_recipe(name: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """What a baseline's card has as its recipe; the workflow gives no options."""
    return {"name": name, **options}


def _peak_memory_mib() -> float:
    """Largest resident memory of this process so far, in MiB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)  # bytes there, KiB elsewhere


def _versions() -> dict[str, str]:
    import sklearn

    return {
        "ulmfit": ulmfit.__version__,
        "scikit-learn": sklearn.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
    }
