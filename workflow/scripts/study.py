"""Run Snakemake on a study so that the same command goes on after anything.

`make study` calls it: study.py STUDY [arguments of Snakemake]. Snakemake leaves its lock behind
when it is killed or the machine stops, and then refuses to start. Here that lock is removed if it
is certain that its Snakemake is dead (`ulmfit.store.claim`). The lock held here is one of the
kernel: of two runs at a time, one would remove what the other has just made.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml
from snakemake.cli import get_argument_parser

from ulmfit.errors import UserError, explained
from ulmfit.store.claim import STATE, remove_left_over
from ulmfit.store.lock import NotFree, locked

LOCK = STATE / "ulmfit.lock"
MADE = ("results", "resources")
CHECKPOINTS = "checkpoints"
QUESTIONS = (
    *("dryrun", "unlock", "lint", "list_rules", "list_target_rules", "list_changes", "summary"),
    *("detailed_summary", "dag", "rulegraph", "filegraph", "d3dag", "print_compilation", "report"),
)
"""Options that make Snakemake run no job."""


def main(study: str, *arguments: str) -> int:
    """Run a study in this folder; returns Snakemake's exit status, 128 + signal if one ended it.

    What runs no job is Snakemake's alone: nothing is held, removed or touched for it.
    """
    options = ["--configfile", study, *arguments]
    command = [sys.executable, "-m", "snakemake", *options]
    asked = get_argument_parser().parse_args(options)
    if any(getattr(asked, question, None) for question in QUESTIONS):
        return run(command)
    with held(LOCK):
        if remove_left_over(Path.cwd()):
            say("going on from a run that was killed: its lock is removed")
        bring_back(MADE)
        if status := run(command):
            return status
    name = yaml.safe_load(Path(study).read_text(encoding="utf-8"))["study"]
    print(f"report: results/{name}/report/report.html")
    return 0


@contextlib.contextmanager
def held(path: Path) -> Iterator[None]:
    """Hold a lock file; raises UserError if another process holds it.

    Programs that are started meanwhile do not inherit it, so a job that outlives Snakemake does not
    keep the next run out; jobs have locks of their own.
    """
    try:
        with locked(path, wait=False):
            yield
    except NotFree:
        process, _, host = path.read_text(encoding="utf-8").strip().partition(" ")
        raise UserError(
            f"another `make study` (process {process} on {host}) runs in this folder: "
            "wait for its end, or stop it, and run again"
        ) from None


def bring_back(folders: Sequence[str]) -> None:
    """Give files of the future the time of now, and say how many there were.

    After the clock was set back, Snakemake would let every job that reads them fail, because its
    output comes out older than its input, and delete what the job made. Checkpoints are no job's
    input, and a training that outlived its Snakemake replaces them meanwhile.
    """
    now, count, refused = time.time(), 0, 0
    for top in folders:
        for folder, inner, names in os.walk(top):
            inner[:] = [name for name in inner if name != CHECKPOINTS]
            for name in names:
                path = os.path.join(folder, name)
                try:
                    if os.lstat(path).st_mtime > now:
                        os.utime(path, (now, now), follow_symlinks=False)
                        count += 1
                except FileNotFoundError:
                    continue
                except OSError:
                    refused += 1
    if count:
        say(f"{count} files were of the future, by this clock; now of today")
    if refused:
        say(
            f"{refused} files are of the future, by this clock, and not this user's to touch: "
            "jobs that read them may fail"
        )


def say(line: str) -> None:
    """Print a line beside what Snakemake says."""
    print(line, file=sys.stderr, flush=True)


def run(command: Sequence[str]) -> int:
    """Run a program to its end; returns its exit status, 128 + signal if one ended it.

    Signals reach it once, as make's own programs: Ctrl-C goes to every process of the terminal,
    SIGTERM and SIGHUP are passed on. What is ignored here (nohup) it ignores too. Before and
    after, signals do what they did.
    """
    child: subprocess.Popen[bytes] | None = None
    early = False

    def pass_on(number: int, _: Any) -> None:
        nonlocal early
        if child is None:
            early = True
        elif number != signal.SIGINT:
            child.send_signal(number)

    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.getsignal(number) for number in numbers}
    try:
        for number in numbers:
            if before[number] is not signal.SIG_IGN:
                signal.signal(number, pass_on)
        child = subprocess.Popen(command)
        if early:  # it may have come before there was a child to get it
            child.terminate()
        status = child.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    return 128 - status if status < 0 else status


if __name__ == "__main__":
    try:
        sys.exit(main(*sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
    except UserError as error:
        sys.exit(f"make study: {error}")
    except OSError as error:
        sys.exit(f"make study: {explained(error)}")
