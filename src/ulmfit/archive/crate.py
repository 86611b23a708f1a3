"""An archive as an RO-Crate 1.1 of the profile Process Run Crate 0.5: plain JSON-LD, by hand.

One CreateAction made the files of the archive. A Workflow Run Crate must hold its workflow below
the crate's own folder, and a Provenance Run Crate every step: the workflow is the repository that
the archive lies in, named by its commit, and steps are lines of ``records.jsonl``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ulmfit.store.files import read_json, sha256, write_text

CRATE = "ro-crate-metadata.json"
INDEX = "archive.json"
PROFILE = "https://w3id.org/ro/wfrun/process/0.5"
LICENCE = "https://spdx.org/licenses/MIT"
CONTEXT = [
    "https://w3id.org/ro/crate/1.1/context",
    "https://w3id.org/ro/terms/workflow-run/context",  # has sha256
]
MEANINGS = {
    "manifest.json": "The resolved study: texts, models, runs, experiments and their rows",
    "provenance.json": "Software, machine, code, texts, cost and test evaluations of the study",
    "records.jsonl": "Cards, recipes, metrics, histories and counts, one file of the study a line",
    "predictions": "Probabilities of each class for each run and document",
    "duplicates": "Which evaluated documents have a copy in what was trained on",
}
FORMATS = {
    ".json": "application/json",
    ".jsonl": "application/jsonl",
    ".parquet": "application/vnd.apache.parquet",
}


def make_crate(archive: Path, index: Mapping[str, Any]) -> None:
    """Write ``ro-crate-metadata.json`` beside the files of an archive.

    It is the same for equal archives: the date is that of the commit of the code, left out where
    ``provenance.json`` does not know it.
    """
    provenance = read_json(archive / "provenance.json")
    manifest = read_json(archive / "manifest.json")
    files = [_file(path) for path in sorted(archive.iterdir()) if path.name not in (CRATE, INDEX)]
    # The index holds the digest of this file, and a seal of its own.
    files.append(
        {
            "@id": INDEX,
            "@type": "File",
            "name": "Index of the archive, with the digest of each file",
            "encodingFormat": "application/json",
        }
    )
    texts = list(_texts(manifest, provenance))
    graph = [
        {
            "@id": CRATE,
            "@type": "CreativeWork",
            "about": {"@id": "./"},
            "conformsTo": {"@id": "https://w3id.org/ro/crate/1.1"},
        },
        _root(index, manifest, provenance, files),
        {"@id": PROFILE, "@type": "CreativeWork", "name": "Process Run Crate", "version": "0.5"},
        {"@id": LICENCE, "@type": "CreativeWork", "name": "MIT License"},
        {
            "@id": "#study",
            "@type": "CreateAction",
            "name": f"Study {index['study']}: {index['title']}",
            "actionStatus": "http://schema.org/CompletedActionStatus",
            "instrument": {"@id": "#ulmfit"},
            "object": [{"@id": text["@id"]} for text in texts],
            "result": [{"@id": file["@id"]} for file in files],
        },
        _software(provenance),
        *texts,
        *files,
    ]
    content = {"@context": CONTEXT, "@graph": graph}
    write_text(archive / CRATE, json.dumps(content, indent=1, ensure_ascii=False) + "\n")


def _root(
    index: Mapping[str, Any],
    manifest: Mapping[str, Any],
    provenance: Mapping[str, Any],
    files: list[dict[str, Any]],
) -> dict[str, Any]:
    date = provenance.get("code_date")
    return {
        "@id": "./",
        "@type": "Dataset",
        "name": index["title"],
        "description": manifest.get("description") or index["title"],
        **({"datePublished": date} if date else {}),
        "license": {"@id": LICENCE},
        "conformsTo": {"@id": PROFILE},
        "mentions": {"@id": "#study"},
        "hasPart": [{"@id": file["@id"]} for file in files],
    }


def _software(provenance: Mapping[str, Any]) -> dict[str, Any]:
    commit = provenance["code"]["commit"]
    changed = " with changes" if provenance["code"]["dirty"] else ""
    packages = provenance["packages"]
    return {
        "@id": "#ulmfit",
        "@type": "SoftwareApplication",
        "name": "ulmfit-ablation",
        "softwareVersion": packages["ulmfit"] + (f" ({commit}{changed})" if commit else ""),
        "operatingSystem": provenance["platform"],
        "softwareRequirements": [
            f"python {provenance['python']}",
            *(f"{name} {version}" for name, version in packages.items() if name != "ulmfit"),
        ],
    }


def _texts(manifest: Mapping[str, Any], provenance: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The texts that were read; none of them is part of the crate."""
    for name, text in manifest["texts"].items():
        source = provenance["texts"].get(name) or {}
        content = source.get("content_sha256")
        yield {
            "@id": f"#text-{name}",
            "@type": "Dataset",
            "name": text["title"],
            "description": f"{text['role']} of the study; its text is not in the crate",
            **({"citation": text["citation"]} if text.get("citation") else {}),
            **({"identifier": f"sha256:{content}"} if content else {}),
        }


def _file(path: Path) -> dict[str, Any]:
    about = MEANINGS.get(path.name) or MEANINGS[path.name.partition("-")[0]]
    return {
        "@id": path.name,
        "@type": "File",
        "name": about,
        "encodingFormat": FORMATS[path.suffix],
        "contentSize": str(path.stat().st_size),
        "sha256": sha256(path),
    }
