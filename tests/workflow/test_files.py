"""What stands in YAML and Makefiles fits together."""

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
RULES = "\n".join(path.read_text() for path in (ROOT / "workflow").rglob("*.smk"))
RULE_NAMES = set(re.findall(r"^rule (\w+):", RULES, re.M)) | set(
    re.findall(r"^use rule \w+ as (\w+) with:", RULES, re.M)
)
CONSTRAINTS = dict(
    line.strip().lower().split("==")
    for line in (ROOT / "envs/constraints.txt").read_text().splitlines()
    if "==" in line
)
CONDA_NAMES = {"pytorch": "torch"}


@pytest.mark.parametrize("path", sorted((ROOT / "profiles").glob("*/config.yaml")), ids=str)
def test_every_rule_that_a_profile_names_exists(path):
    profile = yaml.safe_load(path.read_text())
    named = set(profile.get("set-resources", {})) | set(profile.get("set-threads", {}))
    assert named <= RULE_NAMES


@pytest.mark.parametrize("path", sorted((ROOT / "envs").glob("*.yaml")), ids=lambda p: p.name)
def test_conda_environments_pin_what_pip_pins(path):
    for dependency in yaml.safe_load(path.read_text())["dependencies"]:
        name, version = dependency.split("=")
        if name == "python":
            continue
        assert CONSTRAINTS[CONDA_NAMES.get(name, name)] == version, name


def test_every_conda_file_and_caption_that_a_rule_names_exists():
    for name in re.findall(r'"\.\./\.\./(envs/[^"]+)"', RULES):
        assert (ROOT / name).exists(), name
    captions = re.findall(r'caption="([^"]+)"', RULES)
    assert captions
    for name in captions:
        assert (ROOT / "workflow/rules" / name).resolve().exists(), name


def test_the_constraints_name_no_local_build_and_no_address():
    text = (ROOT / "envs/constraints.txt").read_text()
    assert "+" not in text
    assert "://" not in text


@pytest.mark.parametrize("rule", sorted(re.findall(r"^rule (\w+):", RULES, re.M)))
def test_every_rule_is_fully_dressed(rule):
    body = re.search(rf"^rule {rule}:\n((?:    .*\n|\n)+)", RULES, re.M).group(1)
    for directive in ("output", "log", "benchmark", "message", "threads", "resources", "conda"):
        assert f"    {directive}:" in body, directive
    for resource in ("mem_mb=", "runtime="):
        assert resource in body, resource
