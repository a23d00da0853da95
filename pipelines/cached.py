"""Local copies of remote files and model directories, for libraries that read paths: fetched once for each content.

A folder's `manifest.json` names its files by SHA-256 (`pipelines.models` writes it); a copy is checked against it
before it is used. Copies are kept in $ALTIPLANO_CACHE, or under the system's temporary folder, by content: no worker
reads a model of before, and one machine's workers share them.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from pipelines import storage
from pipelines.hashing import digest_of

FOLDER = "ALTIPLANO_CACHE"


def local(path: str) -> str:
    """Return the path of a local copy of a remote file or folder; what is local already is answered as it is.

    Raises FileNotFoundError if there is no such file or folder, RuntimeError if its content is not what its manifest
    says.
    """
    if not storage.is_remote(path):
        return path
    # One listing more than a model's own file needs, and no assumption about which of the two a path is.
    files = [found for found in storage.list_files(path) if not found.endswith("/manifest.json")]
    if not files:
        raise FileNotFoundError(f"{path}: no such file or folder")
    base = path.rpartition("/")[0] if files == [path] else path.rstrip("/")
    digests = _digests(base, files)
    folder = _folder() / digest_of([(found, digests.get(found) or storage.stamp(found)) for found in files])
    if not folder.exists():
        _fetch(base, files, digests, folder)
    return str(folder / files[0].removeprefix(f"{base}/")) if files == [path] else str(folder)


def _digests(base: str, files: list[str]) -> Mapping[str, str]:
    """Return the SHA-256 of each file that a manifest in its folder, or in `base`, names."""
    folders = {base} | {found.rpartition("/")[0] for found in files}
    found = {}
    for folder in sorted(folders):
        manifest = storage.read_json(f"{folder}/manifest.json")
        named = manifest.get("files") if isinstance(manifest, dict) else None
        if isinstance(named, dict):
            found.update({f"{folder}/{name}": digest for name, digest in named.items()})
    return found


def _folder() -> Path:
    given = os.environ.get(FOLDER)
    return Path(given) if given else Path(tempfile.gettempdir(), f"altiplano-{os.getuid()}")


def _fetch(base: str, files: list[str], digests: Mapping[str, str], folder: Path) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".fetching-"))
    try:
        for path in files:
            target = temporary / path.removeprefix(f"{base}/")
            target.parent.mkdir(parents=True, exist_ok=True)
            with storage.open_read(path) as stream, target.open("wb") as copy:
                shutil.copyfileobj(stream, copy, 1 << 20)
            wanted = digests.get(path)
            with target.open("rb") as copied:
                if wanted and hashlib.file_digest(copied, "sha256").hexdigest() != wanted:
                    raise RuntimeError(f"{path}: its SHA-256 is not the one that its manifest names")
        with suppress(OSError):  # another worker was first
            temporary.rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    if not folder.exists():
        raise OSError(f"{folder}: the copy of {base} cannot be kept there")
