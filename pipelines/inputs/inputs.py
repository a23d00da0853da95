"""Inputs: globs, URLs and listings to files identified by content.

The content's SHA-256 is remembered beside the corpus with the file's size and modification time, so that a second run
does not read everything again. A local file that changed is another input; an object on a server is refused.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import PurePath
from typing import Any

from pipelines.files import ours, paths, storage
from pipelines.inputs import listings
from pipelines.readers import Dump
from pipelines.runners import events
from pipelines.stages.source import Input, Source, input_digest

Attributes = tuple[tuple[str, str], ...]  # names and values, sorted
_LOOKED_AT = 1_000  # inputs of a source, at most
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
            f"--input {option}: there is no source {name!r}, only {', '.join(sources)}; "
            f"for texts of your own, name it in the recipe: --set texts.{name}.share=0"
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


def find(
    source: Source, patterns: Sequence[tuple[Mapping[str, str], str]], cache: str, remember: bool = True
) -> list[Input]:
    """Return a source's inputs: what `listed` finds, told apart by `identified`."""
    return identified(source, listed(source, patterns, cache), cache, remember)


def listed(source: Source, patterns: Sequence[tuple[Mapping[str, str], str]], cache: str) -> dict[str, Attributes]:
    """Return a source's files with their attributes; nothing is read but, on this machine, beginnings of files.

    Files on the web are fetched into the folder `downloads` beside `cache` (see `pipelines.inputs.listings`).
    Attributes that are given stand for those of the same name that a file's name tells. Raises ValueError if a pattern
    matches nothing, if the source knows no such attribute, if a name does not tell one that it must, or if the source
    sees that it cannot read a file.
    """
    downloads = f"{cache.rpartition('/')[0]}/downloads"
    files: dict[str, Mapping[str, str]] = {}
    folders: dict[str, tuple[str, ours.Kind] | None] = {}
    for given_attributes, pattern in patterns:
        if not listings.is_web(pattern):
            storage.check(pattern)
        _check_names(source, given_attributes, pattern)
        expanded = listings.expand(given_attributes, pattern, downloads)
        attributes, there = expanded or (given_attributes, storage.list_files(pattern))
        found = [path for path in there if path == pattern or not PurePath(path).name.startswith(".")]
        if expanded is None:
            found = _others(source.name, pattern, found, folders)
        if not found:
            raise ValueError(f"--input {source.name}={pattern}: no such file")
        for path in found:
            if files.setdefault(path, attributes) != attributes:
                raise ValueError(f"--input {source.name}={pattern}: {path} is given twice, with other attributes")
    told = {path: _attributes(source, path, given, downloads) for path, given in sorted(files.items())}
    for path in [path for path in told if not storage.is_remote(path)][:_LOOKED_AT]:
        _look(source, path, told[path])
    return told


def identified(source: Source, files: Mapping[str, Attributes], cache: str, remember: bool = True) -> list[Input]:
    """Return the inputs that a source's files are, by their content; what has the same content is one input."""
    found_before = storage.read_json(cache)
    remembered = found_before if isinstance(found_before, dict) else {}
    digests = _digests(sorted(files), remembered, cache)
    if remember:
        storage.write_json(cache, {**remembered, **digests})
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
    told = _told(source, listings.address_of(path, downloads)) if given.keys() < {*source.attribute_names} else {}
    return tuple(sorted((told | dict(given)).items()))


def _look(source: Source, path: str, attributes: Attributes) -> None:
    """Look at the beginning of an input; raise ValueError naming it if it cannot be what it should."""
    if source.look is None:
        return
    with storage.open_read(path) as stream:
        if not stream.read(1):
            events.warn(f"--input {source.name}={path}: the file is empty")
            return
        stream.seek(0)
        try:
            source.look(stream, Dump(path, "", dict(attributes)))
        except ValueError as error:
            what = str(error).removeprefix(f"{path}: ")
            raise ValueError(f"--input {source.name}={path}: {what}") from None


def _others(source: str, pattern: str, found: Sequence[str], folders: dict[str, Any]) -> list[str]:
    """Return the files that are not in a folder that we made: a corpus, an export and a run are never inputs.

    What a folder or a glob names beside others is left out; ValueError if all of it is ours.
    """
    owners = {path: ours.owner(path, folders) for path in found}
    made = {path: owner for path, owner in owners.items() if owner is not None and not owner[1].is_input}
    if made and len(made) == len(found):
        folder, kind = next(iter(made.values()))
        raise ValueError(
            f"--input {source}={pattern}: {folder} was made here ({kind}), and what we made is never an input"
        )
    for folder, kind in sorted(set(made.values())):
        events.warn(f"--input {source}={pattern}: leaves out {folder}, which was made here ({kind})")
    return [path for path in found if path not in made]


def _check_names(source: Source, given: Mapping[str, str], pattern: str) -> None:
    for name, value in given.items():
        if name not in (*source.attribute_names, *listings.ATTRIBUTES):
            own = "".join(f"{known}, " for known in source.attribute_names)
            raise ValueError(
                f"--input {source.name}[{name}={value}]={pattern}: {source.name} knows no attribute {name!r}, only "
                f"{own}and of a listing {' and '.join(listings.ATTRIBUTES)}"
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
    files: Sequence[str], remembered: Mapping[str, Sequence[str | int]], cache: str
) -> dict[str, list[str | int]]:
    def digest(path: str) -> list[str | int]:
        size, changed = storage.stamp(path)
        known = remembered.get(path)
        if known is not None and list(known[:2]) == [size, changed]:
            return list(known)
        sha256 = storage.sha256(path)
        # On this machine another content is another input; a dump on a server is said to be one forever.
        if storage.is_remote(path) and known is not None and known[2] != sha256:
            raise ValueError(
                f"{path}: the object has changed since it was first read (SHA-256 {known[2]}, now {sha256}); remove "
                f"its line from {cache} to take the new one"
            )
        return [size, changed, sha256]

    with ThreadPoolExecutor(4) as pool:
        return dict(zip(files, pool.map(digest, files), strict=True))
