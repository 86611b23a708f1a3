"""Baselines: trained on the labelled documents only, tuned on select only, always the same."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from ulmfit.errors import UserError
from ulmfit.evaluate.baselines import BASELINES, baseline
from ulmfit.evaluate.predictions import read_predictions
from ulmfit.store.files import read_json
from ulmfit.store.tables import write_table

WORDS = {"fruit": ["apple", "pear", "plum"], "tool": ["saw", "axe", "drill"]}
FOLDS = {"fit": 40, "select": 20, "report": 30, "test": 10}


@pytest.fixture
def corpus(tmp_path):
    """Documents of two classes that planted words tell apart; returns (documents, folds)."""
    generator = np.random.default_rng(0)
    rows = []
    for fold, size in FOLDS.items():
        for rank in range(size):
            label = sorted(WORDS)[rank % 2]
            noise = generator.choice(["the", "a", "of", "x", ",", "zz"], size=6)
            text = " ".join([*noise[:3], generator.choice(WORDS[label]), *noise[3:]])
            rows.append((f"{fold}-{rank}", fold, rank if fold == "fit" else -1, label, text))
    table = pd.DataFrame(rows, columns=["id", "fold", "rank", "label", "text"])
    table["split"] = np.where(table["fold"] == "test", "test", "train")
    table["group"] = table["id"]
    unlabelled = {"id": "u-0", "split": "unlabelled", "text": "some apple", "fold": "unlabelled"}
    table = pd.concat([table, pd.DataFrame([{**unlabelled, "rank": -1}])], ignore_index=True)
    documents = table[["id", "split", "label", "group", "text"]].sample(frac=1, random_state=0)
    write_table(tmp_path / "documents.parquet", documents)
    write_table(tmp_path / "folds.parquet", table[["id", "fold", "rank"]])
    return tmp_path / "documents.parquet", tmp_path / "folds.parquet"


@pytest.fixture
def run(corpus, tmp_path):
    """Run the baseline; returns (predictions, metrics)."""

    def run(n_labelled=20, name="tfidf", options="{}", out="run", **more):
        folder = tmp_path / out
        baseline(
            name,
            *corpus,
            n_labelled,
            folder / "predictions.parquet",
            folder / "metrics.json",
            options,
            **more,
        )
        return read_predictions(folder / "predictions.parquet"), read_json(folder / "metrics.json")

    return run


@pytest.mark.parametrize("name", sorted(BASELINES))
def test_planted_words_are_learned_and_select_and_report_predicted(run, name):
    predictions, metrics = run(n_labelled="all", name=name)
    assert {fold: values["n"] for fold, values in metrics["folds"].items()} == {
        "report": FOLDS["report"],
        "select": FOLDS["select"],
    }
    assert metrics["folds"]["report"]["error"] < 0.1
    assert predictions.classes == ("fruit", "tool")
    np.testing.assert_allclose(predictions.probability.sum(axis=1), 1, atol=1e-6)


def test_only_the_first_labelled_documents_are_seen(run, monkeypatch):
    seen = []

    def spy(fit, select, classes, options):
        seen.append((fit, select, options))
        return lambda text: np.full((len(text), classes), 1 / classes), {}

    monkeypatch.setitem(BASELINES, "spy", spy)
    run(n_labelled=6, name="spy", options='{"a": 1}')
    run(n_labelled="all", name="spy")
    (few, select, options), (every, _, _) = seen
    assert sorted(few.document) == [f"fit-{rank}" for rank in range(6)]
    assert set(select.fold) == {"select"}
    assert options == {"a": 1}
    assert sorted(every.document) == sorted(f"fit-{rank}" for rank in range(FOLDS["fit"]))


@pytest.mark.parametrize("name", sorted(BASELINES))
def test_two_runs_are_equal_to_the_last_bit(run, tmp_path, name):
    run(name=name, out="one")
    run(name=name, out="two")
    one, two = (tmp_path / name / "predictions.parquet" for name in ("one", "two"))
    assert one.read_bytes() == two.read_bytes()


def test_what_is_chosen_is_best_on_select(run):
    _, metrics = run(options=json.dumps({"C": [1e-6, 10.0], "min_df": [1, 5]}))
    errors = {}
    for strength in (1e-6, 10.0):
        for min_df in (1, 5):
            _, single = run(options=json.dumps({"C": [strength], "min_df": [min_df]}), out="single")
            values = single["folds"]["select"]
            errors[strength, min_df] = values["error"], values["loss"]
    chosen = metrics["training"]["chosen"]
    assert errors[chosen["C"], chosen["min_df"]] == min(errors.values())
    assert metrics["folds"]["select"]["error"] == min(errors.values())[0]


def test_the_test_fold_is_predicted_apart_and_counted(run, tmp_path):
    ledger = tmp_path / "evaluations.log"
    predictions, metrics = run(out="test", test=True, ledger=ledger)
    assert set(predictions.fold) == {"test"}
    assert metrics["test_evaluations"] == 1
    # The same model once more is no new look.
    assert run(out="test", test=True, ledger=ledger)[1]["test_evaluations"] == 1


def test_words_of_one_letter_and_punctuation_count(run, corpus):
    documents = pd.read_parquet(corpus[0])
    documents["text"] = np.where(documents["label"] == "fruit", "b ! word", "c ? word")
    write_table(corpus[0], documents)
    assert run()[1]["folds"]["report"]["errors"] == 0


@pytest.mark.parametrize("name", sorted(BASELINES))
def test_only_the_fold_select_tunes(run, corpus, name):
    before, metrics = run(name=name, out="before")
    documents = pd.read_parquet(corpus[0])
    shown = documents["id"].str.startswith(("report", "test"))
    documents.loc[shown, "label"] = np.where(documents["label"][shown] == "tool", "fruit", "tool")
    write_table(corpus[0], documents)
    after, again = run(name=name, out="after")
    np.testing.assert_array_equal(after.probability, before.probability)
    assert again["training"]["chosen"] == metrics["training"]["chosen"]


def test_several_text_fields_are_read(run, corpus):
    documents = pd.read_parquet(corpus[0])
    documents["text_2"] = np.where(documents["label"] == "fruit", "sweet", "sharp")
    documents["text_1"] = "same"
    write_table(corpus[0], documents.drop(columns="text"))
    assert run()[1]["folds"]["report"]["errors"] == 0


@pytest.mark.parametrize("name", sorted(BASELINES))
def test_a_class_without_labelled_documents_has_no_probability(run, corpus, name):
    documents = pd.read_parquet(corpus[0])
    documents.loc[documents["id"] == "report-3", "label"] = "animal"
    write_table(corpus[0], documents)
    predictions, _ = run(name=name)
    assert predictions.classes == ("animal", "fruit", "tool")
    assert predictions.probability[:, 0].max() == 0


def test_metrics_have_the_card_of_the_baseline(run):
    _, metrics = run()
    card = metrics["training"]
    assert card["stage"] == "baseline"
    assert card["n_labelled"] == 20
    assert {"recipe_digest", "wall_s", "cpu_s", "peak_memory_mib", "device"} <= card.keys()
    assert metrics["members"] == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "oracle"}, "no baseline 'oracle': choose one of tfidf"),
        ({"n_labelled": 41}, "41 labelled documents wanted, the fold fit has 40"),
        ({"n_labelled": 1}, "at least two classes"),
        ({"options": '{"c": [1]}'}, "options of the baseline tfidf"),
        ({"options": '{"min_df": [1000]}'}, "min_df 1000"),
        ({"test": True}, "ledger"),
    ],
)
def test_mistakes_are_said(run, arguments, message):
    with pytest.raises(UserError, match=message):
        run(**arguments)
