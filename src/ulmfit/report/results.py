"""What a study left behind, read once: the manifest and the CSV tables, values kept as written.

A row is a plain mapping of column to text, so that the report can show exactly what the file says;
:func:`number` turns one value into a number. Nothing here computes a statistic.
"""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from ulmfit.errors import UserError
from ulmfit.store.files import read_json

Row = Mapping[str, str]
"""One line of a CSV table; an empty cell is an empty string."""

CELL_COLUMNS = (
    *("cell", "dataset", "n_labelled", "variant", "title", "tokenizer", "direction", "kind"),
    *("seeds", "n", "error", "error_low", "error_high"),
    *("difference", "difference_low", "difference_high", "p_holm", "verdict"),
    *("chosen", "published", "macro_f1", "n_needed", "seeds_needed"),
    *("published_low", "published_high", "reproduced", "n_unique", "error_unique"),
    *("error_unique_low", "error_unique_high", "ece", "brier", "labelled"),
)
RUN_COLUMNS = (
    *("dataset", "tokenizer", "direction", "variant", "title", "kind", "n_labelled", "seed"),
    *("fold", "n", "errors", "error", "macro_f1", "recipe_digest", "path"),
)
CONFUSION_COLUMNS = ("experiment", "cell", "label", "predicted", "count")
CROSSING_COLUMNS = (
    *("experiment", "dataset", "variant", "title", "tokenizer", "direction"),
    *("of_title", "of_n_labelled", "n_labelled", "low", "high"),
    *("statement", "cell", "of_cell", "smallest", "largest", "place"),
)
CALIBRATION_COLUMNS = ("experiment", "cell", "documents", "confidence", "accuracy")
COST_COLUMNS = (
    *("experiment", "cell", "dataset", "n_labelled", "title", "tokenizer", "direction", "fold"),
    "error",
    *("wall_s", "cpu_s", "tokens", "parameters_trained", "what"),
)
LANGUAGE_MODEL_COLUMNS = (
    *("stage", "name", "dataset", "corpus", "tokenizer", "direction", "n_text", "seed"),
    *("valid_perplexity_before", "valid_perplexity", "valid_accuracy", "epochs"),
    *("cpu_s", "tokens_per_s", "device", "path"),
)
EPOCH_COLUMNS = (
    *("kind", "training", "dataset", "tokenizer", "direction", "variant", "n_labelled", "seed"),
    *("epoch", "valid_perplexity", "select_error", "path"),
)

LEAKAGE_COLUMNS = (
    *("dataset", "corpus", "kind", "part", "other", "documents", "exact", "normalised"),
    "min_words",
)
HARDEST_COLUMNS = (
    *("experiment", "cell", "run", "fold", "document", "label", "predicted", "probability"),
    "loss",
)
PAIR_COLUMNS = ("run", "fold", "label", "predicted", "count", "rank")


@dataclass(frozen=True)
class Experiment:
    """One experiment of the manifest beside the rows of its table, in the order of the file."""

    name: str
    title: str
    caption: str
    fold: str
    rows: tuple[Row, ...]
    cells: Mapping[str, Mapping[str, Any]]
    references: Mapping[str, str]
    quoted: tuple[Mapping[str, Any], ...] = ()

    def groups(self) -> list[tuple[Row, ...]]:
        """Rows that are compared with one another: same data set, same number of labels."""
        keys = list(dict.fromkeys((row["dataset"], row["n_labelled"]) for row in self.rows))
        return [
            tuple(row for row in self.rows if (row["dataset"], row["n_labelled"]) == key)
            for key in keys
        ]

    def reference(self, row: Row) -> Row | None:
        """The row that ``row`` is compared with (perhaps itself), or None."""
        wanted = self.references.get(f"{row['dataset']}/{row['n_labelled']}")
        return next((other for other in self.rows if other["cell"] == wanted), None)

    def is_reference(self, row: Row) -> bool:
        """Whether others are compared with this row."""
        return self.references.get(f"{row['dataset']}/{row['n_labelled']}") == row["cell"]

    def candidates(self, row: Row) -> Mapping[str, Mapping[str, Any]]:
        """Cells by id of which ``row`` shows the one that was better on the select fold."""
        among = self.cells.get(row["cell"], {}).get("among") or ()
        return {candidate["id"]: candidate for candidate in among}

    def repeats(self, row: Row) -> bool:
        """Whether ``row`` stands for the better of several lines that are all shown as well."""
        shown = {other["cell"] for other in self.rows}
        candidates = self.candidates(row)
        return bool(candidates) and candidates.keys() <= shown

    def readers_of_test_text(self) -> list[str]:
        """Titles of the rows whose language models read the text of the test documents."""
        cells = (self.cells.get(row["cell"], {}) for row in self.rows)
        titles = [str(cell["title"]) for cell in cells if cell.get("reads_test_text")]
        return list(dict.fromkeys(titles))

    def choices(self, row: Row) -> list[str]:
        """What ``row`` chose by the fold select: epoch, candidate, weights, settings."""
        return list(self.cells.get(row["cell"], {}).get("chooses") or ())

    def published(self, row: Row) -> str:
        """Error of the paper in per cent, as it is printed there; empty if there is none."""
        return (
            str(self.cells.get(row["cell"], {}).get("published") or "") if row["published"] else ""
        )

    def chosen_title(self, row: Row) -> str:
        """Title of the cell that ``row`` stands for; empty if it stands for itself."""
        return str(self.candidates(row).get(row["chosen"], {}).get("title", ""))

    def paths(self, row: Row) -> tuple[str, ...]:
        """Folders of the runs behind ``row``, relative to the results."""
        cell = self.candidates(row).get(row["chosen"]) or self.cells.get(row["cell"], {})
        return tuple(cell.get("runs") or ())


@dataclass(frozen=True)
class Study:
    """A manifest and its tables."""

    manifest: Mapping[str, Any]
    experiments: tuple[Experiment, ...]
    runs: tuple[Row, ...]
    confusion: tuple[Row, ...]
    language_models: tuple[Row, ...]
    epochs: tuple[Row, ...]
    leakage: tuple[Row, ...]
    crossings: tuple[Row, ...]
    calibration: tuple[Row, ...]
    costs: tuple[Row, ...]
    hardest: tuple[Row, ...]
    pairs: tuple[Row, ...]

    def variants(self) -> list[str]:
        """Names of all variants, then of language models, in the order of the manifest."""
        cells = (
            cell for experiment in self.manifest["experiments"] for cell in experiment["cells"]
        )
        names = [cell["variant"] for cell in cells]
        names += [run["variant"] for run in self.manifest["runs"]]
        names += [model["name"] for model in self.manifest["language_models"]]
        return list(dict.fromkeys(names))

    def after(self, model: Mapping[str, Any]) -> str:
        """Corpus that a fine-tuned LM comes from, where LMs of its data set come from several."""
        several = len(self._corpora.get(model["dataset"], ())) > 1
        return f"after {model['corpus']}" if several and model["corpus"] else ""

    @cached_property
    def _corpora(self) -> dict[str, set[str]]:
        """Corpora that the fine-tuned LMs of each data set come from."""
        found: dict[str, set[str]] = {}
        for model in self.manifest["language_models"]:
            if model["dataset"] and model["corpus"]:
                found.setdefault(model["dataset"], set()).add(model["corpus"])
        return found

    def errors(self, experiment: Experiment, row: Row) -> list[float]:
        """Error of each single run behind a line of an experiment, as a fraction."""
        paths = set(experiment.paths(row))
        runs = [run for run in self.runs if run["fold"] == experiment.fold and run["path"] in paths]
        return [value for run in runs if (value := number(run, "error")) is not None]


def read_manifest(path: Path | str) -> Any:
    """The manifest; raises UserError if it is missing, damaged or lacks a key."""
    manifest = read_json(path)
    wanted = ("study", "title", "seeds", "texts", "language_models", "runs", "experiments")
    missing = [key for key in wanted if key not in manifest]
    if missing:
        raise UserError(f"{path}: no {', '.join(missing)}: delete it and run again")
    for experiment in manifest["experiments"]:
        if not re.fullmatch(r"\w[\w.-]*", experiment["name"]):
            raise UserError(
                f"{path}: experiment name {experiment['name']!r} cannot be a file name: "
                "use letters, digits, '-' and '_'"
            )
    return manifest


def read_study(manifest: Path | str, tables: Path | str, *, partial: bool = False) -> Study:
    """A manifest and the folder ``tables/``; raises UserError for what is missing or damaged.

    With ``partial`` a table that is not there has no rows (:mod:`ulmfit.report.gaps` says so).
    """
    content, tables = read_manifest(manifest), Path(tables)

    def read(name: str, columns: Iterable[str]) -> tuple[Row, ...]:
        path = tables / f"{name}.csv"
        return () if partial and not path.exists() else read_rows(path, columns)

    return Study(
        manifest=content,
        experiments=tuple(
            Experiment(
                name=item["name"],
                title=item["title"],
                caption=item.get("caption") or "",
                fold=item["fold"],
                rows=read(item["name"], CELL_COLUMNS),
                cells={cell["id"]: cell for cell in item["cells"]},
                references=item.get("reference") or {},
                quoted=tuple(item.get("quoted") or ()),
            )
            for item in content["experiments"]
        ),
        runs=read("runs", RUN_COLUMNS),
        confusion=read("confusion", CONFUSION_COLUMNS),
        language_models=read("language_models", LANGUAGE_MODEL_COLUMNS),
        epochs=read("epochs", EPOCH_COLUMNS),
        leakage=read("leakage", LEAKAGE_COLUMNS),
        crossings=read("crossings", CROSSING_COLUMNS),
        calibration=read("calibration", CALIBRATION_COLUMNS),
        costs=read("costs", COST_COLUMNS),
        hardest=read("hardest", HARDEST_COLUMNS),
        pairs=read("pairs", PAIR_COLUMNS),
    )


def read_rows(path: Path, columns: Iterable[str]) -> tuple[Row, ...]:
    """The rows of a CSV table with at least these columns; raises UserError if it is damaged."""
    try:
        with open(path, encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file, restval="")
            missing = [name for name in columns if name not in (reader.fieldnames or ())]
            if missing:
                raise UserError(f"{path}: no column {', '.join(missing)}: make the tables again")
            return tuple(reader)
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file: make the tables first") from error
    except (csv.Error, UnicodeDecodeError) as error:
        raise UserError(f"{path} is not a CSV table ({error}): make the tables again") from error


def number(row: Row, column: str) -> float | None:
    """A value as a number; None where the cell is empty or the column absent."""
    text = row.get(column) or ""
    try:
        value = float(text) if text else math.nan
    except ValueError as error:
        raise UserError(f"column {column}: {text!r} is not a number") from error
    return None if math.isnan(value) else value
