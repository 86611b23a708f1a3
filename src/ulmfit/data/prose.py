"""Source ``docstrings-prose``: running English of docstrings, a corpus for pretraining."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from ulmfit.config.sources import DocstringProse
from ulmfit.data import rst
from ulmfit.data.docstrings import docstrings, modules, versions
from ulmfit.data.duplicates import lottery, normalised
from ulmfit.store.progress import progress

if TYPE_CHECKING:
    import pandas as pd

# ``Args:``, ``name (type): text``, ``:param name: text``, and ``name : type`` over a description
GOOGLE_HEADING = re.compile(r"\s*[A-Z][A-Za-z ]{2,20}:\s*")
GOOGLE_ENTRY = re.compile(r"(\s*)\*{0,2}[\w.`]+ ?\([^)]*\):\s+(?=\S)|(\s+)\*{0,2}[\w.`]+:\s+(?=\S)")
SPHINX_ENTRY = re.compile(r"(\s*):(?:param|type|returns?|rtype|raises)\b[^:]*:\s+(?=\S)")
NUMPYDOC_ENTRY = re.compile(r"\s*[\w*.`, ]+ ?: \S")
UNDERLINE = re.compile(r"\s*([-=~^*])\1{2,}\s*")


def prose(text: str) -> Iterator[str]:
    """English paragraphs of a docstring in numpydoc, Google or Sphinx style, without its frame.

    Headings, names and types of arguments go; what is said of them stays.
    """
    lines: list[str] = []
    for line, below in pairwise([*text.splitlines(), ""]):
        deeper = bool(below.strip()) and rst.indentation(below) > rst.indentation(line)
        entry = GOOGLE_ENTRY.match(line) or SPHINX_ENTRY.match(line)
        heading = UNDERLINE.fullmatch(line) or (line.strip() and UNDERLINE.fullmatch(below))
        if heading or (deeper and (GOOGLE_HEADING.fullmatch(line) or NUMPYDOC_ENTRY.match(line))):
            lines.append("")
        elif entry:
            lines += ["", " " * rst.indentation(line) + line[entry.end() :]]
        else:
            lines.append(line)
    return rst.paragraphs(lines)


def documents(options: DocstringProse) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Documents of the corpus, one a docstring, and what was read and removed.

    Each paragraph is kept once. Where a distribution has more text than ``max_tokens``, its
    modules are drawn whole. ``group`` is the module, ``domain`` the distribution.
    """
    import pandas as pd

    seen: set[str] = set()
    tokens: Counter[str] = Counter()
    removed = Counter({"copied paragraphs": 0, "modules over the limit": 0})
    rows = []
    files = sorted(modules(options.distributions), key=lambda module: lottery(module.name))
    for module in progress(files, len(files), "docstrings"):
        if options.max_tokens and tokens[module.distribution] >= options.max_tokens:
            removed["modules over the limit"] += 1
            continue
        for number, docstring in enumerate(docstrings([module])):
            kept = []
            for paragraph in prose(docstring.text):
                size = rst.count_tokens(paragraph)
                if size < options.min_tokens:
                    continue
                if (key := normalised(paragraph)) in seen:
                    removed["copied paragraphs"] += 1
                    continue
                seen.add(key)
                kept.append(paragraph)
                tokens[module.distribution] += size
            if kept:
                identity = f"{module.name}:{docstring.name}:{number}"
                rows.append((identity, module.name, module.distribution, " ".join(kept)))
    table = pd.DataFrame(rows, columns=["id", "group", "domain", "text"])
    table = table.sort_values("id", ignore_index=True)
    table.insert(1, "split", "train")
    table.insert(2, "label", pd.Series([None] * len(table), dtype="string"))
    return table, {"distributions": versions(options.distributions), "removed": dict(removed)}
