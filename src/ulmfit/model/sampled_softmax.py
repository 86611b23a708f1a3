"""Training loss over the target and a sample of words instead of the whole vocabulary.

The 2018 pretraining script's approximation of the softmax (ulmfit.md 3.10). Nothing larger than a
chunk of rows by the number of negatives is in memory.
"""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ulmfit.model.softmax import add_products, chunk_rows, logits, replace, rounded

NEGATIVE_WEIGHT = 2.0
"""What the term of a negative counts in the sum that the target's is divided by."""


class Sampler(nn.Module):
    """Negatives, drawn without replacement in proportion to the frequency of words in a text.

    ``counts`` (vocabulary,): occurrences; a word without any is never drawn, and where fewer than
    ``negatives`` words occur, all of them are.
    """

    counts: Tensor

    def __init__(self, counts: Tensor, negatives: int) -> None:
        super().__init__()
        # Not part of the weights: the next text has other frequencies.
        self.register_buffer("counts", counts.to(torch.float32), persistent=False)
        self.negatives = min(negatives, int((counts > 0).sum()))

    def draw(self) -> Tensor:
        """Ids (negatives,) of one draw: the winners of a race of exponential clocks.

        A word's clock runs at the rate of its frequency; the order of arrival is then that of
        drawing one word after the other without replacement.
        """
        arrival = torch.empty_like(self.counts).exponential_() / self.counts
        return arrival.topk(self.negatives, largest=False).indices


class _CrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        hidden: Tensor,
        at_target: Tensor,
        negative_weight: Tensor,
        negative_bias: Tensor | None,
        precision: str,
    ) -> Tensor:
        tokens = len(hidden)
        rows, block = chunk_rows(tokens, len(negative_weight), hidden.device, precision)
        grad_hidden = torch.empty_like(hidden)
        grad_target = torch.empty_like(at_target)
        grad_weight = torch.zeros_like(negative_weight)
        grad_bias = None if negative_bias is None else torch.zeros_like(negative_bias)
        total = hidden.new_zeros(())
        factors = rounded(hidden, negative_weight, negative_bias, precision)
        for start in range(0, tokens, rows):
            h = factors[0][start : start + rows]
            errors = logits(h, *factors[1:])
            for first in range(0, len(h), block):
                terms = errors[first : first + block].to(hidden.dtype)
                part = slice(start + first, start + first + len(terms))
                target = at_target[part]
                terms.add_(math.log(NEGATIVE_WEIGHT))
                norm = torch.logaddexp(terms.logsumexp(1), target)
                total += (norm - target).sum()
                # d loss / d score = share of the term in the norm, less 1 at the target.
                grad_target[part] = torch.expm1(target - norm)
                shares = terms.sub_(norm.unsqueeze(1)).exp_()
                if grad_bias is not None:
                    grad_bias += shares.sum(0)
                errors = replace(errors, first, shares)
            add_products(errors, h, factors[1], grad_hidden[start : start + rows], grad_weight)
        scale = 1 / tokens
        ctx.save_for_backward(
            grad_hidden.mul_(scale),
            grad_target.mul_(scale),
            grad_weight.mul_(scale),
            None if grad_bias is None else grad_bias.mul_(scale),
        )
        return total * scale

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor | None, ...]:
        if torch.is_grad_enabled():  # only where a graph of the gradient is asked for
            raise RuntimeError("the sampled softmax can be differentiated once only")
        grads = (None if grad is None else grad * grad_output for grad in ctx.saved_tensors)
        return *grads, None


def cross_entropy(
    hidden: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    targets: Tensor,
    negatives: Tensor,
    precision: str = "fp32",
) -> Tensor:
    """Mean over tokens of log(exp(s_t) + 2 * sum over negatives n of exp(s_n)) - s_t, in nats.

    A score s_w is ``hidden @ weight[w] + bias[w]``; t is the token's target. The tokens share one
    draw of negatives, which may contain a target: as in the 2018 script its term then stands there
    like any other, and no score is corrected for its chance of being drawn (ulmfit.md 3.10).

    ``hidden`` (tokens, embedding), ``weight`` (vocabulary, embedding), ``bias`` (vocabulary,) or
    None, ``targets`` (tokens,) int64, ``negatives`` (negatives,) int64. Differentiable once; a
    second derivative raises RuntimeError.
    """
    # Rows are looked up as an embedding, whose gradient is summed in a fixed order on every device.
    at_target = (hidden * F.embedding(targets, weight)).sum(1)
    negative_bias = None
    if bias is not None:
        column = bias.unsqueeze(1)
        at_target = at_target + F.embedding(targets, column).squeeze(1)
        negative_bias = F.embedding(negatives, column).squeeze(1)
    loss: Tensor = _CrossEntropy.apply(  # type: ignore[no-untyped-call]
        hidden, at_target, F.embedding(negatives, weight), negative_bias, precision
    )
    return loss
