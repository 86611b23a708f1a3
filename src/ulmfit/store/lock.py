"""A lock on a folder's work, which the kernel frees when its process dies, however it dies."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import platform
import sys
from collections.abc import Iterator
from pathlib import Path

UNSUPPORTED = (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP)
"""What file systems without locks say; Lustre says the second unless it is mounted with flock."""


class NotFree(Exception):
    """Another process holds the lock."""


@contextlib.contextmanager
def locked(path: Path, *, wait: bool = True) -> Iterator[None]:
    """Hold ``path`` as a lock file.

    Waits as long as it takes and says for which process; without ``wait`` raises :class:`NotFree`.
    The file stays: whoever deletes it does so inside the block, and who waited for it meanwhile
    makes a new one. On a file system without locks the block runs unlocked, and a line says so.
    """
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except FileNotFoundError:
            continue  # deleted in between, by who held the lock
        try:
            _lock(file, path, wait)
            if _is(file, path):
                os.ftruncate(file, 0)
                os.pwrite(file, f"{os.getpid()} {platform.node()}\n".encode(), 0)
                yield
                return
        finally:
            os.close(file)


def _lock(file: int, path: Path, wait: bool) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        process, _, host = os.pread(file, 300, 0).decode(errors="replace").strip().partition(" ")
        if not wait:
            raise NotFree from None
        where = f" of {host}" if host not in ("", platform.node()) else ""
        _say(
            f"{path.parent.parent}: process {process or 'unknown'}{where} is at work here already; "
            "waiting for its end"
        )
        fcntl.flock(file, fcntl.LOCK_EX)
    except OSError as error:
        if error.errno not in UNSUPPORTED:
            raise
        _say(f"{path}: this file system has no locks; going on without")


def _is(file: int, path: Path) -> bool:
    """Whether the open file is still the one of that name."""
    try:
        return os.path.samestat(os.fstat(file), os.stat(path))
    except FileNotFoundError:
        return False


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
