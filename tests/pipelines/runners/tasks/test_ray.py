"""Ray, with two nodes on this machine and nothing but the wheel on them: equal bytes, whatever is killed."""

from __future__ import annotations

import re
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.pipelines.runners.tasks import ray_here
from tests.pipelines.runners.tasks.network import network
from tests.pipelines.runners.tasks.ray_builds import (
    RECORDING,
    Tried,
    build,
    ended,
    nothing_left,
    one_node,
    records,
)
from tests.pipelines.runners.tasks.tried import until
from tests.pipelines.runners.wheel import REPOSITORY
from tests.pipelines.tiny import identity

NODES = "print(json.dumps({node['NodeManagerAddress']: node['NodeID'] for node in ray.nodes() if node['Alive']}))"


@pytest.fixture(scope="module")
def cluster(wheel_python: Path) -> Iterator[ray_here.Ray]:
    with ray_here.running(wheel_python, environment=RECORDING) as found:
        yield found


def test_two_nodes_leave_what_the_plain_runner_leaves(
    tmp_path: Path, options: list[str], built: Path, wheel_python: Path, cluster: ray_here.Ray
) -> None:
    output = tmp_path / "with a space" / "corpus"
    said = ended(build(wheel_python, options, output, cluster.environment, "--ray", cluster.address))
    assert identity(output) == identity(built)
    # Of these dumps; and of a machine on which Ray's workers take ten seconds to start, with other work beside it.
    known = r"warning: books: no document|(waiting for|goes on:) a free worker of ray"
    lines = [line for line in said.splitlines() if line and not re.match(known, line)]
    assert all(re.fullmatch(r"\w+/\w+ +[\d,]+ items +[\d.]+ s", line) for line in lines), said
    nothing_left(output)
    found = records(cluster)
    assert {"common_crawl/paragraphs#00000002", "c4/shards#00000006", "models/tokenizer#00000000"} <= {
        name for _, name, _, _ in found
    }
    tasks = Counter(node for node, name, _, _ in found if "#" in name)
    assert tasks.total() > 90
    assert len(tasks) == 2 and min(tasks.values()) >= tasks.total() / 4, tasks


@pytest.mark.full
def test_a_client_leaves_what_the_plain_runner_leaves(
    tmp_path: Path, options: list[str], built: Path, wheel_python: Path, cluster: ray_here.Ray
) -> None:
    environment = {**cluster.environment, "RAY_ADDRESS": cluster.client}
    said = ended(build(wheel_python, options, tmp_path / "corpus", environment))
    assert identity(tmp_path / "corpus") == identity(built)
    assert "ray" not in said.lower()
    nothing_left(tmp_path / "corpus")


@pytest.fixture(scope="module")
def nodes() -> Iterator[ray_here.Ray]:
    """Run two nodes that see the tests."""
    environment = {**RECORDING, "PYTHONPATH": str(REPOSITORY)}
    with ray_here.running(Path(sys.executable), environment=environment) as found:
        yield found


def again(where: ray_here.Ray, name: str) -> None:
    where.start(name, environment={**RECORDING, "PYTHONPATH": str(REPOSITORY)})


@pytest.mark.full
class TestAccidents:
    """What is killed, while at least four items are done."""

    def test_a_worker(self, tmp_path: Path, nodes: ray_here.Ray) -> None:
        tried = Tried(tmp_path, nodes)
        process = tried.start()
        before = tried.some_done()
        until(lambda: bool(nodes.workers("other")), 10)
        nodes.workers("other")[0].kill()
        said = ended(process)
        assert re.search(
            r"warning: trying/items#\S+.*: its worker was lost \(The worker died unexpectedly while executing this "
            r"task\); it is done again\n",
            said,
        ), said
        assert said.count("done again") == 1
        tried.is_right(before)

    def test_a_node_and_one_that_joins(self, tmp_path: Path, nodes: ray_here.Ray) -> None:
        tried = Tried(tmp_path, nodes, ("sleep 1",) * 30)
        process = tried.start()
        before = tried.some_done()
        nodes.kill("other")
        again(nodes, "other")  # while the wave runs
        joined = time.time()
        said = ended(process)
        assert "its worker was lost (Task failed because the node it was running on is dead or unavailable)" in said
        tried.is_right(before)
        late = {node for node, _, begin, _ in records(nodes) if begin / 1e6 > joined}
        assert "127.0.0.2" in late, "a node that joins gets work"

    def test_the_network_of_a_node_is_cut(self, tmp_path: Path) -> None:
        see = {"PYTHONPATH": str(REPOSITORY)}
        with network() as link, ray_here.running(Path(sys.executable), nodes=(), host=link.here) as own:
            own.start("head", environment=see)
            own.start("other", environment=see, before=link.inside, host=link.there)
            tried = Tried(tmp_path, own)
            # That a connection is silent is looked at every five minutes, unless Ray is told otherwise.
            process = tried.start(RAY_grpc_client_keepalive_time_ms="20000")
            before = tried.some_done()
            until(lambda: bool(own.workers("other")), 10)
            link.cut()
            stuck = own.workers("other")
            for one in stuck:  # it does not reach the folder any more
                one.suspend()
            said = ended(process)
            assert re.search(r"trying/items#\S+ .*: its worker was lost \(.*; it is done again", said), said
            tried.is_right(before, killed=True)
            for one in stuck:  # late, and of a build that has ended
                one.resume()
            time.sleep(2)
            tried.is_right(before, killed=True)

    def test_a_node_is_drained(self, tmp_path: Path, nodes: ray_here.Ray) -> None:
        tried = Tried(tmp_path, nodes)
        process = tried.start()
        before = tried.some_done()
        found = nodes.ask(NODES)
        assert isinstance(found, dict)
        nodes.drain(found["127.0.0.2"], 3)
        ended(process)
        tried.is_right(before)
        nodes.kill("other")
        again(nodes, "other")

    @pytest.mark.parametrize("through", ["address", "client"])
    def test_the_driver(self, tmp_path: Path, nodes: ray_here.Ray, through: str) -> None:
        tried = Tried(tmp_path, nodes)
        process = tried.start("--ray", getattr(nodes, through))
        before = tried.some_done()
        process.kill()
        process.communicate()
        until(lambda: not nodes.workers("head") and not nodes.workers("other"), 30)
        ended(tried.start())
        tried.is_right(before)

    @pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
    @pytest.mark.parametrize("through", ["address", "client"])
    def test_a_build_that_is_ended_ends_its_tasks(
        self, tmp_path: Path, nodes: ray_here.Ray, number: int, code: int, through: str
    ) -> None:
        tried = Tried(tmp_path, nodes)
        process = tried.start("--ray", getattr(nodes, through))
        before = tried.some_done()
        process.send_signal(number)
        word = "interrupted" if code == 130 else "terminated"
        assert ended(process, code) == f"\nstopped: {word}; run again to continue where it stopped\n"
        assert nodes.workers("head") == nodes.workers("other") == []
        tried.nothing_left()
        ended(tried.start())
        tried.is_right(before)

    def test_the_last_node(self, tmp_path: Path) -> None:
        with one_node(cpus=0) as own:
            again(own, "only")
            tried = Tried(tmp_path, own)
            process = tried.start()
            before = tried.some_done()
            own.kill("only")
            assert process.stderr is not None
            said = next(line for line in process.stderr if "no node is left" in line)
            assert said == (
                "warning: ray: no node is left; the build waits for one that joins (--deadline SECONDS ends it)\n"
            )
            again(own, "another")
            ended(process)
        tried.is_right(before)

    @pytest.mark.parametrize("through", ["address", "client"])
    def test_the_head(self, tmp_path: Path, through: str) -> None:
        environment = {"PYTHONPATH": str(REPOSITORY)}
        with ray_here.running(Path(sys.executable), environment=environment) as own:
            tried = Tried(tmp_path, own)
            process = tried.start("--ray", getattr(own, through))
            before = tried.some_done()
            own.kill("head")
            killed = time.monotonic()
            said = ended(process, 1)
            assert time.monotonic() - killed < 30
            assert re.search(r"\nfailed: ray: the head at [\d.:]+ answers no more; what was done is kept", said), said
            tried.nothing_left(killed=True)
        tried.where = None
        ended(tried.start())
        tried.is_right(before)
