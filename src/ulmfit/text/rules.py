"""Text rules: what happens to a document before and after tokenization (ulmfit.md 1.5).

A rule takes the text of one document and returns it changed. Every rule first looks for what would
trigger it in the cheapest way there is, because most documents trigger few of them.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Sequence
from operator import eq
from typing import NamedTuple

from ulmfit.errors import UserError

UNK, PAD, BOS, EOS, FLD = "xxunk", "xxpad", "xxbos", "xxeos", "xxfld"
REP, WREP, UP, MAJ = "xxrep", "xxwrep", "xxup", "xxmaj"
SPACE = "▁"
"""U+2581, the spelling of a space inside a token."""

_REPLACEMENTS = (
    ("#39;", "'"),
    ("amp;", "&"),
    ("#146;", "'"),
    ("nbsp;", " "),
    ("#36;", "$"),
    ("\\n", "\n"),
    ("quot;", "'"),
    ("<br />", "\n"),
    ('\\"', '"'),
    ("<unk>", UNK),
    (" @.@ ", "."),
    (" @-@ ", "-"),
    ("...", " …"),
)
_REPEATED_CHARACTER = re.compile(r"(\S)\1\1+")
# The character after the last word is consumed, so a run of another word that follows at once
# finds no space before it and stays as it is: so does fastai v2.
_REPEATED_WORD = re.compile(r"(?:^|\s)(\w+)((?:\s+\1)+)\s+\1(\W|$)")
# A capital where a word starts. The lookbehind stands after the capital, because the search jumps
# quickly from capital to capital only when the pattern begins with the set of capitals.
_START = r"[A-Z](?<!\S[A-Z])"
_ALL_CAPITALS = re.compile(_START + r"[^a-z\s]*(?!\S)")
_ONE_CAPITAL = re.compile(_START + r"[^A-Z\s]*(?!\S)")


def fix_html(text: str) -> str:
    """Replace HTML entities, whole or broken, ``<br />``, and the marks of WikiText."""
    for old, new in _REPLACEMENTS:
        text = text.replace(old, new)
    return html.unescape(text)


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


def rm_useless_spaces(text: str) -> str:
    """Make one space of a run of spaces; other white space stays."""
    while "  " in text:
        text = text.replace("  ", " ")
    return text


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


def spell_white_space(tokens: list[str]) -> list[str]:
    r"""Spell a space inside a token as U+2581, line breaks as ``\n`` and ``\r`` (two characters).

    A token must fit on a line of ``vocabulary.txt``. The spelling is free to take, because
    :func:`spec_add_spaces` leaves every backslash of the text alone in its token.
    """
    return [
        token
        if token.isalnum()
        else token.replace(" ", SPACE).replace("\n", "\\n").replace("\r", "\\r")
        for token in tokens
    ]


class RuleSet(NamedTuple):
    """Special tokens in the order of their ids, rules on the text, rules on the tokens.

    Rules of ``after`` see the tokens of one stretch of text without inner spaces at a time, so
    each token must change independently of its neighbours.
    """

    specials: tuple[str, ...]
    before: tuple[Callable[[str], str], ...]
    after: tuple[Callable[[list[str]], list[str]], ...]


RULE_SETS = {
    "fastai-v2": RuleSet(
        specials=(UNK, PAD, BOS, EOS, FLD, REP, WREP, UP, MAJ),
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
        after=(spell_white_space,),
    )
}
DEFAULT_RULES = "fastai-v2"


def rule_set(name: str) -> RuleSet:
    """The rule set of that name; raises UserError if there is none."""
    if name not in RULE_SETS:
        raise UserError(f"no text rules named {name!r}: choose one of {', '.join(RULE_SETS)}")
    return RULE_SETS[name]


def join_fields(fields: Sequence[str]) -> str:
    """The text fields of a document as one text, ``xxfld k`` before each if there are several."""
    if len(fields) == 1:
        return fields[0]
    return " ".join(f"{FLD} {number} {field}" for number, field in enumerate(fields, start=1))


def apply_rules(fields: Sequence[str], rules: RuleSet) -> str:
    """The text that goes to the tokenizer, from the text fields of one document."""
    text = join_fields(fields)
    for rule in rules.before:
        text = rule(text)
    return text
