"""Source ``docstrings-sections``: from which section of a numpydoc docstring is a paragraph?"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from ulmfit.config.sources import DocstringSections
from ulmfit.data import rst
from ulmfit.data.docstrings import docstrings, modules, versions
from ulmfit.data.duplicates import clusters, lottery
from ulmfit.store.progress import progress

if TYPE_CHECKING:
    import pandas as pd

LABEL_OF_HEADING = {
    "Parameters": "parameter",
    "Other Parameters": "parameter",
    "Returns": "return",
    "Yields": "return",
    "Notes": "note",
    "Warnings": "note",
    "Examples": "example",
}
DESCRIBES_ENTRIES = frozenset({"parameter", "return"})
ENTRY = re.compile(r"\s*[\w*.`, ]+ : ")
UNDERLINE = re.compile(r"-{3,}|={3,}")


def sections(text: str) -> dict[str, list[str]]:
    """Lines of a docstring by section heading; those before the first heading under ``""``.

    A heading is an unindented line above a line of dashes (numpydoc) or of equals signs, which
    ends the section before it even if numpydoc knows no such name. Equal headings are joined.
    """
    lines = text.splitlines()
    found: dict[str, list[str]] = {"": []}
    heading = ""
    number = 0
    while number < len(lines):
        line = lines[number].rstrip()
        below = lines[number + 1].rstrip() if number + 1 < len(lines) else ""
        if line and not line[0].isspace() and UNDERLINE.fullmatch(below):
            heading = line.rstrip(":")
            found.setdefault(heading, [])
            number += 2
        else:
            found[heading].append(line)
            number += 1
    return found


def descriptions(lines: list[str]) -> Iterator[str]:
    """First paragraph of each indented description, without its ``name : type`` line.

    That line would give the label away. A description may hold entries of its own, such as the
    attributes of a returned object. Text that is not indented is left out: in a Returns section
    without types it cannot be told from a name.
    """
    entry: int | None = None  # indentation of the entry whose description has not begun
    description: list[str] = []
    for line, below in pairwise([*lines, ""]):
        indent = rst.indentation(line)
        if line.strip() and (indent == 0 or _is_entry(line, below)):
            yield from rst.paragraphs(description)
            entry, description = indent, []
        elif entry is not None and line.strip() and indent > entry:
            description.append(line)
        elif description:
            yield from rst.paragraphs(description)
            entry, description = None, []
    yield from rst.paragraphs(description)


def _is_entry(line: str, below: str) -> bool:
    return ENTRY.match(line) is not None and rst.indentation(below) > rst.indentation(line)


def labelled_paragraphs(docstring: str) -> Iterator[tuple[str, str]]:
    """(label, paragraph) of a docstring that has at least one section known to numpydoc."""
    found = sections(docstring)
    if not LABEL_OF_HEADING.keys() & found.keys():
        return
    for heading, lines in found.items():
        label = LABEL_OF_HEADING.get(heading) if heading else "summary"
        if label is not None:
            read = descriptions(lines) if label in DESCRIBES_ENTRIES else rst.paragraphs(lines, 0)
            for text in read:
                yield label, text


def documents(options: DocstringSections) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Documents of the labelled dataset, and what was read and removed.

    Every text stands alone: of a cluster of copies and near copies one is kept, and none if its
    members have different labels. ``group`` is the module, ``domain`` the distribution. Library
    names are not masked: they say little about the section.
    """
    import pandas as pd

    found = pd.DataFrame(_rows(options), columns=["id", "label", "group", "domain", "text"])
    cluster = found.groupby(clusters(found["text"].tolist(), options.near_duplicate))
    ambiguous = cluster["label"].transform("nunique") > 1
    lot = found["id"].map(lottery)
    kept = found[~ambiguous & (lot == lot.groupby(cluster.ngroup()).transform("min"))]
    capped = _cap(kept.assign(lot=lot), options.library_share).drop(columns="lot")
    table = capped.sort_index().assign(split="train").reset_index(drop=True)
    several = int(ambiguous.sum())
    return table[["id", "split", "label", "group", "domain", "text"]], {
        "distributions": versions(options.distributions),
        "paragraphs": len(found),
        "removed": {
            "of several labels": several,
            "copies and near copies": len(found) - several - len(kept),
            "over the library share": len(kept) - len(table),
        },
    }


def _rows(options: DocstringSections) -> Iterator[tuple[str, str, str, str, str]]:
    numbers: Counter[str] = Counter()
    files = modules(options.distributions)
    for docstring in docstrings(progress(files, len(files), "docstrings")):
        module = docstring.module
        name = f"{module.name}:{docstring.name}"
        for label, text in labelled_paragraphs(docstring.text):
            if rst.count_tokens(text) >= options.min_tokens:
                cut = " ".join(text.split()[: options.max_words])
                # Definitions may share a name (overloads, setters), so paragraphs are counted.
                numbers[name] += 1
                yield f"{name}:{numbers[name]}", label, module.name, module.distribution, cut


def _cap(table: pd.DataFrame, share: float) -> pd.DataFrame:
    """The rows left when no domain supplies more than ``share`` of a class; lowest lots stay."""
    place = table.groupby(["label", "domain"])["lot"].rank(method="first")
    limit = {
        label: _limit(counts.to_list(), share)
        for label, counts in table.groupby("label")["domain"].value_counts().groupby(level=0)
    }
    return table[place <= table["label"].map(limit)]


def _limit(counts: list[int], share: float) -> int:
    """Largest limit on each count with which none exceeds ``share`` of what remains of all."""
    limit = max(counts)
    while limit > 1 and limit > share * sum(min(count, limit) for count in counts):
        limit -= 1
    return limit
