"""The LSTM's own loop, and bf16 products, against torch.nn.LSTM and its autograd."""

import itertools

import pytest
import torch
from torch import nn

from ulmfit.model import lstm as module
from ulmfit.model.lstm import fused_works, lstm, packing_works

EIGHT_BITS = 0.01
"""Largest relative error of a norm with bf16's eight bits: one rounding is at most 2^-9."""

needs_fused = pytest.mark.skipif(not fused_works(), reason="torch without oneDNN's bf16 layer")
needs_packing = pytest.mark.skipif(not packing_works(), reason="torch without packed products")


def problem(time=9, batch=3, size=4, hidden=5, dtype=torch.float64):
    """Inputs, state and weights that fill the range of the gates, and gradients of the results."""
    torch.manual_seed(0)
    layer = nn.LSTM(size, hidden).to(dtype)
    values = [
        torch.randn(time, batch, size, dtype=dtype),
        torch.randn(batch, hidden, dtype=dtype),
        torch.randn(batch, hidden, dtype=dtype),
        *(2 * weight.detach() for weight in layer.parameters()),
    ]
    grads = torch.randn(time, batch, hidden, dtype=dtype), torch.randn(batch, hidden, dtype=dtype)
    return [value.requires_grad_() for value in values], grads


def results(layer, values, grads, *more):
    """Outputs, cell state at the end, and the gradients of all values."""
    inputs, hidden, cell, *weights = values
    outputs, (last, final) = layer(inputs, (hidden, cell), tuple(weights), *more)
    assert torch.equal(outputs[-1], last)
    wanted = [value for value in values if value.requires_grad]
    gradients = torch.autograd.grad((outputs, final), wanted, grads) if wanted else []
    return [outputs.detach(), final.detach(), *gradients]


def reference(inputs, state, weights):
    """torch.nn.LSTM itself."""
    layer = nn.LSTM(inputs.shape[2], len(weights[2]) // 4).to(inputs.dtype)
    names = [name for name, _ in layer.named_parameters()]
    outputs, (hidden, cell) = torch.func.functional_call(
        layer,
        dict(zip(names, weights, strict=True)),
        (inputs, tuple(value.unsqueeze(0) for value in state)),
    )
    return outputs, (hidden[0], cell[0])


def assert_near(found, expected, tolerance):
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert one.dtype == other.dtype
        assert (one - other).norm() <= tolerance * other.norm()


@pytest.mark.parametrize("time", [1, 2, 9])
@pytest.mark.parametrize(("size", "hidden"), [(4, 5), (7, 2)])
def test_the_loop_gives_the_outputs_and_gradients_of_torch(time, size, hidden):
    values, grads = problem(time, 3, size, hidden)
    found = results(module._loop, values, grads, torch.float64)
    for one, other in zip(found, results(reference, values, grads), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-12)


def test_gradients_of_the_loop_agree_with_finite_differences():
    values, _ = problem(time=3, batch=2, size=2, hidden=3)

    def loop(inputs, hidden, cell, *weights):
        outputs, (_, final) = module._loop(inputs, (hidden, cell), weights, torch.float64)
        return outputs, final

    assert torch.autograd.gradcheck(loop, values)


def test_a_second_derivative_of_the_loop_is_refused():
    values, _ = problem()
    outputs, _ = module._loop(values[0], tuple(values[1:3]), tuple(values[3:]), torch.float64)
    with pytest.raises(RuntimeError, match="once only"):
        torch.autograd.grad(outputs.sum(), values[0], create_graph=True)


@pytest.mark.parametrize("trained", [(), (0,), (3, 4, 5, 6), (0, 3, 4, 5, 6), tuple(range(7))])
def test_the_loop_gives_gradients_to_what_is_not_frozen(trained):
    values, grads = problem()
    for place, value in enumerate(values):
        value.requires_grad_(place in trained)
    found = results(module._loop, values, grads, torch.float64)
    for one, other in zip(found, results(reference, values, grads), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-12)


SHAPES = [(30, 4, 24, 40), (30, 7, 33, 29), (20, 2, 40, 600)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(
    ("way", "more"),
    [
        pytest.param("_fused", (True,), marks=needs_fused),
        ("_loop", ()),
        pytest.param("_rounded", (True,), marks=needs_fused),
    ],
)
def test_bf16_differs_from_fp32_by_its_roundings_alone(way, more, shape):
    values, grads = problem(*shape, dtype=torch.float32)
    found = results(getattr(module, way), values, grads, *more)
    expected = results(lstm, values, grads)
    assert_near(found, expected, EIGHT_BITS)
    assert not torch.equal(found[0], expected[0])


@needs_packing
@pytest.mark.parametrize("shape", SHAPES)
def test_packed_products_are_those_of_the_matrix_as_it_is(monkeypatch, shape):
    values, grads = problem(*shape, dtype=torch.float32)
    packed = results(module._loop, values, grads)
    monkeypatch.setattr(module, "packing_works", lambda: False)
    plain = results(module._loop, values, grads)
    # Sums in another order are now and then rounded the other way.
    assert_near(packed, plain, EIGHT_BITS / 2)


@needs_packing
def test_matrices_are_packed_where_many_products_repay_it(monkeypatch):
    packed = []
    original = module._packed
    monkeypatch.setattr(module, "_packed", lambda *given: packed.append(1) or original(*given))
    for time, count in ((module.PACKED_FROM - 1, 0), (module.PACKED_FROM, 2)):
        values, grads = problem(time, dtype=torch.float32)
        results(module._loop, values, grads)
        assert len(packed) == count


@pytest.mark.parametrize("way", [pytest.param("_fused", marks=needs_fused), pytest.param("_loop")])
def test_a_cell_keeps_what_is_added_in_small_parts(way):
    """A thousandth at each of 70 steps is lost where the cell is rounded to bf16."""
    hidden = 6
    bias = torch.zeros(4, hidden)
    bias[0] = bias[1] = 20.0
    bias[2] = 1e-3
    weights = (
        *(torch.zeros(4 * hidden, width) for width in (3, hidden)),
        *(bias.flatten(), torch.zeros(4 * hidden)),
    )
    state = torch.zeros(2, hidden), torch.ones(2, hidden)
    more = (False,) if way == "_fused" else ()
    _, (_, cell) = getattr(module, way)(torch.zeros(70, 2, 3), state, weights, *more)
    torch.testing.assert_close(cell, torch.full_like(cell, 1.07), rtol=1e-3, atol=0)


NARROW, WIDE = 16, module.WIDEST_FUSED + 1


@needs_fused
@pytest.mark.parametrize(
    ("hidden", "gradient", "way"),
    [
        (NARROW, False, "_fused"),
        (WIDE, False, "_fused"),
        (NARROW, True, "_fused"),
        (WIDE, True, "_loop"),
    ],
)
def test_wide_layers_with_gradients_run_in_the_loop_and_all_others_fused(
    monkeypatch, hidden, gradient, way
):
    taken = []
    for name in ("_fused", "_loop", "_torch"):
        original = getattr(module, name)
        monkeypatch.setattr(
            module, name, lambda *given, n=name, o=original: taken.append(n) or o(*given)
        )
    inputs, h, c, *weights = problem(3, 2, 4, hidden, torch.float32)[0]
    with torch.set_grad_enabled(gradient):
        outputs, _ = lstm(inputs, (h, c), tuple(weights), "bf16")
    assert taken == [way]
    assert outputs.requires_grad == gradient


def test_frozen_layers_build_no_graph():
    values, _ = problem(3, 2, 4, WIDE, torch.float32)
    inputs, h, c, *weights = (value.detach() for value in values)
    outputs, (_, cell) = lstm(inputs, (h, c), tuple(weights), "bf16")
    assert not outputs.requires_grad
    assert not cell.requires_grad


@pytest.mark.parametrize("gradient", [True, False])
def test_without_the_fused_layer_the_loop_gives_its_numbers(monkeypatch, gradient):
    values, grads = problem(30, 4, 24, 40, torch.float32)
    for value in values:
        value.requires_grad_(gradient)
    usual = results(lstm, values, grads, "bf16")
    monkeypatch.setattr(module, "fused_works", lambda: False)
    assert_near(results(lstm, values, grads, "bf16"), usual, EIGHT_BITS)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("wrong", range(7))
def test_wrong_shapes_reach_no_kernel(wrong, precision):
    values = [value.detach() for value in problem(4, 3, 5, 6, torch.float32)[0]]
    values[wrong] = values[wrong][..., :-1].contiguous()
    inputs, h, c, *weights = values
    with pytest.raises(ValueError, match="do not fit"):
        lstm(inputs, (h, c), tuple(weights), precision)


def rounding(original):
    """The fused layer with its cell state rounded, as torch.nn.LSTM would have it."""

    def layer(*given):
        return original(*given[:6], given[6].to(torch.bfloat16), *given[7:])

    return layer


def failing(_original):
    def layer(*_given):
        raise RuntimeError("could not create a primitive")

    return layer


@pytest.mark.parametrize("broken", [rounding, failing])
def test_a_fused_layer_that_is_not_right_is_not_used(monkeypatch, broken):
    monkeypatch.setattr(torch, "mkldnn_rnn_layer", broken(torch.mkldnn_rnn_layer))
    assert not fused_works.__wrapped__()


def test_packing_that_is_not_right_is_not_used(monkeypatch):
    monkeypatch.setattr(module, "_packed", lambda weight, _rows: lambda values: values @ weight)
    assert not packing_works.__wrapped__()


def test_the_questions_draw_from_no_generator_of_the_training():
    before = torch.get_rng_state()
    fused_works.__wrapped__()
    packing_works.__wrapped__()
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_same_call_gives_the_same_bits(precision):
    for hidden in (NARROW, WIDE):
        values, grads = problem(12, 3, 5, hidden, torch.float32)
        first, second = (results(lstm, values, grads, precision) for _ in range(2))
        assert all(itertools.starmap(torch.equal, zip(first, second, strict=True)))
