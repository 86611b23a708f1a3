"""The dropouts of the AWD-LSTM as masks drawn once for each batch (ulmfit.md 2.2).

A mask holds 0 where a value is dropped and 1 / (1 - p) where it stays. Drawing all masks before the
arithmetic keeps them equal for every chunk of a document and lets a test repeat a forward pass.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ulmfit.config.recipes import Dropouts
from ulmfit.errors import UserError

LEVELS = 1 << 16
"""Steps in which a probability of dropping can be said."""


def multiplied(rates: Dropouts) -> Dropouts:
    """The five rates times their multiplier, which becomes 1; UserError if one reaches 1."""
    values = {
        name: rate * rates.multiplier for name, rate in vars(rates).items() if name != "multiplier"
    }
    for name, rate in values.items():
        if round(rate * LEVELS) >= LEVELS:
            raise UserError(
                f"dropouts.{name} times dropouts.multiplier is {rate:.3g}: it must stay below 1"
            )
    return Dropouts(**values, multiplier=1.0)


def keep_mask(shape: Sequence[int], p: float, like: Tensor) -> Tensor | None:
    """Mask of ``shape`` with ``like``'s type and device; None if nothing is dropped.

    Each value is dropped with probability ``p`` rounded to a multiple of 2**-16, because a random
    64-bit number serves four values: on a CPU that takes an eighth of the time of bernoulli_.
    """
    dropped = round(p * LEVELS)
    if dropped == 0:
        return None
    count = math.prod(shape)
    words = torch.empty(-(-count // 4), dtype=torch.int64, device=like.device)
    words.random_(torch.iinfo(torch.int64).min, None)
    levels = words.view(torch.int16)[:count].view(*shape)
    mask = torch.empty(tuple(shape), dtype=like.dtype, device=like.device)
    torch.ge(levels, dropped + torch.iinfo(torch.int16).min, out=mask)
    return mask.mul_(LEVELS / (LEVELS - dropped))


def apply(mask: Tensor | None, values: Tensor) -> Tensor:
    """``values`` times ``mask``, broadcast over leading dimensions; None drops nothing."""
    return values if mask is None else values * mask


@dataclass(frozen=True)
class Masks:
    """One draw of every dropout of the encoder, for one batch of sequences.

    ``rows`` (vocabulary,): embedding dropout, whole word types; ``input`` (batch, embedding),
    ``hidden`` one (batch, hidden) for each layer but the last, ``output`` (batch, embedding):
    locked dropout, the same for all time steps; ``weight_hh`` the recurrent matrices after
    DropConnect, one for each layer (the parameters themselves where nothing is dropped).
    """

    rows: Tensor | None
    input: Tensor | None
    hidden: tuple[Tensor | None, ...]
    output: Tensor | None
    weight_hh: tuple[Tensor, ...]

    def first(self, active: int) -> Masks:
        """The masks of the first ``active`` sequences of the batch."""

        def cut(mask: Tensor | None) -> Tensor | None:
            return None if mask is None else mask[:active]

        return Masks(
            self.rows,
            cut(self.input),
            tuple(cut(mask) for mask in self.hidden),
            cut(self.output),
            self.weight_hh,
        )
