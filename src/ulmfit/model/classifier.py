"""Text classifier: encoder run by BPT3C, concat pooling, two-layer head (paper section 3.3)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ulmfit.config.recipes import Classifier
from ulmfit.errors import UserError
from ulmfit.model.awd_lstm import AWDLSTM, State, detach
from ulmfit.model.dropout import Masks


def first_kept(lengths: Tensor, bptt: int, max_seq: int) -> Tensor:
    """First position of each document that is pooled and receives gradients (ulmfit.md 3.7).

    Chunks start at multiples of ``bptt`` from the document's first token; the chunk at i is kept
    when i > length - max_seq, and the last chunk always (it matters if max_seq < bptt). Lengths and
    result are (documents,) int64.
    """
    surplus = lengths - max_seq
    rule = torch.where(surplus < 0, 0, (surplus.div(bptt, rounding_mode="floor") + 1) * bptt)
    last_chunk = (lengths - 1).div(bptt, rounding_mode="floor") * bptt
    return torch.minimum(rule, last_chunk)


@dataclass(frozen=True)
class Pooled:
    """``features`` (documents, 3 x embedding): last, max and mean of the kept outputs.

    ``activation`` and ``temporal`` are the means that AR and TAR multiply, over real kept tokens.
    """

    features: Tensor
    activation: Tensor
    temporal: Tensor


class PoolingClassifier(nn.Module):
    """Logits of ``classes`` for whole documents of any length."""

    def __init__(self, vocabulary: int, classes: int, recipe: Classifier) -> None:
        super().__init__()
        self.bptt = recipe.bptt
        self.max_seq = recipe.max_seq
        self.encoder = AWDLSTM(vocabulary, recipe.architecture, recipe.dropouts)
        pooled = 3 * recipe.architecture.embedding
        head_dropout = recipe.head_dropout * recipe.dropouts.multiplier
        if head_dropout >= 1:
            raise UserError(
                f"head_dropout times dropouts.multiplier is {head_dropout:.3g}: "
                "it must stay below 1"
            )
        self.head = nn.Sequential(
            nn.BatchNorm1d(pooled),
            nn.Dropout(head_dropout),
            nn.Linear(pooled, recipe.head_hidden),
            nn.ReLU(),
            nn.BatchNorm1d(recipe.head_hidden),
            nn.Dropout(recipe.hidden_dropout),
            nn.Linear(recipe.head_hidden, classes),
        )

    def forward(self, ids: Tensor, lengths: Tensor) -> Tensor:
        """Logits (documents, classes); arguments as for :meth:`pool`."""
        logits: Tensor = self.head(self.pool(ids, lengths).features)
        return logits

    def loss(
        self, ids: Tensor, lengths: Tensor, labels: Tensor, ar: float, tar: float
    ) -> tuple[Tensor, Tensor, Tensor]:
        """(loss to minimise, its cross-entropy part, logits); ``labels`` (documents,) int64."""
        pooled = self.pool(ids, lengths)
        logits = self.head(pooled.features)
        cross_entropy = F.cross_entropy(logits, labels)
        loss = cross_entropy
        if pooled.features.requires_grad:
            loss = loss + ar * pooled.activation + tar * pooled.temporal
        return loss, cross_entropy.detach(), logits.detach()

    def pool(self, ids: Tensor, lengths: Tensor) -> Pooled:
        """Run the encoder over the documents chunk by chunk and pool its outputs (BPT3C).

        ``ids`` (time, documents) padded at the end, ``lengths`` (documents,) int64 on the CPU, in
        descending order (ValueError otherwise). The state passes from chunk to chunk without
        gradient; documents that have ended leave the batch; chunks that nobody keeps build no
        graph. Padding reaches neither pooling nor regularisation.
        """
        sizes = lengths.tolist()
        if sizes != sorted(sizes, reverse=True) or sizes[-1] < 1:
            raise ValueError("documents must come longest first, none of them empty")
        first = first_kept(lengths, self.bptt, self.max_seq)
        starts = first.tolist()
        device = ids.device
        lengths, first = lengths.to(device), first.to(device)
        masks = self.encoder.draw_masks(len(sizes))
        state = self.encoder.initial_state(len(sizes))
        sums = _Sums(len(sizes), self.encoder.architecture.embedding, self.encoder.embedding)
        active = len(sizes)
        for start in range(0, sizes[0], self.bptt):
            while sizes[active - 1] <= start:
                active -= 1
            kept_by_any = any(start >= position for position in starts[:active])
            with torch.set_grad_enabled(torch.is_grad_enabled() and kept_by_any):
                raw, dropped, state = self._chunk(ids, start, active, state, masks)
            if kept_by_any:
                time = torch.arange(start, start + len(raw), device=device).unsqueeze(1)
                kept = (time < lengths[:active]) & (first[:active] <= start)
                sums.add(raw, dropped, kept, lengths[:active] - 1 - start, sizes, start)
        return sums.pooled(lengths - first)

    def _chunk(
        self, ids: Tensor, start: int, active: int, state: State, masks: Masks
    ) -> tuple[Tensor, Tensor, State]:
        raw, dropped, after = self.encoder(
            ids[start : start + self.bptt, :active],
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

    def pooled(self, tokens: Tensor) -> Pooled:
        """Features and regularisation means; ``tokens`` (documents,) kept tokens of each."""
        # Documents end shortest first, so the rows come in reverse order of the chunks.
        last = torch.cat(self.last[::-1])
        mean = self.sum / tokens.unsqueeze(1)
        width = self.sum.shape[1]
        return Pooled(
            torch.cat([last, self.maximum, mean], dim=1),
            self.squares / (tokens.sum() * width),
            self.steps / ((tokens - 1).sum() * width).clamp_min(1),
        )


def _merge(whole: Tensor, part: Tensor) -> Tensor:
    """``whole`` with its first rows replaced."""
    return part if len(part) == len(whole) else torch.cat([part, whole[len(part) :]])
