"""A build's own folder in the system's temporary folder: what it and its workers leave there goes with it.

    TMPDIR/altiplano-build-XXXXXXXX/lock    locked by the build as long as it lives, however it ends

Beam, fastText and others make temporary files and do not remove them when they are interrupted. A folder of this form
that is ours and that nobody holds is what a killed build left: the next build removes it.
"""

from __future__ import annotations

import fcntl
import multiprocessing.util
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from pipelines.files import cached

PREFIX: Final = "altiplano-build-"
LOCK: Final = "lock"


@contextmanager
def own() -> Iterator[None]:
    """Let this process and those that it starts make their temporary files in a folder that is removed at the end."""
    # What lasts longer than a build stays where it is: the socket of the server of workers, copies of models.
    multiprocessing.util.get_temp_dir()
    kept = {name: os.environ.get(name) for name in ("TMPDIR", cached.FOLDER)}
    os.environ.setdefault(cached.FOLDER, str(cached.default()))
    _sweep(Path(tempfile.gettempdir()))
    folder = Path(tempfile.mkdtemp(prefix=PREFIX))
    before, tempfile.tempdir = tempfile.tempdir, str(folder)
    os.environ["TMPDIR"] = str(folder)
    try:
        with (folder / f".{LOCK}").open("wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            Path(lock.name).rename(folder / LOCK)  # whoever sees it finds it held
            yield
    finally:
        tempfile.tempdir = before
        for name, value in kept.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})
        shutil.rmtree(folder, ignore_errors=True)


def _sweep(system: Path) -> None:
    """Remove the folders of builds that were killed: of this user, and held by nobody."""
    for folder in system.glob(f"{PREFIX}*"):
        with suppress(OSError):
            found = folder.lstat()
            if stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid():
                with (folder / LOCK).open("rb") as lock:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    shutil.rmtree(folder, ignore_errors=True)
