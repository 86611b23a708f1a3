"""Streams of text, batches of documents, padding."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from planted import planted_store

from ulmfit.store.tokens import PADDING
from ulmfit.train.batches import (
    IGNORED,
    by_length,
    concatenate,
    pad,
    sortish,
    stream_count,
    streams,
    window_lengths,
)

CPU = torch.device("cpu")


@settings(deadline=None)
@given(st.integers(2, 400), st.integers(1, 12), st.booleans())
def test_streams_pair_every_token_with_its_successor(size, count, whole):
    text = np.arange(1, size + 1, dtype=np.int32)
    inputs, targets = streams(text, count, whole, CPU)
    real = targets != IGNORED
    assert (targets[real] == inputs[real] + 1).all()
    assert inputs.shape == targets.shape == (inputs.shape[0], count)
    pairs = sorted(targets[real].tolist())
    if whole:
        assert pairs == list(range(2, size + 1))
    else:
        assert real.all()
        assert size - 1 - len(pairs) < count


@settings(deadline=None)
@given(st.integers(2, 400), st.integers(1, 12))
def test_each_stream_is_consecutive_text(size, count):
    inputs, _ = streams(np.arange(size, dtype=np.int32), count, whole=False, device=CPU)
    assert (inputs[1:] - inputs[:-1] == 1).all()


@settings(deadline=None)
@given(st.integers(2, 100_000), st.integers(1, 64), st.integers(1, 80))
def test_small_texts_get_fewer_streams_but_each_fills_an_update(tokens, batch_size, bptt):
    count = stream_count(tokens, batch_size, bptt)
    assert 1 <= count <= batch_size
    assert count == 1 or (tokens - 1) // count >= bptt
    assert count == batch_size or (tokens - 1) // (count + 1) < bptt


def test_backward_text_is_reversed_within_each_document():
    store = planted_store()
    forward, backward = store.read(3, "fwd"), store.read(4, "fwd")
    text = concatenate(store, [3, 4], "bwd")
    assert text.tolist() == [*forward[::-1], *backward[::-1]]


lengths = st.lists(st.integers(1, 90), min_size=1, max_size=400).map(np.array)


@settings(deadline=None)
@given(lengths, st.integers(2, 9), st.integers(0, 5))
def test_sortish_batches_hold_every_document_once_but_lone_ones(sizes, batch_size, seed):
    batches = sortish(sizes, batch_size, np.random.default_rng(seed))
    seen = [int(place) for batch in batches for place in batch]
    assert len(set(seen)) == len(seen)
    assert all(2 <= len(batch) <= batch_size for batch in batches)
    lone = 1 if len(sizes) % batch_size == 1 else 0
    assert len(seen) == len(sizes) - lone
    for batch in batches:
        assert (np.diff(sizes[batch]) <= 0).all()
    if batches:
        assert sizes[batches[0]].max() == max(sizes[batch].max() for batch in batches)


def test_sortish_order_follows_the_seed_and_changes_between_epochs():
    sizes = np.arange(200) % 17 + 1
    first, again = (sortish(sizes, 8, np.random.default_rng(3)) for _ in range(2))
    assert all((a == b).all() for a, b in zip(first, again, strict=True))
    rng = np.random.default_rng(3)
    sortish(sizes, 8, rng)
    second = sortish(sizes, 8, rng)
    assert any(len(a) != len(b) or (a != b).any() for a, b in zip(first, second, strict=True))


@settings(deadline=None)
@given(lengths, st.integers(1, 9))
def test_evaluation_batches_hold_every_document_once_longest_first(sizes, batch_size):
    order = np.concatenate(by_length(sizes, batch_size))
    assert sorted(order.tolist()) == list(range(len(sizes)))
    assert (np.diff(sizes[order]) <= 0).all()


@pytest.mark.parametrize("direction", ["fwd", "bwd"])
def test_padding_comes_after_the_text(direction):
    store = planted_store()
    ids, sizes = pad(store, [0, 5, 9], direction, "masked")
    for column, index in enumerate([0, 5, 9]):
        text = store.read(index, direction).tolist()
        assert sizes[column] == len(text)
        assert ids[: len(text), column].tolist() == text
        assert (ids[len(text) :, column] == PADDING).all()


def test_an_empty_document_is_one_padding_token():
    store = planted_store()
    store.offsets[1] = 0
    ids, sizes = pad(store, [0], "fwd", "masked")
    assert (ids.tolist(), sizes.tolist()) == ([[PADDING]], [1])


def test_windows_of_one_length_leave_the_rest_to_the_last():
    assert window_lengths(200, 70, None) == [70, 70, 60]
    assert window_lengths(140, 70, None) == [70, 70]
    assert window_lengths(1, 70, None) == [1]


def published_windows(steps, bptt, rng, first):
    """fastai 0.7's LanguageModelLoader without its cap on updates, or, without a first length of
    its own, Merity et al.'s (ulmfit.md 3.8)."""
    i = 0
    while i < steps:
        if i == 0 and first is not None:
            seq_len = first
        else:
            base = bptt if rng.random() < 0.95 else bptt / 2.0
            seq_len = max(5, int(rng.normal(base, 5)))
        seq_len = min(seq_len, steps - i)
        i += seq_len
        yield seq_len


@settings(deadline=None)
@given(st.integers(1, 5000), st.integers(1, 200), st.integers(0, 99))
def test_variable_windows_are_those_of_fastai_or_merity_and_cover_the_text(steps, bptt, seed):
    for surplus, first in ((25, bptt + 5 * 5), (0, None)):
        ours = window_lengths(steps, bptt, np.random.default_rng(seed), surplus)
        theirs = published_windows(steps, bptt, np.random.default_rng(seed), first)
        assert ours == list(theirs)
        assert sum(ours) == steps
        assert min(ours[:-1], default=5) >= 5


def test_variable_windows_have_the_mean_and_the_two_kinds_of_the_formula():
    lengths = np.array(window_lengths(2_000_000, 70, np.random.default_rng(0))[1:-1])
    # 0.95 x 70 + 0.05 x 35, and cutting off the fraction costs about a half (ulmfit.md 7.25).
    assert lengths.mean() == pytest.approx(68.25 - 0.5, abs=0.2)
    assert (lengths < 52).mean() == pytest.approx(0.05, abs=0.005)


@pytest.mark.parametrize("direction", ["fwd", "bwd"])
def test_unmasked_padding_comes_before_the_text_and_counts_in_the_length(direction):
    store = planted_store()
    documents = [0, 5, 9, 20]
    texts = [store.read(index, direction).tolist() for index in documents]
    longest = max(map(len, texts))
    ids, sizes = pad(store, documents, direction, "unmasked")
    assert sizes.tolist() == [longest] * 4
    for column, text in enumerate(texts):
        assert ids[:, column].tolist() == [PADDING] * (longest - len(text)) + text


def test_an_empty_document_is_all_padding_where_padding_counts():
    store = planted_store()
    store.offsets[1] = 0
    ids, sizes = pad(store, [3, 0], "fwd", "unmasked")
    assert sizes[0] == sizes[1] == len(ids)
    assert (ids[:, 1] == PADDING).all()
