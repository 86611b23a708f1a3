"""Our tokens beside those of fastai 2.8 itself, on texts of real people."""

import json
import os
from pathlib import Path
from random import Random

import pytest
from fastai.text import core as fastai

from ulmfit.config.sources import DocstringProse, Imdb
from ulmfit.data import imdb, prose
from ulmfit.text import fastai_v1, fastai_v2
from ulmfit.text.rule_sets import RULE_SETS
from ulmfit.text.rules import rm_useless_spaces
from ulmfit.text.words import WordTokenizer

TEXTS = 2000
READ = ("docutils", "networkx", "scikit-learn", "sqlalchemy")
"""Dependencies of the package with enough docstrings."""

ARCHIVES = ("imdb/aclImdb_v1_nobow.tar.gz", "imdb/aclImdb_v1.tar.gz")
INSERTED = (
    *("<br />", "<br /><br />", "<BR>", "\n", "\n\n", "\t", "   ", "\\n", "\\", '\\"', "/", "#"),
    *("&lt;i&gt;", "&amp;", "&eacute;", "#39;", "amp;", "quot;", "nbsp;", "#36;", "#146;", "&#92;"),
    *("!!!", "!!!!!", "soooo", "aaa", "----", "...", "....", "so so", "so so so so", "No no no no"),
    *("NASA", "SO GOOD", "CAN'T", "U.S.A.", "I'M", "A", "McX", "(The)", "ÉCOLE", "Über", "CAFÉ"),
    *(
        "<unk>",
        " @-@ ",
        " @.@ ",
        " @,@ ",
        "xxmaj",
        "xxbos",
        "xxunk",
        ":)",
        ":-(",
        ":D",
        "<3",
        "東京",
    ),
)


@pytest.fixture(scope="module")
def fastai_tokens():
    """Tokens of fastai with its own rules, line breaks spelled as we spell them."""
    tokenize = fastai.TokenizeWithRules(fastai.SpacyTokenizer("en"))

    def tokens(texts):
        for found in tokenize(list(texts)):
            yield [token.replace("\n", "\\n").replace("\r", "\\r") for token in found]

    return tokens


def assert_equal_tokens(texts, expected):
    tokenizer = WordTokenizer("fastai-v2")
    different = [
        (text, ours, theirs)
        for text, theirs in zip(texts, expected, strict=True)
        if (ours := tokenizer.tokenise((text,))) != theirs
    ]
    assert not different, f"{len(different)} of {len(texts)}, the first: {different[0]}"


def nastier(text, number):
    """A text with something to stumble over about every eighth word, always the same."""
    random = Random(number)
    words = text.split(" ")
    for _ in range(max(1, len(words) // 8)):
        place = random.randrange(len(words))
        joined = random.choice((" ", " ", ""))
        words[place] = random.choice(
            (
                words[place].upper(),
                words[place].capitalize(),
                " ".join([words[place]] * random.randint(2, 5)),
                words[place] + joined + random.choice(INSERTED),
                random.choice(INSERTED) + joined + words[place],
            )
        )
    return " ".join(words)


@pytest.fixture(scope="module")
def docstrings():
    table, _ = prose.documents(DocstringProse(distributions=READ))
    return [nastier(text, i) for i, text in enumerate(table["text"].sample(TEXTS, random_state=0))]


def test_words_of_docstrings_made_nasty_are_those_of_fastai(docstrings, fastai_tokens):
    assert len(docstrings) == TEXTS
    assert_equal_tokens(docstrings, fastai_tokens(docstrings))


def test_words_of_reviews_are_those_of_fastai(fastai_tokens):
    mirror = os.environ.get("ULMFIT_DATA_MIRROR")
    if not mirror:
        pytest.skip("ULMFIT_DATA_MIRROR names no folder with the IMDb archive")
    archive = next((path for name in ARCHIVES if (path := Path(mirror, name)).exists()), None)
    if archive is None:
        pytest.skip(f"ULMFIT_DATA_MIRROR has none of {', '.join(ARCHIVES)}")
    table, _ = imdb.documents(Imdb(), {"archive": archive})
    reviews = table["text"].sample(TEXTS, random_state=0).tolist()
    assert_equal_tokens(reviews, fastai_tokens(reviews))


def test_special_tokens_stand_in_the_order_of_fastai():
    assert list(RULE_SETS["fastai-v2"].specials) == fastai.defaults.text_spec_tok


def test_the_golden_file_has_the_tokens_of_fastai(fastai_tokens):
    golden = Path(__file__).parent / "golden/tokens.json"
    cases = json.loads(golden.read_text(encoding="utf-8"))
    texts = [fastai_v2.join_fields(case["fields"]) for case in cases]
    expected = [case["fastai-v2"].split(" ") for case in cases]
    assert list(fastai_tokens(texts)) == expected


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (fastai_v2.fix_html, fastai.fix_html),
        (fastai_v2.replace_rep, fastai.replace_rep),
        (fastai_v2.replace_wrep, fastai.replace_wrep),
        (fastai_v2.spec_add_spaces, fastai.spec_add_spaces),
        (fastai_v2.replace_all_caps, fastai.replace_all_caps),
        (fastai_v2.replace_maj, fastai.replace_maj),
        (fastai_v2.lowercase, fastai.lowercase),
        (rm_useless_spaces, fastai.rm_useless_spaces),
    ],
    ids=lambda rule: rule.__name__,
)
def test_every_rule_is_that_of_fastai(ours, theirs, docstrings):
    assert [ours(text) for text in docstrings] == [theirs(text) for text in docstrings]


def test_one_emoticon_that_spacy_loses_across_a_space_is_kept(fastai_tokens):
    # spaCy looks for special cases in the whole text, and `(:` overlaps the `:)` behind it.
    assert list(fastai_tokens(["so ( :)x"])) == [["xxbos", "so", "(", ":", ")", "x"]]
    assert WordTokenizer("fastai-v2").tokenise(("so ( :)x",)) == ["xxbos", "so", "(", ":)", "x"]


def test_what_fastai_v1_shares_with_v2_is_that_of_fastai(docstrings):
    # Entities, `#39;` and the like: v1 differs in ` @,@ `, the ellipsis, backslashes and spaces.
    for text in docstrings:
        plain = text.replace("...", "").replace(" @,@ ", "").replace("\\", "")
        assert fastai_v1.fix_html(plain) == fastai.rm_useless_spaces(fastai.fix_html(plain))
