"""What the ledger asks of a database, and SQLite's way of giving it.

The ledger speaks in named statements inside transactions. A server database would have its own text for
the names and its own `Database`; what it must promise is that one write transaction does not see half of
another, as if they came one after the other.

**SQLite.** Write-ahead logging lets readers read while one process writes. A transaction on which the
outside depends (an outcome, a number that goes into an object, a person's decision) is on the disk before
it returns: `synchronous=FULL`. In this mode NORMAL would not lose the file, but it may lose the last
transactions when the power goes, and with them what was stored a moment ago: it would be sent twice. What
can be found out again (a scan) or dies with its process (a claim, a heartbeat) is written without waiting
for the disk; the next durable transaction takes it along.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import weakref
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote

from gateway.errors import Fatal
from gateway.ledger.places import refuse_network
from gateway.ledger.statements import migrations, statements
from gateway.ledger.trouble import not_there, translated
from gateway.mounts import MOUNTS

APPLICATION = 0x53544F57
"""SQLite's application id of a ledger: `STOW`."""
OLDEST_SQLITE = (3, 38, 0)
"""RETURNING, UPDATE FROM and the functions of JSON."""
PATIENCE = 60.0
"""Seconds to wait for others that write."""
CACHE_KIB = 4 * 1024

Row = Any
"""A row of a result; columns by name in brackets."""
Values = dict[str, Any]


class Transaction(Protocol):
    """Statements that count together or not at all."""

    def rows(self, statement: str, values: Values | None = None) -> list[Row]:
        """All rows of the statement of this name."""

    def row(self, statement: str, values: Values | None = None) -> Row | None:
        """The first row; None when there is none."""

    def run(self, statement: str, values: Values | None = None) -> int:
        """How many rows the statement changed."""

    def many(self, statement: str, values: Iterable[Values]) -> None:
        """Runs the statement for each of the values."""


class Database(Protocol):
    """Where a ledger is kept."""

    @property
    def name(self) -> str:
        """What it is called in messages."""

    def read(self) -> AbstractContextManager[Transaction]:
        """A transaction that sees one moment and changes nothing."""

    def write(self, *, durable: bool = True) -> AbstractContextManager[Transaction]:
        """A transaction alone among writers; `durable` ones survive the loss of power."""

    def tidy(self) -> None:
        """Leaves nothing that was dropped where it could still be read, as far as others let it."""

    def close(self) -> None:
        """Gives everything back; the database is not used afterwards."""


class _Connection(sqlite3.Connection):
    """A connection that can be referred to weakly, so that those of ended threads go with them."""


class _SqliteTransaction:
    """Statements on one connection."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._statements = statements()

    def rows(self, statement: str, values: Values | None = None) -> list[Row]:
        return self._connection.execute(self._statements[statement], values or {}).fetchall()

    def row(self, statement: str, values: Values | None = None) -> Row | None:
        cursor = self._connection.execute(self._statements[statement], values or {})
        found = cursor.fetchone()
        cursor.close()  # an open statement would keep the transaction from ending
        return found

    def run(self, statement: str, values: Values | None = None) -> int:
        return self._connection.execute(self._statements[statement], values or {}).rowcount

    def many(self, statement: str, values: Iterable[Values]) -> None:
        self._connection.executemany(self._statements[statement], values)


class SqliteDatabase:
    """A ledger in one file, or in memory.

    A file has a connection for each thread and process; memory has one connection, which threads use in
    turn.
    """

    def __init__(
        self,
        path: Path | None,
        *,
        read_only: bool = False,
        mountinfo: Path = MOUNTS,
        patience: float | None = None,
    ) -> None:
        """Opens or makes the ledger and brings it to the present schema.

        `patience` is in seconds, `PATIENCE` where it is None. Raises `Fatal` when this cannot be done
        here: on a network file system, in a place that cannot be written, or with a ledger of a newer
        version of this program.
        """
        if sqlite3.sqlite_version_info < OLDEST_SQLITE:
            raise Fatal(
                f"SQLite is {sqlite3.sqlite_version}, but the ledger needs "
                f"{'.'.join(map(str, OLDEST_SQLITE))}: use a Python with a newer one"
            )
        self.name = str(path) if path else "in memory"
        self._path = path
        self._read_only = read_only
        self._alone = False
        self._patience = PATIENCE if patience is None else patience
        self._local = threading.local()
        self._connections: weakref.WeakKeyDictionary[sqlite3.Connection, int] = weakref.WeakKeyDictionary()
        self._inherited: list[sqlite3.Connection] = []
        self._one: sqlite3.Connection | None = None
        self._lock: AbstractContextManager[Any] = nullcontext() if path else threading.RLock()
        self._writing = threading.Lock()
        if path:
            _check_place(path, read_only, mountinfo)
        else:
            self._one = self._connect()
        self._prepare()

    @contextmanager
    def read(self) -> Iterator[Transaction]:
        """A transaction that sees one moment and changes nothing."""
        with self._transaction("BEGIN") as transaction:
            yield transaction

    @contextmanager
    def write(self, *, durable: bool = True) -> Iterator[Transaction]:
        """A transaction alone among writers; `durable` ones survive the loss of power.

        Threads queue for it here: SQLite has who waits look again now and then, and it is idle meanwhile.
        """
        with self._writing, self._transaction("BEGIN IMMEDIATE", durable=durable) as transaction:
            yield transaction

    def tidy(self) -> None:
        """Empties the log into the file, unless somebody is reading just now."""
        with self._lock, self._in_words():
            self._connection().execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def close(self) -> None:
        """Closes all connections of this process; their threads must have ended their transactions."""
        with self._lock:
            for connection, process in list(self._connections.items()):
                if process == os.getpid():
                    connection.close()
            self._connections.clear()

    @contextmanager
    def _transaction(self, begin: str, *, durable: bool | None = None) -> Iterator[Transaction]:
        with self._lock, self._in_words():
            connection = self._connection()
            if durable is not None:  # cannot be changed within a transaction
                connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
            connection.execute(begin)
            try:
                yield _SqliteTransaction(connection)
                connection.execute("COMMIT")
            finally:
                if connection.in_transaction:
                    with suppress(sqlite3.Error):  # what went wrong first is what is told
                        connection.execute("ROLLBACK")

    @contextmanager
    def _in_words(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            trouble = translated(error, self.name)
            if trouble is None:
                raise
            raise trouble from error

    def _connection(self) -> sqlite3.Connection:
        if self._one:
            return self._one
        own: tuple[int, sqlite3.Connection] | None = getattr(self._local, "own", None)
        if own and own[0] == os.getpid():
            return own[1]
        if own:  # a child must not even close what it has from its parent
            self._inherited.append(own[1])
        connection = self._connect()
        self._local.own = (os.getpid(), connection)
        return connection

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            _address(self._path, self._read_only, self._alone),
            uri=True,
            timeout=self._patience,
            isolation_level=None,
            check_same_thread=False,
            factory=_Connection,
        )
        connection.row_factory = sqlite3.Row
        for pragma in (
            f"cache_size = -{CACHE_KIB}",
            "temp_store = MEMORY",
            "journal_size_limit = 67108864",  # bytes that the log keeps after a large transaction
            "secure_delete = ON",  # what is purged is gone from the file
        ):
            connection.execute(f"PRAGMA {pragma}")
        self._connections[connection] = os.getpid()
        return connection

    def _prepare(self) -> None:
        """Checks whose file this is, and brings its schema up to date."""
        try:
            if self._read_only:
                self._refuse_old(self._version_to_read())
            else:
                connection = self._connection()
                version = self._version(connection)
                self._log_ahead(connection)
                while version < len(migrations()):
                    version = self._migrate(connection)
        except sqlite3.Error as error:
            code = getattr(error, "sqlite_errorcode", 0) & 0xFF
            if code in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY):
                raise Fatal(
                    f"the ledger {self.name} cannot be {'read' if self._read_only else 'written'} ({error}): "
                    "check the permissions of the file and of its folder, or name another place"
                ) from error
            trouble = translated(error, self.name)
            if trouble is None:
                raise
            raise trouble from error

    def _version_to_read(self) -> int:
        """The version of the schema, also on a full disk, where SQLite finds no room for its shared memory.

        Where no log is left, all there is stands in the file, which is then read by itself.
        """
        try:
            return self._version(self._connection())
        except sqlite3.OperationalError as error:
            code = getattr(error, "sqlite_errorcode", 0) & 0xFF
            full = code in (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL)
            if not full or self._path is None or _has_log(self._path):
                raise
        self.close()
        self._alone, self._local = True, threading.local()
        return self._version(self._connection())

    def _log_ahead(self, connection: sqlite3.Connection) -> None:
        """Write-ahead logging, which the file then keeps."""
        mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
        if mode not in ("wal", "memory"):
            raise Fatal(
                f"the ledger {self.name} is on a file system that SQLite cannot share memory on: "
                "name a file on another disk"
            )

    def _version(self, connection: sqlite3.Connection) -> int:
        """The version of the schema; 0 for a file that is new."""
        version: int = connection.execute("PRAGMA user_version").fetchone()[0]
        application: int = connection.execute("PRAGMA application_id").fetchone()[0]
        tables: int = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if application != APPLICATION and (application or version or tables):
            raise Fatal(f"{self.name} is an SQLite file, but not a ledger: name another file")
        if version > len(migrations()):
            raise Fatal(
                f"the ledger {self.name} has version {version}, and this program knows versions up to "
                f"{len(migrations())}: use the newer program that has written it"
            )
        return version

    def _refuse_old(self, version: int) -> None:
        if version < len(migrations()):
            raise Fatal(
                f"the ledger {self.name} has version {version}, and {len(migrations())} is wanted: "
                "open it once for writing, as running the gateway does"
            )

    def _migrate(self, connection: sqlite3.Connection) -> int:
        """Takes one step; of several processes one does, and the others find it done."""
        connection.execute("BEGIN IMMEDIATE")
        try:
            version = self._version(connection)
            if version < len(migrations()):
                for statement in migrations()[version]:
                    connection.execute(statement)
                version += 1
                connection.execute(f"PRAGMA application_id = {APPLICATION}")
                connection.execute(f"PRAGMA user_version = {version}")
            connection.execute("COMMIT")
            return version
        finally:
            if connection.in_transaction:
                connection.execute("ROLLBACK")


def _check_place(path: Path, read_only: bool, mountinfo: Path) -> None:
    refuse_network(path, mountinfo)
    if read_only:
        if not path.is_file():
            raise not_there(path)
        return
    if not path.parent.is_dir():
        raise Fatal(f"the folder of the ledger {path} is not there: make it, or name another place")
    if not _may_write(path.parent):  # the log stands beside the file
        raise Fatal(
            f"the ledger {path} cannot be written, since its folder cannot: "
            "check its permissions, or name another place"
        )
    with suppress(OSError):  # it names patients: it is its owner's alone; what fails here fails better below
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))


def _may_write(folder: Path) -> bool:
    """Whether files can be made in the folder."""
    return os.access(folder, os.W_OK | os.X_OK, effective_ids=os.access in os.supports_effective_ids)


def _has_log(path: Path) -> bool:
    """Whether something may stand in the log that is not in the ledger's file yet."""
    try:
        return path.with_name(f"{path.name}-wal").stat().st_size > 0
    except FileNotFoundError:
        return False


def _address(path: Path | None, read_only: bool, alone: bool) -> str:
    """Where SQLite finds the ledger; `alone` when nobody else can be writing it."""
    if path is None:
        return ":memory:"
    if not read_only:
        mode = "rwc"
    elif not alone and (_may_write(path.parent) or path.with_name(f"{path.name}-wal").exists()):
        mode = "ro"
    else:  # nobody can write here, and nothing is left in a log
        mode = "ro&immutable=1"
    return f"file:{quote(os.fsencode(path.absolute()))}?mode={mode}"
