"""How far a long loop has come: a bar on a terminal, a line now and then in a log file."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

Element = TypeVar("Element")

LINE_EVERY_S = 10.0


def progress(
    iterable: Iterable[Element], total: int, label: str, before: int = 0
) -> Iterator[Element]:
    """Yield the elements of ``iterable`` and say on stderr how many of ``total`` are done.

    ``before`` of them were done earlier.

    On a terminal with tqdm installed this is a bar; otherwise a plain line about every ten
    seconds and one at the end, with the rate and the time left, and nothing but the standard
    library.
    """
    if sys.stderr.isatty():
        try:
            from tqdm import tqdm
        except ImportError:
            pass
        else:
            yield from tqdm(iterable, total=total, initial=before, desc=label, dynamic_ncols=True)
            return
    yield from _lines(iterable, total, label, before)


def _lines(iterable: Iterable[Element], total: int, label: str, before: int) -> Iterator[Element]:
    start = last = time.monotonic()
    done = before
    for done, element in enumerate(iterable, start=before + 1):
        yield element
        now = time.monotonic()
        if now - last >= LINE_EVERY_S:
            last = now
            rate = (done - before) / (now - start)
            left = max(total - done, 0) / rate
            print(
                f"{label}: {done}/{total}, {rate:.1f}/s, {left:.0f} s left",
                file=sys.stderr,
                flush=True,
            )
    print(f"{label}: {done} in {time.monotonic() - start:.1f} s", file=sys.stderr, flush=True)
