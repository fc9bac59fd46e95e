"""A ledger that cannot record says so, has changed nothing, and goes on when it can."""

from __future__ import annotations

import resource
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.errors import Pause
from gateway.ledger import Ledger, LedgerBusy, LedgerFull, LedgerUnavailable, Ready, Result, State
from gateway.ledger import database as database_module
from gateway.ledger.trouble import translated
from gateway.stream import FileStamp


def _full(ledger: Ledger) -> None:
    """The ledger has no page left to write to."""
    connection = ledger._database._connection()
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count = {pages}")


def _room(ledger: Ledger) -> None:
    ledger._database._connection().execute("PRAGMA max_page_count = 1000000")


def test_full_disk_changes_nothing_and_passes(desk) -> None:
    (file,) = desk.ready("a.jpg", study="1.2")
    owner = desk.owner()
    desk.claim(owner)
    scan = [(f"{number}.jpg", FileStamp(1, 1, number)) for number in range(5000)]
    result = Result(State.STORED, answer="".join(map(str, range(20_000))), messages=["x" * 100_000])
    _full(desk.ledger)
    with pytest.raises(LedgerFull, match="make room, and it goes on by itself") as caught:
        desk.ledger.files.see("in", scan, ["archive"])
    assert isinstance(caught.value, Pause)
    with pytest.raises(LedgerFull):
        desk.ledger.outcomes.record(owner, {file: result})
    assert desk.states() == {"claimed": 1}
    assert desk.happened(file) == []
    _room(desk.ledger)
    desk.ledger.outcomes.record(owner, {file: result})
    assert len(desk.ledger.files.see("in", scan, ["archive"]).new) == 5000
    assert desk.states() == {"seen": 5000, "stored": 1}


READ = """
import sys
from pathlib import Path
from gateway.ledger import Ledger
with Ledger.open(Path(sys.argv[1]), read_only=True) as ledger:
    print([each.path for each in ledger.reports.page()])
"""


def test_ledger_is_read_where_not_a_byte_can_be_written(file_desk) -> None:
    """Not even the file that SQLite shares its memory by, which nobody has left."""
    file_desk.found("a.jpg")
    file_desk.ledger.close()
    done = subprocess.run(
        [sys.executable, "-c", READ, file_desk.path],
        capture_output=True,
        text=True,
        check=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0)),
    )
    assert done.stdout == "['a.jpg']\n"


def test_writers_that_never_end_are_not_waited_for(file_desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database_module, "PATIENCE", 0.01)
    other = sqlite3.connect(file_desk.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with Ledger.open(file_desk.path) as impatient, pytest.raises(LedgerBusy, match="try again"):
        impatient.claims.join("worker")
    assert file_desk.states() == {}  # readers need not wait
    other.execute("ROLLBACK")
    other.close()


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (sqlite3.SQLITE_FULL, LedgerFull),
        (sqlite3.SQLITE_IOERR | (12 << 8), LedgerUnavailable),
        (sqlite3.SQLITE_READONLY | (6 << 8), LedgerUnavailable),
        (sqlite3.SQLITE_BUSY, LedgerBusy),
    ],
)
def test_errors_are_classed_by_what_to_do(code: int, kind: type[Exception]) -> None:
    error = sqlite3.OperationalError("x")
    error.sqlite_errorcode = code  # type: ignore[misc]
    assert type(translated(error, "ledger.db")) is kind


def test_faults_of_the_program_stay_what_they_are(desk) -> None:
    with pytest.raises(sqlite3.Error), desk.ledger._database.write() as transaction:
        transaction.run("meta_set", {"key": "x"})
    desk.found("a.jpg")


def test_what_the_outside_depends_on_is_on_the_disk_first(file_desk) -> None:
    """Outcomes wait for the disk; scans, claims and heartbeats need not."""
    (file,) = file_desk.ready("a.jpg", study="1.2")
    ran: list[str] = []
    file_desk.ledger._database._connection().set_trace_callback(ran.append)

    def durable() -> bool:
        settings = [each for each in ran if each.startswith("PRAGMA synchronous")]
        ran.clear()
        return settings[-1].endswith("FULL")

    file_desk.found("b.jpg")
    assert not durable()
    owner = file_desk.owner()
    assert durable()
    file_desk.claim(owner)
    assert not durable()
    file_desk.ledger.claims.beat(owner)
    assert not durable()
    identity = Result(State.STORED).identity
    assert identity is None
    file_desk.ledger.studies.freeze("1.2", {})
    assert durable()
    file_desk.ledger.outcomes.record(owner, {file: Result(State.STORED)})
    assert durable()


def test_ledger_that_was_made_earlier_keeps_its_log_small(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    with Ledger.open(path) as ledger:
        scan = [(f"{number}.jpg", FileStamp(1, 1, number)) for number in range(3000)]
        ids = ledger.files.see("in", scan, ["archive"]).new
        ledger.files.ready(Ready(each) for each in ids)
        ledger._database.tidy()
        assert (tmp_path / "ledger.db-wal").stat().st_size == 0
    assert [each.name for each in tmp_path.iterdir()] == ["ledger.db"]
