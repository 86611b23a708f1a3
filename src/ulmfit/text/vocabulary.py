"""The word vocabulary, and tokens to ids by it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ulmfit.store.tokens import PADDING, UNKNOWN


def build_vocabulary(
    types: Sequence[str],
    counts: NDArray[np.int64],
    specials: Sequence[str],
    max_vocab: int,
    min_freq: int,
) -> tuple[str, ...]:
    """Special tokens, then the most frequent types, at most ``max_vocab`` of both together.

    ``counts`` (types,) are occurrences in the training text of the language model, and in no other
    text (ulmfit.md 7.27). A type needs at least ``min_freq`` of them (fastai 0.7 asked
    for more than its ``min_freq``); equal counts go by the string.
    """
    taken = set(specials)
    frequent = [i for i in np.flatnonzero(counts >= min_freq).tolist() if types[i] not in taken]
    frequent.sort(key=lambda i: (-counts[i], types[i]))
    return (*specials, *(types[i] for i in frequent[: max_vocab - len(specials)]))


def numericalise(tokens: Sequence[str], vocabulary: Sequence[str]) -> NDArray[Any]:
    """Ids of tokens, (tokens,) of the smallest unsigned type that holds the vocabulary.

    Tokens outside the vocabulary get the unknown id; so does the padding token where a document
    spells it, because padding is masked.
    """
    index = {token: i for i, token in enumerate(vocabulary)}
    index[vocabulary[PADDING]] = UNKNOWN
    dtype = np.min_scalar_type(len(vocabulary) - 1)
    return np.fromiter((index.get(token, UNKNOWN) for token in tokens), dtype, len(tokens))
