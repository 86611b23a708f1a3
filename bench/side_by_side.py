"""Children run in turn, A B A B, each a fresh process with one thread."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

from bench.child import Task
from bench.clock import Measurement

ROOT = Path(__file__).resolve().parent.parent
Result = TypeVar("Result")


def environment() -> dict[str, str]:
    """One thread for each child, and the packages of this checkout before those of the parent."""
    inherited = filter(None, [os.environ.get("PYTHONPATH")])
    path = os.pathsep.join([str(ROOT / "src"), str(ROOT), *inherited])
    return {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "PYTHONPATH": path}


class ChildFailed(RuntimeError):
    """A measuring process ended without a result; its own message stands above."""


@contextmanager
def start(module: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A child that runs ``python -m module``; killed if the block is left before it ends.

    What it says on standard error is shown only if it fails.
    """
    child = subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
        cwd=ROOT,
    )
    try:
        yield child
    finally:
        if child.poll() is None:
            child.kill()
        child.wait()
        for stream in (child.stdin, child.stdout, child.stderr):
            if stream is not None:
                stream.close()


def result(child: subprocess.Popen[str]) -> dict[str, Any]:
    """Wait for a child; the JSON of its last line."""
    output, errors = child.communicate()
    if child.returncode != 0 or not output.strip():
        sys.stderr.write(errors)
        raise ChildFailed(f"{child.args!r} ended with status {child.returncode}")
    value: dict[str, Any] = json.loads(output.strip().splitlines()[-1])
    return value


def call(module: str, *arguments: str) -> dict[str, Any]:
    """Run a child to its end."""
    with start(module, *arguments) as child:
        return result(child)


def run(task: Task) -> Measurement:
    """Measure a training in a process of its own."""
    return Measurement(**call("bench.child", json.dumps(asdict(task))))


def run_together(task: Task, processes: int) -> list[Measurement]:
    """Measure that many processes at once, their counted updates begun together."""
    line = json.dumps(asdict(task))
    with _several(processes, line) as children:
        for child in children:
            assert child.stdout is not None
            if child.stdout.readline() != "ready\n":
                result(child)  # says what went wrong
        for child in children:
            assert child.stdin is not None
            child.stdin.write("go\n")
            child.stdin.flush()
        return [Measurement(**result(child)) for child in children]


@contextmanager
def _several(processes: int, line: str) -> Iterator[list[subprocess.Popen[str]]]:
    if processes == 0:
        yield []
        return
    with start("bench.child", line) as child, _several(processes - 1, line) as others:
        yield [child, *others]


def in_turn(
    sides: Sequence[Callable[[], Result]], pairs: int, say: Callable[[str], None]
) -> list[tuple[Result, ...]]:
    """Results of each side, side after side, ``pairs`` times over."""
    rounds = []
    for number in range(pairs):
        say(f"pair {number + 1} of {pairs}")
        rounds.append(tuple(side() for side in sides))
    return rounds


@dataclass(frozen=True)
class Spread:
    """Median, smallest and largest of some values."""

    median: float
    smallest: float
    largest: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """The spread of at least one value."""
        return cls(statistics.median(values), min(values), max(values))
