"""Who may ask the explorer, and what is answered: one machine, one reader's token, questions alone.

    request ─ Host is ours? ─ token, in the address once and as a cookie from then on ─ GET? ─> page

It listens on the loopback address alone. A page of another site that knows the address has no token and, by the Host
that it must send, not the name; and nothing that is asked changes anything.
"""

from __future__ import annotations

import hmac
import os
import secrets
import socket
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Final
from urllib.parse import urlencode

import duckdb
import pyarrow.parquet as pq
import uvicorn
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pipelines.card import rendering
from pipelines.explore import pages, questions
from pipelines.explore.catalogue import OutOfTimeError
from pipelines.explore.pages import Pages
from pipelines.explore.questions import Question
from pipelines.explore.runs import StepsOfRun
from pipelines.explore.search import Asked, Explorer

HOST: Final = "127.0.0.1"
TOKEN: Final = "token"
COOKIE: Final = "altiplano-explore"
MOST: Final = 1 << 53  # of numbers in links
UNFINISHED: Final = "altiplano.unfinished"  # in the metadata of a file that may lack rows: why
_POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        "style-src 'self'",
        "script-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
_HEADERS: Final = {
    "content-security-policy": _POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cache-control": "no-store",
}
_FILES: Final = {
    "card.css": (rendering.FOLDER, "text/css"),
    "explore.css": (pages.FOLDER, "text/css"),
    "explore.js": (pages.FOLDER, "text/javascript"),
}


class Guard:
    """Lets through what comes from this machine's reader, and gives every answer its headers."""

    def __init__(self, app: ASGIApp, token: str, port: int) -> None:
        self._app, self._token = app, token
        self._hosts = {f"{name}:{port}" for name in (HOST, "localhost")}
        self._cookie = f"{COOKIE}-{port}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(_HEADERS)
            await send(message)

        request = Request(scope)
        await (self._refused(request) or self._app)(scope, receive, guarded)

    def _refused(self, request: Request) -> Response | None:
        """Return the answer to a request that does not come through, None for one that does."""
        if request.headers.getlist("host") not in [[host] for host in self._hosts]:
            return PlainTextResponse("This address is not the explorer's.", 421)
        if request.method not in ("GET", "HEAD"):
            return PlainTextResponse("Nothing can be changed here.", 405, {"allow": "GET, HEAD"})
        given = request.query_params.get(TOKEN)
        if given is not None and self._is_token(given):
            return self._with_cookie(request)
        if not self._is_token(request.cookies.get(self._cookie, "")):
            return PlainTextResponse("Open the whole address that the command printed, with its token.", 403)
        return None

    def _is_token(self, given: str) -> bool:
        return hmac.compare_digest(given.encode(), self._token.encode())

    def _with_cookie(self, request: Request) -> Response:
        """Return the way to the same page without the token, which history and links need not hold."""
        address = request.url.remove_query_params(TOKEN)
        path = f"/{address.path.lstrip('/')}"  # two strokes would name a host
        answer = RedirectResponse(f"{path}?{address.query}" if address.query else path, 303)
        answer.set_cookie(self._cookie, self._token, httponly=True, samesite="strict")
        return answer


class Site:
    """The pages by their addresses. `steps` tells of each corpus in which steps a run read it, if a run is given."""

    def __init__(self, explorers: Sequence[Explorer], names: Sequence[str], steps: Sequence[StepsOfRun]) -> None:
        self._explorers, self._steps = explorers, steps
        self._pages = Pages(explorers, names)

    def routes(self) -> list[Route]:
        """Return all of them."""
        answers = {
            "/": self.answer,
            "/document": self.document,
            "/drawn": self.drawn,
            "/results.parquet": self.results,
            "/values": self.values,
            "/differences": self.differences,
            "/compared": self.compared,
        }
        routes = [Route(path, self._said(endpoint)) for path, endpoint in answers.items()]
        return [*routes, *(Route(f"/{name}", self.file) for name in _FILES)]

    def _said(self, endpoint: Callable[[Request], Response]) -> Callable[[Request], Response]:
        """Return an endpoint whose errors are pages."""

        def answer(request: Request) -> Response:
            try:
                return endpoint(request)
            except LookupError as error:
                return self._refused(request, str(error.args[0]), 404)
            except (ValueError, OSError) as error:
                return self._refused(request, str(error), 400)
            except duckdb.Error as error:  # a file of the index that is damaged, memory that is too small
                return self._refused(request, f"The index did not answer: {error}", 500)
            except OutOfTimeError as error:
                why = str(error) or "The time limit was over: ask for less, or give more time"
                return self._refused(request, why, 503)

        return answer

    def _refused(self, request: Request, message: str, status: int) -> Response:
        given = request.query_params
        which = given.get("corpus", "") == "1" and len(self._explorers) > 1
        page = self._pages.refused(message, questions.as_far_as_meant(given), int(which))
        return HTMLResponse(page, status)

    def _which(self, request: Request) -> int:
        given = request.query_params.get("corpus") or "0"
        if given not in map(str, range(len(self._explorers))):
            raise ValueError(f"corpus: {given!r}; there are {len(self._explorers)}, from 0")
        return int(given)

    def answer(self, request: Request) -> Response:
        """Answer a question."""
        start = _number(request, "start")
        return HTMLResponse(self._pages.answer(self._which(request), _question(request), start))

    def document(self, request: Request) -> Response:
        """Show a document."""
        asked = request.query_params
        which = self._which(request)
        page = self._pages.document(
            which,
            asked.get("id", ""),
            _question(request),
            whole=asked.get("whole") == "1",
            replay=asked.get("replay") == "1",
            steps=self._steps[which] if self._steps else None,
            seed=_number(request, "seed"),
        )
        return HTMLResponse(page)

    def drawn(self, request: Request) -> Response:
        """Go to one of the documents of an answer."""
        which, question, seed = self._which(request), _question(request), _number(request, "seed")
        row = self._explorers[which].asked(question).drawn(seed)
        asked = [("id", row.id), ("corpus", str(which)), ("seed", str(seed)), *question.asked()]
        return RedirectResponse(f"document?{urlencode(asked)}", 303)

    def results(self, request: Request) -> Response:
        """Send the rows of an answer as Parquet, all of them or the first."""
        asked = self._explorers[self._which(request)].asked(_question(request))
        with tempfile.NamedTemporaryFile(suffix=".parquet", delete=False) as file:
            path = Path(file.name)
        try:
            _write(asked, _number(request, "rows"), path)
        except BaseException:
            path.unlink()
            raise
        return FileResponse(
            path,
            media_type="application/vnd.apache.parquet",
            filename="results.parquet" if asked.exact else "results-at-least.parquet",
            background=BackgroundTask(path.unlink),
        )

    def values(self, request: Request) -> Response:
        """Show all values of a column."""
        column = request.query_params.get("column", "")
        start = _number(request, "start")
        return HTMLResponse(self._pages.values(self._which(request), _question(request), column, start))

    def differences(self, request: Request) -> Response:
        """Put a question to both corpora."""
        self._need_two("differences")
        given = request.query_params
        fates = (given.get("here", ""), given.get("there", ""))
        page = self._pages.differences(_question(request), given.get("list", ""), fates, _number(request, "start"))
        return HTMLResponse(page)

    def compared(self, request: Request) -> Response:
        """Show a document in both corpora."""
        self._need_two("compared")
        identifier = request.query_params.get("id", "")
        return HTMLResponse(self._pages.compared(self._which(request), identifier, _question(request)))

    def _need_two(self, page: str) -> None:
        if len(self._explorers) < 2:
            raise ValueError(f"{page}: there is one corpus here; give the command two")

    def file(self, request: Request) -> Response:
        """Send a stylesheet or the script."""
        name = request.url.path.lstrip("/")
        folder, kind = _FILES[name]
        return FileResponse(folder / name, media_type=kind)


def _question(request: Request) -> Question:
    names = [name for name, _ in request.query_params.multi_items()]
    if twice := [name for name in dict.fromkeys(names) if names.count(name) > 1]:
        raise ValueError(f"{twice[0]}: it is asked for twice, and one is taken")
    return questions.of_link(request.query_params)


def _number(request: Request, name: str) -> int:
    value = request.query_params.get(name) or "0"
    if not (value.isascii() and value.isdecimal() and int(value[:17]) < MOST and len(value) < 17):
        raise ValueError(f"{name}: {value!r:.40} is not a whole number from 0 on")
    return int(value)


def _write(asked: Asked, most: int, path: Path) -> None:
    """Write the first rows of an answer, or all; a file whose rows may not be all that there are says so."""
    batches = asked.batches(most)
    first = next(batches, None)
    if first is None:
        raise asked.no_rows()
    told = {UNFINISHED: f"the time limit of {asked.explorer.seconds:g} s was over before all texts were looked at"}
    schema = first.schema if asked.exact else first.schema.with_metadata(told)
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for batch in chain([first], batches):
            writer.write_batch(batch.cast(schema))


def application(site: Site, token: str, port: int) -> ASGIApp:
    """Return the whole as an ASGI application."""
    return Guard(Starlette(routes=site.routes()), token, port)


@contextmanager
def listening(port: int) -> Iterator[socket.socket]:
    """Listen on the loopback address; ValueError for a port that is taken."""
    try:
        opened = socket.create_server((HOST, port))
    except OSError as error:
        why = os.strerror(error.errno) if error.errno else str(error)
        raise ValueError(f"--port {port}: {why}; --port 0 takes one that is free") from None
    with opened:
        yield opened


def serve(site: Site, opened: socket.socket, tell: Callable[[str], None]) -> None:
    """Answer until the process is stopped; `tell` is given the address first."""
    port, token = opened.getsockname()[1], secrets.token_urlsafe(24)
    tell(f"http://{HOST}:{port}/?{TOKEN}={token}")
    config = uvicorn.Config(
        application(site, token, port), log_level="warning", access_log=False, server_header=False, lifespan="off"
    )
    uvicorn.Server(config).run(sockets=[opened])
