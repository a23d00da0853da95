"""StackExchange: posts spilled by question, joined into one document per question, of the largest sites.

.7z ─ unpack, once ─> ranges of lines ─ posts ─> runs of posts by hash of the question ─ questions (join) ─> documents
"""

from __future__ import annotations

import codecs
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import asdict, replace
from enum import StrEnum
from itertools import count
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa

from pipelines.document import Document, Drop
from pipelines.files import storage
from pipelines.files.current import measured
from pipelines.files.tables import columns
from pipelines.hashing import keyed
from pipelines.readers import Dump, stack_exchange
from pipelines.readers.stack_exchange import Post
from pipelines.recipes import Posts, Questions, Recipe
from pipelines.stages import losses
from pipelines.stages.kinds import Context, Join, Map
from pipelines.stages.source import Breakdown, Shown, Source, Unpacking

SEVEN_ZIP = b"7z\xbc\xaf\x27\x1c"
UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
HEAD = 1 << 12  # bytes in which a Posts.xml must begin its element or a row


class Reason(StrEnum):
    """Why the posts of a whole site are dropped."""

    META_SITE = "meta_site"
    SITE_NOT_AMONG_LARGEST = "site_not_among_largest"


def unpack(task: Unpacking) -> None:
    """Decompress a site once into ranges of whole lines; a plain Posts.xml is cut in the same way."""
    storage.remove(task.manifest)
    parts: list[tuple[str, int]] = []
    numbers, position = count(), 0

    def write(lines: bytes) -> None:
        nonlocal position
        name = f"{task.part.digest}-{next(numbers):06d}.xml"
        storage.write_bytes(f"{task.directory}/{name}", lines)
        parts.append((name, position))
        position += len(lines)

    with measured() as took, storage.open_read(task.path) as stream:
        head = stream.read(HEAD)
        stream.seek(0)
        try:
            if head.startswith(SEVEN_ZIP):
                stack_exchange.decompress(stream, write, task.recipe.range_bytes)
            elif head.startswith(UTF_16) or b"<posts" in head or b"<row" in head:
                _cut(stream, write, task.recipe.range_bytes)
            else:
                raise ValueError("neither a 7z archive nor a Posts.xml")
            if not parts:
                raise ValueError("its Posts.xml is empty")
        except ValueError as error:
            raise ValueError(f"stack_exchange: {task.path}: {error}") from error
    task.write_parts(parts, took)


def _cut(stream: BinaryIO, write: Any, size: int) -> None:
    while lines := stream.read(size):
        write(lines + stream.readline())


def read(stream: BinaryIO, dump: Dump, counts: Any) -> Iterator[Post | Drop]:
    """Read one range; offsets are those of the whole Posts.xml."""
    return stack_exchange.read(stream, dump, counts, start=int(dump.attributes["base_offset"]))


def keep(post: Post, context: Context[Posts]) -> Post:
    """Keep every post: which sites are largest is known when all are counted."""
    return post


def spill(post: Post) -> tuple[int, bytes]:
    """Return a post with the hash of its question, so that a question and its answers meet in one bucket."""
    question = post.id if post.parent is None else post.parent
    return keyed("question", f"{post.site}/{question}"), json.dumps(asdict(post)).encode()


def questions(payloads: Iterable[bytes], context: Context[Questions]) -> Iterator[tuple[Document, int] | Drop]:
    """Join the posts of the largest sites, one site after the other; drop the posts of the others."""
    ranking = Path(context.models["stack_exchange_sites"], "sites.json")
    chosen = set(json.loads(ranking.read_text(encoding="utf-8-sig"))["chosen"])
    sites: dict[tuple[str, str], list[Post]] = defaultdict(list)
    for payload in payloads:
        fields = json.loads(payload)
        post = Post(**{**fields, "tags": tuple(fields["tags"])})
        sites[post.site, post.dump].append(post)
    for (site, _), posts in sorted(sites.items()):
        if stack_exchange.is_meta(site) and not context.recipe.meta_sites:
            yield from (_drop(post, Reason.META_SITE) for post in posts)
        elif site not in chosen:
            yield from (_drop(post, Reason.SITE_NOT_AMONG_LARGEST) for post in posts)
        else:
            yield from _assembled(posts)


def _assembled(posts: Iterable[Post]) -> Iterator[tuple[Document, int] | Drop]:
    for outcome in stack_exchange.assemble(posts):
        if isinstance(outcome, Drop):
            yield replace(outcome, stage="questions")
        else:
            yield outcome, outcome.attributes["answers"]


def _drop(post: Post, reason: Reason) -> Drop:
    return replace(post.drop(reason), stage="questions", detail=post.site)


def raw_posts(payloads: Iterable[bytes], document: Document) -> str:
    """Return the bodies of a question and its answers as the dump has them, in its order."""
    site, number = document.attributes["site"], int(document.id.rpartition("/")[2])
    posts = [Post(**{**fields, "tags": ()}) for fields in map(json.loads, payloads)]
    own = [post for post in posts if post.site == site and number == (post.id if post.parent is None else post.parent)]
    return "\n\n".join(post.body for post in sorted(own, key=lambda post: post.offset))


def attributes(name: str) -> dict[str, str]:
    """Return the site that an archive's name tells."""
    return {"site": stack_exchange.site_of(name)}


def posts_part(recipe: Recipe) -> Posts:
    """Return what `unpack` and `posts` read of a recipe."""
    return recipe.stack_exchange.posts


def questions_part(recipe: Recipe) -> Questions:
    """Return what `questions` reads of a recipe."""
    return recipe.stack_exchange.questions


COLUMNS = columns(
    site=pa.string(),
    answers=pa.int32(),
    score=pa.int64(),
    best_score=pa.int64(),
    answer_scores=pa.list_(pa.int64()),
    tags=pa.list_(pa.string()),
)

SOURCE = Source(
    name="stack_exchange",
    read=read,
    look=stack_exchange.look,
    stages=(
        Map("posts", keep, posts_part, spill=spill, version=2),
        Join(
            "questions",
            questions,
            questions_part,
            models=("stack_exchange_sites",),
            raw=raw_posts,
            columns=COLUMNS,
            version=5,
        ),
    ),
    attributes=attributes,
    attribute_names=("site",),
    unpack=unpack,
    unpack_part=posts_part,
    group=losses.site,
    group_kind="site",
    title="StackExchange",
    shown=Shown(
        breakdowns=(
            Breakdown("Sites", "site", "attributes.site"),
            Breakdown("Licences", "licence", "license"),
        ),
    ),
)
