"""Write the archive of a study, and read it again: every file sealed by its SHA-256."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ulmfit.archive.contents import MANIFEST, PROVENANCE, contents
from ulmfit.archive.crate import INDEX, make_crate
from ulmfit.archive.predictions import join_predictions, unpack_predictions, write_joined
from ulmfit.archive.records import (
    clean_logs,
    inside,
    machine_folder,
    read_records,
    unpack_records,
    write_records,
)
from ulmfit.errors import UserError
from ulmfit.store.files import read_json, sha256, write_json

RECORDS = "records.jsonl"
FORMAT = 1
PLAIN = (MANIFEST, PROVENANCE)
"""Kept as files of their own, because readers look for them."""
JOINED = "predictions-"
"""Begins the name of joined predictions; the name of the data set ends it."""
AGAIN = "get it again (git checkout), or archive the study again"


def pack(results: Path, archive: Path) -> dict[str, Any]:
    """Write the record of a finished study into the folder ``archive``; its index without readers.

    Equal studies give equal bytes. Raises UserError if the study is not finished or damaged, or if
    a file of it names a folder of the machine.
    """
    found = contents(results)
    logs, telling = clean_logs(results, found.logs)
    records = read_records(results, [*found.records, *logs])
    for name in PLAIN:
        if place := machine_folder((results / name).read_text(encoding="utf-8")):
            raise UserError(f"{results / name} names the folder {place} of this machine")
        shutil.copyfile(results / name, archive / name)
    write_records(archive / RECORDS, records)
    # data/<dataset>/duplicates-<corpus>.parquet, one a corpus that some row was pretrained on.
    parts = {name: name.split("/") for name in found.duplicates}
    copied = {
        f"duplicates-{dataset}-{file.removeprefix('duplicates-')}": name
        for name, (_, dataset, file) in parts.items()
    }
    for name, source in copied.items():
        shutil.copyfile(results / source, archive / name)
    rows = 0
    for dataset, names in found.predictions.items():
        table = join_predictions(results, names)
        write_joined(archive / f"{JOINED}{dataset}.parquet", table)
        rows += len(table)
    return {
        "format": FORMAT,
        "study": found.manifest["study"],
        "title": found.manifest["title"],
        "runs": len(found.manifest["runs"]),
        "language_models": len(found.manifest["language_models"]),
        "predictions": rows,
        "records": len(records),
        "copied": copied,
        "left_out": telling,
    }


def seal(archive: Path, index: Mapping[str, Any]) -> None:
    """Write RO-Crate metadata and the index of an archive, with the digest of each of its files."""
    make_crate(archive, index)
    files = {
        path.name: {"bytes": path.stat().st_size, "sha256": sha256(path)}
        for path in sorted(archive.iterdir())
        if path.name != INDEX
    }
    write_json(archive / INDEX, {**index, "files": files})


def read_index(archive: Path) -> dict[str, Any]:
    """The index of an archive, every file checked; raises UserError for what is no archive."""
    if not (archive / INDEX).is_file():
        raise UserError(f"{archive} is no archive: it has no {INDEX}")
    try:
        index: dict[str, Any] = read_json(archive / INDEX)
    except UserError as error:
        raise UserError(f"the archive {archive} is damaged ({INDEX}): {AGAIN}") from error
    if index.get("format") != FORMAT:
        raise UserError(
            f"{archive} has format {index.get('format')}, this code reads format {FORMAT}: "
            "use the code that wrote it"
        )
    for name, facts in index["files"].items():
        path = inside(archive, name)
        if not path.is_file():
            raise UserError(f"the archive {archive} has lost {name}: {AGAIN}")
        if sha256(path) != facts["sha256"]:
            raise UserError(f"the archive {archive} is damaged ({name}): {AGAIN}")
    return index


def unpack(archive: Path, results: Path) -> dict[str, Any]:
    """Write the files of an archived study into the folder ``results``; returns the index."""
    index = read_index(archive)
    for name in PLAIN:
        shutil.copyfile(archive / name, results / name)
    unpack_records(archive / RECORDS, results)
    for name, place in index["copied"].items():
        target = inside(results, place)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(archive / name, target)
    for name in index["files"]:
        if name.startswith(JOINED):
            unpack_predictions(archive / name, results)
    return index
