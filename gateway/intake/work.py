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
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TypeVar

from gateway import pipeline
from gateway.config import Site
from gateway.convert.workshop import Workshop
from gateway.dicom import charsets
from gateway.dicom.identity import Claim as Identifying
from gateway.dicom.identity import Identity as Named
from gateway.dicom.identity import identify
from gateway.dispatch import discard
from gateway.errors import Fatal, GatewayError, Hold, Pause, Refused, Reject, Retry, Skip, Unfinished
from gateway.intake import study
from gateway.intake.archives import Gate
from gateway.intake.assemble import MISSING_PAGE, NAMED, Assemble, Joined
from gateway.intake.configuration import Archive
from gateway.intake.journal import Journal
from gateway.ledger import ClaimLost, Ledger
from gateway.ledger.part import batches
from gateway.ledger.records import RETRIES, Claim, Entry, Growing, Identity, Ready, Result
from gateway.ledger.states import DONE, VANISHED, State
from gateway.ledger.trouble import LedgerUnavailable
from gateway.mapping.sources.group import Group
from gateway.mapping.typed import parse_typed
from gateway.model import Instance, Outcome, Probe, Source, Status
from gateway.pipeline import Candidate, Work
from gateway.stream import FileStamp
from gateway.walk import natural

Made = TypeVar("Made")

SOON = Growing(2.0, 2.0)
"""When a file is tried again that only waits for its destination, which has a pace of its own."""

IN_DOUBT = Growing(2.0, 3600.0)
"""When a file is looked up again that may have been stored."""

CHANGED = "changed"
INCOMPLETE = "incomplete"
ORIGINAL_GONE = "original-gone"
"""Reasons of files that are not, or may not be, as whoever writes them means them to be."""

PATIENT = 4
"""How often an object is tried that the archive has trouble with, before a person has to look."""

ELSEWHERE = 60.0
"""Seconds after which a file is looked at again whose folder is not configured here."""

BATCH = 1000
"""Files of one study or group that are claimed together."""

LONGEST_WAIT = 60.0
"""Seconds between two looks at a file that ends too soon, at most."""

KEPT = 200
"""Files whose examination is remembered between being grouped and being built."""


@dataclass(frozen=True, slots=True)
class Inbox:
    """A folder as workers see it: where its files are, how they are described, how long they may wait.

    `check` raises a `GatewayError` where the folder is away, so that nothing follows from a file's not
    being there. `read` are the files of its mappings as they were when they were read.
    """

    name: str
    root: Path
    work: Work
    destinations: tuple[str, ...]
    give_up: timedelta = timedelta(hours=1)
    recheck: Growing = field(default_factory=lambda: Growing(600.0, 86_400.0))
    grouped: bool = False
    key_of: Callable[[str], str] = field(default=lambda relative: relative)
    check: Callable[[], None] = field(default=lambda: None)
    read: Mapping[Path, FileStamp | None] = field(default_factory=dict)
    assemble: Assemble | None = None

    def depends(self, paths: Iterable[Path]) -> dict[str, FileStamp | None]:
        """Files on which an outcome depends, as they were when they were read, or are now."""
        return {str(path): self.read[path] if path in self.read else FileStamp.at(path) for path in paths}


@dataclass(frozen=True, slots=True)
class _Known:
    """What was found out about a file as it was then, and the files outside that said so."""

    stamp: FileStamp
    inbox: Inbox
    candidate: Candidate
    depends: Mapping[str, FileStamp | None]


@dataclass(slots=True)
class Examined:
    """A claimed file and what was found out about it."""

    entry: Entry
    candidate: Candidate
    identity: Named | None
    depends: Mapping[str, FileStamp | None] = field(default_factory=dict)

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
    """Takes the work for one destination from the ledger, one study after the other.

    The ledger hears of `together` files at a time: that they are sent next, and what became of them. Of as
    many it is in doubt after a crash, and the archive is asked for them.
    """

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
        together: int = 1,
        files: Callable[[], int] = lambda: BATCH,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._files = files
        self._documents: dict[int, tuple[tuple[Entry, bytes | None], ...]] = {}
        self._at_once = together
        self._clock = clock
        self._ended: dict[int, tuple[Entry, Result]] = {}
        self._announced: frozenset[int] = frozenset()
        self._began: float | None = None
        self._ledger = ledger
        self._inbox_of = inbox_of
        self._gate = gate
        self._name = name
        self._namespace = namespace
        self._journal = journal
        self._stopping = stopping
        self._tmp_dir = tmp_dir
        self._known: dict[int, _Known] = {}
        self._adrift = False
        self._asked: dict[str, frozenset[str]] = {}
        self.owner = ledger.claims.join(name)

    def join_again(self) -> None:
        """The owner was given up by the others, or could not give its work back: go on as another one."""
        self._ledger.claims.leave(self.owner)
        self.owner = self._ledger.claims.join(self._name)
        self._adrift = False

    def close(self) -> None:
        """Gives back what is claimed, and ends."""
        with suppress(Pause, ClaimLost):
            self._ledger.claims.leave(self.owner)

    def step(self) -> bool:
        """Does the next piece of work, if there is one now; whether there was.

        Raises `Pause` when nothing can be recorded, and `ClaimLost` when others have taken the work.
        """
        if self._adrift:
            self.join_again()
        if not self._gate.admits():
            return False
        claims = self._ledger.claims.claim(
            self.owner, [self._gate.name], units=self._at_once, files=self._files()
        )
        if not claims:
            self._gate.give_up_turn()
            return False
        with Workshop(self._tmp_dir) as shop:
            self._work_on(list(claims), shop)
        self._gate.give_up_turn()
        return True

    # Claims

    def _work_on(self, claims: list[Claim], shop: Workshop) -> None:
        """Works on claims: what has its outcome by then is recorded, and the rest goes back."""
        try:
            try:
                examined = [(claim, self._examine(claim, shop)) for claim in tuple(claims)]
                self._build_and_send(self._studies(examined, claims), shop)
            finally:
                self._record()
        finally:
            self._ended.clear()
            self._documents.clear()
            self._adrift = True  # unless all of it can be given back: nobody else could take the rest
            for claim in claims:
                self._ledger.claims.release(claim)
            self._adrift = False

    def _studies(
        self, examined: Iterable[tuple[Claim, list[Examined]]], claims: list[Claim]
    ) -> list[list[Examined]]:
        """The files by study, as far as nobody else is at their study; new claims on them are added."""
        studies: list[list[Examined]] = []
        misplaced: dict[int, Examined] = {}
        for claim, files in examined:
            if claim.study is not None and all(each.study == claim.study for each in files):
                studies.append(files)
            else:
                misplaced |= {each.entry.id: each for each in files}
        if misplaced:
            wanted = {
                page.id: each.study for each in misplaced.values() for page, _ in self._pages(each.entry)
            }
            regrouped = self._ledger.claims.regroup(self.owner, wanted)
            claims += regrouped.claims
            studies += [
                [misplaced[entry.id] for entry in part.files if entry.id in misplaced]
                for part in regrouped.claims
            ]
        return studies

    def _examine(self, claim: Claim, shop: Workshop) -> list[Examined]:
        """What the claimed files are; those that come no further are recorded."""
        found: list[tuple[Entry, _Known]] = []
        entries = sorted(self._at_home(claim.files), key=lambda entry: natural(entry.path))
        probes = {entry.id: probe for entry in entries if (probe := self._attempt(entry, self._probe))}
        groups = self._groups(entries, probes)
        for entry in entries:
            if entry.id in probes:
                probe, group = probes[entry.id], groups[self._group_of(entry)]
                known = self._attempt(entry, partial(self._learn, probe=probe, group=group))
                found += [(entry, known)] if known else []
        return self._identified(claim, self._joined(found, shop))

    def _joined(self, found: list[tuple[Entry, _Known]], shop: Workshop) -> list[tuple[Entry, _Known]]:
        """The files, where a mapping says so joined to documents, each in the place of its first page."""
        assemble = self._inbox_of(found[0][0].folder).assemble if found else None
        if assemble is None:
            return found
        joined: list[tuple[Entry, _Known]] = []
        by_id = {entry.id: known for entry, known in found}
        files = [(entry, known.candidate) for entry, known in found]
        for each in assemble(files, self._work_for(found[0][0]), shop):
            first = each.files[0][0]
            self._documents[first.id] = tuple((page, made.digest_bytes) for page, made in each.files)
            if error := each.error or self._parted(each):
                self._end(first, self._result_of(first, error))
            elif each.candidate is not None:
                joined.append((first, replace(by_id[first.id], candidate=each.candidate)))
        return joined

    def _parted(self, joined: Joined) -> Hold | None:
        """Why pages are not sent anew that others are one object with; None where all of them are here."""
        here = {page.id for page, _ in joined.files}
        known = {page.identity.instance: page for page, _ in joined.files if page.identity}
        for uid, page in known.items():
            there = [
                each
                for each in self._ledger.studies.instance(uid)
                if each.current and each.destination == page.destination and each.state in DONE
            ]
            if away := [str(each.id) for each in there if each.id not in here]:
                return Hold(
                    f"{page.path} is a page of a document that is stored: retry it together with its other "
                    f"pages, {', '.join(away[:NAMED])}",
                    reason=MISSING_PAGE,
                )
        return None

    def _pages(self, entry: Entry) -> tuple[tuple[Entry, bytes | None], ...]:
        """The files that are one object with this one, itself first, with their digests."""
        return self._documents.get(entry.id) or ((entry, None),)

    def _attempt(self, entry: Entry, what: Callable[[Entry], Made]) -> Made | None:
        """What comes of a file; None where it comes no further, which is recorded."""
        if self._stopping.is_set():
            return None
        try:
            return what(entry)
        except (Reject, Hold, Skip, Retry) as error:
            self._end(entry, self._result_of(entry, error))
        except Fatal as error:  # a template that is at fault
            self._end(entry, self._result_of(entry, Hold(str(error), reason="mapping")))
        except Pause:
            raise
        except Exception as error:  # a defect of ours must not stop the other files
            self._journal.defect("examine", entry.id, error)
            self._end(entry, _defect(error, self._inbox_of(entry.folder)))
        return None

    def _at_home(self, entries: Iterable[Entry]) -> Iterator[Entry]:
        """The files whose folder is known here; the others may be somebody else's, and wait."""
        for entry in entries:
            try:
                self._inbox_of(entry.folder)
            except Retry as error:
                self._end(entry, Result(State.RETRY, "folder", str(error), after=ELSEWHERE))
            else:
                yield entry

    def _group_of(self, entry: Entry) -> tuple[str, str]:
        inbox = self._inbox_of(entry.folder)
        return entry.folder, inbox.key_of(entry.path) if inbox.grouped else entry.path

    def _groups(
        self, entries: Iterable[Entry], probes: Mapping[int, Probe]
    ) -> Mapping[tuple[str, str], Group]:
        """The files that came together, in their order; one that comes by itself is a group of one."""
        members: dict[tuple[str, str], list[Probe]] = {}
        for entry in entries:
            if entry.id in probes:
                members.setdefault(self._group_of(entry), []).append(probes[entry.id])
        return {
            key: Group(
                tuple(each.source.name for each in files),
                tuple(each.captured for each in files if each.captured),
            )
            for key, files in members.items()
        }

    def _probe(self, entry: Entry) -> Probe:
        """What a file is, if it is still the one that was found."""
        inbox = self._inbox_of(entry.folder)
        source = Source(inbox.root / entry.path, inbox.root)
        stamp = FileStamp.at(source.path)
        if stamp is None:
            self._check_gone(entry, source.path)
        if stamp != entry.stamp:
            raise Changed(f"{source.path} has changed since it was found")
        known = self._known.get(entry.id)
        same = known and known.stamp == stamp and known.inbox is inbox and not entry.assigned
        if known and same and known.candidate.probe:
            return known.candidate.probe
        probe = pipeline.look(source, self._work_for(entry))
        if not probe.whole and self._may_be_written(entry):
            raise Unfinished(f"{source.shown} is not whole yet")
        return probe

    def _check_gone(self, entry: Entry, path: Path) -> None:
        """Raises what follows from a file's not being there."""
        try:
            self._inbox_of(entry.folder).check()
        except GatewayError as error:
            raise Retry(str(error)) from error
        if entry.identity is not None:  # somebody wants it sent again
            raise Hold(
                f"{path} is not there any more, so that it cannot be sent: put it back, or reject it",
                reason=ORIGINAL_GONE,
                depends=(path,),
            )
        raise Gone(f"{path} was taken away before it was stored")

    def _learn(self, entry: Entry, probe: Probe, group: Group) -> _Known:
        inbox = self._inbox_of(entry.folder)
        known = self._known.get(entry.id)
        if known and known.candidate.probe is probe:
            return known
        candidate = pipeline.examine(probe, self._work_for(entry), group, digest=entry.digest)
        self._check_route(entry, candidate)
        while len(self._known) >= KEPT:
            self._known.pop(next(iter(self._known)))
        made = _Known(entry.stamp, inbox, candidate, inbox.depends(candidate.depends))
        self._known[entry.id] = made
        return made

    def _work_for(self, entry: Entry) -> Work:
        return work_for(entry, self._inbox_of(entry.folder), self._gate.archive)

    def _may_be_written(self, entry: Entry) -> bool:
        """Whether a file that ends too soon may still be written: not for long after that was found."""
        return self._incomplete_for(entry) < self._inbox_of(entry.folder).give_up.total_seconds()

    def _incomplete_for(self, entry: Entry) -> float:
        return self._ledger.files.now() - entry.since if entry.reason == INCOMPLETE else 0.0

    def _check_route(self, entry: Entry, candidate: Candidate) -> None:
        """Whether a file goes to this destination; a mapping may name further ones."""
        wanted = candidate.destinations
        usual = self._inbox_of(entry.folder).destinations
        further = [name for name in wanted if name not in usual]
        if further:
            self._ledger.files.see(entry.folder, [(entry.path, entry.stamp)], further)
            rows = self._ledger.files.at(entry.folder, entry.path)
            self._ledger.files.ready(
                Ready(row.id)
                for row in rows
                if row.current and row.state is State.SEEN and row.destination in further
            )
        if entry.destination not in wanted and usual:
            raise Skip(f"it does not go to {entry.destination}")

    def _identified(self, claim: Claim, found: Sequence[tuple[Entry, _Known]]) -> list[Examined]:
        """Which instance each file is; a study without a key of its own stays what it was."""
        claims: list[Identifying] = []
        patient = study.patient_of(claim.study, self._ledger) if claim.study else None
        for entry, known in found:
            if known.candidate.claim is None:
                continue
            each = replace(known.candidate.claim, revision=entry.revision)
            same = patient is None or patient == each.patient
            if claim.study and same and not _has_key(each) and not each.study_uid:
                each = replace(each, study_uid=claim.study)
            claims.append(each)
        grouped = claim.study is None and any(self._inbox_of(entry.folder).grouped for entry, _ in found)
        named = iter(self._in_one_group(claim, claims) if grouped else self._by_study(claims))
        return [
            Examined(entry, known.candidate, next(named) if known.candidate.claim else None, known.depends)
            for entry, known in found
        ]

    def _in_one_group(self, claim: Claim, claims: Sequence[Identifying]) -> list[Named]:
        """The identities of files that came together.

        Where nothing but that makes their study, the ledger remembers which it is: some of them may come
        later, and another destination's worker may see others first.
        """
        kept: list[Identifying] = []
        for each, made in zip(claims, identify(claims, self._namespace), strict=True):
            if not (each.study_uid or _has_key(each)):
                key = "\x1f".join((claim.key, each.issuer, each.patient, each.scope, each.study_key))
                uid = self._ledger.studies.known_as(key, made.study_instance_uid)
                each = replace(each, study_uid=uid)  # noqa: PLW2901
            kept.append(each)
        return identify(kept, self._namespace)

    def _by_study(self, claims: Sequence[Identifying]) -> list[Named]:
        """The identities of files that each stand for themselves.

        Those meet whose study has a key: it has the earliest of their dates.
        """
        keyed = [each for each in claims if each.study_uid or _has_key(each)]
        named = iter(identify(keyed, self._namespace))
        of_keyed = {id(each): next(named) for each in keyed}
        return [of_keyed.get(id(each)) or identify([each], self._namespace)[0] for each in claims]

    # Building and sending

    def _build_and_send(self, studies: Sequence[Sequence[Examined]], shop: Workshop) -> None:
        """Sends files study by study; what is left when the destination pauses goes back."""
        self._number(studies)
        work = ((each, related) for files in studies for related in [_identities(files)] for each in files)
        for some in batches(work, self._at_once):
            self._announce([each for each, _ in some])
            for each, related in some:
                if self._stopping.is_set() or not self._one(each, related, shop):
                    return

    def _number(self, studies: Iterable[Iterable[Examined]]) -> None:
        """Gives the objects their numbers, in the order of their files, whatever becomes of some of them."""
        named = [each.names for files in studies for each in files if each.identity is not None]
        if named:
            self._ledger.studies.number(named)

    def _announce(self, some: Sequence[Examined]) -> None:
        """Says of several files at once that they are sent next."""
        if self._at_once == 1:
            return
        self._sending(some)
        self._announced = frozenset(each.entry.id for each in some)

    def _sending(self, some: Iterable[Examined]) -> None:
        names = {page.id: each.names for each in some for page, _ in self._pages(each.entry)}
        self._ledger.claims.sending(self.owner, names)

    def _one(self, each: Examined, related: Mapping[Path, Named], shop: Workshop) -> bool:
        """Builds and sends one file; whether the destination takes more."""
        entry = each.entry
        instance: Instance | None = None
        self._began = self._clock()
        if any(made.identity == each.names for _, made in self._ended.values()):
            self._record()  # the same object once more: it is known once the first is recorded
        try:
            if (earlier := self._ledger.studies.stored(each.names.instance, entry.destination)) is not None:
                self._end(entry, _again(each, earlier))
                return True
            instance = self._built(each, related, shop)
            return self._sent(each, instance, self._described(each))
        except (Reject, Hold, Skip, Retry) as error:
            if isinstance(error, ClaimLost):
                raise
            self._end(entry, self._result_of(entry, error, each))
            return True
        except Fatal as error:  # there is no place for what it is converted to
            self._end(entry, self._result_of(entry, Retry(str(error)), each))
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
            self._began = None

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
            revised_at = each.entry.since if each.entry.revision else None
            instance = study.frozen(instance, self._ledger, revised_at=revised_at)
            if self._gate.archive.charset:
                instance = charsets.recode(instance, self._gate.archive.charset)
        return instance

    def _described(self, each: Examined) -> Mapping[str, str]:
        """What is said of a file, to be compared with what would be said later."""
        return study.flat(pipeline.attributes(each.candidate, self._work_for(each.entry)))

    def _sent(self, each: Examined, instance: Instance, described: Mapping[str, str]) -> bool:
        """Sends an instance and records the answer; whether the destination takes more."""
        entry, site = each.entry, self._inbox_of(each.entry.folder).work.description.site
        try:
            if self._is_there(each, instance, site):
                text = "A search found the object in the archive"
                status = Status.STORED if entry.doubt else Status.DUPLICATE
                self._answered(each, instance, Outcome.of(instance, status, text), described)
                return True
            if entry.id not in self._announced:
                self._sending([each])
            outcome = self._gate.send(instance, site)
        except LedgerUnavailable:
            raise
        except Pause as pause:
            self._paused(each, pause)
            return False
        if outcome.status in (Status.RETRY, Status.UNKNOWN) or outcome.may_pass:
            return self._postponed(each, instance, outcome)
        self._answered(each, instance, outcome, described)
        return True

    def _is_there(self, each: Examined, instance: Instance, site: Site) -> bool:
        """Whether the archive is known to have an instance before it is sent, where that is asked."""
        unsafe = self._gate.archive.unsafe_resend
        if each.entry.doubt:
            found = self._gate.has(instance, site)
            if found is None and unsafe:
                raise Hold(
                    f"{instance.source.shown} may be in the archive already, which does not answer searches, "
                    "and may lose what it receives twice: look there, then retry or reject it",
                    reason="unknown",
                )
            return bool(found)
        return unsafe and each.names.instance in self._there(each.study, site)

    def _there(self, uid: str, site: Site) -> frozenset[str]:
        """What the archive has of a study, asked once before any of it is sent for the first time."""
        if uid not in self._asked:
            self._asked = {uid: self._gate.instances_of(uid, site)}
        return self._asked[uid]

    def _answered(
        self, each: Examined, instance: Instance, outcome: Outcome, described: Mapping[str, str]
    ) -> None:
        if self._gate.succeeded():
            self._journal.event("resumed", destination=self._gate.name)
        inbox = self._inbox_of(each.entry.folder)
        self._end(each.entry, _result(each, instance, outcome, described, inbox))

    def _postponed(self, each: Examined, instance: Instance, outcome: Outcome) -> bool:
        """The file could not be read to its end, or the archive is in trouble; whether it takes more.

        Trouble that may be of this very object's making counts as an attempt, so that it is tried less and
        less often; an outage does not.
        """
        if self._stopping.is_set():  # it was broken off: it goes back as it is, to be looked up
            return False
        root = self._inbox_of(each.entry.folder).root
        if any(FileStamp.at(root / page.path) != page.stamp for page, _ in self._pages(each.entry)):
            self._end(each.entry, Result(State.SEEN, CHANGED, outcome.text))
            return True
        if not outcome.attempts:
            self._end(each.entry, self._result_of(each.entry, Retry(str(outcome.text)), each))
            return True
        why = outcome.text or "The archive takes nothing for now"
        if self._gate.failed(why, after=outcome.after):
            self._journal.event("paused", destination=self._gate.name, reason=outcome.reason)
        unknown = outcome.status is Status.UNKNOWN
        its_own = unknown or outcome.may_pass or outcome.reason is not None
        parked = outcome.may_pass and each.entry.attempts >= PATIENT
        recheck = self._inbox_of(each.entry.folder).recheck
        result = Result(
            State.HELD if parked else State.RETRY,
            reason=outcome.reason or _why_postponed(outcome),
            text=outcome.text,
            identity=each.names,
            attempts=1 if its_own else 0,
            messages=outcome.messages,
            again=recheck if parked else IN_DOUBT if unknown else RETRIES if its_own else SOON,
            after=outcome.after,
            doubt=unknown or outcome.may_pass,
        )
        self._end(each.entry, result)
        return False

    def _paused(self, each: Examined, pause: Pause) -> None:
        """The destination takes nothing; what is not known of the file's object is looked up later."""
        if self._gate.failed(str(pause), refused=isinstance(pause, Refused)):
            self._journal.event("paused", destination=self._gate.name, why=str(pause))
        told = [outcome for outcome in pause.outcomes if isinstance(outcome, Outcome)]
        doubt = any(outcome.status is Status.UNKNOWN for outcome in told)
        result = Result(
            State.RETRY,
            reason="paused",
            text=str(pause),
            identity=each.names,
            again=SOON,
            doubt=doubt or each.entry.doubt,
        )
        self._end(each.entry, result)

    # Records

    def _end(self, entry: Entry, result: Result) -> None:
        seconds = self._clock() - self._began if self._began is not None else None
        self._ended[entry.id] = entry, replace(result, seconds=seconds)
        if pages := self._documents.get(entry.id):  # all of them together: a part is no document
            for page, digest in pages:
                each = replace(result, seconds=seconds) if page is entry else replace(result, sent=0)
                self._ended[page.id] = page, replace(each, digest=digest if result.digest else None)
        if len(self._ended) >= self._at_once:
            self._record()

    def _record(self) -> None:
        """Tells the ledger what became of files, all of it or nothing."""
        if not self._ended:
            return
        ended = list(self._ended.values())
        self._ledger.outcomes.record(self.owner, {entry.id: result for entry, result in ended})
        self._ended.clear()
        for entry, result in ended:
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
                after = min(max(self._incomplete_for(entry) / 8, SOON.first), LONGEST_WAIT)
                return Result(State.RETRY, INCOMPLETE, str(error), again=SOON, after=after)
            return Result(State.REJECTED, INCOMPLETE, str(error), original_due=True)
        if isinstance(error, Changed):
            return Result(State.SEEN, CHANGED, str(error))
        if isinstance(error, Gone):
            return Result(State.SKIPPED, VANISHED, str(error))
        if isinstance(error, Hold):
            depends = inbox.depends(error.depends)
            return Result(
                State.HELD, error.reason, str(error), identity, again=inbox.recheck, depends=depends
            )
        if isinstance(error, Skip):
            return Result(State.SKIPPED, "mapping", str(error))
        if isinstance(error, Retry):
            return Result(State.RETRY, "later", str(error), identity, again=RETRIES)
        return Result(State.REJECTED, error.reason, str(error), identity, original_due=True)


def _identities(examined: Iterable[Examined]) -> Mapping[Path, Named]:
    """The identities of the files of one study, for references between their objects."""
    return {
        each.candidate.probe.source.path: each.identity
        for each in examined
        if each.candidate.probe and each.identity
    }


def work_for(entry: Entry, inbox: Inbox, archive: Archive) -> Work:
    """How a file is described and read: as in its folder, with what a person has assigned to it."""
    work = inbox.work
    if archive.jxl and not work.reading.allow_jxl:
        work = replace(work, reading=replace(work.reading, allow_jxl=True))
    if entry.assigned:
        typed = parse_typed([f"{name}={value}" for name, value in entry.assigned.items()])
        taken = {each.name for each in typed}
        usual = tuple(each for each in work.description.typed if each.name not in taken)
        work = replace(work, description=replace(work.description, typed=(*usual, *typed)))
    if entry.assigned_study:
        work = replace(work, study_uid=entry.assigned_study)
    return work


def _has_key(each: Identifying) -> bool:
    """Whether its patient and a key make a file's study, whatever came with it."""
    return bool(each.patient and each.study_key)


class Changed(Retry):
    """A file is not what it was when it was found: it has to settle again."""


class Gone(Retry):
    """A file is not there any more; it was never stored."""


def _why_postponed(outcome: Outcome) -> str:
    if outcome.may_pass:
        return "not-stored"
    return "unknown" if outcome.status is Status.UNKNOWN else "paused"


def _again(each: Examined, earlier: Entry) -> Result:
    """The result for a file whose instance is at the destination by another file, or was before.

    Raises `Hold` where that file was another one: nobody would see the difference.
    """
    probe = each.candidate.probe
    digest = each.candidate.digest_bytes
    if digest is None and probe is not None and earlier.digest is not None:
        digest = bytes.fromhex(pipeline.digest_of(probe.source.path))
    if earlier.digest is not None and digest != earlier.digest:
        raise Hold(
            f"its SOP Instance UID {each.names.instance} is that of file {earlier.id}, which is stored and "
            "has other content: one UID names one object. Have the right one of the two in the archive",
            reason="conflict",
        )
    return Result(
        State.DUPLICATE,
        reason="known",
        text=f"It is the same object as file {earlier.id}, which is stored",
        identity=each.names,
        digest=digest,
        depends=each.depends,
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


def _result(
    each: Examined, instance: Instance, outcome: Outcome, described: Mapping[str, str], inbox: Inbox
) -> Result:
    """What is recorded of an instance that was sent.

    What the archive holds back for a reason of its own is tried again when what it was made from changes.
    """
    state = _NEXT[outcome.status]
    held = state is State.HELD
    files = inbox.depends(inbox.read) if held else {}
    return Result(
        state,
        reason=outcome.reason,
        text=outcome.text,
        identity=each.names,
        digest=each.candidate.digest_bytes or _digest(each.candidate),
        format=each.candidate.probe.format if each.candidate.probe else None,
        template=each.candidate.claim.template if each.candidate.claim else None,
        attributes=described,
        answer=outcome.text,
        retrieve_url=outcome.retrieve_url,
        attempts=outcome.attempts,
        sent=instance.size if outcome.attempts else 0,
        messages=outcome.messages,
        depends={**files, **each.depends},
        again=None if held else RETRIES,
        after=outcome.after,
        doubt=outcome.status is Status.UNKNOWN,
        original_due=state in DONE or state in (State.REFUSED, State.REJECTED),
    )


def _digest(candidate: Candidate) -> bytes | None:
    """The digest of a DICOM file, which is not needed for its identity."""
    with suppress(Reject, Retry):
        return bytes.fromhex(pipeline.digest_of(candidate.probe.source.path)) if candidate.probe else None
    return None


def _defect(error: Exception, inbox: Inbox) -> Result:
    """The result for a file at which the gateway itself failed: it is kept, and shown."""
    text = f"internal error ({type(error).__name__}): please report it; the file stays where it is"
    return Result(State.HELD, "defect", text, again=inbox.recheck)
