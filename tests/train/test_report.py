import re
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
    assert "<h1><bdi>3 steps, 960 tokens so far</bdi></h1>" in page
    assert page.startswith('<!doctype html>\n<html lang="en">\n')
    assert "default-src 'none'" in page
    assert page.count('<figure id="curves-') == 7
    assert ">&lt;b&gt; &amp; snow</div>" in page
    cells = re.findall(r"<t[hd][^>]*>(?:<bdi>)?([^<]*)", page)
    ledger = ["C4", "960", "100.00 %", "", "", "", "1.500", "Books", "0", "0.00 %", "", "", "", "none"]
    assert between(cells, "C4", 14) == ledger
    assert between(cells, "MFU, 6N", 2)[1] == "47.7% of 312TFLOP/s"
    assert between(cells, "energy", 2)[1] == "2,000.0 Wh, measured by the GPUs"
    assert between(cells, "carbon", 2)[1] == "770.0 gCO2eq"
    assert {"loss.png", "measures.png"} <= {path.name for path in tmp_path.iterdir()}


def between(cells: list[str], first: str, count: int) -> list[str]:
    """Return so many cells from the last that says this."""
    at = len(cells) - 1 - cells[::-1].index(first)
    return cells[at : at + count]


def test_a_page_of_one_step_has_no_curve(tmp_path: Path) -> None:
    records = Recorder(tmp_path, 0)
    records.step({**ROW, "step": 1, "tokens": 320})
    records.evaluation({"step": 1, "tokens": 320, "bits_per_byte": {"c4": float("nan")}, "text": "snow"})
    records.close()
    assert main([str(tmp_path)]) == 0
    page = (tmp_path / "report.html").read_text()
    assert "<figure" not in page
    assert "One step makes no curve" in page
    assert between(re.findall(r"<t[hd][^>]*>([^<]*)", page), "C4", 7)[-1] == "none"


def test_another_run_is_laid_over_it(tmp_path: Path) -> None:
    for name, steps in (("one", 3), ("two", 4)):
        (tmp_path / name).mkdir()
        records = Recorder(tmp_path / name, 0)
        for step in range(1, steps + 1):
            records.step({**ROW, "step": step, "tokens": 320 * step})
        records.close()
    assert main([str(tmp_path / "one"), str(tmp_path / "two")]) == 0
    page = (tmp_path / "one/report.html").read_text()
    assert "Runs beside each other" in page
    assert page.count('<figure id="beside-') == 10
    assert not (tmp_path / "two/report.html").exists()


def test_nothing_recorded_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([str(tmp_path)])
    assert "no steps in log.jsonl" in capsys.readouterr().err
