import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ulmfit.cli import main
from ulmfit.store.tokens import TokenStore, write_tokens
from ulmfit.text import display
from ulmfit.text.rule_sets import RULE_SETS, apply_rules

V2 = RULE_SETS["fastai-v2"].marks


def decode(tokens, marks=V2):
    return display.decode(tokens, marks)


def test_capitals_come_back():
    tokens = ["xxmaj", "the", "xxup", "nasa", "film", "was", "i"]
    assert decode(tokens) == "The NASA film was i"


def test_repetitions_come_back():
    assert decode(["so", "xxrep", "4", "!", "xxwrep", "3", "no", "."]) == "so !!!! no no no ."


def test_a_repeated_word_gets_its_capital_before_it_is_repeated():
    assert decode(["xxwrep", "3", "xxmaj", "no"]) == "No No No"


def test_white_space_comes_back():
    assert decode(["a", "\\n\\n▁", "b"]) == "a \n\n  b"


def test_marks_without_their_token_pass_through():
    for tokens in (["xxmaj"], ["xxrep"], ["xxrep", "3"], ["xxwrep", "x", "a"], ["a", "xxup"]):
        assert decode(tokens) == " ".join(tokens)


def test_an_absurd_count_is_not_carried_out():
    assert decode(["xxrep", "50000", "xxrep", "50000", "a"]) == "xxrep 50000 " + "a" * 50000
    assert decode(["xxrep", "9" * 5000, "a"]).startswith("xxrep 9")


def test_special_tokens_that_change_nothing_stay_visible():
    assert decode(["xxbos", "xxfld", "1", "a", "xxunk"]) == "xxbos xxfld 1 a xxunk"


def test_pieces_become_words():
    pieces = ["▁xxmaj", "▁the", "▁mov", "ie", ".", "▁xxrep", "▁3", "▁!"]
    assert display.decode_pieces(pieces, V2) == "The movie. !!!"


LOWER = st.text("abcdefgh", min_size=2, max_size=6).filter(
    lambda w: not any(a == b == c for a, b, c in zip(w, w[1:], w[2:], strict=False))
)
WORD = LOWER | LOWER.map(str.upper) | LOWER.map(str.capitalize)


@given(st.lists(WORD, min_size=1), st.integers(1, 5))
def test_decode_undoes_the_rules_on_words(words, times):
    text = " ".join(word for word in words for _ in range(times))
    tokens = apply_rules([text], RULE_SETS["fastai-v2"]).split()
    assert decode(tokens[1:]) == text


def test_the_marks_of_fastai_07_give_capitals_and_repetitions_back():
    tokens = ["t_up", "nasa", "said", "tk_rep", "4", "!", "tk_wrep", "4", "ha", "xxup", "no"]
    assert decode(tokens, RULE_SETS["fastai-0.7"].marks) == "NASA said !!!! ha ha ha ha xxup no"


def test_the_marks_of_fastai_v1_are_those_of_v2():
    assert RULE_SETS["fastai-v1"].marks == V2


@given(
    st.lists(
        st.sampled_from(["xxmaj", "xxup", "xxrep", "xxwrep", "3", "70", "a", "b"]), max_size=30
    )
)
def test_decode_takes_any_tokens(tokens):
    assert isinstance(decode(tokens), str)


@pytest.fixture
def folder(tmp_path, request):
    """Two documents, the first of words and the second of pieces."""
    vocabulary = ("xxunk", "xxpad", "xxmaj", "good", "▁xxmaj", "▁go", "od")
    store = TokenStore(
        ids=np.array([2, 3, 0, 4, 5, 6], np.uint8),
        offsets=np.array([0, 3, 6]),
        document=np.array(["train-1", "test-1"]),
        fold=np.array(["fit", "test"]),
        label=np.array([1, -1], np.int16),
        rank=np.array([0, -1], np.int32),
        vocabulary=vocabulary,
        classes=("neg", "pos"),
    )
    write_tokens(tmp_path, store, {"tokenizer": {"kind": request.param, "rules": "fastai-v2"}})
    return tmp_path


@pytest.mark.parametrize("folder", ["word"], indirect=True)
def test_a_document_is_shown_by_its_name(folder, capsys):
    assert main(["show", "--tokens", str(folder), "--document", "train-1"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "train-1 (fit, pos), 3 tokens",
        "xxmaj good xxunk",
        "Good xxunk",
    ]
    assert main(["show", "--tokens", str(folder), "--document", "absent"]) == 1
    assert "no document 'absent': their names are the column `id`" in capsys.readouterr().err


@pytest.mark.parametrize("folder", ["subword"], indirect=True)
def test_pieces_are_shown_as_words(folder):
    assert list(display.show(folder, ["test-1"])) == [
        "test-1 (test, no label), 3 tokens",
        "▁xxmaj ▁go od",
        "Good",
    ]
