"""Where a study's numbers come from: software, machine, code, texts, cost and test evaluations."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Iterable, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import ulmfit
from ulmfit.config import paths
from ulmfit.report.cards import STAGES, Trained, read_optional, trainings
from ulmfit.report.results import read_manifest
from ulmfit.store.files import canonical_json, digest, sha256, write_json

PACKAGES = (
    *("torch", "numpy", "safetensors", "snakemake", "spacy", "sentencepiece", "pandas"),
    *("pyarrow", "scikit-learn", "scipy", "networkx", "matplotlib", "jinja2", "typst", "pydantic"),
    "pyyaml",
)


def make_provenance(manifest: Path | str, results: Path | str, output: Path | str) -> Path:
    """Write ``provenance.json`` for a study, as ``provenance.schema.json`` beside this module says.

    Keys: ``packages`` (versions), ``python``, ``platform``, ``cpu``, ``cores``; ``code`` (commit
    and whether files were changed since) and ``code_date``; ``config_digest``,
    ``manifest_sha256``; ``devices``, ``commits`` and ``versions`` of the trainings with their
    numbers; ``cost`` of each stage and ``total`` (wall and CPU seconds, peak memory in MiB);
    ``disk_bytes`` by folder of ``results``; ``texts`` (what their ``source.json`` says);
    ``test_evaluations``.
    """
    content, results = read_manifest(manifest), Path(results)
    trained = trainings(content, results)
    write_json(
        output,
        {
            "study": content["study"],
            "config_digest": digest(content.get("config")),
            "manifest_sha256": sha256(manifest),
            "packages": {"ulmfit": ulmfit.__version__, **_versions(PACKAGES)},
            "python": platform.python_version(),
            "platform": _platform(),
            "cpu": cpu_name(),
            "cores": os.cpu_count(),
            "code": code_version(Path(__file__).parent),
            "code_date": code_date(Path(__file__).parent),
            "devices": _tally(trained, ("device", "device_name")),
            "commits": _tally(trained, ("commit", "dirty")),
            "versions": _tally(trained, ("versions",)),
            "cost": cost(trained),
            "disk_bytes": disk_use(results),
            "texts": {
                name: read_optional(results, text["source"])
                for name, text in content["texts"].items()
                if text.get("source")
            },
            "test_evaluations": _test_evaluations(content["runs"], results),
        },
    )
    return Path(output)


def _platform() -> str:
    """System, processor and C library; the kernel's own name may be that of a site."""
    return " ".join([platform.system(), platform.machine(), *platform.libc_ver()]).strip()


def cost(trained: Iterable[Trained]) -> dict[str, dict[str, float]]:
    """Jobs, wall and CPU seconds and the highest peak memory (MiB) of each stage, and in total."""
    table = {}
    every = list(trained)
    for name in (*STAGES, "total"):
        cards = [item.card for item in every if name in (item.stage, "total")]
        if cards:
            table[name] = {
                "jobs": len(cards),
                "wall_s": sum(card.get("wall_s") or 0.0 for card in cards),
                "cpu_s": sum(card.get("cpu_s") or 0.0 for card in cards),
                "peak_memory_mib": max(card.get("peak_memory_mib") or 0.0 for card in cards),
            }
    return table


def disk_use(results: Path) -> dict[str, int]:
    """Bytes of the files in each folder of ``results``; reports, whole or so far, do not count."""
    use: dict[str, int] = {}
    for folder, _, files in os.walk(results):
        stage = Path(folder).relative_to(results).parts[:1]
        # A name that begins with a dot is what another process has not finished.
        if stage and stage[0] not in ("report", paths.SO_FAR) and stage[0][0] != ".":
            size = sum(os.lstat(os.path.join(folder, name)).st_size for name in files)
            use[stage[0]] = use.get(stage[0], 0) + size
    return use


def cpu_name() -> str:
    """What the processor calls itself; empty where the system does not say."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            for line in file:
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor()


def code_version(folder: Path) -> dict[str, Any]:
    """Commit of the repository that holds this code, and whether tracked files differ from it.

    Both are None where the code does not lie in a repository, or git is missing.
    """
    try:
        _git(folder, "ls-files", "--error-unmatch", Path(__file__).name)
        commit = _git(folder, "rev-parse", "HEAD")
        dirty = bool(_git(folder, "status", "--porcelain", "--untracked-files=no"))
    except (OSError, subprocess.CalledProcessError):
        return {"commit": None, "dirty": None}
    return {"commit": commit, "dirty": dirty}


def code_date(folder: Path) -> str | None:
    """When the commit of :func:`code_version` was made, ISO 8601; None where there is none."""
    if code_version(folder)["commit"] is None:
        return None
    return _git(folder, "show", "--no-patch", "--format=%cI", "HEAD")


def _git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def _versions(names: Iterable[str]) -> dict[str, str]:
    found = {}
    for name in names:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def _tally(trained: Iterable[Trained], keys: tuple[str, ...]) -> list[dict[str, Any]]:
    """Distinct values of some keys of the cards, each with the number of trainings."""
    table: dict[str, dict[str, Any]] = {}
    for item in trained:
        values = {key: item.card.get(key) for key in keys}
        row = table.setdefault(canonical_json(values), {**values, "jobs": 0})
        row["jobs"] += 1
    return list(table.values())


def _test_evaluations(runs: Iterable[Mapping[str, Any]], results: Path) -> dict[str, Any]:
    """How often predictions of each run were compared with the labels of the sealed test fold."""
    counts = {
        run["path"]: metrics.get("test_evaluations", 1)
        for run in runs
        if (metrics := read_optional(results / run["path"], "test/metrics.json")) is not None
    }
    return {"total": sum(counts.values()), "runs": counts}
