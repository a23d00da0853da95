"""A trial: a share of each source's inputs, built as the whole would be, and what the whole will take by it.

    inputs ─ by hash of their names ─> OUTPUT-trial ─ manifests' `took`, sizes of files ─> OUTPUT-trial/forecast.json

What grows with the inputs is scaled source by source (`pipelines.account.forecast`). A model grows with its text up to
what its recipe wants, and not beyond: of a trial that has as much, it costs what the whole's will.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any

from rich.table import Table

from pipelines.account import forecast
from pipelines.account.forecast import Estimate, Unit
from pipelines.build import Build
from pipelines.files import ours, storage
from pipelines.files.current import TOOK
from pipelines.hashing import digest_of
from pipelines.inputs import part
from pipelines.options import TRIAL_FILE
from pipelines.stages.chain import Chain

FILE = "forecast.json"
MB, GB = 10**6, 10**9
# Relative standard errors between two measurements of the same work on one machine, our own; benchmarks/forecast.py
# says what comes of them.
CPU_NOISE = MEMORY_NOISE = 0.1
# That of what does not grow in proportion: files that are cut into a fixed number, copies that are found among more.
DISK_NOISE = 0.05
MODELS = "models"
_FOLDS = (1, 10, 100, 1000)  # times as many workers as here


@dataclass(frozen=True)
class Cost:
    """What one file is and says: `of` is a source, "models/NAME", or nothing; `item` what its name says.

    `start` are CPU seconds before its first record, of which a process takes most once; `seconds` are all others.
    """

    of: str
    stage: str
    item: str
    size: int
    work: bool
    seconds: float = 0.0
    start: float = 0.0
    memory: float = 0.0
    rise: float = 0.0
    keys: int = 0


class Trial:
    """Watches a trial's build, and forecasts at its end."""

    def __init__(self, prepared: Build, options: argparse.Namespace) -> None:
        self._prepared, self._options = prepared, options
        # Bytes by owner and item, whenever they may be most; those of a build that was stopped count too.
        self._looks: list[dict[str, dict[str, float]]] = storage.read_json(self._looked) or []
        self._waves = 0.0  # seconds that this process has spent on handing out items

    @property
    def _path(self) -> str:
        return f"{self._prepared.output}/{TRIAL_FILE}"

    @property
    def _looked(self) -> str:
        return f"{self._prepared.output}/work/trial-disk.json"

    def begin(self) -> None:
        """Say in the folder which trial it is; ValueError if another one is there."""
        prepared, options = self._prepared, self._options
        inputs = {name: sorted(one.digest for one in chain.inputs) for name, chain in prepared.chains.items()}
        facts = {
            "share": options.trial,
            "seed": options.trial_seed,
            "identity": digest_of(prepared.recipe, inputs, {name: one.files for name, one in prepared.given.items()}),
        }
        found = storage.read_json(self._path)
        if found is not None and found != facts:
            raise ValueError(
                f"--trial: {prepared.output} holds a trial of another share, seed or recipe, or of other inputs, whose "
                f"files would be counted; remove it (altiplano clean {prepared.output}), or name another --output"
            )
        storage.write_json(self._path, facts)
        self._waves -= self._driver(self._costs())

    def end(self) -> None:
        """Note what the waves took of this process, which grows with the items."""
        self._waves = max(0.0, self._waves + self._driver(self._costs()))

    def _driver(self, costs: Iterable[Cost]) -> float:
        """Return the CPU seconds of this process, without those of items that it did; `costs` are read for these."""
        items = sum(cost.seconds + cost.start for cost in costs) if self._options.runner == "plain" else 0.0
        return time.process_time() - items

    def told(self) -> Iterator[str]:
        """Yield what is taken of each source."""
        for name, whole in self._prepared.whole.items():
            yield f"trial: {name}: {len(whole.taken):,} of {len(whole.files):,} inputs"
        yield f"trial: everything goes to {self._prepared.output}"

    def look(self, node: str) -> None:
        """Look at what lies on the disk when it may be most: before a finished source's staged files are removed."""
        if any(node == chain.last_node for chain in self._prepared.chains.values()):
            self._looks.append(_by_item(self._costs(), "size"))
            storage.write_json(self._looked, self._looks)

    def finish(self) -> dict[str, Any]:
        """Write the forecast and return it, the last thing that the process does."""
        costs = list(_shared_out(self._costs()))
        fixed = max(0.0, self._driver(costs) - self._waves) + sum(cost.start for cost in costs)
        found = self._forecast(costs, fixed)
        ours.write(self._prepared.output, FILE, storage.as_json(found))
        return found

    # --- what is there ---------------------------------------------------------------------------------------------

    def _costs(self) -> Iterator[Cost]:
        output = self._prepared.output
        fetched = {
            one.path: (name, one.digest) for name, chain in self._prepared.chains.items() for one in chain.inputs
        }
        for path in storage.files_in(output):
            parts = path.removeprefix(f"{output}/").split("/")
            work = parts[0] == "work"
            of, stage = _owner(parts[1:] if work else parts, self._prepared.chains)
            item = parts[-1].partition(".")[0]
            if path in fetched:
                of, item = fetched[path]
            said = storage.read_json(path) if path.endswith(".json") and (work or of.startswith(MODELS)) else None
            facts = said if isinstance(said, dict) and TOOK in said else {TOOK: {}}
            took = facts[TOOK]
            start = facts.get("start_cpu_seconds", 0.0)
            yield Cost(
                of=of,
                stage=stage,
                item=item,
                size=storage.size(path),
                work=work,
                seconds=took.get("cpu_seconds", 0.0) - start,
                start=start,
                memory=took.get("memory_bytes", 0.0),
                rise=took.get("memory_rise_bytes", 0.0),
                keys=facts.get("keys", 0),
            )

    # --- what the whole will take ----------------------------------------------------------------------------------

    def _scaled(self, amounts: Mapping[str, Mapping[str, float]]) -> Estimate:
        """Return what amounts by owner and item come to for the whole."""
        return forecast.added(self._of(owner, found) for owner, found in amounts.items())

    def _of(self, owner: str, amounts: Mapping[str, float]) -> Estimate:
        """Return what a source's amounts come to, by its units, or a model's, by its growth."""
        if owner not in self._prepared.chains:
            return Estimate(sum(amounts.values()) * self._growth.get(owner, 1.0))
        sizes, by_unit = self._sizes[owner], defaultdict[str, float](float)
        for item, amount in amounts.items():
            by_unit[self._unit(owner, item)] += amount
        units = [Unit(size, by_unit[unit]) for unit, size in sizes.items()]
        return forecast.whole(units, self._scale[owner] * sum(sizes.values()), by_unit[""])

    def _unit(self, source: str, item: str) -> str:
        """Return the unit that a file's name belongs to, nothing if it belongs to no single one."""
        units = self._units[source]
        return units.get(item) or units.get(item.partition("-")[2], "")

    @cached_property
    def _cut(self) -> set[str]:
        """The sources of whose files byte ranges were taken."""
        chains = self._prepared.chains
        return {name for name, chain in chains.items() if len(chain.items()) < len(chain.all_items())}

    @cached_property
    def _units(self) -> dict[str, dict[str, str]]:
        """The unit of each item and input by source: an input, a group that is one item, or a byte range."""
        found: dict[str, dict[str, str]] = {}
        for name, chain in self._prepared.chains.items():
            items = {
                item.key: item.key if name in self._cut else " ".join(sorted({one.digest for one in item.parts}))
                for item in chain.items()
            }
            found[name] = {**{unit: unit for unit in items.values()}, **items}
        return found

    @cached_property
    def _sizes(self) -> dict[str, dict[str, float]]:
        """The input bytes of each unit, by source."""
        found: dict[str, dict[str, float]] = {}
        for name, chain in self._prepared.chains.items():
            sizes = {one.digest: float(one.size) for one in chain.inputs}
            if name in self._cut:
                found[name] = {item.key: sum(map(part.bytes_of, item.parts)) for item in chain.items()}
            else:
                units = sorted(set(self._units[name].values()))
                found[name] = {unit: sum(sizes[digest] for digest in unit.split()) for unit in units}
        return found

    @cached_property
    def _scale(self) -> dict[str, float]:
        return {name: self._times(name) for name in self._prepared.whole}

    def _times(self, name: str, language: str | None = None) -> float:
        """Return how many times as much of a source there is as was built, of all or of one language."""
        whole, chain = self._prepared.whole[name], self._prepared.chains[name]
        return whole.scale(language) * part.ranges_scale(chain.all_items(), chain.items(), language)

    @cached_property
    def _growth(self) -> dict[str, float]:
        """How many times as much a model of the whole costs: as its text grows, up to what is wanted of it."""
        prepared, recipe = self._prepared, self._prepared.recipe
        found: dict[str, float] = {}
        found[ours.ACROSS] = self._all_sources
        for path in storage.files_in(f"{prepared.output}/{MODELS}"):
            name = path.removeprefix(f"{prepared.output}/").removesuffix("/manifest.json")
            facts = storage.read_json(path) if path.endswith("/manifest.json") else None
            if not isinstance(facts, dict) or TOOK not in facts:
                continue
            if name.startswith("models/language_models/"):
                found[name] = self._language_model_growth(name.rpartition("/")[2], facts)
            elif name.startswith("models/templates/"):
                found[name] = self._times("wikipedia", name.rpartition("/")[2])
            elif name == "models/reference":
                cited = self._scale.get("wikipedia", 1.0) if recipe.common_crawl.quality.match == "url" else 1.0
                scale = self._scale["common_crawl"] * cited
                found[name] = _up_to(scale, recipe.common_crawl.training.pages, facts["pages"]["positive"])
            elif name == "models/cutoffs":
                pages = sum(row["pages"] for row in facts["cutoffs"].values())
                found[name] = _up_to(self._scale["common_crawl"], recipe.language_models.cutoff_documents, pages)
            elif name == "models/tokenizer":
                found[name] = self._tokenizer_growth(facts["drawn"])
        return found

    @property
    def _all_sources(self) -> float:
        """How many times as much there is of all sources together, by the bytes of their inputs."""
        sizes = {name: sum(self._sizes[name].values()) for name in self._scale}
        return sum(self._scale[name] * size for name, size in sizes.items()) / max(1.0, sum(sizes.values()))

    def _language_model_growth(self, language: str, facts: Mapping[str, Any]) -> float:
        recipe = self._prepared.recipe.language_models
        scale = self._times("wikipedia", language)
        return min(
            _up_to(scale, recipe.documents, facts["documents"]),
            _up_to(scale, recipe.text_bytes, facts.get("bytes", 0)),
        )

    def _tokenizer_growth(self, drawn: Mapping[str, Mapping[str, int]]) -> float:
        wanted = self._prepared.tokenizer_bytes()
        grown = {
            name: row["bytes"] * _up_to(self._scale[name], wanted[name], row["bytes"]) for name, row in drawn.items()
        }
        return sum(grown.values()) / max(1, sum(row["bytes"] for row in drawn.values()))

    def _memory(self, costs: Iterable[Cost]) -> float:
        """Return the largest memory of a process: what rose while a model was made, or keys were compared, grows."""
        keys = self._prepared.recipe.reducer_keys
        largest = 0.0
        for cost in costs:
            grown = self._growth.get(cost.of, 1.0)
            if cost.of in self._scale and not self._unit(cost.of, cost.item):
                grown = _up_to(self._scale[cost.of], keys, cost.keys) if cost.keys else self._scale[cost.of]
            largest = max(largest, cost.memory + cost.rise * (grown - 1))
        return largest

    def _forecast(self, costs: Sequence[Cost], fixed: float) -> dict[str, Any]:
        seconds, sizes = _by_item(costs, "seconds"), _by_item(costs, "size")
        driver = fixed + self._waves * self._more_items(costs)
        cpu = forecast.added([self._scaled(seconds), Estimate(driver)]).noisy(CPU_NOISE)
        models = {owner: found for owner, found in seconds.items() if owner.startswith(MODELS)}
        serial = driver + self._scaled(models).value
        disk = max(map(self._scaled, [*self._looks, sizes]), key=lambda found: found.value)
        kept = self._scaled(_by_item([cost for cost in costs if not cost.work], "size"))
        memory = self._memory(costs)
        prices = forecast.Prices(
            core_hour=self._options.price_core_hour,
            gib_hour=self._options.price_gib_hour,
            gb_month=self._options.price_gb_month,
        )
        workers = [self._options.workers * fold for fold in _FOLDS]
        return {
            "trial": {"share": self._options.trial, "seed": self._options.trial_seed},
            "confidence": forecast.CONFIDENCE,
            "cpu_seconds": _shown(cpu),
            "serial_cpu_seconds": round(serial, 3),
            "disk_bytes": _shown(disk.noisy(DISK_NOISE)),
            "kept_bytes": _shown(kept.noisy(DISK_NOISE)),
            "memory_bytes": _shown(Estimate(memory).noisy(MEMORY_NOISE)),
            "hours": {str(count): round(forecast.hours(cpu.value, serial, count), 6) for count in workers},
            "dollars": {
                "computing": round(prices.computing(cpu.value, memory), 6),
                "a_month": round(prices.month(kept.value), 6),
                "prices": asdict(prices),
            },
            "fixed_cpu_seconds": round(fixed, 3),
            "driver_cpu_seconds": round(driver, 3),
            "sources": {name: self._source(name, costs) for name in self._prepared.chains},
            "models": {
                name: {"grows": round(grown, 4), "cpu_seconds": _shown(self._of(name, seconds.get(name, {})))}
                for name, grown in self._growth.items()
                if name.startswith(MODELS)
            },
        }

    def _more_items(self, costs: Sequence[Cost]) -> float:
        """Return how many times as many items the whole has."""
        items = Counter(cost.of for cost in costs if cost.seconds)
        return sum(count * self._scale.get(of, 1.0) for of, count in items.items()) / max(1, items.total())

    def _source(self, name: str, costs: Sequence[Cost]) -> dict[str, Any]:
        whole, sizes = self._prepared.whole[name], self._sizes[name]
        stages: dict[str, float] = defaultdict(float)
        for cost in costs:
            if cost.of == name and cost.seconds:
                stages[cost.stage] += cost.seconds
        return {
            "inputs": len(whole.files),
            "taken": len(whole.taken),
            "units": len(sizes),
            "taken_as": "byte ranges" if name in self._cut else "whole",
            "scaled_by": "bytes" if whole.by_bytes else "files",
            "scale": round(self._scale[name], 4),
            "cpu_seconds": _shown(self._of(name, _by_item(costs, "seconds").get(name, {}))),
            "bytes": _shown(self._of(name, _by_item(costs, "size").get(name, {}))),
            "cpu_seconds_a_byte": {
                stage: found / max(1.0, sum(sizes.values())) for stage, found in sorted(stages.items())
            },
        }


def _shared_out(costs: Iterable[Cost]) -> Iterator[Cost]:
    """Yield costs whose `start` is what a process took once: what each item of a stage takes to start is its own."""
    stages: dict[tuple[str, str], list[Cost]] = defaultdict(list)
    for cost in costs:
        stages[cost.of, cost.stage].append(cost)
    for found in stages.values():
        # One item alone does not show which part of its start is its own.
        usual = statistics.median_low([0.0, *(cost.start for cost in found if cost.seconds or cost.start)])
        for cost in found:
            own = min(cost.start, usual)
            yield replace(cost, seconds=cost.seconds + own, start=cost.start - own)


def _by_item(costs: Iterable[Cost], amount: str) -> dict[str, dict[str, float]]:
    """Return the sums of an amount by owner and item."""
    found: dict[str, dict[str, float]] = {}
    for cost in costs:
        items = found.setdefault(cost.of, {})
        items[cost.item] = items.get(cost.item, 0.0) + getattr(cost, amount)
    return found


def _owner(parts: Sequence[str], sources: Mapping[str, Chain]) -> tuple[str, str]:
    """Return what a path under OUTPUT, or under OUTPUT/work, belongs to, and the stage."""
    if parts[0] == "tokens" and len(parts) > 2:
        return parts[1], "tokens"
    if parts[0] in sources:
        return parts[0], parts[1] if len(parts) > 2 else ""
    if parts[0] == ours.ACROSS and len(parts) > 2:
        source = parts[-1].partition("-")[0]
        return (source, parts[1]) if source in sources else (ours.ACROSS, parts[1])
    if parts[0] == MODELS and len(parts) > 2:
        # Each language's model has a manifest of its own.
        return "/".join(parts[:3] if parts[1] == "language_models" else parts[:2]), ""
    return "", ""


def _up_to(scale: float, wanted: float, there: float) -> float:
    """Return how many times as much there will be: `scale`, or what is wanted, and never less than there is."""
    return max(1.0, min(scale, wanted / max(there, 1)))


def _shown(found: Estimate) -> dict[str, float]:
    return {"value": round(found.value, 3), "low": round(found.low, 3), "high": round(found.high, 3)}


# --- what is printed -----------------------------------------------------------------------------------------------


def table(found: Mapping[str, Any]) -> Table:
    """Return the sources of a forecast, and the models together."""
    shown = Table(title="What the whole takes, with 90 % intervals", title_justify="left")
    for name in ("source", "inputs taken", "scaled by", "CPU seconds", "MB on disk, with work"):
        shown.add_column(name, justify="left" if name == "source" else "right")
    for name, row in found["sources"].items():
        scaled = f"{row['scale']:,.2f} ({row['scaled_by']})"
        taken = f"{row['taken']:,} of {row['inputs']:,}"
        taken += ", whole" if row["taken_as"] == "whole" else f", {row['units']:,} byte ranges"
        shown.add_row(name, taken, scaled, _span(row["cpu_seconds"]), _span(row["bytes"], MB))
    models = [row["cpu_seconds"]["value"] for row in found["models"].values()]
    shown.add_row(MODELS, "", "", f"{sum(models):,.1f}", "")
    return shown


def lines(found: Mapping[str, Any]) -> Iterator[str]:
    """Yield what the whole takes, all together."""
    yield f"CPU seconds: {_span(found['cpu_seconds'])}, {found['serial_cpu_seconds']:,.1f} of them on one core"
    yield f"MB on disk, at most: {_span(found['disk_bytes'], MB)}; MB kept: {_span(found['kept_bytes'], MB)}"
    yield f"MB of memory, the largest process: {_span(found['memory_bytes'], MB)}"
    yield "hours: " + ", ".join(f"{hours:,.2f} on {count} workers" for count, hours in found["hours"].items())
    dollars = found["dollars"]
    yield f"dollars: {dollars['computing']:,.2f} for computing, {dollars['a_month']:,.2f} a month for what is kept"


def _span(found: Mapping[str, float], unit: float = 1.0) -> str:
    return f"{found['value'] / unit:,.1f} ({found['low'] / unit:,.1f} to {found['high'] / unit:,.1f})"
