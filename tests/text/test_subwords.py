import numpy as np
import pytest

from ulmfit.errors import UserError
from ulmfit.text.display import decode_pieces
from ulmfit.text.rules import RULE_SETS, apply_rules
from ulmfit.text.subwords import SubwordTokenizer, train_pieces

SPECIALS = RULE_SETS["fastai-v2"].specials
WORDS = ("return", "the", "value", "of", "an", "array", "with", "axis", "shape", "along", "number")


def texts(documents, seed=0):
    random = np.random.default_rng(seed)
    return [
        apply_rules([" ".join(random.choice(WORDS, 12)) + ". The end!!!!"], RULE_SETS["fastai-v2"])
        for _ in range(documents)
    ]


@pytest.fixture(scope="module")
def model():
    return train_pieces(texts(200), 90, 0.99999)


@pytest.fixture(scope="module")
def tokenizer(model):
    return SubwordTokenizer(model)


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
    assert decode_pieces(first) == "xxbos The value of the array"


def test_characters_never_seen_become_unknown(tokenizer):
    encoding = tokenizer([("東",)])
    assert encoding.ids[-1] == 0


def test_padding_never_comes_out_of_a_text_that_spells_it(tokenizer):
    assert 1 not in tokenizer([("xxpad xxunk xxbos",)]).ids


def test_training_gives_the_same_bytes_again(model):
    assert train_pieces(texts(200), 90, 0.99999) == model


def test_a_tiny_text_gives_fewer_pieces_than_asked_for():
    model = train_pieces(["xxbos a b", "xxbos b"], 8000, 0.99999)
    assert 10 < len(SubwordTokenizer(model).vocabulary) < 100


def test_a_line_longer_than_sentencepiece_takes_by_default_is_learned_from():
    long = " ".join(["xxbos", *np.random.default_rng(1).choice(["zebra", *WORDS], 2000)])
    assert len(long) > 4192
    model = train_pieces([*texts(200), long], 100, 0.99999)
    assert "z" in "".join(SubwordTokenizer(model).vocabulary[10:])


@pytest.mark.parametrize(("learned", "pieces"), [([], 100), (["xxbos "], 100), (texts(50), 16)])
def test_too_little_text_or_too_few_pieces_is_said_in_one_line(learned, pieces):
    with pytest.raises(UserError, match="cannot learn") as caught:
        train_pieces(learned, pieces, 0.99999)
    assert "\n" not in str(caught.value)


def test_a_damaged_model_is_said():
    with pytest.raises(UserError, match="damaged"):
        SubwordTokenizer(b"nonsense")
