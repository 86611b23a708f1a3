"""Softmax over the vocabulary with cross-entropy, in row chunks that stay in the cache.

The whole matrix of logits (tokens x vocabulary) is never in memory. Training computes the gradients
during the forward pass, while a chunk's probabilities are at hand. In bf16 the three products are
of rounded values; probabilities, losses and sums of gradients are in the type of the arguments.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ulmfit.model.precision import product_type

CPU_ROWS = 512
"""Rows of logits computed at once on a CPU, from which on products are no faster."""
CPU_LOGITS = 1 << 24
"""Logits held at once on a CPU, of a large vocabulary, as far as it leaves :data:`FEWEST_ROWS`."""
FEWEST_ROWS = 64
BF16_BLOCK = 32
"""Rows of bf16 logits that are widened at once on a CPU."""
GPU_LOGITS = 1 << 27
"""Logits held at once on a GPU (512 MB)."""


def chunk_rows(
    tokens: int, vocabulary: int, device: torch.device, precision: str = "fp32"
) -> tuple[int, int]:
    """Rows of logits of ``tokens`` computed at once, and rows of them whose probabilities are."""
    if device.type == "cpu":
        rows = min(CPU_ROWS, max(FEWEST_ROWS, CPU_LOGITS // vocabulary))
        return rows, BF16_BLOCK if precision == "bf16" else rows
    # As even as can be: a chunk of a few rows would take as long as one of hundreds.
    chunks = -(-tokens // max(CPU_ROWS, GPU_LOGITS // vocabulary))
    rows = -(-tokens // max(1, chunks))
    return rows, rows


class _CrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        hidden: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        targets: Tensor,
        precision: str,
    ) -> Tensor:
        tokens = len(hidden)
        rows, block = chunk_rows(tokens, len(weight), hidden.device, precision)
        grad_hidden = torch.empty_like(hidden)
        grad_weight = torch.zeros_like(weight)
        grad_bias = None if bias is None else torch.zeros_like(bias)
        total = hidden.new_zeros(())
        smallest = torch.finfo(hidden.dtype).tiny
        factors = rounded(hidden, weight, bias, precision)
        # The same memory for all chunks: fresh pages would cost more than what is done in them.
        room = factors[0].new_empty(min(rows, tokens), len(weight))
        block_room = hidden.new_empty(min(block, tokens), len(weight))
        for start in range(0, tokens, rows):
            h = factors[0][start : start + rows]
            errors = logits(h, *factors[1:], out=room[: len(h)])
            for first in range(0, len(h), block):
                scores = errors[first : first + block]
                target = targets[start + first :][: len(scores)].unsqueeze(1)
                probabilities = block_room[: len(scores)]
                torch.softmax(scores, 1, dtype=hidden.dtype, out=probabilities)
                at_target = probabilities.gather(1, target)
                total -= at_target.clamp_min(smallest).log_().sum()
                # d loss / d logits = (softmax - one-hot) / tokens, formed in place.
                probabilities.scatter_(1, target, at_target - 1)
                if grad_bias is not None:
                    grad_bias += probabilities.sum(0)
                errors = replace(errors, first, probabilities)
            add_products(errors, h, factors[1], grad_hidden[start : start + rows], grad_weight)
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
            grad_hidden.mul_(grad_output),
            grad_weight.mul_(grad_output),
            None if grad_bias is None else grad_bias.mul_(grad_output),
            None,
            None,
        )


def cross_entropy(
    hidden: Tensor, weight: Tensor, bias: Tensor | None, targets: Tensor, precision: str = "fp32"
) -> Tensor:
    """Mean cross-entropy of ``softmax(hidden @ weight.T + bias)`` in nats.

    ``hidden`` (tokens, embedding), ``weight`` (vocabulary, embedding), ``bias`` (vocabulary,) or
    None, ``targets`` (tokens,) int64. Differentiable once, in one backward pass, which scales the
    gradients where they lie: a second pass or derivative raises RuntimeError. A token's loss is
    said no higher than -log of the smallest normal number (87 in fp32); its gradient is exact
    there too.
    """
    loss: Tensor = _CrossEntropy.apply(  # type: ignore[no-untyped-call]
        hidden, weight, bias, targets, precision
    )
    return loss


@torch.no_grad()
def evaluate(
    hidden: Tensor, weight: Tensor, bias: Tensor | None, targets: Tensor, precision: str = "fp32"
) -> tuple[Tensor, Tensor]:
    """(sum of cross-entropies in nats, number of tokens whose target has the highest logit).

    Logits of bf16 are often equal: of several highest ones the first counts there.
    """
    rows, block = chunk_rows(len(hidden), len(weight), hidden.device, precision)
    loss = hidden.new_zeros((), dtype=torch.float64)
    correct = torch.zeros((), dtype=torch.int64, device=hidden.device)
    factors = rounded(hidden, weight, bias, precision)
    for start in range(0, len(hidden), rows):
        chunk = logits(factors[0][start : start + rows], *factors[1:])
        for first in range(0, len(chunk), block):
            scores = chunk[first : first + block].to(hidden.dtype)
            target = targets[start + first :][: len(scores)].unsqueeze(1)
            at_target = scores.gather(1, target)
            peak = scores.amax(1, keepdim=True)
            right = at_target >= peak
            if precision == "bf16":
                among = right.squeeze(1)
                right = scores[among].argmax(1) == target[among].squeeze(1)
            correct += right.sum()
            # The probability at the peak is 1 over the sum of exp(logit - peak).
            at_peak = torch.softmax(scores, 1).amax(1, keepdim=True)
            loss += (peak - at_target - at_peak.log()).sum()
    return loss, correct


def logits(
    hidden: Tensor, weight: Tensor, bias: Tensor | None, out: Tensor | None = None
) -> Tensor:
    """``hidden @ weight.T + bias`` (tokens, rows of weight), in ``out``; ``bias`` may be None."""
    if bias is None:
        return torch.mm(hidden, weight.t(), out=out)
    return torch.addmm(bias, hidden, weight.t(), out=out)


def rounded(
    hidden: Tensor, weight: Tensor, bias: Tensor | None, precision: str
) -> tuple[Tensor, Tensor, Tensor | None]:
    """The arguments of :func:`logits` as their product needs them."""
    low = product_type(precision, hidden.dtype)
    return hidden.to(low), weight.to(low), None if bias is None else bias.to(low)


def replace(errors: Tensor, first: int, block: Tensor) -> Tensor:
    """``errors`` with ``block`` in place of the rows from ``first`` on, rounded to their type."""
    if block.dtype == errors.dtype:
        return block  # which then has all rows
    errors[first : first + len(block)] = block
    return errors


def add_products(
    errors: Tensor, hidden: Tensor, weight: Tensor, grad_hidden: Tensor, grad_weight: Tensor
) -> None:
    """The gradients that ``errors``, those of logits, give: one is set and one is added to."""
    if errors.dtype == grad_weight.dtype:
        torch.mm(errors, weight, out=grad_hidden)
        grad_weight.addmm_(errors.t(), hidden)
    else:
        grad_hidden.copy_(torch.mm(errors, weight))
        grad_weight.add_(torch.mm(errors.t(), hidden))
