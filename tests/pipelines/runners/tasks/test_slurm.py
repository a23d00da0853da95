"""Slurm, with two nodes on this machine and nothing but the wheel on them: equal bytes, whatever is killed."""

from __future__ import annotations

import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from pipelines import corpus
from pipelines.runners.tasks import slurm
from pipelines.runners.tasks.protocol import packed
from pipelines.runners.tasks.slurm import TASK_BYTES, Site, Slurm
from pipelines.runners.tasks.slurm_jobs import Record
from tests.pipelines.runners import trying
from tests.pipelines.runners.tasks import slurm_here, tried
from tests.pipelines.runners.tasks.network import network
from tests.pipelines.runners.tasks.tried import LIMIT
from tests.pipelines.runners.wheel import REPOSITORY, clean
from tests.pipelines.tiny import identity

needed = pytest.mark.skipif(bool(slurm_here.missing()), reason=slurm_here.missing())


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[slurm_here.Slurm]:
    with slurm_here.running(tmp_path_factory.mktemp("slurm") / "here") as found:
        yield found


def build(
    python: Path, options: Sequence[str], output: Path, where: slurm_here.Slurm, **more: str
) -> subprocess.Popen[str]:
    """Start a build whose driver, and whose tasks, are a Python's."""
    command = [str(python), "-m", "pipelines.corpus", *options, "--output", str(output), "--runner", "slurm"]
    environment = {**clean(), **where.environment, **more}
    return subprocess.Popen(
        command, env=environment, cwd="/", stderr=subprocess.PIPE, text=True, start_new_session=True
    )


def ended(process: subprocess.Popen[str], code: int = 0) -> str:
    """Return what a build has said; it ends with this code."""
    said = process.communicate(timeout=LIMIT)[1]
    assert process.returncode == code, said[-3_000:]
    return said


def nothing_left(output: Path, where: slurm_here.Slurm, *, killed: bool = False) -> None:
    """Check that neither jobs nor files of the waves are left.

    What a worker had half written that was `killed` lies under a name of its own until the next build.
    """
    assert where.ask("squeue", "--noheader") == ""
    assert not (output / "work/plan").exists()
    assert not (output / "work/slurm.json").exists()
    hidden = [path for path in output.rglob("*") if path.name.startswith(".") and path.name != ".altiplano"]
    assert killed or not hidden


def by_node(where: slurm_here.Slurm) -> Counter[str]:
    """Return how many tasks the controller gave to each node, by its log."""
    text = (where.folder / "slurmctld.log").read_text()
    return Counter(re.findall(r"Allocate JobId=\S+ NodeList=(n\d)", text))


@needed
def test_leaves_what_the_plain_runner_leaves(
    tmp_path: Path, options: list[str], built: Path, wheel_python: Path, cluster: slurm_here.Slurm
) -> None:
    before = by_node(cluster)
    output = tmp_path / "with a space" / "corpus"
    said = ended(build(wheel_python, options, output, cluster))
    assert identity(output) == identity(built)
    assert "is done again" not in said
    nothing_left(output, cluster)
    tasks = by_node(cluster) - before
    assert tasks.total() > 20
    assert min(tasks["n1"], tasks["n2"]) >= tasks.total() / 4, tasks


class Tried(tried.Tried):
    """A build on a cluster; its Python sees the tests."""

    def __init__(self, folder: Path, where: slurm_here.Slurm, items: Sequence[str] = ("sleep 1",) * 12) -> None:
        super().__init__(folder, items)
        self.where = where

    def start(self, *more: str) -> subprocess.Popen[str]:
        """Start it."""
        options = [*self.options(), *more]
        return build(Path(sys.executable), options, self.output, self.where, PYTHONPATH=str(REPOSITORY))

    def nothing_left(self, *, killed: bool = False) -> None:
        """Check that neither jobs nor files of the waves are left."""
        nothing_left(self.output, self.where, killed=killed)

    def tasks(self, node: str = "") -> list[psutil.Process]:
        """Return the processes of tasks, of one node if it is named."""
        found = []
        for process in psutil.process_iter(["cmdline"]):
            with suppress(psutil.Error):
                ours = f"{self.output}/work/plan" in " ".join(process.info["cmdline"] or ())
                if ours and node in ("", process.environ().get("SLURMD_NODENAME")):
                    found.append(process)
        return found


@needed
@pytest.mark.full
class TestAccidents:
    """What is killed, while at least four items are done."""

    def test_a_worker(self, tmp_path: Path, cluster: slurm_here.Slurm) -> None:
        attempt = Tried(tmp_path, cluster)
        process = attempt.start()
        before = attempt.some_done()
        attempt.tasks()[0].kill()
        said = ended(process)
        assert "its task was lost (FAILED, exit code and signal 0:9, on n" in said
        attempt.is_right(before)

    def test_a_node(self, tmp_path: Path, cluster: slurm_here.Slurm) -> None:
        attempt = Tried(tmp_path, cluster, ("sleep 1",) * 16)
        process = attempt.start()
        before = attempt.some_done()
        cluster.kill("n1")
        for one in attempt.tasks("n1"):
            one.kill()
        ended(process)
        cluster.start("n1")
        cluster.wait()
        attempt.is_right(before)

    def test_the_network_of_a_node_is_cut(self, tmp_path: Path) -> None:
        with network() as link, slurm_here.running(tmp_path / "slurm", apart=link) as own:
            attempt = Tried(tmp_path, own)
            process = attempt.start()
            before = attempt.some_done()
            link.cut()
            stuck = attempt.tasks("n2")
            for one in stuck:  # it does not reach the folder any more
                one.suspend()
            ended(process)  # Slurm itself does its tasks again elsewhere, two minutes later
            assert "requeue job" in (own.folder / "slurmctld.log").read_text()
            attempt.is_right(before, killed=True)
            link.mend()
            for one in stuck:  # late, and of a build that has ended
                with suppress(psutil.NoSuchProcess):
                    one.resume()
            tried.until(lambda: not attempt.tasks(), 60)
            attempt.is_right(before, killed=True)

    def test_the_controller(self, tmp_path: Path, cluster: slurm_here.Slurm) -> None:
        attempt = Tried(tmp_path, cluster)
        process = attempt.start()
        before = attempt.some_done()
        cluster.forget_nothing()
        cluster.kill("slurmctld")
        time.sleep(3)
        cluster.start("slurmctld")
        cluster.wait(0)
        ended(process)
        attempt.is_right(before)

    def test_the_driver_which_is_started_again_while_the_jobs_run(
        self, tmp_path: Path, cluster: slurm_here.Slurm
    ) -> None:
        attempt = Tried(tmp_path, cluster)
        first = attempt.start()
        before = attempt.some_done()
        first.kill()
        first.communicate()
        at_work = {one.pid for one in attempt.tasks()}
        assert at_work
        second = attempt.start()
        time.sleep(2)
        assert {one.pid for one in attempt.tasks()} <= at_work, "what runs is not done a second time"
        said = ended(second)
        assert re.search(r"slurm: jobs \d+ of an earlier start of this build go on, and are waited for", said)
        attempt.is_right(before)

    def test_the_driver_and_the_next_build_is_another(self, tmp_path: Path, cluster: slurm_here.Slurm) -> None:
        attempt = Tried(tmp_path, cluster)
        first = attempt.start()
        attempt.some_done()
        first.kill()
        first.communicate()
        said = ended(attempt.start("--set", "excerpts=0.5"))
        assert re.search(r"slurm: jobs \d+, of another recipe or other sources, are ended", said)
        attempt.nothing_left()

    def test_a_node_is_drained(self, tmp_path: Path, cluster: slurm_here.Slurm) -> None:
        attempt = Tried(tmp_path, cluster)
        process = attempt.start()
        before = attempt.some_done()
        cluster.ask("scontrol", "update", "NodeName=n1", "State=DRAIN", "Reason=test")
        ended(process)
        cluster.ask("scontrol", "update", "NodeName=n1", "State=RESUME")
        cluster.wait()
        attempt.is_right(before)

    @pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
    def test_a_build_that_is_ended_ends_its_jobs(
        self, tmp_path: Path, cluster: slurm_here.Slurm, number: int, code: int
    ) -> None:
        attempt = Tried(tmp_path, cluster)
        process = attempt.start()
        before = attempt.some_done()
        process.send_signal(number)
        assert "run again to continue where it stopped" in ended(process, code)
        assert attempt.tasks() == []
        attempt.nothing_left()
        ended(attempt.start())
        attempt.is_right(before)


@needed
@pytest.mark.full
class TestFailures:
    """Items that cannot be done are named, and nothing half written is left."""

    def test_our_code_raises(self, tmp_path: Path, cluster: slurm_here.Slurm) -> None:
        attempt = Tried(tmp_path, cluster, ["sleep 0.1"] * 5 + ["fail"])
        said = ended(attempt.start(), 1)
        assert re.search(r"failed: trying/items#\d+ \(\S+/005\.jsonl\): .*005\.jsonl.* the field is missing", said), (
            said
        )
        assert "done again" not in said
        assert "ValueError: the field is missing" in (attempt.output / "work/log.txt").read_text()
        attempt.nothing_left()

    def test_an_item_kills_its_worker(self, tmp_path: Path, cluster: slurm_here.Slurm) -> None:
        attempt = Tried(tmp_path, cluster, ["sleep 0.1"] * 5 + ["die"])
        said = ended(attempt.start(), 1)
        assert said.count("005.jsonl): its task was lost (FAILED, exit code and signal 0:9, on n") == 2
        assert re.search(r"failed: trying/items#\d+ \(\S+/005\.jsonl\): it was lost 3 times: FAILED", said), said
        attempt.nothing_left(killed=True)

    def test_no_node_has_the_memory(self, tmp_path: Path) -> None:
        with slurm_here.running(tmp_path / "slurm", memory=500) as cluster:
            attempt = Tried(tmp_path, cluster, ["sleep 0.1"])
            said = ended(attempt.start(), 1)
        assert re.search(r"failed: trying/items#00000000 \(.*\), which asks for 1,024 MB of memory: ", said)
        assert "--set reducer_keys=N" in said
        assert not (attempt.output / "work/plan").exists()

    def test_the_nodes_do_not_share_the_folder(self, tmp_path: Path, cluster: slurm_here.Slurm) -> None:
        attempt = Tried(tmp_path / "shared", cluster, ["sleep 0.1"])
        attempt.folder.mkdir()
        other = f'mount -t tmpfs none {shlex.quote(str(attempt.folder))} && exec "$@"'
        for name in ("n1", "n2"):
            cluster.kill(name)
            cluster.start(name, ["unshare", "--mount", "sh", "-c", other, "sh"])
        cluster.wait()
        started = time.monotonic()
        said = ended(attempt.start(), 2)
        for name in ("n1", "n2"):
            cluster.kill(name)
            cluster.start(name)
        cluster.wait()
        assert re.fullmatch(
            r"error: --output \S+/corpus: n[12] of Slurm does not see it, or another folder of that name: let it be a "
            r"folder that all nodes share, by its absolute path",
            said.strip(),
        ), said
        assert time.monotonic() - started < 60
        assert not (attempt.output / "trying").exists()

    def test_the_controller_is_away(self, tmp_path: Path, cluster: slurm_here.Slurm) -> None:
        cluster.kill("slurmctld")
        attempt = Tried(tmp_path, cluster, ["sleep 0.1"])
        said = ended(attempt.start(), 2)
        cluster.start("slurmctld")
        cluster.wait()
        assert re.search(r"error: --runner slurm: scontrol says: .*Unable to contact slurm controller", said), said

    def test_there_is_no_such_partition(self, tmp_path: Path, cluster: slurm_here.Slurm) -> None:
        attempt = Tried(tmp_path, cluster, ["sleep 0.1"])
        said = ended(attempt.start("--slurm-partition", "elsewhere"), 2)
        assert re.fullmatch(r"error: --runner slurm: sbatch says: .*[Ii]nvalid partition.*", said.strip()), said
        attempt.nothing_left()

    def test_nothing_is_free(self, tmp_path: Path, cluster: slurm_here.Slurm) -> None:
        cluster.ask("scontrol", "update", "PartitionName=all", "State=DOWN")
        attempt = Tried(tmp_path, cluster, ["sleep 0.1"])
        said = ended(attempt.start("--patience", "12"), 1)
        cluster.ask("scontrol", "update", "PartitionName=all", "State=UP")
        assert "waiting for a free worker of slurm" in said
        assert "no task of slurm has begun within 12 s" in said
        attempt.nothing_left()


@needed
@pytest.mark.full
def test_arrays_are_no_larger_than_the_site_allows(tmp_path: Path, options: list[str], built: Path) -> None:
    with slurm_here.running(tmp_path / "slurm", largest=3) as cluster:
        ended(build(Path(sys.executable), options, tmp_path / "corpus", cluster, PYTHONPATH=str(REPOSITORY)))
        assert identity(tmp_path / "corpus") == identity(built)
        nothing_left(tmp_path / "corpus", cluster)


class TestWithoutAnySlurm:
    """What needs no cluster: how items are dealt, and what is refused before anything starts."""

    SITE = Site(largest=1_000, cpus=100, arguments=())

    def dealt(self, weights: list[float], site: Site = SITE) -> list[list[int]]:
        cluster = Slurm(site, Record("", "", ""), "wave")
        found = cluster.deal(weights)
        assert sorted(number for task in found for number in task) == list(range(len(weights)))
        return found

    def test_items_are_packed_so_that_a_task_takes_minutes(self) -> None:
        assert len(self.dealt([TASK_BYTES / 10] * 20_000)) == 1_000, "no array is larger than it may be"
        assert len(self.dealt([TASK_BYTES / 10] * 8_000)) == 800
        assert len(self.dealt([TASK_BYTES * 5] * 30)) == 30
        assert len(self.dealt([1_000.0] * 500)) == 100, "a task for each CPU, as they are done in no time"
        assert len(self.dealt([1.0] * 2_048)) == 400
        assert self.dealt([1_000.0]) == [[0]]
        assert self.dealt([]) == []

    def test_the_heaviest_come_first_and_tasks_are_alike(self) -> None:
        weights = [float(number) for number in range(1, 101)]
        found = packed(weights, 7)
        loads = [sum(weights[number] for number in task) for task in found]
        assert loads == sorted(loads, reverse=True)
        assert loads[0] - loads[-1] <= 7
        assert found[0][0] >= 93

    def test_it_is_refused_without_its_commands_or_a_folder(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(shutil, "which", lambda name: None if name == "squeue" else f"/bin/{name}")
        with pytest.raises(ValueError, match="--runner slurm: there is no squeue on the PATH"):
            slurm.check("/corpus")
        monkeypatch.setattr(shutil, "which", lambda name: f"/bin/{name}")
        with pytest.raises(ValueError, match="--output s3://b/c: --runner slurm needs a folder that all nodes share"):
            slurm.check("s3://b/c")
        slurm.check("/corpus")

    def test_its_options_are_no_other_runner_s(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        options = trying.write(tmp_path / "dumps", ["sleep 0"])
        assert corpus.main([*options, "--output", f"{tmp_path}/corpus", "--slurm-time", "1:00"]) == 2
        assert "--slurm-time: it goes with --runner slurm" in capsys.readouterr().err
