"""WET reader: Common Crawl's text files, one document for each `conversion` record.

    bytes -> WARC records (`warc_records`) -> Document | Drop

`offset` is where the record's gzip member starts in the file (in a plain file, where the record does); the id adds
"+N" for a record that starts N bytes into its inflated member.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import BinaryIO

from pipelines.document import Document, Drop
from pipelines.readers import Dump
from pipelines.readers.warc_records import Reason, Record, identity, moment, read_kinds, unreadable, url

KIND = "conversion"
# Bytes, as of the body of a page (`responses.BODY_LIMIT`): Common Crawl's texts are under 5 MiB, and a language model
# takes some 90 bytes of memory for each byte of a text.
TEXT_LIMIT = 8 << 20


def read(
    stream: BinaryIO, dump: Dump, counts: Counter[str], *, source: str = "common_crawl"
) -> Iterator[Document | Drop]:
    """Yield a Document for each conversion record of a WET file, or a Drop for one that cannot be read.

    The text is the record's payload as it is (NUL bytes too), the title its first line. A payload over TEXT_LIMIT is
    dropped, and one that is not UTF-8: WET files are written in nothing else, so it is damage. Raises ValueError for a
    file that is empty, of no kind that is read, or without a record.
    """
    return read_kinds(stream, dump, counts, source, {KIND: document})


def document(record: Record, offset: int, dump: Dump, source: str) -> Document | Drop:
    """Return a conversion record's document, or its drop."""
    if record.size > TEXT_LIMIT:
        return unreadable(record, offset, dump, source, Reason.TOO_LARGE, TEXT_LIMIT)
    try:
        text = record.payload.decode()
    except UnicodeDecodeError:
        return unreadable(record, offset, dump, source, Reason.INVALID_UTF8)
    return Document(
        id=identity(record, offset, dump, source),
        source=source,
        text=text,
        dump=dump.digest,
        offset=offset,
        url=url(record),
        title=text.split("\n", 1)[0].split("\r", 1)[0].strip() or None,
        timestamp=moment(record),
    )
