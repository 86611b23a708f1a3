"""Each comparison counts once, as better or worse only where every table says so."""

from __future__ import annotations

from typing import Any

import pytest

from ulmfit.report.results import Experiment
from ulmfit.report.verdicts import distinct_verdicts, verdict_sentence

REFERENCE = "ULMFiT"


def experiment(
    verdicts: dict[str, str], fold: str = "report", reference: str = REFERENCE, **among: list[str]
) -> Experiment:
    """A table of lines with these verdicts; ``among``: the candidates of a line, best first."""
    keys = {"dataset": "docs", "n_labelled": "100"}
    rows = [
        {
            **keys,
            "cell": name,
            "verdict": verdict,
            "difference": "0.1",
            "chosen": among.get(name, [""])[0],
        }
        for name, verdict in verdicts.items()
    ]
    rows.append({**keys, "cell": reference, "verdict": "", "difference": "", "chosen": ""})
    cells: dict[str, dict[str, Any]] = {
        row["cell"]: {"id": row["cell"], "title": row["cell"], "runs": runs(row["cell"])}
        for row in rows
    }
    for name, candidates in among.items():
        cells[name] |= {
            "runs": [],
            "among": [{"id": one, "title": one, "runs": runs(one)} for one in candidates],
        }
    return Experiment("any", "Any", "", fold, tuple(rows), cells, {"docs/100": reference})


def runs(name: str) -> list[str]:
    return [f"clf/{name}/{seed}" for seed in range(3)]


def test_a_comparison_in_two_tables_counts_once() -> None:
    tables = [experiment({"Full": "worse", "Last": "worse"}), experiment({"Full": "worse"})]
    assert distinct_verdicts(tables) == ["better", "better"]


def test_another_fold_is_another_comparison() -> None:
    tables = [experiment({"Full": "worse"}), experiment({"Full": "worse"}, fold="test")]
    assert distinct_verdicts(tables) == ["better", "better"]


def test_a_line_that_stands_for_the_better_of_several_is_the_comparison_of_that_one() -> None:
    table = experiment(
        {"Slow": "worse", "Fast": "worse", "Better": "worse"}, Better=["Fast", "Slow"]
    )
    assert distinct_verdicts([table]) == ["better"] * 2
    alone = experiment({"Better": "worse"}, Better=["Fast", "Slow"])
    assert distinct_verdicts([alone]) == ["better"]
    assert distinct_verdicts([alone, table]) == ["better"] * 2


def test_the_same_two_rows_the_other_way_round_are_one_comparison() -> None:
    tables = [
        experiment({"Full": "worse"}),
        experiment({REFERENCE: "better"}, reference="Full"),
    ]
    assert distinct_verdicts(tables) == ["better"]


@pytest.mark.parametrize("order", [1, -1])
def test_where_corrections_differ_the_more_cautious_verdict_counts(order: int) -> None:
    tables = [experiment({"Full": "worse"}), experiment({"Full": "not distinguished"})][::order]
    assert distinct_verdicts(tables) == ["not distinguished"]


def test_the_sentence_counts_what_is_distinct() -> None:
    tables = [
        experiment({"Full": "worse", "Both": "better", "Last": "not distinguished"}),
        experiment({"Full": "worse", "Chain": "too few seeds"}),
    ]
    assert verdict_sentence(tables) == (
        "Of 4 distinct comparisons in the tables, after Holm's correction within each, the "
        "reference is better in 1, worse in 1 and not distinguished in 1; 1 rests on too few seeds."
    )
    assert verdict_sentence([]) == "No line is compared with another."
