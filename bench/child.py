"""A fresh process that measures one training: ``python -m bench.child JSON``.

Standard output is a conversation with the parent in lines: ``ready`` behind the warm-up if it was
told to wait, answered by one line on standard input, and the measurement as JSON at the end.
"""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bench.clock import Clock, nothing, peak_mib
from bench.workloads import (
    Workload,
    epoch,
    longest_batch,
    one_long,
    running_text,
    sorted_batches,
)

if TYPE_CHECKING:
    from torch.profiler import profile


@dataclass(frozen=True)
class Task:
    """``side`` is ``fastai`` or a precision of ours; ``data`` a name of :func:`documents`."""

    side: str
    workload: Workload
    data: str
    warm_up: int
    steps: int
    wait: bool = False
    profile: bool = False


def documents(task: Task) -> list[Any]:
    """What the task trains on: ``sample`` of an epoch, ``longest`` batch, a batch with ``one-long``
    document, or the whole ``epoch``.

    ``sample`` and ``longest`` have exactly warm_up + steps updates.
    """
    if task.data == "longest":
        return longest_batch(task.workload)
    if task.data == "one-long":
        return one_long(task.workload)
    if task.data == "epoch":
        return epoch(task.workload)
    if task.workload.kind == "lm":
        return running_text(task.workload, task.warm_up + task.steps)
    return sorted_batches(task.workload, task.steps)


def measure(task: Task, say: Callable[[str], None]) -> dict[str, Any]:
    """Run the task; values of :class:`bench.clock.Measurement`, and ``profile`` if asked for."""
    import torch

    torch.set_num_threads(1)
    profiler: profile | None = None
    if task.profile:
        profiler = torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU])

    def after_warm_up() -> None:
        if task.wait:
            say("ready")
            sys.stdin.readline()
        if profiler is not None:
            profiler.start()

    after_last = nothing if profiler is None else profiler.stop
    clock = Clock(task.warm_up, task.steps, after_warm_up, after_last)
    texts = documents(task)
    if task.side == "fastai":
        from bench import peer

        baseline = peak_mib()
        peer.run(task.workload, texts, clock)
    else:
        from bench import ours

        baseline = peak_mib()
        ours.run(task.workload, texts, clock, task.side)
    result = clock.measurement(baseline).as_dict()
    if profiler is not None:
        averages = profiler.key_averages()
        result["profile"] = averages.table(
            sort_by="self_cpu_time_total", row_limit=30, max_name_column_width=48
        )
    return result


def main() -> None:
    """Measure what the argument says."""
    values = json.loads(sys.argv[1])
    task = Task(**{**values, "workload": Workload(**values["workload"])})
    channel = sys.stdout

    def say(line: str) -> None:
        print(line, file=channel, flush=True)

    with contextlib.redirect_stdout(sys.stderr):
        result = measure(task, say)
    say(json.dumps(result))


if __name__ == "__main__":
    main()
