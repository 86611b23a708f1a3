"""From bytes to text: encodings, byte-order marks, line ends and CSV, with errors by line."""

from __future__ import annotations

import codecs
import csv
import re
from collections.abc import Iterable, Iterator
from typing import BinaryIO

from ulmfit.errors import UserError

LONE_CR = re.compile(r"(?<=\r)(?!\n)")
MIB = 1 << 20
MAX_LINE = 64 * MIB
"""Bytes of a line, and characters of a CSV field: the library's own limit is shorter than a long
review."""


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


def read_text(stream: BinaryIO, encoding: str, where: str, most: int = MIB) -> str:
    """All that a stream holds as text; raises UserError also for more than ``most`` bytes."""
    content = stream.read(most + 1)
    if len(content) > most:
        raise UserError(f"{where}: more than {most} bytes: not read")
    return decode(content, encoding, where)


def check_encoding(encoding: str) -> None:
    """Raise UserError unless an encoding is known and has the line ends of ASCII."""
    try:
        usable = "\n".encode(encoding) == b"\n"
    except LookupError:
        usable = False
    if not usable:
        raise UserError(f"encoding {encoding!r}: unknown, or no superset of ASCII: use utf-8")


def lines(stream: BinaryIO, encoding: str, where: str) -> Iterator[str]:
    """Lines of a stream, line ends (LF, CR LF or CR) kept."""
    check_encoding(encoding)
    for number, content in enumerate(iter(lambda: stream.readline(MAX_LINE + 1), b""), start=1):
        if len(content) > MAX_LINE:
            raise UserError(f"{where}, line {number}: more than {MAX_LINE} bytes: not read")
        line = decode(content, encoding, f"{where}, line {number}")
        if "\r" in line:
            yield from (part for part in LONE_CR.split(line) if part)
        else:
            yield line


def csv_rows(
    rows: Iterable[str],
    where: str,
    delimiter: str = ",",
    quotes: bool = True,
    mend: str = "mend the quotes of the file",
) -> Iterator[tuple[int, list[str]]]:
    """First line and fields of each CSV row; line ends within quotes become LF.

    Without ``quotes``, quotation marks are characters like others. ``mend`` says what to do, in the
    UserError of a row that is not valid.
    """
    csv.field_size_limit(MAX_LINE)
    reader = csv.reader(
        rows,
        delimiter=delimiter,
        quoting=csv.QUOTE_MINIMAL if quotes else csv.QUOTE_NONE,
        strict=True,
    )
    first = 1
    try:
        for row in reader:
            if row:
                yield first, [field.replace("\r\n", "\n").replace("\r", "\n") for field in row]
            first = reader.line_num + 1
    except csv.Error as error:
        raise UserError(f"{where}, line {first}: {error}: {mend}") from error
