"""The main path, from files to answers.

    collect     which files were meant
    examine     what is each file, and whom and what does it show      formats/, mapping/
    identify    which study, series and instance is it                 dicom/
    build       the object                                             dicom/
    send        to the archive, and what the archive said              stow/

Every file ends in exactly one `Outcome`, whatever happens to the others. A file is examined before
any is sent, since the files of a call share studies; in between only what identifies it is kept.
"""

from __future__ import annotations

import uuid
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from blake3 import blake3
from pydicom.uid import ExplicitVRLittleEndian

from gateway import formats, walk
from gateway.config import Destination, Lossless, Reading
from gateway.convert.workshop import Workshop
from gateway.dicom import rewrite
from gateway.dicom.build import build
from gateway.dicom.identity import Claim, Identity, claim, identify
from gateway.errors import GatewayError, Pause, Reject, Retry
from gateway.mapping.describe import Description, choose, describe
from gateway.model import Instance, Kind, Outcome, Probe, Source, Status
from gateway.stow import request
from gateway.stow.client import Client
from gateway.stream import FileSlice, Stream


@dataclass(frozen=True, slots=True)
class Earlier:
    """What an earlier run says of one of its files: the instance it was, and whether it is left to send."""

    left: bool
    study_instance_uid: str | None = None
    series_instance_uid: str | None = None
    sop_instance_uid: str | None = None

    def again(self, each: Claim) -> Claim:
        """The claim of the same file, to be the same instance as then."""
        return replace(
            each,
            study_uid=self.study_instance_uid or each.study_uid,
            series_uid=self.series_instance_uid or each.series_uid,
            instance_uid=self.sop_instance_uid or each.instance_uid,
        )


@dataclass(frozen=True, slots=True)
class Work:
    """What is to be done with files: how they are read, described and named.

    `study_uid` is the Study Instance UID that the destination's address names, if it does.
    """

    namespace: uuid.UUID
    reading: Reading = Reading()
    description: Description = Description()
    uid_suffix: str = ""
    study_uid: str | None = None
    tmp_dir: Path | None = None
    """Where converted files are kept while they are needed; None for the system's folder."""
    object_file: Path | None = None
    """A file of attributes that is an object by itself when no other file is named."""
    earlier: Mapping[Path, Earlier] | None = None
    """The files of an earlier run, whose leftovers are all that is to be sent."""


class Observer(Protocol):
    """Whoever wants to know how a run is getting on."""

    def found(self, files: int, size: int) -> None:
        """So many files of so many bytes are going to be sent."""

    def sent(self, size: int) -> None:
        """So many more bytes are on their way."""

    def paused(self, pause: Pause) -> None:
        """The destination takes nothing for now; the files left get the status `retry`."""

    def settled(self, outcome: Outcome) -> None:
        """This became of one file."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A file that can become an instance, and what of it decides which.

    `probe` is None for what an earlier run has stored: it has a place in its series, and is not sent.
    `claim` is None for DICOM files, which know who they are.
    """

    probe: Probe | None
    claim: Claim | None


@dataclass(slots=True)
class Prepared:
    """The files of a call after all of them were looked at."""

    candidates: list[Candidate] = field(default_factory=list)
    refused: list[Outcome] = field(default_factory=list)

    @property
    def size(self) -> int:
        """Bytes in all files that can be sent."""
        return sum(each.probe.content.length for each in self.candidates if each.probe)


def store(
    paths: Iterable[Path],
    destination: Destination,
    work: Work,
    observer: Observer | None = None,
    client: Client | None = None,
) -> Iterator[Outcome]:
    """Stores files and everything in folders; yields one outcome a file, or more for a file that is many.

    A destination that cannot be used does not raise: it is told to the observer, and the files that it
    did not take are yielded as `retry`.
    """
    work = replace(work, study_uid=request.study_in_url(destination.url))
    prepared = prepare(paths, work)
    yield from prepared.refused
    if observer:
        observer.found(len(prepared.candidates), prepared.size)
    on_progress = observer.sent if observer else None
    with Workshop(work.tmp_dir) as shop, client or Client(destination, on_progress=on_progress) as archive:
        yield from _send(_instances(prepared, work, shop), archive, destination, observer)


def render(paths: Iterable[Path], work: Work) -> Iterator[Instance | Outcome]:
    """The instances that would be sent, and the outcomes of files that would not be.

    What was converted for an instance is there until all have been asked for.
    """
    prepared = prepare(paths, work)
    yield from prepared.refused
    with Workshop(work.tmp_dir) as shop:
        yield from _instances(prepared, work, shop)


def rehearse(paths: Iterable[Path], work: Work) -> Iterator[Outcome]:
    """What `store` would do, with no destination: `rendered` is a file that would be sent."""
    for each in render(paths, work):
        yield each if isinstance(each, Outcome) else outcome(each, Status.RENDERED, "would be sent")


def prepare(paths: Iterable[Path], work: Work) -> Prepared:
    """Looks at every file: what it is, and what decides which instance it becomes.

    Without files, a file of attributes is an object by itself.
    """
    prepared = Prepared()

    def refuse(path: Path, reason: str) -> None:
        prepared.refused.append(Outcome(path, Status.REJECTED, reason))

    for path in paths if work.earlier is None else work.earlier:
        known = work.earlier[path] if work.earlier else None
        if known and not known.left:
            place = Claim.known(known.study_instance_uid, known.series_instance_uid)
            prepared.candidates.append(Candidate(None, place))
            continue
        for source in walk.sources(path, refuse):
            try:
                prepared.candidates.append(_examine(source, work))
            except GatewayError as error:
                prepared.refused.append(_outcome_of(source, error))
    if work.object_file and not prepared.candidates and not prepared.refused:
        prepared.candidates.append(_examine_object(work.object_file, work))
    return prepared


def _examine_object(path: Path, work: Work) -> Candidate:
    """An object that has no file but the one that describes it."""
    source = Source(path, path.parent)
    probe = Probe(source, "attributes", Kind.OBJECT, "application/dicom", ExplicitVRLittleEndian, Stream())
    attributes = describe(probe, work.description)
    return Candidate(probe, _in_study(claim(attributes, digest=_digest(path), folder=""), work))


def _examine(source: Source, work: Work) -> Candidate:
    """What a file is and, unless it is DICOM already, what decides its identity."""
    probe = choose(formats.probe(source, work.reading), work.description)
    if probe.kind is Kind.DICOM:
        _check_study(probe, work)
        return Candidate(probe, None)
    attributes = describe(probe, work.description)
    wanted = _in_study(claim(attributes, digest=_digest(source.path), folder=source.folder), work)
    known = work.earlier.get(source.path) if work.earlier else None
    return Candidate(probe, known.again(wanted) if known else wanted)


def _in_study(each: Claim, work: Work) -> Claim:
    """The claim in the study that the destination's address names."""
    if not work.study_uid:
        return each
    if each.study_uid and each.study_uid != work.study_uid:
        raise Reject(
            f"Study Instance UID {each.study_uid} was given, but the address names the study "
            f"{work.study_uid}: leave one of them out"
        )
    return replace(each, study_uid=work.study_uid)


def _check_study(probe: Probe, work: Work) -> None:
    """A DICOM file stays in the study that it names, suffix included."""
    assert probe.dicom is not None  # noqa: S101 - told by the kind
    own = probe.dicom.study_instance_uid + work.uid_suffix
    for wanted, where in (
        (work.study_uid, "the address"),
        (work.description.typed_value("StudyInstanceUID"), "-m"),
    ):
        if wanted and wanted != own:
            raise Reject(
                f"{probe.source.path} belongs to the study {own}, but {where} names {wanted}: "
                "a DICOM file is stored in its own study"
            )


def _digest(path: Path) -> str:
    digest = blake3()
    for chunk in FileSlice.whole(path):
        digest.update(chunk)
    return digest.hexdigest()


def _instances(prepared: Prepared, work: Work, shop: Workshop) -> Iterator[Instance | Outcome]:
    """The instances in order; in place of each file that cannot become one, its outcome."""
    identities = iter(identify([each.claim for each in prepared.candidates if each.claim], work.namespace))
    seen: dict[str, Source] = {}
    for candidate in prepared.candidates:
        identity = next(identities) if candidate.claim else None
        if candidate.probe is None:
            continue
        source = candidate.probe.source
        try:
            instance = _build(candidate.probe, identity, work, shop)
            earlier = seen.setdefault(instance.sop_instance_uid, source)
            if earlier is source:
                yield instance
            else:
                yield _second(instance, earlier)
        except GatewayError as error:
            yield _outcome_of(source, error)


def _build(probe: Probe, identity: Identity | None, work: Work, shop: Workshop) -> Instance:
    attributes = describe(probe, work.description)
    if identity is None:
        return rewrite.adopt(probe, attributes, verbatim=work.reading.verbatim, uid_suffix=work.uid_suffix)
    if probe.convert:
        lossless = work.reading.lossless or attributes.lossless or Lossless.NATIVE
        probe = probe.convert(shop, lossless)
    return build(probe, attributes, identity, temporary=shop.made(probe.content))


def _second(instance: Instance, earlier: Source) -> Outcome:
    """The outcome of a file whose identity another file of the call has already."""
    path = instance.source.path
    if _digest(path) != _digest(earlier.path):
        raise Reject(
            f"{path} has the SOP Instance UID {instance.sop_instance_uid} of {earlier.path}, "
            "but other content: one UID names one object. Leave the UID out, or send the right one of the two"
        )
    return outcome(instance, Status.DUPLICATE, f"is the same as {earlier.path}")


def _send(
    items: Iterator[Instance | Outcome],
    archive: Client,
    destination: Destination,
    observer: Observer | None,
) -> Iterator[Outcome]:
    """Sends batches over `jobs` connections and yields the outcomes in the order of the files."""
    pause: Pause | None = None
    waiting: deque[Future[list[Outcome]]] = deque()

    def settle() -> Iterator[Outcome]:
        nonlocal pause
        try:
            yield from waiting.popleft().result()
        except Pause as error:
            if pause is None and observer:
                observer.paused(error)
            pause = pause or error
            yield from error.outcomes

    workers = ThreadPoolExecutor(destination.jobs, thread_name_prefix="send")
    try:
        for batch in _batches(items, destination):
            if pause:
                yield from _postponed(batch, pause)
                for each in batch:
                    if isinstance(each, Instance):
                        discard(each)
                continue
            waiting.append(workers.submit(_store, archive, batch, destination))
            while waiting and (pause or len(waiting) > 2 * destination.jobs):
                yield from settle()
        while waiting:
            yield from settle()
    finally:  # who stops early does not want to wait for answers
        archive.stop()
        workers.shutdown(wait=False, cancel_futures=True)


def _store(archive: Client, batch: Sequence[Instance | Outcome], destination: Destination) -> list[Outcome]:
    """Stores the instances of a batch, without those that the archive has if it is to be asked.

    Raises `Pause` with the outcomes of all of the batch.
    """
    items = list(batch)
    try:
        if destination.skip_existing:
            items = [_unless_there(each, archive) for each in batch]
        new = [each for each in items if isinstance(each, Instance)]
        told = iter(archive.store(new) if new else [])
        return [next(told) if isinstance(each, Instance) else each for each in items]
    except Pause as pause:
        pause.outcomes = tuple(_postponed(items, pause, pause.outcomes))
        raise
    finally:
        for each in batch:
            if isinstance(each, Instance):
                discard(each)


def _unless_there(each: Instance | Outcome, archive: Client) -> Instance | Outcome:
    if isinstance(each, Instance) and archive.existing(each):
        return outcome(each, Status.DUPLICATE, "is in the archive already")
    return each


def _postponed(
    batch: Iterable[Instance | Outcome], pause: Pause, told: Iterable[Outcome] = ()
) -> Iterator[Outcome]:
    """The outcomes of a batch when nothing more of it can be sent: what was told in order, else `retry`."""
    known = iter(told)
    for each in batch:
        if isinstance(each, Instance):
            yield next(known, None) or outcome(each, Status.RETRY, str(pause))
        else:
            yield each


def _batches(
    items: Iterator[Instance | Outcome], destination: Destination
) -> Iterator[list[Instance | Outcome]]:
    """The instances by request, at most `limit` and `max_request_size`; outcomes keep their place."""
    batch: list[Instance | Outcome] = []
    count = size = 0
    for each in items:
        length = each.size if isinstance(each, Instance) else 0
        if count and destination.max_request_size and size + length > destination.max_request_size:
            yield batch
            batch, count, size = [], 0, 0
        batch.append(each)
        size += length
        count += isinstance(each, Instance)
        if not count or (destination.limit and count >= destination.limit):
            yield batch
            batch, count, size = [], 0, 0
    if batch:
        yield batch


def discard(instance: Instance) -> None:
    """Deletes the files that were made for an instance, which is settled."""
    for path in instance.temporary:
        path.unlink(missing_ok=True)


def outcome(instance: Instance, status: Status, text: str | None = None) -> Outcome:
    """An outcome of this instance that is not the archive's word."""
    return Outcome(
        source=instance.source.path,
        status=status,
        text=text,
        sop_instance_uid=instance.sop_instance_uid,
        sop_class_uid=instance.sop_class_uid,
        series_instance_uid=instance.series_instance_uid,
        study_instance_uid=instance.study_instance_uid,
        messages=instance.messages,
    )


def _outcome_of(source: Source, error: GatewayError) -> Outcome:
    return Outcome(source.path, Status.RETRY if isinstance(error, Retry) else Status.REJECTED, str(error))
