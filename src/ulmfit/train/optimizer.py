"""Adam over layer groups, each with its own rate, all following one schedule."""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from torch import Tensor, nn
from torch.optim.adam import adam

from ulmfit.config.recipes import Optimizer, Schedule
from ulmfit.model.groups import Groups
from ulmfit.schedule.rates import at, peak_rates

EPSILON = 1e-8


@dataclass(frozen=True)
class _Moments:
    """Adam's running means of a parameter's gradient and its square, and the updates so far."""

    mean: Tensor
    square: Tensor
    updates: Tensor


_MOMENTS = tuple(field.name for field in fields(_Moments))


class GroupOptimizer:
    """One Adam and one run of the learning-rate schedule over ``total`` updates.

    ``rates`` are the peak rates of all ``groups``, lowest first, frozen ones included, so that a
    group's rate does not depend on what else trains; they start as the recipe's, and a stage may
    set its own. Parameters without gradient stay as they are and have no moments.

    The state lives here and torch's functional Adam does the arithmetic, because making a
    :class:`torch.optim.Adam` imports torch's compiler, which costs a small classifier a tenth of
    its time.
    """

    def __init__(self, groups: Groups, recipe: Optimizer, schedule: Schedule, total: int) -> None:
        self.rates = peak_rates(recipe, tuple(groups))
        self._groups = list(groups.values())
        self._recipe = recipe
        self._schedule = schedule
        self._total = total
        self._updates = 0
        self._moments: dict[nn.Parameter, _Moments] = {}

    @torch.no_grad()
    def step(self, share: float = 1.0) -> float:
        """Clip, update, forget the gradients; returns the scheduled rate of the highest group that
        trains.

        ``share`` scales this update's rates: time steps fewer than bptt make a gradient as much
        noisier (Merity et al. 2018 scale the rate by length / bptt).
        """
        factor, beta1 = at(self._updates, self._total, self._schedule)
        beta1 = self._recipe.beta1 if beta1 is None else beta1
        scale = self._excess()
        shown = 0.0
        for group, peak in zip(self._groups, self.rates, strict=True):
            trained = [parameter for parameter in group if parameter.grad is not None]
            if trained:
                self._update(trained, peak * factor * share, beta1, scale)
                shown = peak * factor
        self._updates += 1
        return shown

    def tensors(self) -> dict[str, Tensor]:
        """The moments, named by the place of their parameter among the groups."""
        places = [parameter for group in self._groups for parameter in group]
        return {
            f"{place}.{name}": getattr(self._moments[parameter], name)
            for place, parameter in enumerate(places)
            if parameter in self._moments
            for name in _MOMENTS
        }

    @property
    def updates(self) -> int:
        """Updates made so far."""
        return self._updates

    def restore(self, tensors: dict[str, Tensor], updates: int) -> None:
        """Go on from :meth:`tensors` and :attr:`updates`, taken with the same groups."""
        places = [parameter for group in self._groups for parameter in group]
        for key, value in tensors.items():
            place, name = key.split(".")
            getattr(self._state(places[int(place)]), name).copy_(value)
        self._updates = updates

    def _excess(self) -> Tensor | None:
        """What all gradients are divided by so that their norm is at most ``clip``; None if 1."""
        clip = self._recipe.clip
        if not clip:
            return None
        gradients = [p.grad for group in self._groups for p in group if p.grad is not None]
        return ((nn.utils.get_total_norm(gradients) + 1e-6) / clip).clamp_min(1.0)

    def _update(
        self, parameters: list[nn.Parameter], lr: float, beta1: float, scale: Tensor | None
    ) -> None:
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
            decoupled_weight_decay=self._recipe.decoupled,
            amsgrad=False,
            beta1=beta1,
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
