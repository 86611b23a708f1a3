"""The CSV files of Zhang, Zhao and LeCun 2015: AG's News, DBpedia, Yelp."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from ulmfit.config.sources import ZhangCsv
from ulmfit.data.archives import members
from ulmfit.data.decoding import csv_rows, lines, read_text
from ulmfit.data.documents import PLACE
from ulmfit.errors import UserError

if TYPE_CHECKING:
    import pandas as pd


def documents(options: ZhangCsv, files: Mapping[str, Path]) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Rows of ``train.csv`` and, if there, ``test.csv``: class number, then the text fields."""
    import pandas as pd

    path = files["archive"]
    classes: list[str] = []
    found: dict[str, list[tuple[str, list[str]]]] = {}
    for name, content in members(path):
        base = PurePosixPath(name)
        where = f"{path}, {name}"
        if base.name == "classes.txt":
            text = read_text(content, options.encoding, where)
            classes = [line.strip() for line in text.splitlines() if line.strip()]
        elif base.name in ("train.csv", "test.csv"):
            found[base.stem] = _rows(lines(content, options.encoding, where), where)
    if not found.get("train"):
        raise UserError(f"{path}: no rows in a member train.csv: not an archive of this kind")
    width = len(found["train"][0][1])
    fields = ["text"] if width == 2 else [f"text_{n}" for n in range(1, width)]
    rows = [
        (f"{split}-{number}", split, _class(row[0], classes, place), None, *row[1:], place)
        for split in ("train", "test")
        for number, (place, row) in enumerate(found.get(split, []), start=1)
    ]
    return pd.DataFrame(rows, columns=["id", "split", "label", "group", *fields, PLACE]), {}


def _rows(text: Iterable[str], where: str) -> list[tuple[str, list[str]]]:
    """Place and fields of each row."""
    rows: list[tuple[str, list[str]]] = []
    for number, row in csv_rows(text, where):
        place = f"{where}, line {number}"
        if len(row) < 2 or (rows and len(row) != len(rows[0][1])):
            raise UserError(f"{place}: {len(row)} columns, not a class and text as above it")
        rows.append((place, row))
    return rows


def _class(number: str, classes: list[str], place: str) -> str:
    if not classes:
        return number
    if not number.isdecimal() or not 1 <= int(number) <= len(classes):
        raise UserError(
            f"{place}: class {number!r} is not one of the {len(classes)} in classes.txt"
        )
    return classes[int(number) - 1]
