"""Texts that are the same, or nearly: found exactly, for all pairs, without comparing all pairs."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

SHINGLE = 3
"""Words of a shingle."""
BLOCK = 1024
"""Texts compared with all others at a time, which bounds the memory."""


def normalised(text: str) -> str:
    """What two copies of a text share: lower case, digits as 0, no punctuation, single spaces."""
    return " ".join(re.findall(r"\w+", re.sub(r"\d", "0", text.lower())))


def lottery(text: str) -> str:
    """A reproducible random key: order by it to draw texts without a seed.

    Texts keep their order when others are added or removed, so another version of a library
    changes few draws.
    """
    return hashlib.sha256(text.encode()).hexdigest()


def clusters(texts: Sequence[str], threshold: float) -> NDArray[np.intp]:
    """Cluster number of each text, (texts,); copies and near copies share one.

    Two texts are near copies if the Jaccard similarity of their sets of word 3-shingles is
    ``threshold`` or more; a cluster is a connected component of such pairs.
    """
    import pandas as pd
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    # Not numpy.unique: its fixed-width strings are all as long as the longest text.
    inverse, unique = pd.factorize(pd.Series([normalised(text) for text in texts], dtype=object))
    pairs = near_pairs(unique.tolist(), threshold)
    graph = coo_array((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(len(unique),) * 2)
    component = connected_components(graph, directed=False)[1]
    return np.asarray(component, dtype=np.intp)[inverse]


def near_pairs(texts: Sequence[str], threshold: float) -> NDArray[np.intp]:
    """Pairs (first < second) of different normalised texts that are near copies, (pairs, 2).

    Prefix filtering (Chaudhuri et al. 2006; Bayardo et al. 2007): order each text's n shingles
    from rare to frequent; two texts of Jaccard similarity t or more share one of their first
    n - ceil(t n) + 1. So only texts that share a rare shingle are compared, and none is missed.
    """
    from scipy.sparse import csr_array

    shingles = _shingles(texts)
    sizes = np.diff(shingles.indptr)
    prefix = sizes - np.ceil(threshold * sizes - 1e-9).astype(np.int64) + 1
    place = np.arange(shingles.nnz) - np.repeat(shingles.indptr[:-1], sizes)
    # A shingle of one text makes no pair.
    common = np.bincount(shingles.indices, minlength=shingles.shape[1]) > 1
    useful = (place < np.repeat(prefix, sizes)) & common[shingles.indices]
    row = np.repeat(np.arange(len(texts)), sizes)[useful]
    rare = csr_array(
        (np.ones(len(row), dtype=np.int32), (row, shingles.indices[useful])), shape=shingles.shape
    )
    turned = rare.T.tocsr()
    found = [np.empty((0, 2), dtype=np.intp)]
    for start in range(0, len(texts), BLOCK):
        candidates = (rare[start : start + BLOCK] @ turned).tocoo()
        first, second = candidates.row + start, candidates.col
        small, large = np.sort([sizes[first], sizes[second]], axis=0)
        possible = (first < second) & (small >= threshold * large - 1e-9)
        first, second = first[possible], second[possible]
        shared = np.asarray(shingles[first].multiply(shingles[second]).sum(axis=1)).ravel()
        near = shared >= threshold * (sizes[first] + sizes[second] - shared) - 1e-9
        found.append(np.column_stack([first[near], second[near]]))
    return np.concatenate(found).astype(np.intp)


def _shingles(texts: Sequence[str]) -> Any:
    """Texts by shingles, (texts, shingles) 0/1 sparse; columns from rare to frequent, sorted.

    A text shorter than a shingle is one shingle.
    """
    from scipy.sparse import csr_array

    number: dict[str, int] = {"": 0}
    words: list[int] = []
    lengths = []
    for text in texts:
        found = [number.setdefault(word, len(number)) for word in text.split()]
        found += [0] * (SHINGLE - len(found))
        words += found
        lengths.append(len(found))
    word = np.array(words, dtype=np.int64)
    row = np.repeat(np.arange(len(texts)), lengths)
    count = max(len(word) - SHINGLE + 1, 0)
    code = np.zeros(count, dtype=np.int64)
    for offset in range(SHINGLE):
        code = code * len(number) + word[offset : offset + count]
    inside = row[:count] == row[SHINGLE - 1 :]
    column, frequency = np.unique(code[inside], return_inverse=True, return_counts=True)[1:]
    row = row[:count][inside]
    # Occurrences, not texts, order the columns: any fixed order is right, rare first is fast.
    by_frequency = np.argsort(np.argsort(frequency, kind="stable"), kind="stable")
    matrix = csr_array(
        (np.ones(len(row), dtype=np.int32), (row, by_frequency[column])),
        shape=(len(texts), len(frequency)),
    )
    matrix.sum_duplicates()
    matrix.data[:] = 1
    return matrix
