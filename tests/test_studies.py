"""Studies and registries on disk."""

import shutil
from pathlib import Path

import pytest

from ulmfit.errors import UserError
from ulmfit.studies import load_study, read_yaml

CONFIG = Path(__file__).parents[1] / "config"


@pytest.mark.parametrize(
    "path",
    [CONFIG / "config.yaml", *sorted((CONFIG / "studies").glob("*.yaml"))],
    ids=lambda p: p.stem,
)
def test_every_study_resolves(path):
    plan = load_study(path)
    assert list(plan.runs())
    assert plan.study.title


def test_a_misspelt_registry_is_named(tmp_path):
    shutil.copytree(CONFIG, tmp_path / "config")
    variants = tmp_path / "config/variants.yaml"
    variants.write_text(variants.read_text().replace("{plan: last}", "{plans: last}", 1))
    with pytest.raises(UserError, match=r"last: classify: freezing\.plans: unknown key 'plans'"):
        load_study(tmp_path / "config/config.yaml")


def test_a_study_away_from_its_registries_is_refused(tmp_path):
    study = tmp_path / "study.yaml"
    shutil.copy(CONFIG / "config.yaml", study)
    with pytest.raises(UserError, match=r"no variants\.yaml in a folder above"):
        load_study(study)


def test_broken_yaml_names_file_and_line(tmp_path):
    path = tmp_path / "broken.yaml"
    path.write_text("a: 1\n b: [2\n")
    with pytest.raises(UserError, match=r"broken\.yaml: not valid YAML.*line 2"):
        read_yaml(path)


def test_a_missing_file_and_foreign_bytes_are_named(tmp_path):
    with pytest.raises(UserError, match="no such file"):
        read_yaml(tmp_path / "absent.yaml")
    path = tmp_path / "latin.yaml"
    path.write_bytes(b"title: caf\xe9\n")
    with pytest.raises(UserError, match="not UTF-8"):
        read_yaml(path)
