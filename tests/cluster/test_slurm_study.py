"""A study of every level through SLURM, against the same study on this machine."""

import hashlib
import itertools
import json

import pytest
from conftest import MEMORY_MB


def digests(folder, name):
    """Digest of each file of this name, by its path."""
    return {
        path.relative_to(folder): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob(name)
    }


def jobs_of(slurm, rule):
    """Ends of the jobs of a rule, in their order."""
    comments = dict(
        line.split(" ", 1)
        for line in slurm.run("squeue", "--noheader", "--states=all", "--format=%A %k").splitlines()
    )
    return [end for end in slurm.ended() if comments[end["JobId"]].startswith(f"rule_{rule}")]


@pytest.mark.parametrize(
    ("name", "count"),
    [("model.safetensors", 11), ("probabilities.npz", 6), ("predictions.parquet", 7)],
)
def test_a_cluster_finds_the_same_bits(here, there, name, count):
    expected = digests(here, name)
    assert len(expected) == count
    assert digests(there, name) == expected


def test_a_cluster_makes_the_same_tables(here, there):
    for name in ("main.csv", "runs.csv"):
        files = [folder / "results/smoke/tables" / name for folder in (here, there)]
        assert files[0].read_bytes() == files[1].read_bytes()


def test_trainings_of_one_node_have_gpus_of_their_own(slurm, there):
    ends = {
        end["JobId"]: (end["StartTime"], end["EndTime"])
        for end in slurm.ended()
        if "gpu" in slurm.show(end["JobId"]).get("TresPerJob", "")
    }
    devices = {job: (node, seen) for job, step, node, seen in slurm.tasks() if step == "0"}
    assert len(ends) >= 11
    together = 0
    for one, other in itertools.combinations(ends, 2):
        (start, end), (other_start, other_end) = ends[one], ends[other]
        if start < other_end and other_start < end and devices[one][0] == devices[other][0]:
            together += 1
            assert devices[one][1] != devices[other][1]
    assert together
    assert {seen for _, seen in (devices[job] for job in ends)} == {"0", "1"}


def test_a_job_that_is_killed_for_its_memory_gets_more_in_its_next_attempt(slurm, there):
    first, second = jobs_of(slurm, "baseline")
    assert first["JobState"] != "COMPLETED"
    assert f"mem={MEMORY_MB}M" in first["Tres"]
    assert second["JobState"] == "COMPLETED"
    assert f"mem={4 * MEMORY_MB}M" in second["Tres"]
    log = next((there / ".snakemake/slurm_logs/rule_baseline").rglob(f"{first['JobId']}.log"))
    assert "exceeded memory limit" in log.read_text()


def test_an_undisturbed_job_runs_once(slurm, there):
    for rule in ("pretrain", "finetune", "classify"):
        assert {end["JobState"] for end in jobs_of(slurm, rule)} == {"COMPLETED"}


def test_jobs_of_a_rule_can_be_one_array(slurm, there):
    assert json.loads(next(there.rglob("metrics.json")).read_text())
    arrays = slurm.run("squeue", "--noheader", "--states=all", "--format=%F_%K %k").splitlines()
    assert [line for line in arrays if "rule_score" in line]
