"""The user's own folder of text files: one a document, split and class told by its folders."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from ulmfit.config.sources import Folder
from ulmfit.data.decoding import check_encoding, decode
from ulmfit.data.documents import PLACE
from ulmfit.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

SPLITS = ("train", "test")
UNLABELLED = ("unlabelled", "unsup")
SUFFIX = ".txt"


def documents(options: Folder, files: Mapping[str, Path]) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Text files below ``folder`` in the order of their paths, which are their ids.

    The layout is ``<split>/<label>/<file>.txt``, or ``<label>/<file>.txt`` where no folder is
    called train or test; ``unlabelled`` and ``unsup`` may stand in place of a label or a split.
    Raises UserError for a text file elsewhere, a link out of the folder, and what is no text.
    """
    import pandas as pd

    check_encoding(options.encoding)
    root = files["folder"]
    found = sorted(_files(root), key=str)
    if not found:
        raise UserError(f"{root}: no file *{SUFFIX} in it: name the folder above your classes")
    split = any(place.parts[0] in SPLITS for place in found)
    rows = []
    total, digest = 0, hashlib.sha256()
    for place in found:
        content = (root / place).read_bytes()
        total += len(content)
        digest.update(f"{place}\0{hashlib.sha256(content).hexdigest()}\n".encode())
        text = decode(content, options.encoding, str(root / place))
        text = text.replace("\r\n", "\n").replace("\r", "\n").strip()
        what = _split_and_label(place, split, root) if options.labelled else ("train", None)
        rows.append((str(place.with_suffix("")), *what, None, text, str(root / place)))
    table = pd.DataFrame(rows, columns=["id", "split", "label", "group", "text", PLACE])
    facts = {"name": root.name, "files": len(found), "bytes": total, "sha256": digest.hexdigest()}
    return table, {"files": {"folder": facts}}


def _split_and_label(place: PurePosixPath, split_first: bool, root: Path) -> tuple[str, str | None]:
    match place.parts[:-1]:
        case (kind,) if kind in UNLABELLED:
            return "unlabelled", None
        case (split, kind) if split_first and split in SPLITS and kind in UNLABELLED:
            return "unlabelled", None
        case (split, label) if split_first and split in SPLITS:
            return split, label
        case (label,) if not split_first:
            return "train", label
    layout = f"{'train|test/' if split_first else ''}<label>/<file>{SUFFIX}"
    raise UserError(
        f"{root / place}: in no folder of a class: move it to {layout} or {UNLABELLED[0]}/, "
        "or take it out"
    )


def _files(root: Path) -> Iterator[PurePosixPath]:
    """Places of the text files below ``root``; hidden ones are no documents."""
    inside = root.resolve()
    for folder, folders, names in os.walk(root, onerror=_unreadable):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in (*folders, *names):
            path = Path(folder, name)
            is_text = name in names and path.suffix.lower() == SUFFIX and name[0] != "."
            if path.is_symlink() and (name in folders or is_text):
                target = path.resolve()
                if not target.is_relative_to(inside):
                    raise UserError(f"{path}: a link out of {root}: not read; copy what it shows")
                if name in folders:
                    raise UserError(f"{path}: a link to a folder: not followed; move the folder")
            if is_text:
                yield _place(path, root)


def _place(path: Path, root: Path) -> PurePosixPath:
    if not path.is_file():
        raise UserError(f"{path}: not a file: take it out of {root}")
    place = PurePosixPath(path.relative_to(root).as_posix())
    try:
        str(place).encode()
    except UnicodeEncodeError as error:
        raise UserError(
            f"{root}: the name {os.fsencode(path)!r} is not UTF-8: rename it"
        ) from error
    return place


def _unreadable(error: OSError) -> None:
    raise UserError(f"{error.filename} cannot be read: {error.strerror}") from error
