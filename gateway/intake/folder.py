"""One hot folder at work: its scans, what is complete, what waits, and its originals.

scan ──> seen ──> the same for `settle` seconds, readable, group closed ──> ready
           ^                                                                  │ workers
           └── changed while it was worked on <──────────────────────────────┤
original moved, deleted or put aside <── all destinations have answered <─────┘
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gateway import pipeline, walk
from gateway.errors import Fatal, GatewayError, Retry
from gateway.intake import groups, originals
from gateway.intake.configuration import Action, Configuration, Folder, kept_out
from gateway.intake.groups import Member
from gateway.intake.journal import Journal
from gateway.intake.scan import Entry, Offline, Root
from gateway.intake.work import Inbox
from gateway.ledger import Entry as Row
from gateway.ledger import Growing, Ledger, Query, Ready, State
from gateway.ledger.files import Original
from gateway.ledger.states import DONE, UNCLAIMED
from gateway.mapping.description import Description
from gateway.mapping.language import load
from gateway.model import Source
from gateway.pipeline import Work
from gateway.stream import FileStamp

WAITING = frozenset({State.SEEN, State.SETTLING})
LONGEST_RECHECK = 86_400.0
"""Seconds between two looks at a held file, at most."""


@dataclass(slots=True)
class _Sighting:
    """What is known of a file that is there: since when it is as it is, and whether workers have it."""

    stamp: FileStamp
    since: float
    scans: int = 1
    passed: bool = False


@dataclass(slots=True)
class HotFolder:
    """A hot folder, scanned by one thread.

    `clock` gives seconds that only go forward, `now` seconds since 1970.
    """

    folder: Folder
    configuration: Configuration
    ledger: Ledger
    journal: Journal
    clock: Callable[[], float]
    now: Callable[[], float]
    inbox: Inbox = field(init=False)
    root: Root = field(init=False)
    offline_since: float | None = None
    offline_why: str = ""
    scanned_at: float | None = None
    last_file: float | None = None
    """When a new file was seen last, by `clock`."""
    _seen: dict[str, _Sighting] = field(default_factory=dict)
    _files: dict[Path, FileStamp | None] = field(default_factory=dict)
    _companions: tuple[str, ...] = ()
    _first: bool = True

    def __post_init__(self) -> None:
        self.root = Root(
            self.folder.path,
            ignore=self.folder.ignore,
            kept_out=frozenset(os.fspath(each) for each in kept_out(self.configuration)),
        )
        self._load()

    # Scanning

    def scan(self) -> None:
        """Looks through the folder once and passes on what is complete. Raises `Pause` as the ledger does."""
        try:
            found = {each.relative: each for each in self.root.scan() if not self._is_companion(each)}
            self.root.mounted = self.root.check() or self.root.mounted
        except Offline as error:
            self._went_offline(str(error))
            return
        self._is_online()
        self.reload()
        self._see(found)
        self._let_go(found)
        self._pass_on(found)
        self._settle_originals()
        self.scanned_at = self.clock()

    def _is_companion(self, entry: Entry) -> bool:
        """Whether a file only describes others."""
        return walk.is_companion(entry.relative.rpartition("/")[2], self._companions)

    def _see(self, found: Mapping[str, Entry]) -> None:
        """Tells the ledger what is new or has changed, and remembers since when."""
        moment = self.clock()
        news: list[tuple[str, FileStamp]] = []
        for relative, entry in found.items():
            known = self._seen.get(relative)
            if known is None or known.stamp != entry.stamp:
                self._seen[relative] = _Sighting(entry.stamp, moment)
                news.append((relative, entry.stamp))
            else:
                known.scans += 1
        if not news:
            return
        seen = self.ledger.files.see(self.folder.name, self._storable(news), self.inbox.destinations)
        if seen.new:
            self.last_file = moment
            self.journal.event("seen", folder=self.folder.name, files=len(seen.new))

    def _storable(self, news: Iterable[tuple[str, FileStamp]]) -> Iterator[tuple[str, FileStamp]]:
        return (each for each in news if not groups.is_done_file(each[0], self.folder.group))

    def _let_go(self, found: Mapping[str, Entry]) -> None:
        """Forgets what is gone; a file that was taken away before it was stored is recorded so."""
        gone = [relative for relative in self._seen if relative not in found]
        for relative in gone:
            del self._seen[relative]
        if self._first:
            self._first = False
            open_rows = self.ledger.reports.every(Query(states=UNCLAIMED, folder=self.folder.name))
            gone += [row.path for row in open_rows if row.path not in found]
        if gone:
            self.ledger.files.vanished(self.folder.name, gone)

    def _pass_on(self, found: Mapping[str, Entry]) -> None:
        """Lets workers have the files that are complete as far as can be seen from outside."""
        due = self._complete(found)
        again = [relative for relative, each in self._seen.items() if each.passed]
        if not due and not again:
            return
        rows = self._waiting_rows()
        ready: list[Ready] = []
        for relative in (*due, *(each for each in again if each in rows)):
            sighting = self._seen[relative]
            files = [row for row in rows.get(relative, ()) if row.stamp == sighting.stamp]
            if not self._opens(relative):
                sighting.since = self.clock()  # somebody has it: wait as for one that changed
                continue
            sighting.passed = True
            ready += [Ready(row.id, group=self._group(relative)) for row in files]
        self.ledger.files.ready(ready)

    def _complete(self, found: Mapping[str, Entry]) -> list[str]:
        """The files that have settled, and whose group is closed."""
        moment = self.clock()
        settle = self.folder.settle.total_seconds()
        settled = {
            relative
            for relative, each in self._seen.items()
            if not each.passed and each.scans > 1 and each.stamp.size and moment - each.since >= settle
        }
        if not settled:
            return []
        members = [Member(relative, self._seen[relative].since) for relative in found]
        by_key = groups.groups(members, self.folder.group, moment)
        due: list[str] = []
        for group in by_key.values():
            if group.closed and all(name in settled or self._seen[name].passed for name in group.names):
                due += [name for name in group.names if name in settled]
        return due

    def _group(self, relative: str) -> str:
        return groups.key_of(relative, self.folder.group) if self.folder.group else ""

    def _waiting_rows(self) -> Mapping[str, list[Row]]:
        rows: dict[str, list[Row]] = {}
        for row in self.ledger.reports.every(Query(states=WAITING, folder=self.folder.name)):
            rows.setdefault(row.path, []).append(row)
        return rows

    def _opens(self, relative: str) -> bool:
        try:
            with (self.folder.path / relative).open("rb"):
                return True
        except OSError:
            return False

    # Away and back

    def _went_offline(self, why: str) -> None:
        if self.offline_since is None:
            self.offline_since = self.clock()
            self.journal.event("offline", folder=self.folder.name)
        self.offline_why = why

    def _is_online(self) -> None:
        if self.offline_since is not None:
            self.offline_since, self.offline_why = None, ""
            self.journal.event("online", folder=self.folder.name)

    # Mappings, tables and sidecars that change

    def reload(self) -> None:
        """Loads the mappings anew when their files have changed; faulty ones leave the old in their place."""
        if not self._files or all(_stamp(path) == stamp for path, stamp in self._files.items()):
            return
        try:
            self._load()
        except Fatal as error:
            self._files = {path: _stamp(path) for path in self._files}
            self.journal.event("mapping-faulty", folder=self.folder.name, faults=len(str(error).splitlines()))
        else:
            self.journal.event("mapping-loaded", folder=self.folder.name)

    def _load(self) -> None:
        mappings = tuple(map(load, self.folder.mappings))
        self._files = {path: _stamp(path) for mapping in mappings for path in mapping.files}
        self._companions = tuple(name for mapping in mappings for name in mapping.companions)
        folder = self.folder
        description = Description(
            mappings=mappings,
            site=folder.site,
            patient_id=folder.patient_id,
            unidentified=folder.unidentified,
            unattended=True,
            routes=tuple((route.destination, route.when) for route in folder.to),
        )
        first = folder.recheck.total_seconds()
        self.inbox = Inbox(
            name=folder.name,
            root=folder.path,
            work=Work(
                namespace=self.ledger.uid_namespace,
                description=description,
                tmp_dir=self.configuration.tmp_dir,
            ),
            destinations=tuple(route.destination for route in folder.to),
            give_up=folder.give_up,
            recheck=Growing(first, max(first, LONGEST_RECHECK)),
            grouped=folder.group is not None,
            key_of=self._group,
        )

    # Originals

    def _settle_originals(self) -> None:
        for original in self.ledger.files.originals_due(self.folder.name):
            try:
                self.ledger.files.original_done(original, self._settle(original))
            except Retry as error:  # no room or no permission: the next scan tries again
                self.journal.event("original-stays", file=original.files[0].id, why=type(error).__name__)
            else:
                self._seen.pop(original.path, None)

    def _settle(self, original: Original) -> str:
        """Does with an original what its outcomes ask for; where it is now."""
        path = self.folder.path / original.path
        stamp = original.files[0].stamp
        bad = [row for row in original.files if row.state in (State.REJECTED, State.REFUSED)]
        if bad:
            return _where(
                originals.put_aside(
                    path, self.folder.rejected, original.path, stamp, self._record(path, bad[0])
                )
            )
        if not all(row.state in DONE or row.state is State.SKIPPED for row in original.files):
            return "stays"
        action = self.folder.originals
        if action.action is Action.DELETE:
            return "deleted" if originals.delete(path, stamp) else "gone"
        if action.action is Action.MOVE and action.to is not None:
            return _where(originals.move(path, self._place(original), original.path, stamp))
        return "stays"

    def _place(self, original: Original) -> Path:
        """The folder that an original is moved to."""
        row = next((each for each in original.files if each.state in DONE), original.files[0])
        detail = self.ledger.reports.detail(row.id)
        attributes = (detail.attributes if detail else None) or {}
        folder, _, name = original.path.rpartition("/")
        facts: dict[str, Any] = {
            "date": datetime.fromtimestamp(row.finished_at or self.now(), UTC).strftime("%Y-%m-%d"),
            "folder": folder,
            "relative": original.path,
            "name": name,
            "status": row.state.value,
            "patient": _as_name(attributes.get("PatientID", "")),
            "accession": _as_name(attributes.get("AccessionNumber", "")),
            "study": row.identity.study if row.identity else "",
        }
        assert self.folder.originals.to is not None  # noqa: S101 - asked by the caller
        text = self.folder.originals.to.render({"original": facts}, []).text
        return self.configuration.path.parent.absolute() / text

    def _record(self, path: Path, row: Row) -> Mapping[str, Any]:
        """What `NAME.error.json` says of a file that was put aside."""
        return {
            "source": str(path),
            "destination": self.configuration.archives[row.destination].destination.url
            if row.destination in self.configuration.archives
            else row.destination,
            "status": "failed" if row.state is State.REFUSED else row.state.value,
            "reason": row.reason,
            "text": row.text,
            "attempts": row.attempts,
            "time": datetime.fromtimestamp(row.finished_at or self.now(), UTC).isoformat(timespec="seconds"),
            "sop_instance_uid": row.identity.instance if row.identity else None,
        }

    def remove_old(self) -> None:
        """Deletes moved originals whose retention is over."""
        action = self.folder.originals
        if action.retention is None or action.to is None:
            return
        fixed = action.to.parts[0] if action.to.parts else ""
        if isinstance(fixed, str) and fixed.strip("./"):
            place = self.configuration.path.parent / fixed
            originals.remove_old(place, self.now() - action.retention.total_seconds())

    # Files that are stored, and what they depend on

    def attributes_now(self, row: Row, moved: Path | None) -> Mapping[str, str] | None:
        """What a stored file would be sent with today; None where that cannot be told."""
        from gateway.intake import study

        path = moved or self.folder.path / row.path
        source = Source(path, self.folder.path, member=self.folder.path / row.path if moved else None)
        if _stamp(path) is None:
            return None
        try:
            candidate = pipeline.examine(pipeline.look(source, self.inbox.work), self.inbox.work)
            return study.flat(pipeline.attributes(candidate, self.inbox.work))
        except GatewayError:
            return None


def _as_name(text: str) -> str:
    """The text as one name of a folder."""
    return "".join("_" if each in '/\\:*?"<>|' or not each.isprintable() else each for each in text).strip(
        ". "
    )


def _where(path: Path | None) -> str:
    return os.fspath(path) if path else "gone"


def _stamp(path: Path) -> FileStamp | None:
    try:
        return FileStamp.of(path.stat())
    except OSError:
        return None
