"""ZIP archives of files: each member is unpacked, to be looked at like any other file.

A member is called `archive.zip!/folder/name`. What an archive says of itself is not believed: sizes are
counted while it is unpacked, and a name decides nothing about where a member is written.
"""

from __future__ import annotations

import os
import stat
import struct
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from gateway import walk
from gateway.convert.workshop import Workshop
from gateway.errors import Fatal, GatewayError, Reject, Unfinished
from gateway.model import Source
from gateway.stream import CHUNK, open_file

SEPARATOR = "!"

MOST_MEMBERS = 100_000
"""Members of one archive."""

_DIRECTORY = 64 * 1024 * 1024
"""Bytes of an archive's directory, which is held in memory."""

_EXPANSION = 100
"""How many times its own size an archive may have unpacked, where that is more than `_SMALL`."""

_SMALL = 2 * 1024**3
"""Bytes that any archive may have unpacked."""

_END = struct.Struct("<4s4H2LH")
_LOCATOR = struct.Struct("<4sLQL")
_LARGE_END = struct.Struct("<4sQ2H2L4Q")
"""Records at the end of an archive (APPNOTE.TXT 4.3.14 to 4.3.16)."""

_ENCRYPTED = 0x1
_METHODS = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2})
"""Compression that takes little memory to undo, which LZMA need not."""

Refuse = Callable[[Path, str], None]


def split(path: Path) -> tuple[Path, str] | None:
    """The archive and the member in a name such as `archive.zip!/folder/name`; None for other names."""
    for index, part in enumerate(path.parts):
        if part.endswith(SEPARATOR) and index + 1 < len(path.parts):
            archive = Path(*path.parts[:index], part.removesuffix(SEPARATOR))
            if archive.is_file():
                return archive, PurePosixPath(*path.parts[index + 1 :]).as_posix()
    return None


def members(source: Source, shop: Workshop, refuse: Refuse, only: str | None = None) -> Iterator[Source]:
    """The members of an archive in natural order, unpacked in `shop`; `only` the one of this name.

    One that cannot be unpacked is told to `refuse` in words. Raises `Reject` for an archive that cannot
    be read, or would take too much room.
    """
    with open_file(source.path) as file:
        try:
            _check_directory(file, source.path)
            with zipfile.ZipFile(file) as archive:
                found = _listed(archive, source)
                if only is not None:
                    found = {shown: info for shown, info in found.items() if _name(info) == only}
                    if not found:
                        raise Reject(f"{source.path} has no member {only}: check the name")
                for shown, info in sorted(found.items(), key=lambda each: _order(each[0])):
                    try:
                        path = _unpacked(archive, info, shown, shop)
                    except GatewayError as error:
                        if isinstance(error, Fatal):
                            raise
                        refuse(shown, str(error))
                    else:
                        yield Source(path, source.root, shown)
        except (zipfile.BadZipFile, struct.error, EOFError, ValueError, NotImplementedError) as error:
            raise _damaged(source.path, error) from error


def _check_directory(file: BinaryIO, path: Path) -> None:
    """Refuses an archive whose directory would take much memory before it is read."""
    size = file.seek(0, os.SEEK_END)
    start = max(0, size - _END.size - 0xFFFF)
    file.seek(start)
    tail = file.read()
    at = tail.rfind(b"PK\5\6")
    if at < 0 or len(tail) - at < _END.size:
        raise Unfinished(f"{path} is not whole: the ZIP archive has no directory at its end. Copy it again")
    length = _END.unpack_from(tail, at)[5]
    if at >= _LOCATOR.size and tail[at - _LOCATOR.size :].startswith(b"PK\6\7"):
        file.seek(_LOCATOR.unpack_from(tail, at - _LOCATOR.size)[2])
        length = max(length % 0xFFFFFFFF, _LARGE_END.unpack(file.read(_LARGE_END.size))[8])
    if length > min(_DIRECTORY, size):
        raise Reject(
            f"{path} is damaged: the directory of the ZIP archive cannot be that large. Copy it again"
        )
    file.seek(0)


def _listed(archive: zipfile.ZipFile, source: Source) -> dict[Path, zipfile.ZipInfo]:
    """The members that are files of somebody's, by what they are called."""
    infos = [info for info in archive.infolist() if not info.is_dir() and not _is_litter(info)]
    if len(infos) > MOST_MEMBERS:
        raise Reject(f"{source.path} has {len(infos):,} members, and at most {MOST_MEMBERS:,} are unpacked")
    total = sum(info.file_size for info in infos)
    most = max(_SMALL, _EXPANSION * source.path.stat().st_size)
    if total > most:
        raise Reject(
            f"{source.path} would have {total:,} bytes unpacked, which is more than a ZIP archive of files "
            f"of its size has. Unpack it if you trust it, and give the files inside"
        )
    if not infos:
        raise Reject(f"{source.path} is a ZIP archive without files in it")
    found: dict[Path, zipfile.ZipInfo] = {}
    for info in infos:
        shown = source.path.with_name(source.path.name + SEPARATOR).joinpath(*_parts(info))
        if shown in found:
            raise Reject(f"{source.path} is damaged: it has two members {_name(info)}. Unpack it yourself")
        found[shown] = info
    return found


def _parts(info: zipfile.ZipInfo) -> list[str]:
    """The folders and the name of a member, without what would lead out of the archive."""
    parts = info.filename.replace("\\", "/").split("/")
    return [part for part in parts if part not in ("", ".")] or ["_"]


def _name(info: zipfile.ZipInfo) -> str:
    return "/".join(_parts(info))


def _order(path: Path) -> tuple[object, ...]:
    return tuple(walk.natural(part) for part in path.parts)


def _is_litter(info: zipfile.ZipInfo) -> bool:
    return any(part != ".." and walk.is_litter(part) for part in _parts(info))


def _unpacked(archive: zipfile.ZipFile, info: zipfile.ZipInfo, shown: Path, shop: Workshop) -> Path:
    """A member as a file of the workshop. Raises `Reject` for one that cannot be unpacked."""
    _check(info, shown)
    path = shop.new()
    written = 0
    try:
        with archive.open(info) as member, path.open("wb") as file:
            while data := member.read(CHUNK):
                written += len(data)
                if written > info.file_size:
                    raise zipfile.BadZipFile("it is longer than the directory says")
                file.write(data)
        if written < info.file_size:
            raise zipfile.BadZipFile("it is shorter than the directory says")
    except (zipfile.BadZipFile, zlib.error, EOFError, ValueError, NotImplementedError) as error:
        path.unlink(missing_ok=True)
        raise _damaged(shown, error) from error
    except OSError as error:
        if error.errno is None:  # of bzip2, and not of a disk
            raise _damaged(shown, error) from error
        raise Fatal(
            f"{shown} cannot be unpacked ({error.strerror}): name a folder with room for it with --tmp-dir"
        ) from error
    with suppress(ValueError, OverflowError):  # no such day or time
        moment = time.mktime((*info.date_time, 0, 0, -1))
        os.utime(path, (moment, moment))
    return path


def _check(info: zipfile.ZipInfo, shown: Path) -> None:
    """Refuses a member that is encrypted, no file, or not where it says."""
    name = info.filename.replace("\\", "/")
    if info.flag_bits & _ENCRYPTED:
        raise Reject(f"{shown} is encrypted. Unpack the archive with its password and give the files inside")
    if stat.S_IFMT(info.external_attr >> 16) not in (0, stat.S_IFREG):
        raise Reject(f"{shown} is no file but a link or device, and is not unpacked")
    if ".." in name.split("/") or name.startswith("/") or name[1:2] == ":":
        raise Reject(f"{shown} has a name that leads out of its archive, and is not unpacked")
    if info.compress_type not in _METHODS:
        raise Reject(
            f"{shown} is compressed in a way that is not known here ({info.compress_type}). "
            "Unpack the archive and give the files inside"
        )


def _damaged(path: Path, error: Exception) -> Reject:
    return Reject(f"{path} is damaged: the ZIP archive cannot be unpacked ({error}). Copy or make it again")
