"""Run Snakemake on a study so that the same command goes on after anything.

`make study` calls it: study.py STUDY [arguments of Snakemake]. Snakemake leaves its lock behind
when it is killed or the machine stops, and then refuses to start. The lock held here is one of the
kernel, which frees it however its process ends; who holds it, and finds no other Snakemake at work
in the folder, knows that Snakemake's own lock is a left-over.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import psutil
import yaml

STATE = Path(".snakemake")
LOCK = STATE / "ulmfit.lock"
SNAKEMAKE_LOCKS = STATE / "locks"
MADE = ("results", "resources")


def main(study: str, *arguments: str) -> int:
    """Run a study in this folder; returns Snakemake's exit status, 128 + signal if one ended it."""
    command = [sys.executable, "-m", "snakemake", "--configfile", study, *arguments]
    with held(LOCK):
        if SNAKEMAKE_LOCKS.is_dir() and any(SNAKEMAKE_LOCKS.iterdir()):
            if other := snakemakes(Path.cwd()):
                refuse(f"a Snakemake (process {other[0]}) runs in this folder")
            if status := run([*command, "--quiet", "all", "--unlock"]):
                return status
            print("went on from a run that was killed: its lock is removed", file=sys.stderr)
        if count := bring_back(MADE):
            print(f"{count} files were of the future, by this clock; now of today", file=sys.stderr)
        if status := run(command):
            return status
    name = yaml.safe_load(Path(study).read_text(encoding="utf-8"))["study"]
    print(f"report: results/{name}/report/report.html")
    return 0


@contextlib.contextmanager
def held(path: Path) -> Iterator[None]:
    """Hold a lock file; exits with one line if another process holds it.

    Programs that are started meanwhile do not inherit it (PEP 446), so a job that outlives
    Snakemake does not keep the next run out; jobs have locks of their own.
    """
    path.parent.mkdir(exist_ok=True)
    with open(path, "a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            refuse(f"another `make study` (process {file.read().strip()}) runs in this folder")
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield


def bring_back(folders: Sequence[str]) -> int:
    """Give files of the future the time of now; returns how many there were.

    After the clock was set back, Snakemake would let every job that reads them fail, because its
    output comes out older than its input, and delete what the job made.
    """
    now, count = time.time(), 0
    for top in folders:
        for folder, _, names in os.walk(top):
            for name in names:
                path = os.path.join(folder, name)
                if os.lstat(path).st_mtime > now:
                    os.utime(path, (now, now), follow_symlinks=False)
                    count += 1
    return count


def refuse(why: str) -> None:
    """Exit with one line."""
    sys.exit(f"make study: {why}: wait for its end, or stop it, and run again")


def snakemakes(folder: Path) -> list[int]:
    """Process ids of the Snakemakes that run a workflow in ``folder``; those of single jobs not."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            line = process.cmdline()
            if is_snakemake(line) and os.path.samefile(process.cwd(), folder):
                found.append(process.pid)
    return found


def is_snakemake(line: Sequence[str]) -> bool:
    """Whether a command line is `snakemake ...` or `python [options] [-m] snakemake ...`."""
    names = [Path(word).name for word in line[:5]]
    if not names or "--mode" in line:  # that is how Snakemake starts itself for a job
        return False
    return names[0] == "snakemake" or (
        names[0].lower().startswith("python") and "snakemake" in names
    )


def run(command: Sequence[str]) -> int:
    """Run a program to its end; returns its exit status, 128 + signal if one ended it.

    Signals reach it once, as make's own programs: Ctrl-C goes to every process of the terminal,
    SIGTERM and SIGHUP are passed on. What is ignored here (nohup) it ignores too.
    """
    child: subprocess.Popen[bytes] | None = None

    def pass_on(number: int, _: Any) -> None:
        if child is None:
            sys.exit(128 + number)
        if number != signal.SIGINT:
            child.send_signal(number)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, pass_on)
    child = subprocess.Popen(command)
    status = child.wait()
    return 128 - status if status < 0 else status


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
