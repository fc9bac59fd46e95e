"""With which ledger a folder is watched: said in a file in it, so that no second one comes to it.

Several daemons may watch a folder with one ledger. With two ledgers every file would be stored twice.
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
from pathlib import Path
from typing import IO

from gateway.errors import Fatal

NAME = ".stow-gateway.lock"


class Lock:
    """The lock of one folder, held together with others that use the same ledger."""

    def __init__(self, folder: Path, ledger: Path) -> None:
        self._folder = folder
        self._own = json.dumps({"host": socket.gethostname(), "ledger": os.path.realpath(ledger)})
        self._file: IO[str] | None = None

    @property
    def is_held(self) -> bool:
        """Whether it was acquired, and is still the file that others would find."""
        if self._file is None:
            return False
        try:
            return os.path.samestat(os.fstat(self._file.fileno()), (self._folder / NAME).stat())
        except OSError:
            return False

    def acquire(self) -> None:
        """Takes it. Raises `Fatal` when others watch the folder with another ledger, and OSError where no
        lock can be had: a share that cannot be written, or one without locks."""
        self.release()
        file = (self._folder / NAME).open("a+", encoding="utf-8")
        try:
            if _is_alone(file):
                file.truncate(0)
                file.write(self._own)
                file.flush()
            fcntl.flock(file, fcntl.LOCK_SH)
            file.seek(0)
            other = file.read().strip()
            if other != self._own:
                raise Fatal(
                    f"{self._folder} is watched by another daemon with another ledger ({other}): every file "
                    "would be stored twice. Stop it, or use its ledger"
                )
        except BaseException:
            file.close()
            raise
        self._file = file

    def release(self) -> None:
        """Gives it back."""
        if self._file is not None:
            self._file.close()
            self._file = None


def _is_alone(file: IO[str]) -> bool:
    """Whether nobody else has the lock, which then nobody else can get."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
