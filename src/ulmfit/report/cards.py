"""Cards of the models behind a study: which recipe, device and time each training had."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ulmfit.store.files import read_json

Card = Mapping[str, Any]
STAGES = ("pretrain", "finetune", "classify", "baseline")


@dataclass(frozen=True)
class Trained:
    """One training: its stage, its folder below ``results`` and what its card says."""

    stage: str
    path: str
    card: Card


def trainings(manifest: Mapping[str, Any], results: Path) -> list[Trained]:
    """Every training whose card is there, each once, in the order of the manifest.

    A run that came from an archive without weights has no ``card.json``; its ``metrics.json``
    carries a copy. Ensembles train nothing.
    """
    found = {}
    for model in manifest["language_models"]:
        found[model["path"]] = (model["stage"], read_optional(results / model["path"], "card.json"))
    for run in manifest["runs"]:
        if run["kind"] == "ensemble":
            continue
        card = read_optional(results / run["path"], "card.json")
        if card is None:
            card = (read_optional(results / run["path"], "metrics.json") or {}).get("training")
        found[run["path"]] = ("classify" if run["kind"] == "model" else "baseline", card)
    return [Trained(stage, path, card) for path, (stage, card) in found.items() if card]


def read_optional(folder: Path, name: str) -> Any:
    """A JSON file, or None where there is none; raises UserError if it is damaged."""
    path = folder / name
    return read_json(path) if path.exists() else None


def ancestry(trained: Trained, every: list[Trained]) -> Iterator[Trained]:
    """A training, its parent, the parent's parent: weights are known by their digest, then path."""
    by_weights = {other.card.get("weights_sha256"): other for other in every}
    seen: set[str] = set()
    current: Trained | None = trained
    while current is not None and current.path not in seen:
        yield current
        seen.add(current.path)
        parents = current.card.get("parents") or []
        current = next(
            (
                found
                for parent in parents
                if (
                    found := by_weights.get(parent.get("weights_sha256"))
                    or _at(parent.get("path", ""), every)
                )
            ),
            None,
        )


def _at(path: str, every: list[Trained]) -> Trained | None:
    return next(
        (
            other
            for other in every
            if path == other.path or f"/{path}/".find(f"/{other.path}/") >= 0
        ),
        None,
    )
