"""Captions of tables and figures as reStructuredText, for the report that Snakemake makes."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ulmfit.report import wording
from ulmfit.report.results import Experiment, Study, number
from ulmfit.report.sheets import experiment_sheet
from ulmfit.store.files import write_text


def write_captions(study: Study, figures: Sequence[Mapping[str, Any]], output: Path) -> None:
    """Write ``<table>.rst`` of each experiment and ``<figure>.rst`` of each entry of figures.json.

    Each says the numbers of seeds and of documents.
    """
    statement = study.manifest["seeds"].get("statement") or ""
    for experiment in study.experiments:
        sheet = experiment_sheet(experiment)
        texts = (sheet.caption, f"{_size(experiment)}.", *sheet.notes, statement)
        _write(output / f"{experiment.name}.rst", texts)
    for entry in figures:
        _write(output / f"{entry['name']}.rst", (entry["caption"], statement))


def _size(experiment: Experiment) -> str:
    n = {value for row in experiment.rows if (value := number(row, "n")) is not None}
    seeds = {value for row in experiment.rows if (value := number(row, "seeds")) is not None}
    if not n:
        return "No line is there"
    return f"{wording.N_IS}{wording.span(n, 'document')}, {wording.span(seeds, 'seed')} a line"


def _write(path: Path, texts: Sequence[str]) -> None:
    write_text(path, "\n\n".join(escape(text) for text in texts if text) + "\n")


def escape(text: str) -> str:
    """Text that stays itself, although Snakemake takes it for a template, then for markup."""
    marked = re.sub(r"([^\w\s]|_)", r"\\\1", " ".join(text.split()), flags=re.ASCII)
    # A template must not find its brackets: "{" is written as an expression that gives it.
    return re.sub(r"[{}]", lambda bracket: '{{ "' + bracket[0] + '" }}', marked)
