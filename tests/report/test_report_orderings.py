"""The paper's orderings beside ours: its printed digits, our differences, and an honest verdict."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from synthetic_results import SyntheticResults
from ulmfit.report.orderings import DIFFER, HOLDS, TURNED, UNTOLD, ordering, orderings_sheet
from ulmfit.report.results import Study, read_study
from ulmfit.report.techniques import Worth
from ulmfit.studies import load_study

ROOT = Path(__file__).parents[2]
IMDB = {"dataset": "imdb", "title": "IMDb", "error": "5.63", "ulmfit": "5.00"}
TREC = {"dataset": "trec6", "title": "TREC-6", "error": "10.67", "ulmfit": "5.69"}
AG = {"dataset": "ag-news", "title": "AG's News", "error": "5.29", "ulmfit": "5.38"}


@pytest.fixture(scope="module")
def study(synthetic_results: SyntheticResults) -> Study:
    results = synthetic_results.results
    found = read_study(results / "manifest.json", results / "tables")
    return replace(
        found, manifest={**found.manifest, "orderings": {"no-pretraining": [IMDB, TREC]}}
    )


def of(verdict: str, points: float = 0.02) -> Worth:
    return Worth(points, points - 0.01, points + 0.01, verdict)


@pytest.mark.parametrize(
    ("verdict", "dataset", "row", "said"),
    [
        ("worth it", "docstrings", [IMDB, TREC], HOLDS),
        ("harmful", "docstrings", [IMDB, TREC], TURNED),
        ("worth it", "docstrings", [IMDB, AG], DIFFER),
        ("worth it", "ag-news", [IMDB, AG], TURNED),
        ("harmful", "ag-news", [IMDB, AG], HOLDS),
        ("worth it", "imdb", [IMDB, AG], HOLDS),
        ("not distinguished", "imdb", [IMDB, AG], UNTOLD),
        ("too few seeds", "imdb", [IMDB], UNTOLD),
    ],
)
def test_an_ordering_is_told_by_sign_and_verdict(
    verdict: str, dataset: str, row: list[dict[str, str]], said: str
) -> None:
    assert ordering(of(verdict), dataset, row) == said


def test_the_sheet_has_the_papers_difference_with_its_digits(study: Study) -> None:
    sheet = orderings_sheet(study)
    assert [column.heading for column in sheet.columns[2:4]] == ["Paper, IMDb", "Paper, TREC-6"]
    ((line,),) = sheet.groups
    texts = [cell.text for cell in line.cells]
    assert texts[:4] == ["docstrings", "No pretraining", "+0.63", "+4.98"]
    (row,) = [row for row in study.experiments[0].rows if row["variant"] == "no-pretraining"]
    assert float(line.cells[4].value) == float(row["difference"])


def test_a_study_without_a_row_of_the_paper_has_an_empty_sheet(study: Study) -> None:
    empty = replace(study, manifest={**study.manifest, "orderings": {}})
    assert not any(orderings_sheet(empty).groups)


def test_every_row_of_tables_4_to_7_is_in_the_manifest_of_the_papers_study() -> None:
    from ulmfit.config.published import published_orderings

    found = published_orderings(load_study(ROOT / "config/studies/paper.yaml"))
    printed = yaml.safe_load((ROOT / "config/published.yaml").read_text())
    wanted = {
        (variant, dataset, error)
        for name in ("table-4", "table-5", "table-6", "table-7")
        for dataset, errors in printed[name]["rows"].items()
        for variant, error in errors.items()
        if variant != "ulmfit"
    }
    assert wanted == {
        (variant, pair["dataset"], pair["error"]) for variant, row in found.items() for pair in row
    }
    assert {pair["ulmfit"] for row in found.values() for pair in row} == {"5.00", "5.69", "5.38"}
