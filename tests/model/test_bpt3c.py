"""Backpropagation through time for classification, against torch's autograd (ulmfit.md 3.7)."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from torch_lstm import TorchEncoder, assert_equal_gradients
from ulmfit.config.recipes import Architecture, Classifier, Dropouts
from ulmfit.model.classifier import PoolingClassifier, first_kept

NONE = Dropouts(embedding=0, input=0, weight=0, hidden=0, output=0)
BPTT, MAX_SEQ = 10, 25


def classifier(**changes):
    torch.manual_seed(0)
    recipe = Classifier(
        **{
            "architecture": Architecture(embedding=6, hidden=9, layers=2),
            "dropouts": NONE,
            "bptt": BPTT,
            "max_seq": MAX_SEQ,
            **changes,
        }
    )
    return PoolingClassifier(50, 3, recipe).double()


def document(size):
    return torch.randint(0, 50, (size, 1), generator=torch.Generator().manual_seed(1))


def weighted(features):
    """A scalar that depends on every feature in another way."""
    return (features * torch.linspace(-1, 2, features.numel(), dtype=torch.float64)).sum()


def reference(model, ids, cut, kept_from):
    """Concat pooling of one document, chunk by chunk, the state detached at borders if ``cut``."""
    encoder = TorchEncoder(model.encoder)
    states, kept = None, []
    for start in range(0, len(ids), BPTT):
        outputs, states = encoder(ids[start : start + BPTT], states)
        if cut:
            states = [(hidden.detach(), cell.detach()) for hidden, cell in states]
        if start >= kept_from:
            kept.append(outputs[:, 0])
    values = torch.cat(kept)
    features = torch.cat([values[-1], values.max(0).values, values.mean(0)])
    weighted(features).backward()
    return encoder, features


def ours(model, ids):
    features = model.pool(ids, torch.tensor([len(ids)])).features[0]
    weighted(features).backward()
    return features


@pytest.mark.parametrize("size", [1, 7, BPTT])
def test_a_document_of_one_chunk_has_the_gradients_of_plain_autograd(size):
    model, ids = classifier(), document(size)
    features = ours(model, ids)
    encoder, expected = reference(model, ids, cut=False, kept_from=0)
    torch.testing.assert_close(features, expected, rtol=0, atol=1e-12)
    assert_equal_gradients(model.encoder, encoder, 1e-10)


@pytest.mark.parametrize(
    ("size", "rule", "kept_from"),
    [
        (BPTT + 1, "strict", 0),
        (24, "strict", 0),
        (25, "strict", 10),
        (25, "inclusive", 0),
        (35, "strict", 20),
        (35, "inclusive", 10),
        (47, "strict", 30),
        (47, "inclusive", 30),
    ],
)
def test_longer_documents_have_the_gradients_of_a_loop_with_explicit_detach(size, rule, kept_from):
    model, ids = classifier(chunk_rule=rule), document(size)
    features = ours(model, ids)
    encoder, expected = reference(model, ids, cut=True, kept_from=kept_from)
    torch.testing.assert_close(features, expected, rtol=0, atol=1e-12)
    assert_equal_gradients(model.encoder, encoder, 1e-10)


def test_cutting_the_gradient_changes_it_and_nothing_else():
    model, ids = classifier(), document(24)
    features = ours(model, ids)
    encoder, expected = reference(model, ids, cut=False, kept_from=0)
    torch.testing.assert_close(features, expected, rtol=0, atol=1e-12)
    for name, full in encoder.gradients().items():
        cut = model.encoder.get_parameter(name).grad
        assert (cut - full).norm() > 1e-3 * full.norm(), name


def loss_gradient_of_token_0(pooling, size):
    model = classifier(pooling=pooling).eval()  # batch norm cannot train on one document
    ids = torch.arange(size).unsqueeze(1)
    loss, _, _ = model.loss(ids, torch.tensor([size]), torch.tensor([1]), 0.0, 0.0)
    loss.backward()
    return model.encoder.embedding.grad[0]


@pytest.mark.parametrize(
    ("pooling", "size", "reaches"),
    [
        ("last", 15, False),
        ("last", 10, True),
        ("mean", 15, True),
        ("mean", 24, True),
        ("mean", 25, False),
    ],
)
def test_the_loss_reaches_token_0_through_pooled_outputs_of_its_own_chunk_only(
    pooling, size, reaches
):
    assert (loss_gradient_of_token_0(pooling, size) != 0).any() == reaches


@pytest.mark.parametrize(
    ("rule", "bptt", "max_seq", "kept"),
    [
        ("strict", 70, 1400, {1399: 1399, 1400: 1330, 1401: 1331, 1469: 1399, 1470: 1330}),
        ("strict", 70, 1400, {2000: 1370, 1: 1, 70: 70}),
        ("inclusive", 72, 1440, {1439: 1439, 1440: 1440, 1441: 1369, 1512: 1440, 2000: 1424}),
        ("inclusive", 72, 1440, {1: 1, 72: 72}),
    ],
)
def test_kept_positions_of_both_published_rules(rule, bptt, max_seq, kept):
    lengths = torch.tensor(list(kept))
    assert (lengths - first_kept(lengths, bptt, max_seq, rule)).tolist() == list(kept.values())


@given(
    st.integers(1, 500),
    st.integers(1, 40),
    st.integers(1, 300),
    st.sampled_from(["strict", "inclusive"]),
)
def test_kept_positions_follow_the_rule_chunk_by_chunk(length, bptt, max_seq, rule):
    def kept(i):
        return i > length - max_seq if rule == "strict" else length - i <= max_seq

    starts = [i for i in range(0, length, bptt) if kept(i)]
    expected = min(starts) if starts else (length - 1) // bptt * bptt
    assert first_kept(torch.tensor([length]), bptt, max_seq, rule).item() == expected


def test_chunks_before_max_seq_receive_no_gradient_but_shape_the_state():
    model = classifier(max_seq=15)
    ids = torch.arange(40).unsqueeze(1)
    features = model.pool(ids, torch.tensor([40])).features
    features.sum().backward()
    assert (model.encoder.embedding.grad[:30] == 0).all()
    assert (model.encoder.embedding.grad[30:40] != 0).any(1).all()
    changed = ids.clone()
    changed[0] = 45
    assert not torch.equal(model.pool(changed, torch.tensor([40])).features, features)


@pytest.mark.parametrize("masks", ["document", "chunk"])
def test_chunks_that_no_document_keeps_build_no_graph(masks):
    dropouts = Dropouts(embedding=0.1, input=0.1, weight=0.1, hidden=0.1, output=0.1)
    model = classifier(max_seq=15, dropout_masks=masks, dropouts=dropouts)
    built = []
    model.encoder.lstms[0].register_forward_hook(
        lambda _module, _inputs, outputs: built.append(outputs[0].requires_grad)
    )
    model.pool(document(40).expand(-1, 2), torch.tensor([40, 38]))
    assert built == [False, False, False, True]


def masks_of_each_chunk(masks, training=True):
    """Places that input dropout emptied, and the recurrent matrix of layer 0, chunk by chunk."""
    dropouts = Dropouts(embedding=0, input=0.5, weight=0.5, hidden=0, output=0)
    model = classifier(dropout_masks=masks, dropouts=dropouts).train(training)
    seen = []
    model.encoder.lstms[0].register_forward_hook(
        lambda _module, inputs, _outputs: seen.append((inputs[0] == 0, inputs[2]))
    )
    model.pool(document(40).expand(-1, 3), torch.tensor([40, 30, 20]))
    assert len(seen) == 4
    return seen


def test_one_draw_of_dropout_serves_all_chunks_of_a_document():
    chunks = masks_of_each_chunk("document")
    assert all(torch.equal(chunks[0][1], weight) for _, weight in chunks)
    for empty, _ in chunks:
        assert torch.equal(empty, chunks[0][0][:1, : empty.shape[1]].expand_as(empty))


def test_dropout_can_be_drawn_anew_for_each_chunk():
    chunks = masks_of_each_chunk("chunk")
    for k, (empty, weight) in enumerate(chunks):
        assert torch.equal(empty, empty[:1].expand_as(empty))  # locked within the chunk
        for other, other_weight in chunks[:k]:
            assert not torch.equal(empty[0, 0], other[0, 0])
            assert not torch.equal(weight, other_weight)


@pytest.mark.parametrize("masks", ["document", "chunk"])
def test_evaluation_draws_no_masks(masks):
    for empty, _ in masks_of_each_chunk(masks, training=False):
        assert not empty.any()


@pytest.mark.parametrize("masks", ["document", "chunk"])
def test_inner_values_that_are_computed_again_give_the_same_bits(masks, monkeypatch):
    sizes = [40, 33, 20, 9]
    ids = torch.randint(0, 50, (40, 4), generator=torch.Generator().manual_seed(1))
    dropouts = Dropouts(embedding=0.1, input=0.1, weight=0.1, hidden=0.1, output=0.1)

    def run(room):
        monkeypatch.setattr("ulmfit.model.classifier.INNER_VALUES", room)
        model = classifier(max_seq=35, dropout_masks=masks, dropouts=dropouts)
        calls = []
        model.encoder.register_forward_hook(lambda *_: calls.append(torch.is_grad_enabled()))
        loss, _, _ = model.loss(ids, torch.tensor(sizes), torch.tensor([0, 1, 2, 0]), 2.0, 1.0)
        before = len(calls)
        loss.backward()
        gradients = {name: value.grad for name, value in model.named_parameters()}
        return loss, gradients, before, len(calls) - before

    kept_loss, kept, chunks, again = run(BPTT * 4)
    assert (chunks, again) == (4, 0)
    for room, more in (
        (0, 4),
        (BPTT, 3),
        (2 * BPTT, 2),
    ):  # of four chunks with 4, 3, 2, 2 documents
        loss, gradients, chunks, again = run(room)
        assert (chunks, again) == (4, more)
        assert torch.equal(loss, kept_loss)
        assert all(torch.equal(gradients[name], kept[name]) for name in kept)
