"""Snakemake on the cluster of the tests, with the profile that users get."""

import re
import subprocess
import sys
from pathlib import Path

import yaml

from running import ROOT

MEMORY_MB = 350
"""Too little for the rule `baseline`: its first attempt is killed."""

# What a site edits (this one bills nobody), and what lets a test wait less.
SITE = {
    "slurm-no-account": True,
    "default-resources": {"slurm_account": None},
    "slurm-status-command": "squeue",
    "slurm-init-seconds-before-status-checks": 2,
    "latency-wait": 5,
}


def laid_over(below, above):
    """A mapping with the values of ``above`` over those of ``below``; None takes a key away."""
    merged = dict(below)
    for key, value in above.items():
        if isinstance(value, dict):
            value = laid_over(merged.get(key, {}), value)
        merged[key] = value
    return {key: value for key, value in merged.items() if value is not None}


def site_profile(folder, changes):
    """Write the SLURM profile, edited as a site would and with ``changes``; returns its folder."""
    shipped = yaml.safe_load((ROOT / "profiles/slurm/config.yaml").read_text())
    profile = Path(folder) / "profile"
    profile.mkdir()
    text = yaml.safe_dump(laid_over(laid_over(shipped, SITE), changes), sort_keys=False)
    (profile / "config.yaml").write_text(text)
    return profile


class ClusterRun:
    """Snakemake, started in ``folder``, whose jobs run on ``slurm``."""

    def __init__(self, slurm, folder, *arguments, changes=None, environment=None):
        profile = site_profile(folder, changes or {})
        self.slurm = slurm
        self.folder = folder
        self.log = Path(folder) / "snakemake.log"
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "snakemake", "--snakefile", ROOT / "Snakefile"),
                    *("--directory", folder, "--workflow-profile", profile),
                    *map(str, arguments),
                ],
                env={**slurm.environment, **(environment or {})},
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        # Jobs that it leaves are cancelled with the cluster.
        self.process.kill()
        self.process.wait()

    def finish(self, seconds):
        """Wait for its end, which must be a good one."""
        status = self.process.wait(seconds)
        assert status == 0, self.log.read_text()[-8000:]

    def ends(self, rule=""):
        """Ends of its jobs, of those of a rule whose name starts so, in their order."""
        name = re.search(r"SLURM run ID: (\S+)", self.log.read_text())[1]
        listed = ("squeue", "--noheader", "--states=all", f"--name={name}", "--format=%A %k")
        comments = dict(line.split(" ", 1) for line in self.slurm.run(*listed).splitlines())
        return [
            end
            for end in self.slurm.ended()
            if comments.get(end["JobId"], "").startswith(f"rule_{rule}")
        ]
