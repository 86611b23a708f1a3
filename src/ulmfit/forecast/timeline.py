"""When jobs would run on so many cores: the longest chain first, as cores become free."""

from __future__ import annotations

import heapq
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from ulmfit.forecast.jobs import Job
from ulmfit.forecast.needs import Need

BEGIN_S, JOB_S = 3.0, 0.03
"""Seconds that Snakemake takes to begin, and between the end of a job and the begin of another."""


@dataclass(frozen=True)
class Timeline:
    """Seconds until the last job ends, the longest chain of jobs that wait for one another, and the
    most memory and passing disk (bytes) of jobs at once.
    """

    wall_s: float
    chain_s: float
    memory: float
    passing: float


def timeline(
    jobs: Mapping[str, Job], needs: Mapping[str, Need], runs: Collection[str], cores: int
) -> Timeline:
    """Of the jobs ``runs``, in an order in which each comes after what it waits for; one job has
    the GPU at a time.
    """
    keys = [key for key in jobs if key in runs]
    if not keys:
        return Timeline(0.0, 0.0, 0.0, 0.0)
    seconds = {key: needs[key].wall_s(cores) + JOB_S for key in keys}
    readers: dict[str, list[str]] = {key: [] for key in keys}
    waits = dict.fromkeys(keys, 0)
    for key in keys:
        for read in set(jobs[key].inputs):
            if read in readers:
                readers[read].append(key)
                waits[key] += 1
    chain: dict[str, float] = {}
    for key in reversed(keys):
        chain[key] = seconds[key] + max((chain[one] for one in readers[key]), default=0.0)
    ready: dict[bool, list[tuple[float, str]]] = {False: [], True: []}
    """By whether they want the GPU."""
    for key in keys:
        if not waits[key]:
            heapq.heappush(ready[needs[key].gpu], (-chain[key], key))
    running: list[tuple[float, str]] = []
    now, free, gpu = BEGIN_S, cores, True
    memory = passing = most = most_passing = 0.0
    while running or any(ready.values()):
        put_back = []
        for wants, waiting in ready.items():
            while waiting and free and (gpu or not wants):
                rank, key = heapq.heappop(waiting)
                need = needs[key]
                if min(need.cores, cores) > free:
                    put_back.append((rank, key))
                    continue
                free -= min(need.cores, cores)
                gpu = gpu and not wants
                memory, passing = memory + need.memory, passing + need.passing
                heapq.heappush(running, (now + seconds[key], key))
        for item in put_back:
            heapq.heappush(ready[needs[item[1]].gpu], item)
        most, most_passing = max(most, memory), max(most_passing, passing)
        now, key = heapq.heappop(running)
        need = needs[key]
        free += min(need.cores, cores)
        gpu = gpu or need.gpu
        memory, passing = memory - need.memory, passing - need.passing
        for one in readers[key]:
            waits[one] -= 1
            if not waits[one]:
                heapq.heappush(ready[needs[one].gpu], (-chain[one], one))
    return Timeline(now, BEGIN_S + max(chain.values()), most, most_passing)
