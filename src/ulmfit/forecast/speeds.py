"""Seconds of a model's work: from a calibration, or from FLOPs over a rate."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from ulmfit.config.recipes import LanguageModel
from ulmfit.errors import UserError
from ulmfit.forecast.work import Shape, Work
from ulmfit.model import cost
from ulmfit.schedule.freezing import Stage, group_names, stages


@dataclass(frozen=True)
class Rate:
    """TFLOP/s that a device makes of the matrix products of an LM; ``basis``: who says so."""

    title: str
    tflops: float
    basis: str


GPUS = {
    "unnamed": Rate(
        "unnamed GPU, fp16",
        12.5,
        "assumed: fastai's published 65 thousand tokens a second of the paper's model",
    ),
    "h200": Rate(
        "NVIDIA H200, bf16",
        48.0,
        "assumed: 250 thousand tokens a second of the paper's model, whose updates made 331",
    ),
}
"""A token of the paper's model is 193 MFLOP in training. No whole stage has been timed on a GPU;
bare updates of 64 x 70 on an H200 made 331 thousand tokens a second, those of classifiers 109 to
381 (docs/performance.md)."""

HERE, NONE = "here", "none"
"""Beside names of the table: the GPU of this machine, and its CPU."""
Measure = Callable[[Shape, Sequence[tuple[str, ...]], str], Sequence[float]]
"""Seconds a token of a shape while each of some sets of groups trains (an empty one: in
evaluation), on the device ``cpu`` or ``cuda``."""


class Speed(ABC):
    """How long a model's work takes."""

    what: str
    """One line for readers: the device and where its speed is from."""
    gpu: bool = False
    """Whether it is a GPU's, which one job has at a time."""

    @abstractmethod
    def seconds(self, work: Work) -> float:
        """Of computing, start-up of the process left out; on a CPU CPU-seconds."""


class Flat(Speed):
    """The same rate for all work."""

    def __init__(self, tflops: float, what: str, gpu: bool) -> None:
        self.tflops, self.what, self.gpu = tflops, what, gpu

    def seconds(self, work: Work) -> float:
        """FLOPs over the rate."""
        return work.flops / (self.tflops * 1e12)


class Calibrated(Speed):
    """Seconds a token, measured with the fewest and with all groups of a recipe, and in evaluation.

    What was not measured lies on the line through these, over FLOPs a token.
    """

    def __init__(self, works: Iterable[Work], measure: Measure, what: str, gpu: bool) -> None:
        self.what, self.gpu = what, gpu
        self.measured: dict[tuple[object, ...], tuple[list[tuple[float, float]], float]] = {}
        # The shape that has most to do stands for those of its speed.
        largest: dict[tuple[object, ...], Work] = {}
        trained: dict[tuple[object, ...], set[tuple[str, ...]]] = {}
        for work in works:
            key = work.shape.key
            if key not in largest or work.flops > largest[key].flops:
                largest[key] = work
            sets = trained.setdefault(key, set())
            if work.trains:
                sets |= {stage.trainable for stage in _stages(work.shape)}
        for key, work in largest.items():
            by_flops = sorted(trained[key], key=lambda groups: _update(work.shape, groups))
            ends = list(dict.fromkeys((*by_flops[:1], *by_flops[-1:])))
            *updates, evaluation = measure(work.shape, (*ends, ()), "cuda" if gpu else "cpu")
            points = [
                (float(_update(work.shape, groups)), seconds)
                for groups, seconds in zip(ends, updates, strict=True)
            ]
            self.measured[key] = (points, evaluation / _evaluation(work.shape))

    def seconds(self, work: Work) -> float:
        """Tokens times seconds a token, part by part."""
        points, evaluation = self.measured[work.shape.key]
        total = 0.0
        for part in work.parts:
            if part.trained:
                total += part.tokens * line(points, _update(work.shape, part.trained))
            else:
                total += part.flops * evaluation
        return total


def line(points: Sequence[tuple[float, float]], at: float) -> float:
    """Through two points, or through one and zero; never below the share of the last."""
    (x1, y1), (x0, y0) = points[-1], points[0]
    if x1 == x0 or y1 <= y0:
        return y1 * at / x1
    return max(y0 + (y1 - y0) * (at - x0) / (x1 - x0), 0.5 * y1 * at / x1)


def named(gpu: str) -> Flat:
    """A GPU of the table; UserError for another."""
    rate = GPUS.get(gpu.lower())
    if rate is None:
        raise UserError(
            f"gpu {gpu!r}: not in the table; known: {', '.join(GPUS)}, {HERE} (that of this "
            f"machine), {NONE} (its CPU); or give TFLOP/s with --rate"
        )
    return Flat(rate.tflops, f"{rate.title}, {rate.tflops:g} TFLOP/s ({rate.basis})", gpu=True)


def choose(gpu: str, tflops: float | None, measure: Measure) -> Callable[[Sequence[Work]], Speed]:
    """How the speed of some work is known: by a rate if one is given, by the table for a GPU that
    it names, else by calibrating the GPU or the CPU of this machine.
    """
    with_gpu = gpu.lower() != NONE
    if tflops is not None:
        what = f"{gpu if with_gpu else 'CPU'}, {tflops:g} TFLOP/s as given"
        return lambda _: Flat(tflops, what, with_gpu)
    if gpu.lower() not in (HERE, NONE):
        flat = named(gpu)
        return lambda _: flat
    what = f"{'GPU' if with_gpu else 'CPU'} of this machine, calibrated now, one job at a time"
    return lambda works: Calibrated(works, measure, what, with_gpu)


def _stages(shape: Shape) -> Sequence[Stage]:
    return stages(group_names(shape.recipe), shape.recipe)


def _update(shape: Shape, groups: Sequence[str]) -> int:
    recipe = shape.recipe
    if isinstance(recipe, LanguageModel):
        return cost.language_model_update(recipe, shape.vocabulary, groups)
    architecture = recipe.architecture
    return cost.encoder_forward(architecture) + cost.encoder_backward(architecture, groups)


def _evaluation(shape: Shape) -> int:
    if isinstance(shape.recipe, LanguageModel):
        return cost.language_model_evaluation(shape.recipe, shape.vocabulary)
    return cost.encoder_forward(shape.recipe.architecture)
