"""What stands behind a study's numbers: its size, its texts, software, machine and code."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ulmfit.report import wording
from ulmfit.report.cards import read_optional
from ulmfit.report.facts import Facts, facts
from ulmfit.report.results import Study


def headline(study: Study, provenance: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What the study is in a few lines: names and texts, those without a text left out."""
    total = provenance["cost"].get("total", {})
    commit, dirty = provenance["code"]["commit"], provenance["code"]["dirty"]
    lines = [
        ("Study", study.manifest["study"]),
        ("Preset", study.manifest.get("preset", {}).get("title", "")),
        ("Runs", wording.count(len(study.manifest["runs"]))),
        ("Language models", wording.count(len(study.manifest["language_models"]))),
        ("CPU time of training", wording.duration(total.get("cpu_s"))),
        ("Test evaluations", wording.count(provenance["test_evaluations"]["total"])),
        ("Code", f"{commit[:12]}{' with changes' if dirty else ''}" if commit else ""),
        ("Configuration", provenance["config_digest"]),
    ]
    return [(name, text) for name, text in lines if text]


def texts(study: Study, results: Path) -> list[dict[str, Any]]:
    """Each corpus and data set: title, role, terms of use, facts of its source and its folds.

    ``packages`` are the installed ones, with versions, whose documentation the text is, if it is.
    """
    found = []
    for name, text in study.manifest["texts"].items():
        source = read_optional(results, text["source"]) if text.get("source") else None
        folds = read_optional(results, text["folds"]) if text.get("folds") else None
        found.append(
            {
                "name": name,
                "title": text.get("title") or name,
                "role": text["role"],
                "terms": facts({key: text.get(key) for key in ("citation", "licence")}),
                "source": facts(source),
                "folds": facts(folds),
                "packages": (source or {}).get("distributions") or {},
            }
        )
    return found


def environment(provenance: Mapping[str, Any]) -> Facts:
    """Software and machine of the report, and those of all trainings with their numbers."""
    keys = ("packages", "python", "platform", "cpu", "cores", "config_digest", "manifest_sha256")
    lists = {
        f"trainings by {name}": {
            _label(row): f"({wording.plural(row['jobs'], 'training')})" for row in provenance[key]
        }
        for name, key in (("device", "devices"), ("commit", "commits"), ("versions", "versions"))
    }
    code = {"code": _label(provenance["code"])}
    return facts({**{key: provenance[key] for key in keys}, **code, **lists})


def _label(row: Mapping[str, Any]) -> str:
    parts = []
    for key, value in row.items():
        if isinstance(value, Mapping):
            parts.append(" ".join(f"{name} {version}" for name, version in value.items()))
        elif isinstance(value, bool):
            parts.append("with changes" if value else "unchanged")
        elif value is not None and key != "jobs":
            parts.append(str(value))
    return ", ".join(parts) or "not recorded"
