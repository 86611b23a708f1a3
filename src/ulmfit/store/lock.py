"""A lock on a folder's work, which the kernel frees when its process dies, however it dies."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import sys
from collections.abc import Iterator
from pathlib import Path

UNSUPPORTED = (errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP)


@contextlib.contextmanager
def locked(path: Path) -> Iterator[bool]:
    """Hold ``path`` as a lock file; yields whether another process had to be waited for.

    Waits as long as it takes and says for which process. The file stays: whoever deletes it does so
    inside the block, and who waited for it meanwhile makes a new one. On a file system without
    locks the block runs unlocked, and a line says so.
    """
    waited = False
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            waited |= _wait(file, path)
            if _is(file, path):
                os.ftruncate(file, 0)
                os.pwrite(file, f"{os.getpid()}\n".encode(), 0)
                yield waited
                return
        finally:
            os.close(file)


def _wait(file: int, path: Path) -> bool:
    """Lock an open file; whether that took waiting."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        owner = os.pread(file, 20, 0).decode(errors="replace").strip() or "unknown"
        _say(f"{path.parent.parent}: process {owner} is at work here already; waiting for its end")
        fcntl.flock(file, fcntl.LOCK_EX)
        return True
    except OSError as error:
        if error.errno not in UNSUPPORTED:
            raise
        _say(f"{path}: this file system has no locks; going on without")
    return False


def _is(file: int, path: Path) -> bool:
    """Whether the open file is still the one of that name."""
    try:
        return os.path.samestat(os.fstat(file), os.stat(path))
    except FileNotFoundError:
        return False


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
