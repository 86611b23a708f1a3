"""Real text to tokenise: docstrings of installed packages, or reviews of films from a mirror."""

from __future__ import annotations

import random
from pathlib import Path

from ulmfit.config.sources import DocstringProse, Imdb
from ulmfit.data import imdb, prose
from ulmfit.errors import UserError

DISTRIBUTIONS = ("docutils", "networkx", "scikit-learn", "sqlalchemy")
"""Dependencies of the package with enough docstrings."""
ARCHIVES = ("imdb/aclImdb_v1.tar.gz", "imdb/aclImdb_v1_nobow.tar.gz")
SOURCES = ("docstrings", "imdb")


def texts(source: str, mirror: Path | None, count: int) -> list[str]:
    """``count`` documents of a source, always the same ones; UserError if the mirror lacks it."""
    if source == "docstrings":
        table, _ = prose.documents(DocstringProse(distributions=DISTRIBUTIONS))
    else:
        table, _ = imdb.documents(Imdb(), {"archive": _archive(mirror)})
    documents: list[str] = table["text"].tolist()
    if len(documents) < count:
        raise UserError(f"{source}: {len(documents)} documents, {count} asked for")
    return random.Random(0).sample(documents, count)


def _archive(mirror: Path | None) -> Path:
    found = [mirror / name for name in ARCHIVES if mirror is not None and (mirror / name).exists()]
    if not found:
        raise UserError(f"imdb: --mirror must be a folder with {' or '.join(ARCHIVES)}")
    return found[0]
