from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ulmfit.data.normal_form import normal_form


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("A  fine\tfilm!", "a fine film"),
        ("fine<br /><br />film", "fine film"),
        ("fine<BR>film", "fine film"),
        ("R&amp;B &#39;n&#39; soul", "r b n soul"),
        ("&lt;br /&gt;fine", "fine"),
        ("caf&eacute; cafe\u0301 CAFÉ", "café café café"),
        ("Straße STRASSE", "strasse strasse"),
        ("ﬁne １２ x²", "fine 12 x2"),
        ("snake_case", "snake case"),
        ("What 's the 3rd one ?", "what s the 3rd one"),
    ],
)
def test_case_punctuation_entities_and_compatible_characters_are_no_difference(text, form):
    assert normal_form(text) == form


def test_digits_and_words_are_a_difference():
    assert normal_form("7 of 10") != normal_form("8 of 10")
    assert normal_form("not good") != normal_form("good")


def test_texts_without_letters_and_digits_stay_different():
    assert len({normal_form(text) for text in ("?", "!", "...")}) == 3


words = st.lists(st.text("abcXYZé09", min_size=1, max_size=5), min_size=1, max_size=6)
separators = st.sampled_from([" ", "  ", "\n", ", ", " - ", "<br />", "<br>", "&amp;", "&quot; "])


@given(words, st.data())
def test_any_separators_and_any_case_give_one_form(words, data):
    joined = "".join(data.draw(separators) + word for word in words)
    plain = " ".join(words)
    assert normal_form(joined) == normal_form(plain) == normal_form(plain.upper())


@given(st.text(max_size=30))
def test_a_form_is_letters_and_digits_between_single_blanks(text):
    form = normal_form(text)
    if form != text:
        assert all(word.isalnum() for word in form.split(" "))
        assert unicodedata.is_normalized("NFKC", form)
