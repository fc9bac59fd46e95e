"""Finding a file by its name, whatever its case, in folders of a million files."""

from __future__ import annotations

import fnmatch
import os
import re
from bisect import bisect_left
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from gateway.mapping.spelling import alike
from gateway.stream import FileStamp

_MAGIC = re.compile(r"[*?[]")


def matching(folder: Path, pattern: str) -> list[Path]:
    """The files in a folder whose names match a glob pattern in any spelling; hidden ones do not.

    In order; none where there is no such folder. Raises OSError where it cannot be read.
    """
    wanted = alike(pattern)
    fits = re.compile(fnmatch.translate(wanted)).match
    found = []
    for folded, name in _beginning(_names(folder), _MAGIC.split(wanted, maxsplit=1)[0]):
        hidden = name.startswith(".") and not pattern.startswith(".")
        if not hidden and fits(folded) and (path := folder / name).is_file():
            found.append(path)
    return found


Names = tuple[tuple[str, str], ...]
"""Names in one case and as they are, sorted."""


def _beginning(names: Names, prefix: str) -> Iterator[tuple[str, str]]:
    for position in range(bisect_left(names, (prefix,)), len(names)):
        if not names[position][0].startswith(prefix):
            return
        yield names[position]


def _names(folder: Path) -> Names:
    """The names in a folder; listed once as long as nothing changes in it."""
    try:
        stamp = FileStamp.of(folder.stat())
        return _remembered(folder, stamp) if stamp.settled else _listed(folder)
    except (FileNotFoundError, NotADirectoryError):
        return ()


def _listed(folder: Path) -> Names:
    names = os.listdir(folder)  # noqa: PTH208  names are wanted
    return tuple(sorted((alike(name), name) for name in names))


@lru_cache(maxsize=2)  # of a million names each takes 200 MB
def _remembered(folder: Path, _: FileStamp) -> Names:
    return _listed(folder)
