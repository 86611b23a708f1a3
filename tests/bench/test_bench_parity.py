"""The comparison of bf16 and fp32, on planted tables."""

import math

import pandas as pd
import pytest

from bench import parity


def planted(folder, losses, errors):
    """Tables of a study: loss and error of each (variant, seed)."""
    tables = folder / "tables"
    tables.mkdir()
    pd.DataFrame(
        [
            {"stage": "pretrain", "dataset": None, "name": name, "seed": seed, "valid_loss": loss}
            for (name, seed), loss in losses.items()
        ]
    ).to_csv(tables / "language_models.csv", index=False)
    pd.DataFrame(
        [
            {"dataset": "d", "fold": "report", "variant": name, "seed": seed, "error": error}
            for (name, seed), error in errors.items()
        ]
    ).to_csv(tables / "runs.csv", index=False)
    return folder


def both(fp32, bf16):
    values = {("ulmfit", seed): value for seed, value in enumerate(fp32)}
    return values | {("bf16", seed): value for seed, value in enumerate(bf16)}


def test_pairs_are_of_equal_seeds_and_intervals_those_of_students_t(tmp_path):
    losses = both([4.0, 5.0, 6.0], [4.001, 5.002, 6.003])
    errors = both([0.2, 0.3, 0.4], [0.24, 0.30, 0.35])
    perplexity, error = parity.rows(planted(tmp_path, losses, errors))
    mean = sum(math.exp(k / 1000) - 1 for k in (1, 2, 3)) / 3
    assert perplexity["change"] == pytest.approx(mean)
    assert perplexity["inside"]
    # Differences 0.04, 0, -0.05: mean -0.0033, sd 0.04509, t(2) 4.3027.
    assert error["change"] == pytest.approx(-0.01 / 3)
    assert error["high"] - error["change"] == pytest.approx(
        4.3027 * 0.04509 / math.sqrt(3), rel=1e-3
    )
    assert not error["inside"]


def test_a_seed_without_its_partner_is_no_pair(tmp_path):
    losses = both([4.0, 5.0], [4.0, 5.0]) | {("bf16", 2): 9.0}
    perplexity, _ = parity.rows(planted(tmp_path, losses, both([0.2, 0.2], [0.2, 0.2])))
    assert (perplexity["pairs"], perplexity["change"]) == (2, 0.0)


def test_an_unfinished_study_is_one_clear_line(tmp_path, capsys):
    assert parity.main([str(tmp_path), "--output", str(tmp_path)]) == 1
    assert "finish the study" in capsys.readouterr().err
