"""What a table says about itself beside its numbers."""

from __future__ import annotations

from dataclasses import replace

import pytest

from synthetic_results import SyntheticResults
from ulmfit.report.limits import limits, sealed_fold_statement
from ulmfit.report.results import Study, read_study
from ulmfit.report.sheets import experiment_sheet

PROVENANCE = {"test_evaluations": {"total": 0, "runs": {}}, "devices": [], "commits": []}


@pytest.fixture
def study(synthetic_results: SyntheticResults) -> Study:
    return read_study(synthetic_results.manifest, synthetic_results.tables)


def test_a_fold_that_also_chose_is_said_in_caption_and_limits(study: Study) -> None:
    first, *others = study.experiments
    assert "The same fold chose" not in experiment_sheet(first).caption
    assert not any("One fold both chose" in text for text in limits(study, PROVENANCE))
    one = replace(first, fold="select")
    caption = experiment_sheet(one).caption
    assert "The same fold chose epochs" in caption
    # Who gains by it: a row that keeps its best epoch, not one that keeps its last.
    assert "Rows that stop early show the lowest error of all their epochs" in caption
    assert "such as the paper's ULMFiT, is understated" in caption
    told = replace(study, experiments=(one, *others))
    (text,) = (text for text in limits(told, PROVENANCE) if "One fold both chose" in text)
    assert one.title in text
    assert "errors of rows that stop early are too low and the lead of rows that do not" in text


def test_rows_whose_models_have_read_the_test_text_are_named(study: Study) -> None:
    first, *others = study.experiments
    assert not first.readers_of_test_text()
    name = first.rows[0]["cell"]
    cells = {**first.cells, name: {**first.cells[name], "reads_test_text": True}}
    reader = replace(first, cells=cells)
    title = first.cells[name]["title"]
    (note,) = (note for note in experiment_sheet(reader).notes if "have read the text" in note)
    assert note.endswith(f"never their labels: {title}.")
    told = replace(study, experiments=(reader, *others))
    assert sealed_fold_statement(told, PROVENANCE).endswith(f"never its labels: {title}.")


def test_errors_that_the_paper_quotes_stand_in_a_note(study: Study) -> None:
    quoted = (
        {"dataset": "imdb", "title": "CoVe (McCann et al. 2017)", "error": 8.2},
        {"dataset": "trec6", "title": "TBCNN (Mou et al. 2015)", "error": 4.0},
    )
    notes = experiment_sheet(replace(study.experiments[0], quoted=quoted)).notes
    assert (
        "The paper quotes, on imdb: CoVe (McCann et al. 2017) 8.20 %; "
        "on trec6: TBCNN (Mou et al. 2015) 4.00 %."
    ) in notes
