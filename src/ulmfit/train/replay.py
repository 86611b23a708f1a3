"""Updates of a GPU recorded once and replayed: thousands of kernels started by one call.

A recurrent update is a chain of small kernels, each of which takes less time than a program needs
to start it. A CUDA graph starts all of them at once, with the same numbers as result.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

USUAL = 2
"""Calls of a shape that are made as usual before it is recorded: kernels are loaded in them."""
MOST = 8
"""Shapes that are recorded, whose gradients each take the memory of the parameters. Windows of
varying length have more: about half of their updates are then made as usual."""

Function = Callable[..., tuple[Tensor, ...]]
Shapes = tuple[torch.Size, ...]


class _Recording(NamedTuple):
    """A graph, and the memory that it reads and writes at each replay."""

    graph: torch.cuda.CUDAGraph
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    gradients: list[Tensor | None]


class Replays:
    """``function`` of tensors, which leaves gradients in ``parameters``, replayed on a GPU.

    It must need nothing but its arguments, the parameters and torch's generator of random numbers,
    return tensors without a graph of gradients, and read no value back. Outputs and gradients hold
    until the next call: shapes share the memory of what they compute in between. Parameters must
    stay where they are, and take their gradients anew at each call. On a CPU every call is made as
    usual.
    """

    def __init__(
        self, function: Function, parameters: Sequence[nn.Parameter], device: torch.device
    ) -> None:
        self._function = function
        self._parameters = parameters
        self._records = device.type == "cuda"
        self._calls: dict[Shapes, int] = {}
        self._recordings: dict[Shapes, _Recording] = {}

    def __call__(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """The outputs of ``function``."""
        if not self._records:
            return self._function(*inputs)
        shapes = tuple(each.shape for each in inputs)
        if shapes not in self._recordings:
            calls = self._calls[shapes] = self._calls.get(shapes, 0) + 1
            if calls <= USUAL or len(self._recordings) == MOST:
                return self._function(*inputs)
            self._recordings[shapes] = self._record(inputs)
        recording = self._recordings[shapes]
        torch._foreach_copy_(list(recording.inputs), list(inputs))
        recording.graph.replay()
        for parameter, gradient in zip(self._parameters, recording.gradients, strict=True):
            parameter.grad = gradient
        return recording.outputs

    @functools.cached_property
    def _memory(self) -> Any:
        """The memory that all shapes share."""
        return torch.cuda.graph_pool_handle()

    def _record(self, inputs: tuple[Tensor, ...]) -> _Recording:
        """Record a call without making it; the generator of random numbers stays where it is."""
        places = tuple(each.clone() for each in inputs)
        graph = torch.cuda.CUDAGraph()
        # Another shape's outputs may lie where this one computes: whoever calls has read them by
        # then, and inputs are copied before.
        with torch.cuda.graph(graph, pool=self._memory):
            outputs = self._function(*places)
        gradients = [parameter.grad for parameter in self._parameters]
        return _Recording(graph, places, outputs, gradients)
