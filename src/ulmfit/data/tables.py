"""The user's own tables: CSV, TSV, JSONL or Parquet, one document a row."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ulmfit.config.sources import Table
from ulmfit.data.archives import decompressed
from ulmfit.data.decoding import csv_rows, lines
from ulmfit.data.documents import PLACE, SPLITS
from ulmfit.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

DELIMITERS = {".csv": ",", ".tsv": "\t"}
SUFFIXES = (*DELIMITERS, ".jsonl", ".parquet")
QUOTES = "mend its quotes, or set `quotes: false` if they are characters like others"


def documents(options: Table, files: Mapping[str, Path]) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Rows of all files; the key of a file, or the split column, says what they are for."""
    import pandas as pd

    if strange := sorted(set(files) - set(SPLITS)):
        raise UserError(f"files.{strange[0]}: source 'table' knows {', '.join(SPLITS)}")
    if options.split and len(files) > 1:
        raise UserError("a split column and several files contradict each other: leave one out")
    parts = [_part(options, split, files[split]) for split in SPLITS if split in files]
    table = pd.concat(parts, ignore_index=True)
    if options.label is not None:
        _check_labels(table, options.label, files["train"])
    return table, {}


def _part(options: Table, split: str, path: Path) -> pd.DataFrame:
    import pandas as pd

    rows, places = _read(path, options)

    def column(option: str, name: str, whole: bool = True) -> pd.Series[str]:
        if name not in rows:
            known = ", ".join(map(str, rows))
            raise UserError(f"{path}: no column {name!r}; it has {known}: mend option `{option}`")
        values = rows[name].astype(object)
        found = []
        for place, value in zip(places, values.where(values.notna(), None), strict=True):
            try:
                found.append(_text(value, whole) or None)
            except ValueError as error:
                raise UserError(f"{place}, column {name!r}: {error}: mend the row") from error
        return pd.Series(found)

    nothing = pd.Series([None] * len(rows), dtype=object)
    numbers = pd.Series([f"{split}-{n}" for n in range(1, len(rows) + 1)], dtype=object)
    labels = nothing
    if options.label is not None and split != "unlabelled":
        labels = column("label", options.label).str.strip().replace("", None)
    table = pd.DataFrame(
        {
            "id": column("id", options.id) if options.id else numbers,
            "split": column("split", options.split) if options.split else split,
            "label": labels,
            "group": column("group", options.group) if options.group else nothing,
        }
    )
    # A label there, such as "unknown", would be a class of its own.
    table.loc[table["split"] == "unlabelled", "label"] = None
    fields = options.text
    for number, name in enumerate(fields, start=1):
        field = "text" if len(fields) == 1 else f"text_{number}"
        table[field] = column("text", name, whole=False)
    table[PLACE] = pd.Series(places, dtype=object)
    return table


def _text(value: Any, whole: bool) -> str | None:
    """A value as text, 1.0 as "1" if ``whole``; raises ValueError for what is none."""
    from pandas.api.types import is_scalar

    if value is None:
        return None
    if isinstance(value, bytes) or not is_scalar(value):
        raise ValueError(f"{type(value).__name__} in place of text")
    # Whole numbers become floats in a column that lacks some, which makes no other class of them.
    text = str(int(value)) if whole and isinstance(value, float) and value % 1 == 0 else str(value)
    if "\0" in text:
        raise ValueError("a NUL character, which is no text")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        half = ascii(text[error.start])
        raise ValueError(f"half of a character ({half}), which is no text") from error
    return text


def _check_labels(table: pd.DataFrame, column: str, path: Path) -> None:
    """Raise UserError if no row for training has a label, or if two labels are one number."""
    labels = table["label"].dropna()
    if labels.empty and (table["split"] == "train").any():
        raise UserError(
            f"{path}: column {column!r} is empty in all rows: mend option `label`, "
            "or set it to null for a corpus"
        )
    known = set(labels)
    for label in sorted(known):
        number = re.sub(r"\.0+$", "", label)
        if number != label and number in known:
            place, other = (
                table.loc[labels.index[labels == one][0], PLACE] for one in (number, label)
            )
            raise UserError(
                f"{other}: label {label!r} is another class than {number!r}, {place}: "
                "write both in one way"
            )


def _read(path: Path, options: Table) -> tuple[pd.DataFrame, list[str]]:
    """The rows of a file, and where each of them stands."""
    import pandas as pd

    suffix = path.suffix.lower()
    if suffix == ".parquet":
        rows = _parquet(path)
        return rows, [f"{path}, row {n}" for n in range(1, len(rows) + 1)]
    if suffix not in SUFFIXES:
        raise UserError(f"{path}: unknown suffix {suffix!r}; known: {', '.join(SUFFIXES)}")
    with decompressed(path) as stream:
        text = lines(stream, options.encoding, str(path))
        if suffix == ".jsonl":
            objects = {
                place: _object(line, place)
                for place, line in ((f"{path}, line {n}", line) for n, line in enumerate(text, 1))
                if line.strip()
            }
            return pd.DataFrame(list(objects.values()), dtype=object), list(objects)
        return _delimited(text, path, DELIMITERS[suffix], options.quotes)


def _parquet(path: Path) -> pd.DataFrame:
    import pandas as pd
    import pyarrow

    try:
        rows = pd.read_parquet(path)
    except (OSError, ValueError, pyarrow.ArrowException) as error:
        reason = " ".join(str(error).split())
        raise UserError(f"{path} cannot be read ({reason}): is it Parquet, and whole?") from error
    _check_names(list(map(str, rows)), path)
    return rows


def _check_names(names: list[str], path: Path) -> None:
    if len(set(names)) < len(names):
        raise UserError(f"{path}: two columns have one name: {', '.join(names)}")


def _delimited(
    text: Iterable[str], path: Path, delimiter: str, quotes: bool
) -> tuple[pd.DataFrame, list[str]]:
    import pandas as pd

    rows = list(csv_rows(text, str(path), delimiter, quotes, QUOTES))
    if not rows:
        raise UserError(f"{path}: empty: the first line names the columns")
    header = rows[0][1]
    _check_names(header, path)
    for number, row in rows[1:]:
        if len(row) != len(header):
            # A quotation mark that opens a field swallows delimiters and lines.
            swallowed = quotes and any("\n" in field or delimiter in field for field in row)
            raise UserError(
                f"{path}, line {number}: {len(row)} columns, not the {len(header)} of the header: "
                + (QUOTES if swallowed else "mend the row")
            )
    places = [f"{path}, line {number}" for number, _ in rows[1:]]
    return pd.DataFrame([row for _, row in rows[1:]], columns=header, dtype=object), places


def _object(line: str, where: str) -> dict[str, Any]:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:
        reason = error.msg if isinstance(error, json.JSONDecodeError) else error
        raise UserError(f"{where}: not valid JSON ({reason})") from error
    if not isinstance(value, dict):
        raise UserError(f"{where}: not a JSON object with columns as keys")
    return value
