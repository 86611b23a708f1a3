"""A calibration measures the updates that a training makes, and leaves the process as it was."""

import math

import pytest
import torch

from ulmfit.config.recipes import Architecture, Classifier, LanguageModel
from ulmfit.train import calibration
from ulmfit.train.calibration import calibrate

SIZES = Architecture(embedding=6, hidden=8, layers=2)


@pytest.fixture(autouse=True)
def short(monkeypatch):
    monkeypatch.setattr(calibration, "ENOUGH_S", 0.0)


@pytest.mark.parametrize(
    ("recipe", "groups"),
    [
        (LanguageModel(SIZES, batch_size=3, bptt=5), ("lstm0", "lstm1", "decoder")),
        (LanguageModel(SIZES, batch_size=3, bptt=5, softmax="sampled", negatives=7), ("decoder",)),
        (Classifier(SIZES, batch_size=3, bptt=5), ("head",)),
        (Classifier(SIZES, batch_size=3, padding="unmasked"), ("embedding", "lstm0", "head")),
    ],
)
def test_every_set_of_groups_has_its_seconds(recipe, groups, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    threads, state = torch.get_num_threads(), torch.get_rng_state()
    found = calibrate(recipe, 40, 3, 9, (groups, ()), "cpu")
    assert len(found) == 2
    assert all(0 < seconds < math.inf for seconds in found)
    assert torch.get_num_threads() == threads
    assert torch.equal(torch.get_rng_state(), state)
    assert not list(tmp_path.iterdir())
    assert not capsys.readouterr().out


def test_only_the_named_groups_train(monkeypatch):
    trained = []

    class Watched(calibration.GroupOptimizer):
        def step(self, share=1.0):
            trained.append([any(p.grad is not None for p in group) for group in self._groups])
            return super().step(share)

    monkeypatch.setattr(calibration, "GroupOptimizer", Watched)
    calibrate(Classifier(SIZES, batch_size=3), 40, 3, 9, (("lstm1", "head"),), "cpu")
    assert trained
    assert all(one == [False, False, True, True] for one in trained)


def test_a_large_model_is_measured_over_fewer_steps(monkeypatch):
    shapes = []
    loss = calibration.Model.loss

    def watched(self, ids, *rest):
        shapes.append(tuple(ids.shape))
        return loss(self, ids, *rest)

    monkeypatch.setattr(calibration.Model, "loss", watched)
    monkeypatch.setattr(calibration, "UPDATE_FLOPS", 1.0)
    calibrate(LanguageModel(SIZES, batch_size=3, bptt=70), 40, 0, 0, (("decoder",),), "cpu")
    assert set(shapes) == {(calibration.FEWEST_STEPS, 3)}
