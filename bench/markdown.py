"""Tables and result files of a run."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from bench.side_by_side import ROOT, Spread
from ulmfit.store.files import write_json, write_text

RESULTS = ROOT / "bench/results"


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table; columns but the first are numbers and stand to the right."""
    line = ["|".join(["", *head, ""]), "|".join(["", "---", *["---:"] * (len(head) - 1), ""])]
    return "\n".join([*line, *("|".join(["", *map(str, row), ""]) for row in rows)]) + "\n"


def spread(values: Sequence[float], digits: int = 2) -> str:
    """``median (smallest-largest)`` of some values."""
    found = Spread.of(values)
    return (
        f"{found.median:.{digits}f} ({found.smallest:.{digits}f}\N{EN DASH}"
        f"{found.largest:.{digits}f})"
    )


def heading(facts: dict[str, Any], command: str) -> str:
    """Machine, versions and command, as a paragraph above the tables."""
    versions = ", ".join(f"{name} {number}" for name, number in facts["versions"].items())
    return (
        f"Machine: {facts['processor']}, {facts['cores']} cores, {facts['memory_gib']} GiB; "
        f"load average {facts['load_average']} before the run. Python {facts['python']}, "
        f"{versions}; commit {facts['commit']}. Command: `{command}`.\n"
    )


def write(name: str, text: str, values: dict[str, Any], folder: Path) -> Path:
    """Write ``name-<time>.md`` and ``.json``; returns the path of the first."""
    stamp = time.strftime("%Y%m%d-%H%M%S")
    path = folder / f"{name}-{stamp}.md"
    write_text(path, text)
    write_json(path.with_suffix(".json"), values)
    return path
