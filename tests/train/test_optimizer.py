"""Adam over layer groups, against torch's own."""

import pytest
import torch
from torch import nn

from ulmfit.config.recipes import Optimizer, Schedule
from ulmfit.schedule.rates import at, discriminative, slanted_triangular
from ulmfit.train.optimizer import GroupOptimizer


def groups():
    torch.manual_seed(0)
    return {
        name: [nn.Parameter(torch.randn(5, 3)), nn.Parameter(torch.randn(4))]
        for name in ("low", "middle", "top")
    }


def give_gradients(parameters, seed):
    torch.manual_seed(seed)
    for parameter in parameters:
        parameter.grad = 3 * torch.randn_like(parameter)


@pytest.mark.parametrize("clip", [0.0, 0.4, 1000.0])
def test_updates_equal_torch_adam_with_clipping_and_discriminative_rates(clip):
    recipe = Optimizer(lr=0.01, layer_decay=2.6, clip=clip, weight_decay=0.1)
    schedule = Schedule()
    ours, theirs = groups(), groups()
    optimizer = GroupOptimizer(ours, recipe, schedule, total=20)
    rates = discriminative(0.01, 2.6, 3)
    reference = torch.optim.Adam(
        [{"params": group, "lr": lr} for group, lr in zip(theirs.values(), rates, strict=True)],
        betas=(recipe.beta1, recipe.beta2),
        weight_decay=recipe.weight_decay,
        foreach=False,
    )
    flat = [[p for group in side.values() for p in group] for side in (ours, theirs)]
    for t in range(20):
        for parameters in flat:
            give_gradients(parameters, t)
        factor = slanted_triangular(t, 20, schedule)
        for group, lr in zip(reference.param_groups, rates, strict=True):
            group["lr"] = lr * factor
        if clip:
            nn.utils.clip_grad_norm_(flat[1], clip)
        reference.step()
        assert optimizer.step() == pytest.approx(0.01 * factor)
        for mine, other in zip(*flat, strict=True):
            torch.testing.assert_close(mine, other, rtol=1e-5, atol=1e-7)


def test_parameters_without_gradient_stay_and_start_fresh_when_they_thaw():
    sides = groups()
    optimizer = GroupOptimizer(sides, Optimizer(), Schedule(kind="constant"), total=9)
    before = [p.clone() for p in sides["low"]]
    give_gradients(sides["top"], 1)
    optimizer.step()
    assert all(torch.equal(a, b) for a, b in zip(before, sides["low"], strict=True))
    give_gradients(sides["low"], 2)
    optimizer.step()
    # Adam's first step moves each weight by its rate, whatever the size of the gradient.
    step = (sides["low"][0] - before[0]).abs()
    torch.testing.assert_close(step, torch.full_like(step, 0.004 / 2.6**2), rtol=1e-3, atol=0)


def test_gradients_are_forgotten_after_the_update():
    sides = groups()
    give_gradients(sides["top"], 1)
    GroupOptimizer(sides, Optimizer(), Schedule(), total=9).step()
    assert all(p.grad is None for group in sides.values() for p in group)


def test_a_share_scales_one_update():
    moved = []
    for share in (1.0, 0.25):
        sides = groups()
        before = sides["top"][0].clone()
        give_gradients(sides["top"], 1)
        GroupOptimizer(sides, Optimizer(), Schedule(kind="constant"), total=9).step(share)
        moved.append(sides["top"][0] - before)
    torch.testing.assert_close(moved[1], moved[0] / 4, rtol=1e-3, atol=1e-8)


@pytest.mark.parametrize("decoupled", [False, True])
@pytest.mark.parametrize("kind", ["stlr", "clr", "cosine", "one-cycle", "constant"])
def test_every_schedule_drives_torchs_adam_and_adamw_alike(decoupled, kind):
    rates = (0.003, 0.02, 0.01)
    recipe = Optimizer(rates=rates, clip=0.0, weight_decay=0.3, decoupled=decoupled)
    schedule = Schedule(kind=kind)
    ours, theirs = groups(), groups()
    optimizer = GroupOptimizer(ours, recipe, schedule, total=25)
    reference = (torch.optim.AdamW if decoupled else torch.optim.Adam)(
        [{"params": group} for group in theirs.values()],
        betas=(recipe.beta1, recipe.beta2),
        weight_decay=0.3,
        foreach=False,
    )
    flat = [[p for group in side.values() for p in group] for side in (ours, theirs)]
    for t in range(25):
        for parameters in flat:
            give_gradients(parameters, t)
        share, beta1 = at(t, 25, schedule)
        for group, lr in zip(reference.param_groups, rates, strict=True):
            group["lr"] = lr * share
            group["betas"] = (beta1 or recipe.beta1, recipe.beta2)
        reference.step()
        assert optimizer.step() == pytest.approx(0.01 * share)
        for mine, other in zip(*flat, strict=True):
            torch.testing.assert_close(mine, other, rtol=1e-5, atol=1e-7)


def test_decoupled_decay_shrinks_a_weight_by_rate_times_decay_whatever_its_gradient():
    parameter = nn.Parameter(torch.tensor([2.0]))
    recipe = Optimizer(lr=0.1, clip=0.0, weight_decay=0.5, decoupled=True)
    parameter.grad = torch.tensor([1e-3])
    GroupOptimizer({"top": [parameter]}, recipe, Schedule(kind="constant"), total=1).step()
    assert parameter.item() == pytest.approx(2.0 * (1 - 0.1 * 0.5) - 0.1, rel=1e-4)


def test_frozen_groups_have_no_moments_and_the_rate_shown_is_of_the_highest_that_trains():
    sides = groups()
    recipe = Optimizer(rates=(0.1, 0.2, 0.3))
    optimizer = GroupOptimizer(sides, recipe, Schedule(kind="constant"), total=9)
    give_gradients(sides["middle"], 1)
    assert optimizer.step() == 0.2
    assert set(optimizer._moments) == set(sides["middle"])


def test_a_stage_may_set_rates_of_its_own():
    sides = groups()
    optimizer = GroupOptimizer(sides, Optimizer(clip=0.0), Schedule(kind="constant"), total=9)
    optimizer.rates = (0.1, 0.2, 0.3)
    before = {name: group[0].clone() for name, group in sides.items()}
    give_gradients([p for group in sides.values() for p in group], 1)
    optimizer.step()
    for (name, group), rate in zip(sides.items(), optimizer.rates, strict=True):
        step = (group[0] - before[name]).abs()
        torch.testing.assert_close(step, torch.full_like(step, rate), rtol=1e-3, atol=0)
