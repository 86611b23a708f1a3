import numpy as np
import pytest

from ulmfit.config.recipes import Tokenizer
from ulmfit.errors import UserError
from ulmfit.text.display import decode_pieces
from ulmfit.text.rule_sets import RULE_SETS
from ulmfit.text.subwords import SubwordTokenizer, prepare, train_pieces

RULES = "fastai-v2"
SPECIALS = RULE_SETS[RULES].specials
WORDS = ("return", "the", "value", "of", "an", "array", "with", "axis", "shape", "along", "number")


def learn(texts, pieces, **values):
    return train_pieces(texts, Tokenizer(kind="subword", pieces=pieces, **values))


def texts(documents, seed=0, rules=RULES):
    random = np.random.default_rng(seed)
    return [
        prepare([" ".join(random.choice(WORDS, 12)) + ". The END!!!!"], RULE_SETS[rules])
        for _ in range(documents)
    ]


@pytest.fixture(scope="module")
def model():
    return learn(texts(200), 90)


@pytest.fixture(scope="module")
def tokenizer(model):
    return SubwordTokenizer(model, RULES)


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ("fastai-0.7", "\nxbos xfld 1 the t_up nasa film\nwas ok! (really) "),
        ("fastai-v1", "xxbos xxmaj the xxup nasa film was xxup ok! (really)"),
        ("fastai-v2", "xxbos xxmaj the xxup nasa film\nwas xxup ok! (really)"),
    ],
)
def test_capitals_are_marked_before_text_becomes_pieces(rules, expected):
    assert prepare(["The NASA film<br />was OK! (Really) "], RULE_SETS[rules]) == expected


def test_special_tokens_have_their_ids(tokenizer):
    assert tokenizer.vocabulary[:2] == ("xxunk", "xxpad")
    assert tokenizer.vocabulary[2:9] == tuple("▁" + name for name in SPECIALS[2:])
    assert tokenizer.vocabulary[9] == "▁xxunk"


def test_a_special_token_is_one_piece(tokenizer):
    pieces = tokenizer.tokenise(("The value!!! of <unk>",))
    assert pieces[:3] == ["▁xxbos", "▁xxmaj", "▁the"]
    assert "▁xxrep" in pieces
    assert pieces[-1] == "▁xxunk"


def test_ids_lead_to_the_pieces_and_back_to_the_text(tokenizer):
    encoding = tokenizer([("The value of the array",), ("shape!!!",)])
    pieces = [tokenizer.vocabulary[i] for i in encoding.ids]
    assert encoding.types is None
    assert encoding.lengths.sum() == len(encoding.ids)
    first = pieces[: encoding.lengths[0]]
    assert decode_pieces(first, RULE_SETS[RULES].marks) == "xxbos The value of the array"


def test_characters_never_seen_become_unknown(tokenizer):
    encoding = tokenizer([("東",)])
    assert encoding.ids[-1] == 0


def test_padding_never_comes_out_of_a_text_that_spells_it(tokenizer):
    assert 1 not in tokenizer([("xxpad xxunk xxbos",)]).ids


@pytest.mark.parametrize("subword_model", ["unigram", "bpe"])
def test_training_gives_the_same_bytes_again(subword_model):
    twice = [learn(texts(200), 90, subword_model=subword_model) for _ in range(2)]
    assert twice[0] == twice[1]


def test_byte_pair_encoding_learns_other_pieces_and_the_same_special_tokens(tokenizer):
    pairs = SubwordTokenizer(learn(texts(200), 90, subword_model="bpe"), RULES)
    assert pairs.vocabulary[:10] == tokenizer.vocabulary[:10]
    assert set(pairs.vocabulary) != set(tokenizer.vocabulary)
    pieces = pairs.tokenise(("The value of the array!!!",))
    assert decode_pieces(pieces, RULE_SETS[RULES].marks) == "xxbos The value of the array !!!"


def test_byte_pair_encoding_merges_the_most_frequent_pair_first():
    # a b: 3 times, b c: twice; no other pair so often, and each word starts with U+2581
    pairs = SubwordTokenizer(learn(["ab ab abc bc bc"] * 20, 17, subword_model="bpe"), RULES)
    assert pairs.vocabulary[10:12] == ("ab", "▁ab")


@pytest.mark.parametrize("rules", RULE_SETS)
def test_what_the_rules_write_is_one_piece(rules):
    model = learn(texts(200, rules=rules), 90, rules=rules)
    tokenizer = SubwordTokenizer(model, rules)
    chosen = RULE_SETS[rules]
    assert tokenizer.vocabulary[:2] == chosen.specials[:2]
    first = [f"▁{symbol}" for symbol in chosen.symbols]
    assert list(tokenizer.vocabulary[2 : 2 + len(first)]) == first
    pieces = tokenizer.tokenise(("value " * 4 + "END !!!! of <unk>", "shape"))
    written = {"fastai-0.7": "xbos xfld tk_rep tk_wrep t_up u_n"}.get(
        rules, "xxbos xxfld xxrep xxwrep xxup xxunk"
    )
    assert {f"▁{symbol}" for symbol in written.split()} <= set(pieces)


def test_a_tiny_text_gives_fewer_pieces_than_asked_for():
    model = learn(["xxbos a b", "xxbos b"], 8000)
    assert 10 < len(SubwordTokenizer(model, RULES).vocabulary) < 100


def test_a_line_longer_than_sentencepiece_takes_by_default_is_learned_from():
    long = " ".join(["xxbos", *np.random.default_rng(1).choice(["zebra", *WORDS], 2000)])
    assert len(long) > 4192
    model = learn([*texts(200), long], 100)
    assert "z" in "".join(SubwordTokenizer(model, RULES).vocabulary[10:])


@pytest.mark.parametrize(("learned", "pieces"), [([], 100), (["xxbos "], 100), (texts(50), 16)])
def test_too_little_text_or_too_few_pieces_is_said_in_one_line(learned, pieces):
    with pytest.raises(UserError, match="cannot learn") as caught:
        learn(learned, pieces)
    assert "\n" not in str(caught.value)


def test_a_damaged_model_is_said():
    with pytest.raises(UserError, match="damaged"):
        SubwordTokenizer(b"nonsense", RULES)
