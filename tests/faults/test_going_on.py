"""`make study` after Ctrl-C, kill -9 and a reboot, beside another one, beside a plain Snakemake."""

import contextlib
import importlib.util
import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "workflow/scripts/study.py"
SNAKEFILE = """
rule all:
    input: "done.txt"

rule first:
    output: "first.txt"
    shell: "echo once >> runs.txt; echo ok > {output}"

rule slow:
    input: "first.txt"
    output: "done.txt"
    shell: "echo here > started; cat $GO > part; mv part {output}"
"""
LOCKS = ".snakemake/locks/*"
HANGS_S = 60


def load_script():
    spec = importlib.util.spec_from_file_location("study_script", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


study = load_script()


class Folder:
    """A tiny workflow whose second job waits at a known point, and processes started in it."""

    def __init__(self, path):
        self.path = path
        self.started = []
        (path / "Makefile").symlink_to(ROOT / "Makefile")
        for name in ("workflow", "profiles"):
            (path / name).symlink_to(ROOT / name)
        (path / "Snakefile").write_text(SNAKEFILE)
        (path / "study.yaml").write_text("study: tiny\n")
        os.mkfifo(path / "started")
        # For writing too, so that it never ends when a writer does.
        self.point = os.open(path / "started", os.O_RDWR | os.O_NONBLOCK)

    def start(self, *command):
        """Start a program as a terminal would: the leader of a process group of its own."""
        own = ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")
        environment = {name: value for name, value in os.environ.items() if name not in own}
        go = f"go{len(self.started)}"
        os.mkfifo(self.path / go)
        process = subprocess.Popen(
            command,
            cwd=self.path,
            env={**environment, "GO": go},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.started.append(process)
        return process

    def make_study(self):
        # As old as can be: nothing is to be set up.
        done = ("-o", f"{sys.prefix}/.base", f"VENV={sys.prefix}")
        return self.start("make", *done, "study", "STUDY=study.yaml", "CORES=1")

    def plain_snakemake(self):
        return self.start(sys.executable, "-m", "snakemake", "--cores", "1")

    def reached(self):
        """Wait until the second job is at its point."""
        ready, _, _ = select.select([self.point], [], [], HANGS_S)
        assert ready, self._errors()
        assert b"here" in os.read(self.point, 100)

    def _errors(self):
        """What the last program said."""
        os.killpg(self.started[-1].pid, signal.SIGKILL)
        return self.started[-1].communicate()

    def release(self, process):
        """Let the second job of a run end."""
        (self.path / f"go{self.started.index(process)}").write_text("ok\n")

    def end(self, process):
        """(exit status, output, errors without make's own)."""
        output, errors = process.communicate(timeout=HANGS_S)
        said = [line for line in errors.splitlines() if not line.startswith("make: ")]
        return process.returncode, output, said

    def clean(self):
        for process in self.started:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
        os.close(self.point)


@pytest.fixture
def folder(tmp_path):
    made = Folder(tmp_path)
    yield made
    made.clean()


def kill_snakemake(process):
    """kill -9 of Snakemake alone; its job lives on."""
    (one,) = [
        child
        for child in psutil.Process(process.pid).children(recursive=True)
        if study.is_snakemake(child.cmdline())
    ]
    one.kill()


def kill_everything(process):
    """What a reboot is to a folder."""
    os.killpg(process.pid, signal.SIGKILL)


def press_ctrl_c(process):
    os.killpg(process.pid, signal.SIGINT)


@pytest.mark.parametrize("stop", [kill_snakemake, kill_everything, press_ctrl_c])
def test_the_same_command_goes_on(folder, stop):
    first = folder.make_study()
    folder.reached()
    stop(first)
    first.wait(HANGS_S)
    assert first.returncode != 0
    assert any(folder.path.glob(LOCKS)) == (stop is not press_ctrl_c)

    second = folder.make_study()
    # A job that lives on holds no lock of the folder.
    folder.reached()
    folder.release(second)
    status, output, errors = folder.end(second)
    assert status == 0, errors
    assert output.splitlines()[-1] == "report: results/tiny/report/report.html"
    assert (folder.path / "done.txt").read_text() == "ok\n"
    assert (folder.path / "runs.txt").read_text() == "once\n"


def test_a_second_make_study_is_refused_in_one_line_and_the_first_goes_on(folder):
    first = folder.make_study()
    folder.reached()
    status, _, errors = folder.end(folder.make_study())
    assert status != 0
    (line,) = errors
    (runner,) = [
        child.pid
        for child in psutil.Process(first.pid).children(recursive=True)
        if "workflow/scripts/study.py" in child.cmdline()
    ]
    assert line.startswith(f"make study: another `make study` (process {runner}) runs in this")
    assert first.poll() is None
    folder.release(first)
    assert folder.end(first)[0] == 0


def test_a_live_snakemake_keeps_its_lock(folder):
    plain = folder.plain_snakemake()
    folder.reached()
    before = {path.name: path.read_text() for path in folder.path.glob(LOCKS)}
    status, _, errors = folder.end(folder.make_study())
    assert status != 0
    (line,) = errors
    assert line.startswith(f"make study: a Snakemake (process {plain.pid}) runs in this folder")
    assert {path.name: path.read_text() for path in folder.path.glob(LOCKS)} == before
    folder.release(plain)
    assert folder.end(plain)[0] == 0


def test_sigterm_to_make_lets_running_jobs_end(folder):
    first = folder.make_study()
    folder.reached()
    first.terminate()
    folder.release(first)
    folder.end(first)
    assert (folder.path / "done.txt").read_text() == "ok\n"
    assert not list(folder.path.glob(LOCKS))


def test_a_study_that_cannot_be_run_says_so_and_leaves_no_lock_held(folder):
    (folder.path / "Snakefile").write_text("rule all:\n    input: 'absent'\n")
    for _ in range(2):
        status, output, errors = folder.end(folder.make_study())
        assert status != 0
        assert "absent" in "\n".join(errors)
        assert "report:" not in output


@pytest.mark.parametrize(
    ("line", "is_one"),
    [
        ("/venv/bin/python -m snakemake --cores all", True),
        ("python3.12 -u -m snakemake", True),
        ("/venv/bin/python /venv/bin/snakemake -n", True),
        ("snakemake --cores 1", True),
        ("python -m snakemake --mode subprocess", False),
        ("python workflow/scripts/study.py config/config.yaml", False),
        ("man snakemake", False),
        ("make study", False),
        ("", False),
    ],
)
def test_what_counts_as_a_snakemake(line, is_one):
    assert study.is_snakemake(line.split()) == is_one


@pytest.mark.parametrize("ignored", [True, False])
def test_what_nohup_ignores_stays_ignored(ignored):
    child = "import signal, sys; sys.exit(signal.getsignal(signal.SIGHUP) is signal.SIG_IGN)"
    code = (
        "import signal, sys; "
        f"signal.signal(signal.SIGHUP, signal.SIG_{'IGN' if ignored else 'DFL'}); "
        f"from study import run; sys.exit(run([sys.executable, '-c', {child!r}]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": str(SCRIPT.parent)}
    )
    assert done.returncode == ignored


def test_the_status_of_a_program_that_a_signal_ended():
    code = "from study import run; raise SystemExit(run(['sh', '-c', 'kill -9 $$']))"
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": str(SCRIPT.parent)}
    )
    assert done.returncode == 128 + signal.SIGKILL
