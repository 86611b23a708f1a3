"""Ids on disk until the vocabulary is known: a large corpus has more of them than memory."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ulmfit.errors import UserError


class Spool:
    """Arrays of uint32 in an unbuffered file; raises UserError if the disk is full."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self._sizes: list[int] = []

    def append(self, ids: NDArray[np.uint32]) -> None:
        """Add an array behind the others."""
        self._sizes.append(len(ids))
        rest = memoryview(ids.tobytes())
        try:
            while rest:
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            raise UserError(f"cannot keep ids on disk: {error.strerror}: make room") from error

    def read(self) -> Iterator[NDArray[np.uint32]]:
        """The arrays in the order in which they came."""
        start = 0
        for size in self._sizes:
            self._file.seek(start)
            yield np.fromfile(self._file, np.uint32, size)
            start += 4 * size


@contextmanager
def open_spool(folder: Path) -> Iterator[Spool]:
    """A spool whose file has no name in ``folder``, so that it is gone when the process is."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
        yield Spool(file)
