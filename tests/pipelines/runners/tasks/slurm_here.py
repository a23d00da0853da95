"""A Slurm of two nodes on this machine, for tests: Debian's programs, a controller and two nodes, as root."""

from __future__ import annotations

import getpass
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.pipelines.runners.tasks.network import Network

START_SECONDS = 30.0
LOCAL = "127.0.0.1"
PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch")
CONFIG = """
ClusterName=here
SlurmctldHost={host}({address})
SlurmctldPort={controller}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket
CryptoType=crypto/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
ProctrackType=proctrack/pgid
TaskPlugin=task/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerParameters=sched_interval=2,batch_sched_delay=0
ReturnToService=2
SlurmdTimeout=10
SlurmctldTimeout=10
KillWait=5
MaxArraySize={largest}
MinJobAge=20
PartitionName=all Nodes={nodes} Default=YES State=UP MaxTime=INFINITE
"""
NODE = "NodeName={name} NodeHostname={host} NodeAddr={address} Port={port} CPUs=1 RealMemory={memory}\n"


def missing() -> str:
    """Return why there can be no Slurm here, "" if there can."""
    found = f"{os.environ['PATH']}:/usr/sbin:/sbin"
    absent = [name for name in PROGRAMS if shutil.which(name, path=found) is None]
    if absent:
        return f"Slurm's {absent[0]} is not installed (Debian: slurmctld, slurmd, slurm-client, munge)"
    return "" if getpass.getuser() == "root" else "Slurm's daemons need root"


@dataclass
class Slurm:
    """A running cluster: its configuration, and its daemons by name."""

    folder: Path
    daemons: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        """What Slurm's commands need to find it."""
        return {"SLURM_CONF": str(self.folder / "slurm.conf"), "PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin"}

    def start(self, name: str, before: Sequence[str] = ()) -> None:
        """Start the controller, or the daemon of a node, behind another command where that is asked for."""
        conf = str(self.folder / "slurm.conf")
        command = ["slurmctld", "-D", "-f", conf] if name == "slurmctld" else ["slurmd", "-D", "-N", name, "-f", conf]
        with (self.folder / f"{name}.out").open("ab") as said:
            self.daemons[name] = subprocess.Popen(
                [*before, *command],
                stdout=said,
                stderr=said,
                env={**os.environ, **self.environment},
                start_new_session=True,
            )

    def kill(self, name: str, number: int = signal.SIGKILL) -> None:
        """Kill a daemon."""
        self.daemons[name].send_signal(number)
        self.daemons.pop(name).wait()

    def forget_nothing(self) -> None:
        """Wait until the controller has saved what it knows now, which it does every few seconds.

        One that is killed before has lost its latest jobs: it gives their numbers again, and nodes that know these
        are drained.
        """
        now, state = time.time(), self.folder / "state/job_state"
        limit = time.monotonic() + START_SECONDS
        while not state.exists() or state.stat().st_mtime <= now:
            assert time.monotonic() < limit, "the controller does not save its jobs"
            time.sleep(0.1)

    def ask(self, *command: str) -> str:
        """Return what a command of Slurm says."""
        environment = {**os.environ, **self.environment}
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False).stdout

    def wait(self, nodes: int = 2) -> None:
        """Wait until so many nodes are idle."""
        limit = time.monotonic() + START_SECONDS
        while self.ask("sinfo", "-h", "-N", "-o", "%T").split().count("idle") < nodes:
            if time.monotonic() > limit:
                logs = "".join(path.read_text(errors="replace")[-2_000:] for path in self.folder.glob("*.log"))
                raise AssertionError(f"Slurm does not start:\n{self.ask('sinfo')}\n{logs}")
            time.sleep(0.2)


@contextmanager
def running(
    folder: Path, *, nodes: int = 2, largest: int = 1001, memory: int = 4000, apart: Network | None = None
) -> Iterator[Slurm]:
    """Run a cluster of nodes of one CPU, the last in a network of its own, until the end of the block.

    Its files are in a folder; nothing of it is left.
    """
    folder.mkdir(parents=True)
    folder.chmod(0o755)
    controller, *ports = _free_ports(1 + nodes)
    names, host = [f"n{number + 1}" for number in range(nodes)], socket.gethostname()
    here, last = (apart.here, apart.there) if apart else (LOCAL, LOCAL)
    text = CONFIG.format(
        host=host, address=here, folder=folder, largest=largest, controller=controller, nodes=",".join(names)
    )
    for name, port in zip(names, ports, strict=True):
        address = last if name == names[-1] else LOCAL
        node = NODE.format(name=name, host=host, address=address, port=port, memory=memory)
        text = text.replace("PartitionName", f"{node}PartitionName")
    (folder / "slurm.conf").write_text(text)
    (folder / "state").mkdir()
    cluster = Slurm(folder)
    munge = _munged(folder / "munge")
    try:
        for name in ("slurmctld", *names):
            cluster.start(name, apart.inside if apart and name == names[-1] else ())
        cluster.wait(nodes)
        yield cluster
    finally:
        with suppress(OSError):
            cluster.ask("scancel", "--user=root")
        for name in list(cluster.daemons):
            with suppress(OSError):
                os.killpg(cluster.daemons[name].pid, signal.SIGKILL)
            cluster.kill(name)
        munge.kill()
        munge.wait()


def _free_ports(number: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(number)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def _munged(folder: Path) -> subprocess.Popen[bytes]:
    """Start what Slurm's messages are signed by, with a key of its own."""
    folder.mkdir()
    (folder / "key").write_bytes(os.urandom(128))
    (folder / "key").chmod(0o400)
    places = {name: f"--{name}-file={folder}/{name}" for name in ("key", "log", "pid", "seed")}
    process = subprocess.Popen(
        ["/usr/sbin/munged", "--foreground", "--force", f"--socket={folder}/socket", *places.values()],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    limit = time.monotonic() + START_SECONDS
    while not (folder / "socket").exists():
        assert time.monotonic() < limit and process.poll() is None, "munged does not start"
        time.sleep(0.05)
    return process
