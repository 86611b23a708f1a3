"""Plain English out of reStructuredText: paragraphs without code, tables, formulas or mark-up.

Case and punctuation stay, because the word tokenizer has rules of its own for capitals.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

TOKEN = re.compile(r"\w+|[^\w\s]")
WORD = re.compile(r"[(\"']*[A-Za-z]+(?:[-'/][A-Za-z]+)*[)\"',.;:?!]*")

BULLET = re.compile(r"(?:[*+\-\u2022]|\(?\d{1,2}[.)]|\(?[a-z]\))\s+(?=\S)")
FIELD = re.compile(r":[\w ]+:(?:\s|$)|[\w*, ]+ : ")
RULE = re.compile(r"[=\-~^*+#|\s]{3,}")
TEMPLATE = re.compile(r"%\(\w+\)|\{\w*\}|\$\{?\w+|%s")

CODE = re.compile(r"``(.+?)``(?!`)")
ROLE = re.compile(r"(?::[\w.+:-]+:)?`[~!.]?([^`]+?)(?:\s*<[^`<>]+>)?`_{0,2}")
FOOTNOTE = re.compile(r"\[(\d+|#\w*|[A-Za-z]+\d+\w*)\]_")
STRONG = re.compile(r"(?<![\w*])(\*{1,2})(?=\S)([^*]+?)(?<=\S)\1(?![\w*])")
SUBSTITUTION = re.compile(r"(?<![\w|])\|([^|\s][^|]*)\|_?(?![\w|])")

PROSE_SHARE = 0.6
"""Least share of plain English words among what spaces separate; below it is code or formulas."""


def count_tokens(text: str) -> int:
    """Words and punctuation marks, counted roughly (the word tokenizer splits a little more)."""
    return len(TOKEN.findall(text))


def indentation(line: str) -> int:
    """Number of leading spaces."""
    return len(line) - len(line.lstrip())


def paragraphs(lines: list[str], deepest: int | None = None) -> Iterator[str]:
    """Prose paragraphs of a block of reStructuredText, mark-up removed, spaces collapsed.

    Left out: doctests with their output, literal blocks, directives and their bodies, field
    lists, entries (``name : type``), tables, templates to be filled in, and whatever is mostly
    not English words. List points are paragraphs. ``deepest`` bounds the indentation of a
    paragraph (0 leaves out block quotes and definitions); without it, indented text counts too.
    """
    hidden = None  # blocks indented deeper than this belong to a directive or a literal block
    for block in _blocks(lines):
        indent = indentation(block[0])
        if hidden is not None and indent > hidden:
            continue
        hidden = None
        first = block[0].lstrip()
        if first.startswith(("..", "__ ")):
            hidden = indent
            continue
        block = _before_doctest(block)
        if not block or (deepest is not None and indent > deepest):
            continue
        text = " ".join(" ".join(block).split())
        if text.endswith("::"):
            hidden = indent
            text = text[:-1]
        point = BULLET.match(text)
        text = plain(text[point.end() :] if point else text)
        if is_prose(text, block):
            yield text


def _blocks(lines: list[str]) -> Iterator[list[str]]:
    """Runs of lines between blank lines, cut again at list points and where indentation falls."""
    block: list[str] = []
    for line in [*lines, ""]:
        text = line.strip()
        falls = bool(block) and indentation(line) < indentation(block[-1])
        if block and (not text or falls or BULLET.match(text) or text.startswith(".. ")):
            yield block
            block = []
        if text:
            block.append(line)


def _before_doctest(block: list[str]) -> list[str]:
    for number, line in enumerate(block):
        if line.lstrip().startswith((">>>", "...", "In [", "$ ")):
            return block[:number]
    return block


def is_prose(text: str, lines: list[str] | None = None) -> bool:
    """Whether a paragraph is English rather than a table, a field list, a template or code."""
    words = text.split()
    if not words or FIELD.match(text) or TEMPLATE.search(text):
        return False
    if lines is not None and any(RULE.fullmatch(line) for line in lines):
        return False
    return sum(WORD.fullmatch(word) is not None for word in words) >= PROSE_SHARE * len(words)


def plain(text: str) -> str:
    """A paragraph without inline mark-up: ``:func:`~numpy.mean``` reads ``numpy.mean``."""
    text = CODE.sub(r"\1", text)
    text = ROLE.sub(r"\1", text)
    text = FOOTNOTE.sub(r"[\1]", text)
    text = STRONG.sub(r"\2", text)
    text = SUBSTITUTION.sub(r"\1", text)
    return " ".join(text.replace("\\", "").split())
