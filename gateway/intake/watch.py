"""The daemon: a thread a folder that scans, workers for each destination, and one that keeps watch.

scan threads   folder.py    what is there, what is complete, what becomes of originals
workers        work.py      examine, build, send, record; `jobs` of them a destination
comparer       here         what files depend on: held ones are tried again, stored ones compared
keeper         here         signs of life, dead owners' claims, alerts
"""

from __future__ import annotations

import os
import shutil
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from gateway import config
from gateway.convert import child
from gateway.errors import Pause, Retry
from gateway.intake.archives import Gate
from gateway.intake.assemble import MOST_PAGES
from gateway.intake.configuration import Configuration
from gateway.intake.folder import HotFolder
from gateway.intake.journal import Journal
from gateway.intake.putback import whereabouts
from gateway.intake.scan import Waker
from gateway.intake.timing import Durations, TimedClient
from gateway.intake.work import BATCH, Inbox, Worker
from gateway.ledger import ClaimLost, Ledger, Query, State
from gateway.ledger.claims import BEAT
from gateway.ledger.states import DONE
from gateway.stream import FileStamp

IDLE, LONGEST_IDLE = 0.05, 1.0
"""Seconds that a worker waits that found nothing to do, at first and after some time."""

TROUBLE = 5.0
"""Seconds to wait when the ledger takes nothing, as when its disk is full."""

GRACE = 20.0
"""Seconds in which what is being sent may end when the daemon is told to stop."""

LAST = 5.0
"""Seconds after that in which threads may end whose sending was broken off."""

SCAN_RESTS = 3
"""So many times what a scan took passes before the next, in folders of very many files."""

DEPENDS_EVERY = 2.0
RESTS = 10
"""Seconds between two looks at what files depend on; or so many times what one look takes."""

UPKEEP_EVERY = 3600.0
A_DAY = 86_400.0


@dataclass(slots=True)
class Daemon:
    """All of it, running. Made by `running`."""

    configuration: Configuration
    ledger: Ledger
    journal: Journal
    clock: Callable[[], float] = time.monotonic
    now: Callable[[], float] = time.time
    stopping: threading.Event = field(default_factory=threading.Event)
    gates: dict[str, Gate] = field(default_factory=dict)
    folders: list[HotFolder] = field(default_factory=list)
    workers: list[Worker] = field(default_factory=list)
    durations: dict[str, Durations] = field(default_factory=dict)
    """How long each destination took to answer."""
    checks: list[Callable[[], None]] = field(default_factory=list)
    """What else the keeper sees to, every second."""
    ledger_trouble: str | None = None
    """Why nothing can be recorded just now."""
    _threads: list[threading.Thread] = field(default_factory=list)
    _wakers: list[Waker] = field(default_factory=list)
    _troubled: set[str] = field(default_factory=set)
    """Threads that could not record something."""
    _told: dict[str, float] = field(default_factory=dict)

    def start(self) -> None:
        """Opens the folders and starts all threads. Raises `Fatal` when a folder cannot be watched."""
        for folder in self.configuration.folders:
            hot = HotFolder(folder, self.configuration, self.ledger, self.journal, self.clock, self.now)
            self.folders.append(hot)
            hot.acquire()
        for name, archive in self.configuration.archives.items():
            durations = self.durations[name] = Durations()
            self.gates[name] = Gate(
                archive,
                clock=self.clock,
                sleep=self.stopping.wait,
                open_client=partial(TimedClient, durations=durations),
            )
        for name, gate in self.gates.items():
            for number in range(gate.archive.destination.jobs):
                self._start(self._send, f"{name}-{number + 1}", gate)
        for hot in self.folders:
            self._start(self._scan, f"scan-{hot.folder.name}", hot)
        self._start(self._compare_all, "comparer")
        self._start(self._keep, "keeper")

    def stop(self) -> None:
        """Ends: what is being sent may be answered, all else is given back."""
        self.stopping.set()
        for waker in self._wakers:
            waker.stop()
        self._join(GRACE)
        for gate in self.gates.values():
            gate.stop()
        self._join(LAST)
        for worker in self.workers:
            worker.close()
        for gate in self.gates.values():
            gate.close()
        for hot in self.folders:
            hot.lock.release()

    def _join(self, seconds: float) -> None:
        """Waits until all threads have ended, or for so long."""
        end = self.clock() + seconds
        for thread in self._threads:
            thread.join(max(0.0, end - self.clock()))

    @property
    def healthy(self) -> bool:
        """Whether all threads live."""
        return all(thread.is_alive() for thread in self._threads)

    def _start(self, target: Callable[..., None], name: str, *args: object) -> None:
        thread = threading.Thread(target=target, name=name, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    # Threads

    def _scan(self, hot: HotFolder) -> None:
        waker = Waker(hot.folder.path, wanted=hot.folder.events)
        self._wakers.append(waker)
        self.journal.event("watching", folder=hot.folder.name, how=waker.mode)
        seconds = hot.folder.scan.total_seconds()
        while not self.stopping.is_set():
            began = self.clock()
            with self._surviving():
                hot.scan()
            waker.wait(max(seconds, SCAN_RESTS * (self.clock() - began)))

    def _send(self, gate: Gate) -> None:
        worker: Worker | None = None
        idle = IDLE
        while not self.stopping.is_set():
            did = False
            with self._surviving():
                if worker is None:
                    worker = self._worker(gate)
                try:
                    did = worker.step()
                except ClaimLost:
                    worker.join_again()
            idle = IDLE if did else min(2 * idle, LONGEST_IDLE)
            if not did:
                self.stopping.wait(idle)

    def _worker(self, gate: Gate) -> Worker:
        worker = Worker(
            self.ledger,
            self._inbox_of,
            gate,
            name=f"{socket.gethostname()}:{os.getpid()}:{threading.current_thread().name}",
            namespace=self.ledger.uid_namespace,
            journal=self.journal,
            stopping=self.stopping,
            tmp_dir=self.configuration.tmp_dir,
            files=self._together,
        )
        self.workers.append(worker)
        return worker

    def _together(self) -> int:
        """How many files of a study or group are claimed at a time."""
        return MOST_PAGES if any(hot.inbox.assemble for hot in self.folders) else BATCH

    def _inbox_of(self, name: str) -> Inbox:
        """The folder as it is described now. Raises `Retry` for one that is not configured any more."""
        for hot in self.folders:
            if hot.folder.name == name:
                return hot.inbox
        raise Retry(f"the folder {name} is not in the configuration")

    def _keep(self) -> None:
        """Signs of life, and what is to be done now and then."""
        upkeep_at = self.clock()
        notify("READY=1")
        self.journal.event("started", folders=len(self.folders), pid=os.getpid())
        while not self.stopping.wait(BEAT / 3):
            with self._surviving():
                self._beat()
                if self.clock() >= upkeep_at:
                    upkeep_at = self.clock() + UPKEEP_EVERY
                    self.look_after()
            for check in self.checks:
                with self._surviving():
                    check()
            if self.healthy:
                notify("WATCHDOG=1")

    def _beat(self) -> None:
        if self.workers:
            with suppress(ClaimLost):  # whose worker finds out by itself, and joins again
                self.ledger.claims.beat(*(worker.owner for worker in self.workers))
        freed = self.ledger.claims.expire()
        if freed:
            self.journal.event("taken-over", files=len(freed))

    def look_after(self) -> None:
        """What is to be done now and then: old originals are deleted, and files held for long are told."""
        for hot in self.folders:
            hot.originals.remove_old()
            self._tell_held(hot)

    def _tell_held(self, hot: HotFolder) -> None:
        """Says, once a day, how many files of a folder wait for somebody to settle a doubt."""
        name, moment = hot.folder.name, self.clock()
        if name in self._told and moment - self._told[name] < A_DAY:
            return
        before = self.now() - hot.folder.hold_for.total_seconds()
        which = Query(states=frozenset({State.HELD}), folder=name, before=before)
        reasons = Counter(row.reason for row in self.ledger.reports.every(which))
        if reasons:
            self._told[name] = moment
            self.journal.event("held-long", folder=name, files=reasons.total(), reasons=dict(reasons))

    # Files outside on which outcomes depend

    def _compare_all(self) -> None:
        """Looks again and again at what files depend on; a long look is followed by a long rest."""
        while not self.stopping.is_set():
            began = self.clock()
            with self._surviving():
                self.look_at_dependencies()
            self.stopping.wait(max(DEPENDS_EVERY, RESTS * (self.clock() - began)))

    def look_at_dependencies(self) -> None:
        """Lets held files be tried again when what they depend on has changed; shows what would differ."""
        for hot in self.folders:
            hot.reload()  # before its files are tried again
        for path in self.ledger.files.dependencies():
            stamp = FileStamp.at(Path(path))
            while (finished := self.ledger.files.touched(path, stamp)) and not self.stopping.is_set():
                for file in finished:
                    self._compare(file)
                self.ledger.files.compared(path, stamp, finished)

    def _compare(self, file: int) -> None:
        """Whether a stored file would be sent with other attributes now."""
        row = self.ledger.reports.get(file)
        if row is None or row.state not in DONE | {State.CHANGED}:
            return
        hot = next((each for each in self.folders if each.folder.name == row.folder), None)
        archive = self.configuration.archives.get(row.destination)
        if hot is None or archive is None:
            return
        detail = self.ledger.reports.detail(file)
        where = whereabouts(detail) if detail else None
        moved = Path(where) if where and Path(where).is_absolute() else None
        wanted = hot.attributes_now(row, moved, archive)
        if wanted is None:
            return
        different = self.ledger.outcomes.compare(file, wanted, "It would be sent with other attributes now")
        if different:
            self.journal.event("changed", file=file, attributes=[each.attribute for each in different])

    @contextmanager
    def _surviving(self) -> Iterator[None]:
        """Goes on after what goes wrong: a ledger without room waits, a defect is told."""
        name = threading.current_thread().name
        try:
            yield
        except (Pause, Retry) as error:
            self._troubled.add(name)
            if self.ledger_trouble is None:
                self.journal.event("ledger-paused", why=str(error))
            self.ledger_trouble = str(error)
            self.stopping.wait(TROUBLE)
        except Exception as error:  # a thread that ended would be noticed by nobody
            self.journal.defect(name, None, error)
            self.stopping.wait(TROUBLE)
        else:
            self._troubled.discard(name)
            if self.ledger_trouble is not None and not self._troubled:
                self.ledger_trouble = None
                self.journal.event("ledger-resumed")


@contextmanager
def running(configuration: Configuration, journal: Journal) -> Iterator[Daemon]:
    """A daemon on a configuration, until the context ends.

    Raises `Fatal` when the ledger cannot be used, a folder is watched with another ledger, or there is no
    place for what it moves.
    """
    # they import this module themselves
    from gateway.intake.alerts import Alerts

    namespace = (
        config.uid_namespace(configuration.uid_namespace).value if configuration.uid_namespace else None
    )
    if configuration.decoders:
        child.at_once(configuration.decoders)
    with ExitStack() as stack:
        ledger = stack.enter_context(Ledger.open(configuration.ledger, uid_namespace=namespace))
        daemon = Daemon(configuration, ledger, journal)
        daemon.checks.append(stack.enter_context(Alerts(daemon)).check)
        if configuration.monitoring.port is not None:
            from gateway.intake import status

            stack.enter_context(status.serving(daemon))
        daemon.start()
        try:
            yield daemon
        finally:
            notify("STOPPING=1")
            daemon.stop()
            journal.event("stopped")


def notify(text: str) -> None:
    """Tells systemd how the service is doing (sd_notify(3)); nothing where it did not start us."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.sendto(text.encode(), "\0" + address[1:] if address.startswith("@") else address)


def free_space(path: Path) -> int | None:
    """Bytes that are free where a path is; None where that cannot be told."""
    with suppress(OSError):
        return shutil.disk_usage(path if path.exists() else path.parent).free
    return None
