"""Which files were meant when a file or a folder was named."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Iterator
from fnmatch import fnmatchcase, translate
from pathlib import Path

from gateway.model import Source

LITTER = (
    ".*", "@eaDir", "#recycle", "__MACOSX", "Thumbs.db", "desktop.ini", "~$*",
    "*.tmp", "*.part", "*.partial", "*.crdownload", "*.filepart",
)  # fmt: skip
"""Names that desktops, file servers and unfinished copies leave; inside folders they are passed over."""

_LITTER = re.compile("|".join(map(translate, LITTER)))


def sources(path: Path, unreadable: Callable[[Path, str], None]) -> Iterator[Source]:
    """The file named, or all files below the folder named, in natural order (`img2` before `img10`).

    What is not there or cannot be read is told to `unreadable` in words; the rest goes on.
    """
    if path.is_dir():
        yield from _below(path, path, unreadable)
    elif path.exists():
        yield Source(path, path.parent)
    else:
        unreadable(path, f"{path} is not there: check the name")


def natural(name: str) -> tuple[tuple[int, int, str], ...]:
    """A sort key under which numbers in names count as numbers."""
    return tuple(
        (0, int(part), "") if part.isdecimal() and part.isascii() else (1, 0, part.casefold())
        for part in re.split(r"([0-9]+)", name)
        if part
    )


def is_litter(name: str) -> bool:
    """Whether a file or folder of this name is nobody's."""
    return _LITTER.match(name) is not None


def is_companion(name: str, companions: Collection[str]) -> bool:
    """Whether a file of this name only describes others; the patterns are in small letters."""
    return any(fnmatchcase(name.lower(), pattern) for pattern in companions)


def _below(folder: Path, root: Path, unreadable: Callable[[Path, str], None]) -> Iterator[Source]:
    try:
        with os.scandir(folder) as found:
            entries = sorted(found, key=lambda entry: natural(entry.name))
    except OSError as error:
        unreadable(folder, f"the folder {folder} cannot be read: {error.strerror}")
        return
    for entry in entries:
        if is_litter(entry.name):
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from _below(Path(entry.path), root, unreadable)
        elif entry.is_file():
            yield Source(Path(entry.path), root)
