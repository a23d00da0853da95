"""Workers that an engine starts: what they ask a provision service, and what they leave when they cannot start."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest
from apache_beam.portability.api import beam_provision_api_pb2, beam_provision_api_pb2_grpc, endpoints_pb2
from google.protobuf import struct_pb2

from pipelines.runners import environment
from pipelines.runners.beam import boot


class Service(beam_provision_api_pb2_grpc.ProvisionServiceServicer):
    """Answers, and takes note of who asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def GetProvisionInfo(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        """Return what a worker works for."""
        self.asked.append(dict(context.invocation_metadata())["worker_id"])
        options = struct_pb2.Struct()
        options.update({"beam:option:job_name:v1": "altiplano-test-1"})
        info = beam_provision_api_pb2.ProvisionInfo(
            pipeline_options=options,
            runner_capabilities=["a", "b"],
            control_endpoint=endpoints_pb2.ApiServiceDescriptor(url="localhost:1"),
            logging_endpoint=endpoints_pb2.ApiServiceDescriptor(url="localhost:2"),
        )
        return beam_provision_api_pb2.GetProvisionInfoResponse(info=info)


@pytest.fixture
def service() -> Iterator[tuple[Service, str]]:
    found = Service()
    server = grpc.server(ThreadPoolExecutor(2))
    beam_provision_api_pb2_grpc.add_ProvisionServiceServicer_to_server(found, server)
    port = server.add_insecure_port("localhost:0")
    server.start()
    yield found, f"localhost:{port}"
    server.stop(0)


@pytest.mark.parametrize("given", ["1-1", "'1-1'", '"1-1"'])
def test_a_worker_finds_what_it_works_for(service: tuple[Service, str], given: str) -> None:
    found, endpoint = service
    told: dict[str, Any] = {}

    def start(worker: str, where: str) -> None:
        told.update(boot.provisioned(worker, where))

    arguments = [f"--id={given}", f"--provision_endpoint={endpoint}", "--logging_endpoint=localhost:3"]
    assert boot.main(arguments, start) == 0
    assert found.asked == ["1-1"]
    assert told["WORKER_ID"] == "1-1"
    assert json.loads(told["PIPELINE_OPTIONS"]) == {"beam:option:job_name:v1": "altiplano-test-1"}
    assert told["RUNNER_CAPABILITIES"] == "a b"
    assert told["CONTROL_API_SERVICE_DESCRIPTOR"].strip() == 'url: "localhost:1"'
    assert told["LOGGING_API_SERVICE_DESCRIPTOR"].strip() == 'url: "localhost:2"'
    assert "STATUS_API_SERVICE_DESCRIPTOR" not in told


def test_what_keeps_a_worker_from_starting_is_left_beside_the_plan(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(boot.FAILURES, f"{tmp_path}/0123456789abcdef")
    monkeypatch.setenv(environment.FOLDER, f"{tmp_path}/gone")
    assert boot.main(["--id='2-1'", "--provision_endpoint=localhost:1"]) == 1
    (left,) = tmp_path.glob("0123456789abcdef-*.failed")
    assert left.read_text().startswith("worker 2-1: FileNotFoundError")
    assert "gone" in capsys.readouterr().err
