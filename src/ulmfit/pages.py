"""Fill the tables of README.md and docs/results/ from the archived studies."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from ulmfit.archive.crate import INDEX
from ulmfit.archive.pack import unpack
from ulmfit.errors import UserError
from ulmfit.evaluate.tables import make_tables
from ulmfit.report.pages import fill, wanted
from ulmfit.report.results import Study, read_study
from ulmfit.store.files import write_text


def fill_pages(pages: Sequence[Path], archives: Path) -> list[Path]:
    """Make the tables of Markdown pages anew; returns the pages that changed, which are written.

    ``pages`` are files, or folders of which every ``*.md`` counts. Studies are read from their
    archives in the folder ``archives``, so a page says what anybody can make again. Nothing is
    written unless every page can be filled. Raises UserError for a page or an archive that is
    missing or damaged, or for a table that a page asks for and no study has.
    """
    texts = {path: _read(path) for page in pages for path in _files(page)}
    names = set().union(*(wanted(text, str(path)) for path, text in texts.items()))
    studies = {
        name: _study(archives / name)
        for name in sorted(names)
        if (archives / name / INDEX).exists()
    }
    filled = {path: fill(text, studies, str(path)) for path, text in texts.items()}
    changed = [path for path, text in filled.items() if text != texts[path]]
    for path in changed:
        write_text(path, filled[path])
    return changed


def _files(page: Path) -> list[Path]:
    return sorted(page.glob("*.md")) if page.is_dir() else [page]


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"cannot read {path}: {error}: name a Markdown page or a folder") from error


def _study(archive: Path) -> Study:
    with tempfile.TemporaryDirectory() as folder:
        results = Path(folder)
        unpack(archive, results)
        make_tables(results / "manifest.json", results, results / "tables")
        return read_study(results / "manifest.json", results / "tables")
