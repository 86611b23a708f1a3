"""Progress of a long loop on stderr."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")


def progress(iterable: Iterable[T], total: int, label: str) -> Iterator[T]:
    """Yield the elements of ``iterable``, with a bar if stderr is a terminal and tqdm is there."""
    if not sys.stderr.isatty():
        yield from iterable
        return
    try:
        from tqdm import tqdm
    except ImportError:
        yield from iterable
        return
    yield from tqdm(iterable, total=total, desc=label, leave=False, file=sys.stderr)
