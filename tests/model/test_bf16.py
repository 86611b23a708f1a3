"""Models with bf16 products beside the same models in fp32: losses, gradients, states, pooling."""

import pytest
import torch

from ulmfit.config.recipes import Architecture, Classifier, Dropouts
from ulmfit.model import lstm, sampled_softmax, softmax
from ulmfit.model.classifier import PoolingClassifier
from ulmfit.model.groups import classifier_groups, freeze_all_but
from ulmfit.model.language_model import LanguageModel
from ulmfit.model.sampled_softmax import Sampler

TOLERANCE = 0.02
"""Relative error of a norm, for some roundings to bf16's eight bits one after the other."""
SIZES = Architecture(embedding=24, hidden=40, layers=3, decoder_bias=True)
WORDS = 300
STREAMS = torch.randint(0, WORDS, (31, 6), generator=torch.Generator().manual_seed(2))
DOCUMENTS = torch.randint(0, WORDS, (70, 5), generator=torch.Generator().manual_seed(3))
LENGTHS = torch.tensor([70, 41, 33, 30, 8])


@pytest.fixture(params=["fused", "loop"])
def way(request, monkeypatch):
    """The two ways of a layer that needs gradients."""
    monkeypatch.setattr(lstm, "WIDEST_FUSED", 512 if request.param == "fused" else 0)


def relative(one, other):
    return ((one - other).norm() / other.norm()).item()


def confident(model):
    """A model whose gates are far from a half, and not so far that it multiplies every error."""
    with torch.no_grad():
        for parameter in model.encoder.parameters():
            parameter *= 2
    return model


def language_model(precision, sampled=False):
    torch.manual_seed(0)
    sampler = Sampler(torch.arange(1, WORDS + 1), 60) if sampled else None
    return confident(LanguageModel(WORDS, SIZES, Dropouts(), sampler, precision=precision))


def compared(results):
    """Relative errors of bf16 by name; everything is fp32 outside of products."""
    fp32, bf16 = results
    assert fp32.keys() == bf16.keys()
    for value in bf16.values():
        assert value.dtype == torch.float32
    return {name: relative(bf16[name], fp32[name]) for name in fp32}


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("sampled", [False, True])
def test_a_language_model_has_the_loss_gradients_and_state_of_fp32(sampled):
    results = []
    for precision in ("fp32", "bf16"):
        model = language_model(precision, sampled)
        torch.manual_seed(1)  # the same dropout
        loss, cross_entropy, state = model.loss(
            STREAMS[:-1], STREAMS[1:], model.encoder.initial_state(6), 2.0, 1.0
        )
        loss.backward()
        gradients = {name: p.grad for name, p in model.named_parameters()}
        states = {
            f"{k}{part}": value for k, pair in enumerate(state) for part, value in enumerate(pair)
        }
        results.append({"loss": loss.detach(), "plain": cross_entropy, **gradients, **states})
    errors = compared(results)
    assert max(errors.values()) < TOLERANCE
    assert max(errors.values()) > 0
    assert errors["loss"] < TOLERANCE / 10


def test_a_language_model_is_validated_in_its_precision():
    values = []
    for precision in ("fp32", "bf16"):
        model = language_model(precision).eval()
        loss, correct, state = model.evaluate(
            STREAMS[:-1], STREAMS[1:], model.encoder.initial_state(6)
        )
        assert all(value.dtype == torch.float32 for pair in state for value in pair)
        values.append((loss, correct.item()))
    (fp32, right), (bf16, right_too) = values
    assert 0 < abs(bf16 - fp32) < TOLERANCE / 10 * fp32
    assert abs(right - right_too) <= 2


def classifier(precision, pooling):
    torch.manual_seed(0)
    recipe = Classifier(
        architecture=SIZES, bptt=16, max_seq=40, pooling=pooling, precision=precision
    )
    return confident(PoolingClassifier(WORDS, 3, recipe))


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("pooling", ["concat", "mean"])
def test_a_classifier_pools_the_values_of_fp32(pooling, training):
    results = []
    for precision in ("fp32", "bf16"):
        model = classifier(precision, pooling).train(training)
        torch.manual_seed(1)
        results.append({"features": model.pool(DOCUMENTS, LENGTHS).features.detach()})
    assert 0 < compared(results)["features"] < TOLERANCE


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("lowest", range(4))
def test_a_classifier_has_the_gradients_of_fp32_whatever_is_frozen(lowest):
    """Of mean pooling, as a maximum may lie at another place once it is rounded.

    Each feature counts as much as chance will have it: what a head makes of documents that are
    alike depends on their small differences.
    """
    results = []
    for precision in ("fp32", "bf16"):
        model = classifier(precision, "mean")
        groups = classifier_groups(model)
        freeze_all_but(groups, list(groups)[lowest:])
        torch.manual_seed(1)
        pooled = model.pool(DOCUMENTS, LENGTHS)
        weights = torch.randn(pooled.features.shape)
        loss = (pooled.features * weights).sum() + 2 * pooled.activation + pooled.temporal
        loss.backward()
        results.append({n: p.grad for n, p in model.named_parameters() if p.grad is not None})
        assert len(results[-1]) == (1 if lowest == 0 else 0) + 4 * min(4 - lowest, 3)
    assert max(compared(results).values()) < TOLERANCE


def problem(bias, tokens=1200, width=40, vocabulary=500):
    torch.manual_seed(0)
    hidden = torch.randn(tokens, width, requires_grad=True)
    weight = torch.randn(vocabulary, width, requires_grad=True)
    offset = torch.randn(vocabulary, requires_grad=True) if bias else None
    return hidden, weight, offset, torch.randint(0, vocabulary, (tokens,))


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize(("rows", "block"), [(512, 32), (512, 512), (100, 7), (2000, 64)])
def test_the_softmax_has_the_loss_and_gradients_of_fp32(monkeypatch, rows, block, bias):
    hidden, weight, offset, targets = problem(bias)
    inputs = [x for x in (hidden, weight, offset) if x is not None]
    expected = softmax.cross_entropy(hidden, weight, offset, targets)
    monkeypatch.setattr(softmax, "CPU_ROWS", rows)
    monkeypatch.setattr(softmax, "BF16_BLOCK", block)
    found = softmax.cross_entropy(hidden, weight, offset, targets, "bf16")
    assert relative(found, expected) < TOLERANCE / 10
    grads = [torch.autograd.grad(3 * loss, inputs) for loss in (found, expected)]
    for one, other in zip(*grads, strict=True):
        assert one.dtype == torch.float32
        assert relative(one, other) < TOLERANCE


@pytest.mark.parametrize("bias", [False, True])
def test_the_sampled_softmax_has_the_loss_and_gradients_of_fp32(bias):
    hidden, weight, offset, targets = problem(bias)
    inputs = [x for x in (hidden, weight, offset) if x is not None]
    negatives = torch.randperm(len(weight))[:90]
    losses = [
        sampled_softmax.cross_entropy(hidden, weight, offset, targets, negatives, precision)
        for precision in ("bf16", "fp32")
    ]
    assert relative(*losses) < TOLERANCE / 10
    for one, other in zip(*(torch.autograd.grad(loss, inputs) for loss in losses), strict=True):
        assert relative(one, other) < TOLERANCE


def test_losses_and_gradients_of_certain_tokens_are_not_rounded_away():
    """In bf16 a probability above 0.998 is 1, and what is left of loss and gradient 0."""
    hidden = torch.ones(1, 1)
    weight = torch.tensor([[8.0], [0.0]], requires_grad=True)
    loss = softmax.cross_entropy(hidden, weight, None, torch.tensor([0]), "bf16")
    (gradient,) = torch.autograd.grad(loss, weight)
    missing = 1 / (1 + torch.tensor(8.0).exp())
    torch.testing.assert_close(loss.detach(), missing, rtol=1e-2, atol=0)
    torch.testing.assert_close(gradient[:, 0], missing * torch.tensor([-1, 1]), rtol=1e-2, atol=0)


def test_of_equal_logits_one_guess_counts():
    """Rounded logits are often equal; counting each as right would praise bf16."""
    weight = torch.tensor([[100.0], [100.1], [99.0]])
    hidden, targets = torch.ones(3, 1), torch.tensor([0, 1, 2])
    assert softmax.evaluate(hidden, weight, None, targets, "bf16")[1].item() == 1
    assert softmax.evaluate(hidden, weight, None, targets, "fp32")[1].item() == 1


def test_double_models_of_fp32_recipes_stay_double():
    model = language_model("fp32").double()
    state = model.encoder.initial_state(6)
    loss = model.loss(STREAMS[:-1], STREAMS[1:], state, 0.0, 0.0)[0]
    assert loss.dtype == torch.float64


def test_sizes_that_a_gpu_fills_up_change_no_number():
    """Its layer, in the CPU's arithmetic, against the same layer of the sizes as they are."""
    generator = torch.Generator().manual_seed(0)
    shapes = (12, 3, 5), (3, 11), (3, 11), (44, 5), (44, 11), (44,), (44,)
    values = [torch.randn(shape, generator=generator).to(torch.bfloat16) for shape in shapes]

    def run(layer):
        leaves = [value.float().requires_grad_() for value in values]
        inputs, hidden, cell, *weights = leaves
        outputs, state = layer(inputs, (hidden, cell), tuple(weights), True)
        weighted = (outputs * torch.arange(11)).sum() + state[0].sum() + state[1].square().sum()
        return [outputs, *state, *torch.autograd.grad(weighted, leaves)]

    def as_they_are(*arguments):
        low = [
            tuple(v.to(torch.bfloat16) for v in each) if isinstance(each, tuple) else each
            for each in arguments[1:]
        ]
        outputs, state = lstm._torch(arguments[0].to(torch.bfloat16), *low)
        return outputs.float(), tuple(value.float() for value in state)

    for filled, plain in zip(run(lstm._rounded), run(as_they_are), strict=True):
        assert filled.shape == plain.shape
        assert filled.dtype == torch.float32
        assert relative(filled, plain) < 0.01
