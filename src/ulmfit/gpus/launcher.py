"""Start a command on GPUs of its own: ``python -m ulmfit.gpus --count N -- COMMAND``.

The launcher claims N free devices of this machine, waits for them if it has to, names them in
``CUDA_VISIBLE_DEVICES`` and becomes the command. So process id, signals and exit status are those
of the command, and the claim ends when it does, however it ends. Nothing is claimed, and the
environment stays as it is, with N = 0; where ``ULMFIT_GPUS_BY`` is ``scheduler``; and where no
device is known, so that the command itself says what it lacks.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from typing import NoReturn

from ulmfit.errors import UserError
from ulmfit.gpus.claims import Claims
from ulmfit.gpus.devices import visible_devices

ALLOCATIONS = ("SLURM_JOB_ID", "PBS_JOBID", "LSB_JOBID", "ULMFIT_GPU_CLAIM")
"""What an allocation is called by the scheduler, or the launcher, that made it."""


def main(line: Sequence[str] | None = None) -> int:
    """Become the command; returns an exit status if that cannot be done."""
    # A job that waits ends like any other command: by the signal, without a traceback.
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    options = _parser().parse_args(line)
    try:
        if options.count and os.environ.get("ULMFIT_GPUS_BY") != "scheduler":
            claim(options.count, options.jobs_per_gpu, options.locks)
        become(options.command)
    except UserError as error:
        print(f"ulmfit.gpus: {error}", file=sys.stderr)
        return 1


def claim(count: int, jobs_per_gpu: int, locks: str) -> None:
    """Claim ``count`` devices for this process and name them in its environment."""
    devices = visible_devices()
    if devices is None:
        return
    if count > len(devices):
        named = "CUDA_VISIBLE_DEVICES" if "CUDA_VISIBLE_DEVICES" in os.environ else "the driver"
        raise UserError(
            f"{count} GPUs for one job, but {named} shows {len(devices)}"
            f" ({', '.join(devices) or 'none'}); ask for fewer, or show more"
        )

    def on_wait(holders: list[int]) -> None:
        held = f", held by {', '.join(map(str, holders))}" if holders else ""
        _say(f"process {os.getpid()} waits for {count} of the GPUs {', '.join(devices)}{held}")

    # Devices of an allocation are its own, whatever its names for them are.
    allocation = "-".join(
        f"{name}={value}" for name in ALLOCATIONS if (value := os.environ.get(name))
    )
    claimed = Claims(locks, allocation).claim(count, devices, jobs_per_gpu, on_wait)
    os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(claimed)
    # Launchers that the command starts divide this claim; they do not wait for it.
    os.environ["ULMFIT_GPU_CLAIM"] = str(os.getpid())
    _say(f"CUDA_VISIBLE_DEVICES={os.environ['CUDA_VISIBLE_DEVICES']}")


def become(command: list[str]) -> NoReturn:
    """Replace this process by ``command``."""
    # Python ignores these for itself; a command must not inherit that.
    for name in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(name, signal.SIG_DFL)
    try:
        os.execvp(command[0], command)
    except OSError as error:
        raise UserError(f"{command[0]}: {error.strerror}") from None


def _say(text: str) -> None:
    print(f"ulmfit.gpus: {text}", file=sys.stderr, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m ulmfit.gpus", description="Start a command on free GPUs of this machine."
    )
    parser.add_argument("--count", type=_gpus, default=1, metavar="N", help="GPUs; default: 1")
    parser.add_argument(
        "--jobs-per-gpu",
        type=_jobs,
        default=os.environ.get("ULMFIT_JOBS_PER_GPU") or "1",
        metavar="N",
        help="how many jobs may share a device, one number for all; "
        "default: $ULMFIT_JOBS_PER_GPU, or 1",
    )
    parser.add_argument(
        "--locks",
        default=os.environ.get("ULMFIT_GPU_LOCKS") or "/tmp/ulmfit-gpus",
        metavar="FOLDER",
        help="locks of this machine; default: $ULMFIT_GPU_LOCKS, or /tmp/ulmfit-gpus",
    )
    parser.add_argument("command", nargs="+", metavar="COMMAND", help="and its arguments, after --")
    return parser


def _gpus(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is no number of GPUs")
    return int(text)


def _jobs(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of jobs; it must be 1 or more")
    return int(text)
