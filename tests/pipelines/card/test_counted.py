"""The card's numbers beside the truth, on a corpus of twenty languages at forced small samples."""

from __future__ import annotations

import json
import random
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from filters.wikitext.names import LANGUAGES
from pipelines import corpus, report
from pipelines.card import counted, distributions, facts, overview, page, samples
from pipelines.files import storage, tables
from pipelines.stages import counts
from pipelines.tokens import tokenizers
from tests.pipelines import tiny


def dumps(folder: Path) -> None:
    """Write a dump for each of Wikipedia's languages, with more articles in some, and rows in as many languages."""
    folder.mkdir()
    for number, language in enumerate(LANGUAGES):
        tiny.wikipedia(folder / f"{language}wiki-20220601-pages-articles.xml.bz2", 2 + 3 * (number % 7))
    rng = random.Random(4)
    for number in range(6):
        rows = []
        for row in range(120):
            language = LANGUAGES[int(rng.paretovariate(0.7)) % 20]
            text = tiny.prose(rng, rng.randrange(9)) if row % 40 else ""
            host = f"h{int(rng.paretovariate(0.5)) % 90}.example.org"
            made = {"text": text, "language": language, "url": f"https://{host}/{number}/{row}", "license": "by"}
            time = {"timestamp": f"{2010 + row % 9}-01-01", "score": rng.random(), "votes": rng.randrange(-5, 99)}
            rows.append(json.dumps({**made, **time}))
        (folder / f"rows-{number}.jsonl").write_text("\n".join([*rows, "{", ""]))


def build(folder: Path, output: str, *options: str) -> Path:
    inputs = ["--input", f"wikipedia={folder}/*.bz2", "--input", f"mine={folder}/rows-*.jsonl"]
    settings = ("tokenizer.vocabulary=600", "buckets=4", "shards.validation=0.2", "excerpts=1", "texts.mine.share=0.1")
    rules = ("texts.mine.filters.gopher.quality=true", "texts.mine.filters.copies=true")
    words = [word for setting in (*settings, *rules) for word in ("--set", setting)]
    made = folder.parent / output
    command = [*inputs, "--recipe", "paper", *words, "--output", str(made), *(options or ("--runner", "plain"))]
    assert corpus.main(command) == 0
    return made


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("twenty") / "dumps"
    dumps(folder)
    return build(folder, "corpus")


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Force samples to be as small as they can be."""
    for name, value in (("FILES", 1), ("BYTES", 1), ("ROWS", 3)):
        monkeypatch.setattr(samples, name, value)


class Tables(HTMLParser):
    """Collects a page's tables by the name of the region or figure that they are in, row by row."""

    def __init__(self) -> None:
        super().__init__()
        self.tables: defaultdict[str, list[list[str]]] = defaultdict(list)
        self._name = ""
        self._open = False

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = dict(attributes)
        if given.get("role") == "region":
            self._name = given.get("aria-label") or ""
        if tag == "tr":
            self.tables[self._name].append([])
        if tag in ("td", "th") and self.tables[self._name]:
            self.tables[self._name][-1].append("")
            self._open = True

    def handle_endtag(self, tag: str) -> None:
        if tag in ("td", "th"):
            self._open = False

    def handle_data(self, text: str) -> None:
        if self._open:
            self.tables[self._name][-1][-1] += text

    def rows(self, *words: str) -> list[list[str]]:
        """Return the rows of the tables whose name has all these words."""
        found = [rows for name, rows in self.tables.items() if all(word in name for word in words)]
        assert found, (words, list(self.tables))
        return [row for rows in found for row in rows]


def read(output: Path) -> Tables:
    parsed = Tables()
    parsed.feed(Path(report.write_page(facts.load(str(output)))).read_text())
    return parsed


def rows_of(output: Path, source: str, kind: str) -> Iterator[dict[str, Any]]:
    for path in sorted((output / source / kind).glob("*.parquet")):
        yield from tables.read_rows(str(path))


def number(text: str) -> int:
    return int(text.replace(",", ""))


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("source", ["wikipedia", "mine"])
def test_languages_are_as_many_as_there_are_in_a_small_sample(built: Path, source: str) -> None:
    parsed = read(built)
    title = facts.load(str(built)).titles[source]
    kept = Counter(row["language"] for row in rows_of(built, source, "documents"))
    gone = Counter(row["language"] for row in rows_of(built, source, "drops"))
    shown = {row[0]: (number(row[1]), number(row[4])) for row in parsed.rows("Kept and dropped by language", title)[1:]}
    assert len(shown) == overview.LANGUAGES
    assert shown == {language: (kept[language], gone[language]) for language in shown if language} or None in gone
    for language, (here, dropped) in shown.items():
        known = None if language == "(not said)" else language
        assert (here, dropped) == (kept[known], gone[known])


@pytest.mark.usefixtures("small")
def test_every_axis_of_the_page_is_the_truth(built: Path) -> None:
    """Years showed one of four, and languages 111 kept where one was."""
    loaded = facts.load(str(built))
    for source in ("wikipedia", "mine"):
        found = counted.load(loaded, source)
        documents, drops = list(rows_of(built, source, "documents")), list(rows_of(built, source, "drops"))
        for axis in ("language", "license", "year", "host"):
            assert found.values(axis, "kept").documents == _truth(documents, axis)
            assert found.values(axis, *found.dropped).documents == _truth(drops, axis)
        by_reason = {(row.stage, row.reason): row for row in counted.filtered(found)}
        assert {key: row.documents for key, row in by_reason.items()} == Counter(
            (row["stage"], row["reason"]) for row in drops
        )
        for (stage, reason), row in by_reason.items():
            some = [drop for drop in drops if (drop["stage"], drop["reason"]) == (stage, reason)]
            for axis, values in row.by.items():
                truth = _truth(some, axis)
                assert values.documents.items() <= truth.items()
                assert sum(values.documents.values()) + values.rest == len(some)


def _truth(rows: list[dict[str, Any]], axis: str) -> dict[str, int]:
    if axis == "year":
        found = Counter(str(row["timestamp"].year) if row["timestamp"] else None for row in rows)
    elif axis == "host":
        found = Counter((row["url"] or "").partition("://")[2].partition("/")[0] or None for row in rows)
    else:
        found = Counter(row[axis] for row in rows)
    named = {value or "(not said)": documents for value, documents in found.items()}
    return dict(sorted(named.items(), key=lambda row: (-row[1], row[0])))


@pytest.mark.usefixtures("small")
def test_lengths_and_scores_add_up_to_all_documents(built: Path) -> None:
    loaded = facts.load(str(built))
    sample = samples.read(loaded.path, loaded.manifests["mine"], counted.load(loaded, "mine").strata())
    assert not sample.whole
    documents, drops = list(rows_of(built, "mine", "documents")), list(rows_of(built, "mine", "drops"))
    figures = {figure.title: figure for figure in _figures(built, "mine")}
    lengths = figures["Length of a document"]
    empty = sum(row["size"] == 0 for row in drops)
    assert empty > 0
    assert f"not on a logarithmic axis: {empty} dropped have none or less" in lengths.note
    assert sum(number(row[1]) for row in lengths.rows) == len(documents)
    assert sum(number(row[2]) for row in lengths.rows) == len(drops) - empty
    assert sum(number(row[1]) for row in figures["Score"].rows) == len(documents)


def _figures(output: Path, source: str) -> list[Any]:
    loaded, draw = facts.load(str(output)), page._Figures()
    found = counted.load(loaded, source)
    sample = samples.read(loaded.path, loaded.manifests[source], found.strata())
    return list(page._source(loaded, source, sample, found, None, draw).figures)


@pytest.mark.usefixtures("small")
def test_a_percentile_lies_in_its_range(built: Path) -> None:
    found = {row.what: row for row in counted.percentiles(counted.load(facts.load(str(built)), "mine"))}
    documents = list(rows_of(built, "mine", "documents"))
    values = {
        "length": [float(len(row["text"].encode())) for row in documents],
        "score": [row["score"] for row in documents],
        "votes": [float(row["votes"]) for row in documents],
    }
    for what, every in values.items():
        every.sort()
        assert found[what].documents == len(every)
        for percent, (low, high) in zip(counted.PERCENTS, found[what].ranges, strict=True):
            value = every[-(-percent * len(every) // 100) - 1]
            assert low <= value <= high


def test_a_small_sample_has_every_language_and_stands_for_all(built: Path, small: None) -> None:
    loaded = facts.load(str(built))
    strata = counted.load(loaded, "wikipedia").strata()
    sample = samples.read(loaded.path, loaded.manifests["wikipedia"], strata)
    kept = Counter(row["language"] for row in rows_of(built, "wikipedia", "documents"))
    assert len(sample.documents) < kept.total()
    assert {document.language for document in sample.documents} == kept.keys()
    stands: defaultdict[str, float] = defaultdict(float)
    for document in sample.documents:
        stands[document.language or ""] += sample.weight(document)
    assert stands == pytest.approx(dict(kept))
    assert "a sample for reading" in sample.describe()
    assert "20 of 20 pairs of dump and language" in sample.describe()


@pytest.mark.usefixtures("small")
def test_tokens_that_were_dropped_lie_in_their_interval_mostly(built: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(samples, "ROWS", 60)
    loaded = facts.load(str(built))
    path = tokenizers.of_corpus(str(built))
    assert path
    tokenizer = tokenizers.load(path)
    found = counted.load(loaded, "mine")
    sample = samples.read(loaded.path, loaded.manifests["mine"], found.strata())
    told = overview.weighed(loaded, "mine", found, sample, tokenizer).whole.dropped_tokens
    assert told is not None
    rows = [
        json.loads(line) for path in built.parent.glob("dumps/rows-*") for line in path.read_text().splitlines()[:-1]
    ]
    texts = {row["url"]: row["text"] for row in rows}
    drops = [texts[row["url"]] for row in rows_of(built, "mine", "drops") if row["url"]]
    truth = sum(map(len, tokenizer.encode_batch(drops, bos=False, eos=False)))
    assert 0 < told.margin < 0.5 * told.value
    assert abs(told.value - truth) <= 1.5 * told.margin


def test_languages_that_are_too_many_to_be_named_are_shown_with_their_bounds(
    built: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("ITEM_NAMES", "DROPPED_NAMES", "LISTED"):
        monkeypatch.setattr(counts, name, 3)
    loaded = facts.load(str(built))
    cut = counted.Counted(counted._of_tables(loaded, "mine"))
    whole = counted.load(loaded, "mine")
    sample = samples.read(loaded.path, loaded.manifests["mine"], whole.strata())
    told = overview.weighed(loaded, "mine", cut, sample, None)
    everything = [whole.sizes("language", *parts) for parts in (("kept",), whole.dropped)]
    assert len(told.languages) < len(everything[0])
    for row in told.languages:
        for (counts_of, more), truth in zip(
            zip((row.kept, row.dropped), row.more, strict=True), everything, strict=True
        ):
            documents = truth.get(row.name, (0, 0))[0]
            assert counts_of[0] <= documents <= counts_of[0] + more
    assert any(more for row in told.languages for more in row.more)
    for parts, sizes in zip((("kept",), cut.dropped), everything, strict=True):
        named = [sum(row[side] for row in cut.sizes("language", *parts).values()) for side in (0, 1)]
        rest = cut.rest("language", *parts)
        assert [named[side] + rest[side] for side in (0, 1)] == [
            sum(row[side] for row in sizes.values()) for side in (0, 1)
        ]
    path = tokenizers.of_corpus(str(built))
    assert path
    estimated = [
        overview.weighed(loaded, "mine", one, sample, tokenizers.load(path)).whole.dropped_tokens
        for one in (cut, whole)
    ]
    assert estimated[0] and estimated[1]
    assert estimated[0].value == pytest.approx(estimated[1].value, rel=0.05)


def test_other_workers_and_names_of_files_make_the_same_counts(built: Path, tmp_path: Path) -> None:
    dumps(tmp_path / "dumps")
    for number, path in enumerate(sorted((tmp_path / "dumps").glob("rows-*"), reverse=True)):
        path.rename(path.with_name(f"rows-{number}{number}.jsonl"))
    other = build(tmp_path / "dumps", "other", "--runner", "local", "--workers", "2")
    for source in ("wikipedia", "mine"):
        assert (other / source / "counts.json").read_bytes() == (built / source / "counts.json").read_bytes()


def test_a_corpus_of_before_is_counted_when_it_is_built_again_or_shown(built: Path, tmp_path: Path) -> None:
    dumps(tmp_path / "dumps")
    made = build(tmp_path / "dumps", "corpus")
    before = {source: (made / source / "counts.json").read_bytes() for source in ("wikipedia", "mine")}
    assert before["mine"] == (built / "mine/counts.json").read_bytes()
    for path in [*made.glob("work/*/*/*.counts"), *made.glob("*/counts.json")]:
        path.unlink()
    for source in before:
        manifest = storage.read_json(str(made / source / "manifest.json"))
        del manifest["counts"]
        storage.write_json(str(made / source / "manifest.json"), manifest)
        shown = counted.load(facts.load(str(made)), source)
        whole = json.loads(before[source])
        assert shown.parts["kept"] == whole["kept"]
        assert shown.parts.keys() == whole.keys()
    build(tmp_path / "dumps", "corpus")
    assert {source: (made / source / "counts.json").read_bytes() for source in before} == before


def test_the_page_says_what_it_was_asked_for(built: Path) -> None:
    text = Path(report.write_page(facts.load(str(built)))).read_text()
    for said in ("Contamination", "Personal information", "Training and validation", "To withdraw a document", "seed"):
        assert said in text
    assert re.search(r"<dt>built</dt><dd>\d{4}-\d\d-\d\dT", text)
    assert "altiplano trace CORPUS --id " in text


def test_a_source_without_documents_has_nothing_to_count() -> None:
    for found in (counted.Counted({}), counted.Counted({"read/empty": {}})):
        assert found.values("language", "kept") == counted.Values()
        assert found.bins("length", "kept", whole=True) == (Counter(), 0)
        assert found.sizes("language", "kept") == {}
        assert (counted.percentiles(found), counted.pairs(found), found.strata()) == ([], [], {})


def test_clusters_of_a_share_of_the_keys_say_for_how_many_they_stand(built: Path) -> None:
    loaded = facts.load(str(built))
    sizes = {"1": 900, "2": 100}
    of: dict[str, Any] = {"share": 0.25, "files": 1, "of_files": 1}
    whole = "counted for 25.00% of the keys, by hash: the largest bar stands for 3,600 ± 235 clusters"
    for share, said in ((0.25, whole), (1, "")):
        told = {"copies": {"cluster_sizes": sizes, "clusters_of": {**of, "share": share}}}
        manifests = {"wikipedia": {**loaded.manifests["wikipedia"], "clusters": told}}
        (found,) = distributions._of_manifest(replace(loaded, manifests=manifests), "wikipedia")
        assert found is not None
        assert found.note == said


def test_years_are_shown_of_every_source_that_has_some(built: Path) -> None:
    loaded = facts.load(str(built))
    for name in ("wikipedia", "mine"):
        (row,) = [
            row
            for row in distributions._breakdowns(loaded.manifests[name], counted.load(loaded, name))
            if row["of"] == "year"
        ]
        assert distributions._breakdown(row, counted.load(loaded, name)) is not None
