"""Stages of freezing in a training: who moves, how far, how long, and what comes back."""

import csv
import json
from itertools import pairwise

import pytest
import torch
from planted import SIZES, classifier_recipe

from ulmfit.config.recipes import Freezing, Optimizer, Schedule
from ulmfit.errors import UserError
from ulmfit.store.weights import load_weights
from ulmfit.train.classifier import _Training, train_classifier
from ulmfit.train.optimizer import GroupOptimizer

GROUPS = ("embedding", "lstm0", "lstm1", "head")
RATES = (1e-4, 2e-4, 3e-4, 1e-3)
CHAIN = ["head", "embedding", "lstm0", "lstm1", "all"]
CONSTANT = Schedule(kind="constant")


def train(tokens, folder, **changes):
    train_classifier(
        classifier_recipe(**changes),
        tokens,
        None,
        "fwd",
        60,
        0,
        folder / "model.safetensors",
        folder / "history.csv",
        folder / "probabilities.npz",
        device="cpu",
    )
    with open(folder / "history.csv", newline="") as file:
        history = list(csv.DictReader(file))
    return history, json.loads((folder / "card.json").read_text())


def copies(groups):
    return {name: [p.detach().clone() for p in group] for name, group in groups.items()}


def furthest(before, groups):
    """Largest change of a weight in each group."""
    return {
        name: max(
            (new - old).abs().max().item() for old, new in zip(before[name], group, strict=True)
        )
        for name, group in groups.items()
    }


@pytest.fixture
def first_updates(monkeypatch):
    """(stage, how far the first update of its optimizer moved each group, groups with moments)."""
    seen = []
    plain, step = _Training._train, GroupOptimizer.step
    running = []

    def watched_step(self, *share):
        training = running[-1]
        first = self._updates == 0
        before = copies(training.groups)
        rate = step(self, *share)
        moved = furthest(before, training.groups)
        still = set(GROUPS) - set(training.stage.trainable)
        assert all(moved[name] == 0 for name in still)
        if first:
            has = {
                name for name, group in training.groups.items() if set(group) & set(self._moments)
            }
            seen.append((training.stage.name, moved, has))
        return rate

    def watched_epoch(self, *arguments):
        running.append(self)
        return plain(self, *arguments)

    monkeypatch.setattr(GroupOptimizer, "step", watched_step)
    monkeypatch.setattr(_Training, "_train", watched_epoch)
    return seen


@pytest.mark.parametrize("final", [None, (1e-4,) * 4])
def test_chain_thaw_moves_one_group_at_a_time_by_its_rate_then_all(
    tokens, tmp_path, first_updates, final
):
    history, _ = train(
        tokens,
        tmp_path,
        epochs=7,
        optimizer=Optimizer(rates=RATES, clip=0.0, weight_decay=0.0),
        schedule=CONSTANT,
        freezing=Freezing(plan="chain-thaw", final_rates=final),
    )
    assert [row["stage"] for row in history] == [*CHAIN, "all", "all"]
    assert [name for name, _, _ in first_updates] == CHAIN
    for name, moved, with_moments in first_updates:
        trained = set(GROUPS) if name == "all" else {name}
        assert with_moments == trained
        rates = final if name == "all" and final else RATES
        for group, rate in zip(GROUPS, rates, strict=True):
            # Adam's first update moves a weight by its rate, so this shows fresh moments too.
            expected = rate if group in trained else 0.0
            assert moved[group] == pytest.approx(expected, rel=1e-2)


def test_a_stage_of_a_single_update_trains_at_its_peak_rate(tokens, tmp_path, first_updates):
    train(
        tokens,
        tmp_path,
        epochs=4,
        batch_size=60,
        optimizer=Optimizer(rates=RATES, clip=0.0, weight_decay=0.0),
    )
    assert [name for name, _, _ in first_updates] == ["head", "+lstm1", "+lstm0", "all"]
    for (_, moved, _), lowest in zip(first_updates, (3, 2, 1, 0), strict=True):
        for group, rate in list(zip(GROUPS, RATES, strict=True))[lowest:]:
            assert moved[group] == pytest.approx(rate, rel=1e-2)


def test_one_optimizer_over_the_run_keeps_its_moments_from_stage_to_stage(
    tokens, tmp_path, first_updates
):
    train(tokens, tmp_path, epochs=5, schedule=Schedule(scope="run"))
    assert [name for name, _, _ in first_updates] == ["head"]


def test_stages_before_the_last_follow_a_schedule_of_their_own(tokens, tmp_path, monkeypatch):
    rates = []
    plain = GroupOptimizer.step
    monkeypatch.setattr(GroupOptimizer, "step", lambda *a: rates.append(plain(*a)) or rates[-1])
    clr = Schedule("clr", ratio=8, cut_div=3)
    train(
        tokens,
        tmp_path,
        epochs=3,
        batch_size=10,
        optimizer=Optimizer(lr=0.01, layer_decay=1.0),
        schedule=CONSTANT,
        freezing=Freezing(depth=2, schedule=clr, lr_factor=0.5),
    )
    stage = [0.005 * (1 + p * 7) / 8 for p in (0, 1 / 2, 1, 3 / 4, 2 / 4, 1 / 4)]  # 6 batches of 10
    assert rates == pytest.approx([*stage, *stage, *[0.01] * 6])


def scripted(monkeypatch, errors):
    """Let validation say these errors; returns the weights at each validation, by epoch."""
    told, weights = iter(errors), {}

    def validate(self):
        weights[self.state.epoch] = {
            name: tensor.clone() for name, tensor in self.model.state_dict().items()
        }
        return (next(told), 1.0), {"select_loss": 1.0, "select_error": 0.5}

    monkeypatch.setattr(_Training, "validate", validate)
    return weights


def entered(monkeypatch):
    """Weights at the beginning of each stage."""
    weights = []
    monkeypatch.setattr(
        _Training,
        "begin_stage",
        lambda self: weights.append({k: v.clone() for k, v in self.model.state_dict().items()}),
    )
    return weights


def same(one, other):
    return all(torch.equal(one[name], other[name]) for name in other)


def test_every_stage_ends_with_the_best_weights_so_far_and_its_own_patience(
    tokens, tmp_path, monkeypatch
):
    errors = [0.5, 0.3, 0.4, 0.4]  # head: best of the run at epoch 2
    errors += [0.45, 0.5, 0.5]  # embedding: own best at epoch 5
    errors += [0.4, 0.2, 0.3, 0.3]  # lstm0: best of the run at epoch 9
    errors += [0.35, 0.4, 0.5, 0.31, 0.33, 0.34]  # lstm1, all
    validated, begun = scripted(monkeypatch, errors), entered(monkeypatch)
    history, card = train(
        tokens,
        tmp_path,
        epochs=100,
        patience=2,
        freezing=Freezing(plan="chain-thaw", epochs=10, reload_best=True),
    )
    stages = [row["stage"] for row in history]
    assert stages == ["head"] * 4 + ["embedding"] * 3 + ["lstm0"] * 4 + ["lstm1"] * 3 + ["all"] * 3
    for start, epoch in zip(begun[1:], (2, 2, 9, 9), strict=True):
        assert same(start, validated[epoch])
    assert card["weights_epoch"] == 9
    assert card["epochs"] == 17
    assert same(load_weights(tmp_path / "model.safetensors")[0], validated[9])


def test_without_reload_patience_counts_in_the_last_stage_and_ends_it_alone(
    tokens, tmp_path, monkeypatch
):
    errors = [0.5, 0.1, 0.4, 0.4, 0.4, 0.4, 0.4, 0.4, 0.3, 0.2, 0.3, 0.3, 0.3, 0.0]
    weights = scripted(monkeypatch, errors)
    freezing = Freezing(plan="chain-thaw", epochs=2)
    history, card = train(
        tokens, tmp_path, epochs=30, patience=3, early_stopping=True, freezing=freezing
    )
    stages = [row["stage"] for row in history]
    assert stages == [name for name in CHAIN[:4] for _ in range(2)] + ["all"] * 5
    assert card["weights_epoch"] == 2
    assert same(load_weights(tmp_path / "model.safetensors")[0], weights[2])


def test_rising_errors_do_not_end_gradual_unfreezing_before_everything_is_unfrozen(
    tokens, tmp_path, monkeypatch
):
    scripted(monkeypatch, [0.1, 0.2, 0.3, 0.4, 0.5, 0.6])
    history, card = train(tokens, tmp_path, epochs=9, patience=1, early_stopping=True)
    assert [row["stage"] for row in history] == ["head", "+lstm1", "+lstm0", "all", "all"]
    assert card["weights_epoch"] == 1


def test_a_stage_that_ends_early_leaves_the_next_its_whole_schedule(tokens, tmp_path, monkeypatch):
    made = []
    plain = GroupOptimizer.__init__
    monkeypatch.setattr(
        GroupOptimizer,
        "__init__",
        lambda self, *given: (plain(self, *given), made.append(self))[0],
    )
    scripted(monkeypatch, [0.5, 0.6, 0.5, 0.6, 0.5, 0.4, 0.3])
    freezing = Freezing(depth=2, epochs=3, reload_best=True)
    train(tokens, tmp_path, epochs=9, patience=1, batch_size=10, freezing=freezing)
    assert [optimizer._total for optimizer in made] == [18, 18, 18]
    assert [optimizer._updates for optimizer in made] == [12, 12, 18]


def test_a_stage_shorter_than_the_validation_interval_is_validated_for_its_reload(tokens, tmp_path):
    freezing = Freezing(depth=1, epochs=2, reload_best=True)
    history, _ = train(tokens, tmp_path, epochs=6, validate_every=3, freezing=freezing)
    assert [bool(row["select_error"]) for row in history] == [False, True, True, False, False, True]


@pytest.mark.parametrize("mode", ["train", "eval"])
def test_batch_norms_of_a_frozen_head_go_on_counting_or_stand_still(
    tokens, tmp_path, monkeypatch, mode
):
    means, affine, batch_means = [], [], []
    plain = _Training._train

    def watched(self, *arguments):
        norm = self.model.head[0]
        seen = []
        hook = norm.register_forward_hook(lambda _module, _inputs, output: seen.append(output))
        row = plain(self, *arguments)
        hook.remove()
        means.append(norm.running_mean.clone())
        affine.append(torch.stack([norm.weight, norm.bias]).detach().clone())
        centred = (seen[0] - norm.bias) / norm.weight
        batch_means.append(centred.mean(0).abs().max().item())
        return row

    monkeypatch.setattr(_Training, "_train", watched)
    freezing = Freezing(plan="chain-thaw", frozen_batch_norm=mode)
    train(tokens, tmp_path, epochs=5, optimizer=Optimizer(lr=1e-4), freezing=freezing)
    frozen = mode == "eval"

    def still(values):
        return [torch.equal(one, other) for one, other in pairwise(values)]

    # Stages: head, embedding, lstm0, lstm1, all.
    assert still(means) == [frozen, frozen, frozen, False]
    assert [mean > 0.01 for mean in batch_means] == [False, frozen, frozen, frozen, False]
    # fastai v1's train_bn would train weight and bias; here they are frozen with the head.
    assert still(affine) == [True, True, True, False]


@pytest.mark.parametrize("early_stopping", [False, True])
def test_validations_further_apart_than_the_epochs_leave_the_last_epochs_alone(
    tokens, tmp_path, early_stopping
):
    history, card = train(
        tokens, tmp_path, epochs=5, validate_every=9, patience=1, early_stopping=early_stopping
    )
    assert [bool(row["select_error"]) for row in history] == [False] * 4 + [True]
    assert card["weights_epoch"] == 5


def test_features_of_a_frozen_encoder_are_computed_once(tokens, tmp_path, monkeypatch):
    calls = []
    plain = _Training._features
    monkeypatch.setattr(
        _Training, "_features", lambda self: calls.append(self.state.epoch) or plain(self)
    )
    train(tokens, tmp_path / "last", epochs=5, freezing=Freezing(plan="last"))
    assert calls == [0]
    calls.clear()
    train(tokens, tmp_path / "chain", epochs=6, freezing=Freezing(plan="chain-thaw", epochs=1))
    assert calls == [0, 2, 3, 4, 5, 6]


def test_last_leaves_the_encoder_at_its_bits(tokens, tmp_path):
    train(tokens, tmp_path / "few", epochs=1, freezing=Freezing(plan="last"))
    train(tokens, tmp_path / "more", epochs=4, freezing=Freezing(plan="last"))
    one, other = (load_weights(tmp_path / x / "model.safetensors")[0] for x in ("few", "more"))
    for name in one:
        same_bits = torch.equal(one[name], other[name])
        assert same_bits == name.startswith("encoder."), name


def test_rates_for_another_number_of_groups_are_refused_before_training(tokens, tmp_path):
    with pytest.raises(UserError, match=f"3 rates for {SIZES.layers + 2} layer groups"):
        train(tokens, tmp_path / "clf", optimizer=Optimizer(rates=(0.1, 0.2, 0.3)))
    assert not (tmp_path / "clf").exists()


def test_min_steps_multiplies_the_epochs_of_every_stage(tokens, tmp_path):
    freezing = Freezing(depth=2, epochs=2)
    history, card = train(
        tokens, tmp_path, epochs=5, batch_size=10, min_steps=61, freezing=freezing
    )
    assert card["updates"] == 3 * 5 * 6  # 6 batches an epoch, and 2 x 5 x 6 are too few
    stages = [row["stage"] for row in history]
    assert stages == ["head"] * 6 + ["+lstm1"] * 6 + ["all"] * 3
