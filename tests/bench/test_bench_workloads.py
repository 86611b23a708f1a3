"""What the bench measures is what it says: sizes, text, stages, and figures of finished studies."""

import json
import os

import numpy as np
import pytest

from bench import study
from bench.clock import LOOP, Clock
from bench.workloads import WORKLOADS, document_lengths, running_text, sorted_batches, words
from ulmfit.errors import UserError

QUICK = {name: workload.quick() for name, workload in WORKLOADS.items()}


def test_arithmetic_of_a_token_is_that_of_the_published_sizes():
    # 20.19 M multiplications of the LSTMs and 400 x 30,000 of the softmax, six times as many FLOP.
    assert WORKLOADS["lm-full"].flops_per_token == pytest.approx(193e6, rel=2e-3)
    assert WORKLOADS["classifier-full"].flops_per_token == pytest.approx(121e6, rel=2e-3)
    assert WORKLOADS["head-only-full"].flops_per_token == pytest.approx(121e6 / 3, rel=2e-3)


def test_running_text_fills_exactly_the_updates():
    workload = QUICK["lm-small"]
    documents = running_text(workload, 7)
    tokens = sum(map(len, documents))
    assert tokens == workload.batch_size * workload.bptt * 7 + 1
    assert min(map(len, documents)) > 0


def test_batches_have_the_lengths_of_an_epoch_behind_a_longer_one():
    workload = QUICK["classifier-small"]
    batches = np.array([len(text) for text in sorted_batches(workload, 10)]).reshape(11, -1)
    whole = document_lengths(workload, 50 * workload.batch_size)
    assert batches[0].min() >= batches[1:].max()
    assert batches[1:].mean() == pytest.approx(whole.mean(), rel=0.05)


def test_words_follow_their_law():
    drawn = words(1000, 200_000, np.random.default_rng(1))
    weight = (np.arange(1, 992) + 2.7) ** -1.05
    expected = 200_000 * weight / weight.sum()
    counts = np.bincount(drawn, minlength=1000)
    assert counts[:9].sum() == 0
    assert np.abs(counts[9:19] / expected[:10] - 1).max() < 0.05


def test_clock_counts_the_updates_after_the_warm_up_only():
    called = []
    clock = Clock(1, 2, lambda: called.append("warm"), lambda: called.append("last"))
    for number in range(4):
        clock.enter("forward")
        clock.add(tokens=10**number, slots=2)
        clock.end_step()
    found = clock.measurement(0.0)
    assert (found.tokens, found.slots, found.steps) == (10 + 100, 4, 2)
    assert called == ["warm", "last"]
    assert found.cpu["backward"] == 0
    assert found.cpu[LOOP] >= 0


def test_clock_refuses_a_training_that_it_did_not_see():
    with pytest.raises(RuntimeError, match="0 updates seen, 3 expected"):
        Clock(1, 2).measurement(0.0)


@pytest.fixture
def finished(tmp_path):
    """Two trainings side by side for 10 s, then a score for 5 s, on two cores."""

    def job(path, seconds, end, card=None):
        file = tmp_path / "benchmarks" / f"{path}.tsv"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"s\th:m:s\tcpu_time\n{seconds}\t0:00:00\t1\n")
        os.utime(file, (end, end))
        if card:
            (tmp_path / path).mkdir(parents=True)
            (tmp_path / path / "card.json").write_text(json.dumps(card))

    card = {"wall_s": 8.0, "cpu_s": 6.0}
    job("clf/d/c/word/fwd/a/b/nall/r/n10/s0-0-0", 10.0, 1010.0, card)
    job("ft/d/c/word/fwd/a/b/nall/s0-0", 10.0, 1010.0, card)
    job("clf/d/c/word/fwd/a/b/nall/r/n10/s0-0-0/score", 5.0, 1020.0)
    return tmp_path


def test_figures_of_a_finished_study(finished):
    found = study.jobs(finished)
    figures = study.summary(found, cores=2, wall=None)
    assert sorted(job.rule for job in found) == ["classify", "finetune", "score"]
    assert figures["wall"] == pytest.approx(20)
    assert figures["longest pause"] == pytest.approx(5)
    assert figures["in-loop share"] == pytest.approx(12 / 40)
    assert figures["start-up of trainings"] == pytest.approx(4)
    assert study.summary(found, cores=2, wall=24.0)["in-loop share"] == pytest.approx(12 / 48)


def test_a_folder_without_benchmarks_is_refused(tmp_path):
    with pytest.raises(UserError, match="no benchmarks"):
        study.jobs(tmp_path)


@pytest.mark.parametrize(
    ("path", "rule"),
    [
        ("clf/d/c/t/fwd/a/b/nall/r/n10/s0-0-0/test/score", "score_test"),
        ("clf/d/c/t/fwd/a/b/nall/r/n10/s0-0-0/test", "predict_test"),
        ("data/d/leakage-c", "leakage"),
        ("experiments/table-7/figures", "figures"),
        ("tables/before_test", "before_test"),
        ("report", "report"),
    ],
)
def test_rules_are_known_by_the_paths_of_their_benchmarks(path, rule):
    assert study.rule_of(path) == rule
