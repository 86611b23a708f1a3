"""AWD-LSTM language model: encoder, and a decoder that shares the embedding matrix."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ulmfit.config.recipes import Architecture, Dropouts
from ulmfit.model import sampled_softmax, softmax
from ulmfit.model.awd_lstm import AWDLSTM, State, detach
from ulmfit.model.sampled_softmax import Sampler


class LanguageModel(nn.Module):
    """Next-token model with tied softmax weights (paper section 3.1; ulmfit.md 2.1).

    A ``sampler`` makes the training loss a sampled softmax (ulmfit.md 3.10). ``ar_on`` says which
    output activation regularisation acts on: after output dropout (``dropped``, Merity et al. and
    fastai v2) or before it (``raw``, fastai 0.7 and v1; ulmfit.md 2.6). ``precision`` is that of
    the products of the LSTMs and the softmax.
    """

    def __init__(
        self,
        vocabulary: int,
        architecture: Architecture,
        dropouts: Dropouts,
        sampler: Sampler | None = None,
        ar_on: str = "dropped",
        precision: str = "fp32",
    ) -> None:
        super().__init__()
        self.precision = precision
        self.sampler = sampler
        self.ar_on = ar_on
        self.encoder = AWDLSTM(vocabulary, architecture, dropouts, precision=precision)
        self.decoder_bias = (
            nn.Parameter(torch.zeros(vocabulary)) if architecture.decoder_bias else None
        )

    def loss(
        self, ids: Tensor, targets: Tensor, state: State, ar: float, tar: float
    ) -> tuple[Tensor, Tensor, State]:
        """(loss to minimise, its cross-entropy part, detached state after the last step).

        ``ids`` and ``targets`` (time, batch). The loss adds activation regularisation, and temporal
        regularisation of the output before dropout (ulmfit.md 2.6).
        """
        masks = self.encoder.draw_masks(ids.shape[1])
        raw, dropped, after = self.encoder(ids, state, masks)
        cross_entropy = self._cross_entropy(dropped.flatten(0, 1), targets.flatten())
        loss = cross_entropy
        if ar:
            activation = raw if self.ar_on == "raw" else dropped
            loss = loss + ar * activation.square().mean()
        if tar and len(raw) > 1:
            loss = loss + tar * (raw[1:] - raw[:-1]).square().mean()
        return loss, cross_entropy.detach(), detach(after)

    @torch.no_grad()
    def evaluate(self, ids: Tensor, targets: Tensor, state: State) -> tuple[Tensor, Tensor, State]:
        """(summed cross-entropy, right first guesses, state); targets below 0 do not count."""
        masks = self.encoder.draw_masks(ids.shape[1])
        outputs, _, after = self.encoder(ids, state, masks)
        counted = targets >= 0
        weight, bias = self.encoder.embedding, self.decoder_bias
        loss, correct = softmax.evaluate(
            outputs[counted], weight, bias, targets[counted], self.precision
        )
        return loss, correct, after

    def _cross_entropy(self, hidden: Tensor, targets: Tensor) -> Tensor:
        weight, bias = self.encoder.embedding, self.decoder_bias
        if self.sampler is None:
            return softmax.cross_entropy(hidden, weight, bias, targets, self.precision)
        negatives = self.sampler.draw()
        return sampled_softmax.cross_entropy(
            hidden, weight, bias, targets, negatives, self.precision
        )
