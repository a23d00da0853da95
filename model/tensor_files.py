"""Files of PyTorch from elsewhere: tensors only, no code, and no more memory than the file has bytes."""

from __future__ import annotations

import io
import pickle
import zipfile
from pathlib import Path
from typing import Any, BinaryIO

import torch


def load(path: Path, *, mmap: bool = False) -> Any:
    """Return what `torch.save` wrote to a file, on the CPU; mapped, not read, if `mmap`.

    Raises ValueError naming the file if it is none of PyTorch's, is compressed, or holds anything but tensors and
    plain values: code in it is not run.
    """
    with path.open("rb") as stream:
        check(stream, str(path))
    try:
        found = torch.load(path, map_location="cpu", weights_only=True, mmap=mmap)
        _check_sizes(found)
        return found
    except pickle.UnpicklingError:  # PyTorch's own words tell how to run the code after all
        raise ValueError(f"{path}: it holds more than tensors and plain values, or is damaged") from None
    except (RuntimeError, ValueError, EOFError, KeyError, IndexError, AttributeError, TypeError) as error:
        raise ValueError(f"{path}: cannot be read as tensors: {error}") from None


def _check_sizes(found: Any) -> None:
    """Raise ValueError for a tensor that names its storage's numbers more than once: written out, it has no end."""
    if isinstance(found, torch.Tensor):
        if found.layout is torch.strided and found.numel() * found.element_size() > found.untyped_storage().nbytes():
            raise ValueError(f"a tensor of {found.numel():,} numbers has a storage of fewer")
    elif isinstance(found, dict):
        for value in found.values():
            _check_sizes(value)
    elif isinstance(found, list | tuple):
        for value in found:
            _check_sizes(value)


def check(stream: BinaryIO, where: str) -> None:
    """Raise ValueError naming `where` unless a stream is an archive of PyTorch's that holds its records as they are.

    PyTorch's own are never compressed, and each has a place of its own; a kilobyte of others may become a gigabyte.
    """
    try:
        with zipfile.ZipFile(stream) as archive:
            entries = archive.infolist()
            size = stream.seek(0, io.SEEK_END)
    except (zipfile.BadZipFile, NotImplementedError, OSError, ValueError) as error:
        raise ValueError(f"{where}: not a file as PyTorch writes it since 1.6: {error}") from None
    for entry in entries:
        if entry.compress_type != zipfile.ZIP_STORED or entry.file_size != entry.compress_size:
            raise ValueError(f"{where}: {entry.filename} in it is compressed, as PyTorch's own never are")
    if sum(entry.file_size for entry in entries) > size:
        raise ValueError(f"{where}: its records together are larger than the file: some of them share bytes")
