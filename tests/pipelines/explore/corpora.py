"""A small finished corpus with drops and copies, made without a build, and an explorer over one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from pipelines.account.manifest import write_corpus_manifest
from pipelines.document import LIMIT, VALUE, Document, Drop
from pipelines.explore import index
from pipelines.explore.index import Index
from pipelines.explore.search import Explorer
from pipelines.files import storage, tables
from tests.pipelines import made

SCORES = ("perplexity", VALUE, LIMIT)


def page(
    number: int, text: str, *, source: str = "books", url: str | None = None, language: str | None = "en"
) -> Document:
    """Return a document of one of the two dumps in turn, as `made` wants them."""
    dump = made.DUMPS[number % 2]
    return Document(
        id=f"{source}/{dump}/{number}",
        source=source,
        text=text,
        dump=dump,
        offset=number,
        url=url or f"https://www.site{number % 3}.example.org/{number}",
        title=f"Title {number}",
        license="MIT" if number % 4 == 0 else None,
        language=language,
        timestamp=f"{2000 + number % 5}-03-04",
        attributes={"number": number},
    )


def drop(number: int, excerpt: str, reason: str = "too_short", *, source: str = "books") -> Drop:
    """Return a drop at the stage `clean`: of one that is too short a number decided, of others a text."""
    made_of = page(1_000 + number, excerpt, source=source)
    if reason == "too_short":
        return made_of.drop(reason, perplexity=100.0 + number, value=float(number), limit=100.0)
    return made_of.drop(reason, detail=excerpt, perplexity=100.0 + number)


def write(
    output: Path,
    documents: Mapping[str, Sequence[Document]],
    drops: Mapping[str, Sequence[Drop]] | None = None,
    copies: Sequence[tuple[str, str]] = (),
) -> Path:
    """Write a corpus of these documents, drops of a stage `clean`, and copies (kept, id) of the first source."""
    made.write(output, documents)
    for number, source in enumerate(documents):
        path = f"{output}/{source}/manifest.json"
        manifest = storage.read_json(path)
        name = f"{source}/drops/clean-{made.DUMPS[0]}.parquet"
        with storage.write(f"{output}/{name}") as stream:
            writer = tables.DropWriter(stream, SCORES)
            for one in (drops or {}).get(source, ()):
                writer.write(
                    Drop(**{field: getattr(one, field) for field in one.__slots__} | {"stage": "clean"}), excerpt=True
                )
            manifest["drops"] = {"count": len((drops or {}).get(source, ())), "files": [writer.close().named(name)]}
        if copies and not number:
            name = f"{source}/copies/bucket-000000.parquet"
            with storage.write(f"{output}/{name}") as stream:
                table = tables.CopyWriter(stream)
                for kept, gone in copies:
                    table.write({"kept": kept, "id": gone, "stage": "clean", "reason": "duplicate", "share": 1.0})
                written = table.close()
            manifest["copies"] = {"digest": written.digest, "files": [written.named(name)]}
        storage.write_json(path, manifest)
    sha256 = storage.read_json(f"{output}/models/tokenizer/manifest.json")["files"]["tokenizer.model"]
    write_corpus_manifest(str(output), "made", list(documents), sha256, {})
    return output


def explorer(corpus: Path | str, folder: Path, *, words: bool = True, seconds: float = 20.0) -> Explorer:
    """Return an explorer over a corpus, with its index in a folder."""
    wanted = index.wanted(str(corpus))
    made_now = Index(folder, with_words=words)
    made_now.bring_up_to_date(wanted, lambda line: None)
    return Explorer(wanted, made_now, seconds)
