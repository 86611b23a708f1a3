"""From a token store to tensors: streams of text for language models, padded documents."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from ulmfit.store.tokens import PADDING, TokenStore

POOL = 50
"""Batches in a pool of documents that is sorted by length."""
FIRST_WINDOW_SURPLUS, FULL_WINDOWS, WINDOW_SPREAD, SHORTEST_WINDOW = 25, 0.95, 5.0, 5
"""Of variable windows: what fastai 0.7 adds to the first, share around the whole bptt, standard
deviation and least of the others (ulmfit.md 3.8)."""
IGNORED = -1
"""Target of a position that does not count."""


def concatenate(store: TokenStore, documents: Sequence[int], direction: str) -> NDArray[np.int32]:
    """The tokens of some documents end to end, each reversed for ``bwd``."""
    parts = [store.read(index, direction) for index in documents]
    return np.concatenate(parts).astype(np.int32) if parts else np.zeros(0, np.int32)


def stream_count(tokens: int, batch_size: int, bptt: int) -> int:
    """Streams to cut a text into: ``batch_size``, or fewer, so that each fills one update."""
    return max(1, min(batch_size, (tokens - 1) // bptt))


def streams(
    text: NDArray[np.int32], count: int, whole: bool, device: torch.device
) -> tuple[Tensor, Tensor]:
    """Parallel streams of one text, and the next token of each place; both (time, count) int32.

    ``whole`` pads the last stream with targets :data:`IGNORED`, so that every token after the first
    is predicted once; otherwise fewer than ``count`` tokens, which fill no row, are left out. Both
    are views of the text, which is moved to ``device`` once, so that no update waits for a copy.
    """
    pairs = len(text) - 1
    steps = -(-pairs // count) if whole else pairs // count
    tokens = torch.from_numpy(text).to(device)
    inputs, targets = tokens[: steps * count], tokens[1 : steps * count + 1]
    if whole:
        missing = steps * count - pairs
        inputs = F.pad(tokens[:-1], (0, missing), value=PADDING)
        targets = F.pad(tokens[1:], (0, missing), value=IGNORED)
    return inputs.view(count, steps).t(), targets.view(count, steps).t()


def window_lengths(
    steps: int, bptt: int, rng: np.random.Generator | None, surplus: int = 0
) -> list[int]:
    """Time steps of each update of an epoch over streams of ``steps``; their sum is ``steps``.

    ``bptt`` each, but for a shorter last one; with ``rng`` those of Merity et al. (ulmfit.md 3.8):
    normal around ``bptt``, or in one of twenty cases around half of it, with standard deviation 5,
    and at least 5. fastai 0.7 makes the first ``bptt`` + ``surplus``, so that memory runs out early
    or never, and ends the epoch after ``steps // bptt - 1`` updates, so that the same text stays
    unread in each (7.25); here all of it is read.
    """
    if rng is None:
        return [min(bptt, steps - start) for start in range(0, steps, bptt)]
    lengths: list[int] = []
    left = steps
    while left > 0:
        if surplus and not lengths:
            length = bptt + surplus
        else:
            base = bptt if rng.random() < FULL_WINDOWS else bptt / 2
            length = max(SHORTEST_WINDOW, int(rng.normal(base, WINDOW_SPREAD)))
        lengths.append(min(length, left))
        left -= lengths[-1]
    return lengths


def sortish(
    lengths: NDArray[np.integer], batch_size: int, rng: np.random.Generator
) -> list[NDArray[np.intp]]:
    """Places of documents in batches of like length, longest first in each (ulmfit.md 3.8).

    Documents are shuffled, sorted within pools of 50 batches, and the batches shuffled; the batch
    with the longest document goes first, so that memory runs out early or never. A batch of one
    document is left out: batch normalisation cannot train on it.
    """
    order = rng.permutation(len(lengths))
    pool = POOL * batch_size
    batches = []
    for start in range(0, len(order), pool):
        part = order[start : start + pool]
        part = part[np.argsort(-lengths[part], kind="stable")]
        batches += [part[i : i + batch_size] for i in range(0, len(part), batch_size)]
    batches = [batch for batch in batches if len(batch) > 1]
    rng.shuffle(batches)
    if batches:
        longest = max(range(len(batches)), key=lambda k: lengths[batches[k][0]])
        batches[0], batches[longest] = batches[longest], batches[0]
    return batches


def by_length(lengths: NDArray[np.integer], batch_size: int) -> list[NDArray[np.intp]]:
    """Places of all documents in batches, longest first."""
    order = np.argsort(-lengths, kind="stable")
    return [order[i : i + batch_size] for i in range(0, len(order), batch_size)]


def pad(
    store: TokenStore, documents: Sequence[int], direction: str, padding: str
) -> tuple[Tensor, Tensor]:
    """(ids (time, documents), lengths (documents,)), both int64 on the CPU.

    ``masked``: padding comes after the text and lengths are those of the documents, an empty one
    being one padding token, so that it too has a prediction. ``unmasked``: padding comes before
    the text and counts like text, so that all lengths are that of the longest document (fastai
    0.7, ulmfit.md 3.6 and 3.7).
    """
    texts = [store.read(index, direction) for index in documents]
    lengths = [max(len(text), 1) for text in texts]
    longest = max(lengths)
    ids = np.full((len(texts), longest), PADDING, np.int64)
    for row, text in zip(ids, texts, strict=True):
        start = 0 if padding == "masked" else longest - len(text)
        row[start : start + len(text)] = text
    if padding == "unmasked":
        lengths = [longest] * len(lengths)
    return torch.from_numpy(np.ascontiguousarray(ids.T)), torch.tensor(lengths)
