"""Several processes at one ledger, and what is left when they are killed."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
import textwrap
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.ledger import Ledger, Ready, Result, State
from gateway.ledger.processes import Process, is_running
from gateway.stream import FileStamp

CLAIMER = Path(__file__).with_name("claimer.py")
FILES = 300
STUDIES = 20
KILLS = 8


def _start(path: Path, folder: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, str(CLAIMER), str(path), str(folder)])


def _lines(file: Path) -> list[str]:
    return file.read_text().splitlines() if file.exists() else []


def test_killed_workers_lose_nothing_and_no_study_is_built_twice_at_once(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    chance = random.Random(4)
    with Ledger.open(path) as ledger:
        scan = [(f"{number % STUDIES}/{number}.jpg", FileStamp(1, 1, number)) for number in range(FILES)]
        ids = ledger.files.see("in", scan, ["archive"]).new
        ledger.files.ready(Ready(each) for each in ids)
        workers = [_start(path, tmp_path) for _ in range(3)]
        for kill in range(KILLS):
            deadline = time.monotonic() + 120
            while len(_lines(tmp_path / "sent")) < (kill + 1) * FILES // (KILLS + 2):
                assert time.monotonic() < deadline, "the workers do not get on"
                time.sleep(0.002)
            victim = chance.randrange(len(workers))
            workers[victim].kill()
            workers[victim].wait()
            workers[victim] = _start(path, tmp_path)
        for worker in workers:
            assert worker.wait(timeout=120) == 0

        assert _lines(tmp_path / "violations") == []
        sent = [line.split() for line in _lines(tmp_path / "sent")]
        assert len(sent) - FILES <= KILLS  # what was on its way when its worker was killed
        before: set[str] = set()
        for file, doubt, *_ in sent:  # whoever sends a second time was told that it may be one
            assert doubt == "1" or file not in before
            before.add(file)
        assert {each.id: each.state for each in ledger.reports.every()} == dict.fromkeys(ids, State.STORED)
        events = Counter(each.file for each in _events(ledger) if each.what == "stored")
        assert events == dict.fromkeys(ids, 1)
        stored = sum(each.files for each in ledger.reports.hours() if each.state is State.STORED)
        assert stored == FILES
        numbers = {(study, number): file for file, _, study, number, _ in sent}
        assert len(numbers) == FILES
        assert len({(study, by) for _, _, study, _, by in sent}) == STUDIES
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
    assert connection.execute("SELECT count(*) FROM units").fetchone()[0] == 0
    connection.close()


def _events(ledger: Ledger):  # type: ignore[no-untyped-def]
    after = 0
    while page := ledger.reports.events(after=after):
        yield from page
        after = page[-1].id


def test_crash_in_the_middle_of_a_transaction_leaves_nothing_of_it(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    with Ledger.open(path) as ledger:
        ids = ledger.files.see("in", [("a", FileStamp(1, 1, 1)), ("b", FileStamp(1, 1, 2))], ["archive"]).new
        ledger.files.ready(Ready(each, study="1.2") for each in ids)
    script = textwrap.dedent("""
        import os, signal, sys
        from pathlib import Path
        from gateway.ledger import Identity, Ledger, Result, State
        class Deadly(dict):
            def items(self):
                for number, item in enumerate(super().items()):
                    if number:
                        os.kill(os.getpid(), signal.SIGKILL)
                    yield item
        ledger = Ledger.open(Path(sys.argv[1]))
        owner = ledger.claims.join("deadly")
        (claim,) = ledger.claims.claim(owner, ["archive"])
        ledger.outcomes.record(owner, Deadly({
            each.id: Result(State.STORED, identity=Identity("1.2", "1.3", f"1.4.{each.id}"))
            for each in claim.files
        }))
    """)
    done = subprocess.run([sys.executable, "-c", script, str(path)], check=False)
    assert done.returncode == -signal.SIGKILL
    with Ledger.open(path) as ledger:
        assert {each.state for each in ledger.reports.page()} == {State.CLAIMED}
        assert ledger.reports.events() == ()
        assert ledger.studies.instance(f"1.4.{ids[0]}") == ()
        assert set(ledger.claims.expire()) == set(ids)  # at once, though no time has passed


def test_threads_never_hold_one_study_together(desk, store: Callable[..., Result]) -> None:
    for study in range(10):
        desk.ready(*(f"{study}/{number}.jpg" for number in range(6)), study=f"1.{study}")
    holding: set[str | None] = set()
    faults: list[str] = []
    guard = threading.Lock()

    def work() -> None:
        owner = desk.owner()
        while claim := desk.claim(owner, files=2):
            with guard:
                if claim.study in holding:
                    faults.append(f"{claim.study} twice")
                holding.add(claim.study)
            ids = [each.id for each in claim.files]
            with guard:
                holding.discard(claim.study)
            desk.ledger.outcomes.record(owner, {each: store(each, claim.study) for each in ids})

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    assert desk.states() == {"stored": 60}


def test_processes_that_open_a_new_ledger_together_make_one(tmp_path: Path) -> None:
    script = "import sys; from pathlib import Path; from gateway.ledger import Ledger; "
    script += "print(Ledger.open(Path(sys.argv[1])).uid_namespace)"
    path = str(tmp_path / "ledger.db")
    children = [
        subprocess.Popen([sys.executable, "-c", script, path], stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    answers = [child.communicate()[0] for child in children]
    assert [child.returncode for child in children] == [0] * 4
    assert len(set(answers)) == 1


def test_child_that_was_forked_has_a_connection_of_its_own(file_desk) -> None:
    file_desk.found("a.jpg")
    child = os.fork()
    if child == 0:
        status = 1
        try:
            file_desk.found("b.jpg")
            file_desk.ledger.close()
            status = 0
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0
    assert [each.path for each in file_desk.all()] == ["a.jpg", "b.jpg"]
    file_desk.found("c.jpg")


def test_process_is_seen_until_it_is_gone() -> None:
    me = Process.this()
    assert is_running(me) is True
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        stat = Path(f"/proc/{child.pid}/stat")
        started = stat.read_text().rpartition(")")[2].split()[19] if stat.exists() else ""
        it = Process(me.host, me.space, child.pid, started)
        assert is_running(it) is True
        if started:  # a number that was given again is another process
            assert is_running(Process(me.host, me.space, child.pid, "1")) is False
            child.kill()
            os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
            assert is_running(it) is False  # nobody has buried it yet
    finally:
        child.kill()
        child.communicate()
    assert is_running(it) is False
    assert is_running(Process(me.host, "another kernel", me.number, me.started)) is None


@pytest.mark.skipif(not Path("/proc/1/stat").exists(), reason="there is no /proc here")
def test_process_of_somebody_else_is_seen() -> None:
    me = Process.this()
    stat = Path("/proc/1/stat").read_text().rpartition(")")[2].split()[19]
    assert is_running(Process(me.host, me.space, 1, stat)) is True
