"""What one process measures: time of its updates by stage, slots, memory."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

LOOP = "data and loop"
STAGES = ("forward", "backward", "optimizer", LOOP)


def nothing() -> None:
    """Do nothing."""


@dataclass
class Clock:
    """Seconds of a training's updates, each stage of an update on its own.

    The first ``warm_up`` updates do not count: ``after_warm_up`` is called behind them, and
    ``after_last`` behind the last of ``steps``. The training calls :meth:`enter` where a stage
    begins and :meth:`end_step` behind each update; what is in no stage counts as the loop, but for
    what comes before the first stage of all.
    """

    warm_up: int
    steps: int
    after_warm_up: Callable[[], None] = nothing
    after_last: Callable[[], None] = nothing
    cpu: dict[str, float] = field(default_factory=lambda: dict.fromkeys(STAGES, 0.0))
    wall: float = 0.0
    tokens: int = 0
    slots: int = 0
    peak_mib: float = 0.0
    _made: int = 0
    _stage: str = LOOP
    _cpu_mark: float | None = None
    _wall_mark: float = 0.0

    @property
    def stage(self) -> str:
        """The stage that the training is in."""
        return self._stage

    @property
    def _counts(self) -> bool:
        return self.warm_up <= self._made < self.warm_up + self.steps

    def enter(self, stage: str) -> None:
        """The time since the last call belongs to the stage before."""
        cpu, wall = time.process_time(), time.perf_counter()
        if self._counts and self._cpu_mark is not None:
            self.cpu[self._stage] += cpu - self._cpu_mark
            self.wall += wall - self._wall_mark
        self._stage, self._cpu_mark, self._wall_mark = stage, cpu, wall

    def add(self, tokens: int = 0, slots: int = 0) -> None:
        """Count tokens of text, and places of the matrices that the encoder computes for them."""
        if self._counts:
            self.tokens += tokens
            self.slots += slots

    def end_step(self) -> None:
        """An update is made."""
        self.enter(LOOP)
        self._made += 1
        if self._made == self.warm_up:
            self.after_warm_up()
        if self._made == self.warm_up + self.steps:
            # What comes after the updates, validation and saving, is not of both sides.
            self.peak_mib = peak_mib()
            self.after_last()
        self._cpu_mark, self._wall_mark = time.process_time(), time.perf_counter()

    def measurement(self, baseline_mib: float) -> Measurement:
        """The result; RuntimeError if fewer updates were made than announced."""
        if self._made < self.warm_up + self.steps:
            raise RuntimeError(
                f"{self._made} updates seen, {self.warm_up + self.steps} expected: does the "
                "training still call what the clock hooks into?"
            )
        return Measurement(
            self.steps,
            self.tokens,
            self.slots,
            dict(self.cpu),
            self.wall,
            self.peak_mib,
            baseline_mib,
        )


@dataclass(frozen=True)
class Measurement:
    """``cpu`` seconds by stage and ``wall`` seconds of ``steps`` updates over ``tokens`` of text.

    ``slots`` are the places that the encoder computed for them, padding included; ``peak_mib`` the
    most memory of the whole process up to the last of them, ``baseline_mib`` its memory before the
    model was made.
    """

    steps: int
    tokens: int
    slots: int
    cpu: dict[str, float]
    wall: float
    peak_mib: float
    baseline_mib: float

    @property
    def cpu_s(self) -> float:
        """CPU-seconds of all stages."""
        return sum(self.cpu.values())

    @property
    def rate(self) -> float:
        """Tokens per CPU-second."""
        return self.tokens / self.cpu_s

    @property
    def wall_rate(self) -> float:
        """Tokens per second."""
        return self.tokens / self.wall

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


def peak_mib() -> float:
    """Most memory that this process ever held.

    The kernel's count for a child starts from its parent's peak (``getrusage``), so where /proc
    says it for this program alone, that is taken.
    """
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 2**10
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
