"""Where the storage fails, reading fails, whatever a reader or a library would have made of it."""

from __future__ import annotations

import gzip
import io
import random
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from pipelines.document import Document
from pipelines.files import storage
from pipelines.readers import arxiv, github_input, gutenberg, mediawiki, stack_exchange, warc, wet
from pipelines.stages import kinds, run
from tests.hostile import files

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

# More than any buffer holds, and no compression makes it small.
BULK = random.Random(1).randbytes(400_000).hex().encode()
BOOK, PAPER = files.BOOK + b"\n" + BULK, files.PAPER.replace(b"Text.", BULK)
CODE = files.CUT.join([b"repo-1/a.py", BULK, b"repo-1/b.py", BULK])
CASES: dict[str, tuple[kinds.Read, bytes]] = {
    "wet": (wet.read, files.conversions(b"Title\nText" + BULK)),
    "warc": (warc.read, files.responses(files.RESPONSE + BULK)),
    "mediawiki": (mediawiki.read, files.bz2_streams(files.pages(files.PAGE.replace(b"more", BULK)))),
    "gutenberg, text": (gutenberg.read, gzip.compress(BOOK)),
    "gutenberg, zip": (gutenberg.read, files.zipped(BOOK)),
    "gutenberg, tar": (gutenberg.read, files.tarred(BOOK)),
    "arxiv": (arxiv.read, files.tarred(PAPER)),
    "arxiv, one": (arxiv.read, gzip.compress(files.tarred(b"a.tex" + files.CUT + b"\\section{A}" + BULK))),
    "stack_exchange": (stack_exchange.read, files.rows(files.POST.replace(b"T&", BULK + b"&"))),
    "github, rows": (github_input.read, gzip.compress(files.json_lines(CODE))),
    "github, tar": (github_input.read, gzip.compress(files.tarred(CODE))),
    "github, zip": (github_input.read, files.zipped(CODE)),
    "github, parquet": (github_input.read, files.parquet(CODE)),
    "github, avro": (github_input.read, files.avro(CODE)),
}
ATTRIBUTES = (("language", "en"), ("site", "a.stackexchange.com"))


class Failing(io.RawIOBase):
    """A file of which only the first bytes can be read; the error has no number, as those of object storage."""

    def __init__(self, data: bytes, readable: int) -> None:
        self._data, self._readable = io.BytesIO(data), readable

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._data.tell()

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        return self._data.seek(offset, whence)

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        left = self._readable - self._data.tell()
        if left <= 0:
            raise OSError("cannot be read after 6 attempts")
        return self._data.readinto(memoryview(buffer)[:left])


def opener(data: bytes, readable: int) -> Callable[[str], io.BufferedReader]:
    return lambda path: io.BufferedReader(Failing(data, readable))


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("share", [0.0, 0.3, 0.6, 0.9])
def test_a_failing_storage_is_an_error_and_no_damage(name: str, share: float, monkeypatch: pytest.MonkeyPatch) -> None:
    read, data = CASES[name]
    part = kinds.Part("part-0", "d1", ATTRIBUTES)
    monkeypatch.setattr(storage, "open_read", opener(data, int(share * len(data))))
    with pytest.raises((OSError, ValueError), match="after 6 attempts"):
        list(run.read_part(read, part, Counter()))


@pytest.mark.parametrize("name", CASES)
def test_what_can_be_read_is_read_as_before(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    read, data = CASES[name]
    monkeypatch.setattr(storage, "open_read", opener(data, 1 << 30))
    found = list(run.read_part(read, kinds.Part("part-0", "d1", ATTRIBUTES), Counter()))
    assert any(isinstance(one, Document | arxiv.Submission | stack_exchange.Post) for one in found)
