"""Trainings that SLURM interrupts, against the same trainings left alone."""

import hashlib
import json
import os
import shutil
import signal
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
from on_cluster import ClusterRun
from one_machine_slurm import environment
from waiting import wait_until

FOLDER = "results/smoke/ft/docstrings-small"
TRAININGS = [
    f"{FOLDER}/{start}/ulmfit/nall/s0-{seed}"
    for start, seed in (
        ("library-docs-small/word/fwd/ulmfit", 0),
        ("library-docs-small/word/fwd/ulmfit", 1),
        ("none/word/fwd/none", 0),
    )
]
EVERY = 100
"""Updates between checkpoints; an epoch has about two hundred."""
BETWEEN_S = 0.1
"""Time at work after a checkpoint, much less than a hundred updates take."""


@dataclass
class Held:
    """A training that was stopped in the middle."""

    training: str
    job: str
    node: str
    update: int
    """Of its newest checkpoint then."""


@pytest.fixture(scope="module")
def disturbed(slurm, study, here, tmp_path_factory):
    """Three trainings by SLURM, and what happened to each."""
    folder = tmp_path_factory.mktemp("disturbed")
    trained = shutil.ignore_patterns("ft", "clf", "locks")
    shutil.copytree(here, folder, dirs_exist_ok=True, ignore=trained)
    weights = [f"{training}/model.safetensors" for training in TRAININGS]
    run = ClusterRun(
        *(slurm, folder, *weights, "--configfile", study),
        environment={"ULMFIT_CHECKPOINT_EVERY": str(EVERY)},
    )
    with run:
        with ThreadPoolExecutor() as at_once:
            held = list(at_once.map(partial(hold, folder), TRAININGS))
        # A node has two GPUs, so one of the three is alone on its own.
        nodes = [one.node for one in held]
        lost = next(one for one in held if nodes.count(one.node) == 1)
        limited, requeued = (one for one in held if one is not lost)
        slurm.run("scontrol", "update", f"JobId={limited.job}", "TimeLimit=1")
        slurm.lose(lost.node)
        slurm.bring_back(lost.node)
        slurm.run("scontrol", "requeue", requeued.job)
        run.finish(600)
    return run, {"limited": limited, "requeued": requeued, "lost": lost}


def hold(folder, training):
    """Stop a training between two checkpoints, so that what comes finds it there on any machine.

    SLURM lets a stopped process go on when it tells it to end.
    """
    checkpoints = folder / training / "checkpoints"

    def newest():
        names = [path.name for path in checkpoints.glob("*/?????????")]
        return max((int(name) for name in names if name.isdigit()), default=0)

    wait_until(newest, f"first checkpoint of {training}", seconds=300, every=0.02)
    process = int((checkpoints / "lock").read_text().split()[0])
    enough = at_work(process) + BETWEEN_S
    wait_until(lambda: at_work(process) >= enough, "updates after it", seconds=300, every=0.01)
    os.kill(process, signal.SIGSTOP)
    values = dict(word.split("=", 1) for word in environment(process) if "=" in word)
    return Held(training, values["SLURM_JOB_ID"], values["SLURMD_NODENAME"], newest())


def at_work(process):
    """Seconds that a process has computed."""
    times = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[11:13]
    return sum(map(int, times)) / os.sysconf("SC_CLK_TCK")


def ends(run, job):
    """How a job ended, each time."""
    return [end["JobState"] for end in run.ends() if end["JobId"] == job]


def resumed_from(folder, training):
    card = json.loads((folder / training / "card.json").read_text())
    return [start["update"] for start in card["resumed_from"]]


@pytest.mark.parametrize("training", TRAININGS)
def test_an_interrupted_training_has_the_bits_of_an_undisturbed_one(here, disturbed, training):
    one, other = (
        hashlib.sha256((folder / training / "model.safetensors").read_bytes()).hexdigest()
        for folder in (here, disturbed[0].folder)
    )
    assert one == other
    assert resumed_from(here, training) == []
    assert resumed_from(disturbed[0].folder, training)


def test_at_its_time_limit_a_job_saves_and_its_next_attempt_goes_on(disturbed):
    run, happened = disturbed
    held = happened["limited"]
    assert ends(run, held.job) == ["TIMEOUT"]
    asked, again = {int(end["TimeLimit"]) for end in run.ends()} - {1}
    assert max(asked, again) == 2 * min(asked, again)
    assert "stopped by SIGTERM: saved at update" in run.log.read_text()
    assert resumed_from(run.folder, held.training)[0] > held.update


def test_a_requeued_job_saves_and_goes_on_under_its_own_number(disturbed):
    run, happened = disturbed
    held = happened["requeued"]
    first, last = ends(run, held.job)
    assert first != "COMPLETED"
    assert last == "COMPLETED"
    assert resumed_from(run.folder, held.training)[0] > held.update


def test_the_job_of_a_lost_node_goes_on_from_its_last_checkpoint(disturbed):
    run, happened = disturbed
    held = happened["lost"]
    assert ends(run, held.job)[0] == "NODE_FAIL"
    assert resumed_from(run.folder, held.training)[0] == held.update


@pytest.mark.parametrize("training", TRAININGS)
def test_a_finished_training_leaves_no_checkpoints(disturbed, training):
    assert not (disturbed[0].folder / training / "checkpoints").exists()
