"""Snakemake on a study, in a folder of its own."""

import re
import subprocess
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
CONFIG = ROOT / "config"


def snakemake(folder, *arguments, snakefile="Snakefile"):
    """Run Snakemake with the working directory ``folder``; returns the finished process."""
    return subprocess.run(
        [
            *(sys.executable, "-m", "snakemake", "--snakefile", ROOT / snakefile),
            *("--directory", folder, "--cores", "2", "--workflow-profile", "none"),
            *("--resources", "gpu=1", "--scheduler", "greedy"),
            *map(str, arguments),
        ],
        capture_output=True,
        text=True,
    )


def job_counts(folder, *arguments, **options):
    """Jobs per rule that a dry run announces."""
    done = snakemake(folder, "--dry-run", *arguments, **options)
    output = done.stdout + done.stderr
    assert done.returncode == 0, output
    table = re.search(r"^job +count\n[- ]+\n((?:\w+ +\d+\n)+)", output, re.M)
    if table is None:
        assert "Nothing to be done" in output, output
        return {}
    counts = {name: int(n) for name, n in (row.split() for row in table[1].splitlines())}
    del counts["total"]
    return counts


def write_study(folder, study):
    """Write the values of a study to a file in ``folder``."""
    path = folder / "study.yaml"
    path.write_text(yaml.safe_dump(study, sort_keys=False))
    return path
