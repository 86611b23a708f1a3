"""The parquet files of the study: documents, folds, predictions. Columns are checked on reading."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ulmfit.errors import UserError
from ulmfit.store.files import atomic
from ulmfit.store.seal import check_seal, write_sealed

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow

DOCUMENT_COLUMNS = ("id", "split", "label", "group")
"""Then one column for each text field, ``text`` or ``text_1``, ``text_2`` ...

``split`` is train, test or unlabelled; ``label`` a class name or null; documents of one ``group``
(module, film) never fall on both sides of a fold border.
"""
FOLD_COLUMNS = ("id", "fold", "rank")
PREDICTION_COLUMNS = ("document", "fold", "label")
"""Then ``p_<class>`` for each class, in the order of the classes."""
DUPLICATE_COLUMNS = ("id", "duplicate_in_fit", "duplicate_in_unlabelled", "in_corpus")
"""Beside the fold of each evaluated document: whether its text stands in what is trained on."""

BATCH = 256
"""Rows that are read at a time where a table may be larger than the memory."""


def write_table(path: Path | str, table: pd.DataFrame) -> None:
    """Write a table as parquet, whole or not at all."""
    import pyarrow

    write_arrow(path, pyarrow.Table.from_pandas(table, preserve_index=False))


def write_arrow(path: Path | str, table: pyarrow.Table) -> None:
    """Write a table as parquet with a seal, whole or not at all."""
    with atomic(path) as temporary:
        write_sealed(temporary, table)


def read_table(path: Path | str, columns: tuple[str, ...]) -> pd.DataFrame:
    """Read a parquet table that must have at least ``columns``; raises UserError otherwise."""
    import pandas as pd

    with damage_named(path):
        table = pd.read_parquet(path)
    _require(path, columns, list(table.columns))
    return table


def read_batches(path: Path | str, columns: tuple[str, ...]) -> Iterator[pd.DataFrame]:
    """The rows of a parquet table in parts, each as :func:`read_table` gives the whole."""
    from pyarrow import parquet

    with damage_named(path), parquet.ParquetFile(path) as file:
        _require(path, columns, file.schema_arrow.names)
        for batch in file.iter_batches(BATCH):
            yield batch.to_pandas()


def count_rows(path: Path | str) -> int:
    """Rows of a parquet table, without reading them."""
    from pyarrow import parquet

    with damage_named(path):
        return int(parquet.read_metadata(path).num_rows)


@contextmanager
def damage_named(path: Path | str) -> Iterator[None]:
    """Raise UserError for a parquet file whose seal is broken, or that the block cannot read."""
    import pyarrow

    try:
        check_seal(path)
        yield
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file") from error
    except (OSError, ValueError, KeyError, TypeError, pyarrow.ArrowException) as error:
        raise UserError(f"{path} cannot be read ({error}): delete it and run again") from error


def _require(path: Path | str, columns: tuple[str, ...], present: list[str]) -> None:
    missing = [name for name in columns if name not in present]
    if missing:
        raise UserError(f"{path}: no column {', '.join(missing)} among {', '.join(present)}")


def text_fields(table: pd.DataFrame) -> list[str]:
    """Names of the text columns, in order."""
    return [name for name in table.columns if name == "text" or name.startswith("text_")]


def probability_columns(table: pd.DataFrame) -> list[str]:
    """Names of the probability columns, in the order of the classes."""
    return [name for name in table.columns if name.startswith("p_")]
