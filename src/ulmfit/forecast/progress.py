"""Which jobs of a study are done, and which Snakemake would run: by the files that are there."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from ulmfit.config.plan import Plan
from ulmfit.errors import UserError
from ulmfit.forecast.jobs import TRAININGS, Job
from ulmfit.store.files import read_json


def left(plan: Plan, jobs: Mapping[str, Job], results: Path) -> set[str]:
    """Keys of the jobs that a study still needs.

    A job runs if the report is missing and waits for it, if it was made by another recipe, or if
    what it reads is made anew; files that are missing are made only where a job that runs reads
    them. Code, settings of the data and times of files are Snakemake's to compare.
    """
    missing = {key for key, job in jobs.items() if not _there(job, results)}
    # Only outputs say whether the last job, which has none, is done.
    missing -= {key for key in missing if not jobs[key].outputs}
    targets = {
        key for job in jobs.values() if not job.outputs for key in job.inputs if key in missing
    }
    stale = {key for key, job in jobs.items() if _stale(plan, job, results)}
    readers: dict[str, list[str]] = {key: [] for key in jobs}
    for key, job in jobs.items():
        for read in job.inputs:
            readers[read].append(key)
    runs: set[str] = set()
    waiting = [*targets, *stale]
    while waiting:
        key = waiting.pop()
        if key in runs:
            continue
        runs.add(key)
        waiting += [read for read in jobs[key].inputs if read in missing]
        waiting += readers[key]
    return runs


def _there(job: Job, results: Path) -> bool:
    folder = Path() if job.fetched else results
    return bool(job.outputs) and all((folder / path).exists() for path in job.outputs)


def _stale(plan: Plan, job: Job, results: Path) -> bool:
    """Whether a training was made by another recipe than the plan's, its weights kept or not."""
    path = results / job.path / "card.json"
    if job.rule not in TRAININGS or not path.exists():
        return False
    try:
        card = read_json(path)
    except UserError:
        return True
    return bool(card.get("recipe") != json.loads(plan.recipe(job.rule, job.fields)))
