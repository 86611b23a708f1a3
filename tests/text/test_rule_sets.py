import pytest
from hypothesis import given
from hypothesis import strategies as st

from ulmfit.config.recipes import Tokenizer
from ulmfit.config.validation import check
from ulmfit.errors import UserError
from ulmfit.text import fastai_07, fastai_v1, rules
from ulmfit.text.rule_sets import RULE_SETS, apply_rules, rule_set


def test_unknown_rule_set_names_the_known_ones():
    with pytest.raises(UserError, match="fastai-v2"):
        rule_set("fastai-v9")


@pytest.mark.parametrize("name", RULE_SETS)
def test_a_recipe_may_name_every_rule_set(name):
    assert check(Tokenizer, {"rules": name}, "here").rules == name


def test_special_tokens_of_fastai_v1_differ_from_v2_in_the_last_four_ids():
    v1, v2 = RULE_SETS["fastai-v1"].specials, RULE_SETS["fastai-v2"].specials
    assert v1[:5] == v2[:5] == ("xxunk", "xxpad", "xxbos", "xxeos", "xxfld")
    assert v1[5:] == ("xxmaj", "xxup", "xxrep", "xxwrep")
    assert v2[5:] == ("xxrep", "xxwrep", "xxup", "xxmaj")


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [
        (
            "fastai-0.7",
            "fixup replace_rep replace_wrep do_caps spec_add_spaces rm_useless_spaces sub_br",
            "",
        ),
        (
            "fastai-v1",
            "fix_html replace_rep replace_wrep spec_add_spaces rm_useless_spaces",
            "replace_all_caps deal_caps",
        ),
    ],
)
def test_rules_run_in_the_order_of_the_original(name, before, after):
    assert " ".join(rule.__name__ for rule in RULE_SETS[name].before) == before
    assert " ".join(rule.__name__ for rule in RULE_SETS[name].after) == after


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("goood!!!", "goood!!!"),
        ("gooood", "g <r> 4 o d"),
        ("ooooOOOO", " <r> 4 o  <r> 4 O "),
        ("a    b\n\n\n\n", "a    b\n\n\n\n"),
        ("éééé", " <r> 4 é "),
    ],
)
def test_four_characters_are_marked_and_three_are_not(text, expected):
    assert rules.replace_four_characters(text, "<r>") == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("no no no ", "no no no "),
        ("no no no no", "no no no no"),
        ("no no no no ", " <w> 4 no  "),
        ("oh no no no no no!", "oh  <w> 4 no  no!"),
        ("No no no no no ", "No  <w> 4 no  "),
        ("no  no  no  no  ", " <w> 4 no   "),
        ("no  no no no no ", "no   <w> 4 no  "),
        ("so, so, so, so, ", " <w> 4 so,  "),
        ("a-a-a-a-b", " <w> 2 a- b"),
        ("ha\nha\nha\nha\n", " <w> 4 ha\n "),
        ("uno no no no no ", "uno  <w> 4 no  "),
    ],
)
def test_four_words_with_what_follows_them_are_marked(text, expected):
    assert rules.replace_four_words(text, "<w>") == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("AT&amp;T caf&eacute;", "AT&&T café"),
        ("the <unk> of 1 @.@ 5 @-@ 5 and 5 @,@ 000", "the u_n of 1.5-5 and 5 @,@ 000"),
        ("C:\\x   y&#92;n", "C: \\ x y\\n"),
        ("Hmm...", "Hmm..."),
        ("one\\ntwo<br />three", "one\ntwo\nthree"),
    ],
)
def test_fixup_of_fastai_07(text, expected):
    assert fastai_07.fixup(text) == expected


def test_fix_html_of_fastai_v1_undoes_the_commas_of_wikitext():
    assert fastai_v1.fix_html("<unk> 1 @.@ 5  @,@ 000 \\") == "xxunk 1.5 ,000 \\ "


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("NASA and USA, OK?", " t_up nasa and  t_up usa, ok?"),
        ("CAN'T A1B2 1990 1990S", " t_up can't  t_up a1b2 1990  t_up 1990s"),
        ("ÉCOLE École ABC_D", " t_up école école  t_up abc_d"),
        ("all lower ßtraße", "all lower ßtraße"),
        ("ΟΔΟΣ'Α", " t_up οδος'α"),
    ],
)
def test_capitals_of_fastai_07_are_words_of_three_letters(text, expected):
    assert fastai_07.do_caps(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [("a<br>b< br >c<BR/>d<br / >e", "a\nb\nc\nd<br / >e"), ("<b> broken", "<b> broken")],
)
def test_line_breaks_that_are_left_in_fastai_07(text, expected):
    assert fastai_07.sub_br(text) == expected


def test_capitals_of_fastai_v1_are_tokens():
    tokens = ["The", "NASA", "I", "McX", "U.S.", "É", "École", "x", "'S", ":D", "1990s", "B2b"]
    marked = fastai_v1.deal_caps(fastai_v1.replace_all_caps(tokens))
    assert " ".join(marked) == (
        "xxmaj the xxup nasa i mcx xxup u.s. é xxmaj école x xxup 's xxup :d 1990s xxmaj b2b"
    )


@given(st.text(max_size=60))
def test_prepared_text_begins_as_in_the_original_and_is_never_wider_than_one_space(text):
    old = apply_rules([text], RULE_SETS["fastai-0.7"])
    one = apply_rules([text], RULE_SETS["fastai-v1"])
    assert old.startswith("\nxbos xfld 1")
    assert one.startswith("xxbos")
    assert "  " not in old + one
    assert not any(letter.isupper() and letter.lower() != letter for letter in old)
