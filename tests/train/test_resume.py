"""A training killed anywhere, however often, ends with the bits of one that was not."""

import csv
import hashlib
import json
import math
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from planted import classifier_recipe, language_model_recipe

from ulmfit.config.code_versions import CODE_VERSIONS
from ulmfit.config.recipes import Freezing, Schedule
from ulmfit.errors import UserError
from ulmfit.store import checkpoints
from ulmfit.store.checkpoints import Checkpoints, Every
from ulmfit.store.files import read_json, write_json
from ulmfit.store.lock import locked
from ulmfit.train.classifier import train_classifier
from ulmfit.train.language_model import train_language_model
from ulmfit.train.optimizer import GroupOptimizer

TIMING = ("tokens_per_s", "wall_s")
KILLING = Path(__file__).with_name("killing.py")
SOURCE = str(Path(__file__).parents[2] / "src")
CASES = {
    "pretrain": language_model_recipe(epochs=4, softmax="sampled", negatives=10),
    "finetune": language_model_recipe(
        epochs=4,
        variable_bptt=True,
        freezing=Freezing(depth=1),
        early_stopping=True,
        rate_by_length=False,
    ),
    "classify": classifier_recipe(epochs=5, early_stopping=True, patience=1),
    "classify-thaw": classifier_recipe(
        epochs=6, patience=1, freezing=Freezing(plan="chain-thaw", reload_best=True)
    ),
    "classify-run": classifier_recipe(
        epochs=5,
        schedule=Schedule(kind="one-cycle", scope="run"),
        freezing=Freezing(frozen_batch_norm="eval"),
        padding="unmasked",
    ),
}
DEATHS = 9
"""Drawn for each of the five cases, beside two in the writing of the results."""


def arguments(case, tokens, folder):
    named = {
        "recipe_json": CASES[case],
        "tokens": str(tokens),
        "initial": None,
        "direction": "fwd",
        "seed": 3,
        "output": str(folder / "model.safetensors"),
        "history": str(folder / "history.csv"),
    }
    if case.startswith("classify"):
        return named | {"n_labelled": None, "probabilities": str(folder / "probabilities.npz")}
    return named | {"stage": case}


def plan(case, tokens, folder, deaths, finish=True):
    return json.dumps(
        {
            "stage": case.split("-")[0],
            "arguments": arguments(case, tokens, folder),
            "deaths": deaths,
            "finish": finish,
        }
    )


def killed(case, tokens, folder, deaths, finish=True):
    """Run a case that dies so often; returns exit statuses and what was said."""
    done = subprocess.run(
        [sys.executable, KILLING, plan(case, tokens, folder, deaths, finish)],
        env={**os.environ, "PYTHONPATH": SOURCE},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), done.stderr


def run(named):
    """Train in this process."""
    for name in ("tokens", "output", "history", "probabilities"):
        if name in named:
            named[name] = Path(named[name])
    train = train_classifier if "probabilities" in named else train_language_model
    train(**named, device="cpu")


def undisturbed(case, tokens, folder):
    run(arguments(case, tokens, folder))


def start(case, tokens, folder):
    """A process of its own that trains."""
    return subprocess.Popen(
        [sys.executable, KILLING, plan(case, tokens, folder, [])],
        env={**os.environ, "PYTHONPATH": SOURCE},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def facts(folder):
    """Digests of what a training made, the columns of its history that are no time, its card."""
    made = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.iterdir()
        if path.name in ("model.safetensors", "vocabulary.txt", "probabilities.npz")
    }
    with open(folder / "history.csv", newline="") as file:
        history = [
            {name: value for name, value in row.items() if name not in TIMING}
            for row in csv.DictReader(file)
        ]
    return made, history


def card(folder):
    return json.loads((folder / "card.json").read_text())


def drawn(case):
    """Deaths anywhere in training, then in the writing of the results."""
    draw = random.Random(case)
    most = {"update": 8, "save": 3, "write": 6, "rename": 6, "validation": 0}
    deaths = []
    while len(deaths) < DEATHS:
        place = draw.choice(list(most))
        passed = draw.randint(0, most[place])
        # In so short a training there is no checkpoint by time to die in.
        every = draw.choice(["1", "3", "300s"] if place in ("update", "validation") else ["1", "3"])
        deaths.append((place, passed, "SIGKILL", every))
    return [*deaths, ("outputs", 0, "SIGKILL", "300s"), ("weights", 0, "SIGKILL", "300s")]


@pytest.mark.parametrize("case", CASES)
def test_a_training_killed_anywhere_ends_with_the_same_bits(case, tokens, tmp_path):
    undisturbed(case, tokens, tmp_path / "whole")
    statuses, said = killed(case, tokens, tmp_path / "killed", drawn(case))
    assert statuses == [-signal.SIGKILL] * (DEATHS + 2) + [0], said
    assert facts(tmp_path / "killed") == facts(tmp_path / "whole")
    resumed = card(tmp_path / "killed")["resumed_from"]
    assert resumed
    assert all(min(entry.values()) >= 1 for entry in resumed)
    assert [entry["update"] for entry in resumed] == sorted(entry["update"] for entry in resumed)
    assert card(tmp_path / "whole")["resumed_from"] == []
    left = sorted(path.name for path in (tmp_path / "killed").iterdir())
    assert left == sorted(path.name for path in (tmp_path / "whole").iterdir())


@pytest.mark.parametrize("case", ["finetune", "classify"])
@pytest.mark.parametrize("name", ["SIGTERM", "SIGUSR1", "SIGINT"])
def test_a_signal_saves_first_and_says_so_with_its_status(case, name, tokens, tmp_path):
    undisturbed(case, tokens, tmp_path / "whole")
    deaths = [("update", 5, name, "300s"), ("validation", 2, name, "300s")]
    statuses, said = killed(case, tokens, tmp_path / "killed", deaths)
    number = signal.Signals[name].value
    assert statuses == [128 + number, 128 + number, 0], said
    assert f"stopped by {name}: saved at update 6; the same command goes on from there" in said
    assert facts(tmp_path / "killed") == facts(tmp_path / "whole")
    first, second = card(tmp_path / "killed")["resumed_from"]
    assert (first, second["epoch"] > 1) == ({"epoch": 1, "update": 6}, True)


def test_a_signal_before_the_first_update_leaves_nothing(tokens, tmp_path):
    deaths = [("validation", 0, "SIGTERM", "300s")]
    statuses, said = killed("pretrain", tokens, tmp_path / "killed", deaths)
    assert statuses == [143, 0]
    assert "stopped by SIGTERM: no update was made since the start" in said
    assert card(tmp_path / "killed")["resumed_from"] == []


def stopped(case, tokens, folder):
    """Checkpoints of a training killed after its eighth update, newest first."""
    statuses, said = killed(case, tokens, folder, [("update", 8, "SIGTERM", "2")], finish=False)
    assert statuses == [143], said
    found = sorted((folder / "checkpoints").glob("0*"), reverse=True)
    assert [path.name for path in found] == ["000000009", "000000008"]
    return found


def flipped(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 16
    path.write_bytes(content)


def truncated(path):
    path.write_bytes(path.read_bytes()[:-7])


@pytest.mark.parametrize("harm", [flipped, truncated, Path.unlink])
@pytest.mark.parametrize("file", ["model.safetensors", "card.json"])
def test_a_damaged_checkpoint_is_set_aside_and_the_one_before_it_used(
    harm, file, tokens, tmp_path, capsys
):
    undisturbed("classify", tokens, tmp_path / "whole")
    newest, _ = stopped("classify", tokens, tmp_path / "killed")
    harm(newest / file)
    undisturbed("classify", tokens, tmp_path / "killed")
    assert f"checkpoint {newest} set aside" in capsys.readouterr().err
    assert card(tmp_path / "killed")["resumed_from"] == [{"epoch": 1, "update": 8}]
    assert facts(tmp_path / "killed") == facts(tmp_path / "whole")


def test_with_no_checkpoint_left_training_begins_anew(tokens, tmp_path, capsys):
    undisturbed("finetune", tokens, tmp_path / "whole")
    for path in stopped("finetune", tokens, tmp_path / "killed"):
        truncated(path / "model.safetensors")
    undisturbed("finetune", tokens, tmp_path / "killed")
    assert capsys.readouterr().err.count("set aside") == 2
    assert card(tmp_path / "killed")["resumed_from"] == []
    assert facts(tmp_path / "killed") == facts(tmp_path / "whole")


@pytest.mark.parametrize("change", ["seed", "recipe", "tokens", "code"])
def test_a_foreign_checkpoint_is_not_gone_on_from(change, tokens, tmp_path, capsys, monkeypatch):
    stopped("finetune", tokens, tmp_path / "killed")
    named = arguments("finetune", tokens, tmp_path / "killed")
    if change == "seed":
        named["seed"] = 4
    elif change == "recipe":
        named["recipe_json"] = language_model_recipe(epochs=3)
    elif change == "code":
        monkeypatch.setitem(CODE_VERSIONS, "finetune", 99)
    else:
        write_json(tokens / "tokens.json", {**read_json(tokens / "tokens.json"), "made": "again"})
    run(named)
    said = capsys.readouterr().err
    assert said.count("set aside: it belongs to another recipe, text, seed or version") == 2
    assert card(tmp_path / "killed")["resumed_from"] == []


def test_a_second_process_waits_and_takes_over_the_finished_result(tokens, tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    with locked(folder / "checkpoints/lock"):
        second = start("classify", tokens, folder)
        assert "waiting for its end" in second.stderr.readline()
        undisturbed_elsewhere = tmp_path / "first"
        undisturbed("classify", tokens, undisturbed_elsewhere)
        for path in undisturbed_elsewhere.iterdir():
            path.rename(folder / path.name)
        before = (folder / "card.json").stat().st_mtime_ns
    said = second.stderr.read()
    assert second.wait() == 0
    assert "made by the process that was waited for" in said
    assert (folder / "card.json").stat().st_mtime_ns == before


def test_a_second_process_goes_on_where_the_first_was_killed(tokens, tmp_path):
    undisturbed("classify", tokens, tmp_path / "whole")
    folder = tmp_path / "run"
    stopped("classify", tokens, folder)
    with locked(folder / "checkpoints/lock"):
        second = start("classify", tokens, folder)
        assert "waiting for its end" in second.stderr.readline()
    second.stderr.read()
    assert second.wait() == 0
    assert card(folder)["resumed_from"] == [{"epoch": 1, "update": 9}]
    assert facts(folder) == facts(tmp_path / "whole")


def test_a_full_disk_loses_no_training(tokens, tmp_path, capsys, monkeypatch):
    """A checkpoint that cannot be written is said, and training goes on."""
    undisturbed("classify", tokens, tmp_path / "whole")
    plain = checkpoints.save_weights

    def full(path, *_):
        raise UserError(f"cannot write {path}: No space left on device")

    monkeypatch.setattr(checkpoints, "save_weights", full)
    run(arguments("classify", tokens, tmp_path / "full") | {"every": Every.parse("13")})
    assert "no checkpoint at update 13: cannot write" in capsys.readouterr().err
    monkeypatch.setattr(checkpoints, "save_weights", plain)
    assert facts(tmp_path / "full") == facts(tmp_path / "whole")


@pytest.mark.parametrize("case", ["finetune", "classify"])
def test_a_loss_that_is_no_number_stops_at_once_and_keeps_the_last_good_checkpoint(
    case, tokens, tmp_path, monkeypatch
):
    """The rate runs away after the sixth update; the seventh makes weights that are no numbers."""
    plain = GroupOptimizer.step

    def step(self, *share):
        if self.updates == 6:
            self.rates = [math.nan for _ in self.rates]
        return plain(self, *share)

    monkeypatch.setattr(GroupOptimizer, "step", step)
    named = arguments(case, tokens, tmp_path / "run") | {"every": Every.parse("1")}
    with pytest.raises(
        UserError, match=r"the loss became nan in stage .+, update 8, learning rate"
    ):
        run(named)
    kept = sorted((tmp_path / "run/checkpoints").glob("0*"))
    assert [path.name for path in kept] == ["000000005", "000000006"]
    assert not (tmp_path / "run/model.safetensors").exists()


def test_two_checkpoints_are_kept(tokens, tmp_path, monkeypatch):
    seen = set()
    plain = Checkpoints.save

    def save(self, *arguments):
        plain(self, *arguments)
        seen.add(len(list(self.folder.glob("0*"))))

    monkeypatch.setattr(Checkpoints, "save", save)
    run(arguments("classify", tokens, tmp_path / "run") | {"every": Every.parse("2")})
    assert seen == {1, 2}
    assert not (tmp_path / "run/checkpoints").exists()


@pytest.mark.parametrize("text", ["0s", "-3", "often", "", "5m"])
def test_an_interval_that_is_none_is_refused(text):
    with pytest.raises(ValueError, match="seconds such as 300s, or updates"):
        Every.parse(text)
