"""Profiles of clusters: Snakemake and the scheduler's commands understand them."""

import inspect
import re
import subprocess
import sys

import pytest
import snakemake_executor_plugin_slurm as slurm_plugin
import snakemake_executor_plugin_slurm.submit_string
import snakemake_executor_plugin_slurm.utils
import yaml
from snakemake.cli import parse_args

from running import ROOT

PROFILES = sorted(path.parent for path in (ROOT / "profiles").rglob("config.yaml"))
SCHEDULERS = ("lsf", "pbs", "sge")
GENERIC = ROOT / "profiles/cluster-generic"


def pretend(folder, monkeypatch, commands):
    """Put shell scripts first on PATH, by name."""
    for name, body in commands.items():
        (folder / name).write_text(f"#!/bin/sh\n{body}\n")
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=":")


@pytest.mark.parametrize("profile", PROFILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_snakemake_knows_every_option_of_a_profile(profile):
    values = yaml.safe_load((profile / "config.yaml").read_text())
    _, options = parse_args(["--workflow-profile", str(profile), "--cores", "1"])
    assert values.get("executor") == options.executor
    assert options.set_resources.keys() == values.get("set-resources", {}).keys()


@pytest.mark.parametrize("option", ["slurm-requeues: true", "retrys: 2"])
def test_snakemake_refuses_a_misspelt_option(tmp_path, option):
    (tmp_path / "config.yaml").write_text(f"executor: slurm\njobs: 1\n{option}\n")
    with pytest.raises(SystemExit):
        parse_args(["--workflow-profile", str(tmp_path)])


def test_the_slurm_plugin_reads_every_resource_that_the_profile_sets():
    modules = (slurm_plugin, slurm_plugin.submit_string, slurm_plugin.utils)
    source = "\n".join(map(inspect.getsource, modules))
    known = set(re.findall(r"""resources(?:\.get\(\s*["']|\.)(\w+)""", source))
    text = (ROOT / "profiles/slurm/config.yaml").read_text()
    # What is offered as a comment counts too.
    values = yaml.safe_load(re.sub(r"^( +)#(\w+:)", r"\1\2", text, flags=re.M))
    named = set(values["default-resources"])
    for resources in values["set-resources"].values():
        named |= resources.keys()
    assert {"gpu_model", "slurm_partition", "slurm_account"} <= named <= known


@pytest.mark.parametrize("profile", PROFILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_five_lines_at_most_are_a_site_s(profile):
    text = (profile / "config.yaml").read_text()
    sites = len(re.findall(r"# site: |\(site\)", text))
    assert sites == 0 if profile.name == "default" else 3 <= sites <= 5


WORKFLOW = """
rule all:
    input: "score", "classify"

rule score:
    output: "score"
    threads: 2
    resources: mem_mb=1000, runtime=30
    shell: "touch {output}"

rule classify:
    output: "classify"
    resources: mem_mb=4000, runtime=720, gpu=1
    shell: "touch {output}"
"""

ASKED = {
    "sge": {
        "score": "-l h_rt=1800,mem_free=500M -q cpu.q",
        "classify": "-l h_rt=43200,mem_free=4000M -q gpu.q -l gpu=1",
    },
    "pbs": {
        "score": "-q cpu -l select=1:ncpus=2:mem=1000mb:ngpus=0 -l walltime=1800",
        "classify": "-q gpu -l select=1:ncpus=1:mem=4000mb:ngpus=1 -l walltime=43200",
    },
    "lsf": {
        "score": "-q cpu -n 2 -R span[hosts=1] rusage[mem=1000] -M 1000 -W 30",
        "classify": "-q gpu -n 1 -R span[hosts=1] rusage[mem=4000] -M 4000 -W 720 -gpu num=1",
    },
}

ANSWERS = {
    "sge": {
        "running": {"qstat": "exit 0"},
        "success": {"qstat": "exit 1", "qacct": 'printf "failed 0\\nexit_status 0\\n"'},
        "failed": {
            "qstat": "exit 1",
            "qacct": 'printf "failed 100 : assumedly after job\\nexit_status 137\\n"',
        },
    },
    "pbs": {
        "running": {"qstat": 'echo "    job_state = R"'},
        "success": {"qstat": 'printf "    job_state = F\\n    Exit_status = 0\\n"'},
        "failed": {"qstat": 'printf "    job_state = F\\n    Exit_status = 271\\n"'},
    },
    "lsf": {
        "running": {"bjobs": "echo PEND"},
        "success": {"bjobs": "echo DONE"},
        "failed": {"bjobs": "echo EXIT"},
    },
}

# What stands for the scheduler: the job is done at once, and its end is told as the real one would.
SUBMIT = """echo "$@" >> asked
touch score classify
echo"""
COMMANDS = {
    "sge": {"qsub": f"{SUBMIT} 7", **ANSWERS["sge"]["success"]},
    "pbs": {"qsub": f"{SUBMIT} 7.server", **ANSWERS["pbs"]["success"]},
    "lsf": {
        "bsub": f"{SUBMIT} 'Job <7> is submitted to queue <cpu>.'",
        **ANSWERS["lsf"]["success"],
    },
}


@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_a_submitted_job_asks_for_what_its_rule_needs(tmp_path, monkeypatch, scheduler):
    pretend(tmp_path, monkeypatch, COMMANDS[scheduler])
    (tmp_path / "Snakefile").write_text(WORKFLOW)
    profile = tmp_path / "profile"
    profile.mkdir()
    values = yaml.safe_load((GENERIC / scheduler / "config.yaml").read_text())
    values |= {"latency-wait": 1, "seconds-between-status-checks": 1}
    (profile / "config.yaml").write_text(yaml.safe_dump(values))
    (profile / "status").symlink_to(GENERIC / scheduler / "status")
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", "--workflow-profile", profile],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    lines = (tmp_path / "asked").read_text().splitlines()
    for rule, asked in ASKED[scheduler].items():
        (line,) = (line for line in lines if re.search(rf"-[NJ] {rule} ", line))
        assert asked in line


UNKNOWN = {
    "sge": {"qstat": "exit 1", "qacct": "exit 1"},
    "pbs": {"qstat": "exit 255"},
    "lsf": {"bjobs": "exit 255"},
}


def status(folder, monkeypatch, scheduler, commands):
    pretend(folder, monkeypatch, commands)
    script = GENERIC / scheduler / "status"
    done = subprocess.run([script, "7"], capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.mark.parametrize("scheduler", SCHEDULERS)
@pytest.mark.parametrize("expected", ["running", "success", "failed"])
def test_the_status_of_a_job_is_told_in_the_words_of_snakemake(
    tmp_path, monkeypatch, scheduler, expected
):
    assert status(tmp_path, monkeypatch, scheduler, ANSWERS[scheduler][expected]) == expected


@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_a_scheduler_that_does_not_answer_ends_no_job(tmp_path, monkeypatch, scheduler):
    assert status(tmp_path, monkeypatch, scheduler, UNKNOWN[scheduler]) == "running"


def test_a_job_that_pbs_does_not_know_has_failed(tmp_path, monkeypatch):
    assert status(tmp_path, monkeypatch, "pbs", {"qstat": "exit 153"}) == "failed"
