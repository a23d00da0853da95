"""Files that exist only when they are complete."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import IO


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """Give a binary file that takes the place of `path` when the block ends, and leaves nothing if it fails.

    The name until then is unique beside `path`, so two attempts at once cannot mix their bytes.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{secrets.token_hex(8)}.part")
    with part.open("xb") as file:
        try:
            yield file
        except BaseException:
            part.unlink(missing_ok=True)
            raise
    part.replace(path)
