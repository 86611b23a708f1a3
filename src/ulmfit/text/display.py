"""From tokens back to readable text (ulmfit.md 1.5, end). Some case and space is lost."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from ulmfit.errors import UserError
from ulmfit.store.files import read_json
from ulmfit.store.tokens import read_tokens
from ulmfit.text.rule_sets import rule_set
from ulmfit.text.rules import SPACE, Marks

_LONGEST = 100_000


def show(folder: Path, documents: Sequence[str]) -> Iterator[str]:
    """Name, fold and class, tokens, and readable text of some documents of a token folder.

    Raises UserError for a document that is not there.
    """
    store = read_tokens(folder)
    facts = read_json(folder / "tokens.json")["tokenizer"]
    readable = decode if facts["kind"] == "word" else decode_pieces
    marks = rule_set(facts["rules"]).marks
    for name in documents:
        found = np.flatnonzero(store.document == name)
        if not len(found):
            raise UserError(
                f"{folder}: no document {name!r}: their names are the column `id` of "
                f"documents.parquet, such as {str(store.document[0])!r}"
            )
        index = int(found[0])
        tokens = [store.vocabulary[i] for i in store.read(index, "fwd")]
        label = store.classes[store.label[index]] if store.label[index] >= 0 else "no label"
        yield f"{name} ({store.fold[index]}, {label}), {len(tokens)} tokens"
        yield " ".join(tokens)
        yield readable(tokens, marks)


def decode(tokens: Sequence[str], marks: Marks) -> str:
    """Readable text of word tokens in reading order.

    ``marks`` are those of the rule set: ``xxmaj`` and ``xxup`` or ``t_up`` give the next token its
    capitals back, ``xxrep n`` and ``xxwrep n`` (``tk_rep``, ``tk_wrep``) repeat it, as characters
    or as words. Other tokens pass through, and so do marks that lack what
    must follow them.
    """
    # From the end, so that a mark finds what it applies to already decoded on top of the stack:
    # `xxwrep 3 xxmaj no` needs the capital first.
    stack: list[str] = []
    for token in reversed(tokens):
        if token in (marks.capital, marks.capitals) and stack:
            following = stack.pop()
            all_of_it = token == marks.capitals
            stack.append(following.upper() if all_of_it else following.capitalize())
        elif token in (marks.characters, marks.words) and _repeatable(stack):
            times, unit = int(stack.pop()), stack.pop()
            stack.append((" " if token == marks.words else "").join([unit] * times))
        else:
            stack.append(token.replace(SPACE, " ").replace("\\n", "\n").replace("\\r", "\r"))
    return " ".join(reversed(stack))


def decode_pieces(pieces: Sequence[str], marks: Marks) -> str:
    """Readable text of sub-word pieces in reading order: pieces to words, then as for words."""
    return decode("".join(pieces).replace(SPACE, " ").split(), marks)


def _repeatable(stack: list[str]) -> bool:
    """Whether a count, short enough to be shown, and something to repeat are on top."""
    if len(stack) < 2:
        return False
    times = stack[-1]
    return (
        times.isascii()
        and times.isdecimal()
        and len(times) < 6
        and int(times) * (len(stack[-2]) + 1) <= _LONGEST
    )
