"""A dump's templates become a model, and articles are expanded by it: made, given by path, or left out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipelines import corpus
from pipelines.files import tables
from tests.pipelines.tiny import page

SETTINGS = ("--runner", "plain", "--recipe", "paper", "--source", "wikipedia", "--set", "tokenize=false", "--set")
ARTICLE = "The herd of '''llamas''' has {{heads|12}} and {{alte|x}}, says {{nobody}} of the valley."


def dump(path: Path, heads: str, day: int, *, article: bool = True) -> None:
    """Write a dump with an article and templates; `heads` says what one of them is on that day."""
    pages = [page(1, "Llama", 0, ARTICLE)] if article else []
    pages.append(page(2, "Template:Heads", 10, heads))
    redirect = page(3, "Template:Alte", 10, "#REDIRECT [[Template:Old]]", '<redirect title="Template:Old" />')
    pages += [redirect, page(4, "Template:Old", 10, "[[age|old]]<noinclude>about</noinclude>")]
    pages.append(page(5, "Template:Table", 10, "{|\n|}"))
    made = f'<mediawiki xml:lang="en"><siteinfo><dbname>enwiki</dbname></siteinfo>{"".join(pages)}</mediawiki>'
    path.write_text(made.replace("2022-06-01", f"2022-06-{day:02d}"))


def build(output: Path, *words: str) -> int:
    return corpus.main([*SETTINGS, "buckets=2", *words, "--output", str(output)])


def text(output: Path) -> str:
    (found,) = [row.text for path in output.glob("wikipedia/documents/*") for row in tables.read_documents(str(path))]
    return found


def test_a_model_is_made_given_by_path_and_left_out(tmp_path: Path) -> None:
    dump(tmp_path / "enwiki-1.xml", "{{{1}}} head", 1)
    dump(tmp_path / "enwiki-2.xml", "{{{1}}} {{#ifeq:{{{1}}}|1|head|heads}}", 2, article=False)
    inputs = ("--input", f"wikipedia={tmp_path}/enwiki-*.xml")
    assert build(tmp_path / "made", *inputs) == 0
    assert text(tmp_path / "made") == "The herd of llamas has 12 heads and old, says of the valley."
    manifest = json.loads((tmp_path / "made/models/templates/en/manifest.json").read_text())
    assert {name: manifest[name] for name in ("pages", "text", "redirect", "box")} == {
        "pages": 4,
        "text": 2,
        "redirect": 1,
        "box": 1,
    }
    assert manifest["files"].keys() == {"definitions.bin"}
    dropped = json.loads((tmp_path / "made/wikipedia/manifest.json").read_text())["stages"][-1]["dropped"]["articles"]
    assert {reason: count for reason, (count, _) in dropped.items()} == {"older_revision": 4, "namespace": 4}

    alone = ("--input", f"wikipedia={tmp_path}/enwiki-1.xml")
    given = ("--model", f"templates={tmp_path}/made/models/templates")
    assert build(tmp_path / "given", *alone, *given) == 0
    assert text(tmp_path / "given") == text(tmp_path / "made")
    assert not (tmp_path / "given/models/templates").exists()

    assert build(tmp_path / "without", *inputs, "--set", "wikipedia.articles.templates=false") == 0
    assert "12 heads" not in text(tmp_path / "without")
    assert not (tmp_path / "without/models/templates").exists()


def test_a_folder_without_a_model_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dump(tmp_path / "enwiki-1.xml", "x", 1)
    (tmp_path / "empty/en").mkdir(parents=True)
    words = ("--input", f"wikipedia={tmp_path}/enwiki-1.xml", "--model", f"templates={tmp_path}/empty")
    assert build(tmp_path / "corpus", *words) == 2
    assert "a directory with LANGUAGE/definitions.bin is expected" in capsys.readouterr().err
    (tmp_path / "empty/en/definitions.bin").write_bytes(b"ALTDEFS1" + bytes(3))
    assert build(tmp_path / "corpus", *words) == 2
    assert "this is no model of a wiki's templates" in capsys.readouterr().err
