"""Our own questions and answers laid out as archive.org's StackExchange dumps; no package carries a real one.

    questions/SITE.md -> posts() -> Posts.xml and Tags.xml, a row for each post -> SITE.7z

A site's file holds its posts one after the other, a comment line with the attributes before each, then Markdown,
which is rendered to HTML as the sites do it (a question's first line is its title):

    <!-- post id=3 type=answer parent=1 score=4 date=2021-03-02T08:11:00.000 -->
"""

from __future__ import annotations

import io
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from xml.sax.saxutils import escape

import py7zr
from markdown_it import MarkdownIt
from py7zr.helpers import ArchiveTimestamp

from pipelines.sample.files import Laid, write

POST_TYPES = {"question": 1, "answer": 2, "tag-wiki-excerpt": 4, "tag-wiki": 5}
REQUIRED, OPTIONAL = {"id", "type", "date"}, {"parent", "accepted", "score", "views", "owner", "tags", "answers"}
MARK = re.compile(r"^<!-- post (.*) -->$", re.MULTILINE)
ESCAPES = {'"': "&quot;", "\n": "&#xA;", "\r": "&#xD;", "\t": "&#x9;"}
DUMPED = datetime(2024, 4, 2, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Post:
    """One post: its attributes as the file has them, `title` (empty but for a question) and `body` as HTML."""

    attributes: dict[str, str]
    title: str
    body: str

    @property
    def id(self) -> int:
        """Id, by which a dump's rows are sorted."""
        return int(self.attributes["id"])

    @property
    def tags(self) -> list[str]:
        """Tags of a question."""
        return self.attributes["tags"].split(",") if "tags" in self.attributes else []


def lay_out(packages: Mapping[str, Path], output: Path) -> dict[str, Laid]:
    """Write an archive for each site to `output`/stack_exchange; the packages are not used."""
    records = size = 0
    for name, text in sites().items():
        found = posts(text)
        write(output / "stack_exchange" / f"{name}.7z", archive(found))
        records += sum(post.attributes["type"] == "question" for post in found)
        size += len(posts_xml(found))
    return {"stack_exchange": Laid(records, size)}


def sites() -> dict[str, str]:
    """Return the sites' files: the host name of each, and its text."""
    folder = resources.files(__package__) / "questions"
    files = sorted((file.name, file) for file in folder.iterdir() if file.name.endswith(".md"))
    return {name.removesuffix(".md"): file.read_text(encoding="utf-8") for name, file in files}


def posts(text: str) -> list[Post]:
    """Return the posts of a site's file by id; raise ValueError naming the line of a post with wrong attributes."""
    marks = list(MARK.finditer(text))
    ends = [mark.start() for mark in marks[1:]] + [len(text)]
    return sorted(
        (_post(mark, text[mark.end() : end]) for mark, end in zip(marks, ends, strict=True)), key=lambda p: p.id
    )


def _post(mark: re.Match[str], content: str) -> Post:
    attributes = dict(pair.split("=", 1) for pair in mark[1].split())
    if (
        not attributes.keys() >= REQUIRED
        or attributes.keys() - REQUIRED - OPTIONAL
        or attributes["type"] not in POST_TYPES
    ):
        raise ValueError(f"{mark[0]}: wants {sorted(REQUIRED)}, may have {sorted(OPTIONAL)}, type {sorted(POST_TYPES)}")
    title = ""
    if attributes["type"] == "question":
        title, _, content = content.strip().partition("\n")
        if not title.startswith("# "):
            raise ValueError(f"{mark[0]}: a question's first line is '# ' and its title, not {title!r}")
    return Post(attributes, title.removeprefix("# "), rendered(content.strip()))


def rendered(markdown: str) -> str:
    """Return Markdown as the HTML that the sites store."""
    html = MarkdownIt("commonmark").enable("table").render(markdown)
    assert isinstance(html, str)
    return html


def posts_xml(found: Iterable[Post]) -> bytes:
    """Return Posts.xml: a row for each post, attributes in the dumps' order, those that a post lacks left out."""
    found = list(found)
    answers = Counter(post.attributes.get("parent") for post in found)
    rows = "".join(_row(_fields(post, answers[post.attributes["id"]])) for post in found)
    return f'\ufeff<?xml version="1.0" encoding="utf-8"?>\r\n<posts>\r\n{rows}</posts>'.encode()


def _fields(post: Post, answers: int) -> dict[str, object | None]:
    given = post.attributes
    question = given["type"] == "question"
    return {
        "Id": post.id,
        "PostTypeId": POST_TYPES[given["type"]],
        "ParentId": given.get("parent"),
        "AcceptedAnswerId": given.get("accepted"),
        "CreationDate": given["date"],
        "Score": given.get("score"),
        "ViewCount": given.get("views"),
        "Body": post.body,
        "OwnerUserId": given.get("owner"),
        "LastActivityDate": given["date"],
        "Title": post.title if question else None,
        "Tags": "".join(f"<{tag}>" for tag in post.tags) if question else None,
        "AnswerCount": given.get("answers", answers) if question else None,
        "CommentCount": 0,
        "ContentLicense": "CC BY-SA 4.0",
    }


def _row(fields: dict[str, object | None]) -> str:
    written = "".join(f' {k}="{escape(str(v), ESCAPES)}"' for k, v in fields.items() if v is not None)
    return f"  <row{written} />\r\n"


def tags_xml(found: Iterable[Post]) -> bytes:
    """Return Tags.xml: each tag with the number of its questions."""
    counts = sorted(Counter(tag for post in found for tag in post.tags).items())
    rows = "".join(_row({"Id": n, "TagName": tag, "Count": count}) for n, (tag, count) in enumerate(counts, start=1))
    return f'\ufeff<?xml version="1.0" encoding="utf-8"?>\r\n<tags>\r\n{rows}</tags>'.encode()


def archive(found: list[Post]) -> bytes:
    """Return a .7z of a site's Posts.xml and Tags.xml, the same bytes whenever it is made."""
    buffer = io.BytesIO()
    with py7zr.SevenZipFile(buffer, "w") as site:
        site.writef(io.BytesIO(posts_xml(found)), "Posts.xml")
        site.writef(io.BytesIO(tags_xml(found)), "Tags.xml")
        stamp = ArchiveTimestamp.from_datetime(DUMPED.timestamp())
        for file in site.header.files_info.files:
            file.update(creationtime=stamp, lastwritetime=stamp, lastaccesstime=stamp)
    return buffer.getvalue()
