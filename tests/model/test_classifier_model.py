"""Pooling of whole documents, the classifier's regularisation, its head and its losses."""

import pytest
import torch
import torch.nn.functional as F

from ulmfit.config.recipes import Architecture, Classifier, Dropouts
from ulmfit.model.classifier import PoolingClassifier, first_kept

NONE = Dropouts(embedding=0, input=0, weight=0, hidden=0, output=0)
SIZES = Architecture(embedding=6, hidden=9, layers=2)


def classifier(vocabulary=50, **changes):
    torch.manual_seed(0)
    usual = {"architecture": SIZES, "dropouts": NONE, "bptt": 10, "max_seq": 40}
    return PoolingClassifier(vocabulary, 3, Classifier(**{**usual, **changes}))


def batch(sizes, vocabulary=50, seed=1):
    """Random documents, longest first, with garbage where the padding is."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(
        0, vocabulary, (max(sizes), len(sizes)), generator=generator
    ), torch.tensor(sizes)


def plain_pool(model, document):
    """Pooling of one document written down directly: one LSTM pass, then a slice."""
    length = len(document)
    encoder = model.encoder
    outputs = encoder(document.unsqueeze(1), encoder.initial_state(1), encoder.draw_masks(1))[0]
    bptt, max_seq = model.recipe.bptt, model.recipe.max_seq
    kept = [t for t in range(length) if t // bptt * bptt > length - max_seq]
    kept = kept or list(range((length - 1) // bptt * bptt, length))
    values = outputs[kept, 0]
    return torch.cat([outputs[-1, 0], values.max(0).values, values.mean(0)])


@pytest.mark.parametrize("sizes", [[7, 3, 1], [10, 10], [35, 20, 11, 10, 9], [81, 64, 40, 39, 5]])
def test_pooling_equals_a_direct_computation_for_each_document(sizes):
    model = classifier().eval()
    ids, lengths = batch(sizes)
    features = model.pool(ids, lengths).features
    for k, size in enumerate(sizes):
        expected = plain_pool(model, ids[:size, k])
        torch.testing.assert_close(features[k], expected, rtol=1e-5, atol=1e-6)


def test_a_document_of_500_tokens_is_predicted_the_same_alone_and_beside_one_of_2000():
    model = classifier(bptt=70, max_seq=1400).eval()
    ids, lengths = batch([2000, 500, 70, 3])
    together = model(ids, lengths).softmax(1)
    for k, size in enumerate(lengths.tolist()):
        alone = model(ids[:size, k : k + 1], lengths[k : k + 1]).softmax(1)
        torch.testing.assert_close(alone[0], together[k], rtol=0, atol=1e-5)


def test_padding_ids_change_nothing():
    model = classifier().eval()
    ids, lengths = batch([33, 12, 4])
    other = ids.clone()
    for k, size in enumerate(lengths.tolist()):
        other[size:, k] = 17
    assert torch.equal(model(ids, lengths), model(other, lengths))


def test_finished_documents_leave_the_batch():
    model = classifier().eval()
    active = []
    model.encoder.lstms[0].register_forward_hook(
        lambda _module, inputs, _outputs: active.append(inputs[0].shape[1])
    )
    ids, lengths = batch([35, 20, 11, 10, 9])
    model.pool(ids, lengths)
    assert active == [5, 3, 1, 1]


def test_pooled_gradients_equal_those_of_single_documents():
    model = classifier()
    ids, lengths = batch([33, 21, 10, 4])
    weights = torch.randn(4, 18)
    (model.pool(ids, lengths).features * weights).sum().backward()
    together = {name: p.grad.clone() for name, p in model.encoder.named_parameters()}
    model.zero_grad()
    for k, size in enumerate(lengths.tolist()):
        (
            model.pool(ids[:size, k : k + 1], lengths[k : k + 1]).features * weights[k]
        ).sum().backward()
    for name, parameter in model.encoder.named_parameters():
        torch.testing.assert_close(parameter.grad, together[name], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    "name", ["encoder.embedding", "encoder.lstms.0.weight_hh", "encoder.lstms.1.bias_ih"]
)
def test_gradients_agree_with_finite_differences_inside_a_chunk(name):
    model = classifier(bptt=10, architecture=Architecture(3, 4, 2), vocabulary=8).double().eval()
    ids, lengths = batch([7, 5, 2], vocabulary=8)
    labels = torch.tensor([0, 2, 1])
    parameter = model.get_parameter(name)

    def loss() -> torch.Tensor:
        return model.loss(ids, lengths, labels, 2.0, 1.0)[0]

    (gradient,) = torch.autograd.grad(loss(), parameter)
    numeric = torch.zeros_like(gradient)
    step = 1e-6
    flat = parameter.data.view(-1)
    for k in range(len(flat)):
        value = flat[k].item()
        flat[k] = value + step
        above = loss().item()
        flat[k] = value - step
        numeric.view(-1)[k] = (above - loss().item()) / (2 * step)
        flat[k] = value
    torch.testing.assert_close(gradient, numeric, rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("output", [0.0, 0.5])
def test_regularisation_runs_over_real_kept_tokens_only(output):
    dropouts = Dropouts(embedding=0, input=0, weight=0, hidden=0, output=output)
    model = classifier(bptt=10, max_seq=15, dropouts=dropouts)
    ids, lengths = batch([33, 21, 12, 1])
    torch.manual_seed(5)
    pooled = model.pool(ids, lengths)
    torch.manual_seed(5)
    mask = model.encoder.draw_masks(4).output
    squares, steps = [], []
    model.eval()
    first = first_kept(lengths, 10, 15, "strict").tolist()
    for k, size in enumerate(lengths.tolist()):
        encoder = model.encoder
        outputs = encoder(ids[:size, k : k + 1], encoder.initial_state(1), encoder.draw_masks(1))[0]
        raw = outputs[first[k] :, 0]
        squares.append((raw if mask is None else raw * mask[k]).square())
        steps.append((raw[1:] - raw[:-1]).square())
    assert pooled.activation.item() == pytest.approx(torch.cat(squares).mean().item(), rel=1e-5)
    assert pooled.temporal.item() == pytest.approx(torch.cat(steps).mean().item(), rel=1e-5)


def test_the_reported_loss_is_the_raw_cross_entropy():
    model = classifier()
    ids, lengths = batch([9, 8])
    loss, cross_entropy, logits = model.loss(ids, lengths, torch.tensor([0, 1]), 2.0, 1.0)
    assert cross_entropy.item() == pytest.approx(
        F.cross_entropy(logits, torch.tensor([0, 1])).item()
    )
    assert loss.item() > cross_entropy.item()


@pytest.mark.parametrize("sizes", [[3, 5], [4, 0]])
def test_unsorted_or_empty_documents_are_refused(sizes):
    ids, _ = batch([5, 5])
    with pytest.raises(ValueError, match="longest first"):
        classifier().pool(ids, torch.tensor(sizes))
