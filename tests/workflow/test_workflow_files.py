"""What stands in YAML and Makefiles fits together."""

import re
from pathlib import Path

import pytest
import yaml

from ulmfit.config.sources import DocstringProse, DocstringSections

ROOT = Path(__file__).parents[2]
RULES = "\n".join(path.read_text() for path in (ROOT / "workflow").rglob("*.smk"))
RULE_NAMES = set(re.findall(r"^rule (\w+):", RULES, re.M)) | set(
    re.findall(r"^use rule \w+ as (\w+) with:", RULES, re.M)
)
PROFILES = sorted((ROOT / "profiles").rglob("config.yaml"))
CLUSTERS = [path for path in PROFILES if path.parent.name != "default"]
CONSTRAINTS = dict(
    line.strip().lower().split("==")
    for line in (ROOT / "envs/constraints.txt").read_text().splitlines()
    if "==" in line
)
CONDA_NAMES = {"pytorch": "torch"}


@pytest.mark.parametrize("path", CLUSTERS, ids=lambda path: path.parent.name)
def test_a_cluster_s_profile_places_every_rule_that_wants_a_gpu(path):
    profile = yaml.safe_load(path.read_text())
    bodies = re.split(r"^(?=rule \w+:)", RULES, flags=re.M)
    wanting = {body.split(":")[0].removeprefix("rule ") for body in bodies if "gpu=gpus" in body}
    assert wanting == {"pretrain", "finetune", "classify", "predict_test"}
    assert wanting <= profile["set-resources"].keys()


@pytest.mark.parametrize("path", PROFILES, ids=lambda path: path.parent.name)
def test_every_rule_that_a_profile_names_exists(path):
    profile = yaml.safe_load(path.read_text())
    named = set(profile.get("set-resources", {})) | set(profile.get("set-threads", {}))
    assert named <= RULE_NAMES


@pytest.mark.parametrize("rule", ["pretrain", "finetune", "classify"])
def test_no_shell_stands_between_a_training_and_its_scheduler(rule):
    # A shell dies of the signal that makes training save, and then the rest of the job is killed.
    body = re.search(rf"^rule {rule}:\n((?:    .*\n|\n)+)", RULES, re.M).group(1)
    assert '    shell:\n        "exec python -m ' in body


def pins(path):
    """Name and version of everything that a conda environment pins, pip's part included."""
    found = {}
    for dependency in yaml.safe_load(path.read_text())["dependencies"]:
        if isinstance(dependency, dict):
            found |= dict(line.split("==") for line in dependency["pip"])
        elif dependency != "pip":
            name, version = dependency.split("=")
            found[CONDA_NAMES.get(name, name)] = version
    del found["python"]
    return found


@pytest.mark.parametrize("path", sorted((ROOT / "envs").glob("*.yaml")), ids=lambda p: p.name)
def test_conda_environments_pin_what_pip_pins(path):
    assert {name: CONSTRAINTS[name] for name in pins(path)} == pins(path)


def test_the_environment_of_the_documents_has_every_distribution_that_is_read():
    read = {*DocstringSections().distributions, *DocstringProse().distributions}
    assert read <= pins(ROOT / "envs/documents.yaml").keys()


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


def test_new_versions_of_readers_do_not_open_the_test_fold_again():
    """Nothing that `predict_test` and `baseline_test` wait for has the version of a reader."""
    readers = {"tables", "figures", "report", "paper", "manifest"}
    before = ("before_test", "predict_test", "baseline_test", "score", "classify", "baseline")
    versions = {}
    for name in before:
        body = re.search(rf"^(?:rule|use rule \w+ as) {name}\b.*?(?=^\S|\Z)", RULES, re.M | re.S)
        versions[name] = set(re.findall(r'CODE_VERSIONS\["(\w+)"\]', body[0]))
    assert versions["before_test"] == {"before_test"}
    assert not readers & set().union(*versions.values())
