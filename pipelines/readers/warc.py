"""WARC reader: pages as they were crawled, one document for each `response` record that is HTML.

    bytes -> WARC records (`warc_records`) -> HTTP status, headers, body -> charset -> HTML -> text -> Document | Drop

The text is laid out as in a WET file: the title on the first line (an empty line where there is none), then everything
visible, a line for each block, without empty lines (`filters.web.visible`). `pipelines.readers.responses` undoes what
HTTP does to a body, `pipelines.readers.charsets` tells its charset. `offset` and ids are as in the WET reader. `read`
of this module takes WET files too: the first conversion or response record decides what the file is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import islice
from typing import BinaryIO

from filters import packages
from filters.broken import Broken
from filters.web import visible
from pipelines.document import EXCERPT_CHARACTERS, READ, Document, Drop
from pipelines.readers import Dump, charsets, first_bytes, wet
from pipelines.readers.first_bytes import Kind
from pipelines.readers.html_limits import too_intricate
from pipelines.readers.responses import Reason, RefusedError, html_body
from pipelines.readers.warc_records import Record, identity, moment, read_kinds, records, url

KIND = "response"


def read(
    stream: BinaryIO, dump: Dump, counts: Counter[str], *, source: str = "common_crawl"
) -> Iterator[Document | Drop]:
    """Yield a Document for each HTML response of a WARC file, or each conversion record of a WET file.

    Which of the two it is, the first such record tells, not the name. What cannot be read is a Drop, as are responses
    with another status than 200, of another type than HTML, or without text; requests, metadata and the like are
    counted as such. Raises ValueError for a file that is empty, of no kind that is read, or without a record.
    """
    return read_kinds(stream, dump, counts, source, {wet.KIND: wet.document, KIND: document})


_expected = first_bytes.looker({Kind.WARC, Kind.ARC}, {"gzip", "zstd"}, "a WET, WARC or ARC file (plain, gzip, zstd)")
LOOKED_AT = 20  # records


def look(stream: BinaryIO, dump: Dump) -> None:
    """Look at a file's beginning; raise ValueError if it is none of ours, or a WARC that cannot be made into text."""
    _expected(stream, dump)
    stream.seek(0)
    first = [record.headers for _, record in islice(records(stream, dump), LOOKED_AT)]
    kinds = [headers.get("warc-type", "").lower() for headers in first]
    if next((kind for kind in kinds if kind in (wet.KIND, KIND)), "") == KIND:
        packages.RESILIPARSE.load()
    rest = [headers for headers, kind in zip(first, kinds, strict=True) if kind != "warcinfo"]
    if rest and all(headers.get("content-type", "").startswith("application/json") for headers in rest):
        raise ValueError(
            f"{dump.name}: this is a WAT file, metadata of pages; the crawl's WET or WARC file is expected"
        )


def document(record: Record, offset: int, dump: Dump, source: str) -> Document | Drop:
    """Return a response record's document, or its drop."""
    body = record.payload
    try:
        body, content_type = html_body(body, cut="warc-truncated" in record.headers)
        title, text = page_text(charsets.decode(body, content_type))
    except RefusedError as refused:
        (broken,) = refused.args
        return Drop(
            id=identity(record, offset, dump, source),
            source=source,
            stage=READ,
            reason=str(refused),
            excerpt=body[: 4 * EXCERPT_CHARACTERS].decode(errors="replace")[:EXCERPT_CHARACTERS],
            size=record.size,
            url=url(record),
            timestamp=moment(record),
            scores=broken.scores if isinstance(broken, Broken) else {},
            detail=broken.detail and broken.detail[:EXCERPT_CHARACTERS] if isinstance(broken, Broken) else None,
        )
    return Document(
        id=identity(record, offset, dump, source),
        source=source,
        text=text,
        dump=dump.digest,
        offset=offset,
        url=url(record),
        title=title or None,
        timestamp=moment(record),
    )


def page_text(html: str) -> tuple[str, str]:
    """Return a page's title and its text: the title's line, then everything visible, a line for each block."""
    prepared = visible.prepared(html)
    if too_intricate(prepared):
        raise RefusedError(Reason.TOO_INTRICATE)
    title, lines = visible.page(prepared)
    if not lines:
        raise RefusedError(Reason.NO_TEXT)
    return title, "\n".join([title, *lines])
