"""A run: workers send what is in the ledger, study by study, until nothing is left or it is to end.

Whatever ends it, the ledger knows how far it came: the next run goes on from there.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import islice
from pathlib import Path
from typing import Any

from gateway.config import Destination
from gateway.errors import Pause, Retry
from gateway.intake import assemble
from gateway.intake.archives import Gate
from gateway.intake.batch.job import DESTINATION, WHO, Job, Order
from gateway.intake.batch.meter import Meter, Progress
from gateway.intake.batch.pace import Bandwidth
from gateway.intake.batch.scan import UNFINISHED
from gateway.intake.work import Inbox, Worker
from gateway.ledger import ClaimLost, Growing, Ledger, Query, Ready, State
from gateway.ledger import Entry as Row
from gateway.ledger.claims import BEAT
from gateway.ledger.part import batches
from gateway.model import Source
from gateway.stow.client import Client
from gateway.stream import FileStamp

TOGETHER = 16
"""Files of which the ledger hears at a time: the disk is waited for as much less often."""

FILES = 100
"""Files that a worker claims at a time."""

CHUNK = 50
"""Files of one folder that are looked at together before their studies are known."""

IDLE = 0.2
TROUBLE = 5.0
GRACE = 30.0
"""Seconds in which what is being sent may end when the run is to end."""

ROUNDS = 3
"""How often files are looked at again that change while they are read."""

RECHECKS = Growing(3600.0, 86_400.0)


class Why(StrEnum):
    """Why a run has ended."""

    DONE = "done"
    STOPPED = "stopped"
    ERRORS = "max-errors"
    AWAY = "away"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Ended:
    """How a run has ended; `text` says what is to be said of it."""

    why: Why
    progress: Progress
    text: str | None = None


def minute_of_day() -> int:
    """Minutes since midnight in local time."""
    now = datetime.now().astimezone()
    return 60 * now.hour + now.minute


@dataclass(slots=True)
class Run:
    """A run of a job. `tell` is told how far it is, about once a second; `note` of what goes wrong.

    `clock` gives seconds that only go forward, `minute` the minute of the local day.
    """

    job: Job
    ledger: Ledger
    told: threading.Event
    """Set when the run is to end."""
    tell: Callable[[Progress], None] = lambda _: None
    note: Callable[[str, dict[str, Any]], None] = lambda _what, _facts: None
    clock: Callable[[], float] = time.monotonic
    minute: Callable[[], int] = minute_of_day
    _gate: Gate = field(init=False)
    _inbox: Inbox = field(init=False)
    _meter: Meter = field(init=False)
    _halt: threading.Event = field(default_factory=threading.Event)
    """Set while nothing may be sent: at the end, and by day."""
    _over: threading.Event = field(default_factory=threading.Event)
    _workers: list[Worker] = field(default_factory=list)
    _trouble: str | None = None
    _trouble_since: float = 0.0

    def __post_init__(self) -> None:
        archive = self.job.archive
        assert archive is not None  # noqa: S101 - a run without one is refused where it was asked for
        self._gate = Gate(archive, clock=self.clock, sleep=self._over.wait, open_client=self._open_client())
        self._inbox = inbox_of(self.job)
        self._meter = Meter(self.clock, self.note, self._erred)

    def __call__(self) -> Ended:
        """Runs until nothing is left, or it is to end. Raises `Pause` as the ledger does."""
        self._take_over()
        self._meter.of = self._queue()
        threads = [
            threading.Thread(target=self._work, name=f"send-{number + 1}", daemon=True)
            for number in range(self._gate.archive.destination.jobs)
        ]
        for thread in threads:
            thread.start()
        try:
            why, text = self._watch()
        finally:
            self._end(threads)
        return Ended(why, self._meter.progress(), text)

    # What is to be done

    def _take_over(self) -> None:
        """What earlier runs left: their claims, files that wait, and what was mended since."""
        ledger, name = self.ledger, self.job.input.name
        ledger.claims.expire()
        for path in ledger.files.dependencies():
            ledger.files.touched(path, FileStamp.at(Path(path)))
        ledger.decisions.retry(Query(states=frozenset({State.RETRY}), folder=name), WHO)
        now = ledger.files.now()
        held = ledger.reports.every(Query(states=frozenset({State.HELD}), folder=name))
        for some in batches((row.id for row in held if row.due is not None and row.due <= now), 1000):
            ledger.decisions.retry(Query(ids=tuple(some)), WHO)

    def _queue(self) -> int:
        """Lets workers have the files that are meant; how many there are."""
        ledger, name, selection = self.ledger, self.job.input.name, self.job.selection
        if selection.is_partial or selection.order is not Order.PATH:
            waiting = ledger.reports.every(Query(states=frozenset({State.READY}), folder=name))
            for some in batches(waiting, 1000):
                ledger.files.settle([row.id for row in some])
        rows = ledger.reports.every(Query(states=UNFINISHED, folder=name))
        ledger.files.ready(self._ready(row for row in rows if selection.has(row.path)))
        return self._count(State.READY)

    def _ready(self, rows: Iterable[Row]) -> Iterator[Ready]:
        """The files with their places in the queue, those of one folder some at a time."""
        limit = self.job.selection.limit
        for row in islice(rows, limit):
            if self.told.is_set():
                return
            yield Ready(row.id, group=self._group(row), due=self.job.selection.due(row))

    def _group(self, row: Row) -> str:
        """What a file is claimed with: the pages of its document, or some others of its folder."""
        root = self.job.input.root
        if self._inbox.assemble:
            document = assemble.document_of(Source(root / row.path, root), self.job.work)
            if document is not None:
                return document
        return f"{row.path.rpartition('/')[0]}//{row.id // CHUNK}"

    def _count(self, *states: State) -> int:
        name = self.job.input.name
        counts = self.ledger.reports.counts()
        return sum(each.files for each in counts if each.folder == name and each.state in states)

    # Workers

    def _open_client(self) -> Callable[[Destination], Client]:
        if self.job.pace.bandwidth is None:
            return Client
        bandwidth = Bandwidth(self.job.pace.bandwidth, clock=self.clock, sleep=self._over.wait)
        return lambda destination: Client(destination, on_progress=bandwidth.take)

    def _work(self) -> None:
        worker: Worker | None = None
        while not self._over.is_set():
            did = False
            try:
                if worker is None:
                    worker = self._worker()
                if not self._halt.is_set():
                    did = worker.step()
            except ClaimLost:
                assert worker is not None  # noqa: S101 - only who has claims can lose them
                worker.join_again()
            except (Pause, Retry) as error:
                self._troubled(str(error))
            except Exception as error:  # a thread that ended would be noticed by nobody
                self._meter.defect("work", None, error)
                self._troubled(f"internal error ({type(error).__name__}): please report it")
            else:
                self._trouble = None if did else self._trouble
            if not did:
                self._over.wait(IDLE)

    def _worker(self) -> Worker:
        worker = Worker(
            self.ledger,
            lambda _: self._inbox,
            self._gate,
            name=f"{socket.gethostname()}:{os.getpid()}:{threading.current_thread().name}",
            namespace=self.ledger.uid_namespace,
            journal=self._meter,
            stopping=self._halt,
            tmp_dir=self.job.work.tmp_dir,
            together=self._together(),
            files=lambda: assemble.MOST_PAGES if self._inbox.assemble else FILES,
            clock=self.clock,
        )
        self._workers.append(worker)
        return worker

    def _together(self) -> int:
        """Of how many files a worker tells the ledger at a time: no more than come to it in a second."""
        archive = self._gate.archive
        if self._inbox.assemble:
            return 1
        if archive.rate is None:
            return TOGETHER
        return max(1, min(TOGETHER, int(archive.rate / archive.destination.jobs)))

    def _troubled(self, why: str) -> None:
        if self._trouble is None:
            self._trouble_since = self.clock()
            self.note("ledger-paused", {"why": why})
        self._trouble = why
        self._over.wait(TROUBLE)

    def _erred(self, errors: int) -> None:
        if self._has_enough(errors):
            self._halt.set()

    def _has_enough(self, errors: int) -> bool:
        """Whether so many errors end the run."""
        most = self.job.pace.max_errors
        return most is not None and errors >= most

    # The end

    def _watch(self) -> tuple[Why, str | None]:
        """Waits until the run is over; why it is."""
        beat_at = tell_at = self.clock()
        rounds = 0
        while True:
            now = self.clock()
            by_day = self._keep_hours()
            if now >= beat_at:
                beat_at = now + BEAT / 3
                self._beat()
            if now >= tell_at:
                tell_at = now + 1.0
                self.tell(self._meter.progress(self._waiting(by_day)))
            if ended := self._is_over(by_day):
                if ended[0] is not Why.DONE or rounds >= ROUNDS or not self._look_again():
                    return ended
                rounds += 1
            if self.told.wait(IDLE):
                return Why.STOPPED, None

    def _keep_hours(self) -> bool:
        """Lets workers work at night only; whether it is day."""
        night = self.job.pace.night
        by_day = night is not None and not night.includes(self.minute())
        if by_day:
            self._halt.set()
            self._meter.last = self.clock()  # nobody is expected to do anything
        elif not self._has_enough(self._meter.errors):
            self._halt.clear()
        return by_day

    def _beat(self) -> None:
        try:
            if self._workers:
                with suppress(ClaimLost):  # whose worker finds out by itself, and joins again
                    self.ledger.claims.beat(*(worker.owner for worker in self._workers))
            self.ledger.claims.expire()
        except (Pause, Retry) as error:
            self._troubled(str(error))

    def _waiting(self, by_day: bool) -> str | None:
        return "it is not night" if by_day else self._gate.health.why or self._trouble

    def _is_over(self, by_day: bool) -> tuple[Why, str | None] | None:
        """Why nothing more is to be done now; None while there is."""
        pace, health = self.job.pace, self._gate.health
        if self._has_enough(self._meter.errors):
            return Why.ERRORS, f"{self._meter.errors} files were held, rejected or refused"
        if health.refused and not self._meter.files:
            return Why.REFUSED, health.why
        if by_day:
            return None
        now = self.clock()
        if health.paused_since is not None and now - health.paused_since > pace.patience:
            return (Why.REFUSED if health.refused else Why.AWAY), health.why
        if self._trouble is not None and now - self._trouble_since > pace.patience:
            return Why.AWAY, self._trouble
        if self._count(State.READY, State.CLAIMED):
            return None
        if self._next_retry() < pace.patience - (now - self._meter.last):
            return None
        return Why.DONE, None

    def _next_retry(self) -> float:
        """Seconds until the next file is tried again; infinity where there is none."""
        if not self._count(State.RETRY):
            return float("inf")
        rows = self.ledger.reports.every(Query(states=frozenset({State.RETRY}), folder=self.job.input.name))
        now = self.ledger.files.now()
        return min((max(0.0, row.due - now) for row in rows if row.due is not None), default=float("inf"))

    def _look_again(self) -> bool:
        """Whether files that changed while they were read may be tried once more."""
        name, root = self.job.input.name, self.job.input.root
        changed = Query(states=frozenset({State.SEEN}), folder=name, reason="changed")
        again: list[Ready] = []
        for row in list(self.ledger.reports.every(changed)):
            stamp = FileStamp.at(root / row.path)
            if stamp is None:
                self.ledger.files.vanished(name, [row.path])
            else:
                self.ledger.files.see(name, [(row.path, stamp)], [DESTINATION])
                again.append(Ready(row.id))
        self.ledger.files.ready(again)
        return bool(again)

    def _end(self, threads: list[threading.Thread]) -> None:
        """What is being sent may be answered, all else is given back."""
        self._halt.set()
        self._over.set()
        end = self.clock() + GRACE
        for thread in threads:
            thread.join(max(0.0, end - self.clock()))
        self._gate.stop()
        for thread in threads:
            thread.join(TROUBLE)
        for worker in self._workers:
            worker.close()
        self._gate.close()
        self.tell(self._meter.progress())


def inbox_of(job: Job) -> Inbox:
    """The import as workers see it: nothing is waited for, since nobody writes any more."""
    return Inbox(
        name=job.input.name,
        root=job.input.root,
        work=job.work,
        destinations=(DESTINATION,),
        give_up=timedelta(),
        recheck=RECHECKS,
        assemble=assemble.join if assemble.is_asked(job.work.description.mappings) else None,
    )
