"""The card of a trained model: everything needed to say where its weights came from."""

from __future__ import annotations

import functools
import hashlib
import platform
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy
import torch
from torch import nn

import ulmfit
from ulmfit.config.recipes import to_dict
from ulmfit.store.files import digest
from ulmfit.train.device import Compute


def vocabulary_bytes(vocabulary: tuple[str, ...]) -> bytes:
    """A vocabulary as the bytes of its file: one token a line."""
    return "".join(f"{token}\n" for token in vocabulary).encode()


def vocabulary_sha256(vocabulary: tuple[str, ...]) -> str:
    """SHA-256 of ``vocabulary.txt``, in hexadecimal."""
    return hashlib.sha256(vocabulary_bytes(vocabulary)).hexdigest()


@functools.cache
def commit() -> tuple[str | None, bool | None]:
    """(commit of the source code, whether tracked files differ from it); None outside git."""
    here = Path(__file__)

    def git(*arguments: str) -> str:
        return subprocess.run(
            ["git", "-C", str(here.parent), *arguments], capture_output=True, text=True, check=True
        ).stdout.strip()

    try:
        # An installed copy may lie inside a repository that does not track it.
        git("ls-files", "--error-unmatch", here.name)
        return git("rev-parse", "HEAD"), bool(git("status", "--porcelain", "-uno"))
    except (OSError, subprocess.CalledProcessError):
        return None, None


class Meter:
    """Wall time, CPU time, tokens and updates of one training."""

    def __init__(self) -> None:
        self._wall = time.perf_counter()
        self._cpu = time.process_time()
        self._peak = 0.0
        self.tokens = 0
        self.updates = 0
        self.training_wall = 0.0
        self.resumed_from: list[dict[str, int]] = []

    def add(self, tokens: int, updates: int, wall: float) -> None:
        """Count an epoch of training."""
        self.tokens += tokens
        self.updates += updates
        self.training_wall += wall

    def state(self, device: torch.device) -> dict[str, Any]:
        """Plain values from which :meth:`restore` goes on."""
        return {
            "wall": time.perf_counter() - self._wall,
            "cpu": time.process_time() - self._cpu,
            "peak": self._peak_memory_mib(device),
            "tokens": self.tokens,
            "updates": self.updates,
            "training_wall": self.training_wall,
            "resumed_from": self.resumed_from,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Add what was spent before ``state`` was taken."""
        self._wall -= state["wall"]
        self._cpu -= state["cpu"]
        self._peak = state["peak"]
        self.tokens, self.updates = state["tokens"], state["updates"]
        self.training_wall = state["training_wall"]
        self.resumed_from = list(state["resumed_from"])

    def _peak_memory_mib(self, device: torch.device) -> float:
        if device.type == "cuda":
            return max(self._peak, torch.cuda.max_memory_allocated(device) / 2**20)
        unit = 2**20 if sys.platform == "darwin" else 2**10
        return max(self._peak, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit)

    def facts(self, device: torch.device) -> dict[str, Any]:
        """What the card says of cost; ``tokens_per_s`` counts training tokens and time only.

        ``tokens`` are those that training read, each as often as it was read.
        """
        return {
            "wall_s": round(time.perf_counter() - self._wall, 3),
            "cpu_s": round(time.process_time() - self._cpu, 3),
            "tokens": self.tokens,
            "tokens_per_s": round(self.tokens / self.training_wall, 1) if self.tokens else None,
            "peak_memory_mib": round(self._peak_memory_mib(device), 1),
            "updates": self.updates,
            "resumed_from": self.resumed_from,
        }


def card(
    stage: str,
    recipe: Any,
    direction: str,
    vocabulary: tuple[str, ...],
    parents: list[dict[str, str]],
    seed: int,
    compute: Compute,
    meter: Meter,
    model: nn.Module,
    **more: Any,
) -> dict[str, Any]:
    """The card as plain values; `ulmfit.store.weights` adds the digest of the weights."""
    revision, dirty = commit()
    return {
        "stage": stage,
        "recipe": to_dict(recipe),
        "recipe_digest": digest(to_dict(recipe)),
        "direction": direction,
        "vocabulary_sha256": vocabulary_sha256(vocabulary),
        "parents": parents,
        "seed": seed,
        "device": compute.device.type,
        "device_name": compute.name,
        "matmul": compute.matmul,
        "versions": {
            "ulmfit": ulmfit.__version__,
            "torch": torch.__version__,
            "numpy": numpy.__version__,
            "python": platform.python_version(),
        },
        "commit": revision,
        "dirty": dirty,
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        **meter.facts(compute.device),
        **more,
    }
