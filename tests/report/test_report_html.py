"""The report needs nothing but itself, trusts nothing it shows, and changes no number."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from crowded_study import HOSTILE, VARIANTS
from finished_study import finish, keep_known_rows

from synthetic_results import SyntheticResults, write_synthetic_results
from ulmfit.errors import UserError
from ulmfit.report.html import make_report
from ulmfit.report.results import read_study
from ulmfit.report.svg import inline_svg
from ulmfit.report.tables import standing_alone
from ulmfit.store.files import read_json, write_json

LOADING = {"img", "link", "iframe", "object", "embed", "audio", "video", "source", "base", "form"}
VOID = {"meta", "br", "link", "img", "input", "hr", "base", "embed", "source"}


@dataclass
class Table:
    """One table of a page: text and ``data-value`` of every body cell."""

    name: str | None
    head: list[str] = field(default_factory=list)
    rows: list[list[tuple[str, str | None]]] = field(default_factory=list)
    caption: str = ""


class Page(HTMLParser):
    """A page taken apart: tags with attributes, ids, texts, tables; nesting is checked."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.tables: list[Table] = []
        self.text = ""
        self.scripts: list[str] = []
        self.open: list[str] = []
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        self.tags.append((tag, attributes))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "table":
            self.tables.append(Table(attributes.get("id")))
        elif tag == "script":
            self.scripts.append("")
        elif tag == "tr" and "tbody" in self.open:
            self.tables[-1].rows.append([])
        elif tag in ("td", "th") and "tbody" in self.open:
            self.tables[-1].rows[-1].append(("", attributes.get("data-value")))
        elif tag == "th":
            self.tables[-1].head.append("")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "script" in self.open:
            self.scripts[-1] += data
        elif "style" not in self.open:
            self.text += data
        if "caption" in self.open:
            self.tables[-1].caption += data
        elif "tbody" in self.open and {"td", "th"} & set(self.open):
            text, value = self.tables[-1].rows[-1][-1]
            self.tables[-1].rows[-1][-1] = (text + data, value)
        elif "thead" in self.open and "th" in self.open:
            self.tables[-1].head[-1] += data


@pytest.fixture(scope="module")
def html(reported: Path) -> str:
    return (reported / "report" / "report.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(html: str) -> Page:
    return Page(html)


@pytest.fixture(scope="module")
def crowded_html(crowded: Path) -> str:
    return (crowded / "report" / "report.html").read_text(encoding="utf-8")


def test_the_page_loads_nothing(html: str, page: Page) -> None:
    assert not LOADING & {tag for tag, _ in page.tags}
    for tag, attributes in page.tags:
        for key, value in attributes.items():
            if key in ("src", "href", "srcset", "data", "poster", "action", "xlink:href"):
                citation = tag == "a" and str(value).startswith("https://aclanthology.org/")
                assert citation or str(value).startswith("#"), (tag, key, value)
    style = html.partition("<style>")[2].partition("</style>")[0]
    assert "@import" not in style
    assert not re.findall(r"url\((?!#)", html)
    policy = next(a["content"] for t, a in page.tags if t == "meta" and "http-equiv" in a)
    assert policy is not None
    assert "default-src 'none'" in policy


def test_every_link_and_reference_leads_somewhere_and_ids_are_unique(
    page: Page, crowded_html: str
) -> None:
    for each in (page, Page(crowded_html)):
        ids = [a["id"] for _, a in each.tags if "id" in a]
        assert len(ids) == len(set(ids))
        references = [str(a["href"])[1:] for _, a in each.tags if str(a.get("href"))[:1] == "#"]
        for _, attributes in each.tags:
            for value in attributes.values():
                references += re.findall(r"url\(#([^)]*)\)", value or "")
        assert references
        assert set(references) <= set(ids)


def test_markup_in_titles_and_texts_is_shown_and_not_run(crowded_html: str) -> None:
    page = Page(crowded_html)
    assert "<script>alert" not in crowded_html
    assert len(page.scripts) == 1
    assert "sortable" in page.scripts[0]
    assert page.text.count(HOSTILE) >= 5
    assert not [key for _, attributes in page.tags for key in attributes if key.startswith("on")]


def test_the_policy_allows_exactly_the_script_of_the_page(page: Page) -> None:
    import base64
    import hashlib

    digest = base64.b64encode(hashlib.sha256(page.scripts[0].encode()).digest()).decode()
    policy = next(a["content"] for t, a in page.tags if t == "meta" and "http-equiv" in a)
    assert f"script-src 'sha256-{digest}'" in str(policy)


@pytest.mark.parametrize("name", ["main", "low-shot", "sealed"])
def test_numbers_equal_the_csv(reported: Path, page: Page, name: str) -> None:
    with open(reported / "tables" / f"{name}.csv", newline="") as file:
        expected = list(csv.DictReader(file))
    (table,) = [item for item in page.tables if item.name == f"table-{name}"]
    assert len(table.rows) == len(expected)
    column = {heading: index for index, heading in reversed(list(enumerate(table.head)))}
    second = len(table.head) - 1 - table.head[::-1].index("95 % interval")
    for row, want in zip(table.rows, expected, strict=True):
        for heading, key in (
            ("n", "n"),
            ("Error %", "error"),
            ("Difference", "difference"),
            ("p (Holm)", "p_holm"),
        ):
            assert (row[column[heading]][1] or "") == want[key]
        error = row[column["Error %"]][0]
        assert float(error) == pytest.approx(100 * float(want["error"]), abs=0.0501)
        _check_interval(row[column["95 % interval"]][0], want, "error")
        if want["difference"]:
            _check_interval(row[second][0], want, "difference")
            assert row[column["Verdict"]][0] == want["verdict"]
        else:
            assert row[column["Verdict"]][0] == "reference"


def _check_interval(text: str, want: dict[str, str], name: str) -> None:
    bounds = [float(part) for part in text.replace("−", "-").strip("[]").split(",")]
    for bound, end in zip(bounds, ("low", "high"), strict=True):
        assert bound == pytest.approx(100 * float(want[f"{name}_{end}"]), abs=0.0501)


def test_every_run_of_the_csv_is_listed(reported: Path, page: Page) -> None:
    with open(reported / "tables" / "runs.csv", newline="") as file:
        expected = {(row["path"], row["fold"], row["errors"]) for row in csv.DictReader(file)}
    (table,) = [item for item in page.tables if item.name == "table-runs"]
    places = [table.head.index(name) for name in ("Folder", "Fold", "Errors")]
    assert {tuple(row[place][1] for place in places) for row in table.rows} == expected


@pytest.mark.parametrize("name", ["measures", "costs", "crossings"])
def test_the_tables_of_all_experiments_are_on_the_page(
    reported: Path, page: Page, name: str
) -> None:
    study = read_study(reported / "manifest.json", reported / "tables")
    sheet = {item.name: item for item in standing_alone(study)}[name]
    (table,) = [item for item in page.tables if item.name == f"table-{name}"]
    lines = [line for group in sheet.groups for line in group]
    assert table.head == [item.heading for item in sheet.columns]
    assert [[text for text, _ in row] for row in table.rows] == [
        [cell.text for cell in line.cells] for line in lines
    ]
    assert lines


def test_what_is_said_of_crossings_is_among_the_findings(reported: Path, html: str) -> None:
    study = read_study(reported / "manifest.json", reported / "tables")
    findings = html[html.index('id="findings"') : html.index('id="experiments"')]
    said = [row["statement"] for row in study.crossings if row["statement"]]
    assert said
    assert [statement for statement in said if f"<li>{statement}</li>" not in findings] == []


def test_every_table_has_a_caption_and_every_figure_too(page: Page) -> None:
    assert all(table.caption.strip() for table in page.tables)
    tags = [tag for tag, attributes in page.tags if attributes.get("class") != "spark"]
    assert tags.count("figure") == tags.count("figcaption") == tags.count("svg") == 16


def test_a_verdict_is_a_word_and_a_colour(page: Page) -> None:
    classes = {str(a["class"]) for _, a in page.tags if "verdict" in str(a.get("class"))}
    assert classes == {"verdict better", "verdict worse", "verdict open", "verdict reference"}


def test_the_sections_of_a_paper_are_there(page: Page) -> None:
    headings = [
        "What was asked",
        "Key findings",
        "Experiments",
        "Language models",
        "Learning curves",
        "Data",
        "Method",
        "Test fold",
        "Limits",
        "Cost",
        "Provenance",
        "All runs",
    ]
    assert [heading for heading in headings if heading not in page.text] == []
    for fact in (
        "pretraining used one seed",
        "Synthetic CPU",
        "library-docs",
        "0" * 64,
        "0123456789",
    ):
        assert fact in page.text


def test_confusion_of_the_reference_is_counted_and_shaded(reported: Path, page: Page) -> None:
    with open(reported / "tables" / "confusion.csv", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["experiment"] == "main"]
    (cell,) = read_json(reported / "manifest.json")["experiments"][0]["reference"].values()
    expected = {(r["label"], r["predicted"]): r["count"] for r in rows if r["cell"] == cell}
    table = next(item for item in page.tables if "predicted class" in item.caption)
    shown = {
        (row[0][0], name): text.replace(",", "")
        for row in table.rows
        for name, (text, _) in zip(table.head[1:], row[1:], strict=True)
    }
    assert shown == expected
    shares = [str(a["style"]) for t, a in page.tags if t == "td" and "style" in a]
    assert all(0 <= float(share.partition(":")[2]) <= 1 for share in shares)


def test_two_runs_give_equal_bytes(html: str, reported: Path, tmp_path: Path) -> None:
    again = make_report(reported / "manifest.json", reported, tmp_path / "again.html")
    assert again.read_text(encoding="utf-8") == html


def test_the_method_names_what_a_variant_changes(crowded_html: str) -> None:
    (table,) = [item for item in Page(crowded_html).tables if "against ULMFiT" in item.caption]
    changed = {row[0][0]: [cell[0] for cell in row[1:]] for row in table.rows}
    expected = ["classifier", "optimizer.layer_decay", "1.0", "1.4"]
    assert changed["Chain-thawDoes chain-thaw."] == expected
    assert len(changed) == len(VARIANTS) - 1


def _without_baseline(manifest: dict[str, Any]) -> None:
    manifest["runs"] = [run for run in manifest["runs"] if run["kind"] != "baseline"]
    for experiment in manifest["experiments"]:
        cells = experiment["cells"]
        experiment["cells"] = [cell for cell in cells if cell["kind"] != "baseline"]


def _without_reference(manifest: dict[str, Any]) -> None:
    for experiment in manifest["experiments"]:
        experiment["reference"] = None


def _only_one_size(manifest: dict[str, Any]) -> None:
    manifest["experiments"] = manifest["experiments"][:1]


def _no_language_model(manifest: dict[str, Any]) -> None:
    manifest["language_models"] = []


def _no_text(manifest: dict[str, Any]) -> None:
    manifest["texts"] = {}


def _no_description(manifest: dict[str, Any]) -> None:
    del manifest["description"], manifest["config"]


@pytest.mark.parametrize(
    "changes",
    [
        (_without_baseline, _no_text, _no_description),
        (_without_reference, _only_one_size),
        (_no_language_model,),
    ],
)
def test_what_is_missing_is_left_out(
    changed: Callable[..., Path],
    changes: tuple[Callable[[dict[str, Any]], None], ...],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("ulmfit.report.drawing.RESOLUTION", 20)
    results = changed(*changes)
    keep_known_rows(results)
    page = Page(finish(results).read_text(encoding="utf-8"))
    assert all(table.caption.strip() for table in page.tables)
    assert "None" not in page.text


def test_a_sealed_test_fold_and_absent_cards_are_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ulmfit.report.drawing.RESOLUTION", 20)
    results = write_synthetic_results(tmp_path / "synthetic", seeds=1, documents=60).results
    manifest = read_json(results / "manifest.json")
    manifest["experiments"] = manifest["experiments"][:2]
    write_json(results / "manifest.json", manifest)
    for path in results.rglob("card.json"):
        path.unlink()
    for path in results.rglob("metrics.json"):
        if path.parent.name == "test":
            path.unlink()
        else:
            write_json(path, {**read_json(path), "training": None})
    page = Page(finish(results).read_text(encoding="utf-8"))
    assert "The test fold is sealed" in page.text
    assert "not among its results" in page.text
    assert "1†" in page.text


def test_figures_that_were_not_made_are_named(
    synthetic_results: SyntheticResults, reported: Path, tmp_path: Path
) -> None:
    (tmp_path / "tables").symlink_to(synthetic_results.tables)
    for name in ("provenance.json", "manifest.json"):
        (tmp_path / name).write_bytes((reported / name).read_bytes())
    with pytest.raises(UserError, match=r"figures\.json"):
        make_report(tmp_path / "manifest.json", reported, tmp_path / "report.html")


def test_a_foreign_svg_loses_everything_but_its_drawing(tmp_path: Path) -> None:
    path = tmp_path / "figure.svg"
    path.write_text(
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        'width="10" onload="alert(1)"><script>alert(2)</script><!-- note -->'
        "<style>*{color:red}</style><foreignObject><p>x</p></foreignObject>"
        '<g id="a" onclick="alert(3)" style="fill: url(https://example.org/x)">'
        '<use xlink:href="https://example.org/x#y"/><use xlink:href="#a"/>'
        '<path d="M 0 0" style="fill: #0072B2" clip-path="url(#a)"/></g></svg>'
    )
    assert inline_svg(path, "one", 'a "title"') == (
        '<svg width="10" role="img" aria-label="a &quot;title&quot;"><g id="one-a"><use/>'
        '<use href="#one-a"/><path d="M 0 0" style="fill: var(--series-0)" '
        'clip-path="url(#one-a)"/></g></svg>'
    )


def test_a_damaged_svg_is_named(tmp_path: Path) -> None:
    path = tmp_path / "figure.svg"
    path.write_text("<svg")
    with pytest.raises(UserError, match=r"figure\.svg is not SVG"):
        inline_svg(path, "one", "title")
    path.write_text("<html/>")
    with pytest.raises(UserError, match="is not SVG"):
        inline_svg(path, "one", "title")
