"""The files of a checkpoint that several ranks wrote, read by any number of them, and by who wants weights alone.

The table is read by `sharded_table`, each tensor's part as an archive of PyTorch's that is checked first: no code in
them is executed.
"""

from __future__ import annotations

import io
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, BinaryIO, cast

import torch.distributed as dist
from torch import Tensor
from torch.distributed.checkpoint.api import CheckpointException
from torch.distributed.checkpoint.filesystem import FileSystemReader
from torch.distributed.checkpoint.metadata import Metadata
from torch.distributed.checkpoint.state_dict_loader import load as load_in_place

from model import sharded_table, tensor_files
from model.sharded_table import METADATA

# What every tensor's name begins with, by what it belongs to.
MODEL, OPTIMIZER = "model.", "optimizer."


@contextmanager
def alone() -> Iterator[None]:
    """Let a single process do without a warning what DCP expects of several."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="torch.distributed is disabled")
        yield


class _Reader(FileSystemReader):
    def read_metadata(self, *args: Any, **kwargs: Any) -> Metadata:
        metadata = sharded_table.read(Path(self.path))
        assert metadata.storage_meta is not None
        metadata.storage_meta.load_id = self.load_id
        return metadata

    def _slice_file(self, file: Any, sinfo: Any) -> IO[bytes]:
        part = io.BufferedReader(_Slice(file, sinfo.offset, sinfo.length))
        tensor_files.check(cast(BinaryIO, part), f"{self.path}/{sinfo.relative_path}, from byte {sinfo.offset}")
        part.seek(0)
        return part


class _Slice(io.RawIOBase):
    """Some bytes of a file, as a file (DCP's own seeks from the wrong end)."""

    def __init__(self, file: BinaryIO, start: int, length: int) -> None:
        self._file, self._start, self._length, self._at = file, start, length, 0

    def readable(self) -> bool:
        """Tell that it can be read."""
        return True

    def seekable(self) -> bool:
        """Tell that it has places."""
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to a place in the slice; return it."""
        self._at = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._length}[whence]
        if self._at < 0:
            raise OSError(f"{self._at}: before the beginning")
        return self._at

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer with what is left of the slice; return how many bytes that is."""
        self._file.seek(self._start + self._at)
        content = self._file.read(max(0, min(len(buffer), self._length - self._at)))
        buffer[: len(content)] = content
        self._at += len(content)
        return len(content)


def is_sharded(path: Path) -> bool:
    """Return whether a checkpoint was written by several ranks, or as if by several."""
    return (path / METADATA).exists()


def fill(path: Path, tensors: dict[str, Tensor]) -> None:
    """Fill tensors by their names, this rank's parts of them, from a checkpoint of any number of ranks.

    Raises ValueError for one whose table names anything but tensors in its own files, or whose parts are none.
    """
    try:
        with alone():
            load_in_place(tensors, storage_reader=_Reader(path), no_dist=not dist.is_initialized())
    except CheckpointException as error:
        raise ValueError(f"{path}: cannot be read: {error}") from None
