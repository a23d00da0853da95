"""One form for every path that a command takes, so that two spellings of a place are one place.

    corpus/  ./corpus  a/../corpus  file:///data/corpus  ~/corpus  s3://bucket//corpus/  ->  corpus  ...  s3://bucket/corpus

A relative path stays relative, and a link keeps its own name: people know their folders by them, and manifests name
inputs so. Only `..` behind a link is followed to where the system would go.
"""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote, urlsplit

STORES = ("s3", "gs")
WEB = ("http", "https")
# What a shell leaves of `s3://bucket` after a hasty edit is a local path by its form, and never by its intent.
_USER = re.compile(r"[^/\s]*@")
_CUT = re.compile(rf"({'|'.join((*STORES, *WEB))}):/?(?!/)", re.IGNORECASE)
_GLOB = re.compile(r"[*?[]")


def scheme_of(path: str) -> str:
    """Return a path's scheme in lower case, "" for a local path."""
    before, separator, _ = path.partition("://")
    return before.lower() if separator and re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]*", before) else ""


def form(path: str) -> str:
    """Return the one form of a folder or file, local or on a store; ValueError for what names no place.

    A web address stays as it is, and so does a scheme that nothing here reads: whoever opens it says so.
    """
    if not path or "\0" in path:
        raise ValueError(f"{path!r}: a path is expected")
    scheme = scheme_of(path)
    if scheme in STORES:
        return _on_store(path, scheme)
    if scheme == "file" or path.lower().startswith("file:/"):
        return _local(_of_url(path))
    if not scheme and _CUT.match(path):
        raise ValueError(
            f"{_named(path)}: write {path.partition(':')[0].lower()}://, with two slashes (or ./NAME for a file)"
        )
    return path if scheme else _local(path)


def _named(path: str) -> str:
    """Return a path for a message, without what may be a name and a password."""
    return _USER.sub("...@", path)


def pattern(path: str) -> str:
    """Return the form of what is to be read: as `form`, but the name of an object stays letter for letter.

    A store tells `a//b` from `a/b`, and what somebody else wrote there must be found under its own name.
    """
    scheme = scheme_of(path)
    if scheme in STORES:
        form(path)
        return f"{scheme}{path[len(scheme) :]}"
    return form(path)


def folder(path: str) -> str:
    """Return the form of a folder that is written to: as `form`, but the root of a disk is no such folder."""
    found = form(path)
    if not scheme_of(found) and os.path.realpath(found) in (os.sep, os.path.realpath(os.path.expanduser("~"))):
        raise ValueError(f"{path}: the root of the disk and your home are no folders for this; name one below it")
    return found


def within(folder: str, name: str) -> str:
    """Return the path of a file that something names in its folder; ValueError for a name that leads out of it."""
    parts = name.split("/") if isinstance(name, str) else [""]
    if "" in parts or "." in parts or ".." in parts or "\0" in name:
        raise ValueError(f"{folder}: {name!r} is not the name of a file in this folder")
    return f"{folder}/{name}"


def option(text: str) -> str:
    """Return `form` of a command's argument, for argparse; no web address, nor one with a name, password or query."""
    return _said(_here_or_on_store, text)


def address_option(text: str) -> str:
    """Return `form` of a command's argument that may be a web address too, for argparse."""
    return _said(form, text)


def _here_or_on_store(text: str) -> str:
    scheme, rest = scheme_of(text), text.partition("://")[2]
    is_web = "@" in rest.partition("/")[0] or "=" in rest.partition("?")[2]  # a user, a query: they may be secret
    if scheme not in ("", "file", *STORES) or (scheme in STORES and is_web):
        raise ValueError(f"{scheme}://...: a folder or file here, or s3://BUCKET/NAME or gs://BUCKET/NAME, is expected")
    return form(text)


def output_option(text: str) -> str:
    """Return `folder` of a command's argument, for argparse."""
    option(text)
    return _said(folder, text)


def local_option(text: str) -> Path:
    """Return `form` of an argument that has to be local, for argparse."""
    found = option(text)
    if scheme_of(found):
        raise argparse.ArgumentTypeError(f"{scheme_of(found)}://...: a path on this machine is expected")
    return Path(found)


def local_output_option(text: str) -> Path:
    """Return `folder` of an argument that has to be local, for argparse."""
    output_option(text)
    return local_option(text)


def _said(check: Callable[[str], str], text: str) -> str:
    try:
        return check(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _on_store(path: str, scheme: str) -> str:
    bucket, *names = path[len(scheme) + len("://") :].split("/")
    if not bucket:
        raise ValueError(f"{_named(path)}: write it as {scheme}://BUCKET/NAME")
    if ".." in names:
        raise ValueError(f"{_named(path)}: a store has no parent folders; write the name without '..'")
    return f"{scheme}://{'/'.join([bucket, *(name for name in names if name not in ('', '.'))])}"


def _of_url(path: str) -> str:
    parts = urlsplit(path)
    if parts.netloc not in ("", "localhost"):
        raise ValueError(f"{_named(path)}: this names another machine; a local file:// address has three slashes")
    # A question mark and a number sign are letters of a name here, not parts of an address.
    return unquote(path.partition(":")[2].removeprefix(f"//{parts.netloc}")) or "/"


def _local(path: str) -> str:
    expanded = os.path.expanduser(path)
    if expanded.startswith("~") and not os.path.lexists(expanded):
        raise ValueError(f"{path}: there is no such user (write ./{path} for a name that begins with ~)")
    found = os.path.normpath(_followed(expanded))
    if found.startswith("//"):  # POSIX lets two slashes be another root
        return found[1:]
    return f"./{found}" if found.startswith("~") or _CUT.match(found) else found


def _followed(path: str) -> str:
    """Return a path in which no `..` stands behind a link: from there the system goes up from the link's target."""
    parts = path.split(os.sep)
    for number in range(len(parts) - 1, 0, -1):
        before = os.sep.join(parts[:number]) or os.sep
        if parts[number] == ".." and not _GLOB.search(before) and _through_link(before):
            return os.sep.join([os.path.realpath(os.path.join(before, "..")), *parts[number + 1 :]])
    return path


def _through_link(path: str) -> bool:
    """Tell whether going up from a path by its letters leads elsewhere than the system would go."""
    return os.path.realpath(os.path.join(path, "..")) != os.path.realpath(os.path.normpath(os.path.join(path, "..")))
