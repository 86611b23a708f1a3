"""The commands of the bench at tiny sizes: both sides do the same work. No time is judged."""

import json
import subprocess
import sys

import pytest

from bench.child import Task
from bench.cut import SIDES
from bench.side_by_side import ChildFailed, run, run_together
from bench.tokenize import compare, different
from bench.train import main
from bench.workloads import WORKLOADS


def result(folder):
    (path,) = folder.glob("*.json")
    return json.loads(path.read_text())


def test_both_sides_train_on_the_same_tokens(tmp_path, capsys):
    names = ["lm-small", "classifier-small", "head-only-small"]
    modes = ("fp32", "bf16")
    line = ["--quick", "--pairs", "1", "--steps", "2", "--output", str(tmp_path)]
    assert (
        main([*line, "--mode", *modes, "--workload", *names, "--measure", "speed", "memory"]) == 0
    )
    values = result(tmp_path)
    for name in names:
        (theirs,) = values["speed"][name]["fastai"]
        for mode in modes:
            (ours,) = values["speed"][name][mode]
            assert ours["tokens"] == theirs["tokens"] > 0
            assert ours["slots"] >= ours["tokens"]
            assert all(seconds > 0 for side in (ours, theirs) for seconds in side["cpu"].values())
    assert values["memory"].keys() == {"classifier-small", "head-only-small"}
    text = capsys.readouterr().out
    assert all(f"|lm-small|{mode}|" in text for mode in modes)


def test_processes_at_once_count_the_same_updates():
    task = Task("fp32", WORKLOADS["lm-small"].quick(), "sample", 1, 2, wait=True)
    one, two = run_together(task, 2)
    assert one.tokens == two.tokens == 2 * 8 * 10


def test_a_child_that_fails_is_reported(capsys):
    with pytest.raises(ChildFailed, match="status 1"):
        run(Task("fp32", WORKLOADS["classifier-small"].quick(), "longest", 0, 3))
    assert "2 updates seen, 3 expected" in capsys.readouterr().err


def test_equal_tokens_are_found_equal():
    ours, theirs, spacy = SIDES
    rounds = compare(["It costs $3.50 (or NOT)!!!!\n\nReally", "soooo GOOD good good good"], 1)
    assert (ours, theirs, spacy) == ("ours", "fastai", "spacy")
    assert different(rounds) == 0
    assert rounds[0][0]["digests"] != rounds[0][2]["digests"]


def test_commands_explain_themselves():
    for name in ("train", "tokenize", "study", "growth"):
        done = subprocess.run(
            [sys.executable, "-m", f"bench.{name}", "--help"], capture_output=True, text=True
        )
        assert (done.returncode, done.stderr) == (0, "")
