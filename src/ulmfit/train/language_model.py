"""Train a language model: pretraining on a corpus, or fine-tuning on the text of a dataset."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
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
from ulmfit.store.checkpoints import DEFAULT, Every
from ulmfit.store.files import sha256
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
from ulmfit.train.device import SMALL, compute
from ulmfit.train.history import LANGUAGE_MODEL, History
from ulmfit.train.keeper import keeper
from ulmfit.train.loop import Loop, Score, Update
from ulmfit.train.replay import Replays
from ulmfit.train.sampling import sampler

EVALUATION_STREAMS = 64

Window = tuple[Tensor, Tensor]
"""Inputs and targets of an update, each (time, streams) int64."""


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
    every: Every = DEFAULT,
) -> None:
    """Train on a token folder, validate on its fold select.

    ``initial`` are the weights to start from, their vocabulary transferred (None: random).
    ``n_text`` says which documents are read (:func:`ulmfit.store.tokens.language_model_text`).
    Writes ``output`` with card.json and vocabulary.txt beside it, and ``history``; nothing if the
    loss stops being finite (UserError). Killed or stopped by a signal, and called again, it goes
    on from its newest checkpoint to the same bits (:mod:`ulmfit.train.keeper`).
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
    decides = {
        "recipe": recipe_json,
        "initial": None if parent is None else parent.record["weights_sha256"],
        "direction": direction,
        "n_text": n_text,
        "seed": seed,
    }
    with keeper(stage, (output, history), tokens, device, every, decides) as kept:
        if kept.finished:
            return
        meter = Meter()
        log = History(LANGUAGE_MODEL, f"{stage} {direction}")
        # The gates of a large model in fp32 are the largest blocks of all: kept, they take a fifth
        # more memory to save a twentieth of the time.
        keep = recipe.architecture.hidden <= SMALL or recipe.precision == "bf16"
        with compute(device, recipe.compute_threads, seed, recipe.precision, keep) as where:
            model = LanguageModel(
                len(store.vocabulary),
                recipe.architecture,
                recipe.dropouts,
                sampler(recipe, store, documents),
                recipe.ar_on,
                recipe.precision,
            )
            known = None if parent is None else weights.start_from(model, parent, store.vocabulary)
            model.to(where.device)
            order = np.random.default_rng(seed)

            def text() -> NDArray[np.int32]:
                read = order.permutation(documents) if recipe.reshuffle else documents
                return concatenate(store, read.tolist(), direction)

            training = _Training(model, recipe, text, size, validation, order, stage, log, meter)
            weights_epoch = training.run(kept)
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
                job=kept.job,
            )
        log.write(history)
        facts["history_sha256"] = sha256(history)
        weights.save(output, model, store.vocabulary, facts)


class _Training(Loop[LanguageModel, Recipe, Window]):
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
        updates = [len(part) for part in self.windows]
        super().__init__(model, groups, recipe, updates, order, log, meter)
        self.text, self.validation, self.name = text, validation, stage

    def begin(self) -> None:
        """Validate what training starts from, as epoch 0."""
        shown = self.validate()[1]
        wall = time.perf_counter() - self.begun
        self.log.add(epoch=0, stage=self.name, **shown, wall_s=wall)

    def label(self) -> str:
        """The kind of training, and the stage of freezing if there are several."""
        return self.name if len(self.plan) == 1 else f"{self.name} {self.stage.name}"

    def begin_stage(self) -> None:
        """Gradients of the groups that train, as fast as the device makes them."""
        parameters = [each for each in self.model.parameters() if each.requires_grad]
        self.gradients = Replays(self._gradients, parameters, self.device)

    def begin_epoch(self) -> None:
        """Streams begin with an empty state."""
        self._carry(*chain.from_iterable(self.model.encoder.initial_state(self.count)))

    def batches(self, made: int) -> Iterable[Window]:
        """Windows of the text, in its order of the epoch."""
        lengths = self.windows[self.planned]
        return windows(self.text(), self.count, lengths, self.device, made)

    def update(self, batch: Window) -> Update:
        """Losses and gradients of a window, from the state that the one before left."""
        ids, targets = batch
        before = (self.carried[name] for name in self._carried_names)
        loss, cross_entropy, *after = self.gradients(ids, targets, *before)
        self._carry(*after)
        share = len(ids) / self.recipe.bptt if self.recipe.rate_by_length else 1.0
        # Copies, because the next update may be written in their place.
        return Update(loss.clone(), cross_entropy.clone(), ids.numel(), ids.numel(), share)

    def _gradients(self, ids: Tensor, targets: Tensor, *carried: Tensor) -> tuple[Tensor, ...]:
        """The loss to minimise, once its gradients are made, the one to show, and the state."""
        state = tuple(zip(carried[::2], carried[1::2], strict=True))
        recipe = self.recipe
        loss, cross_entropy, after = self.model.loss(ids, targets, state, recipe.ar, recipe.tar)
        torch.autograd.backward(loss)
        return loss.detach(), cross_entropy, *chain.from_iterable(after)

    @property
    def _carried_names(self) -> list[str]:
        """Of the layers' states, in the order of the layers; a checkpoint has one of its own."""
        layers = range(self.recipe.architecture.layers)
        return [f"{name}{k}" for k in layers for name in ("hidden", "cell")]

    def _carry(self, *values: Tensor) -> None:
        self.carried = dict(zip(self._carried_names, values, strict=True))

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
    text: NDArray[np.int32],
    count: int,
    lengths: Sequence[int],
    device: torch.device,
    made: int = 0,
) -> Iterator[Window]:
    """Inputs and targets of updates of such ``lengths``, each (length, count) int64, but for the
    first ``made``.
    """
    inputs, targets = streams(text, count, whole=False, device=device)
    start = sum(lengths[:made])
    for length in lengths[made:]:
        window = slice(start, start + length)
        yield _ids(inputs[window]), _ids(targets[window])
        start += length


def _ids(window: Tensor) -> Tensor:
    """A window of streams, (time, streams), laid out step after step."""
    return window.to(torch.int64, memory_format=torch.contiguous_format)


@torch.no_grad()
def evaluate(model: LanguageModel, text: NDArray[np.int32], bptt: int) -> dict[str, float]:
    """Cross-entropy a token (nats), perplexity and accuracy over every token of ``text``."""
    model.eval()
    device = model.encoder.embedding.device
    count = stream_count(len(text), EVALUATION_STREAMS, bptt)
    inputs, targets = streams(text, count, whole=True, device=device)
    state = model.encoder.initial_state(count)
    # Added up where they are: a GPU would stand idle behind each look.
    loss = torch.zeros((), dtype=torch.float64, device=device)
    right = torch.zeros((), dtype=torch.int64, device=device)
    for start in range(0, len(inputs), bptt):
        window = slice(start, start + bptt)
        part, correct, state = model.evaluate(_ids(inputs[window]), _ids(targets[window]), state)
        loss, right = loss + part, right + correct
    mean = loss.item() / (len(text) - 1)
    return {
        "valid_loss": mean,
        "valid_perplexity": math.exp(min(mean, 700.0)),
        "valid_accuracy": right.item() / (len(text) - 1),
    }
