"""Which files of a study its archive keeps: what readers are made from, no text, no weights."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ulmfit.config import paths
from ulmfit.errors import UserError
from ulmfit.store.files import read_json

MANIFEST = "manifest.json"
PROVENANCE = "provenance.json"
READERS = ("tables", "figures", "report")
"""Folders of what readers see, made again from an archive."""
BEFORE_TEST = "tables/before_test.csv"
"""Written before the test fold was opened: a record, not something to make again."""
OF_MODEL = ("card.json", "history.csv")
OF_RUN = (*OF_MODEL, "metrics.json", "test/metrics.json", "test/evaluations.log")
SHOWN_MISSING = 5


@dataclass(frozen=True)
class Contents:
    """Files of a finished study, relative to its results.

    ``records`` are kept as they are, JSON and text; ``logs`` too, unless they name folders of the
    machine; ``predictions`` by data set are joined in one table each, ``duplicates`` are copied.
    """

    manifest: Mapping[str, Any]
    records: tuple[str, ...]
    logs: tuple[str, ...]
    predictions: Mapping[str, tuple[str, ...]]
    duplicates: tuple[str, ...]


def contents(results: Path) -> Contents:
    """What an archive of the study in ``results`` keeps; UserError if the study is not finished."""
    manifest = read_json(results / MANIFEST)
    runs, models = manifest["runs"], manifest["language_models"]
    _require(results, _needed(manifest))
    records = [BEFORE_TEST, *(entry["path"] for entry in manifest["leakage"])]
    records += [text[key] for text in manifest["texts"].values() for key in ("source", "folds")]
    records += [f"{model['path']}/{name}" for model in models for name in OF_MODEL]
    records += [f"{run['path']}/{name}" for run in runs for name in OF_RUN]
    records += _below(results, "tokens", "tokens.json")
    duplicates = [
        paths.DUPLICATES.format(dataset=entry["dataset"], corpus=entry["corpus"])
        for entry in manifest["leakage"]
    ]
    predictions: dict[str, list[str]] = {}
    for run in runs:
        for name in ("predictions.parquet", "test/predictions.parquet"):
            predictions.setdefault(run["dataset"], []).append(f"{run['path']}/{name}")
    return Contents(
        manifest=manifest,
        records=_present(results, records),
        logs=_present(results, [paths.LOG.format(job=item["path"]) for item in (*models, *runs)]),
        predictions={name: _present(results, files) for name, files in predictions.items()},
        duplicates=_present(results, duplicates),
    )


def reader_files(results: Path) -> list[str]:
    """What readers see, relative to ``results``, sorted."""
    return sorted(name for folder in READERS for name in _below(results, folder, "*"))


def _needed(manifest: Mapping[str, Any]) -> Iterable[str]:
    yield from (PROVENANCE, "tables/runs.csv", "figures/figures.json", "report/report.html")
    unsealed = set(manifest["unsealed"])
    for run in manifest["runs"]:
        for folder in ("", "test/") if run["path"] in unsealed else ("",):
            yield f"{run['path']}/{folder}metrics.json"
            yield f"{run['path']}/{folder}predictions.parquet"
        if run["kind"] == "model":
            yield f"{run['path']}/history.csv"
    for model in manifest["language_models"]:
        yield from (f"{model['path']}/{name}" for name in OF_MODEL)
    yield from (entry["path"] for entry in manifest["leakage"])


def _require(results: Path, names: Iterable[str]) -> None:
    missing = [name for name in dict.fromkeys(names) if not (results / name).exists()]
    if missing:
        more = len(missing) - SHOWN_MISSING
        raise UserError(
            f"{results} is not a finished study, {len(missing)} of its files are missing: "
            f"{', '.join(missing[:SHOWN_MISSING])}{f' and {more} more' if more > 0 else ''}: "
            "finish it with make study, then archive it"
        )


def _present(results: Path, names: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted({name for name in names if (results / name).is_file()}))


def _below(results: Path, folder: str, pattern: str) -> list[str]:
    found = (results / folder).rglob(pattern)
    return [
        path.relative_to(results).as_posix()
        for path in found
        if path.is_file() and not path.name.startswith(".")
    ]
