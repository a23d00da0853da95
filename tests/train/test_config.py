import re
from dataclasses import asdict, fields, replace
from pathlib import Path

import pytest

from train.config import CPU, GPU, PAPER, RunConfig, check_same, choose_device, identity, parse


def test_single_fields_are_replaced_from_the_command_line() -> None:
    config = parse(["--device", "cpu", "--learning-rate", "1e-4", "--sequence-length", "128", "--output", "elsewhere"])
    assert config == replace(CPU, device="cpu", learning_rate=1e-4, sequence_length=128, output="elsewhere")


def test_every_field_has_an_option() -> None:
    for name, value in asdict(GPU).items():
        if name != "device":
            given = ["--" + name.replace("_", "-"), str(value)]
            assert getattr(parse(["--device", "cpu", "--batch-sequences", "64", *given]), name) == value


def test_set_does_what_the_option_of_a_field_does() -> None:
    for name, value in asdict(GPU).items():
        if name != "device":
            given = ["--device", "cpu", "--set", "batch_sequences=64"]
            option = ["--" + name.replace("_", "-"), str(value)]
            assert parse([*given, "--set", f"{name}={value}"]) == parse([*given, *option])
    assert parse(["--set", "device=cpu", "--set", "steps=7", "--steps", "9"]) == parse(
        ["--device", "cpu", "--steps", "7"]
    )
    assert parse(["--set", "device=cpu", "--set", "batch_sequences=2"]).micro_sequences == 2
    assert parse(["--set", "device=cpu", "--set", "output=a//b/../c/"]).output == "a/c"


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("steps", "write it as path.to.field=value"),
        ("step=1", "there is no field 'step'; available: corpus, output"),
        ("steps.all=1", "steps has no fields"),
        ("steps=many", "'many' is no int"),
        ("learning_rate=nan", "'nan' is no float"),
        ("compile=1", "'1' is no bool"),
        ("output=https://host/run", "https://host/run"),
        ("precision=fp8", "precision is 'fp8'; it must be one of float32, bfloat16"),
    ],
)
def test_a_bad_set_says_what_is_wrong(assignment: str, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        parse(["--device", "cpu", "--set", assignment])


def test_steps_that_are_given_are_exact() -> None:
    assert parse(["--device", "cpu"]).minutes > 0
    assert parse(["--device", "cpu", "--steps", "30"]).minutes == 0
    assert parse(["--device", "cpu", "--steps", "30", "--minutes", "1"]).minutes == 1


def test_a_small_batch_is_one_micro_batch_unless_said_otherwise() -> None:
    assert parse(["--device", "cpu", "--batch-sequences", "2"]).micro_sequences == 2
    with pytest.raises(ValueError, match="multiple of micro_sequences, 2"):
        parse(["--device", "cpu", "--batch-sequences", "3", "--micro-sequences", "2"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--steps", "0"], "steps is 0; it must be positive"),
        (["--learning-rate", "nan"], "learning_rate is nan; it must be positive"),
        (["--learning-rate", "inf"], "learning_rate is inf; it must be finite"),
        (["--minutes", "inf"], "minutes is inf; it must be finite"),
        (["--spike-deviations", "inf"], "spike_deviations is inf; it must be finite"),
        (["--warmup-steps", "-1"], "warmup_steps is -1; it must not be negative"),
        (["--precision", "fp8"], "precision is 'fp8'; it must be one of float32, bfloat16"),
        (["--device", "tpu"], "device is 'tpu'; it must be cpu, cuda or auto"),
    ],
)
def test_bad_values_name_their_field(arguments: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse(["--device", "cpu", *arguments])


def test_help_shows_both_defaults(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(["--help"])
    printed = " ".join(capsys.readouterr().out.split())
    assert f"{CPU.sequence_length} on a CPU, {GPU.sequence_length} on a GPU" in printed


def test_a_device_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert choose_device("auto").type == "cpu"
    with pytest.raises(ValueError, match="device is cuda, but torch finds no GPU"):
        choose_device("cuda")


def test_only_fields_that_change_what_is_learnt_must_stay() -> None:
    config = RunConfig()
    check_same(replace(config, output="x", checkpoint_every=7, workers=2, stop_after=3), identity(config))
    check_same(replace(config, micro_sequences=2, fused_optimizer=False, loss_chunk=64), identity(config))
    for changes in ({"seed": 1}, {"batch_sequences": 32}, {"proportions": "books=1"}, {"steps": 9}):
        with pytest.raises(ValueError, match=f"{next(iter(changes))} is .* but the run in data/run has"):
            check_same(replace(config, **changes), identity(config))


def test_the_docs_list_what_may_change_between_runs() -> None:
    page = (Path(__file__).parents[2] / "docs" / "train.md").read_text(encoding="utf-8")
    listed = page.partition("Between one start of a run and the next these may change")[2].partition("\n\n")[0]
    neutral = {item.name for item in fields(RunConfig) if item.metadata["neutral"]}
    assert set(re.findall(r"`([a-z_]+)`", listed)) == neutral


def test_the_micro_batch_fits_the_batch_and_the_ranks(monkeypatch: pytest.MonkeyPatch) -> None:
    assert parse(["--device", "cpu", "--batch-sequences", "12"]).micro_sequences == 6
    assert parse(["--device", "cpu", "--batch-sequences", "7"]).micro_sequences == 7
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert parse(["--device", "cpu"]).micro_sequences == 4
    assert parse(["--device", "cpu", "--tensor-parallel", "2"]).micro_sequences == 8
    assert parse(["--device", "cpu", "--micro-sequences", "1"]).micro_sequences == 1


def test_a_prompt_is_read_as_the_corpus_is() -> None:
    assert parse(["--device", "cpu", "--prompt", "caf\udce9 \u00e9"]).prompt == "caf\ufffd \u00e9"


@pytest.mark.parametrize(
    ("name", "rate", "steps"),
    [
        ("7B", 3.0e-4, 238_419),
        ("13B", 3.0e-4, 238_419),
        ("33B", 1.5e-4, 333_786),
        ("65B", 1.5e-4, 333_786),
        ("llama2-7B", 3.0e-4, 476_837),
        ("llama2-13B", 3.0e-4, 476_837),
        ("llama2-70B", 1.5e-4, 476_837),
    ],
)
def test_table_2s_values_are_named(name: str, rate: float, steps: int) -> None:
    config = parse(["--device", "cpu", "--paper", name])
    assert config == replace(PAPER[name], device="cpu")
    assert (config.model, config.learning_rate, config.steps, config.warmup_steps) == (name, rate, steps, 2000)
    assert config.batch_sequences * config.sequence_length == 4_194_304
    assert config.sequence_length == (4096 if name.startswith("llama2") else 2048)
    assert config.micro_sequences == 1
    assert config.minutes == 0


def test_the_batch_may_be_given_in_tokens() -> None:
    assert parse(["--device", "cpu", "--batch-tokens", "8192", "--sequence-length", "512"]).batch_sequences == 16
    assert parse(["--device", "cpu", "--paper", "7B", "--batch-tokens", "2097152"]).batch_sequences == 1024
    with pytest.raises(ValueError, match="batch_tokens is 1000; it must be a multiple of sequence_length, 256"):
        parse(["--device", "cpu", "--batch-tokens", "1000"])
