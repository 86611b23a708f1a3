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
    shingles = _shingles(texts)
    sizes = np.diff(shingles.indptr)
    prefix = sizes - np.ceil(threshold * sizes - 1e-9).astype(np.int64) + 1
    place = np.arange(shingles.nnz) - np.repeat(shingles.indptr[:-1], sizes)
    rare = shingles.copy()
    rare.data = (place < np.repeat(prefix, sizes)).astype(np.int32)
    rare.eliminate_zeros()
    candidates = (rare @ rare.T).tocoo()
    upper = candidates.row < candidates.col
    first, second = candidates.row[upper], candidates.col[upper]
    shared = np.asarray(shingles[first].multiply(shingles[second]).sum(axis=1)).ravel()
    near = shared >= threshold * (sizes[first] + sizes[second] - shared) - 1e-9
    return np.column_stack([first[near], second[near]]).astype(np.intp)


def _shingles(texts: Sequence[str]) -> Any:
    """Texts by shingles, (texts, shingles) 0/1 sparse; columns from rare to frequent, sorted.

    A text shorter than a shingle is one shingle.
    """
    from scipy.sparse import csr_array

    column: dict[str, int] = {}
    indices: list[int] = []
    indptr = [0]
    for text in texts:
        words = text.split()
        found = {
            " ".join(words[start : start + SHINGLE])
            for start in range(max(len(words) - SHINGLE + 1, 1))
        }
        indices.extend(column.setdefault(shingle, len(column)) for shingle in sorted(found))
        indptr.append(len(indices))
    frequency = np.bincount(indices, minlength=len(column))
    by_frequency = np.argsort(np.argsort(frequency, kind="stable"), kind="stable")
    matrix = csr_array(
        (np.ones(len(indices), dtype=np.int32), by_frequency[indices], indptr),
        shape=(len(texts), len(column)),
    )
    matrix.sort_indices()
    return matrix
