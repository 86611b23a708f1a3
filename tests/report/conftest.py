"""A finished report of the invented study and of the crowded one, made once a session."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from crowded_study import write_crowded_study
from finished_study import finish

from synthetic_results import SyntheticResults
from ulmfit.store.files import read_json, write_json


@pytest.fixture(scope="session")
def reported(synthetic_results: SyntheticResults, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the invented study with everything the report room makes."""
    results = tmp_path_factory.mktemp("reported") / "synthetic"
    shutil.copytree(synthetic_results.results, results)
    finish(results)
    return results


@pytest.fixture(scope="session")
def crowded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The crowded study with everything the report room makes."""
    results = tmp_path_factory.mktemp("crowded") / "crowded"
    write_crowded_study(results)
    finish(results)
    return results


@pytest.fixture
def changed(synthetic_results: SyntheticResults, tmp_path: Path) -> Callable[..., Path]:
    """Copy the invented study and change its manifest with functions; return the copy."""

    def copy(*changes: Callable[[dict[str, Any]], None]) -> Path:
        results = tmp_path / "study"
        shutil.copytree(synthetic_results.results, results)
        manifest = read_json(results / "manifest.json")
        for change in changes:
            change(manifest)
        write_json(results / "manifest.json", manifest)
        return results

    return copy
