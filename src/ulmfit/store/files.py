"""Whole files or none: temporary name, fsync, rename; and digests of what was written."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from ulmfit.errors import UserError

TEMPORARY = ".*.tmp*"
"""Names of files that :func:`atomic` has not finished; a killed process leaves them behind."""

SEAL = "sha256_of_the_rest"
"""Key of a JSON file under which :func:`write_json` puts a digest of all other keys."""


@contextmanager
def atomic(path: Path | str) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; it takes that name only if the block succeeds.

    The file is flushed to disk before the rename, so a power cut leaves the old file or the new
    one. A full disk raises :class:`~ulmfit.errors.UserError` and leaves nothing behind.
    """
    path = Path(path)
    # The suffix stays, because some writers add their own when it is missing (numpy's savez).
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.tmp{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        with open(temporary, "rb") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
        _flush_folder(path.parent)
    except OSError as error:
        raise UserError(
            f"cannot write {path}: {error.strerror or error}: "
            "make room, or allow writing there, and run again"
        ) from error
    finally:
        # On a file system that fails, this fails too, and would hide why.
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def _flush_folder(folder: Path) -> None:
    """Let the names in a folder outlive a power cut, in the order in which they were given."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_text(path: Path | str, text: str) -> None:
    """Write UTF-8 text with LF line ends, whole or not at all."""
    with atomic(path) as temporary, open(temporary, "w", encoding="utf-8", newline="\n") as file:
        file.write(text)


def canonical_json(value: Any) -> str:
    """JSON with sorted keys and no spaces: equal values give equal strings, so equal jobs."""
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )


def write_json(path: Path | str, value: Any) -> None:
    """Write readable JSON with sorted keys, whole or not at all; an object with a seal."""
    if isinstance(value, dict):
        # As it will be read: keys become strings, tuples lists.
        value = json.loads(json.dumps(value))
        value[SEAL] = _seal(value)
    write_text(path, json.dumps(value, sort_keys=True, indent=1, ensure_ascii=False) + "\n")


def read_json(path: Path | str) -> Any:
    """Read a JSON file, without its seal; raises UserError naming the file if it is damaged.

    A file without a seal, written by hand or by an earlier version, is taken as it is.
    """
    try:
        value = json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file") from error
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is not valid JSON ({error}): delete it and run again") from error
    if isinstance(value, dict) and SEAL in value and value.pop(SEAL) != _seal(value):
        raise UserError(
            f"{path} is not as it was written: if you did not change it, its storage did: "
            "delete it and run again"
        )
    return value


def _seal(value: dict[str, Any]) -> str:
    """SHA-256 of all values, those that JSON lacks (NaN) included."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def digest(value: Any) -> str:
    """First 16 hexadecimal digits of the SHA-256 of the canonical JSON of ``value``."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()[:16]


def sha256(path: Path | str) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def folder_state(path: Path | str) -> str:
    """What changes with any file below a folder: a digest of names, sizes and times; else empty."""
    if not os.path.isdir(path):
        return ""
    found = []
    for folder, folders, names in os.walk(path):
        folders.sort()
        for name in sorted(names):
            file = os.path.join(folder, name)
            status = os.lstat(file)
            found.append([os.path.relpath(file, path), status.st_size, status.st_mtime_ns])
    # As ASCII, because a name need not be UTF-8.
    return hashlib.sha256(json.dumps(found).encode()).hexdigest()[:16]
