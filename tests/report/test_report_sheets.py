"""What a table says about itself beside its numbers."""

from __future__ import annotations

from dataclasses import replace

import pytest

from synthetic_results import SyntheticResults
from ulmfit.report.findings import findings
from ulmfit.report.limits import limits, sealed_fold_statement
from ulmfit.report.results import Study, read_study
from ulmfit.report.sheets import experiment_sheet, fold_remark

PROVENANCE = {
    "test_evaluations": {"total": 0, "runs": {}},
    **{"devices": [], "commits": [], "versions": [], "code": {"commit": None, "dirty": None}},
}


@pytest.fixture
def study(synthetic_results: SyntheticResults) -> Study:
    return read_study(synthetic_results.manifest, synthetic_results.tables)


def test_a_fold_that_also_chose_is_said_in_caption_and_limits(study: Study) -> None:
    first, *others = study.experiments
    assert "The same fold chose" not in experiment_sheet(first).caption
    assert not any("One fold both chose" in text for text in limits(study, PROVENANCE))
    one = replace(first, fold="select")
    assert "The same fold chose" in experiment_sheet(one).caption
    told = replace(study, experiments=(one, *others))
    (text,) = (text for text in limits(told, PROVENANCE) if "One fold both chose" in text)
    assert one.title in text
    assert "comparisons with rows that chose nothing favour them" in text


def test_what_was_chosen_on_the_fold_shown_is_named_and_who_chose_nothing(study: Study) -> None:
    ensembles = replace(study.experiments[1], fold="select")
    first, second, third = (row["cell"] for row in ensembles.rows)

    def said(*choices: list[str]) -> str:
        cells = {
            name: {**ensembles.cells[name], "chooses": list(chosen)}
            for name, chosen in zip((first, second, third), choices, strict=True)
        }
        return fold_remark(replace(ensembles, cells=cells))

    assert said([], ["epoch"], ["epoch", "weights"]) == (
        "The same fold chose epochs and the weights of ensembles, so errors of those rows are too "
        "low. ULMFiT chose nothing on it, while the other rows kept their best epoch, "
        "which favours them."
    )
    assert "chose the settings of baselines, so" in said([], ["settings"], [])
    assert "nothing" not in said(["epoch"], ["candidate"], ["settings"])
    assert said([], [], []).endswith("no row chose anything.")
    # The findings say it too.
    one = replace(study.experiments[0], fold="select")
    assert all(finding.lead.startswith(fold_remark(one)) for finding in findings([one]))
    assert not fold_remark(study.experiments[0])


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


def test_published_errors_are_printed_as_in_the_paper_and_say_of_which_documents(
    study: Study,
) -> None:
    first = study.experiments[0]
    name = next(row["cell"] for row in first.rows if row["published"])
    cells = {**first.cells, name: {**first.cells[name], "published": "8.2"}}
    (shown,) = (
        cell.text
        for group in experiment_sheet(replace(first, cells=cells)).groups
        for line in group
        for cell in line.cells
        if cell.text == "8.2"
    )
    assert shown == "8.2"
    notes = " ".join(experiment_sheet(first).notes)
    assert "error of the paper on its own division of this data set" in notes
    notes = " ".join(experiment_sheet(replace(first, fold="test")).notes)
    assert "error of the paper on the test set" in notes
    assert "its own division" not in notes


def test_published_errors_stand_beside_their_interval_and_whether_ours_may_be_the_same(
    study: Study,
) -> None:
    sheet = experiment_sheet(study.experiments[0])
    head = [column.heading for column in sheet.columns]
    lines = [line for group in sheet.groups for line in group]
    place = head.index("Published %")
    assert head[place + 1 :] == ["Published interval", "Reproduced"]
    shown = {line.cells[head.index("Variant")].text: line.cells[place:] for line in lines}
    # 5 % of 2,500 documents; the invented errors are several times as many.
    assert [cell.text for cell in shown["ULMFiT"]] == ["5.00", "[4.2,\N{NO-BREAK SPACE}5.9]", "no"]
    assert [cell.text for cell in shown["No pretraining"]] == ["", "", ""]


def test_where_no_number_of_documents_would_do_the_seeds_are_asked_for(study: Study) -> None:
    first = study.experiments[0]
    rows = tuple(
        {**row, "n_needed": "", "seeds_needed": "8"} if row["difference"] else row
        for row in first.rows
    )
    sheet = experiment_sheet(replace(first, rows=rows))
    place = [column.heading for column in sheet.columns].index("n needed")
    shown = [line.cells[place].text for group in sheet.groups for line in group]
    assert shown == ["8 seeds" if row["difference"] else "" for row in rows]


def test_errors_that_the_paper_quotes_stand_in_a_note(study: Study) -> None:
    quoted = (
        {"dataset": "imdb", "title": "CoVe (McCann et al. 2017)", "error": "8.2"},
        {"dataset": "trec6", "title": "TBCNN (Mou et al. 2015)", "error": "4.0"},
    )
    notes = experiment_sheet(replace(study.experiments[0], quoted=quoted)).notes
    assert (
        "The paper quotes, on imdb: CoVe (McCann et al. 2017) 8.2 %; "
        "on trec6: TBCNN (Mou et al. 2015) 4.0 %."
    ) in notes


def test_mixed_versions_and_changed_code_are_said(study: Study) -> None:
    versions = [{"versions": {"torch": "2"}, "jobs": 1}, {"versions": {"torch": "2"}, "jobs": 3}]
    clean = limits(study, {**PROVENANCE, "versions": versions})
    assert not any("version" in text or "differs from its commit" in text for text in clean)
    versions[1] = {"versions": {"torch": "3", "scikit-learn": "1"}, "jobs": 3}
    changed = {"commit": "a" * 40, "dirty": True}
    told = limits(study, {**PROVENANCE, "versions": versions, "code": changed})
    assert any("more than one version of torch;" in text for text in told)
    assert any("differs from its commit" in text for text in told)
