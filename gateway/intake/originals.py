"""What becomes of originals: kept, deleted or moved once every destination has answered, or put aside.

Nothing is ever overwritten, nothing is removed that has changed since it was read, and a crash at any
moment leaves the file in one place or in both, never in none.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import uuid
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from gateway.errors import Retry
from gateway.stream import FileStamp

_NO_LINKS = frozenset({errno.EXDEV, errno.EPERM, errno.EOPNOTSUPP, errno.EMLINK, errno.ENOSYS})
ERROR = ".error.json"


def delete(path: Path, stamp: FileStamp) -> bool:
    """Removes an original if it is still what was read; False where it is gone or another file by now."""
    if _stamp(path) != stamp:
        return False
    path.unlink(missing_ok=True)
    return True


def move(path: Path, folder: Path, relative: str, stamp: FileStamp) -> Path | None:
    """Moves an original below `folder`, under the path that it had below its root, or one like it.

    Where it is then; None where it is gone or another file by now. Raises `Retry` when there is no room
    or no permission: the original stays where it is.
    """
    if _stamp(path) != stamp:
        return None
    wanted = folder / relative
    try:
        wanted.parent.mkdir(parents=True, exist_ok=True)
        for target in _names(wanted):
            if _moved(path, target):
                return target
    except OSError as error:
        raise Retry(
            f"{path} could not be moved to {wanted.parent}: {error.strerror or error}. It stays where it is"
        ) from error
    raise AssertionError("there is no end of names")


def put_aside(
    path: Path, folder: Path, relative: str, stamp: FileStamp, record: Mapping[str, Any]
) -> Path | None:
    """Moves a rejected file below `folder`, with the reason beside it in `NAME.error.json`.

    The reason is written first: no file is ever there without one. As `move` otherwise.
    """
    if _stamp(path) != stamp:
        return None
    wanted = folder / relative
    try:
        wanted.parent.mkdir(parents=True, exist_ok=True)
        for target in _names(wanted):
            reason = target.with_name(target.name + ERROR)
            if target.exists() or (reason.exists() and not _is_about(reason, record)):
                continue
            _write(reason, record)
            if _moved(path, target):
                return target
    except OSError as error:
        raise Retry(
            f"{path} could not be moved to {wanted.parent}: {error.strerror or error}. It stays where it is"
        ) from error
    raise AssertionError("there is no end of names")


def remove_old(folder: Path, before: float) -> int:
    """Deletes what was moved below a folder before this time (seconds since 1970); how many files."""
    removed = 0
    for place, _, names in os.walk(folder, topdown=False):
        for name in names:
            file = Path(place) / name
            with suppress(OSError):
                if file.lstat().st_ctime < before:  # when it came here; its own dates are the source's
                    file.unlink()
                    removed += 1
        if Path(place) != folder:
            with suppress(OSError):
                Path(place).rmdir()  # only when it is empty
    return removed


def _stamp(path: Path) -> FileStamp | None:
    try:
        return FileStamp.of(path.stat())
    except OSError:
        return None


def _names(wanted: Path) -> Iterator[Path]:
    """The name that is wanted, then others like it."""
    yield wanted
    number = 2
    while True:
        yield wanted.with_name(f"{wanted.stem}-{number}{wanted.suffix}")
        number += 1


def _moved(path: Path, target: Path) -> bool:
    """Whether the file is at `target` now and no longer at `path`; False where something else is there."""
    try:
        os.link(path, target)
    except FileExistsError:
        if not _same(path, target):
            return False
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        if not _copied(path, target):
            return False
    path.unlink()
    return True


def _same(path: Path, target: Path) -> bool:
    """Whether an earlier attempt got as far as the second name of the same file."""
    return path.samefile(target)


def _copied(path: Path, target: Path) -> bool:
    """Copies a file to another file system, so that it is there whole or not at all."""
    if target.exists():
        return False
    part = target.with_name(f".{uuid.uuid4().hex}.part")
    try:
        shutil.copy2(path, part)
        _sync(part)
        try:
            os.link(part, target)
        except FileExistsError:
            return False
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            part.rename(target)  # a file system without links: nobody else writes into this folder
    finally:
        part.unlink(missing_ok=True)
    return True


def _write(path: Path, record: Mapping[str, Any]) -> None:
    part = path.with_name(f".{uuid.uuid4().hex}.part")
    try:
        part.write_text(json.dumps(record, indent=2, ensure_ascii=False) + "\n", "utf-8")
        _sync(part)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _is_about(path: Path, record: Mapping[str, Any]) -> bool:
    """Whether a reason was written for the same file, before a crash."""
    with suppress(OSError, ValueError):
        found = json.loads(path.read_text("utf-8"))
        return isinstance(found, dict) and found.get("source") == record.get("source")
    return False
