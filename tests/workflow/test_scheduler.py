"""What Snakemake's scheduler is spared."""

import pytest

from running import CONFIG, ROOT, snakemake

PROBE = """
include: "{entry}"

import atexit
workflow.default_target = "all"
atexit.register(lambda: print("limit of starts:", workflow.scheduler.job_rate_limiter))
"""
"""A limit wakes the scheduler, once more for each job that has ended."""


@pytest.mark.parametrize(
    ("options", "limited"), [((), False), (("--max-jobs-per-timespan", "50/2s"), True)]
)
def test_only_a_limit_that_somebody_sets_wakes_the_scheduler(options, limited, tmp_path):
    probe = tmp_path / "probe.smk"
    probe.write_text(PROBE.format(entry=ROOT / "Snakefile"))
    study = ("--configfile", CONFIG / "studies/smoke.yaml")
    done = snakemake(tmp_path, "results/smoke/manifest.json", *options, *study, snakefile=probe)
    assert done.returncode == 0, done.stderr
    assert ("limit of starts: None" not in done.stdout) == limited
