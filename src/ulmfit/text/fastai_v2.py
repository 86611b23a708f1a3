"""Text rules of fastai v2 (ulmfit.md 1.5): capitals are marked before the text is cut.

The tokens are those of fastai 2.8.12, but that line breaks are spelled out.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from operator import eq

from ulmfit.text.rules import (
    REPAIRS,
    WIKITEXT,
    Marks,
    RuleSet,
    number_fields,
    replace_literals,
    rm_useless_spaces,
)

UNK, PAD, BOS, EOS, FLD = "xxunk", "xxpad", "xxbos", "xxeos", "xxfld"
REP, WREP, UP, MAJ = "xxrep", "xxwrep", "xxup", "xxmaj"
SPECIALS = (UNK, PAD, BOS, EOS, FLD, REP, WREP, UP, MAJ)

_REPLACEMENTS = (*REPAIRS, ("<unk>", UNK), *WIKITEXT, ("...", " …"))
_REPEATED_CHARACTER = re.compile(r"(\S)\1\1+")
# The character after the last word is consumed, so a run of another word that follows at once
# finds no space before it and stays as it is: so does fastai v2.
_REPEATED_WORD = re.compile(r"(?:^|\s)(\w+)((?:\s+\1)+)\s+\1(\W|$)")
# A capital where a word starts. The lookbehind stands after the capital, because the search jumps
# quickly from capital to capital only when the pattern begins with the set of capitals.
_START = r"[A-Z](?<!\S[A-Z])"
_ALL_CAPITALS = re.compile(_START + r"[^a-z\s]*(?!\S)")
_ONE_CAPITAL = re.compile(_START + r"[^A-Z\s]*(?!\S)")


def join_fields(fields: Sequence[str]) -> str:
    """The text fields of a document as one text, ``xxfld k`` before each if there are several."""
    return fields[0] if len(fields) == 1 else number_fields(fields, FLD)


def fix_html(text: str) -> str:
    """Replace HTML entities, whole or broken, ``<br />``, and the marks of WikiText."""
    return replace_literals(text, _REPLACEMENTS)


def replace_rep(text: str) -> str:
    """Write a character that stands 3 or more times in a row as ``xxrep <n> <character>``."""
    return _REPEATED_CHARACTER.sub(lambda m: f" {REP} {m.end() - m.start()} {m[1]} ", text)


def replace_wrep(text: str) -> str:
    """Write a word that stands 3 or more times in a row as ``xxwrep <n> <word>``."""
    words = text.split()
    if not any(map(eq, words, words[1:])):
        return text
    return _REPEATED_WORD.sub(lambda m: f" {WREP} {len(m[2].split()) + 2} {m[1]} {m[3]}", text)


def spec_add_spaces(text: str) -> str:
    """Put spaces around ``/``, ``#`` and the backslash."""
    return text.replace("/", " / ").replace("#", " # ").replace("\\", " \\ ")


def replace_all_caps(text: str) -> str:
    """Lower-case words without a small letter a-z, ``xxup`` before those of 2 or more characters.

    A word is what stands between white space, and must begin with A-Z.
    """
    return _ALL_CAPITALS.sub(lambda m: _marked(UP, m[0]), text)


def replace_maj(text: str) -> str:
    """Lower-case words whose first letter alone is a capital A-Z, with ``xxmaj`` before them."""
    return _ONE_CAPITAL.sub(lambda m: _marked(MAJ, m[0]), text)


def _marked(mark: str, word: str) -> str:
    return f"{mark} {word.lower()}" if len(word) > 1 else word.lower()


def lowercase(text: str) -> str:
    """Lower-case and strip the text, ``xxbos`` before it."""
    return f"{BOS} {text.lower().strip()}"


RULES = RuleSet(
    specials=SPECIALS,
    cases=SPECIALS,
    symbols=(*SPECIALS[2:], UNK),
    marks=Marks(characters=REP, words=WREP, capitals=UP, capital=MAJ),
    specials_beside_max=False,
    join=join_fields,
    before=(
        fix_html,
        replace_rep,
        replace_wrep,
        spec_add_spaces,
        rm_useless_spaces,
        replace_all_caps,
        replace_maj,
        lowercase,
    ),
    after=(),
)
