"""A worker process that an engine starts itself (environment type PROCESS): Beam's own worker, told where to work.

    engine ─ altiplano-worker --id=ID --provision_endpoint=HOST:PORT ─> provision service ─> sdk_worker_main

The engine need not hear of a process that ends at once; what such a one says last goes to a file of the folder that
ALTIPLANO_FAILURES names, where the driver looks for it.
"""

from __future__ import annotations

import argparse
import os
import sys
import traceback
import uuid
from collections.abc import Callable, Mapping, Sequence

from pipelines.runners import environment

FAILURES = "ALTIPLANO_FAILURES"
PROVISION_SECONDS = 60.0
_SERVICES = {
    "control_endpoint": "CONTROL_API_SERVICE_DESCRIPTOR",
    "logging_endpoint": "LOGGING_API_SERVICE_DESCRIPTOR",
    "status_endpoint": "STATUS_API_SERVICE_DESCRIPTOR",
}


def parser() -> argparse.ArgumentParser:
    """Return the command line that engines use; what else they give is known from the provision service."""
    found = argparse.ArgumentParser("altiplano-worker", description="Start a worker for an engine of Beam.")
    found.add_argument("--id", required=True, help="the worker's id; quotation marks around it are left out")
    found.add_argument("--provision_endpoint", required=True, help="HOST:PORT of the provision service")
    return found


def provisioned(worker: str, endpoint: str) -> Mapping[str, str]:
    """Return the environment in which Beam's worker finds what it works for; raise what the service answers."""
    import grpc
    from apache_beam.portability.api import beam_provision_api_pb2, beam_provision_api_pb2_grpc
    from google.protobuf import json_format, text_format

    # Whatever the environment says of proxies: an engine's services are beside it.
    with grpc.insecure_channel(endpoint, options=[("grpc.enable_http_proxy", 0)]) as channel:
        service = beam_provision_api_pb2_grpc.ProvisionServiceStub(channel)
        answer = service.GetProvisionInfo(
            beam_provision_api_pb2.GetProvisionInfoRequest(),
            metadata=[("worker_id", worker)],
            timeout=PROVISION_SECONDS,
            wait_for_ready=True,
        )
    info = answer.info
    found = {name: getattr(info, service) for service, name in _SERVICES.items() if info.HasField(service)}
    return {
        "WORKER_ID": worker,
        "PIPELINE_OPTIONS": json_format.MessageToJson(info.pipeline_options),
        "RUNNER_CAPABILITIES": " ".join(info.runner_capabilities),
        **{name: text_format.MessageToString(service) for name, service in found.items()},
    }


def start(worker: str, endpoint: str) -> None:
    """Be the worker until the engine ends it."""
    environment.settle()
    os.environ.update(provisioned(worker, endpoint))
    from apache_beam.runners.worker import sdk_worker_main

    sdk_worker_main.main([])


def said_to(folder: str, worker: str, error: BaseException) -> None:
    """Leave what a worker says last in a folder, whatever is wrong there."""
    from pipelines.files import storage

    text = f"worker {worker}: {type(error).__name__}: {error}\n{traceback.format_exc()}"
    storage.write_bytes(f"{folder}-{uuid.uuid4().hex[:8]}.failed", text.encode("utf-8", "replace"))


def main(arguments: Sequence[str] | None = None, start: Callable[[str, str], None] = start) -> int:
    """Run a worker; return 1 if it could not start, and leave what it says where the driver looks."""
    options, _ = parser().parse_known_args(arguments)
    worker = options.id.strip("'\"")  # Prism gives quotation marks too
    try:
        start(worker, options.provision_endpoint)
    except Exception as error:
        traceback.print_exc()
        if folder := os.environ.get(FAILURES):
            said_to(folder, worker, error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
