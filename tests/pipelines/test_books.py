"""Books through whole builds: a mirror's duplicate encodings, collections of one's own in folders and archives."""

from __future__ import annotations

import io
import json
import random
import tarfile
import zipfile
from collections import Counter
from pathlib import Path

from pipelines import corpus, tables
from pipelines.document import Document
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


def test_of_a_mirrors_encodings_of_one_book_one_stays(tmp_path: Path) -> None:
    folder = tmp_path / "1/2/3/1234"
    folder.mkdir(parents=True)
    body = text(1)
    assert "é" in body
    latin = gutenberg(body, encoding="ISO-8859-1").replace("\n", "\r\n").encode("latin-1")
    (folder / "1234-0.txt").write_text(gutenberg(body), encoding="utf-8")
    (folder / "1234-8.txt").write_bytes(latin)
    (folder / "1234.txt").write_text(gutenberg(body.replace("é", "e"), encoding="ASCII"), encoding="ascii")
    with zipfile.ZipFile(folder / "1234-8.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("1234-8.txt", latin)
    other = tmp_path / "1/2/3/1235"
    other.mkdir()
    (other / "1235-0.txt").write_text(gutenberg(text(2), "Another Book"), encoding="utf-8")
    kept, reasons = built(tmp_path / "corpus", f"books={tmp_path}/1")
    assert sorted(str(document.title) for document in kept) == ["Another Book", TITLE]
    assert reasons == {"contained_in_another": 3}
    assert {document.license for document in kept} == {"LicenseRef-public-domain-US"}


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
