"""Flink, a standalone session cluster: a JobManager, and TaskManagers with one slot each.

A process of Beam's Python worker belongs to a slot: one slot for each TaskManager gives each slot its own process.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from pipelines.files.packages import Package
from pipelines.runners import java
from pipelines.runners.clusters.machine import Engine, Plan, Program, asked, free_port

TITLE = "Flink 1.20.5"
PACKAGE = Package(
    "apache-flink-libraries",
    "1.20.5",
    "apache_flink_libraries-1.20.5.tar.gz",
    231_999_354,
    "e6aee62ea1a1fe7b32e28894ad079f3f1a50a372a4caac3df52405267f4228c8",
    "Apache-2.0",
    "Flink's own jars",
)
_JOB_MANAGER = "org.apache.flink.runtime.entrypoint.StandaloneSessionClusterEntrypoint"
_TASK_MANAGER = "org.apache.flink.runtime.taskexecutor.TaskManagerRunner"
# Flink's scripts would derive these from the machine's; without the scripts each must be set.
_JOB_MANAGER_MEMORY = {
    "heap.size": "512m",
    "off-heap.size": "128m",
    "jvm-metaspace.size": "256m",
    "jvm-overhead.min": "128m",
    "jvm-overhead.max": "128m",
}
_TASK_MANAGER_MEMORY = {
    "framework.heap.size": "128m",
    "framework.off-heap.size": "128m",
    "task.heap.size": "512m",
    "task.off-heap.size": "256m",
    "network.min": "128m",
    "network.max": "128m",
    "managed.size": "256m",
    "jvm-metaspace.size": "256m",
    "jvm-overhead.min": "128m",
    "jvm-overhead.max": "128m",
}
# A job outlives a TaskManager, if another one comes within the attempts.
_SETTINGS = {
    "restart-strategy.type": "fixed-delay",
    "restart-strategy.fixed-delay.attempts": "3",
    "restart-strategy.fixed-delay.delay": "1 s",
    "heartbeat.timeout": "10000",
}
_LOGGING = """rootLogger.level = INFO
rootLogger.appenderRef.console.ref = console
appender.console.name = console
appender.console.type = CONSOLE
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d{HH:mm:ss} %p %c{1}: %m%n
"""


def _configured(folder: Path, port: int) -> Path:
    """Write what all processes read; return its folder."""
    here = dict.fromkeys(
        ["jobmanager.rpc.address", "jobmanager.bind-host", "rest.address", "rest.bind-address"], "localhost"
    )
    there = dict.fromkeys(["taskmanager.host", "taskmanager.bind-host"], "localhost")
    ports = {"jobmanager.rpc.port": str(free_port()), "rest.port": str(port)}
    memory = {
        **{f"jobmanager.memory.{name}": size for name, size in _JOB_MANAGER_MEMORY.items()},
        **{f"taskmanager.memory.{name}": size for name, size in _TASK_MANAGER_MEMORY.items()},
    }
    settings: Mapping[str, str] = {**here, **there, **ports, **memory, **_SETTINGS, "io.tmp.dirs": str(folder)}
    found = folder / "conf"
    found.mkdir()
    lines = (f'{name}: "{value}"\n' for name, value in settings.items())
    found.joinpath("config.yaml").write_text("".join(lines), encoding="utf-8")
    found.joinpath("log4j.properties").write_text(_LOGGING)
    return found


def plan(archive: Path, folder: Path, workers: int, port: int) -> Plan:
    """Return a cluster whose page, to which jobs are sent too, has this port."""
    program = [java.found(TITLE, java.MOST), *java.opened()]
    conf = _configured(folder, port)
    program += [f"-Dlog4j.configurationFile={conf}/log4j.properties", "-XX:MaxMetaspaceSize=256m"]
    classes = ["-cp", f"{archive}/lib/*"]
    manager = [*program, "-Xmx512m", *classes, _JOB_MANAGER, "-c", str(conf), "--executionMode", "cluster"]
    found = [Program("JobManager", manager)]
    for number in range(1, workers + 1):
        own = {"resource-id": f"tm{number}", "numberOfTaskSlots": "1", "cpu.cores": "1"}
        told = [word for name, value in own.items() for word in ("-D", f"taskmanager.{name}={value}")]
        command = [*program, "-Xmx700m", *classes, _TASK_MANAGER, "-c", str(conf), *told]
        found.append(Program(f"TaskManager {number}", command))
    page = f"http://localhost:{port}"
    return Plan(found, page, [port], f"make corpus RUNNER=flink FLINK_MASTER=localhost:{port} JOB_SERVER=FILE")


def workers(page: str) -> Sequence[str]:
    """Return the TaskManagers that the JobManager knows."""
    return [one["id"] for one in asked(f"{page}/taskmanagers")["taskmanagers"]]


ENGINE = Engine("flink", TITLE, PACKAGE, "deps/lib", "TaskManager", 8081, plan, workers)
