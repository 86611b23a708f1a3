"""Text rules of fastai 0.7, those of the paper (ulmfit.md 1.3).

Fields are numbered 1, 2, 3 ... as the scripts do since August 2018; before, the second field was
numbered 1 again, so the paper's models probably read two fields that were both marked 1.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from ulmfit.text.rules import (
    REPAIRS,
    WIKITEXT,
    Marks,
    RuleSet,
    number_fields,
    replace_four_characters,
    replace_four_words,
    replace_literals,
    rm_useless_spaces,
)

UNK, PAD, BOS, FLD, WIKITEXT_UNK = "_unk_", "_pad_", "xbos", "xfld", "u_n"
REP, WREP, UP = "tk_rep", "tk_wrep", "t_up"

_REPLACEMENTS = (*REPAIRS, ("<unk>", WIKITEXT_UNK), *WIKITEXT, ("\\", " \\ "))
_RUN = re.compile(r"\w+|\W+")
_LINE_BREAK = re.compile(r"<\s*br\s*/?>", re.IGNORECASE)


def join_fields(fields: Sequence[str]) -> str:
    """A line break and ``xbos``, then each text field of a document with ``xfld k`` before it."""
    return f"\n{BOS} {number_fields(fields, FLD)}"


def fixup(text: str) -> str:
    """Replace HTML entities, ``<br />`` and the marks of WikiText; put spaces around backslashes.

    Ends with one space of each run of them.
    """
    return rm_useless_spaces(replace_literals(text, _REPLACEMENTS))


def replace_rep(text: str) -> str:
    """Write a character that stands 4 or more times in a row as ``tk_rep <n> <character>``."""
    return replace_four_characters(text, REP)


def replace_wrep(text: str) -> str:
    """Write a word that stands 4 or more times in a row as ``tk_wrep <n> <word>``."""
    return replace_four_words(text, WREP)


def do_caps(text: str) -> str:
    r"""Lower-case the text, ``t_up`` before words (``\w+``) of 3 or more characters in capitals."""
    if text.islower():
        return text
    return "".join(
        f" {UP} {run.lower()}" if run.isupper() and len(run) > 2 else run.lower()
        for run in _RUN.findall(text)
    )


def spec_add_spaces(text: str) -> str:
    """Put spaces around ``/`` and ``#``."""
    return text.replace("/", " / ").replace("#", " # ")


def sub_br(text: str) -> str:
    """Make line breaks of ``<br>``, whose slash, if it has one, stands apart by now."""
    return _LINE_BREAK.sub("\n", text) if "<" in text else text


RULES = RuleSet(
    specials=(UNK, PAD),
    cases=("<eos>", "<bos>", "<unk>"),
    symbols=(BOS, FLD, REP, WREP, UP, WIKITEXT_UNK),
    marks=Marks(characters=REP, words=WREP, capitals=UP, capital=None),
    specials_beside_max=True,
    join=join_fields,
    before=(
        fixup,
        replace_rep,
        replace_wrep,
        do_caps,
        spec_add_spaces,
        rm_useless_spaces,
        sub_br,
    ),
    after=(),
)
