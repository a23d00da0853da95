"""The largest sites of StackExchange, ranked before anything is downloaded, as a listing that the corpus takes.

    stackexchange_files.xml   <file name="SITE.7z"><size>          bytes of each site's archive ─┐
    Sites.xml                 <row Url= TotalQuestions= TotalAnswers=>    posts of each site ────┴─> URLs, largest first

Both stand in archive.org's item beside the archives. Sites about sites (`.meta.`) are left out. A few more sites are
listed than the corpus takes, as sizes only guess at posts: the build counts the posts, keeps the largest, and warns
where that ranking is another than that of the archives' sizes.

    python -m pipelines.inputs.stack_exchange_sites \\
        https://archive.org/download/stackexchange/stackexchange_files.xml > se.paths
    python -m pipelines.corpus --recipe paper --source stack_exchange --output /corpus \\
        --input 'stack_exchange[hosts=archive.org]=se.paths'
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import urlsplit

from lxml import etree

from pipelines.files import commands, paths, storage
from pipelines.inputs import fetching
from pipelines.readers.stack_exchange import is_meta, site_of
from pipelines.recipes import Questions

ARCHIVE = "https://archive.org/download/stackexchange/"
LISTING = "stackexchange_files.xml"
MARGIN = 8  # sites listed beyond those wanted, whose posts may turn out to be more than their archive's size says
WANTED = Questions().largest_sites + MARGIN
MAX_LISTING_BYTES = 1 << 26  # the item's file list has 200 KB, Sites.xml 1 MB
# Stack Overflow's archive is split by table.
POSTS_ONLY = {"stackoverflow.com": "stackoverflow.com-Posts.7z"}


def ranked(listing: bytes, name: str, *, meta_sites: bool = False) -> list[tuple[str, int]]:
    """Return (archive, size) of each site, largest first: bytes for a list of files, posts for Sites.xml.

    ValueError, naming the listing by `name`, if it is neither.
    """
    if len(listing) > MAX_LISTING_BYTES:
        raise ValueError(f"{name}: more than {MAX_LISTING_BYTES} bytes is too large for a listing of sites")
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
    try:
        root = etree.fromstring(listing, parser)
    except etree.XMLSyntaxError as error:
        raise ValueError(f"{name}: this listing is not XML: {error}") from None
    if root.getroottree().docinfo.internalDTD is not None:
        raise ValueError(f"{name}: a document type declaration, which no listing has")
    readers = {"files": _archives, "sites": _sites}
    if root.tag not in readers:
        raise ValueError(f"{name}: <{root.tag}> is neither the <files> of archive.org nor the <sites> of Sites.xml")
    sizes: dict[str, tuple[str, int]] = {}
    for site, archive, size in readers[root.tag](root, name):
        if (meta_sites or not is_meta(site)) and (site not in sizes or archive.endswith(POSTS_ONLY.get(site, "\0"))):
            sizes[site] = (archive, size)
    if not sizes:
        raise ValueError(f"{name}: this listing names no site")
    return sorted(sizes.values(), key=lambda entry: (-entry[1], entry[0]))


def _archives(root: Any, name: str) -> Iterator[tuple[str, str, int]]:
    for file in root.iterfind("file"):
        archive = file.get("name") or ""
        if archive.endswith(".7z"):
            try:
                site = site_of(archive)
            except ValueError:
                continue  # of another table, or no site at all
            yield site, archive, _count(file.findtext("size"), f"{name}: the size of {archive}")


def _sites(root: Any, name: str) -> Iterator[tuple[str, str, int]]:
    for row in root.iterfind("row"):
        site = (urlsplit(row.get("Url") or "").hostname or "").removeprefix("www.")
        if site:
            totals = (f"Total{kind}" for kind in ("Questions", "Answers"))
            posts = sum(_count(row.get(total), f"{name}: {total} of {site}") for total in totals)
            yield site, POSTS_ONLY.get(site, f"{site}.7z"), posts


def _count(text: str | None, where: str) -> int:
    if text is None or not (text.strip().isascii() and text.strip().isdecimal()):
        raise ValueError(f"{where} is {text!r}: a number is expected")
    return int(text)


def urls(
    listing: str, *, sites: int, base: str | None = None, meta_sites: bool = False, downloads: str | None = None
) -> list[str]:
    """Return the URLs of the `sites` largest sites' archives; `base` is where they are, else beside the listing.

    A listing from the web is kept in the folder `downloads`, if one is given.
    """
    if fetching.is_web(listing):
        with tempfile.TemporaryDirectory() as folder:
            (local,) = fetching.fetch([listing], downloads or folder)
            content = _read(local)
    else:
        content = _read(listing)
    beside = listing.rpartition("/")[0] + "/" if fetching.is_web(listing) else ARCHIVE
    folder_url = f"{(base or beside).rstrip('/')}/"
    return [folder_url + archive for archive, _ in ranked(content, listing, meta_sites=meta_sites)[:sites]]


def _read(path: str) -> bytes:
    if not storage.exists(path):
        raise ValueError(f"{path}: no such file")
    with storage.open_read(path) as stream:
        return stream.read(MAX_LISTING_BYTES + 1)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the URLs of the largest sites' archives, one a line; return the exit code."""
    parser = commands.Parser(
        "pipelines.inputs.stack_exchange_sites",
        "stackexchange_files.xml",
        description="Print the URLs of the largest sites' archives, one per line.",
    )
    parser.add_argument(
        "listing", type=paths.address_option, help="stackexchange_files.xml or Sites.xml, a file or its URL"
    )
    parser.add_argument("--sites", type=int, default=WANTED, help=f"how many sites (default: {WANTED})")
    parser.add_argument("--base", help="the folder of the archives (default: the listing's own, or archive.org)")
    parser.add_argument("--meta-sites", action="store_true", help="also sites about sites")
    options = parser.parse_args(arguments)
    try:
        if options.sites < 1:
            raise ValueError(f"--sites {options.sites}: at least 1")
        found = urls(options.listing, sites=options.sites, base=options.base, meta_sites=options.meta_sites)
    except (ValueError, fetching.DownloadError) as error:
        return commands.failed(error)
    print("\n".join(found))  # noqa: T201
    return 0


if __name__ == "__main__":
    commands.run(main)
