"""Functions run in several processes that a launcher would have started, over gloo, one thread each."""

from __future__ import annotations

import contextlib
import io
import multiprocessing
import os
import socket
import tempfile
import traceback
import warnings
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

import torch

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["tests.train.processes", "train.run"])
PATIENCE = 60.0  # seconds, on a machine that does other things


def run(size: int, function: Callable[..., Any], *arguments: object) -> list[Any]:
    """Return what an importable function returned on each rank: tensors, numbers, texts, containers of them."""
    ports = _free_ports(16)
    pipes = [_CONTEXT.Pipe(duplex=False) for _ in range(size)]
    processes = [
        _CONTEXT.Process(
            target=_rank, args=(rank, size, ports, tempfile.gettempdir(), pipes[rank][1], function, arguments)
        )
        for rank in range(size)
    ]
    for process in processes:
        process.start()
    for _, writer in pipes:
        writer.close()
    try:
        return [_answer(reader) for reader, _ in pipes]
    finally:
        for process in processes:
            process.kill()
            process.join()


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]


_PORTS: list[int] = []


def meet_anew() -> None:
    """Let the ranks of this process' group meet at another port: a late rank would still find the last one's store."""
    os.environ["MASTER_PORT"] = str(_PORTS.pop())


def _answer(reader: Connection) -> Any:
    assert reader.poll(PATIENCE), "a rank does not answer"
    try:
        failed, value = torch.load(io.BytesIO(reader.recv_bytes()))
    except EOFError:
        raise AssertionError("a rank died") from None
    assert not failed, value
    return value


def _rank(
    rank: int,
    size: int,
    ports: list[int],
    temporary: str,
    writer: Connection,
    function: Callable[..., Any],
    arguments: tuple[object, ...],
) -> None:
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(size)}
    os.environ["MASTER_ADDR"] = "127.0.0.1"
    tempfile.tempdir = temporary  # a build that is over may have started the server that ranks are forked from
    _PORTS[:] = ports
    torch.set_num_threads(1)
    warnings.simplefilter("error")
    try:
        answer = False, function(*arguments)
    except BaseException:
        answer = True, traceback.format_exc()
    buffer = io.BytesIO()
    torch.save(answer, buffer)
    writer.send_bytes(buffer.getvalue())
