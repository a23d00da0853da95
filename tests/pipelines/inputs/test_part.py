"""A trial's part of the inputs: chosen by name alone, some of every source, and scaled to all of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.inputs import part
from pipelines.inputs.inputs import Found
from pipelines.inputs.listings import Expanded
from pipelines.inputs.part import Draw
from pipelines.stages.kinds import Item, Part


def remote(count: int) -> Found:
    return Found({f"s3://bucket/{number}.warc.wet.gz": () for number in range(count)})


def test_about_the_share_is_taken_by_name() -> None:
    found, whole = part.taken(remote(2_000), Draw(0.1))
    assert 150 <= len(found.files) <= 250
    assert whole.taken == set(found.files)
    assert not whole.by_bytes
    assert whole.scale() == pytest.approx(2_000 / len(found.files))


def test_another_seed_takes_others_and_the_same_one_the_same() -> None:
    first, again, other = (set(part.taken(remote(200), Draw(0.1, seed))[0].files) for seed in (1, 1, 2))
    assert first == again != other


def test_the_order_of_inputs_chooses_nothing() -> None:
    files = remote(200).files
    assert (
        part.taken(Found(dict(reversed(list(files.items())))), Draw(0.1))[0].files
        == part.taken(Found(files), Draw(0.1))[0].files
    )


def test_a_source_has_two_files_where_it_has_as_many() -> None:
    assert len(part.taken(remote(50), Draw(1e-9))[0].files) == 2
    assert len(part.taken(remote(1), Draw(1e-9))[0].files) == 1


def test_sizes_scale_where_all_are_known(tmp_path: Path) -> None:
    for number in range(10):
        (tmp_path / str(number)).write_bytes(b"x" * (number + 1))
    found, whole = part.taken(Found({str(tmp_path / str(number)): () for number in range(10)}), Draw(0.3))
    assert whole.by_bytes
    assert whole.scale() == pytest.approx(55 / sum(Path(path).stat().st_size for path in found.files))


def test_nothing_is_fetched_that_is_left_out() -> None:
    urls = [f"https://example.org/{number}.bz2" for number in range(40)]
    listing = Expanded({}, tuple(urls), dict.fromkeys(urls), frozenset(), 1)
    found, _ = part.taken(Found(dict.fromkeys(urls, ()), [listing]), Draw(0.1))
    assert set(found.listings[0].web) == set(found.listings[0].files) == set(found.files)
    assert len(found.files) < 20


def languages(found: Found) -> set[str]:
    return {dict(attributes)["language"] for attributes in found.files.values()}


def test_languages_that_models_are_made_of_are_there() -> None:
    files = {f"s3://b/{code}{number}": (("language", code),) for code in ("de", "en", "fr") for number in range(30)}
    for seed in range(10):
        assert "en" in languages(part.taken(Found(files), Draw(0.001, seed), ("en",))[0])
        assert languages(part.taken(Found(files), Draw(0.001, seed), ())[0]) == {"de", "en", "fr"}
    _, whole = part.taken(Found(files), Draw(0.001), ("en",))
    taken = sum(path.startswith("s3://b/en") for path in whole.taken)
    assert whole.scale("en") == pytest.approx(30 / taken)


def ranges(count: int, path: str = "s3://b/dump") -> list[Item]:
    return [
        Item(f"{path}-{number}", (Part(path, "d", (("language", "en"),), 10 * number, 10 * number + 10),))
        for number in range(count)
    ]


def test_of_a_large_file_that_is_cut_a_share_of_the_ranges_is_taken() -> None:
    _, whole = part.taken(remote(1), Draw(0.1))
    taken = whole.ranges(ranges(500))
    assert 30 <= len(taken) <= 70
    assert part.ranges_scale(ranges(500), taken) == pytest.approx(500 / len(taken))
    assert part.ranges_scale(ranges(500), taken, "de") == 1
    assert len(whole.ranges(ranges(5))) >= part.LEAST


def test_files_that_are_not_cut_and_those_of_which_few_were_taken_are_whole() -> None:
    _, single = part.taken(remote(1), Draw(0.1))
    uncut = [Item(str(number), (Part(str(number), "d"),)) for number in range(500)]
    assert single.ranges(uncut) == uncut
    _, many = part.taken(remote(2_000), Draw(0.1))
    assert many.ranges(ranges(500)) == ranges(500)
