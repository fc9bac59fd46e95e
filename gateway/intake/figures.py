"""The figures of a daemon for Prometheus, read from the ledger and the threads when they are asked for.

Labels hold the names of folders and destinations and the states of files, and nothing else. What is
counted since the ledger began (`_total`) goes on after a restart; two daemons with one ledger tell the
same of it.
"""

from __future__ import annotations

import platform
import threading
from collections.abc import Iterable, Iterator, Sequence

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector, CollectorRegistry

from gateway.errors import Pause, Retry
from gateway.intake.alerts import disks
from gateway.intake.timing import Durations
from gateway.intake.watch import Daemon, free_space
from gateway.ledger.part import SECONDS_AN_HOUR
from gateway.ledger.records import Oldest
from gateway.ledger.reports import Reports
from gateway.ledger.states import State
from gateway.version import __version__

FILES = ("folder", "destination")
"""What a file's figures are told apart by."""

QUEUED = frozenset({State.READY, State.CLAIMED, State.RETRY})
"""A file is complete, and its destination has not answered for it yet."""

TAKEN = frozenset({State.STORED, State.WARNING})
"""The destination has taken a file's bytes."""

OUTCOMES = frozenset(State) - {State.SEEN, State.SETTLING} - QUEUED
"""States in which there is something to say of a file."""

Labels = tuple[str, ...]
Sample = tuple[Labels, float]


def registry(daemon: Daemon) -> CollectorRegistry:
    """All that is told of a daemon and of its process."""
    made = CollectorRegistry(auto_describe=False)
    made.register(Figures(daemon))
    ProcessCollector(registry=made)
    return made


class Figures(Collector):
    """The figures of one daemon."""

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon
        self._totals = Totals(daemon.ledger.reports)

    def collect(self) -> Iterator[Metric]:
        """All figures as they are now; without those of the ledger when it cannot be read."""
        try:
            of_files = [*self._files(), *self._since_the_ledger_began()]
            readable = True
        except (Pause, Retry):
            of_files, readable = [], False
        yield InfoMetricFamily(
            "stow_gateway_build",
            "Version of the gateway and of Python",
            {"version": __version__, "python": platform.python_version()},
        )
        trouble = self._daemon.ledger_trouble is not None or not readable
        yield _gauge("ledger_trouble", "Whether nothing can be recorded now", (), [((), trouble)])
        yield from of_files
        yield from self._folders()
        yield from self._destinations()
        free = ((name, free_space(path)) for name, path in disks(self._daemon.configuration).items())
        samples = [((name,), size) for name, size in free if size is not None]
        yield _gauge(
            "disk_free_bytes", "Bytes free where the ledger and converted files are", ("place",), samples
        )

    # Files, as the ledger knows them

    def _files(self) -> Iterator[Metric]:
        """What there is now."""
        routes = self._routes()
        files = {(*route, state.value): 0 for route in routes for state in State}
        queued = dict.fromkeys(routes, 0)
        for count in self._daemon.ledger.reports.counts():
            route = (count.folder, count.destination)
            files[*route, count.state.value] = count.files
            queued[route] = queued.get(route, 0) + (count.files if count.state in QUEUED else 0)
        oldest = self._daemon.ledger.reports.oldest()
        yield _gauge("files", "Files by state", (*FILES, "state"), files.items())
        yield _gauge(
            "queued_files", "Complete files whose destination has not answered yet", FILES, queued.items()
        )
        yield _gauge(
            "oldest_ready_seconds",
            "How long the oldest complete file has been without an answer; 0 when there is none",
            FILES,
            self._ages(oldest, QUEUED),
        )
        yield _gauge(
            "oldest_held_seconds",
            "How long the oldest held file has been held; 0 when there is none",
            FILES,
            self._ages(oldest, frozenset({State.HELD})),
        )

    def _ages(self, oldest: Iterable[Oldest], states: frozenset[State]) -> Iterable[Sample]:
        ages = dict.fromkeys(self._routes(), 0.0)
        for each in oldest:
            if each.state in states:
                route = (each.folder, each.destination)
                ages[route] = max(ages.get(route, 0.0), self._daemon.now() - each.since)
        return ages.items()

    def _since_the_ledger_began(self) -> Iterator[Metric]:
        totals = self._totals.read()
        routes = self._routes()
        seen, stored = dict.fromkeys(routes, 0), dict.fromkeys(routes, 0)
        outcomes = {(*route, state.value): 0 for route in routes for state in OUTCOMES}
        for (folder, destination, state), (files, size) in totals.items():
            route = (folder, destination)
            if state is State.SEEN:
                seen[route] = files
            elif state in OUTCOMES:
                outcomes[*route, state.value] = files
            if state in TAKEN:
                stored[route] = stored.get(route, 0) + size
        yield _counter("seen_files", "Files found, once for each destination", FILES, seen.items())
        yield _counter("outcome_files", "Files that came into a state", (*FILES, "state"), outcomes.items())
        yield _counter("stored_bytes", "Bytes of files that a destination has taken", FILES, stored.items())

    def _routes(self) -> list[tuple[str, str]]:
        return [
            (each.name, route.destination) for each in self._daemon.configuration.folders for route in each.to
        ]

    # Folders and destinations, as the threads know them

    def _folders(self) -> Iterator[Metric]:
        folders = list(self._daemon.folders)
        online = [((hot.folder.name,), hot.offline_since is None) for hot in folders]
        yield _gauge("folder_online", "Whether a folder can be read", ("folder",), online)
        moment = self._daemon.clock()
        ages = [
            ((hot.folder.name,), moment - hot.scanned_at) for hot in folders if hot.scanned_at is not None
        ]
        yield _gauge("folder_scan_age_seconds", "How long ago a folder was looked through", ("folder",), ages)
        faulty = [((hot.folder.name,), bool(hot.faulty)) for hot in folders]
        yield _gauge("folder_mapping_faulty", "Whether a changed mapping has faults", ("folder",), faulty)

    def _destinations(self) -> Iterator[Metric]:
        health = {name: gate.health for name, gate in self._daemon.gates.items()}
        paused = [((name,), each.paused_since is not None) for name, each in health.items()]
        moment = self._daemon.clock()
        ages = [
            ((name,), 0.0 if each.paused_since is None else moment - each.paused_since)
            for name, each in health.items()
        ]
        label = ("destination",)
        yield _gauge("breaker_open", "Whether a destination is paused", label, paused)
        yield _gauge(
            "breaker_open_seconds", "How long a destination has been paused; 0 when it is not", label, ages
        )
        yield _histogram(
            "send_seconds", "How long instances took until they were answered", self._daemon.durations
        )


class Totals:
    """Files and bytes that came into each state since the ledger began, by folder, destination and state.

    Hours that are over do not change and are added up once; the hour before the present one is taken as
    not over yet, for those that were late.
    """

    def __init__(self, reports: Reports) -> None:
        self._reports = reports
        self._lock = threading.Lock()
        self._over: dict[tuple[str, str, State], tuple[int, int]] = {}
        self._next = 0.0

    def read(self) -> dict[tuple[str, str, State], tuple[int, int]]:
        """The sums as they are now. Raises `Pause` when the ledger cannot be read."""
        with self._lock:
            border = (self._reports.now() // SECONDS_AN_HOUR - 1) * SECONDS_AN_HOUR
            totals: dict[tuple[str, str, State], tuple[int, int]] = dict(self._over)
            for hour in self._reports.hours(self._next):
                for sums in (totals, self._over) if hour.at < border else (totals,):
                    files, size = sums.get(key := (hour.folder, hour.destination, hour.state), (0, 0))
                    sums[key] = (files + hour.files, size + hour.size)
            self._next = max(self._next, border)
            return totals


def _gauge(name: str, text: str, labels: Sequence[str], samples: Iterable[Sample]) -> Metric:
    family = GaugeMetricFamily(f"stow_gateway_{name}", text, labels=labels)
    for values, value in samples:
        family.add_metric(values, float(value))
    return family


def _counter(name: str, text: str, labels: Sequence[str], samples: Iterable[Sample]) -> Metric:
    family = CounterMetricFamily(f"stow_gateway_{name}", text, labels=labels)
    for values, value in samples:
        family.add_metric(values, float(value))
    return family


def _histogram(name: str, text: str, durations: dict[str, Durations]) -> Metric:
    family = HistogramMetricFamily(f"stow_gateway_{name}", text, labels=("destination",))
    for destination, each in durations.items():
        buckets, total = each.read()
        family.add_metric((destination,), buckets, total)
    return family
