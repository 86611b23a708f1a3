"""Sentences say what the table says, with the sign of the reference's side."""

from __future__ import annotations

from pathlib import Path

import pytest

from synthetic_results import SyntheticResults
from ulmfit.report.findings import findings, telling_crossing
from ulmfit.report.limits import limits, sealed_fold_statement
from ulmfit.report.results import Experiment, Study, read_study

ROW = {
    "dataset": "docstrings",
    "n_labelled": "2000",
    "variant": "ulmfit",
    "title": "ULMFiT",
    "tokenizer": "word",
    "direction": "fwd",
    "kind": "model",
    "cell": "a",
    "seeds": "3",
    "n": "4000",
    "error": "0.365",
    "error_low": "0.35",
    "error_high": "0.38",
    "difference": "",
    "difference_low": "",
    "difference_high": "",
    "verdict": "",
    "chosen": "",
    "published": "",
}


def _experiment(*rows: dict[str, str]) -> Experiment:
    return Experiment("main", "Main", "", "report", rows, {}, {"docstrings/2000": "a"})


def _against(
    title: str, difference: str, low: str, high: str, verdict: str, **more: str
) -> dict[str, str]:
    values = {"difference": difference, "difference_low": low, "difference_high": high}
    return {**ROW, "cell": title, "title": title, **values, "verdict": verdict, **more}


def test_a_worse_line_makes_the_reference_better() -> None:
    (finding,) = findings([_experiment(ROW, _against("Full", "0.112", "0.1", "0.124", "worse"))])
    assert _plain(finding.lead) == (
        "ULMFiT makes 36.5 % errors on the report fold [35.0, 38.0] "
        "(n = 4,000, 3 seeds; docstrings, 2,000 labels):"
    )
    (comparison,) = finding.comparisons
    assert comparison.verdict == "better"
    assert _plain(comparison.clauses[0]) == "11.2 points fewer than Full [10.0, 12.4]"


def test_a_better_line_makes_the_reference_worse_with_turned_bounds() -> None:
    (finding,) = findings([_experiment(ROW, _against("Both", "-0.02", "-0.035", "0.01", "better"))])
    (comparison,) = finding.comparisons
    assert comparison.verdict == "worse"
    assert _plain(comparison.clauses[0]) == "2.0 points more than Both [−1.0, 3.5]"


def test_only_the_better_of_several_is_named() -> None:
    rows = [
        _against("One rate", "0.2", "0.1", "0.3", "worse"),
        _against("Other rate", "0.1", "0.05", "0.2", "worse"),
        _against("Better rate", "0.1", "0.05", "0.2", "worse", chosen="Other rate"),
    ]
    experiment = _experiment(ROW, *rows)
    among = [{"id": name, "title": name, "runs": []} for name in ("One rate", "Other rate")]
    cells = {"Better rate": {"among": among}}
    experiment = Experiment(**{**vars(experiment), "cells": cells})
    (finding,) = findings([experiment])
    (clause,) = finding.comparisons[0].clauses
    assert "than Better rate" in clause
    assert experiment.chosen_title(rows[-1]) == "Other rate"
    assert [experiment.repeats(row) for row in rows] == [False, False, True]


def test_what_was_said_is_not_said_again() -> None:
    rows = (ROW, _against("Full", "0.112", "0.1", "0.124", "worse"))
    assert len(findings([_experiment(*rows), _experiment(*rows)])) == 1


CROSSING = {
    **{key: ROW[key] for key in ("dataset", "variant", "title", "tokenizer", "direction", "cell")},
    "experiment": "main",
    "of_cell": "b",
    "of_n_labelled": "2000",
    "smallest": "100",
    "high": "427",
    "statement": "ULMFiT takes 291 labels.",
}


def test_crossings_are_said_with_the_first_group_of_their_data_set() -> None:
    smaller = {**ROW, "cell": "few", "n_labelled": "100"}
    references = {"docstrings/2000": "a", "docstrings/100": "few"}
    experiment = Experiment("main", "Main", "", "report", (smaller, ROW), {}, references)
    unsaid = {**CROSSING, "statement": ""}
    elsewhere = {**CROSSING, "experiment": "other", "statement": "Nothing."}
    first, second = findings([experiment], [CROSSING, unsaid, elsewhere])
    assert first.crossings == ("ULMFiT takes 291 labels.",)
    assert second.crossings == ()


@pytest.mark.parametrize(
    ("crossing", "seeds", "told"),
    [
        ({}, "3", True),
        ({"high": ""}, "3", False),
        ({"statement": ""}, "3", False),
        ({"of_n_labelled": "100"}, "3", False),
        ({"cell": "b"}, "3", False),
        ({"experiment": "other"}, "3", False),
        ({}, "2", False),
    ],
)
def test_the_abstract_says_a_crossing_that_its_interval_and_seeds_support(
    synthetic_results: SyntheticResults, crossing: dict[str, str], seeds: str, told: bool
) -> None:
    study = read_study(synthetic_results.manifest, synthetic_results.tables)
    rows = (ROW, {**ROW, "cell": "b", "variant": "scratch", "seeds": seeds})
    changed = {"experiments": (_experiment(*rows),), "crossings": ({**CROSSING, **crossing},)}
    said = telling_crossing(Study(**{**vars(study), **changed}))
    assert said == (CROSSING["statement"] if told else "")


def test_an_experiment_without_reference_makes_no_claim() -> None:
    experiment = Experiment("main", "Main", "", "report", (ROW,), {}, {})
    assert findings([experiment]) == []


def test_a_verdict_of_another_name_stays_as_it_is() -> None:
    row = _against("Full", "0.112", "0.1", "0.124", "too few seeds", seeds="2")
    (finding,) = findings([_experiment(ROW, row)])
    assert finding.comparisons[0].verdict == "too few seeds"
    assert finding.comparisons[0].clauses[0].endswith(", 2 seeds")


def test_limits_name_the_seeds_and_what_equal_does_not_mean(reported: Path) -> None:
    from ulmfit.store.files import read_json

    study = read_study(reported / "manifest.json", reported / "tables")
    provenance = read_json(reported / "provenance.json")
    text = " ".join(limits(study, provenance))
    assert "Not distinguished is not equal" in text
    assert study.manifest["seeds"]["statement"] in text
    assert "One pretraining run" in text
    assert "fewer than 3 seeds" not in text
    runs = len(study.manifest["unsealed"])
    statement = sealed_fold_statement(study, provenance)
    assert f"{runs} runs predicted it, each once, {runs} evaluations in all" in statement


def test_a_sealed_fold_is_called_sealed(synthetic_results: SyntheticResults) -> None:
    study = read_study(synthetic_results.manifest, synthetic_results.tables)
    none = {"test_evaluations": {"total": 0, "runs": {}}}
    assert "is sealed" in sealed_fold_statement(study, none)
    twice = {"test_evaluations": {"total": 3, "runs": {"a": 2, "b": 1}}}
    assert "at most 2 times, 3 evaluations" in sealed_fold_statement(study, twice)


@pytest.mark.parametrize("seeds", ["1", "2"])
def test_few_seeds_are_a_limit(
    synthetic_results: SyntheticResults, reported: Path, seeds: str
) -> None:
    from ulmfit.store.files import read_json

    study = read_study(synthetic_results.manifest, synthetic_results.tables)
    experiment = _experiment({**ROW, "seeds": seeds})
    few = type(study)(**{**vars(study), "experiments": (experiment,)})
    text = " ".join(limits(few, read_json(reported / "provenance.json")))
    assert "1 line of the tables (†) rests on fewer than 3 seeds" in text


def _plain(text: str) -> str:
    return text.replace("\N{NO-BREAK SPACE}", " ")
