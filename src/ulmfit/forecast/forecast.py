"""The forecast of a study: what `python -m ulmfit plan` says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ulmfit.config.plan import Plan
from ulmfit.forecast.jobs import TRAININGS, Jobs, alone
from ulmfit.forecast.needs import Needs
from ulmfit.forecast.progress import left
from ulmfit.forecast.speeds import Speed
from ulmfit.forecast.texts import Sizes
from ulmfit.forecast.timeline import timeline
from ulmfit.forecast.work import Work, Works


@dataclass(frozen=True)
class Stage:
    """Jobs of a rule: all, those still to run, and the seconds of each; ``alone``: if each row of
    each table trained its own models.
    """

    rule: str
    jobs: int
    left: int
    cpu_s: float
    left_cpu_s: float
    alone: int = 0
    alone_cpu_s: float = 0.0


@dataclass(frozen=True)
class Forecast:
    """What a study takes; seconds and bytes. ``left_`` is what its results lack yet."""

    study: str
    runs: int
    device: str
    gpu: bool
    cores: int
    stages: tuple[Stage, ...]
    flops: int
    wall_s: float
    chain_s: float
    left_wall_s: float
    left_chain_s: float
    largest_memory: float
    largest_memory_job: str
    memory_at_once: float
    disk: dict[str, float]
    disk_passing: float
    texts: dict[str, str]

    def total(self, name: str) -> float:
        """Sum of a column over all stages."""
        return float(sum(getattr(stage, name) for stage in self.stages))

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON, totals included."""
        columns = ("jobs", "left", "cpu_s", "left_cpu_s", "alone", "alone_cpu_s")
        trained = [stage for stage in self.stages if stage.rule in TRAININGS]
        saved = {
            "trainings": sum(stage.alone - stage.jobs for stage in trained),
            "cpu_s": sum(stage.alone_cpu_s - stage.cpu_s for stage in trained),
        }
        totals = {name: self.total(name) for name in columns}
        return {**asdict(self), "total": totals, "saved_by_sharing": saved}


def forecast(
    plan: Plan, results: Path, cores: int, speed: Callable[[Sequence[Work]], Speed]
) -> Forecast:
    """Of a plan whose results are, or will be, in a folder; ``speed`` is given all work."""
    sizes = Sizes(plan, results)
    jobs = Jobs(plan).found
    works = Works(sizes)
    needs_of = Needs(sizes, speed([work for job in jobs.values() if (work := works.of(job))]))
    needs = {key: needs_of.of(job) for key, job in jobs.items()}
    runs = left(plan, jobs, results)
    separate = Counter(alone(plan))
    stages = []
    for rule in dict.fromkeys(job.rule for job in jobs.values()):
        keys = [key for key, job in jobs.items() if job.rule == rule]
        own = {key: n for key, n in separate.items() if jobs[key].rule == rule}
        stages.append(
            Stage(
                rule,
                len(keys),
                sum(key in runs for key in keys),
                sum(needs[key].cpu_s for key in keys),
                sum(needs[key].cpu_s for key in keys if key in runs),
                sum(own.values()),
                sum(n * needs[key].cpu_s for key, n in own.items()),
            )
        )
    whole = timeline(jobs, needs, jobs.keys(), cores)
    rest = timeline(jobs, needs, runs, cores)
    largest = max(jobs, key=lambda key: needs[key].memory)
    disk: dict[str, float] = {}
    for key, job in jobs.items():
        disk[job.rule] = disk.get(job.rule, 0.0) + needs[key].disk
    return Forecast(
        study=plan.study.study,
        runs=sum(1 for _ in plan.runs()),
        device=needs_of.speed.what,
        gpu=needs_of.speed.gpu,
        cores=cores,
        stages=tuple(stages),
        flops=sum(work.flops for job in jobs.values() if (work := works.of(job))),
        wall_s=whole.wall_s,
        chain_s=whole.chain_s,
        left_wall_s=rest.wall_s,
        left_chain_s=rest.chain_s,
        largest_memory=needs[largest].memory,
        largest_memory_job=largest.split(":")[0],
        memory_at_once=whole.memory,
        disk=disk,
        disk_passing=whole.passing,
        texts={name: sizes.basis(name) for name in plan.texts()},
    )
