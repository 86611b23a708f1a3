"""The encoder without dropout, written with torch's own LSTM: what the package is compared with."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ulmfit.model.awd_lstm import AWDLSTM


class TorchEncoder(nn.Module):
    """Copies of an encoder's weights in an embedding matrix and torch.nn.LSTM layers."""

    def __init__(self, encoder: AWDLSTM) -> None:
        super().__init__()
        self.embedding = nn.Parameter(encoder.embedding.detach().clone())
        self.lstms = nn.ModuleList()
        for ours in encoder.lstms:
            theirs = nn.LSTM(ours.input_size, ours.hidden_size).to(self.embedding.dtype)
            theirs.load_state_dict(
                {f"{name}_l0": value.detach() for name, value in ours.named_parameters()}
            )
            self.lstms.append(theirs)

    def forward(self, ids: Tensor, states: list | None = None) -> tuple[Tensor, list]:
        """Outputs (time, batch, embedding) of the last layer, and the states of all layers."""
        values = self.embedding[ids]
        after = []
        for lstm, state in zip(self.lstms, states or [None] * len(self.lstms), strict=True):
            values, final = lstm(values, state)
            after.append(final)
        return values, after

    def gradients(self) -> dict[str, Tensor]:
        """Gradients under the names of the package's encoder."""
        named = {"embedding": self.embedding.grad}
        for k, lstm in enumerate(self.lstms):
            for name, parameter in lstm.named_parameters():
                named[f"lstms.{k}.{name.removesuffix('_l0')}"] = parameter.grad
        return named


def gradients(encoder: AWDLSTM) -> dict[str, Tensor]:
    """Gradients of the package's encoder by name."""
    return {name: parameter.grad for name, parameter in encoder.named_parameters()}


def assert_equal_gradients(ours: AWDLSTM, theirs: TorchEncoder, tolerance: float) -> None:
    """Fail unless every gradient agrees, relative to the largest value of its tensor."""
    expected = theirs.gradients()
    for name, gradient in gradients(ours).items():
        scale = expected[name].abs().max().item()
        torch.testing.assert_close(gradient, expected[name], rtol=0, atol=tolerance * scale)
