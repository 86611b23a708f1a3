"""A fresh process that trains with fastai on a device: ``python -m bench.gpu_peer JSON``.

The last line of standard output is JSON: ``found`` for each training asked for, in their order, or
``missing``, why there is no fastai here.
"""

from __future__ import annotations

import contextlib
import gc
import json
import sys
import traceback
from typing import Any

import torch

from bench.child import Task, documents
from bench.workloads import Workload


def measure(workload: Workload, updates: int, fp16: bool, device: torch.device) -> dict[str, Any]:
    """Tokens, seconds and updates of the second of two epochs, and peak memory of the device."""
    from bench import peer

    texts = documents(Task("fastai", workload, "sample", 0, updates))
    on_gpu = device.type == "cuda"
    if on_gpu:
        gc.collect()
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    tokens, seconds = peer.last_epoch(workload, texts, device, fp16)
    return {
        "tokens": tokens,
        "seconds": seconds,
        "updates": updates if workload.kind == "lm" else len(texts) // workload.batch_size,
        "peak_mib": torch.cuda.max_memory_allocated() / 2**20 if on_gpu else None,
    }


def answer(asked: dict[str, Any]) -> dict[str, Any]:
    """What the module says; a training that fails is said by its error, and the others go on."""
    try:
        import bench.peer  # noqa: F401
    # Packages that do not fit this torch fail in ways of their own.
    except Exception as error:
        traceback.print_exc()
        return {"missing": f"{type(error).__name__}: {error}"}
    device = torch.device(asked["device"])
    found = []
    for one in asked["trainings"]:
        workload = Workload(**one["workload"])
        try:
            found.append(measure(workload, one["updates"], one["fp16"], device))
        except Exception as error:
            traceback.print_exc()
            found.append({"error": f"{type(error).__name__}: {error}"})
    return {"found": found}


def main() -> None:
    """Measure what the argument says."""
    with contextlib.redirect_stdout(sys.stderr):
        result = answer(json.loads(sys.argv[1]))
    print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
