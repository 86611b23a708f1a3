"""From probabilities to predictions and metrics: joined on ids, counted on the test fold."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import ulmfit
from ulmfit.errors import UserError
from ulmfit.evaluate.predictions import read_predictions
from ulmfit.evaluate.score import score
from ulmfit.store.files import read_json, sha256, write_json
from ulmfit.store.probabilities import write_probabilities
from ulmfit.store.tables import write_table

CLASSES = ("bad", "good", "so-so")


@dataclass
class Case:
    """Documents of two folds (or of the test fold) and members that predict them."""

    folder: Path
    document: np.ndarray
    fold: np.ndarray
    label: np.ndarray

    def member(self, seed, rows=None, fold=None, classes=3):
        """Write a member's files, rows in the order given; return (probabilities, card)."""
        rows = np.arange(len(self.document)) if rows is None else rows
        generator = np.random.default_rng(seed)
        probability = generator.dirichlet(np.ones(classes), size=len(self.document))
        folder = self.folder / f"member-{seed}"
        write_probabilities(
            folder / "probabilities.npz",
            self.document[rows],
            (self.fold if fold is None else fold)[rows],
            probability[rows],
        )
        write_json(folder / "card.json", {"seed": seed, "weights_sha256": f"digest-{seed}"})
        return folder / "probabilities.npz", folder / "card.json"

    def score(self, *members, name="scored", ledger=None, **more):
        """Score members; returns (predictions, metrics)."""
        out = self.folder / name
        probabilities, cards = zip(*members, strict=True)
        score(
            list(probabilities),
            self.folder / "documents.parquet",
            out / "predictions.parquet",
            out / "metrics.json",
            list(cards),
            ledger=ledger,
            **more,
        )
        return read_predictions(out / "predictions.parquet"), read_json(out / "metrics.json")


@pytest.fixture
def make_case(tmp_path):
    def make(folds=("report", "select"), n=31):
        generator = np.random.default_rng(0)
        document = np.array([f"doc-{index}" for index in generator.permutation(2 * n)])
        label = generator.integers(len(CLASSES), size=2 * n)
        fold = np.array([folds[index % len(folds)] for index in range(2 * n)])
        ids = [*document, "unlabelled-1"]
        labels = [*np.array(CLASSES)[label], None]
        table = pd.DataFrame({"id": ids, "split": "train", "label": labels, "group": ids})
        write_table(tmp_path / "documents.parquet", table.sample(frac=1, random_state=1))
        return Case(tmp_path, document, fold, label)

    return make


def test_predictions_carry_ids_folds_labels_and_classes(make_case):
    case = make_case()
    predictions, metrics = case.score(case.member(1))
    label_of = dict(zip(case.document, case.label, strict=True))
    assert predictions.classes == CLASSES
    assert len(predictions.document) == len(case.document)
    assert [label_of[name] for name in predictions.document] == predictions.label.tolist()
    table = pd.read_parquet(case.folder / "scored" / "predictions.parquet")
    assert list(table.columns) == ["document", "fold", "label", "p_bad", "p_good", "p_so-so"]
    assert metrics["classes"] == list(CLASSES)


def test_metrics_of_each_fold_are_those_of_its_predictions(make_case):
    case = make_case()
    predictions, metrics = case.score(case.member(1))
    assert metrics["folds"].keys() == {"report", "select"}
    for fold, values in metrics["folds"].items():
        rows = predictions.of_fold(fold)
        assert values["errors"] == int((rows.predicted != rows.label).sum())
        assert values["error"] == values["errors"] / len(rows.document)


def test_metrics_name_the_inputs_and_the_card(make_case):
    case = make_case()
    probabilities, card = case.member(1)
    _, metrics = case.score((probabilities, card))
    assert metrics["training"] == read_json(card)
    assert metrics["member_cards"] == []
    assert metrics["members"] == [probabilities.as_posix()]
    assert metrics["inputs"][probabilities.as_posix()] == sha256(probabilities)
    assert (case.folder / "documents.parquet").as_posix() in metrics["inputs"]
    assert "test_evaluations" not in metrics


def test_an_ensemble_is_the_mean_of_its_members_by_document(make_case):
    case = make_case()
    members = [case.member(seed) for seed in (1, 2, 3)]
    singles = [case.score(member, name="single")[0] for member in members]
    together, metrics = case.score(*members)
    mean = np.mean([single.probability for single in singles], axis=0)
    np.testing.assert_allclose(together.probability, mean, atol=1e-6)
    assert metrics["training"] is None
    assert [card["seed"] for card in metrics["member_cards"]] == [1, 2, 3]


@pytest.mark.parametrize("rule", ["mean", "logits", "weighted", "vote"])
def test_the_order_of_documents_in_a_member_does_not_matter(make_case, rule):
    case = make_case()
    members = [case.member(1), case.member(2)]
    case.score(*members, rule=rule)
    straight = (case.folder / "scored" / "predictions.parquet").read_bytes()
    shuffled = np.random.default_rng(5).permutation(len(case.document))
    case.score(case.member(1), case.member(2, rows=shuffled), rule=rule)
    assert (case.folder / "scored" / "predictions.parquet").read_bytes() == straight


def test_weights_are_fitted_on_the_fold_select_alone(make_case):
    case = make_case()
    members = [case.member(1), case.member(2)]
    _, before = case.score(*members, rule="weighted")
    # Another answer to every document that is shown, and the same weights.
    table = pd.read_parquet(case.folder / "documents.parquet")
    shown = table["id"].isin(case.document[case.fold == "report"])
    table.loc[shown, "label"] = table["label"][shown].map(
        dict(zip(CLASSES, CLASSES[1:] + CLASSES[:1], strict=True))
    )
    write_table(case.folder / "documents.parquet", table)
    _, after = case.score(*members, rule="weighted")
    assert after["member_weights"] == before["member_weights"]
    assert after["folds"]["report"] != before["folds"]["report"]
    assert before["combine"] == "weighted"


def test_the_test_fold_takes_the_weights_that_were_fitted_before(make_case):
    case = make_case(folds=("test",))
    fitted = case.folder / "metrics.json"
    write_json(fitted, {"member_weights": [0.25, 0.75]})
    members = [case.member(1), case.member(2)]
    ledger = case.folder / "ledger"
    one, two = (case.score(member, ledger=ledger)[0].probability for member in members)
    made, metrics = case.score(*members, rule="weighted", fitted=fitted, ledger=ledger)
    np.testing.assert_allclose(made.probability, 0.25 * one + 0.75 * two, atol=1e-6)
    assert metrics["member_weights"] == [0.25, 0.75]
    write_json(fitted, {"member_weights": [1.0]})
    with pytest.raises(UserError, match="1 weights for 2 members"):
        case.score(*members, rule="weighted", fitted=fitted, ledger=ledger)
    with pytest.raises(UserError, match="no document of the fold select"):
        case.score(*members, rule="weighted", ledger=ledger)


def test_a_member_without_some_documents_is_refused(make_case):
    case = make_case()
    first, second = case.member(1), case.member(2, rows=np.arange(1, len(case.document)))
    with pytest.raises(UserError, match="cover different documents") as caught:
        case.score(first, second)
    assert str(second[0]) in str(caught.value)
    assert case.document[0] in str(caught.value)


def test_members_on_different_folds_are_refused(make_case):
    case = make_case()
    swapped = case.fold.copy()
    swapped[0] = "report" if swapped[0] == "select" else "select"
    with pytest.raises(UserError, match="cover different documents"):
        case.score(case.member(1), case.member(2, fold=swapped))


def test_a_repeated_document_is_refused(make_case):
    case = make_case()
    rows = np.r_[0, np.arange(len(case.document))]
    with pytest.raises(UserError, match=f"{case.document[0]} occurs more than once"):
        case.score(case.member(1, rows=rows))


def test_a_document_without_label_is_refused(make_case):
    case = make_case()
    case.document = np.array(["unlabelled-1", *case.document[1:]])
    with pytest.raises(UserError, match="no label for document unlabelled-1"):
        case.score(case.member(1))


def test_another_number_of_classes_is_refused(make_case):
    case = make_case()
    with pytest.raises(UserError, match="have 3 classes"):
        case.score(case.member(1, classes=4))


@pytest.mark.parametrize("value", [np.nan, 2.0, -0.5])
def test_what_is_no_probability_is_refused(make_case, value):
    case = make_case()
    probabilities, card = case.member(1)
    rows = np.full((len(case.document), 3), 1 / 3)
    rows[3, 0] = value
    write_probabilities(probabilities, case.document, case.fold, rows)
    with pytest.raises(UserError, match="not probabilities"):
        case.score((probabilities, card))


def test_members_and_cards_go_together(make_case):
    case = make_case()
    probabilities, _ = case.member(1)
    with pytest.raises(UserError, match="1 probabilities but 0 cards"):
        score([probabilities], case.folder, case.folder, case.folder, [])


def test_every_evaluation_of_the_test_fold_is_counted(make_case):
    case = make_case(folds=("test",))
    ledger = case.folder / "run" / "test" / "evaluations.log"
    _, first = case.score(case.member(1), ledger=ledger)
    _, second = case.score(case.member(1), case.member(2), ledger=ledger)
    _, again = case.score(case.member(1), ledger=ledger)
    counts = [metrics["test_evaluations"] for metrics in (first, second, again)]
    assert counts == [1, 2, 2]
    times, digests = zip(
        *(line.split("\t") for line in ledger.read_text().splitlines()), strict=True
    )
    assert digests == ("digest-1", "digest-1+digest-2")
    assert all(time.endswith("+00:00") for time in times)


def test_the_test_fold_without_a_ledger_is_refused_before_anything_is_written(make_case):
    case = make_case(folds=("test",))
    with pytest.raises(UserError, match="ledger"):
        case.score(case.member(1))
    assert not (case.folder / "scored").exists()


def test_a_ledger_without_the_test_fold_is_refused(make_case):
    case = make_case()
    with pytest.raises(UserError, match="ledger"):
        case.score(case.member(1), ledger=case.folder / "evaluations.log")
    assert not (case.folder / "evaluations.log").exists()


def test_scoring_imports_no_slow_library(make_case):
    case = make_case()
    probabilities, card = case.member(1)
    line = ["score", "--probabilities", str(probabilities), "--cards", str(card)]
    for name in ("documents.parquet", "predictions.parquet", "metrics.json"):
        line += [f"--{name.split('.')[0]}", str(case.folder / name)]
    code = (
        f"import sys; from ulmfit.cli import main; assert main({line}) == 0;"
        "print([name for name in ('pandas', 'scipy', 'sklearn', 'torch') if name in sys.modules])"
    )
    source = Path(ulmfit.__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(source)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "[]"
