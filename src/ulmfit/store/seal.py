"""Parquet files that know their own SHA-256, so that no changed byte passes unseen.

Parquet's own page checksums leave out the footer, which names columns and says where they lie. The
seal is one more entry of the footer: the digest of the whole file with zeros in the digest's place.
"""

from __future__ import annotations

import hashlib
import re
import struct
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    import pyarrow

KEY = "ulmfit_sha256"
BLANK = "0" * 64
# The two bytes are Thrift's: a field of type string, its length.
ENTRY = re.compile(KEY.encode() + rb"\x18\x40([0-9a-f]{64})")
CHUNK = 2**20


def write_sealed(path: Path | str, table: pyarrow.Table) -> None:
    """Write a table as parquet with its seal; what it costs is reading the file once more."""
    from pyarrow import parquet

    with parquet.ParquetWriter(path, table.schema) as writer:
        writer.write_table(table)
        writer.add_key_value_metadata({KEY: BLANK})
    with open(path, "r+b") as file:
        place, _ = _find(file)
        sealed = _digest(file, place)
        file.seek(place)
        file.write(sealed)


def check_seal(path: Path | str) -> None:
    """Raise ValueError if a file's seal is not that of its bytes; a file without one passes."""
    with open(path, "rb") as file:
        try:
            place, sealed = _find(file)
        except LookupError:
            return
        if _digest(file, place) != sealed:
            raise ValueError("it is not as it was written")


def _find(file: BinaryIO) -> tuple[int, bytes]:
    """(place, value) of the seal in an open file; LookupError if it has none."""
    size = file.seek(0, 2)
    file.seek(max(size - 8, 0))
    end = file.read(8)
    length = struct.unpack("<I", end[:4])[0] if end[4:] == b"PAR1" else 0
    start = size - 8 - length
    if length and start > 0:
        file.seek(start)
        # The last one: entries come after statistics, which may hold any text.
        for found in reversed(list(ENTRY.finditer(file.read(length)))):
            return start + found.start(1), found[1]
    raise LookupError(KEY)


def _digest(file: BinaryIO, place: int) -> bytes:
    """Digest, in hexadecimal, of an open file with zeros for the seal at ``place``."""
    digest = hashlib.sha256()
    file.seek(0)
    left = place
    while left and (chunk := file.read(min(CHUNK, left))):
        digest.update(chunk)
        left -= len(chunk)
    digest.update(BLANK.encode())
    file.seek(place + len(BLANK))
    while chunk := file.read(CHUNK):
        digest.update(chunk)
    return digest.hexdigest().encode()
