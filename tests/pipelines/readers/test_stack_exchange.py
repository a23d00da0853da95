"""StackExchange: rows to posts, archives to ranges, posts to documents; checked against a parser of whole files."""

import io
import random
import re
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree
from xml.sax.saxutils import quoteattr

import py7zr
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filters.html import to_text
from pipelines.document import Document, Drop
from pipelines.readers import Dump
from pipelines.readers.stack_exchange import (
    MAX_LINE_BYTES,
    Post,
    Reason,
    assemble,
    decompress,
    in_order,
    is_meta,
    join,
    read,
    site_of,
)

SITES = ["coffee.stackexchange.com", "matheducators.stackexchange.com"]
DUMP = Dump("tea/Posts.xml", "00ff", {"site": "tea.stackexchange.com"})
HEAD = '\ufeff<?xml version="1.0" encoding="utf-8"?>\r\n<posts>\r\n'


def posts_xml(*rows: str) -> bytes:
    return (HEAD + "".join(f"  {row}\r\n" for row in rows) + "</posts>").encode()


def row(number: int, kind: int, body: str = "<p>Steep it.</p>", **more: object) -> str:
    fields = {"Id": number, "PostTypeId": kind, "Score": 1, "Body": body, "CreationDate": "2019-05-01T00:00:00", **more}
    return "<row " + " ".join(f"{key}={quoteattr(str(value))}" for key, value in fields.items()) + " />"


def records(data: bytes) -> tuple[list[Post | Drop], Counter[str]]:
    counts: Counter[str] = Counter()
    return list(read(io.BytesIO(data), DUMP, counts)), counts


def posts(data: bytes) -> list[Post]:
    return [record for record in records(data)[0] if isinstance(record, Post)]


def reasons(found: list[Post | Drop]) -> list[str]:
    return [record.reason for record in found if isinstance(record, Drop)]


def answer(number: int, score: int, parent: int = 1) -> Post:
    return posts(posts_xml(row(number, 2, f"<p>number {number}</p>", ParentId=parent, Score=score)))[0]


def archive(members: dict[str, bytes], password: str | None = None) -> io.BytesIO:
    stream = io.BytesIO()
    with py7zr.SevenZipFile(stream, "w", password=password) as opened:
        for name, data in members.items():
            opened.writestr(data, name)
    stream.seek(0)
    return stream


def test_reads_questions_and_answers_and_counts_the_rest() -> None:
    data = posts_xml(
        row(1, 1, Title="Green or black?", Tags="<leaf><water-temperature>", Score=7),
        row(2, 2, ParentId=1, Score=-3),
        row(3, 4),
        row(4, 5),
        row(5, 5),
    )
    found, counts = records(data)
    question, reply = found
    assert isinstance(question, Post)
    assert isinstance(reply, Post)
    assert (question.id, question.kind, question.parent, question.score) == (1, 1, None, 7)
    assert question.tags == ("leaf", "water-temperature")
    assert question.title == "Green or black?"
    assert (reply.id, reply.kind, reply.parent, reply.score) == (2, 2, 1, -3)
    assert counts == {"records": 2, "other:post_type_4": 1, "other:post_type_5": 2}
    assert data[question.offset :].startswith(b'<row Id="1"')
    assert data[reply.offset :].startswith(b'<row Id="2"')


def test_entities_are_decoded_once_and_references_keep_their_line_ends() -> None:
    raw = (
        r'<row Id="1" PostTypeId="1" Score="1" '
        r'Title="R&amp;D &quot;tea&quot;" Body="&lt;p&gt;a &amp;lt; b&lt;/p&gt;&#xA;&#10;&#x9;&#233;&#x1F375;x	y" />'
    )
    (post,) = posts(posts_xml(raw))
    assert post.body == "<p>a &lt; b</p>\n\n\té🍵x y"
    assert post.title == 'R&D "tea"'


def test_a_slice_of_whole_lines_reads_the_same() -> None:
    data = posts_xml(*[row(number, 1, Title=f"t{number}") for number in range(1, 9)])
    whole = posts(data)
    cut = data.index(b"\n", len(data) // 2) + 1
    counts: Counter[str] = Counter()
    parts = [*read(io.BytesIO(data[:cut]), DUMP, counts), *read(io.BytesIO(data[cut:]), DUMP, counts, cut)]
    assert parts == whole
    assert counts["records"] == 8
    assert set(counts) == {"records"}


def test_rows_that_share_a_line_and_a_closing_tag() -> None:
    data = posts_xml(row(1, 1)).replace(b"\r\n", b"").replace(b"/>", b"/>" + row(2, 1).encode(), 1)
    assert [post.id for post in posts(data)] == [1, 2]


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (row(2, 2), Reason.NO_PARENT),
        (row(2, 2, ParentId="x"), Reason.NO_PARENT),
        (row(2, 1).replace('Id="2" ', "", 1), Reason.NO_ID),
        (row(2, 1).replace('PostTypeId="1"', ""), Reason.NO_TYPE),
        (row(2, 1).replace('PostTypeId="1"', 'PostTypeId="question"'), Reason.NO_TYPE),
        (row(2, 1)[:60], Reason.CUT_ROW),
        (row(2, 1).replace('Score="1"', "Score=1"), Reason.MALFORMED_ROW),
        (row(2, 1).replace('Score="1"', 'Score="1" Score="2"'), Reason.MALFORMED_ROW),
        ("<rows/>", Reason.NO_ID),
    ],
)
def test_a_bad_row_is_a_typed_drop_and_its_neighbours_live(bad: str, reason: Reason) -> None:
    found, counts = records(posts_xml(row(1, 1), bad, row(3, 2, ParentId=1)))
    assert reasons(found) == [reason]
    assert [post.id for post in found if isinstance(post, Post)] == [1, 3]
    assert counts["records"] == 3
    assert len({record.id if isinstance(record, Drop) else record.record for record in found}) == 3


@pytest.mark.parametrize(
    ("score", "read_as", "repaired"),
    [
        (None, 0, 1),
        ("many", 0, 1),
        ("1.5", 0, 1),
        ("", 0, 1),
        ("-2147483649", -2147483649, 0),
        ("9" * 5000, (1 << 63) - 1, 0),
        ("-" + "9" * 25, -(1 << 63) + 1, 0),
        ("+0012", 12, 0),
    ],
)
def test_scores_missing_unreadable_negative_and_huge(score: str | None, read_as: int, repaired: int) -> None:
    raw = row(1, 1, Score=score) if score is not None else row(1, 1).replace('Score="1" ', "")
    found, counts = records(posts_xml(raw))
    assert isinstance(found[0], Post)
    assert found[0].score == read_as
    assert counts["repaired:score"] == repaired


def test_characters_that_xml_forbids_cost_only_themselves() -> None:
    raw = row(1, 1, "BODY").replace("BODY", "a&#x0;b&#xB;c&#xD800;d\x08e&nbsp;f&amp;g&#99999999999;h")
    found, counts = records(posts_xml(raw))
    assert isinstance(found[0], Post)
    assert found[0].body == "abcde&nbsp;f&gh"
    assert counts == {"records": 1, "repaired:xml": 1}
    broken = posts_xml(row(1, 1, "café")).replace("é".encode(), b"\xe9")
    assert posts(broken)[0].body == "caf\ufffd"


def test_a_cut_dump_loses_only_its_last_row() -> None:
    data = posts_xml(row(1, 1), row(2, 2, ParentId=1))
    found, counts = records(data[: data.index(b'Id="2"') + 30])
    assert [type(record) for record in found] == [Post, Drop]
    assert reasons(found) == [Reason.CUT_ROW]
    assert counts["records"] == 2


def test_a_line_too_long_for_memory_is_dropped_in_parts() -> None:
    data = posts_xml(row(1, 1, "x" * (2 * MAX_LINE_BYTES + 10)), row(2, 1))
    found, counts = records(data)
    assert reasons(found) == [Reason.LONG_ROW]
    assert isinstance(found[0], Drop)
    assert found[0].scores["value"] > found[0].scores["limit"] == MAX_LINE_BYTES - 5
    assert [post.id for post in found if isinstance(post, Post)] == [2]
    assert isinstance(found[1], Post)
    assert data[found[1].offset :].startswith(b'<row Id="2"')
    assert counts["records"] == 2


def test_entity_bombs_and_external_entities_are_not_read() -> None:
    bomb = '<!DOCTYPE posts [<!ENTITY a "aaaa"><!ENTITY f SYSTEM "file:///etc/passwd">]>'
    found, counts = records((HEAD + bomb + "\n" + row(1, 1, "BODY").replace("BODY", "&a;&f;") + "\n").encode())
    assert isinstance(found[0], Post)
    assert found[0].body == "&a;&f;"
    assert counts["other:line"] == 1


def test_utf16_and_other_bytes_are_told() -> None:
    found, counts = records(posts_xml(row(1, 1)).decode().encode("utf-16"))
    assert reasons(found) == [Reason.NOT_UTF8]
    assert counts["records"] == 1
    assert records(b"") == ([], Counter())
    found, counts = records(bytes(random.Random(0).randbytes(20_000)))
    assert not any(isinstance(record, Post) for record in found)
    assert counts["other:line"] > 0


def test_a_dump_without_a_site_is_refused() -> None:
    with pytest.raises(ValueError, match="no attribute 'site'"):
        next(read(io.BytesIO(b""), Dump("x.xml", "0"), Counter()))


@pytest.mark.parametrize("whitespace", [b" " * 300_000, b"\t\n" * 100_000, b"<posts" + b" " * 300_000])
def test_white_space_costs_linear_time(whitespace: bytes) -> None:
    found, _ = records(whitespace + b"x")
    assert found == []


@settings(deadline=None)
@given(st.text(alphabet=st.characters(blacklist_categories=["Cs", "Cc"], blacklist_characters="\ufffe\uffff")))
def test_any_body_survives_its_escaping(body: str) -> None:
    assert posts(posts_xml(row(1, 1, body)))[0].body == body


@settings(deadline=None)
@given(st.binary(max_size=300), st.integers(0, 400))
def test_damaged_bytes_never_raise_and_always_add_up(noise: bytes, at: int) -> None:
    data = posts_xml(row(1, 1), row(2, 2, ParentId=1))
    found, counts = records(data[:at] + noise + data[at:])
    assert len(found) == counts["records"]


@pytest.mark.parametrize("site", SITES)
def test_real_dumps_equal_a_whole_file_parser(dumps: Path, site: str) -> None:
    path = dumps / "stack_exchange" / site / "Posts.xml"
    counts: Counter[str] = Counter()
    with path.open("rb") as stream:
        found = list(read(stream, Dump(str(path), "d", {"site": site_of(str(path))}), counts))
    rows = list(ElementTree.parse(path).getroot())
    expected = [
        (int(r.attrib["Id"]), int(r.attrib["PostTypeId"]), int(r.attrib["Score"]), r.attrib["Body"])
        for r in rows
        if r.attrib["PostTypeId"] in "12"
    ]
    assert [(p.id, p.kind, p.score, p.body) for p in found if isinstance(p, Post)] == expected
    assert counts["records"] == len(found) == len(expected)
    assert sum(n for kind, n in counts.items() if kind.startswith("other:")) == len(rows) - len(expected)


@pytest.mark.parametrize("site", SITES)
def test_real_answers_are_all_there_in_integer_order_with_no_tag_left(dumps: Path, site: str) -> None:
    path = dumps / "stack_exchange" / site / "Posts.xml"
    with path.open("rb") as stream:
        found = [p for p in read(stream, Dump("", "d", {"site": site}), Counter()) if isinstance(p, Post)]
    shuffled = list(found)
    random.Random(1).shuffle(shuffled)
    documents = [d for d in assemble(shuffled) if isinstance(d, Document)]
    drops = [d for d in assemble(shuffled) if isinstance(d, Drop)]
    assert sum(1 + int(d.attributes["answers"]) for d in documents) + len(drops) == len(found)
    assert [d.offset for d in documents] == [p.offset for p in sorted(found, key=lambda p: p.id) if p.kind == 1]
    by_question = {p.id: [a for a in found if a.parent == p.id] for p in found if p.kind == 1}
    for document in documents:
        replies = by_question[int(document.id.rsplit("/", 1)[1])]
        assert document.attributes["answers"] == len(replies)
        position = len(document.title or "")
        for reply in sorted(sorted(replies, key=lambda a: a.id), key=lambda a: a.score, reverse=True):
            position = document.text.index("\n\nA:", position)
            body = to_text(reply.body)
            assert document.text[position + 5 :].lstrip().startswith(body)
            position += len(body)
        assert not replies or document.text.endswith(body)
    written = {tag for d in documents for tag in re.findall(r"</?[a-zA-Z][^<>]*>", d.text)}
    escaped = " ".join(p.body for p in found)
    assert all(tag.replace("<", "&lt;").replace(">", "&gt;") in escaped for tag in written)


def test_answers_by_integer_score_then_id() -> None:
    scores = [12, 9, 100, 3, -1]
    answers = [answer(number + 2, score) for number, score in enumerate(scores)]
    assert [a.score for a in in_order(answers)] == [100, 12, 9, 3, -1]
    assert [a.id for a in in_order([answer(9, 5), answer(10, 5), answer(2, 5)])] == [2, 9, 10]


def test_the_document_of_a_question() -> None:
    (question,) = posts(
        posts_xml(row(1, 1, "<p>How <em>long</em>?</p>", Title="Oolong", AnswerCount=5, Tags="<oolong>", Score=4))
    )
    document = join(question, [answer(2, 1), answer(3, 20)])
    assert document.text == "Q: Oolong\n\nHow long?\n\nA: number 3\n\nA: number 2"
    assert document.id == "stack_exchange/tea.stackexchange.com/00ff/1"
    assert document.url == "https://tea.stackexchange.com/questions/1"
    assert document.license == "CC-BY-SA-4.0"
    assert document.timestamp == "2019-05-01T00:00:00Z"
    assert document.attributes == {
        "site": "tea.stackexchange.com",
        "answers": 2,
        "score": 4,
        "best_score": 20,
        "answer_scores": [20, 1],
        "tags": ["oolong"],
    }


def test_an_answer_that_starts_with_code_keeps_its_fence_on_its_own_line() -> None:
    question, reply = posts(
        posts_xml(row(1, 1, "", Title="t"), row(2, 2, "<pre><code>  x = 1\n</code></pre>", ParentId=1))
    )
    assert join(question, [reply]).text == "Q: t\n\nA:\n\n```\n  x = 1\n```"


@pytest.mark.parametrize(
    ("created", "stated", "license"),
    [
        ("2010-01-01", "", "CC-BY-SA-2.5"),
        ("2012-01-01", "", "CC-BY-SA-3.0"),
        ("2018-05-02T00:00:00", "", "CC-BY-SA-4.0"),
        ("2012-01-01", "CC BY-SA 4.0", "CC-BY-SA-4.0"),
        ("", "", "CC-BY-SA-2.5"),
    ],
)
def test_licence_by_date_or_as_stated(created: str, stated: str, license: str) -> None:
    more = {"ContentLicense": stated} if stated else {}
    (question,) = posts(posts_xml(row(1, 1, CreationDate=created, **more)))
    assert join(question, []).license == license


def test_questions_with_missing_answers_are_written_and_orphans_dropped() -> None:
    data = posts_xml(
        row(1, 1, Title="one", AnswerCount=3), row(2, 2, ParentId=1), row(3, 2, ParentId=99), row(4, 2, ParentId=2)
    )
    made = list(assemble(posts(data)))
    assert [d.id[-2:] for d in made if isinstance(d, Document)] == ["/1"]
    dropped = [d for d in made if isinstance(d, Drop)]
    assert [(d.id[-2:], d.reason) for d in dropped] == [("/4", "no_question"), ("/3", "no_question")]
    site, stem = dropped[0].id.split("/")[1], dropped[0].id.rpartition("/")[0]
    assert [(d.url, d.detail) for d in dropped] == [
        (f"https://{site}/a/4", f"{stem}/2"),
        (f"https://{site}/a/3", f"{stem}/99"),
    ]


def test_a_post_that_comes_twice_is_taken_once() -> None:
    made = list(assemble(posts(posts_xml(row(1, 1, Title="first"), row(1, 1, Title="second")))))
    assert [d.title for d in made if isinstance(d, Document)] == ["first"]
    (twice,) = [d for d in made if isinstance(d, Drop)]
    (stays,) = [d for d in made if isinstance(d, Document)]
    assert (twice.reason, twice.detail, twice.url) == ("duplicate_id", stays.id, stays.url)


@settings(deadline=None)
@given(st.randoms())
def test_documents_do_not_depend_on_the_order_of_posts(order: random.Random) -> None:
    data = posts_xml(
        *[row(i, 1, Title=f"q{i}") for i in (1, 2)], *[row(i, 2, ParentId=i % 3, Score=i % 4) for i in range(3, 12)]
    )
    found = posts(data)
    expected = list(assemble(found))
    order.shuffle(found)
    assert list(assemble(found)) == expected


@pytest.mark.parametrize(
    ("name", "site"),
    [
        ("coffee.stackexchange.com.7z", "coffee.stackexchange.com"),
        ("/dumps/coffee.stackexchange.com/Posts.xml", "coffee.stackexchange.com"),
        ("https://archive.org/download/stackexchange/stackoverflow.com-Posts.7z", "stackoverflow.com"),
        ("gs://bucket/ru.stackoverflow.com.7z?x=1", "ru.stackoverflow.com"),
        ("Math.Meta.stackexchange.com-posts.xml", "math.meta.stackexchange.com"),
        ("C:\\dumps\\tea.stackexchange.com\\posts.XML", "tea.stackexchange.com"),
    ],
)
def test_site_of(name: str, site: str) -> None:
    assert site_of(name) == site


@pytest.mark.parametrize("name", ["Posts.xml", "", "dump/Posts.xml", "archive.7z"])
def test_a_name_without_a_site_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="no site in the name"):
        site_of(name)


def test_meta_sites() -> None:
    assert is_meta("coffee.meta.stackexchange.com")
    assert is_meta("meta.stackexchange.com")
    assert not is_meta("metaphysics.stackexchange.com")


@pytest.mark.parametrize("size", [1, 1000, 1 << 20])
def test_decompresses_into_ranges_of_whole_lines(size: int) -> None:
    data = posts_xml(*[row(number, 1, f"<p>{'x' * (number % 50)}</p>") for number in range(500)])
    pieces: list[bytes] = []
    total = decompress(
        archive({"Badges.xml": b"<badges/>", "Posts.xml": data, "Tags.xml": b"<t/>"}), pieces.append, size
    )
    assert b"".join(pieces) == data
    assert total == len(data)
    assert all(piece.endswith(b"\n") for piece in pieces[:-1])
    longest = max(map(len, data.splitlines(keepends=True)))
    assert all(len(piece) <= max(size, longest) for piece in pieces)
    ranges, offset = [], 0
    for piece in pieces:
        ranges += list(read(io.BytesIO(piece), DUMP, Counter(), offset))
        offset += len(piece)
    assert ranges == posts(data)


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"Users.xml": b"<users/>"}, "0 members named Posts.xml"),
        ({"a/Posts.xml": b"<posts/>", "b/Posts.xml": b"<posts/>"}, "2 members named Posts.xml"),
    ],
)
def test_an_archive_without_one_posts_xml_is_refused(members: dict[str, bytes], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        decompress(archive(members), lambda _: None)


def test_damaged_archives_are_refused_clearly() -> None:
    noise = random.Random(3).randbytes(200_000)
    whole = archive({"Posts.xml": noise}).getvalue()
    for broken in (b"", b"PK\x03\x04 not 7z", whole[:1000], whole[:-20], whole[:5000] + b"\x00" * 64 + whole[5064:]):
        with pytest.raises(ValueError, match=r"cannot be read as 7z|members named"):
            decompress(io.BytesIO(broken), lambda _: None)


def test_an_encrypted_archive_is_refused() -> None:
    with pytest.raises(ValueError, match=r"encrypted|cannot be read"):
        decompress(archive({"Posts.xml": b"<posts/>"}, password="tea"), lambda _: None)


def test_an_archive_in_a_folder_is_read() -> None:
    pieces: list[bytes] = []
    decompress(archive({"tea.stackexchange.com/Posts.xml": b"<posts/>\n"}), pieces.append)
    assert pieces == [b"<posts/>\n"]


def test_bombs_are_refused_before_they_are_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipelines.readers.stack_exchange.BOMB_BYTES", 1 << 16)
    for members in ({"Posts.xml": b" " * (1 << 20)}, {"Badges.xml": b" " * (1 << 20), "Posts.xml": b"<posts/>\n"}):
        with pytest.raises(ValueError, match="refused as a bomb"):
            decompress(archive(members), lambda _: pytest.fail("written"))


def test_what_the_sink_raises_passes_through() -> None:
    def full(_: bytes) -> None:
        raise OSError("no space left")

    with pytest.raises(OSError, match="no space left"):
        decompress(archive({"Posts.xml": posts_xml(row(1, 1))}), full, 1)
    with pytest.raises(ValueError, match="at least 1 byte"):
        decompress(archive({"Posts.xml": b""}), full, 0)
