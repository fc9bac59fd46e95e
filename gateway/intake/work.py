"""What workers do with claimed files: look at them, build their objects, send them, record what came of it.

    claim       files of one study, or of one group whose study is not known yet      ledger
    examine     what is each file, whom and what does it show                         pipeline
    regroup     now that the studies are known: one owner each                        ledger
    build       with numbers and frozen values of the study                           ledger, pipeline
    send        once it is on the disk that it is being sent                          archives
    record      the archive's words                                                   ledger

One worker is one owner of claims and sends to one destination. What goes wrong with one file is that
file's record; what goes wrong with the destination pauses it, and its files wait.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

from gateway import pipeline
from gateway.convert.workshop import Workshop
from gateway.dicom import charsets
from gateway.dicom.identity import Claim as Identifying
from gateway.dicom.identity import Identity as Named
from gateway.dicom.identity import identify
from gateway.dispatch import discard
from gateway.errors import Hold, Pause, Refused, Reject, Retry, Skip, Unfinished
from gateway.intake import study
from gateway.intake.archives import Gate
from gateway.intake.journal import Journal
from gateway.ledger import ClaimLost, Ledger
from gateway.ledger.records import RETRIES, Claim, Entry, Growing, Identity, Ready, Result
from gateway.ledger.states import DONE, State
from gateway.mapping.select import ALONE
from gateway.mapping.sources.group import Group
from gateway.mapping.typed import parse_typed
from gateway.model import Instance, Outcome, Source, Status
from gateway.pipeline import Candidate, Work
from gateway.stream import FileStamp

INCOMPLETE = Growing(2.0, 60.0)
"""When a file is looked at again that ends too soon: it may still be written."""

BATCH = 200
"""Files of one study that are claimed together."""

KEPT = 2000
"""Files whose examination is remembered between being grouped and being built."""


@dataclass(frozen=True, slots=True)
class Inbox:
    """A folder as workers see it: where its files are, how they are described, how long they may wait.

    `moved` tells where a file is that was moved already, for those that are built once more.
    """

    name: str
    root: Path
    work: Work
    destinations: tuple[str, ...]
    give_up: timedelta = timedelta(hours=1)
    recheck: Growing = field(default_factory=lambda: Growing(600.0, 86_400.0))
    grouped: bool = False
    key_of: Callable[[str], str] = field(default=lambda relative: relative)


@dataclass(slots=True)
class Examined:
    """A claimed file and what was found out about it."""

    entry: Entry
    candidate: Candidate
    identity: Named | None

    @property
    def study(self) -> str:
        """The study that it belongs to."""
        return self.names.study

    @property
    def names(self) -> Identity:
        """Which instance it is, for the ledger."""
        if self.identity is not None:
            return Identity(
                self.identity.study_instance_uid,
                self.identity.series_instance_uid,
                self.identity.sop_instance_uid,
                self.identity.sop_class_uid,
            )
        dicom = self.candidate.probe.dicom if self.candidate.probe else None
        assert dicom is not None  # noqa: S101 - only DICOM files know who they are
        return Identity(
            dicom.study_instance_uid,
            dicom.series_instance_uid,
            dicom.sop_instance_uid,
            dicom.sop_class_uid,
        )


class Worker:
    """Takes the work for one destination from the ledger, one study after the other."""

    def __init__(
        self,
        ledger: Ledger,
        inbox_of: Callable[[str], Inbox],
        gate: Gate,
        *,
        name: str,
        namespace: uuid.UUID,
        journal: Journal,
        stopping: threading.Event,
        tmp_dir: Path | None = None,
    ) -> None:
        self._ledger = ledger
        self._inbox_of = inbox_of
        self._gate = gate
        self._name = name
        self._namespace = namespace
        self._journal = journal
        self._stopping = stopping
        self._tmp_dir = tmp_dir
        self._known: dict[int, tuple[FileStamp, Inbox, Candidate]] = {}
        self._asked: dict[str, frozenset[str]] = {}
        self.owner = ledger.claims.join(name)

    def join_again(self) -> None:
        """The owner was given up by the others: go on as another one."""
        self.owner = self._ledger.claims.join(self._name)

    def close(self) -> None:
        """Gives back what is claimed, and ends."""
        with suppress(Pause, ClaimLost):
            self._ledger.claims.leave(self.owner)

    def step(self) -> bool:
        """Does the next piece of work, if there is one now; whether there was.

        Raises `Pause` when nothing can be recorded, and `ClaimLost` when others have taken the work.
        """
        if not self._gate.admits():
            return False
        claims = self._ledger.claims.claim(self.owner, [self._gate.name], units=1, files=BATCH)
        if not claims:
            self._gate.give_up_turn()
            return False
        with Workshop(self._tmp_dir) as shop:
            for claim in claims:
                try:
                    self._work_on(claim, shop)
                finally:
                    self._ledger.claims.release(claim)
        self._gate.give_up_turn()
        return True

    # One claim

    def _work_on(self, claim: Claim, shop: Workshop) -> None:
        examined = self._examine(claim)
        if not examined:
            return
        if claim.study is not None and all(each.study == claim.study for each in examined):
            self._build_and_send(claim, examined, shop)
            return
        regrouped = self._ledger.claims.regroup(self.owner, {each.entry.id: each.study for each in examined})
        by_id = {each.entry.id: each for each in examined}
        for part in regrouped.claims:
            try:
                self._build_and_send(part, [by_id[entry.id] for entry in part.files], shop)
            finally:
                self._ledger.claims.release(part)

    def _examine(self, claim: Claim) -> list[Examined]:
        """What the claimed files are; those that come no further are recorded."""
        found: list[tuple[Entry, Candidate]] = []
        groups = self._groups(claim.files)
        for entry in claim.files:
            if self._stopping.is_set():
                break
            try:
                found.append((entry, self._candidate(entry, groups)))
            except (Reject, Hold, Skip, Retry) as error:
                self._end(entry, self._result_of(entry, error))
            except Pause:
                raise
            except Exception as error:  # a defect of ours must not stop the other files
                self._journal.defect("examine", entry.id, error)
                self._end(entry, _defect(error, self._inbox_of(entry.folder)))
        return self._identified(claim, found)

    def _groups(self, entries: Iterable[Entry]) -> Mapping[str, Group]:
        """The files that came together, by the key of their group; none where files come one by one."""
        names: dict[str, list[str]] = {}
        for entry in entries:
            inbox = self._inbox_of(entry.folder)
            if inbox.grouped:
                names.setdefault(inbox.key_of(entry.path), []).append(entry.path.rpartition("/")[2])
        return {key: Group(names=tuple(found)) for key, found in names.items()}

    def _candidate(self, entry: Entry, groups: Mapping[str, Group]) -> Candidate:
        inbox = self._inbox_of(entry.folder)
        known = self._known.get(entry.id)
        if known and known[0] == entry.stamp and known[1] is inbox and not entry.assigned:
            return known[2]
        source = Source(inbox.root / entry.path, inbox.root)
        if _stamp(source.path) != entry.stamp:
            raise Changed(f"{source.path} has changed since it was found")
        group = groups.get(inbox.key_of(entry.path))
        work = self._work_for(entry)
        candidate = pipeline.examine(pipeline.look(source, work), work, group or ALONE)
        self._check_whole(entry, candidate)
        self._check_route(entry, candidate)
        while len(self._known) >= KEPT:
            self._known.pop(next(iter(self._known)))
        self._known[entry.id] = (entry.stamp, inbox, candidate)
        return candidate

    def _work_for(self, entry: Entry) -> Work:
        """How a file is described and read: as in its folder, with what a person has assigned to it."""
        inbox = self._inbox_of(entry.folder)
        work = inbox.work
        if self._gate.archive.jxl and not work.reading.allow_jxl:
            work = replace(work, reading=replace(work.reading, allow_jxl=True))
        if entry.assigned:
            typed = parse_typed([f"{name}={value}" for name, value in entry.assigned.items()])
            taken = {each.name for each in typed}
            usual = tuple(each for each in work.description.typed if each.name not in taken)
            work = replace(work, description=replace(work.description, typed=(*usual, *typed)))
        if entry.assigned_study:
            work = replace(work, study_uid=entry.assigned_study)
        return work

    def _check_whole(self, entry: Entry, candidate: Candidate) -> None:
        """A DICOM file that ends too soon may still be written; after a while it is taken as it is."""
        if candidate.probe and not candidate.probe.whole and self._may_be_written(entry):
            raise Unfinished(f"{candidate.probe.source.shown} is not whole yet")

    def _may_be_written(self, entry: Entry) -> bool:
        waited = self._ledger.files.now() - entry.seen_at
        return waited < self._inbox_of(entry.folder).give_up.total_seconds()

    def _check_route(self, entry: Entry, candidate: Candidate) -> None:
        """Whether a file goes to this destination; a mapping may name further ones."""
        wanted = candidate.destinations
        if entry.destination not in wanted and self._inbox_of(entry.folder).destinations:
            raise Skip(f"it does not go to {entry.destination}")
        missing = [name for name in wanted if name not in self._inbox_of(entry.folder).destinations]
        if missing:
            seen = self._ledger.files.see(entry.folder, [(entry.path, entry.stamp)], missing)
            self._ledger.files.ready(Ready(file) for file in seen.new)

    def _identified(self, claim: Claim, found: Sequence[tuple[Entry, Candidate]]) -> list[Examined]:
        """Which instance each file is; a study without a key of its own stays what it was."""
        claims: list[Identifying] = []
        for entry, candidate in found:
            if candidate.claim is None:
                continue
            each = replace(candidate.claim, revision=entry.revision)
            if claim.study and not (each.patient and each.study_key) and not each.study_uid:
                each = replace(each, study_uid=claim.study)
            claims.append(each)
        named = iter(self._by_study(claims, together=claim.study is None))
        return [
            Examined(entry, candidate, next(named) if candidate.claim is not None else None)
            for entry, candidate in found
        ]

    def _by_study(self, claims: Sequence[Identifying], *, together: bool) -> list[Named]:
        """The identities of files that came together, or that each stand for themselves."""
        if together:
            return identify(claims, self._namespace)
        return [identify([each], self._namespace)[0] for each in claims]

    # Building and sending

    def _build_and_send(self, claim: Claim, examined: Sequence[Examined], shop: Workshop) -> None:
        """Sends the files of one study; what is left when the destination pauses goes back."""
        related = {
            each.candidate.probe.source.path: each.identity
            for each in examined
            if each.candidate.probe and each.identity
        }
        if self._gate.archive.unsafe_resend:
            self._ask_for_all(examined)
        for each in examined:
            if self._stopping.is_set():
                return
            if not self._one(each, related, shop):
                return

    def _one(self, each: Examined, related: Mapping[Path, Named], shop: Workshop) -> bool:
        """Builds and sends one file; whether the destination takes more."""
        entry = each.entry
        instance: Instance | None = None
        try:
            if (earlier := self._ledger.studies.stored(each.names.instance, entry.destination)) is not None:
                self._end(entry, _again(each, earlier))
                return True
            instance = self._built(each, related, shop)
            return self._sent(each, instance)
        except (Reject, Hold, Skip, Retry) as error:
            if isinstance(error, ClaimLost):
                raise
            self._end(entry, self._result_of(entry, error, each))
            return True
        except Pause:
            raise
        except Exception as error:  # a defect of ours must not stop the other files
            self._journal.defect("build", entry.id, error)
            self._end(entry, _defect(error, self._inbox_of(entry.folder)))
            return True
        finally:
            if instance is not None:
                discard([instance])
            self._known.pop(entry.id, None)

    def _built(self, each: Examined, related: Mapping[Path, Named], shop: Workshop) -> Instance:
        """The object of a file, with the numbers and the values that its study has."""
        assert each.candidate.probe is not None  # noqa: S101 - nothing of an earlier run is in a ledger
        identity = each.identity
        if identity is not None:
            numbers = self._ledger.studies.number([each.names])[0]
            identity = replace(identity, series_number=numbers.series, instance_number=numbers.instance)
        work = self._work_for(each.entry)
        instance = pipeline.construct(each.candidate, identity, related, work, shop)
        if identity is not None:
            instance = study.frozen(instance, self._ledger)
            if self._gate.archive.charset:
                instance = charsets.recode(instance, self._gate.archive.charset)
        return instance

    def _described(self, each: Examined) -> Mapping[str, str]:
        """What is said of a file, to be compared with what would be said later."""
        return study.flat(pipeline.attributes(each.candidate, self._work_for(each.entry)))

    def _sent(self, each: Examined, instance: Instance) -> bool:
        """Sends an instance and records the answer; whether the destination takes more."""
        entry, site = each.entry, self._inbox_of(each.entry.folder).work.description.site
        names = each.names
        try:
            if self._is_there(each, instance):
                text = "A search found the object in the archive"
                status = Status.STORED if entry.doubt else Status.DUPLICATE
                self._answered(each, instance, Outcome.of(instance, status, text))
                return True
            self._ledger.claims.sending(self.owner, {entry.id: names})
            outcome = self._gate.send(instance, site)
        except Pause as pause:
            self._paused(each, instance, pause)
            return False
        if outcome.status is Status.RETRY:
            return self._postponed(each, instance, outcome)
        self._answered(each, instance, outcome)
        return True

    def _is_there(self, each: Examined, instance: Instance) -> bool:
        """Whether the archive is known to have an instance before it is sent, where that is asked."""
        site = self._inbox_of(each.entry.folder).work.description.site
        if each.entry.doubt:
            return bool(self._gate.has(instance, site))
        return each.names.instance in self._asked.get(each.study, frozenset())

    def _ask_for_all(self, examined: Sequence[Examined]) -> None:
        """What of a study the archive has already, before any of it is sent for the first time."""
        uid = examined[0].study
        if uid in self._asked:
            return
        site = self._inbox_of(examined[0].entry.folder).work.description.site
        try:
            self._asked = {uid: self._gate.instances_of(uid, site)}
        except Pause as pause:
            self._trip(pause)
            raise

    def _answered(self, each: Examined, instance: Instance, outcome: Outcome) -> None:
        if self._gate.succeeded():
            self._journal.event("resumed", destination=self._gate.name)
        self._end(each.entry, _result(each, instance, outcome, self._described(each)))

    def _postponed(self, each: Examined, instance: Instance, outcome: Outcome) -> bool:
        """The file could not be read to its end, or the archive is in trouble."""
        if _stamp(instance.source.path) != each.entry.stamp:
            self._end(each.entry, Result(State.SEEN, reason="changed", text=outcome.text))
            return True
        why = outcome.text or "The archive takes nothing for now"
        if self._gate.failed(why, after=outcome.after):
            self._journal.event("paused", destination=self._gate.name, why=why)
        self._end(each.entry, replace(_result(each, instance, outcome, self._described(each)), attempts=0))
        return False

    def _paused(self, each: Examined, instance: Instance, pause: Pause) -> None:
        self._trip(pause)
        told = [outcome for outcome in pause.outcomes if isinstance(outcome, Outcome)]
        doubt = any(outcome.status is Status.UNKNOWN for outcome in told)
        result = Result(
            State.RETRY,
            reason="paused",
            text=str(pause),
            identity=each.names,
            again=INCOMPLETE,
            doubt=doubt or each.entry.doubt,
        )
        self._end(each.entry, result)

    def _trip(self, pause: Pause) -> None:
        if self._gate.failed(str(pause), refused=isinstance(pause, Refused)):
            self._journal.event("paused", destination=self._gate.name, why=str(pause))

    # Records

    def _end(self, entry: Entry, result: Result) -> None:
        self._ledger.outcomes.record(self.owner, {entry.id: result})
        self._journal.event(
            result.state.value,
            file=entry.id,
            folder=entry.folder,
            destination=entry.destination,
            reason=result.reason,
            instance=result.identity.instance if result.identity else None,
            bytes=entry.stamp.size,
        )

    def _result_of(
        self,
        entry: Entry,
        error: Reject | Hold | Skip | Retry,
        each: Examined | None = None,
    ) -> Result:
        """What an error means for a file: what is done next follows from its class."""
        inbox = self._inbox_of(entry.folder)
        identity = each.names if each else None
        if isinstance(error, Unfinished):
            if self._may_be_written(entry):
                return Result(State.RETRY, "incomplete", str(error), again=INCOMPLETE)
            return Result(State.REJECTED, "incomplete", str(error), original_due=True)
        if isinstance(error, Changed):
            return Result(State.SEEN, "changed", str(error))
        if isinstance(error, Hold):
            depends = {str(path): _stamp(path) for path in error.depends}
            return Result(
                State.HELD, error.reason, str(error), identity, again=inbox.recheck, depends=depends
            )
        if isinstance(error, Skip):
            return Result(State.SKIPPED, "mapping", str(error))
        if isinstance(error, Retry):
            return Result(State.RETRY, "later", str(error), identity, again=RETRIES)
        return Result(State.REJECTED, "rejected", str(error), identity, original_due=True)


class Changed(Retry):
    """A file is not what it was when it was found: it has to settle again."""


def _stamp(path: Path) -> FileStamp | None:
    try:
        return FileStamp.of(path.stat())
    except OSError:
        return None


def _again(each: Examined, earlier: Entry) -> Result:
    """The result for a file whose instance is at the destination by another file, or was before."""
    return Result(
        State.DUPLICATE,
        reason="known",
        text=f"It is the same object as file {earlier.id}, which is stored",
        identity=each.names,
        digest=_bytes(each.candidate.digest),
        original_due=True,
    )


_NEXT: Mapping[Status, State] = {
    Status.STORED: State.STORED,
    Status.WARNING: State.WARNING,
    Status.DUPLICATE: State.DUPLICATE,
    Status.FAILED: State.REFUSED,
    Status.REJECTED: State.REJECTED,
    Status.HELD: State.HELD,
    Status.UNKNOWN: State.RETRY,
    Status.RETRY: State.RETRY,
}


def _result(each: Examined, instance: Instance, outcome: Outcome, described: Mapping[str, str]) -> Result:
    """What is recorded of an instance that was sent."""
    state = _NEXT[outcome.status]
    finished = state in DONE or state in (State.REFUSED, State.REJECTED)
    return Result(
        state,
        reason=outcome.reason,
        text=outcome.text,
        identity=each.names,
        digest=_bytes(each.candidate.digest),
        format=each.candidate.probe.format if each.candidate.probe else None,
        template=each.candidate.claim.template if each.candidate.claim else None,
        attributes=described,
        answer=outcome.text,
        retrieve_url=outcome.retrieve_url,
        attempts=outcome.attempts,
        sent=instance.size if outcome.attempts else 0,
        messages=outcome.messages,
        depends={str(path): _stamp(path) for path in each.candidate.depends},
        again=RETRIES,
        after=outcome.after,
        doubt=outcome.status is Status.UNKNOWN,
        original_due=finished,
    )


def _defect(error: Exception, inbox: Inbox) -> Result:
    """The result for a file at which the gateway itself failed: it is kept, and shown."""
    text = f"internal error ({type(error).__name__}): please report it; the file stays where it is"
    return Result(State.HELD, "defect", text, again=inbox.recheck)


def _bytes(digest: str | None) -> bytes | None:
    return bytes.fromhex(digest) if digest else None
