from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ulmfit.text.vocabulary import build_vocabulary, numericalise

SPECIALS = ("xxunk", "xxpad", "xxbos")


def build(counts, max_vocab=100, min_freq=1):
    return build_vocabulary(
        list(counts), np.array(list(counts.values()), np.int64), SPECIALS, max_vocab, min_freq
    )


def test_specials_come_first_then_frequency_then_the_string():
    counts = {"b": 3, "xxbos": 9, "a": 3, "z": 5, "xxunk": 4}
    assert build(counts) == (*SPECIALS, "z", "a", "b")


def test_max_vocab_counts_the_specials():
    assert build({"a": 3, "b": 2, "c": 1}, max_vocab=5) == (*SPECIALS, "a", "b")


def test_min_freq_is_the_fewest_occurrences_that_suffice():
    assert build({"a": 3, "b": 2}, min_freq=3) == (*SPECIALS, "a")


def test_unknown_tokens_get_0():
    assert numericalise(["b", "nowhere", "xxbos", "xxunk"], (*SPECIALS, "a", "b")).tolist() == [
        4,
        0,
        2,
        0,
    ]


def test_padding_never_comes_out_of_a_text_that_spells_it():
    assert numericalise(["xxpad"], SPECIALS).tolist() == [0]


def test_ids_have_the_smallest_unsigned_type():
    names = [f"w{i}" for i in range(70_000)]
    assert numericalise(["w255"], names[:256]).dtype == np.uint8
    assert numericalise(["w256"], names[:257]).dtype == np.uint16
    assert numericalise(["w1"], names[:65_537]).dtype == np.uint32


TOKENS = st.lists(st.text("abc", min_size=1, max_size=2), min_size=1)


@given(TOKENS, TOKENS, st.integers(4, 12), st.integers(1, 3))
def test_ids_are_in_range_and_lead_back_to_known_tokens(seen, new, max_vocab, min_freq):
    counts = Counter(seen)
    vocabulary = build(counts, max_vocab, min_freq)
    assert len(vocabulary) <= max_vocab
    assert len(set(vocabulary)) == len(vocabulary)
    for token, i in zip(new, numericalise(new, vocabulary).tolist(), strict=True):
        assert vocabulary[i] == (token if token in vocabulary else "xxunk")


@given(TOKENS, st.randoms(use_true_random=False))
def test_vocabulary_does_not_depend_on_the_order_of_the_types(seen, random):
    counts = list(Counter(seen).items())
    shuffled = random.sample(counts, len(counts))
    assert build(dict(counts)) == build(dict(shuffled))
