"""``python -m ulmfit plan``: it starts nothing, and says in one line what is wrong."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from ulmfit import cli

ROOT = Path(__file__).parents[2]
SMOKE = str(ROOT / "config/studies/smoke.yaml")


def test_it_prints_json_and_leaves_nothing_behind(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["plan", "--configfile", SMOKE, "--rate", "0.1", "--cores", "2", "--json"]) == 0
    values = json.loads(capsys.readouterr().out)
    assert values["study"] == "smoke"
    assert values["total"]["left"] == values["total"]["jobs"] > 100
    assert values["wall_s"] > 0
    assert not list(tmp_path.iterdir())


def test_it_imports_torch_only_to_calibrate(tmp_path):
    code = (
        "import sys; from ulmfit import cli; "
        f"cli.main(['plan', '--configfile', {SMOKE!r}, '--gpu', 'h200']); "
        "sys.exit('torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (["--configfile", str(ROOT / "config/absent.yaml")], "no such file"),
        (["--configfile", SMOKE, "--gpu", "abacus"], "gpu 'abacus': not in the table"),
    ],
)
def test_a_mistake_is_one_line(line, said, capsys):
    assert cli.main(["plan", *line]) == 1
    (message,) = capsys.readouterr().err.strip().splitlines()
    assert message.startswith("ulmfit plan: ")
    assert said in message


def test_a_key_that_no_study_has_is_named(tmp_path, capsys):
    config = tmp_path / "config"
    config.mkdir()
    for file in (ROOT / "config").glob("*.yaml"):
        (config / file.name).write_text(file.read_text())
    study = config / "study.yaml"
    study.write_text((ROOT / "config/config.yaml").read_text() + "\nepoch: 3\n")
    assert cli.main(["plan", "--configfile", str(study), "--rate", "1"]) == 1
    (message,) = capsys.readouterr().err.strip().splitlines()
    assert "unknown key 'epoch'" in message


@pytest.mark.parametrize("wrong", [["--rate", "0"], ["--cores", "0"]])
def test_numbers_that_make_no_sense_are_refused(wrong, capsys):
    with pytest.raises(SystemExit) as left:
        cli.main(["plan", "--configfile", SMOKE, *wrong])
    assert left.value.code == 2
    assert wrong[0] in capsys.readouterr().err
