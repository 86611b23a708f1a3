"""What a machine can do to a stage: no folder to write to, no package, no memory, a wrong clock."""

import errno
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import small_files

from ulmfit import cli

ROOT = Path(__file__).parents[2]
DAY_S = 86_400
SNAKEFILE = """
rule all:
    input: "results/second.txt"

rule first:
    output: "results/first.txt"
    shell: "echo first >> runs.txt; echo 1 > {output}"

rule second:
    input: "results/first.txt"
    output: "results/second.txt"
    shell: "echo second >> runs.txt; cat {input} > {output}"
"""


def stage(name, folder, out):
    """The command line of a stage from small files in ``folder`` to files in ``out``."""
    return {
        "folds": [
            *("folds", "--documents", folder / "documents.parquet"),
            *("--output", out / "folds.parquet", "--summary", out / "folds.json"),
        ],
        "tokenizer": [
            *("tokenizer", "--recipe", '{"kind": "subword"}', "--output", out / "tokenizer.json"),
            *("--documents", folder / "documents.parquet", "--folds", folder / "folds.parquet"),
        ],
        "tokens": [
            *("tokens", "--tokenizer", folder / "tokenizer.json", "--output", out / "tokens.json"),
            *("--documents", folder / "documents.parquet", "--folds", folder / "folds.parquet"),
        ],
        "classify": [
            *("classify", "--recipe", "{}", "--tokens", folder / "tokens.json", "--seed", "0"),
            *("--output", out / "model.safetensors", "--history", out / "history.csv"),
            *("--probabilities", out / "probabilities.npz"),
        ],
        "score": [
            *("score", "--probabilities", folder / "probabilities.npz"),
            *("--cards", folder / "tokens.json", "--documents", folder / "documents.parquet"),
            *("--predictions", out / "predictions.parquet", "--metrics", out / "metrics.json"),
        ],
    }[name]


@pytest.fixture
def files(tmp_path):
    """A folder with what these stages read."""
    folder = tmp_path / "files"
    small_files.make_table(folder, 60)
    small_files.make_folds(folder, 60)
    small_files.make_tokens(folder)
    small_files.make_probabilities(folder)
    recipe = '{"kind": "word"}'
    assert cli.main(["tokenizer", "--recipe", recipe, "--output", f"{folder}/tokenizer.json"]) == 0
    return folder


def run(line, capsys):
    """(exit status, the lines on stderr that are no progress)."""
    status = cli.main([str(word) for word in line])
    return status, [one for one in capsys.readouterr().err.splitlines() if "ulmfit " in one]


@pytest.mark.parametrize("name", ["tokens", "score"])
def test_a_file_where_a_folder_should_be(files, tmp_path, capsys, name):
    (tmp_path / "results").write_text("a file")
    status, (line,) = run(stage(name, files, tmp_path / "results/out"), capsys)
    assert status == 1
    assert line.startswith(f"ulmfit {name}: ")
    assert str(tmp_path / "results") in line
    assert "Not a directory" in line
    assert "run again" in line


@pytest.mark.skipif(os.geteuid() == 0, reason="permissions do not bind root")
@pytest.mark.parametrize("name", ["tokens", "score"])
def test_a_folder_that_may_only_be_read(files, tmp_path, capsys, name):
    (tmp_path / "results").mkdir(mode=0o555)
    status, (line,) = run(stage(name, files, tmp_path / "results"), capsys)
    assert status == 1
    assert str(tmp_path / "results") in line
    assert "Permission denied" in line


@pytest.mark.parametrize(
    ("name", "package", "distribution"),
    [
        ("folds", "pandas", "pandas"),
        ("folds", "pyarrow", "pyarrow"),
        ("tokenizer", "sentencepiece", "sentencepiece"),
        ("tokens", "spacy", "spacy"),
        ("classify", "torch", "torch"),
        ("score", "sklearn", None),
    ],
)
def test_a_package_that_is_not_installed(files, tmp_path, name, package, distribution):
    code = (
        f"import sys; sys.modules[{package!r}] = None; "
        "from ulmfit.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    line = map(str, stage(name, files, tmp_path / "out"))
    done = subprocess.run([sys.executable, "-c", code, *line], capture_output=True, text=True)
    if distribution is None:
        assert package not in done.stderr
        return
    said = done.stderr.splitlines()[-1]
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert said.startswith(f"ulmfit {name}: {sys.executable} cannot import {package}")
    assert f"-m pip install {distribution} -c envs/constraints.txt" in said
    assert not list(tmp_path.glob("out/*"))


def test_an_interpreter_without_any_package(files, tmp_path):
    line = map(str, stage("classify", files, tmp_path / "out"))
    done = subprocess.run(
        [sys.executable, "-S", "-m", "ulmfit", *line],
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(ROOT / "src")},
    )
    (said,) = done.stderr.splitlines()
    assert done.returncode == 1
    assert re.search(r"cannot import (numpy|torch) .* -m pip install (numpy|torch) -c ", said)


@pytest.fixture
def failing(monkeypatch):
    """Make the stage `schema` raise an error, and run it."""

    def fail(error):
        def broken(_):
            raise error

        monkeypatch.setattr(cli, "_schema", broken)
        return cli.main(["schema"])

    return fail


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(errno.EIO, "Input/output error", "/disk/ids.npy"), "/disk/ids.npy: Input/output"),
        (OSError("it broke\nin two lines"), "it broke in two lines: mend that and run again"),
        (MemoryError(), "memory ran out .* fewer jobs"),
        (MemoryError("Unable to allocate 9 GiB"), "memory ran out .Unable to allocate 9 GiB."),
        (ModuleNotFoundError("No module named 'yaml'", name="yaml"), "pip install pyyaml -c"),
        (ImportError("no engine"), "pip install -e . -c"),
    ],
)
def test_a_failing_machine_is_one_line_and_status_1(failing, capsys, error, said):
    assert failing(error) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert re.match(f"ulmfit schema: .*{said}", line)


@pytest.mark.parametrize(
    "error", [KeyError("a"), ValueError("a"), ImportError("a", name="ulmfit.store.absent")]
)
def test_a_bug_keeps_its_traceback(failing, error):
    with pytest.raises(type(error)):
        failing(error)


def make_study(folder):
    done = subprocess.run(
        [sys.executable, ROOT / "workflow/scripts/study.py", "study.yaml", "--cores", "1"],
        cwd=folder,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return (folder / "runs.txt").read_text().split()


def test_a_clock_that_was_set_back_costs_work_and_nothing_else(tmp_path):
    (tmp_path / "Snakefile").write_text(SNAKEFILE)
    (tmp_path / "study.yaml").write_text("study: tiny\n")
    assert make_study(tmp_path) == ["first", "second"]
    # Made when the clock was a day ahead, and another result than before.
    (tmp_path / "results/first.txt").write_text("2\n")
    ahead = (tmp_path / "results/second.txt").stat().st_mtime + DAY_S
    os.utime(tmp_path / "results/first.txt", (ahead, ahead))
    assert make_study(tmp_path) == ["first", "second", "second"]
    assert (tmp_path / "results/second.txt").read_text() == "2\n"
    assert make_study(tmp_path) == ["first", "second", "second"]


def test_no_duration_is_taken_from_the_clock_that_can_be_set():
    code = "\n".join(path.read_text() for path in (ROOT / "src").rglob("*.py"))
    assert not re.search(r"\btime\.time\(|\btime\.time_ns\(|import time\b.*\btime\b,", code)
    # One date: when the test fold was looked at; nothing is subtracted from it.
    assert len(re.findall(r"datetime\.now\(", code)) == 1
