"""Where a training computes, with how many threads, and what makes it repeatable."""

from __future__ import annotations

import ctypes
import os
import platform
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch

from ulmfit.errors import UserError
from ulmfit.model.lstm import bf16_kernels
from ulmfit.model.precision import bf16_is_native, matmul

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_MMAP_MAX = -1, -3, -4  # of glibc's malloc.h
MMAP_MAX, MMAP_THRESHOLD = 1 << 16, 32 << 20
"""glibc's own number of blocks apart from the heap, and its largest limit for what may be one."""
SMALL = 512
"""Hidden size up to which all freed memory is kept for the next update."""
SLOW_BF16 = (
    "precision bf16: this device has no instructions for products of bf16, so they are emulated: "
    "right, but slower than precision fp32"
)


@dataclass(frozen=True)
class Compute:
    """The device of a stage and the facts about its matrix products for the card."""

    device: torch.device
    matmul: dict[str, Any]

    @property
    def name(self) -> str:
        """Model of the GPU, or ``cpu``."""
        return torch.cuda.get_device_name(self.device) if self.device.type == "cuda" else "cpu"


def choose(device: str) -> torch.device:
    """``auto`` takes a GPU where there is one; UserError if ``cuda`` is asked for and absent."""
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if device not in ("cpu", "cuda"):
        raise UserError(f"device {device}: it must be auto, cpu or cuda")
    if device == "cuda" and not torch.cuda.is_available():
        raise UserError("device cuda: torch finds no GPU here; set device to auto or cpu")
    return torch.device(device)


def keep_freed_memory(largest: bool = True) -> None:
    """Let glibc keep large freed blocks for the next update, for the rest of the process.

    By default it gives blocks of some megabytes back at once, and every update has the kernel
    clear the same pages anew. Those beyond 32 MiB go back unless the ``largest`` shall be kept too:
    where their sizes differ from one update to the next, few fit into the hole of another. Other C
    libraries stay as they are.
    """
    if platform.libc_ver()[0] == "glibc":
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(M_MMAP_THRESHOLD, MMAP_THRESHOLD)
        mallopt(M_MMAP_MAX, 0 if largest else MMAP_MAX)
        mallopt(M_TRIM_THRESHOLD, 2**31 - 1)


@contextmanager
def compute(
    device: str, threads: int, seed: int, precision: str = "fp32", keep_largest: bool = True
) -> Iterator[Compute]:
    """Settings for one stage; those of the process before come back afterwards.

    Same recipe, seed, machine and number of threads: same bits. On a GPU deterministic kernels are
    asked for; torch warns where it has none. A line says so where bf16 is asked for and slow.
    ``keep_largest``: :func:`keep_freed_memory`.
    """
    chosen = choose(device)
    keep_freed_memory(keep_largest)
    threads_before = torch.get_num_threads()
    gpus = [torch.cuda.current_device()] if chosen.type == "cuda" else []
    with ExitStack() as stack:
        stack.enter_context(torch.random.fork_rng(devices=gpus))
        facts = stack.enter_context(matmul(chosen))
        stack.callback(torch.set_num_threads, threads_before)
        torch.set_num_threads(threads)
        torch.manual_seed(seed)
        if precision == "bf16":
            facts |= {"bf16_native": bf16_is_native(chosen), **bf16_kernels(chosen)}
            if not facts["bf16_native"]:
                print(SLOW_BF16, file=sys.stderr, flush=True)
        if chosen.type == "cuda":
            stack.enter_context(_deterministic_gpu())
            torch.cuda.reset_peak_memory_stats(chosen)
        yield Compute(chosen, facts)


@contextmanager
def _deterministic_gpu() -> Iterator[None]:
    """Deterministic kernels; not asked for on a CPU, which has them anyway, because the call
    imports torch's compiler, and that takes longer than many a training.
    """
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    before = torch.are_deterministic_algorithms_enabled()
    memory: Any = torch.utils.deterministic
    filled = memory.fill_uninitialized_memory
    try:
        torch.use_deterministic_algorithms(True, warn_only=True)
        # It would write every tensor twice, a twentieth of an update's time, so that whoever reads
        # what no kernel has written gets the same bits.
        memory.fill_uninitialized_memory = False
        yield
    finally:
        torch.use_deterministic_algorithms(before)
        memory.fill_uninitialized_memory = filled
