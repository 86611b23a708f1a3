"""Every job has free devices of its own; the devices here exist by name alone."""

import os
import re
import selectors
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src"
PATIENCE_S = 60  # no test waits that long: one that would hang fails instead
HOLD = 'echo "$CUDA_VISIBLE_DEVICES"; read -r line || :'
"""Says its devices, and ends when its standard input does."""


class Job:
    """A command under the launcher."""

    def __init__(self, environment, *arguments):
        self.process = subprocess.Popen(
            [sys.executable, "-m", "ulmfit.gpus", *arguments],
            **dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE),
            bufsize=0,
            env=environment,
        )

    def devices(self):
        """What the command says; once it does, it holds them."""
        return self._line(self.process.stdout)

    def says(self):
        """The next line of the launcher."""
        return self._line(self.process.stderr)

    def end(self):
        """Let the command end, and return its exit status."""
        self.process.stdin.close()
        return self.process.wait(PATIENCE_S)

    @staticmethod
    def _line(stream):
        line = b""
        with selectors.DefaultSelector() as selector:
            selector.register(stream, selectors.EVENT_READ)
            while not line.endswith(b"\n"):
                assert selector.select(PATIENCE_S), f"only {line!r} came"
                if not (byte := stream.read(1)):
                    break
                line += byte
        return line.decode().rstrip("\n")


class Machine:
    """Jobs that use one folder of locks."""

    def __init__(self, locks):
        self.locks = locks
        self.jobs = []

    def environment(self, **variables):
        return {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(SOURCE),
            "ULMFIT_GPU_LOCKS": str(self.locks),
            **variables,
        }

    def hold(self, shown, *options, **variables):
        """A job on some of the devices ``shown`` that ends when it is let."""
        environment = self.environment(CUDA_VISIBLE_DEVICES=shown, **variables)
        self.jobs.append(Job(environment, *options, "--", "sh", "-c", HOLD))
        return self.jobs[-1]

    def run(self, *arguments, umask=-1, **variables):
        """A job that ends by itself."""
        return subprocess.run(
            [sys.executable, "-m", "ulmfit.gpus", *arguments],
            env=self.environment(**variables),
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            umask=umask,
        )


@pytest.fixture
def machine(tmp_path):
    machine = Machine(tmp_path / "locks")
    yield machine
    for job in machine.jobs:
        job.process.kill()
        job.process.wait(PATIENCE_S)
        for stream in (job.process.stdin, job.process.stdout, job.process.stderr):
            stream.close()


SHOW = ("sh", "-c", 'echo "${CUDA_VISIBLE_DEVICES-unset}"')


def test_jobs_at_one_time_have_different_devices(machine):
    first, second = machine.hold("GPU-a,GPU-b"), machine.hold("GPU-a,GPU-b")
    assert {first.devices(), second.devices()} == {"GPU-a", "GPU-b"}


@pytest.mark.parametrize(
    ("shown", "count", "given"),
    [
        ("GPU-c,GPU-a,GPU-b", "1", "GPU-c"),
        ("GPU-c,GPU-a,GPU-b", "2", "GPU-c,GPU-a"),
        ("MIG-GPU-8d/1/0,MIG-GPU-8d/2/0", "1", "MIG-GPU-8d/1/0"),
        ("GPU-a,-1,GPU-b", "1", "GPU-a"),
    ],
)
def test_devices_come_from_what_is_shown_in_its_order(machine, shown, count, given):
    assert machine.hold(shown, "--count", count).devices() == given


def test_a_job_waits_for_a_free_device_and_says_so_once(machine):
    first, second = machine.hold("GPU-a,GPU-b"), machine.hold("GPU-a,GPU-b")
    freed = first.devices()
    second.devices()
    third = machine.hold("GPU-a,GPU-b")
    assert "waits for 1 of the GPUs GPU-a, GPU-b" in third.says()
    assert first.end() == 0
    assert third.devices() == freed
    assert third.says() == f"ulmfit.gpus: CUDA_VISIBLE_DEVICES={freed}"


def test_who_waits_is_told_which_processes_hold_the_devices(machine):
    holders = [machine.hold("GPU-a,GPU-b") for _ in range(2)]
    for job in holders:
        job.devices()
    locked = (machine.locks / "gpu-GPU-a").stat().st_ino
    if not re.search(rf":{locked} ", Path("/proc/locks").read_text()):
        pytest.skip("this file system gives locks other numbers than files")
    said = machine.hold("GPU-a,GPU-b").says()
    pids = sorted(job.process.pid for job in holders)
    assert said.endswith(f"held by {pids[0]}, {pids[1]}")


@pytest.mark.parametrize("name", ["SIGKILL", "SIGTERM", "SIGINT", "SIGSEGV"])
def test_a_device_is_free_after_any_death(machine, name):
    first = machine.hold("GPU-a")
    first.devices()
    second = machine.hold("GPU-a")
    assert "waits" in second.says()
    number = signal.Signals[name]
    first.process.send_signal(number)
    assert first.process.wait(PATIENCE_S) == -number
    assert second.devices() == "GPU-a"


def test_a_child_that_outlives_its_job_keeps_the_device(machine):
    environment = machine.environment(CUDA_VISIBLE_DEVICES="GPU-a")
    # Commands in the background would read from /dev/null.
    first = Job(environment, "--", "sh", "-c", f"exec 9<&0; sh -c '{HOLD}' <&9 & kill -9 $$")
    machine.jobs.append(first)
    assert first.devices() == "GPU-a"
    assert first.process.wait(PATIENCE_S) == -signal.SIGKILL
    second = machine.hold("GPU-a")
    assert "waits" in second.says()
    first.process.stdin.close()
    assert second.devices() == "GPU-a"


def test_a_job_for_several_gets_all_or_none_and_is_not_passed(machine):
    one = machine.hold("GPU-a,GPU-b")
    assert one.devices() == "GPU-a"
    both = machine.hold("GPU-a,GPU-b", "--count", "2")
    assert "waits for 2" in both.says()
    later = machine.hold("GPU-a,GPU-b")
    assert "waits for 1" in later.says()
    # It holds nothing while it waits: others to whom only b is shown can have it.
    assert machine.hold("GPU-b").devices() == "GPU-b"
    machine.jobs[-1].end()
    one.end()
    assert both.devices() == "GPU-a,GPU-b"
    both.end()
    assert later.devices() == "GPU-a"


def test_jobs_share_devices_on_request_the_least_loaded_first(machine):
    shared = {"ULMFIT_JOBS_PER_GPU": "2"}
    jobs = [machine.hold("GPU-a,GPU-b", **shared) for _ in range(4)]
    devices = [job.devices() for job in jobs]
    assert sorted(devices) == ["GPU-a", "GPU-a", "GPU-b", "GPU-b"]
    fifth = machine.hold("GPU-a,GPU-b", **shared)
    assert "waits" in fifth.says()
    jobs[2].end()
    assert fifth.devices() == devices[2]


def test_the_second_sharer_goes_to_the_empty_device(machine):
    options = ("--jobs-per-gpu", "3")
    assert machine.hold("GPU-a,GPU-b", *options).devices() == "GPU-a"
    assert machine.hold("GPU-a,GPU-b", *options).devices() == "GPU-b"
    # A job that wants several has a part of each.
    assert machine.hold("GPU-a,GPU-b", *options, "--count", "2").devices() == "GPU-a,GPU-b"


def test_a_whole_device_is_shared_with_nobody(machine):
    sharing = machine.hold("GPU-a", "--jobs-per-gpu", "2")
    sharing.devices()
    whole = machine.hold("GPU-a")
    assert "waits" in whole.says()
    sharing.end()
    assert whole.devices() == "GPU-a"
    another = machine.hold("GPU-a", "--jobs-per-gpu", "2")
    assert "waits" in another.says()
    whole.end()
    assert another.devices() == "GPU-a"


def test_the_launcher_becomes_the_command(machine):
    environment = machine.environment(CUDA_VISIBLE_DEVICES="GPU-a")
    job = Job(environment, "--", "sh", "-c", "echo $$; exit 7")
    machine.jobs.append(job)
    assert job.devices() == str(job.process.pid)
    assert job.end() == 7


def test_a_command_may_have_options_and_dashes_of_its_own(machine):
    done = machine.run("--", "printf", "%s|", "--count", "--", "-x", CUDA_VISIBLE_DEVICES="GPU-a")
    assert done.stdout == "--count|--|-x|"


def test_a_command_meets_signals_as_without_the_launcher(machine):
    done = machine.run("--count", "0", "--", "sh", "-c", "kill -PIPE $$; echo survived")
    assert (done.returncode, done.stdout) == (-signal.SIGPIPE, "")


def test_a_job_that_is_interrupted_while_it_waits_ends_without_a_traceback(machine):
    machine.hold("GPU-a").devices()
    second = machine.hold("GPU-a")
    second.says()
    second.process.send_signal(signal.SIGINT)
    assert second.process.wait(PATIENCE_S) == -signal.SIGINT
    assert second.process.stderr.read() == b""


@pytest.mark.parametrize(
    ("options", "variables"),
    [
        (("--count", "0"), {}),
        (("--count", "2"), {"ULMFIT_GPUS_BY": "scheduler"}),
    ],
)
def test_nothing_changes_without_gpus_and_where_a_scheduler_chose_them(machine, options, variables):
    done = machine.run(*options, "--", *SHOW, CUDA_VISIBLE_DEVICES="1,0", **variables)
    assert (done.returncode, done.stdout, done.stderr) == (0, "1,0\n", "")
    assert not machine.locks.exists()


@pytest.mark.skipif(any(Path("/dev").glob("nvidia[0-9]*")), reason="has devices")
def test_where_no_device_is_known_the_command_itself_says_what_it_lacks(machine):
    done = machine.run("--", *SHOW)
    assert (done.returncode, done.stdout, done.stderr) == (0, "unset\n", "")


def test_names_in_an_allocation_are_its_own(machine):
    # Each of two allocations calls its only device 0.
    for name in ("SLURM_JOB_ID", "PBS_JOBID", "LSB_JOBID"):
        assert machine.hold("0", **{name: "17"}).devices() == "0"
        assert machine.hold("0", **{name: "18"}).devices() == "0"
        assert "waits" in machine.hold("0", **{name: "18"}).says()


def test_launchers_inside_a_claim_divide_it(machine):
    environment = machine.environment(CUDA_VISIBLE_DEVICES="GPU-a,GPU-b,GPU-c")
    inner = f"\"{sys.executable}\" -m ulmfit.gpus -- sh -c '{HOLD}'"
    outer = Job(environment, "--count", "2", "--", "sh", "-c", f"exec 9<&0; {inner} <&9 & {inner}")
    machine.jobs.append(outer)
    assert {outer.devices(), outer.devices()} == {"GPU-a", "GPU-b"}
    # Both hold the claim of the outer one.
    assert "waits" in machine.hold("GPU-a,GPU-b").says()


@pytest.mark.parametrize(
    ("arguments", "variables", "status", "message"),
    [
        (("--count", "3"), {}, 1, "3 GPUs for one job, but CUDA_VISIBLE_DEVICES shows 2 (GPU-a, "),
        ((), {"CUDA_VISIBLE_DEVICES": ""}, 1, "CUDA_VISIBLE_DEVICES shows 0 (none)"),
        (("--count", "-1"), {}, 2, "'-1' is no number of GPUs"),
        ((), {"ULMFIT_JOBS_PER_GPU": "0"}, 2, "'0' is no number of jobs; it must be 1 or more"),
        ((), {"ULMFIT_GPU_LOCKS": "/nowhere/locks"}, 1, "/nowhere/locks: No such file"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(machine, arguments, variables, status, message):
    done = machine.run(
        *arguments, "--", *SHOW, **{"CUDA_VISIBLE_DEVICES": "GPU-a,GPU-b"} | variables
    )
    assert (done.returncode, done.stdout) == (status, "")
    assert message in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


def test_a_command_that_does_not_exist_is_said(machine):
    done = machine.run("--", "no-such-command", CUDA_VISIBLE_DEVICES="GPU-a")
    assert done.returncode == 1
    assert done.stderr.endswith("ulmfit.gpus: no-such-command: No such file or directory\n")


def test_locks_are_for_every_user_whatever_the_umask(machine):
    shown = {"CUDA_VISIBLE_DEVICES": "GPU-a"}
    done = machine.run("--jobs-per-gpu", "2", "--", "sh", "-c", "umask", umask=0o077, **shown)
    assert done.stdout.strip() == "0077"
    assert stat.S_IMODE(machine.locks.stat().st_mode) == 0o1777
    files = list(machine.locks.iterdir())
    assert files
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o444}


def test_a_link_in_place_of_a_lock_or_its_folder_is_not_followed(machine, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    machine.locks.symlink_to(other)
    done = machine.run("--", *SHOW, CUDA_VISIBLE_DEVICES="GPU-a")
    assert (done.returncode, done.stdout) == (1, "")
    assert not list(other.iterdir())

    machine.locks.unlink()
    machine.locks.mkdir()
    (machine.locks / "gpu-GPU-a").symlink_to(other / "made")
    done = machine.run("--", *SHOW, CUDA_VISIBLE_DEVICES="GPU-a")
    assert (done.returncode, done.stdout) == (1, "")
    assert not list(other.iterdir())

    (machine.locks / "gpu-GPU-a").unlink()
    os.mkfifo(machine.locks / "gpu-GPU-a")
    done = machine.run("--", *SHOW, CUDA_VISIBLE_DEVICES="GPU-a")
    assert done.returncode == 1
    assert "gpu-GPU-a: not a file; delete it" in done.stderr


def test_a_claim_loads_nothing_heavy():
    program = "import sys, ulmfit.gpus.launcher; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(SOURCE)},
        check=True,
    )
    heavy = {"torch", "numpy", "pandas", "pydantic", "yaml", "subprocess", "ulmfit.cli"}
    assert not heavy & set(done.stdout.split())
    assert "ulmfit.gpus.claims" in done.stdout.split()
