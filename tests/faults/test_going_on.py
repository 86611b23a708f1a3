"""`make study` after Ctrl-C, kill -9 and a reboot, beside another one, beside a plain Snakemake."""

import contextlib
import fcntl
import importlib.util
import json
import os
import platform
import select
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from ulmfit.store import claim
from ulmfit.store.lock import UNSUPPORTED

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "workflow/scripts/study.py"
PATHS = f"{SCRIPT.parent}:{ROOT / 'src'}"
SNAKEFILE = """
include: "workflow/rules/start.smk"

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
UNLOCK = "`snakemake --unlock`"
HANGS_S = 60
DAY_S = 86400


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
            env={**environment, "GO": go, "PYTHONPATH": str(ROOT / "src")},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.started.append(process)
        return process

    def make_study(self, *variables, under=()):
        # As old as can be: nothing is to be set up.
        done = ("-o", f"{sys.prefix}/.base", f"VENV={sys.prefix}")
        return self.start(*under, "make", *done, "study", "STUDY=study.yaml", "CORES=1", *variables)

    def plain_snakemake(self, *arguments):
        return self.start(sys.executable, "-m", "snakemake", "--cores", "1", *arguments)

    def refused(self, **how):
        """The one line with which `make study` is refused; the lock files are as they were."""
        before = self.locks()
        status, output, errors = self.end(self.make_study(**how))
        assert status != 0
        assert "report:" not in output
        assert self.locks() == before != {}
        (line,) = errors
        return line

    def locks(self):
        return {path.name: path.stat().st_mtime_ns for path in self.path.glob(LOCKS)}

    def write_claim(self, **changed):
        """Change what the claim says."""
        path = self.path / claim.CLAIM
        path.write_text(json.dumps({**json.loads(path.read_text()), **changed}))

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


def snakemake_of(process):
    """Process of the Snakemake that `make study` runs."""
    (one,) = [
        child
        for child in psutil.Process(process.pid).children(recursive=True)
        if child.cmdline()[1:3] == ["-m", "snakemake"]
    ]
    return one


def runner_of(process):
    """Process of study.py that `make study` runs."""
    (one,) = [
        child
        for child in psutil.Process(process.pid).children(recursive=True)
        if "workflow/scripts/study.py" in child.cmdline()
    ]
    return one


def kill_snakemake(process):
    """kill -9 of Snakemake alone; its job lives on."""
    snakemake_of(process).kill()


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


@pytest.fixture
def killed(folder):
    """A folder whose plain Snakemake was killed at its point."""
    plain = folder.plain_snakemake()
    folder.reached()
    kill_everything(plain)
    plain.wait(HANGS_S)
    assert folder.locks()
    return folder


def goes_on(folder):
    process = folder.make_study()
    folder.reached()
    folder.release(process)
    status, _, errors = folder.end(process)
    assert status == 0, errors
    assert (folder.path / "runs.txt").read_text() == "once\n"


def test_a_second_make_study_is_refused_in_one_line_and_the_first_goes_on(folder):
    first = folder.make_study()
    folder.reached()
    runner = runner_of(first).pid
    assert folder.refused() == (
        f"make study: another `make study` (process {runner} on {platform.node()}) runs in this "
        "folder: wait for its end, or stop it, and run again"
    )
    assert first.poll() is None
    folder.release(first)
    assert folder.end(first)[0] == 0


def live(process):
    host = platform.node()
    return f"make study: a Snakemake (process {process.pid} on {host}) runs in this folder: wait"


def test_a_live_snakemake_keeps_its_lock(folder):
    plain = folder.plain_snakemake()
    folder.reached()
    assert folder.refused().startswith(live(plain))
    folder.release(plain)
    assert folder.end(plain)[0] == 0


def test_a_live_snakemake_keeps_its_lock_however_it_was_called(folder):
    plain = folder.start(
        sys.executable, "-X", "dev", "-W", "ignore", "-m", "snakemake", "--cores", "1"
    )
    folder.reached()
    assert folder.refused().startswith(live(plain))
    folder.release(plain)
    assert folder.end(plain)[0] == 0


def test_a_snakemake_whose_make_study_was_killed_keeps_its_lock(folder):
    first = folder.make_study()
    folder.reached()
    snakemake = snakemake_of(first)
    runner_of(first).kill()
    first.wait(HANGS_S)
    assert folder.refused().startswith(live(snakemake))


def test_a_snakemake_that_cannot_be_seen_keeps_its_lock(folder):
    """Another container, another user: from processes of its own, none of the others is there."""
    alone = ("unshare", "--user", "--map-root-user", "--pid", "--fork", "--mount-proc")
    if not shutil.which("unshare") or subprocess.run([*alone, "true"]).returncode:
        pytest.skip("no name spaces for processes here")
    plain = folder.plain_snakemake()
    folder.reached()
    assert folder.refused(under=alone).startswith(live(plain))
    folder.release(plain)
    assert folder.end(plain)[0] == 0


def test_after_a_plain_snakemake_was_killed_here(killed):
    goes_on(killed)


def test_the_lock_of_another_host_stays(killed):
    killed.write_claim(host="login2", boot="of login2")
    line = killed.refused()
    assert line.startswith("make study: a Snakemake on login2 locked this folder")
    assert UNLOCK in line


def test_a_lock_that_nobody_claimed_stays_until_it_is_removed_by_hand(killed):
    (killed.path / claim.CLAIM).unlink()
    line = killed.refused()
    assert line.startswith("make study: .snakemake/locks says that a Snakemake runs in this folder")
    assert UNLOCK in line
    assert killed.end(killed.make_study("ARGS=--unlock"))[0] == 0
    assert not killed.locks()
    goes_on(killed)


def test_a_later_lock_is_not_the_one_that_was_claimed(killed):
    """Somebody unlocked, and started on another host, before its Snakemake could claim."""
    for path in killed.path.glob(LOCKS):
        os.utime(path, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns + 1))
    assert UNLOCK in killed.refused()


def test_a_lock_beside_the_claimed_one_stays(killed):
    (killed.path / ".snakemake/locks/1.output.lock").write_text("other.txt\n")
    assert UNLOCK in killed.refused()


def test_a_claim_that_was_cut_short_is_none(killed):
    path = killed.path / claim.CLAIM
    os.truncate(path, path.stat().st_size // 2)
    assert UNLOCK in killed.refused()


@pytest.mark.parametrize("changed", [{"boot": "earlier"}, {"host": "container"}])
def test_an_earlier_boot_of_this_host_and_another_name_of_this_kernel_are_here(killed, changed):
    if "host" in changed and not claim.BOOT.exists():
        pytest.skip("kernels have no names here")
    killed.write_claim(**changed)
    assert claim.remove_left_over(killed.path)
    assert not killed.locks()


def test_a_snakemake_beside_others_claims_nothing(tmp_path):
    (tmp_path / claim.LOCKS).mkdir(parents=True)
    for name in ("0.input.lock", "0.output.lock", "1.output.lock"):
        (tmp_path / claim.LOCKS / name).touch()
    claim.claim(tmp_path)
    assert not (tmp_path / claim.CLAIM).exists()


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


@pytest.mark.parametrize("question", ["-n", "-np", "--dry-run", "--lint", "--summary"])
def test_a_question_changes_nothing_and_promises_no_report(killed, question):
    (killed.path / "results").mkdir()
    future = killed.path / "results/future.txt"
    future.touch()
    os.utime(future, (time.time() + DAY_S,) * 2)
    before = future.stat().st_mtime_ns, killed.locks()
    _, output, _ = killed.end(killed.make_study(f"ARGS={question}"))
    assert "report:" not in output
    assert (future.stat().st_mtime_ns, killed.locks()) == before
    assert not (killed.path / study.LOCK).exists()


def of_the_future(*paths):
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        os.utime(path, (time.time() + DAY_S,) * 2)


def test_checkpoints_and_files_that_vanish_stop_no_study(tmp_path, monkeypatch, capsys):
    kept, gone = tmp_path / "a/kept.txt", tmp_path / "a/gone.txt"
    checkpoint = tmp_path / "a/checkpoints/001/card.json"
    of_the_future(kept, gone, checkpoint)
    lstat = os.lstat

    def rotate(path):
        if os.fspath(path) == str(gone):
            gone.unlink(missing_ok=True)
        return lstat(path)

    monkeypatch.setattr(os, "lstat", rotate)
    study.bring_back([tmp_path])
    assert kept.stat().st_mtime <= time.time() < checkpoint.stat().st_mtime
    assert capsys.readouterr().err == "1 files were of the future, by this clock; now of today\n"


def test_files_of_another_user_are_said_in_one_line(tmp_path, monkeypatch, capsys):
    of_the_future(tmp_path / "one", tmp_path / "two")

    def forbid(path, *_, **__):
        raise PermissionError(1, "Operation not permitted", path)

    monkeypatch.setattr(os, "utime", forbid)
    study.bring_back([tmp_path])
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("2 files are of the future, by this clock, and not this user's to touch")


def file_in_place_of_the_state(folder):
    (folder / ".snakemake").write_text("")


def folder_in_place_of_the_lock(folder):
    (folder / study.LOCK).mkdir(parents=True)


def read_only_folder(folder):
    if os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    folder.chmod(0o555)


@pytest.mark.parametrize(
    "harm", [file_in_place_of_the_state, folder_in_place_of_the_lock, read_only_folder]
)
def test_a_folder_that_cannot_be_locked_is_one_line(tmp_path, harm):
    harm(tmp_path)
    done = subprocess.run(
        [sys.executable, SCRIPT, "study.yaml", "--cores", "1"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("make study: .snakemake")


@pytest.mark.parametrize("number", UNSUPPORTED)
def test_a_file_system_without_locks_is_said_and_no_hindrance(
    tmp_path, monkeypatch, capsys, number
):
    def flock(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", flock)
    with study.held(tmp_path / "lock"):
        (line,) = capsys.readouterr().err.splitlines()
    assert "this file system has no locks" in line
    (tmp_path / claim.LOCKS).mkdir(parents=True)
    (tmp_path / claim.LOCKS / "0.output.lock").touch()
    claim.claim(tmp_path)
    with pytest.raises(study.UserError, match=UNLOCK):
        claim.remove_left_over(tmp_path)


@pytest.mark.parametrize("ignored", [True, False])
def test_what_nohup_ignores_stays_ignored(ignored):
    child = "import signal, sys; sys.exit(signal.getsignal(signal.SIGHUP) is signal.SIG_IGN)"
    code = (
        "import signal, sys; "
        f"signal.signal(signal.SIGHUP, signal.SIG_{'IGN' if ignored else 'DFL'}); "
        f"from study import run; sys.exit(run([sys.executable, '-c', {child!r}]))"
    )
    done = subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": PATHS})
    assert done.returncode == ignored


def test_the_status_of_a_program_that_a_signal_ended():
    code = "from study import run; raise SystemExit(run(['sh', '-c', 'kill -9 $$']))"
    done = subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": PATHS})
    assert done.returncode == 128 + signal.SIGKILL


def test_signals_do_after_a_program_what_they_did_before():
    code = (
        "import signal, sys; from study import run; "
        "all_of = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP); "
        "before = [signal.getsignal(one) for one in all_of]; "
        "run(['true']); sys.exit(before != [signal.getsignal(one) for one in all_of])"
    )
    done = subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": PATHS})
    assert done.returncode == 0


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 128 + signal.SIGINT), (signal.SIGTERM, -signal.SIGTERM)]
)
def test_a_signal_before_snakemake_starts_none(killed, number, status):
    """It comes after the lock is removed, while files of the future are looked for."""
    code = (
        "import os, runpy, sys; "
        f"os.walk = lambda *_: os.kill(os.getpid(), {number:d}) or []; "
        f"sys.argv = ['study.py', 'study.yaml', '--cores', '1']; "
        f"runpy.run_path({str(SCRIPT)!r}, run_name='__main__')"
    )
    before = set(killed.path.glob(".snakemake/log/*"))
    killed.end(process := killed.start(sys.executable, "-c", code))
    assert process.returncode == status
    assert set(killed.path.glob(".snakemake/log/*")) == before


def test_a_signal_while_snakemake_is_started_ends_it():
    code = (
        "import os, signal, subprocess, sys, study; start = subprocess.Popen\n"
        "def late(command):\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n"
        "    return start(command)\n"
        "subprocess.Popen = late\n"
        f"sys.exit(study.run(['sleep', '{HANGS_S}']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": PATHS},
        timeout=HANGS_S / 2,
    )
    assert done.returncode == 128 + signal.SIGTERM
