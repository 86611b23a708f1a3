"""A SLURM of its own on this machine: real daemons, two nodes, GPUs in name only.

Everything listens on the loopback address, on ports that were free, and lives in one folder, so it
disturbs no other SLURM. No systemd and no cgroups.

    python tests/cluster/one_machine_slurm.py check      # are the packages there?
    python tests/cluster/one_machine_slurm.py install    # install what is missing; needs root
"""

import contextlib
import os
import pwd
import secrets
import shutil
import signal
import socket
import stat
import subprocess
import sys
from pathlib import Path

from waiting import wait_until

PACKAGES = ("slurmctld", "slurmd", "slurm-client", "slurm-wlm-basic-plugins", "munge")
PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "scontrol", "sinfo")
NODES = ("node1", "node2")
GPUS = 2
GPU_MODEL = "pretended"
# Debian keeps daemons where an ordinary user's PATH does not look.
PATH = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])

# What a node claims, the machine need not have; it bounds how much runs at once.
CONFIGURATION = """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
SlurmUser={user}
SlurmdUser={user}
# A requeued job waits until the credentials of its first start have expired.
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=5
CredType=cred/munge

StateSaveLocation={folder}/controller
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/%n.log
JobCompType=jobcomp/filetxt
JobCompLoc={folder}/ended
AccountingStorageType=accounting_storage/none
TaskProlog={folder}/task-prolog

# When the first process of a job ends, the others of its process group are killed, as by a cgroup.
ProctrackType=proctrack/pgid
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
MailProg=/bin/true
# Memory is sampled every second, and a step that has more than it asked for is killed.
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill

SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0,bf_interval=2,sched_interval=2,sched_min_interval=0
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SlurmdParameters=config_overrides
ReturnToService=2
JobRequeue=1
KillWait=20
# Without a database squeue alone tells how a job ended, so it may forget none.
MinJobAge=7200

GresTypes=gpu
{nodes}
PartitionName=cpu Nodes=ALL Default=YES MaxTime=4-0 State=UP
PartitionName=gpu Nodes=ALL MaxTime=4-0 State=UP
"""
NODE = (
    "NodeName={node} NodeHostname={host} NodeAddr=127.0.0.1 Port={port}"
    " CPUs=4 RealMemory=20000 Gres=gpu:{model}:{gpus} State=UNKNOWN"
)

# One line for each task that starts: what it will see.
TASK_PROLOG = """\
#!/bin/sh
echo "$SLURM_JOB_ID $SLURM_STEP_ID $SLURMD_NODENAME $CUDA_VISIBLE_DEVICES" >> '{folder}/tasks'
"""

# The executor of a job's step starts srun without any SLURM_* variable, SLURM_CONF included.
SRUN = """\
#!/bin/sh
SLURM_CONF='{folder}/slurm.conf' exec {srun} "$@"
"""


class SlurmError(RuntimeError):
    """SLURM cannot be had; the message says what to do."""


def missing():
    """Programs that are not on this machine."""
    return [program for program in PROGRAMS if shutil.which(program, path=PATH) is None]


def check():
    """Refuse in one line where SLURM is not installed."""
    if absent := missing():
        raise SlurmError(
            f"SLURM is not installed here ({', '.join(absent)}): make test-cluster INSTALL=yes,"
            f" or as root: apt-get install --no-install-recommends {' '.join(PACKAGES)}"
        )


def install():
    """Install the Debian packages, unless they are there."""
    if not missing():
        return
    if shutil.which("apt-get") is None:
        raise SlurmError(f"only Debian's packages can be installed: {', '.join(PACKAGES)}")
    root = ("sudo",) if os.getuid() and shutil.which("sudo") else ()
    options = ("-y", "-qq", "--no-install-recommends")
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    subprocess.run([*root, "apt-get", "update", "-qq"], env=quiet)
    done = subprocess.run(
        [*root, "apt-get", "install", *options, *PACKAGES],
        env=quiet,
        capture_output=True,
        text=True,
    )
    if done.returncode != 0 or missing():
        raise SlurmError(f"apt-get could not install {' '.join(PACKAGES)}:\n{done.stderr}")


def free_ports(count):
    """Ports of the loopback address that nobody listens on."""
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def environment(pid):
    """Environment that a process was started with, a list of NAME=value; empty if it is gone."""
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return []


def stat_of(pid):
    """Name, state and parent of a process; empty values if it is gone."""
    try:
        name, rest = Path(f"/proc/{pid}/stat").read_text().split("(", 1)[1].rsplit(")", 1)
    except OSError:
        return "", "", 0
    state, parent = rest.split()[:2]
    return name, state, int(parent)


class Slurm:
    """A running SLURM; a context manager that ends what it started.

    ``folder`` must not exist, and its path must be short, for the sake of a socket in it.
    """

    def __init__(self, folder):
        self.folder = Path(folder)
        self.environment = {
            **os.environ,
            "SLURM_CONF": str(self.folder / "slurm.conf"),
            "PATH": f"{self.folder}/bin{os.pathsep}{PATH}",
        }

    def __enter__(self):
        check()
        self.folder.mkdir(mode=0o755)
        try:
            self._write_configuration()
            self._start()
        except BaseException as error:
            tails = [
                f"{log.name}: {log.read_text(errors='replace')[-1000:]}"
                for log in sorted(self.folder.glob("*.log"))
            ]
            self.__exit__()
            raise SlurmError(f"SLURM did not come up: {error}\n" + "\n".join(tails)) from error
        return self

    def __exit__(self, *_):
        """Cancel jobs, then end the daemons, nodes first."""
        if (self.folder / "slurmctld.pid").exists():
            self.run("scancel", "--user", str(os.getuid()), check=False)
            wait_until(lambda: not self.active(), "end of cancelled jobs", seconds=40)
        for name in (*NODES, "slurmctld", "munged"):
            self._end(self.folder / f"{name}.pid")

    def run(self, *command, check=True):
        """Run a command of SLURM; its standard output."""
        return subprocess.run(
            command, env=self.environment, check=check, capture_output=True, text=True
        ).stdout

    def active(self):
        """Ids of jobs that wait, run or are about to end."""
        states = "pending,running,suspended,configuring,completing,requeued,requeue_hold"
        return set(self.run("squeue", "--noheader", "--states", states, "--format=%A").split())

    def show(self, job):
        """What the controller knows of a job: its `scontrol show job` as a mapping."""
        words = self.run("scontrol", "--oneliner", "show", "job", str(job)).split()
        return dict(word.split("=", 1) for word in words if "=" in word)

    def ended(self):
        """A mapping for each end of a job, in their order; a requeued job ends several times."""
        log = self.folder / "ended"
        lines = log.read_text().splitlines() if log.exists() else []
        return [dict(word.split("=", 1) for word in line.split() if "=" in word) for line in lines]

    def tasks(self):
        """Job, step, node and visible devices of each task that was started."""
        log = self.folder / "tasks"
        return [line.split(" ") for line in log.read_text().splitlines()] if log.exists() else []

    def lose(self, node):
        """Kill a node with all that runs on it, as when its power fails, and declare it down."""
        daemon = int((self.folder / f"{node}.pid").read_text())
        tasks = [pid for pid in self._processes() if f"SLURMD_NODENAME={node}" in environment(pid)]
        steps = {stat_of(pid)[2] for pid in tasks} & set(self._processes(name="slurmstepd"))
        # Whoever could report that something ended dies first.
        for pid in (daemon, *steps, *tasks):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.run("scontrol", "update", f"NodeName={node}", "State=DOWN", "Reason=lost")

    def bring_back(self, node):
        """Start a lost node again; as it registers it is no longer down."""
        (self.folder / f"{node}.pid").unlink(missing_ok=True)
        self._daemon("slurmd", "-f", f"{self.folder}/slurm.conf", "-N", node)

    def _processes(self, name=None):
        """Ids of this cluster's processes, of one program or of all."""
        ours = f"SLURM_CONF={self.folder}/slurm.conf"
        return [
            int(entry.name)
            for entry in Path("/proc").iterdir()
            if entry.name.isdigit()
            and ours in environment(entry.name)
            and name in (None, stat_of(entry.name)[0])
        ]

    def _write_configuration(self):
        host = socket.gethostname().split(".")[0]
        controller_port, *ports = free_ports(1 + len(NODES))
        nodes = [
            NODE.format(node=node, host=host, port=port, model=GPU_MODEL, gpus=GPUS)
            for node, port in zip(NODES, ports, strict=True)
        ]
        values = {
            "folder": self.folder,
            "host": host,
            "user": pwd.getpwuid(os.getuid()).pw_name,
            "controller_port": controller_port,
            "nodes": "\n".join(nodes),
            "srun": shutil.which("srun", path=PATH),
        }
        devices = f"{self._devices()}[0-{GPUS - 1}]"
        (self.folder / "bin").mkdir()
        for name, text, mode in (
            ("slurm.conf", CONFIGURATION.format(**values), 0o644),
            ("gres.conf", f"Name=gpu Type={GPU_MODEL} File={devices}\n", 0o644),
            ("cgroup.conf", "CgroupAutomount=no\n", 0o644),
            ("task-prolog", TASK_PROLOG.format(**values), 0o755),
            ("bin/srun", SRUN.format(**values), 0o755),
            ("munge.key", secrets.token_hex(64), 0o400),
        ):
            path = self.folder / name
            path.write_text(text)
            path.chmod(mode)

    def _devices(self):
        """Start of the names of character devices that count as GPUs.

        SLURM numbers devices by the digits at the end of their names. It only looks at them.
        """
        own = self.folder / "gpu"
        null = os.stat(os.devnull)
        try:
            for number in range(GPUS):
                os.mknod(f"{own}{number}", stat.S_IFCHR | 0o666, null.st_rdev)
        except PermissionError:
            return "/dev/tty"
        return str(own)

    def _daemon(self, *command):
        with (self.folder / "start.log").open("a") as log:
            subprocess.run(
                command, env=self.environment, check=True, stdout=log, stderr=log, timeout=60
            )

    def _start(self):
        self._daemon(
            *("munged", "--force", f"--key-file={self.folder}/munge.key"),
            *(f"--socket={self.folder}/munge.socket", f"--pid-file={self.folder}/munged.pid"),
            *(f"--log-file={self.folder}/munged.log", f"--seed-file={self.folder}/munge.seed"),
        )
        self._daemon("slurmctld", "-i", "-f", f"{self.folder}/slurm.conf")
        wait_until(lambda: "is UP" in self.run("scontrol", "ping", check=False), "slurmctld")
        for node in NODES:
            self._daemon("slurmd", "-f", f"{self.folder}/slurm.conf", "-N", node)
        idle = ("sinfo", "--noheader", "--Node", "--states=idle", "--format=%N")
        wait_until(lambda: set(self.run(*idle).split()) == set(NODES), "idle nodes")

    def _end(self, pid_file):
        """End a daemon; none where it is gone, or its number now is somebody else's."""
        try:
            pid = int(pid_file.read_text())
        except (OSError, ValueError):
            return
        if pid in self._processes():
            os.kill(pid, signal.SIGTERM)
            wait_until(lambda: not Path(f"/proc/{pid}").exists(), f"end of {pid_file.stem}")


if __name__ == "__main__":
    try:
        {"check": check, "install": install}[sys.argv[1]]()
    except SlurmError as error:
        sys.exit(str(error))
