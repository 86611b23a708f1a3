"""Where the time of a finished study went. ``python -m bench.study results/<study>``.

Reads the benchmark files of its jobs and the cards of its trainings. The wall time is that from the
begin of the first job to the end of the last, so a study that was interrupted and resumed shows its
pause; ``--wall`` says another. CPU-seconds of trainings are the cards': from the training's first
line to its result, so without the start of the interpreter, the imports, and the saving of weights.
"""

from __future__ import annotations

import argparse
import csv
import json
import re
import shlex
import statistics
import sys
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import machine
from bench.markdown import RESULTS, heading, table, write
from ulmfit.errors import UserError

RULES = (
    (r"resources/.*", "fetch"),
    (r"data/[^/]+/documents", "documents"),
    (r"data/[^/]+/folds", "folds"),
    (r"data/[^/]+/leakage-.*", "leakage"),
    (r"tokenizers/.*", "tokenizer"),
    (r"tokens/.*", "tokens"),
    (r"lm/.*", "pretrain"),
    (r"ft/.*", "finetune"),
    (r"clf/.*/test/score", "score_test"),
    (r"clf/.*/score", "score"),
    (r"clf/.*/test", "predict_test"),
    (r"clf/.*", "classify"),
    (r"ensembles/.*/test", "ensemble_test"),
    (r"ensembles/.*", "ensemble"),
    (r"baselines/.*/test", "baseline_test"),
    (r"baselines/.*", "baseline"),
    (r"(experiments/[^/]+/|tables/)?(manifest|before_test|tables|figures|report)", r"\2"),
)
"""What a benchmark's path below ``benchmarks/``, without its ending, says of its rule."""
TRAININGS = ("pretrain", "finetune", "classify")


@dataclass(frozen=True)
class Job:
    """A finished job: its rule, path, seconds it took, and when it began and ended."""

    rule: str
    path: str
    wall: float
    end: float
    card: dict[str, Any] | None

    @property
    def begin(self) -> float:
        """Seconds since 1970."""
        return self.end - self.wall

    @property
    def start_up(self) -> float:
        """Seconds of a training before and after the training itself."""
        return self.wall - (self.card["wall_s"] if self.card else 0.0)


def rule_of(path: str) -> str:
    """The rule of a benchmark's path; what matches no pattern is named by the path's last part."""
    for pattern, name in RULES:
        if found := re.fullmatch(pattern, path):
            return found.expand(name)
    return Path(path).name


def jobs(study: Path) -> list[Job]:
    """The finished jobs of a study; UserError if there are none.

    The time of a benchmark file is the job's end: jobs that an earlier study made count too.
    """
    found = []
    for file in sorted((study / "benchmarks").rglob("*.tsv")):
        with file.open(encoding="utf-8", newline="") as lines:
            first = next(csv.DictReader(lines, delimiter="\t"), None)
        if first is None:
            continue
        path = str(file.relative_to(study / "benchmarks").with_suffix(""))
        rule = rule_of(path)
        card = study / path / "card.json"
        read = rule in TRAININGS and card.exists()
        facts = json.loads(card.read_text(encoding="utf-8")) if read else None
        found.append(Job(rule, path, float(first["s"]), file.stat().st_mtime, facts))
    if not found:
        raise UserError(f"{study}: no benchmarks/*.tsv; name a folder of results of a study")
    return found


def longest_pause(found: list[Job]) -> float:
    """Longest time in which no job ran."""
    pause, end = 0.0, min(job.begin for job in found)
    for job in sorted(found, key=lambda job: job.begin):
        pause = max(pause, job.begin - end)
        end = max(end, job.end)
    return pause


def summary(found: list[Job], cores: int, wall: float | None) -> dict[str, float]:
    """The figures of the whole study; seconds, and shares of cores x wall."""
    whole = wall or max(job.end for job in found) - min(job.begin for job in found)
    trained = [job for job in found if job.card is not None]
    in_loop = sum(job.card["cpu_s"] for job in trained if job.card)
    return {
        "jobs": len(found),
        "trainings": len(trained),
        "wall": whole,
        "longest pause": longest_pause(found),
        "start-up of trainings": sum(job.start_up for job in trained),
        "in-loop CPU-seconds": in_loop,
        "in-loop share": in_loop / (cores * whole),
        "seconds of all jobs": sum(job.wall for job in found),
        "share of jobs": sum(job.wall for job in found) / (cores * whole),
    }


def by_rule(found: list[Job], whole: float, cores: int) -> list[list[str]]:
    """A row for each rule, the most expensive first."""
    groups: dict[str, list[Job]] = defaultdict(list)
    for job in found:
        groups[job.rule].append(job)
    rows = []
    for rule, members in sorted(groups.items(), key=lambda item: -sum(j.wall for j in item[1])):
        seconds = [job.wall for job in members]
        starts = [job.start_up for job in members if job.card]
        total = sum(seconds)
        rows.append(
            [
                rule,
                str(len(members)),
                f"{total:.0f}",
                f"{total / (cores * whole):.1%}",
                f"{statistics.median(seconds):.1f}",
                f"{max(seconds):.1f}",
                f"{statistics.median(starts):.1f}" if starts else "",
            ]
        )
    return rows


def parser() -> argparse.ArgumentParser:
    """The command line."""
    lines = argparse.ArgumentParser(
        prog="python -m bench.study",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    lines.add_argument("study", type=Path, help="folder results/<study>")
    lines.add_argument("--cores", type=int, default=2, help="cores that the study ran on")
    lines.add_argument("--wall", type=float, help="seconds that the whole command took")
    lines.add_argument("--output", type=Path, default=RESULTS, help="folder of the results")
    return lines


def main(line: Sequence[str] | None = None) -> int:
    """Read and write; returns the exit status."""
    options = parser().parse_args(line)
    arguments = sys.argv[1:] if line is None else line
    try:
        found = jobs(options.study)
    except UserError as error:
        print(f"bench.study: {error}", file=sys.stderr)
        return 1
    facts = machine.facts()
    figures = summary(found, options.cores, options.wall)
    shown = [
        [name, f"{value:.0%}" if "share" in name else f"{value:,.0f}"]
        for name, value in figures.items()
    ]
    head = ["rule", "jobs", "seconds", "share of cores x wall", "median", "longest"]
    text = "\n".join(
        [
            f"# Study {options.study.name}\n",
            heading(facts, f"python -m bench.study {shlex.join(arguments)}"),
            f"Shares are of {options.cores} cores x wall time.\n",
            table(["figure", "value"], shown),
            table([*head, "start-up, median"], by_rule(found, figures["wall"], options.cores)),
        ]
    )
    print(text)
    values = {"machine": facts, "arguments": list(arguments), "study": figures}
    path = write("study", text, values, options.output)
    print(f"written: {path}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
