"""The report of a study that is not finished: the stages after training, on what is there."""

from __future__ import annotations

from pathlib import Path

from ulmfit.config import paths
from ulmfit.evaluate.so_far import so_far
from ulmfit.evaluate.tables import make_tables
from ulmfit.report.figures import make_figures
from ulmfit.report.html import make_report
from ulmfit.report.paper import make_paper
from ulmfit.report.provenance import make_provenance
from ulmfit.report.tables import make_markdown
from ulmfit.report.tex import make_tex
from ulmfit.report.unfinished import make_gap_table
from ulmfit.store.files import write_json
from ulmfit.store.folders import replaced
from ulmfit.studies import load_study

MANIFEST = "manifest.json"
REPORT = "report/report.html"


def report_so_far(study: Path, results: Path | None) -> str:
    """Make all that readers see of what is finished, in the folder ``so-far`` of the results.

    ``study`` is its YAML, ``results`` its folder, ``results/<study>`` if None. Only reads what runs
    have written, so Snakemake may be at work meanwhile; the folder of an earlier call is replaced
    when the new one is whole. Returns a line with the paths of report and paper; raises UserError
    as the stages do.
    """
    plan = load_study(study)
    results = results or Path("results") / plan.study.study
    folder = results / paths.SO_FAR
    with replaced(folder, MANIFEST) as new:
        manifest, finished, tables = new / MANIFEST, new / "finished.json", new / "tables"
        whole, part = so_far(plan, results)
        write_json(manifest, whole)
        write_json(finished, part)
        make_tables(finished, results, tables)
        make_markdown(manifest, tables)
        make_tex(manifest, tables)
        if whole["waits"]:
            make_gap_table(manifest, tables)
        make_figures(manifest, tables, new / "figures")
        make_provenance(manifest, results, new / "provenance.json")
        make_report(manifest, results, new / REPORT)
        make_paper(manifest, results, new / paths.PAPER)
    there = f"{len(part['runs'])} of {len(whole['runs'])} runs are finished"
    return f"{there}: {folder / REPORT}, {folder / paths.PAPER}"
