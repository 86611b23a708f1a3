"""The generated manual and schema say what the models say."""

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from ulmfit.config.documentation import readme, schema

CONFIG = Path(__file__).parents[2] / "config"


def test_schema_and_manual_are_up_to_date():
    assert json.loads((CONFIG / "schema.json").read_text()) == schema(), "run: make schema"
    assert (CONFIG / "README.md").read_text() == readme(), "run: make schema"


@pytest.mark.parametrize(
    "path", [CONFIG / "config.yaml", *(CONFIG / "studies").glob("*.yaml")], ids=lambda p: p.stem
)
def test_every_study_obeys_the_schema(path):
    jsonschema.validate(yaml.safe_load(path.read_text()), schema())


def test_the_schema_refuses_unknown_keys():
    study = yaml.safe_load((CONFIG / "config.yaml").read_text())
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(study | {"devise": "cpu"}, schema())
