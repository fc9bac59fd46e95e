"""What becomes of originals: kept, deleted or moved once every destination has answered, or put aside.

Nothing is ever overwritten, nothing is removed that has changed since it was read, and a crash at any
moment leaves the file in one place or in both, never in none.
"""

from __future__ import annotations

import errno
import filecmp
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
    """Removes an original if it is still what was read; False where it is gone or another file by now.

    Raises `Retry` when that is not permitted: the original stays where it is.
    """
    if FileStamp.at(path) != stamp:
        return False
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise Retry(f"{path} could not be deleted: {error.strerror or error}. It stays") from error
    return True


def move(path: Path, folder: Path, relative: str, stamp: FileStamp) -> Path | None:
    """Moves an original below `folder`, under the path that it had below its root, or one like it.

    Where it is then, also when an earlier call or another process has moved it; None where it is gone, or
    another file by now. Raises `Retry` when there is no room or no permission: the original stays where it
    is.
    """
    wanted = folder / relative
    found = FileStamp.at(path)
    if found != stamp:
        return _moved_before(wanted, stamp) if found is None else None
    try:
        wanted.parent.mkdir(parents=True, exist_ok=True)
        return next(target for target in _names(wanted) if _moved(path, target))
    except OSError as error:
        raise _stays(path, wanted, error) from error


def put_aside(
    path: Path, folder: Path, relative: str, stamp: FileStamp, record: Mapping[str, Any]
) -> Path | None:
    """Moves a rejected file below `folder`, with the reason beside it in `NAME.error.json`.

    The reason is written first: no file is ever there without one. As `move` otherwise.
    """
    wanted = folder / relative
    found = FileStamp.at(path)
    if found != stamp:
        return _moved_before(wanted, stamp) if found is None else None
    try:
        wanted.parent.mkdir(parents=True, exist_ok=True)
        return next(target for target in _names(wanted) if _put(path, target, record))
    except OSError as error:
        raise _stays(path, wanted, error) from error


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


def _names(wanted: Path) -> Iterator[Path]:
    """The name that is wanted, then others like it."""
    yield wanted
    number = 2
    while True:
        yield wanted.with_name(f"{wanted.stem}-{number}{wanted.suffix}")
        number += 1


def _stays(path: Path, wanted: Path, error: OSError) -> Retry:
    return Retry(
        f"{path} could not be moved to {wanted.parent}: {error.strerror or error}. It stays where it is"
    )


def _moved_before(wanted: Path, stamp: FileStamp) -> Path | None:
    """Where a file is that was moved already, by its size and time; None where it is not."""
    for target in _names(wanted):
        found = FileStamp.at(target)
        if found is None:
            return None
        if (found.size, found.modified_ns) == (stamp.size, stamp.modified_ns):
            return target
    return None


def _moved(path: Path, target: Path) -> bool:
    """Whether the file is at `target` now and no longer at `path`; False where something else is there."""
    try:
        os.link(path, target)
    except FileExistsError:
        if not path.samefile(target):
            return False
        if path.stat().st_nlink < 2:  # two ways to write the one name that it has
            return True
        # an earlier attempt did not get further than the second name
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        if not _copied(path, target):
            return False
    path.unlink(missing_ok=True)  # two daemons may be at it
    return True


def _put(path: Path, target: Path, record: Mapping[str, Any]) -> bool:
    """Whether the file is at `target` now, with its reason; False where something else is there."""
    reason = target.with_name(target.name + ERROR)
    if target.exists() and not (path.samefile(target) or _is_copy(path, target)):
        return False
    if reason.exists() and not _is_about(reason, record):
        return False
    _write(reason, record)
    try:
        return _moved(path, target)
    except OSError:
        if not target.exists():  # a reason without its file tells nobody anything
            reason.unlink(missing_ok=True)
        raise


def _copied(path: Path, target: Path) -> bool:
    """Copies a file to another file system, so that it is there whole or not at all."""
    if target.exists():
        return _is_copy(path, target)  # an earlier attempt did not get further than that
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


def _is_copy(path: Path, target: Path) -> bool:
    """Whether two files have one time and one content."""
    one, other = path.stat(), target.stat()
    same = (one.st_size, one.st_mtime_ns) == (other.st_size, other.st_mtime_ns)
    return same and filecmp.cmp(path, target, shallow=False)


def _write(path: Path, record: Mapping[str, Any]) -> None:
    part = path.with_name(f".{uuid.uuid4().hex}.part")
    try:
        text = json.dumps(record, indent=2, ensure_ascii=False) + "\n"
        part.write_text(text, "utf-8", errors="backslashreplace")  # names may be of any bytes
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
