"""One hot folder at work: its scans, what is complete, what waits, and its originals.

scan ──> seen ──> the same for `settle` seconds, readable, group closed ──> ready
           ^                                                                  │ workers
           └── changed while it was worked on <──────────────────────────────┤
original moved, deleted or put aside <── all destinations have answered <─────┘
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from gateway import pipeline, walk
from gateway.errors import Fatal, GatewayError
from gateway.intake import assemble, groups, study
from gateway.intake.complete import EMPTY, GROUP_OPEN, UNREADABLE, Sightings
from gateway.intake.configuration import Archive, Configuration, Folder, Sidecars, kept_out, unfit
from gateway.intake.groups import Group
from gateway.intake.journal import Journal
from gateway.intake.lock import Lock
from gateway.intake.putaway import PutAway
from gateway.intake.scan import Entry, Offline, Root
from gateway.intake.work import CHANGED, Inbox, work_for
from gateway.ledger import Entry as Row
from gateway.ledger import Growing, Ledger, Query, Ready, State
from gateway.ledger.states import UNCLAIMED
from gateway.mapping.description import Description
from gateway.mapping.language import Mapping as SiteMapping
from gateway.mapping.language import load
from gateway.mapping.sheets import TEMPLATES, sheets
from gateway.mapping.sources.sidecar import SidecarSource
from gateway.mapping.templates import load_template
from gateway.model import Source
from gateway.pipeline import Work
from gateway.stream import FileStamp

LONGEST_RECHECK = 86_400.0
"""Seconds between two looks at a held file, at most."""

A_TICK = 1e-6
"""Seconds by which one file is due before the next, so that they are claimed in their order."""

_WAITING = Query(states=frozenset({State.SEEN, State.SETTLING}))
_GIVEN_UP = tuple(Query(states=frozenset({State.HELD}), reason=reason) for reason in (GROUP_OPEN, UNREADABLE))
_GIVEN_BACK = replace(_WAITING, reason=CHANGED)
"""The files that wait for a scan: for the first time, in vain until now, and again."""

_LATE = {
    EMPTY: "The file is still empty: it was waited for in vain",
    UNREADABLE: "The file cannot be opened: check its permissions, and who else has it open. It goes on by "
    "itself once it can be",
    GROUP_OPEN: "Its group is not complete: others of it are still being written, or cannot be opened, or "
    "the file is missing that says that it is. It goes on by itself once it is",
}
"""What is said of files that were waited for long enough."""


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
    lock: Lock = field(init=False)
    originals: PutAway = field(init=False)
    offline_since: float | None = None
    offline_why: str = ""
    scanned_at: float | None = None
    faulty: str = ""
    """What is wrong with the mappings as they are written now; those from before are used then."""
    last_file: float | None = None
    """When a new file was seen last, by `clock`."""
    _sightings: Sightings = field(init=False)
    _files: dict[Path, FileStamp | None] = field(default_factory=dict)
    _companions: tuple[str, ...] = ()
    _closed: set[str] = field(default_factory=set)
    _loading: threading.Lock = field(default_factory=threading.Lock)
    _first: bool = True
    _said_unlocked: bool = False

    def __post_init__(self) -> None:
        self.root = Root(self.folder.path, self.folder.ignore, frozenset(self._kept_out()))
        self.lock = Lock(self.folder.path, self.configuration.ledger)
        self.originals = PutAway(self.folder, self.configuration, self.ledger, self.journal, self.now)
        self._sightings = Sightings(self.folder)
        self._load()

    def _kept_out(self) -> Iterator[str]:
        """The gateway's own places that are in the folder, as a scan would name them."""
        root = os.path.realpath(self.folder.path)
        for place in kept_out(self.configuration):
            relative = os.path.relpath(os.path.realpath(place), root)
            if not relative.startswith(".."):
                yield os.path.join(self.folder.path, relative)  # noqa: PTH118 - compared as text

    # Scanning

    def scan(self) -> None:
        """Looks through the folder once and passes on what is complete. Raises `Pause` as the ledger does."""
        self.reload()
        try:
            found = {each.relative: each for each in self.root.scan() if not self.is_companion(each)}
            self.acquire()
        except (Offline, Fatal) as error:
            self._went_offline(str(error))
            return
        self._is_online()
        self._tell(found)
        self._let_go(found)
        self._pass_on()
        self._give_up()
        self._sightings.forget(self.originals.settle())
        self._settle_markers(found)
        self.scanned_at = self.clock()

    def acquire(self) -> None:
        """Keeps others with another ledger away, where that can be. Raises `Fatal` when they are there."""
        try:
            if not self.lock.is_held:
                self.lock.acquire()
        except OSError as error:
            if not self._said_unlocked and self.folder.path.is_dir():
                self._said_unlocked = True
                self.journal.event("unlocked", folder=self.folder.name, why=error.strerror or str(error))

    def is_companion(self, entry: Entry) -> bool:
        """Whether a file only describes others."""
        return walk.is_companion(entry.relative.rpartition("/")[2], self._companions)

    def _tell(self, found: Mapping[str, Entry]) -> None:
        """Tells the ledger what is new or has changed, in natural order, and remembers since when."""
        moment = self.clock()
        news = self._sightings.compare(found.values())
        files = [each for each in news if not groups.is_done_file(each.relative, self.folder.group)]
        if files:
            files.sort(key=lambda each: walk.natural(each.relative))
            stamps = ((each.relative, each.stamp) for each in files)
            seen = self.ledger.files.see(self.folder.name, stamps, self.inbox.destinations)
            if seen.new:
                self.last_file = moment
                self.journal.event("seen", folder=self.folder.name, files=len(seen.new))
        self._sightings.remember(news, moment)

    def _let_go(self, found: Mapping[str, Entry]) -> None:
        """Forgets what is gone; a file that was taken away before it was stored is recorded so."""
        gone = self._sightings.missing(found)
        if self._first:
            open_rows = self.ledger.reports.every(Query(states=UNCLAIMED, folder=self.folder.name))
            gone += [row.path for row in open_rows if row.path not in found]
            self.ledger.files.recheck(self.folder.name)  # the configuration may say something else now
        gone = [relative for relative in gone if self.root.has_seen(relative)]
        if gone:
            self.ledger.files.vanished(self.folder.name, gone)
        self._sightings.forget(gone)
        self._first = False

    # What is complete

    def _pass_on(self) -> None:
        """Lets workers have the files that are complete as far as can be seen from outside."""
        complete = self._sightings.complete(self.clock())
        if not complete and next(self._sightings.passed(), None) is None:
            return
        rows = self._waiting(*((_WAITING, *_GIVEN_UP) if complete else (_GIVEN_BACK,)))
        stale = self._tell_again(rows)
        complete = [group for group in complete if stale.isdisjoint(group.names)]
        complete.sort(key=lambda group: walk.natural(group.names[0]))
        ready = [each for group in complete for each in self._ready(group, rows)]
        ready += [Ready(row.id, group=self._document_of(row) or "") for row in self._given_back(rows)]
        first = self.ledger.files.now() - len(ready) * A_TICK
        self.ledger.files.ready(
            replace(each, due=first + number * A_TICK) for number, each in enumerate(ready)
        )
        for group in complete:
            self._closed.add(group.key)
            for name in group.names:
                self._sightings[name].passed = True

    def _waiting(self, *which: Query) -> dict[str, list[Row]]:
        """The files that wait for a scan, by their path."""
        rows: dict[str, list[Row]] = {}
        for query in which:
            for row in self.ledger.reports.every(replace(query, folder=self.folder.name)):
                rows.setdefault(row.path, []).append(row)
        return rows

    def _ready(self, group: Group, rows: Mapping[str, list[Row]]) -> list[Ready]:
        """The files of a group that workers do not have yet; they are claimed together."""
        mine = [
            row
            for name in group.names
            if not self._sightings[name].passed
            for row in rows.get(name, ())
            if row.stamp == self._sightings[name].stamp
        ]
        if self.folder.group is None or not mine:
            return [Ready(row.id) for row in mine]
        key = f"{group.key}\x1f{min(row.id for row in mine)}"  # the next files of this name are another group
        return [Ready(row.id, group=self._document_of(row) or key) for row in mine]

    def _document_of(self, row: Row) -> str | None:
        """With what a page of a document is claimed; None for any other file."""
        if self.inbox.assemble is None:
            return None
        return assemble.document_of(Source(self.folder.path / row.path, self.folder.path), self.inbox.work)

    def _given_back(self, rows: Mapping[str, list[Row]]) -> Iterator[Row]:
        """Files that workers gave back, and that are as they were found all the same."""
        for relative, files in rows.items():
            sighting = self._sightings.get(relative)
            if sighting is not None and sighting.passed:
                yield from (row for row in files if row.stamp == sighting.stamp)

    def _tell_again(self, rows: Mapping[str, list[Row]]) -> set[str]:
        """Files that changed while somebody worked on them: the ledger did not hear of it then."""
        stale: dict[str, FileStamp] = {}
        for relative, files in rows.items():
            sighting = self._sightings.get(relative)
            if sighting is not None and any(row.stamp != sighting.stamp for row in files):
                stale[relative] = sighting.stamp
                sighting.passed = False
        if stale:
            to = {row.destination: None for relative in stale for row in rows[relative]}
            self.ledger.files.see(self.folder.name, stale.items(), tuple(to))
        return set(stale)

    def _give_up(self) -> None:
        """Says of files that they were waited for long enough; they may still become complete."""
        late = self._sightings.late(self.clock())
        if not late:
            return
        rows = self._waiting(_WAITING)
        for reason, names in late.items():
            ids = [row.id for name in names for row in rows.get(name, ())]
            if reason == EMPTY:
                self.ledger.files.reject(ids, reason, _LATE[reason])
            else:
                self.ledger.files.hold(ids, reason, _LATE[reason], again=None)
            for name in names:
                self._sightings[name].given_up = True
            self.journal.event("waited-in-vain", folder=self.folder.name, reason=reason, files=len(ids))

    def _settle_markers(self, found: Mapping[str, Entry]) -> None:
        """Puts the files away that said that a group is complete, once the files of the group are away."""
        grouping = self.folder.group
        if grouping is None or not grouping.done:
            return
        markers = {name for name in found if groups.is_done_file(name, grouping)}
        here = {groups.key_of(name, grouping) for name in found if name not in markers}
        for name in markers:
            if groups.key_of(name, grouping) in self._closed - here:
                self.originals.settle_marker(name, found[name].stamp)
        self._closed &= here

    # Away and back

    def _went_offline(self, why: str) -> None:
        if self.offline_since is None:
            self.offline_since = self.clock()
            self.journal.event("offline", folder=self.folder.name)
        self.offline_why = why
        self.lock.release()

    def _is_online(self) -> None:
        if self.offline_since is not None:
            self.offline_since, self.offline_why = None, ""
            self.journal.event("online", folder=self.folder.name)

    # Mappings that change

    def reload(self) -> None:
        """Loads the mappings anew when their files have changed; faulty ones leave the old in their place."""
        with self._loading:
            if all(FileStamp.at(path) == stamp for path, stamp in self._files.items()):
                return
            try:
                self._load()
            except Fatal as error:
                self._files = {path: FileStamp.at(path) for path in self._files}
                self.faulty = str(error)
                self.journal.event("mapping-faulty", folder=self.folder.name, why=str(error))
            else:
                self.faulty = ""
                self.journal.event("mapping-loaded", folder=self.folder.name)

    def _load(self) -> None:
        """Loads the mappings and the templates that they name. Raises `Fatal` with their faults."""
        load_template.cache_clear()
        read = [load(name) for name in self.folder.mappings]
        files = {
            path: FileStamp.at(path) for mapping in read for path in (*mapping.files, *_templates(mapping))
        }
        mappings = tuple(_with_sidecars(mapping, self.folder.sidecar) for mapping in read)
        if (why := unfit(self.folder, mappings)) is not None:
            raise Fatal(f"the folder {self.folder.name} {why}")
        self._files = files
        self._companions = tuple(name for mapping in mappings for name in mapping.companions)
        self.inbox = self._inbox(mappings)

    def _inbox(self, mappings: tuple[SiteMapping, ...]) -> Inbox:
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
        return Inbox(
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
            key_of=lambda relative: groups.key_of(relative, folder.group),
            check=self.root.check,
            read=self._files,
            assemble=assemble.join if assemble.is_asked(mappings) else None,
        )

    # Files that are stored, and what they depend on

    def attributes_now(self, row: Row, moved: Path | None, archive: Archive) -> Mapping[str, str] | None:
        """What a stored file would be sent with today; None where that cannot be told."""
        original = self.folder.path / row.path
        path = moved or original
        if FileStamp.at(path) is None or (self.folder.group and _names_group(self.inbox)):
            return None
        source = Source(path, self.folder.path, member=original if moved else None)
        work = work_for(row, self.inbox, archive)
        if self.inbox.assemble and assemble.document_of(source, work):
            return None
        try:
            candidate = pipeline.examine(pipeline.look(source, work), work, digest=row.digest)
            return study.flat(pipeline.attributes(candidate, work))
        except GatewayError:
            return None


def _templates(mapping: SiteMapping) -> Iterator[Path]:
    """The files of the object templates that a mapping names."""
    named = {mapping.template, *(part.template for part in mapping.kinds.values())} - {None}
    for name in named:
        assert name is not None  # noqa: S101 - it was just left out
        load_template(name)
        yield from (sheet.path for sheet in sheets(name, TEMPLATES, []))


def _with_sidecars(mapping: SiteMapping, rule: Sidecars) -> SiteMapping:
    """The mapping with its sidecars as the folder wants them."""
    if rule is Sidecars.OPTIONAL:
        return mapping
    sources = tuple(
        (each.demanded() if rule is Sidecars.REQUIRED else each.unread())
        if isinstance(each, SidecarSource)
        else each
        for each in mapping.sources
    )
    return replace(mapping, sources=sources)


def _names_group(inbox: Inbox) -> bool:
    """Whether attributes depend on which files came together, which nobody knows later."""
    return any(
        use.source == "group"
        for mapping in inbox.work.description.mappings
        for level in (*mapping.levels, *(level for part in mapping.kinds.values() for level in part.levels))
        for assignment in level
        for expression in assignment.expressions
        for use in expression.uses
    )
