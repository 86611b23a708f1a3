"""Cells of an experiment: several runs that differ in their seeds, compared on joined documents."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ulmfit.config import paths
from ulmfit.errors import UserError
from ulmfit.evaluate.leakage import read_copies
from ulmfit.evaluate.metrics import confusion_matrix
from ulmfit.evaluate.predictions import Predictions, read_predictions
from ulmfit.evaluate.statistics import Wrong
from ulmfit.store.files import read_json


@dataclass(frozen=True)
class Cell:
    """One cell of an experiment on one fold, with its runs read.

    ``entry`` is the manifest's; ``runs`` the ids of the runs behind it, in the order of seeds, and
    ``kind`` what they are: model, ensemble or baseline; ``chosen`` the id of the cell that an
    ``among`` cell stands for. ``document`` and ``label`` (documents,); ``probability`` (runs,
    documents, classes). ``labelled`` documents were trained on, None where no card says how many;
    ``copied`` (documents,) tells those of which something that was trained on has a copy, None
    where duplicates have not been counted yet.
    """

    entry: dict[str, Any]
    runs: tuple[str, ...]
    kind: str
    chosen: str | None
    document: NDArray[np.str_]
    label: NDArray[np.intp]
    probability: NDArray[np.float32]
    classes: tuple[str, ...]
    labelled: int | None
    copied: NDArray[np.bool_] | None

    @cached_property
    def predicted(self) -> NDArray[np.intp]:
        """Most probable class, (runs, documents) indices into ``classes``."""
        return np.asarray(self.probability.argmax(axis=2))

    @property
    def deterministic(self) -> bool:
        """A baseline has no seeds: only documents are left to chance."""
        return self.kind == "baseline" and len(self.runs) == 1

    @cached_property
    def wrong(self) -> Wrong:
        """(runs, documents)."""
        return np.asarray(self.predicted != self.label)

    @property
    def group(self) -> tuple[str, str]:
        """Data set and labelled size: cells of one group are compared."""
        return str(self.entry["dataset"]), str(self.entry["n_labelled"])

    def confusion(self) -> NDArray[np.int64]:
        """Documents by (label, predicted class), summed over the runs."""
        classes = len(self.classes)
        return sum(
            (confusion_matrix(self.label, run, classes) for run in self.predicted),
            start=np.zeros((classes, classes), dtype=np.int64),
        )


class Study:
    """Manifest and run files of a study, each read once."""

    def __init__(self, manifest: Path, results: Path) -> None:
        self.manifest: dict[str, Any] = read_json(manifest)
        self.results = results
        self.runs: dict[str, dict[str, Any]] = {run["id"]: run for run in self.manifest["runs"]}
        self._metrics: dict[Path, dict[str, Any]] = {}
        self._predictions: dict[tuple[str, str], Predictions] = {}
        self._copies: dict[tuple[Path, ...], set[str]] = {}
        self._check_names(manifest)

    def _check_names(self, manifest: Path) -> None:
        for experiment in self.manifest["experiments"]:
            for entry in experiment["cells"]:
                where = f"{manifest}: cell {entry['id']} of experiment {experiment['name']}"
                for part in entry["among"] or [entry]:
                    if not part["runs"]:
                        raise UserError(f"{where} has no runs: name runs, or cells to choose among")
                    if unknown := [run for run in part["runs"] if run not in self.runs]:
                        raise UserError(f"{where} names the unknown run {unknown[0]}")

    @cached_property
    def language_models(self) -> dict[str, dict[str, Any]]:
        """Cards of the language models by the digest of their weights."""
        paths_of = (self.results / model["path"] for model in self.manifest["language_models"])
        cards = [read_json(path / "card.json") for path in paths_of]
        return {str(card["weights_sha256"]): card for card in cards}

    def folder(self, run: str, fold: str) -> Path:
        """Where the results of a run on a fold lie; the test fold has a folder of its own."""
        folder = self.results / str(self.runs[run]["path"])
        return folder / "test" if fold == "test" else folder

    def metrics(self, run: str, fold: str) -> dict[str, Any]:
        """``metrics.json`` of a run that holds this fold."""
        path = self.folder(run, fold) / "metrics.json"
        if path not in self._metrics:
            self._metrics[path] = read_json(path)
        return self._metrics[path]

    def scored(self, run: str, fold: str) -> bool:
        """Whether a run was scored on a fold."""
        return fold in self.metrics(run, fold)["folds"]

    def fold_metrics(self, run: str, fold: str) -> dict[str, Any]:
        """Metrics of a run on a fold; raises UserError if it was not scored there."""
        folds: dict[str, dict[str, Any]] = self.metrics(run, fold)["folds"]
        if fold not in folds:
            raise UserError(
                f"{self.folder(run, fold) / 'metrics.json'}: no fold {fold}: delete it, run again"
            )
        return folds[fold]

    def runs_of(self, entry: dict[str, Any]) -> tuple[tuple[str, ...], str | None]:
        """(run ids by seed, id of the chosen cell or None) of a cell of the manifest.

        A cell with ``among`` stands for the candidate with the lowest mean error on the select
        fold, the first of equals; the fold that is shown has no say.
        """
        chosen = None
        if entry["among"]:
            entry = min(entry["among"], key=self._select_error)
            chosen = str(entry["id"])
        runs = set(entry["runs"])
        if len({self.runs[run]["seed"] for run in runs}) < len(runs):
            raise UserError(f"cell {entry['id']}: two of its runs have the same seed")
        return tuple(sorted(runs, key=lambda run: int(self.runs[run]["seed"]))), chosen

    def _select_error(self, candidate: dict[str, Any]) -> float:
        runs = candidate["runs"]
        return sum(float(self.fold_metrics(run, "select")["error"]) for run in runs) / len(runs)

    def predictions(self, run: str, fold: str) -> Predictions:
        """Predictions of a run on a fold."""
        if (run, fold) not in self._predictions:
            path = self.folder(run, fold) / "predictions.parquet"
            rows = read_predictions(path).of_fold(fold)
            if len(rows.document) == 0:
                raise UserError(f"{path}: no document of fold {fold}: delete it, run again")
            errors = int((rows.predicted != rows.label).sum())
            if errors != self.fold_metrics(run, fold)["errors"]:
                raise UserError(f"{path} and its metrics.json do not belong together: score again")
            self._predictions[run, fold] = rows
        return self._predictions[run, fold]

    def cell(self, entry: dict[str, Any], fold: str) -> Cell:
        """A cell with its runs on ``fold``; raises UserError if they differ in their documents."""
        runs, chosen = self.runs_of(entry)
        tables = [self.predictions(run, fold) for run in runs]
        for run, table in zip(runs[1:], tables[1:], strict=True):
            check_same_documents(tables[0], table, str(self.folder(runs[0], fold)), run)
        return Cell(
            entry=entry,
            runs=runs,
            kind=str(self.runs[runs[0]]["kind"]),
            chosen=chosen,
            document=tables[0].document,
            label=tables[0].label,
            probability=np.stack([table.probability for table in tables]),
            classes=tables[0].classes,
            labelled=self._labelled(runs[0]),
            copied=self._copied(entry, tables[0].document),
        )

    def cards(self, run: str) -> list[dict[str, Any]]:
        """Cards of the classifiers behind a run: its own, or those of an ensemble's members."""
        metrics = self.metrics(run, "select")
        return [metrics["training"]] if metrics["training"] else list(metrics["member_cards"])

    def _labelled(self, run: str) -> int | None:
        if (size := self.runs[run]["n_labelled"]) != "all":
            return int(size)
        card = self.cards(run)[0]
        # Models count documents, baselines labelled ones: they are the same.
        found = card.get("documents", card.get("n_labelled"))
        return None if found is None else int(found)

    def _copied(
        self, entry: dict[str, Any], document: NDArray[np.str_]
    ) -> NDArray[np.bool_] | None:
        if not (files := self.duplicates(entry)):
            return None
        if files not in self._copies:
            self._copies[files] = read_copies(files)
        copies = self._copies[files]
        return np.array([name in copies for name in document.tolist()], dtype=bool)

    def duplicates(self, entry: dict[str, Any]) -> tuple[Path, ...]:
        """Files that say which evaluated documents of a cell have a copy; none if one is missing.

        Of all corpora that its table reads, whatever its own runs read. A manifest that does not
        say which is of a study with one.
        """
        files = {
            found["corpus"]: self.results / paths.DUPLICATES.format(**found)
            for found in self.manifest["leakage"]
            if found["dataset"] == entry["dataset"]
        }
        corpora = entry.get("corpora", list(files))
        return tuple(files[name] for name in corpora) if files.keys() >= set(corpora) else ()


def check_same_documents(
    one: Predictions | Cell, other: Predictions | Cell, name: str, other_name: str
) -> None:
    """Raise UserError unless both have the same documents with the same labels."""
    if one.classes != other.classes:
        raise UserError(f"{name} and {other_name} have different classes: run both again")
    if not np.array_equal(one.document, other.document):
        differing = sorted(set(one.document.tolist()) ^ set(other.document.tolist()))
        example = differing[0] if differing else "a repeated one"
        raise UserError(
            f"{name} and {other_name} cover different documents, among them {example} "
            f"({len(differing)} in all): run both again"
        )
    if not np.array_equal(one.label, other.label):
        example = one.document[one.label != other.label][0]
        raise UserError(f"{name} and {other_name} give document {example} different labels")


def fewest_seeds(cells: Sequence[Cell]) -> int | None:
    """Smallest number of runs, deterministic baselines not counted; None if all are such."""
    return min((len(cell.runs) for cell in cells if not cell.deterministic), default=None)
