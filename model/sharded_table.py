"""The table of a sharded checkpoint's tensors, a pickle of DCP's, read without making anything that it names.

    pickle -> inert records of a few known names -> fields, checked -> DCP's own table, of tensors only

DCP unpickles the table as it is, and what the table calls bytes by a full pickle: both run the code of whoever wrote
the checkpoint. Here a name in the pickle stands for an empty class made for this one reading, bytes are refused, and a
tensor's place must lie in a file of the checkpoint's own folder.
"""

from __future__ import annotations

import io
import pickle
import pickletools
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch.distributed.checkpoint.filesystem import _StorageInfo
from torch.distributed.checkpoint.metadata import (
    ChunkStorageMetadata,
    Metadata,
    MetadataIndex,
    StorageMeta,
    TensorProperties,
    TensorStorageMetadata,
)

METADATA = ".metadata"
# All that a table is made of; anything else in it is refused.
_RECORDS = {
    "torch.distributed.checkpoint.metadata": {
        *("Metadata", "MetadataIndex", "TensorStorageMetadata", "ChunkStorageMetadata", "TensorProperties"),
        *("StorageMeta", "_MEM_FORMAT_ENCODING"),
    },
    "torch.distributed.checkpoint.filesystem": {"_StorageInfo"},
    "torch.serialization": {"_get_layout"},
    "torch": {"Size"},
    "pathlib": {"PosixPath"},
    "pathlib._local": {"PosixPath"},
}
_DTYPES = ("float32", "bfloat16", "int64")
_FILE = re.compile(r"__[0-9]+_[0-9]+\.distcp")
_LARGEST = 1 << 48  # elements of a tensor, and bytes of a file
_DIMENSIONS = 8


class _Record:
    """Keeps what a pickle gives it."""

    made_of: tuple[Any, ...]
    state: Any = None

    def __new__(cls, *arguments: Any) -> _Record:
        record = super().__new__(cls)
        record.made_of = arguments
        return record

    def __init__(self, *_: Any) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        self.state = state


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if module == "torch" and name in _DTYPES:
            return getattr(torch, name)
        if name not in _RECORDS.get(module, ()):
            raise ValueError(f"it names {module}.{name}, which a table of tensors never needs")
        # Of its own, so that a pickle that writes to a class changes nothing that outlives it.
        return type(name, (_Record,), {})


def read(folder: Path) -> Metadata:
    """Return the table of a checkpoint; raise ValueError naming the file for one of anything but tensors in it."""
    path = folder / METADATA
    try:
        content = path.read_bytes()
        _check_memo(content)
        return _table(_Unpickler(io.BytesIO(content)).load(), folder)
    except (
        ValueError,
        AssertionError,
        TypeError,
        KeyError,
        AttributeError,
        IndexError,
        EOFError,
        ImportError,
    ) as error:
        raise ValueError(f"{path}: no table of tensors: {error}") from None
    except (pickle.UnpicklingError, MemoryError, RecursionError, OverflowError) as error:
        raise ValueError(f"{path}: damaged: {error}") from None


def _check_memo(content: bytes) -> None:
    """Raise ValueError for a place in the pickle's memo that it cannot need: all places below are made at once."""
    for number, (code, argument, _) in enumerate(pickletools.genops(content)):
        if code.name in ("PUT", "BINPUT", "LONG_BINPUT") and int(argument or 0) > number:
            raise ValueError(f"it writes to place {argument} of its memo")


def _table(found: Any, folder: Path) -> Metadata:
    fields = _fields(found, "Metadata")
    sizes: dict[str, int] = {}
    return Metadata(
        state_dict_metadata=_mapped(fields["state_dict_metadata"], _name, _tensor),
        planner_data={name: (name,) for name in fields["state_dict_metadata"]},
        storage_data=_mapped(fields["storage_data"], _index, lambda place: _place(place, folder, sizes)),
        storage_meta=StorageMeta(),
    )


def _mapped(found: Any, key: Callable[[Any], Any], value: Callable[[Any], Any]) -> dict[Any, Any]:
    if not isinstance(found, dict):
        raise ValueError(f"{type(found).__name__} where a dictionary is expected")
    return {key(one): value(other) for one, other in found.items()}


def _fields(found: Any, name: str) -> Mapping[str, Any]:
    if type(found).__name__ != name or not isinstance(found, _Record) or not isinstance(found.state, dict):
        raise ValueError(f"{type(found).__name__} where {name} is expected: only tensors are read")
    return found.state


def _name(found: Any) -> str:
    if not isinstance(found, str):
        raise ValueError(f"a tensor's name is {type(found).__name__}")
    return found


def _tensor(found: Any) -> TensorStorageMetadata:
    fields = _fields(found, "TensorStorageMetadata")
    properties = fields["properties"]
    dtype = properties.state[0] if isinstance(properties, _Record) and isinstance(properties.state, tuple) else None
    if not isinstance(dtype, torch.dtype):
        raise ValueError(f"a tensor without one of the types {', '.join(_DTYPES)}")
    size = _size(fields["size"])
    chunks = [_chunk(chunk, size) for chunk in fields["chunks"]]
    return TensorStorageMetadata(TensorProperties(dtype=dtype), size, chunks)


def _chunk(found: Any, whole: torch.Size) -> ChunkStorageMetadata:
    fields = _fields(found, "ChunkStorageMetadata")
    offsets, sizes = _size(fields["offsets"]), _size(fields["sizes"])
    if not len(offsets) == len(sizes) == len(whole) or any(
        offset + size > limit for offset, size, limit in zip(offsets, sizes, whole, strict=True)
    ):
        raise ValueError(f"a part of {tuple(sizes)} at {tuple(offsets)} of a tensor of {tuple(whole)}")
    return ChunkStorageMetadata(offsets, sizes)


def _size(found: Any) -> torch.Size:
    (numbers,) = found.made_of
    sizes = [_number(number) for number in numbers]
    if len(sizes) > _DIMENSIONS or torch.Size(sizes).numel() > _LARGEST:
        raise ValueError(f"a tensor of {sizes[:_DIMENSIONS]}")
    return torch.Size(sizes)


def _number(found: Any) -> int:
    if type(found) is not int or not 0 <= found <= _LARGEST:
        raise ValueError(f"{found!r} where a number from 0 to {_LARGEST} is expected")
    return found


def _index(found: Any) -> MetadataIndex:
    fields = _fields(found, "MetadataIndex")
    offset, number = fields.get("offset"), fields.get("index")
    return MetadataIndex(
        _name(fields["fqn"]), None if offset is None else _size(offset), None if number is None else _number(number)
    )


def _place(found: Any, folder: Path, sizes: dict[str, int]) -> _StorageInfo:
    """Return where a part lies; `sizes` remembers the bytes of the folder's files."""
    fields = _fields(found, "_StorageInfo")
    name, offset, length = fields["relative_path"], _number(fields["offset"]), _number(fields["length"])
    if not isinstance(name, str) or not _FILE.fullmatch(name):
        raise ValueError(f"{name!r} is no file of the checkpoint, such as __0_0.distcp")
    if fields.get("transform_descriptors"):
        raise ValueError(f"{name} is compressed; our checkpoints never are")
    if name not in sizes:
        sizes[name] = (folder / name).stat().st_size if (folder / name).is_file() else 0
    if offset + length > sizes[name]:
        raise ValueError(f"bytes {offset} to {offset + length} of {name}, which has {sizes[name]}")
    return _StorageInfo(name, offset, length)
