"""How fast this machine trains a model of some size: a few updates on made-up text."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ulmfit.config.recipes import Classifier, LanguageModel
from ulmfit.model import cost
from ulmfit.model.classifier import PoolingClassifier
from ulmfit.model.groups import (
    Groups,
    classifier_groups,
    freeze_all_but,
    language_model_groups,
)
from ulmfit.model.language_model import LanguageModel as Model
from ulmfit.model.sampled_softmax import Sampler
from ulmfit.store.tokens import TokenStore
from ulmfit.train.batches import POOL, by_length, pad, sortish
from ulmfit.train.device import SMALL, compute
from ulmfit.train.language_model import EVALUATION_STREAMS, evaluate
from ulmfit.train.optimizer import GroupOptimizer
from ulmfit.train.predict import BATCH

ENOUGH_S = 1.5
"""Time after which a measurement ends."""
UPDATE_FLOPS = 4e10
"""Largest update that is made whole: beyond, time steps or documents are fewer or shorter."""
FEWEST_STEPS, FEWEST_TOKENS = 8, 20
SPECIALS = 9
SIGMA = 0.66
"""Lengths of documents are lognormal; those of film reviews have this sigma."""


def calibrate(
    recipe: LanguageModel | Classifier,
    vocabulary: int,
    classes: int,
    length: int,
    trained: Sequence[tuple[str, ...]],
    device: str,
) -> list[float]:
    """Seconds a token while each of the sets of groups trains; an empty set: in evaluation.

    CPU-seconds on a CPU, seconds on a GPU. ``length`` are the tokens of a classifier's document, in
    the mean. Nothing is written.
    """
    with compute(
        device, recipe.compute_threads, 0, recipe.precision, recipe.architecture.hidden <= SMALL
    ) as where:
        timed = _clock(where.device)
        if isinstance(recipe, LanguageModel):
            return _language_model(recipe, vocabulary, trained, where.device, timed)
        return _classifier(recipe, vocabulary, classes, length, trained, where.device, timed)


def _clock(device: torch.device) -> Callable[[], float]:
    if device.type == "cpu":
        return time.process_time

    def now() -> float:
        torch.cuda.synchronize(device)
        return time.perf_counter()

    return now


def _rate(run: Callable[[int], int], now: Callable[[], float]) -> float:
    """Seconds a token of ``run``, which is given its number and returns its tokens; the first does
    not count.
    """
    run(0)
    begin = now()
    tokens, number = 0, 1
    while number == 1 or now() - begin < ENOUGH_S:
        tokens += run(number)
        number += 1
    return (now() - begin) / tokens


def _ids(vocabulary: int, count: int) -> NDArray[np.int64]:
    """Words by a law like Zipf's, without special tokens where there are others."""
    first = min(SPECIALS, vocabulary - 1)
    share = (np.arange(1, vocabulary - first + 1) + 2.7) ** -1.05
    drawn = np.random.default_rng(0).choice(len(share), count, p=share / share.sum())
    return drawn + first


def _trains(
    groups: Groups, recipe: LanguageModel | Classifier, trained: tuple[str, ...]
) -> GroupOptimizer:
    freeze_all_but(groups, trained)
    return GroupOptimizer(groups, recipe.optimizer, recipe.schedule, 10**9)


def _language_model(
    recipe: LanguageModel,
    vocabulary: int,
    trained: Sequence[tuple[str, ...]],
    device: torch.device,
    now: Callable[[], float],
) -> list[float]:
    token = cost.language_model_update(recipe, vocabulary, ("decoder",))
    most = round(UPDATE_FLOPS / (token * recipe.batch_size))
    steps = min(recipe.bptt, max(FEWEST_STEPS, most))
    text = _ids(vocabulary, (steps + 1) * max(recipe.batch_size, 2 * EVALUATION_STREAMS))
    sampler = None
    if recipe.softmax == "sampled":
        counts = np.bincount(text, minlength=vocabulary)
        sampler = Sampler(torch.from_numpy(counts), recipe.negatives)
    model = Model(
        vocabulary,
        recipe.architecture,
        recipe.dropouts,
        sampler,
        recipe.ar_on,
        recipe.precision,
    ).to(device)
    block = torch.from_numpy(text[: (steps + 1) * recipe.batch_size])
    block = block.reshape(steps + 1, recipe.batch_size).to(device)
    groups = language_model_groups(model)

    def updates(named: tuple[str, ...]) -> Callable[[int], int]:
        optimizer = _trains(groups, recipe, named)
        state = model.encoder.initial_state(recipe.batch_size)
        model.train()

        def update(_: int) -> int:
            nonlocal state
            loss, _shown, state = model.loss(block[:-1], block[1:], state, recipe.ar, recipe.tar)
            torch.autograd.backward(loss)
            optimizer.step()
            return steps * recipe.batch_size

        return update

    read = text.astype(np.int32)

    def evaluation(_: int) -> int:
        evaluate(model, read, steps)
        return len(read)

    return [_rate(updates(named) if named else evaluation, now) for named in trained]


def _classifier(
    recipe: Classifier,
    vocabulary: int,
    classes: int,
    length: int,
    trained: Sequence[tuple[str, ...]],
    device: torch.device,
    now: Callable[[], float],
) -> list[float]:
    token = 3 * cost.encoder_forward(recipe.architecture)
    most = round(UPDATE_FLOPS / (token * recipe.batch_size))
    store = _documents(vocabulary, classes, min(length, max(FEWEST_TOKENS, most)), recipe)
    model = PoolingClassifier(vocabulary, classes, recipe).to(device)
    groups = classifier_groups(model)
    lengths = store.lengths
    batches = sortish(lengths, recipe.batch_size, np.random.default_rng(0))
    labels = torch.from_numpy(store.label.astype(np.int64)).to(device)

    def updates(named: tuple[str, ...]) -> Callable[[int], int]:
        optimizer = _trains(groups, recipe, named)
        model.train()

        def update(number: int) -> int:
            batch = batches[number % len(batches)]
            ids, sizes = pad(store, batch.tolist(), "fwd", recipe.padding)
            target: Tensor = labels[torch.from_numpy(batch).to(device)]
            loss, _shown, _logits = model.loss(
                ids.to(device), sizes, target, recipe.ar, recipe.tar, recipe.label_smoothing
            )
            torch.autograd.backward(loss)
            optimizer.step()
            return int(lengths[batch].sum())

        return update

    mixed = np.random.default_rng(1).permutation(len(lengths))[: 8 * BATCH]
    alike = by_length(lengths[mixed], BATCH)

    @torch.no_grad()
    def evaluation(number: int) -> int:
        model.eval()
        batch = mixed[alike[number % len(alike)]]
        ids, sizes = pad(store, batch.tolist(), "fwd", recipe.padding)
        model.pool(ids.to(device), sizes)
        return int(lengths[batch].sum())

    return [_rate(updates(named) if named else evaluation, now) for named in trained]


def _documents(vocabulary: int, classes: int, length: int, recipe: Classifier) -> TokenStore:
    """A pool of documents of such mean length."""
    count = POOL * recipe.batch_size
    drawn = np.random.default_rng(0).lognormal(math.log(length) - SIGMA**2 / 2, SIGMA, count)
    sizes = np.maximum(drawn.astype(np.int64), 3)
    return TokenStore(
        ids=_ids(vocabulary, int(sizes.sum())),
        offsets=np.concatenate([[0], np.cumsum(sizes)]),
        document=np.arange(count).astype(np.str_),
        fold=np.full(count, "fit"),
        label=(np.arange(count) % classes).astype(np.int16),
        rank=np.arange(count, dtype=np.int32),
        vocabulary=(),
        classes=(),
    )
