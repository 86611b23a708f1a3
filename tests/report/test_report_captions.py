"""Captions for Snakemake's report say seeds and n, and no title is taken for a template."""

from __future__ import annotations

import re
from html import unescape
from pathlib import Path

import jinja2
import pytest
from crowded_study import HOSTILE
from docutils.core import publish_parts

from ulmfit.report.captions import escape
from ulmfit.store.files import read_json


def shown(caption: str) -> str:
    """A caption as Snakemake makes it: a template, then reStructuredText."""
    text = jinja2.Environment(trim_blocks=True, lstrip_blocks=True).from_string(caption).render()
    return str(publish_parts(text, writer="html", settings_overrides={"report_level": 1})["body"])


def test_each_table_and_figure_has_a_caption_with_seeds_and_documents(reported: Path) -> None:
    folder = reported / "report" / "captions"
    manifest = read_json(reported / "manifest.json")
    figures = [entry["name"] for entry in read_json(reported / "figures" / "figures.json")]
    names = {item["name"] for item in manifest["experiments"]} | set(figures)
    assert {path.stem for path in folder.iterdir()} == names
    for path in folder.iterdir():
        html = shown(path.read_text(encoding="utf-8"))
        assert "system-message" not in html
        assert "seed" in html
    for item in manifest["experiments"]:
        html = shown((folder / f"{item['name']}.rst").read_text(encoding="utf-8"))
        assert re.search(r"n\s=\s[\d,]+ documents, \d", html)


@pytest.mark.parametrize(
    "text",
    [
        HOSTILE,
        "{{ 7 * 7 }} {% for x in [] %} {# gone #}",
        "*a* **b** `c` |d| _e_ f_ [1]_ \\ .. raw:: html",
        ".. raw:: html\n\n   <script>alert(1)</script>",
        "* no list",
        "1. no list",
    ],
)
def test_markup_and_templates_in_titles_stay_themselves(text: str) -> None:
    made = shown(escape(text))
    plain = unescape(re.sub(r"</?p>", "", made)).strip()
    assert plain == " ".join(text.split())
