"""A folder for converted files that leaves nothing behind: not after success, failure, or a crash."""

from __future__ import annotations

import fcntl
import shutil
import tempfile
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import IO

from gateway.errors import Fatal
from gateway.stream import FileSlice, Stream

PREFIX = "stow-gateway-"
LOCK = ".lock"


class Workshop:
    """A new folder below `parent`, made when it is needed; by default in the system's for temporary files.

    What earlier runs could not clean up, because they were killed, is removed first. Raises `Fatal`
    when there is no place to write.
    """

    def __init__(self, parent: Path | None = None) -> None:
        self._parent = parent or Path(tempfile.gettempdir())
        self._folder: Path | None = None
        self._lock: IO[bytes] | None = None
        self._numbers = count(1)

    def __enter__(self) -> Workshop:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def new(self, suffix: str = "") -> Path:
        """A path at which there is no file yet."""
        return self.folder / f"{next(self._numbers)}{suffix}"

    @property
    def folder(self) -> Path:
        """The folder, which is there from now on."""
        if self._folder is None:
            try:
                self._parent.mkdir(parents=True, exist_ok=True)
                _clean(self._parent)
                # Others clean up what has the usual name and no lock: it gets the name once it has the lock.
                folder = Path(tempfile.mkdtemp(prefix=f".{PREFIX}", dir=self._parent))
                self._lock = (folder / LOCK).open("wb")
                fcntl.flock(self._lock, fcntl.LOCK_EX)  # held until this process ends, however it ends
                self._folder = folder.rename(folder.with_name(folder.name[1:]))
            except OSError as error:
                raise Fatal(
                    f"converted files cannot be kept in {self._parent} ({error.strerror}): "
                    "name another folder with --tmp-dir"
                ) from error
        return self._folder

    def made(self, content: Stream) -> tuple[Path, ...]:
        """The files of this folder that a stream is read from."""
        slices = (piece for piece in content.pieces if isinstance(piece, FileSlice))
        return tuple({piece.path for piece in slices if piece.path.parent == self._folder})

    def close(self) -> None:
        """Remove the folder and all that is in it."""
        if self._folder:
            shutil.rmtree(self._folder, ignore_errors=True)
        if self._lock:
            self._lock.close()
        self._folder = self._lock = None


def _clean(parent: Path) -> None:
    """Removes the folders of runs that have ended without doing so."""
    for folder in parent.glob(f"{PREFIX}*"):
        try:
            with (folder / LOCK).open("rb") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # fails while its owner lives
                shutil.rmtree(folder, ignore_errors=True)
        except FileNotFoundError:  # its owner, or whoever cleaned up, was removing it
            shutil.rmtree(folder, ignore_errors=True)
        except OSError:
            continue
