"""A source that is not in Table 1, defined outside the package: built, checked, traced, shown, compared, trained on."""

from __future__ import annotations

import json
import random
import re
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from unittest.mock import ANY

import pytest

from model import configs
from model.configs import ModelConfig
from pipelines import build, clean, corpus, report, table1, trace, verify
from pipelines.export.__main__ import main as export
from pipelines.recipe_parts import NearDuplicates
from pipelines.recipes import PAPER
from pipelines.stages.kinds import Map
from pipelines.stages.source import Breakdown, Measured, Shown, Source
from tests.letters import LETTERS, SOURCES, Letters, key, long_enough, part
from tests.pipelines import tiny
from train.mixture import parse_proportions
from train.plan import main as plan
from train.pretrain import main as pretrain

TINY = ModelConfig(dim=32, layers=2, heads=2, kv_heads=1, hidden=64, context=64)
LIST = ["--sources", "tests.letters:SOURCES"]


def write_letters(path: Path, count: int) -> None:
    draw = random.Random(7)
    rows = [
        {"sender": ("Ada", "Bo")[n % 2], "date": f"18{n % 100:02d}-03-01", "text": tiny.prose(draw, 6)}
        for n in range(count)
    ]
    rows += [{**rows[0], "sender": "Cy"}, {**rows[1], "text": "Too short."}, {**rows[2], "date": ""}]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("eight")


@pytest.fixture(scope="module")
def options(folder: Path) -> list[str]:
    write_letters(folder / "letters.jsonl", 60)
    return [*tiny.write(folder / "dumps"), *LIST, "--input", f"letters={folder}/*.jsonl", "--runner", "plain"]


@pytest.fixture(scope="module")
def built(folder: Path, options: list[str]) -> Path:
    assert corpus.main([*options, "--output", str(folder / "corpus")]) == 0
    return folder / "corpus"


def test_it_is_built_and_every_source_adds_up(built: Path) -> None:
    assert list(verify.problems(str(built))) == []
    manifest = json.loads((built / "letters/manifest.json").read_text())
    assert manifest["documents"]["count"] == 60
    assert manifest["drops"]["count"] == 3
    assert manifest["stages"][0]["dropped"] == {"read": {"undated": [1, ANY]}, "texts": {"too_short": [1, 10]}}
    whole = json.loads((built / "manifest.json").read_text())
    assert whole["sources"] == [*build.SOURCES, "letters"]
    assert whole["shares"] == {"letters": 0.05}


def test_workers_leave_the_same(built: Path, options: list[str], tmp_path: Path) -> None:
    command = [option for option in options if option not in ("--runner", "plain")]
    assert corpus.main([*command, "--output", str(tmp_path / "corpus"), "--workers", "2"]) == 0
    assert tiny.identity(tmp_path / "corpus") == tiny.identity(built)


def test_its_recipe_is_set_by_the_command_line_and_redoes_its_stages_alone(
    folder: Path, built: Path, options: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    before = tiny.identity(built)
    assert corpus.main([*options, "--output", str(built), "--set", "letters.min_characters=5"]) == 0
    ran = json.loads((built / "summary.json").read_text())["build"]["stages_run"]
    names = [row["stage"].split("/") for row in ran]
    # Another draw for the tokenizer, and so other tokens of all; but no other source's documents are made again.
    assert {stage for source, stage in names if source in build.SOURCES} <= {"encode", "shards", "tokens"}
    assert {stage for source, stage in names if source == "letters"} >= {"texts", "duplicates", "letters"}
    assert json.loads((built / "letters/manifest.json").read_text())["documents"]["count"] == 61
    assert corpus.main([*options, "--output", str(built)]) == 0
    assert tiny.identity(built) == before
    assert corpus.main([*options, "--output", str(built), "--set", "letters.least=5"]) == 2
    assert "there is no field 'least'; available: min_characters" in capsys.readouterr().err
    assert corpus.main([*options, "--output", str(built), "--set", "letters.min_characters=-5"]) == 2
    assert "letters.min_characters is -5; it must be at least 0" in capsys.readouterr().err


def test_the_card_shows_it_with_the_measures_that_it_names(built: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert report.main([str(built)]) == 0
    assert "Letters" in capsys.readouterr().out
    page = (built / "report.html").read_text(encoding="utf-8")
    assert "characters of a letter" in page
    assert "Senders" in page
    assert "found in an attic" in page
    assert "Letters 5.0%; Table 1&#39;s are scaled by 0.95" in page
    assert "63.6 %" in page.replace("63.7", "63.6")  # CommonCrawl's 67 % of 95 %


def test_a_token_is_traced_and_the_corpus_compared_and_exported(
    built: Path, tmp_path: Path, options: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert trace.main([str(built), "--source", "letters", "--token", "40"]) == 0
    assert "letters.jsonl" in capsys.readouterr().out
    other = tmp_path / "other"
    assert corpus.main([*options, "--output", str(other), "--set", "letters.min_characters=5"]) == 0
    assert report.main([str(other), "--compare", str(built)]) == 0
    assert "Letters" in (other / "report.html").read_text(encoding="utf-8")
    assert export(["nanogpt", str(built), str(tmp_path / "export"), "--source", "letters"]) == 0
    assert (tmp_path / "export/letters/train.bin").stat().st_size > 10_000


def test_a_model_trains_on_it_at_the_shares_that_the_corpus_says(
    built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(configs.MODELS, "tiny", TINY)
    small = "--device cpu --model tiny --sequence-length 16 --batch-sequences 8 --steps 250 --warmup-steps 2"
    run = tmp_path / "run"
    assert pretrain(["--corpus", str(built), "--output", str(run), *small.split(), "--evaluation-tokens", "50"]) == 0
    assert "Table 1, its shares times 0.95 because other sources are added" in " ".join(capsys.readouterr().out.split())
    summary = json.loads((run / "summary.json").read_text())
    weights = parse_proportions(summary["config"]["proportions"])
    assert list(weights) == [*build.SOURCES, "letters"]
    for name, row in summary["sources"].items():
        assert abs(row["share"] - weights[name] / sum(weights.values())) * 2000 <= 2
    assert report.main([str(built), "--run", str(run)]) == 0
    assert "its shares times 0.95" in (built / "report.html").read_text(encoding="utf-8")
    assert plan(["--corpus", str(built), "--tokens", "1M", "--sequence-length", "16"]) == 0
    assert "letters" in capsys.readouterr().out


def test_alone_it_is_the_whole_mixture(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "corpus"
    alone = [*LIST, "--recipe", "paper", "--input", f"letters={folder}/*.jsonl", "--output", str(output)]
    assert corpus.main([*alone, "--runner", "plain", "--set", "buckets=4"]) == 1
    said = capsys.readouterr().err
    most = re.search(r"--set (tokenizer\.vocabulary=\d+)", said)
    assert most, said
    assert corpus.main([*alone, "--runner", "plain", "--set", "buckets=4", "--set", most[1]]) == 0
    shown = capsys.readouterr().out
    assert "100.0 %" in shown
    assert "The mixture (epochs" in shown
    assert "paper" not in shown
    page = (output / "report.html").read_text(encoding="utf-8")
    assert "1 of our own" in page
    assert "not built here" not in page
    assert "beside Table 1" not in page
    assert "paper’s" not in page


def test_it_is_built_beside_own_texts_without_tokens(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.jsonl").write_text(json.dumps({"text": "A note of one's own."}))
    given = ["--recipe", "texts", "--input", f"letters={folder}/*.jsonl", "--input", f"notes={tmp_path}/notes.jsonl"]
    assert corpus.main([*LIST, *given, "--output", str(tmp_path / "corpus"), "--runner", "plain"]) == 0
    found = json.loads((tmp_path / "corpus/manifest.json").read_text())
    assert (found["sources"], found["tokenizer"]) == (["letters", "notes"], None)
    assert json.loads((tmp_path / "corpus/letters/manifest.json").read_text())["documents"]["count"] == 60


@dataclass(frozen=True)
class NearLetters(Letters):
    """The same rules, and near-duplicates."""

    near: NearDuplicates = field(default_factory=NearDuplicates)


def test_near_duplicates_are_switched_on_by_its_recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_letters(tmp_path / "letters.jsonl", 40)
    rows = [json.loads(line) for line in (tmp_path / "letters.jsonl").read_text().splitlines()]
    with (tmp_path / "letters.jsonl").open("a") as stream:
        stream.writelines(json.dumps({**row, "text": row["text"] + " Yours."}) + "\n" for row in rows[5:10])
    source = replace(LETTERS, recipe=NearLetters())
    monkeypatch.setattr("tests.letters.NEAR", (source,), raising=False)
    options = ["--sources", "tests.letters:NEAR", "--recipe", "paper", "--input", f"letters={tmp_path}/*.jsonl"]
    settings = ("letters.near.measure=jaccard", "letters.near.threshold=0.8", "tokenizer.vocabulary=400", "buckets=4")
    options += [word for setting in settings for word in ("--set", setting)]
    assert corpus.main([*options, "--output", str(tmp_path / "corpus"), "--runner", "plain"]) == 0
    manifest = json.loads((tmp_path / "corpus/letters/manifest.json").read_text())
    assert [row["stage"] for row in manifest["decisions"]] == ["duplicates", "near"]
    assert manifest["decisions"][1]["marked"] == 5


def test_it_is_cleaned_away_and_strangers_files_stay(folder: Path, options: list[str], tmp_path: Path) -> None:
    output = tmp_path / "corpus"
    settings = [word for name in ("tokenizer.vocabulary=600", "buckets=4") for word in ("--set", name)]
    alone = [*LIST, "--recipe", "paper", "--input", f"letters={folder}/*.jsonl", *settings]
    assert corpus.main([*alone, "--output", str(output), "--runner", "plain"]) == 0
    (output / "work/notes").mkdir()
    (output / "work/notes/deadbeefdeadbeef.json").write_text("mine")
    (output / "manifest.json").unlink()  # as a build that was stopped leaves it
    assert clean.main([str(output)]) == 0
    left = [path.relative_to(output).as_posix() for path in output.rglob("*") if path.is_file()]
    assert left == ["work/notes/deadbeefdeadbeef.json"]


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        (LETTERS, "source 'letters' is listed twice"),
        (replace(LETTERS, name="tokens"), "source 'tokens' has a name that is taken or invalid"),
        (replace(LETTERS, name="shards"), "source 'shards' has a name that is taken or invalid"),
        (replace(LETTERS, name="../letters"), "source '../letters' has a name that is taken or invalid"),
        (replace(LETTERS, name="notes", recipe=None), "source 'notes' is not in Table 1, so it needs a dataclass"),
        (replace(LETTERS, name="notes", share=0.95), "the shares of letters, notes leave nothing"),
        (replace(LETTERS, name="notes", share=0.0005), "the share of notes is 0.0005: a number from 0 to 1"),
        (replace(LETTERS, name="notes", share=-0.1), "the share of notes is -0.1"),
        (replace(LETTERS, name="notes", stages=(Map("texts", long_enough, part, keys=key), *LETTERS.stages[1:])),
         "duplicates compares ranks: texts needs ranked=True"),
        (replace(LETTERS, name="notes", shown=Shown(breakdowns=(Breakdown("Years", "year", "yaer"),))),
         "a breakdown is of 'yaer', neither attributes.NAME nor known"),
        (replace(LETTERS, name="notes", shown=Shown(measures=(Measured("x", "x", "characters", "least"),))),
         "a measure's threshold is 'least', no field there"),
    ],
)  # fmt: skip
def test_a_source_that_cannot_be_is_refused(source: Source, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        build.by_name((*SOURCES, source))


@pytest.mark.parametrize(
    ("option", "problem"),
    [
        ("tests.letters", "write it as MODULE:NAME"),
        ("no.such.module:SOURCES", "No module named"),
        ("tests.letters:NOTHING", "has no attribute 'NOTHING'"),
        ("tests.letters:LETTERS", "LETTERS is one source; a list of sources is expected, such as (LETTERS,)"),
    ],
)
def test_a_list_that_is_none_is_refused(option: str, problem: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert corpus.main(["--sources", option, "--input", "books=x"]) == 2
    said = capsys.readouterr().err
    assert f"--sources {option}: " in said
    assert problem in said


class TestShares:
    def test_table_1_alone_is_over_a_thousand(self) -> None:
        assert list(table1.weights({}).values()) == [670, 150, 45, 45, 45, 25, 20]

    @pytest.mark.parametrize("share", [0.001, 0.01, 0.05, 0.125, 0.333, 0.5, 0.999])
    def test_weights_are_the_least_integers_of_the_shares(self, share: float) -> None:
        weights = table1.weights({"letters": share})
        total = sum(weights.values())
        assert total <= 10**6
        assert Fraction(weights["letters"], total) == Fraction(str(share))
        for row in table1.TABLE_1:
            assert Fraction(weights[row.name], total) == Fraction(row.proportion, 1000) * (1 - Fraction(str(share)))

    def test_a_share_of_nothing_is_not_trained_on(self) -> None:
        weights = table1.weights({"letters": 0.0})
        assert weights["letters"] == 0
        assert weights["c4"] / sum(weights.values()) == 0.15

    def test_the_recipe_has_its_part(self) -> None:
        recipe = build.with_parts(PAPER, build.by_name(SOURCES))
        assert recipe.part("letters") == Letters()
        assert recipe.sources[-1] == "letters"
