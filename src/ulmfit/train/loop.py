"""The loop over stages, epochs and updates, which language models and classifiers share."""

from __future__ import annotations

import copy
import math
import sys
import time
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Generic, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from ulmfit.config.recipes import Classifier, LanguageModel
from ulmfit.model.groups import Groups, freeze_all_but
from ulmfit.schedule.freezing import Stage, stages
from ulmfit.store.progress import progress
from ulmfit.train.card import Meter
from ulmfit.train.history import History
from ulmfit.train.keeper import Captured, Keeper
from ulmfit.train.losses import Losses
from ulmfit.train.optimizer import GroupOptimizer

Model = TypeVar("Model", bound=nn.Module)
Batch = TypeVar("Batch")
Recipe = TypeVar("Recipe", LanguageModel, Classifier)
Score = tuple[float, ...]
"""What epochs are compared by on the select fold; lower is better, the first number decides."""


@dataclass
class Best:
    """The epoch with the lowest score so far, and its weights if they may be restored."""

    score: Score = (math.inf,)
    epoch: int = 0
    weights: dict[str, Tensor] = field(default_factory=dict)


@dataclass
class Pass:
    """What an epoch that is under way has come to.

    ``order`` is the state that the generator of the data order had at its begin, so that the same
    batches can be made again; ``lr`` the rate of the last of ``updates``.
    """

    order: dict[str, Any]
    updates: int = 0
    tokens: int = 0
    wall: float = 0.0
    lr: float = 0.0


@dataclass
class State:
    """Where a training is, beside the weights, the optimizer and the generators of randomness.

    ``stage`` counts from 0; ``in_stage`` epochs of it are begun, and ``epoch`` in all. ``mark`` is
    the best epoch of the stage, which patience counts from. ``over``: no update is left to make.
    """

    stage: int = 0
    in_stage: int = 0
    epoch: int = 0
    best: Best = field(default_factory=Best)
    mark: Best = field(default_factory=Best)
    under_way: Pass | None = None
    over: bool = False


@dataclass(frozen=True)
class Update:
    """Losses of an update: the one that is minimised, and the one that is shown, which counts
    ``weight`` in the mean; ``tokens`` read; ``share`` of the scheduled rates that it takes.
    """

    loss: Tensor
    shown: Tensor
    weight: int
    tokens: int
    share: float = 1.0


class Loop(ABC, Generic[Model, Recipe, Batch]):
    """Stages of epochs, validation, and which epoch's weights are kept.

    ``updates`` are those of each epoch, for a whole multiple of the recipe's epochs, by which
    stages and patience are multiplied; ``validate_every`` is in multiplied epochs already. Patience
    counts from the begin of a stage. With ``freezing.reload_best`` it may end each stage, and every
    stage ends with the best weights of the run so far, as in DeepMoji's chain-thaw (ulmfit.md 3.5);
    otherwise it may end the last stage only, so that no group stays frozen that the plan trains.

    A training is saved between two updates, the last of an epoch included. What it needs to go on
    to the same bits: weights, moments, the best weights, the state of torch's generators, that of
    ``order`` at the begin of the epoch, and what :attr:`carried` holds.
    """

    optimizer: GroupOptimizer
    losses: Losses

    def __init__(
        self,
        model: Model,
        groups: Groups,
        recipe: Recipe,
        updates: Sequence[int],
        order: np.random.Generator,
        log: History,
        meter: Meter,
        validate_every: int = 1,
    ) -> None:
        self.model, self.groups, self.order = model, groups, order
        self.log, self.meter = log, meter
        self.recipe: Recipe = recipe
        self.carried: dict[str, Tensor] = {}
        self.device = next(model.parameters()).device
        self.plan = stages(tuple(groups), recipe)
        self.state = State()
        self.begun = time.perf_counter()
        self._updates = updates
        self._factor = len(updates) // recipe.epochs
        self._validate_every = validate_every
        self._reloads = recipe.freezing.reload_best
        self._keeps = recipe.early_stopping or self._reloads

    @property
    def stage(self) -> Stage:
        """The stage that the training is in."""
        return self.plan[self.state.stage]

    @property
    def planned(self) -> int:
        """Place of the current epoch in ``updates``; stages that end early leave places out."""
        return self._stage_begins + self.state.in_stage - 1

    @property
    def _decides(self) -> bool:
        """Whether the stage may end early and is validated at its end in any case."""
        return self._reloads or self.state.stage == len(self.plan) - 1

    @property
    def _stage_begins(self) -> int:
        return self._factor * sum(stage.epochs for stage in self.plan[: self.state.stage])

    @property
    def _stage_epochs(self) -> int:
        return self._factor * self.stage.epochs

    def run(self, keeper: Keeper) -> int:
        """Train all stages, from the newest checkpoint if there is one; returns the epoch whose
        weights the model has at the end.
        """
        found = keeper.newest()
        if found is None:
            self.begin()
        else:
            self._restore(*found)
        state = self.state
        for number in range(state.stage, 0 if state.over else len(self.plan)):
            if state.under_way is None:
                self._enter(number)
            spent = False
            while state.under_way or (not spent and state.in_stage < self._stage_epochs):
                spent = self._epoch(keeper)
            if self._reloads:
                self.model.load_state_dict(state.best.weights)
        state.over = True
        keeper.begin_rest(self._made, self._capture())
        if not self._keeps:
            return state.epoch
        # Assigned, not copied: what was captured may yet be saved.
        self.model.load_state_dict(state.best.weights, assign=True)
        return state.best.epoch

    def _enter(self, number: int) -> None:
        """Begin a stage, and count patience from here."""
        state = self.state
        state.stage, state.in_stage = number, 0
        state.mark = Best(epoch=state.epoch)
        if number == 0 or self.recipe.schedule.scope == "stage":
            self._make_optimizer()
        self._set_up_stage()

    def _make_optimizer(self) -> None:
        """Moments of none, and a schedule over the stage, or from the first one over the run."""
        whole = self.recipe.schedule.scope == "run"
        begin = 0 if whole else self._stage_begins
        end = len(self._updates) if whole else begin + self._stage_epochs
        schedule = (self.plan[0] if whole else self.stage).schedule
        updates = sum(self._updates[begin:end])
        self.optimizer = GroupOptimizer(self.groups, self.recipe.optimizer, schedule, updates)

    def _set_up_stage(self) -> None:
        """Who trains, at which rates."""
        freeze_all_but(self.groups, self.stage.trainable)
        self.optimizer.rates = self.stage.rates
        self.begin_stage()

    def _epoch(self, keeper: Keeper) -> bool:
        """Train and validate an epoch, or the rest of one; returns whether patience with the stage
        is at an end.
        """
        state = self.state
        if state.under_way is None:
            state.epoch += 1
            state.in_stage += 1
            state.under_way = Pass(dict(self.order.bit_generator.state))
            self.losses = Losses(self.label(), state.epoch)
            self.begin_epoch()
        row = self._train(state.under_way, keeper)
        needed = self._decides and state.in_stage == self._stage_epochs
        validates = needed or state.epoch % self._validate_every == 0
        with keeper.rest(self._made, self._capture):
            score, shown = self.validate() if validates else ((), {})
        self.meter.add(state.under_way.tokens, state.under_way.updates, state.under_way.wall)
        state.under_way = None
        if validates:
            self.losses.check(score[-1], row["lr"])
            self._judge(score)
            row |= shown
        wall = time.perf_counter() - self.begun
        self.log.add(epoch=state.epoch, stage=self.label(), **row, wall_s=wall)
        patience = self.recipe.patience * self._factor
        counts = self._decides and validates and patience
        return bool(counts and state.epoch - state.mark.epoch >= patience)

    def _train(self, under_way: Pass, keeper: Keeper) -> dict[str, Any]:
        """Make the updates of an epoch that are not made; returns columns of the history."""
        begin = time.perf_counter() - under_way.wall
        total = self._updates[self.planned]
        self.train_mode()
        keeper.begin_updates()
        batches = self.batches(under_way.updates)
        where = f"{self.losses.where} of {len(self._updates)}"
        for batch in progress(batches, total, where, under_way.updates):
            update = self.update(batch)
            under_way.lr = self.optimizer.step(update.share)
            self.losses.add(update.loss, update.shown, update.weight, under_way.lr)
            under_way.updates += 1
            under_way.tokens += update.tokens
            under_way.wall = time.perf_counter() - begin
            keeper.after_update(self._made, self._capture)
        loss = self.losses.mean()
        under_way.wall = time.perf_counter() - begin
        speed = under_way.tokens / under_way.wall
        return {"train_loss": loss, "lr": under_way.lr, "tokens_per_s": speed, **self.shown()}

    @property
    def _made(self) -> int:
        """Updates made in all."""
        return self.meter.updates + (self.state.under_way.updates if self.state.under_way else 0)

    def _capture(self) -> Captured:
        """Everything that the rest of the training depends on."""
        state = self.state
        random = {"cpu": torch.get_rng_state()}
        if self.device.type == "cuda":
            random["cuda"] = torch.cuda.get_rng_state(self.device)
        tensors = {
            "model": self.model.state_dict(),
            "best": state.best.weights,
            "moments": self.optimizer.tensors(),
            "carried": self.carried,
            "random": random,
        }
        facts = {
            "state": {
                name: getattr(state, name) for name in ("stage", "in_stage", "epoch", "over")
            },
            "best": (state.best.score, state.best.epoch),
            "mark": (state.mark.score, state.mark.epoch),
            "under_way": asdict(state.under_way) if state.under_way else None,
            "optimizer_updates": self.optimizer.updates,
            "losses": self.losses.state(),
            "rows": self.log.rows,
            "wall": time.perf_counter() - self.begun,
            "meter": self.meter.state(self.device),
        }
        return {
            f"{kind}/{name}": tensor
            for kind, named in tensors.items()
            for name, tensor in named.items()
        }, facts

    def _restore(self, tensors: dict[str, Tensor], facts: dict[str, Any]) -> None:
        """Go on from what :meth:`_capture` gave."""
        named: dict[str, dict[str, Tensor]] = defaultdict(dict)
        for key, tensor in tensors.items():
            kind, name = key.split("/", 1)
            named[kind][name] = tensor
        (best, best_epoch), (mark, mark_epoch) = facts["best"], facts["mark"]
        # Copies, because what was read is mapped from a file that will be deleted.
        weights = {
            name: tensor.to(self.device, copy=True) for name, tensor in named["best"].items()
        }
        self.state = State(
            **facts["state"],
            best=Best(tuple(best), best_epoch, weights),
            mark=Best(tuple(mark), mark_epoch),
            under_way=Pass(**facts["under_way"]) if facts["under_way"] else None,
        )
        self.model.load_state_dict(named["model"])
        self._make_optimizer()
        self.optimizer.restore(named["moments"], facts["optimizer_updates"])
        self._set_up_stage()
        self.losses = Losses(self.label(), self.state.epoch)
        self.losses.restore(facts["losses"])
        self.log.rows = facts["rows"]
        self.begun -= facts["wall"]
        self.carried = {
            name: tensor.to(self.device, copy=True) for name, tensor in named["carried"].items()
        }
        self.meter.restore(facts["meter"])
        made = self._made
        self.meter.resumed_from.append({"epoch": self.state.epoch, "update": made})
        if self.state.under_way:
            self.order.bit_generator.state = self.state.under_way.order
        print(f"{self.losses.where}: gone on from update {made}", file=sys.stderr, flush=True)
        # Last, because making a model and its features may draw.
        torch.set_rng_state(named["random"]["cpu"])
        if self.device.type == "cuda":
            torch.cuda.set_rng_state(named["random"]["cuda"], self.device)

    def _judge(self, score: Score) -> None:
        state = self.state
        if score < state.best.score:
            weights = copy.deepcopy(self.model.state_dict()) if self._keeps else {}
            state.best = Best(score, state.epoch, weights)
        if score < state.mark.score:
            state.mark = Best(score, state.epoch)

    def label(self) -> str:
        """What history and errors call the stage."""
        return self.stage.name

    def begin(self) -> None:
        """Before the first update of all."""

    def begin_stage(self) -> None:
        """Prepare a stage, once its groups are frozen; most have nothing to prepare."""

    def train_mode(self) -> None:
        """What trains behaves as in training."""
        self.model.train()

    @abstractmethod
    def begin_epoch(self) -> None:
        """Set :attr:`carried`: tensors that pass from one update of the epoch to the next."""

    @abstractmethod
    def batches(self, made: int) -> Iterable[Batch]:
        """The batches of the epoch, drawn from ``order``, but for the first ``made``."""

    @abstractmethod
    def update(self, batch: Batch) -> Update:
        """Losses of a batch, whose gradients it leaves in the parameters."""

    def shown(self) -> dict[str, Any]:
        """More columns of the history, at the end of an epoch's updates."""
        return {}

    @abstractmethod
    def validate(self) -> tuple[Score, dict[str, float]]:
        """(score, columns of the history) on the select fold; the score's last number is a loss."""
