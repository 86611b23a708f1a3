"""Every line of a table opens its runs, and what others wrote is shown without being obeyed."""

from __future__ import annotations

import csv
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from finished_study import finish

from ulmfit.report.dossiers import behind, dossiers, line_anchor
from ulmfit.report.foreign import LETTERS, LOG_LETTERS, LOG_LINES, log_tail, read_texts, visible
from ulmfit.report.results import Study, read_study
from ulmfit.report.sparks import sparks
from ulmfit.store.files import read_json
from ulmfit.store.tables import write_table

SCRIPT = "</blockquote><script>alert('document')</script><img src=x onerror=alert(1)> {{ 7 * 7 }}"
BIDI = "safe \u202e gnp.exe \u2066 \u200f \x1b[31m \x00"
LONG_WORD = "x" * 5000
MANY_TOKENS = "token " * 50_000
TEXTS = (SCRIPT, BIDI, LONG_WORD, MANY_TOKENS, "plain\r\ntext")
HOSTILE_LOG = "<script>alert('log')</script>\n" * 40 + "\x1b[1mend\u202e" + "y" * 5000


def hard_documents(results: Path, fold: str) -> list[str]:
    with open(results / "tables" / "hardest.csv", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["fold"] == fold]
    return list(dict.fromkeys(row["document"] for row in rows))


@pytest.fixture(scope="module")
def told(reported: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The invented study with hostile documents and logs; a sealed text for each test document."""
    results = tmp_path_factory.mktemp("told") / "synthetic"
    shutil.copytree(reported, results)
    shown, sealed = hard_documents(results, "report"), hard_documents(results, "test")
    texts = [TEXTS[index % len(TEXTS)] for index in range(len(shown))]
    texts += [f"text of the test fold {name}" for name in sealed]
    names = [*shown, *sealed, "never-shown"]
    write_table(
        results / "data/docstrings/documents.parquet",
        pd.DataFrame({"id": names, "label": "note", "text": [*texts, "text of another document"]}),
    )
    for run in read_json(results / "manifest.json")["runs"][:3]:
        log = results / "logs" / f"{run['path']}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text(HOSTILE_LOG)
    finish(results)
    return results


@pytest.fixture(scope="module")
def html(told: Path) -> str:
    return (told / "report/report.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def study(told: Path) -> Study:
    return read_study(told / "manifest.json", told / "tables")


class Tags(HTMLParser):
    """Start tags of a page, text by the element that it is in, and the ids around each id."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.inside: dict[str, list[str]] = {}
        self.open: list[str] = []
        self.folded: dict[str, int] = {}
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "br"):
            self.open.append(tag)
        if name := dict(attrs).get("id"):
            self.folded[name] = self.open.count("details")
        self.inside.setdefault(tag, []).append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open:
            self.inside[self.open[-1]][-1] += data


@pytest.fixture(scope="module")
def page(html: str) -> Tags:
    return Tags(html)


def test_every_line_of_every_table_leads_to_its_runs_and_these_back(
    study: Study, page: Tags
) -> None:
    links = [str(attributes["href"])[1:] for tag, attributes in page.tags if tag == "a"]
    for experiment in study.experiments:
        for row, line in zip(experiment.rows, behind(study, experiment), strict=True):
            assert line.anchor == line_anchor(experiment, row)
            # Once from the table, and once from each of its runs.
            assert links.count(line.anchor) == 1 + len(line.runs)
            assert len(line.runs) == int(row["seeds"])
            for run, _ in line.runs:
                assert run.anchor in links
                assert page.folded[run.anchor] == 2
            assert page.folded[line.anchor] == 2


def test_a_run_tells_what_its_line_counts(study: Study) -> None:
    for experiment in study.experiments:
        for row, line in zip(experiment.rows, behind(study, experiment), strict=True):
            wrong = [int(text.split(" of ")[0].replace(",", "")) for _, text in line.runs]
            mean = sum(wrong) / len(wrong) / int(row["n"])
            assert mean == pytest.approx(float(row["error"]), abs=1e-9)


def test_what_is_told_of_a_run_is_told_once(study: Study, told: Path, html: str) -> None:
    every = [item for _, group in dossiers(study, told) for item in group]
    manifest = study.manifest
    expected = [item["path"] for item in (*manifest["runs"], *manifest["language_models"])]
    assert sorted(item.path for item in every) == sorted(expected)
    assert len({item.anchor for item in every}) == len(every)
    assert html.count('<details class="run">') == len(every)
    model = next(item for item in every if item.path.startswith("clf/"))
    assert model.chain[0][1].anchor.startswith("recipe-classify-")
    assert f'id="{model.chain[0][1].anchor}"' in html
    ensemble = next(item for item in every if item.path.startswith("ensembles/"))
    assert len(ensemble.members) == 2
    assert all(f'id="{member.anchor}"' in html for member in ensemble.members)


def test_pairs_and_documents_are_those_of_the_tables(study: Study, told: Path) -> None:
    every = {item.path: item for _, group in dossiers(study, told) for item in group}
    with open(told / "tables" / "pairs.csv", newline="") as file:
        most = {(r["run"], r["fold"]): r for r in csv.DictReader(file) if r["rank"] == "1"}
    assert most
    for (run, fold), row in most.items():
        (shown,) = [item for item in every[run].folds if item.fold == fold]
        assert shown.pairs[0] == f"{row['count']} of {row['label']} taken for {row['predicted']}"
        names = [hard.document for hard in shown.documents]
        rows = [r for r in study.hardest if (r["run"], r["fold"]) == (run, fold)]
        assert names == [r["document"] for r in rows][: len(names)]
        assert len(names) == len(set(names)) == 5


def test_markup_in_documents_and_logs_is_shown_and_not_run(html: str, page: Tags) -> None:
    assert len(page.inside["script"]) == 1
    assert not [tag for tag, _ in page.tags if tag in ("img", "iframe", "link", "object")]
    assert not [key for _, attributes in page.tags for key in attributes if key.startswith("on")]
    assert any(SCRIPT in text for text in page.inside["blockquote"])
    assert any("<script>alert('log')</script>" in text for text in page.inside["pre"])
    assert "<script>alert" not in html


def test_hidden_and_turning_characters_are_named(html: str, page: Tags) -> None:
    assert not re.search("[\u202a-\u202e\u2066-\u2069\u200e\u200f\x00\x1b]", html)
    assert any("[U+202E] gnp.exe [U+2066]" in text for text in page.inside["blockquote"])
    assert any("[U+001B][1mend[U+202E]" in text for text in page.inside["pre"])
    assert visible("a\u200cb\u200d") == "a\u200cb\u200d"
    assert visible("a\r\nb\rc\td") == "a\nb\nc\td"


def test_long_documents_are_shortened_with_a_mark(html: str, page: Tags) -> None:
    assert max(len(text) for text in page.inside["blockquote"]) < LETTERS + 60
    assert "x" * (LETTERS + 1) not in html
    assert f"[{len(MANY_TOKENS) - LETTERS:,} more characters not shown]" in html
    assert f"[{len(LONG_WORD) - LETTERS:,} more characters not shown]" in html


def test_text_is_only_that_of_documents_that_the_study_shows(told: Path, html: str) -> None:
    assert "text of the test fold" in html
    assert "text of another document" not in html
    for path in (told / "tables").iterdir():
        assert "text of" not in path.read_text(encoding="utf-8").replace("the text of", "")
    study = read_study(told / "manifest.json", told / "tables")
    study.manifest["unsealed"].clear()  # type: ignore[attr-defined]
    texts = {
        hard.document: hard.text
        for _, group in dossiers(study, told)
        for item in group
        for shown in item.folds
        for hard in shown.documents
        if shown.fold == "test"
    }
    assert texts
    assert set(texts.values()) == {None}


def test_without_texts_and_logs_there_are_ids_and_a_word(reported: Path) -> None:
    html = (reported / "report/report.html").read_text(encoding="utf-8")
    assert "<blockquote" not in html
    assert "The texts are not among these files." in html
    assert "is not among these files." in html
    assert all(name in html for name in hard_documents(reported, "report")[:5])


def test_several_fields_of_text_are_one(tmp_path: Path) -> None:
    path = tmp_path / "documents.parquet"
    fields = {"id": ["a", "b"], "text_1": ["title", "no"], "text_2": ["body", None]}
    write_table(path, pd.DataFrame(fields))
    assert read_texts(path, ["a", "b", "c"]) == {"a": "title\n\nbody", "b": "no\n\n"}
    assert read_texts(tmp_path / "none.parquet", ["a"]) == {}


def test_of_a_log_the_end_is_shown(tmp_path: Path) -> None:
    path = tmp_path / "job.log"
    assert log_tail(path) is None
    path.write_text("")
    assert log_tail(path) == ""
    path.write_bytes(b"first\n" * 100_000 + b"\xff last " + b"z" * 1000 + b"\n")
    tail = str(log_tail(path)).split("\n")
    assert len(tail) == LOG_LINES
    assert tail[-1].startswith("\ufffd last zzz")
    assert tail[-1].endswith(f"[{7 + 1000 - LOG_LETTERS} more]")


def epoch(number: int, **values: Any) -> dict[str, str]:
    return {"kind": "classifier", "epoch": str(number), **{k: str(v) for k, v in values.items()}}


def test_small_curves_say_in_words_what_they_draw() -> None:
    rows = [
        epoch(1, train_error=0.6, select_error=""),
        epoch(2, train_error=0.4, select_error=0.5),
        epoch(3, train_error=0.2, select_error=0.55),
    ]
    (drawing,) = sparks(rows)
    assert (
        'aria-label="Error % by epoch. Held out: 50.0 at epoch 2, 55.0 at epoch 3, lowest 50.0 at '
        "epoch 2. Training: 60.0 at epoch 1, 20.0 at epoch 3, lowest 20.0 at epoch 3."
    ) in drawing
    assert drawing.count("<circle") == 2
    assert sparks([]) == []
    assert sparks([epoch(1, train_error="")]) == []
    assert sparks([epoch(1, train_error="inf")]) == []
    assert sparks([epoch(1, train_error=0.5)])
