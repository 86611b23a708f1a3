"""What the paper's study costs with many seeds, before any job runs: the tables of docs/scale.md.

    python -m bench.scale                                  # ten seeds; some minutes
    python -m bench.scale --seeds 30 --grow 1 3 --results results/docstrings

A dry run of each number of seeds gives jobs, time and memory; recipes and sizes of texts give FLOPs
and bytes (`ulmfit.model.cost`); ``--results`` compares these with the files of a study that ran.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import statistics
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
import yaml

from bench.engine import DRY_RUN, ROOT, SnakemakeFailed, snakemake
from bench.markdown import table
from bench.paper_jobs import TEXTS, Job, Sizes, all_documents, alone, copies, shared
from ulmfit.config import paths
from ulmfit.config.manifest import manifest
from ulmfit.config.plan import Plan
from ulmfit.config.recipes import Classifier, LanguageModel, from_json
from ulmfit.model import cost
from ulmfit.store.files import canonical_json
from ulmfit.studies import load_plan, plan_values

STUDY = ROOT / "config/studies/paper.yaml"


RATES = {"slow": 12.5, "goal": 48.0}
"""TFLOP/s that a GPU makes of an LM: fastai's published 65 thousand tokens a second of the paper's
model on an unnamed GPU in fp16, and the goal of 250 thousand on one H200, of 193 MFLOP each."""

OUTPUTS = {
    **dict.fromkeys(("fetch", "tokenizer", "manifest", "before_test", "predict_test"), 1),
    **dict.fromkeys(("documents", "folds", "leakage", "score", "score_test"), 2),
    **dict.fromkeys(("ensemble", "ensemble_test", "baseline", "baseline_test"), 2),
    **dict.fromkeys(("tokens", "pretrain", "finetune"), 4),
    "classify": 5,
}
"""Files that a job of a rule makes, beside its log and its benchmark."""

RUN_BYTES = 4_000 + 2_500 + 2_000
"""metrics.json, card.json, history.csv of a run: about so much (measured)."""
KEPT_CHECKPOINTS, CHECKPOINT = 2, 4
"""Checkpoints kept while a job trains, and the size of one in weights: with both moments of Adam,
and the best weights so far."""


# Measured: dry runs


@dataclass(frozen=True)
class DryRun:
    """What a dry run announces and costs."""

    seeds: int
    runs: int
    jobs: Counter[str]
    wall_s: float
    cpu_s: float
    peak_mib: float
    plan_s: float


def study(seeds: int) -> dict[str, object]:
    """The paper's study with other seeds."""
    values = yaml.safe_load(STUDY.read_text(encoding="utf-8"))
    values["seeds"]["runs"] = list(range(seeds))
    return dict(values)


def plan_of(seeds: int) -> Plan:
    """The same, resolved."""
    return load_plan(study(seeds), ROOT / "config", STUDY.name)


def dry_run(seeds: int) -> DryRun:
    """A dry run in an empty folder; time and memory are those of the process."""
    begin = time.process_time()
    plan = plan_of(seeds)
    manifest(plan)
    plan_s = time.process_time() - begin
    with tempfile.TemporaryDirectory() as folder:
        try:
            ran = snakemake(study(seeds), Path(folder), DRY_RUN)
        except SnakemakeFailed as error:
            raise SystemExit(str(error)) from None
    runs = sum(1 for _ in plan.runs())
    return DryRun(seeds, runs, ran.jobs, ran.wall_s, ran.cpu_s, ran.peak_mib, plan_s)


# Shown


def heading(arguments: argparse.Namespace) -> str:
    """Command, machine, versions and load."""
    given = ["git", "-C", str(ROOT), "describe", "--always", "--dirty", "--exclude=*"]
    commit = subprocess.run(given, capture_output=True, text=True).stdout.strip() or "unknown"
    return (
        f"`python -m bench.scale --seeds {arguments.seeds}`: {os.cpu_count()} cores, load average "
        f"{os.getloadavg()[0]:.1f} at the start, Python {platform.python_version()}, Snakemake "
        f"{version('snakemake')}, commit {commit}.\n"
    )


def jobs_table(done: DryRun, sizes: Sizes) -> str:
    """Jobs per rule, and those of training if nothing were shared."""
    without = Counter(job.stage for job in alone(sizes))
    rows = [(f"`{rule}`", f"{n:,}", f"{without[rule]:,}" if without[rule] else "")
            for rule, n in done.jobs.most_common()]  # fmt: skip
    total = sum(done.jobs.values())
    return table(("rule", "jobs", "if nothing were shared"), [*rows, ("all", f"{total:,}", "")])


def growth_table(found: Sequence[DryRun]) -> str:
    """How a dry run grows."""
    return table(
        ("seeds", "runs", "jobs", "wall s", "CPU s", "of which our plan", "ms a job", "peak MiB"),
        [
            (
                *(done.seeds, f"{done.runs:,}", f"{sum(done.jobs.values()):,}"),
                *(f"{done.wall_s:.1f}", f"{done.cpu_s:.1f}", f"{done.plan_s:.2f}"),
                f"{1000 * done.cpu_s / sum(done.jobs.values()):.2f}",
                f"{done.peak_mib:,.0f}",
            )
            for done in found
        ],
    )


def disk_table(done: DryRun, sizes: Sizes, jobs: Sequence[Job]) -> tuple[str, dict[str, float]]:
    """Bytes by kind of file."""
    weights: Counter[str] = Counter()
    for job in jobs:
        weights[job.stage] += 4 * job.parameters
    probabilities = predictions = 0.0
    unsealed = {run.path for run in sizes.plan.unsealed()}
    for run in sizes.plan.runs():
        one = TEXTS[run.dataset]
        shown = sizes.folds(run.dataset)[1] + (one.test if run.path in unsealed else 0)
        # An id of 12 letters and a fold of 6, 4 bytes each, and fp32; parquet packs them.
        probabilities += shown * (72 + 4 * one.classes) * (run.kind == "model")
        predictions += shown * (20 + 5 * one.classes)
    tokens = sum(
        2 * sizes.tokens(text, {"tokenizer": "word"}, all_documents(text)) * copies(sizes, text)
        for text in sizes.plan.texts()
    )
    files = sum(n * (OUTPUTS.get(rule, 0) + 2) for rule, n in done.jobs.items())
    largest = max(4 * job.parameters for job in jobs)
    amounts = {
        "weights of classifiers": weights["classify"],
        "weights of fine-tuned LMs": weights["finetune"],
        "weights of pretrained LMs": weights["pretrain"],
        "probabilities": probabilities,
        "predictions": predictions,
        "tokens": float(tokens),
        "cards, histories, metrics": done.runs * RUN_BYTES,
        "checkpoints, each job at work (passing)": KEPT_CHECKPOINTS * CHECKPOINT * largest,
    }
    rows = [(name, f"{amount / 1e9:,.1f}") for name, amount in amounts.items()]
    whole = sum(amounts.values()) / 1e9
    outputs = sum(n * OUTPUTS.get(rule, 0) for rule, n in done.jobs.items())
    text = table(("what", "GB"), [*rows, ("all", f"{whole:,.0f}")])
    text += f"\nFiles: {files:,}, and {outputs:,} records under `.snakemake/metadata`.\n"
    return text, {"gb": whole, "files": files, "records": outputs}


def work_table(jobs: Sequence[Job]) -> str:
    """EFLOP of each dataset's stages, and GPU-hours at the two rates."""
    stages = ("pretrain", "finetune", "classify", "predict_test")
    sums: Counter[tuple[str, str]] = Counter()
    for job in jobs:
        sums[job.dataset, job.stage] += job.flops
        sums["all", job.stage] += job.flops
    rows = []
    for name in [*dict.fromkeys(job.dataset for job in jobs), "all"]:
        flops = [sums[name, stage] for stage in stages]
        hours = [f"{sum(flops) / rate / 1e12 / 3600:,.0f}" for rate in RATES.values()]
        rows.append((name, *(f"{n / 1e18:,.2f}" if n else "" for n in flops), *hours))
    rates = [f"hours at {rate:g} TFLOP/s" for rate in RATES.values()]
    return table(("text", *(f"{stage}, EFLOP" for stage in stages), *rates), rows)


def paper_table(found: Sequence[DryRun], disk: Mapping[str, float], flops: int) -> str:
    """Straight lines through what was measured, up to 100,000 runs."""
    runs = [float(done.runs) for done in found]

    def line(value: Callable[[DryRun], float]) -> Callable[[float], float]:
        slope, start = np.polyfit(runs, [value(done) for done in found], 1)
        return lambda n: float(start + slope * n)

    jobs = line(lambda done: sum(done.jobs.values()))
    seconds, memory = line(lambda done: done.cpu_s), line(lambda done: done.peak_mib)
    rows = []
    for n in (1_000, 10_000, 100_000):
        share = n / disk["runs"]
        hours = [f"{flops * share / rate / 1e12 / 3600:,.0f}" for rate in RATES.values()]
        rows.append(
            (
                *(f"{n:,}", f"{jobs(n):,.0f}", f"{seconds(n):,.0f}", f"{memory(n) / 1024:,.1f}"),
                *(f"{disk['gb'] * share / 1000:,.2f}", f"{disk['files'] * share:,.0f}"),
                *(f"{disk['records'] * share:,.0f}", " to ".join(hours[::-1])),
            )
        )
    head = ("runs", "jobs", "dry run, CPU s", "GiB", "disk, TB", "files", "records", "GPU-hours")
    return table(head, rows)


def limits(plan: Plan) -> str:
    """Sizes of what grows with the number of runs, and of what must not."""
    runs = list(plan.runs())
    values = canonical_json(plan_values(plan))
    described = canonical_json(manifest(plan))
    inputs = sum(
        len(f"results/{plan.study.study}/{run.path}/{file}") + 4
        for run in runs
        for file in ("metrics.json", "predictions.parquet")
    )
    outputs = len(paths.FACT_TABLES) + len(plan.study.experiments)
    slope = math.ceil(len(described) / len(runs))
    return (
        f"Plan in the command of `manifest`: {len(values):,} bytes; of the number of runs only the "
        f"list of seeds grows. `manifest.json`: {len(described) / 1e6:,.2f} MB, {slope:,} bytes a "
        f"run. Inputs of `tables`, runs alone: {inputs / 1e6:,.2f} MB of paths, repeated in the "
        f"records of its {outputs} outputs.\n"
    )


def check_table(results: Path) -> str:
    """Formulas against the files of a study that ran."""
    rows = []
    for stage, folder in (("pretrain", "lm"), ("finetune", "ft"), ("classify", "clf")):
        ratios, rates = [], []
        for path in sorted(results.glob(f"{folder}/**/card.json")):
            card = json.loads(path.read_text(encoding="utf-8"))
            weights = path.with_name(paths.WEIGHTS)
            if not weights.exists():
                continue
            ratios.append(weights.stat().st_size / (4 * _parameters(stage, card)))
            if stage != "classify" and card["tokens_per_s"]:
                recipe = from_json(LanguageModel, json.dumps(card["recipe"]))
                groups = ("decoder", *(f"lstm{k}" for k in range(recipe.architecture.layers)))
                flops = cost.language_model_update(recipe, card["vocabulary_size"], groups)
                rates.append(card["tokens_per_s"] * flops / 1e9)
        if ratios:
            speed = f"{statistics.median(rates):,.0f}" if rates else ""
            rows.append((stage, len(ratios), f"{min(ratios):.4f} to {max(ratios):.4f}", speed))
    return table(("stage", "models", "bytes of the file / 4 x parameters", "GFLOP/s"), rows)


def _parameters(stage: str, card: Mapping[str, object]) -> int:
    recipe, words = json.dumps(card["recipe"]), int(str(card["vocabulary_size"]))
    if stage == "classify":
        classes = card["classes"]
        assert isinstance(classes, list)
        return cost.classifier_parameters(from_json(Classifier, recipe), words, len(classes))
    return cost.language_model_parameters(from_json(LanguageModel, recipe), words)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seeds", type=int, default=10, help="seeds of the tables")
    parser.add_argument(
        "--grow",
        type=int,
        nargs="*",
        default=[1, 3, 30],
        help="other numbers of seeds to dry-run",
    )
    parser.add_argument("--results", type=Path, help="results/<study> to compare formulas with")
    arguments = parser.parse_args()
    print(heading(arguments))
    found = [dry_run(seeds) for seeds in sorted({*arguments.grow, arguments.seeds})]
    done = next(one for one in found if one.seeds == arguments.seeds)
    sizes = Sizes(plan_of(arguments.seeds))
    jobs, separate = shared(sizes), alone(sizes)
    disk, amounts = disk_table(done, sizes, jobs)
    flops, unshared = (sum(job.flops for job in some) for some in (jobs, separate))
    print(f"## Jobs: {arguments.seeds} seeds, {done.runs:,} runs\n\n{jobs_table(done, sizes)}")
    print(f"## Dry run\n\n{growth_table(found)}")
    print(f"## Disk\n\n{disk}")
    print(f"## Work\n\n{work_table(jobs)}")
    print(
        f"If every row of every table trained its own models: {len(separate):,} trainings and "
        f"{unshared / 1e18:,.0f} EFLOP, {unshared / flops:.1f} times as much.\n"
    )
    print(f"## More runs\n\n{paper_table(found, {**amounts, 'runs': done.runs}, flops)}")
    print(limits(sizes.plan))
    if arguments.results:
        print(f"## Formulas against {arguments.results.name}\n\n{check_table(arguments.results)}")


if __name__ == "__main__":
    main()
