"""A training killed anywhere, however often, ends with the bits of one that was not."""

import csv
import errno
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
from ulmfit.config.recipes import Architecture, Freezing, Optimizer, Schedule
from ulmfit.errors import UserError
from ulmfit.model.lstm import WIDEST_FUSED
from ulmfit.store import checkpoints
from ulmfit.store.checkpoints import Checkpoints, Every, forget
from ulmfit.store.files import read_json, write_json
from ulmfit.store.lock import locked
from ulmfit.train import keeper as keeper_module
from ulmfit.train import weights as weights_module
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
    # Rates so high that the best epoch is not the last, and that patience is lost.
    "classify-patience": classifier_recipe(
        epochs=12,
        early_stopping=True,
        patience=2,
        freezing=Freezing(plan="none"),
        optimizer=Optimizer(lr=0.05, layer_decay=1.0, clip=1.0),
        schedule=Schedule(kind="constant"),
    ),
    "classify-thaw": classifier_recipe(
        epochs=15,
        patience=1,
        freezing=Freezing(plan="chain-thaw", epochs=3, reload_best=True),
        optimizer=Optimizer(lr=0.1, layer_decay=1.0, clip=1.0),
        schedule=Schedule(kind="constant"),
    ),
    "classify-run": classifier_recipe(
        epochs=5,
        schedule=Schedule(kind="one-cycle", scope="run"),
        freezing=Freezing(frozen_batch_norm="eval"),
        padding="unmasked",
    ),
    "finetune-bf16": language_model_recipe(epochs=4, precision="bf16"),
    # Layers of both kinds: one so wide that its gradients are made in a loop over time.
    "classify-bf16": classifier_recipe(
        epochs=4, precision="bf16", architecture=Architecture(8, WIDEST_FUSED + 8, 2)
    ),
}
DEATHS = 9
"""Drawn for each of the eight cases, beside two in the writing of the results."""


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
    return named | {"stage": case.split("-")[0]}


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
    assert not list((tmp_path / "killed").glob("checkpoints/*/0????????"))


@pytest.mark.parametrize("case", ["finetune", "classify"])
@pytest.mark.parametrize("name", ["SIGTERM", "SIGUSR1", "SIGINT"])
def test_a_signal_saves_first_and_says_so_with_its_status(case, name, tokens, tmp_path):
    undisturbed(case, tokens, tmp_path / "whole")
    deaths = [
        (place, passed, name, "300s")
        for place, passed in (("update", 5), ("validation", 2), ("outputs", 0), ("weights", 0))
    ]
    statuses, said = killed(case, tokens, tmp_path / "killed", deaths)
    number = signal.Signals[name].value
    assert statuses == [128 + number] * 4 + [0], said
    assert f"stopped by {name}: saved at update 6; the same command goes on from there" in said
    assert facts(tmp_path / "killed") == facts(tmp_path / "whole")
    first, second, *others = card(tmp_path / "killed")["resumed_from"]
    assert (first, second["epoch"] > 1) == ({"epoch": 1, "update": 6}, True)
    # Where all updates were made, the last ones are saved, and none is made again.
    last = card(tmp_path / "killed")["updates"]
    assert {entry["update"] for entry in others} == {last}


def test_the_best_epoch_and_patience_outlive_a_death_after_it(tokens, tmp_path):
    """Killed in each epoch, the last validation of the best one behind it."""
    case = "classify-patience"
    undisturbed(case, tokens, tmp_path / "whole")
    best, epochs = (card(tmp_path / "whole")[key] for key in ("weights_epoch", "epochs"))
    assert best < epochs < 12
    updates = card(tmp_path / "whole")["updates"] // epochs
    deaths = [("update", updates, "SIGTERM", "300s") for _ in range(epochs - 1)]
    statuses, said = killed(case, tokens, tmp_path / "killed", deaths)
    assert statuses == [143] * (epochs - 1) + [0], said
    assert facts(tmp_path / "killed") == facts(tmp_path / "whole")
    made = [entry["epoch"] for entry in card(tmp_path / "killed")["resumed_from"]]
    assert made == list(range(2, epochs + 1))


class Clock:
    """What the keeper takes for the time; each update takes ``step`` seconds."""

    def __init__(self, monkeypatch, step):
        self.now, self.saves = 0.0, []
        monkeypatch.setattr(keeper_module.time, "monotonic", lambda: self.now)
        plain_step, plain_save = GroupOptimizer.step, Checkpoints.save

        def update(optimizer, *share):
            self.now += step
            return plain_step(optimizer, *share)

        def save(store, updates, *captured):
            self.saves.append(updates)
            self.now += self.took
            return plain_save(store, updates, *captured)

        monkeypatch.setattr(GroupOptimizer, "step", update)
        monkeypatch.setattr(Checkpoints, "save", save)

    took = 0.0


def test_by_default_a_training_is_saved_every_five_minutes(tokens, tmp_path, monkeypatch):
    """13 updates an epoch, a minute each; the last one of an epoch is saved in any case."""
    clock = Clock(monkeypatch, step=60)
    undisturbed("classify", tokens, tmp_path / "run")
    assert clock.saves[:6] == [5, 10, 13, 18, 23, 26]


@pytest.mark.parametrize(
    ("step", "took", "saved"),
    [
        (0.5, 0.0, [26, 39, 52, 65]),  # none in the first ten seconds, 50 x 0.2 s
        (0.5, 0.3, [26, 65]),  # then none within 50 times what the last one took
        (20.0, 4.0, [13, 26, 39, 52, 65]),
    ],
)
def test_saving_at_the_ends_of_epochs_takes_two_per_cent_of_the_time_at_most(
    step, took, saved, tokens, tmp_path, monkeypatch
):
    clock = Clock(monkeypatch, step)
    clock.took = took
    named = arguments("classify-run", tokens, tmp_path / "run")
    run(named | {"every": Every(seconds=math.inf)})
    assert clock.saves == saved


def test_a_signal_before_the_first_update_leaves_nothing(tokens, tmp_path):
    deaths = [("validation", 0, "SIGTERM", "300s")]
    statuses, said = killed("pretrain", tokens, tmp_path / "run", deaths, finish=False)
    assert statuses == [143]
    assert "stopped by SIGTERM: nothing new to save" in said
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("place", ["update+save", "validation+save", "load", "weights+save+rename"])
def test_a_second_signal_does_no_harm(place, tokens, tmp_path):
    """Also not in the save that the first one asked for, nor while a checkpoint is read."""
    undisturbed("classify", tokens, tmp_path / "whole")
    deaths = [("update", 5, "SIGTERM", "300s"), (place, 0, "SIGTERM", "300s")]
    statuses, said = killed("classify", tokens, tmp_path / "killed", deaths)
    assert statuses == [143, 143, 0], said
    assert "set aside" not in said
    assert card(tmp_path / "killed")["resumed_from"]
    assert facts(tmp_path / "killed") == facts(tmp_path / "whole")


def stopped(case, tokens, folder):
    """Checkpoints of a training killed after its eighth update, newest first."""
    statuses, said = killed(case, tokens, folder, [("update", 8, "SIGTERM", "2")], finish=False)
    assert statuses == [143], said
    found = sorted(folder.glob("checkpoints/*/0????????"), reverse=True)
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
    # One that has no card was not whole when its process died, and is nobody's loss.
    unfinished = file == "card.json" and harm is Path.unlink
    assert (f"{newest} set aside" in capsys.readouterr().err) != unfinished
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


def test_checkpoints_outlive_the_failure_of_another_job_and_are_used_when_theirs_is_back(
    tokens, tmp_path
):
    undisturbed("finetune", tokens, tmp_path / "whole")
    stopped("finetune", tokens, tmp_path / "killed")
    named = arguments("finetune", tokens, tmp_path / "killed")
    with pytest.raises(UserError, match="loss became"):
        run(named | {"recipe_json": language_model_recipe(optimizer=Optimizer(lr=1e37, clip=0.0))})
    undisturbed("finetune", tokens, tmp_path / "killed")
    assert card(tmp_path / "killed")["resumed_from"] == [{"epoch": 1, "update": 9}]
    assert facts(tmp_path / "killed") == facts(tmp_path / "whole")


def test_a_second_process_waits_for_the_first(tokens, tmp_path):
    folder = tmp_path / "run"
    with locked(folder / "checkpoints/lock"):
        second = start("classify", tokens, folder)
        assert f"process {os.getpid()} is at work here already" in second.stderr.readline()
        assert second.poll() is None
    said = second.stderr.read()
    assert second.wait() == 0, said
    assert (folder / "model.safetensors").exists()


@pytest.mark.parametrize("case", ["finetune", "classify"])
def test_what_a_process_made_whose_workflow_died_is_fetched_and_not_made_again(
    case, tokens, tmp_path, capsys
):
    """Snakemake deletes outputs of a job whose end it did not see, and starts the job again."""
    undisturbed(case, tokens, tmp_path / "run")
    made = {path.name: path.read_bytes() for path in (tmp_path / "run").glob("*.*")}
    assert {"model.safetensors", "card.json", "vocabulary.txt", "history.csv"} <= made.keys()
    for name in made:
        (tmp_path / "run" / name).unlink()
    capsys.readouterr()
    undisturbed(case, tokens, tmp_path / "run")
    assert "made before, and kept because its workflow did not see" in capsys.readouterr().err
    assert {path.name: path.read_bytes() for path in (tmp_path / "run").glob("*.*")} == made


@pytest.mark.parametrize(
    "file", ["model.safetensors", "card.json", "history.csv", "vocabulary.txt"]
)
def test_what_is_fetched_is_whole(file, tokens, tmp_path, capsys):
    undisturbed("classify", tokens, tmp_path / "whole")
    undisturbed("classify", tokens, tmp_path / "run")
    (kept,) = (tmp_path / "run").glob("checkpoints/finished/*")
    content = (kept / file).read_bytes()
    (kept / file).unlink()
    (kept / file).write_bytes(content[:-9] + b"!" + content[-8:])
    undisturbed("classify", tokens, tmp_path / "run")
    assert f"{kept} set aside" in capsys.readouterr().err
    assert facts(tmp_path / "run") == facts(tmp_path / "whole")


def test_what_is_fetched_is_of_the_same_job(tokens, tmp_path, capsys):
    undisturbed("classify", tokens, tmp_path / "run")
    first = facts(tmp_path / "run")
    run(arguments("classify", tokens, tmp_path / "run") | {"seed": 4})
    assert "made before" not in capsys.readouterr().err
    assert facts(tmp_path / "run") != first


def test_checkpoints_outlive_the_end_of_another_job(tokens, tmp_path, capsys):
    undisturbed("finetune", tokens, tmp_path / "whole")
    stopped("finetune", tokens, tmp_path / "run")
    run(arguments("finetune", tokens, tmp_path / "run") | {"seed": 4})
    assert "set aside" in capsys.readouterr().err
    undisturbed("finetune", tokens, tmp_path / "run")
    assert card(tmp_path / "run")["resumed_from"] == [{"epoch": 1, "update": 9}]
    assert facts(tmp_path / "run") == facts(tmp_path / "whole")


def test_results_that_cannot_be_kept_are_results_all_the_same(
    tokens, tmp_path, capsys, monkeypatch
):
    """A disk that takes no second copy, on a file system without links."""

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(checkpoints, "_link", full)
    undisturbed("classify", tokens, tmp_path / "run")
    assert "not kept: No space left on device" in capsys.readouterr().err
    assert (tmp_path / "run/model.safetensors").exists()


def test_an_output_that_was_deleted_meanwhile_costs_no_training(tokens, tmp_path, monkeypatch):
    """Another Snakemake began the job again while this one wrote its last output."""
    plain = weights_module.save

    def save(path, *arguments):
        plain(path, *arguments)
        path.with_name("history.csv").unlink()

    monkeypatch.setattr(weights_module, "save", save)
    undisturbed("classify", tokens, tmp_path / "run")
    monkeypatch.setattr(weights_module, "save", plain)
    undisturbed("classify", tokens, tmp_path / "run")
    undisturbed("classify", tokens, tmp_path / "whole")
    (entry,) = card(tmp_path / "run")["resumed_from"]
    assert entry["update"] == card(tmp_path / "run")["updates"]
    assert facts(tmp_path / "run") == facts(tmp_path / "whole")


def test_a_study_that_ended_well_keeps_nothing_but_what_still_trains(tokens, tmp_path):
    results = tmp_path / "results"
    undisturbed("classify", tokens, results / "a")
    stopped("finetune", tokens, results / "b")
    undisturbed("classify", tokens, results / "c")
    with locked(results / "c/checkpoints/lock"):
        forget([results / name for name in "abcd"])
    assert not (results / "a/checkpoints").exists()
    assert list(results.glob("b/checkpoints/*/0????????"))
    assert (results / "c/checkpoints/finished").exists()


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
    kept = sorted((tmp_path / "run").glob("checkpoints/*/0????????"))
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
    assert not list((tmp_path / "run").glob("checkpoints/*/0????????"))


@pytest.mark.parametrize("text", ["0s", "-3", "often", "", "5m"])
def test_an_interval_that_is_none_is_refused(text):
    with pytest.raises(ValueError, match="seconds such as 300s, or updates"):
        Every.parse(text)
