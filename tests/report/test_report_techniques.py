"""The front table says what techniques are worth, in the figures of the tables alone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from synthetic_results import SyntheticResults
from ulmfit.report.results import Experiment, Study, number, read_study
from ulmfit.report.techniques import TECHNIQUES, Worth, columns, sentence, techniques_table


@pytest.fixture(scope="module")
def study(synthetic_results: SyntheticResults) -> Study:
    results = synthetic_results.results
    return read_study(results / "manifest.json", results / "tables")


def worth(study: Study, title: str) -> Worth | None:
    (column,) = columns([study])
    return dict(zip([technique.title for technique in TECHNIQUES], column.worths, strict=True))[
        title
    ]


def line(study: Study, experiment: str, title: str) -> dict[str, float | None]:
    (table,) = [item for item in study.experiments if item.name == experiment]
    (row,) = [row for row in table.rows if row["title"] == title]
    names = ("difference", "difference_low", "difference_high")
    return {name: number(row, name) for name in names}


def changed(study: Study, experiment: str, **columns: str) -> Study:
    def of(item: Experiment) -> Experiment:
        rows = tuple({**row, **columns} if row["difference"] else row for row in item.rows)
        return replace(item, rows=rows) if item.name == experiment else item

    return replace(study, experiments=tuple(map(of, study.experiments)))


def test_what_a_line_lacks_is_worth_its_difference(study: Study) -> None:
    found = worth(study, "Pretraining")
    assert found is not None
    told = line(study, "main", "No pretraining")
    assert (found.points, found.low, found.high) == tuple(told.values())


def test_what_a_line_has_is_worth_its_difference_turned_round(study: Study) -> None:
    found = worth(study, "A second direction")
    assert found is not None
    told = line(study, "ensembles", "ULMFiT, fwd+bwd")
    assert found.points == -told["difference"]
    assert (found.low, found.high) == (-told["difference_high"], -told["difference_low"])
    assert found.low < found.points < found.high


def test_the_better_of_two_rates_goes_before_one_rate(study: Study) -> None:
    found = worth(study, "All of ULMFiT, against training from scratch")
    assert found is not None
    assert found.points == line(study, "main", "From scratch (better rate)")["difference"]
    assert found.points != line(study, "main", "From scratch")["difference"]


@pytest.mark.parametrize(
    ("table", "title", "verdict", "said"),
    [
        ("main", "Pretraining", "worse", "worth it"),
        ("main", "Pretraining", "better", "harmful"),
        ("ensembles", "A second direction", "better", "worth it"),
        ("ensembles", "A second direction", "worse", "harmful"),
        ("main", "Pretraining", "not distinguished", "not distinguished"),
        ("main", "Pretraining", "too few seeds", "too few seeds"),
    ],
)
def test_verdicts_are_seen_from_the_technique(
    study: Study, table: str, title: str, verdict: str, said: str
) -> None:
    found = worth(changed(study, table, verdict=verdict), title)
    assert found is not None
    assert found.verdict == said


def test_a_technique_that_no_study_leaves_out_has_no_line(study: Study) -> None:
    text = techniques_table([study])
    assert "| Pretraining |" in text
    assert "Gradual unfreezing" not in text
    assert worth(study, "Gradual unfreezing") is None


def test_every_line_has_as_many_cells_as_the_head(study: Study) -> None:
    lines = techniques_table([study, study]).splitlines()
    assert len({text.count("|") for text in lines}) == 1
    assert lines[0].count("ULMFiT") == 2


def test_a_sentence_says_every_verdict_once() -> None:
    def of(points: float, verdict: str) -> Worth:
        return Worth(points, points - 0.01, points + 0.01, verdict)

    assert sentence([("A", of(0.044, "worth it")), ("B", None), ("C", of(0.03, "worth it"))]) == (
        "Worth 4.4 points on A and 3.0 points on C."
    )
    assert (
        sentence(
            [
                ("A", of(0.001, "not distinguished")),
                ("B", of(-0.02, "harmful")),
                ("C", of(0.1, "too few seeds")),
            ]
        )
        == "Costs 2.0 points on B; undecided on A; too few seeds on C."
    )
    assert sentence([("A", None)]) == ""


def test_a_study_without_ulmfit_has_no_column(study: Study) -> None:
    none = tuple(replace(item, references={}) for item in study.experiments)
    assert columns([replace(study, experiments=none)]) == []
