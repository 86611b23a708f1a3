"""Which updates a GPU records and replays; what it computes is in test_gpu.py."""

import pytest
import torch
from torch import nn

from ulmfit.train import replay
from ulmfit.train.replay import Replays

GPU, CPU = torch.device("cuda"), torch.device("cpu")


class Graph:
    """A recording that computes again, into the tensors that it was made with."""

    def __init__(self, places, outputs, gradient, replayed):
        self.places, self.outputs, self.gradient = places, outputs, gradient
        self.replayed = replayed

    def replay(self):
        (values,) = self.places
        self.replayed.append(len(values))
        self.outputs[0].copy_(2 * values)
        self.gradient.copy_(values.sum())


@pytest.fixture
def made(monkeypatch):
    """A function and its parameter, and the sizes of calls that were made as usual, recorded and
    replayed.
    """
    usual, recorded, replayed = [], [], []
    weight = nn.Parameter(torch.ones(()))

    def function(values):
        usual.append(len(values))
        weight.grad = values.sum()
        return (2 * values,)

    def record(_, inputs):
        recorded.append(len(inputs[0]))
        places = tuple(each.clone() for each in inputs)
        outputs = tuple(torch.empty_like(place) for place in places)
        gradient = torch.zeros(())
        graph = Graph(places, outputs, gradient, replayed)
        return replay._Recording(graph, places, outputs, [gradient])

    monkeypatch.setattr(Replays, "_record", record)
    return function, weight, usual, recorded, replayed


def call(replays, weight, size):
    """A call with fresh values; its gradient is taken, as an optimizer does."""
    values = torch.rand(size)
    weight.grad = None
    (doubled,) = replays(values)
    assert torch.equal(doubled, 2 * values)
    assert torch.equal(weight.grad, values.sum())


def test_a_shape_is_recorded_once_it_was_made_as_usual_so_often(made):
    function, weight, usual, recorded, replayed = made
    replays = Replays(function, [weight], GPU)
    for size in (3, 4, 3, 3, 3, 4):
        call(replays, weight, size)
    assert (usual, recorded, replayed) == ([3, 4, 3, 4], [3], [3, 3])


def test_no_more_shapes_are_recorded_than_there_is_memory_for(made, monkeypatch):
    monkeypatch.setattr(replay, "MOST", 2)
    function, weight, usual, recorded, replayed = made
    replays = Replays(function, [weight], GPU)
    for size in (1, 2, 3) * 4:
        call(replays, weight, size)
    assert (recorded, replayed) == ([1, 2], [1, 2, 1, 2])
    assert usual == [1, 2, 3, 1, 2, 3, 3, 3]


def test_a_cpu_makes_every_call_as_usual(made):
    function, weight, usual, recorded, replayed = made
    replays = Replays(function, [weight], CPU)
    for _ in range(5):
        call(replays, weight, 3)
    assert (usual, recorded, replayed) == ([3] * 5, [], [])
