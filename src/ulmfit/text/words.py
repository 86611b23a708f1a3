"""Word tokens: the rule set around spaCy's English tokenizer (no pipeline, no model)."""

from __future__ import annotations

import re
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
_CACHE_SIZE = 300_000


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
        self._types: dict[str, int] = {}
        self._known: dict[str, tuple[int, ...]] = {}

    def tokenise(self, fields: tuple[str, ...]) -> list[str]:
        """Words of one document, given the texts of its fields."""
        encoding = self([fields])
        assert encoding.types is not None
        return [encoding.types[i] for i in encoding.ids]

    def __call__(self, rows: Rows) -> Encoding:
        """Encode documents; the types are the distinct words among them, in no given order."""
        if len(self._known) > _CACHE_SIZE:
            # Both grow with the corpus; forgetting costs time and changes nothing.
            self._known.clear()
            self._types.clear()
        lengths = np.empty(len(rows), np.int64)
        ids: list[int] = []
        for row, fields in enumerate(rows):
            before = len(ids)
            for stretch in _BETWEEN_WORDS.split(apply_rules(fields, self.rules)):
                ids += self._known.get(stretch) or self._learn(stretch)
            lengths[row] = len(ids) - before
        present, compact = np.unique(np.array(ids, np.uint32), return_inverse=True)
        names = list(self._types)
        return Encoding(
            ids=compact.astype(np.uint32),
            lengths=lengths,
            types=tuple(names[i] for i in present),
        )

    def _learn(self, stretch: str) -> tuple[int, ...]:
        tokens = [token.text for token in self._spacy(stretch)]
        for rule in self.rules.after:
            tokens = rule(tokens)
        spelled = spell_white_space(tokens)
        known = tuple(self._types.setdefault(token, len(self._types)) for token in spelled)
        self._known[stretch] = known
        return known


def _english(cases: tuple[str, ...]) -> SpacyTokenizer:
    import spacy
    from spacy.attrs import ORTH
    from spacy.tokenizer import Tokenizer

    tokenizer = spacy.blank("en").tokenizer
    assert isinstance(tokenizer, Tokenizer)
    for case in cases:
        tokenizer.add_special_case(case, [{ORTH: case}])
    return tokenizer
