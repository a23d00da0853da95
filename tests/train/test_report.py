from pathlib import Path
from typing import Any

import pytest

from train.records import Recorder
from train.report import main

ROW: dict[str, Any] = {
    "loss": 5.0,
    "learning_rate": 1e-3,
    "gradient_norm": 1.0,
    "sources": {"c4": (5.0, 3)},
    "ledger": {"c4": 960, "books": 0},
    "tokens_per_second": 1000.0,
    "memory_bytes": 2 * 10**9,
    "seconds": 12.0,
    "mfu": {"6N": 0.477, "full attention": 0.495, "causal attention": 0.485},
    "peak_flops": 312e12,
    "footprint": {"mwh": 0.002, "tco2eq": 0.00077, "measured": True},
}


def test_a_run_that_goes_on_has_its_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    records = Recorder(tmp_path, 0)
    for step in (1, 2, 3):
        records.step({**ROW, "step": step, "tokens": 320 * step})
    records.evaluation({"step": 2, "tokens": 640, "bits_per_byte": {"c4": 1.5, "books": None}, "text": "<b> & snow"})
    records.close()
    assert main([str(tmp_path)]) == 0
    assert "report.html" in capsys.readouterr().out
    page = (tmp_path / "report.html").read_text()
    assert "<h1>3 steps, 960 tokens so far</h1>" in page
    assert page.count("data:image/png;base64,") == 2
    assert "<pre>&lt;b&gt; &amp; snow</pre>" in page
    assert "<td>c4</td><td>960</td><td>100.00%</td><td>1.500</td>" in page
    assert "<td>books</td><td>0</td><td>0.00%</td><td>none</td>" in page
    assert "<td>MFU, 6N</td><td>47.7% of 312TFLOP/s</td>" in page
    assert "<td>2,000.0 Wh, measured by the GPUs</td>" in page
    assert "<td>770.0 gCO2eq</td>" in page


def test_a_page_of_one_step_has_no_curve(tmp_path: Path) -> None:
    records = Recorder(tmp_path, 0)
    records.step({**ROW, "step": 1, "tokens": 320})
    records.evaluation({"step": 1, "tokens": 320, "bits_per_byte": {"c4": float("nan")}, "text": "snow"})
    records.close()
    assert main([str(tmp_path)]) == 0
    page = (tmp_path / "report.html").read_text()
    assert "data:image/png" not in page
    assert "One step makes no curve" in page
    assert "<td>c4</td><td>960</td><td>100.00%</td><td>none</td>" in page


def test_nothing_recorded_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([str(tmp_path)])
    assert "no steps in log.jsonl" in capsys.readouterr().err
