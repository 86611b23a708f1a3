"""The report of a study that is not finished: the stages after training, on what is there."""

from __future__ import annotations

from pathlib import Path

from ulmfit.config import paths
from ulmfit.evaluate.so_far import so_far
from ulmfit.evaluate.tables import make_tables
from ulmfit.report.figures import make_figures
from ulmfit.report.html import make_report
from ulmfit.report.provenance import make_provenance
from ulmfit.report.tables import make_markdown
from ulmfit.store.files import write_json
from ulmfit.studies import load_study


def report_so_far(study: Path, results: Path | None) -> str:
    """Make tables, figures and report of what is finished, in the folder ``so-far`` of the results.

    ``study`` is its YAML, ``results`` its folder, ``results/<study>`` if None. Only reads what runs
    have written, and files are written whole, so Snakemake may be at work meanwhile. Returns a line
    with the path of the report; raises UserError as the stages do.
    """
    plan = load_study(study)
    results = results or Path("results") / plan.study.study
    folder = results / paths.SO_FAR
    manifest, finished, tables = (
        folder / "manifest.json",
        folder / "finished.json",
        folder / "tables",
    )
    whole, part = so_far(plan, results)
    write_json(manifest, whole)
    write_json(finished, part)
    make_tables(finished, results, tables)
    make_markdown(manifest, tables)
    make_figures(manifest, tables, folder / "figures")
    make_provenance(manifest, results, folder / "provenance.json")
    report = make_report(manifest, results, folder / "report" / "report.html")
    return f"{len(part['runs'])} of {len(whole['runs'])} runs are finished: {report}"
