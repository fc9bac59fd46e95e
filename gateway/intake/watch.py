"""The daemon: a thread a folder that scans, workers for each destination, and one that keeps watch.

scan threads   folder.py    what is there, what is complete, what becomes of originals
workers        work.py      examine, build, send, record; `jobs` of them a destination
keeper         here         signs of life, dead owners' claims, what files depend on, alerts
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import FrameType
from typing import IO

from gateway import config
from gateway.errors import Fatal, Pause, Retry
from gateway.intake.archives import Gate
from gateway.intake.configuration import Configuration, Folder
from gateway.intake.folder import HotFolder
from gateway.intake.journal import Journal
from gateway.intake.scan import Waker
from gateway.intake.timing import Durations, TimedClient
from gateway.intake.work import Inbox, Worker
from gateway.ledger import ClaimLost, Ledger, Query, State
from gateway.ledger.claims import BEAT
from gateway.ledger.states import DONE
from gateway.stream import FileStamp

LOCK = ".stow-gateway.lock"
"""In a watched folder: whose ledger it is watched with."""

IDLE = 0.2
"""Seconds that a worker waits that found nothing to do."""

TROUBLE = 5.0
"""Seconds to wait when the ledger takes nothing, as when its disk is full."""

GRACE = 20.0
"""Seconds in which what is being sent may end when the daemon is told to stop."""

DEPENDS_EVERY = 2.0
UPKEEP_EVERY = 3600.0


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
    _work: threading.Event = field(default_factory=threading.Event)

    def start(self) -> None:
        """Opens the folders and starts all threads."""
        for name, archive in self.configuration.archives.items():
            durations = self.durations[name] = Durations()
            self.gates[name] = Gate(
                archive,
                clock=self.clock,
                sleep=self.stopping.wait,
                open_client=partial(TimedClient, durations=durations),
            )
        for folder in self.configuration.folders:
            self.folders.append(
                HotFolder(folder, self.configuration, self.ledger, self.journal, self.clock, self.now)
            )
        for name, gate in self.gates.items():
            for number in range(gate.archive.destination.jobs):
                self._start(self._send, f"{name}-{number + 1}", gate)
        for hot in self.folders:
            self._start(self._scan, f"scan-{hot.folder.name}", hot)
        self._start(self._keep, "keeper")

    def stop(self) -> None:
        """Ends: what is being sent may be answered, all else is given back."""
        self.stopping.set()
        self._work.set()
        for waker in self._wakers:
            waker.stop()
        end = self.clock() + GRACE
        for thread in self._threads:
            thread.join(max(0.0, end - self.clock()))
        for gate in self.gates.values():
            gate.stop()
        for thread in self._threads:
            thread.join(TROUBLE)
        for worker in self.workers:
            worker.close()
        for gate in self.gates.values():
            gate.close()

    @property
    def healthy(self) -> bool:
        """Whether all threads live and each folder was looked at within three of its intervals."""
        return all(thread.is_alive() for thread in self._threads)

    @property
    def ready(self) -> bool:
        """Whether files that come now are taken: the ledger can be written, and folders are scanned."""
        moment = self.clock()
        return self.ledger_trouble is None and all(
            hot.offline_since is not None
            or (
                hot.scanned_at is not None
                and moment - hot.scanned_at < 3 * max(hot.folder.scan.total_seconds(), 5.0)
            )
            for hot in self.folders
        )

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
            with self._surviving("scan"):
                hot.scan()
                self._work.set()
            waker.wait(seconds, self.stopping)

    def _send(self, gate: Gate) -> None:
        worker: Worker | None = None
        while not self.stopping.is_set():
            did = False
            with self._surviving("work"):
                if worker is None:
                    worker = self._worker(gate)
                try:
                    did = worker.step()
                except ClaimLost:
                    worker.join_again()
            if not did:
                self.stopping.wait(IDLE)

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
        )
        self.workers.append(worker)
        return worker

    def _inbox_of(self, name: str) -> Inbox:
        """The folder as it is described now. Raises `Retry` for one that is not configured any more."""
        for hot in self.folders:
            if hot.folder.name == name:
                return hot.inbox
        raise Retry(f"the folder {name} is not in the configuration")

    def _keep(self) -> None:
        """Signs of life, and what is to be done now and then."""
        depends_at = upkeep_at = self.clock()
        notify("READY=1")
        self.journal.event("started", folders=len(self.folders), pid=os.getpid())
        while not self.stopping.wait(BEAT / 3):
            with self._surviving("keep"):
                self._beat()
                if self.clock() >= depends_at:
                    depends_at = self.clock() + DEPENDS_EVERY
                    self._look_at_dependencies()
                if self.clock() >= upkeep_at:
                    upkeep_at = self.clock() + UPKEEP_EVERY
                    for hot in self.folders:
                        hot.remove_old()
            for check in self.checks:
                with self._surviving("check"):
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

    def _look_at_dependencies(self) -> None:
        """Lets held files be tried again when what they depend on has changed; shows what would differ."""
        for path in self.ledger.files.dependencies():
            finished = self.ledger.files.touched(path, _stamp(Path(path)))
            for file in finished:
                self._compare(file)

    def _compare(self, file: int) -> None:
        """Whether a stored file would be sent with other attributes now."""
        row = self.ledger.reports.get(file)
        if row is None or row.state not in DONE | {State.CHANGED}:
            return
        hot = next((each for each in self.folders if each.folder.name == row.folder), None)
        wanted = hot.attributes_now(row, self._moved(file)) if hot else None
        if wanted is None:
            return
        different = self.ledger.outcomes.compare(file, wanted, "It would be sent with other attributes now")
        if different:
            self.journal.event("changed", file=file, attributes=[each.attribute for each in different])

    def _moved(self, file: int) -> Path | None:
        """Where the original of a file was moved to."""
        detail = self.ledger.reports.detail(file)
        texts = [each.text for each in detail.events if each.what == "original"] if detail else []
        return Path(texts[-1]) if texts and texts[-1] and texts[-1].startswith("/") else None

    @contextmanager
    def _surviving(self, where: str) -> Iterator[None]:
        """Goes on after what goes wrong: a ledger without room waits, a defect is told."""
        try:
            yield
        except (Pause, Retry) as error:
            if self.ledger_trouble is None:
                self.journal.event("ledger-paused", why=str(error))
            self.ledger_trouble = str(error)
            self.stopping.wait(TROUBLE)
        except Exception as error:  # a thread that ended would be noticed by nobody
            self.journal.defect(where, None, error)
            self.stopping.wait(TROUBLE)
        else:
            if self.ledger_trouble is not None and where == "keep":
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
    with ExitStack() as stack:
        ledger = stack.enter_context(Ledger.open(configuration.ledger, uid_namespace=namespace))
        for folder in configuration.folders:
            stack.enter_context(_locked(folder, configuration.ledger, journal))
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


@contextmanager
def until_told() -> Iterator[threading.Event]:
    """An event that is set by SIGTERM and SIGINT."""
    told = threading.Event()

    def tell(number: int, frame: FrameType | None) -> None:
        told.set()

    before = {each: signal.signal(each, tell) for each in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield told
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def notify(text: str) -> None:
    """Tells systemd how the service is doing (sd_notify(3)); nothing where it did not start us."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.sendto(text.encode(), "\0" + address[1:] if address.startswith("@") else address)


@contextmanager
def _locked(folder: Folder, ledger: Path, journal: Journal) -> Iterator[None]:
    """The folder watched with this ledger; others may watch it with the same one.

    Raises `Fatal` when it is watched with another. Where no lock can be had (a share that cannot be
    written), that is said and nothing is kept out.
    """
    path = folder.path / LOCK
    own = json.dumps({"host": socket.gethostname(), "ledger": os.path.realpath(ledger)})
    try:
        file = path.open("a+", encoding="utf-8")
    except OSError as error:
        journal.event("unlocked", folder=folder.name, why=error.strerror or str(error))
        yield
        return
    with file:
        try:
            if not _first(file):
                file.seek(0)
                other = file.read().strip()
                if other != own:
                    raise Fatal(
                        f"{folder.path} is watched by another daemon with another ledger ({other}): every "
                        "file would be stored twice. Stop it, or use its ledger"
                    )
            else:
                file.seek(0)
                file.truncate()
                file.write(own)
                file.flush()
                fcntl.flock(file, fcntl.LOCK_SH)
        except OSError as error:
            journal.event("unlocked", folder=folder.name, why=error.strerror or str(error))
        yield


def _first(file: IO[str]) -> bool:
    """Whether nobody else has the lock; it is held alone then, else together with the others."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        fcntl.flock(file, fcntl.LOCK_SH)
        return False
    return True


def free_space(path: Path) -> int | None:
    """Bytes that are free where a path is; None where that cannot be told."""
    with suppress(OSError):
        return shutil.disk_usage(path if path.exists() else path.parent).free
    return None


def stamp_of(path: Path) -> FileStamp | None:
    """The stamp of a file; None where there is none."""
    return _stamp(path)


def _stamp(path: Path) -> FileStamp | None:
    try:
        return FileStamp.of(path.stat())
    except OSError:
        return None


def held_for(ledger: Ledger, now: float, seconds: float) -> int:
    """How many files have been held for longer."""
    query = Query(states=frozenset({State.HELD}), before=now - seconds)
    return sum(1 for _ in ledger.reports.every(query))
