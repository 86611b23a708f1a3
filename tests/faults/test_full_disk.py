"""A disk that is full: one line, the file of before stays, and no temporary file is left.

A quota of the process is a full disk for everybody; a real one, a tiny file system in memory, is
tried where this user may mount one.
"""

import contextlib
import resource
import shutil
import subprocess

import numpy as np
import pytest
import small_files

from ulmfit import cli
from ulmfit.errors import UserError
from ulmfit.text.spool import open_spool

ROOM = 32_768
MUCH = 100_000


@contextlib.contextmanager
def quota(_):
    """Files of this process end at ROOM bytes (Python ignores the signal that goes with it)."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (ROOM, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.fixture(params=["quota", "disk"])
def disk(request, tmp_path):
    """(folder on a small disk, context in which it is small)."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if request.param == "quota":
        yield folder, quota
        return
    mount = shutil.which("mount") or "false"
    command = [mount, "-t", "tmpfs", "-o", f"size={2 * ROOM}", "tmpfs", folder]
    if subprocess.run(command, capture_output=True).returncode:
        pytest.skip("this user cannot mount a file system")
    yield folder, contextlib.nullcontext
    subprocess.run(["umount", folder], check=True)


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (small_files.make_table, "documents.parquet"),
        (small_files.make_folds, "folds.parquet"),
        (small_files.make_predictions, "predictions.parquet"),
        (small_files.make_tokens, "ids.npy"),
        (small_files.make_weights, "model.safetensors"),
        (small_files.make_probabilities, "probabilities.npz"),
        (small_files.make_tokenizer, "tokenizer.json"),
        (small_files.make_metrics, "metrics.json"),
    ],
)
def test_what_was_written_stays_and_nothing_is_left(disk, make, name):
    folder, small = disk
    make(folder)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with small(folder), pytest.raises(UserError) as said:
        make(folder, MUCH)
    line = str(said.value)
    assert line.startswith(f"cannot write {folder / name}: ")
    assert line.endswith("make room, or allow writing there, and run again")
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_ids_that_wait_for_the_vocabulary(disk):
    folder, small = disk
    with small(folder), open_spool(folder) as spool, pytest.raises(UserError, match="make room"):
        spool.append(np.zeros(MUCH, np.uint32))
    assert not list(folder.iterdir())


def test_a_stage_ends_with_one_line_and_status_1(disk, tmp_path, capsys):
    folder, small = disk
    small_files.make_table(tmp_path, 5_000)
    small_files.make_folds(tmp_path, 5_000)
    tokenizer = tmp_path / "tokenizer.json"
    assert cli.main(["tokenizer", "--recipe", '{"kind": "word"}', "--output", f"{tokenizer}"]) == 0
    arguments = ["--documents", tmp_path / "documents.parquet", "--tokenizer", tokenizer]
    arguments += ["--folds", tmp_path / "folds.parquet", "--output", folder / "tokens.json"]
    with small(folder):
        status = cli.main(["tokens", *map(str, arguments)])
    assert status == 1
    assert (
        capsys.readouterr()
        .err.splitlines()[-1]
        .startswith("ulmfit tokens: cannot keep ids on disk: ")
    )
    assert not list(folder.iterdir())
