from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ulmfit.data import duplicates
from ulmfit.data.duplicates import SHINGLE, clusters, near_pairs, normalised


def jaccard(first: str, second: str) -> float:
    """The definition, set by set."""

    def shingles(text: str) -> set[tuple[str, ...]]:
        words = text.split()
        words += [""] * (SHINGLE - len(words))
        return {tuple(words[start : start + SHINGLE]) for start in range(len(words) - SHINGLE + 1)}

    one, other = shingles(first), shingles(second)
    return len(one & other) / len(one | other)


texts = st.lists(
    st.lists(st.sampled_from("abc"), min_size=1, max_size=12).map(" ".join),
    min_size=1,
    max_size=12,
    unique=True,
)


@given(texts, st.sampled_from([0.3, 0.5, 0.6, 0.8, 1.0]))
def test_near_pairs_are_exactly_those_of_the_definition(texts, threshold):
    expected = {
        (first, second)
        for second in range(len(texts))
        for first in range(second)
        if jaccard(texts[first], texts[second]) >= threshold
    }
    assert set(map(tuple, near_pairs(texts, threshold).tolist())) == expected


def test_blocks_do_not_change_the_pairs(monkeypatch):
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.choice(list("abcd"), size=8)) for _ in range(60)]
    whole = near_pairs(texts, 0.4)
    monkeypatch.setattr(duplicates, "BLOCK", 50)
    assert len(whole) > 0
    assert set(map(tuple, near_pairs(texts, 0.4).tolist())) == set(map(tuple, whole.tolist()))


def test_one_changed_word_in_eleven_is_a_near_copy():
    text = "compute the first derivative of the function at every given point"
    sentence = text.split(" ")
    assert len(sentence) == 11
    changed = [*sentence[:5], "any", *sentence[6:]]
    first, second, other = clusters(
        [" ".join(sentence), " ".join(changed), "something else entirely is said here"], 0.5
    )
    assert first == second != other


def test_copies_that_differ_in_case_digits_of_a_number_and_punctuation_are_one_cluster():
    assert normalised("The 3 Arrays, (x_1)!") == "the 0 arrays x_0"
    assert len(set(clusters(["The 3 Arrays!", "the 4 arrays", "the arrays"], 0.9))) == 2


def test_clusters_are_chains_of_near_copies():
    text = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n", "o", "p"]
    chain = [" ".join(text[start : start + 11]) for start in range(0, 5, 2)]
    assert jaccard(chain[0], chain[2]) < 0.6 <= jaccard(chain[0], chain[1])
    assert len(set(clusters(chain, 0.6))) == 1


@pytest.mark.parametrize("texts", [["one"], ["!!", "??"], ["a b", "a b c"]])
def test_texts_shorter_than_a_shingle_are_allowed(texts):
    assert clusters(texts, 0.5).shape == (len(texts),)
