"""The user's own tables: CSV, TSV, JSONL or Parquet, one document a row."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ulmfit.config.sources import Table
from ulmfit.data.archives import decompressed
from ulmfit.data.decoding import csv_rows, lines
from ulmfit.data.documents import SPLITS
from ulmfit.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

DELIMITERS = {".csv": ",", ".tsv": "\t"}
SUFFIXES = (*DELIMITERS, ".jsonl", ".parquet")


def documents(options: Table, files: Mapping[str, Path]) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Rows of all files; the key of a file, or the split column, says what they are for."""
    import pandas as pd

    if strange := sorted(set(files) - set(SPLITS)):
        raise UserError(f"files.{strange[0]}: source 'table' knows {', '.join(SPLITS)}")
    if options.split and len(files) > 1:
        raise UserError("a split column and several files contradict each other: leave one out")
    parts = [_part(options, split, files[split]) for split in SPLITS if split in files]
    return pd.concat(parts, ignore_index=True), {}


def _part(options: Table, split: str, path: Path) -> pd.DataFrame:
    import pandas as pd

    rows = _read(path, options.encoding)

    def column(name: str) -> pd.Series[str]:
        if name not in rows:
            raise UserError(f"{path}: no column {name!r}; it has {', '.join(map(str, rows))}")
        values = rows[name]
        text = values.astype(object).where(values.notna(), None)
        return text.map(lambda value: None if value in (None, "") else str(value))

    nothing = pd.Series([None] * len(rows), dtype=object)
    numbers = pd.Series([f"{split}-{n}" for n in range(1, len(rows) + 1)], dtype=object)
    labelled = options.label is not None and split != "unlabelled"
    table = pd.DataFrame(
        {
            "id": column(options.id) if options.id else numbers,
            "split": column(options.split) if options.split else split,
            "label": column(options.label) if labelled and options.label else nothing,
            "group": column(options.group) if options.group else nothing,
        }
    )
    fields = options.text
    for number, name in enumerate(fields, start=1):
        table["text" if len(fields) == 1 else f"text_{number}"] = column(name)
    return table


def _read(path: Path, encoding: str) -> pd.DataFrame:
    import pandas as pd

    suffix = path.suffix.lower()
    if suffix == ".parquet":
        try:
            return pd.read_parquet(path)
        except (OSError, ValueError) as error:  # pyarrow's errors derive from these
            raise UserError(f"{path} cannot be read ({error}): is it Parquet?") from error
    if suffix not in SUFFIXES:
        raise UserError(f"{path}: unknown suffix {suffix!r}; known: {', '.join(SUFFIXES)}")
    with decompressed(path) as stream:
        text = lines(stream, encoding, str(path))
        if suffix == ".jsonl":
            return pd.DataFrame(
                [
                    _object(line, f"{path}, line {n}")
                    for n, line in enumerate(text, 1)
                    if line.strip()
                ],
                dtype=object,
            )
        rows = list(csv_rows(text, str(path), DELIMITERS[suffix]))
    if not rows:
        raise UserError(f"{path}: empty: the first line names the columns")
    header = rows[0][1]
    if len(set(header)) < len(header):
        raise UserError(f"{path}: two columns have one name: {', '.join(header)}")
    for number, row in rows[1:]:
        if len(row) != len(header):
            raise UserError(
                f"{path}, line {number}: {len(row)} columns, not the {len(header)} of the header"
            )
    return pd.DataFrame([row for _, row in rows[1:]], columns=header, dtype=object)


def _object(line: str, where: str) -> dict[str, Any]:
    try:
        value = json.loads(line)
    except json.JSONDecodeError as error:
        raise UserError(f"{where}: not valid JSON ({error.msg})") from error
    if not isinstance(value, dict):
        raise UserError(f"{where}: not a JSON object with columns as keys")
    return value
