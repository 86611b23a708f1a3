"""From bytes to text: encodings, byte-order marks, line ends and CSV, with errors by line."""

from __future__ import annotations

import codecs
import csv
import re
from collections.abc import Iterable, Iterator
from typing import BinaryIO

from ulmfit.errors import UserError

LONE_CR = re.compile(r"(?<=\r)(?!\n)")
MAX_FIELD = 1 << 28
"""Characters of a CSV field: the library's own limit is shorter than a long review."""


def decode(content: bytes, encoding: str, where: str) -> str:
    """``content`` as text without byte-order mark; raises UserError for NUL and invalid bytes."""
    content = content.removeprefix(codecs.BOM_UTF8)
    if b"\0" in content:
        raise UserError(f"{where}: a NUL byte: not a text file, or not in encoding {encoding}")
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        byte = content[error.start]
        raise UserError(
            f"{where}: byte 0x{byte:02x} is not valid {encoding}: set `encoding`, or mend the file"
        ) from error


def lines(stream: BinaryIO, encoding: str, where: str) -> Iterator[str]:
    """Lines of a stream, line ends (LF, CR LF or CR) kept."""
    for number, content in enumerate(stream, start=1):
        line = decode(content, encoding, f"{where}, line {number}")
        if "\r" in line:
            yield from (part for part in LONE_CR.split(line) if part)
        else:
            yield line


def csv_rows(
    rows: Iterable[str], where: str, delimiter: str = ","
) -> Iterator[tuple[int, list[str]]]:
    """Line number and fields of each CSV row; line ends within quotes become LF."""
    csv.field_size_limit(MAX_FIELD)
    reader = csv.reader(rows, delimiter=delimiter, strict=True)
    try:
        for row in reader:
            if row:
                yield (
                    reader.line_num,
                    [field.replace("\r\n", "\n").replace("\r", "\n") for field in row],
                )
    except csv.Error as error:
        raise UserError(
            f"{where}, line {reader.line_num}: {error}: mend the quotes of the file"
        ) from error
