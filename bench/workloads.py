"""The synthetic workloads: sizes, text and documents, the same for both sides.

Words follow a Zipf-Mandelbrot law and lengths of documents a lognormal one, like reviews of films.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SPECIALS = 9
"""Ids 0 to 8 are special tokens, padding among them; no text of these workloads has any."""
PADDING = 1
POOL_BATCHES = 50
"""Batches in a pool of documents that both sides sort by length."""


@dataclass(frozen=True)
class Workload:
    """One training to be measured.

    ``kind`` is ``lm`` or ``classifier``; ``head_only`` freezes the encoder. ``documents`` of the
    law of lengths, whose mean is ``mean_length`` tokens, none longer than ``longest``.
    """

    name: str
    kind: str
    embedding: int
    hidden: int
    vocabulary: int
    batch_size: int
    layers: int = 3
    bptt: int = 70
    max_seq: int = 1400
    head_only: bool = False
    documents: int = 3200
    mean_length: float = 270.0
    shortest: int = 10
    longest: int = 2000

    def quick(self) -> Workload:
        """The same at a size that takes seconds; its figures mean nothing."""
        return dataclasses.replace(
            self,
            embedding=12,
            hidden=20,
            vocabulary=200,
            batch_size=8,
            bptt=10,
            max_seq=60,
            documents=400,
            mean_length=30.0,
            shortest=3,
            longest=100,
        )

    @property
    def lstm_macs(self) -> int:
        """Multiplications a token in the matrix products of the LSTM layers, forward."""
        sizes = [self.embedding, *[self.hidden] * (self.layers - 1), self.embedding]
        return sum(4 * sizes[k + 1] * (sizes[k] + sizes[k + 1]) for k in range(self.layers))

    @property
    def flops_per_token(self) -> int:
        """Additions and multiplications of matrix products that a token's training needs.

        Forward and twice as many backward; forward alone where the encoder is frozen. The head of
        the classifier is left out, whose share is below a thousandth.
        """
        if self.kind == "lm":
            return 6 * (self.lstm_macs + self.embedding * self.vocabulary)
        return (2 if self.head_only else 6) * self.lstm_macs


def _full(name: str, kind: str, batch_size: int, head_only: bool = False) -> Workload:
    return Workload(name, kind, 400, 1150, 30_000, batch_size, head_only=head_only)


def _small(name: str, kind: str, batch_size: int, head_only: bool = False) -> Workload:
    return Workload(name, kind, 200, 400, 10_000, batch_size, head_only=head_only)


WORKLOADS = {
    workload.name: workload
    for workload in (
        _full("lm-full", "lm", 64),
        _small("lm-small", "lm", 64),
        _full("classifier-full", "classifier", 32),
        _small("classifier-small", "classifier", 32),
        _full("head-only-full", "classifier", 32, head_only=True),
        _small("head-only-small", "classifier", 32, head_only=True),
    )
}


def words(vocabulary: int, count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """``count`` ids, the word of rank r with probability in proportion to 1 / (r + 2.7)^1.05."""
    rank = np.arange(1, vocabulary - SPECIALS + 1)
    cumulative = np.cumsum((rank + 2.7) ** -1.05)
    drawn = np.searchsorted(cumulative / cumulative[-1], rng.random(count), side="right")
    return np.minimum(drawn, len(rank) - 1) + SPECIALS


def document_lengths(workload: Workload, count: int) -> NDArray[np.int64]:
    """Tokens of each of ``count`` documents: lognormal, sigma 0.66, clipped."""
    sigma = 0.66
    mu = math.log(workload.mean_length) - sigma**2 / 2
    lengths = np.random.default_rng(0).lognormal(mu, sigma, count)
    return np.clip(lengths.astype(np.int64), workload.shortest, workload.longest)


def _cut(workload: Workload, lengths: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    text = words(workload.vocabulary, int(lengths.sum()), np.random.default_rng(0))
    return np.split(text, np.cumsum(lengths)[:-1])


def running_text(workload: Workload, steps: int) -> list[NDArray[np.int64]]:
    """Documents that end to end make exactly ``steps`` updates of a language model."""
    total = workload.batch_size * workload.bptt * steps + 1
    lengths = document_lengths(workload, total // workload.shortest + 1)
    ends = np.cumsum(lengths)
    needed = int(np.searchsorted(ends, total)) + 1
    lengths = lengths[:needed].copy()
    lengths[-1] -= int(ends[needed - 1]) - total
    return _cut(workload, lengths)


def sorted_batches(workload: Workload, steps: int) -> list[NDArray[np.int64]]:
    """Documents of 1 + ``steps`` batches, which both sides form alike and run in any order.

    They are drawn evenly from a pool that is sorted by length, so that their lengths are those of
    an epoch; one batch of longer documents goes before them, as warm-up (both sides begin with the
    longest batch).
    """
    pool = np.sort(document_lengths(workload, POOL_BATCHES * workload.batch_size))[::-1]
    batches = pool.reshape(POOL_BATCHES, workload.batch_size)
    middles = ((np.arange(steps) + 0.5) * POOL_BATCHES / steps).astype(int)
    chosen = [max(int(middles[0]) - 1, 0), *middles.tolist()]
    return _cut(workload, batches[chosen].ravel())


def longest_batch(workload: Workload) -> list[NDArray[np.int64]]:
    """Documents of the first batch of a pool, its longest as long as documents may be, and of the
    shortest batch, which runs second.
    """
    pool = np.sort(document_lengths(workload, POOL_BATCHES * workload.batch_size))[::-1]
    batches = pool.reshape(POOL_BATCHES, workload.batch_size)[[0, -1]].ravel().copy()
    batches[0] = workload.longest
    return _cut(workload, batches)


def one_long(workload: Workload) -> list[NDArray[np.int64]]:
    """Documents of one batch: one as long as documents may be, the others of the mean length."""
    lengths = np.full(workload.batch_size, int(workload.mean_length))
    lengths[0] = workload.longest
    return _cut(workload, lengths)


def epoch(workload: Workload) -> list[NDArray[np.int64]]:
    """All documents of an epoch."""
    return _cut(workload, document_lengths(workload, workload.documents))
