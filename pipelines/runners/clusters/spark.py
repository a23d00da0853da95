"""Spark, a standalone cluster: a master, and workers with one core each."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pipelines.files.packages import Package
from pipelines.runners import java
from pipelines.runners.clusters.machine import Engine, Plan, Program, asked, free_port

TITLE = "Spark 3.5.9"
PACKAGE = Package(
    "pyspark",
    "3.5.9",
    "pyspark-3.5.9.tar.gz",
    317_858_593,
    "ea27adc39ddac9413b8951e45aa748cbed6c785971b81386efc41938f6243d93",
    "Apache-2.0",
    "Spark's own jars",
)
_MASTER = "org.apache.spark.deploy.master.Master"
_WORKER = "org.apache.spark.deploy.worker.Worker"
WORKER_MEMORY = "1g"


def plan(archive: Path, folder: Path, workers: int, port: int) -> Plan:
    """Return a cluster whose master takes jobs at this port; its page has a free one."""
    page = free_port()
    program = [java.found(TITLE, java.MOST), *java.opened(), "-Xmx512m", "-cp", f"{archive}/jars/*"]
    told = (("SPARK_HOME", str(archive)), ("SPARK_SCALA_VERSION", "2.12"), ("SPARK_LOCAL_IP", "127.0.0.1"))
    where = ["--host", "localhost"]
    found = [Program("master", [*program, _MASTER, *where, "--port", str(port), "--webui-port", str(page)], told)]
    for number in range(1, workers + 1):
        share = ["-c", "1", "-m", WORKER_MEMORY, "-d", str(folder / f"work-{number}"), "--webui-port", "0"]
        found.append(
            Program(f"worker {number}", [*program, _WORKER, f"spark://localhost:{port}", *where, *share], told)
        )
    master = f"spark://localhost:{port}"
    told_of = f"make corpus RUNNER=spark SPARK_MASTER={master} JOB_SERVER=FILE"
    return Plan(found, f"http://localhost:{page}", [port, page], told_of)


def workers(page: str) -> Sequence[str]:
    """Return the workers that the master knows to be alive."""
    return [one["id"] for one in asked(f"{page}/json/")["workers"] if one["state"] == "ALIVE"]


ENGINE = Engine("spark", TITLE, PACKAGE, "deps/jars", "worker", 7077, plan, workers)
