"""Bytes that are known by where they are.

A `Stream` is what the gateway has instead of file contents in memory: literal bytes and slices of
files, in order. Its length is known before anything is read, and it can be read any number of times,
which is what `Content-Length` and a repeated request need.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import BinaryIO

from gateway.errors import Reject, Retry

CHUNK = 256 * 1024
"""Bytes read at a time: large enough for the disk, small enough to hold several."""


COARSE = 2_000_000_000
"""Nanoseconds between two moments that every file system tells apart; those of FAT are the coarsest."""
FINE = 50_000_000
"""The same where file systems write fractions of seconds: several ticks of the slowest clocks of kernels."""


@dataclass(frozen=True, slots=True)
class FileStamp:
    """What tells that a file is still the one that was looked at."""

    size: int
    modified_ns: int
    inode: int

    @classmethod
    def of(cls, status: os.stat_result) -> FileStamp:
        """The stamp in the result of a `stat`."""
        return cls(status.st_size, status.st_mtime_ns, status.st_ino)

    @classmethod
    def at(cls, path: Path) -> FileStamp | None:
        """The stamp that a file has now; None where there is none."""
        try:
            return cls.of(path.stat())
        except OSError:
            return None

    @property
    def settled(self) -> bool:
        """Whether the next change of the file will show in its stamp, however coarse its file system's clock
        is. What is remembered of a file by a stamp that is not settled may be out of date unseen."""
        tick = FINE if self.modified_ns % 1_000_000_000 else COARSE
        return abs(time.time_ns() - self.modified_ns) > tick


@dataclass(frozen=True, slots=True)
class FileSlice:
    """A run of bytes in a file.

    `stamp` is the file's when it was examined: reading fails when it has changed since. `swap` is the
    size in bytes of the words whose byte order is turned round on the way, 1 for none (Big Endian
    pixel data); offset and length are then multiples of it.
    """

    path: Path
    offset: int
    length: int
    stamp: FileStamp
    swap: int = 1

    @classmethod
    def whole(cls, path: Path) -> FileSlice:
        """All bytes of a file as it is now."""
        stamp = FileStamp.of(stat(path))
        return cls(path, 0, stamp.size, stamp)

    def __iter__(self) -> Iterator[bytes]:
        with open_file(self.path) as file:
            self._check(file)
            file.seek(self.offset)
            left = self.length
            while left:
                chunk = file.read(min(CHUNK, left))
                if not chunk:
                    raise Retry(
                        f"{self.path} became shorter while it was being read; try again when it is complete"
                    )
                left -= len(chunk)
                if not left:  # before the last bytes leave, so that a changed source never looks complete
                    self._check(file)
                yield chunk if self.swap == 1 else swapped(chunk, self.swap)

    def cut(self, start: int, length: int) -> FileSlice:
        """The `length` bytes that begin at `start`; ValueError amid a word whose bytes are turned round."""
        if start % self.swap or length % self.swap:
            raise ValueError(f"bytes {start} to {start + length} are not whole words of {self.swap}")
        return replace(self, offset=self.offset + start, length=length)

    def _check(self, file: BinaryIO) -> None:
        if FileStamp.of(os.fstat(file.fileno())) != self.stamp:
            raise Retry(f"{self.path} changed while it was being read; try again when it is complete")


@dataclass(frozen=True)
class Stream:
    """Literal bytes and slices of files in order: sized, and readable again and again."""

    pieces: tuple[bytes | FileSlice, ...] = ()

    @classmethod
    def of(cls, *parts: bytes | FileSlice | Stream) -> Stream:
        """One stream of all parts; neighbouring literal bytes become one piece."""
        return cls(tuple(_joined(_flat(parts))))

    @cached_property
    def length(self) -> int:
        """Number of bytes."""
        return sum(len(piece) if isinstance(piece, bytes) else piece.length for piece in self.pieces)

    def __iter__(self) -> Iterator[bytes]:
        for piece in self.pieces:
            if isinstance(piece, bytes):
                yield piece
            else:
                yield from piece

    def read(self) -> bytes:
        """All bytes at once; for small streams only."""
        return b"".join(self)

    def cut(self, start: int, length: int) -> Stream:
        """The `length` bytes that begin at `start`.

        Raises ValueError where there are fewer, or where the cut goes through a word whose bytes are
        turned round.
        """
        if start < 0 or length < 0 or start + length > self.length:
            raise ValueError(f"bytes {start} to {start + length} of {self.length}")
        return Stream.of(*self._overlaps(start, start + length))

    def _overlaps(self, start: int, end: int) -> Iterator[bytes | FileSlice]:
        begin = 0
        for piece in self.pieces:
            size = len(piece) if isinstance(piece, bytes) else piece.length
            first, last = max(start - begin, 0), min(end - begin, size)
            if first < last:
                yield piece[first:last] if isinstance(piece, bytes) else piece.cut(first, last - first)
            begin += size


def swapped(data: bytes, size: int) -> bytes:
    """The words of `size` bytes in `data` with the order of their bytes turned round."""
    turned = bytearray(len(data))
    for position in range(size):
        turned[position::size] = data[size - 1 - position :: size]
    return bytes(turned)


def stat(path: Path) -> os.stat_result:
    """`os.stat` whose failure is a `Reject` in words."""
    try:
        return path.stat()
    except OSError as error:
        raise _unreadable(path, error) from error


def open_file(path: Path) -> BinaryIO:
    """The file opened for reading bytes; failure is a `Reject` in words."""
    try:
        return path.open("rb")
    except OSError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: OSError) -> Reject:
    reason = error.strerror or type(error).__name__
    return Reject(f"{path} cannot be read: {reason}. Check that it is there and that you may read it")


def _flat(parts: Iterable[bytes | FileSlice | Stream]) -> Iterator[bytes | FileSlice]:
    for part in parts:
        if isinstance(part, Stream):
            yield from part.pieces
        elif not isinstance(part, bytes) or part:
            yield part


def _joined(pieces: Iterable[bytes | FileSlice]) -> Iterator[bytes | FileSlice]:
    waiting: list[bytes] = []
    for piece in pieces:
        if isinstance(piece, bytes):
            waiting.append(piece)
            continue
        if waiting:
            yield b"".join(waiting)
            waiting = []
        yield piece
    if waiting:
        yield b"".join(waiting)
