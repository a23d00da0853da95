"""Local copies of remote files and model directories, for libraries that read paths: fetched once for each content.

A folder's `manifest.json` names its files by SHA-256 (`pipelines.models.training` writes it); a copy is compared with
it, and with what was fetched, before a process uses it, and fetched again if it differs. Copies are kept in
$ALTIPLANO_CACHE, or under the system's temporary folder, by content: no worker reads a model of before, and one
machine's workers share them. That folder must be its user's own: what another user could have put there is not used.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from pipelines.files import storage, waits
from pipelines.hashing import digest_of

FOLDER = "ALTIPLANO_CACHE"
# Copies that this process has compared.
_whole: set[Path] = set()


def local(path: str) -> str:
    """Return the path of a local copy of a remote file or folder; what is local already is answered as it is.

    Raises FileNotFoundError if there is no such file or folder, RuntimeError if its content is not what its manifest
    says, ValueError for a name that leads out of it and for a cache that is not this user's own.
    """
    if not storage.is_remote(path):
        return path
    # One listing more than a model's own file needs, and no assumption about which of the two a path is.
    there = storage.files_in(path)
    if not there:
        raise FileNotFoundError(f"{path}: no such file or folder")
    # A model may have no file: that of a wiki whose dump has no templates.
    files = [found for found in there if not found.endswith("/manifest.json")]
    base = path.rpartition("/")[0] if files == [path] else path.rstrip("/")
    names = {found: storage.inside(found.removeprefix(f"{base}/"), f"the listing of {path}") for found in files}
    digests = _digests(base, files)
    known = digest_of([(found, digests.get(found) or storage.stamp(found)) for found in files])
    folder = _folder() / known
    wanted = {names[found]: digest for found, digest in digests.items() if found in names}
    if folder not in _whole or not folder.exists():
        with _alone(folder, path):
            if not _is_whole(folder, wanted):
                if folder.exists():
                    shutil.rmtree(folder)
                _fetch(names, digests, folder)
    _whole.add(folder)
    return str(folder / names[path]) if files == [path] else str(folder)


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


def default() -> Path:
    """Return where copies are kept if nothing else is said."""
    return Path(tempfile.gettempdir(), f"altiplano-{os.getuid()}")


def _folder() -> Path:
    """Return where copies are kept, made if it is not there; ValueError unless nobody else can write there."""
    given = os.environ.get(FOLDER)
    folder = Path(given) if given else default()
    folder.parent.mkdir(parents=True, exist_ok=True)
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o022:
        raise ValueError(
            f"{folder}: models are not stored there: it must be a folder of user {os.getuid()} that no "
            "other writes to, "
            f"it is user {found.st_uid}'s, {stat.filemode(found.st_mode)}; name another in ${FOLDER}"
        )
    return folder


@contextmanager
def _alone(folder: Path, path: str) -> Iterator[None]:
    """Be the only process of this machine that fetches a copy; the others wait for it, and find it there."""
    with folder.with_name(f"{folder.name}.lock").open("a") as lock:
        with waits.Wait(f"{path}, which another worker fetches"):
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _record(folder: Path) -> Path:
    """Return the file that says which bytes were fetched into a copy."""
    return folder.with_name(f"{folder.name}.json")


def _is_whole(folder: Path, digests: Mapping[str, str]) -> bool:
    """Tell whether a copy is there with the bytes that were fetched, and that its manifest names."""
    fetched = storage.read_json(str(_record(folder))) if folder.is_dir() else None
    if not isinstance(fetched, dict) or not fetched.items() >= digests.items():
        return False
    there = {found.relative_to(folder).as_posix() for found in folder.rglob("*") if not found.is_dir()}
    return there == fetched.keys() and all(storage.sha256(folder / name) == digest for name, digest in fetched.items())


def _fetch(names: Mapping[str, str], digests: Mapping[str, str], folder: Path) -> None:
    """Fetch files under their names into a copy."""
    temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".fetching-"))
    fetched = {}
    try:
        for path, name in names.items():
            target = temporary / name
            target.parent.mkdir(parents=True, exist_ok=True)
            with storage.open_read(path) as stream, target.open("wb") as copy:
                shutil.copyfileobj(stream, copy, 1 << 20)
            fetched[name] = storage.sha256(target)
            if digests.get(path, fetched[name]) != fetched[name]:
                raise RuntimeError(f"{path}: its SHA-256 is not the one that its manifest names")
        storage.write_bytes(str(_record(folder)), json.dumps(fetched).encode())
        with suppress(OSError):  # another worker was first
            temporary.rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    if not folder.exists():
        raise OSError(f"{folder}: the copy of {next(iter(names), 'nothing')} cannot be kept there")
