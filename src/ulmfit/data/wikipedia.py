"""Articles of Wikipedia: WikiText (Merity et al. 2016), and shards of WikiExtractor."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from ulmfit.config.sources import WikiShards, WikiText
from ulmfit.data.archives import decompressed, members
from ulmfit.data.decoding import lines
from ulmfit.errors import UserError
from ulmfit.store.progress import progress

if TYPE_CHECKING:
    import pandas as pd

HEADING = re.compile(r"(?P<marks>(?:= )+)(?P<name>.+?)(?: =)+")
OPENING = re.compile(r'<doc id="([^"]+)"[^>]*>')


def wikitext(options: WikiText, files: Mapping[str, Path]) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Articles of the parts asked for, marks of headings removed."""
    path = files["archive"]
    rows: list[tuple[str, str]] = []
    read = set()
    for name, content in members(path):
        part = PurePosixPath(name).name.removeprefix("wiki.").removesuffix(".tokens")
        if part in options.parts:
            read.add(part)
            articles = _articles(lines(content, "utf-8", f"{path}, {name}"))
            rows += ((f"{part}-{n}", text) for n, text in enumerate(articles, start=1))
    if missing := sorted(set(options.parts) - read):
        raise UserError(f"{path}: no member wiki.{missing[0]}.tokens: mend `parts` or the file")
    return _corpus(rows), {"articles": len(rows)}


def _articles(text: Iterable[str]) -> Iterator[str]:
    """Articles of WikiText; headings stand between blank lines.

    Without that condition 29 lines of broken tables in WikiText-2, such as ``= Wins ; L =``, would
    be titles.
    """
    article: list[str] = []
    before = line = ""
    for after in chain(map(str.strip, text), [""]):
        heading = None if before or after else HEADING.fullmatch(line)
        if heading and heading["marks"] == "= " and article:
            yield "\n".join(article)
            article = []
        if line:
            article.append(heading["name"] if heading else line)
        before, line = line, after
    if article:
        yield "\n".join(article)


def shards(options: WikiShards, files: Mapping[str, Path]) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Articles of the shards in the order of their keys; the shortest and the last may be left out.

    Nothing is read beyond the article that would go beyond ``max_words``.
    """
    if not files:
        raise UserError("source 'wiki-shards' has no file: name its shards under `files`")
    rows: list[tuple[str, str]] = []
    found = total = 0
    shards = progress(sorted(files), len(files), "shards")
    for identity, text in chain.from_iterable(_elements(files[key]) for key in shards):
        found += 1
        words = len(text.split())
        if words < options.min_words:
            continue
        if options.max_words is not None and total + words > options.max_words:
            break
        total += words
        rows.append((identity, text))
    return _corpus(rows), {"articles": found, "words": total}


def _elements(path: Path) -> Iterator[tuple[str, str]]:
    """Page id and text of each ``<doc>`` element."""
    identity = ""
    article: list[str] = []
    with decompressed(path) as stream:
        for number, line in enumerate(lines(stream, "utf-8", str(path)), start=1):
            line = line.strip()
            if opening := OPENING.fullmatch(line):
                identity, article = opening[1], []
            elif line == "</doc>" and identity:
                yield identity, "\n".join(article)
                identity = ""
            elif line and not identity:
                raise UserError(f"{path}, line {number}: text outside of a <doc> element")
            elif line:
                article.append(line)
    if identity:
        raise UserError(f"{path}: ends within article {identity}: put a whole copy in its place")


def _corpus(rows: list[tuple[str, str]]) -> pd.DataFrame:
    import pandas as pd

    table = pd.DataFrame(rows, columns=["id", "text"])
    nothing = pd.Series([None] * len(table), dtype="string")
    table.insert(1, "split", "train")
    table.insert(2, "label", nothing)
    table.insert(3, "group", nothing)
    return table
