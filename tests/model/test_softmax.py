"""Chunked softmax against torch's cross-entropy."""

import pytest
import torch
import torch.nn.functional as F
from scipy.optimize import approx_fprime

from ulmfit.model import softmax


def problem(dtype, bias, tokens=300, width=7, vocabulary=50):
    torch.manual_seed(0)
    hidden = torch.randn(tokens, width, dtype=dtype, requires_grad=True)
    weight = torch.randn(vocabulary, width, dtype=dtype, requires_grad=True)
    offset = torch.randn(vocabulary, dtype=dtype, requires_grad=True) if bias else None
    return hidden, weight, offset, torch.randint(0, vocabulary, (tokens,))


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 2e-6)])
@pytest.mark.parametrize("rows", [1, 64, 128, 1000])
def test_loss_and_gradients_equal_plain_cross_entropy(monkeypatch, rows, dtype, tolerance, bias):
    monkeypatch.setattr(softmax, "CPU_ROWS", rows)
    hidden, weight, offset, targets = problem(dtype, bias)
    inputs = [x for x in (hidden, weight, offset) if x is not None]
    ours = softmax.cross_entropy(hidden, weight, offset, targets)
    theirs = F.cross_entropy(F.linear(hidden, weight, offset), targets)
    torch.testing.assert_close(ours, theirs, rtol=tolerance, atol=tolerance)
    for mine, reference in zip(
        torch.autograd.grad(3 * ours, inputs), torch.autograd.grad(3 * theirs, inputs), strict=True
    ):
        torch.testing.assert_close(mine, reference, rtol=10 * tolerance, atol=tolerance)


def assert_gradients_of_finite_differences(loss, *arguments):
    """``torch.autograd.gradcheck`` goes back through a graph twice, which the softmax refuses."""
    sizes = [value.numel() for value in arguments]

    def value(flat):
        parts = torch.from_numpy(flat).split(sizes)
        shaped = zip(parts, arguments, strict=True)
        return loss(*(part.view(like.shape) for part, like in shaped)).item()

    found = torch.autograd.grad(loss(*arguments), arguments)
    flat = torch.cat([value.detach().flatten() for value in arguments]).numpy()
    torch.testing.assert_close(
        torch.cat([gradient.flatten() for gradient in found]),
        torch.from_numpy(approx_fprime(flat, value)),
        rtol=1e-5,
        atol=1e-6,
    )


def test_gradients_agree_with_finite_differences():
    hidden, weight, offset, targets = problem(torch.float64, True, tokens=5, width=3, vocabulary=6)
    assert_gradients_of_finite_differences(
        lambda h, w, b: softmax.cross_entropy(h, w, b, targets), hidden, weight, offset
    )


def test_the_gradient_is_scaled_by_what_comes_from_above():
    hidden, weight, _, targets = problem(torch.float64, False)
    once, thrice = (
        torch.autograd.grad(scale * softmax.cross_entropy(hidden, weight, None, targets), weight)[0]
        for scale in (1.0, 3.0)
    )
    torch.testing.assert_close(3 * once, thrice)


def test_a_second_derivative_is_refused():
    hidden, weight, _, targets = problem(torch.float64, False)
    loss = softmax.cross_entropy(hidden, weight, None, targets)
    with pytest.raises(RuntimeError, match="once only"):
        torch.autograd.grad(loss, hidden, create_graph=True)


def test_a_second_backward_pass_is_refused():
    hidden, weight, _, targets = problem(torch.float64, False)
    loss = softmax.cross_entropy(hidden, weight, None, targets)
    torch.autograd.grad(loss, hidden, retain_graph=True)
    with pytest.raises(RuntimeError, match="modified by an inplace"):
        torch.autograd.grad(loss, hidden)


@pytest.mark.parametrize("scale", [1.0, 1e3])
def test_large_logits_stay_finite_with_exact_gradients(scale):
    hidden, weight, _, targets = problem(torch.float32, False)
    loss = softmax.cross_entropy(scale * hidden, weight, None, targets)
    ours = torch.autograd.grad(loss, weight)[0]
    theirs = torch.autograd.grad(F.cross_entropy(scale * hidden @ weight.T, targets), weight)[0]
    assert torch.isfinite(loss)
    torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-5 * scale)


def test_tied_weights_receive_both_gradients():
    weight = torch.randn(9, 4, dtype=torch.float64, requires_grad=True)
    ids, targets = torch.randint(0, 9, (20,)), torch.randint(0, 9, (20,))
    ours = torch.autograd.grad(softmax.cross_entropy(weight[ids], weight, None, targets), weight)
    theirs = torch.autograd.grad(F.cross_entropy(weight[ids] @ weight.T, targets), weight)
    torch.testing.assert_close(ours, theirs)


def test_gradients_of_tied_weights_agree_with_finite_differences():
    torch.manual_seed(0)
    weight = torch.randn(6, 3, dtype=torch.float64, requires_grad=True)
    ids, targets = torch.randint(0, 6, (9,)), torch.randint(0, 6, (9,))
    assert_gradients_of_finite_differences(
        lambda w: softmax.cross_entropy(w[ids].tanh(), w, None, targets), weight
    )


@pytest.mark.parametrize("bias", [False, True])
def test_evaluation_sums_losses_and_counts_right_guesses(bias):
    hidden, weight, offset, targets = problem(torch.float32, bias)
    loss, correct = softmax.evaluate(hidden, weight, offset, targets)
    logits = F.linear(hidden, weight, offset)
    assert loss.item() == pytest.approx(
        F.cross_entropy(logits, targets, reduction="sum").item(), rel=1e-5
    )
    assert correct.item() == (logits.argmax(1) == targets).sum().item()


def test_evaluation_of_improbable_targets_is_exact():
    hidden = torch.tensor([[1.0]])
    weight = torch.tensor([[0.0], [500.0]])
    loss, correct = softmax.evaluate(hidden, weight, None, torch.tensor([0]))
    assert (loss.item(), correct.item()) == (500.0, 0)


@pytest.mark.parametrize(
    ("vocabulary", "precision", "rows"),
    [
        (10_000, "fp32", (512, 512)),
        (30_000, "bf16", (512, 32)),
        (200_000, "fp32", (83, 83)),
        (1_000_000, "fp32", (64, 64)),
    ],
)
def test_large_vocabularies_have_fewer_rows_at_once_on_a_cpu(vocabulary, precision, rows):
    assert softmax.chunk_rows(10**6, vocabulary, torch.device("cpu"), precision) == rows
