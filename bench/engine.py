"""Snakemake in a process of its own, and a workflow whose jobs cost nothing: what is left is the
engine. ``python -m bench.engine VARIANTS SEEDS RUN`` measures a study of that many runs.

The workflow is a copy of this checkout's in which every shell command is ``touch {output}``: graph,
parameters, resources, logs, benchmarks and hooks are the real ones.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
DRY_RUN = "--dry-run"
_COUNTS = re.compile(r"^job +count\n[- ]+\n((?:\w+ +\d+\n)+)", re.M)
_COMMAND = re.compile(r"^( +)shell:\n(?:\1 +.*\n)+", re.M)


class SnakemakeFailed(RuntimeError):
    """Snakemake ended with an error; the message has its command and its last words."""


@dataclass(frozen=True)
class Ran:
    """``jobs`` per rule; time and memory are those of the process and of its jobs together."""

    jobs: Counter[str]
    wall_s: float
    cpu_s: float
    peak_mib: float


def snakemake(
    study: Mapping[str, Any], folder: Path, *options: str, snakefile: Path = ROOT / "Snakefile"
) -> Ran:
    """Run a study in a folder with two cores and no profile; SnakemakeFailed if it fails."""
    path = folder / "study.yaml"
    path.write_text(yaml.safe_dump(dict(study)), encoding="utf-8")
    command = [
        *(sys.executable, "-m", "snakemake", "--snakefile", str(snakefile)),
        *("--directory", str(folder), "--configfile", str(path), "--workflow-profile", "none"),
        *("--cores", "2", "--resources", "gpu=1", "--scheduler", "greedy"),
        *("--quiet", "rules", *options),
    ]
    with tempfile.TemporaryFile("w+") as output:
        begin = time.perf_counter()
        child = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
        _, status, used = os.wait4(child.pid, 0)
        wall = time.perf_counter() - begin
        child.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        said = output.read()
    if child.returncode:
        raise SnakemakeFailed(f"{' '.join(command)}\n{said[-4000:]}")
    counts = _COUNTS.search(said)
    lines = counts[1].splitlines() if counts else []
    jobs = Counter({name: int(n) for name, n in map(str.split, lines)})
    del jobs["total"]
    return Ran(jobs, wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 2**10)


def trivial_workflow(folder: Path) -> Path:
    """Write the copy of the workflow; returns its Snakefile."""
    for name in ("src", "config", "envs"):
        (folder / name).symlink_to(ROOT / name)
    for source in [ROOT / "Snakefile", *(ROOT / "workflow").rglob("*")]:
        if source.suffix in {"", ".smk", ".rst"} and source.is_file():
            target = folder / source.relative_to(ROOT)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(without_commands(source.read_text("utf-8")), encoding="utf-8")
    return folder / "Snakefile"


def without_commands(rules: str) -> str:
    """The rules of a file with ``touch {output}`` for each shell command, also of folders."""
    rules = re.sub(r"\bdirectory\((.*)\)", r"\1", rules)
    return _COMMAND.sub(r'\1shell:\n\1    "touch {output}"\n', rules)


def trivial_study(variants: int, seeds: int) -> dict[str, Any]:
    """A study of one table: rows that differ by a rate, each with a training of both models."""
    return {
        "study": "growth",
        "title": "Growth",
        "description": "Many runs of one table.",
        "preset": "paper",
        "device": "cpu",
        "datasets": {"docstrings-small": {"corpus": "library-docs-small"}},
        "seeds": {"runs": list(range(seeds)), "vary": ["finetune", "classify"]},
        "variants": {
            f"rate-{k}": {
                "title": f"Rate {k}",
                "description": "A row with a rate of its own.",
                "finetune": {"optimizer": {"lr": 0.001 + 0.0001 * k}},
                "classify": {"optimizer": {"lr": 0.001 + 0.0001 * k}},
            }
            for k in range(variants)
        },
        "experiments": {
            "main": {
                "title": "Rates",
                "n_labelled": [80],
                "reference": None,
                "cells": [f"rate-{k}" for k in range(variants)],
            }
        },
    }


def measure(variants: int, seeds: int, run: bool) -> dict[str, dict[str, Any]]:
    """A dry run; and if asked for the run, and a dry run with nothing left to do."""
    study = trivial_study(variants, seeds)
    with tempfile.TemporaryDirectory() as name:
        (workflow := Path(name, "workflow")).mkdir()
        (folder := Path(name, "run")).mkdir()
        snakefile = trivial_workflow(workflow)
        found = {"dry run": snakemake(study, folder, DRY_RUN, snakefile=snakefile)}
        if run:
            found["run"] = snakemake(study, folder, snakefile=snakefile)
            found["nothing to do"] = snakemake(study, folder, DRY_RUN, snakefile=snakefile)
    return {name: vars(ran) for name, ran in found.items()}


if __name__ == "__main__":
    print(json.dumps(measure(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3] == "run")))
