"""Rows of a pretrained embedding for the words of another vocabulary (ulmfit.md 2.5)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def transfer(values: Tensor, old: Sequence[str], new: Sequence[str]) -> tuple[Tensor, int]:
    """(values for the ``new`` words, number of words found): copied by exact string, else the mean.

    ``values`` (old words, ...): embedding matrix or decoder bias. Copied rows keep their bits.
    """
    place = {word: row for row, word in enumerate(old)}
    rows = torch.tensor([place.get(word, -1) for word in new], dtype=torch.int64)
    known = rows >= 0
    mean = values.double().mean(0).to(values.dtype)
    result = mean.expand(len(new), *values.shape[1:]).clone()
    result[known] = values[rows[known]]
    return result, int(known.sum())
