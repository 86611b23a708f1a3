"""Import torch without what its import need not cost."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def importing_torch() -> Iterator[None]:
    """Look for no cycles of garbage in what is imported: all of it stays until the process ends.

    The search, at the end of the process too, takes 0.5 of the 1.4 CPU-seconds of torch.
    """
    if "torch" in sys.modules or not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
