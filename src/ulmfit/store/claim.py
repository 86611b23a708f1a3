"""Whose a lock of Snakemake is: known for certain, or not at all.

Snakemake's lock files name nobody. A Snakemake that begins to run jobs therefore claims the ones it
has just made: it writes down which they are and on which host it runs, and holds a lock of the
kernel on what it wrote, which is free once it is dead, however it died. No process is looked for:
one of another user, container or host could not be seen.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import platform
from pathlib import Path
from typing import Any

from ulmfit.errors import UserError

STATE = Path(".snakemake")
LOCKS = STATE / "locks"
CLAIM = STATE / "ulmfit.claim"
ALONE = {"0.input.lock", "0.output.lock"}
"""Names of the lock files of a Snakemake that is the only one in its folder."""
BOOT = Path("/proc/sys/kernel/random/boot_id")

_claimed: list[int] = []


def claim(folder: Path) -> None:
    """Claim the lock files in ``folder`` for this process until it ends, if no other has any there.

    Snakemakes that make different files may run side by side. One that starts beside others claims
    nothing, nor does one that cannot write or lock here: what it leaves is nobody's.
    """
    with contextlib.suppress(OSError):
        locks = _locks(folder)
        if not locks or not locks.keys() <= ALONE:
            return
        file = _take(folder / CLAIM)
        _claimed.append(file)
        os.ftruncate(file, 0)
        os.pwrite(file, json.dumps({**_this_process(), "locks": locks}).encode(), 0)


def remove_left_over(folder: Path) -> bool:
    """Remove the lock files of a Snakemake that is dead; whether there were any.

    Raises UserError if it lives or may live: if it runs on another host, or nobody claimed them.
    A lock of the kernel counts for this kernel, and for an earlier boot of a host of this name:
    hosts that share files have different names.
    """
    if not (locks := _locks(folder)):
        return False
    try:
        file = _take(folder / CLAIM)
    except BlockingIOError:
        by = _read(folder / CLAIM)
        raise UserError(
            f"a Snakemake (process {by.get('process', 'unknown')} on {by.get('host', 'unknown')}) "
            "runs in this folder: wait for its end, or stop it, and run again"
        ) from None
    except OSError:
        raise UserError(_unclaimed()) from None
    try:
        claimed = _read(folder / CLAIM)
        if not locks.items() <= claimed.get("locks", {}).items():
            raise UserError(_unclaimed())
        here = _this_process()
        same_kernel = here["boot"] and claimed["boot"] == here["boot"]
        if not same_kernel and claimed["host"] != here["host"]:
            raise UserError(
                f"a Snakemake on {claimed['host']} locked this folder, which cannot be asked from "
                "here: run there; or see that it has ended, `snakemake --unlock`, and run again"
            )
        for name in locks:
            (folder / LOCKS / name).unlink(missing_ok=True)
    finally:
        os.close(file)
    return True


def _take(path: Path) -> int:
    """Lock a file that is made if need be; the descriptor, which no started program inherits.

    Raises BlockingIOError if another process has it, OSError of ``lock.UNSUPPORTED`` where the file
    system has no locks.
    """
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(file)
        raise
    return file


def _this_process() -> dict[str, Any]:
    """Process id and host of this process, and the boot of its kernel ("" where it has no id)."""
    boot = BOOT.read_text().strip() if BOOT.exists() else ""
    return {"process": os.getpid(), "host": platform.node(), "boot": boot}


def _read(path: Path) -> dict[str, Any]:
    """What a claim says; nothing if its writer died before it was whole."""
    try:
        said = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return said if isinstance(said, dict) else {}


def _locks(folder: Path) -> dict[str, int]:
    """Times of the lock files of ``folder`` in ns, which tell one lock from a later one."""
    if not (folder / LOCKS).is_dir():
        return {}
    return {path.name: path.stat().st_mtime_ns for path in (folder / LOCKS).iterdir()}


def _unclaimed() -> str:
    return (
        f"{LOCKS} says that a Snakemake runs in this folder, and nothing says where: see that none "
        "does, on no host that shares it, then `snakemake --unlock`, and run again"
    )
