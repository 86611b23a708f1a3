"""The paper of a study: one PDF, set in two columns, from the files that the study left behind."""

from __future__ import annotations

from pathlib import Path

from ulmfit.errors import UserError
from ulmfit.report.paper_content import paper_content
from ulmfit.report.results import read_study
from ulmfit.report.typesetting import typeset
from ulmfit.store.files import read_json


def make_paper(manifest: Path | str, results: Path | str, output: Path | str) -> Path:
    """Write the paper of a study as a PDF; equal files give equal bytes.

    ``manifest`` lies beside ``tables/``, ``figures/`` and ``provenance.json``, as for
    :func:`ulmfit.report.html.make_report`; ``results`` is ``results/<study>`` with the runs. Tables
    and figures that are not there are gaps that the paper names; raises UserError for what is
    damaged, and where there is no provenance.
    """
    results, beside = Path(results), Path(manifest).parent
    study = read_study(manifest, beside / "tables", partial=True)
    listed = beside / "figures" / "figures.json"
    figures = read_json(listed) if listed.exists() else []
    keys = {"name", "kind", "experiment", "title", "caption"}
    if not all(keys <= set(item) for item in figures):
        raise UserError(f"{listed} is damaged: make the figures again")
    content = paper_content(
        study,
        results,
        read_json(beside / "provenance.json"),
        [{**item, "picture": place} for place, item in enumerate(figures)],
    )
    pictures = [beside / "figures" / f"{item['name']}.svg" for item in figures]
    return typeset(content, pictures, output)
