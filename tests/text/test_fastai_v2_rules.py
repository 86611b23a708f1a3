import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ulmfit.text import fastai_v2 as rules
from ulmfit.text.fastai_v2 import join_fields
from ulmfit.text.rule_sets import RULE_SETS, apply_rules
from ulmfit.text.rules import rm_useless_spaces, spell_white_space

V2 = RULE_SETS["fastai-v2"]


def test_special_tokens_stand_in_the_order_of_fastai_v2():
    assert V2.specials == (
        "xxunk",
        "xxpad",
        "xxbos",
        "xxeos",
        "xxfld",
        "xxrep",
        "xxwrep",
        "xxup",
        "xxmaj",
    )


def test_rules_run_in_the_order_of_fastai_v2():
    assert [rule.__name__ for rule in V2.before] == [
        "fix_html",
        "replace_rep",
        "replace_wrep",
        "spec_add_spaces",
        "rm_useless_spaces",
        "replace_all_caps",
        "replace_maj",
        "lowercase",
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("don#39;t", "don't"),
        ("AT&amp;T", "AT&&T"),
        ("AT amp; T &amp T", "AT & T & T"),
        ("it#146;s", "it's"),
        ("a&nbsp;b", "a& b"),
        ("#36;5", "$5"),
        ("one\\ntwo", "one\ntwo"),
        ("quot;so quot;", "'so '"),
        ("a<br />b<br />", "a\nb\n"),
        ("a<br>b", "a<br>b"),
        ('say \\"so\\"', 'say "so"'),
        ("the <unk> of", "the xxunk of"),
        ("1 @.@ 5 and 5 @,@ 000", "1.5 and 5 @,@ 000"),
        ("well @-@ known", "well-known"),
        ("and so on...", "and so on …"),
        ("....", " …."),
        ("caf&eacute; &lt;b&gt; &#233;", "café <b> é"),
    ],
)
def test_fix_html(text, expected):
    assert rules.fix_html(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("good", "good"),
        ("goood", "g xxrep 3 o d"),
        ("gooood", "g xxrep 4 o d"),
        ("hm!!!!", "hm xxrep 4 ! "),
        ("oooOOO", " xxrep 3 o  xxrep 3 O "),
        ("a   b\n\n\n", "a   b\n\n\n"),
        ("ééé", " xxrep 3 é "),
    ],
)
def test_replace_rep_marks_three_and_more(text, expected):
    assert rules.replace_rep(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("no no", "no no"),
        ("no no no", " xxwrep 3 no "),
        ("oh no no no no!", "oh xxwrep 4 no !"),
        ("oh\nno no no", "oh xxwrep 3 no "),
        ("No no no", "No no no"),
        ("no no nothing", "no no nothing"),
        ("no no no-one", " xxwrep 3 no -one"),
        ("so, so, so,", "so, so, so,"),
        ("ha  ha\nha ha", " xxwrep 4 ha "),
        ("no no no yes yes yes", " xxwrep 3 no  yes yes yes"),
    ],
)
def test_replace_wrep_marks_three_and_more(text, expected):
    assert rules.replace_wrep(text) == expected


@given(st.lists(st.sampled_from(["a", "b", "!", "\n", " ", " a ", "b b "])).map("".join))
def test_replace_wrep_looks_for_neighbours_without_missing_a_run(text):
    looked_for = re.search(r"(?:^|\s)(\w+)\s+\1\s+\1(?:\W|$)", text)
    assert (rules.replace_wrep(text) != text) == bool(looked_for)


def test_spec_add_spaces_takes_slash_hash_and_backslash():
    assert rules.spec_add_spaces("a/b#c\\d") == "a / b # c \\ d"


def test_rm_useless_spaces_leaves_other_white_space():
    assert rm_useless_spaces("a     b  \n\n  c\t\td") == "a b \n\n c\t\td"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("I saw NASA", "i saw xxup nasa"),
        ("A U.S. flag", "a xxup u.s. flag"),
        ("I'M OK!", "xxup i'm xxup ok!"),
        ("B2B", "xxup b2b"),
        ("2B iPad", "2B iPad"),
        ("(NASA)", "(NASA)"),
        ("ÉCOLE", "ÉCOLE"),
        ("CAFÉ", "xxup café"),
        ("ONE\nTWO", "xxup one\nxxup two"),
    ],
)
def test_replace_all_caps(text, expected):
    assert rules.replace_all_caps(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The film", "xxmaj the film"),
        ("McDonald Mc", "McDonald xxmaj mc"),
        ("Don't", "xxmaj don't"),
        ("(The", "(The"),
        ("x Y", "x y"),
        ("One\nTwo", "xxmaj one\nxxmaj two"),
    ],
)
def test_replace_maj(text, expected):
    assert rules.replace_maj(text) == expected


def test_lowercase_strips_and_begins_the_document():
    assert rules.lowercase(" \n(The McX \n") == "xxbos (the mcx"


def test_one_field_has_no_mark_and_several_are_counted_from_one():
    assert join_fields(["Title"]) == "Title"
    assert join_fields(["Title", "Body", ""]) == "xxfld 1 Title xxfld 2 Body xxfld 3 "


def test_all_rules_together():
    text = "It was SOOO good... <br /><br />I    loved it!!!! No no no."
    assert apply_rules([text], V2) == (
        "xxbos xxmaj it was s xxrep 3 o good … \n\ni loved it xxrep 4 ! xxmaj no no no."
    )


def test_tokens_fit_on_a_line_of_the_vocabulary():
    assert spell_white_space(["a b", "\n\n ", "\r\n", "a", "\\"]) == [
        "a▁b",
        "\\n\\n▁",
        "\\r\\n",
        "a",
        "\\",
    ]


@given(st.text(max_size=60))
def test_prepared_text_begins_with_xxbos_and_is_never_wider_than_one_space(text):
    prepared = apply_rules([text], V2)
    assert prepared.startswith("xxbos ")
    assert "  " not in prepared.removeprefix("xxbos ")
    assert prepared.removeprefix("xxbos ") == prepared.removeprefix("xxbos ").lower()
