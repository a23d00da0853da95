"""Frames of zstd as one stream of what they hold: `.warc.zst`, with a dictionary or without.

    [dictionary] frame frame ... -> bytes; in place of what is damaged a record of nothing, then the next frame

The dictionary, if there is one, is the content of a skippable frame at the start, itself packed or not
(iipc.github.io/warc-specifications, "Zstandard compression"). Memory is bounded: a frame is unpacked STEP bytes at a
time, each of which stands for 32 KiB at most.
"""

from __future__ import annotations

import io
from typing import Any, BinaryIO, Final

import zstandard

MAGIC: Final = b"\x28\xb5\x2f\xfd"
DICTIONARY: Final = b"\x5d\x2a\x4d\x18"  # the skippable frame that holds one
STEP: Final = 1 << 11
WINDOW_LIMIT: Final = 1 << 27  # bytes; the largest that zstd's own command takes without being asked
DICTIONARY_LIMIT: Final = 1 << 24  # bytes
DAMAGED: Final = b"WARC/0.0 a damaged frame of zstd"
DAMAGE: Final = b"\r\n\r\n" + DAMAGED + b"\r\n\r\n"
_CHUNK: Final = 1 << 16


class Frames(io.RawIOBase):
    """What the frames of a stream hold, read once. Raises ValueError for a dictionary that cannot be read."""

    def __init__(self, stream: BinaryIO, name: str) -> None:
        self._stream = stream
        self._packed = b""
        self._unpacked = b""
        self._frame: Any = None
        self._unpacker = zstandard.ZstdDecompressor(max_window_size=WINDOW_LIMIT)
        if self._peek(8).startswith(DICTIONARY):
            self._read_dictionary(name)

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer with what comes next; return how much of it, 0 at the end."""
        while not self._unpacked and self._peek(1):
            self._go_on()
        if not self._unpacked and self._frame is not None:  # it ends early
            self._frame, self._unpacked = None, DAMAGE
        data, self._unpacked = self._unpacked[: len(buffer)], self._unpacked[len(buffer) :]
        buffer[: len(data)] = data
        return len(data)

    def _peek(self, size: int) -> bytes:
        while len(self._packed) < size and (more := self._stream.read(_CHUNK)):
            self._packed += more
        return self._packed[:size]

    def _skip(self, size: int) -> None:
        while size and (skipped := len(self._peek(min(size, _CHUNK)))):
            self._packed, size = self._packed[skipped:], size - skipped

    def _read_dictionary(self, name: str) -> None:
        size = int.from_bytes(self._peek(8)[4:], "little")
        self._skip(8)
        content = self._peek(size) if size <= DICTIONARY_LIMIT else b""
        self._skip(size)
        try:
            if content.startswith(MAGIC):
                content = zstandard.ZstdDecompressor().decompress(content, max_output_size=DICTIONARY_LIMIT)
            dictionary = zstandard.ZstdCompressionDict(content)
            self._unpacker = zstandard.ZstdDecompressor(dictionary, max_window_size=WINDOW_LIMIT)
        except (zstandard.ZstdError, ValueError, MemoryError) as error:
            raise ValueError(f"{name}: the zstd dictionary of this file cannot be read: {error}") from None

    def _go_on(self) -> None:
        """Unpack a little more, or go to the next frame."""
        if self._frame is None:
            head = self._peek(8)
            if head.startswith(MAGIC):
                self._frame = self._unpacker.decompressobj()
            elif head[1:4] == DICTIONARY[1:] and head[0] >> 4 == 5:
                self._skip(8 + int.from_bytes(head[4:], "little"))
                return
            else:
                self._seek_frame()
                return
        given = self._peek(STEP)
        try:
            self._unpacked = self._frame.decompress(given)
        except zstandard.ZstdError:
            self._seek_frame()
            return
        rest = self._frame.unused_data
        self._packed = rest + self._packed[len(given) :]
        if self._frame.eof:
            self._frame = None

    def _seek_frame(self) -> None:
        """Go on to what begins as a frame, or to the end."""
        self._frame, self._unpacked = None, DAMAGE
        self._skip(1)
        while (at := self._packed.find(MAGIC)) < 0:
            self._skip(max(0, len(self._packed) - len(MAGIC) + 1))
            held = len(self._packed)
            if len(self._peek(held + 1)) == held:
                self._skip(held)
                return
        self._skip(at)
