import json
import math
from pathlib import Path

import pytest
import torch

from model import configs
from tests.train.test_pretrain import TINY, arguments, final
from train import run as run_module
from train import spikes
from train.pretrain import main
from train.records import read_log
from train.run import Run
from train.spikes import Detector

STEADY = [3.0 + 0.01 * (n % 5) for n in range(30)]


def test_three_in_a_row_are_a_spike_and_fewer_are_not() -> None:
    detector = Detector(6.0, 20, STEADY)
    assert [detector.add(loss) for loss in (3.5, 3.6, 3.0, 3.5, 3.5, 3.5)] == [False] * 5 + [True]
    assert detector.suspicious == 3


def test_losses_that_are_not_finite_are_suspicious() -> None:
    detector = Detector(6.0, 20, STEADY)
    assert [detector.add(loss) for loss in (None, math.nan, 9.0)] == [False, False, True]


def test_a_spike_does_not_widen_what_it_is_judged_by() -> None:
    detector = Detector(6.0, 20, [*STEADY, 9.0, 9.0, *STEADY[:18]])
    assert [detector.add(3.2) for _ in range(3)][-1]


def test_falling_losses_a_short_history_or_no_deviations_are_no_spike() -> None:
    assert not any(Detector(6.0, 20).add(5.0 - 0.05 * step) for step in range(90))
    assert not any(Detector(6.0, 20).add(9.0) for _ in range(19))
    off = Detector(0.0, 20, STEADY)
    assert not any(off.add(loss) for loss in (None, 9.0, 9.0, 9.0))


OPTIONS = ["--spike-deviations", "8", "--spike-window", "10"]


@pytest.fixture
def poison(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the losses of the 26th to 30th batch of four sequences twenty times what they are."""
    monkeypatch.setitem(configs.MODELS, "tiny", TINY)
    true_losses = run_module.sequence_losses

    def poisoned(run: Run, tokens: torch.Tensor) -> torch.Tensor:
        return true_losses(run, tokens) * (20.0 if 25 <= run.k // 4 < 30 else 1.0)

    monkeypatch.setattr(run_module, "sequence_losses", poisoned)


@pytest.mark.usefixtures("poison")
@pytest.mark.parametrize(("every", "back"), [(10, 20), (50, 0)])
def test_a_run_goes_back_and_leaves_out_the_batches(shared_corpus: Path, tmp_path: Path, every: int, back: int) -> None:
    assert main(arguments(shared_corpus, tmp_path, *OPTIONS, "--checkpoint-every", str(every))) == 0
    records = [json.loads(line) for line in (tmp_path / "spikes.jsonl").read_text().splitlines()]
    assert records == [{"spike_at_step": 28, "back_to_step": back, "left_out": [4 * back, 4 * 28]}]
    rows = list(read_log(tmp_path / "log.jsonl"))
    assert [row["step"] for row in rows] == list(range(1, 41))
    assert [row["k"] for row in rows] == [4 * step + (4 * (28 - back) if step > back else 0) for step in range(1, 41)]
    state = final(tmp_path)["state"]
    assert state["left_out"] == [records[0]["left_out"]]
    summary = json.loads((tmp_path / "summary.json").read_text())
    counted = dict.fromkeys(summary["sources"], 0)
    for row in rows:
        for name, (_, count) in row["sources"].items():
            counted[name] += 32 * count
    assert {name: source["tokens"] for name, source in summary["sources"].items()} == counted
    assert summary["tokens"] == 40 * 4 * 32


@pytest.mark.usefixtures("poison")
def test_a_run_stopped_in_a_spike_still_goes_back_behind_it(shared_corpus: Path, tmp_path: Path) -> None:
    command = arguments(shared_corpus, tmp_path, *OPTIONS)
    assert main([*command, "--stop-after", "27"]) == 0  # two losses: not certain yet, and saved because it was asked to
    assert final(tmp_path)["state"]["step"] == 27
    assert main(command) == 0
    record = json.loads((tmp_path / "spikes.jsonl").read_text())
    assert record == {"spike_at_step": 28, "back_to_step": 20, "left_out": [80, 112]}


def test_spikes_without_end_end_the_run(
    shared_corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(configs.MODELS, "tiny", TINY)
    monkeypatch.setattr(spikes, "MAX_REWINDS", 0)
    true_losses = run_module.sequence_losses
    monkeypatch.setattr(
        run_module, "sequence_losses", lambda run, tokens: true_losses(run, tokens) * (20.0 if run.k > 100 else 1.0)
    )
    assert main(arguments(shared_corpus, tmp_path, *OPTIONS)) == 2
    assert "the loss has spiked 1 times: lower --learning-rate" in capsys.readouterr().err
