"""Real source archives laid out as an export of BigQuery's `github_repos`: files joined with contents and licences.

    source archive -> members() -> Row, with git's blob id -> contents-00000000000N.json.gz, JSON lines

As in the tables, `content` is null for binary files and for those of 1 MiB and more, and `license` is one lower-case
key for a repository, whatever its vendored folders say.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from pipelines.sample.files import Laid, gzipped, members, write

PARTS = 4
LARGEST_CONTENT = 1 << 20
BINARY_PROBE = 8000  # git looks for a NUL in so many bytes
# Vendored in orjson's archive; the other crates are enough to have files under licences of their own.
LARGE_CRATES = (
    *("cc", "compact_str", "encoding_rs", "gimli", "half", "jiff", "jiff-static", "libc", "portable-atomic", "syn"),
    "unicode-ident",
)


@dataclass(frozen=True, slots=True)
class Repository:
    """A repository as the licences table has it; `without` are folders left out to keep the sample small."""

    name: str
    package: str
    license: str
    ref: str = "refs/heads/main"
    without: tuple[str, ...] = ()


REPOSITORIES = (
    Repository(
        "WZBSocialScienceCenter/tmtoolkit",
        "tmtoolkit",
        "apache-2.0",
        "refs/heads/master",
        without=("doc/", "tmtoolkit/data/"),
    ),
    Repository("allenai/dolma", "dolma", "apache-2.0", without=("tests/data/", "sources/")),
    Repository("crs4/pydoop", "pydoop", "apache-2.0", "refs/heads/develop"),
    Repository("dfm/emcee", "emcee", "mit", without=("docs/",)),
    Repository("google/sentencepiece", "sentencepiece", "apache-2.0", "refs/heads/master"),
    Repository(
        "ijl/orjson",
        "orjson",
        "apache-2.0",
        "refs/heads/master",
        without=tuple(f"include/cargo/{crate}-" for crate in LARGE_CRATES),
    ),
    Repository("jupyter-widgets-contrib/ipycanvas", "ipycanvas", "bsd-3-clause", "refs/heads/master"),
    Repository("kjd/idna", "idna", "bsd-3-clause", "refs/heads/master"),
    Repository("psf/requests", "requests", "apache-2.0"),
    Repository("pylint-dev/pylint", "pylint", "gpl-2.0", without=("tests/", "doc/")),
    Repository("pypa/packaging", "packaging", "apache-2.0"),
    Repository("pypa/pip", "pip", "mit"),
    Repository("urllib3/urllib3", "urllib3", "mit"),
)


class Row(TypedDict):
    """One file of a repository; `size` is in bytes, `copies` counts the files of the export with this blob."""

    repo_name: str
    ref: str
    path: str
    id: str
    size: int
    binary: bool
    copies: int
    content: str | None
    license: str


def lay_out(packages: Mapping[str, Path], output: Path) -> dict[str, Laid]:
    """Write the parts of the export to `output`/github."""
    found = [row for repository in REPOSITORIES for row in rows(repository, members(packages[repository.package]))]
    write_export(found, output / "github")
    return {"github": Laid(len(found), sum(row["size"] for row in found if row["content"] is not None))}


def rows(repository: Repository, files: Iterable[tuple[str, bytes]]) -> Iterator[Row]:
    """Yield the row of each file of a repository."""
    for path, content in files:
        if not path.startswith(repository.without):
            text = decoded(content)
            yield Row(
                repo_name=repository.name,
                ref=repository.ref,
                path=path,
                id=blob_id(content),
                size=len(content),
                binary=text is None,
                copies=1,
                content=text if len(content) < LARGEST_CONTENT else None,
                license=repository.license,
            )


def decoded(content: bytes) -> str | None:
    """Return a file's text, or None if it is binary: a NUL near its start, or not UTF-8."""
    if b"\0" in content[:BINARY_PROBE]:
        return None
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return None


def blob_id(content: bytes) -> str:
    """Return git's name of a file's content."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def write_export(found: list[Row], folder: Path) -> None:
    """Write the parts of the export: each row in the part that its path's hash names, by repository and path."""
    copies = Counter(row["id"] for row in found)
    parts: list[list[str]] = [[] for _ in range(PARTS)]
    for row in sorted(found, key=lambda row: (row["repo_name"], row["path"])):
        part = hashlib.sha256(f"{row['repo_name']}/{row['path']}".encode()).digest()[0] % PARTS
        parts[part].append(json.dumps({**row, "copies": copies[row["id"]]}, ensure_ascii=False) + "\n")
    for number, lines in enumerate(parts):
        content = "".join(lines).encode("utf-8", "surrogatepass")
        write(folder / f"contents-{number:012}.json.gz", gzipped(content, 6))
