"""Predictions of all runs on a data set as one table: run, document, fold, label, ``p_<class>``.

Exact: probabilities stay float32. Names are dictionaries and the bytes of numbers are split into
streams, so that a study of 69 runs takes six megabytes instead of thirteen.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from ulmfit.archive.records import inside
from ulmfit.errors import UserError
from ulmfit.store.files import atomic
from ulmfit.store.tables import PREDICTION_COLUMNS, damage_named, write_arrow

if TYPE_CHECKING:
    import pyarrow

SEALED = "test"
FILE = "predictions.parquet"
DICTIONARY = 2**26
"""Bytes up to which names of documents are written once."""


def join_predictions(results: Path, names: Sequence[str]) -> pyarrow.Table:
    """All rows of files ``<run>/predictions.parquet``, ``<run>/test/predictions.parquet``.

    Raises UserError if one is damaged, or if runs have different classes.
    """
    import pyarrow as pa
    from pyarrow import parquet

    tables: list[pa.Table] = []
    for name in names:
        with damage_named(results / name):
            table = parquet.read_table(results / name).replace_schema_metadata(None)
        if tables and table.column_names != tables[0].column_names[1:]:
            raise UserError(
                f"{results / name} has other columns than {results / names[0]}: run both again"
            )
        run = str(Path(name).parent).removesuffix(f"/{SEALED}")
        tables.append(table.add_column(0, "run", pa.array([run] * len(table), pa.string())))
    return pa.concat_tables(tables)


def write_joined(path: Path, table: pyarrow.Table) -> None:
    """Write joined predictions; equal tables give equal bytes."""
    from pyarrow import parquet

    names = ["run", *PREDICTION_COLUMNS]
    with atomic(path) as temporary:
        parquet.write_table(
            table,
            temporary,
            row_group_size=len(table) or None,
            compression="zstd",
            compression_level=19,
            use_dictionary=names,
            dictionary_pagesize_limit=DICTIONARY,
            use_byte_stream_split=[name for name in table.column_names if name not in names],
            write_statistics=False,
            store_schema=False,
        )


def unpack_predictions(path: Path, results: Path) -> None:
    """Write the predictions of each run below ``results``, rows in the order they had."""
    from pyarrow import parquet

    table = parquet.read_table(path)
    place = [
        f"{run}/{SEALED}" if fold == SEALED else run
        for run, fold in zip(table["run"].to_pylist(), table["fold"].to_pylist(), strict=True)
    ]
    begins = [row for row, name in enumerate(place) if row == 0 or name != place[row - 1]]
    rows = table.drop_columns(["run"])
    for begin, end in pairwise([*begins, len(place)]):
        file = inside(results, f"{place[begin]}/{FILE}")
        write_arrow(file, rows.slice(begin, end - begin).combine_chunks())
