"""One side of a comparison: the study's own training stage, hooked for the clock.

What runs is the function behind the command, on a token folder, so that nothing of the real loop
is left out; only the recipe's precision distinguishes modes.
"""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from bench.clock import Clock
from bench.workloads import Workload
from ulmfit.config.recipes import (
    CLASSIFIER_DROPOUTS,
    Architecture,
    Classifier,
    Freezing,
    LanguageModel,
    Schedule,
    to_dict,
)
from ulmfit.model import awd_lstm, classifier, language_model
from ulmfit.store.files import canonical_json
from ulmfit.store.tokens import TokenStore, write_tokens
from ulmfit.train.classifier import train_classifier
from ulmfit.train.language_model import train_language_model
from ulmfit.train.optimizer import GroupOptimizer

CONSTANT = Schedule(kind="constant")


def recipe(workload: Workload, precision: str) -> LanguageModel | Classifier:
    """The recipe of a workload."""
    architecture = Architecture(
        embedding=workload.embedding,
        hidden=workload.hidden,
        layers=workload.layers,
        decoder_bias=workload.kind == "lm",
    )
    common: dict[str, Any] = {
        "architecture": architecture,
        "schedule": CONSTANT,
        "epochs": 1,
        "batch_size": workload.batch_size,
        "bptt": workload.bptt,
        "precision": precision,
    }
    if workload.kind == "lm":
        return LanguageModel(**common)
    return Classifier(
        **common,
        dropouts=dataclasses.replace(CLASSIFIER_DROPOUTS, multiplier=0.5),
        max_seq=workload.max_seq,
        freezing=Freezing(plan="last" if workload.head_only else "none"),
    )


def run(
    workload: Workload, documents: list[NDArray[np.int64]], clock: Clock, precision: str
) -> None:
    """Train one epoch over the documents."""
    _hook(clock)
    with tempfile.TemporaryDirectory() as name:
        train(recipe(workload, precision), workload, documents, Path(name))


def train(
    chosen: LanguageModel | Classifier,
    workload: Workload,
    documents: list[NDArray[np.int64]],
    folder: Path,
    device: str = "cpu",
) -> tuple[Path, Path]:
    """Train by a recipe in an empty folder; returns the paths of the weights and the history."""
    value = canonical_json(to_dict(chosen))
    write_tokens(folder / "tokens", _store(workload, documents), {})
    output, history = folder / "model.safetensors", folder / "history.csv"
    if workload.kind == "lm":
        train_language_model(
            value, folder / "tokens", None, "fwd", 0, output, history, "pretrain", device=device
        )
    else:
        probabilities = folder / "probabilities.npz"
        train_classifier(
            *(value, folder / "tokens", None, "fwd", None, 0, output, history, probabilities),
            device=device,
        )
    return output, history


def _store(workload: Workload, documents: list[NDArray[np.int64]]) -> TokenStore:
    """The documents as fold fit, and two short ones to validate on."""
    rows = [*documents, documents[-1][:10], documents[-1][:10]]
    fit = len(documents)
    return TokenStore(
        ids=np.concatenate(rows),
        offsets=np.cumsum([0, *map(len, rows)]),
        document=np.array([f"d{k}" for k in range(len(rows))]),
        fold=np.array(["fit"] * fit + ["select"] * 2),
        label=(np.arange(len(rows)) % 2).astype(np.int16),
        rank=np.concatenate([np.arange(fit), [-1, -1]]).astype(np.int32),
        vocabulary=tuple(f"w{k}" for k in range(workload.vocabulary)),
        classes=("a", "b"),
    )


def _hook(clock: Clock) -> None:
    """Tell the clock of every update of this process's trainings from now on."""

    def begin_language_model(_model: object, ids: torch.Tensor, *_rest: object) -> None:
        clock.enter("forward")
        clock.add(tokens=ids.numel())

    def begin_classifier(
        _model: object, _ids: torch.Tensor, lengths: torch.Tensor, *_rest: object
    ) -> None:
        clock.enter("forward")
        clock.add(tokens=int(lengths.sum()))

    def encode(model: torch.nn.Module, ids: torch.Tensor, *_rest: object) -> None:
        # In the backward stage places are computed again, which is no waste of slots.
        if model.training and clock.stage == "forward":
            clock.add(slots=ids.numel())

    _wrap(language_model.LanguageModel, "loss", begin_language_model)
    _wrap(classifier.PoolingClassifier, "loss", begin_classifier)
    _wrap(awd_lstm.AWDLSTM, "forward", encode)
    _wrap(torch.autograd, "backward", lambda *_: clock.enter("backward"))
    _wrap(GroupOptimizer, "step", lambda *_: clock.enter("optimizer"), clock.end_step)


def _wrap(
    owner: Any, name: str, before: Callable[..., None], after: Callable[[], None] | None = None
) -> None:
    original = getattr(owner, name)

    def wrapped(*arguments: Any, **keywords: Any) -> Any:
        before(*arguments)
        result = original(*arguments, **keywords)
        if after is not None:
            after()
        return result

    setattr(owner, name, wrapped)
