"""Small files as lines of one file, ``{"path": ..., "json": ...}`` or ``{..., "text": ...}``.

What :func:`ulmfit.store.files.write_json` wrote is kept as a value, so that a line can be read and
queried; it gives the same bytes again. Any other file is kept as its text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ulmfit.errors import UserError
from ulmfit.store.files import write_text

FOLDER = re.compile(r"(?:(?<=file://)|(?<![\w.:/<-]))/[A-Za-z][\w.+-]*/[^\s\"',;]*")
"""An absolute path of two parts or more, in a file URL too; not other URLs or relative paths."""


def read_records(results: Path, names: Iterable[str]) -> list[dict[str, Any]]:
    """The files ``names`` of a study as records, sorted by path.

    Raises UserError if one names a folder of the machine, which an archive must not tell.
    """
    records = []
    for name in sorted(names):
        text = _read(results / name)
        if place := machine_folder(text):
            raise UserError(
                f"{results / name} names the folder {place} of this machine, which no archive may "
                "tell: run the study with relative paths, then archive it"
            )
        records.append(_record(name, text))
    return records


def clean_logs(results: Path, names: Iterable[str]) -> tuple[list[str], list[str]]:
    """(logs that an archive may keep, logs that name folders of the machine)."""
    clean: list[str] = []
    telling: list[str] = []
    for name in names:
        (telling if machine_folder(_read(results / name)) else clean).append(name)
    return clean, telling


def machine_folder(text: str) -> str:
    """The first absolute path in a text; empty if there is none."""
    # JSON writes a line end as two characters, of which the second looks like part of a word.
    found = FOLDER.search(text.replace("\\n", " "))
    return found[0] if found else ""


def write_records(path: Path, records: Iterable[dict[str, Any]]) -> None:
    """Write records, one a line."""
    write_text(path, "".join(f"{_compact(record)}\n" for record in records))


def unpack_records(path: Path, results: Path) -> None:
    """Write the files of records below ``results``, byte for byte as they were."""
    for line in path.read_text(encoding="utf-8").split("\n")[:-1]:
        record = json.loads(line)
        text = _readable(record["json"]) if "json" in record else record["text"]
        write_text(inside(results, record["path"]), text)


def inside(folder: Path, name: str) -> Path:
    """A file below ``folder``; raises UserError for a name that leads out of it."""
    if name.startswith("/") or ".." in Path(name).parts:
        raise UserError(f"the archive names a file outside of its study, {name}: do not use it")
    return folder / name


def _record(name: str, text: str) -> dict[str, Any]:
    if name.endswith(".json"):
        value = json.loads(text)
        if _readable(value) == text:
            return {"path": name, "json": value}
    return {"path": name, "text": text}


def _readable(value: Any) -> str:
    """As :func:`ulmfit.store.files.write_json` writes, whose seal ``value`` still has."""
    return json.dumps(value, sort_keys=True, indent=1, ensure_ascii=False) + "\n"


def _compact(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _read(path: Path) -> str:
    try:
        # Not read_text: line ends stay as they are.
        return path.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not UTF-8 ({error}): delete it and run again") from error
