"""Books through whole builds: a mirror's editions and encodings, collections of one's own in folders and archives."""

from __future__ import annotations

import gzip
import io
import json
import random
import tarfile
import zipfile
from collections import Counter
from pathlib import Path

import pytest

from pipelines import corpus
from pipelines.document import Document
from pipelines.files import tables
from pipelines.readers import gutenberg as reader
from tests.pipelines import tiny

TITLE = "Rain at the Bridge"


def text(seed: int) -> str:
    """Return a book of which a few words have accents."""
    found = tiny.prose(random.Random(seed), 80)
    return found.replace("the weather station", "the weather café", 12)


def gutenberg(body: str, title: str = TITLE, encoding: str = "UTF-8") -> str:
    """Return a book as Project Gutenberg has it."""
    start, end = (f"*** {word} OF THE PROJECT GUTENBERG EBOOK {title.upper()} ***" for word in ("START", "END"))
    head = f"The Project Gutenberg eBook of {title}\n\nTitle: {title}\nCharacter set encoding: {encoding}\n"
    return f"{head}\n{start}\n\n{body}\n\n{end}\n\nLicence terms.\n"


def built(output: Path, *inputs: str) -> tuple[list[Document], Counter[str]]:
    """Build the books alone and return what is kept, and why the rest is not."""
    settings = ("tokenizer.vocabulary=300", "shards.validation=0.2", "buckets=4", "books.groups=3")
    options = [word for found in inputs for word in ("--input", found)]
    options += [word for setting in settings for word in ("--set", setting)]
    assert corpus.main(["--source", "books", *options, "--output", str(output), "--runner", "plain"]) == 0
    kept = [d for path in output.glob("books/documents/*.parquet") for d in tables.read_documents(str(path))]
    reasons = Counter(row["reason"] for path in output.glob("books/drops/*") for row in tables.read_rows(str(path)))
    return kept, reasons


def accented(seed: int) -> str:
    """Return a book in which no five words are without an accent."""
    words = text(seed).split(" ")
    return " ".join(f"{word}é" if number % 4 == 0 else word for number, word in enumerate(words))


def mirrored(folder: Path, body: str, title: str) -> None:
    """Write a book's folder of a mirror: UTF-8, Latin-1 with CRLF, ASCII without accents, and zips of the two."""
    folder.mkdir(parents=True)
    number = folder.name
    latin = gutenberg(body, title, "ISO-8859-1").replace("\n", "\r\n").encode("latin-1")
    plain = gutenberg(body.replace("é", "e"), title, "ASCII").encode("ascii")
    (folder / f"{number}-0.txt").write_text(gutenberg(body, title), encoding="utf-8")
    (folder / f"{number}-8.txt").write_bytes(latin)
    (folder / f"{number}.txt").write_bytes(plain)
    for name, content in ((f"{number}-8", latin), (number, plain)):
        with zipfile.ZipFile(folder / f"{name}.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(f"{name}.txt", content)


def test_of_a_mirrors_encodings_of_one_book_the_best_stays(tmp_path: Path) -> None:
    mirrored(tmp_path / "1/2/3/1234", accented(1), TITLE)
    mirrored(tmp_path / "1/2/3/1235", accented(2), "Another Book")
    (tmp_path / "1/2/3/1235/1235-0.txt").write_bytes(b"\x00\x01\x02" * 400)  # damaged: the next best stays
    (tmp_path / "1/2/3/1234/old").mkdir()
    (tmp_path / "1/2/3/1234/old/1234-8.txt").write_bytes(
        gutenberg(accented(1), encoding="ISO-8859-1").encode("latin-1")
    )
    kept, reasons = built(tmp_path / "corpus", f"books={tmp_path}/1")
    assert sorted(str(document.title) for document in kept) == ["Another Book", TITLE]
    assert reasons == {"other_encoding": 7, "older_edition": 1, "binary": 1}
    assert {document.license for document in kept} == {"LicenseRef-public-domain-US"}
    assert all("é" in document.text for document in kept)


LEFT = "\n".join(
    f"{n}. Copyright laws are changing all over the world, so be sure to check line {n}." for n in range(99)
)


def test_an_older_edition_goes_however_large_it_is(tmp_path: Path) -> None:
    for number in range(20):
        folder = tmp_path / f"1/2/3/{1230 + number}"
        (folder / "old").mkdir(parents=True)
        current, name = gutenberg(text(number), f"Book {number}"), folder.name
        (folder / f"{name}-0.txt").write_text(current, encoding="utf-8")
        (folder / "old" / f"rain{number}10.txt").write_text(f"{text(number)}\n\n{LEFT}", encoding="latin-1")
        (folder / "old" / f"{name}.txt").write_text(current.replace("é", "e") + LEFT, encoding="ascii")
    kept, reasons = built(tmp_path / "corpus", f"books={tmp_path}/1")
    assert reasons == {"older_edition": 40}
    assert sorted(document.attributes["book"] for document in kept) == [str(1230 + n) for n in range(20)]


def test_of_old_editions_alone_the_newest_stays(tmp_path: Path) -> None:
    folder = tmp_path / "1/2/3/1234/old"
    folder.mkdir(parents=True)
    dates = (
        "Release Date: July 27, 2004 [EBook #1234]",
        "[Last updated: March 3, 2012]",
        "May, 1995  [Etext #1234]",
        "",
    )
    for number, line in enumerate(dates):
        head = gutenberg(f"{text(60)} Edition {number}.").replace("Title:", f"{line}\nTitle:")
        (folder / f"rain1{number}.txt").write_text(head, encoding="utf-8")
    kept, reasons = built(tmp_path / "corpus", f"books={tmp_path}/1")
    assert reasons == {"older_edition": 3}
    assert [document.text.endswith("Edition 1.") for document in kept] == [True]


def test_a_stated_encoding_that_nobody_knows_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.txt").write_text("a b c", encoding="utf-8")
    options = ["--source", "books", "--input", f"books[encoding=klingon]={tmp_path}/a.txt", "--output", f"{tmp_path}/c"]
    assert corpus.main(options) != 0
    assert "encoding=klingon: no character set has this name" in capsys.readouterr().err


def test_the_damaged_member_of_a_group_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(6):
        data = bytearray(gzip.compress(text(80 + number).encode(), mtime=0))
        data[len(data) // 2] ^= 0xFF * (number == 3)
        (tmp_path / f"b{number}.txt.gz").write_bytes(data)
    with zipfile.ZipFile(tmp_path / "c.zip", "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("whole.txt", text(90))
        archive.writestr("cut.txt", text(91))
    broken = bytearray((tmp_path / "c.zip").read_bytes())
    broken[broken.index(text(91)[:40].encode())] ^= 0xFF
    (tmp_path / "c.zip").write_bytes(broken)
    built(tmp_path / "corpus", f"books={tmp_path}/*")
    warnings = [line for line in capsys.readouterr().err.splitlines() if "cannot be read" in line]
    assert {
        name for name in ("b0", "b1", "b2", "b3", "b4", "b5", "c.zip") if any(name in line for line in warnings)
    } == {
        "b3",
        "c.zip",
    }
    drops = [row for path in (tmp_path / "corpus/books/drops").iterdir() for row in tables.read_rows(str(path))]
    assert "cut.txt" in {row["excerpt"] for row in drops}


def test_numbers_of_two_collections_are_two_books(tmp_path: Path) -> None:
    for number, collection in enumerate(("one", "two")):
        folder = tmp_path / f"books/{collection}/7/17"
        folder.mkdir(parents=True)
        (folder / "17-0.txt").write_text(gutenberg(text(30 + number)), encoding="utf-8")
    kept, reasons = built(tmp_path / "corpus", f"books={tmp_path}/books")
    assert sorted(document.attributes["collection"] for document in kept) == ["one", "two"]
    assert not reasons


@pytest.mark.parametrize(
    ("path", "book"),
    [
        ("/m/1/2/3/1234/1234-0.txt", "1234"),
        ("1234/1234.txt", "1234"),
        ("cache/epub/1234/pg1234.txt", "1234"),
        ("1/2/3/1234/1234-8.zip", "1234"),
        ("1/2/3/1234/old/1234-8.txt", "1234/old"),
        ("1/2/3/1234/old/lglass18.txt", "1234/old"),
        ("1/2/3/1234/old/7lglass10.zip", "1234/old"),
        ("1/2/3/1234/old/20040512-1234/1234.txt.gz", "1234/old"),
        ("1/2/3/1234/1234-h/1234-h.htm", "1234"),
        ("1/2/3/1234/1234-h.zip", "1234"),
        ("cache/epub/1234/pg1234-images.epub", "1234"),
        ("cache/epub/1234/pg1234-images-3.epub", "1234"),
        ("1/2/3/1234/1234-readme.txt", None),
        ("1/2/3/1234/1234-h/images/cover.html", None),
        ("1/2/3/1234/1235.txt", None),
        ("1/2/3/1234/1234-h.htm", "1234"),
        ("1/2/3/1234/notes.txt", None),
        ("1234.txt", None),
    ],
)
def test_the_book_that_a_mirrors_path_names(path: str, book: str | None) -> None:
    assert reader.book_of(path) == book


def test_an_archive_of_parts_is_no_book_in_two_encodings(tmp_path: Path) -> None:
    folder = tmp_path / "3/4/345"
    folder.mkdir(parents=True)
    with zipfile.ZipFile(folder / "345.zip", "w") as archive:
        for part in range(3):
            archive.writestr(f"345v{part}.txt", gutenberg(text(40 + part)))
    with tarfile.open(tmp_path / "mirror.tar", "w") as tar:
        for name, seed in (("4/4/44/44-0.txt", 50), ("4/4/44/44.txt", 50), ("4/5/45/45.txt", 51)):
            data = gutenberg(accented(seed)).encode()
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    kept, reasons = built(tmp_path / "corpus", f"books={folder}/345.zip", f"books={tmp_path}/mirror.tar")
    assert (len(kept), reasons) == (5, {"other_encoding": 1})


def test_collections_of_ones_own_in_a_folder_a_tar_and_a_zip(tmp_path: Path) -> None:
    texts = [text(seed) for seed in range(10, 16)]
    shelf = tmp_path / "shelf/a"
    shelf.mkdir(parents=True)
    for number, body in enumerate(texts[:2]):
        (shelf / f"{number}.txt").write_text(body, encoding="utf-8")
    with tarfile.open(tmp_path / "mine.tar.gz", "w:gz") as tar:
        for number, body in enumerate(texts[1:4]):  # the first of them stands on the shelf too
            data = body.encode()
            info = tarfile.TarInfo(f"mine/{number}.txt")
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    with zipfile.ZipFile(tmp_path / "ours.zip", "w") as archive:
        for number, body in enumerate(texts[4:]):
            archive.writestr(f"{number}.txt", body)
    kept, reasons = built(
        tmp_path / "corpus",
        f"books[collection=shelf,license=CC-BY-4.0]={tmp_path}/shelf",
        f"books[collection=mine,license=CC0-1.0]={tmp_path}/mine.tar.gz",
        f"books[collection=ours,license=MIT]={tmp_path}/ours.zip",
    )
    assert reasons == {"contained_in_another": 1}
    assert sorted(document.text for document in kept) == sorted(body.strip() for body in texts)
    licenses = {document.attributes["collection"]: document.license for document in kept}
    assert licenses == {"shelf": "CC-BY-4.0", "mine": "CC0-1.0", "ours": "MIT"}
    inputs = json.loads((tmp_path / "corpus/books/manifest.json").read_text())["inputs"]
    assert ["license", "CC0-1.0"] in next(found for found in inputs if "mine" in found["path"])["attributes"]
