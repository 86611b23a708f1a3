"""A study whose Snakemake, or machine, dies in mid-training ends with the bits of one that ran
through, by the same command and no flag."""

import contextlib
import hashlib
import json
import os
import signal
import subprocess
import sys

import psutil
import pytest
import yaml

from running import CONFIG, ROOT, write_study

DEATHS = (
    ("pretrain", "Snakemake"),
    ("finetune", "machine"),
    ("classify", "Snakemake"),
    ("classify", "machine"),
)
"""In training of which stage, and what dies: Snakemake alone, whose jobs train on, or all."""
FOLDERS = {"pretrain": "lm", "finetune": "ft", "classify": "clf"}


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """File of a study with one row, all of whose stages train."""
    values = yaml.safe_load((CONFIG / "studies/smoke.yaml").read_text())
    values |= {"seeds": {"runs": [0]}, "ensembles": {}}
    values["experiments"] = {
        "main": {
            "title": "Rows",
            "n_labelled": [40],
            "fold": "test",
            "cells": ["ulmfit", "no-finetuning"],
        }
    }
    return write_study(tmp_path_factory.mktemp("study"), values)


def start(folder, study):
    """What ``make study`` runs, in a folder and a session of its own."""
    return subprocess.Popen(
        [
            *(sys.executable, ROOT / "workflow/scripts/study.py", study),
            *("--snakefile", ROOT / "Snakefile", "--cores", "2", "--workflow-profile", "none"),
            *("--resources", "gpu=1", "--scheduler", "greedy", "--rerun-incomplete"),
        ],
        cwd=folder,
        env={**os.environ, "ULMFIT_CHECKPOINT_EVERY": "1"},
        stdout=subprocess.DEVNULL,
        stderr=open(folder / "stderr", "ab"),
        start_new_session=True,
    )


def come_to(folder, process, stage):
    """Return once a job of ``stage`` is at work, or waits for the one that a dead Snakemake left,
    and there is a checkpoint; fails if the study ends before.
    """
    checkpoints = f"results/smoke/{FOLDERS[stage]}/**/checkpoints/*/0????????/card.json"
    while not (jobs(process, stage) and list(folder.glob(checkpoints))):
        try:
            process.wait(timeout=0.01)
        except subprocess.TimeoutExpired:
            continue
        pytest.fail((folder / "stderr").read_text()[-4000:])


def jobs(process, stage):
    """Whether a process has a descendant that runs ``stage``."""
    for child in psutil.Process(process.pid).children(recursive=True):
        with contextlib.suppress(psutil.Error):
            if child.cmdline()[1:4] == ["-m", "ulmfit", stage]:
                return True
    return False


def kill(process, what):
    if what == "machine":
        os.killpg(process.pid, signal.SIGKILL)
    else:
        (snakemake,) = psutil.Process(process.pid).children()
        snakemake.kill()
        process.kill()
    process.wait()


def digests(folder):
    """Of all weights and predictions."""
    results = folder / "results/smoke"
    files = [
        path
        for name in ("model.safetensors", "probabilities.npz", "predictions.parquet")
        for path in results.rglob(name)
    ]
    return {
        str(path.relative_to(results)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
    }


def test_a_study_goes_on_after_snakemake_or_the_machine_died(study, tmp_path):
    for name in ("whole", "killed"):
        (tmp_path / name).mkdir()
    for stage, what in DEATHS:
        process = start(tmp_path / "killed", study)
        come_to(tmp_path / "killed", process, stage)
        kill(process, what)
    for name in ("killed", "whole"):
        process = start(tmp_path / name, study)
        assert process.wait() == 0, (tmp_path / name / "stderr").read_text()[-4000:]
    whole = digests(tmp_path / "whole")
    assert len(whole) > 10
    assert digests(tmp_path / "killed") == whole
    cards = (tmp_path / "killed").glob("results/smoke/*/**/card.json")
    assert any(json.loads(path.read_text())["resumed_from"] for path in cards)
    assert not list((tmp_path / "killed").glob("results/smoke/**/checkpoints"))
