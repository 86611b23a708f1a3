"""Text rules of fastai v1 (ulmfit.md 1.4): capitals are marked after the text is cut.

fastai v1 marks fields only when asked; here several fields are always marked and one never is. Its
``xxfake`` entries, which fill a vocabulary up to a multiple of 8, are left out.
"""

from __future__ import annotations

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

UNK, PAD, BOS, EOS, FLD = "xxunk", "xxpad", "xxbos", "xxeos", "xxfld"
MAJ, UP, REP, WREP = "xxmaj", "xxup", "xxrep", "xxwrep"
SPECIALS = (UNK, PAD, BOS, EOS, FLD, MAJ, UP, REP, WREP)

_REPLACEMENTS = (*REPAIRS, ("<unk>", UNK), *WIKITEXT, (" @,@ ", ","), ("\\", " \\ "))


def join_fields(fields: Sequence[str]) -> str:
    """``xxbos`` and the text fields of a document, ``xxfld k`` before each if there are several."""
    return f"{BOS} {fields[0] if len(fields) == 1 else number_fields(fields, FLD)}"


def fix_html(text: str) -> str:
    """Replace HTML entities, ``<br />`` and the marks of WikiText; put spaces around backslashes.

    Ends with one space of each run of them.
    """
    return rm_useless_spaces(replace_literals(text, _REPLACEMENTS))


def replace_rep(text: str) -> str:
    """Write a character that stands 4 or more times in a row as ``xxrep <n> <character>``."""
    return replace_four_characters(text, REP)


def replace_wrep(text: str) -> str:
    """Write a word that stands 4 or more times in a row as ``xxwrep <n> <word>``."""
    return replace_four_words(text, WREP)


def spec_add_spaces(text: str) -> str:
    """Put spaces around ``/``, ``#`` and line breaks."""
    return text.replace("/", " / ").replace("#", " # ").replace("\n", " \n ")


def replace_all_caps(tokens: list[str]) -> list[str]:
    """Lower-case tokens of 2 or more characters in capitals, with ``xxup`` before them."""
    changed = []
    for token in tokens:
        changed += [UP, token.lower()] if token.isupper() and len(token) > 1 else [token]
    return changed


def deal_caps(tokens: list[str]) -> list[str]:
    """Lower-case all tokens, ``xxmaj`` before those whose first letter alone is a capital."""
    changed = []
    for token in tokens:
        if token[0].isupper() and token[1:].islower():
            changed.append(MAJ)
        changed.append(token.lower())
    return changed


RULES = RuleSet(
    specials=SPECIALS,
    cases=SPECIALS,
    symbols=(*SPECIALS[2:], UNK),
    marks=Marks(characters=REP, words=WREP, capitals=UP, capital=MAJ),
    specials_beside_max=False,
    join=join_fields,
    before=(fix_html, replace_rep, replace_wrep, spec_add_spaces, rm_useless_spaces),
    after=(replace_all_caps, deal_caps),
)
