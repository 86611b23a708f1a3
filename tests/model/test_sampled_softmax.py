"""Softmax over sampled words against the formula written as loops (ulmfit.md 3.10)."""

import itertools
import math

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from ulmfit.config.recipes import Architecture, Dropouts
from ulmfit.model import sampled_softmax, softmax
from ulmfit.model.language_model import LanguageModel
from ulmfit.model.sampled_softmax import Sampler

NONE = Dropouts(embedding=0, input=0, weight=0, hidden=0, output=0)


def problem(bias, tokens=60, width=5, vocabulary=20):
    torch.manual_seed(0)
    hidden = torch.randn(tokens, width, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(vocabulary, width, dtype=torch.float64, requires_grad=True)
    offset = torch.randn(vocabulary, dtype=torch.float64, requires_grad=True) if bias else None
    return hidden, weight, offset, torch.randint(0, vocabulary, (tokens,))


def naive(hidden, weight, bias, targets, negatives):
    """Mean of log(exp(s_t) + 2 sum exp(s_n)) - s_t, a token and a word at a time."""
    losses = []
    for h, target in zip(hidden, targets.tolist(), strict=True):

        def score(word, h=h):
            return (h * weight[word]).sum() + (0 if bias is None else bias[word])

        norm = score(target).exp()
        for word in negatives.tolist():
            norm = norm + 2 * score(word).exp()
        losses.append(norm.log() - score(target))
    return torch.stack(losses).mean()


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("rows", [1, 7, 128])
@pytest.mark.parametrize("negatives", [[3], [0, 19, 4, 11], list(range(20))])
def test_loss_and_gradients_equal_the_formula_written_as_loops(monkeypatch, rows, negatives, bias):
    monkeypatch.setattr(softmax, "CPU_ROWS", rows)
    hidden, weight, offset, targets = problem(bias)
    drawn = torch.tensor(negatives)
    inputs = [x for x in (hidden, weight, offset) if x is not None]
    ours = sampled_softmax.cross_entropy(hidden, weight, offset, targets, drawn)
    theirs = naive(hidden, weight, offset, targets, drawn)
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)
    for mine, reference in zip(
        torch.autograd.grad(3 * ours, inputs), torch.autograd.grad(3 * theirs, inputs), strict=True
    ):
        torch.testing.assert_close(mine, reference, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("bias", [False, True])
def test_with_all_words_as_negatives_the_exact_sum_is_doubled_and_the_target_added(bias):
    hidden, weight, offset, targets = problem(bias)
    ours = sampled_softmax.cross_entropy(hidden, weight, offset, targets, torch.randperm(20))
    logits = torch.nn.functional.linear(hidden, weight, offset)
    exact = torch.nn.functional.cross_entropy(logits, targets, reduction="none")
    # exp(exact) is the whole sum over the target's term.
    torch.testing.assert_close(ours, (1 + 2 * exact.exp()).log().mean())


@pytest.mark.parametrize("bias", [False, True])
def test_gradients_agree_with_finite_differences(bias):
    hidden, weight, offset, targets = problem(bias, tokens=5, width=3, vocabulary=6)
    inputs = [x for x in (hidden, weight, offset) if x is not None]
    negatives = torch.tensor([5, 0, 3])
    assert torch.autograd.gradcheck(
        lambda h, w, *b: sampled_softmax.cross_entropy(h, w, *(b or [None]), targets, negatives),
        inputs,
    )


def test_gradients_of_tied_weights_agree_with_finite_differences():
    torch.manual_seed(0)
    weight = torch.randn(6, 3, dtype=torch.float64, requires_grad=True)
    ids, targets = torch.randint(0, 6, (9,)), torch.randint(0, 6, (9,))
    negatives = torch.tensor([5, 0, 3])
    assert torch.autograd.gradcheck(
        lambda w: sampled_softmax.cross_entropy(w[ids].tanh(), w, None, targets, negatives), weight
    )


def test_large_scores_stay_finite():
    hidden, weight, _, targets = problem(False)
    negatives = torch.arange(10)
    loss = sampled_softmax.cross_entropy(1e4 * hidden, weight, None, targets, negatives)
    gradient = torch.autograd.grad(loss, weight)[0]
    assert torch.isfinite(loss)
    assert torch.isfinite(gradient).all()


def test_a_second_derivative_is_refused():
    hidden, weight, _, targets = problem(False)
    loss = sampled_softmax.cross_entropy(hidden, weight, None, targets, torch.arange(3))
    with pytest.raises(RuntimeError, match="once only"):
        torch.autograd.grad(loss, hidden, create_graph=True)


def test_draws_hold_each_word_once_and_none_that_never_occurs():
    torch.manual_seed(0)
    counts = torch.tensor([5, 0, 1, 900, 3, 0, 2])
    sampler = Sampler(counts, 4)
    seen = set()
    for _ in range(200):
        drawn = sampler.draw().tolist()
        assert len(set(drawn)) == 4
        seen |= set(drawn)
    assert seen == {0, 2, 3, 4, 6}
    assert sorted(Sampler(counts, 100).draw().tolist()) == [0, 2, 3, 4, 6]


SHARES = (0.5, 0.3, 0.15, 0.05)
DRAWS = 4000


def ordered_draws():
    """Chance of each ordered pair, one word drawn after the other without replacement."""
    return {
        (i, j): SHARES[i] * SHARES[j] / (1 - SHARES[i])
        for i, j in itertools.permutations(range(4), 2)
    }


def test_the_race_draws_in_proportion_to_frequency_without_replacement():
    torch.manual_seed(0)
    sampler = Sampler(torch.tensor([50, 30, 15, 5]), 2)
    drawn = [tuple(sampler.draw().tolist()) for _ in range(DRAWS)]
    for pair, chance in ordered_draws().items():
        error = math.sqrt(chance * (1 - chance) / DRAWS)
        assert abs(drawn.count(pair) / DRAWS - chance) < 4 * error, pair


def test_the_mean_over_draws_converges_to_the_expectation_over_all_samples():
    hidden, weight, _, targets = problem(False, tokens=8, width=3, vocabulary=4)

    def measured(loss):
        (gradient,) = torch.autograd.grad(loss, weight)
        return torch.cat([loss.detach().view(1), gradient.flatten()])

    expected = sum(
        chance * measured(naive(hidden, weight, None, targets, torch.tensor(pair)))
        for pair, chance in ordered_draws().items()
    )
    sampler = Sampler(torch.tensor([50, 30, 15, 5]), 2)
    values = torch.stack(
        [
            measured(sampled_softmax.cross_entropy(hidden, weight, None, targets, sampler.draw()))
            for _ in range(DRAWS)
        ]
    )
    error = values.std(0) / math.sqrt(DRAWS)
    assert ((values.mean(0) - expected).abs() < 4 * error + 1e-12).all()


class Largest(TorchDispatchMode):
    """The number of elements of the largest tensor that an operation returns."""

    elements = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        for value in result if isinstance(result, tuple | list) else [result]:
            if isinstance(value, torch.Tensor):
                self.elements = max(self.elements, value.numel())
        return result


def test_memory_is_bounded_by_a_chunk_of_scores(monkeypatch):
    monkeypatch.setattr(softmax, "CPU_ROWS", 16)
    hidden = torch.randn(600, 4, requires_grad=True)
    weight = torch.randn(1000, 4, requires_grad=True)
    targets = torch.randint(0, 1000, (600,))
    with Largest() as largest:
        loss = sampled_softmax.cross_entropy(hidden, weight, None, targets, torch.arange(300))
        loss.backward()
    assert largest.elements == 16 * 300


def language_model(sampler, **changes):
    torch.manual_seed(0)
    return LanguageModel(20, Architecture(6, 9, 2, **changes), NONE, sampler)


@pytest.mark.parametrize("bias", [False, True])
def test_a_language_model_trains_on_samples_and_is_validated_on_all_words(bias):
    sampler = Sampler(torch.arange(20), 7)
    model, plain = (language_model(each, decoder_bias=bias) for each in (sampler, None))
    assert list(model.state_dict()) == list(plain.state_dict())
    ids, targets = torch.randint(0, 20, (2, 9, 3))
    state = model.encoder.initial_state(3)
    torch.manual_seed(5)
    _, cross_entropy, _ = model.loss(ids, targets, state, 2.0, 1.0)
    torch.manual_seed(5)
    outputs = model.encoder(ids, state, model.encoder.draw_masks(3))[1].flatten(0, 1)
    weight, offset = model.encoder.embedding, model.decoder_bias
    expected = naive(outputs, weight, offset, targets.flatten(), sampler.draw())
    torch.testing.assert_close(cross_entropy, expected.detach())
    for each in (model.eval(), plain.eval()):
        loss, _, _ = each.evaluate(ids, targets, state)
        exact = softmax.cross_entropy(outputs, weight, offset, targets.flatten())
        torch.testing.assert_close(loss.float() / 27, exact.detach())
