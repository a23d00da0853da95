"""What the paper's corpus would cost: CPU-days, bytes shuffled and money, by the rates that a finished corpus measured.

Usage: `python benchmarks/cost.py CORPUS`, a corpus built here with a worker for each core (`make corpus`): its summary
has each stage's CPU seconds. The web is scaled by compressed bytes read, as the paper's list has them; every other
source by bytes of finished text, as Table 1 has them. Tokenising is not in it. The last line is one JSON object.

Money is at list price and for computing alone: neither storage nor requests are in it, nor what leaves a region. The
prices are those of Dataflow's price page for batch workers in us-central1 (https://cloud.google.com/dataflow/pricing),
as known in 2024; check them before use and give others by option.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from pipelines.account import forecast, summary
from pipelines.inputs.paper import PAPER_INPUTS, TIB
from pipelines.recipes import PAPER
from pipelines.stages import decisions
from pipelines.table1 import TABLE_1

DAY, GB = 86_400, 10**9
WET_FILES = 65_000  # of a crawl, about what those of known number have
LINES_OF_A_FILE = 1_000_000
POINTER = 100 + 40  # bytes: a path and the packed pointer, with its key
CALL = 2_000  # bytes of a pickled work item, of each file and stage
STAGES = {"common_crawl": 5, "c4": 6}
WEB = ("common_crawl", "c4")


def web_bytes(source: str) -> float:
    """Return the compressed bytes of a web source's crawls."""
    return float(sum(listed.size or 0 for listed in PAPER_INPUTS if listed.source == source))


def shuffled(source: str) -> float:
    """Return the bytes that a web source shuffles: work items, and for its lines a pointer for each run and reducer."""
    crawls = sum(listed.source == source for listed in PAPER_INPUTS)
    files = crawls * WET_FILES
    window = PAPER.common_crawl.window if source == "common_crawl" else files
    keys = window * LINES_OF_A_FILE
    reducers = decisions.reducers_for(keys, PAPER.buckets, PAPER.reducer_keys)
    runs = files / PAPER.fan_in  # merged in groups before
    return runs * reducers * POINTER + files * STAGES[source] * CALL


def rows(found: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return a row for each source: the rate measured here, what it is applied to, and what follows."""
    answer = []
    for row in TABLE_1:
        source = found["sources"][row.name]
        seconds = sum(stage["cpu_seconds"] for stage in source["stages"])
        web = row.name in WEB
        measured = source["inputs"]["bytes"] if web else source["bytes"]
        size = web_bytes(row.name) if web else float(row.disk_bytes)
        cpu = forecast.whole([forecast.Unit(measured, seconds)], size).value
        answer.append(
            {
                "source": row.name,
                "scaled_by": "compressed input" if web else "finished text",
                "bytes": size,
                "cpu_seconds_a_gb": seconds / measured * GB,
                "cpu_days": cpu / DAY,
                "shuffled_gb": shuffled(row.name) / GB if web else 0.0,
            }
        )
    return answer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", help="a finished corpus directory")
    usual = forecast.Prices()
    parser.add_argument("--price-core-hour", type=float, default=usual.core_hour, help="of a core's hour")
    parser.add_argument("--price-gib-hour", type=float, default=usual.gib_hour, help="of a GiB's hour")
    parser.add_argument("--price-shuffled-gb", type=float, default=usual.shuffled_gb, help="of a GB shuffled")
    options = parser.parse_args()
    found = rows(summary.summary(options.corpus))
    print("| source | scaled by | TB | CPU seconds a GB | CPU days | GB shuffled |\n|---|---|--:|--:|--:|--:|")
    for row in found:
        print(
            f"| {row['source']} | {row['scaled_by']} | {row['bytes'] / 1e12:.2f} | {row['cpu_seconds_a_gb']:,.0f} "
            f"| {row['cpu_days']:,.0f} | {row['shuffled_gb']:,.1f} |"
        )
    days = sum(row["cpu_days"] for row in found)
    moved = sum(row["shuffled_gb"] for row in found)
    prices = forecast.Prices(
        core_hour=options.price_core_hour, gib_hour=options.price_gib_hour, shuffled_gb=options.price_shuffled_gb
    )
    total = prices.computing(days * DAY) + moved * prices.shuffled_gb
    for source in WEB:
        print(f"{source}: {web_bytes(source) / TIB:.1f} TiB of WET")
    print(f"all: {days:,.0f} CPU days, {moved:,.1f} GB shuffled, {total:,.0f} dollars of computing at list price")
    print(json.dumps({"cost": {"cpu_days": round(days), "shuffled_gb": round(moved, 1), "dollars": round(total)}}))


if __name__ == "__main__":
    main()
