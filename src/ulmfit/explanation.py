"""What a cell of a table is made of, as text: runs, arithmetic, trainings, recipes, inputs.

Everything is read from the files of the study; errors and intervals are computed again from the
predictions, so that a table that is older than its runs is noticed.
"""

from __future__ import annotations

import csv
import math
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ulmfit.config import paths
from ulmfit.config.validation import check_name
from ulmfit.errors import UserError
from ulmfit.evaluate.arithmetic import Derived
from ulmfit.evaluate.arithmetic import Place as TableRow
from ulmfit.evaluate.cells import Cell, Study
from ulmfit.evaluate.comparison_arithmetic import derive
from ulmfit.evaluate.fact_arithmetic import OF_CELLS, OF_RUNS
from ulmfit.evaluate.statistics import estimate_difference, estimate_error
from ulmfit.report.cards import Trained, ancestry, read_optional, trainings
from ulmfit.report.recipes import flatten

Row = Mapping[str, str]
NAMES = ("cell", "path", "variant", "title", "name", "dataset")
"""Columns by which a row may be called, the first that knows the name."""
COMPARED = (
    *("difference", "difference_low", "difference_high", "p", "p_holm", "p_mcnemar", "verdict"),
    *("n_needed", "seeds_needed"),
)
"""Columns that compare a row with the reference."""
WIDTH = 100
SHOWN = 6
OLDER = "  The table says {value}: it is older than the runs, make it again."
TOLERANCE = 1e-9
KEPT = "\u00a0"
"""A blank at which no line breaks."""


@dataclass(frozen=True)
class Place:
    """A cell of a table: the file, the line in it, its row and the column."""

    file: Path
    line: int
    row: Row
    column: str


def explain(results: Path, table: str, row: str, column: str) -> list[str]:
    """Lines on the cell ``column`` of ``row`` in ``tables/<table>.csv`` of a study.

    ``row`` is a variant, a title, the id of a cell, a path or the number of a line. Raises
    UserError for a name that is unknown, with the nearest, or that several rows have.
    """
    place = find(results, table, row, column)
    study = Study(results / "manifest.json", results)
    every = trainings(study.manifest, results)
    value = place.row[column] or "empty"
    lines = [f"{column} = {value}", f"  {place.file}, line {place.line}"]
    runs: list[str] = []
    experiment = _experiment(study, place, table)
    derived = derive_cell(study, place)
    if experiment is not None:
        for entry in _entries(experiment, place.row):
            cells = _cells(study, experiment, entry, place)
            lines += _arithmetic(study, experiment, cells, place, derived)
            runs += [run for cell in cells for run in cell.runs]
    elif path := place.row.get("path") or place.row.get("run"):
        runs = [path]
    else:
        lines += _counts(study, place.row)
    lines += [line for line in _derivation(derived, place) if line not in lines or not line]
    members = [part for path in runs for part in (path, *_members(study, path))]
    trained = _chain(dict.fromkeys(members), every)
    lines += _trainings(results, trained)
    lines += _inputs(study, dict.fromkeys(runs), experiment, place.row)
    lines += _recipes(trained)
    return lines


def find(results: Path, table: str, row: str, column: str) -> Place:
    """The cell of a table; raises UserError with the nearest names."""
    tables = sorted(path.stem for path in (results / "tables").glob("*.csv"))
    if not tables:
        raise UserError(
            f"{results} has no tables: finish the study, or name another with --results"
        )
    check_name(table, tables, str(results / "tables"), "table")
    path = results / "tables" / f"{table}.csv"
    with open(path, encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        rows: list[dict[str, str]] = list(reader)
        check_name(column, reader.fieldnames or (), str(path), "column")
    found = _lines(rows, row)
    if not found:
        known = dict.fromkeys(each[key] for key in NAMES for each in rows if each.get(key))
        check_name(row, known, str(path), "row")
    if len(found) > 1:
        some = ", ".join(f"{index + 2} ({_called(rows[index])})" for index in found[:SHOWN])
        more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
        raise UserError(f"{path}: {len(found)} rows are called {row!r}: name a line: {some}{more}")
    return Place(path, found[0] + 2, rows[found[0]], column)


def _lines(rows: Sequence[Row], name: str) -> list[int]:
    """Indices of the rows of a name: of the first column that has it once, else several times."""
    if name.isdigit() and 2 <= int(name) < len(rows) + 2:
        return [int(name) - 2]
    named = [
        [index for index, row in enumerate(rows) if name and row.get(key) == name] for key in NAMES
    ]
    return min(filter(None, named), key=lambda found: len(found) > 1, default=[])


def _called(row: Row) -> str:
    parts = [row.get("cell") or row.get("path") or row.get("title") or row.get("dataset") or ""]
    parts += [row[key] for key in ("fold", "epoch", "label", "predicted", "part") if row.get(key)]
    return " ".join(parts)


def _experiment(study: Study, place: Place, table: str) -> dict[str, Any] | None:
    wanted = place.row.get("experiment") or table
    experiments: list[dict[str, Any]] = study.manifest["experiments"]
    return next((item for item in experiments if item["name"] == wanted), None)


def _entries(experiment: Mapping[str, Any], row: Row) -> list[dict[str, Any]]:
    """Cells of the manifest behind a row: its own; where lines cross, the one that is reached and
    all numbers of labels of the other."""
    entries: list[dict[str, Any]] = experiment["cells"]
    wanted = {row.get("cell")}
    if row.get("of_cell"):
        keys = ("dataset", "variant", "tokenizer", "direction")
        alike = [entry for entry in entries if all(row[key] == entry[key] for key in keys)]
        wanted = {row["of_cell"], *(entry["id"] for entry in alike)}
    return [entry for entry in entries if entry["id"] in wanted]


def _cells(
    study: Study, experiment: Mapping[str, Any], entry: dict[str, Any], place: Place
) -> list[Cell]:
    """The cell, and the one that it is compared with where the column compares."""
    fold = experiment["fold"]
    cells = [study.cell(entry, fold)]
    if place.column in COMPARED:
        wanted = (experiment["reference"] or {}).get("/".join(cells[0].group))
        others = [other for other in experiment["cells"] if other["id"] == wanted]
        cells += [study.cell(other, fold) for other in others if other["id"] != entry["id"]]
    return cells


def _arithmetic(
    study: Study,
    experiment: Mapping[str, Any],
    cells: Sequence[Cell],
    place: Place,
    derived: Derived | None,
) -> Iterator[str]:
    """Wrong documents of each run, their mean with its interval, and the difference.

    A column that is no error has no use for them: it is derived from something else.
    """
    yield f"  experiment {experiment['name']}: {experiment['title']}; fold {experiment['fold']}"
    for cell in cells:
        n = len(cell.document)
        wrong = [int(run.sum()) for run in cell.wrong]
        error = estimate_error(cell.wrong)
        yield ""
        yield f"{cell.entry['title']} ({cell.entry['id']})"
        if cell.chosen:
            yield from _choice(study, cell)
        if derived is not None and not _of_errors(place.column):
            continue
        for run, errors in zip(cell.runs, wrong, strict=True):
            yield f"  seed {study.runs[run]['seed']}: {errors} / {n} = {errors / n:.6f}  {run}"
        total = f"({' + '.join(map(str, wrong))}) / ({len(wrong)} x {n})"
        yield f"  mean: {total} = {error.value!r}"
        by = "documents" if len(wrong) == 1 else "seeds and documents"
        yield f"  95 % interval by chance of {by}: [{error.low!r}, {error.high!r}]"
    if len(cells) == 2:
        difference = estimate_difference(cells[0].wrong, cells[1].wrong)
        yield ""
        yield f"difference: first minus second = {difference.value!r}"
        yield f"  95 % interval [{difference.low!r}, {difference.high!r}], p = {difference.p!r}"
    told = place.row.get("error")
    if place.column != "error" and told not in (None, repr(estimate_error(cells[0].wrong).value)):
        yield OLDER.format(value=told)


def _of_errors(column: str) -> bool:
    """Whether a column rests on the wrong documents of each run alone."""
    return (
        column in COMPARED
        or column in ("reproduced", "low", "high")
        or (column.startswith("error") and "unique" not in column)
    )


def derive_cell(study: Study, place: Place) -> Derived | None:
    """How a cell comes about; None for names, and where it is of no run that is known."""
    table = place.file.stem
    experiment = _experiment(study, place, table)
    if table in OF_RUNS:
        return OF_RUNS[table](study, place.row, place.column)
    wanted = place.row.get("cell")
    entry = (
        next((e for e in experiment["cells"] if e["id"] == wanted), None) if experiment else None
    )
    if experiment is None or entry is None:
        return None
    row = TableRow(study, experiment, study.cell(entry, experiment["fold"]))
    if table in OF_CELLS:
        return OF_CELLS[table](row, place.row, place.column)
    return derive(row, place.column)


def _derivation(derived: Derived | None, place: Place) -> Iterator[str]:
    if derived is None:
        return
    yield ""
    yield f"how {place.column} comes about"
    yield from (f"  {line}" for line in derived.lines)
    yield "  gives nothing" if derived.value is None else f"  gives {derived.value}"
    if not same(place.row[place.column], derived.value):
        yield OLDER.format(value=place.row[place.column] or "nothing")


def same(told: str, value: float | int | str | None) -> bool:
    """Whether a cell says a value; numbers may differ by the order in which terms were added."""
    if value is None or told == str(value):
        return told == ("" if value is None else str(value))
    try:
        return math.isclose(float(told), float(value), rel_tol=TOLERANCE, abs_tol=TOLERANCE**2)
    except ValueError:
        return False


def _choice(study: Study, cell: Cell) -> Iterator[str]:
    for part in cell.entry["among"]:
        errors = [study.fold_metrics(run, "select")["error"] for run in part["runs"]]
        mark = "chosen" if part["id"] == cell.chosen else "not chosen"
        yield f"  {mark}: {part['title']}, mean error on select {sum(errors) / len(errors):.6f}"


def _counts(study: Study, row: Row) -> Iterator[str]:
    for entry in study.manifest["leakage"]:
        if (entry["dataset"], entry["corpus"]) == (row.get("dataset"), row.get("corpus")):
            yield f"  counted by the stage leakage: {study.results / entry['path']}"


def _members(study: Study, path: str) -> list[str]:
    return list(study.runs[path]["members"]) if path in study.runs else []


def _chain(places: Iterable[str], every: list[Trained]) -> list[Trained]:
    """The trainings at some paths and all that they start from, each once."""
    by_path = {item.path: item for item in every}
    found = [item for path in places if path in by_path for item in ancestry(by_path[path], every)]
    return list({item.path: item for item in found}.values())


def _trainings(results: Path, trained: Iterable[Trained]) -> Iterator[str]:
    for item in trained:
        card = item.card
        log = results / paths.LOG.format(job=item.path)
        state = " with changes" if card.get("dirty") else ""
        versions = " ".join(f"{name} {text}" for name, text in card.get("versions", {}).items())
        yield ""
        yield f"{item.stage} {item.path}"
        facts = {
            "seed": card.get("seed"),
            "recipe": card.get("recipe_digest"),
            "commit": f"{card['commit']}{state}" if card.get("commit") else "not recorded",
            "versions": versions,
            "hardware": _hardware(card),
            "time": f"{card.get('wall_s', 0):.1f} s, {card.get('cpu_s', 0):.1f} s of CPU",
            "memory": f"{card.get('peak_memory_mib', 0):.0f} MiB at most",
            "documents": card.get("documents"),
            "parameters": card.get("parameters"),
            "vocabulary": card.get("vocabulary_sha256"),
            "history": card.get("history_sha256"),
            "weights": card.get("weights_sha256"),
            "log": log if log.exists() else None,
        }
        yield from (f"  {name}: {text}" for name, text in facts.items() if text is not None)


def _hardware(card: Mapping[str, Any]) -> str:
    product = card.get("matmul") or {}
    parts = [card.get("device"), card.get("device_name"), product.get("instructions")]
    return ", ".join(dict.fromkeys(str(part) for part in parts if part))


def _inputs(
    study: Study, runs: Iterable[str], experiment: Mapping[str, Any] | None, row: Row
) -> Iterator[str]:
    """Digests of what was scored, and of the texts; how often the test fold was evaluated."""
    fold = experiment["fold"] if experiment else row.get("fold")
    found: dict[str, str] = {}
    looks: list[str] = []
    for run in runs:
        folder = study.folder(run, fold or "") if run in study.runs else study.results / run
        metrics = read_optional(folder, "metrics.json") or {}
        found |= metrics.get("inputs", {})
        if "test_evaluations" in metrics:
            looks.append(f"  evaluations on the test fold: {metrics['test_evaluations']}  {run}")
    for name, text in study.manifest["texts"].items():
        source = read_optional(study.results, text["source"]) or {}
        if "content_sha256" in source:
            found[f"text {name}"] = source["content_sha256"]
    if found:
        yield from ("", "inputs (sha256)")
        yield from (f"  {value}  {name}" for name, value in sorted(found.items()))
    yield from looks


def _recipes(trained: Iterable[Trained]) -> Iterator[str]:
    recipes = {
        (item.stage, str(item.card.get("recipe_digest"))): item.card["recipe"]
        for item in trained
        if item.card.get("recipe")
    }
    for (stage, digest), recipe in recipes.items():
        # A key stays beside its value: lines break between pairs alone.
        pairs = (f"{key} {value}".replace(" ", KEPT) for key, value in flatten(recipe).items())
        lines = textwrap.wrap(
            ", ".join(pairs), WIDTH, initial_indent="  ", subsequent_indent="  ",
            break_long_words=False, break_on_hyphens=False,
        )  # fmt: skip
        yield from ("", f"recipe {digest} ({stage})")
        yield from (line.replace(KEPT, " ") for line in lines)
