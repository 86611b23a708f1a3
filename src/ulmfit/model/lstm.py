"""One LSTM layer, in fp32 or with bf16 products.

In bf16 inputs, hidden states and weights are rounded for the matrix products, whose terms are
summed in fp32; biases, gates and the cell state are fp32, because a cell that is rounded at every
step loses what is added to it in small parts. Gradients of weights are rounded once, for each call.
On a GPU cuDNN rounds outputs and the cell state as well.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

Weights = tuple[Tensor, Tensor, Tensor, Tensor]
"""Of the inputs (4 hidden, input), recurrent (4 hidden, hidden), two biases; gates i, f, g, o."""
Result = tuple[Tensor, tuple[Tensor, Tensor]]
"""Outputs (time, batch, hidden), and hidden and cell state at the end, each (batch, hidden)."""

WIDEST_FUSED = 512
"""Hidden size up to which the fused layer's gradients are the faster ones."""
PACKED_FROM = 8
"""Time steps from which it pays to lay a matrix out for the products of all of them."""
ALIGNED = 8
"""Columns of bf16 in sixteen bytes: a GPU multiplies matrices whose rows are such multiples two to
four times as fast (1,152 columns against 1,150; docs/performance.md)."""
LSTM = 2
"""The kind of layer, in oneDNN's numbering."""


def lstm(
    inputs: Tensor, state: tuple[Tensor, Tensor], weights: Weights, precision: str = "fp32"
) -> Result:
    """Run over ``inputs`` (time, batch, input) from ``state``; values have the type of ``inputs``.

    Raises ValueError on shapes that do not fit: the functional layers do not check them, and on the
    CPU wrong ones corrupt memory.
    """
    _check(inputs, state, weights)
    needs_gradient = torch.is_grad_enabled() and any(
        tensor.requires_grad for tensor in (inputs, *state, *weights)
    )
    if precision == "fp32":
        return _torch(inputs, state, weights, needs_gradient)
    if inputs.device.type != "cpu":
        return _rounded(inputs, state, weights, needs_gradient)
    narrow = state[0].shape[1] <= WIDEST_FUSED
    if inputs.numel() and (narrow or not needs_gradient) and fused_works():
        return _fused(inputs, state, weights, needs_gradient)
    return _loop(inputs, state, weights)


def _check(inputs: Tensor, state: tuple[Tensor, Tensor], weights: Weights) -> None:
    hidden, cell = state
    weight_ih, weight_hh, bias_ih, bias_hh = weights
    size = len(bias_ih) // 4
    if (
        inputs.dim() != 3
        or hidden.shape != (inputs.shape[1], size)
        or cell.shape != hidden.shape
        or weight_ih.shape != (4 * size, inputs.shape[2])
        or weight_hh.shape != (4 * size, size)
        or bias_ih.shape != (4 * size,)
        or bias_hh.shape != (4 * size,)
    ):
        raise ValueError(
            f"LSTM: inputs {tuple(inputs.shape)}, state {tuple(hidden.shape)} and "
            f"{tuple(cell.shape)}, weights {[tuple(weight.shape) for weight in weights]} do not fit"
        )


def _torch(
    inputs: Tensor, state: tuple[Tensor, Tensor], weights: Weights, needs_gradient: bool
) -> Result:
    """torch's own, in the type of its arguments: oneDNN's on a CPU, cuDNN's on a GPU."""
    hidden, cell = state
    outputs, hidden, cell = torch._VF.lstm(
        inputs,
        (hidden.unsqueeze(0), cell.unsqueeze(0)),
        weights if inputs.device.type == "cpu" else _together(weights),
        True,  # biases
        1,  # layers
        0.0,  # dropout between layers
        needs_gradient,  # keeps what a backward pass needs
        False,  # bidirectional
        False,  # batch first
    )
    return outputs, (hidden.squeeze(0), cell.squeeze(0))


def _together(weights: Weights) -> tuple[Tensor, ...]:
    """The weights end to end in one block, as cuDNN reads them: it would copy others at each call,
    forward and backward. DropConnect makes the recurrent matrix anew anyway (ulmfit.md 7.12).
    """
    block = torch.cat([weight.flatten() for weight in weights])
    parts = torch.split(block, [weight.numel() for weight in weights])
    return tuple(part.view(weight.shape) for part, weight in zip(parts, weights, strict=True))


def _rounded(
    inputs: Tensor, state: tuple[Tensor, Tensor], weights: Weights, needs_gradient: bool
) -> Result:
    """cuDNN's layer in bf16; torch's autocast would run it in fp16 whatever type it is told.

    cuDNN rounds outputs and cell state too, at every step. Sizes are filled up with zeros to
    multiples of :data:`ALIGNED`: units that get nothing and weigh nothing stay at zero, and the
    others what they were, but for the order in which products are summed.
    """
    low, wide = torch.bfloat16, inputs.dtype
    size = state[0].shape[1]
    fill_inputs, fill = -inputs.shape[2] % ALIGNED, -size % ALIGNED
    w_ih, w_hh, b_ih, b_hh = (weight.to(low) for weight in weights)
    filled = (
        _fill(w_ih.view(4, size, -1), fill_inputs, fill).flatten(0, 1),
        _fill(w_hh.view(4, size, -1), fill, fill).flatten(0, 1),
        _fill(b_ih.view(4, size), fill).flatten(),
        _fill(b_hh.view(4, size), fill).flatten(),
    )
    hidden, cell = (_fill(value.to(low), fill) for value in state)
    outputs, (hidden, cell) = _torch(
        _fill(inputs.to(low), fill_inputs), (hidden, cell), filled, needs_gradient
    )
    return outputs[..., :size].to(wide), (hidden[:, :size].to(wide), cell[:, :size].to(wide))


def _fill(values: Tensor, columns: int, rows: int = 0) -> Tensor:
    """With zeros behind the last two dimensions; the values themselves if there are none."""
    if not columns and not rows:
        return values
    return F.pad(values, (0, columns, 0, rows) if rows else (0, columns))


def _fused(
    inputs: Tensor, state: tuple[Tensor, Tensor], weights: Weights, needs_gradient: bool
) -> Result:
    """oneDNN's layer in bf16, its cell state in fp32, which ``torch.nn.LSTM`` has no way to say."""
    low, wide = torch.bfloat16, torch.float32
    hidden, cell = state
    weight_ih, weight_hh, bias_ih, bias_hh = weights
    # The layer keeps what a backward pass needs wherever gradients are on.
    with torch.set_grad_enabled(needs_gradient):
        outputs, hidden, cell, _ = torch.mkldnn_rnn_layer(
            inputs.to(low).contiguous(),
            weight_ih.to(low).contiguous(),
            weight_hh.to(low).contiguous(),
            bias_ih.to(wide),
            bias_hh.to(wide),
            hidden.to(low).contiguous(),
            cell.to(wide).contiguous(),
            False,  # reverse
            [],  # lengths
            LSTM,
            hidden.shape[1],
            1,  # layers
            True,  # biases
            False,  # bidirectional
            False,  # batch first
            needs_gradient,
        )
        return outputs.to(inputs.dtype), (hidden.to(inputs.dtype), cell.to(inputs.dtype))


def _loop(
    inputs: Tensor,
    state: tuple[Tensor, Tensor],
    weights: Weights,
    low: torch.dtype = torch.bfloat16,
) -> Result:
    """A loop over time with products of type ``low``, for any CPU and any hidden size."""
    weight_ih, weight_hh, bias_ih, bias_hh = weights
    outputs, cell = _TimeLoop.apply(  # type: ignore[no-untyped-call]
        inputs, *state, weight_ih, weight_hh, bias_ih + bias_hh, low
    )
    return outputs, ((outputs[-1] if len(outputs) else state[0]), cell)


class _TimeLoop(torch.autograd.Function):
    """h_t = o_t tanh(c_t), c_t = f_t c_(t-1) + i_t g_t; the products with inputs for all t at once.

    i, f, o = sigmoid and g = tanh of W_ih x_t + W_hh h_(t-1) + b. Kept for the backward pass are
    the gates, rounded, and the cell states.
    """

    @staticmethod
    def forward(
        ctx: Any,
        inputs: Tensor,
        hidden: Tensor,
        cell: Tensor,
        weight_ih: Tensor,
        weight_hh: Tensor,
        bias: Tensor,
        low: torch.dtype,
    ) -> tuple[Tensor, Tensor]:
        time, batch, _ = inputs.shape
        size = hidden.shape[1]
        x, w_ih, w_hh = inputs.to(low).flatten(0, 1), weight_ih.to(low), weight_hh.to(low)
        gates = torch.mm(x, w_ih.t()).view(time, batch, 4 * size)
        outputs = inputs.new_empty(time, batch, size)
        hiddens = x.new_empty(time + 1, batch, size)
        cells = inputs.new_empty(time + 1, batch, size)
        hiddens[0], cells[0] = hidden, cell
        recur = _product(w_hh, batch, time)
        gate = inputs.new_empty(batch, 4 * size)
        i, f, g, o = gate.chunk(4, 1)
        i_and_f = gate[:, : 2 * size]
        squashed = inputs.new_empty(batch, size)
        for t in range(time):
            gate.copy_(gates[t]).add_(recur(hiddens[t])).add_(bias)
            i_and_f.sigmoid_()
            g.tanh_()
            o.sigmoid_()
            gates[t] = gate
            torch.mul(f, cells[t], out=cells[t + 1]).addcmul_(i, g)
            torch.tanh(cells[t + 1], out=squashed)
            torch.mul(o, squashed, out=outputs[t])
            hiddens[t + 1] = outputs[t]
        ctx.save_for_backward(x, w_ih, w_hh, hiddens, cells, gates)
        return outputs, cells[-1].clone()

    @staticmethod
    def backward(ctx: Any, grad_outputs: Tensor, grad_cell: Tensor) -> tuple[Tensor | None, ...]:
        if torch.is_grad_enabled():  # only where a graph of the gradient is asked for
            raise RuntimeError("the LSTM's time loop can be differentiated once only")
        x, w_ih, w_hh, hiddens, cells, gates = ctx.saved_tensors
        time, batch, size = grad_outputs.shape
        back = _product(w_hh.t().contiguous(), batch, time)
        grad_gates = torch.empty_like(gates)
        gate, grad_gate = (grad_outputs.new_empty(batch, 4 * size) for _ in range(2))
        i, f, g, o = gate.chunk(4, 1)
        grad_i, grad_f, grad_g, grad_o = grad_gate.chunk(4, 1)
        grad_bias = torch.zeros_like(grad_gate)
        grad_hidden = grad_outputs.new_zeros(batch, size)
        squashed, part = torch.empty_like(grad_hidden), torch.empty_like(grad_hidden)
        grad_cell = grad_cell.clone()
        for t in reversed(range(time)):
            gate.copy_(gates[t])
            torch.tanh(cells[t + 1], out=squashed)
            grad_hidden.add_(grad_outputs[t])
            _sigmoid_backward(torch.mul(grad_hidden, squashed, out=part), o, grad_input=grad_o)
            torch.mul(grad_hidden, o, out=part)
            grad_cell.add_(_tanh_backward(part, squashed, grad_input=part))
            _sigmoid_backward(torch.mul(grad_cell, g, out=part), i, grad_input=grad_i)
            _sigmoid_backward(torch.mul(grad_cell, cells[t], out=part), f, grad_input=grad_f)
            _tanh_backward(torch.mul(grad_cell, i, out=part), g, grad_input=grad_g)
            grad_cell.mul_(f)
            grad_gates[t] = grad_gate
            grad_bias.add_(grad_gate)
            grad_hidden.copy_(back(grad_gates[t]))
        flat = grad_gates.flatten(0, 1)

        def times(wanted: int, left: Tensor, right: Tensor) -> Tensor | None:
            return (
                torch.mm(left, right).to(grad_cell.dtype) if ctx.needs_input_grad[wanted] else None
            )

        grad_inputs = times(0, flat, w_ih)
        return (
            None if grad_inputs is None else grad_inputs.view(time, batch, -1),
            grad_hidden,
            grad_cell,
            times(3, flat.t(), x),
            times(4, flat.t(), hiddens[:-1].flatten(0, 1)),
            grad_bias.sum(0),
            None,
        )


_sigmoid_backward = torch.ops.aten.sigmoid_backward.grad_input
_tanh_backward = torch.ops.aten.tanh_backward.grad_input


def _product(weight: Tensor, rows: int, times: int) -> Callable[[Tensor], Tensor]:
    """Products of matrices with ``rows`` rows and ``weight`` transposed, ``times`` of them."""
    if weight.dtype == torch.bfloat16 and times >= PACKED_FROM and packing_works():
        return _packed(weight, rows)
    transposed = weight.t()
    return lambda values: torch.mm(values, transposed)


def _packed(weight: Tensor, rows: int) -> Callable[[Tensor], Tensor]:
    packed = torch.ops.mkldnn._reorder_linear_weight(weight, rows)
    multiply = torch.ops.mkldnn._linear_pointwise
    return lambda values: multiply(values, packed, None, "none", [], "")


def bf16_kernels(device: torch.device) -> dict[str, bool]:
    """Which of the faster kernels of bf16 a CPU has here, for the model's card."""
    if device.type != "cpu":
        return {}
    return {"bf16_fused_lstm": fused_works(), "bf16_packed_products": packing_works()}


@functools.cache
def packing_works() -> bool:
    """Whether this torch has oneDNN's products with a matrix laid out once, and they are right."""
    generator = torch.Generator().manual_seed(0)
    weight, values = (
        torch.randn(rows, 48, generator=generator).to(torch.bfloat16) for rows in (96, 8)
    )
    return _agrees(lambda: [_packed(weight, 8)(values)], lambda: [torch.mm(values, weight.t())])


@functools.cache
def fused_works() -> bool:
    """Whether oneDNN's layer takes a cell state of fp32 here, in outputs and gradients.

    It is asked for what ``torch.nn.LSTM`` never asks of it. The cell of the question gathers what
    bf16 would lose.
    """
    generator = torch.Generator().manual_seed(0)
    shapes = (12, 3, 5), (3, 8), (3, 8), (32, 5), (32, 8), (32,), (32,)
    values = [torch.randn(shape, generator=generator) for shape in shapes]
    values[5][8:16] += 16  # forgets nothing
    for weight in values[3:]:
        weight[16:24] *= 1e-3  # adds thousandths

    def run(layer: Callable[..., Result], *more: Any) -> list[Tensor]:
        with torch.enable_grad():
            leaves = [value.clone().requires_grad_() for value in values]
            inputs, hidden, cell, w_ih, w_hh, b_ih, b_hh = leaves
            outputs, (_, last) = layer(inputs, (hidden, cell), (w_ih, w_hh, b_ih, b_hh), *more)
            gradients = torch.autograd.grad(outputs.sum() + last.sum(), leaves)
        return [outputs.detach(), (last - cell).detach(), *gradients]

    return _agrees(lambda: run(_fused, True), lambda: run(_loop))


def _agrees(
    question: Callable[[], Sequence[Tensor]], known: Callable[[], Sequence[Tensor]]
) -> bool:
    """Whether the first gives the numbers of the second, to a few of bf16's roundings."""
    if not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return False
    try:
        found = question()
    except (AttributeError, RuntimeError, TypeError):
        return False
    return all(
        (one - other).norm() <= 0.02 * other.norm()
        for one, other in zip(found, known(), strict=True)
    )
