"""What the report room makes of a study whose tables are there, and a study made smaller."""

from __future__ import annotations

import csv
from pathlib import Path

from ulmfit.report.figures import make_figures
from ulmfit.report.html import make_report
from ulmfit.report.provenance import make_provenance
from ulmfit.store.files import read_json


def finish(results: Path) -> Path:
    """Make figures, provenance and report of a study whose tables are there; return the report."""
    manifest = results / "manifest.json"
    make_figures(manifest, results / "tables", results / "figures")
    make_provenance(manifest, results, results / "provenance.json")
    return make_report(manifest, results, results / "report" / "report.html")


def keep_known_rows(results: Path) -> None:
    """Drop rows of the tables that a changed manifest does not know any more."""
    manifest = read_json(results / "manifest.json")
    cells = {
        item["name"]: {cell["id"] for cell in item["cells"]} for item in manifest["experiments"]
    }
    every = set().union(*cells.values())
    paths = {run["path"] for run in manifest["runs"]}
    paths |= {model["path"] for model in manifest["language_models"]}
    for path in (results / "tables").glob("*.csv"):
        with open(path, newline="") as file:
            rows = list(csv.reader(file))
        head = rows[0]
        for key, known in (("path", paths), ("cell", cells.get(path.stem, every))):
            if key in head:
                rows = [head, *(row for row in rows[1:] if row[head.index(key)] in known)]
        with open(path, "w", newline="") as file:
            csv.writer(file).writerows(rows)
