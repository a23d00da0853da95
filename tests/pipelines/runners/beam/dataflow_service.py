"""A stand-in for Google Cloud Dataflow: its REST API as Beam's own client speaks it, and Prism, which runs the graph.

    create ─ checked ─ graph fetched from the bucket ─ environment replaced ─> Prism ─> states, messages, counters

The client speaks REST to an endpoint of this machine, and gRPC with the same messages to Google's. What is checked of a
job is what Google documents of it: names, labels, regions, machine types, sizes, and that all staged files are there.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import grpc
from apache_beam.portability.api import beam_job_api_pb2, beam_job_api_pb2_grpc, beam_runner_api_pb2
from google.cloud import dataflow
from google.protobuf import json_format, struct_pb2

from pipelines.files import storage

STATES = dataflow.JobState
ENDED = {STATES.JOB_STATE_DONE, STATES.JOB_STATE_FAILED, STATES.JOB_STATE_CANCELLED}
MOST_BYTES = 10 << 20  # of a request, and of a graph
LEAST_DISK_GB = 30
_NAME = re.compile(r"[a-z](?:[-a-z0-9]{0,1022}[a-z0-9])?")
_LABEL = re.compile(r"[a-z][-_a-z0-9]{0,62}=[-_a-z0-9]{0,63}")
_REGION = re.compile(r"[a-z]+-[a-z]+\d")
_MACHINE = re.compile(r"[a-z]\d[a-z]?-(?:standard|highmem|highcpu)-\d+")
_PATH = re.compile(
    r"/v1b3/projects/(?P<project>[^/]+)/locations/(?P<region>[^/]+)/jobs(?:/(?P<job>[^/]+))?(?P<what>/\w+)?"
)
_OF_PRISM: Mapping[int, Any] = {
    beam_job_api_pb2.JobState.RUNNING: STATES.JOB_STATE_RUNNING,
    beam_job_api_pb2.JobState.DONE: STATES.JOB_STATE_DONE,
    beam_job_api_pb2.JobState.FAILED: STATES.JOB_STATE_FAILED,
    beam_job_api_pb2.JobState.CANCELLING: STATES.JOB_STATE_CANCELLING,
    beam_job_api_pb2.JobState.CANCELLED: STATES.JOB_STATE_CANCELLED,
}


class RefusedError(Exception):
    """What the service answers with an error: an HTTP status, Google's name of it, and a sentence."""

    def __init__(self, code: int, status: str, text: str) -> None:
        super().__init__(text)
        self.answer = {"error": {"code": code, "status": status, "message": text}}
        self.code = code


@dataclass
class Job:
    """A job of the service: as it was asked for, and what has become of it."""

    asked: Any  # dataflow.Job
    id: str
    project: str
    region: str
    prism: str = ""
    state: Any = STATES.JOB_STATE_PENDING
    states: list[str] = field(default_factory=list)
    messages: list[Any] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)

    @property
    def options(self) -> Mapping[str, Any]:
        """The options of the pipeline, as workers get them."""
        found: Mapping[str, Any] = json_format.MessageToDict(
            dataflow.Environment.pb(self.asked.environment).sdk_pipeline_options
        )["options"]
        return found

    @property
    def pool(self) -> Any:
        """The job's machines."""
        (pool,) = self.asked.environment.worker_pools
        return pool

    def is_now(self, state: Any) -> None:
        """Take note of a state; one that has ended stays so."""
        if self.state not in ENDED and state.name not in self.states[-1:]:
            self.state = state
            self.states.append(state.name)
        if self.state in ENDED:
            self.ended.set()

    def shown(self) -> Any:
        """Return the job as the service tells of it."""
        return dataflow.Job(
            id=self.id,
            name=self.asked.name,
            project_id=self.project,
            location=self.region,
            type_=self.asked.type_,
            current_state=self.state,
            client_request_id=self.asked.client_request_id,
            labels=self.asked.labels,
        )


class Service(ThreadingHTTPServer):
    """The service: jobs by their ids, whose workers are processes of `command`.

    `away`: it hangs up on everybody, and `hung_up` counts them; `lost`: on so many who submit, after it took their job.
    """

    daemon_threads = True
    block_on_close = False

    def __init__(self, prism: str, command: str, environment: Mapping[str, str]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.jobs: dict[str, Job] = {}
        self.away = threading.Event()
        self.lost = 0
        self.hung_up = 0
        self.command, self._environment = command, environment
        self._channel = grpc.insecure_channel(prism, options=[("grpc.enable_http_proxy", 0)])
        self._prism = beam_job_api_pb2_grpc.JobServiceStub(self._channel)
        self._lock = threading.Lock()

    @property
    def url(self) -> str:
        """What goes to `--dataflow_endpoint`."""
        return f"http://localhost:{self.server_port}"

    @contextmanager
    def running(self) -> Iterator[Service]:
        """Serve until the block ends."""
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()
        try:
            yield self
        finally:
            self.shutdown()
            self.server_close()
            self._channel.close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Keep quiet about clients that went away."""

    def away_until_ended(self, job: Job) -> None:
        """Hang up on everybody until a job has ended, and somebody has asked."""
        self.away.set()

        def end() -> None:
            job.ended.wait()
            while not self.hung_up:
                time.sleep(0.05)
            self.away.clear()

        threading.Thread(target=end, daemon=True).start()

    def create(self, body: bytes, project: str, region: str) -> Any:
        """Take a job, or that of an earlier request that was the same; refuse one that is wrong."""
        asked = dataflow.Job.from_json(body)
        if len(body) > MOST_BYTES:
            raise RefusedError(400, "INVALID_ARGUMENT", f"the request has {len(body)} bytes")
        with self._lock:
            for job in self.jobs.values():
                if job.asked.client_request_id == asked.client_request_id:
                    return job.shown()
                if job.asked.name == asked.name and job.state not in ENDED:
                    return job.shown()  # the client sees that the request was another
            job = Job(asked, f"2026-01-01_00_00_{len(self.jobs):02d}-{uuid.uuid4().int % 10**12}", project, region)
            if problems := list(_problems(job)):
                raise RefusedError(400, "INVALID_ARGUMENT", "; ".join(problems))
            self.jobs[job.id] = job
        threading.Thread(target=self._run, args=(job,), daemon=True).start()
        return job.shown()

    def update(self, job: Job, body: bytes) -> Any:
        """Cancel a job."""
        if dataflow.Job.from_json(body).requested_state != STATES.JOB_STATE_CANCELLED:
            raise RefusedError(400, "INVALID_ARGUMENT", "only cancelling is known here")
        if job.state not in ENDED:
            job.is_now(STATES.JOB_STATE_CANCELLING)
            threading.Thread(target=self._cancel, args=(job,), daemon=True).start()
        return job.shown()

    def messages(self, job: Job, query: Mapping[str, list[str]]) -> Any:
        """Return a job's messages, two to a page, since a time."""
        since = query.get("startTime", [""])[0]
        found = [
            message for message in list(job.messages) if json.loads(type(message).to_json(message))["time"] >= since
        ]
        start = int(query.get("pageToken", ["0"])[0] or 0)
        following = str(start + 2) if start + 2 < len(found) else ""
        return dataflow.ListJobMessagesResponse(job_messages=found[start : start + 2], next_page_token=following)

    def metrics(self, job: Job) -> Any:
        """Return what Prism has counted, as Dataflow tells it: each counter as of now and as of finished work."""
        told = self._prism.GetJobMetrics(beam_job_api_pb2.GetJobMetricsRequest(job_id=job.prism)).metrics
        counts: dict[tuple[str, str, str], int] = {}
        for info in [*told.attempted, *told.committed]:
            if info.urn == "beam:metric:user:sum_int64:v1":
                key = (info.labels["NAMESPACE"], info.labels["PTRANSFORM"], info.labels["NAME"])
                counts[key] = max(_varint(info.payload), counts.get(key, 0))
        updates = []
        for (namespace, step, name), count in counts.items():
            for more in ({}, {"tentative": "true"}):
                context = {"namespace": namespace, "step": step, **more}
                about = dataflow.MetricStructuredName(origin="user", name=name, context=context)
                updates.append(dataflow.MetricUpdate(name=about, scalar=count))
        return dataflow.JobMetrics(metrics=updates)

    def _run(self, job: Job) -> None:
        try:
            job.is_now(STATES.JOB_STATE_PENDING)
            self._start(job)
            for answer in self._prism.GetMessageStream(beam_job_api_pb2.JobMessagesRequest(job_id=job.prism)):
                if answer.HasField("message_response"):
                    said = answer.message_response
                    job.messages.append(_message(said.message_text, said.importance >= said.JOB_MESSAGE_ERROR))
                elif (state := _OF_PRISM.get(answer.state_response.state)) is not None:
                    job.is_now(state)
        except Exception as error:
            job.messages.append(_message(f"Workflow failed. Causes: {error}", error=True))
            job.is_now(STATES.JOB_STATE_FAILED)

    def _start(self, job: Job) -> None:
        graph = beam_runner_api_pb2.Pipeline.FromString(storage.read_bytes(job.options["pipelineUrl"]))
        payload = beam_runner_api_pb2.ProcessPayload(command=self.command, env=self._environment)
        for one in graph.components.environments.values():
            one.urn, one.payload = "beam:env:process:v1", payload.SerializeToString()
            del one.dependencies[:]
        request = beam_job_api_pb2.PrepareJobRequest(
            pipeline=graph,
            job_name=job.asked.name,
            pipeline_options=json_format.ParseDict(_portable(job.options), struct_pb2.Struct()),
        )
        prepared = self._prism.Prepare(request)
        job.prism = self._prism.Run(beam_job_api_pb2.RunJobRequest(preparation_id=prepared.preparation_id)).job_id

    def _cancel(self, job: Job) -> None:
        while not job.prism:
            time.sleep(0.05)
        self._prism.Cancel(beam_job_api_pb2.CancelJobRequest(job_id=job.prism))
        job.is_now(STATES.JOB_STATE_CANCELLED)


def _problems(job: Job) -> Iterator[str]:
    """Tell what Google would refuse of a job."""
    environment, options = job.asked.environment, job.options
    if not _NAME.fullmatch(job.asked.name):
        yield f"the job name {job.asked.name!r} is invalid"
    yield from (
        f"the label {k}={v} is invalid" for k, v in job.asked.labels.items() if not _LABEL.fullmatch(f"{k}={v}")
    )
    if not _REGION.fullmatch(job.region):
        yield f"there is no region {job.region!r}"
    if job.asked.type_ != dataflow.JobType.JOB_TYPE_BATCH or "use_runner_v2" not in environment.experiments:
        yield "the job is no batch job of the portable runner"
    if not _MACHINE.fullmatch(job.pool.machine_type):
        yield f"there is no machine type {job.pool.machine_type!r}"
    if job.pool.disk_size_gb < LEAST_DISK_GB:
        yield f"a disk of {job.pool.disk_size_gb} GB is too small"
    if not job.pool.autoscaling_settings.max_num_workers:
        yield "there are no workers"
    if [image.container_image for image in job.pool.sdk_harness_container_images] != [options["sdk_container_image"]]:
        yield "the workers' image is not the one that was asked for"
    yield from _staged(job)


def _staged(job: Job) -> Iterator[str]:
    """Tell what is missing in the bucket, or is too large."""
    for package in job.pool.packages:
        path = package.location.replace("storage.googleapis.com/", "gs://")
        if not storage.exists(path):
            yield f"the staged file {path} is missing"
    url = job.options["pipelineUrl"]
    if not storage.exists(url):
        yield f"the graph {url} is missing"
        return
    graph = storage.read_bytes(url)
    if hashlib.sha256(graph).hexdigest() != job.options["pipelineProtoHash"]:
        yield f"the graph {url} is not the one that was staged"
    if len(graph) > MOST_BYTES:
        yield f"the graph has {len(graph)} bytes"


def _portable(options: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return options as engines get them: a number of JSON may be 1.0 to a worker, and is text."""
    whole = {name: str(int(value)) if type(value) is float else value for name, value in options.items()}
    return {f"beam:option:{name}:v1": value for name, value in whole.items()}


def _message(text: str, error: bool) -> Any:
    importance = dataflow.JobMessageImportance
    return dataflow.JobMessage(
        id=uuid.uuid4().hex,
        time=datetime.now(UTC),
        message_text=text,
        message_importance=importance.JOB_MESSAGE_ERROR if error else importance.JOB_MESSAGE_BASIC,
    )


def _varint(payload: bytes) -> int:
    """Return the number of a counter."""
    return sum((byte & 0x7F) << 7 * place for place, byte in enumerate(payload))


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Service

    def _answered(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        if self.server.away.is_set():
            self.server.hung_up += 1
            self.close_connection = True
            return
        try:
            found = self._found(body)
            code, text = 200, type(found).to_json(found, use_integers_for_enums=True)
        except RefusedError as refused:
            code, text = refused.code, json.dumps(refused.answer)
        if self.command == "POST" and self.server.lost > 0:
            self.server.lost -= 1
            self.close_connection = True
            return
        self.send_response_only(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text.encode())))
        self.end_headers()
        self.wfile.write(text.encode())

    def _found(self, body: bytes) -> Any:
        parts = urlsplit(self.path)
        asked = _PATH.fullmatch(parts.path)
        if asked is None:
            raise RefusedError(404, "NOT_FOUND", f"{self.path} is unknown")
        if self.command == "POST":
            return self.server.create(body, asked["project"], asked["region"])
        job = self.server.jobs.get(asked["job"])
        if job is None or (asked["project"], asked["region"]) != (job.project, job.region):
            raise RefusedError(404, "NOT_FOUND", f"there is no job {asked['job']} in {asked['region']}")
        if self.command == "PUT":
            return self.server.update(job, body)
        kinds: Mapping[str | None, Callable[[], Any]] = {
            None: job.shown,
            "/messages": lambda: self.server.messages(job, parse_qs(parts.query)),
            "/metrics": lambda: self.server.metrics(job),
        }
        return kinds[asked["what"]]()

    do_GET = do_PUT = do_POST = _answered  # noqa: N815

    def log_message(self, format: str, *args: Any) -> None:
        """Keep quiet."""
