"""Adam over layer groups, each with its own rate, all following one schedule."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.optim.adam import adam

from ulmfit.config.recipes import Optimizer, Schedule
from ulmfit.model.groups import Groups
from ulmfit.schedule.rates import SCHEDULES, discriminative

EPSILON = 1e-8


@dataclass(frozen=True)
class _Moments:
    """Adam's running means of a parameter's gradient and its square, and the updates so far."""

    mean: Tensor
    square: Tensor
    updates: Tensor


class GroupOptimizer:
    """One Adam and one run of the learning-rate schedule over ``total`` updates.

    Rates are discriminative over all ``groups``, frozen ones included, so that a group's rate does
    not depend on what else trains. Parameters without gradient stay as they are.

    The state lives here and torch's functional Adam does the arithmetic, because making a
    :class:`torch.optim.Adam` imports torch's compiler, which costs a small classifier a tenth of
    its time.
    """

    def __init__(self, groups: Groups, recipe: Optimizer, schedule: Schedule, total: int) -> None:
        self._groups = list(groups.values())
        self._peaks = discriminative(recipe.lr, recipe.layer_decay, len(groups))
        self._recipe = recipe
        self._schedule = schedule
        self._total = total
        self._updates = 0
        self._moments: dict[nn.Parameter, _Moments] = {}

    @torch.no_grad()
    def step(self, share: float = 1.0) -> float:
        """Clip, update, forget the gradients; returns the scheduled rate of the top group.

        ``share`` scales this update: the last time steps of a text may be fewer than bptt, and
        their gradient is as much noisier (Merity et al. 2018 scale the rate by length / bptt).
        """
        factor = SCHEDULES[self._schedule.kind](self._updates, self._total, self._schedule)
        scale = self._excess()
        for group, peak in zip(self._groups, self._peaks, strict=True):
            trained = [parameter for parameter in group if parameter.grad is not None]
            if trained:
                self._update(trained, peak * factor * share, scale)
        self._updates += 1
        return self._peaks[-1] * factor

    def _excess(self) -> Tensor | None:
        """What all gradients are divided by so that their norm is at most ``clip``; None if 1."""
        clip = self._recipe.clip
        if not clip:
            return None
        gradients = [p.grad for group in self._groups for p in group if p.grad is not None]
        return ((nn.utils.get_total_norm(gradients) + 1e-6) / clip).clamp_min(1.0)

    def _update(self, parameters: list[nn.Parameter], lr: float, scale: Tensor | None) -> None:
        moments = [self._state(parameter) for parameter in parameters]
        adam(
            list[Tensor](parameters),
            [parameter.grad for parameter in parameters if parameter.grad is not None],
            [state.mean for state in moments],
            [state.square for state in moments],
            [],
            [state.updates for state in moments],
            fused=True,
            grad_scale=scale,
            amsgrad=False,
            beta1=self._recipe.beta1,
            beta2=self._recipe.beta2,
            lr=lr,
            weight_decay=self._recipe.weight_decay,
            eps=EPSILON,
            maximize=False,
        )
        for parameter in parameters:
            parameter.grad = None

    def _state(self, parameter: nn.Parameter) -> _Moments:
        if parameter not in self._moments:
            self._moments[parameter] = _Moments(
                torch.zeros_like(parameter),
                torch.zeros_like(parameter),
                torch.zeros((), dtype=torch.float32, device=parameter.device),
            )
        return self._moments[parameter]
