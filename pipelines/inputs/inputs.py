"""Inputs: globs, URLs and listings to files identified by content.

The content's SHA-256 is remembered beside the corpus with the file's size and modification time, so that a second run
does not read everything again. A local file that changed is another input; an object on a server is refused.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePath
from typing import Any

from pipelines.files import addresses, ours, paths, storage
from pipelines.hashing import digest_of
from pipelines.inputs import fetching, listings
from pipelines.problems import Problems
from pipelines.readers import Dump
from pipelines.runners import events
from pipelines.stages.source import Input, Source, input_digest

Attributes = tuple[tuple[str, str], ...]  # names and values, sorted
_LOOKED_AT = 1_000  # inputs of a source, at most
_SAID = 5  # things that are wrong with a source's inputs
_OPTION = re.compile(r"(?P<source>[a-z0-9_]+)(?:\[(?P<attributes>[^\]]*)\])?=(?P<pattern>.+)", re.DOTALL)


def name_of(option: str) -> str:
    """Return the name of the source in "NAME=GLOB"; ValueError as `parse_option`'s."""
    return _parts(option)["source"]


def _parts(option: str) -> re.Match[str]:
    match = _OPTION.fullmatch(option)
    if match is None:
        raise ValueError(
            f"--input {option}: write it as NAME=GLOB_OR_URL, or NAME[attribute=value]=GLOB_OR_URL; a name has "
            "lower-case letters, digits and _"
        )
    return match


def parse_option(option: str, sources: Sequence[str]) -> tuple[str, dict[str, str], str]:
    """Split "NAME=GLOB" or "NAME[language=de]=GLOB"; raise ValueError saying what would be right."""
    match = _parts(option)
    if (name := match["source"]) not in sources:
        raise ValueError(
            f"--input {option}: there is no source {name!r}; available: {', '.join(sources)}; "
            f"for your own texts, name it in the recipe: --set texts.{name}.share=0"
        )
    attributes = {}
    for pair in filter(None, (match["attributes"] or "").split(",")):
        name, equals, value = pair.partition("=")
        if not (name and equals and value):
            raise ValueError(f"--input {option}: write the attribute {pair!r} as name=value")
        attributes[name.strip()] = value.strip()
    try:
        return match["source"], attributes, paths.pattern(match["pattern"])
    except ValueError as error:
        raise ValueError(f"--input {option}: {error}") from None


@dataclass(frozen=True)
class Found:
    """A source's files with their attributes, by path or URL, and the listings whose files are still to be fetched."""

    files: Mapping[str, Attributes]
    listings: Sequence[listings.Expanded] = ()


def find(source: Source, patterns: Sequence[tuple[Mapping[str, str], str]], cache: str) -> list[Input]:
    """Return a source's inputs: what `listed` finds, fetched and told apart by `identified`."""
    return identified(source, fetched(source, listed(source, patterns, cache), cache), cache)


def listed(
    source: Source, patterns: Sequence[tuple[Mapping[str, str], str]], cache: str, folder: str | None = None
) -> Found:
    """Return a source's files with their attributes; nothing is read but listings and, here, beginnings of files.

    Files on the web are named by their URLs; `fetched` brings them. Listings on the web are kept in `folder`, which is
    that of downloads if none is given. Attributes that are given stand for those of the
    same name that a file's name tells. Raises RefusedError with all that is wrong: a pattern that matches nothing, an
    attribute that the source does not know, a name that does not tell one that it must, what is no regular file, and
    files that the source sees that it cannot read.
    """
    downloads = _downloads(cache)
    files: dict[str, Mapping[str, str]] = {}
    to_fetch: list[listings.Expanded] = []
    folders: dict[str, tuple[str, ours.Kind] | None] = {}
    problems = Problems()
    for given, pattern in patterns:
        with problems.noted():
            _check_names(source, given, pattern)
            expanded = listings.expand(given, pattern, folder or downloads)
            found = expanded.files if expanded else _there(source.name, pattern, folders)
            if expanded and expanded.web:
                to_fetch.append(expanded)
            attributes = expanded.attributes if expanded else given
            for path in found:
                if files.setdefault(path, attributes) != attributes:
                    raise ValueError(
                        f"--input {source.name}={pattern}: {path} is given twice, with different attributes"
                    )
    told: dict[str, Attributes] = {}
    for path, attributes in sorted(files.items()):
        with problems.noted():
            told[path] = _attributes(source, path, attributes, downloads)
    with problems.noted():
        _look_at(source, told)
    problems.refuse()
    return Found(told, to_fetch)


def fetched(source: Source, found: Found, cache: str) -> dict[str, Attributes]:
    """Return a source's files with those on the web fetched into the folder `downloads` beside `cache`.

    Raises what `pipelines.inputs.fetching.fetch` raises, and RefusedError for files that the source cannot read.
    """
    files = dict(found.files)
    local = {url: path for one in found.listings for url, path in one.fetched(_downloads(cache)).items()}
    there = {local[url]: files.pop(url) for url in local}
    _look_at(source, there, {path: addresses.shown(url) for url, path in local.items()})
    return dict(sorted((files | there).items()))


def at_hand(source: Source, found: Found, cache: str) -> tuple[list[Input], int]:
    """Return a source's inputs without fetching or reading any, and how many of them are still to be fetched.

    Those of earlier builds are known by their content, others by their names; what is on a server is not asked for.
    """
    files, missing = dict(found.files), 0
    for url in [url for one in found.listings for url in one.web]:
        there = fetching.fetched_before(url, _downloads(cache))
        missing += there is None
        if there is not None:
            files[there] = files.pop(url)
    return _inputs(source, files, _digests(sorted(files), _remembered(cache), cache, read=False)), missing


def _downloads(cache: str) -> str:
    return f"{cache.rpartition('/')[0]}/downloads"


def _there(source: str, pattern: str, folders: dict[str, tuple[str, ours.Kind] | None]) -> list[str]:
    """Return the files that a path, a folder or a glob names, without hidden ones and those of folders of ours."""
    storage.check(pattern)
    here = not storage.is_remote(pattern)
    every = _in_folder(pattern) if here and Path(pattern).is_dir() else storage.list_files(pattern)
    found = _others(source, pattern, [path for path in every if not _is_hidden(path, pattern)], folders)
    if not found:
        raise ValueError(f"--input {source}={pattern}: {_nothing_there(pattern)}")
    for path in found:
        if here and not path.isprintable() and (name := os.fsencode(path)) != path.encode(errors="replace"):
            raise ValueError(
                f"--input {source}={pattern}: the name of {name!r} is not UTF-8; rename it (or set PYTHONUTF8=1, where "
                "the locale is C)"
            )
        if here and not Path(path).is_file():
            raise ValueError(
                f"--input {source}={path}: this is not a regular file (a pipe, a device?), and an input "
                "is read more than "
                "once; save it to a file first"
            )
    return found


def _in_folder(folder: str) -> list[str]:
    """Return the files in a folder at any depth, sorted; links to folders are followed, each folder once."""
    found: list[str] = []
    seen: set[str] = set()
    for where, folders, names in os.walk(folder, followlinks=True):
        seen.add(os.path.realpath(where))
        inner = {name: os.path.realpath(Path(where, name)) for name in folders}
        folders[:] = [name for name, real in inner.items() if real not in seen and not name.startswith(".")]
        seen.update(inner.values())
        found += [str(Path(where, name)) for name in names if Path(where, name).is_file()]
    return sorted(found)


def _is_hidden(path: str, pattern: str) -> bool:
    """Tell whether a file is hidden, or lies in a hidden folder, that the pattern itself does not name."""
    named = [part for part in PurePath(pattern).parts if part.startswith(".")]
    hidden = [part for part in PurePath(path).parts if part.startswith(".") and part != ".."]
    return any(not any(fnmatchcase(part, name) for name in named) for part in hidden)


def _nothing_there(pattern: str) -> str:
    if storage.is_remote(pattern) or not Path(pattern).is_dir():
        return "no such file"
    return "this folder holds no file" if not any(Path(pattern).iterdir()) else "this folder holds only hidden files"


def _look_at(source: Source, files: Mapping[str, Attributes], names: Mapping[str, str] | None = None) -> None:
    """Raise RefusedError for files that cannot be read, the first few by name: a folder of the wrong kind has many."""
    problems = Problems()
    for path in [path for path in files if not storage.is_remote(path)][:_LOOKED_AT]:
        with problems.noted():
            _look(source, path, files[path], (names or {}).get(path, path))
    if (more := len(problems.found) - _SAID) > 1:
        problems.found[_SAID:] = [f"--input {source.name}: and {more:,} more files like these"]
    problems.refuse()


def identified(source: Source, files: Mapping[str, Attributes], cache: str) -> list[Input]:
    """Return the inputs that a source's files are, by their content; what has the same content is one input."""
    remembered = _remembered(cache)
    digests = _digests(sorted(files), remembered, cache)
    storage.write_json(cache, {**remembered, **digests})
    return _inputs(source, files, digests)


def _remembered(cache: str) -> dict[str, Any]:
    found = storage.read_json(cache)
    return found if isinstance(found, dict) else {}


def _inputs(source: Source, files: Mapping[str, Attributes], digests: Mapping[str, Sequence[str | int]]) -> list[Input]:
    groups: dict[tuple[str, Attributes], list[str]] = {}
    for path, attributes in files.items():
        groups.setdefault((str(digests[path][2]), attributes), []).append(path)
    inputs = (
        _input(content, attributes, number, part, digests)
        for (content, attributes), same in groups.items()
        for number, part in enumerate([[path] for path in same] if source.copies else [same])
    )
    return sorted(inputs, key=lambda entry: entry.digest)


def _attributes(source: Source, path: str, given: Mapping[str, str], downloads: str) -> Attributes:
    told = _told(source, fetching.address_of(path, downloads)) if given.keys() < {*source.attribute_names} else {}
    return tuple(sorted((told | dict(given)).items()))


def _look(source: Source, path: str, attributes: Attributes, name: str) -> None:
    """Look at the beginning of an input; raise ValueError naming it if it cannot be what it should."""
    if source.look is None:
        return
    try:
        with storage.open_read(path) as stream:
            source.look(stream, Dump(path, "", dict(attributes)))
    except ValueError as error:
        what = str(error).removeprefix(f"{path}: ")
        raise ValueError(f"--input {source.name}={name}: {what}") from None
    except OSError as error:
        raise ValueError(f"--input {source.name}={name}: it cannot be read: {error.strerror or error}") from None
    if not storage.size(path):
        events.warn(f"--input {source.name}={name}: the file is empty")


def _others(source: str, pattern: str, found: Sequence[str], folders: dict[str, Any]) -> list[str]:
    """Return the files that are not in a folder that we made: a corpus, an export and a run are never inputs.

    What a folder or a glob names beside others is left out; ValueError if all of it is ours.
    """
    owners = {path: ours.owner(path, folders) for path in found}
    made = {path: owner for path, owner in owners.items() if owner is not None and not owner[1].is_input}
    if made and len(made) == len(found):
        folder, kind = next(iter(made.values()))
        raise ValueError(
            f"--input {source}={pattern}: {folder} was made here ({kind}), and our own output is never an input"
        )
    for folder, kind in sorted(set(made.values())):
        events.warn(f"--input {source}={pattern}: leaves out {folder}, which was made here ({kind})")
    return [path for path in found if path not in made]


def _check_names(source: Source, given: Mapping[str, str], pattern: str) -> None:
    for name, value in given.items():
        if name not in (*source.attribute_names, *listings.ATTRIBUTES):
            own = "".join(f"{known}, " for known in source.attribute_names)
            raise ValueError(
                f"--input {source.name}[{name}={value}]={pattern}: {source.name} has no attribute {name!r}; available: "
                f"{own}and for a listing {' and '.join(listings.ATTRIBUTES)}"
            )


def _told(source: Source, path: str) -> dict[str, str]:
    try:
        return source.attributes(path)
    except ValueError as error:
        raise ValueError(f"--input {source.name}={path}: {error}") from None


def _input(
    content: str,
    attributes: tuple[tuple[str, str], ...],
    number: int,
    files: Sequence[str],
    digests: Mapping[str, Sequence[str | int]],
) -> Input:
    identity = input_digest(content, attributes, number)
    return Input(files[0], identity, int(digests[files[0]][0]), attributes, tuple(files[1:]))


def _digests(
    files: Sequence[str], remembered: Mapping[str, Sequence[str | int]], cache: str, *, read: bool = True
) -> dict[str, list[str | int]]:
    def digest(path: str) -> list[str | int]:
        known = remembered.get(path)
        if not read and storage.is_remote(path):
            return list(known) if known is not None else [0, 0, digest_of(path)]
        size, changed = storage.stamp(path)
        if known is not None and list(known[:2]) == [size, changed]:
            return list(known)
        if not read:
            return [size, changed, digest_of(path)]
        sha256 = storage.sha256(path)
        # On this machine another content is another input; a dump on a server is said to be one forever.
        if storage.is_remote(path) and known is not None and known[2] != sha256:
            raise ValueError(
                f"{path}: the object has changed since it was first read (SHA-256 {known[2]}, now {sha256}); remove "
                f"its line from {cache} to accept the new one"
            )
        return [size, changed, sha256]

    with ThreadPoolExecutor(4) as pool:
        return dict(zip(files, pool.map(digest, files), strict=True))
