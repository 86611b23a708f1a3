"""README.md and docs/results/ say what the archived studies say."""

from __future__ import annotations

import shutil
from pathlib import Path

from ulmfit.pages import fill_pages

ROOT = Path(__file__).parents[1]


def test_tables_of_the_pages_are_those_of_the_archives(tmp_path: Path) -> None:
    shutil.copy(ROOT / "README.md", tmp_path)
    shutil.copytree(ROOT / "docs/results", tmp_path / "results")
    pages = [tmp_path / "README.md", tmp_path / "results"]
    changed = fill_pages(pages, ROOT / "results/archive")
    assert changed == [], "make pages"
