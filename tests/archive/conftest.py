"""The invented study with all that readers see, and its archive; made once a session."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from synthetic_results import SyntheticResults, write_synthetic_results
from ulmfit import readers
from ulmfit.archiving import archive_study
from ulmfit.evaluate.tables import write_before_test
from ulmfit.report.provenance import make_provenance
from ulmfit.store.files import read_json
from ulmfit.store.tables import write_table

TEXT = "a sentence of a document"


def sketch(results: Path) -> None:
    """Stand in for figures and report, which take seconds."""
    for name in ("figures/figures.json", "report/report.html"):
        (results / name).parent.mkdir(exist_ok=True)
        (results / name).write_text("[]")


LIGHT = (readers._tables, sketch)


def write_study(base: Path, synthetic: Path) -> Path:
    """A finished study with text, weights and logs beside its runs."""
    results = base / "results" / "synthetic"
    shutil.copytree(synthetic, results)
    manifest = read_json(results / "manifest.json")
    documents = {"id": ["d00001"], "split": ["test"], "label": ["note"], "group": ["g"]}
    write_table(
        results / "data/docstrings/documents.parquet", pd.DataFrame({**documents, "text": [TEXT]})
    )
    for run in manifest["runs"]:
        (results / run["path"] / "model.safetensors").write_text("weights")
        (results / run["path"] / "vocabulary.txt").write_text(TEXT)
        log = results / "logs" / f"{run['path']}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text("epoch 1, stage head\n")
    for path in manifest["unsealed"]:
        (results / path / "test" / "evaluations.log").write_text("one\n")
    with contextlib.chdir(base):
        write_before_test(
            Path("results/synthetic/manifest.json"),
            Path("results/synthetic/tables/before_test.csv"),
        )
    make_provenance(results / "manifest.json", results, results / "provenance.json")
    readers.make_readers(results)
    return results


@pytest.fixture(scope="session")
def study(synthetic_results: SyntheticResults, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished study: read it, do not change it."""
    return write_study(tmp_path_factory.mktemp("finished"), synthetic_results.results)


@pytest.fixture
def two_corpora(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished study of which some rows were pretrained on another corpus."""
    made = write_synthetic_results(tmp_path_factory.mktemp("synthetic"), second_corpus=True)
    return write_study(tmp_path_factory.mktemp("finished"), made.results)


@pytest.fixture(scope="session")
def archive(study: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The archive of that study: read it, do not change it."""
    folder = tmp_path_factory.mktemp("archives") / "synthetic"
    archive_study(study, folder)
    return folder


@pytest.fixture(scope="session")
def light_files(
    synthetic_results: SyntheticResults, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Path]:
    """(study, archive) with tables and sketches of figures and report."""
    base = tmp_path_factory.mktemp("light")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(readers, "READERS", LIGHT)
        results = write_study(base, synthetic_results.results)
        archive_study(results, base / "archive")
    return results, base / "archive"


@pytest.fixture
def changed(
    light_files: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[], Path]:
    """A copy of the light study to change."""
    monkeypatch.setattr(readers, "READERS", LIGHT)

    def copy() -> Path:
        return Path(shutil.copytree(light_files[0], tmp_path / "results" / "synthetic"))

    return copy


@pytest.fixture
def damaged(
    light_files: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """A copy of the light archive to damage."""
    monkeypatch.setattr(readers, "READERS", LIGHT)
    return Path(shutil.copytree(light_files[1], tmp_path / "damaged"))
