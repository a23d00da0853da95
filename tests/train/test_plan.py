from pathlib import Path

import pytest
from rich.console import Console

from pipelines.quantities import number
from pipelines.table1 import SOURCES, TABLE_1
from train.corpus import mixture_of, open_corpus
from train.mixture import parse_proportions
from train.plan import LLAMA_PROPORTIONS, human, ledger, main, parse_sizes, plan, show

WEIGHTS = parse_proportions(LLAMA_PROPORTIONS)
RED_PAJAMA = "common_crawl=878B,c4=175B,github=59B,wikipedia=24B,books=26B,arxiv=28B,stack_exchange=20B"


def test_red_pajamas_sizes_give_its_epochs() -> None:
    entries = plan(parse_sizes(RED_PAJAMA), WEIGHTS, number("1.4T"), 2048)
    epochs = [entry.epochs for entry in entries]
    assert epochs == pytest.approx([1.07, 1.20, 1.07, 2.625, 2.42, 1.25, 1.40], abs=0.005)
    assert sum(entry.tokens for entry in entries) == -(-number("1.4T") // 2048) * 2048
    assert not any(entry.warning for entry in entries)


def test_table_1s_unique_tokens_give_its_epochs_and_those_of_1_0t() -> None:
    sizes = {row.name: round(row.unique_tokens) for row in TABLE_1}
    entries = plan(sizes, WEIGHTS, number("1.4T"), 2048)
    assert [entry.epochs for entry in entries] == pytest.approx([row.epochs for row in TABLE_1], abs=1e-4)
    shorter = {entry.source: entry.epochs for entry in plan(sizes, WEIGHTS, number("1T"), 2048)}
    assert (round(shorter["wikipedia"], 2), round(shorter["books"], 2)) == (1.75, 1.59)


def test_llama_2s_two_trillion_and_any_other_mixture_are_planned() -> None:
    sizes = {row.name: round(row.unique_tokens) for row in TABLE_1}
    # The published mixture over Llama 2's 2.0T: its own is not published. Wikipedia and books come 3.5 and 3.2 times.
    epochs = {entry.source: entry.epochs for entry in plan(sizes, WEIGHTS, number("2T"), 4096)}
    assert epochs == {row.name: pytest.approx(row.epochs * 2 / 1.4, abs=1e-4) for row in TABLE_1}
    mixed = plan({"web": 10**12, "code": 3 * 10**11, "left": 0}, {"web": 4, "code": 1, "left": 0}, number("2T"), 4096)
    assert [round(entry.epochs, 3) for entry in mixed] == [1.6, 1.333, 0]
    assert [entry.share for entry in mixed] == pytest.approx([0.8, 0.2, 0], abs=1e-8)
    decimals = plan({"a": 10**9, "b": 10**6}, parse_proportions("a=0.999999,b=0.000001"), number("1T"), 2048)
    assert [round(entry.tokens / 1e6) for entry in decimals] == pytest.approx([999_999, 1], abs=5)
    assert [entry.warning is not None for entry in decimals] == [True, False]


def test_the_ledger_counts_tokens_tails_and_epochs_exactly() -> None:
    sizes = {"a": 1_000, "b": 57}
    mixture = mixture_of(sizes, {"a": 3, "b": 1}, 10, seed=1)
    first, second = ledger(mixture, sizes, 10, 40)
    assert (first.sequences, first.tail, first.tokens, first.epochs, first.share) == (99, 9, 300, 30 / 99, 0.75)
    assert (second.sequences, second.tail, second.tokens, second.epochs) == (5, 6, 100, 2.0)
    assert [entry.tokens for entry in ledger(mixture, sizes, 10, 0)] == [0, 0]


def test_a_source_repeated_more_than_four_times_is_warned_of() -> None:
    entries = plan({"a": 10_001, "b": 21}, {"a": 3, "b": 1}, 400, 10)
    assert [entry.warning is not None for entry in entries] == [False, True]
    assert "b is repeated 5.0 times: it has 21 tokens and the run takes 100" in str(entries[1].warning)


def test_a_plan_fits_a_narrow_terminal_and_warns(capsys: pytest.CaptureFixture[str]) -> None:
    console = Console(width=80, force_terminal=False)
    show(console, plan(dict.fromkeys(SOURCES, 30_000), WEIGHTS, 10**7, 256), "A plan")
    printed = capsys.readouterr().out
    assert all(name in printed for name in SOURCES)
    assert "common_crawl is repeated" in printed
    assert "…" not in printed


def test_numbers_and_their_names() -> None:
    assert [number(text) for text in ("1400", "1.4e12", "1.4T", "20k", "3B")] == [
        1400,
        14 * 10**11,
        14 * 10**11,
        20_000,
        3 * 10**9,
    ]
    assert [human(count) for count in (999, 1000, 20_480, 14 * 10**11)] == ["999", "1K", "20.5K", "1.4T"]
    for text in ("", "T", "-1", "0", "1.5", "many", "inf", "nan"):
        with pytest.raises(ValueError, match="is not a positive whole number"):
            number(text)


def test_the_command_plans_from_sizes_and_from_a_corpus(
    shared_corpus: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--sizes", RED_PAJAMA, "--tokens", "1.4T"]) == 0
    printed = capsys.readouterr().out
    assert "2.62" in printed or "2.63" in printed
    assert "2.45" in printed
    assert main(["--corpus", str(shared_corpus), "--tokens", "50k", "--sequence-length", "32"]) == 0
    printed = capsys.readouterr().out
    available = open_corpus(shared_corpus, SOURCES).manifests["c4"].total("train", "tokens")
    assert f"{available:,}" in printed
    assert "left over" in printed


def test_the_command_plans_a_budget_by_three_laws(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--flops", str(6 * 65.2857e9 * 1.4e12), "--gpus", "2048"]) == 0
    printed = capsys.readouterr().out
    assert "Kaplan" in printed
    assert "Chinchilla, refit" in printed
    # 20.8 days and Table 15's energy and carbon, to the speed's three digits.
    lines = {line.split()[0]: line.split()[1] for line in printed.splitlines() if len(line.split()) > 1}
    days, mwh, carbon = (lines[name] for name in ("days", "MWh", "tCO2eq"))
    assert float(days) == pytest.approx(20.8, abs=0.1)
    assert float(mwh) == pytest.approx(449.8, rel=0.01)
    assert float(carbon) == pytest.approx(173.2, rel=0.01)


def test_a_budget_on_a_corpus_that_is_too_small_buys_less(capsys: pytest.CaptureFixture[str]) -> None:
    sizes = ["--sizes", "books=20B", "--proportions", "books=1"]
    assert main(["--flops", "5.76e23", *sizes]) == 0
    lines = {line[:20].strip(): line[20:].split() for line in capsys.readouterr().out.splitlines()}
    loss, repeated = lines["loss, nats / token"], lines["loss, some repeated"]
    kaplan, *others = (float(value) for value in lines["worth new tokens"])
    assert others == pytest.approx([20e9 * 16.39] * 2, rel=0.02)  # all that repetition can give
    assert kaplan < 2.16e11  # its tokens
    assert len(repeated) == 2  # Kaplan's loss is of the compute alone
    assert all(float(more) > float(less) + 0.01 for more, less in zip(repeated, loss[1:], strict=True))


def test_repeated_tokens_are_said_to_be_worth_less(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--sizes", "books=1B", "--proportions", "books=1", "--tokens", "4B"]) == 0
    assert "4B seen are worth 3.73B new ones" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "give --tokens with --corpus or --sizes, or --flops"),
        (["--flops", "1e23", "--gpu", "abacus"], "--gpu is 'abacus', peaks are known for NVIDIA A100"),
        (["--flops", "-1"], "--flops is -1.0; it must be positive"),
        (["--tokens", "1T"], "either --corpus or --sizes"),
        (["--tokens", "1T", "--sizes", "books=1B"], "gives no tokens of common_crawl"),
        (["--tokens", "x", "--sizes", RED_PAJAMA], "'x' is not a positive"),
        (["--tokens", "1T", "--sizes", RED_PAJAMA, "--proportions", "books=0.5,c4=0.4"], "add up to 0.9"),
        (["--tokens", "1T", "--sizes", "books=100", "--proportions", "books=1"], "books has 100 tokens, fewer"),
        (["--tokens", "1T", "--corpus", "nowhere"], "nowhere: no tokens of common_crawl"),
    ],
)
def test_errors_of_use_name_what_is_wrong(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(arguments)
    assert exit_.value.code == 2
    assert message in capsys.readouterr().err
