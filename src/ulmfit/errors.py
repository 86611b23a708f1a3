"""The one exception for anything the person at the terminal can mend."""

from __future__ import annotations

import os
import sys

DISTRIBUTIONS = {"sklearn": "scikit-learn", "yaml": "pyyaml"}
"""What pip calls the packages that have another name in Python."""


class UserError(Exception):
    """Bad input, said in one line: what is wrong, where, and what would mend it.

    The command line prints it without a traceback and exits with ``status``.
    """

    status = 1


def explained(error: OSError | ImportError | MemoryError) -> str | None:
    """One line for a failure of the machine: disk, memory, installation; None if it is a bug."""
    said = " ".join(str(error).split())
    if isinstance(error, MemoryError):
        return (
            f"memory ran out ({said or 'no more to be had'}): let fewer jobs run at a time "
            "(--cores), or give this one more"
        )
    if isinstance(error, ImportError):
        package = (error.name or "").partition(".")[0]
        if package == __package__:
            return None
        install = DISTRIBUTIONS.get(package, package) or "-e ."
        return (
            f"{sys.executable} cannot import {package or 'a package'} ({said}): "
            f"{sys.executable} -m pip install {install} -c envs/constraints.txt"
        )
    what = error.strerror or said
    where = f"{os.fsdecode(error.filename)}: " if isinstance(error.filename, str | bytes) else ""
    return f"{where}{what}: mend that and run again; every file that was finished is whole"
