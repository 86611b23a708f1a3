"""Pages of the repository whose tables come from studies: text in between stays as it is.

A page says where a table belongs, in comments that its readers do not see::

    <!-- table trec6 main -->
    (what `tables/main.md` of the study `trec6` says)
    <!-- end -->

    <!-- techniques docstrings trec6 -->
    (one line for each technique, one column for each study)
    <!-- end -->
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from ulmfit.config.validation import nearest
from ulmfit.errors import UserError
from ulmfit.report.results import Study
from ulmfit.report.tables import markdown, standing_alone
from ulmfit.report.techniques import techniques_table

BLOCK = re.compile(
    r"^<!-- (?P<kind>table|techniques) (?P<names>[^\n]*?) -->\n(?P<body>.*?)^<!-- end -->$",
    re.MULTILINE | re.DOTALL,
)
BEGIN = re.compile(r"^<!-- (?:table|techniques)\b[^\n]*$", re.MULTILINE)
END = "<!-- end -->"


def wanted(page: str, where: str) -> set[str]:
    """Names of the studies that a page shows; raises UserError for a block without an end."""
    blocks = list(BLOCK.finditer(page))
    if any(BEGIN.search(block["body"]) for block in blocks) or len(blocks) < len(
        BEGIN.findall(page)
    ):
        raise UserError(f"{where}: a table begins and does not end: add {END} below it")
    return {name for block in blocks for name in _studies(block, where)}


def fill(page: str, studies: Mapping[str, Study], where: str) -> str:
    """The page with every block made anew; raises UserError for a name that no study has."""

    def made(block: re.Match[str]) -> str:
        names = block["names"].split()
        head = f"<!-- {block['kind']} {' '.join(names)} -->"
        if block["kind"] == "table":
            body = _table(_known(names[0], studies, where), names[1], where)
        else:
            body = techniques_table([_known(name, studies, where) for name in names])
        return f"{head}\n{body}{END}"

    wanted(page, where)
    return BLOCK.sub(made, page)


def _studies(block: re.Match[str], where: str) -> list[str]:
    names = block["names"].split()
    if not names:
        raise UserError(f"{where}: name the studies: <!-- techniques STUDY ... -->")
    if block["kind"] == "table" and len(names) != 2:
        raise UserError(f"{where}: write <!-- table STUDY TABLE -->, not {block['names']!r}")
    return names[:1] if block["kind"] == "table" else names


def _known(name: str, studies: Mapping[str, Study], where: str) -> Study:
    if name not in studies:
        raise UserError(f"{where}: no study {name!r} is archived: {nearest(name, studies)}")
    return studies[name]


def _table(study: Study, name: str, where: str) -> str:
    sheets = {sheet.name: sheet for sheet in standing_alone(study)}
    if name not in sheets:
        raise UserError(
            f"{where}: study {study.manifest['study']} has no table {name!r}"
            f": {nearest(name, sheets)}"
        )
    return markdown(sheets[name])
