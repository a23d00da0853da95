"""What hosts lose to deduplication: exact whatever the items, bounded, and an alarm that reaches the report."""

from __future__ import annotations

import json
import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from pipelines import build, corpus
from pipelines.document import Document, Drop
from pipelines.files import storage
from pipelines.sources.wikipedia import SOURCE as WIKIPEDIA
from pipelines.stages import losses
from tests.pipelines import tiny

ALARM = losses.Alarm(0.5, 10)


def page(host: str, number: int) -> Document:
    return Document(id=f"c4/{number}", source="c4", text="words", dump="d", offset=0, url=f"https://{host}/{number}")


def added_up(folder: Path, items: list[list[tuple[Document, Document | Drop]]], parts: int) -> dict[str, Any]:
    """Return what is added up of some items in some parts."""
    listed = [str(folder / f"{number}.losses") for number in range(len(items))]
    for path, outcomes in zip(listed, items, strict=True):
        counts = losses.Counts(losses.host)
        for document, outcome in outcomes:
            counts.add(document, outcome)
        counts.write(path, 16)
    storage.write_json(str(folder / "runs.json"), listed)
    tasks = [
        losses.Sum(str(folder / "runs.json"), str(folder / f"{part}.json"), "identity", part, parts, ALARM)
        for part in range(parts)
    ]
    for task in tasks:
        losses.add_up(task)
    return losses.merged([storage.read_json(task.manifest) for task in tasks])


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("parts", [1, 2, 16])
def test_hosts_that_are_thinly_spread_are_counted_exactly(tmp_path: Path, seed: int, parts: int) -> None:
    rng = random.Random(seed)
    documents, lost = Counter[str](), Counter[str]()
    items: list[list[tuple[Document, Document | Drop]]] = [[] for _ in range(30)]
    for number in range(3_000):
        host = f"h{int(rng.paretovariate(0.6)) % 400}.example.org"
        document = page(host, number)
        outcome: Document | Drop = document
        if rng.random() < len(host) % 3 * 0.4:  # by the length of its number
            outcome = document.drop(rng.choice(["near_duplicate", "duplicate_url", "other_language"]))
        documents[host] += 1
        lost[host] += isinstance(outcome, Drop) and outcome.reason != "other_language"
        rng.choice(items).append((document, outcome))
    found = added_up(tmp_path, items, parts)
    order = sorted((host for host in documents if lost[host]), key=lambda host: (-lost[host], host))
    alarms = [host for host in order if documents[host] >= 10 and lost[host] > 0.5 * documents[host]]
    assert len(alarms) >= 3
    assert (found["names"], found["implausible"]) == (len(documents), len(alarms))
    for name, wanted in (("most", order), ("worst", alarms)):
        assert found[name] == [[host, documents[host], lost[host]] for host in wanted[: losses.LISTED]]


def test_only_so_many_are_listed_and_the_rest_is_counted(tmp_path: Path) -> None:
    pages = [page(f"{host:03}.example.org", number) for host in range(50) for number in range(10)]
    found = added_up(tmp_path, [[(document, document.drop("duplicate_url")) for document in pages]], 4)
    assert (found["names"], found["implausible"], len(found["worst"])) == (50, 50, losses.LISTED)
    warnings = list(losses.warnings("c4/lines", "host", found, 0.5))
    assert warnings[0] == (
        "c4/lines: the host 000.example.org lost 10 of its 10 documents (100%) as duplicates: "
        "more than max_duplicates=0.5"
    )
    assert warnings[-1].startswith("c4/lines: 30 more of this kind (host)")
    assert len(warnings) == losses.LISTED + 1


@pytest.mark.parametrize(
    ("documents", "lost", "rings"), [(9, 9, False), (10, 6, True), (10, 5, False), (1_000, 501, True)]
)
def test_the_alarm(documents: int, lost: int, rings: bool) -> None:
    assert ALARM.rings(["h", documents, lost]) is rings


@pytest.mark.parametrize(
    ("url", "host"),
    [("https://Example.org:80/a", "example.org"), ("http://[bad/", ""), ("no address", ""), (None, ""), ("//h", "h")],
)
def test_host(url: str | None, host: str) -> None:
    assert losses.host(Document(id="x", source="c4", text="", dump="d", offset=0, url=url)) == host


def test_documents_of_no_host_are_counted_and_raise_no_alarm(tmp_path: Path) -> None:
    documents = [Document(id=str(n), source="c4", text="", dump="d", offset=0) for n in range(20)]
    found = added_up(tmp_path, [[(document, document.drop("duplicate_url")) for document in documents]], 1)
    assert found == {"names": 1, "implausible": 0, "worst": [], "most": []}


@pytest.mark.parametrize(
    ("items", "buckets", "parts"), [(0, 16, 1), (2_048, 16, 1), (2_049, 16, 2), (100_000, 4_096, 64), (10**6, 16, 16)]
)
def test_parts_grow_with_the_items(items: int, buckets: int, parts: int) -> None:
    assert losses.parts_of(items, buckets) == parts


def test_what_c4s_lines_cost_a_page_is_a_loss() -> None:
    assert losses.is_loss("c4", "english", "too_few_sentences")
    assert not losses.is_loss("c4", "lines", "too_few_sentences")


def built(output: Path, options: list[str], *more: str) -> dict[str, Any]:
    assert corpus.main([*options, "--source", "c4", "--output", str(output), *more]) == 0
    found: dict[str, Any] = json.loads((output / "c4/manifest.json").read_text())
    return found


def test_a_host_that_loses_too_much_stands_in_the_manifest_and_the_summary(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = tiny.write(tmp_path / "tiny")
    options = [
        "--input",
        f"c4={tmp_path}/tiny/c4/*.gz",
        *options[options.index("--model") :],
        "--set",
        "alarm_documents=1",
    ]
    plain = built(tmp_path / "plain", options, "--runner", "plain", "--set", "max_duplicates=0.01")
    assert [(row["stage"], row["kind"]) for row in plain["losses"]] == [("lines", "host"), ("english", "host")]
    lost = sum(count for row in plain["losses"] for _, _, count in row["most"])
    reasons = {
        (stage, reason): documents
        for account in plain["stages"]
        for stage, rows in account["dropped"].items()
        for reason, (documents, _) in rows.items()
    }
    assert lost == sum(n for (stage, reason), n in reasons.items() if losses.is_loss("c4", stage, reason)) > 0
    (name, documents, count) = plain["losses"][0]["worst"][0]
    warning = f"c4/lines: the host {name} lost {count} of its {documents} documents"
    assert any(text.startswith(warning) for text in plain["warnings"])
    assert warning in capsys.readouterr().out.replace("\n", " ")


def test_sources_without_hosts_count_nothing() -> None:
    assert WIKIPEDIA.group is None
    watched = {name: bool(source.group) for name, source in build.SOURCES.items()}
    assert [name for name in watched if watched[name]] == ["common_crawl", "c4", "github", "stack_exchange"]
