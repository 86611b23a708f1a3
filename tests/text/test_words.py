import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ulmfit.text import words
from ulmfit.text.rule_sets import RULE_SETS, apply_rules
from ulmfit.text.rules import spell_white_space
from ulmfit.text.words import WordTokenizer

GOLDEN = [
    ("The U.S. HATES it, I know.", "xxbos xxmaj the xxup u.s . xxup hates it , i know ."),
    ("aa bbb cccc", "xxbos aa xxrep 3 b xxrep 4 c"),
    ("very very, so so so good", "xxbos very very , xxwrep 3 so good"),
    ("don#39;t &lt;b&gt;<br />Next", "xxbos do n't < b > \\n xxmaj next"),
    ("one<br /><br />two  three", "xxbos one \\n\\n two three"),
    ("a \n b\r\nc", "xxbos a \\n▁ b \\r\\n c"),
    ("tab\there", "xxbos tab \t here"),
    ("CAFÉ naïve Über 東京 😀!", "xxbos xxup café naïve Über 東京 😀 !".replace("Ü", "ü")),
    ("either/or #1 C:\\x", "xxbos either / or # 1 xxup c : \\ x"),
    ("the <unk> @-@ like thing", "xxbos the xxunk - like thing"),
    ("Well... :) can't we'll", "xxbos xxmaj well … :) ca n't we 'll"),
    ("http://a.b/c 3.5% $40", "xxbos http : / / a.b / c 3.5 % $ 40"),
    ("non\xa0breaking", "xxbos non \xa0 breaking"),
    ("say xxmaj xxup xxbos", "xxbos say xxmaj xxup xxbos"),
]


@pytest.fixture(scope="module")
def tokenizer():
    return WordTokenizer("fastai-v2")


@pytest.mark.parametrize(("text", "expected"), GOLDEN)
def test_documents_become_the_tokens_of_fastai_v2(tokenizer, text, expected):
    assert tokenizer.tokenise((text,)) == expected.split(" ")


def test_fields_are_marked(tokenizer):
    assert tokenizer.tokenise(("A Title", "The body")) == (
        ["xxbos", "xxfld", "1", "a", "xxmaj", "title", "xxfld", "2", "xxmaj", "the", "body"]
    )


TEXT = st.lists(
    st.sampled_from(
        [
            "The",
            "WORD",
            "can't",
            "U.S.",
            ":)",
            "...",
            "e.g.",
            "\n",
            " ",
            "  ",
            "\t",
            "!!",
            "x.y",
            "é",
        ]
    ),
    max_size=30,
).map(" ".join) | st.text(max_size=30)


@pytest.fixture(scope="module")
def spacy_alone():
    import spacy

    return spacy.blank("en").tokenizer


@pytest.fixture(scope="module", params=RULE_SETS)
def any_tokenizer(request):
    return WordTokenizer(request.param)


@given(text=TEXT)
def test_remembered_stretches_give_the_tokens_of_whole_documents(any_tokenizer, spacy_alone, text):
    expected = [token.text for token in spacy_alone(apply_rules((text,), any_tokenizer.rules))]
    for rule in any_tokenizer.rules.after:
        expected = rule(expected)
    assert any_tokenizer.tokenise((text,)) == spell_white_space(expected)


@pytest.mark.parametrize(
    ("rules", "whole"),
    [
        ("fastai-0.7", ["<eos>", "<bos>"]),
        ("fastai-v1", ["xxunk", "xxpad", "xxeos"]),
        ("fastai-v2", ["xxunk", "xxpad", "xxeos"]),
    ],
)
def test_special_cases_are_not_cut(rules, whole):
    assert WordTokenizer(rules).tokenise((" ".join(whole),))[-len(whole) :] == whole


def test_an_encoding_holds_each_type_once_and_the_documents_end_to_end(tokenizer):
    encoding = tokenizer([("a b a",), ("b",)])
    assert sorted(encoding.types) == ["a", "b", "xxbos"]
    assert encoding.lengths.tolist() == [4, 2]
    assert [encoding.types[i] for i in encoding.ids] == ["xxbos", "a", "b", "a", "xxbos", "b"]
    assert encoding.ids.dtype == np.uint32


def test_a_full_cache_changes_nothing(monkeypatch):
    texts = [f"Word{i} and word{i % 3}" for i in range(9)]
    remembering = WordTokenizer("fastai-v2")
    remembered = [remembering.tokenise((text,)) for text in texts]
    monkeypatch.setattr(words, "_GENERATION", 2)
    forgetful = WordTokenizer("fastai-v2")
    assert [forgetful.tokenise((text,)) for text in texts] == remembered
    assert len(forgetful._known) + len(forgetful._before) <= 4


def test_frequent_stretches_are_given_to_spacy_once(monkeypatch):
    monkeypatch.setattr(words, "_GENERATION", 10)
    tokenizer = WordTokenizer("fastai-v2")
    asked: list[str] = []
    make = words._english

    def counting(cases):
        spacy = make(cases)
        return lambda text: asked.append(text) or spacy(text)

    monkeypatch.setattr(words, "_english", counting)
    tokenizer._spacy = counting(())
    for n in range(40):
        tokenizer.tokenise((f"often rare{n}",))
    assert asked.count("often") == 1
    assert len(asked) == 42  # xxbos, often, and the rare ones


def test_words_are_cut_without_torch():
    code = (
        "import sys; from ulmfit.text.words import WordTokenizer;"
        "WordTokenizer('fastai-v2').tokenise(('a',));"
        "assert 'spacy' in sys.modules and 'torch' not in sys.modules; import torch"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
