"""Training: ours and fastai in turn, in one run. ``python -m bench.train --help``.

Measures (``--measure``):

speed      tokens per CPU-second and per second of both, their ratio, share of time by stage, peak
           memory, wasted slots of the sample, and the share of the best matrix product (MFU)
memory     peak memory with one document of 2,000 tokens in the batch (classifiers)
slots      wasted slots over an epoch of 3,200 documents, both loops on a tiny model (classifiers)
two-jobs   two processes at once against one, ours alone
profile    operators by their own time (torch.profiler), ours alone
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import shlex
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args, get_type_hints

from bench import machine
from bench.child import Task
from bench.clock import STAGES, Measurement
from bench.markdown import RESULTS, heading, spread, table, write
from bench.side_by_side import ChildFailed, call, in_turn, run, run_together
from bench.workloads import WORKLOADS, Workload
from ulmfit.config.recipes import LanguageModel

PEER = "fastai"


@dataclass(frozen=True)
class Plan:
    """What was asked for."""

    workloads: list[Workload]
    modes: list[str]
    pairs: int
    steps: int | None
    warm_up: int

    def classifiers(self) -> list[Workload]:
        """The workloads with documents; one of each size, because a frozen encoder pads alike."""
        return [workload for workload in self.workloads if workload.kind == "classifier"]

    def task(self, side: str, workload: Workload, data: str = "sample", **more: Any) -> Task:
        """A task with the plan's updates; classifiers have exactly one for warm-up."""
        small = workload.hidden < 1000
        steps = self.steps or (10 if small else 4)
        warm_up = self.warm_up if workload.kind == "lm" else 1
        return Task(side, workload, data, warm_up, steps, **more)


def say(line: str) -> None:
    """Say how far the run has come."""
    print(line, file=sys.stderr, flush=True)


def speed(plan: Plan) -> tuple[str, dict[str, Any]]:
    """Ours in each mode and fastai in turn, workload by workload."""
    found: dict[str, Any] = {"gemm": [call("bench.gemm")]}
    measured: dict[Workload, dict[str, list[Measurement]]] = {}
    for workload in plan.workloads:
        say(f"speed: {workload.name}")
        sides = [*plan.modes, PEER]
        rounds = in_turn([_measures(plan, side, workload) for side in sides], plan.pairs, say)
        columns = [list(column) for column in zip(*rounds, strict=True)]
        measured[workload] = dict(zip(sides, columns, strict=True))
        tokens = {value.tokens for column in columns for value in column}
        if len(tokens) != 1:
            raise ChildFailed(f"{workload.name}: the sides read {sorted(tokens)} tokens")
    found["gemm"].append(call("bench.gemm"))
    found["speed"] = {
        workload.name: {
            side: [value.as_dict() for value in values] for side, values in sides_of.items()
        }
        for workload, sides_of in measured.items()
    }
    best = {name: max(rates[name] for rates in found["gemm"]) for name in found["gemm"][0]}
    text = (
        "## Speed\n\n"
        "Medians over pairs run in turn, smallest and largest in brackets; one thread. Ratios are "
        "ours over fastai, pair by pair.\n\n"
        + _rates(plan, measured)
        + "\nCPU time of an update by stage; our softmax makes its gradients in forward.\n\n"
        + _stages(measured)
        + f"\nBest matrix product here: fp32 {best['fp32']:.0f}, bf16 {best['bf16']:.0f} GFLOP per "
        "CPU-second (2048 x 2048, oneDNN).\n\n" + _utilisation(plan, measured, best)
    )
    return text, found


def _measures(plan: Plan, side: str, workload: Workload) -> Callable[[], Measurement]:
    return lambda: run(plan.task(side, workload))


def ratios(
    ours: Sequence[Measurement],
    theirs: Sequence[Measurement],
    value: Callable[[Measurement], float],
) -> list[float]:
    """``value`` of ours over that of the peer, pair by pair."""
    return [value(a) / value(b) for a, b in zip(ours, theirs, strict=True)]


def _rates(plan: Plan, measured: dict[Workload, dict[str, list[Measurement]]]) -> str:
    rows = []
    for workload, sides in measured.items():
        peer = sides[PEER]
        for mode in plan.modes:
            ours = sides[mode]
            rows.append(
                [
                    workload.name,
                    mode,
                    spread([value.rate for value in ours], 0),
                    spread([value.rate for value in peer], 0),
                    spread(ratios(ours, peer, lambda value: value.rate)),
                    spread(ratios(ours, peer, lambda value: value.wall_rate)),
                    spread([value.peak_mib for value in ours], 0),
                    spread([value.peak_mib for value in peer], 0),
                    spread(ratios(ours, peer, lambda value: value.peak_mib)),
                ]
            )
    head = ["workload", "mode", "ours, tokens / CPU-s", "fastai, tokens / CPU-s", "ratio (CPU)"]
    head += ["ratio (wall)", "ours, peak MiB", "fastai, peak MiB", "ratio (memory)"]
    return table(head, rows)


def _stages(measured: dict[Workload, dict[str, list[Measurement]]]) -> str:
    rows = []
    for workload, sides in measured.items():
        for side, values in sides.items():
            total = sum(value.cpu_s for value in values)
            shares = [sum(value.cpu[stage] for value in values) / total for stage in STAGES]
            steps = sum(value.steps for value in values)
            rows.append(
                [
                    *(workload.name, side, f"{total / steps:.3f}"),
                    *(f"{share:.1%}" for share in shares),
                ]
            )
    return table(["workload", "side", "CPU-s / update", *STAGES], rows)


def _utilisation(
    plan: Plan, measured: dict[Workload, dict[str, list[Measurement]]], best: dict[str, float]
) -> str:
    rows = []
    for workload, sides in measured.items():
        for mode in [*plan.modes, PEER]:
            achieved = [value.rate * workload.flops_per_token / 1e9 for value in sides[mode]]
            rows.append(
                [
                    *(workload.name, mode, spread(achieved, 1)),
                    *(spread([rate / best[name] for rate in achieved]) for name in best),
                ]
            )
    return table(
        ["workload", "side", "GFLOP / CPU-s", *(f"over best {name}" for name in best)], rows
    )


def memory(plan: Plan) -> tuple[str, dict[str, Any]]:
    """Peak memory of an update with the longest document, ours in each mode and fastai in turn."""
    rows, found = [], {}
    for workload in plan.classifiers():
        say(f"memory: {workload.name}")
        sides = [*plan.modes, PEER]
        tasks = [Task(side, workload, "longest", warm_up=0, steps=2) for side in sides]
        values = dict(zip(sides, [run(task) for task in tasks], strict=True))
        peer = values[PEER]
        for mode in plan.modes:
            ours = values[mode]
            ratio = ours.peak_mib / peer.peak_mib
            row = [workload.name, mode, f"{ours.peak_mib:.0f}", f"{peer.peak_mib:.0f}"]
            rows.append([*row, f"{ratio:.2f}"])
        found[workload.name] = {side: value.as_dict() for side, value in values.items()}
    head = ["workload", "mode", "ours, peak MiB", "fastai, peak MiB", "ratio"]
    text = (
        "## Memory\n\nPeak of the whole process over an update with the longest batch of a pool, "
        f"its longest document {plan.classifiers()[0].longest:,} tokens, and one with the "
        "shortest.\n\n" + table(head, rows)
    )
    return text, {"memory": found}


def slots(plan: Plan) -> tuple[str, dict[str, Any]]:
    """Share of the encoder's places that no token of text fills, over an epoch."""
    rows, found = [], {}
    for workload in plan.classifiers():
        if workload.head_only:
            continue
        say(f"slots: {workload.name}")
        tiny = dataclasses.replace(workload, embedding=4, hidden=4, vocabulary=100)
        updates = -(-workload.documents // workload.batch_size)
        values = {
            side: run(Task(side, tiny, "epoch", warm_up=0, steps=updates))
            for side in (plan.modes[0], PEER)
        }
        shares = [f"{1 - value.tokens / value.slots:.2%}" for value in values.values()]
        rows.append([workload.name, *shares])
        found[workload.name] = {side: value.as_dict() for side, value in values.items()}
    text = "## Wasted slots\n\n" + table(["workload", "ours", "fastai"], rows)
    return text, {"slots": found}


def two_jobs(plan: Plan) -> tuple[str, dict[str, Any]]:
    """Tokens per second of two processes at once over those of one, in turn."""
    rows, found = [], {}
    for workload in plan.workloads:
        for mode in plan.modes:
            say(f"two jobs: {workload.name}, {mode}")
            task = plan.task(mode, workload, wait=True)
            pairs = in_turn([_together(task, 1), _together(task, 2)], plan.pairs, say)
            rates = [[sum(v.wall_rate for v in values) for values in pair] for pair in pairs]
            row = [spread([rate[k] for rate in rates], 0) for k in (0, 1)]
            rows.append([workload.name, mode, *row, spread([two / one for one, two in rates])])
            found[f"{workload.name} {mode}"] = rates
    head = ["workload", "mode", "one, tokens / s", "two, tokens / s together", "ratio"]
    return "## Two jobs at once\n\n" + table(head, rows), {"two_jobs": found}


def _together(task: Task, processes: int) -> Callable[[], list[Measurement]]:
    return lambda: run_together(task, processes)


def profile(plan: Plan) -> tuple[str, dict[str, Any]]:
    """Operators of ours by their own time."""
    parts = []
    for workload in plan.workloads:
        for mode in plan.modes:
            say(f"profile: {workload.name}, {mode}")
            task = plan.task(mode, workload, profile=True)
            values = call("bench.child", json.dumps(dataclasses.asdict(task)))
            parts.append(f"### {workload.name}, {mode}\n\n```\n{values['profile']}\n```\n")
    return "## Profile\n\n" + "\n".join(parts), {}


MEASURES = {
    "speed": speed,
    "memory": memory,
    "slots": slots,
    "two-jobs": two_jobs,
    "profile": profile,
}


def modes() -> tuple[str, ...]:
    """The precisions that recipes know."""
    return get_args(get_type_hints(LanguageModel)["precision"])


def parser() -> argparse.ArgumentParser:
    """The command line."""
    lines = argparse.ArgumentParser(
        prog="python -m bench.train",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    lines.add_argument(
        "--workload",
        nargs="+",
        choices=WORKLOADS,
        default=list(WORKLOADS),
        metavar="NAME",
        help=f"of {', '.join(WORKLOADS)}; default: all",
    )
    lines.add_argument(
        "--mode", nargs="+", choices=modes(), default=["fp32"], help="precisions of our recipes"
    )
    lines.add_argument("--measure", nargs="+", choices=MEASURES, default=["speed"])
    lines.add_argument("--pairs", type=int, default=5)
    lines.add_argument("--steps", type=int, help="updates that count in each process")
    lines.add_argument("--warm-up", type=int, default=1, help="updates before them (lm)")
    lines.add_argument("--quick", action="store_true", help="tiny sizes: is the bench in order?")
    lines.add_argument("--output", type=Path, default=RESULTS, help="folder of the results")
    return lines


def main(line: Sequence[str] | None = None) -> int:
    """Measure and write; returns the exit status."""
    lines = parser()
    options = lines.parse_args(line)
    workloads = [WORKLOADS[name] for name in options.workload]
    if options.quick:
        workloads = [workload.quick() for workload in workloads]
    if {"memory", "slots"} & set(options.measure) and all(w.kind == "lm" for w in workloads):
        lines.error("memory and slots measure classifiers: name one with --workload")
    plan = Plan(workloads, options.mode, options.pairs, options.steps, options.warm_up)
    arguments = sys.argv[1:] if line is None else line
    facts = machine.facts()
    parts = ["# Training\n", heading(facts, f"python -m bench.train {shlex.join(arguments)}")]
    values: dict[str, Any] = {"machine": facts, "arguments": list(arguments)}
    try:
        for name in options.measure:
            text, found = MEASURES[name](plan)
            parts.append(text)
            values |= found
    except ChildFailed as error:
        print(f"bench.train: {error}", file=sys.stderr)
        return 1
    text = "\n".join(parts)
    print(text)
    say(f"written: {write('train', text, values, options.output)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
