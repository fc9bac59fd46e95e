"""How the ledger fails, and what SQLite's errors mean.

    Pause
    └── LedgerUnavailable   nothing can be recorded for now: nothing may be sent either
        └── LedgerFull          the disk is full; it goes on by itself when there is room
    Retry
    ├── LedgerBusy          others are writing for longer than it is sensible to wait
    └── ClaimLost           the claim was given to somebody else: what was done under it does not count

`Fatal` is raised for a ledger that cannot be used at all.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from gateway.errors import Fatal, GatewayError, Pause, Retry


class LedgerUnavailable(Pause):
    """Nothing can be recorded for now, so nothing may be sent."""


class LedgerFull(LedgerUnavailable):
    """There is no room to record anything."""


class LedgerBusy(Retry):
    """Others have been writing for longer than it is sensible to wait."""


class ClaimLost(Retry):
    """The claim is no longer this owner's. `owners` are those that were given up, where it is known."""

    def __init__(self, message: str, owners: tuple[int, ...] = ()) -> None:
        super().__init__(message)
        self.owners = owners


_UNAVAILABLE = {
    sqlite3.SQLITE_IOERR: "the disk fails",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened",
    sqlite3.SQLITE_READONLY: "it cannot be written",
}
_BROKEN = {
    sqlite3.SQLITE_CORRUPT: "is damaged",
    sqlite3.SQLITE_NOTADB: "is not a ledger",
}


def translated(error: sqlite3.Error, name: str) -> GatewayError | None:
    """What an error of SQLite's means for the ledger of this name; None for a fault of the program."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the rest is detail
    if code == sqlite3.SQLITE_FULL:
        return LedgerFull(f"the disk of the ledger {name} is full: make room, and it goes on by itself")
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return LedgerBusy(f"the ledger {name} is being written by others for too long; try again")
    if code in _UNAVAILABLE:
        return LedgerUnavailable(
            f"the ledger {name} cannot be used for now, {_UNAVAILABLE[code]} ({error}): "
            "check its disk and permissions"
        )
    if code in _BROKEN:
        return Fatal(
            f"the ledger {name} {_BROKEN[code]} ({error}): restore it from a copy, or name another file"
        )
    return None


def not_there(path: Path) -> Fatal:
    """The error for a ledger that should be there."""
    return Fatal(f"there is no ledger at {path}: check the name")
