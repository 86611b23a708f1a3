"""Negatives of a sampled softmax: words as often as in the text that is trained on."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from ulmfit.config.recipes import LanguageModel as Recipe
from ulmfit.model.sampled_softmax import Sampler
from ulmfit.store.tokens import TokenStore


def sampler(recipe: Recipe, store: TokenStore, documents: NDArray[np.intp]) -> Sampler | None:
    """What draws negatives by their frequency in ``documents``; None where the softmax is exact."""
    if recipe.softmax == "exact":
        return None
    return Sampler(torch.from_numpy(unigram_counts(store, documents)), recipe.negatives)


def unigram_counts(store: TokenStore, documents: NDArray[np.intp]) -> NDArray[np.int64]:
    """Occurrences of each token of the vocabulary in some documents, (vocabulary,)."""
    counts = np.zeros(len(store.vocabulary), np.int64)
    for index in documents.tolist():
        np.add.at(counts, store.read(index, "fwd"), 1)
    return counts
