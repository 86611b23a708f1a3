"""What a card can do at best, and what the parts of an update of a language model take on it.

On a GPU, parts are recorded as CUDA graphs and replayed, so that no time goes into starting their
kernels; on a CPU they are called.
"""

from __future__ import annotations

import dataclasses
import re
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bench import ours
from bench.workloads import Workload, words
from ulmfit.config.recipes import LanguageModel as Recipe
from ulmfit.model.awd_lstm import State
from ulmfit.model.groups import freeze_all_but, language_model_groups
from ulmfit.model.language_model import LanguageModel
from ulmfit.model.softmax import cross_entropy
from ulmfit.train.device import compute
from ulmfit.train.optimizer import GroupOptimizer
from ulmfit.train.replay import USUAL, Replays

Call = Callable[[], object]

WARM_UP = USUAL + 3
"""Calls that do not count: kernels are loaded in them, and updates recorded."""
REPEATS = 15
CHAINED = 50
"""Products of a chain that is timed as one."""
PROFILED = 3
PRODUCTS = re.compile(
    r"gemm|nvjet|cutlass|xmma|cublas|splitk|persist|aten::(add)?mm$|_linear_pointwise", re.I
)
CELLS = re.compile(r"lstm|rnn", re.I)
"""Kernels by their names; cuDNN's persistent ones hold products and cells at once."""


def timed(call: Call, device: torch.device, repeats: int = REPEATS) -> float:
    """Median seconds of a call, by the clock of the device."""
    found: list[float] = []
    for _ in range(WARM_UP + repeats):
        if device.type == "cuda":
            begin, end = _event(), _event()
            begin.record()
            call()
            end.record()
            end.synchronize()
            found.append(begin.elapsed_time(end) / 1e3)
        else:
            start = time.perf_counter()
            call()
            found.append(time.perf_counter() - start)
    return statistics.median(found[WARM_UP:])


def _event() -> torch.cuda.Event:
    return torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]


def recorded(call: Call, device: torch.device) -> Call:
    """The same work started at once; it must read nothing back and leave nothing behind."""
    if device.type != "cuda":
        return call
    side = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(WARM_UP):
            call()
    torch.cuda.current_stream().wait_stream(side)
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        call()
    return graph.replay


def ceilings(device: torch.device, quick: bool) -> dict[str, float]:
    """FLOP/s of a large product in bf16, and bytes/s, read and written, of a large copy."""
    size = 64 if quick else 8192
    a, b = (torch.randn(size, size, device=device).to(torch.bfloat16) for _ in range(2))
    product = torch.empty_like(a)
    multiply = timed(lambda: torch.mm(a, b, out=product), device)
    # Random, because products and copies of zeros may be faster.
    source = torch.rand(1 << (16 if quick else 28), device=device)
    target = torch.empty_like(source)
    copy = timed(lambda: target.copy_(source), device)
    return {
        "product_size": size,
        "bf16_flops": 2 * size**3 / multiply,
        "copy_bytes": 2 * source.numel() * source.element_size() / copy,
    }


def layer_sizes(workload: Workload) -> list[int]:
    """Units of each LSTM layer, rounded up to a multiple of 8."""
    sizes = [*[workload.hidden] * (workload.layers - 1), workload.embedding]
    return [-(-size // 8) * 8 for size in sizes]


def recurrent_products(size: int, batch: int, device: torch.device) -> tuple[float, float]:
    """Seconds of the recurrent product of one step, forward and backward, in a chain of them."""

    def one(inner: int, columns: int) -> float:
        left = torch.randn(batch, inner, device=device).to(torch.bfloat16)
        right = torch.randn(inner, columns, device=device).to(torch.bfloat16)
        product = torch.empty(batch, columns, dtype=torch.bfloat16, device=device)

        def products() -> None:
            for _ in range(CHAINED):
                torch.mm(left, right, out=product)

        return timed(recorded(products, device), device) / CHAINED

    return one(size, 4 * size), one(4 * size, size)


def bound(workload: Workload, device: torch.device) -> dict[str, Any]:
    """Tokens/s if nothing but the recurrent products took time, one after another."""
    layers: list[dict[str, float]] = []
    known: dict[int, tuple[float, float]] = {}
    for size in layer_sizes(workload):
        if size not in known:
            known[size] = recurrent_products(size, workload.batch_size, device)
        forward, backward = known[size]
        layers.append({"size": size, "forward_s": forward, "backward_s": backward})
    return {"layers": layers, "tokens_per_s": bound_of(workload.batch_size, layers)}


def bound_of(batch: int, layers: Sequence[dict[str, float]]) -> float:
    """Tokens/s of ``batch`` sequences, of which each step takes the products of all layers."""
    return batch / sum(layer["forward_s"] + layer["backward_s"] for layer in layers)


def kernels(call: Call, device: torch.device) -> dict[str, float]:
    """Seconds of the device a call by kernel, largest first; on a CPU by operator."""
    on_gpu = device.type == "cuda"
    activities = [torch.profiler.ProfilerActivity.CPU]
    if on_gpu:
        activities.append(torch.profiler.ProfilerActivity.CUDA)
    for _ in range(WARM_UP):
        call()
    if on_gpu:
        torch.cuda.synchronize()
    with torch.profiler.profile(activities=activities) as profile:
        for _ in range(PROFILED):
            call()
        if on_gpu:
            torch.cuda.synchronize()
    found: dict[str, float] = {}
    wanted = "CUDA" if on_gpu else "CPU"
    for event in profile.key_averages():
        # Operators have their kernels' time too, which would count twice.
        if event.device_type.name != wanted or getattr(event, "is_user_annotation", False):
            continue
        micros = event.self_device_time_total if on_gpu else event.self_cpu_time_total
        if micros > 0:
            found[event.key] = found.get(event.key, 0.0) + micros / 1e6 / PROFILED
    return dict(sorted(found.items(), key=lambda item: -item[1]))


def by_kind(seconds: dict[str, float]) -> dict[str, float]:
    """Seconds of matrix products, cells and all else, by the names of the kernels."""
    sums = {"products": 0.0, "cells": 0.0, "other": 0.0}
    for name, value in seconds.items():
        kind = "products" if PRODUCTS.search(name) else "cells" if CELLS.search(name) else "other"
        sums[kind] += value
    return sums


def parts(workload: Workload, device: str) -> dict[str, float]:
    """Seconds of an update in bf16 and of its parts, each on its own."""
    with _pieces(workload, device) as (pieces, where):
        found = {
            "update": timed(pieces.update, where),
            "optimizer": timed(pieces.optimize, where),
        }
        for name in ("encoder", "softmax", "masks"):
            found[name] = timed(recorded(getattr(pieces, name), where), where)
    return found


def kernels_of_parts(workload: Workload, device: str) -> dict[str, dict[str, float]]:
    """:func:`kernels` of the two parts that are mostly matrix products, not replayed."""
    with _pieces(workload, device) as (pieces, where):
        return {name: kernels(getattr(pieces, name), where) for name in ("encoder", "softmax")}


@contextmanager
def _pieces(workload: Workload, device: str) -> Iterator[tuple[_Pieces, torch.device]]:
    """With the settings of a training stage."""
    recipe = ours.recipe(workload, "bf16")
    assert isinstance(recipe, Recipe)
    with compute(device, recipe.compute_threads, 0, recipe.precision) as where:
        yield _Pieces(workload, recipe, where.device), where.device


class _Pieces:
    """A model, text for one update, and the parts of the update as calls."""

    def __init__(self, workload: Workload, recipe: Recipe, device: torch.device) -> None:
        batch, steps = workload.batch_size, workload.bptt
        self.recipe, self.batch = recipe, batch
        self.model = LanguageModel(
            workload.vocabulary,
            recipe.architecture,
            recipe.dropouts,
            None,
            recipe.ar_on,
            recipe.precision,
        ).to(device)
        self.model.train()
        encoder = self.encoder_model = self.model.encoder
        groups = language_model_groups(self.model)
        freeze_all_but(groups, tuple(groups))
        optimizer = dataclasses.replace(recipe.optimizer, lr=1e-5)
        self.optimizer = GroupOptimizer(groups, optimizer, recipe.schedule, 10**9)
        self.parameters = [parameter for group in groups.values() for parameter in group]
        self.filling = [1e-3 * torch.randn_like(parameter) for parameter in self.parameters]
        text = words(workload.vocabulary, (steps + 1) * batch, np.random.default_rng(0))
        block = torch.from_numpy(text).reshape(steps + 1, batch).to(device)
        self.ids, self.targets = block[:-1].contiguous(), block[1:].contiguous()
        self.state: State = encoder.initial_state(batch)
        self.carried = tuple(chain.from_iterable(self.state))
        self.replays = Replays(self._gradients, self.parameters, device)

        masks = encoder.draw_masks(batch)
        self.recurrent = [weight.detach().clone().requires_grad_() for weight in masks.weight_hh]
        self.fixed = dataclasses.replace(masks, weight_hh=tuple(self.recurrent))
        self.trained = [
            parameter
            for name, parameter in encoder.named_parameters()
            if not name.endswith("weight_hh")
        ]
        width = workload.embedding
        self.grad_outputs = 1e-3 * torch.randn(steps, batch, width, device=device)
        self.hidden = torch.randn(steps * batch, width, device=device).requires_grad_()
        self.own = [each for name, each in encoder.named_parameters() if name.endswith("weight_hh")]
        self.grad_recurrent = [torch.randn_like(weight) for weight in self.own]

    def _gradients(self, ids: Tensor, targets: Tensor, *carried: Tensor) -> tuple[Tensor, ...]:
        """What the training stage records."""
        state = tuple(zip(carried[::2], carried[1::2], strict=True))
        recipe = self.recipe
        loss, shown, after = self.model.loss(ids, targets, state, recipe.ar, recipe.tar)
        torch.autograd.backward(loss)
        return loss.detach(), shown, *chain.from_iterable(after)

    def update(self) -> None:
        """A whole update, as the training stage makes it."""
        self.replays(self.ids, self.targets, *self.carried)
        self.optimizer.step()

    def optimize(self) -> None:
        """Clip and update; how long it takes does not depend on the numbers."""
        for parameter, gradient in zip(self.parameters, self.filling, strict=True):
            parameter.grad = gradient
        self.optimizer.step()

    def encoder(self) -> None:
        """Embedding and LSTMs forward and backward, masks given."""
        _, dropped, _ = self.encoder_model(self.ids, self.state, self.fixed)
        torch.autograd.grad(dropped, [*self.trained, *self.recurrent], self.grad_outputs)

    def softmax(self) -> None:
        """Softmax and cross-entropy forward and backward."""
        weight, bias = self.encoder_model.embedding, self.model.decoder_bias
        loss = cross_entropy(
            self.hidden, weight, bias, self.targets.flatten(), self.recipe.precision
        )
        wanted = [self.hidden, weight, *([] if bias is None else [bias])]
        torch.autograd.grad(loss, wanted)

    def masks(self) -> None:
        """All dropouts drawn, and DropConnect forward and backward."""
        weights = self.encoder_model.draw_masks(self.batch).weight_hh
        torch.autograd.grad(weights, self.own, self.grad_recurrent)
