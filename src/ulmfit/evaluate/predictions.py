"""Predictions with labels: ``predictions.parquet`` as arrays, always in the order of document ids.

pyarrow alone, because a study scores tens of runs and importing pandas takes longer than scoring.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ulmfit.errors import UserError
from ulmfit.store.tables import PREDICTION_COLUMNS, damage_named, write_arrow


@dataclass(frozen=True)
class Predictions:
    """Labelled predictions of some folds.

    ``document`` (n,) ids, ``fold`` (n,) names, ``label`` (n,) index into ``classes``,
    ``probability`` (n, classes) float32; sorted by fold, then document, so that two runs on the
    same documents have equal ``document`` arrays and row i is the same document in both.
    """

    document: NDArray[np.str_]
    fold: NDArray[np.str_]
    label: NDArray[np.intp]
    probability: NDArray[np.float32]
    classes: tuple[str, ...]

    @property
    def predicted(self) -> NDArray[np.intp]:
        """Most probable class of each document, (n,) index into ``classes``."""
        return np.asarray(self.probability.argmax(axis=1))

    def of_fold(self, fold: str) -> Predictions:
        """The rows of one fold."""
        keep = self.fold == fold
        return Predictions(
            self.document[keep],
            self.fold[keep],
            self.label[keep],
            self.probability[keep],
            self.classes,
        )


def sorted_order(document: NDArray[np.str_], fold: NDArray[np.str_]) -> NDArray[np.intp]:
    """Indices that sort rows by fold, then document id."""
    return np.lexsort((document, fold))


def write_predictions(path: Path, predictions: Predictions) -> None:
    """Write ``predictions.parquet``, whole or not at all."""
    import pyarrow as pa

    classes = np.array(predictions.classes, dtype=np.str_)
    columns: dict[str, Any] = {
        "document": _strings(predictions.document),
        "fold": _strings(predictions.fold),
        "label": _strings(classes[predictions.label]),
    }
    for index, name in enumerate(predictions.classes):
        values = np.ascontiguousarray(predictions.probability[:, index], dtype=np.float32)
        columns[f"p_{name}"] = pa.Array.from_buffers(
            pa.float32(), len(values), [None, pa.py_buffer(values)]
        )
    write_arrow(path, pa.table(columns))


def _strings(values: NDArray[np.str_]) -> Any:
    """As an Arrow array; ``pyarrow.array`` would import pandas to ask whether it was given some."""
    from pyarrow import lib

    builder = lib.StringBuilder()
    builder.append_values(values.tolist())
    return builder.finish()


def read_predictions(path: Path) -> Predictions:
    """Read ``predictions.parquet``; raises UserError if it is missing, damaged or inconsistent."""
    columns = _read_columns(path, None)
    missing = [name for name in PREDICTION_COLUMNS if name not in columns]
    classes = tuple(name.removeprefix("p_") for name in columns if name.startswith("p_"))
    if missing or not classes:
        raise UserError(f"{path}: no column {', '.join([*missing] or ['p_<class>'])}")
    document = np.array(columns["document"], dtype=np.str_)
    fold = np.array(columns["fold"], dtype=np.str_)
    label = class_indices(columns["label"], classes, path)
    probability = np.column_stack([columns[f"p_{name}"] for name in classes]).astype(np.float32)
    order = sorted_order(document, fold)
    return Predictions(document[order], fold[order], label[order], probability[order], classes)


def read_labels(documents: Path) -> dict[str, str | None]:
    """Label of each document id, None where it has none; raises UserError on a damaged file."""
    columns = _read_columns(documents, ["id", "label"])
    return dict(zip(columns["id"], columns["label"], strict=True))


def class_indices(
    labels: Sequence[str | None], classes: tuple[str, ...], where: Path
) -> NDArray[np.intp]:
    """Index into ``classes`` of each label, (n,); raises UserError for a label that is no class."""
    index = {name: position for position, name in enumerate(classes)}
    try:
        return np.array([index[label] for label in labels], dtype=np.intp)  # type: ignore[index]
    except KeyError as error:
        raise UserError(
            f"{where}: label {error.args[0]!r} is none of the classes {', '.join(classes)}"
        ) from error


def _read_columns(path: Path, names: list[str] | None) -> dict[str, Any]:
    """Columns of a parquet file as lists, or as arrays for numbers."""
    import pyarrow as pa
    from pyarrow import parquet

    # parquet.read_table reads through pyarrow.dataset, which imports pandas.
    with damage_named(path), parquet.ParquetFile(path) as file:
        table = file.read(names)
    absent = [name for name in names or [] if name not in table.column_names]
    if absent:
        raise UserError(f"{path}: no column {', '.join(absent)}")
    return {
        name: table[name].to_numpy()
        if pa.types.is_floating(table[name].type)
        else table[name].to_pylist()
        for name in table.column_names
    }
