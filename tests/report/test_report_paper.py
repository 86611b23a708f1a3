"""The paper: equal files give equal bytes, data are never markup, nothing leaves its column."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from crowded_study import HOSTILE

from ulmfit.errors import UserError
from ulmfit.report.findings import findings
from ulmfit.report.layout import Cell, Column, Line, Sheet
from ulmfit.report.paper import make_paper
from ulmfit.report.paper_content import LABELS, paper_content
from ulmfit.report.results import read_study
from ulmfit.report.sheets import experiment_sheet
from ulmfit.report.typesetting import printable, typeset
from ulmfit.store.files import read_json, write_json

MARKUP = '#panic("x") *b* _i_ $x^2$ <lab> @ref `raw` // c /* = H - l + e [x] \\ #{1}'
LONG = "Donaudampfschifffahrtselektrizitaetenhauptbetriebswerkbauunterbeamtengesellschaft"
reads_pdf = pytest.mark.skipif(
    shutil.which("pdftotext") is None, reason="pdftotext of poppler is not there"
)
LEFT, RIGHT, BOTTOM = 45.6, 595.28 - 45.6, 842 - 20
OVERHANG = 2.0
"""Points by which punctuation may stand in the margin."""


def paper(results: Path) -> Path:
    return make_paper(results / "manifest.json", results, results / "report" / "paper.pdf")


def content_of(results: Path, figures: tuple[Any, ...] = ()) -> dict[str, Any]:
    study = read_study(results / "manifest.json", results / "tables", partial=True)
    return paper_content(study, results, read_json(results / "provenance.json"), figures)


def blocks(content: dict[str, Any], kind: str) -> Iterator[dict[str, Any]]:
    for section in (*content["sections"], *content["appendix"]):
        yield from (block for block in section["blocks"] if block["kind"] == kind)


def words(pdf: Path) -> list[tuple[float, float, float, float, str]]:
    """Left, top, right, bottom in points and text of every word."""
    done = subprocess.run(["pdftotext", "-bbox", pdf, "-"], capture_output=True, check=True)
    found = re.findall(
        r'<word xMin="([\d.-]+)" yMin="([\d.-]+)" xMax="([\d.-]+)" yMax="([\d.-]+)">(.*)</word>',
        done.stdout.decode(errors="replace"),
    )
    return [(*map(float, word[:4]), word[4]) for word in found]  # type: ignore[misc]


def shown(pdf: Path) -> str:
    done = subprocess.run(["pdftotext", "-raw", pdf, "-"], capture_output=True, check=True)
    return done.stdout.decode(errors="replace").replace("\N{ZERO WIDTH SPACE}", "")


@pytest.fixture(scope="module")
def pdf(reported: Path) -> Path:
    return paper(reported)


@pytest.fixture(scope="module")
def crowded_pdf(crowded: Path) -> Path:
    return paper(crowded)


def test_equal_files_give_equal_bytes_wherever_they_lie(
    pdf: Path, reported: Path, tmp_path: Path
) -> None:
    copy = Path(shutil.copytree(reported, tmp_path / "another name"))
    assert paper(copy).read_bytes() == pdf.read_bytes()
    assert b"CreationDate" not in pdf.read_bytes()


@pytest.mark.skipif(shutil.which("pdffonts") is None, reason="pdffonts of poppler is not there")
def test_every_font_is_embedded(pdf: Path, crowded_pdf: Path) -> None:
    for each in (pdf, crowded_pdf):
        done = subprocess.run(["pdffonts", each], capture_output=True, text=True, check=True)
        lines = done.stdout.splitlines()[2:]
        assert lines
        for line in lines:
            assert re.search(r"Identity-H +yes yes yes", line), line


def test_tables_are_those_of_the_other_reports(reported: Path) -> None:
    study = read_study(reported / "manifest.json", reported / "tables")
    sheets = {
        block["sheet"]["id"]: block["sheet"] for block in blocks(content_of(reported), "table")
    }
    for experiment in study.experiments:
        sheet = experiment_sheet(experiment)
        set_lines = [
            [cell["text"] for cell in line["cells"]]
            for group in sheets[f"table-{experiment.name}"]["groups"]
            for line in group
        ]
        lines = [[cell.text for cell in line.cells] for group in sheet.groups for line in group]
        assert set_lines == lines


def test_sentences_are_those_of_the_other_reports(reported: Path) -> None:
    study = read_study(reported / "manifest.json", reported / "tables")
    said = " ".join(block["text"] for block in blocks(content_of(reported), "finding"))
    found = findings(study.experiments, study.crossings)
    assert found
    assert any(finding.crossings for finding in found)
    for finding in found:
        assert finding.lead in said
        assert " ".join(finding.crossings) in said
        for comparison in finding.comparisons:
            assert "; ".join(comparison.clauses) in said


def test_the_abstract_counts_the_verdicts_of_the_tables(reported: Path) -> None:
    study = read_study(reported / "manifest.json", reported / "tables")
    said: dict[Any, set[str]] = {}
    for item in study.experiments:
        for row in item.rows:
            if row["difference"]:
                said.setdefault((item.fold, item.paths(row)), set()).add(row["verdict"])
    # Tables correct p each for itself: of two verdicts the one that claims nothing counts.
    verdicts = [
        min(each, key=lambda verdict: verdict != "not distinguished") for each in said.values()
    ]
    assert any(len(each) > 1 for each in said.values())
    (sentence,) = [
        block["text"]
        for block in content_of(reported)["abstract"]
        if block["text"].startswith("Of ")
    ]
    assert sentence.startswith(f"Of {len(verdicts)} distinct comparisons")
    for here, there in (("better", "worse"), ("worse", "better")):
        if there in verdicts:
            assert f"{here} in {verdicts.count(there)}" in sentence


def test_the_abstract_says_with_how_many_labels_the_reference_is_as_good(reported: Path) -> None:
    study = read_study(reported / "manifest.json", reported / "tables")
    (row,) = [
        row
        for row in study.crossings
        if row["statement"] and row["title"] == "ULMFiT" and row["of_n_labelled"] == "2000"
    ]
    (block,) = [block for block in content_of(reported)["abstract"] if block.get("label") == LABELS]
    assert row["high"]
    assert block["text"] == row["statement"]


def test_a_text_of_installed_packages_is_cited_by_them(reported: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(reported, tmp_path / "study"))

    def citation() -> list[str]:
        found = [block["text"] for block in blocks(content_of(copy), "labelled")]
        return [text for text in found if text.startswith("Citation")]

    assert all(text.startswith("Citation: none is registered.") for text in citation())
    source = copy / read_json(copy / "manifest.json")["texts"]["docstrings"]["source"]
    write_json(source, {**read_json(source), "distributions": {"numpy": "2.4.6", "scipy": "1.17"}})
    assert any(
        "nothing beyond the installed packages whose documentation the text is: numpy 2.4.6 and "
        "scipy 1.17." in text
        for text in citation()
    )


def test_published_errors_stand_beside_ours(reported: Path) -> None:
    (sheet,) = [
        block["sheet"]
        for block in blocks(content_of(reported), "table")
        if block["sheet"]["title"] == "Published errors beside ours"
    ]
    printed = {line["cells"][1]["text"]: line["cells"][6]["text"] for line in sheet["groups"][0]}
    assert printed == {"ULMFiT (forward)": "5.00", "From scratch (forward)": "9.93"}
    assert "the 95 % interval of the difference holds zero" in sheet["notes"][0]


def test_missing_tables_lines_and_figures_are_named_and_the_paper_is_made(
    reported: Path, tmp_path: Path
) -> None:
    copy = Path(shutil.copytree(reported, tmp_path / "study"))
    (copy / "tables" / "ensembles.csv").unlink()
    (copy / "tables" / "leakage.csv").unlink()
    shutil.rmtree(copy / "figures")
    content = content_of(copy)
    missing = [block["text"] for block in blocks(content, "gap")]
    assert len([text for text in missing if "make the tables again" in text]) == 3
    assert any(block["kind"] == "gap" for block in content["abstract"])
    assert paper(copy).read_bytes().startswith(b"%PDF")


def test_changed_files_beside_the_commit_are_said(reported: Path) -> None:
    study = read_study(reported / "manifest.json", reported / "tables")
    provenance = read_json(reported / "provenance.json")
    provenance["code"] = {"commit": "0123abcd", "dirty": True}
    content = paper_content(study, reported, provenance, ())
    assert any("differ from commit 0123abcd" in block["text"] for block in blocks(content, "gap"))


def test_a_study_without_provenance_is_one_clear_line(reported: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(reported, tmp_path / "study"))
    (copy / "provenance.json").unlink()
    with pytest.raises(UserError, match=r"provenance\.json: no such file"):
        paper(copy)


def test_a_figure_that_is_listed_and_not_there_is_one_clear_line(
    reported: Path, tmp_path: Path
) -> None:
    copy = Path(shutil.copytree(reported, tmp_path / "study"))
    (copy / "figures" / "perplexity.svg").unlink()
    with pytest.raises(UserError, match=r"perplexity\.svg: no such file: make the figures"):
        paper(copy)


@reads_pdf
def test_markup_in_titles_is_shown_and_not_run(crowded_pdf: Path) -> None:
    assert "".join(HOSTILE.split()) in "".join(shown(crowded_pdf).split())


@reads_pdf
def test_nothing_leaves_the_page(pdf: Path, crowded_pdf: Path) -> None:
    for each in (pdf, crowded_pdf):
        found = words(each)
        assert len(found) > 500
        for left, _, right, bottom, text in found:
            assert left >= LEFT - OVERHANG, text
            assert right <= RIGHT + OVERHANG, text
            assert bottom <= BOTTOM, text


def document(*sheets: Sheet) -> dict[str, Any]:
    """A document with hostile text at every place."""
    from ulmfit.report.paper_content import _table

    tables = [_table(sheet) for sheet in sheets]
    text = {"kind": "text", "text": f"{MARKUP} {LONG}"}
    labelled = {"kind": "labelled", "label": MARKUP, "text": LONG}
    body = [
        {"kind": "gap", "text": MARKUP},
        {"kind": "list", "items": [MARKUP, LONG]},
        {"kind": "references", "items": [MARKUP]},
        {"kind": "facts", "lines": [[MARKUP, LONG]]},
        {"kind": "finding", "label": MARKUP, "text": MARKUP},
    ]
    return {
        "title": MARKUP,
        "facts": [[MARKUP, LONG]],
        "footer": MARKUP,
        "abstract": [text, labelled],
        "sections": [{"heading": MARKUP, "level": 1, "blocks": [*body, *tables[:1]]}],
        "appendix": [{"heading": MARKUP, "level": 2, "blocks": tables[1:]}],
    }


def matrix(name: str, classes: int) -> Sheet:
    """A table that is wider and taller than a page, with names that do not fit a column."""
    columns = (Column("Label"), *(Column(f"{LONG} {place}", True) for place in range(classes)))
    lines = tuple(
        Line(
            (
                Cell(f"{LONG}{row}"),
                *(Cell(f"{row * place:,}", share=0.5) for place in range(classes)),
            )
        )
        for row in range(classes)
    )
    return Sheet(name, MARKUP, MARKUP, columns, (lines,), notes=(MARKUP,))


@reads_pdf
def test_wide_and_tall_tables_are_split_and_every_number_is_on_a_page(tmp_path: Path) -> None:
    pdf = typeset(document(matrix("a", 16), matrix("b", 16)), [], tmp_path / "wide.pdf")
    found = words(pdf)
    for left, _, right, bottom, text in found:
        assert left >= LEFT - OVERHANG, text
        assert right <= RIGHT + OVERHANG, text
        assert bottom <= BOTTOM, text
    numbers = [word[4] for word in found]
    for row in range(2, 16):
        for place in range(2, 16):
            assert numbers.count(str(row * place)) >= 2, row * place
    text = "".join(shown(pdf).split())
    assert text.count("".join(MARKUP.split())) >= 10


def test_a_table_of_one_page_has_the_bytes_it_had(tmp_path: Path) -> None:
    first = typeset(document(matrix("a", 3)), [], tmp_path / "first.pdf").read_bytes()
    second = typeset(document(matrix("a", 3)), [], tmp_path / "second.pdf").read_bytes()
    assert first == second


@pytest.mark.parametrize(
    ("text", "set_as"),
    [
        ("plain text, é Ж ب → †", "plain text, é Ж ب → †"),
        ("中", "[U+4E2D]"),
        ("a\u202eb", "a[U+202E]b"),
        ("a\x00b", "a[U+0000]b"),
        ("a\tb\u2028c", "a b c"),
    ],
)
def test_signs_without_a_picture_are_named(text: str, set_as: str) -> None:
    assert printable(text) == set_as


def test_long_words_may_break_and_keep_their_signs() -> None:
    for word in (LONG, "clf/docstrings/library-docs/word/fwd/ulmfit", "x" * 500):
        set_as = printable(word)
        assert set_as.replace("\N{ZERO WIDTH SPACE}", "") == word
        assert max(map(len, set_as.split("\N{ZERO WIDTH SPACE}"))) <= 17
    assert printable("short words stay") == "short words stay"
