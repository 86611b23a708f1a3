"""The command line: one clear line for what a person can mend."""

import subprocess
import sys
from pathlib import Path

import pytest

from ulmfit import cli
from ulmfit.evaluate.baselines import BASELINES

SOURCE = Path(__file__).parents[1] / "src"


def test_every_stage_explains_itself(capsys):
    with pytest.raises(SystemExit) as left:
        cli.main(["--help"])
    assert left.value.code == 0
    stages = capsys.readouterr().out.split("STAGE")[-1]
    for stage in ("documents", "tokens", "pretrain", "classify", "score", "tables", "report"):
        assert stage in stages


def test_an_error_of_the_user_is_one_line_and_status_1(tmp_path, capsys):
    status = cli.main(
        [
            *("folds", "--documents", str(tmp_path / "absent.parquet")),
            *("--output", str(tmp_path / "folds.parquet"), "--summary", str(tmp_path / "s.json")),
        ]
    )
    lines = capsys.readouterr().err.strip().splitlines()
    assert status == 1
    assert len(lines) == 1
    assert lines[0].startswith("ulmfit folds: ")
    assert "absent.parquet" in lines[0]
    assert not list(tmp_path.iterdir())


def test_starting_up_imports_no_heavy_library():
    heavy = "torch", "pandas", "spacy", "sklearn", "matplotlib", "pydantic"
    code = (
        "import sys; from ulmfit import cli; cli._parser(); "
        f"print(*[name for name in {heavy!r} if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": str(SOURCE)},
    )
    assert done.stdout.split() == []


def test_the_config_knows_every_baseline():
    from typing import get_args, get_type_hints

    from ulmfit.config.study import Variant

    allowed = get_args(get_args(get_type_hints(Variant)["baseline"])[0])
    assert set(allowed) == set(BASELINES)
