"""What the three sets of text rules share (ulmfit.md 1.3 to 1.5).

A rule takes the text of one document and returns it changed. Every rule first looks for what would
trigger it in the cheapest way there is, because most documents trigger few of them.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterable, Sequence
from operator import eq
from typing import NamedTuple

SPACE = "▁"
"""U+2581, the spelling of a space inside a token."""

REPAIRS = (
    ("#39;", "'"),
    ("amp;", "&"),
    ("#146;", "'"),
    ("nbsp;", " "),
    ("#36;", "$"),
    ("\\n", "\n"),
    ("quot;", "'"),
    ("<br />", "\n"),
    ('\\"', '"'),
)
"""HTML entities, whole or broken, and what writes them: first in all three sets."""

WIKITEXT = ((" @.@ ", "."), (" @-@ ", "-"))
"""Marks of WikiText that all three sets undo."""

_FOUR_CHARACTERS = re.compile(r"(\S)\1{3,}")
_FOUR_WORDS = re.compile(r"(\b\w+\W+)(\1{3,})")
_WORD = re.compile(r"\w+")


class Marks(NamedTuple):
    """Tokens that change how the next one is shown; ``capital`` is None where there is none."""

    characters: str
    words: str
    capitals: str
    capital: str | None


class RuleSet(NamedTuple):
    """Everything that differs between rule sets.

    ``specials`` are the special tokens in the order of their ids, unknown and padding first;
    ``cases`` those that spaCy must not cut; ``symbols`` what the rules may write into a text, one
    piece each for sub-words; ``specials_beside_max`` says that ``max_vocab`` does not count the
    special tokens. ``join`` makes one text of the fields of a document, ``before`` are the rules on
    it, ``after`` those on the tokens. Rules of ``after`` see a few tokens of a document at a time,
    so each token must change independently of its neighbours.
    """

    specials: tuple[str, ...]
    cases: tuple[str, ...]
    symbols: tuple[str, ...]
    marks: Marks
    specials_beside_max: bool
    join: Callable[[Sequence[str]], str]
    before: tuple[Callable[[str], str], ...]
    after: tuple[Callable[[list[str]], list[str]], ...]


def number_fields(fields: Sequence[str], mark: str) -> str:
    """The text fields of a document as one text, ``<mark> k`` before the k-th, k from 1."""
    return " ".join(f"{mark} {number} {field}" for number, field in enumerate(fields, start=1))


def replace_literals(text: str, pairs: Iterable[tuple[str, str]]) -> str:
    """Replace strings one after the other, then what is left of HTML entities."""
    for old, new in pairs:
        text = text.replace(old, new)
    return html.unescape(text)


def replace_four_characters(text: str, mark: str) -> str:
    """Write a character that stands 4 or more times in a row as ``<mark> <n> <character>``."""
    return _FOUR_CHARACTERS.sub(lambda m: f" {mark} {m.end() - m.start()} {m[1]} ", text)


def replace_four_words(text: str, mark: str) -> str:
    """Write a word that stands 4 or more times in a row as ``<mark> <n> <word>`` (0.7 and v1).

    What stands between and after the words counts as part of them and must be the same each time,
    so ``no no no no.`` is left as it is. n is counted between spaces, so it is 2 where the words
    stand without any, as in ``a,a,a,a,``.
    """
    words = _WORD.findall(text)
    if not any(map(eq, words, words[1:])):
        return text
    return _FOUR_WORDS.sub(lambda m: f" {mark} {len(m[2].split()) + 1} {m[1]} ", text)


def rm_useless_spaces(text: str) -> str:
    """Make one space of a run of spaces; other white space stays."""
    while "  " in text:
        text = text.replace("  ", " ")
    return text


def spell_white_space(tokens: list[str]) -> list[str]:
    r"""Spell a space inside a token as U+2581, line breaks as ``\n`` and ``\r`` (two characters).

    A token must fit on a line of ``vocabulary.txt``. The spelling is free to take, because all rule
    sets put spaces around a backslash of the text (0.7 and v1 around none that was an entity).
    """
    return [
        token
        if token.isalnum()
        else token.replace(" ", SPACE).replace("\n", "\\n").replace("\r", "\\r")
        for token in tokens
    ]
