"""Train a language model: pretraining on a corpus, or fine-tuning on the text of a dataset."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ulmfit.config.recipes import LanguageModel as Recipe
from ulmfit.config.recipes import from_json
from ulmfit.errors import UserError
from ulmfit.model.groups import language_model_groups
from ulmfit.model.language_model import LanguageModel
from ulmfit.store.progress import progress
from ulmfit.store.tokens import NText, language_model_text, read_tokens
from ulmfit.train import weights
from ulmfit.train.batches import (
    FIRST_WINDOW_SURPLUS,
    concatenate,
    stream_count,
    streams,
    window_lengths,
)
from ulmfit.train.card import Meter, card
from ulmfit.train.device import compute
from ulmfit.train.history import LANGUAGE_MODEL, History
from ulmfit.train.loop import Loop, Score
from ulmfit.train.losses import Losses
from ulmfit.train.sampling import sampler

EVALUATION_STREAMS = 64


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
    """Train on a token folder, validate on its fold select.

    ``initial`` are the weights to start from, their vocabulary transferred (None: random).
    ``n_text`` says which documents are read (:func:`ulmfit.store.tokens.language_model_text`).
    Writes ``output`` with card.json and vocabulary.txt beside it, and ``history``; nothing if the
    loss stops being finite (UserError).
    """
    recipe = from_json(Recipe, recipe_json)
    store = read_tokens(tokens)
    documents = np.flatnonzero(language_model_text(store.fold, store.rank, n_text))
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

        def text() -> NDArray[np.int32]:
            read = order.permutation(documents) if recipe.reshuffle else documents
            return concatenate(store, read.tolist(), direction)

        training = _Training(model, recipe, text, size, validation, order, stage, log, meter)
        weights_epoch = training.run()
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
            epochs=training.state.epoch,
            weights_epoch=weights_epoch,
            training_tokens=size,
            vocabulary_size=len(store.vocabulary),
            vocabulary_known_to_parent=known,
        )
    log.write(history)
    weights.save(output, model, store.vocabulary, facts)


class _Training(Loop[LanguageModel, Recipe]):
    """Epochs over the text, each in parallel streams whose state is carried from start to end."""

    def __init__(
        self,
        model: LanguageModel,
        recipe: Recipe,
        text: Callable[[], NDArray[np.int32]],
        size: int,
        validation: NDArray[np.int32],
        order: np.random.Generator,
        stage: str,
        log: History,
        meter: Meter,
    ) -> None:
        """``text`` gives the text of an epoch, ``size`` tokens; ``order`` draws window lengths."""
        self.count = stream_count(size, recipe.batch_size, recipe.bptt)
        self.windows = epoch_windows(recipe, (size - 1) // self.count, order)
        groups = language_model_groups(model)
        super().__init__(model, groups, recipe, [len(part) for part in self.windows], log)
        self.text, self.validation, self.name = text, validation, stage
        self.meter = meter
        self.log.add(
            epoch=0, stage=stage, **self.validate()[1], wall_s=time.perf_counter() - self.begin
        )

    def label(self) -> str:
        """The kind of training, and the stage of freezing if there are several."""
        return self.name if len(self.plan) == 1 else f"{self.name} {self.stage.name}"

    def train_epoch(self, losses: Losses) -> dict[str, Any]:
        """One pass over the text."""
        model, recipe = self.model, self.recipe
        begin = time.perf_counter()
        device = model.encoder.embedding.device
        lengths = self.windows[self.planned]
        trained = 0
        lr = 0.0
        model.train()
        state = model.encoder.initial_state(self.count)
        batches = windows(self.text(), self.count, lengths, device)
        where = f"{losses.where} of {len(self.windows)}"
        for ids, targets in progress(batches, len(lengths), where):
            loss, cross_entropy, state = model.loss(ids, targets, state, recipe.ar, recipe.tar)
            torch.autograd.backward(loss)
            lr = self.optimizer.step(len(ids) / recipe.bptt if recipe.rate_by_length else 1.0)
            losses.add(loss, cross_entropy, ids.numel(), lr)
            trained += ids.numel()
        train_loss = losses.mean()
        wall = time.perf_counter() - begin
        self.meter.add(trained, len(lengths), wall)
        return {"train_loss": train_loss, "lr": lr, "tokens_per_s": trained / wall}

    def validate(self) -> tuple[Score, dict[str, float]]:
        """Loss, perplexity and accuracy on the validation text; the loss is the score."""
        shown = evaluate(self.model, self.validation, self.recipe.bptt)
        return (shown["valid_loss"],), shown


def epoch_windows(recipe: Recipe, steps: int, order: np.random.Generator) -> list[list[int]]:
    """Time steps of each update, epoch by epoch, for streams of ``steps``.

    All are drawn before training, so that the schedule knows the number of its updates. Epochs are
    multiplied until there are ``min_steps`` updates. Where rates follow the length, the first
    window is drawn like all others, as in the AWD-LSTM: fastai's longer one, whose rates do not,
    would begin each epoch above the scheduled rate.
    """
    surplus = 0 if recipe.rate_by_length else FIRST_WINDOW_SURPLUS
    epochs: list[list[int]] = []
    made = 0
    while made < recipe.min_steps:
        for _ in range(recipe.epochs):
            rng = order if recipe.variable_bptt else None
            epochs.append(window_lengths(steps, recipe.bptt, rng, surplus))
            made += len(epochs[-1])
    return epochs


def windows(
    text: NDArray[np.int32], count: int, lengths: Sequence[int], device: torch.device
) -> Iterator[tuple[Tensor, Tensor]]:
    """Inputs and targets of updates of such ``lengths``, each (length, count) int64."""
    inputs, targets = streams(text, count, whole=False)
    start = 0
    for length in lengths:
        window = slice(start, start + length)
        yield inputs[window].to(device, torch.int64), targets[window].to(device, torch.int64)
        start += length


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
