"""What kept next to nothing: a source, a stage or a file, with the reason that took most and one example of it.

A build that ends without an error and without documents has not succeeded: a wrong label, a filter that is too strict,
a dump of another language. It is said as a warning, on the card too; `--strict` makes it a failure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from pipelines.files import tables
from pipelines.stages.chain import Chain
from pipelines.stages.link import Writer

FILE_RECORDS = 10  # a file with fewer that keeps none of them is not named by itself
LISTED = 5  # files that are named
EXCERPT_CHARACTERS = 120
_SHARDS = 20  # in which an example is looked for
Manifest = Mapping[str, Any]


def warnings(chain: Chain, accounts: Sequence[Manifest]) -> list[str]:
    """Return what kept nothing or less than the recipe's `least_kept` of a source that is finished."""
    of_source = list(_of_source(chain, accounts))
    # Where a source keeps nothing, so do all its files: they are named only for what they do not share.
    return of_source or [*_of_files(chain)]


def _of_source(chain: Chain, accounts: Sequence[Manifest]) -> Iterator[str]:
    name, read, kept = chain.source.name, accounts[0]["in"], accounts[-1]["kept"]
    least: float = getattr(chain.part, "least_kept", 0.0)
    if not read:
        yield f"{name} read nothing: no record in {_named([found.path for found in chain.inputs])}"
        return
    if kept and kept >= least * read:
        return
    empty = next((row for row in accounts if row["in"] and not row["kept"]), None)
    stage, reason, dropped = _most([empty] if empty else accounts)
    what = "nothing" if not kept else f"{kept:,} ({kept / read:.2%}, less than {name}.least_kept={least})"
    at = f"; the stage {empty['stage'].partition('/')[2]} kept none of {empty['in']:,}" if empty else ""
    example = _example(chain, stage, reason)
    most = f"most were dropped for {reason} in {stage}: {dropped:,}"
    yield f"{name} kept {what} of {read:,} documents{at}; {most}{example}"


def _most(accounts: Sequence[Manifest]) -> tuple[str, str, int]:
    """Return the stage and the reason that dropped most documents, and how many."""
    rows = [
        (documents, stage, reason)
        for account in accounts
        for stage, reasons in account["dropped"].items()
        for reason, (documents, _) in reasons.items()
    ]
    documents, stage, reason = max(rows, default=(0, "", ""))
    return stage, reason, documents


def _example(chain: Chain, stage: str, reason: str) -> str:
    """Return one dropped document's identity and the beginning of its text, as far as a drop keeps it."""
    for link in chain.writers:
        for item in islice(link.results(), _SHARDS):
            drops = chain.paths.drops(link.stage.name, item.key)
            for row in tables.read_rows(drops, ["id", "stage", "reason", "excerpt"]):
                if (row["stage"], row["reason"]) == (stage, reason) and row["excerpt"]:
                    text = " ".join(row["excerpt"].split())[:EXCERPT_CHARACTERS]
                    return f", such as {row['id']}: {text!r}"
    return ""


def _of_files(chain: Chain) -> Iterator[str]:
    """Name the files of which nothing was read or kept; after a `Join` it is not known what was whose."""
    silent = list(_silent(chain))
    yield from silent[:LISTED]
    if (more := len(silent) - LISTED) > 0:
        yield f"{chain.source.name}: {more:,} more files with nothing kept"


def _silent(chain: Chain) -> Iterator[str]:
    name, keys = chain.source.name, [item.key for item in chain.items()]
    links: list[Writer[Any]] = [link for link in chain.writers if [item.key for item in link.results()] == keys]
    rows = [link.manifests() for link in links]
    for number, item in enumerate(chain.items()):
        read, last = rows[0][number]["in"], rows[-1][number]
        where = _named([part.path for part in item.parts])
        if not read:
            yield f"{name}: {where}: no record was read"
        elif read >= FILE_RECORDS and not last["kept"]:
            stage, reason, dropped = _most([manifests[number] for manifests in rows])
            most = f"most were dropped for {reason} in {stage}: {dropped:,}"
            yield f"{name}: {where}: nothing of {read:,} was kept; {most}"


def _named(paths: Sequence[str]) -> str:
    names = [path.rpartition("/")[2] for path in paths]
    return ", ".join(names[:3]) + (f" and {len(names) - 3:,} more files" if len(names) > 3 else "")
