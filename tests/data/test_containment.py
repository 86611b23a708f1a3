from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ulmfit.data import containment
from ulmfit.data.containment import MIN_WORDS, Search

WORDS = [f"w{number}" for number in range(30)]


def found(texts, larger):
    search = Search(texts)
    for text in larger:
        search.look_into(text)
    return search.found.tolist()


lines = st.lists(st.sampled_from(["a", "b", "ab"]), min_size=1, max_size=10).map(" ".join)


@given(st.lists(lines, max_size=10, unique=True), st.lists(lines, max_size=5), st.integers(1, 4))
def test_found_is_what_stands_there_word_for_word(texts, larger, least):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(containment, "MIN_WORDS", least)
        assert found(texts, larger) == [
            len(text.split()) >= least and any(f" {text} " in f" {one} " for one in larger)
            for text in texts
        ]


def test_equal_hashes_are_no_hit(monkeypatch):
    # Hashes are the last word alone: everything that ends alike collides.
    monkeypatch.setattr(containment, "FACTOR", containment.np.uint64(0))
    article = " ".join(WORDS)
    other = " ".join([*reversed(WORDS[1:MIN_WORDS]), WORDS[MIN_WORDS]])
    assert found([other, " ".join(WORDS[1 : MIN_WORDS + 1])], [article]) == [False, True]


def test_a_text_shorter_than_the_least_is_not_looked_for():
    texts = [" ".join(WORDS[: MIN_WORDS - 1]), " ".join(WORDS[:MIN_WORDS])]
    search = Search(texts)
    search.look_into(" ".join(WORDS))
    assert search.searched.tolist() == [False, True]
    assert search.found.tolist() == [False, True]


@pytest.mark.parametrize("texts", [[], ["short"]])
def test_nothing_to_look_for_is_allowed(texts):
    assert found(texts, [" ".join(WORDS), ""]) == [False] * len(texts)
