"""Train a language model: pretraining on a corpus, or fine-tuning on the text of a dataset."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ulmfit.config.recipes import LanguageModel as Recipe
from ulmfit.config.recipes import from_json
from ulmfit.errors import UserError
from ulmfit.model.groups import language_model_groups
from ulmfit.model.language_model import LanguageModel
from ulmfit.schedule.freezing import stretch
from ulmfit.store.progress import progress
from ulmfit.store.tokens import TokenStore, read_tokens
from ulmfit.train import weights
from ulmfit.train.batches import concatenate, stream_count, streams
from ulmfit.train.card import Meter, card
from ulmfit.train.device import compute
from ulmfit.train.history import LANGUAGE_MODEL, History
from ulmfit.train.losses import Losses
from ulmfit.train.optimizer import GroupOptimizer
from ulmfit.train.sampling import sampler

EVALUATION_STREAMS = 64

NText = int | Literal["all", "labelled"]
"""Which text a language model reads: see :func:`training_documents`."""


def train_language_model(
    recipe_json: str,
    tokens: Path,
    initial: Path | None,
    direction: str,
    seed: int,
    output: Path,
    history: Path,
    stage: Literal["pretrain", "finetune"],
    n_text: NText = "all",
    device: str = "auto",
) -> None:
    """Train on the folds fit and unlabelled of a token folder, validate on fold select.

    ``initial`` are the weights to start from, their vocabulary transferred (None: random).
    ``n_text`` restricts the text to the first n documents of the nested order of the fit fold.
    Writes ``output`` with card.json and vocabulary.txt beside it, and ``history``; nothing if the
    loss stops being finite (UserError).
    """
    recipe = from_json(Recipe, recipe_json)
    store = read_tokens(tokens)
    documents = training_documents(store, n_text)
    validation = concatenate(store, store.of_fold("select").tolist(), direction)
    size = int(store.lengths[documents].sum())
    if min(size, len(validation)) < 2:
        raise UserError(
            f"token folder {tokens}: {size} tokens of training text (folds fit, unlabelled) and "
            f"{len(validation)} of validation text (fold select); both need at least 2"
        )
    parent = None if initial is None else weights.load(initial, direction)
    meter = Meter()
    log = History(LANGUAGE_MODEL, f"{stage} {direction}")
    with compute(device, recipe.compute_threads, seed) as where:
        model = LanguageModel(
            len(store.vocabulary),
            recipe.architecture,
            recipe.dropouts,
            sampler(recipe, store, documents),
            recipe.ar_on,
        )
        known = None if parent is None else weights.start_from(model, parent, store.vocabulary)
        model.to(where.device)
        order = np.random.default_rng(seed)

        def shuffled() -> NDArray[np.int32]:
            return concatenate(store, order.permutation(documents).tolist(), direction)

        epochs = _train(model, recipe, shuffled, size, validation, stage, log, meter)
        facts = card(
            stage,
            recipe,
            direction,
            store.vocabulary,
            [] if parent is None else [parent.record],
            seed,
            where,
            meter,
            model,
            epochs=epochs,
            training_tokens=size,
            vocabulary_size=len(store.vocabulary),
            vocabulary_known_to_parent=known,
        )
    log.write(history)
    weights.save(output, model, store.vocabulary, facts)


def _train(
    model: LanguageModel,
    recipe: Recipe,
    shuffled: Callable[[], NDArray[np.int32]],
    size: int,
    validation: NDArray[np.int32],
    stage: str,
    log: History,
    meter: Meter,
) -> int:
    """All epochs, each over a ``shuffled`` text of ``size`` tokens; returns their number."""
    device = model.encoder.embedding.device
    count = stream_count(size, recipe.batch_size, recipe.bptt)
    updates = math.ceil((size - 1) // count / recipe.bptt)
    epochs = recipe.epochs * stretch(recipe.epochs, updates, recipe.min_steps)
    optimizer = GroupOptimizer(
        language_model_groups(model), recipe.optimizer, recipe.schedule, epochs * updates
    )
    begin = time.perf_counter()
    before = evaluate(model, validation, recipe.bptt)
    log.add(epoch=0, stage=stage, **before, wall_s=time.perf_counter() - begin)
    for epoch in range(1, epochs + 1):
        epoch_begin = time.perf_counter()
        losses = Losses(stage, epoch)
        trained = 0
        lr = 0.0
        model.train()
        state = model.encoder.initial_state(count)
        batches = windows(shuffled(), count, recipe.bptt, device)
        for ids, targets in progress(batches, updates, f"{losses.where} of {epochs}"):
            loss, cross_entropy, state = model.loss(ids, targets, state, recipe.ar, recipe.tar)
            torch.autograd.backward(loss)
            lr = optimizer.step(share=len(ids) / recipe.bptt)
            losses.add(loss, cross_entropy, ids.numel(), lr)
            trained += ids.numel()
        train_loss = losses.mean()
        wall = time.perf_counter() - epoch_begin
        meter.add(trained, updates, wall)
        validated = evaluate(model, validation, recipe.bptt)
        losses.check(validated["valid_loss"], lr)
        log.add(
            epoch=epoch,
            stage=stage,
            train_loss=train_loss,
            **validated,
            lr=lr,
            tokens_per_s=trained / wall,
            wall_s=time.perf_counter() - begin,
        )
    return epochs


def training_documents(store: TokenStore, n_text: NText) -> NDArray[np.intp]:
    """Indices of the documents whose text is trained on.

    ``all``: of the folds fit and unlabelled; ``labelled``: of fold fit; a number: the first of the
    nested order of fold fit (UserError if it has fewer).
    """
    if n_text == "all":
        return store.of_fold(("fit", "unlabelled"))
    if n_text == "labelled":
        return store.of_fold("fit")
    documents = store.of_fold("fit", n_text)
    if len(documents) < n_text:
        raise UserError(
            f"text of {n_text} labelled documents asked for and {len(documents)} in fold fit: "
            "lower n_labelled"
        )
    return documents


def windows(
    text: NDArray[np.int32], count: int, bptt: int, device: torch.device
) -> Iterator[tuple[Tensor, Tensor]]:
    """Inputs and targets of each update, (bptt, count) int64; the last update may be shorter."""
    inputs, targets = streams(text, count, whole=False)
    for start in range(0, len(inputs), bptt):
        window = slice(start, start + bptt)
        yield inputs[window].to(device, torch.int64), targets[window].to(device, torch.int64)


@torch.no_grad()
def evaluate(model: LanguageModel, text: NDArray[np.int32], bptt: int) -> dict[str, float]:
    """Cross-entropy a token (nats), perplexity and accuracy over every token of ``text``."""
    model.eval()
    device = model.encoder.embedding.device
    count = stream_count(len(text), EVALUATION_STREAMS, bptt)
    inputs, targets = streams(text, count, whole=True)
    state = model.encoder.initial_state(count)
    loss, right = 0.0, 0
    for start in range(0, len(inputs), bptt):
        window = slice(start, start + bptt)
        part, correct, state = model.evaluate(
            inputs[window].to(device, torch.int64), targets[window].to(device, torch.int64), state
        )
        loss, right = loss + part.item(), right + int(correct.item())
    mean = loss / (len(text) - 1)
    return {
        "valid_loss": mean,
        "valid_perplexity": math.exp(min(mean, 700.0)),
        "valid_accuracy": right / (len(text) - 1),
    }
