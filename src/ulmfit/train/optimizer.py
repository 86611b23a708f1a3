"""Adam over layer groups, each with its own rate, all following one schedule."""

from __future__ import annotations

import torch
from torch import nn

from ulmfit.config.recipes import Optimizer, Schedule
from ulmfit.model.groups import Groups
from ulmfit.schedule.rates import SCHEDULES, discriminative


class GroupOptimizer:
    """One Adam and one run of the learning-rate schedule over ``total`` updates.

    Rates are discriminative over all ``groups``, frozen ones included, so that a group's rate does
    not depend on what else trains. Parameters without gradient stay as they are.
    """

    def __init__(self, groups: Groups, recipe: Optimizer, schedule: Schedule, total: int) -> None:
        peaks = discriminative(recipe.lr, recipe.layer_decay, len(groups))
        self._peaks = peaks
        self._schedule = schedule
        self._total = total
        self._updates = 0
        self._clip = recipe.clip
        self._parameters = [parameter for group in groups.values() for parameter in group]
        self._adam = torch.optim.Adam(
            [{"params": group, "lr": lr} for group, lr in zip(groups.values(), peaks, strict=True)],
            betas=(recipe.beta1, recipe.beta2),
            weight_decay=recipe.weight_decay,
            fused=True,
        )

    def step(self, share: float = 1.0) -> float:
        """Clip, update, forget the gradients; returns the scheduled rate of the top group.

        ``share`` scales this update: the last time steps of a text may be fewer than bptt, and
        their gradient is as much noisier (Merity et al. 2018 scale the rate by length / bptt).
        """
        factor = SCHEDULES[self._schedule.kind](self._updates, self._total, self._schedule)
        for group, peak in zip(self._adam.param_groups, self._peaks, strict=True):
            group["lr"] = peak * factor * share
        if self._clip:
            nn.utils.clip_grad_norm_(self._parameters, self._clip)
        self._adam.step()
        self._adam.zero_grad()
        self._updates += 1
        return self._peaks[-1] * factor
