"""Text classifier: encoder run by BPT3C, concat pooling, head (paper section 3.3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from ulmfit.config.recipes import Classifier
from ulmfit.errors import UserError
from ulmfit.model.awd_lstm import AWDLSTM, State, detach
from ulmfit.model.dropout import Masks
from ulmfit.store.tokens import PADDING

INNER_VALUES = 384
"""Places a document, on average over a batch, whose inner values are kept for the gradients. Those
of the chunks beyond are computed again when their turn comes: a third more work for them, and the
memory of long documents stays near that of ordinary ones."""


def first_kept(lengths: Tensor, bptt: int, max_seq: int, rule: str) -> Tensor:
    """First position of each document that is pooled and receives gradients (ulmfit.md 3.7).

    Chunks start at multiples of ``bptt`` from the document's first token. The chunk at i is kept
    when length - i < max_seq (rule ``strict``, fastai 0.7) or length - i <= max_seq (``inclusive``,
    fastai v2), and the last chunk always (it matters if max_seq < bptt). Lengths and result are
    (documents,) int64.
    """
    # The kept chunks start after this position, which may lie before the document.
    before = lengths - max_seq - (1 if rule == "inclusive" else 0)
    start = torch.where(before < 0, 0, (before.div(bptt, rounding_mode="floor") + 1) * bptt)
    last_chunk = (lengths - 1).div(bptt, rounding_mode="floor") * bptt
    return torch.minimum(start, last_chunk)


@dataclass(frozen=True)
class Pooled:
    """``features`` (documents, width): what the head sees of the kept outputs.

    ``activation`` and ``temporal`` are the means that AR and TAR multiply, over the kept tokens.
    """

    features: Tensor
    activation: Tensor
    temporal: Tensor


class PoolingClassifier(nn.Module):
    """Logits of ``classes`` for whole documents of any length.

    The head is a block for each hidden layer and one for the logits: batch norm, dropout, linear
    layer; ReLU between blocks (ulmfit.md 2.7). Where padding counts like text, its row of the
    embedding is not trained (``padding_idx`` of fastai 0.7's embedding and its dropout).
    """

    def __init__(self, vocabulary: int, classes: int, recipe: Classifier) -> None:
        super().__init__()
        self.recipe = recipe
        self.encoder = AWDLSTM(
            vocabulary,
            recipe.architecture,
            recipe.dropouts,
            padding=PADDING if recipe.padding == "unmasked" else None,
            precision=recipe.precision,
        )
        parts = 3 if recipe.pooling == "concat" else 1
        self.width = parts * recipe.architecture.embedding
        sizes = (self.width, *recipe.head_sizes, classes)
        layers: list[nn.Module] = []
        for k, dropout in enumerate(_head_dropouts(recipe)):
            layers += [
                nn.BatchNorm1d(sizes[k]),
                nn.Dropout(dropout),
                nn.Linear(sizes[k], sizes[k + 1]),
                nn.ReLU(),
            ]
        self.head = nn.Sequential(*layers[:-1])

    def forward(self, ids: Tensor, lengths: Tensor) -> Tensor:
        """Logits (documents, classes); arguments as for :meth:`pool`."""
        logits: Tensor = self.head(self.pool(ids, lengths).features)
        return logits

    def loss(
        self,
        ids: Tensor,
        lengths: Tensor,
        labels: Tensor,
        ar: float,
        tar: float,
        label_smoothing: float = 0.0,
        class_weights: Tensor | None = None,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """(loss to minimise, plain cross-entropy, logits); ``labels`` (documents,) int64.

        The cross-entropy that is minimised is that of :class:`torch.nn.CrossEntropyLoss`:
        ``label_smoothing`` spreads its share of each target over all classes, and ``class_weights``
        (classes,) make the mean over documents a weighted one. What is reported has neither.
        """
        pooled = self.pool(ids, lengths)
        logits = self.head(pooled.features)
        cross_entropy = loss = F.cross_entropy(logits, labels)
        if label_smoothing or class_weights is not None:
            loss = F.cross_entropy(
                logits, labels, weight=class_weights, label_smoothing=label_smoothing
            )
        if pooled.features.requires_grad:
            loss = loss + ar * pooled.activation + tar * pooled.temporal
        return loss, cross_entropy.detach(), logits.detach()

    def pool(self, ids: Tensor, lengths: Tensor) -> Pooled:
        """Run the encoder over the documents chunk by chunk and pool its outputs (BPT3C).

        ``ids`` (time, documents) padded at the end, ``lengths`` (documents,) int64 on the CPU, in
        descending order (ValueError otherwise). The state passes from chunk to chunk without
        gradient; documents that have ended leave the batch; chunks that nobody keeps build no
        graph. What lies beyond a document's length reaches neither encoder, pooling nor
        regularisation; where padding shall count, lengths contain it (`train.batches.pad`).
        """
        recipe = self.recipe
        sizes = lengths.tolist()
        if sizes != sorted(sizes, reverse=True) or sizes[-1] < 1:
            raise ValueError("documents must come longest first, none of them empty")
        first = first_kept(lengths, recipe.bptt, recipe.max_seq, recipe.chunk_rule)
        starts = first.tolist()
        device = ids.device
        lengths, first = lengths.to(device), first.to(device)
        masks = self.encoder.draw_masks(len(sizes))
        state = self.encoder.initial_state(len(sizes))
        sums = _Sums(len(sizes), self.encoder.architecture.embedding, self.encoder.embedding)
        spans = _spans(sizes, starts, recipe.bptt)
        gradients = torch.is_grad_enabled()
        trained = any(parameter.requires_grad for parameter in self.encoder.parameters())
        room = INNER_VALUES * len(sizes)
        for span in spans:
            with torch.set_grad_enabled(gradients and span.kept):
                if recipe.dropout_masks == "chunk" and span.start > 0:
                    masks = self.encoder.draw_masks(span.active)
                if not span.kept:
                    _, _, state = self._outputs(ids, span, state, masks)
                    continue
                room -= recipe.bptt * span.active
                whole = (ids, span, state, masks, lengths, first)
                if gradients and trained and room < 0:
                    # Nothing is drawn in a chunk, whose masks are arguments.
                    chunk, state = checkpoint(
                        self._chunk, *whole, use_reentrant=False, preserve_rng_state=False
                    )
                else:
                    chunk, state = self._chunk(*whole)
            sums.add(chunk)
        return sums.pooled(lengths - first, recipe.pooling)

    def _outputs(
        self, ids: Tensor, span: _Span, state: State, masks: Masks
    ) -> tuple[Tensor, Tensor, State]:
        raw, dropped, after = self.encoder(
            ids[span.start : span.start + self.recipe.bptt, : span.active],
            tuple((hidden[: span.active], cell[: span.active]) for hidden, cell in state),
            masks.first(span.active),
        )
        return raw, dropped, detach(after)

    def _chunk(
        self, ids: Tensor, span: _Span, state: State, masks: Masks, lengths: Tensor, first: Tensor
    ) -> tuple[_Chunk, State]:
        raw, dropped, after = self._outputs(ids, span, state, masks)
        lengths, first = lengths[: span.active], first[: span.active]
        time = torch.arange(span.start, span.start + len(raw), device=ids.device).unsqueeze(1)
        kept = (time < lengths) & (first <= span.start)
        ended = slice(span.active - span.ended, span.active)
        return _summary(raw, dropped, kept, ended, lengths[ended] - 1 - span.start), after


class _Span(NamedTuple):
    """A chunk of a batch: where it starts, how many documents reach it and end in it, and whether
    any of them keeps it.
    """

    start: int
    active: int
    ended: int
    kept: bool


def _spans(sizes: list[int], starts: list[int], bptt: int) -> list[_Span]:
    """The chunks of documents with ``sizes`` tokens, the longest first, kept from ``starts`` on."""
    spans = []
    for start in range(0, sizes[0], bptt):
        active = sum(size > start for size in sizes)
        ended = active - sum(size > start + bptt for size in sizes)
        spans.append(_Span(start, active, ended, min(starts[:active]) <= start))
    return spans


class _Chunk(NamedTuple):
    """What pooling and regularisation need of a chunk's outputs; no tensor has all of its places.

    ``maximum``, ``sum`` (active, width); ``squares``, ``steps`` scalars; ``head``, ``tail``
    (active, width), raw outputs at both ends, and whether each is kept; ``last`` (ended, width).
    """

    maximum: Tensor
    sum: Tensor
    squares: Tensor
    steps: Tensor
    head: Tensor
    tail: Tensor
    head_kept: Tensor
    tail_kept: Tensor
    last: Tensor


def _summary(raw: Tensor, dropped: Tensor, kept: Tensor, ended: slice, final: Tensor) -> _Chunk:
    """Of outputs (time, active, width), where ``kept`` (time, active) says so.

    ``final`` (ended,) is the place of the last token of each document that ends, within the chunk.
    """
    weight = kept.unsqueeze(2).to(raw.dtype)
    maximum = dropped.masked_fill(~kept.unsqueeze(2), float("-inf")).amax(0)
    masked = dropped * weight
    return _Chunk(
        maximum,
        masked.sum(0),
        masked.square().sum(),
        ((raw[1:] - raw[:-1]) * weight[1:]).square().sum(),
        raw[0],
        raw[-1],
        kept[0],
        kept[-1],
        dropped[final, torch.arange(ended.start, ended.stop, device=raw.device)],
    )


class _Sums:
    """Running last, maximum, sum and regularisation sums over the chunks of one batch."""

    def __init__(self, documents: int, width: int, like: Tensor) -> None:
        self.maximum = like.new_full((documents, width), float("-inf"))
        self.sum = like.new_zeros(documents, width)
        self.last: list[Tensor] = []
        self.squares = like.new_zeros(())
        self.steps = like.new_zeros(())
        self.previous: _Chunk | None = None

    def add(self, chunk: _Chunk) -> None:
        """Add the next chunk that any document keeps."""
        active = len(chunk.sum)
        self.maximum = _merge(self.maximum, torch.maximum(self.maximum[:active], chunk.maximum))
        self.sum = _merge(self.sum, self.sum[:active] + chunk.sum)
        self.squares = self.squares + chunk.squares
        self.steps = self.steps + chunk.steps
        if self.previous is not None:
            # A document kept in both chunks has one more step, over the seam.
            seam = (chunk.head_kept & self.previous.tail_kept[:active]).unsqueeze(1)
            over = (chunk.head - self.previous.tail[:active]) * seam
            self.steps = self.steps + over.square().sum()
        self.previous = chunk
        self.last.append(chunk.last)

    def pooled(self, tokens: Tensor, pooling: str) -> Pooled:
        """Features (ulmfit.md 3.6) and regularisation means of ``tokens`` (documents,) kept."""
        # Documents end shortest first, so the rows come in reverse order of the chunks.
        last = torch.cat(self.last[::-1])
        mean = self.sum / tokens.unsqueeze(1)
        width = self.sum.shape[1]
        if pooling == "concat":
            features = torch.cat([last, self.maximum, mean], dim=1)
        else:
            features = {"last": last, "max": self.maximum, "mean": mean}[pooling]
        return Pooled(
            features,
            self.squares / (tokens.sum() * width),
            self.steps / ((tokens - 1).sum() * width).clamp_min(1),
        )


def _head_dropouts(recipe: Classifier) -> list[float]:
    """Dropouts of the head, multiplied but for the last (ulmfit.md 2.3); UserError from 1 on."""
    *inner, last = recipe.head_dropouts
    multiplied = [rate * recipe.dropouts.multiplier for rate in inner]
    if max(multiplied, default=0.0) >= 1:
        raise UserError(
            f"head_dropouts times dropouts.multiplier is {max(multiplied):.3g}: "
            "it must stay below 1"
        )
    return [*multiplied, last]


def _merge(whole: Tensor, part: Tensor) -> Tensor:
    """``whole`` with its first rows replaced."""
    return part if len(part) == len(whole) else torch.cat([part, whole[len(part) :]])
