"""The forecast of a finished study beside what it used. ``python -m bench.plan results/<study>``.

Jobs, CPU-seconds by stage, wall time, memory and disk that ``python -m ulmfit plan`` says, without
and with the sizes of the prepared texts, and what benchmark files and cards of the study say.
CPU-seconds of trainings are those of the cards, and the start-up of a quiet machine; those of other
jobs are their wall seconds, which other work on the machine may have raised.
"""

from __future__ import annotations

import argparse
import csv
import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench import machine
from bench.markdown import RESULTS, heading, table, write
from bench.study import Job, jobs
from ulmfit.config.plan import Plan
from ulmfit.errors import UserError
from ulmfit.forecast.forecast import Forecast, forecast
from ulmfit.forecast.needs import START_S
from ulmfit.forecast.speeds import choose
from ulmfit.forecast.work import MIB
from ulmfit.planning import measure
from ulmfit.studies import load_study

NOWHERE = Path("results of no study")
STUDY = Path(__file__).resolve().parents[1] / "config/config.yaml"


def predicted(plan: Plan, results: Path, cores: int) -> Forecast:
    """With a calibration of its own."""
    return forecast(plan, results, cores, choose("none", None, measure))


def used_s(job: Job) -> float:
    """CPU-seconds of a finished job, as far as its files say them."""
    return START_S + float(job.card["cpu_s"]) if job.card else job.wall


def used(found: Sequence[Job], study: Path) -> dict[str, Any]:
    """What a finished study took."""
    seconds: dict[str, float] = {}
    for job in found:
        seconds[job.rule] = seconds.get(job.rule, 0.0) + used_s(job)
    peaks = [float(job.card["peak_memory_mib"]) for job in found if job.card]
    for file in (study / "benchmarks").rglob("*.tsv"):
        with file.open(encoding="utf-8", newline="") as lines:
            row = next(csv.DictReader(lines, delimiter="\t"))
        peaks.append(float(row["max_rss"] or 0))
    # Two names of one file count once.
    files = {(s.st_dev, s.st_ino): s.st_size for s in map(os.stat, _files(study))}
    return {
        "cpu_s": seconds,
        "wall_s": max(job.end for job in found) - min(job.begin for job in found),
        "largest_memory": max(peaks) * MIB,
        "disk": float(sum(files.values())),
    }


def _files(study: Path) -> list[Path]:
    return [path for path in study.rglob("*") if path.is_file()]


def error(said: float, true: float) -> str:
    """How far a forecast is off, in percent of what was used."""
    return f"{100 * (said / true - 1):+.0f} %" if true else ""


def stage_table(said: Sequence[Forecast], true: dict[str, Any]) -> str:
    """CPU-seconds by stage."""
    rows = []
    columns = [{stage.rule: stage.cpu_s for stage in one.stages} for one in said]
    for rule, seconds in sorted(true["cpu_s"].items(), key=lambda item: -item[1]):
        row = [f"`{rule}`", f"{seconds:,.1f}"]
        for column in columns:
            row += [f"{column.get(rule, 0.0):,.1f}", error(column.get(rule, 0.0), seconds)]
        rows.append(row)
    whole = sum(true["cpu_s"].values())
    row = ["all", f"{whole:,.1f}"]
    for one in said:
        row += [f"{one.total('cpu_s'):,.1f}", error(one.total("cpu_s"), whole)]
    head = ("stage", "used, CPU-s", "before the data", "error", "from the tokens", "error")
    return table(head, [*rows, row])


def whole_table(said: Sequence[Forecast], true: dict[str, Any]) -> str:
    """Wall time, memory, disk."""
    rows = []
    for name, unit, size in (
        ("wall_s", "wall time, s", 1.0),
        ("largest_memory", "largest job, MiB", float(MIB)),
        ("disk", "disk, MB", 1e6),
    ):
        row = [unit, f"{true[name] / size:,.0f}"]
        for one in said:
            value = getattr(one, name)
            number = sum(value.values()) if isinstance(value, dict) else value
            row += [f"{number / size:,.0f}", error(number, true[name])]
        rows.append(row)
    head = ("whole study", "used", "before the data", "error", "from the tokens", "error")
    return table(head, rows)


def parser() -> argparse.ArgumentParser:
    """The command line."""
    lines = argparse.ArgumentParser(
        prog="python -m bench.plan",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    lines.add_argument("study", type=Path, help="folder results/<study>")
    lines.add_argument("--configfile", type=Path, default=STUDY, help="the study's configuration")
    lines.add_argument("--cores", type=int, default=2, help="cores that the study ran on")
    lines.add_argument("--output", type=Path, default=RESULTS, help="folder of the results")
    return lines


def main(line: Sequence[str] | None = None) -> int:
    """Compare and write; returns the exit status."""
    options = parser().parse_args(line)
    arguments = sys.argv[1:] if line is None else line
    try:
        found = jobs(options.study)
        plan = load_study(options.configfile)
        facts = machine.facts()
        said = [predicted(plan, path, options.cores) for path in (NOWHERE, options.study)]
    except UserError as problem:
        print(f"bench.plan: {problem}", file=sys.stderr)
        return 1
    true = used(found, options.study)
    planned = said[0].total("jobs") - 1
    text = "\n".join(
        [
            f"# Forecast of {plan.study.study}\n",
            heading(facts, f"python -m bench.plan {shlex.join(arguments)}"),
            f"Jobs: {planned:,.0f} planned, {len(found):,} run.\n",
            stage_table(said, true),
            whole_table(said, true),
        ]
    )
    print(text)
    values = {
        "machine": facts,
        "arguments": list(arguments),
        "used": true,
        "before_the_data": said[0].as_dict(),
        "from_the_tokens": said[1].as_dict(),
    }
    path = write("plan", text, values, options.output)
    print(f"written: {path}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
