"""AWD-LSTM encoder: embedding and stacked LSTMs with five dropouts (Merity et al. 2018).

Everything is time-first, ``(time, batch, features)``: the layout that the LSTM kernels of oneDNN
and cuDNN work in, so that no call has to transpose.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ulmfit.config.recipes import Architecture, Dropouts
from ulmfit.model.dropout import Masks, apply, keep_mask, multiplied
from ulmfit.model.lstm import lstm

State = tuple[tuple[Tensor, Tensor], ...]
"""For each layer the hidden and the cell state, each (batch, size)."""


class LSTMLayer(nn.Module):
    """One LSTM, called with a recurrent matrix that need not be its own (DropConnect).

    Parameters are those of :class:`torch.nn.LSTM` (gates i, f, g, o; same initialisation) and are
    never replaced, so that state_dict, copies and freezing stay ordinary (ulmfit.md 7.11).
    """

    def __init__(self, input_size: int, hidden_size: int, precision: str = "fp32") -> None:
        super().__init__()
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.precision = precision
        self.weight_ih = nn.Parameter(torch.empty(4 * hidden_size, input_size))
        self.weight_hh = nn.Parameter(torch.empty(4 * hidden_size, hidden_size))
        self.bias_ih = nn.Parameter(torch.empty(4 * hidden_size))
        self.bias_hh = nn.Parameter(torch.empty(4 * hidden_size))
        bound = 1 / math.sqrt(hidden_size)
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -bound, bound)

    def forward(
        self, inputs: Tensor, state: tuple[Tensor, Tensor], weight_hh: Tensor
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Outputs (time, batch, hidden) and last state from inputs (time, batch, input).

        Raises ValueError on shapes that do not fit.
        """
        weights = (self.weight_ih, weight_hh, self.bias_ih, self.bias_hh)
        return lstm(inputs, state, weights, self.precision)


class AWDLSTM(nn.Module):
    """Embedding, then ``layers`` LSTMs; the last one is as wide as the embedding.

    Paper section 3.1; sizes in :class:`~ulmfit.config.recipes.Architecture`. Where everything up to
    a layer is frozen, no autograd graph is built, but dropout stays on in training mode. The row of
    token ``padding`` gets no gradient as an input, as in :class:`torch.nn.Embedding`. ``precision``
    is that of the LSTMs' products; weights, states and outputs are held in fp32 in any case.
    """

    def __init__(
        self,
        vocabulary: int,
        architecture: Architecture,
        dropouts: Dropouts,
        padding: int | None = None,
        precision: str = "fp32",
    ) -> None:
        super().__init__()
        self.padding = padding
        self.architecture = architecture
        self.dropouts = multiplied(dropouts)
        self.embedding = nn.Parameter(torch.empty(vocabulary, architecture.embedding))
        nn.init.uniform_(self.embedding, -0.1, 0.1)
        self.lstms = nn.ModuleList(
            LSTMLayer(inputs, outputs, precision) for inputs, outputs in architecture.lstm_sizes
        )

    def initial_state(self, batch: int) -> State:
        """Zeros for ``batch`` sequences."""
        return tuple(
            (self.embedding.new_zeros(batch, layer.hidden_size),) * 2 for layer in self._layers()
        )

    def draw_masks(self, batch: int) -> Masks:
        """One draw of all dropouts for ``batch`` sequences; drops nothing in evaluation mode."""
        layers = self._layers()
        if not self.training:
            return Masks(
                None, None, (None,) * (len(layers) - 1), None, tuple(x.weight_hh for x in layers)
            )
        rate = self.dropouts
        like = self.embedding
        vocabulary, width = like.shape
        return Masks(
            rows=keep_mask((vocabulary,), rate.embedding, like),
            input=keep_mask((batch, width), rate.input, like),
            hidden=tuple(
                keep_mask((batch, layer.hidden_size), rate.hidden, like) for layer in layers[:-1]
            ),
            output=keep_mask((batch, width), rate.output, like),
            weight_hh=tuple(
                apply(keep_mask(layer.weight_hh.shape, rate.weight, like), layer.weight_hh)
                for layer in layers
            ),
        )

    def embed(self, ids: Tensor, masks: Masks) -> Tensor:
        """Rows of the embedding (time, batch, embedding) after embedding and input dropout.

        Only the masks of the rows in use are looked up; the matrix is never copied.
        """
        values = F.embedding(ids, self.embedding, self.padding)
        if masks.rows is not None:
            values = values * masks.rows[ids].unsqueeze(-1)
        return apply(masks.input, values)

    def forward(self, ids: Tensor, state: State, masks: Masks) -> tuple[Tensor, Tensor, State]:
        """Outputs of the last layer without and with output dropout, and the state at the end.

        ``ids`` (time, batch) integers; both outputs (time, batch, embedding).
        """
        values = self.embed(ids, masks)
        after = []
        layers = self._layers()
        for k, layer in enumerate(layers):
            values, final = layer(values, state[k], masks.weight_hh[k])
            after.append(final)
            if k < len(layers) - 1:
                values = apply(masks.hidden[k], values)
        return values, apply(masks.output, values), tuple(after)

    def _layers(self) -> list[LSTMLayer]:
        return [layer for layer in self.lstms if isinstance(layer, LSTMLayer)]


def detach(state: State) -> State:
    """The same state, through which no gradient passes."""
    return tuple((hidden.detach(), cell.detach()) for hidden, cell in state)
