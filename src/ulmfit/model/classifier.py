"""Text classifier: encoder run by BPT3C, concat pooling, head (paper section 3.3)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ulmfit.config.recipes import Classifier
from ulmfit.errors import UserError
from ulmfit.model.awd_lstm import AWDLSTM, State, detach
from ulmfit.model.dropout import Masks
from ulmfit.store.tokens import PADDING


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
        active = len(sizes)
        for start in range(0, sizes[0], recipe.bptt):
            while sizes[active - 1] <= start:
                active -= 1
            kept_by_any = any(start >= position for position in starts[:active])
            with torch.set_grad_enabled(torch.is_grad_enabled() and kept_by_any):
                if recipe.dropout_masks == "chunk" and start > 0:
                    masks = self.encoder.draw_masks(active)
                raw, dropped, state = self._chunk(ids, start, active, state, masks)
            if kept_by_any:
                time = torch.arange(start, start + len(raw), device=device).unsqueeze(1)
                kept = (time < lengths[:active]) & (first[:active] <= start)
                sums.add(raw, dropped, kept, lengths[:active] - 1 - start, sizes, start)
        return sums.pooled(lengths - first, recipe.pooling)

    def _chunk(
        self, ids: Tensor, start: int, active: int, state: State, masks: Masks
    ) -> tuple[Tensor, Tensor, State]:
        raw, dropped, after = self.encoder(
            ids[start : start + self.recipe.bptt, :active],
            tuple((hidden[:active], cell[:active]) for hidden, cell in state),
            masks.first(active),
        )
        return raw, dropped, detach(after)


class _Sums:
    """Running last, maximum, sum and regularisation sums over the chunks of one batch."""

    def __init__(self, documents: int, width: int, like: Tensor) -> None:
        self.maximum = like.new_full((documents, width), float("-inf"))
        self.sum = like.new_zeros(documents, width)
        self.last: list[Tensor] = []
        self.squares = like.new_zeros(())
        self.steps = like.new_zeros(())
        self.previous: tuple[Tensor, Tensor] | None = None

    def add(
        self,
        raw: Tensor,
        dropped: Tensor,
        kept: Tensor,
        final: Tensor,
        sizes: list[int],
        start: int,
    ) -> None:
        """Add a chunk: outputs (time, active, width), ``kept`` (time, active) booleans.

        ``final`` (active,) is the place of each document's last token relative to the chunk.
        """
        active = raw.shape[1]
        weight = kept.unsqueeze(2).to(raw.dtype)
        maximum = dropped.masked_fill(~kept.unsqueeze(2), float("-inf")).amax(0)
        masked = dropped * weight
        self.maximum = _merge(self.maximum, torch.maximum(self.maximum[:active], maximum))
        self.sum = _merge(self.sum, self.sum[:active] + masked.sum(0))
        self.squares = self.squares + masked.square().sum()
        self.steps = self.steps + ((raw[1:] - raw[:-1]) * weight[1:]).square().sum()
        if self.previous is not None:
            # A document kept in both chunks has one more step, over the seam.
            before, before_kept = self.previous
            seam = (kept[0] & before_kept[:active]).unsqueeze(1)
            self.steps = self.steps + ((raw[0] - before[:active]) * seam).square().sum()
        self.previous = (raw[-1], kept[-1])
        ended = sum(size <= start + len(raw) for size in sizes[:active])
        if ended:
            documents = torch.arange(active - ended, active, device=raw.device)
            self.last.append(dropped[final[active - ended :], documents])

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
