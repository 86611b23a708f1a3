"""docs/method.md says what presets, modules and tests are."""

import re
from functools import cache
from pathlib import Path

import pytest
import yaml
from test_presets import PRESETS, RAW, look_up, plan, resolved

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/method.md").read_text(encoding="utf-8")
STAGES = {"all": ("pretrain", "finetune", "classify"), "lm": ("pretrain", "finetune")}
NONE = "–"


def rows():
    """Every row of every table of the page, as cells by heading."""
    heading = None
    for line in PAGE.splitlines():
        if not line.startswith("|"):
            heading = None
            continue
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        if heading is None:
            heading = cells
        elif set(line) - set("|- "):
            yield dict(zip(heading, cells, strict=True))


def listed(cell):
    """What a cell lists; code is taken out of its marks."""
    return [] if cell == NONE else [part.strip("`") for part in cell.split("<br>")]


def expanded(key):
    stage, _, rest = key.partition(".")
    return [f"{one}.{rest}" for one in STAGES[stage]] if stage in STAGES else [key]


def leaves(value, path=""):
    """Paths and values of a preset as YAML gives it."""
    for key, part in value.items():
        if isinstance(part, dict):
            yield from leaves(part, f"{path}{key}.")
        else:
            yield path + key, part


@cache
def laid(preset):
    """(the preset as checked, the recipes of `ulmfit` under it)."""
    made = plan(preset)
    return made.registry.presets[preset], resolved(made)


def in_force(preset, path):
    """Values of a switch in the recipes of `ulmfit`, or of what a preset says beside recipes."""
    checked, recipes = laid(preset)
    stage, _, rest = path.partition(".")
    if stage == "architecture":
        return [look_up(recipes, f"{one}.{path}") for one in STAGES["all"]]
    if stage in ("tokenizer", *STAGES["all"]):
        return [look_up(recipes, path)]
    value = getattr(checked, stage)
    for key in filter(None, rest.split(".")):
        value = value[key]
    return [value]


def check_value(shown, preset, key):
    said = dict(leaves(RAW[preset]))
    for path in expanded(key):
        if shown == NONE:
            assert said.get(path) is None, (preset, path)
            continue
        assert path in said, (preset, path)
        for value in in_force(preset, path):
            expected = list(value) if isinstance(value, tuple) else value
            numbers = not isinstance(value, str | bool)
            found = yaml.safe_load(shown)
            assert found == (pytest.approx(expected, rel=1e-3) if numbers else expected), path


@pytest.mark.parametrize("preset", PRESETS)
def test_every_value_is_that_of_the_preset_as_resolved(preset):
    compared = 0
    for row in rows():
        # What the paper leaves open has a column for its own preset only.
        column = "value" if "left open" in row and preset == "paper" else preset
        keys = listed(row["key"]) if column in row else []
        for shown, key in zip(row[column].split("<br>") if keys else [], keys, strict=True):
            check_value(shown, preset, key)
            compared += 1
    assert compared > 100


def test_every_switch_of_a_preset_stands_among_the_techniques():
    there = {
        path
        for row in rows()
        if "technique" in row
        for key in listed(row["key"])
        for path in expanded(key)
    }
    said = {path for preset in RAW.values() for path, value in leaves(preset) if value is not None}
    # What a preset changes in a variant is no switch of its own.
    apart = ("title", "description", "variants.")
    assert {path for path in said - there if not path.startswith(apart)} == set()


def test_the_disagreements_are_the_21_of_section_0_and_the_scope_of_the_schedule():
    numbers = [int(row["#"]) for row in rows() if "#" in row]
    assert numbers == list(range(1, 23))


def test_every_module_exists():
    modules = {module for row in rows() for module in listed(row.get("module", NONE))}
    assert len(modules) > 20
    assert [name for name in modules if not (ROOT / "src/ulmfit" / name).is_file()] == []


def test_every_test_exists():
    tests = {test for row in rows() for test in listed(row.get("test", NONE))}
    assert len(tests) > 100
    for test in tests:
        file, name = test.split("::")
        source = (ROOT / "tests" / file).read_text(encoding="utf-8")
        assert re.search(rf"^def {name}\(", source, re.MULTILINE), test


def test_every_technique_and_proof_names_a_test_but_the_one_that_needs_the_papers_data():
    without = [
        row.get("technique") or row.get("claim") or row.get("what")
        for row in rows()
        if row.get("test") == NONE
    ]
    assert without == ["Check 12: order of the ablations on real data"]
