"""Word tokens: the rule set around spaCy's English tokenizer (no pipeline, no model)."""

from __future__ import annotations

import re
import sys
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np

from ulmfit.text.encoding import Encoding, Rows
from ulmfit.text.rule_sets import apply_rules, rule_set
from ulmfit.text.rules import spell_white_space

if TYPE_CHECKING:
    from spacy.tokenizer import Tokenizer as SpacyTokenizer

# A single space between two other characters. The first lookbehind stands after the space so that
# the search can jump from space to space.
_BETWEEN_WORDS = re.compile(r" (?<=\S )(?=\S)")
_GENERATION = 60_000
"""Stretches of text in a generation of the cache; there are two in each process."""


class WordTokenizer:
    """Text to words, remembering what it saw.

    spaCy takes each stretch of text between single spaces on its own, so such a stretch gives the
    same tokens wherever it stands. Most stretches of a corpus occur many times: each is given to
    spaCy once and looked up from then on. Only spaCy's special cases (emoticons and the like) look
    across spaces: there `( :)x` loses its `:)`, because `(:` would overlap it. Here it keeps it.
    """

    def __init__(self, rules: str) -> None:
        self.rules = rule_set(rules)
        self._spacy = _english(self.rules.cases)
        self._known: dict[str, tuple[str, ...]] = {}
        self._before: dict[str, tuple[str, ...]] = {}

    def tokenise(self, fields: tuple[str, ...]) -> list[str]:
        """Words of one document, given the texts of its fields."""
        encoding = self([fields])
        assert encoding.types is not None
        return [encoding.types[i] for i in encoding.ids]

    def __call__(self, rows: Rows) -> Encoding:
        """Encode documents; the types are the distinct words among them, in no given order."""
        lengths = np.empty(len(rows), np.int64)
        tokens: list[str] = []
        for row, fields in enumerate(rows):
            before = len(tokens)
            for stretch in _BETWEEN_WORDS.split(apply_rules(fields, self.rules)):
                tokens += self._known.get(stretch) or self._look_up(stretch)
            lengths[row] = len(tokens) - before
        index: dict[str, int] = {}
        ids = (index.setdefault(token, len(index)) for token in tokens)
        return Encoding(
            ids=np.fromiter(ids, np.uint32, len(tokens)), lengths=lengths, types=tuple(index)
        )

    def _look_up(self, stretch: str) -> tuple[str, ...]:
        """Tokens of a stretch that is not in the younger generation; they are there afterwards."""
        if len(self._known) >= _GENERATION:
            # What was not asked for since the last time goes; what is frequent is never forgotten.
            # spaCy remembers every string too, so it begins anew.
            self._before, self._known = self._known, {}
            self._spacy = _english(self.rules.cases)
        known = self._before.get(stretch)
        if known is None:
            tokens = [token.text for token in self._spacy(stretch)]
            for rule in self.rules.after:
                tokens = rule(tokens)
            # Interned, because many stretches have a word in common.
            known = tuple(map(sys.intern, spell_white_space(tokens)))
        self._known[stretch] = known
        return known


def _english(cases: tuple[str, ...]) -> SpacyTokenizer:
    spacy = _spacy()
    from spacy.attrs import ORTH
    from spacy.tokenizer import Tokenizer

    tokenizer = spacy.blank("en").tokenizer
    assert isinstance(tokenizer, Tokenizer)
    for case in cases:
        tokenizer.add_special_case(case, [{ORTH: case}])
    return tokenizer


def _spacy() -> ModuleType:
    """spaCy, which imports torch if it can and needs it for models only: 180 MiB a process."""
    hide = "torch" not in sys.modules
    if hide:
        sys.modules["torch"] = None  # type: ignore[assignment]
    try:
        import spacy
    finally:
        if hide:
            del sys.modules["torch"]
    return spacy
