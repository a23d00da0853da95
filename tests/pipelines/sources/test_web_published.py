"""The two web chains in `published` mode against slow, independent ones, and each divergence from it by itself."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from filters.native import binding
from filters.web import c4, paragraphs, perplexity, sentences
from pipelines.divergences import divergences, in_mode
from pipelines.document import Document
from pipelines.files import runs, tables
from pipelines.optional.personal_information import DEFAULT_SITES, SITES
from pipelines.recipes import SAMPLE, Quality, Recipe
from pipelines.settings import override
from pipelines.sources import c4 as c4_source
from pipelines.sources import common_crawl
from pipelines.stages.chain import Chain
from pipelines.stages.graph import Node, run_waves
from pipelines.stages.source import Input, Model, Source
from tests.conftest import REPOSITORY
from tests.oracles import c4 as c4_oracle
from tests.oracles import c4_chain, ccnet, common_crawl_chain
from tests.oracles.common_crawl_chain import Key, Page
from tests.pipelines import loop, tiny

RAW = REPOSITORY / "data" / "raw"
CORRECTED = replace(SAMPLE, common_crawl=replace(SAMPLE.common_crawl, quality=Quality(languages=())), buckets=4)
PUBLISHED = in_mode(CORRECTED, "published")
# The scored pages are what is compared; the bucket needs the cut-offs alone.
SCORED = replace(common_crawl.SOURCE, stages=common_crawl.SOURCE.stages[:3])
ODD = [
    "Call 555-0199 NOW, or ٤٥ 45 ９ times …",
    "“Well…” – said she — ‘no’ (très naïve, ΟΔΟΣ ΣΑΣ)",
    "tab\there, NUL\0there, bell\x07, delete\x7f, C1\x85and\x9f",
    "no-break\xa0space, ideographic\u3000space, line\u2028separator",
    "（全角）：１２３％、。► 〈x〉【y】",
    "I\u0307stanbul İSTANBUL ﬁ Ⅷ ² ½ 한국어 각 é",
    "",
    "   ",
    "…",
]


def build(source: Source, recipe: Recipe, paths: list[Path], output: Path, models: Mapping[str, Path]) -> Chain:
    """Run a source's stages in the plain loop."""
    inputs = [
        Input(str(path), hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_size) for path in sorted(paths)
    ]
    given = {SITES: DEFAULT_SITES, **models}
    chain = Chain(source, recipe, inputs, str(output), lambda name: Model(str(given[name]), name))
    run_waves([*(Node(f"models/{name}", (), list) for name in given), *chain.nodes()], loop.run)
    return chain


def documents(chain: Chain, writer: int) -> dict[Key, Document]:
    link = chain.writers[writer]
    found = [document for item in link.items() for document in tables.read_documents(link.staged(item))]
    keyed = {(document.dump, document.offset): document for document in found}
    assert len(keyed) == len(found)
    return keyed


def hashes(chain: Chain) -> dict[Key, set[int]]:
    """Return the hashes of lines that each page's keys hold, read from the runs."""
    found: dict[Key, set[int]] = {}
    first = chain.writers[0]
    for number, (item, path) in enumerate(zip(first.items(), first.run_paths(), strict=True)):
        keys = [(document.dump, document.offset) for document in tables.read_documents(first.staged(item))]
        for _, where in runs.slices(number, path):
            records = runs.read_keys(where, runs.KEY)
            for line, document in zip(records["hash"].tolist(), records["doc"].tolist(), strict=True):
                found.setdefault(keys[document], set()).add(line)
    return found


def dropped(chain: Chain) -> dict[str, int]:
    found: dict[str, int] = {}
    for link in chain.writers[:2]:
        for manifest in link.manifests():
            for reasons in manifest["dropped"].values():
                for reason, (count, _) in reasons.items():
                    found[reason] = found.get(reason, 0) + count
    return found


def bucket_of(document: Document) -> str:
    value = float(document.attributes.get("perplexity", perplexity.NO_PERPLEXITY))
    return perplexity.bucket(value, perplexity.CCNET_CUTOFFS.get(document.language or ""))


def assert_mined_alike(chain: Chain, expected: Mapping[Key, Page]) -> None:
    assert hashes(chain) == {key: page.hashes for key, page in expected.items() if page.hashes}
    scored = documents(chain, 1)
    assert scored.keys() == {key for key, page in expected.items() if not page.dropped}
    for key, document in scored.items():
        page, attributes = expected[key], document.attributes
        assert document.text == page.kept, key
        assert (document.language, float(attributes["language_score"])) == (page.language, page.score), key
        scored_here = float(attributes["perplexity"]) if attributes.get("perplexity", "-1.0") != "-1.0" else None
        assert scored_here == page.perplexity, key
        assert bucket_of(document) == page.bucket, key
    reasons = [page.dropped for page in expected.values() if page.dropped]
    assert dropped(chain) == {reason: reasons.count(reason) for reason in reasons}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a language identifier (lid.bin) and language models of English (en/)."""
    folder = tmp_path_factory.mktemp("models")
    tiny.language_model(folder / "lid.bin", folder)
    rng = random.Random(21)
    texts = [tiny.prose(rng, 8) for _ in range(40)] + ODD
    (folder / "en").mkdir()
    perplexity.train_pieces(texts, folder / "en/pieces.model", pieces=300)
    perplexity.train_language_model(texts, folder / "en/pieces.model", folder / "en/model.arpa", order=3)
    return folder


def generated(folder: Path) -> list[Path]:
    """Write WET files with what the rules treat apart: odd characters, lines of other pages, repeats, short pages."""
    folder.mkdir()
    paths = []
    for number in range(2):
        path = folder / f"{number}.warc.wet.gz"
        tiny.wet(path, number, 40)
        rng = random.Random(number)
        pages = []
        for page in range(60):
            lines = [tiny.sentence(rng) if rng.random() < 0.6 else rng.choice(ODD) for _ in range(rng.randrange(2, 14))]
            lines += rng.sample(lines, 1) if rng.random() < 0.3 else []
            lines = [f"{line} {page}x{number}" if rng.random() < 0.3 else line for line in lines]
            end = rng.choice(["\n", "\r\n", "\r"])
            text = end.join([f"Title {page}", *lines]) + (end if rng.random() < 0.5 else "")
            pages.append(tiny.wet_record(f"http://odd.example.org/{number}/{page}", text, 5000 + 100 * number + page))
        # Nothing of this page is its own.
        pages.append(
            tiny.wet_record("http://odd.example.org/copy", "Title\n" + "\n".join([tiny.MENU] * 20), 9000 + number)
        )
        path.write_bytes(path.read_bytes() + b"".join(pages))
        paths.append(path)
    return paths


def mine_both(paths: list[Path], models: Path, lid: Path, output: Path) -> tuple[Chain, dict[Key, Page]]:
    chain = build(SCORED, PUBLISHED, paths, output, {"lid": lid, "language_models": models})
    pages = {key: record for path in paths for key, record in common_crawl_chain.records(path).items()}
    scoring = {"en": (models / "en/pieces.model", models / "en/model.arpa")}
    return chain, common_crawl_chain.mine(pages, lid, scoring)


@pytest.fixture
def zero(monkeypatch: pytest.MonkeyPatch) -> str:
    """Return a line whose key is made 0, for us and for the oracle; none is known whose SHA-1 begins so."""
    line = "a line whose hash is zero"
    keys = {line: 0}
    monkeypatch.setitem(paragraphs._HASHES, line.encode(), bytes(8))
    monkeypatch.setattr(binding, "library", lambda: None)
    hashed = ccnet.key
    monkeypatch.setattr(ccnet, "key", lambda found: keys[found] if found in keys else hashed(found))
    common_crawl_chain.line_key.cache_clear()
    return line


def test_a_line_of_the_hash_zero_is_lost_as_in_ccnet(tmp_path: Path, models: Path, zero: str) -> None:
    rng = random.Random(3)
    path = tmp_path / "zero.warc.wet.gz"
    texts = [f"Title\n{tiny.prose(rng, 5)}\n{zero}\n", f"Title\n{tiny.prose(rng, 5)}\n"]
    path.write_bytes(b"".join(tiny.wet_record(f"http://a/{n}", text, n) for n, text in enumerate(texts)))
    chain, expected = mine_both([path], models, models / "lid.bin", tmp_path / "corpus")
    assert_mined_alike(chain, expected)
    assert [page.kept.count("\n") for page in expected.values()] == [4, 4]


def test_common_crawl_equals_the_slow_chain_on_generated_pages(tmp_path: Path, models: Path) -> None:
    chain, expected = mine_both(generated(tmp_path / "wet"), models, models / "lid.bin", tmp_path / "corpus")
    assert_mined_alike(chain, expected)
    assert {"too_short", "all_duplicates"} <= {page.dropped for page in expected.values()}
    assert {"en", "de"} <= {page.language for page in expected.values()}
    assert {"head", "all"} <= {page.bucket for page in expected.values()}


def test_a_change_of_one_rule_is_seen(tmp_path: Path, models: Path) -> None:
    """The corrected mode differs on these pages, so equality with the oracle is not for want of cases."""
    paths = generated(tmp_path / "wet")
    chain = build(SCORED, CORRECTED, paths, tmp_path / "corpus", {"lid": models / "lid.bin", "language_models": models})
    _, expected = mine_both(paths, models, models / "lid.bin", tmp_path / "published")
    with pytest.raises(AssertionError):
        assert_mined_alike(chain, expected)


def sample(source: str, count: int) -> list[Path]:
    paths = sorted((RAW / source).glob("*.warc.wet.gz"))[:count]
    if not paths:
        pytest.skip(f"no sample in {RAW}")
    return paths


def test_common_crawl_equals_the_slow_chain_on_real_pages(tmp_path: Path, models: Path) -> None:
    chain, expected = mine_both(sample("common_crawl", 1), models, RAW / "models/lid.176.ftz", tmp_path / "corpus")
    assert_mined_alike(chain, expected)
    assert sum(not page.dropped for page in expected.values()) > 300


@pytest.mark.full
def test_common_crawl_equals_the_slow_chain_on_the_whole_sample(tmp_path: Path, models: Path) -> None:
    chain, expected = mine_both(sample("common_crawl", 99), models, RAW / "models/lid.176.ftz", tmp_path / "corpus")
    assert_mined_alike(chain, expected)


def assert_c4_alike(paths: list[Path], output: Path, bad_words: Path, is_english: Callable[[str], bool]) -> int:
    chain = build(c4_source.SOURCE, PUBLISHED, paths, output, {"bad_words": bad_words})
    found = {c4.normalise_url(document.url or ""): document for document in documents(chain, 2).values()}
    pages = [(r.url, r.payload) for path in paths for r in common_crawl_chain.records(path).values()]
    words = [line.strip() for line in bad_words.read_text(encoding="utf-8").splitlines() if line.strip()]
    expected = c4_chain.mine(pages, sentences.count, is_english, words)
    assert {url: document.text for url, document in found.items()} == expected
    splits = {url: "validation" if c4_oracle.is_validation(url) else "train" for url in expected}
    assert {url: document.attributes["c4_split"] for url, document in found.items()} == splits
    return len(found)


def is_english(text: str) -> bool:
    best = c4.detect(text)
    return best is not None and best[0] == "en" and best[1] >= 0.99


def test_c4_equals_the_slow_chain_on_generated_pages(tmp_path: Path) -> None:
    bad_words = tmp_path / "words.txt"
    bad_words.write_text("stone bridge\npage 7\n")
    assert assert_c4_alike(generated(tmp_path / "wet"), tmp_path / "corpus", bad_words, is_english) > 10


def test_c4_equals_the_slow_chain_on_real_pages(tmp_path: Path) -> None:
    bad_words = RAW / "models/bad_words_en.txt"
    assert assert_c4_alike(sample("c4", 1), tmp_path / "corpus", bad_words, is_english) > 300


@pytest.mark.full
def test_c4_equals_the_slow_chain_on_all_pages_of_both_sources(tmp_path: Path) -> None:
    paths, bad_words = sample("c4", 99) + sample("common_crawl", 99), RAW / "models/bad_words_en.txt"
    assert sum(len(common_crawl_chain.records(path)) for path in paths) > 5_000
    assert assert_c4_alike(paths, tmp_path / "corpus", bad_words, is_english) > 1_500


# The fields in which the chains differ from what was published: which page each changes of `one_page_each`, and what.
CHANGES = {
    "common_crawl.paragraphs.remove_nul": {"nul": "text"},
    "common_crawl.paragraphs.add_last_line": {"unended": "kept"},
    "common_crawl.paragraphs.lose_hash_zero": {"zero": "text"},
    "common_crawl.quality.newlines": {"lines": "score", "zero": "score"},
    "common_crawl.quality.score_decimals": dict.fromkeys(["plain", "nul", "zero", "lines"], "score"),
    "c4.pages.remove_nul": {"nul": "text"},
    "c4.pages.lose_header_lines": {"header": "text"},
}
OF_THE_CLASSIFIER = {"common_crawl.reference.threshold", "common_crawl.training.short_negatives"}


def one_page_each(path: Path, source: str, zero: str) -> Path:
    """Write a page for each rule in which a chain differs from what was published, and a plain one."""
    rng = random.Random(11)

    def line() -> str:
        return " ".join(tiny.sentence(rng) for _ in range(8))

    texts = {"plain": f"{line()}\n", "nul": f"{line()} The stone\0 bridge, it says, is old.\n"}
    if source == "common_crawl":
        texts["unended"] = f"{line()[:298]}."
        texts["zero"] = f"{zero}\n{line()}\n"
        texts["lines"] = "\n".join([*tiny.GERMAN.split(), line()[:250]]) + "\n"
    else:
        texts["header"] = f"{line()}\nContent-Type is what this short line begins with.\n"
    records = (tiny.wet_record(f"http://{name}/", f"Title\n{text}", n) for n, (name, text) in enumerate(texts.items()))
    path.write_bytes(b"".join(records))
    return path


def described(chain: Chain) -> dict[str, dict[str, str | None]]:
    """Return text, language and score of what a chain keeps, by the name of the page."""
    last = len(chain.writers) - 1
    return {
        str(page.url).split("/")[2]: {
            "text": page.text,
            "language": page.language,
            "score": page.attributes.get("language_score"),
        }
        for page in documents(chain, last).values()
    }


def changed(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, str]:
    """Return the first thing that differs of each page: whether it is kept, text, language, score."""
    found = {}
    for name in before.keys() | after.keys():
        if name not in before or name not in after:
            found[name] = "kept"
        elif what := [part for part in before[name] if before[name][part] != after[name][part]]:
            found[name] = what[0]
    return found


def test_every_divergence_of_the_web_chains_is_toggled_below() -> None:
    paths = {path for path, *_ in divergences(SAMPLE) if path.startswith(("common_crawl.", "c4."))}
    assert paths == CHANGES.keys() | OF_THE_CLASSIFIER


@pytest.mark.parametrize("path", sorted(CHANGES))
def test_each_divergence_by_itself_changes_only_what_it_names(
    path: str, tmp_path: Path, models: Path, zero: str
) -> None:
    source = SCORED if path.startswith("common_crawl.") else c4_source.SOURCE
    (tmp_path / "words.txt").write_text("nothing of this\n")
    given = {"lid": models / "lid.bin", "language_models": models, "bad_words": tmp_path / "words.txt"}
    pages = [one_page_each(tmp_path / "pages.warc.wet.gz", source.name, zero)]
    (published,) = (value for name, value, _ in divergences(SAMPLE) if name == path)
    toggled = override(CORRECTED, f"{path}={published}")
    before = described(build(source, CORRECTED, pages, tmp_path / "corrected", given))
    after = described(build(source, toggled, pages, tmp_path / "toggled", given))
    assert changed(before, after) == CHANGES[path]
