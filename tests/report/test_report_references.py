"""What the paper cites is listed, and what it lists is cited."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from test_report_paper import content_of

from ulmfit.report import paper_prose
from ulmfit.report.references import REFERENCES, cited

CONFIG = Path(__file__).parents[2] / "config"
CITATION = re.compile(r"([A-Z][\w-]+)(?: and [A-Z][\w-]+| et al\.)? \(?((?:19|20)\d\d)\b")
"""First author and year."""


def texts(content: Any) -> Iterator[str]:
    """All texts of plain data, keys too, but the citations of data sets: whole where they stand."""
    if isinstance(content, str):
        yield content
    elif isinstance(content, dict):
        for key, value in content.items():
            if key != "citation":
                yield str(key)
                yield from texts(value)
    elif isinstance(content, list | tuple):
        for value in content:
            yield from texts(value)


def citations(content: Any) -> set[tuple[str, str]]:
    return {found for text in texts(content) for found in CITATION.findall(text)}


def works(listed: list[str]) -> set[tuple[str, str]]:
    """First author and year of the works of a list of references."""
    authors = [re.match(r"(?:[A-Z]\. )+([\w-]+)", work) for work in listed]
    years = [re.findall(r"\b(?:19|20)\d\d\b", work)[-1:] for work in listed]
    return {(author[1], year) for author, (year,) in zip(authors, years, strict=True) if author}


def without_references(content: dict[str, Any]) -> dict[str, Any]:
    kept = [item for item in content["sections"] if item["heading"] != "References"]
    return {**content, "sections": kept}


@pytest.mark.parametrize("study", ["reported", "crowded"])
def test_the_paper_lists_what_it_cites_and_nothing_else(
    study: str, request: pytest.FixtureRequest
) -> None:
    content = content_of(request.getfixturevalue(study))
    (section,) = [item for item in content["sections"] if item["heading"] == "References"]
    (block,) = section["blocks"]
    said = citations(without_references(content))
    assert {("Wilson", "1927"), ("Newcombe", "1998"), ("Brier", "1950")} <= said
    assert works(block["items"]) == said


def test_everything_that_the_sentences_of_the_paper_cite_is_known() -> None:
    prose = [value for name, value in vars(paper_prose).items() if name.isupper()]
    assert citations(prose) == works(cited(prose))


@pytest.mark.parametrize("name", ["variants", "presets", "experiments", "published"])
def test_everything_that_the_configuration_cites_is_known(name: str) -> None:
    content = yaml.safe_load((CONFIG / f"{name}.yaml").read_text(encoding="utf-8"))
    assert citations(content) == works(cited(list(texts(content))))


def test_references_are_in_the_order_of_surnames() -> None:
    authors = [re.sub(r"^(?:[A-Z]\. )+", "", work) for work in REFERENCES.values()]
    assert authors == sorted(authors, key=lambda work: re.split(r"[ ,.]", work)[0])


def test_two_works_of_one_year_are_told_apart_by_what_they_are_cited_for() -> None:
    (region,) = cited("oh-LSTM (Johnson and Zhang 2016)")
    assert "region embeddings" in region
    (shallow,) = cited("CNN (Johnson and Zhang 2016)")
    assert "shallow word-level" in shallow
    assert cited("CNN (Zhang et al. 2015); Wilson (1927)") == [
        REFERENCES["Wilson 1927"],
        REFERENCES["Zhang et al. 2015"],
    ]
    assert cited("nobody (Wilson 1928), Zou and Donner") == []
