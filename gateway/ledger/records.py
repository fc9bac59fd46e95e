"""What goes into the ledger and comes out of it.

Times are seconds since 1970 (UTC). Paths are relative to their folder, with `/`, as `os.fsdecode` gives
them. A *file* below is a row: one source file on its way to one destination.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from gateway.ledger.states import State
from gateway.stream import FileStamp

Sighting = tuple[str, FileStamp]
"""The relative path of a file, and its stamp as it was found."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What a scan has brought: the rows that are new, and those whose file has changed or come back."""

    new: tuple[int, ...] = ()
    changed: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Growing:
    """A delay in seconds that doubles from `first` each time, up to `most`."""

    first: float
    most: float

    def after(self, times: int) -> float:
        """The delay after so many times; the first one after none or one."""
        return min(self.first * 2.0 ** min(max(times - 1, 0), 60), self.most)


RETRIES = Growing(30.0, 3600.0)
"""When a file is tried again that the destination could not take."""
RECHECKS = Growing(600.0, 86400.0)
"""When a held file is looked at again."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What was found out about a file before it is claimed, so that it need not be read again."""

    file: int
    digest: bytes | None = None
    format: str | None = None
    template: str | None = None


@dataclass(frozen=True, slots=True)
class Ready:
    """A file that may be claimed, and with which others.

    Files are claimed together that have one `study` (Study Instance UID) or, before that is known, one
    `group` in their folder; without either a file is claimed by itself. `due` is from when on: the
    earliest goes first, now where it is None. An import that has an order of its own gives times past.
    """

    file: int
    group: str = ""
    study: str = ""
    due: float | None = None


@dataclass(frozen=True, slots=True)
class Identity:
    """Which instance a file is."""

    study: str
    series: str
    instance: str
    sop_class: str = ""


@dataclass(frozen=True, slots=True)
class Numbers:
    """The Series Number and Instance Number of one instance."""

    series: int
    instance: int


@dataclass(frozen=True, slots=True)
class Entry:
    """A file and what is known of it.

    `since` is when it came into its state (a claim, and a hold for the same reason, do not count as
    new). `due` is when it may be claimed, None for never by itself. `attempts` counts sends, `checks`
    how often it was held in a row, `crashes` how often its owner died. `doubt` says that it may have
    been sent without an answer: it is to be looked up before it is sent again. `current` is False for
    a generation that a later one has replaced. `path` is empty once it was purged.
    """

    id: int
    folder: str
    path: str
    destination: str
    generation: int
    current: bool
    stamp: FileStamp
    state: State
    since: float
    seen_at: float
    finished_at: float | None
    due: float | None
    attempts: int
    checks: int
    crashes: int
    doubt: bool
    revision: int
    reason: str | None
    text: str | None
    format: str | None
    template: str | None
    digest: bytes | None
    attributes_digest: bytes | None
    identity: Identity | None
    numbers: Numbers | None
    retrieve_url: str | None
    sent: int
    seconds: float | None
    assigned: Mapping[str, str] = field(default_factory=dict)
    """Attributes that a person has given it; they rank like typed ones."""
    assigned_study: str | None = None


@dataclass(frozen=True, slots=True)
class Detail:
    """What else is kept of one file, for a person who looks into it.

    `attributes` are those it was stored with, or would be; `wanted` what they would now be, of a
    changed file. Long values are cut.
    """

    entry: Entry
    answer: str | None
    messages: tuple[str, ...]
    attributes: Mapping[str, str] | None
    wanted: Mapping[str, str] | None
    depends: tuple[str, ...]
    events: tuple[Event, ...]


@dataclass(frozen=True, slots=True)
class Difference:
    """An attribute that would now be different; None where it is absent."""

    attribute: str
    stored: str | None
    wanted: str | None


@dataclass(frozen=True, slots=True)
class Claim:
    """Files that one owner builds and sends, all of one study (or group) and for one destination."""

    owner: int
    unit: int
    study: str | None
    """The Study Instance UID; None while the files are only a group."""
    destination: str
    files: tuple[Entry, ...]
    key: str = ""
    """Of a group the key that its files were made ready with."""


@dataclass(frozen=True, slots=True)
class Regrouped:
    """Claimed files after their studies became known: the claims on these, and the files that wait."""

    claims: tuple[Claim, ...]
    waiting: tuple[int, ...]
    """Somebody else builds their study; they are back in the queue."""


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a claimed file.

    `state` is any that may follow `claimed`. `reason` is a short name or the archive's code, `text` a
    sentence. `attempts` is how often it was sent, leaving out what an outage swallowed. `again` says when
    a file to `retry` is tried (None: as `RETRIES`), or a `held` one looked at again (None: not by
    itself); what the archive asked for, `after` seconds, is waited for at least. `doubt`: it may have
    been stored all the same. `depends` are files outside that decided the outcome, as they were (None:
    not there). `original_due`: the file itself is now to be moved or deleted.
    """

    state: State
    reason: str | None = None
    text: str | None = None
    identity: Identity | None = None
    digest: bytes | None = None
    format: str | None = None
    template: str | None = None
    attributes: Mapping[str, str] | None = None
    answer: str | None = None
    retrieve_url: str | None = None
    attempts: int = 0
    sent: int = 0
    """Bytes that travelled."""
    seconds: float | None = None
    messages: Sequence[str] = ()
    depends: Mapping[str, FileStamp | None] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)
    """By which a file that has no study yet can be found: `patient_id`, `name`, `accession`."""
    again: Growing | None = None
    after: float | None = None
    doubt: bool = False
    original_due: bool = False


@dataclass(frozen=True, slots=True)
class Query:
    """Which files are meant; what is None does not matter. Replaced generations only on demand."""

    ids: tuple[int, ...] | None = None
    states: frozenset[State] | None = None
    folder: str | None = None
    destination: str | None = None
    reason: str | None = None
    before: float | None = None
    """In their state since before this time."""
    replaced: bool = False


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened: who, when, what, to which file (None: to none by itself)."""

    id: int
    at: float
    who: str
    what: str
    file: int | None
    text: str | None


@dataclass(frozen=True, slots=True)
class Count:
    """How many files of a folder are in a state on their way to a destination, and their bytes."""

    folder: str
    destination: str
    state: State
    files: int
    size: int


@dataclass(frozen=True, slots=True)
class Oldest:
    """Since when the oldest file has been in a state."""

    folder: str
    destination: str
    state: State
    since: float


@dataclass(frozen=True, slots=True)
class Hour:
    """What happened in an hour: how many files of a folder came into a state, and their bytes."""

    at: float
    folder: str
    destination: str
    state: State
    files: int
    size: int


@dataclass(frozen=True, slots=True)
class Outcomes:
    """How many files of a format and template came into a state, their bytes and seconds of work."""

    format: str | None
    template: str | None
    state: State
    reason: str | None
    files: int
    size: int
    seconds: float


@dataclass(frozen=True, slots=True)
class OwnerEntry:
    """A process that holds claims, or has held them; `gone_at` is None while it lives."""

    id: int
    name: str
    host: str
    number: int
    joined: float
    beat: float
    gone_at: float | None
    claims: int
