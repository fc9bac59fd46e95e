"""The main path, from files to answers.

    collect     which files were meant
    look        what is each file                                      formats/
    examine     whom and what does it show                             mapping/
    identify    which study, series and instance is it                 dicom/
    construct   the object                                             dicom/
    send        to the archive, and what the archive said              stow/

Every file ends in exactly one `Outcome`, whatever happens to the others. A file is examined before
any is sent, since the files of a call share studies; in between only what identifies it is kept.
"""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from blake3 import blake3
from pydicom.dataset import Dataset

from gateway import formats, walk
from gateway.config import Destination, Lossless, Reading, Sound
from gateway.convert import unpack
from gateway.convert.workshop import Workshop
from gateway.dicom import rewrite
from gateway.dicom.build import build
from gateway.dicom.identity import Claim, Identity, claim, identify
from gateway.dicom.relations import related
from gateway.dispatch import discard, dispatch
from gateway.errors import Fatal, GatewayError, Hold, Pause, Reject, Retry, Skip
from gateway.mapping.conversion import NOTHING_SAID
from gateway.mapping.describe import Draft, describe, draft
from gateway.mapping.description import Description
from gateway.mapping.language import Mapping as SiteMapping
from gateway.mapping.objects import form_of
from gateway.mapping.select import ALONE, Subject, reading, readings, select
from gateway.mapping.sources.group import Group
from gateway.media_types import EXPLICIT_LITTLE
from gateway.model import Convert, Instance, Kind, Outcome, Probe, Source, Status
from gateway.stow import request
from gateway.stow.client import Client
from gateway.stream import FileSlice, FileStamp, Stream, stat


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

    `reading` is as the options say; where they leave something open, which is all but the fields that
    are `given`, the mapping of a file has the word. `study_uid` is the Study Instance UID that the
    destination's address names, if it does.
    """

    namespace: uuid.UUID
    reading: Reading = Reading()
    given: frozenset[str] = frozenset()
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
    """A file that can become an instance, what of it decides which, and what a ledger keeps of it.

    `subject` is None for what an earlier run has stored: it has a place in its series, and is not sent.
    `claim` is None for DICOM files, which know who they are. `digest` is the file's, in hexadecimal
    digits; None for a DICOM file, which is not read for it. `depends`, `destinations` and `messages` are
    those of its attributes.
    """

    subject: Subject | None
    claim: Claim | None
    digest: str | None = None
    reading: Reading = Reading()
    depends: tuple[Path, ...] = ()
    destinations: tuple[str, ...] = ()
    messages: tuple[str, ...] = ()

    @property
    def probe(self) -> Probe | None:
        """What the file is."""
        return self.subject.probe if self.subject else None

    @property
    def digest_bytes(self) -> bytes | None:
        """The digest as a ledger keeps it."""
        return bytes.fromhex(self.digest) if self.digest else None


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


@dataclass(frozen=True, slots=True)
class Explanation:
    """All that there is to say of one file, also where it would not be sent.

    `instance` is what would be sent, None where one of the problems keeps it from that; `draft` what is
    known of its attributes, None where not even its format is.
    """

    source: Source
    instance: Instance | None = None
    draft: Draft | None = None
    problems: tuple[GatewayError, ...] = ()


def explain(path: Path, work: Work, shop: Workshop, root: Path | None = None) -> Explanation:
    """What becomes of one file and why; with a root, as if it had come with all that is below that.

    Raises `Fatal` where there is not one file.
    """
    refused: list[str] = []
    found = list(sources(path, lambda _, reason: refused.append(reason), shop))
    if len(found) != 1:
        what = f"{path} has {len(found)} files: name one of them" if found else refused[0]
        raise Fatal(what)
    source = replace(found[0], root=root) if root else found[0]
    try:
        probe = look(source, work)
    except (Reject, Retry) as error:
        return Explanation(source, problems=(error,))
    together = [probe, *(_siblings(source, work) if root else ())]
    together.sort(key=lambda each: walk.natural(each.source.name))
    company = groups(together)[source.shown.parent]
    try:
        candidate = examine(probe, work, company)
        [identity] = Prepared([candidate]).identities(work.namespace)
        instance = construct(candidate, identity, {}, work, shop)
    except (Reject, Hold, Skip, Retry) as error:
        subject, instance, problems = _presumed(probe, work, company), None, [error]
    else:
        assert candidate.subject is not None  # noqa: S101 - it was just examined
        subject, problems = candidate.subject, []
    made = draft(subject, work.description, in_full=True)
    return Explanation(source, instance, made, tuple(made.problems or problems))


def _siblings(source: Source, work: Work) -> Iterator[Probe]:
    """The other files in a file's folder that can be stored."""
    folder = source.path.parent
    for each in walk.sources(folder, lambda _path, _reason: None):
        if each.path.parent == folder and each.path != source.path and not source.member:
            with suppress(Reject, Hold, Skip, Retry):
                yield look(replace(each, root=source.root), work)


def _presumed(probe: Probe, work: Work, company: Group) -> Subject:
    """The file with its mapping; with the only one there is even where that is not for it."""
    request = work.description
    try:
        return select(probe, request, company)
    except Hold:
        mapping = request.mappings[0] if len(request.mappings) == 1 else None
        return Subject(form_of(probe, request, mapping), mapping, company)


def prepare(paths: Iterable[Path], work: Work, shop: Workshop) -> Prepared:
    """Looks at every file: what it is, and what decides which instance it becomes.

    Archives are unpacked in the workshop. Without files, a file of attributes is an object by itself.
    """
    _refuse_pages(work)
    seen = list(_looked_at(paths, work, shop))
    together = groups(each for each in seen if isinstance(each, Probe))
    prepared = Prepared()
    consulted: set[Path] = set()
    for each in seen:
        if isinstance(each, Outcome):
            prepared.refused.append(each)
        elif isinstance(each, Candidate):
            prepared.candidates.append(each)
        else:
            try:
                candidate = examine(each, work, together[each.source.shown.parent])
                prepared.candidates.append(_as_earlier(candidate, work))
            except (Reject, Hold, Skip, Retry) as error:
                prepared.refused.append(_outcome_of(each.source, error))
                consulted.update(getattr(error, "depends", ()))
    consulted.update(path for each in prepared.candidates for path in each.depends)
    prepared.refused = _without_consulted(prepared.refused, consulted)
    if work.object_file and not seen:
        prepared.candidates.append(_examine_object(work.object_file, work))
    return prepared


def _refuse_pages(work: Work) -> None:
    """Raises `Fatal` for a mapping that makes documents of pages, which takes a ledger."""
    for mapping in work.description.mappings:
        if mapping.assemble:
            raise Fatal(f"the mapping {mapping.name} assembles documents of pages: use 'gateway import'")


def _without_consulted(refused: Iterable[Outcome], consulted: Iterable[Path]) -> list[Outcome]:
    """The outcomes, where sidecars and tables of other files are no faults: they were never to be sent."""
    known = {path.absolute() for path in consulted}
    said = "not a file to be stored: other files take what is known of them from it"
    return [
        replace(each, status=Status.SKIPPED, text=f"{each.source} is {said}")
        if each.status is Status.REJECTED and each.source.absolute() in known
        else each
        for each in refused
    ]


def _looked_at(paths: Iterable[Path], work: Work, shop: Workshop) -> Iterator[Probe | Candidate | Outcome]:
    """What each file is; the place of one that was stored earlier; the outcome of one that is nothing."""
    refused: list[Outcome] = []

    def refuse(path: Path, reason: str) -> None:
        refused.append(Outcome(path, Status.REJECTED, reason))

    for path in paths if work.earlier is None else work.earlier:
        known = work.earlier[path] if work.earlier else None
        if known and not known.left:
            yield Candidate(None, Claim.known(known.study_instance_uid, known.series_instance_uid))
            continue
        for source in sources(path, refuse, shop):
            try:
                yield look(source, work)
            except (Reject, Hold, Skip, Retry) as error:
                yield _outcome_of(source, error)
        yield from refused
        refused.clear()


def look(source: Source, work: Work) -> Probe:
    """What a file is, read as one of the mappings that may be for it says.

    Raises `Reject` for a file that cannot be stored, and `Retry` for one that changes.
    """
    first: Reject | None = None
    for way in _ways(source, work):
        try:
            return formats.probe(source, way)
        except Reject as error:
            first = first or error
    assert first is not None  # noqa: S101 - there is always a way
    raise first


def groups(probes: Iterable[Probe]) -> dict[Path, Group]:
    """The files that came together, by folder."""
    folders: dict[Path, list[Probe]] = defaultdict(list)
    for probe in probes:
        folders[probe.source.shown.parent].append(probe)
    return {
        folder: Group(
            tuple(each.source.name for each in files),
            tuple(each.captured for each in files if each.captured),
        )
        for folder, files in folders.items()
    }


def examine(
    file: Source | Probe, work: Work, group: Group | None = None, *, digest: bytes | None = None
) -> Candidate:
    """Whom and what a file shows and, unless it is DICOM already, what decides its identity.

    `group` is what came with it, and `digest` its BLAKE3 digest, where that is known already. Raises
    `Reject`, `Hold`, `Skip` and `Retry`, as far as they can be told before the object is made.
    """
    probe = look(file, work) if isinstance(file, Source) else file
    source = probe.source
    subject, way = _read_right(select(probe, work.description, group or ALONE), work)
    attributes = describe(subject, work.description)
    found = digest.hex() if digest else None
    each = None
    if subject.probe.kind is Kind.DICOM:
        _check_study(subject.probe, work)
    else:
        found = found or digest_of(source.path)
        conversion = _conversion(subject.probe, way, way.lossless or attributes.lossless)
        made = claim(attributes, digest=found, folder=source.folder, conversion=conversion)
        each = _in_study(made, work)
    return Candidate(
        subject, each, found, way, attributes.depends, attributes.destinations, attributes.messages
    )


def _read_right(subject: Subject, work: Work) -> tuple[Subject, Reading]:
    """The file read as its mapping says, which was not known when it was looked at, and how that is."""
    source = subject.probe.source
    ways = _ways(source, work)
    if len(ways) == 1:
        return subject, ways[0]
    way = reading(_sketch(source), subject.mapping, work.reading, work.given)
    probe = form_of(formats.probe(source, way), work.description, subject.mapping)
    return replace(subject, probe=probe), way


def _as_earlier(candidate: Candidate, work: Work) -> Candidate:
    """The candidate, to be the instance that an earlier run made of its file."""
    known = (
        work.earlier.get(candidate.subject.probe.source.shown) if work.earlier and candidate.subject else None
    )
    return replace(candidate, claim=known.again(candidate.claim)) if known and candidate.claim else candidate


def _ways(source: Source, work: Work) -> list[Reading]:
    """How a file may have to be read."""
    if not any(map(_converts, work.description.mappings)):
        return [work.reading]
    return readings(_sketch(source), work.description, work.reading, work.given)


def _converts(mapping: SiteMapping) -> bool:
    """Whether a mapping says how files are read."""
    return mapping.convert != NOTHING_SAID or bool(mapping.kinds)


def _sketch(source: Source) -> Probe:
    """What a file is by its first bytes."""
    return formats.identify(source).whole(source, FileStamp.of(stat(source.path)))


def sources(path: Path, refuse: Callable[[Path, str], None], shop: Workshop) -> Iterator[Source]:
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
    subject = Subject(probe)
    attributes = describe(subject, work.description)
    digest = digest_of(path)
    return Candidate(subject, _in_study(claim(attributes, digest=digest, folder=""), work), digest)


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


def digest_of(path: Path) -> str:
    """The BLAKE3 digest of a file, in hexadecimal digits."""
    found = blake3()
    for chunk in FileSlice.whole(path):
        found.update(chunk)
    return found.hexdigest()


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
    seen: dict[str, Candidate] = {}
    for candidate, identity in zip(prepared.candidates, identities, strict=True):
        if candidate.probe is None:
            continue
        source = candidate.probe.source
        try:
            if identity and (earlier := seen.get(identity.sop_instance_uid)):
                yield _second(candidate, identity, earlier)
            elif pauses and candidate.probe.convert:
                yield _unconverted(source, identity, pauses[0])
            else:
                instance = construct(candidate, identity, known, work, shop)
                earlier = seen.setdefault(instance.sop_instance_uid, candidate)
                yield instance if earlier is candidate else _second(candidate, instance, earlier)
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


def construct(
    candidate: Candidate,
    identity: Identity | None,
    known: Mapping[Path, Identity],
    work: Work,
    shop: Workshop,
) -> Instance:
    """The object of a file, with an identity; None for that of a DICOM file, which has its own.

    `known` are the identities of the files that came with it, for references between objects. What it is
    converted to is in the workshop until the instance is discarded. Raises `Reject`, `Hold`, `Skip` and
    `Retry`.
    """
    assert candidate.subject is not None  # noqa: S101 - what was stored earlier is not made again
    probe, way = candidate.subject.probe, candidate.reading
    attributes = describe(candidate.subject, work.description)
    if candidate.destinations and not work.description.routes:
        names = ", ".join(candidate.destinations)
        message = f"a check sends it to {names} too, which needs a configuration with destinations"
        attributes = replace(attributes, messages=(*attributes.messages, message))
    if identity is None:
        return rewrite.adopt(probe, attributes, verbatim=way.verbatim, uid_suffix=work.uid_suffix)
    if probe.convert:
        probe = _converted(probe, probe.convert, way.lossless or attributes.lossless, shop)
    named = related(probe, identity, known)
    made = shop.made(probe.content)
    try:
        return build(probe, attributes, identity, named=named, temporary=made)
    except Reject as error:
        for path in made:
            path.unlink(missing_ok=True)
        if candidate.subject.mapping is None:
            raise
        depends = (*candidate.subject.mapping.files, *attributes.depends)
        raise Hold(str(error), reason="mapping", depends=depends) from error  # a value of it may be missing


def attributes(candidate: Candidate, work: Work) -> Dataset:
    """What is said of a file, without what its bytes and its place among others add to the object.

    Raises `Reject`, `Hold`, `Skip` and `Retry`.
    """
    assert candidate.subject is not None  # noqa: S101 - what was stored earlier is not described again
    return describe(candidate.subject, work.description).dataset


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


def _second(candidate: Candidate, made: Identity | Instance, earlier: Candidate) -> Outcome:
    """The outcome of a file whose identity another file of the call has already."""
    assert candidate.probe is not None and earlier.probe is not None  # noqa: S101, PT018 - both have files
    source, first = candidate.probe.source, earlier.probe.source
    if (candidate.digest or digest_of(source.path)) != (earlier.digest or digest_of(first.path)):
        raise Reject(
            f"{source.shown} has the SOP Instance UID {made.sop_instance_uid} of "
            f"{first.shown}, but other content: one UID names one object. Leave the UID out, or send the "
            "right one of the two"
        )
    return Outcome(
        source=source.shown,
        status=Status.DUPLICATE,
        text=f"is the same as {first.shown}",
        sop_instance_uid=made.sop_instance_uid,
        sop_class_uid=made.sop_class_uid,
        series_instance_uid=made.series_instance_uid,
        study_instance_uid=made.study_instance_uid,
        messages=candidate.messages,
    )


def _outcome_of(source: Source, error: GatewayError) -> Outcome:
    status = next((status for kind, status in _STATUS.items() if isinstance(error, kind)), Status.REJECTED)
    return Outcome(source.shown, status, source.as_shown(str(error)))


_STATUS: Mapping[type[GatewayError], Status] = {
    Retry: Status.RETRY,
    Hold: Status.HELD,
    Skip: Status.SKIPPED,
}
