"""Training on a GPU, ours beside fastai on the same card. ``python -m bench.gpu --help``.

What the card can do at best; tokens/s of the real training stages in the last of three epochs,
so that loading kernels and recording updates are outside; fastai in the second of two; and where
the time of an update goes. A measurement that fails is said, and the others go on.
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
import gc
import json
import shlex
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from bench import machine, ours
from bench.child import Task, documents
from bench.gpu_parts import bound, by_kind, ceilings, kernels_of_parts, parts
from bench.markdown import RESULTS, heading, table, write
from bench.side_by_side import call
from bench.workloads import POOL_BATCHES, WORKLOADS, Workload
from ulmfit.errors import UserError
from ulmfit.store.files import read_json
from ulmfit.store.weights import card_path
from ulmfit.train.device import choose

EPOCHS = 3
UPDATES = 100
"""Updates of a language model in an epoch, of 64 streams in bf16."""
FP32, BF16 = "fp32", "bf16"
SHOWN = 8
"""Kernels in the table of the costliest."""
MOST_SAID = 600
NOTHING = "\N{EN DASH}"


@dataclass(frozen=True)
class Case:
    """A training of ours; fastai trains the workload too if ``peer``."""

    workload: Workload
    precision: str
    updates: int
    peer: bool = False

    @property
    def name(self) -> str:
        """Of the case in the results."""
        return f"{self.workload.name}, {self.precision}"


def cases(updates: int, quick: bool) -> list[Case]:
    """All trainings; ``updates`` an epoch for the first, the others by what theirs cost."""
    some = max(2, updates // 2)
    # With one more batch for the longest documents; together they shall be one pool.
    batches = min(POOL_BATCHES - 1, max(2, updates * 3 // 10))
    many = min(POOL_BATCHES - 1, max(2, updates))

    def sized(name: str, batch: int, shown: str) -> Workload:
        workload = replace(WORKLOADS[name], name=shown, batch_size=batch)
        return workload.quick() if quick else workload

    lm, large = (sized("lm-full", batch, f"lm-full {batch} x 70") for batch in (64, 256))
    return [
        Case(lm, BF16, updates, peer=True),
        Case(lm, FP32, some),
        Case(large, BF16, some, peer=True),
        Case(sized("classifier-full", 32, "classifier-full 32"), BF16, batches, peer=True),
        Case(sized("classifier-full", 128, "classifier-full 128"), BF16, batches),
        Case(sized("head-only-full", 32, "head-only-full 32"), BF16, many),
    ]


def say(line: str) -> None:
    """Say how far the run has come."""
    print(line, file=sys.stderr, flush=True)


def free(device: torch.device) -> None:
    """Give back what the measurement before held."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.synchronize()
        torch.cuda.empty_cache()


def train(case: Case, device: str) -> dict[str, Any]:
    """Train with our stage; its last epoch and its memory."""
    workload = case.workload
    texts = documents(Task(case.precision, workload, "sample", 0, case.updates))
    recipe = ours.recipe(workload, case.precision)
    # So low a rate that no training can explode; how fast it is does not depend on it.
    recipe = replace(recipe, epochs=EPOCHS, optimizer=replace(recipe.optimizer, lr=1e-5))
    with tempfile.TemporaryDirectory() as name:
        output, history = ours.train(recipe, workload, texts, Path(name), device)
        card = read_json(card_path(output))
        with history.open(newline="", encoding="utf-8") as file:
            rows = [row for row in csv.DictReader(file) if row["tokens_per_s"]]
    rates = [float(row["tokens_per_s"]) for row in rows]
    made, tokens = card["updates"] // EPOCHS, card["tokens"] // EPOCHS
    on_gpu = card["device"] == "cuda"
    return {
        "tokens_per_s": rates[-1],
        "of_epochs": rates,
        "updates": made,
        "tokens": tokens,
        "ms_per_update": 1e3 * tokens / rates[-1] / made,
        "peak_mib": card["peak_memory_mib"],
        "reserved_mib": torch.cuda.max_memory_reserved() / 2**20 if on_gpu else None,
    }


def peers(chosen: Sequence[Case], device: str) -> dict[str, Any]:
    """fastai in fp32 and with ``to_fp16``, by workload and precision; or ``missing``."""
    asked = [(case, fp16) for case in chosen for fp16 in (False, True)]
    trainings = [
        # Two epochs of fewer updates: fastai's take longer.
        {
            "workload": asdict(case.workload),
            "updates": max(2, case.updates // 3) if case.workload.kind == "lm" else case.updates,
            "fp16": fp16,
        }
        for case, fp16 in asked
    ]
    said = call("bench.gpu_peer", json.dumps({"device": device, "trainings": trainings}))
    if "missing" in said:
        return said
    found: dict[str, Any] = {}
    for (case, fp16), one in zip(asked, said["found"], strict=True):
        if "error" not in one:
            one["tokens_per_s"] = one["tokens"] / one["seconds"]
            one["ms_per_update"] = 1e3 * one["seconds"] / one["updates"]
        found.setdefault(case.workload.name, {})["fp16" if fp16 else FP32] = one
    return found


class Measurements:
    """Results by name; what failed has none, and a line in ``failed``."""

    def __init__(self, device: torch.device) -> None:
        self.failed: list[str] = []
        self._device = device

    def of(self, name: str, measure: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """The measurement, or nothing."""
        free(self._device)
        say(name)
        try:
            found = measure()
        # Any: a card is not to be had every day, and most of the others do not depend on this one.
        except Exception as error:
            traceback.print_exc()
            self.failed.append(f"{name}: {type(error).__name__}: {error}")
            return {}
        say(f"  {json.dumps(found)[:MOST_SAID]}")
        return found


def number(value: float | None, digits: int = 0, factor: float = 1.0) -> str:
    """A value for a table, which may be missing."""
    return NOTHING if value is None else f"{value * factor:,.{digits}f}"


def percent(part: float | None, whole: float | None) -> str:
    """A share for a table, of which either may be missing."""
    return f"{part / whole:.1%}" if part and whole else NOTHING


def ratio(ours_is: float | None, theirs: float | None) -> str:
    """How many times as much, of which either may be missing."""
    return f"{ours_is / theirs:.2f}" if ours_is and theirs else NOTHING


def ceilings_text(values: dict[str, Any]) -> str:
    """Ceilings of the card, and the bounds from the recurrence."""
    best = values["ceilings"]
    size = best.get("product_size", NOTHING)
    rows = [
        [
            f"bf16 product of {size} x {size} matrices, TFLOP/s",
            number(best.get("bf16_flops"), 0, 1e-12),
        ],
        ["copy on the device, read + written, TB/s", number(best.get("copy_bytes"), 2, 1e-12)],
    ]
    steps = [
        [
            f"{name}, {layer['size']} units",
            number(layer["forward_s"], 1, 1e6),
            number(layer["backward_s"], 1, 1e6),
            number(found["tokens_per_s"]),
        ]
        for name, found in values["bound"].items()
        if found
        for layer in found["layers"]
    ]
    return (
        "## Ceilings\n\n"
        + table(["ceiling", "measured"], rows)
        + "\nRecurrent products of one step in bf16, one after another in a CUDA graph. *Bound*: "
        "tokens/s if they alone took time, layer after layer; kernels that keep the matrix on the "
        "chip over all steps may pass it.\n\n"
        + table(["layer", "forward, \N{MICRO SIGN}s", "backward, \N{MICRO SIGN}s", "bound"], steps)
    )


def rates_text(chosen: Sequence[Case], values: dict[str, Any]) -> str:
    """Ours beside fastai."""
    rows, theirs = [], []
    for case in chosen:
        workload, found = case.workload, values["ours"].get(case.name, {})
        rate = found.get("tokens_per_s")
        limit = values["bound"].get(workload.name, {}).get("tokens_per_s")
        peer = values["fastai"].get(workload.name, {})
        rows.append(
            [
                *(workload.name, case.precision, number(rate)),
                number(found.get("ms_per_update"), 2),
                percent(rate, limit if case.precision == BF16 else None),
                percent(
                    rate and rate * workload.flops_per_token, values["ceilings"].get("bf16_flops")
                ),
                *(number(found.get(name)) for name in ("peak_mib", "reserved_mib")),
                *(ratio(rate, peer.get(name, {}).get("tokens_per_s")) for name in (FP32, "fp16")),
            ]
        )
        for name, one in peer.items() if case.peer else ():
            if "error" in one:
                theirs.append([workload.name, name, one["error"], *[NOTHING] * 2])
                continue
            row = [workload.name, name, number(one["tokens_per_s"])]
            theirs.append([*row, number(one["ms_per_update"], 2), number(one["peak_mib"])])
    head = ["workload", "precision", "tokens / s", "ms / update", "of the bound"]
    head += ["of the best bf16 product", "peak MiB", "reserved MiB"]
    head += ["over fastai fp32", "over fastai fp16"]
    text = (
        f"## Rates\n\nOurs, the last of {EPOCHS} epochs, as the training's history says it.\n\n"
        + table(head, rows)
    )
    if theirs:
        text += "\nfastai, the second of two epochs; its fp16 is `Learner.to_fp16`.\n\n" + table(
            ["workload", "precision", "tokens / s", "ms / update", "peak MiB"], theirs
        )
    elif values["peer"]:
        text += f"\nNo fastai: {values['peer']}.\n"
    return text


PARTS = {
    "whole update": ("update",),
    "encoder": ("encoder",),
    "\N{EM DASH} products of the LSTMs": ("encoder", "products"),
    "\N{EM DASH} cells": ("encoder", "cells"),
    "\N{EM DASH} casts, copies, masks applied": ("encoder", "other"),
    "softmax": ("softmax",),
    "\N{EM DASH} products of the softmax": ("softmax", "products"),
    "\N{EM DASH} the rest of it": ("softmax", "other"),
    "optimizer and clipping": ("optimizer",),
    "masks drawn, DropConnect": ("masks",),
    "what is left of the update": ("left",),
}


def seconds_of(
    part: Sequence[str], found: dict[str, float], kernels: dict[str, dict[str, float]]
) -> float | None:
    """Seconds of one of :data:`PARTS`, if it was measured."""
    if len(part) == 2:
        of_part = kernels.get(part[0])
        return by_kind(of_part)[part[1]] if of_part else None
    if not found:
        return None
    if part[0] == "left":
        known = ("encoder", "softmax", "optimizer", "masks")
        return found["update"] - sum(found[name] for name in known)
    return found[part[0]]


def parts_text(values: dict[str, Any]) -> str:
    """Where the time of an update goes."""
    measured = values["parts"]
    rows = []
    for name, part in PARTS.items():
        row = [name]
        for update, found in measured.items():
            seconds = seconds_of(part, found, values["kernels"][update])
            row += [number(seconds, 3, 1e3), percent(seconds, found.get("update"))]
        rows.append(row)
    head = ["part"]
    for name in measured:
        head += [f"{name}, ms", "share"]
    costly = [
        [f"`{kernel[:70]}`", name, piece, number(seconds, 3, 1e3)]
        for name, pieces in values["kernels"].items()
        for piece, of_piece in pieces.items()
        for kernel, seconds in list(of_piece.items())[:SHOWN]
    ]
    return (
        "## Parts of an update\n\nbf16, each part on its own, replayed where there is a GPU, "
        "forward and backward. What a dash begins is the sum of kernels by their names in a "
        "profile of the part, not replayed.\n\n"
        + table(head, rows)
        + "\nCostliest kernels:\n\n"
        + table(["kernel", "update", "part", "ms / update"], costly)
    )


def card_facts(device: torch.device) -> dict[str, Any]:
    """The card and what drives it."""
    if device.type != "cuda":
        return {"name": "cpu"}
    try:
        query = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
        said = subprocess.run(query, capture_output=True, text=True, check=True, timeout=20)
        driver = said.stdout.strip().splitlines()[0]
    except (OSError, subprocess.SubprocessError, IndexError):
        driver = "unknown"
    return {
        "name": torch.cuda.get_device_name(device),
        "driver": driver,
        "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version(),  # type: ignore[no-untyped-call]
        "memory_gib": round(torch.cuda.get_device_properties(device).total_memory / 2**30, 1),
    }


def parser() -> argparse.ArgumentParser:
    """The command line."""
    lines = argparse.ArgumentParser(
        prog="python -m bench.gpu",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    lines.add_argument("--device", choices=["cuda", "cpu"], default="cuda")
    lines.add_argument("--quick", action="store_true", help="tiny sizes: is the bench in order?")
    lines.add_argument("--no-peer", action="store_true", help="without fastai")
    lines.add_argument(
        "--updates",
        type=int,
        help=f"of a language model in an epoch, others by it; default: {UPDATES}, quick: 4",
    )
    lines.add_argument("--output", type=Path, default=RESULTS, help="folder of the results")
    return lines


def measured(chosen: Sequence[Case], options: argparse.Namespace) -> tuple[dict[str, Any], bool]:
    """All values, and whether all could be measured."""
    device = torch.device(options.device)
    run = Measurements(device)
    language_models = [
        case.workload for case in chosen if case.workload.kind == "lm" and case.precision == BF16
    ]
    values: dict[str, Any] = {"fastai": {}, "peer": "", "failed": run.failed}
    # First, because its settings are those that matrix products of the process keep.
    values["ours"] = {
        case.name: run.of(f"ours: {case.name}", _train(case, options.device)) for case in chosen
    }
    values["ceilings"] = run.of("ceilings", lambda: ceilings(device, options.quick))
    values["bound"] = {
        workload.name: run.of(f"bound: {workload.name}", _bound(workload, device))
        for workload in language_models
    }
    if not options.no_peer:
        theirs = [case for case in chosen if case.peer]
        found = run.of("fastai", lambda: peers(theirs, options.device))
        values["peer"] = found.pop("missing", "" if found else "it failed")
        values["fastai"] = found
    # Last: profilers slow down what comes after them.
    values["parts"] = {
        workload.name: run.of(f"parts: {workload.name}", _parts(workload, options.device))
        for workload in language_models
    }
    values["kernels"] = {
        workload.name: run.of(f"kernels: {workload.name}", _kernels(workload, options.device))
        for workload in language_models
    }
    for name, sides in values["fastai"].items():
        run.failed += [
            f"fastai: {name}: {one['error']}" for one in sides.values() if "error" in one
        ]
    return values, not run.failed


def _bound(workload: Workload, device: torch.device) -> Callable[[], dict[str, Any]]:
    return lambda: bound(workload, device)


def _train(case: Case, device: str) -> Callable[[], dict[str, Any]]:
    return lambda: train(case, device)


def _parts(workload: Workload, device: str) -> Callable[[], dict[str, Any]]:
    return lambda: parts(workload, device)


def _kernels(workload: Workload, device: str) -> Callable[[], dict[str, Any]]:
    return lambda: kernels_of_parts(workload, device)


def main(line: Sequence[str] | None = None) -> int:
    """Measure and write; returns the exit status, 1 if anything could not be measured."""
    lines = parser()
    options = lines.parse_args(line)
    try:
        device = choose(options.device)
    except UserError as error:
        print(f"bench.gpu: {error}", file=sys.stderr)
        return 1
    chosen = cases(options.updates or (4 if options.quick else UPDATES), options.quick)
    arguments = sys.argv[1:] if line is None else line
    facts, card = machine.facts(), card_facts(device)
    values, whole = measured(chosen, options)
    sections = [
        "# Training on a GPU\n",
        heading(facts, f"python -m bench.gpu {shlex.join(arguments)}"),
        "Card: " + ", ".join(f"{name} {value}" for name, value in card.items()) + ".\n",
        ceilings_text(values),
        rates_text(chosen, values),
        parts_text(values),
    ]
    if values["failed"]:
        sections.append(
            "## Failed\n\n" + "\n".join(f"- {each}" for each in values["failed"]) + "\n"
        )
    text = "\n".join(sections)
    print(text, flush=True)
    described = [dataclasses.asdict(case) for case in chosen]
    values |= {"machine": facts, "card": card, "arguments": list(arguments), "cases": described}
    say(f"written: {write('gpu', text, values, options.output)}")
    return 0 if whole else 1


if __name__ == "__main__":
    sys.exit(main())
