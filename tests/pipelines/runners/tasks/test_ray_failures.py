"""What cannot be done on Ray: items that fail, clusters that are none, and a Ray of this machine that is ended."""

from __future__ import annotations

import argparse
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from unittest.mock import Mock

import psutil
import pytest
from pyarrow import parquet

from pipelines.runners.tasks import ray, ray_checks
from tests.pipelines import servers
from tests.pipelines.runners import trying, wheel
from tests.pipelines.runners.tasks import ray_here
from tests.pipelines.runners.tasks.ray_builds import (
    RECORDING,
    Tried,
    ended,
    one_node,
    records,
)
from tests.pipelines.runners.tasks.tried import until
from tests.pipelines.runners.wheel import REPOSITORY


@pytest.fixture(scope="module")
def nodes() -> Iterator[ray_here.Ray]:
    """Run two nodes that see the tests."""
    environment = {**RECORDING, "PYTHONPATH": str(REPOSITORY)}
    with ray_here.running(Path(sys.executable), environment=environment) as found:
        yield found


@pytest.mark.full
class TestFailures:
    """Items that cannot be done are named, and nothing half written is left."""

    def test_our_code_raises(self, tmp_path: Path, nodes: ray_here.Ray) -> None:
        tried = Tried(tmp_path, nodes, ["sleep 0.1"] * 5 + ["fail"])
        said = ended(tried.start(), 1)
        assert re.search(r"failed: trying/items#\d+ \(\S+/005\.jsonl\): .*005\.jsonl.* the field is missing", said), (
            said
        )
        assert "done again" not in said
        assert "ValueError: the field is missing" in (tried.output / "work/log.txt").read_text()
        tried.nothing_left()

    def test_an_item_kills_its_worker(self, tmp_path: Path, nodes: ray_here.Ray) -> None:
        tried = Tried(tmp_path, nodes, ["sleep 0.1"] * 5 + ["die"])
        said = ended(tried.start(), 1)
        assert said.count("005.jsonl): its worker was lost (The worker died unexpectedly") == 2
        assert re.search(r"failed: trying/items#\d+ \(\S+/005\.jsonl\): its worker was lost 3 times: ", said), said
        tried.nothing_left(killed=True)

    def test_no_node_has_the_memory(self, tmp_path: Path) -> None:
        with one_node("--memory=500000000") as own:
            tried = Tried(tmp_path, own, ["sleep 0.1"])
            said = ended(tried.start(), 1)
        assert re.search(
            r"failed: trying/items#00000000 \(.*\) needs 1\.0 GiB of memory, and no node of Ray has ", said
        )
        assert "--set reducer_keys=N" in said
        tried.nothing_left()

    def test_tasks_are_as_many_at_once_as_memory_allows(self, tmp_path: Path) -> None:
        with one_node(f"--memory={5 << 29}", cpus=4, settings=RECORDING) as own:
            tried = Tried(tmp_path, own, ["sleep 0.5"] * 6)
            ended(tried.start())
            spans = [(begin, end) for _, name, begin, end in records(own) if name.startswith("trying/items#")]
        assert len(spans) == 6
        assert max(sum(begin <= one < end for begin, end in spans) for one, _ in spans) == 2

    def test_the_memory_of_a_node_is_full(self, tmp_path: Path) -> None:
        threshold = psutil.virtual_memory().percent / 100 + 0.05
        monitor = {"RAY_memory_usage_threshold": f"{threshold:.3f}", "RAY_memory_monitor_refresh_ms": "50"}
        megabytes = int(psutil.virtual_memory().total * 0.15 / trying.MEGABYTE)
        with one_node(settings=monitor) as own:
            tried = Tried(tmp_path, own, ["sleep 0.1", f"hold {megabytes}"])
            said = ended(tried.start(), 1)
        assert re.search(
            r"failed: trying/items#\d+ \(\S+/001\.jsonl\): its worker was lost 3 times: its node's memory was full; "
            r"--set reducer_keys=N",
            said,
        ), said
        tried.nothing_left(killed=True)

    def test_the_heaviest_begin_first(self, tmp_path: Path) -> None:
        sizes = (3, 1, 4, 2, 5)
        with one_node() as own:
            tried = Tried(tmp_path, own, ["sleep 0.1" + " " * 1_000 * size for size in sizes])
            ended(tried.start())
        done = sorted(trying.finished(tried.output).items(), key=lambda item: item[1][1])
        texts = [parquet.read_table(tried.output / f"trying/documents/{name[:-5]}.parquet")["text"] for name, _ in done]
        assert [len(text[0].as_py()) // 1_000 for text in texts] == [5, 4, 3, 2, 1]


class TestRefusals:
    """What is refused in a paragraph before the first wave."""

    def test_there_is_no_ray(self, monkeypatch: pytest.MonkeyPatch) -> None:
        ray.check("/corpus")
        monkeypatch.setattr(ray, "version", missing)
        with pytest.raises(ValueError, match="--runner ray: Ray is not installed; make setup-ray installs it"):
            ray.check("/corpus")

    @pytest.mark.parametrize(
        ("address", "why"),
        [
            ("127.0.0.1:{port}", "nothing answers there; is it the address of a head of Ray that runs?"),
            ("ray://127.0.0.1:{port}", "nothing answers there"),
            ("ray://head", "HOST:PORT is expected, or ray://HOST:PORT"),
            ("head:many", "HOST:PORT is expected"),
        ],
    )
    def test_nothing_is_at_the_address(self, monkeypatch: pytest.MonkeyPatch, address: str, why: str) -> None:
        address = address.format(port=servers.free_port())
        monkeypatch.delenv(ray.ADDRESS, raising=False)
        options = argparse.Namespace(ray=address, workers=1)
        with pytest.raises(ValueError, match=re.escape(f"--ray {address}: {why}")), ray.connected(options, None):
            pass
        monkeypatch.setenv(ray.ADDRESS, address)
        options = argparse.Namespace(ray=None, workers=1)
        with pytest.raises(ValueError, match=re.escape(f"RAY_ADDRESS={address}: ")), ray.connected(options, None):
            pass

    def test_a_head_that_fails_to_start_a_client_s_server_is_asked_again(self, monkeypatch: pytest.MonkeyPatch) -> None:
        trace = "Initialization failure from server:\nTraceback (most recent call last):\n  File ...\n"
        answers = [ConnectionAbortedError(f"{trace}psutil.ZombieProcess: it's a zombie (pid=9)")] * 3
        monkeypatch.setattr("ray.init", Mock(side_effect=[*answers[:1], "connected"]))
        assert ray_checks.begin("ray://head:10001") == "connected"
        monkeypatch.setattr("ray.init", Mock(side_effect=answers))
        with pytest.raises(ConnectionAbortedError) as error:
            ray_checks.begin("ray://head:10001")
        assert ray_checks.refusal(error.value) == "psutil.ZombieProcess: it's a zombie (pid=9)"

    @pytest.mark.full
    @pytest.mark.parametrize(
        ("through", "lie", "shown"),
        [
            ("address", "ray.__version__ = '2.59.0'", "2.59.0"),
            ("client", "ray.__version__ = '2.59.0'", "2.59.0"),
            ("address", "utils.compute_version_info = lambda: (ray.__version__, '3.9.18')", "3.9.18"),
        ],
    )
    def test_another_ray_or_python(self, tmp_path: Path, through: str, lie: str, shown: str) -> None:
        (tmp_path / "lie").mkdir()
        (tmp_path / "lie/sitecustomize.py").write_text(f"import ray\nfrom ray._private import utils\n{lie}\n")
        tried = Tried(tmp_path, None, ["sleep 0.1"])
        with ray_here.running(Path(sys.executable), nodes=()) as own:
            own.start("head", environment={"PYTHONPATH": f"{tmp_path / 'lie'}:{REPOSITORY}"})
            tried.where = own
            said = ended(tried.start("--ray", getattr(own, through)), 2)
        assert said.strip().startswith(f"error: --ray {getattr(own, through)}: ") and "\n" not in said.strip(), said
        assert shown in said
        assert not (tried.output / "trying").exists()

    @pytest.mark.full
    @pytest.mark.parametrize("through", ["address", "client"])
    def test_another_token(self, tmp_path: Path, nodes: ray_here.Ray, through: str) -> None:
        tried = Tried(tmp_path, nodes, ["sleep 0.1"])
        where = getattr(nodes, through)
        said = ended(tried.start("--ray", where, RAY_AUTH_TOKEN="0" * 64), 2)
        assert said.strip().startswith(f"error: --ray {where}: ") and "set RAY_AUTH_TOKEN" in said, said
        assert "\n" not in said.strip()

    @pytest.mark.full
    @pytest.mark.parametrize("through", ["address", "client"])
    def test_a_node_without_the_package(self, tmp_path: Path, through: str) -> None:
        bare = wheel.bare(tmp_path / "bare")
        with ray_here.running(bare, nodes=["head"]) as own:
            tried = Tried(tmp_path, own, ["sleep 0.1"])
            begun = time.monotonic()
            said = ended(tried.start("--ray", getattr(own, through)), 2).strip()
        assert time.monotonic() - begun < 30
        assert re.fullmatch(
            r"error: --r.*its workers do not have the package altiplano-corpus, or not the driver's version: "
            r"install it there",
            said,
        ), said
        assert not (tried.output / "trying").exists()

    @pytest.mark.full
    def test_a_node_with_another_version(self, tmp_path: Path) -> None:
        facts = tmp_path / "other/altiplano_corpus-9.9.dist-info"
        facts.mkdir(parents=True)
        (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: altiplano-corpus\nVersion: 9.9\n")
        with one_node() as own:
            own.start("other", environment={"PYTHONPATH": f"{tmp_path / 'other'}:{REPOSITORY}"})
            tried = Tried(tmp_path, own, ["sleep 0.1"])
            said = ended(tried.start(), 2).strip()
        assert re.fullmatch(
            r"error: --runner ray: node 127\.0\.0\.2: it has altiplano-corpus 9\.9, the build has [\d.]+: install the "
            r"driver's version there",
            said,
        ), said

    @pytest.mark.full
    @pytest.mark.parametrize(
        ("mount", "why"),
        [
            (
                "mount -t tmpfs none {0}",
                "it does not see {0}/corpus, or another folder of that name: let --output be a ",
            ),
            ("mount --bind {0} {0} && mount -o remount,ro,bind {0}", "it cannot write to {0}/corpus ("),
        ],
    )
    def test_a_node_that_does_not_reach_the_output(self, tmp_path: Path, mount: str, why: str) -> None:
        try:
            subprocess.run(["unshare", "--mount", "true"], check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError):
            pytest.skip("mounts of one's own need root")
        shell = f'{mount.format(tmp_path)} && exec "$@"'
        with one_node() as own:
            own.start(
                "other",
                environment={"PYTHONPATH": str(REPOSITORY)},
                before=["unshare", "--mount", "sh", "-c", shell, "sh"],
            )
            tried = Tried(tmp_path, own, ["sleep 0.1"])
            said = ended(tried.start(), 2)
        assert said.strip().startswith(f"error: --runner ray: node 127.0.0.2: {why.format(tmp_path)}"), said
        assert said.strip().count("\n") == 0
        assert not (tried.output / "trying").exists()

    @pytest.mark.full
    def test_nothing_is_free(self, tmp_path: Path) -> None:
        with one_node(cpus=0) as own:
            tried = Tried(tmp_path, own, ["sleep 0.1"])
            said = ended(tried.start("--patience", "13"), 1)
            assert "waiting for a free worker of ray" in said
            assert "failed: no task of ray has begun within 13 s: there may be nothing free" in said
            tried.nothing_left()
            process = tried.start()
            assert process.stderr is not None and "waiting for a free worker of ray" in process.stderr.readline()
            own.start("other", environment={"PYTHONPATH": str(REPOSITORY)})
            ended(process)
            tried.is_right({})


def missing(name: str) -> str:
    raise PackageNotFoundError(name)


@pytest.mark.full
class TestHere:
    """A Ray that a build starts on this machine."""

    @pytest.fixture
    def folder(self) -> Iterator[Path]:
        """Give a folder with a short name, as a temporary folder has one."""
        with tempfile.TemporaryDirectory(prefix="here") as name:
            yield Path(name)

    @pytest.mark.parametrize(
        "settings",
        [
            {},
            dict.fromkeys(("http_proxy", "https_proxy", "grpc_proxy", "all_proxy"), "http://127.0.0.1:1"),
            {"RAY_AUTH_MODE": "disabled", "RAY_TMPDIR": "/nowhere", "RAY_NUM_CPUS": "1", "RAY_PROFILING": "1"},
        ],
        ids=["", "proxies", "settings of Ray's own"],
    )
    def test_it_leaves_what_the_plain_runner_leaves(self, folder: Path, settings: dict[str, str]) -> None:
        tried = Tried(folder / "a b", None, ["sleep 0.2"] * 6)
        said = ended(tried.start("--workers", "2", **settings))
        assert re.fullmatch(r"(trying/\w+ +\d+ items +[\d.]+ s\n)+\n?", said), said
        tried.is_right({})

    def test_a_long_temporary_folder(self, folder: Path) -> None:
        tried = Tried(folder / ("long " * 20) / ("long " * 20), None, ["sleep 0.2"] * 2)
        ended(tried.start())
        tried.is_right({})

    @pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
    def test_a_build_that_is_ended_ends_it(self, folder: Path, number: int, code: int) -> None:
        tried = Tried(folder, None)
        process = tried.start("--workers", "2")
        before = tried.some_done()
        os.killpg(process.pid, number) if number == signal.SIGINT else process.send_signal(number)
        word = "interrupted" if code == 130 else "terminated"
        assert ended(process, code) == f"\nstopped: {word}; run again to continue where it stopped\n"
        tried.nothing_left()
        ended(tried.start("--workers", "2"))
        tried.is_right(before)

    def test_a_deadline(self, folder: Path) -> None:
        tried = Tried(folder, None)
        said = ended(tried.start("--workers", "2", "--deadline", "5"), 1)
        assert "failed: the wave did not end within 5 s" in said
        tried.nothing_left()

    def test_a_build_that_is_killed_takes_it_along(self, folder: Path) -> None:
        tried = Tried(folder, None)
        process = tried.start("--workers", "2")
        before = tried.some_done()
        process.kill()
        process.communicate()
        # Ray's own agents, which do nothing, wait for a minute for a head that is gone.
        until(lambda: all("Agent" in one.name() for one in ray_here.of_session(process.pid)), 30)
        ended(tried.start("--workers", "2"))
        tried.is_right(before)

    def test_a_module_of_the_working_folder_is_none_of_ours(self, folder: Path) -> None:
        for name in ("json", "pipelines", "filters"):
            (folder / f"{name}.py").write_text("raise RuntimeError('not ours')\n")
        tried = Tried(folder / "build", None, ["sleep 0.1"] * 2)
        ended(tried.start(cwd=str(folder)))
        tried.is_right({})
