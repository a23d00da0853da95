"""Every document and every drop of a tiny corpus of all sources, found by its id and sent through its stages again."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipelines import build, replay, trace, trace_ids
from pipelines.document import READ
from pipelines.files import storage, tables
from pipelines.replay import Given, NotAtHandError
from tests.pipelines import tiny


@pytest.fixture
def copied(built: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(built, tmp_path / "corpus"))


def identifiers(built: Path, source: str, kind: str) -> list[str]:
    paths = sorted(built.glob(f"{source}/{kind}/*.parquet"))
    return [row["id"] for path in paths for row in tables.read_rows(str(path), ["id"])]


def dropped(built: Path, source: str, reason: str) -> trace_ids.Found:
    for path in sorted(built.glob(f"{source}/drops/*.parquet")):
        for row in tables.read_rows(str(path)):
            if row["reason"] == reason:
                return trace_ids.find(str(built), row["id"])
    raise AssertionError(f"nothing was dropped for {reason}")


@pytest.mark.parametrize("source", list(build.SOURCES))
def test_every_document_and_drop_ends_again_as_in_the_corpus(built: Path, source: str) -> None:
    kept, gone = identifiers(built, source, "documents"), identifiers(built, source, "drops")
    assert kept and gone
    for identifier in (*kept[:6], *gone):
        found = trace_ids.find(str(built), identifier)
        assert (found.known.id, found.source) == (identifier, source)
        way = trace_ids.way(str(built), found)
        assert not way.missing
        assert way.same, identifier
        assert [step.after is None for step in way.steps] == [False] * (len(way.steps) - 1) + [not found.kept]


def test_each_stage_takes_what_the_one_before_left(built: Path) -> None:
    identifier = identifiers(built, "common_crawl", "documents")[0]
    steps = trace_ids.way(str(built), trace_ids.find(str(built), identifier)).steps
    assert [step.stage for step in steps] == ["paragraphs", "quality", "reference"]
    assert [step.before for step in steps[1:]] == [step.after for step in steps[:-1]]
    # The menu is on every page: its line was marked, and the stage that follows removed it.
    assert tiny.MENU in steps[1].before
    assert tiny.MENU not in str(steps[1].after)
    assert steps[1].note == "duplicate_lines: 1 of its lines was marked"


def test_a_copy_says_which_document_stays(built: Path) -> None:
    found = dropped(built, "github", "duplicate")
    (copy,) = trace_ids.copies(str(built), "github", found.known.id)
    assert (copy.id, copy.stage, copy.share) == (found.known.id, "unique", 1.0)
    assert trace_ids.find(str(built), copy.kept).kept
    assert copy in trace_ids.copies(str(built), "github", copy.kept)
    told = "\n".join(trace_ids.lines(str(built), found, trace_ids.way(str(built), found), [copy]))
    assert f"copy of    {copy.kept}, which stays" in told


def test_what_the_reader_drops_is_one_step(built: Path) -> None:
    found = dropped(built, "arxiv", "pdf_only")
    (step,) = trace_ids.way(str(built), found).steps
    assert (step.stage, step.after, step.reason) == (READ, None, "pdf_only")


def test_an_answer_is_shown_with_its_question(built: Path) -> None:
    identifier = identifiers(built, "stack_exchange", "documents")[0]
    (step,) = trace_ids.way(str(built), trace_ids.find(str(built), identifier)).steps
    assert step.stage == "questions"
    assert "<p>" in step.before
    assert "<p>" not in str(step.after)


def set_input(output: Path, source: str, path: str) -> None:
    manifest = storage.read_json(f"{output}/{source}/manifest.json")
    manifest["inputs"][0]["path"] = path
    storage.write_json(f"{output}/{source}/manifest.json", manifest)


def of_first_input(output: Path, source: str) -> str:
    digest = storage.read_json(f"{output}/{source}/manifest.json")["inputs"][0]["digest"]
    return next(one for one in identifiers(output, source, "documents") if digest in one)


def test_without_its_dump_the_text_is_that_of_the_corpus(copied: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = storage.read_json(f"{copied}/wikipedia/manifest.json")["inputs"][0]["path"]
    set_input(copied, "wikipedia", "/nowhere/dump.xml.bz2")
    identifier = of_first_input(copied, "wikipedia")
    assert trace.main([str(copied), "--id", identifier]) == 0
    told = capsys.readouterr().out
    text = trace_ids.find(str(copied), identifier).text
    assert "the dump is not at hand: /nowhere/dump.xml.bz2 is missing; --dump FILE" in told
    assert told.endswith(f"the text as the corpus has it:\n\n{text}\n")
    assert trace.main([str(copied), "--id", identifier, "--dump", before]) == 0
    told = capsys.readouterr().out
    assert "articles: " in told
    assert "the text as the corpus has it" not in told


def test_another_dump_is_not_taken_for_it(copied: Path, tmp_path: Path) -> None:
    path = storage.read_json(f"{copied}/books/manifest.json")["inputs"][0]["path"]
    other = tmp_path / "other.txt"
    other.write_bytes(Path(path).read_bytes().swapcase())
    set_input(copied, "books", str(other))
    found = trace_ids.find(str(copied), of_first_input(copied, "books"))
    assert "the dump is another one" in trace_ids.way(str(copied), found).missing


def test_where_decisions_are_gone_the_step_says_so(copied: Path) -> None:
    shutil.rmtree(copied / "work")
    found = dropped(copied, "github", "duplicate")
    way = trace_ids.way(str(copied), found)
    assert way.same
    assert way.steps[-1].note.endswith("the corpus says that this one went")
    page = trace_ids.find(str(copied), identifiers(copied, "common_crawl", "documents")[0])
    way = trace_ids.way(str(copied), page)
    assert "is not known" in way.steps[1].note
    assert not way.same  # the menu's line, which many pages have, was not removed
    told = "\n".join(trace_ids.lines(str(copied), page, way, []))
    assert "this is not how it ended in the corpus" in told
    assert told.endswith(str(page.text))


def test_a_model_that_is_gone_or_another_one_is_named(copied: Path) -> None:
    found = trace_ids.find(str(copied), identifiers(copied, "common_crawl", "documents")[0])
    scores = copied / "models" / "cutoffs" / "cutoffs.json"
    if not scores.exists():
        pytest.skip("the cut-offs of the tiny corpus are given")
    scores.write_text("{}")
    assert "the model cutoffs is another one" in trace_ids.way(str(copied), found).missing
    scores.unlink()
    assert "the model cutoffs is not at hand" in trace_ids.way(str(copied), found).missing


def test_stages_that_are_others_today_are_named(copied: Path) -> None:
    manifest = storage.read_json(f"{copied}/c4/manifest.json")
    manifest["stages"].append({**manifest["stages"][-1], "stage": "c4/polished"})
    storage.write_json(f"{copied}/c4/manifest.json", manifest)
    found = trace_ids.find(str(copied), identifiers(copied, "c4", "documents")[0])
    assert (
        "whose stages were c4/pages, c4/lines, c4/english, c4/polished; this one has c4/pages"
        in trace_ids.way(str(copied), found).missing
    )


def test_as_json_all_is_whole(built: Path, capsys: pytest.CaptureFixture[str]) -> None:
    identifier = identifiers(built, "wikipedia", "documents")[0]
    assert trace.main([str(built), "--id", identifier, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["ends_as_in_the_corpus"]
    assert told["stages"][-1]["after"] == told["text"] == trace_ids.find(str(built), identifier).text


def wrong() -> Iterator[tuple[list[str], str]]:
    yield ["--id", "nothing/0/1"], "has no source 'nothing'"
    yield ["--id", "c4/0123456789abcdef/1"], "neither a document nor a drop"
    yield ["--id", ""], "has no source ''"
    yield ["--id", "../c4/1"], "has no source '..'"
    yield ["--id", "c4/1", "--token", "3"], "without --source and --token"
    yield ["--id", "c4/1", "--model", "lid"], "write it as NAME=PATH"
    yield [], "--id, or --source with --token"
    yield ["--source", "c4"], "--id, or --source with --token"


@pytest.mark.parametrize(("arguments", "message"), list(wrong()))
def test_wrong_use(built: Path, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        trace.main([str(built), *arguments])
    assert end.value.code == 2
    assert message in capsys.readouterr().err


def test_a_record_that_no_dump_has_is_said(copied: Path) -> None:
    digest = storage.read_json(f"{copied}/c4/manifest.json")["inputs"][0]["digest"]
    with pytest.raises(NotAtHandError, match=r"no record of .* has this id"):
        replay.steps(str(copied), "c4", replay.Known(f"c4/{digest}/999999"), Given())


def test_a_drop_is_traced_with_what_decided() -> None:
    word = replay.Step("english", "x", None, "bad_word", detail="drat")
    number = replay.Step("lines", "x", None, "too_few_sentences", {"value": 2.0, "limit": 3.0}, "a note")
    assert list(trace_ids._step_lines(word)) == ["english: dropped, bad_word (drat)"]
    assert list(trace_ids._step_lines(number)) == ["lines: dropped, too_few_sentences, value 2, limit 3 (a note)"]
