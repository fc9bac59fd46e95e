"""The ledger: what became of every file, kept so that a crash, a second run or a second machine's clock
changes nothing about it.

    files       what a scan has found, until it may be claimed; originals that are to be moved
    claims      who works on what, and for how long
    outcomes    what became of claimed files
    studies     frozen values, numbers and instances that the files of a study share
    decisions   what a person wants: retry, assign, revise, reject, dismiss; and that somebody looked
    reports     lists, counts, searches, events
    imports     what an import is of, how it was asked for, what it left out
    upkeep      forgetting what is old
"""

from __future__ import annotations

import time
import uuid
from pathlib import Path
from types import TracebackType

from gateway.errors import Fatal
from gateway.ledger.claims import Claims
from gateway.ledger.database import Database, SqliteDatabase
from gateway.ledger.decisions import Decisions
from gateway.ledger.files import Files
from gateway.ledger.imports import Imports
from gateway.ledger.outcomes import Outcomes
from gateway.ledger.part import Clock
from gateway.ledger.processes import Look, is_running
from gateway.ledger.reports import Reports
from gateway.ledger.studies import Studies
from gateway.ledger.upkeep import Upkeep
from gateway.mounts import MOUNTS


class Ledger:
    """A ledger, by its parts. All of it may be used from several threads and processes at a time.

    Every method is one short transaction, or several where it says so: it raises `LedgerFull` or
    `LedgerUnavailable` (a `Pause`) when nothing can be recorded, and has then changed nothing.
    """

    def __init__(self, database: Database, now: Clock = time.time, look: Look = is_running) -> None:
        self._database = database
        self.files = Files(database, now)
        self.claims = Claims(database, now, look)
        self.outcomes = Outcomes(database, now)
        self.studies = Studies(database, now)
        self.decisions = Decisions(database, now)
        self.reports = Reports(database, now)
        self.imports = Imports(database, now)
        self.upkeep = Upkeep(database, now)

    @classmethod
    def open(
        cls,
        path: Path | None,
        *,
        read_only: bool = False,
        uid_namespace: uuid.UUID | None = None,
        now: Clock = time.time,
        look: Look = is_running,
        mountinfo: Path = MOUNTS,
        patience: float | None = None,
    ) -> Ledger:
        """Opens the ledger in a file, which is made where it is new; in memory where `path` is None.

        A new ledger keeps `uid_namespace`, or one made at random. `patience` is how many seconds others
        that write are waited for; a minute where it is None. Raises `Fatal` for a place where no ledger
        can be kept (a network file system, a folder that cannot be written), a file that is not one, one
        of a newer version, or one of another namespace than is given.
        """
        database = SqliteDatabase(path, read_only=read_only, mountinfo=mountinfo, patience=patience)
        ledger = cls(database, now, look)
        try:
            ledger._keep_namespace(uid_namespace, read_only)
        except BaseException:
            ledger.close()
            raise
        return ledger

    @property
    def name(self) -> str:
        """What it is called in messages."""
        return self._database.name

    @property
    def uid_namespace(self) -> uuid.UUID:
        """The namespace that all UIDs of this ledger's files are made in."""
        with self._database.read() as transaction:
            row = transaction.row("meta", {"key": "uid_namespace"})
        if row is None:
            raise Fatal(f"the ledger {self.name} was never used: run the gateway with it first")
        return uuid.UUID(row["value"])

    def close(self) -> None:
        """Gives back what this process has of it; claims are ended by `claims.leave` before."""
        self._database.close()

    def __enter__(self) -> Ledger:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _keep_namespace(self, given: uuid.UUID | None, read_only: bool) -> None:
        if not read_only:
            with self._database.read() as transaction:
                kept = transaction.row("meta", {"key": "uid_namespace"})
            if kept is None:
                with self._database.write() as transaction:  # of two that start together, one is first
                    value = str(given or uuid.uuid4())
                    transaction.run("meta_set", {"key": "uid_namespace", "value": value})
        if given is not None and given != self.uid_namespace:
            raise Fatal(
                f"the ledger {self.name} was made in the UID namespace {self.uid_namespace}, but {given} is "
                "given: in another namespace every file would be stored a second time. Give none, or use "
                "another ledger"
            )
