"""Film reviews (Maas et al. 2011): one a file, in folders of split and class."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ulmfit.config.sources import Imdb
from ulmfit.data.archives import members
from ulmfit.data.decoding import MIB, check_encoding, read_text
from ulmfit.data.documents import PLACE
from ulmfit.errors import UserError
from ulmfit.store.progress import progress

if TYPE_CHECKING:
    import pandas as pd

REVIEW = re.compile(r"(?:.*/)?(train|test)/(pos|neg|unsup)/(\d+)_\d+\.txt")
ADDRESSES = re.compile(r"(?:.*/)?(train|test)/urls_(pos|neg|unsup)\.txt")
FILM = re.compile(r"/title/(\w+)")
PUBLISHED = 100_000
MAX_LIST = 16 * MIB
"""Bytes of a list of addresses; the longest published one has 2.5 MB."""


def documents(options: Imdb, files: Mapping[str, Path]) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Reviews by split, class and number; the group is the film, where the archive names it."""
    import pandas as pd

    check_encoding(options.encoding)
    path = files["archive"]
    reviews: list[tuple[str, str, int, str, str]] = []
    films: dict[tuple[str, str], list[str | None]] = {}
    for name, content in progress(members(path), PUBLISHED, "reviews"):
        where = f"{path}, {name}"
        if review := REVIEW.fullmatch(name):
            text = read_text(content, options.encoding, where)
            reviews.append((review[1], review[2], int(review[3]), text, where))
        elif addresses := ADDRESSES.fullmatch(name):
            listed = read_text(content, options.encoding, where, MAX_LIST).splitlines()
            # Line n is the page of review n.
            films[addresses[1], addresses[2]] = [
                found[1] if (found := FILM.search(line)) else None for line in listed
            ]
    if not reviews:
        raise UserError(f"{path}: no member like aclImdb/train/pos/0_9.txt: not the IMDb archive")
    rows = []
    for split, kind, number, text, where in sorted(reviews):
        known = films.get((split, kind), [])
        rows.append(
            (
                f"{split}-{kind}-{number}",
                "unlabelled" if kind == "unsup" else split,
                None if kind == "unsup" else kind,
                known[number] if number < len(known) else None,
                text,
                where,
            )
        )
    return pd.DataFrame(rows, columns=["id", "split", "label", "group", "text", PLACE]), {}
