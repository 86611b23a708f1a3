"""Softmax over the vocabulary with cross-entropy, in row chunks that stay in the cache.

The whole matrix of logits (tokens x vocabulary) is never in memory. Training computes the gradients
during the forward pass, while a chunk's probabilities are at hand.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

CPU_ROWS = 128
"""Rows of logits computed at once on a CPU."""
GPU_LOGITS = 1 << 27
"""Logits held at once on a GPU (512 MB)."""


def chunk_rows(vocabulary: int, device: torch.device) -> int:
    """Rows of logits computed at once."""
    return CPU_ROWS if device.type == "cpu" else max(CPU_ROWS, GPU_LOGITS // vocabulary)


class _CrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, hidden: Tensor, weight: Tensor, bias: Tensor | None, targets: Tensor
    ) -> Tensor:
        tokens = len(hidden)
        rows = chunk_rows(len(weight), hidden.device)
        grad_hidden = torch.empty_like(hidden)
        grad_weight = torch.zeros_like(weight)
        grad_bias = None if bias is None else torch.zeros_like(bias)
        total = hidden.new_zeros(())
        smallest = torch.finfo(hidden.dtype).tiny
        for start in range(0, tokens, rows):
            h = hidden[start : start + rows]
            target = targets[start : start + rows].unsqueeze(1)
            scores = logits(h, weight, bias)
            probabilities = torch.softmax(scores, 1)
            at_target = probabilities.gather(1, target)
            total -= at_target.clamp_min(smallest).log_().sum()
            # d loss / d logits = (softmax - one-hot) / tokens, formed in place.
            probabilities.scatter_(1, target, at_target - 1)
            torch.mm(probabilities, weight, out=grad_hidden[start : start + rows])
            grad_weight.addmm_(probabilities.t(), h)
            if grad_bias is not None:
                grad_bias += probabilities.sum(0)
        scale = 1 / tokens
        ctx.save_for_backward(
            grad_hidden.mul_(scale),
            grad_weight.mul_(scale),
            None if grad_bias is None else grad_bias.mul_(scale),
        )
        return total * scale

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor | None, ...]:
        if torch.is_grad_enabled():  # only where a graph of the gradient is asked for
            raise RuntimeError("the chunked softmax can be differentiated once only")
        grad_hidden, grad_weight, grad_bias = ctx.saved_tensors
        return (
            grad_hidden * grad_output,
            grad_weight * grad_output,
            None if grad_bias is None else grad_bias * grad_output,
            None,
        )


def cross_entropy(hidden: Tensor, weight: Tensor, bias: Tensor | None, targets: Tensor) -> Tensor:
    """Mean cross-entropy of ``softmax(hidden @ weight.T + bias)`` in nats.

    ``hidden`` (tokens, embedding), ``weight`` (vocabulary, embedding), ``bias`` (vocabulary,) or
    None, ``targets`` (tokens,) int64. Differentiable once; a second derivative raises RuntimeError.
    A token's loss is said no higher than -log of the smallest normal number (87 in fp32); its
    gradient is exact there too.
    """
    loss: Tensor = _CrossEntropy.apply(hidden, weight, bias, targets)  # type: ignore[no-untyped-call]
    return loss


@torch.no_grad()
def evaluate(
    hidden: Tensor, weight: Tensor, bias: Tensor | None, targets: Tensor
) -> tuple[Tensor, Tensor]:
    """(sum of cross-entropies in nats, number of tokens whose target has the highest logit)."""
    rows = chunk_rows(len(weight), hidden.device)
    loss = hidden.new_zeros((), dtype=torch.float64)
    correct = torch.zeros((), dtype=torch.int64, device=hidden.device)
    for start in range(0, len(hidden), rows):
        scores = logits(hidden[start : start + rows], weight, bias)
        at_target = scores.gather(1, targets[start : start + rows].unsqueeze(1))
        peak = scores.amax(1, keepdim=True)
        correct += (at_target >= peak).sum()
        # The probability at the peak is 1 over the sum of exp(logit - peak).
        at_peak = torch.softmax(scores, 1).amax(1, keepdim=True)
        loss += (peak - at_target - at_peak.log()).sum()
    return loss, correct


def logits(hidden: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """``hidden @ weight.T + bias`` (tokens, rows of ``weight``); ``bias`` may be None."""
    if bias is None:
        return torch.mm(hidden, weight.t())
    return torch.addmm(bias, hidden, weight.t())
