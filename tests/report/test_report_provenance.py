"""Provenance counts what lies in the results, no more and no less."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from ulmfit.report import provenance
from ulmfit.report.cards import ancestry, trainings
from ulmfit.report.provenance import code_version, disk_use, make_provenance
from ulmfit.store.files import digest, read_json, write_json

SCHEMA = Path(provenance.__file__).with_name("provenance.schema.json")


@pytest.fixture(scope="module")
def written(reported: Path) -> Any:
    return read_json(reported / "provenance.json")


def test_cost_is_the_sum_over_the_cards(written: Any, reported: Path) -> None:
    manifest = read_json(reported / "manifest.json")
    paths = [model["path"] for model in manifest["language_models"]]
    paths += [run["path"] for run in manifest["runs"] if run["kind"] == "model"]
    cards = [read_json(reported / path / "card.json") for path in paths]
    cards += [
        read_json(reported / run["path"] / "metrics.json")["training"]
        for run in manifest["runs"]
        if run["kind"] == "baseline"
    ]
    total = written["cost"]["total"]
    assert total["jobs"] == len(cards)
    assert total["cpu_s"] == pytest.approx(sum(card["cpu_s"] for card in cards))
    assert total["wall_s"] == pytest.approx(sum(card["wall_s"] for card in cards))
    stages = {name: row["jobs"] for name, row in written["cost"].items() if name != "total"}
    expected = {"pretrain": 0, "finetune": 0, "classify": 0, "baseline": 0}
    for model in manifest["language_models"]:
        expected[model["stage"]] += 1
    for run in manifest["runs"]:
        stage = {"model": "classify", "baseline": "baseline"}.get(run["kind"])
        if stage:
            expected[stage] += 1
    assert stages == expected


def test_test_evaluations_are_added_up(written: Any, reported: Path) -> None:
    unsealed = read_json(reported / "manifest.json")["unsealed"]
    assert written["test_evaluations"] == {
        "total": len(unsealed),
        "runs": dict.fromkeys(unsealed, 1),
    }


def test_a_sealed_test_fold_counts_nothing(crowded: Path) -> None:
    written = read_json(crowded / "provenance.json")
    assert written["test_evaluations"] == {"total": 0, "runs": {}}


def test_disk_use_is_bytes_by_folder_without_reports(tmp_path: Path) -> None:
    files = {"lm/a/x": 10, "lm/b": 5, "tables/t": 3, "report/r": 99}
    for name, size in {**files, "so-far/r": 99, ".so-far.1.new/r": 99}.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * size)
    (tmp_path / "manifest.json").write_bytes(b"xx")
    assert disk_use(tmp_path) == {"lm": 15, "tables": 3}


def test_devices_and_commits_are_tallied(written: Any, crowded: Path) -> None:
    jobs = written["cost"]["total"]["jobs"]
    assert written["devices"] == [{"device": "cpu", "device_name": "Synthetic CPU", "jobs": jobs}]
    assert read_json(crowded / "provenance.json")["commits"] == [
        {"commit": "a" * 40, "dirty": True, "jobs": 234}
    ]


def test_software_texts_and_configuration_are_named(written: Any, reported: Path) -> None:
    assert {"ulmfit", "torch", "numpy", "pandas", "matplotlib"} <= set(written["packages"])
    assert written["python"].count(".") == 2
    assert written["texts"]["docstrings"]["sha256"] == "0" * 64
    assert written["config_digest"] == digest(read_json(reported / "manifest.json")["config"])


def test_a_missing_source_or_card_is_no_error(
    changed: Callable[..., Path], written: Any, tmp_path: Path
) -> None:
    results = changed()
    (results / "data" / "docstrings" / "source.json").unlink()
    model = read_json(results / "manifest.json")["language_models"][0]
    (results / model["path"] / "card.json").unlink()
    make_provenance(results / "manifest.json", results, tmp_path / "p.json")
    left = read_json(tmp_path / "p.json")
    assert left["texts"]["docstrings"] is None
    assert left["cost"]["total"]["jobs"] == written["cost"]["total"]["jobs"] - 1


def test_a_run_without_weights_is_known_by_its_metrics(changed: Callable[..., Path]) -> None:
    results = changed()
    manifest = read_json(results / "manifest.json")
    before = [item.card for item in trainings(manifest, results)]
    for run in manifest["runs"]:
        (results / run["path"] / "card.json").unlink(missing_ok=True)
    assert [item.card for item in trainings(manifest, results)] == before


def test_ancestry_follows_the_digest_of_the_weights(tmp_path: Path) -> None:
    chain = {
        "pretrain": ("lm/p", []),
        "finetune": ("lm/f", [{"path": "elsewhere", "weights_sha256": "lm/p"}]),
        "classify": ("clf/c", [{"path": "results/study/lm/f", "weights_sha256": "unknown"}]),
    }
    for stage, (path, parents) in chain.items():
        card = {"stage": stage, "weights_sha256": path, "parents": parents}
        write_json(tmp_path / path / "card.json", card)
    models = [{"stage": stage, "path": chain[stage][0]} for stage in ("pretrain", "finetune")]
    manifest = {"language_models": models, "runs": [{"kind": "model", "path": "clf/c"}]}
    every = trainings(manifest, tmp_path)
    assert [item.stage for item in ancestry(every[-1], every)] == [
        "classify",
        "finetune",
        "pretrain",
    ]


def test_a_repository_tells_its_commit_and_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "provenance.py"
    source.write_text("one\n")
    monkeypatch.setattr(provenance, "__file__", str(source))
    assert code_version(tmp_path) == {"commit": None, "dirty": None}
    for command in (
        ["init", "-q"],
        ["add", "provenance.py"],
        ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "one"],
    ):
        subprocess.run(["git", "-C", str(tmp_path), *command], check=True)
    first = code_version(tmp_path)
    assert len(first["commit"]) == 40
    assert first["dirty"] is False
    source.write_text("two\n")
    assert code_version(tmp_path) == {**first, "dirty": True}


def test_what_is_written_is_what_the_schema_says(reported: Path, crowded: Path) -> None:
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    validator = jsonschema.validators.validator_for(schema)
    validator.check_schema(schema)
    for results in (reported, crowded):
        content = json.loads((results / "provenance.json").read_text(encoding="utf-8"))
        validator(schema).validate(content)
        assert content.keys() == schema["properties"].keys()
        for change in ({"study": "No Name"}, {"cost": {"score": {}}}, {"host": "a name"}):
            assert not validator(schema).is_valid({**content, **change})
    assert all("description" in item for item in schema["properties"].values())
