"""The two web chains in `published` mode against slow, independent ones: lines, language, perplexity, bucket."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from filters import c4, perplexity, sentences
from pipelines import plain, runs, tables
from pipelines.chain import Chain
from pipelines.document import Document
from pipelines.graph import Input, Model, Node, Source, run_waves
from pipelines.recipes import SAMPLE, C4Pages, Paragraphs, Quality, Recipe
from pipelines.sources import c4 as c4_source
from pipelines.sources import common_crawl
from pipelines.sources.personal_information import DEFAULT_SITES, SITES
from tests.conftest import REPOSITORY
from tests.oracles import c4 as c4_oracle
from tests.oracles import c4_chain, common_crawl_chain
from tests.oracles.common_crawl_chain import Key, Page
from tests.pipelines import tiny

RAW = REPOSITORY / "data" / "raw"
PUBLISHED = replace(
    SAMPLE,
    common_crawl=replace(
        SAMPLE.common_crawl, paragraphs=Paragraphs(mode="published"), quality=Quality(languages=(), mode="published")
    ),
    c4=replace(SAMPLE.c4, pages=C4Pages(mode="published")),
    buckets=4,
)
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
    run_waves([*(Node(f"models/{name}", (), list) for name in given), *chain.nodes()], plain.run)
    return chain


def documents(chain: Chain, stage: int) -> dict[Key, Document]:
    found = [
        document for item in chain.items_of(stage) for document in tables.read_documents(chain.staged(stage, item))
    ]
    keyed = {(document.dump, document.offset): document for document in found}
    assert len(keyed) == len(found)
    return keyed


def hashes(chain: Chain) -> dict[Key, set[int]]:
    """Return the hashes of lines that each page's keys hold, read from the runs."""
    found: dict[Key, set[int]] = {}
    for number, (item, path) in enumerate(zip(chain.items_of(0), chain.run_paths(0), strict=True)):
        keys = [(document.dump, document.offset) for document in tables.read_documents(chain.staged(0, item))]
        for _, where in runs.slices(number, path):
            records = runs.read_keys(where, runs.KEY)
            for line, document in zip(records["hash"].tolist(), records["doc"].tolist(), strict=True):
                found.setdefault(keys[document], set()).add(line)
    return found


def dropped(chain: Chain) -> dict[str, int]:
    found: dict[str, int] = {}
    for index in (0, 2):
        for manifest in chain.manifests(index):
            for reasons in manifest["dropped"].values():
                for reason, (count, _) in reasons.items():
                    found[reason] = found.get(reason, 0) + count
    return found


def bucket_of(document: Document) -> str:
    value = float(document.attributes.get("perplexity", perplexity.NO_PERPLEXITY))
    return perplexity.bucket(value, perplexity.CCNET_CUTOFFS.get(document.language or ""))


def assert_mined_alike(chain: Chain, expected: Mapping[Key, Page]) -> None:
    assert hashes(chain) == {key: page.hashes for key, page in expected.items() if page.hashes}
    scored = documents(chain, 2)
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


def test_common_crawl_equals_the_slow_chain_on_generated_pages(tmp_path: Path, models: Path) -> None:
    chain, expected = mine_both(generated(tmp_path / "wet"), models, models / "lid.bin", tmp_path / "corpus")
    assert_mined_alike(chain, expected)
    assert {"too_short", "all_duplicates"} <= {page.dropped for page in expected.values()}
    assert {"en", "de"} <= {page.language for page in expected.values()}
    assert {"head", "all"} <= {page.bucket for page in expected.values()}


def test_a_change_of_one_rule_is_seen(tmp_path: Path, models: Path) -> None:
    """The corrected mode differs on these pages, so equality with the oracle is not for want of cases."""
    corrected = replace(
        PUBLISHED, common_crawl=replace(PUBLISHED.common_crawl, paragraphs=Paragraphs(), quality=Quality(languages=()))
    )
    paths = generated(tmp_path / "wet")
    chain = build(SCORED, corrected, paths, tmp_path / "corpus", {"lid": models / "lid.bin", "language_models": models})
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
    found = {c4.normalise_url(document.url or ""): document for document in documents(chain, 4).values()}
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


@pytest.mark.parametrize("count", [1, pytest.param(99, marks=pytest.mark.full)])
def test_c4_equals_the_slow_chain_on_real_pages(tmp_path: Path, count: int) -> None:
    bad_words = RAW / "models/bad_words_en.txt"
    assert assert_c4_alike(sample("c4", count), tmp_path / "corpus", bad_words, is_english) > 300
