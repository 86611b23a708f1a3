"""The RO-Crate of an archive: required entities are there, references lead to one, digests hold."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ulmfit.archive.crate import make_crate
from ulmfit.store.files import read_json, sha256, write_json


@pytest.fixture(scope="module")
def entities(archive: Path) -> dict[str, Any]:
    graph = json.loads((archive / "ro-crate-metadata.json").read_text())["@graph"]
    found = {entity["@id"]: entity for entity in graph}
    assert len(found) == len(graph)
    return found


def references(value: Any) -> list[str]:
    if isinstance(value, list):
        return [name for item in value for name in references(item)]
    return [value["@id"]] if isinstance(value, dict) else []


def test_the_descriptor_and_the_root_are_what_ro_crate_asks_for(entities: dict[str, Any]) -> None:
    descriptor = entities["ro-crate-metadata.json"]
    assert descriptor["about"] == {"@id": "./"}
    assert descriptor["conformsTo"] == {"@id": "https://w3id.org/ro/crate/1.1"}
    root = entities["./"]
    assert root["@type"] == "Dataset"
    assert {"name", "description", "license", "datePublished"} <= root.keys()
    assert root["conformsTo"]["@id"].startswith("https://w3id.org/ro/wfrun/process/")


def test_one_action_with_its_software_made_every_file(entities: dict[str, Any]) -> None:
    action = entities["#study"]
    assert action["@type"] == "CreateAction"
    assert entities[action["instrument"]["@id"]]["@type"] == "SoftwareApplication"
    files = {name for name, entity in entities.items() if entity["@type"] == "File"}
    assert set(references(action["result"])) == files
    assert {"#text-docstrings", "#text-library-docs"} == set(references(action["object"]))


def test_every_reference_leads_to_an_entity(entities: dict[str, Any]) -> None:
    outside = {"https://w3id.org/ro/crate/1.1"}
    for entity in entities.values():
        for key, value in entity.items():
            if not key.startswith("@"):
                assert set(references(value)) - outside <= entities.keys()


def test_it_lists_every_file_with_its_digest(entities: dict[str, Any], archive: Path) -> None:
    listed = set(references(entities["./"]["hasPart"]))
    assert listed == {path.name for path in archive.iterdir()} - {"ro-crate-metadata.json"}
    for name in listed - {"archive.json"}:
        assert entities[name]["sha256"] == sha256(archive / name)
        assert int(entities[name]["contentSize"]) == (archive / name).stat().st_size


def test_a_date_that_is_not_known_is_not_made_up(damaged: Path) -> None:
    provenance = {**read_json(damaged / "provenance.json"), "code_date": None}
    write_json(damaged / "provenance.json", provenance)
    make_crate(damaged, read_json(damaged / "archive.json"))
    graph = json.loads((damaged / "ro-crate-metadata.json").read_text())["@graph"]
    assert all("datePublished" not in entity for entity in graph)
