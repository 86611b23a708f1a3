"""How many GPUs a training job asks the scheduler for; answered without importing torch."""

from __future__ import annotations

import os
from pathlib import Path


def gpus_to_request(device: str, *, local: bool, dev: Path = Path("/dev")) -> int:
    """1 where training will run on a GPU, 0 where it will not.

    ``device`` is the study's: cpu, cuda or auto. A job that another machine will run (``local``
    false) asks for a GPU unless the study says cpu, because this machine may be a login node. Here,
    ``auto`` asks for one only where a device exists, so that a limit on GPUs leaves no core idle.
    With ``cuda`` and no device, the job itself says so.
    """
    if device == "auto" and local:
        return int(has_gpu(dev))
    return int(device != "cpu")


def has_gpu(dev: Path = Path("/dev")) -> bool:
    """Whether this machine has a visible NVIDIA device."""
    if os.environ.get("CUDA_VISIBLE_DEVICES") in {"", "-1"}:
        return False
    return any(dev.glob("nvidia[0-9]*"))
