"""Whole folders or none: a temporary name, then one rename."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ulmfit.errors import UserError


@contextmanager
def replaced(folder: Path, mark: str) -> Iterator[Path]:
    """Yield a new folder beside ``folder`` that takes its name if the block succeeds.

    A folder of that name is deleted, but only if it holds the file ``mark``: raises UserError for
    one that is something else, and changes nothing.
    """
    if folder.exists() and not (folder / mark).is_file() and any(folder.iterdir()):
        raise UserError(
            f"{folder} holds something else (it has no {mark}): name another folder, or empty it"
        )
    new, old = (folder.with_name(f".{folder.name}.{os.getpid()}.{part}") for part in ("new", "old"))
    try:
        new.mkdir(parents=True)
        yield new
        if folder.exists():
            folder.rename(old)
        try:
            new.rename(folder)
        except OSError:
            if old.exists():
                old.rename(folder)
            raise
    except OSError as error:
        raise UserError(
            f"cannot write {folder}: {error.strerror or error}: "
            "make room, or allow writing there, and run again"
        ) from error
    finally:
        for left in (new, old):
            shutil.rmtree(left, ignore_errors=True)
