"""A study whose Snakemake, or whose machine, dies in mid-training ends with the bits of one that ran
through, by the same command and no flag."""

import hashlib
import json
import os
import signal
import subprocess
import sys

import pytest
import yaml

from running import CONFIG, ROOT, write_study

DEATHS = (
    ("lm", "Snakemake"),
    ("ft", "machine"),
    ("clf", "Snakemake"),
    ("clf", "machine"),
)
"""In training of which stage, and what dies: Snakemake alone, whose jobs train on, or all at once."""


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
    """Return once a training of ``stage`` has a checkpoint; fails if the study ends before."""
    while not list(folder.glob(f"results/smoke/{stage}/**/checkpoints/0*/card.json")):
        try:
            process.wait(timeout=0.01)
        except subprocess.TimeoutExpired:
            continue
        pytest.fail((folder / "stderr").read_text()[-4000:])


def kill(process, what):
    if what == "machine":
        os.killpg(process.pid, signal.SIGKILL)
    else:
        children = subprocess.run(
            ["pgrep", "--parent", str(process.pid)], capture_output=True, text=True, check=True
        )
        for number in (*map(int, children.stdout.split()), process.pid):
            os.kill(number, signal.SIGKILL)
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
