"""Which of many texts stand word for word inside larger ones, met one after the other."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

MIN_WORDS = 8
"""Words that a text needs: a shorter one is a phrase that anybody may write."""

FACTOR = np.uint64(0x9E3779B97F4A7C15)

Hashes = NDArray[np.uint64]


class Search:
    """Looks for texts in normal form; keeps no larger text, so memory grows with the texts only.

    The first :data:`MIN_WORDS` words of each text are hashed, and so is every run of as many words
    of a larger text. Only texts whose start is met are compared, in full: nothing is missed, and
    no collision counts. ``found`` and ``searched`` are (texts,): false for texts too short.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        self._texts = texts
        self._number: dict[str, int] = {}
        long = [row for row, text in enumerate(texts) if text.count(" ") >= MIN_WORDS - 1]
        starts = np.array(
            [
                [self._number.setdefault(word, len(self._number) + 1) for word in words]
                for words in (texts[row].split(" ", MIN_WORDS)[:MIN_WORDS] for row in long)
            ],
            dtype=np.uint64,
        ).reshape(len(long), MIN_WORDS)
        self._starts, place = np.unique(_hash(starts.T), return_inverse=True)
        self._waiting: list[list[int]] = [[] for _ in self._starts]
        for row, start in zip(long, place, strict=True):
            self._waiting[start].append(row)
        self.searched = np.zeros(len(texts), dtype=bool)
        self.searched[long] = True
        self.found = np.zeros(len(texts), dtype=bool)

    def look_into(self, larger: str) -> None:
        """Look for all texts not found yet in one larger text in normal form."""
        # Words that no start has are 0, and no start has a 0.
        words = [self._number.get(word, 0) for word in larger.split(" ")]
        runs = len(words) - MIN_WORDS + 1
        if runs < 1 or not len(self._starts):
            return
        word = np.array(words, dtype=np.uint64)
        code = _hash(word[offset : offset + runs] for offset in range(MIN_WORDS))
        place = np.searchsorted(self._starts, code)
        place[place == len(self._starts)] = 0
        whole = f" {larger} "
        for start in np.unique(place[self._starts[place] == code]):
            for row in self._waiting[start]:
                self.found[row] = f" {self._texts[row]} " in whole
            self._waiting[start] = [row for row in self._waiting[start] if not self.found[row]]


def _hash(columns: Iterable[Hashes]) -> Hashes:
    """Hash of each row of numbers, (rows,), given column by column; it wraps around."""
    code: Hashes | None = None
    for column in columns:
        code = column if code is None else code * FACTOR + column
    assert code is not None
    return code
