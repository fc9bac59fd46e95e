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
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from blake3 import blake3

from gateway import formats, walk
from gateway.config import Destination, Lossless, Reading, Sound
from gateway.convert import unpack
from gateway.convert.workshop import Workshop
from gateway.dicom import rewrite
from gateway.dicom.build import build
from gateway.dicom.identity import Claim, Identity, claim, identify
from gateway.dicom.relations import related
from gateway.dispatch import discard, dispatch
from gateway.errors import GatewayError, Hold, Pause, Reject, Retry, Skip
from gateway.mapping.describe import Description, choose, describe
from gateway.media_types import EXPLICIT_LITTLE
from gateway.model import Convert, Instance, Kind, Outcome, Probe, Source, Status
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

    def identities(self, namespace: uuid.UUID) -> list[Identity | None]:
        """Who each candidate is; None for DICOM files."""
        made = iter(identify([each.claim for each in self.candidates if each.claim], namespace))
        return [next(made) if each.claim else None for each in self.candidates]


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
    with Workshop(work.tmp_dir) as shop:
        prepared = prepare(paths, work, shop)
        yield from prepared.refused
        if observer:
            observer.found(len(prepared.candidates), prepared.size)
        on_progress = observer.sent if observer else None
        with client or Client(destination, on_progress=on_progress) as archive:
            pauses: list[Pause] = []

            def paused(pause: Pause) -> None:
                pauses.append(pause)
                if observer:
                    observer.paused(pause)

            instances = _instances(prepared, work, shop, pauses)
            yield from dispatch(instances, archive, destination, paused)


def render(paths: Iterable[Path], work: Work, shop: Workshop) -> Iterator[Instance | Outcome]:
    """The instances that would be sent, and the outcomes of files that would not be.

    What was converted for an instance is in the workshop until the caller discards or closes it.
    """
    prepared = prepare(paths, work, shop)
    yield from prepared.refused
    yield from _instances(prepared, work, shop)


def rehearse(paths: Iterable[Path], work: Work) -> Iterator[Outcome]:
    """What `store` would do, with no destination: `rendered` is a file that would be sent."""
    with Workshop(work.tmp_dir) as shop:
        for each in render(paths, work, shop):
            yield each if isinstance(each, Outcome) else Outcome.of(each, Status.RENDERED, "would be sent")
            discard([each])


def prepare(paths: Iterable[Path], work: Work, shop: Workshop) -> Prepared:
    """Looks at every file: what it is, and what decides which instance it becomes.

    Archives are unpacked in the workshop. Without files, a file of attributes is an object by itself.
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
        for source in _sources(path, refuse, shop):
            try:
                prepared.candidates.append(_examine(source, work))
            except (Reject, Hold, Skip, Retry) as error:
                prepared.refused.append(_outcome_of(source, error))
    if work.object_file and not prepared.candidates and not prepared.refused:
        prepared.candidates.append(_examine_object(work.object_file, work))
    return prepared


def _sources(path: Path, refuse: Callable[[Path, str], None], shop: Workshop) -> Iterator[Source]:
    """The files that were meant by a path; of an archive its members, or the one that the path names."""
    member = None if path.exists() else unpack.split(path)
    for source in walk.sources(member[0] if member else path, refuse):
        try:
            if formats.is_archive(source):
                yield from unpack.members(source, shop, refuse, only=member[1] if member else None)
            else:
                yield source
        except (Reject, Hold, Skip, Retry) as error:
            refuse(source.path, str(error))


def _examine_object(path: Path, work: Work) -> Candidate:
    """An object that has no file but the one that describes it."""
    source = Source(path, path.parent)
    probe = Probe(source, "attributes", Kind.OBJECT, "application/dicom", EXPLICIT_LITTLE, Stream())
    attributes = describe(probe, work.description)
    return Candidate(probe, _in_study(claim(attributes, digest=_digest(path), folder=""), work))


def _examine(source: Source, work: Work) -> Candidate:
    """What a file is and, unless it is DICOM already, what decides its identity."""
    probe = choose(formats.probe(source, work.reading), work.description)
    if probe.kind is Kind.DICOM:
        _check_study(probe, work)
        return Candidate(probe, None)
    attributes = describe(probe, work.description)
    conversion = _conversion(probe, work.reading, work.reading.lossless or attributes.lossless)
    each = claim(attributes, digest=_digest(source.path), folder=source.folder, conversion=conversion)
    wanted = _in_study(each, work)
    known = work.earlier.get(source.shown) if work.earlier else None
    return Candidate(probe, known.again(wanted) if known else wanted)


def _conversion(probe: Probe, reading: Reading, lossless: Lossless | None) -> str:
    """What was chosen that makes other bytes of the same file; empty where nothing was.

    Choices that do not concern the file leave its identity alone.
    """
    turned = probe.facts.get("exif", {}).get("orientation") not in (None, 1)
    chosen = {
        "stripped": reading.strip_app and probe.format == "jpeg",
        "as it lies": reading.keep_orientation and turned,
        "as JPEG XL": reading.allow_jxl and probe.format == "jpegxl",
        f"lossless {lossless}": lossless not in (None, Lossless.NATIVE) and probe.convert and probe.pixels,
        f"sound {reading.sound}": reading.sound is not Sound.KEEP
        and probe.convert
        and probe.kind is Kind.VIDEO,
        f"rate {reading.frame_rate}": reading.frame_rate and probe.convert and probe.kind is Kind.VIDEO,
    }
    return ", ".join(choice for choice, applies in chosen.items() if applies)


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
                f"{probe.source.shown} belongs to the study {own}, but {where} names {wanted}: "
                "a DICOM file is stored in its own study"
            )


def _digest(path: Path) -> str:
    digest = blake3()
    for chunk in FileSlice.whole(path):
        digest.update(chunk)
    return digest.hexdigest()


def _instances(
    prepared: Prepared, work: Work, shop: Workshop, pauses: Sequence[Pause] = ()
) -> Iterator[Instance | Outcome]:
    """The instances in order; in place of each file that cannot become one, its outcome.

    Once there is a pause nothing is converted any more: it could not be sent.
    """
    identities = prepared.identities(work.namespace)
    known = {
        each.probe.source.path: identity
        for each, identity in zip(prepared.candidates, identities, strict=True)
        if each.probe and identity
    }
    seen: dict[str, Source] = {}
    for candidate, identity in zip(prepared.candidates, identities, strict=True):
        if candidate.probe is None:
            continue
        source = candidate.probe.source
        if pauses and candidate.probe.convert:
            yield _unconverted(source, identity, pauses[0])
            continue
        try:
            instance = _build(candidate.probe, identity, known, work, shop)
            earlier = seen.setdefault(instance.sop_instance_uid, source)
            if earlier is source:
                yield instance
            else:
                yield _second(instance, earlier)
        except (Reject, Hold, Skip, Retry) as error:
            yield _outcome_of(source, error)


def _unconverted(source: Source, identity: Identity | None, pause: Pause) -> Outcome:
    return Outcome(
        source=source.shown,
        status=Status.RETRY,
        text=str(pause),
        sop_instance_uid=identity.sop_instance_uid if identity else None,
        series_instance_uid=identity.series_instance_uid if identity else None,
        study_instance_uid=identity.study_instance_uid if identity else None,
    )


def _build(
    probe: Probe, identity: Identity | None, known: Mapping[Path, Identity], work: Work, shop: Workshop
) -> Instance:
    attributes = describe(probe, work.description)
    if identity is None:
        return rewrite.adopt(probe, attributes, verbatim=work.reading.verbatim, uid_suffix=work.uid_suffix)
    if probe.convert:
        probe = _converted(probe, probe.convert, work.reading.lossless or attributes.lossless, shop)
    named = related(probe, identity, known)
    return build(probe, attributes, identity, named=named, temporary=shop.made(probe.content))


def _converted(probe: Probe, convert: Convert, lossless: Lossless | None, shop: Workshop) -> Probe:
    """The probe of what a file was converted to, with all that was said of the file before."""
    try:
        made = convert(shop, lossless or Lossless.NATIVE)
    except OSError as error:
        raise Retry(
            f"{probe.source.shown} could not be converted: {error.strerror or error}. "
            f"Make room in {shop.folder.parent}, or name another folder with --tmp-dir"
        ) from error
    return replace(made, messages=tuple(dict.fromkeys((*probe.messages, *made.messages))))


def _second(instance: Instance, earlier: Source) -> Outcome:
    """The outcome of a file whose identity another file of the call has already."""
    if _digest(instance.source.path) != _digest(earlier.path):
        raise Reject(
            f"{instance.source.shown} has the SOP Instance UID {instance.sop_instance_uid} of "
            f"{earlier.shown}, but other content: one UID names one object. Leave the UID out, or send the "
            "right one of the two"
        )
    return Outcome.of(instance, Status.DUPLICATE, f"is the same as {earlier.shown}")


def _outcome_of(source: Source, error: GatewayError) -> Outcome:
    status = next((status for kind, status in _STATUS.items() if isinstance(error, kind)), Status.REJECTED)
    return Outcome(source.shown, status, source.as_shown(str(error)))


_STATUS: Mapping[type[GatewayError], Status] = {
    Retry: Status.RETRY,
    Hold: Status.HELD,
    Skip: Status.SKIPPED,
}
