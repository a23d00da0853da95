"""A tiny set of dumps of all seven sources, written in a second, for tests of whole builds.

The prose is put together from sentence parts of our own by a seeded generator; formats are the real ones.
"""

from __future__ import annotations

import bz2
import dataclasses
import gzip
import io
import json
import random
import tarfile
from pathlib import Path
from typing import Any
from unittest.mock import patch
from xml.sax.saxutils import escape, quoteattr

import fasttext
import py7zr
from py7zr.helpers import ArchiveTimestamp

WHO = ["The herder", "A teacher from the valley", "Our neighbour", "The old engineer", "Every visitor", "The council"]
DID = ["carried", "described", "repaired", "painted", "measured", "forgot about", "wrote a letter about", "counted"]
WHAT = ["the stone bridge", "three brown llamas", "the village school", "a long winter road", "the weather station"]
WHEN = ["before the rain came", "in the early morning", "after many years of work", "while the others were asleep"]
WHY = [
    "because nobody else would do it",
    "and told the story at dinner",
    "although the wind was strong",
    "with great care",
]
GERMAN = "Der alte Mann ging am Morgen durch den Wald und erzählte später seinen Kindern von der langen Reise. "
WORDS = ["wald", "berg", "tal", "fluss", "stein", "baum", "weg", "dorf", "licht", "wind"]
HOSTS = ["news.example.org", "blog.example.com", "herders.example.net", "shop.example.com"]
CITED_HOST = HOSTS[0]
MENU = "Home | About us | Contact the editors"


def sentence(rng: random.Random) -> str:
    """Return one English sentence."""
    number = rng.randrange(1000)
    parts = (rng.choice(part) for part in (WHO, DID, WHAT, WHEN, WHY))
    return f"{' '.join(parts)}, as page {number} of the diary says."


def prose(rng: random.Random, lines: int) -> str:
    """Return lines of two sentences each."""
    return "\n".join(f"{sentence(rng)} {sentence(rng)}" for _ in range(lines))


def wet_record(url: str, text: str, number: int) -> bytes:
    """Return one conversion record as a gzip member."""
    body = text.encode()
    head = (
        "WARC/1.0\r\nWARC-Type: conversion\r\n"
        f"WARC-Target-URI: {url}\r\nWARC-Date: 2019-04-20T00:00:{number % 60:02d}Z\r\n"
        f"WARC-Record-ID: <urn:uuid:00000000-0000-0000-0000-{number:012d}>\r\n"
        f"Content-Type: text/plain\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return gzip.compress(head.encode() + body + b"\r\n\r\n", mtime=0)


def wet(path: Path, seed: int, pages: int) -> None:
    """Write a WET file: English prose, a shared menu line, short pages, German pages, one page fetched twice."""
    rng = random.Random(seed)
    records = []
    for number in range(pages):
        host = rng.choice(HOSTS) if number else HOSTS[1]
        url = f"http://{host}/{seed}/{number}"
        source = "\n".join(f"According to official records, {sentence(rng)}" for _ in range(6))
        text = f"Title {number}\n{MENU}\n{prose(rng, 6)}\n{source if host == CITED_HOST else prose(rng, 4)}"
        if number % 10 == 7:
            text = f"Kurz {number}\nzu kurz"
        if number % 10 == 8:
            lines = (
                f"{GERMAN} Das ist die Seite mit der Nummer {seed}-{number}-{n}.".replace("Nummer", word)
                for n, word in enumerate(["Nummer", "Zahl", "Ziffer", "Farbe"])
            )
            text = f"Titel {number}\n" + "\n".join(
                f"{line} Haus {rng.choice(WORDS)}{rng.choice(WORDS)}" for line in lines
            )
        records.append(wet_record(url, text, seed * 1000 + number))
    records.append(wet_record(f"http://{HOSTS[1]}/{seed}/0?utm_source=x", f"Again\n{prose(rng, 6)}", seed * 1000 + 999))
    path.write_bytes(b"".join(records))


def wikipedia(path: Path, articles: int) -> None:
    """Write a MediaWiki export: articles that cite URLs, a redirect, a page of another namespace."""
    rng = random.Random(5)
    pages = []
    for number in range(1, articles + 1):
        reference = f"<ref>http://{CITED_HOST}/cited/{number}</ref>"
        text = (
            f"'''Article {number}''' ({{{{langx|la|pagina}}}}) is a {{{{xyzzy|short}}}} [[page]].{reference}\n\n"
            f"{prose(rng, 8)}\n\n== References ==\n{{{{reflist}}}}"
        )
        pages.append(page(number, f"Article {number}", 0, text))
    pages.append(page(articles + 1, "Elsewhere", 0, "#REDIRECT [[Article 1]]", '<redirect title="Article 1" />'))
    pages.append(page(articles + 2, "Talk:Article 1", 1, "Some talk."))
    header = '<mediawiki xmlns="http://www.mediawiki.org/xml/export-0.10/" version="0.10" xml:lang="en"><siteinfo/>\n'
    path.write_bytes(bz2.compress((header + "\n".join(pages) + "\n</mediawiki>\n").encode()))


def page(number: int, title: str, namespace: int, text: str, redirect: str = "") -> str:
    """Return one page element."""
    return (
        f"<page><title>{title}</title><ns>{namespace}</ns><id>{number}</id>{redirect}<revision><id>{number}</id>"
        f"<timestamp>2022-06-01T00:00:00Z</timestamp><text>{escape(text)}</text></revision></page>"
    )


def github(path: Path, files: int) -> None:
    """Write a BigQuery export: code under several licences, a copy, a binary file."""
    rng = random.Random(6)
    rows: list[dict[str, str | None]] = []
    for number in range(files):
        names = [rng.choice(["load", "store", "count", "merge", "split"]) for _ in range(6)]
        content = "# Copyright 2020 Somebody. Licensed under the MIT License.\n\nimport sys\n\n" + "".join(
            f"def {name}_{number}_{i}(first, second):\n    return first.{name}(second, {rng.randrange(99)})\n\n"
            for i, name in enumerate(names)
        )
        license = ["mit", "apache-2.0", "gpl-3.0"][number % 3]
        rows.append(
            {"repo_name": f"a/r{number % 4}", "path": f"src/m{number}.py", "content": content, "license": license}
        )
    rows.append({**rows[0], "repo_name": "b/copy"})
    rows.append({**rows[1], "path": "logo.png", "content": None})
    lines = (
        json.dumps({"ref": "refs/heads/main", "id": "0", "size": 1, "binary": False, "copies": 1, **row})
        for row in rows
    )
    path.write_bytes(gzip.compress("\n".join(lines).encode(), mtime=0))


def books(folder: Path, count: int) -> None:
    """Write books with Gutenberg's markers, one of them twice, one contained in another."""
    texts = [prose(random.Random(70 + number), 60) for number in range(count)]
    texts.append(texts[0])
    texts[1] = f"{texts[1]}\n\n{texts[2]}"
    for number, text in enumerate(texts):
        start, end = (f"*** {word} OF THE PROJECT GUTENBERG EBOOK BOOK {number} ***" for word in ("START", "END"))
        folder.joinpath(f"{number}.txt").write_text(
            f"The Project Gutenberg eBook of Book {number}\n\nTitle: Book {number}\nLanguage: English\n\n{start}\n\n"
            f"{text}\n\n{end}\n\nLicence terms.\n",
            encoding="utf-8",
        )


def arxiv(path: Path, papers: int) -> None:
    """Write a monthly tar: papers with macros and a bibliography, one of them only a PDF."""
    rng = random.Random(8)
    with tarfile.open(path, "w") as tar:
        for number in range(papers):
            source = (
                "\\documentclass{article}\n\\def\\bv{\\begin{verbatim}}\n\\newcommand{\\shown}[1]{\\ifthenelse{\\boolean{no}}{}{#1}}"
                "\\newboolean{no}\n\\expandafter\\newcommand\\csname llama\\endcsname{\\shown{alpaca}}\n"
                "\\begin{document}\n\\section{One}\n"
                f"An \\llama{{}} and {prose(rng, 4)} % a comment\n"
                "\\begin{thebibliography}{1}\\bibitem{a} B.\\end{thebibliography}\n\\end{document}\n"
            )
            add(tar, f"1904/1904.{number:05d}.gz", gzip.compress(source.encode(), mtime=0))
        add(tar, "1904/1904.09999.pdf", b"%PDF-1.4\n")


def add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    """Add one member."""
    info = tarfile.TarInfo(name)
    info.size = len(content)
    tar.addfile(info, io.BytesIO(content))


def stack_exchange(path: Path, questions: int) -> None:
    """Write a site's archive: questions with answers, an answer without its question."""
    rng = random.Random(9)
    rows = []
    for number in range(1, questions + 1):
        body = f"<p>{sentence(rng)}</p><pre><code>  x &lt; {number}\n</code></pre>"
        rows.append(row(Id=number, PostTypeId=1, Score=3, Title=f"Question {number}", Body=body))
        for answer, score in enumerate([9, 100, -1]):
            text = f"<p>{sentence(rng)} Score {score}.</p>"
            rows.append(row(Id=1000 * number + answer, PostTypeId=2, ParentId=number, Score=score, Body=text))
    rows.append(row(Id=77_777, PostTypeId=2, ParentId=66_666, Score=1, Body="<p>Lost.</p>"))
    xml = '<?xml version="1.0" encoding="utf-8"?>\n<posts>\n' + "\n".join(rows) + "\n</posts>\n"
    # An archive holds when its files were written; the same dumps are to be the same bytes at any time.
    written = patch.object(ArchiveTimestamp, "from_now", lambda: ArchiveTimestamp.from_datetime(1_600_000_000.0))
    with written, py7zr.SevenZipFile(path, "w") as archive:
        archive.writestr(xml, "Posts.xml")


def row(**fields: object) -> str:
    """Return one row of Posts.xml."""
    values = {"CreationDate": "2019-01-01T00:00:00.000", **fields}
    return "  <row " + " ".join(f"{name}={quoteattr(str(value))}" for name, value in values.items()) + " />"


def language_model(path: Path, folder: Path) -> None:
    """Train a language identifier that knows English and German."""
    rng = random.Random(11)
    lines = [f"__label__en {sentence(rng)}" for _ in range(300)] + [f"__label__de {GERMAN}{n}" for n in range(300)]
    rng.shuffle(lines)
    examples = folder / "languages.txt"
    examples.write_text("\n".join(lines), encoding="utf-8")
    model = fasttext.train_supervised(str(examples), dim=8, epoch=10, minn=2, maxn=3, bucket=2000, thread=1, verbose=0)
    model.save_model(str(path))


def write(folder: Path) -> list[str]:
    """Write all dumps under `folder` and return the options of the corpus command that build them."""
    for name in ("common_crawl", "c4", "books", "models"):
        (folder / name).mkdir(parents=True)
    for number in range(3):
        wet(folder / f"common_crawl/{number}.warc.wet.gz", number, 40)
    for number in range(2):
        wet(folder / f"c4/{number}.warc.wet.gz", 10 + number, 30)
    wikipedia(folder / "enwiki-20220601-pages-articles.xml.bz2", 20)
    github(folder / "contents-0.json.gz", 30)
    books(folder / "books", 5)
    arxiv(folder / "arXiv_src_1904_001.tar", 4)
    stack_exchange(folder / "herders.stackexchange.com.7z", 12)
    language_model(folder / "models/lid.bin", folder)
    (folder / "models/bad_words.txt").write_text("unmentionable\n")
    return options(folder)


def options(folder: Path) -> list[str]:
    """Return the options of the corpus command that build the dumps under `folder`."""
    inputs = {
        "common_crawl": "common_crawl/*.gz",
        "c4": "c4/*.gz",
        "github": "contents-*.json.gz",
        "wikipedia": "enwiki-*.xml.bz2",
        "books": "books/*.txt",
        "arxiv": "arXiv_src_*.tar",
        "stack_exchange": "*.7z",
    }
    words = [word for name, pattern in inputs.items() for word in ("--input", f"{name}={folder}/{pattern}")]
    words += ["--model", f"lid={folder}/models/lid.bin", "--model", f"bad_words={folder}/models/bad_words.txt"]
    settings = (
        "tokenizer.vocabulary=600",
        "shards.shard_tokens=5000",
        "shards.validation=0.1",
        "buckets=4",
        "books.groups=2",
        # The generated prose is all alike to a language model, so that percentiles of its perplexity mean nothing.
        "common_crawl.reference.buckets=head,middle,tail",
    )
    return words + [word for setting in settings for word in ("--set", setting)]


def identity(output: Path) -> dict[str, Any]:
    """Return what identifies a corpus: shards byte for byte, documents and drops by their canonical digests."""
    found: dict[str, Any] = {}
    for path in sorted(output.glob("tokens/*/*")):
        found[str(path.relative_to(output))] = path.read_bytes()
    for path in sorted(output.glob("*/manifest.json")):
        manifest = json.loads(path.read_text())
        for kind in ("documents", "drops", "copies"):
            if kind in manifest:
                found[f"{path.parent.name}/{kind}"] = (manifest[kind]["count"], manifest[kind]["digest"])
    return found


def leaves(node: Any, prefix: str = "") -> list[tuple[str, Any]]:
    """Return path and value of every field of a recipe that is no group of fields."""
    found = []
    for field in dataclasses.fields(node):
        value = getattr(node, field.name)
        inner = leaves(value, f"{prefix}{field.name}.") if dataclasses.is_dataclass(value) else None
        found += inner or [(f"{prefix}{field.name}", value)]
    return found
