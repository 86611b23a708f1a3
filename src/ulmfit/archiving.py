"""Archive a study, and get its tables, figures and report back without training."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatch
from importlib import metadata
from pathlib import Path
from typing import Any

from ulmfit.archive.contents import MANIFEST, PROVENANCE, reader_files
from ulmfit.archive.crate import INDEX
from ulmfit.archive.pack import pack, seal, unpack
from ulmfit.config import paths
from ulmfit.errors import UserError
from ulmfit.readers import make_readers
from ulmfit.store.files import read_json, sha256
from ulmfit.store.folders import replaced

PAGES = "report/*.html"
"""May show text of documents, which no archive has, and logs, of which it may leave some out."""
DRAWN_BY = ("matplotlib", "numpy", "pandas", "scipy", "jinja2", "pyarrow", "typst")
SHOWN = 5


def archive_study(results: Path, archive: Path) -> dict[str, Any]:
    """Write the archive of a finished study into the folder ``archive``; returns its index.

    It is read back first, in a folder of its own: an archive that does not give the tables and
    figures of ``results`` byte for byte is not written. Pages of the report that show what no
    archive has are made once more with that beside it, and must then be those of ``results``, byte
    for byte too; they are listed in ``without_text``. ``readers`` has the digest of what the
    archive gives. Raises UserError for a study that is not finished, or whose tables, figures or
    report are not those of its runs and of this code.
    """
    with replaced(archive, INDEX) as new, tempfile.TemporaryDirectory() as folder:
        index = pack(results, new)
        seal(new, index)
        again = Path(folder) / results.name
        again.mkdir()
        unpack(new, again)
        make_readers(again)
        before, after = _digests(results), _digests(again)
        differing = _differing(before, after)
        stale = [name for name in differing if not fnmatch(name, PAGES)]
        if differing and not stale:
            _add_left_out(results, again, index["left_out"])
            make_readers(again)
            stale = _differing(before, _digests(again))
        if stale:
            raise UserError(
                f"{results}: {_some(stale)} would not come back as they are, so they are not made "
                "from the runs and logs that lie there, or by other versions: make them again "
                "(make study, with --forcerun tables), delete what the study no longer makes, then "
                "archive it"
            )
        (new / INDEX).unlink()
        seal(new, {**index, "readers": after, "without_text": differing})
        size = sum(path.stat().st_size for path in new.iterdir())
    return {**index, "readers": after, "without_text": differing, "bytes": size}


def restore(archive: Path, results: Path) -> dict[str, Any]:
    """Make tables, figures and report of an archived study in the folder ``results``.

    What an earlier call made there is replaced; a folder with anything else is left as it is, so no
    study that somebody trains is touched. Returns the index. Raises UserError if the archive is
    damaged, or, once all is written, if a file has not the bytes that the archive tells.
    """
    with replaced(results, INDEX) as new:
        index = unpack(archive, new)
        make_readers(new)
        (new / INDEX).write_bytes((archive / INDEX).read_bytes())
        made = _digests(new)
    told = index["readers"]
    if differing := _differing(made, told):
        raise UserError(
            f"{results}: {_some(differing)} ({len(differing)} of {len(told)}) differ from the "
            f"study's{_versions(read_json(archive / PROVENANCE)['packages'])}"
        )
    return index


def archives(folder: Path) -> list[Path]:
    """The archives in a folder; raises UserError if there are none."""
    found = sorted(path.parent for path in folder.glob(f"*/{INDEX}"))
    if not found:
        raise UserError(f"{folder} has no archive: make one with make archive")
    return found


def _digests(results: Path) -> dict[str, str]:
    return {name: sha256(results / name) for name in reader_files(results)}


def _differing(one: Mapping[str, str], other: Mapping[str, str]) -> list[str]:
    """Names whose digests differ, or that only one has, sorted."""
    return sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name))


def _add_left_out(results: Path, again: Path, logs: Iterable[str]) -> None:
    """Link what the report of ``results`` shows and no archive keeps: texts, some logs."""
    texts = read_json(results / MANIFEST)["texts"]
    for name in (*(paths.DOCUMENTS.format(text=text) for text in texts), *logs):
        if (results / name).exists():
            (again / name).parent.mkdir(parents=True, exist_ok=True)
            (again / name).symlink_to((results / name).resolve())


def _some(names: Sequence[str]) -> str:
    more = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {more} more" if more > 0 else "")


def _versions(recorded: dict[str, str]) -> str:
    """Packages that are not those of the study, in words."""
    other = []
    for name in DRAWN_BY:
        try:
            here = metadata.version(name)
        except metadata.PackageNotFoundError:
            here = "none"
        if name in recorded and recorded[name] != here:
            other.append(f"{name} {recorded[name]} there, {here} here")
    return f": {', '.join(other)}" if other else ": the code is another than the study's"
