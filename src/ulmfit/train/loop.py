"""The loop over stages and epochs, which language models and classifiers share."""

from __future__ import annotations

import copy
import math
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from torch import Tensor, nn

from ulmfit.config.recipes import Classifier, LanguageModel
from ulmfit.model.groups import Groups, freeze_all_but
from ulmfit.schedule.freezing import Stage, stages
from ulmfit.train.history import History
from ulmfit.train.losses import Losses
from ulmfit.train.optimizer import GroupOptimizer

Model = TypeVar("Model", bound=nn.Module)
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
class State:
    """Where a training is, beside the weights, the optimizer and the generators of randomness.

    ``stage`` counts from 0; ``in_stage`` epochs of it are made, and ``epoch`` in all. ``mark`` is
    the best epoch of the stage, which patience counts from.
    """

    stage: int = 0
    in_stage: int = 0
    epoch: int = 0
    best: Best = field(default_factory=Best)
    mark: Best = field(default_factory=Best)


class Loop(ABC, Generic[Model, Recipe]):
    """Stages of epochs, validation, and which epoch's weights are kept.

    ``updates`` are those of each epoch, for a whole multiple of the recipe's epochs, by which
    stages and patience are multiplied; ``validate_every`` is in multiplied epochs already. Patience
    counts from the begin of a stage. With ``freezing.reload_best`` it may end each stage, and every
    stage ends with the best weights of the run so far, as in DeepMoji's chain-thaw (ulmfit.md 3.5);
    otherwise it may end the last stage only, so that no group stays frozen that the plan trains.
    """

    optimizer: GroupOptimizer

    def __init__(
        self,
        model: Model,
        groups: Groups,
        recipe: Recipe,
        updates: Sequence[int],
        log: History,
        validate_every: int = 1,
    ) -> None:
        self.model, self.groups, self.log = model, groups, log
        self.recipe: Recipe = recipe
        self.plan = stages(tuple(groups), recipe)
        self.state = State()
        self.begin = time.perf_counter()
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

    def run(self) -> int:
        """Train all stages; returns the epoch whose weights the model has at the end."""
        state = self.state
        for number in range(len(self.plan)):
            self._enter(number)
            spent = False
            while not spent and state.in_stage < self._stage_epochs:
                spent = self._epoch()
            if self._reloads:
                self.model.load_state_dict(state.best.weights)
        if not self._keeps:
            return state.epoch
        self.model.load_state_dict(state.best.weights)
        return state.best.epoch

    def _enter(self, number: int) -> None:
        """Begin a stage: who trains, at which rates, and where patience counts from."""
        state, recipe = self.state, self.recipe
        state.stage, state.in_stage = number, 0
        state.mark = Best(epoch=state.epoch)
        freeze_all_but(self.groups, self.stage.trainable)
        whole = recipe.schedule.scope == "run"
        if number == 0 or not whole:
            begin = self._stage_begins
            end = len(self._updates) if whole else begin + self._stage_epochs
            self.optimizer = GroupOptimizer(
                self.groups, recipe.optimizer, self.stage.schedule, sum(self._updates[begin:end])
            )
        self.optimizer.rates = self.stage.rates
        self.begin_stage()

    def _epoch(self) -> bool:
        """Train and validate an epoch; returns whether patience with the stage is at an end."""
        state = self.state
        state.epoch += 1
        state.in_stage += 1
        losses = Losses(self.label(), state.epoch)
        row = self.train_epoch(losses)
        needed = self._decides and state.in_stage == self._stage_epochs
        validates = needed or state.epoch % self._validate_every == 0
        if validates:
            score, shown = self.validate()
            losses.check(score[-1], row["lr"])
            self._judge(score)
            row |= shown
        wall = time.perf_counter() - self.begin
        self.log.add(epoch=state.epoch, stage=self.label(), **row, wall_s=wall)
        patience = self.recipe.patience * self._factor
        counts = self._decides and validates and patience
        return bool(counts and state.epoch - state.mark.epoch >= patience)

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

    def begin_stage(self) -> None:
        """Prepare a stage, once its groups are frozen; most have nothing to prepare."""

    @abstractmethod
    def train_epoch(self, losses: Losses) -> dict[str, Any]:
        """Make the updates of an epoch; returns columns of the history, ``lr`` among them."""

    @abstractmethod
    def validate(self) -> tuple[Score, dict[str, float]]:
        """(score, columns of the history) on the select fold; the score's last number is a loss."""
