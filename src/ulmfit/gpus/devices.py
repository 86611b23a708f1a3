"""Which GPUs a process may use, and how many a training job asks for."""

from __future__ import annotations

import os
import re
from itertools import takewhile

_NODE = re.compile(r"nvidia\d+")
_INDEX = re.compile(r"\s*\+?(\d+)")


def gpus_to_request(device: str, *, local: bool, dev: str | os.PathLike[str] = "/dev") -> int:
    """1 where training will run on a GPU, 0 where it will not.

    ``device`` is the study's: cpu, cuda or auto. A job that another machine will run (``local``
    false) asks for a GPU unless the study says cpu, because this machine may be a login node. Here,
    ``auto`` asks for one only where a device exists, so that a limit on GPUs leaves no core idle.
    With ``cuda`` and no device, the job itself says so.
    """
    if device == "auto" and local:
        return int(has_gpu(dev))
    return int(device != "cpu")


def has_gpu(dev: str | os.PathLike[str] = "/dev") -> bool:
    """Whether this machine has a visible NVIDIA device."""
    return _n_nodes(dev) > 0 and bool(visible_devices(dev))


def visible_devices(dev: str | os.PathLike[str] = "/dev") -> list[str] | None:
    """Names of the GPUs that CUDA shows this process, in its order; None where nobody knows.

    A name is what ``CUDA_VISIBLE_DEVICES`` takes: an index, a UUID, a MIG id. Without that
    variable they are indices, one for each device of the driver: a container that has the node
    ``nvidia3`` alone calls it 0. Systems with GPUs but no such nodes (WSL, AMD) are not known.
    """
    n_nodes = _n_nodes(dev)
    listed = os.environ.get("CUDA_VISIBLE_DEVICES")
    if listed is not None:
        return _listed(listed, n_nodes)
    return [str(index) for index in range(n_nodes)] if n_nodes else None


def _listed(listed: str, n_nodes: int) -> list[str]:
    """What CUDA reads in a list: it ends at the first entry that is none, -1 for instance, and a
    device that stands twice hides all (CUDA C++ Programming Guide, environment variables).
    """
    entries = listed.split(",")
    kind = next((prefix for prefix in ("GPU-", "MIG-") if listed.startswith(prefix)), None)
    if kind:
        names = list(takewhile(lambda entry: entry.startswith(kind), entries))
    else:
        indices = (int(found[1]) if (found := _INDEX.match(entry)) else -1 for entry in entries)
        shown = takewhile(lambda index: 0 <= index < (n_nodes or index + 1), indices)
        names = [str(index) for index in shown]
    return names if len(set(names)) == len(names) else []


def _n_nodes(dev: str | os.PathLike[str]) -> int:
    """Devices of the NVIDIA driver; its control nodes are none."""
    return sum(_NODE.fullmatch(name) is not None for name in os.listdir(dev))
