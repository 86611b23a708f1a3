"""The cluster that all tests of this folder share, and the study that they run on it."""

import tempfile

import pytest
import yaml
from on_cluster import MEMORY_MB, ClusterRun
from one_machine_slurm import Slurm

from running import CONFIG, snakemake, write_study


@pytest.fixture(scope="session")
def slurm():
    """A running SLURM with two nodes of two GPUs each."""
    # Not in pytest's folder: the path of a socket must be short.
    with tempfile.TemporaryDirectory(prefix="slurm-") as folder, Slurm(f"{folder}/s") as running:
        yield running


@pytest.fixture(scope="session")
def study(tmp_path_factory):
    """A few rows of the smoke study; its LM fine-tuning takes long enough to be interrupted."""
    study = yaml.safe_load((CONFIG / "studies/smoke.yaml").read_text())
    del study["ensembles"]
    study["recipes"]["finetune"]["epochs"] = 3
    cells = ["ulmfit", "full", "no-pretraining", "tfidf"]
    study["experiments"] = {"main": {"title": "A few rows", "n_labelled": [40], "cells": cells}}
    return write_study(tmp_path_factory.mktemp("study"), study)


@pytest.fixture(scope="session")
def both(slurm, study, tmp_path_factory):
    """The study, run by Snakemake alone in a folder and, meanwhile, through SLURM.

    There the rule `score` is submitted in arrays, and `baseline` with too little memory.
    """
    here, there = (tmp_path_factory.mktemp(name) for name in ("here", "there"))
    changes = {
        "slurm-array-jobs": "score",
        "set-resources": {"baseline": {"mem_mb": f"{MEMORY_MB} * attempt ** 2"}},
    }
    with ClusterRun(slurm, there, "--configfile", study, changes=changes) as run:
        done = snakemake(here, "--configfile", study, "--show-failed-logs")
        assert done.returncode == 0, (done.stdout + done.stderr)[-8000:]
        run.finish(1200)
    return here, run


@pytest.fixture(scope="session")
def here(both):
    """Folder of the study that Snakemake ran alone."""
    return both[0]


@pytest.fixture(scope="session")
def there(both):
    """The study as SLURM ran it."""
    return both[1]
