"""Texts that are the same, or nearly: found exactly, for all pairs, without comparing all pairs."""

from __future__ import annotations

import hashlib
import re
from array import array
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

SHINGLE = 3
"""Words of a shingle."""
BLOCK = 4_000_000
"""Words, products or shingles that are worked on at a time, which bounds the memory."""
SLOTS = (1 << 26) - 5
"""Most slots of the table that tells shingles of one text from others; a prime."""


def normalised(text: str) -> str:
    """What two copies of a text share: lower case, digits as 0, no punctuation, single spaces."""
    return " ".join(re.findall(r"\w+", re.sub(r"\d", "0", text.lower())))


def lottery(text: str) -> str:
    """A reproducible random key: order by it to draw texts without a seed.

    Texts keep their order when others are added or removed, so another version of a library
    changes few draws.
    """
    return hashlib.sha256(text.encode()).hexdigest()


def clusters(texts: Iterable[str], threshold: float) -> NDArray[np.intp]:
    """Cluster number of each text, (texts,); copies and near copies share one.

    Two texts are near copies if the Jaccard similarity of their sets of word 3-shingles is
    ``threshold`` or more; a cluster is a connected component of such pairs.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    number: dict[bytes, int] = {}
    inverse = array("q")

    def unique() -> Iterator[str]:
        for text in map(normalised, texts):
            # A digest, because the texts together may be larger than all that is made of them.
            digest = hashlib.sha256(text.encode()).digest()
            if digest not in number:
                yield text
            inverse.append(number.setdefault(digest, len(number)))

    pairs = near_pairs(unique(), threshold)
    graph = coo_array((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(len(number),) * 2)
    component = connected_components(graph, directed=False)[1]
    return np.asarray(component[np.asarray(inverse)], dtype=np.intp)


def near_pairs(texts: Iterable[str], threshold: float) -> NDArray[np.intp]:
    """Pairs (first < second) of different normalised texts that are near copies, (pairs, 2).

    Prefix filtering (Chaudhuri et al. 2006; Bayardo et al. 2007): order each text's n shingles
    from rare to frequent; two texts of Jaccard similarity t or more share one of their first
    n - ceil(t n) + 1. So only texts that share a rare shingle are compared, and none is missed.
    """
    from scipy.sparse import csr_array

    shingles, sizes = _shingles(texts)
    shared = np.diff(shingles.indptr)
    prefix = sizes - np.ceil(threshold * sizes - 1e-9).astype(np.int64) + 1
    # The shingles of one text, which the matrix leaves out, are the rarest.
    place = np.arange(shingles.nnz) + np.repeat(sizes - shared - shingles.indptr[:-1], shared)
    useful = place < np.repeat(prefix, shared)
    del place
    row = np.repeat(np.arange(len(sizes), dtype=np.int32), shared)[useful]
    rare = csr_array(
        (np.ones(len(row), dtype=np.int32), (row, shingles.indices[useful])), shape=shingles.shape
    )
    turned = rare.T.tocsr()
    found = [np.empty((0, 2), dtype=np.intp)]
    for block in _blocks(rare @ np.diff(turned.indptr)):
        candidates = (rare[block] @ turned).tocoo()
        first, second = candidates.row + block.start, candidates.col
        small, large = np.sort([sizes[first], sizes[second]], axis=0)
        possible = (first < second) & (small >= threshold * large - 1e-9)
        first, second = first[possible], second[possible]
        for part in _blocks(shared[first] + shared[second]):
            one, other = first[part], second[part]
            common = np.asarray(shingles[one].multiply(shingles[other]).sum(axis=1)).ravel()
            near = common >= threshold * (sizes[one] + sizes[other] - common) - 1e-9
            found.append(np.column_stack([one[near], other[near]]))
    return np.concatenate(found).astype(np.intp)


def _shingles(texts: Iterable[str]) -> tuple[Any, NDArray[np.int64]]:
    """Texts by shingles of two texts or more, 0/1 sparse, and all shingles of each text, (texts,).

    Columns go from rare to frequent. A text shorter than a shingle is one shingle.
    """
    from scipy.sparse import csr_array

    words, lengths, base = _numbered_words(texts)
    often, sizes = _often(words, lengths, base)
    parts = 1 + len(words) // (2 * BLOCK)
    rows, columns, frequencies = [np.empty(0, np.int32)], [np.empty(0, np.int32)], []
    total = 0
    for part in range(parts):
        chosen = []
        for row, code in _codes(words, lengths, base):
            kept = often[code % len(often)] & (code % parts == part)
            chosen.append((row[kept], code[kept]))
        row, code = _distinct(
            np.concatenate([row for row, _ in chosen]), np.concatenate([code for _, code in chosen])
        )
        del chosen
        new = np.append(True, code[1:] != code[:-1])[: len(code)]
        frequency = np.diff(np.flatnonzero(new), append=len(code))
        shared = np.repeat(frequency > 1, frequency)
        rows.append(row[shared])
        frequencies.append(frequency[frequency > 1])
        columns.append(
            np.repeat(np.arange(len(frequencies[-1]), dtype=np.int32) + total, frequencies[-1])
        )
        total += len(frequencies[-1])
    del words, often, row, code, shared
    place = np.argsort(np.argsort(np.concatenate(frequencies), kind="stable"), kind="stable")
    row, column = np.concatenate(rows), place.astype(np.int32)[np.concatenate(columns)]
    del rows, columns
    matrix = csr_array(
        (np.ones(len(row), dtype=np.int32), (row, column)), shape=(len(sizes), total)
    )
    matrix.sort_indices()
    return matrix, sizes


def _often(
    words: NDArray[np.int32], lengths: NDArray[np.int64], base: int
) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """Which slots, a shingle's code modulo their number, two texts share; and shingles by text.

    Most shingles stand in one text only, and such a table, without their names, finds nearly all.
    """
    slots = min(SLOTS, 4 * len(words) + 1)
    once, often = np.zeros(slots, dtype=bool), np.zeros(slots, dtype=bool)
    sizes = np.zeros(len(lengths), dtype=np.int64)
    for row, code in _codes(words, lengths, base):
        row, code = _distinct(row, code)
        sizes += np.bincount(row, minlength=len(sizes))
        slot = code % slots
        often[slot[once[slot]]] = True
        often[slot[1:][code[1:] == code[:-1]]] = True
        once[slot] = True
    return often, sizes


def _numbered_words(
    texts: Iterable[str],
) -> tuple[NDArray[np.int32], NDArray[np.int64], int]:
    """Numbers of all words in one row, the length of each text, and how many words there are."""
    number: dict[str, int] = {"": 0}
    words, lengths = array("i"), array("q")
    for text in texts:
        found = [number.setdefault(word, len(number)) for word in text.split()]
        found += [0] * (SHINGLE - len(found))
        words.extend(found)
        lengths.append(len(found))
    return np.asarray(words), np.asarray(lengths), len(number)


def _codes(
    words: NDArray[np.int32], lengths: NDArray[np.int64], base: int
) -> Iterator[tuple[NDArray[np.int32], NDArray[np.int64]]]:
    """Text and code of every shingle in the order of the texts, a block of texts at a time."""
    ends = np.cumsum(lengths)
    for block in _blocks(lengths):
        word = words[ends[block.start] - lengths[block.start] : ends[block.stop - 1]]
        row = np.repeat(np.arange(block.start, block.stop, dtype=np.int32), lengths[block])
        count = len(word) - SHINGLE + 1
        code = np.zeros(count, dtype=np.int64)
        for offset in range(SHINGLE):
            code = code * base + word[offset : offset + count]
        inside = row[:count] == row[SHINGLE - 1 :]
        yield row[:count][inside], code[inside]


def _distinct(
    row: NDArray[np.int32], code: NDArray[np.int64]
) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Each pair of text and code once, by code; the texts must be in order."""
    order = np.argsort(code, kind="stable")
    row, code = row[order], code[order]
    new = np.ones(len(code), dtype=bool)
    new[1:] = (code[1:] != code[:-1]) | (row[1:] != row[:-1])
    return row[new], code[new]


def _blocks(costs: NDArray[Any]) -> Iterator[slice]:
    """Neighbours that together cost at most BLOCK, or one alone that costs more."""
    total = np.cumsum(costs, dtype=np.int64)
    start = 0
    while start < len(total):
        before = total[start - 1] if start else 0
        stop = max(start + 1, int(np.searchsorted(total, before + BLOCK, side="right")))
        yield slice(start, stop)
        start = stop
