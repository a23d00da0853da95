"""StackExchange dumps (`Posts.xml`, alone or in a site's `.7z`) to posts, and posts to one document per question.

    .7z --decompress--> line-aligned ranges --read--> Post --join--> Document ("Q: title", body, "A: answer" ...)

archive.org's Posts.xml has one `<row .../>` on each line, its line ends inside attributes written as `&#xA;`, so that
any range of whole lines is read alone. Each row is parsed on its own by libxml2: attributes are decoded exactly as XML
says, no document type is ever seen (so no entity bombs), and memory is bounded by one line.

`counts["records"]` counts questions, answers and rows that cannot be read; each is yielded once, as `Post` or `Drop`.
Other kinds of posts (wikis, tag excerpts, moderator nominations ...) are counted as `other:post_type_N`. A missing or
unreadable Score counts as 0, in the middle of the order, since the text is none the worse for it (`repaired:score`);
scores are clamped to 64 bits. A row with characters that XML forbids is read without them (`repaired:xml`).
"""

from __future__ import annotations

import codecs
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import BinaryIO, Literal

from lxml import etree

from filters.html import to_text
from filters.patterns import skip_all
from pipelines import timestamps
from pipelines.document import EXCERPT_CHARACTERS, LIMIT, READ, VALUE, Document, Drop
from pipelines.readers import Dump, first_bytes, seven_zip
from pipelines.readers.first_bytes import Kind
from pipelines.readers.seven_zip import Wanted

SOURCE = "stack_exchange"
POSTS = "Posts.xml"
RANGE_BYTES = 64 << 20
# The site refuses bodies over 30,000 characters; a line far above what those can take escaped is no row.
MAX_LINE_BYTES = 1 << 24
# Real archives shrink five- to tenfold; LZMA can reach 7,000. Below the size anything goes.
MAX_RATIO = 200
BOMB_BYTES = 1 << 30
# Which licence content has by its date (https://stackoverflow.com/help/licensing), where the row does not say.
LICENSES = (("2018-05-02", "CC-BY-SA-4.0"), ("2011-04-08", "CC-BY-SA-3.0"), ("", "CC-BY-SA-2.5"))

# A row has about twenty; libxml2 compares each with all before it.
MAX_ATTRIBUTES = 200

_QUESTION, _ANSWER = "1", "2"
_ROW = b"<row"
_LONGEST_ROW = MAX_LINE_BYTES - len(_ROW) - 1  # of a row whose end is in its line
_ATTRIBUTE = re.compile(rb"""\s*[^\s<>="']+\s*=\s*(?:"[^"]*"|'[^']*')""")
_STRUCTURE = re.compile(rb"<\?xml[^>]*>|</?posts\s*/?>|\s+")
_INTEGER = re.compile(r"\s*([+-]?)0*([0-9]+)\s*")
_SCORE_LIMIT = (1 << 63) - 1
_HOST = re.compile(r"(?:[a-z0-9-]+\.)+[a-z]{2,}")
_ARCHIVE_SUFFIX = re.compile(r"(?:[-_](?:posts|stackexchange))?\.(?:7z|xml)(?:\.(?:gz|bz2|zst|xz))?$", re.IGNORECASE)
_BAD_REFERENCE = re.compile(r"&#(?:x([0-9a-fA-F]+)|([0-9]+));")
_BARE_AMPERSAND = re.compile(r"&(?!(?:amp|lt|gt|quot|apos|#[0-9]+|#x[0-9a-fA-F]+);)")
_BLOCK = re.compile(r"```|- |> |[0-9]+\. |---")
_NO_XML = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class Reason(StrEnum):
    """Why a post is dropped."""

    CUT_ROW = "cut_row"
    MALFORMED_ROW = "malformed_row"
    LONG_ROW = "long_row"
    NOT_UTF8 = "not_utf8"
    NO_ID = "no_id"
    NO_TYPE = "no_type"
    NO_PARENT = "no_parent"
    NO_QUESTION = "no_question"
    DUPLICATE_ID = "duplicate_id"


@dataclass(frozen=True, slots=True)
class Post:
    """One question (kind 1) or answer (kind 2; `parent` is its question), its body still HTML.

    `offset` is the position of its row in the decompressed Posts.xml, in bytes; `tags` are without their brackets.
    """

    site: str
    dump: str
    id: int
    kind: Literal[1, 2]
    parent: int | None
    score: int
    title: str
    body: str
    tags: tuple[str, ...]
    creation_date: str
    license: str
    offset: int

    @property
    def record(self) -> str:
        """The id of this post as a record: source, site, dump, number."""
        return f"{SOURCE}/{self.site}/{self.dump}/{self.id}"

    @property
    def url(self) -> str:
        """The address of this post: of a question its page, of an answer its place on the question's."""
        return f"https://{self.site}/{'questions' if self.parent is None else 'a'}/{self.id}"

    def drop(self, reason: StrEnum) -> Drop:
        """Return the drop that takes this post's place."""
        return Drop(
            id=self.record,
            source=SOURCE,
            stage=READ,
            reason=reason,
            excerpt=self.body[:EXCERPT_CHARACTERS],
            size=len(self.body.encode("utf-8", "replace")),
            url=self.url,
            title=self.title[:EXCERPT_CHARACTERS] or None,
            timestamp=timestamps.canonical(self.creation_date),
            license=self.license,
        )


def site_of(name: str) -> str:
    """Return the site of an archive's or a Posts.xml's name, path or URL: "coffee.stackexchange.com".

    `stackoverflow.com-Posts.7z` gives "stackoverflow.com"; a bare Posts.xml takes its folder's name. ValueError if
    neither is a host name.
    """
    parts = [part for part in re.split(r"[/\\]", name.partition("?")[0]) if part]
    last = _ARCHIVE_SUFFIX.sub("", parts[-1]) if parts else ""
    for candidate in (last, parts[-2] if len(parts) > 1 and last.lower() == "posts" else ""):
        if _HOST.fullmatch(candidate.lower()) and not candidate.lower().endswith(".xml"):
            return candidate.lower()
    raise ValueError(f"no site in the name {name!r}: expected SITE.7z, SITE-Posts.7z or SITE/Posts.xml")


_expected = first_bytes.looker({Kind.SEVEN_ZIP, Kind.POSTS}, (), "a site's 7z archive or its Posts.xml")


def look(stream: BinaryIO, dump: Dump) -> None:
    """Look at an input's beginning, and at an archive's directory; raise ValueError if it cannot be read."""
    _expected(stream, dump)
    if first_bytes.kind_of(stream)[1] is Kind.SEVEN_ZIP:
        seven_zip.look(stream, _wanted())


def is_meta(site: str) -> bool:
    """Return whether a site is one about another site (meta.stackexchange.com, coffee.meta.stackexchange.com)."""
    return "meta" in site.split(".")[:-1]


def decompress(archive: BinaryIO, write: Callable[[bytes], None], size: int = RANGE_BYTES) -> int:
    """Stream the Posts.xml of a `.7z` into `write`, in ranges of whole lines of about `size` bytes; return its size.

    `archive` must be seekable. ValueError if it is damaged, encrypted, a bomb (over 1 GiB and 200 times its compressed
    size), or has no single Posts.xml; what `write` raises passes through.
    """
    if size < 1:
        raise ValueError(f"size is {size}: a range needs at least 1 byte")
    ranges = _Ranges(write, size)
    seven_zip.push(archive, _wanted(), ranges.add)
    ranges.finish()
    return ranges.written


def _wanted() -> Wanted:
    return Wanted(POSTS.lower().__eq__, f"named {POSTS}", MAX_RATIO, BOMB_BYTES)


class _Ranges:
    """Cuts what is added to it after a line's end, as soon as there are `target` bytes."""

    def __init__(self, write: Callable[[bytes], None], target: int) -> None:
        self.sink = write
        self.target = target
        self.pending = bytearray()
        self.written = 0

    def add(self, piece: bytes) -> None:
        """Take a piece of the stream."""
        self.pending += piece
        start = 0
        while len(self.pending) - start >= self.target:
            end = self._line_end(start)
            if not end:
                break
            self._emit(bytes(memoryview(self.pending)[start:end]))
            start = end
        del self.pending[:start]

    def _line_end(self, start: int) -> int:
        """Return where a range from `start` ends: after the last line in the target, or the first beyond it."""
        target = start + self.target
        found = self.pending.rfind(b"\n", start, target)
        found = self.pending.find(b"\n", target) if found < 0 else found
        too_long = max(target, start + MAX_LINE_BYTES)
        return found + 1 if found >= 0 else too_long if len(self.pending) > too_long else 0

    def _emit(self, piece: bytes) -> None:
        self.sink(piece)
        self.written += len(piece)

    def finish(self) -> None:
        """Write what is left."""
        if self.pending:
            self._emit(bytes(self.pending))
            self.pending.clear()


def read(stream: BinaryIO, dump: Dump, counts: Counter[str], start: int = 0) -> Iterator[Post | Drop]:
    """Yield the questions and answers of a Posts.xml, or of a range of its whole lines that begins at byte `start`.

    `dump.attributes["site"]` names the site (ValueError without it); `dump.digest` is that of the whole site. See the
    module for what is counted and repaired.
    """
    if "site" not in dump.attributes:
        raise ValueError(f"{dump.name}: the dump has no attribute 'site' (such as coffee.stackexchange.com)")
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=True)
    for offset, line in _lines(stream, start):
        if offset == 0 and line.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            counts["records"] += 1
            yield _drop(dump, offset, Reason.NOT_UTF8, line)
            return
        before, *rows = line.split(_ROW)
        if not _is_structure(before):
            counts["other:line"] += 1
        position = offset + len(before)
        for row in rows:
            post = _post(_ROW + row, position, dump, counts, parser)
            if post is not None:
                yield post
            position += len(_ROW) + len(row)


def _is_structure(data: bytes) -> bool:
    """Return whether what stands beside rows is only what the file as a whole is made of."""
    at = len(codecs.BOM_UTF8) if data.startswith(codecs.BOM_UTF8) else 0
    return skip_all(_STRUCTURE, data, at) == len(data)


def _lines(stream: BinaryIO, start: int) -> Iterator[tuple[int, bytes]]:
    """Yield (offset, line); of a line over the limit only its first part, the rest is skipped."""
    offset = start
    while line := stream.readline(MAX_LINE_BYTES):
        yield offset, line
        offset += len(line)
        while len(line) == MAX_LINE_BYTES and not line.endswith(b"\n"):
            line = stream.readline(MAX_LINE_BYTES)
            offset += len(line)


def _post(row: bytes, offset: int, dump: Dump, counts: Counter[str], parser: etree.XMLParser) -> Post | Drop | None:
    attributes = _attributes(row, counts, parser)
    if isinstance(attributes, Reason):
        counts["records"] += 1
        return _drop(dump, offset, attributes, row)
    kind = attributes.get("PostTypeId", "")
    if kind not in (_QUESTION, _ANSWER) and kind.isascii() and kind.isdigit():
        counts[f"other:post_type_{kind[:9]}"] += 1
        return None
    counts["records"] += 1
    number, parent = _number(attributes.get("Id")), _number(attributes.get("ParentId"))
    if number is None:
        return _drop(dump, offset, Reason.NO_ID, row)
    if kind not in (_QUESTION, _ANSWER):
        return _drop(dump, offset, Reason.NO_TYPE, row)
    if kind == _ANSWER and parent is None:
        return _drop(dump, offset, Reason.NO_PARENT, row)
    score = _number(attributes.get("Score"))
    if score is None:
        counts["repaired:score"] += 1
    created = attributes.get("CreationDate", "")
    return Post(
        site=dump.attributes["site"],
        dump=dump.digest,
        id=number,
        kind=1 if kind == _QUESTION else 2,
        parent=None if kind == _QUESTION else parent,
        score=score or 0,
        title=attributes.get("Title", "").strip(),
        body=attributes.get("Body", ""),
        tags=tuple(re.findall(r"[^<>|\s]+", attributes.get("Tags", ""))),
        creation_date=created,
        license=_license(attributes.get("ContentLicense", ""), created),
        offset=offset,
    )


def _attributes(row: bytes, counts: Counter[str], parser: etree.XMLParser) -> Mapping[str, str] | Reason:
    """Return a row's attributes, decoded once; the reason if they cannot be read."""
    end = row.rfind(b">")
    if end < 0 or row[end - 1 : end] != b"/":
        closing = row.rfind(b"/>")
        if closing < 0 or not _is_structure(row[closing + 2 :]):
            return Reason.LONG_ROW if len(row) > _LONGEST_ROW else Reason.CUT_ROW
        end = closing + 1
    row = row[: end + 1]
    attributes = _decoded(row, parser)
    if attributes is not None:
        return attributes
    attributes = _decoded(_sanitized(row), parser)
    if attributes is None:
        return Reason.MALFORMED_ROW
    counts["repaired:xml"] += 1
    return attributes


def _decoded(row: bytes, parser: etree.XMLParser) -> Mapping[str, str] | None:
    """Return a row's attributes; None if it is not well-formed, which no row is with a tag in it, or has countless."""
    if row.find(b"<", 1) >= 0 or _attribute_count(row) > MAX_ATTRIBUTES:
        return None
    try:
        element = etree.fromstring(row, parser)
    except etree.XMLSyntaxError:
        return None
    return {str(key): str(value) for key, value in element.items()}


def _attribute_count(row: bytes) -> int:
    """Return how many attributes come before the first thing that is none, or one more than there may be."""
    count, at = 0, len(_ROW) if row.count(b"=") > MAX_ATTRIBUTES else len(row)
    while count <= MAX_ATTRIBUTES and (found := _ATTRIBUTE.match(row, at)):
        count, at = count + 1, found.end()
    return count


def _sanitized(row: bytes) -> bytes:
    """Return a row without the bytes, characters and references that XML forbids."""
    text = _NO_XML.sub("", row.decode("utf-8", "replace"))
    return _BARE_AMPERSAND.sub("&amp;", _BAD_REFERENCE.sub(_allowed_reference, text)).encode()


def _allowed_reference(found: re.Match[str]) -> str:
    digits = (found[1] or found[2]).lstrip("0") or "0"
    code = int(digits[:8], 16 if found[1] else 10) if len(digits) <= 8 else -1
    return found[0] if 0 <= code <= 0x10FFFF and not _NO_XML.match(chr(code)) else ""


def _number(text: str | None) -> int | None:
    """Return an integer of any length clamped to 64 bits, or None."""
    found = _INTEGER.fullmatch(text or "")
    if not found:
        return None
    magnitude = min(int(found[2]), _SCORE_LIMIT) if len(found[2]) < 20 else _SCORE_LIMIT
    return -magnitude if found[1] == "-" else magnitude


def _license(stated: str, created: str) -> str:
    if stated:
        return re.sub(r"\s+", "-", stated.strip())
    return next(name for since, name in LICENSES if created >= since)


def _drop(dump: Dump, offset: int, reason: Reason, row: bytes) -> Drop:
    excerpt = row[: EXCERPT_CHARACTERS * 4].decode("utf-8", "replace")[:EXCERPT_CHARACTERS]
    identity = f"{SOURCE}/{dump.attributes['site']}/{dump.digest}/@{offset}"
    scores = {VALUE: len(row), LIMIT: _LONGEST_ROW} if reason is Reason.LONG_ROW else {}
    return Drop(id=identity, source=SOURCE, stage=READ, reason=reason, excerpt=excerpt, size=len(row), scores=scores)


def in_order(answers: Iterable[Post]) -> list[Post]:
    """Return answers by score as an integer, highest first; equal ones by id."""
    return sorted(answers, key=lambda answer: (-answer.score, answer.id))


def join(question: Post, answers: Sequence[Post]) -> Document:
    """Return the document of a question and its answers (in any order): "Q: title", body, then "A: ..." for each.

    The question's own counter of answers is not asked: it is written with the answers there are. `license` is an SPDX
    expression over the posts' licences. Attributes: site, answers (how many), score, best_score,
    answer_scores (in the text's order), tags.
    """
    ordered = in_order(answers)
    body = to_text(question.body)
    parts = [f"Q: {question.title}".rstrip(), *([body] if body else [])]
    parts += [_answer(to_text(answer.body)) for answer in ordered]
    attributes = {
        "site": question.site,
        "answers": len(ordered),
        "score": question.score,
        "best_score": ordered[0].score if ordered else None,
        "answer_scores": [answer.score for answer in ordered],
        "tags": list(question.tags),
    }
    return Document(
        id=question.record,
        source=SOURCE,
        text="\n\n".join(parts),
        dump=question.dump,
        offset=question.offset,
        url=question.url,
        title=question.title or None,
        license=" AND ".join(sorted({post.license for post in (question, *ordered)})),
        timestamp=timestamps.canonical(question.creation_date),
        attributes=attributes,
    )


def _answer(text: str) -> str:
    """Return "A: text", or with the text below where its first line is a fence, an item or a quotation."""
    return f"A:\n\n{text}" if _BLOCK.match(text) else f"A: {text}".rstrip()


def assemble(posts: Iterable[Post]) -> Iterator[Document | Drop]:
    """Yield one document for each question among `posts`, by id, and drops for answers without their question.

    All posts of a question must be in one call: a site, or a bucket of it by question. Of posts with one id the one
    with the smallest offset is taken. Each post is in one document (1 + its attribute `answers`) or one drop.
    """
    questions: dict[int, Post] = {}
    answers: defaultdict[int, list[Post]] = defaultdict(list)
    seen: set[int] = set()
    for post in sorted(posts, key=lambda post: post.offset):
        if post.id in seen:
            again = f"{post.record}@{post.offset}"
            yield replace(post.drop(Reason.DUPLICATE_ID), id=again, detail=post.record)
            continue
        seen.add(post.id)
        if post.parent is None:
            questions[post.id] = post
        else:
            answers[post.parent].append(post)
    for number in sorted(questions.keys() | answers.keys()):
        question, found = questions.get(number), answers.get(number, [])
        if question is not None:
            yield join(question, found)
        else:
            # The detail is the id that the question would have.
            missing = f"{found[0].record.rpartition('/')[0]}/{number}"
            yield from (replace(answer.drop(Reason.NO_QUESTION), detail=missing) for answer in found)
