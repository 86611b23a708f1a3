"""Are models of bf16 as good as those of fp32? ``python -m bench.parity results/precision``.

Reads the tables of the finished study config/studies/precision.yaml. Pairs have the same seed,
so the same first weights and masks; intervals are Student's t over the pairs, so they are about
these documents and new seeds. The table of the experiment has the intervals for new documents too.
"""

from __future__ import annotations

import argparse
import math
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench import machine
from bench.markdown import RESULTS, heading, table, write

if TYPE_CHECKING:
    import pandas as pd

FP32, BF16 = "ulmfit", "bf16"
PERPLEXITY_MARGIN = 0.01
ERROR_MARGIN = 0.01
"""What counts as equal: 1 % of the perplexity, 1 point of error."""


def paired(frame: pd.DataFrame, name: str, value: str) -> list[float]:
    """``value`` of bf16 minus that of fp32, seed by seed; ``name`` is the column of variants."""
    sides = frame.pivot(index="seed", columns=name, values=value)
    return (sides[BF16] - sides[FP32]).dropna().tolist()


def interval(differences: Sequence[float]) -> tuple[float, float, float]:
    """Mean and 95 % interval of Student's t; the interval of fewer than two is everything."""
    from scipy import stats

    mean = sum(differences) / len(differences)
    if len(differences) < 2:
        return mean, -math.inf, math.inf
    if len(set(differences)) == 1:
        return mean, mean, mean
    low, high = stats.ttest_1samp(differences, 0.0).confidence_interval()
    return mean, float(low), float(high)


def rows(study: Path) -> list[dict[str, Any]]:
    """One row for each kind of model: pairs, change, its interval, and whether it is inside."""
    import pandas as pd

    tables = study / "tables"
    models = pd.read_csv(tables / "language_models.csv", dtype={"dataset": str})
    models["text"] = models["dataset"].fillna("")
    runs = pd.read_csv(tables / "runs.csv")
    found = []
    for (stage, text), group in models.groupby(["stage", "text"]):
        changes = [math.expm1(change) for change in paired(group, "name", "valid_loss")]
        label = f"perplexity, {stage}{f' on {text}' if text else ''}"
        found.append(_row(label, changes, PERPLEXITY_MARGIN))
    for (dataset, fold), group in runs.groupby(["dataset", "fold"]):
        changes = paired(group, "variant", "error")
        found.append(_row(f"error, {dataset}, fold {fold}", changes, ERROR_MARGIN))
    return found


def _row(label: str, changes: list[float], margin: float) -> dict[str, Any]:
    mean, low, high = interval(changes)
    inside = -margin < low and high < margin
    return {
        "what": label,
        "pairs": len(changes),
        "change": mean,
        "low": low,
        "high": high,
        "margin": margin,
        "inside": inside,
    }


def main(line: Sequence[str] | None = None) -> int:
    """Read and write; returns the exit status."""
    lines = argparse.ArgumentParser(prog="python -m bench.parity", description=__doc__)
    lines.add_argument("study", type=Path, help="folder results/precision")
    lines.add_argument("--output", type=Path, default=RESULTS, help="folder of the results")
    options = lines.parse_args(line)
    arguments = sys.argv[1:] if line is None else line
    try:
        found = rows(options.study)
    except FileNotFoundError as error:
        print(f"bench.parity: {error.filename} is missing: finish the study", file=sys.stderr)
        return 1
    facts = machine.facts()
    shown = [
        [
            row["what"],
            str(row["pairs"]),
            f"{row['change']:+.2%} [{row['low']:+.2%}, {row['high']:+.2%}]",
            f"{row['margin']:.0%}",
            "yes" if row["inside"] else "no",
        ]
        for row in found
    ]
    text = "\n".join(
        [
            "# bf16 beside fp32\n",
            heading(facts, f"python -m bench.parity {shlex.join(map(str, arguments))}"),
            "Change of perplexity relative, of error in points; 95 % intervals.\n",
            table(["", "pairs", "change from fp32 to bf16", "margin", "interval inside"], shown),
        ]
    )
    print(text)
    path = write("parity", text, {"machine": facts, "parity": found}, options.output)
    print(f"written: {path}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
