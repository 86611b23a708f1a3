"""What is left of a text when everything is gone in which two copies of it may differ."""

from __future__ import annotations

import html
import re
import unicodedata

LINE_BREAK = re.compile(r"<br\s*/?>", re.IGNORECASE)
NEITHER_LETTER_NOR_DIGIT = re.compile(r"[\W_]+")


def normal_form(text: str) -> str:
    """Words of letters and digits, single blanks between them.

    In this order: HTML entities become their characters and ``<br />`` a blank; NFKC, casefold,
    NFKC; each run of other characters than letters and digits becomes one blank. Unlike the form
    by which folds find near copies, it keeps digits. A text without any letter or digit keeps its
    form, so that ``?`` is no copy of ``!``.
    """
    plain = LINE_BREAK.sub(" ", html.unescape(text))
    # Folding takes some letters apart; composed again, their marks stay part of them.
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", plain).casefold())
    return NEITHER_LETTER_NOR_DIGIT.sub(" ", folded).strip() or text
