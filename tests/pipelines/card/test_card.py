"""The parts of the corpus card: bounded samples, what is near a threshold, differences, a run's log, two corpora."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from pipelines.build import SOURCES
from pipelines.card import compare, differences, distributions, facts, measures, samples, training
from pipelines.card.measures import Measure
from pipelines.document import Document, Drop
from pipelines.files import tables
from pipelines.stages import counts

COLUMNS = tables.columns(language_score=pa.float64(), perplexity=pa.float64(), collection=pa.string())


def document(number: int, text: str = "text", **attributes: Any) -> Document:
    return Document(
        id=f"books/{number}", source="books", text=text, dump="0", offset=number, language="en", attributes=attributes
    )


def dropped_by(stage: str, drop: Drop) -> Drop:
    return replace(drop, stage=stage)


def source(
    output: Path,
    kept: Sequence[Sequence[Document]],
    dropped: Sequence[Sequence[Drop]],
    name: str = "books",
    **recipe: Any,
) -> dict[str, Any]:
    """Write a source of one stage with these files of documents and drops, and its manifest."""
    files: dict[str, list[dict[str, str]]] = {"documents": [], "drops": []}
    reasons: dict[str, list[int]] = {}
    for kind, groups in (("documents", kept), ("drops", dropped)):
        for number, rows in enumerate(groups):
            path = f"{name}/{kind}/books-{number}.parquet"
            (output / path).parent.mkdir(parents=True, exist_ok=True)
            with (output / path).open("wb") as stream:
                writer = (
                    tables.DocumentWriter(stream, COLUMNS)
                    if kind == "documents"
                    else tables.DropWriter(stream, ["perplexity", "language_score"])
                )
                for row in rows:
                    if isinstance(writer, tables.DocumentWriter) and isinstance(row, Document):
                        writer.write(row)
                    elif isinstance(writer, tables.DropWriter) and isinstance(row, Drop):
                        writer.write(row, excerpt=True)
                        count = reasons.setdefault(row.reason, [0, 0])
                        reasons[row.reason] = [count[0] + 1, count[1] + row.size]
                writer.close()
            files[kind].append({"path": path, "digest": "0"})
    held, gone = sum(map(len, kept)), sum(map(len, dropped))
    stage = {"stage": f"{name}/books", "in": held + gone, "kept": held, "kept_bytes": 0, "merged": 0}
    manifest = {
        "format": tables.VERSION,
        "source": name,
        "shown": asdict(SOURCES[name].shown),
        "recipe": {"name": "toy", **recipe},
        "inputs": [{"digest": "0", "path": "dump", "attributes": []}],
        "stages": [{**stage, "dropped": {"books": reasons} if reasons else {}}],
        "decisions": [],
        "documents": {"count": held, "bytes": 0, "digest": "0", "files": files["documents"]},
        "drops": {"count": gone, "files": files["drops"]},
    }
    (output / name / "manifest.json").write_text(json.dumps(manifest))
    return manifest


def test_a_small_source_is_read_whole(tmp_path: Path) -> None:
    dropped = [dropped_by("books", document(9, "gone").drop("too_short", perplexity=3.5))]
    manifest = source(tmp_path, [[document(1), document(2)], [document(3)]], [dropped])
    sample = samples.read(str(tmp_path), manifest)
    assert sorted(found.id for found in sample.documents) == ["books/1", "books/2", "books/3"]
    (row,) = sample.drops["books", "too_short"]
    assert (row["id"], row["excerpt"], row["scores"]) == ("books/9", "gone", {"perplexity": 3.5})
    assert sample.whole
    assert [sample.weight(one) for one in sample.documents] == [1, 1, 1]
    assert sample.describe() == "all 3 documents and all 1 drops were read"


@pytest.mark.parametrize(
    ("scores", "what", "words", "others"),
    [
        ({"value": 2.0, "limit": 3.0}, "sentences", "sentences 2; what stays has at least 3", {}),
        ({"value": 1200.0, "limit": 1000.0}, "", "measured 1200; what stays has at most 1000", {}),
        ({"value": 0.98999, "limit": 0.99}, "", "measured 0.98999; what stays has at least 0.99", {}),
        ({"value": 340.0, "limit": 340.0, "perplexity": 340.0}, "", "measured 340; the limit is 340", {}),
        (
            {"perplexity": 512.5, "value": 0.25, "limit": 0.5, "reference_probability": 0.25},
            "probability",
            "probability 0.25; what stays has at least 0.5",
            {"perplexity": 512.5},
        ),
        ({"language_score": 0.75}, "", "", {"language_score": 0.75}),
        ({}, "", "", {}),
    ],
)
def test_what_decided_is_said_in_words(
    scores: dict[str, float], what: str, words: str, others: dict[str, float]
) -> None:
    measure = Measure(what, "above", lambda _: None, lambda _: None) if what else None
    assert measures.decided({"scores": scores}, measure) == words
    assert measures.others({"scores": scores}) == others


def test_a_large_source_is_sampled_by_hash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    groups = [[document(number)] for number in range(100)]
    manifest = source(
        tmp_path, groups, [[dropped_by("books", document(1_000 + n).drop("too_short")) for n in range(50)]]
    )
    monkeypatch.setattr(samples, "FILES", 5)
    monkeypatch.setattr(samples, "ROWS", 10)
    sample = samples.read(str(tmp_path), manifest)
    assert len(sample.documents) == 5
    assert sample.weight(sample.documents[0]) == 20
    assert "5 of 100 documents, and 10 of 50 drops" in sample.describe()
    assert [found.id for found in sample.documents] == [d.id for d in samples.read(str(tmp_path), manifest).documents]


def test_what_is_nearest_to_a_threshold() -> None:
    documents = [document(n, perplexity=value) for n, value in enumerate([300, 341.0, 100, 341.5])]
    cut = measures.Measure("perplexity", "below", lambda d: float(d.attributes["perplexity"]), lambda d: 341.8)
    assert [near.value for near in measures.nearest(cut, documents, 3)] == [341.5, 341, 300]
    length = measures.Measure("characters", "above", lambda d: float(d.offset), lambda d: 1.0 if d.offset else None)
    assert [near.value for near in measures.nearest(length, documents)] == [1, 2, 3]


def test_what_later_stages_took_past_a_threshold_is_not_nearly_dropped() -> None:
    """A page that the filter let pass with 900 characters said "characters left 194, threshold 300"."""
    documents = [replace(document(n), text="a" * size) for n, size in enumerate([194, 301, 900, 300])]
    left = measures._constant("characters left", "above", measures._characters, 300)
    assert [near.value for near in measures.nearest(left, documents)] == [300, 301, 900]
    assert left.of_text
    assert not measures._constant("score", "above", measures._attribute("score"), 1, of_text=False).of_text


def test_each_measure_has_the_thresholds_of_the_build(tmp_path: Path) -> None:
    recipe = {
        "paragraphs": {"min_characters": 300},
        "quality": {"threshold": 0.5},
        "reference": {"threshold": None},
    }
    source(tmp_path, [[document(1)]], [], "common_crawl", **recipe)
    (tmp_path / "models" / "reference").mkdir(parents=True)
    (tmp_path / "models" / "cutoffs").mkdir()
    (tmp_path / "models" / "reference" / "manifest.json").write_text(json.dumps({"threshold": 0.25}))
    cutoffs = {"cutoffs": {"en": {"head": 100.0, "middle": 200.0}}}
    (tmp_path / "models" / "cutoffs" / "manifest.json").write_text(json.dumps(cutoffs))
    corpus, page = facts.load(str(tmp_path)), document(1)
    found = {
        reason: measures.measure_of(corpus, None, "common_crawl", stage, reason)
        for stage, reason in (
            ("paragraphs", "too_short"),
            ("quality", "language_score"),
            ("quality", "all_duplicates"),
            ("reference", "bucket_tail"),
            ("reference", "bucket_middle"),
            ("reference", "not_reference"),
        )
    }
    thresholds = {reason: measure and measure.threshold(page) for reason, measure in found.items()}
    assert thresholds == {
        "too_short": 300,
        "language_score": 0.5,
        "all_duplicates": None,
        "bucket_tail": 200,
        "bucket_middle": 100,
        "not_reference": 0.25,
    }


@pytest.mark.parametrize(
    ("reason", "text", "value", "threshold"),
    [
        ("long_line", "ab\nabcd\n", 4, 1000),
        ("long_average_line", "ab\nabcd\n", 4, 100),
        ("few_alphanumerics", "ab--", 0.5, 0.25),
    ],
)
def test_the_filters_own_functions_measure_code(
    tmp_path: Path, reason: str, text: str, value: float, threshold: float
) -> None:
    source(tmp_path, [[document(1)]], [], "github", tokens={"min_letters_per_token": 1.5})
    measure = measures.measure_of(facts.load(str(tmp_path)), None, "github", "files", reason)
    assert measure is not None
    assert measure.value(document(1, text)) == value
    assert measure.threshold(document(1, text)) == threshold


def binned(values: Sequence[float]) -> dict[int, float]:
    return {place: float(n) for place, n in Counter(counts.bins(np.array(values)).tolist()).items()}


@pytest.mark.parametrize("logarithmic", [False, True])
def test_a_histogram_counts_everything_once(logarithmic: bool) -> None:
    rng = np.random.default_rng(2)
    for scale in (1e-3, 1.0, 1e6):
        kept = (scale * rng.lognormal(0, 2, 500)).tolist()
        series = {"kept": binned(kept), "dropped": binned([scale])}
        found = distributions.histogram("t", "w", series, {"cut": 1e9 * scale}, logarithmic)
        assert found is not None
        assert sum(found.series["dropped"]) == 1
        assert found.edges[-1] == 1e9 * scale
        assert len(found.edges) <= 2 * distributions.BINS
        for n, (low, high) in enumerate(zip(found.edges, found.edges[1:], strict=False)):
            assert found.series["kept"][n] == sum(low <= value < high for value in kept)
        assert found.note == ""
    assert distributions.histogram("t", "w", {"kept": {}}, {}, logarithmic) is None
    single = distributions.histogram("t", "w", {"kept": binned([5.0])}, {}, logarithmic)
    assert single is not None
    assert sum(single.series["kept"]) == 1


def test_an_axis_says_what_it_leaves_out() -> None:
    series = {"kept": binned([0.0, 0.0, -1.0, 3.0]), "dropped": binned([2.0, 0.0])}
    found = distributions.histogram("t", "w", series, {"at": 0.0}, True)
    assert found is not None
    assert found.note == "not on a logarithmic axis: 3 kept have none or less, 1 dropped have none or less"
    assert (sum(found.series["kept"]), sum(found.series["dropped"]), found.marks) == (1, 1, {})
    assert distributions.histogram("t", "w", {"kept": binned([0.0])}, {}, True) is None
    for values in ([0.0], [-5.0, 0.0], [-5.0, -4.0], [-3.0, 0.0, 100.0], [0.1, 0.99]):
        linear = distributions.histogram("t", "w", {"kept": binned(values)}, {}, False)
        assert linear is not None
        assert sum(linear.series["kept"]) == len(values)
        assert linear.note == ""
        assert linear.edges[0] <= min(values)
        assert max(values) <= linear.edges[-1]


def test_counts_name_the_largest_and_say_what_is_left() -> None:
    series = {"kept": {f"v{number:02}": float(number) for number in range(20)}, "dropped": {"v19": 5.0}}
    found = distributions.counts("t", "w", series)
    assert found is not None
    assert list(found.series["kept"])[:2] == ["v19", "v18"]
    assert len(found.series["kept"]) == distributions.LARGEST
    assert found.note == "5 more with 10 documents together"


def test_differences_are_marked_by_words_and_unchanged_lines_left_out() -> None:
    same = "\n".join(f"line {number}" for number in range(10))
    rows = differences.side_by_side(f"{same}\nthe <old> end", f"{same}\nthe new end", 4_000)
    assert [row.kind for row in rows] == ["skip", "equal", "change"]
    assert rows[0].before == "8 lines unchanged"
    assert rows[2].before == "the <del>&lt;old&gt;</del> end"
    assert rows[2].after == "the <ins>new</ins> end"


def test_what_follows_the_end_of_an_excerpt_is_no_difference() -> None:
    rows = differences.side_by_side("head\n" + "a\n" * 10, "a\n" * 10 + "more\n", 10)
    assert [row.before for row in rows if row.kind == "change"] == ["<del>head</del>"]
    assert not any("more" in row.after for row in rows)
    assert differences.side_by_side("x" * 20, "y" * 20, 10)[0].kind == "change"


def row(step: int, **more: Any) -> dict[str, Any]:
    sources = {"books": [float(step), 2], "arxiv": [1.0, 1]}
    return {"step": step, "tokens": step * 10, "loss": 5.0, "sources": sources, "learning_rate": 0.1, **more}


def test_a_long_log_becomes_few_means() -> None:
    bins = training.compact(
        training.Step(step * 10, {"source/books": (float(step), 2), training.WHOLE: (5.0, 1)})
        for step in range(1, 10_001)
    )
    assert training.BINS <= len(bins) <= 2 * training.BINS
    assert sum(found.rows for found in bins) == 10_000
    assert bins[-1].tokens == 100_000
    assert bins[0].mean("source/books") == np.mean(range(1, bins[0].rows + 1))
    assert bins[0].mean(training.WHOLE) == 5
    assert training.compact(iter(())) == []


def test_a_run_is_shown_while_it_goes_and_when_it_is_finished(tmp_path: Path) -> None:
    rows = [json.dumps(row(step, loss=None if step == 3 else 1.0 / step)) for step in range(1, 11)]
    (tmp_path / "log.jsonl").write_text("\n".join(rows) + '\n{"cut off')
    run = training.load(str(tmp_path))
    assert run is not None
    assert (run.steps, run.tokens, run.finished) == (10, 100, False)
    assert [curve.title for curve in run.curves] == ["Training loss, whole and by source", "Learning rate"]
    assert len(run.curves[0].series["whole mixture"]) == 9
    evaluations = [{"step": n, "text": f"text {n}", "bits_per_byte": {"books": 3.0 - n}} for n in range(20)]
    (tmp_path / "evaluations.jsonl").write_text("".join(json.dumps(found) + "\n" for found in evaluations))
    entry = {"tokens": 40, "share": 0.4, "epochs": 2.0, "bits_per_byte": 1.5}
    summary = {"sources": {"books": entry}, "text": "the end", "parameters": 7, "device": "cpu", "footprint": None}
    (tmp_path / "summary.json").write_text(json.dumps({**summary, "loss": {"first": 9.0, "last": 1.0}}))
    run = training.load(str(tmp_path))
    assert run is not None
    assert [found.title for found in run.ledger] == ["Books"]
    assert run.ledger[0].paper_share == 0.045
    assert (len(run.texts), run.texts[0], run.texts[-1]) == (training.TEXTS, (0, "text 0"), (10, "the end"))
    assert ("loss, first and last step", "9.000 → 1.000") in run.facts
    assert [curve.title for curve in run.curves][2:] == ["Held-out documents"]
    evaluations = [{**found, "benchmarks": {"piqa": 0.5 + 0.01 * n}} for n, found in enumerate(evaluations)]
    (tmp_path / "evaluations.jsonl").write_text("".join(json.dumps(found) + "\n" for found in evaluations))
    afterwards = [
        {"step": step, "task": "piqa", "format": format, "parts": {"accuracy": {"value": value}}}
        for step, format, value in ((3, "paper", 0.9), (4, "harness", 0.3), (5, "harness", 0.4))
    ]
    (tmp_path / "benchmarks.jsonl").write_text("".join(json.dumps(found) + "\n" for found in afterwards))
    run = training.load(str(tmp_path))
    assert run is not None
    assert run.curves[-1].title == "Benchmarks"
    assert run.curves[-1].series["piqa"][2:5] == [(2.0, 0.52), (3.0, 0.9), (4.0, 0.54)]
    assert run.curves[-1].series["piqa (harness)"] == [(4.0, 0.3), (5.0, 0.4)]
    assert training.load(str(tmp_path / "nothing")) is None


def two_corpora(folder: Path) -> tuple[facts.Corpus, facts.Corpus]:
    for name, kept, gone in (("before", range(60), range(60, 100)), ("now", range(40), range(40, 90))):
        documents = [[document(n) for n in kept if n % 2 == half] for half in (0, 1)]
        drops = [[dropped_by("books", document(n).drop("too_short" if n < 95 else "empty")) for n in gone]]
        source(folder / name, documents, drops, threshold=1 if name == "now" else 2)
    return facts.load(str(folder / "now")), facts.load(str(folder / "before"))


def test_what_moved_between_two_corpora(tmp_path: Path) -> None:
    found = compare.compare(*two_corpora(tmp_path))
    moves = {(move.before, move.now): move for move in found.moves}
    assert {states: move.documents for states, move in moves.items()} == {
        ("kept", "dropped: books, too_short"): 20,
        ("dropped: books, too_short", "not there"): 5,
        ("dropped: books, empty", "not there"): 5,
    }
    examples = moves["kept", "dropped: books, too_short"].examples
    assert sorted(int(example.id.partition("/")[2]) for example in examples) == list(range(40, 60))
    assert {example.text for example in examples} == {"text"}
    # What is in this corpus, kept or dropped, is traced in it; what only the other one has, in that.
    assert {example.corpus for example in examples} == {"CORPUS"}
    gone = moves["dropped: books, empty", "not there"].examples
    assert {example.corpus for example in gone} == {found.path}
    assert found.unmoved == {"Books": 70}
    assert found.fields == [("Books", "threshold", 2, 1)]
    assert found.totals[0].documents == (60, 40)


def test_more_ids_than_the_limit_are_sampled(tmp_path: Path) -> None:
    found = compare.compare(*two_corpora(tmp_path), limit=50)
    (note,) = found.notes
    assert note.startswith("Books: 1 in 2 of the ids was compared, chosen by hash; that ")
    together = sum(move.documents for move in found.moves) + found.unmoved["Books"]
    assert 60 <= together <= 140
    truth = {(move.before, move.now): move.documents for move in compare.compare(*two_corpora(tmp_path)).moves}
    assert all(move.margin > 0 for move in found.moves)
    inside = [abs(truth[move.before, move.now] - move.documents) <= move.margin for move in found.moves]
    assert all(inside)


def test_a_corpus_is_like_itself(tmp_path: Path) -> None:
    now, _ = two_corpora(tmp_path)
    found = compare.compare(now, now)
    assert found.moves == []
    assert found.unmoved == {"Books": 90}


def test_records_of_other_dumps_are_matched_by_their_names(tmp_path: Path) -> None:
    for name, digest in (("before", "aaaa"), ("now", "bbbb")):
        page = Document(id=f"wikipedia/en/{digest}/12", source="wikipedia", text="t", dump=digest, offset=0)
        manifest = source(tmp_path / name, [[page]], [], "wikipedia")
        manifest["inputs"][0]["digest"] = digest
        (tmp_path / name / "wikipedia" / "manifest.json").write_text(json.dumps(manifest))
    found = compare.compare(facts.load(str(tmp_path / "now")), facts.load(str(tmp_path / "before")))
    assert found.moves == []
    assert found.unmoved == {"Wikipedia": 1}
    assert "matched by their own names" in found.notes[0]


def test_one_step_of_a_run_is_no_curve(tmp_path: Path) -> None:
    (tmp_path / "log.jsonl").write_text(json.dumps(row(1, loss=5.0)) + "\n")
    held_out = {"step": 1, "bits_per_byte": {"books": 2.0}, "text": "snow"}
    (tmp_path / "evaluations.jsonl").write_text(json.dumps(held_out) + "\n")
    run = training.load(str(tmp_path))
    assert run is not None
    assert run.curves == []
    assert run.texts == [(1, "snow")]
