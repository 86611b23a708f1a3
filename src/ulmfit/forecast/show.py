"""A forecast as a table for the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from ulmfit.forecast.forecast import Forecast
from ulmfit.forecast.jobs import TRAININGS

GIB, GB = 2**30, 1e9


def duration(seconds: float) -> str:
    """Seconds in the unit that suits them."""
    for unit, size in (("h", 3600.0), ("min", 60.0)):
        if seconds >= size:
            return f"{seconds / size:,.1f} {unit}"
    return f"{seconds:.0f} s"


def amount(size: float) -> str:
    """Bytes in GB, or in MB if they are few."""
    return f"{size / GB:,.1f} GB" if size >= GB else f"{size / 1e6:,.0f} MB"


def flops(count: float) -> str:
    """FLOPs in the unit that suits them."""
    for unit, size in (("EFLOP", 1e18), ("PFLOP", 1e15)):
        if count >= size:
            return f"{count / size:,.1f} {unit}"
    return f"{count / 1e12:,.1f} TFLOP"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of columns, the first to the left and the others to the right."""
    widths = [max(len(row[k]) for row in (head, *rows)) for k in range(len(head))]
    rule = ["-" * width for width in widths]
    return [
        "  ".join(
            cell.ljust(width) if k == 0 else cell.rjust(width)
            for k, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in (head, rule, *rows)
    ]


def show(found: Forecast) -> list[str]:
    """Lines for readers."""
    shown = [stage for stage in found.stages if stage.rule != "all"]
    rows = [
        [
            stage.rule,
            f"{stage.jobs:,}",
            f"{stage.jobs - stage.left:,}",
            f"{stage.left:,}",
            duration(stage.cpu_s),
            duration(stage.left_cpu_s),
            f"{stage.alone:,}" if stage.alone else "",
            duration(stage.alone_cpu_s) if stage.alone else "",
        ]
        for stage in shown
    ]
    jobs, left = (sum(getattr(stage, name) for stage in shown) for name in ("jobs", "left"))
    total = [f"{jobs:,}", f"{jobs - left:,}", f"{left:,}"]
    hours = [duration(found.total("cpu_s")), duration(found.total("left_cpu_s"))]
    rows.append(["all", *total, *hours, "", ""])
    trained = [stage for stage in shown if stage.rule in TRAININGS]
    alone, alone_s = (
        sum(getattr(stage, name) for stage in trained) for name in ("alone", "alone_cpu_s")
    )
    shared = sum(stage.jobs for stage in trained)
    saved_s = alone_s - sum(stage.cpu_s for stage in trained)
    head = ["stage", "jobs", "done", "left", "time", "time left", "unshared", "time"]
    largest, at_once = (f"{n / GIB:,.1f} GiB" for n in (found.largest_memory, found.memory_at_once))
    disk = sum(found.disk.values())
    weights = sum(found.disk.get(rule, 0.0) for rule in TRAININGS)
    cores = f"{found.cores} core{'s' if found.cores > 1 else ''}"
    return [
        f"Study {found.study}: {found.runs:,} runs. An estimate; nothing was started.",
        "",
        *table(head, rows),
        "",
        f"Device   {found.device}",
        f"Time     {'of the GPU for models, ' if found.gpu else ''}CPU time"
        f"{' for the rest' if found.gpu else ''}; matrix products {flops(found.flops)} in all",
        f"Sharing  saves {alone - shared:,} of {alone:,} trainings and {duration(saved_s)}: "
        "unshared, each row of each table would train its own models",
        f"Wall     {duration(found.left_wall_s)} left of {duration(found.wall_s)} on {cores}"
        f"{' and one GPU' if found.gpu else ''}; the longest chain takes {duration(found.chain_s)} "
        "on any number",
        f"Memory   {largest} the largest job ({found.largest_memory_job}), {at_once} the most at "
        f"once on {cores}",
        f"Disk     {amount(disk)}, of which weights and cards {amount(weights)}; up to "
        f"{amount(found.disk_passing)} more of checkpoints while jobs run",
        *(
            f"{'Sizes' if k == 0 else '':8} {name}: {basis}"
            for k, (name, basis) in enumerate(found.texts.items())
        ),
        "No training is taken to end early.",
    ]
