"""Alerts: what a person should see to, each said once, again after a while, and once more when it is over.

    held      files are held for longer than `held_for`
    overdue   files are held for longer than their folder's `hold_for`
    offline   a folder is away for longer than `offline_for`
    paused    a destination takes nothing for longer than `breaker_for`
    disk      less than `disk` is free where the ledger or converted files are
    silent    no file has come to a folder for `silence`, within its hours
    mapping   a mapping was changed and has faults; the one from before is used
    ledger    nothing can be recorded

All of them are journaled, whether or not there is somebody to tell. They say names of folders and
destinations, numbers and ages; what names a patient is looked up in the ledger.
"""

from __future__ import annotations

import socket
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Any
from zoneinfo import ZoneInfo

from gateway.errors import Pause, Retry
from gateway.intake.channels import Channel, Message, Teller, channels
from gateway.intake.configuration import Alerts as Wanted
from gateway.intake.configuration import Configuration, Hours
from gateway.intake.folder import HotFolder
from gateway.intake.watch import Daemon, free_space
from gateway.ledger.records import Count, Hour, Oldest
from gateway.ledger.states import OPEN, State

EVERY = 5.0
"""Seconds between two looks."""

LEDGER_FOR = 30.0
"""Seconds that nothing can be recorded before it is told: others may be writing for a while."""

ROOM = 1.1
"""By how much more must be free than is wanted before a disk is in order again."""

CLOSING = 5.0
"""Seconds in which what is left may be told at the end."""

DAY = 86_400.0


class Kind(StrEnum):
    """What is wrong."""

    HELD = "held"
    OVERDUE = "overdue"
    OFFLINE = "offline"
    PAUSED = "paused"
    DISK = "disk"
    SILENT = "silent"
    MAPPING = "mapping"
    LEDGER = "ledger"


MENDED: Mapping[Kind, str] = {
    Kind.HELD: "no file is held for long any more",
    Kind.OVERDUE: "no file is held for too long any more",
    Kind.OFFLINE: "it can be read again",
    Kind.PAUSED: "it takes files again",
    Kind.DISK: "there is room again",
    Kind.SILENT: "files come again",
    Kind.MAPPING: "its mapping is in order",
    Kind.LEDGER: "it can be written again",
}
"""What is said when it is over."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What an alert is about."""

    kind: Kind
    folder: str | None = None
    destination: str | None = None
    disk: str | None = None

    @property
    def shown(self) -> str:
        """In words."""
        if self.folder is not None:
            to = f", on the way to {self.destination}" if self.destination is not None else ""
            return f"Folder {self.folder}{to}"
        if self.destination is not None:
            return f"Destination {self.destination}"
        return f"Disk of {self.disk}" if self.disk is not None else "Ledger"

    @property
    def facts(self) -> dict[str, str]:
        """For programs."""
        facts = {
            "kind": self.kind.value,
            "folder": self.folder,
            "destination": self.destination,
            "disk": self.disk,
        }
        return {name: value for name, value in facts.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is wrong, and for how many seconds it has been so, where that is known.

    `sure` is False while nobody can tell whether it is still so: what was said of it then stays as it is.
    """

    subject: Subject
    text: str = ""
    seconds: float | None = None
    sure: bool = True


@dataclass(frozen=True, slots=True)
class News:
    """A finding that is to be told: `raised`, `again` or `over`."""

    subject: Subject
    status: str
    text: str
    seconds: float | None

    @property
    def line(self) -> str:
        """For people."""
        return f"{self.subject.shown}: {self.text}"

    @property
    def facts(self) -> dict[str, Any]:
        """For programs."""
        seconds = {} if self.seconds is None else {"seconds": round(self.seconds)}
        return {**self.subject.facts, "status": self.status, **seconds}


class Alerts:
    """Looks at a daemon now and then, and tells what a person should see to.

    `tell_by` are the channels, by default those of the configuration. `zone` is the time zone of the
    summary and of the hours of folders that name none, by default the machine's. `free` gives the free
    bytes where a path is.
    """

    def __init__(
        self,
        daemon: Daemon,
        *,
        tell_by: Mapping[str, Channel] | None = None,
        zone: tzinfo | None = None,
        free: Callable[[Path], int | None] = free_space,
    ) -> None:
        self._daemon = daemon
        self._wanted = daemon.configuration.alerts or Wanted()
        self._zone = zone
        self._free = free
        if tell_by is None:
            tell_by = channels(self._wanted, daemon.configuration.path.parent.absolute())
        self._tellers = [Teller(name, channel, daemon.journal) for name, channel in tell_by.items()]
        self._began = daemon.clock()
        self._next_look = self._began
        self._trouble_since: float | None = None
        self._told: dict[Subject, float] = {}
        self._next_summary = self._summary_after(daemon.now())

    def __enter__(self) -> Alerts:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Tells what is left, if that takes no longer than a moment."""
        for teller in self._tellers:
            teller.close(CLOSING)

    def check(self) -> None:
        """Looks whether there is something to tell; most times it is not yet time to look."""
        moment = self._daemon.clock()
        if moment < self._next_look:
            return
        self._next_look = moment + EVERY
        if news := self._news():
            for each in news:
                self._daemon.journal.event("alert", **each.facts)
            self._tell(_message(news, self._held_reasons(news)))
        self._summarise()

    def _tell(self, message: Message) -> None:
        facts = {"gateway": socket.gethostname(), "time": _moment(self._daemon.now()), **message.facts}
        told = Message(f"stow-gateway on {facts['gateway']}: {message.title}", message.text, facts)
        for teller in self._tellers:
            teller.tell(told)

    # What is new

    def _news(self) -> list[News]:
        """What was not said before, or long ago, and what is over."""
        moment = self._daemon.clock()
        found = {each.subject: each for each in self._findings()}
        news: list[News] = []
        for subject, each in found.items():
            said = self._told.get(subject)
            if each.sure and (said is None or moment - said >= self._wanted.repeat.total_seconds()):
                self._told[subject] = moment
                news.append(News(subject, "raised" if said is None else "again", each.text, each.seconds))
        for subject in [each for each in self._told if each not in found]:
            del self._told[subject]
            news.append(News(subject, "over", MENDED[subject.kind], None))
        return news

    def _findings(self) -> Iterator[Finding]:
        """All that is wrong now."""
        yield from self._ledger()
        yield from self._held()
        yield from self._offline()
        yield from self._paused()
        yield from self._disks()
        yield from self._silent()
        yield from self._mappings()

    def _ledger(self) -> Iterator[Finding]:
        trouble = self._daemon.ledger_trouble
        if trouble is None:
            self._trouble_since = None
            return
        moment = self._daemon.clock()
        if self._trouble_since is None:
            self._trouble_since = moment
        if (seconds := moment - self._trouble_since) >= LEDGER_FOR:
            yield Finding(
                Subject(Kind.LEDGER), f"nothing can be recorded, for {span(seconds)}: {trouble}", seconds
            )

    def _held(self) -> Iterator[Finding]:
        try:
            counts, oldest = self._daemon.ledger.reports.counts(), self._daemon.ledger.reports.oldest()
        except (Pause, Retry):
            yield from (
                Finding(each, sure=False) for each in self._told if each.kind in (Kind.HELD, Kind.OVERDUE)
            )
            return
        limits = {each.name: each.hold_for.total_seconds() for each in self._daemon.configuration.folders}
        numbers = {(each.folder, each.destination): each.files for each in counts if each.state is State.HELD}
        for each in oldest:
            if each.state is not State.HELD:
                continue
            seconds = self._daemon.now() - each.since
            files = _files(numbers.get((each.folder, each.destination), 1))
            text = f"{files} held, the oldest for {span(seconds)}"
            if seconds >= self._wanted.held_for.total_seconds():
                yield Finding(Subject(Kind.HELD, each.folder, each.destination), text, seconds)
            limit = limits.get(each.folder)
            if limit is not None and seconds >= limit:
                text = f"{text}, longer than the {span(limit)} of hold_for"
                yield Finding(Subject(Kind.OVERDUE, each.folder, each.destination), text, seconds)

    def _offline(self) -> Iterator[Finding]:
        for hot in self._daemon.folders:
            if hot.offline_since is None:
                continue
            seconds = self._daemon.clock() - hot.offline_since
            if seconds >= self._wanted.offline_for.total_seconds():
                text = f"it cannot be read, for {span(seconds)}: {hot.offline_why}"
                yield Finding(Subject(Kind.OFFLINE, hot.folder.name), text, seconds)

    def _paused(self) -> Iterator[Finding]:
        for name, gate in self._daemon.gates.items():
            health = gate.health
            if health.paused_since is None:
                continue
            seconds = self._daemon.clock() - health.paused_since
            if seconds >= self._wanted.breaker_for.total_seconds():
                how = "it answers, but does not let the gateway in" if health.refused else "it takes nothing"
                hint = "check its address and credentials" if health.refused else "the log says why"
                text = f"{how}, for {span(seconds)}; {hint}"
                yield Finding(Subject(Kind.PAUSED, destination=name), text, seconds)

    def _disks(self) -> Iterator[Finding]:
        for name, path in disks(self._daemon.configuration).items():
            subject = Subject(Kind.DISK, disk=name)
            free = self._free(path)
            if free is None:
                yield Finding(subject, sure=False)
            elif free < self._wanted.disk:
                yield Finding(subject, f"{size(free)} free, less than {size(self._wanted.disk)}")
            elif free < self._wanted.disk * ROOM:
                yield Finding(subject, sure=False)

    def _silent(self) -> Iterator[Finding]:
        silence = self._wanted.silence.total_seconds()
        for hot in self._daemon.folders:
            if hot.folder.hours is None:
                continue
            last = self._began if hot.last_file is None else max(hot.last_file, self._began)
            seconds = self._daemon.clock() - last
            if seconds >= silence:
                text = f"no file has come for {span(seconds)}"
                sure = hot.offline_since is None and self._open_for(hot, hot.folder.hours) >= silence
                yield Finding(Subject(Kind.SILENT, hot.folder.name), text, seconds, sure)

    def _mappings(self) -> Iterator[Finding]:
        for hot in self._daemon.folders:
            if hot.faulty:
                first, *more = hot.faulty.splitlines()
                others = f" (and {len(more)} more)" if more else ""
                text = f"its mapping has faults, and the one from before is used: {first}{others}"
                yield Finding(Subject(Kind.MAPPING, hot.folder.name), text)

    def _open_for(self, hot: HotFolder, hours: Hours) -> float:
        """How many seconds ago a folder's hours began; less than nothing outside of them."""
        name = hot.folder.site.timezone
        local = datetime.fromtimestamp(self._daemon.now(), ZoneInfo(name) if name else self._zone)
        since = hours.since(local)
        return -1.0 if since is None else since

    def _held_reasons(self, news: Iterable[News]) -> Mapping[str, int]:
        """Why files are held, where it is told that they are."""
        if not any(each.subject.kind is Kind.HELD and each.status != "over" for each in news):
            return {}
        try:
            return self._daemon.ledger.reports.reasons(State.HELD)
        except (Pause, Retry):
            return {}

    # Every day

    def _summarise(self) -> None:
        now = self._daemon.now()
        if self._next_summary is None or now < self._next_summary:
            return
        reports = self._daemon.ledger.reports
        try:
            summary = self._summary(reports.hours(now - DAY), reports.counts(), reports.oldest())
        except (Pause, Retry):  # the next look tries again
            return
        self._next_summary = self._summary_after(now)
        self._tell(summary)

    def _summary_after(self, now: float) -> float | None:
        """When the next summary is due."""
        if self._wanted.summary is None:
            return None
        hour, minute = divmod(self._wanted.summary, 60)
        local = datetime.fromtimestamp(now, self._zone)
        due = local.replace(hour=hour, minute=minute, second=0, microsecond=0)
        return (due if due > local else due + timedelta(days=1)).timestamp()

    def _summary(self, hours: Iterable[Hour], counts: Iterable[Count], oldest: Iterable[Oldest]) -> Message:
        """What the last day has brought, and what there is now."""
        now = self._daemon.now()
        came: dict[tuple[str, str], Counter[State]] = {
            (folder.name, route.destination): Counter()
            for folder in self._daemon.configuration.folders
            for route in folder.to
        }
        for hour in hours:
            came.setdefault((hour.folder, hour.destination), Counter())[hour.state] += hour.files
        unfinished: Counter[State] = Counter()
        for count in counts:
            unfinished[count.state] += count.files if count.state in OPEN else 0
        held = max((now - each.since for each in oldest if each.state is State.HELD), default=None)
        lines = [f"{folder} to {to}: {_listed(_by_state(each))}" for (folder, to), each in came.items()]
        lines += ["", f"Not finished now: {_listed(_by_state(unfinished))}"]
        lines += [f"The oldest held file has waited for {span(held)}"] if held is not None else []
        lines += [f"{each.shown}: {each.kind.value}" for each in self._told]
        facts = {
            "since": _moment(now - DAY),
            "folders": [
                {"folder": folder, "destination": to, "files": _by_state(each)}
                for (folder, to), each in came.items()
            ],
            "unfinished": _by_state(unfinished),
            "oldest_held_seconds": None if held is None else round(held),
            "alerts": [each.facts for each in self._told],
        }
        return Message("the last 24 hours", "\n".join(lines) + "\n", {"summary": facts})


def disks(configuration: Configuration) -> dict[str, Path]:
    """Where room is needed, by what it is needed for."""
    return {"ledger": configuration.ledger, "tmp_dir": configuration.tmp_dir or Path(tempfile.gettempdir())}


def span(seconds: float) -> str:
    """A time in its two largest units, such as `1 h 5 min`."""
    left, parts = round(max(seconds, 0.0)), []
    for unit, length in (("d", 86_400), ("h", 3600), ("min", 60), ("s", 1)):
        count, left = divmod(left, length)
        parts.append(f"{count} {unit}" if count else "")
    first = next((number for number, part in enumerate(parts) if part), len(parts) - 1)
    return " ".join(part for part in parts[first : first + 2] if part) or "0 s"


def size(count: int) -> str:
    """A number of bytes as people say it."""
    value = float(count)
    for unit in ("bytes", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.3g} {unit}"
        value /= 1000
    return f"{value:.3g} TB" if value < 1000 else f"{value:.0f} TB"


def _message(news: Iterable[News], reasons: Mapping[str, int]) -> Message:
    """One message for all that is new at one time."""
    told = list(news)
    title = told[0].line if len(told) == 1 else f"{len(told)} alerts"
    lines = [f"{'Over: ' if each.status == 'over' else ''}{each.line}" for each in told]
    if reasons:
        lines.append(f"Reasons of all that is held: {_listed(reasons)}")
    alerts = [{**each.facts, "text": each.line} for each in told]
    return Message(title, "\n".join(lines) + "\n", {"alerts": alerts, "held": dict(reasons)})


def _files(count: int) -> str:
    return "1 file is" if count == 1 else f"{count} files are"


def _by_state(counts: Mapping[State, int]) -> dict[str, int]:
    """The numbers that are not 0, in the order in which states follow each other."""
    return {state.value: counts[state] for state in State if counts.get(state)}


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name or 'without a reason'}" for name, count in counts.items()) or "nothing"


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
