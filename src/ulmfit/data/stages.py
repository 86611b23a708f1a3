"""The two stages of this room, files in and files out: ``documents`` and ``folds``."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ulmfit.config.recipes import from_json, to_dict
from ulmfit.config.sources import SOURCE_OPTIONS, Folds
from ulmfit.data import (
    documents,
    folder,
    folds,
    imdb,
    prose,
    sections,
    tables,
    trec,
    wikipedia,
    zhang,
)
from ulmfit.errors import UserError
from ulmfit.store.files import read_json, sha256, write_json
from ulmfit.store.tables import DOCUMENT_COLUMNS, read_table, write_table

if TYPE_CHECKING:
    import pandas as pd

Read = Callable[[Any, Mapping[str, Path]], tuple["pd.DataFrame", dict[str, Any]]]
"""From validated options and files to a documents table and the facts only the source knows.

The table may have the column ``documents.PLACE``, for messages.
"""

SOURCES: dict[str, Read] = {
    "docstrings-sections": lambda options, _: sections.documents(options),
    "docstrings-prose": lambda options, _: prose.documents(options),
    "trec": trec.documents,
    "imdb": imdb.documents,
    "zhang-csv": zhang.documents,
    "wikitext": wikipedia.wikitext,
    "wiki-shards": wikipedia.shards,
    "table": tables.documents,
    "folder": folder.documents,
}

DIGESTS = {64: "sha256", 32: "md5"}
"""Which digest it is, by its hexadecimal digits."""


def make_documents(
    source: str,
    options_json: str,
    files: Mapping[str, Path],
    output: Path,
    provenance: Path,
    digests_json: str = "{}",
) -> None:
    """Read a source and write its ``documents.parquet`` and ``source.json``.

    ``digests_json`` holds, by the key of a file, the SHA-256 or MD5 digests of its published forms;
    a published file that has none of them is refused before it is read. Own files have none.
    """
    if source not in SOURCES:
        raise UserError(f"no source {source!r}: choose one of {', '.join(sorted(SOURCES))}")
    for key, path in files.items():
        what = "folder" if source == "folder" else "file"
        if not (path.is_dir() if what == "folder" else path.is_file()):
            raise UserError(f"{path}: no such {what} (files.{key} of source {source!r})")
    _check_published(files, json.loads(digests_json))
    options: Any = from_json(SOURCE_OPTIONS[source], options_json)
    table, facts = SOURCES[source](options, files)
    documents.check(table)
    table = table.drop(columns=documents.PLACE, errors="ignore")
    write_table(output, table)
    if files and "files" not in facts:
        facts["files"] = {
            key: {"name": path.name, "bytes": path.stat().st_size, "sha256": sha256(path)}
            for key, path in files.items()
        }
    write_json(
        provenance,
        {
            "source": source,
            "options": to_dict(options),
            "python": ".".join(platform.python_version_tuple()[:2]),
            **documents.describe(table),
            **facts,
        },
    )


def _check_published(files: Mapping[str, Path], digests: Mapping[str, Sequence[str]]) -> None:
    """Raise UserError for a published file that was damaged or replaced since it was fetched."""
    for key, path in files.items():
        found = ""
        for known in digests.get(key, ()):
            # What the workflow holds in place of the digest of an own file is shorter than these.
            if name := DIGESTS.get(len(known)):
                with open(path, "rb") as file:
                    found = hashlib.file_digest(file, name).hexdigest()
                if found == known:
                    break
        else:
            if found:
                raise UserError(
                    f"{path} is not the published file (sha256 {sha256(path)}): "
                    "delete it and run again"
                )


def make_folds(
    documents: Path, options_json: str, split_seed: int, output: Path, summary: Path
) -> None:
    """Divide documents into folds; write ``folds.parquet`` and ``folds.json``."""
    table = read_table(documents, DOCUMENT_COLUMNS)
    options = from_json(Folds, options_json)
    division = folds.divide(table, options, split_seed)
    write_table(output, division)
    write_json(
        summary,
        {
            "documents_sha256": sha256(documents),
            "options": to_dict(options),
            "split_seed": split_seed,
            **folds.describe(table, division, options),
        },
    )


def check_tested(summary: Path) -> None:
    """Raise UserError unless the folds in ``folds.json`` have test documents.

    Not all sources tell before they are read, and nothing else would miss them until all models
    are trained.
    """
    if "test" not in read_json(summary)["folds"]:
        raise UserError(
            f"{summary.parent.name}: an experiment shows the fold test, but there are no test "
            "documents: give the dataset `folds: {test: ...}`"
        )
