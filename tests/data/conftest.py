from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from ulmfit.config.recipes import to_dict
from ulmfit.config.sources import SOURCE_OPTIONS
from ulmfit.data.stages import make_documents
from ulmfit.store.tables import DOCUMENT_COLUMNS, read_table

Install = Callable[[str, dict[str, str]], Path]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Install a distribution of these files (path: source) where importlib.metadata finds it."""
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(str(site))

    def write(name: str, files: dict[str, str]) -> Path:
        info = site / f"{name}-1.2.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\n")
        (info / "RECORD").write_text("".join(f"{path},,\n" for path in files))
        for path, source in files.items():
            (site / path).parent.mkdir(parents=True, exist_ok=True)
            (site / path).write_text(source, encoding="utf-8")
        return site

    return write


@pytest.fixture
def read(tmp_path):
    """Documents of a source, from the content of its files by name: ``key.suffix``."""

    def documents(source, contents, **options):
        files = {}
        for name, content in contents.items():
            files[name.split(".")[0]] = tmp_path / name
            content = content.encode() if isinstance(content, str) else content
            (tmp_path / name).write_bytes(content)
        values = json.dumps(to_dict(SOURCE_OPTIONS[source](**options)))
        output = tmp_path / "documents.parquet"
        make_documents(source, values, files, output, tmp_path / "source.json")
        return read_table(output, DOCUMENT_COLUMNS)

    return documents
