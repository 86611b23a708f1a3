"""A study through SLURM, against the same study on this machine."""

import hashlib
import itertools

import pytest
from on_cluster import MEMORY_MB


def digests(folder, name):
    """Digest of each file of this name, by its path."""
    return {
        path.relative_to(folder): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob(name)
    }


@pytest.mark.parametrize(
    ("name", "count"),
    [("model.safetensors", 11), ("probabilities.npz", 6), ("predictions.parquet", 7)],
)
def test_a_cluster_finds_the_same_bits(here, there, name, count):
    expected = digests(here, name)
    assert len(expected) == count
    assert digests(there.folder, name) == expected


def test_a_cluster_makes_the_same_table(here, there):
    one, other = (folder / "results/smoke/tables/main.csv" for folder in (here, there.folder))
    assert one.read_bytes() == other.read_bytes()


def test_trainings_of_one_node_have_gpus_of_their_own(slurm, there):
    trained = {
        end["JobId"]: end
        for rule in ("pretrain", "finetune", "classify")
        for end in there.ends(rule)
    }
    assert len(trained) == 11
    seen = {job: (node, devices) for job, step, node, devices in slurm.tasks() if step == "0"}
    assert {seen[job][1] for job in trained} == {"0", "1"}
    neighbours = [
        (one["JobId"], other["JobId"])
        for one, other in itertools.combinations(trained.values(), 2)
        if one["NodeList"] == other["NodeList"]
        and one["StartTime"] < other["EndTime"]
        and other["StartTime"] < one["EndTime"]
    ]
    assert neighbours
    for one, other in neighbours:
        assert seen[one] != seen[other]


def test_a_job_that_is_killed_for_its_memory_gets_more_in_its_next_attempt(there):
    first, second = there.ends("baseline")
    assert first["JobState"] != "COMPLETED"
    assert second["JobState"] == "COMPLETED"
    for end, memory in ((first, MEMORY_MB), (second, 4 * MEMORY_MB)):
        assert f"mem={memory}M" in end["Tres"].split(",")
    logs = there.folder / ".snakemake/slurm_logs/rule_baseline"
    log = next(logs.rglob(f"{first['JobId']}.log"))
    assert "exceeded memory limit" in log.read_text()


@pytest.mark.parametrize("rule", ["documents", "tokens", "pretrain", "finetune", "classify"])
def test_an_undisturbed_job_runs_once(there, rule):
    ended = there.ends(rule)
    assert {end["JobState"] for end in ended} == {"COMPLETED"}
    assert len({end["JobId"] for end in ended}) == len(ended)


def test_jobs_of_a_rule_can_be_one_array(there):
    assert "Submitted array job" in there.log.read_text()
    assert {end["JobState"] for end in there.ends("score")} == {"COMPLETED"}
