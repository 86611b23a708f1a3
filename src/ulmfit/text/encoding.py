"""Documents as ids, a chunk at a time, over several processes, in the order they came."""

from __future__ import annotations

import multiprocessing
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from ulmfit.errors import UserError

Chunk = TypeVar("Chunk")
Result = TypeVar("Result")

Rows = list[tuple[str, ...]]
"""Documents of a chunk, each as the texts of its fields."""

CHARACTERS_PER_PROCESS = 10_000_000
"""Below so much text, another process would take longer to start than it saves."""


@dataclass(frozen=True)
class Encoding:
    """A chunk of documents as ids.

    ``ids`` (tokens,) uint32, documents end to end; ``lengths`` (documents,) int64; ``types`` the
    distinct tokens that the ids index, or None where the tokenizer brings its own vocabulary.
    """

    ids: NDArray[np.uint32]
    lengths: NDArray[np.int64]
    types: tuple[str, ...] | None


def processes_for(characters: int, threads: int) -> int:
    """Processes worth starting for so much text, at most ``threads``."""
    return max(1, min(threads, characters // CHARACTERS_PER_PROCESS))


def ordered_map(
    factory: Callable[[], Callable[[Chunk], Result]], chunks: Iterable[Chunk], processes: int
) -> Iterator[Result]:
    """Results of all chunks in the order of the chunks.

    ``factory`` is called once in each process and returns the function for a chunk; it must be
    picklable. Chunks are drawn only as fast as they are worked off, so memory stays bounded.
    Raises UserError when a process dies, which is what running out of memory looks like.
    """
    if processes == 1:
        yield from map(factory(), chunks)
        return
    # Not fork: pyarrow and torch keep threads, which a forked child would inherit half-dead.
    context = multiprocessing.get_context("spawn")
    waiting: deque[Future[Result]] = deque()
    pool = ProcessPoolExecutor(processes, context, initializer=_start, initargs=(factory,))
    try:
        for chunk in chunks:
            waiting.append(pool.submit(_run, chunk))
            if len(waiting) > 2 * processes:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    except BrokenProcessPool as error:
        raise UserError(
            "a process that tokenized died, probably for want of memory: give fewer threads"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


_work: Callable[[Any], Any] | None = None


def _start(factory: Callable[[], Callable[[Any], Any]]) -> None:
    global _work
    _work = factory()


def _run(chunk: Any) -> Any:
    assert _work is not None
    return _work(chunk)
