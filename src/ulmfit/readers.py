"""All that readers see of a study, made from its run files: one list, for whoever makes all of it.

Provenance is not in the list: it tells of the machine that trained, and an archive keeps it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path


def make_readers(results: Path) -> None:
    """Make every table, figure and report of the study in ``results``, as the workflow does."""
    for make in READERS:
        make(results)


def _tables(results: Path) -> None:
    from ulmfit.evaluate.tables import make_tables

    make_tables(results / "manifest.json", results, results / "tables")


def _figures(results: Path) -> None:
    from ulmfit.report.figures import make_figures

    make_figures(results / "manifest.json", results / "tables", results / "figures")


def _markdown(results: Path) -> None:
    from ulmfit.report.tables import make_markdown

    make_markdown(results / "manifest.json", results / "tables")


def _report(results: Path) -> None:
    from ulmfit.report.html import make_report

    make_report(results / "manifest.json", results, results / "report" / "report.html")


def _paper(results: Path) -> None:
    from ulmfit.report.paper import make_paper
    from ulmfit.report.tex import make_tex

    make_tex(results / "manifest.json", results / "tables")
    make_paper(results / "manifest.json", results, results / "report" / "paper.pdf")


READERS: tuple[Callable[[Path], None], ...] = (_tables, _figures, _markdown, _report, _paper)
"""In the order in which they need one another."""
