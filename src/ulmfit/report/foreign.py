"""Text that others wrote (documents, logs), made fit to be shown: visible, and short.

The page passes all that it shows through :func:`visible`, then escapes markup.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path

from ulmfit.store.tables import damage_named

HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f"
    "\ud800-\udfff\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)
"""Characters that show nothing, or change the order or the place of what is shown beside them."""
LETTERS = 600
"""Characters of a document that are shown."""
LOG_LINES, LOG_LETTERS = 15, 200
"""Lines at the end of a log that are shown, and characters of each."""
LOG_BYTES = 1 << 16
"""How far from its end a log is read."""


def visible(text: str) -> str:
    """Text in which hidden characters are named, as ``[U+202E]``; line ends are LF."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return HIDDEN.sub(lambda match: f"[U+{ord(match[0]):04X}]", text)


def shortened(text: str, letters: int = LETTERS) -> tuple[str, int]:
    """(the beginning of a text; how many characters were left out)."""
    return text[:letters], max(0, len(text) - letters)


def read_texts(documents: Path, ids: Iterable[str]) -> dict[str, str]:
    """Text of these documents by id; none where ``documents.parquet`` is not there.

    A study made from an archive has no texts. Raises UserError if the file is damaged.
    """
    from pyarrow import parquet

    if not documents.exists():
        return {}
    with damage_named(documents):
        names = parquet.read_schema(documents).names
        fields = [name for name in names if name.partition("_")[0] == "text"]
        rows = parquet.read_table(
            documents, columns=["id", *fields], filters=[("id", "in", sorted(set(ids)))]
        ).to_pylist()
    return {row["id"]: "\n\n".join(row[name] or "" for name in fields) for row in rows}


def log_tail(path: Path) -> str | None:
    """The last lines of a log, each cut where it is long; None if there is no log."""
    try:
        with open(path, "rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - LOG_BYTES))
            content = file.read().decode("utf-8", "replace")
    except OSError:
        return None
    lines = []
    for line in content.rstrip().splitlines()[-LOG_LINES:]:
        rest = len(line) - LOG_LETTERS
        lines.append(f"{line[:LOG_LETTERS]} [{rest} more]" if rest > 0 else line)
    return "\n".join(lines)
