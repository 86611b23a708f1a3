"""What the report room makes of a study whose tables are there."""

from __future__ import annotations

from pathlib import Path

from ulmfit.report.figures import make_figures
from ulmfit.report.html import make_report
from ulmfit.report.provenance import make_provenance


def finish(results: Path) -> Path:
    """Make figures, provenance and report of a study whose tables are there; return the report."""
    manifest = results / "manifest.json"
    make_figures(manifest, results / "tables", results / "figures")
    make_provenance(manifest, results, results / "provenance.json")
    return make_report(manifest, results, results / "report" / "report.html")
