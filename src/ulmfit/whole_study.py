"""Commands on whole studies: cost, report so far, archives, pages, what a cell is made of."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from ulmfit import arguments
from ulmfit.config import paths
from ulmfit.errors import UserError

ARCHIVES = Path("results", paths.ARCHIVES)
PAGES = ("README.md", "docs/results")
Run = Callable[[argparse.Namespace], None]
Stage = Callable[[str, Run, str], argparse.ArgumentParser]
"""From a name, what it runs and a summary to the parser of a new command."""


def add_commands(stage: Stage) -> None:
    """Add the commands ``plan``, ``so-far``, ``archive``, ``restore``, ``pages``, ``explain``."""
    add = stage("plan", _plan, "Say what a study costs, before anything starts.")
    arguments.forecast(add)

    add = stage("so-far", _so_far, "Report what is finished of a study; nothing is trained.")
    add.add_argument("--configfile", type=Path, default=Path("config/config.yaml"))
    arguments.optional_paths(add, "results", help="its folder; left out: results/<study>")

    add = stage(
        "archive", _archive, "Write the record of a finished study, without text or weights."
    )
    arguments.study(add)
    arguments.optional_paths(add, "output", help="default: results/archive/<study>")

    add = stage("restore", _restore, "Make tables, figures and report from archives, no training.")
    add.add_argument(
        "--archive",
        type=Path,
        nargs="+",
        metavar="FOLDER",
        help="default: all below results/archive",
    )
    add.add_argument(
        "--output",
        type=Path,
        default=Path("build/archive"),
        metavar="FOLDER",
        help="gets a folder for each study; default: build/archive",
    )

    add = stage("pages", _pages, "Fill the tables of README.md and docs/results from archives.")
    add.add_argument("page", type=Path, nargs="*", help=f"default: {', '.join(PAGES)}")
    add.add_argument(
        "--archives", type=Path, default=ARCHIVES, metavar="FOLDER", help=f"default: {ARCHIVES}"
    )

    add = stage("explain", _explain, "Say what a cell of a table is made of.")
    add.add_argument("table", help="name of a table, such as main")
    add.add_argument("row", help="a variant, its title, the id of a cell, a path, or a line number")
    add.add_argument("column", help="a column of the CSV file")
    arguments.study(add)


def _plan(options: argparse.Namespace) -> None:
    from ulmfit.planning import planned

    print(*planned(options), sep="\n")


def _so_far(options: argparse.Namespace) -> None:
    from ulmfit.unfinished import report_so_far

    print(report_so_far(options.configfile, options.results))


def _archive(options: argparse.Namespace) -> None:
    from ulmfit.archiving import archive_study

    results = _results(options)
    archive = options.output or ARCHIVES / results.name
    index = archive_study(results, archive)
    print(f"{archive}: {len(index['readers'])} files for readers, {index['bytes'] / 1e6:.1f} MB")
    for what, names in (
        ("comes back without text of documents or logs that are left out", index["without_text"]),
        ("left out, because it names folders of this machine", index["left_out"]),
    ):
        print(*(f"  {name}: {what}" for name in names), sep="\n", end="\n" if names else "")


def _restore(options: argparse.Namespace) -> None:
    from ulmfit.archiving import archives, restore

    failed = []
    for archive in options.archive or archives(ARCHIVES):
        results = options.output / archive.resolve().name
        try:
            index = restore(archive, results)
        except UserError as error:
            failed.append(str(error))
            continue
        print(f"{results / 'report' / 'report.html'}: {index['title']}")
        print(f"  {len(index['readers'])} files, byte for byte as archived; tables, figures beside")
    if failed:
        raise UserError("; ".join(failed))


def _pages(options: argparse.Namespace) -> None:
    from ulmfit.pages import fill_pages

    changed = fill_pages(options.page or [Path(page) for page in PAGES], options.archives)
    print(*(f"{path}: new tables" for path in changed), sep="\n", end="\n" if changed else "")


def _explain(options: argparse.Namespace) -> None:
    from ulmfit.explanation import explain

    print(*explain(_results(options), options.table, options.row, options.column), sep="\n")


def _results(options: argparse.Namespace) -> Path:
    """Folder of the study that ``--results`` or ``--study`` names."""
    if options.results:
        return Path(options.results)
    from ulmfit.studies import load_study

    return Path("results") / load_study(options.study).study.study
