"""The two stages of this room, files in and files out: ``documents`` and ``folds``."""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping
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
"""From validated options and files to a documents table and the facts only the source knows."""

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


def make_documents(
    source: str, options_json: str, files: Mapping[str, Path], output: Path, provenance: Path
) -> None:
    """Read a source and write its ``documents.parquet`` and ``source.json``."""
    if source not in SOURCES:
        raise UserError(f"no source {source!r}: choose one of {', '.join(sorted(SOURCES))}")
    for key, path in files.items():
        what = "folder" if source == "folder" else "file"
        if not (path.is_dir() if what == "folder" else path.is_file()):
            raise UserError(f"{path}: no such {what} (files.{key} of source {source!r})")
    options: Any = from_json(SOURCE_OPTIONS[source], options_json)
    table, facts = SOURCES[source](options, files)
    documents.check(table)
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
