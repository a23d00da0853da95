"""The page as a browser gets it: who may ask, what is escaped, what is said of questions that cannot be answered."""

from __future__ import annotations

import html
import http.client
import io
import re
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import quote, urlencode, urlsplit

import pyarrow.parquet as pq
import pytest
import uvicorn

from pipelines.card import visible
from pipelines.explore import __main__ as command
from pipelines.explore import server
from pipelines.explore.compare import LISTS
from pipelines.explore.runs import Steps, StepsOfRun
from pipelines.explore.search import BREAKDOWNS, Explorer
from pipelines.explore.server import Site
from pipelines.files import storage
from tests.pipelines.explore import corpora

HOSTILE = (
    "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "{{ 7 * 7 }}{% raw %}",
    "\u202egnirts desrever\u202c and \u200b\u2066hidden\u2069",
    '"><b onmouseover=alert(1)>',
    "javascript:alert(1)",
    "a" * 5_000,
    "\x00\x07\x1b[31m",
    "]]>--><!--",
)
PAGES = [
    corpora.page(n, f"{text} llama {n}", url=f"https://example.org/{quote(text[:50])}?{text[:40]}", language=language)
    for n, (text, language) in enumerate(
        (text, language) for text in HOSTILE for language in ("en", "ar", '"><script>', None)
    )
]
DROPS = [corpora.drop(n, f"{text} llama", "too_short" if n % 2 else "bad_word") for n, text in enumerate(HOSTILE)]
# The same corpus built again: each fourth text is another one, each fifth licence too; of one input ids are others.
OTHERS = [
    replace(
        page,
        id=page.id if number % 3 else page.id.replace("/", "/again-", 1),
        text=page.text if number % 4 else f"{page.text[::-1]} {HOSTILE[number % len(HOSTILE)]}",
        license=page.license if number % 5 else f"{HOSTILE[number % len(HOSTILE)]} licence",
    )
    for number, page in enumerate(PAGES)
]


class Page(HTMLParser):
    """What a page has: tags, attributes that run scripts, addresses."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.scripts: list[str | None] = []
        self.handlers: list[str] = []
        self.links: list[str] = []
        self.tags: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.tags.append(tag)
        if tag == "script":
            self.scripts.append(given.get("src"))
        self.handlers += [name for name in given if name.startswith("on") or name == "style"]
        self.links += [str(given[name]) for name in ("href", "src", "action") if name in given]


class Told(StepsOfRun):
    """A run that says which corpus it was asked of."""

    def of(self, source: str, first: int, tokens: int) -> Steps:
        return Steps(error=f"told of {self.corpus}")


class Served:
    """A server in a thread, and requests to it."""

    def __init__(self, explorers: list[Explorer]) -> None:
        self.opened = server.listening(0)
        self.socket = self.opened.__enter__()
        self.port = self.socket.getsockname()[1]
        self.token = "the-token-of-this-test"
        names = [f"corpus {n}" for n in range(len(explorers))]
        site = Site(explorers, names, [Told("run", name) for name in names])
        app = server.application(site, self.token, self.port)
        self.server = uvicorn.Server(uvicorn.Config(app, log_level="critical", lifespan="off"))
        self.thread = threading.Thread(target=self.server.run, args=([self.socket],))
        self.thread.start()
        while not self.server.started:
            time.sleep(0.01)

    def close(self) -> None:
        self.server.should_exit = True
        self.thread.join()
        self.opened.__exit__(None, None, None)

    def raw(self, path: str, method: str = "GET", **headers: str) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.putrequest(method, path, skip_host="Host" in headers)
        for name, value in headers.items():
            connection.putheader(name, value)
        connection.endheaders()
        answer = connection.getresponse()
        found = answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
        connection.close()
        return found

    def get(self, path: str) -> tuple[int, str]:
        status, _, body = self.raw(path, Cookie=f"{server.COOKIE}-{self.port}={self.token}")
        return status, body.decode("utf-8")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("served") / "corpus"
    return corpora.write(folder, {"books": PAGES}, {"books": DROPS}, [(PAGES[0].id, DROPS[0].id)])


@pytest.fixture(scope="module")
def served(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    other = tmp_path_factory.mktemp("other") / "corpus"
    longer = replace(DROPS[1], excerpt=f"{DROPS[1].excerpt} and more", size=DROPS[1].size + 9)
    corpora.write(other, {"books": OTHERS}, {"books": [DROPS[0], longer, *DROPS[2:]]})
    (other / "manifest.json").unlink()
    indexes = tmp_path_factory.mktemp("indexes")
    first, second = corpora.explorer(corpus, indexes / "a"), corpora.explorer(other, indexes / "b", words=False)
    found = Served([first, second])
    yield found
    found.close()


def test_a_run_is_asked_of_the_corpus_that_is_shown(corpus: Path, tmp_path: Path) -> None:
    explorer = corpora.explorer(corpus, tmp_path / "index")
    twice = Served([explorer, explorer])
    try:
        for which in (0, 1):
            status, body = twice.get(f"/document?id={quote(PAGES[0].id)}&corpus={which}")
            assert status == 200
            assert f"told of corpus {which}" in body
    finally:
        twice.close()


class TestWhoMayAsk:
    @pytest.mark.parametrize("host", ["evil.example", "127.0.0.1", "localhost", "127.0.0.1:1", "", "[::1]:80"])
    def test_another_host_is_refused_whatever_it_knows(self, served: Served, host: str) -> None:
        cookie = f"{server.COOKIE}-{served.port}={served.token}"
        status, _, body = served.raw(f"/?token={served.token}", Host=host, Cookie=cookie)
        assert status == 421
        assert b"llama" not in body

    def test_localhost_is_this_machine_too(self, served: Served) -> None:
        cookie = f"{server.COOKIE}-{served.port}={served.token}"
        assert served.raw("/", Host=f"localhost:{served.port}", Cookie=cookie)[0] == 200

    @pytest.mark.parametrize(
        "path", ["/", "/?token=", "/?token=wrong", "/document?id=a", "/results.parquet", "/card.css"]
    )
    def test_without_the_token_nothing_is_shown(self, served: Served, path: str) -> None:
        status, headers, body = served.raw(path)
        assert status == 403
        assert b"llama" not in body
        assert "set-cookie" not in headers

    def test_the_token_becomes_a_cookie_and_leaves_the_address(self, served: Served) -> None:
        status, headers, _ = served.raw(f"/?words=llama&token={served.token}&state=kept")
        assert (status, headers["location"]) == (303, "/?words=llama&state=kept")
        assert headers["set-cookie"].startswith(f"{server.COOKIE}-{served.port}={served.token}; HttpOnly")
        assert "SameSite=strict" in headers["set-cookie"]

    def test_a_token_leads_to_no_other_site(self, served: Served) -> None:
        _, headers, _ = served.raw(f"//evil.example/?token={served.token}")
        assert urlsplit(headers["location"]).netloc == ""

    @pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
    def test_nothing_can_be_changed(self, served: Served, method: str) -> None:
        cookie = f"{server.COOKIE}-{served.port}={served.token}"
        assert served.raw("/", method, Cookie=cookie)[0] == 405

    def test_every_answer_has_the_policy(self, served: Served) -> None:
        for path in ("/", f"/?token={served.token}", "/nothing"):
            _, headers, _ = served.raw(path)
            assert headers["content-security-policy"].startswith(
                "default-src 'none'; style-src 'self'; script-src 'self'"
            )
            assert (headers["x-content-type-options"], headers["referrer-policy"]) == ("nosniff", "no-referrer")

    def test_it_listens_on_the_loopback_address_alone(self, served: Served) -> None:
        assert served.socket.getsockname()[0] == "127.0.0.1"


def paths(served: Served) -> Iterator[str]:
    yield "/"
    yield "/?start=20"
    yield "/?words=llama&state=dropped"
    yield "/?corpus=1&words=llama"
    for only in ("", *LISTS):
        yield f"/differences?{urlencode({'state': 'kept', 'list': only})}"
    for column in BREAKDOWNS:
        yield f"/values?column={column}"
    for text in HOSTILE[:6]:
        yield f"/values?{urlencode({'column': text, 'address': text})}"
        yield f"/?{urlencode({'place': text, 'language': text, 'license': text, 'reason': text})}"
        yield f"/?{urlencode({'words': text})}"
        yield f"/?{urlencode({'score': text})}"
        yield f"/document?{urlencode({'id': text})}"
    for identifier in [*(page.id for page in PAGES), *(drop.id for drop in DROPS)]:
        yield f"/document?{urlencode({'id': identifier})}"
        yield f"/compared?{urlencode({'id': identifier})}"


def test_hostile_texts_are_shown_as_texts(served: Served) -> None:
    for path in paths(served):
        status, body = served.get(path)
        assert status in (200, 400, 404), path
        page = Page(body)
        assert page.scripts == ["explore.js"], path
        assert page.handlers == [], path
        assert not {"img", "b", "iframe", "object", "base"} & set(page.tags) or "not finished" in body, path
        assert all(
            not link.lower().startswith(("javascript:", "http:", "https:", "//", "data:")) for link in page.links
        )
        assert not re.search("[\u202a-\u202e\u2066-\u2069\x00\x07\x1b]", body), path


def test_a_text_has_its_language_and_direction(served: Served) -> None:
    arabic = next(page for page in PAGES if page.language == "ar")
    _, body = served.get(f"/document?{urlencode({'id': arabic.id})}")
    assert '<div class="whole" lang="ar" dir="rtl">' in body
    odd = next(page for page in PAGES if page.language == '"><script>')
    _, body = served.get(f"/document?{urlencode({'id': odd.id})}")
    assert '<div class="whole" lang="" dir="auto">' in body


@pytest.mark.parametrize(
    ("path", "status", "message"),
    [
        ("/?year_from=x", 400, "year_from: 'x' is not a number"),
        ("/?pattern=(", 400, "pattern: "),
        ("/?words=...", 400, "has no word"),
        ("/?start=-1", 400, "start: '-1' is not a whole number"),
        ("/?start=99999999999999999999", 400, "is not a whole number"),
        ("/?corpus=7", 400, "corpus: '7'; there are 2"),
        ("/document?id=nothing", 404, "neither a document nor a drop"),
        ("/?words=%22open", 400, "a quotation mark is opened and not closed"),
        ("/values?column=beauty", 400, "column: 'beauty'; source, reason"),
        ("/differences?list=third", 400, "list: 'third'; first, second, changed, facts"),
        ("/compared?id=nothing", 404, "neither a document nor a drop"),
        ("/?source=books&source=c4", 400, "source: it is asked for twice"),
        ("/?year=2019&year_from=2010", 400, "year: one is asked for, and limits too"),
        ("/drawn?language=xx", 404, "No document is like this"),
        ("/results.parquet?language=xx", 404, "No document is like this"),
    ],
)
def test_what_cannot_be_answered_says_why(served: Served, path: str, status: int, message: str) -> None:
    found, body = served.get(path)
    assert found == status
    assert message in html.unescape(body)


def test_a_question_without_an_answer_keeps_its_form(served: Served) -> None:
    status, body = served.get("/?words=llama&order=lowest+score&place=example.org&year_from=x")
    assert status == 400
    for field in ('name="words" value="llama"', 'name="place" value="example.org"', 'name="year_from" value=""'):
        assert field in body


def test_what_differs_is_listed_and_leads_to_both_texts(served: Served) -> None:
    _, body = served.get("/differences?state=kept&list=changed")
    twins = [page for page, other in zip(PAGES, OTHERS, strict=True) if page.id == other.id and page.text != other.text]
    assert f"{len(twins)} documents" in body
    for page in twins:
        assert f"compared?id={quote(page.id, safe='')}&amp;corpus=0" in body
    _, body = served.get("/differences?state=kept&list=first")
    assert f"{sum(page.id != other.id for page, other in zip(PAGES, OTHERS, strict=True))} documents" in body
    assert "by its address" in body


def test_what_else_differs_stands_side_by_side(served: Served) -> None:
    _, body = served.get("/differences?state=kept&list=facts")
    same = [
        (one, other) for one, other in zip(PAGES, OTHERS, strict=True) if (one.id, one.text) == (other.id, other.text)
    ]
    twins = [(one, other) for one, other in same if one.license != other.license]
    assert f"{len(twins)} documents" in body
    for one, other in twins:
        there = html.escape(str(visible.shown(str(other.license))), quote=False)
        both = f"<dt>license</dt><dd><bdi>{one.license or 'none'}</bdi></dd><dd><bdi>{there}</bdi></dd>"
        assert both in body.replace("&#34;", '"').replace("&#39;", "'")
    assert "there=license" in body
    _, body = served.get("/differences?state=kept&list=facts&here=kept&there=license")
    assert f"{len(twins)} documents" in body
    assert "kept in corpus 0, another license" in body
    _, body = served.get("/differences?state=kept&list=facts&here=kept&there=year")
    assert "0 documents" in body
    _, body = served.get(f"/compared?{urlencode({'id': twins[0][0].id})}")
    assert '<th scope="row">license <span class="bad">differs</span></th>' in body
    assert '<th scope="row">language</th>' in body or twins[0][0].language is None


@pytest.mark.parametrize("which", [0, 1])
def test_a_document_in_both_corpora(served: Served, which: int) -> None:
    page, other = PAGES[0], OTHERS[0]  # another id and another text
    _, body = served.get(f"/compared?{urlencode({'id': (page, other)[which].id, 'corpus': which})}")
    assert body.index(html.escape(page.id)) < body.index(html.escape(other.id))
    assert "<del>" in body
    assert "<ins>" in body
    _, body = served.get(f"/document?{urlencode({'id': (page, other)[which].id, 'corpus': which})}")
    assert "both beside each other" in body


def test_two_excerpts_are_compared_whole(served: Served) -> None:
    _, body = served.get(f"/compared?{urlencode({'id': DROPS[0].id})}")
    assert "<del>" not in body
    assert "The same in both" in body
    _, body = served.get(f"/compared?{urlencode({'id': DROPS[1].id})}")
    assert "and more" in body


def test_a_drawn_document_leads_to_another_and_back(served: Served) -> None:
    cookie = f"{server.COOKIE}-{served.port}={served.token}"
    _, headers, _ = served.raw("/drawn?seed=1&words=llama&state=kept", Cookie=cookie)
    _, body = served.get(f"/{headers['location']}")
    assert 'href="drawn?seed=2&amp;words=llama&amp;state=kept"' in body
    assert 'href=".?words=llama&amp;state=kept">Back to the answer' in body


def test_beyond_the_end_there_is_a_way_back(served: Served) -> None:
    for path in ("/?start=1000", "/values?column=place&start=1000", "/differences?list=changed&start=1000"):
        assert "The first ones</a>" in served.get(path)[1]


def test_every_fact_s_link_leads_to_its_document(served: Served) -> None:
    for page in PAGES:
        _, body = served.get(f"/document?{urlencode({'id': page.id})}")
        for link in re.findall(r'<dd><a href="([.][?][^"]*)">', body):
            status, answer = served.get(f"/{html.unescape(link).removeprefix('.')}")
            assert status == 200, link
            assert "No document is like this" not in answer, link


def test_why_a_document_was_dropped_is_said(served: Served) -> None:
    _, body = served.get(f"/document?{urlencode({'id': DROPS[1].id})}")
    assert "dropped</span> at clean: too_short, 1 against a limit of 100" in body
    _, body = served.get("/?state=dropped&reason=clean/bad_word")
    assert "because of “<bdi>&lt;/script&gt;" in body


def test_facts_lead_to_what_is_like_it(served: Served) -> None:
    _, body = served.get(f"/document?{urlencode({'id': PAGES[0].id})}")
    assert '<dt>language</dt><dd><a href=".?language=en">' in body
    assert '<dt>license</dt><dd><a href=".?license=MIT">' in body


def test_a_question_that_matches_all_is_a_page(served: Served) -> None:
    status, body = served.get("/?start=0")
    assert status == 200
    assert body.count("<li><h3>") + body.count("<li>\n<h3>") == 20
    assert len(body) < 200_000  # a text of a million characters is one line of it


def test_a_link_holds_the_whole_question(served: Served) -> None:
    _, body = served.get("/?words=llama&state=kept&year_from=2001&bytes_to=900&place=example.org")
    (link,) = re.findall(r'<a href="([^"]*)">Link to this question', body)
    assert served.get(f"/{html.unescape(link).removeprefix('.')}")[1] == body


def test_results_come_as_parquet(served: Served) -> None:
    cookie = f"{server.COOKIE}-{served.port}={served.token}"
    status, headers, body = served.raw("/results.parquet?state=kept", Cookie=cookie)
    assert status == 200
    assert headers["content-type"] == "application/vnd.apache.parquet"
    table = pq.read_table(io.BytesIO(body))
    assert sorted(map(str, table["id"].to_pylist())) == sorted(page.id for page in PAGES)


def test_the_first_rows_of_a_list_come_as_parquet(served: Served) -> None:
    cookie = f"{server.COOKIE}-{served.port}={served.token}"
    asked = "state=kept&score=number&order=highest+score"
    _, _, body = served.raw(f"/results.parquet?{asked}&rows=3", Cookie=cookie)
    assert pq.read_table(io.BytesIO(body))["number"].to_pylist() == [35.0, 34.0, 33.0]
    _, _, body = served.raw(f"/results.parquet?{asked}&rows=", Cookie=cookie)
    assert pq.read_table(io.BytesIO(body)).num_rows == len(PAGES)
    assert served.get(f"/results.parquet?{asked}&rows=many")[0] == 400
    assert 'name="rows"' in served.get(f"/?{asked}")[1]


def test_a_page_that_was_dropped_for_its_address_leads_to_the_one_that_stays(tmp_path: Path) -> None:
    same = "https://www.site.example.org/news/"
    kept = replace(corpora.page(1, "the page", source="c4", url="http://site.example.org/news"), title="It is news")
    gone = replace(corpora.drop(1, "the page", "duplicate_url", source="c4"), url=same, detail="site.example.org/news")
    late = replace(corpora.drop(2, "another", "too_few_sentences", source="c4"), url="https://example.org/a")
    lost = replace(corpora.drop(3, "another", "duplicate_url", source="c4"), url="https://example.org/a")
    corpus = corpora.write(tmp_path / "corpus", {"c4": [kept]}, {"c4": [gone, late, lost]})
    alone = Served([corpora.explorer(corpus, tmp_path / "index")])
    try:
        _, body = alone.get(f"/document?{urlencode({'id': gone.id})}")
        assert "It went because another page has its address" in body
        assert f'<a href="document?id={quote(kept.id, safe="")}&amp;corpus=0"><bdi>It is news</bdi></a> stays' in body
        _, body = alone.get(f"/document?{urlencode({'id': lost.id})}")
        assert f'href="document?id={quote(late.id, safe="")}&amp;corpus=0"' in body
        assert "stays, and was <span" in body
    finally:
        alone.close()


def test_a_corpus_that_is_being_built_says_so(served: Served) -> None:
    assert "this corpus is not finished" in served.get("/?corpus=1")[1]
    assert "this corpus is not finished" not in served.get("/?corpus=0")[1]


def test_of_dropped_documents_it_says_that_words_are_looked_for_in_excerpts(served: Served) -> None:
    assert "Of dropped documents words and patterns are looked for in their excerpt" in served.get("/")[1]
    assert "There is no index of words here" in served.get("/?corpus=1")[1]


def test_readers_at_once_get_what_each_asked_for(served: Served) -> None:
    asked = [
        "/?state=kept",
        "/?state=dropped",
        "/?words=llama",
        "/?pattern=llama",
        f"/document?id={quote(PAGES[1].id)}",
    ]
    alone = [served.get(path) for path in asked]
    with ThreadPoolExecutor(10) as pool:
        assert list(pool.map(served.get, asked * 6)) == alone * 6


def test_a_document_leads_to_its_copy_and_back(served: Served) -> None:
    _, body = served.get(f"/document?{urlencode({'id': DROPS[0].id})}")
    assert "It is a copy:" in body
    assert PAGES[0].id in body
    _, body = served.get(f"/document?{urlencode({'id': PAGES[0].id})}")
    assert "It stays for" in body
    _, body = served.get(f"/document?{urlencode({'id': PAGES[0].id, 'replay': 1})}")
    assert "cannot be sent through the stages again" in body


def test_the_command_that_traces_can_be_pasted(served: Served) -> None:
    said = f"altiplano trace 'corpus 0' --id {PAGES[0].id}<"
    assert said in html.unescape(served.get(f"/document?{urlencode({'id': PAGES[0].id})}")[1])
    _, body = served.get(f"/document?{urlencode({'id': OTHERS[0].id, 'corpus': 1})}")
    assert "not finished" in body
    assert "altiplano trace" not in body


def test_a_port_that_is_taken_is_named(served: Served, corpus: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        command.main([str(corpus), "--port", str(served.port)])
    assert end.value.code == 2
    assert f"--port {served.port}: Address already in use; --port 0 takes one that is free" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "nowhere: no corpus here"),
        (["a", "b", "c"], "one corpus, or two beside each other"),
    ],
)
def test_wrong_use(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as end:
        command.main([*arguments, "--port", "0"])
    assert end.value.code == 2
    assert message in capsys.readouterr().err


def test_the_index_alone(corpus: Path, tmp_path: Path) -> None:
    assert command.main([str(corpus), "--index", str(tmp_path / "index"), "--only-index", "--port", "0"]) == 0
    assert storage.exists(f"{tmp_path}/index/catalogue.duckdb")
