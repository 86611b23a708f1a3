"""Chunked softmax against torch's cross-entropy."""

import pytest
import torch
import torch.nn.functional as F

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


def test_gradients_agree_with_finite_differences():
    hidden, weight, offset, targets = problem(torch.float64, True, tokens=5, width=3, vocabulary=6)
    assert torch.autograd.gradcheck(
        lambda h, w, b: softmax.cross_entropy(h, w, b, targets), (hidden, weight, offset)
    )


def test_a_second_derivative_is_refused():
    hidden, weight, _, targets = problem(torch.float64, False)
    loss = softmax.cross_entropy(hidden, weight, None, targets)
    with pytest.raises(RuntimeError, match="once only"):
        torch.autograd.grad(loss, hidden, create_graph=True)


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
    assert torch.autograd.gradcheck(
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
