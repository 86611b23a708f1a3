"""Jobs of Snakemake on several GPUs of one machine; the devices here exist by name alone."""

import os
import socket
import subprocess
import sys

import pytest

from running import CONFIG, ROOT, snakemake

SMOKE = ("--configfile", CONFIG / "studies/smoke.yaml")
PATIENCE_S = 120  # no test waits that long: one that would hang fails instead


def test_every_rule_that_asks_for_gpus_has_the_launcher_claim_them(tmp_path):
    done = snakemake(tmp_path, "--dry-run", "--printshellcmds", *SMOKE, "--config", "device=cuda")
    assert done.returncode == 0, done.stdout + done.stderr
    commands = [line for line in done.stdout.splitlines() if "python -m ulmfit " in line]
    training = ("pretrain", "finetune", "classify", "predict")
    for stage in training:
        own = [command for command in commands if f"python -m ulmfit {stage} " in command]
        assert own
        start = f"python -m ulmfit.gpus --count 1 -- python -m ulmfit {stage} "
        assert all(start in command for command in own)
    claiming = [command for command in commands if "ulmfit.gpus" in command]
    assert len(claiming) == sum(
        f"python -m ulmfit {stage} " in command for command in commands for stage in training
    )


def test_a_study_on_the_cpu_claims_nothing(tmp_path):
    done = snakemake(tmp_path, "--dry-run", "--printshellcmds", *SMOKE, "--config", "device=cpu")
    claims = [line for line in done.stdout.splitlines() if "ulmfit.gpus" in line]
    assert claims
    assert all("ulmfit.gpus --count 0 -- " in line for line in claims)


@pytest.mark.parametrize(
    ("mode", "chosen_by"),
    [("default", "launcher"), ("subprocess", "launcher"), ("remote", "scheduler")],
)
def test_the_launcher_steps_aside_in_a_job_that_was_submitted(mode, chosen_by, tmp_path):
    for name in ("src", "config"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / "Snakefile").write_text(
        f"include: {str(ROOT / 'Snakefile')!r}\n"
        "rule ask:\n"
        "    output: 'asked.txt'\n"
        "    shell: 'echo $ULMFIT_GPUS_BY > {output}'\n"
    )
    done = snakemake(
        tmp_path, "asked.txt", *SMOKE, "--mode", mode, snakefile=tmp_path / "Snakefile"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "asked.txt").read_text().strip() == chosen_by


JOB = """
import os, socket, sys
with socket.create_connection(("127.0.0.1", int(sys.argv[1]))) as test:
    test.sendall(os.environ["CUDA_VISIBLE_DEVICES"].encode() + b"\\n")
    test.recv(1)
open(sys.argv[2], "w").close()
"""

SNAKEFILE = """
rule all:
    input: expand("{n}.txt", n=range(6))

rule train:
    output: "{n}.txt"
    log: "{n}.log"
    resources: gpu=1
    shell:
        "PYTHON -m ulmfit.gpus --count {resources.gpu} -- PYTHON job.py PORT {output} > {log} 2>&1"
"""


def test_six_jobs_take_turns_on_two_devices_whatever_snakemake_believes(tmp_path):
    (tmp_path / "job.py").write_text(JOB)
    with socket.create_server(("127.0.0.1", 0), backlog=6) as server:
        server.settimeout(PATIENCE_S)
        (tmp_path / "Snakefile").write_text(
            SNAKEFILE.replace("PYTHON", sys.executable).replace(
                "PORT", str(server.getsockname()[1])
            )
        )
        running = subprocess.Popen(
            # Six GPUs: none of the jobs is held back by Snakemake.
            [
                *(sys.executable, "-m", "snakemake", "--cores", "6", "--resources", "gpu=6"),
                *("--scheduler", "greedy", "--workflow-profile", "none"),
            ],
            cwd=tmp_path,
            env=os.environ
            | {
                "PYTHONPATH": str(ROOT / "src"),
                "CUDA_VISIBLE_DEVICES": "GPU-a,GPU-b",
                "ULMFIT_GPU_LOCKS": str(tmp_path / "locks"),
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            connections = [server.accept()[0] for _ in range(2)]
            holding = [connection.recv(100) for connection in connections]
            assert sorted(holding) == [b"GPU-a\n", b"GPU-b\n"]
            for _ in range(4):
                connections.pop().close()
                freed = holding.pop()
                connections.append(server.accept()[0])
                holding.append(connections[-1].recv(100))
                assert holding[-1] == freed
                connections.reverse()
                holding.reverse()
            for connection in connections:
                connection.close()
            output, _ = running.communicate(timeout=PATIENCE_S)
        finally:
            running.kill()
            running.wait()
    assert running.returncode == 0, output
    logs = [(tmp_path / f"{n}.log").read_text() for n in range(6)]
    assert sum("waits for 1 of the GPUs GPU-a, GPU-b" in log for log in logs) >= 1
