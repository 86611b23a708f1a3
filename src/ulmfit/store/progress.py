"""Progress of a loop."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar

Item = TypeVar("Item")


def progress(iterable: Iterable[Item], total: int | None, label: str) -> Iterator[Item]:  # noqa: ARG001
    """Yield the items of ``iterable``."""
    yield from iterable
