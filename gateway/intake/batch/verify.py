"""Whether the archive has what the ledger calls stored: read back through DICOMweb and compared.

Each object is made once more from its file and compared with what the archive gives: the bytes of its
streams (pixel data, a document), and the attributes by which it is found. A file that is not there any
more, or would be described otherwise today, is compared with what the ledger kept of it.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from blake3 import blake3

from gateway import pipeline
from gateway.convert.workshop import Workshop
from gateway.dicom import reader
from gateway.dicom.dictionary import keyword_of
from gateway.dicom.identity import Identity
from gateway.dicom.reader import Part10
from gateway.dispatch import discard
from gateway.errors import Fatal, GatewayError, Pause, Refused, Reject, Retry
from gateway.intake import study
from gateway.intake.batch.job import Job
from gateway.intake.batch.run import inbox_of
from gateway.intake.work import work_for
from gateway.ledger import Entry as Row
from gateway.ledger import Ledger, Query, State
from gateway.model import Bulk, Instance, Source
from gateway.pipeline import Candidate, Work
from gateway.stow.client import Client
from gateway.stream import FileStamp, Stream

THERE = frozenset({State.STORED, State.WARNING, State.CHANGED})
"""States of files whose object the archive must have."""

KEYS = (
    "SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID", "PatientID",
    "IssuerOfPatientID", "PatientName", "PatientBirthDate", "PatientSex", "StudyDate", "AccessionNumber",
    "Modality", "SeriesNumber", "InstanceNumber",
)  # fmt: skip
"""Attributes by which objects are found, and that say whose they are."""

AHEAD = 4
"""Objects for each connection that are asked for before the first is compared."""

NAMED = 1000
"""Differences that a result keeps; all of them are told as they are found."""


@dataclass(frozen=True, slots=True)
class Difference:
    """What is not as it should be: `what` is an attribute, or what of an object is not there."""

    file: str
    instance: str
    what: str
    wanted: str
    found: str

    def facts(self) -> dict[str, str]:
        """For programs."""
        return {
            "file": self.file,
            "sop_instance_uid": self.instance,
            "what": self.what,
            "wanted": self.wanted,
            "found": self.found,
        }

    def words(self) -> str:
        """For people."""
        return f"{self.file}: {self.what} is {self.found}, and should be {self.wanted}"


@dataclass(slots=True)
class Verified:
    """How many objects were compared. `by_ledger` of them were compared with what the ledger kept alone."""

    checked: int = 0
    same: int = 0
    different: int = 0
    missing: int = 0
    by_ledger: int = 0
    size: int = 0
    differences: list[Difference] = field(default_factory=list)

    def facts(self) -> dict[str, Any]:
        """For programs."""
        return {
            "checked": self.checked,
            "same": self.same,
            "different": self.different,
            "missing": self.missing,
            "compared_with_ledger_only": self.by_ledger,
            "bytes": self.size,
        }

    def words(self) -> str:
        """For people."""
        parts = [f"{self.checked:,} objects were read back: {self.same:,} are as they should be"]
        parts += [f"{self.different:,} are different"] if self.different else []
        parts += [f"{self.missing:,} are not there"] if self.missing else []
        alone = f"; of {self.by_ledger:,} the file has changed or gone, so that their bytes were not compared"
        return ", ".join(parts) + (alone if self.by_ledger else "")


@dataclass(frozen=True, slots=True)
class _Compared:
    row: Row
    differences: tuple[Difference, ...] = ()
    missing: bool = False
    by_ledger: bool = False
    size: int = 0


def verify(
    job: Job,
    ledger: Ledger,
    told: threading.Event,
    tell: Callable[[int], None] = lambda _: None,
    differs: Callable[[Difference], None] = lambda _: None,
) -> Verified:
    """Compares what the ledger calls stored, or a sample of it, with what the archive has.

    Raises `Pause` when the archive does not answer, and what the ledger raises.
    """
    if job.archive is None:
        raise Fatal("there is no address: give the archive's with -u")
    found = Verified()
    rows = ledger.reports.every(Query(states=THERE, folder=job.input.name))
    destination = job.archive.destination_for(job.work.description.site)
    with Client(destination) as client:
        verifier = _Verifier(job, ledger, client)
        sample = (row for row in rows if job.selection.has(row.path) and verifier.is_first(row))
        meant = islice(sample, job.selection.limit)
        for each in _together(verifier.compare, meant, destination.jobs, told):
            _count(found, each)
            for difference in each.differences:
                differs(difference)
            tell(found.checked)
    return found


def _together(
    compare: Callable[[Row], _Compared], rows: Iterable[Row], jobs: int, told: threading.Event
) -> Iterator[_Compared]:
    """Compares several at a time, in order."""
    with ThreadPoolExecutor(jobs) as pool:
        waiting: deque[Future[_Compared]] = deque()
        try:
            for row in rows:
                if told.is_set():
                    break
                waiting.append(pool.submit(compare, row))
                if len(waiting) >= jobs * AHEAD:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for each in waiting:
                each.cancel()


def _count(found: Verified, each: _Compared) -> None:
    found.checked += 1
    found.size += each.size
    found.by_ledger += each.by_ledger
    found.missing += each.missing
    found.different += bool(each.differences) and not each.missing
    found.same += not each.differences
    found.differences += each.differences[: max(0, NAMED - len(found.differences))]


class _Verifier:
    """Compares objects; used by several threads."""

    def __init__(self, job: Job, ledger: Ledger, client: Client) -> None:
        self._job = job
        self._ledger = ledger
        self._client = client
        self._inbox = inbox_of(job)

    def is_first(self, row: Row) -> bool:
        """Whether a file stands for its object: of the pages of a document the first does."""
        return self._inbox.assemble is None or self._files(row)[0].id == row.id

    def _files(self, row: Row) -> list[Row]:
        """All files that are one object with this one."""
        assert row.identity is not None  # noqa: S101 - what is stored has one
        there = self._ledger.studies.instance(row.identity.instance)
        return [each for each in there if each.current and each.state in THERE and each.folder == row.folder]

    def compare(self, row: Row) -> _Compared:
        """What is different about one object."""
        identity = row.identity
        assert identity is not None  # noqa: S101 - what is stored has one
        with Workshop(self._job.work.tmp_dir) as shop:
            path = shop.new(".dcm")
            try:
                with path.open("w+b") as file:
                    self._client.retrieve(identity.study, identity.series, identity.instance, file)
                found = reader.read(path)
            except Refused as error:
                return _Compared(
                    row, (self._difference(row, "the object", "there", str(error)),), missing=True
                )
            except (Reject, Retry) as error:
                return _Compared(row, (self._difference(row, "the object", "whole", str(error)),))
            wanted = self._wanted(row, shop)
            differences = tuple(self._differences(row, wanted, found))
            size = path.stat().st_size
            if wanted is not None:
                discard([wanted])
            path.unlink()
            return _Compared(row, differences, by_ledger=wanted is None, size=size)

    def _wanted(self, row: Row, shop: Workshop) -> Instance | None:
        """The object as it was sent, made again; None where that is not possible any more."""
        root, identity, archive = self._job.input.root, row.identity, self._job.archive
        assert identity is not None and archive is not None  # noqa: S101, PT018 - what is stored has both
        files = self._files(row) if self._inbox.assemble else [row]
        if any(FileStamp.at(root / each.path) != each.stamp for each in files):
            return None
        work = work_for(row, self._inbox, archive)
        try:
            candidate = self._candidate(files, work, shop)
            named = None
            if candidate.claim is not None and row.numbers is not None:
                named = Identity(
                    identity.study,
                    identity.series,
                    identity.instance,
                    row.numbers.series,
                    row.numbers.instance,
                    identity.sop_class,
                )
            made = pipeline.construct(candidate, named, {}, work, shop)
            return study.frozen(made, self._ledger) if named else made
        except Pause:
            raise
        except GatewayError:
            return None

    def _candidate(self, files: list[Row], work: Work, shop: Workshop) -> Candidate:
        """What a file is, or the pages of a document together."""
        root = self._job.input.root
        found = [
            (row, pipeline.examine(Source(root / row.path, root), work, digest=row.digest)) for row in files
        ]
        if self._inbox.assemble is None:
            return found[0][1]
        [joined] = self._inbox.assemble(found, work, shop)
        if joined.candidate is None:
            raise joined.error or Reject("its pages make no document any more")
        return joined.candidate

    def _differences(self, row: Row, wanted: Instance | None, found: Part10) -> Iterator[Difference]:
        yield from self._attributes(row, wanted, found)
        if wanted is None:
            return
        if wanted.transfer_syntax != found.transfer_syntax:
            yield self._difference(row, "TransferSyntaxUID", wanted.transfer_syntax, found.transfer_syntax)
            return
        there = {bulk.tag: bulk.value for bulk in found.bulks}
        for bulk in _bulks(wanted):
            name = keyword_of(bulk.tag)
            if bulk.tag not in there:
                yield self._difference(row, name, f"{bulk.value.length:,} bytes", "not there")
            elif not _same(bulk.value, there[bulk.tag]):
                sizes = (bulk.value.length, there[bulk.tag].length)
                yield self._difference(row, name, f"{sizes[0]:,} bytes", f"{sizes[1]:,} bytes, or others")

    def _attributes(self, row: Row, wanted: Instance | None, found: Part10) -> Iterator[Difference]:
        values = self._values(row, wanted)
        for keyword in KEYS:
            if keyword in values:
                text = _text(found.dataset.get(keyword))
                if values[keyword] != text:
                    yield self._difference(row, keyword, repr(values[keyword]), repr(text))

    def _values(self, row: Row, wanted: Instance | None) -> Mapping[str, str]:
        """The key attributes as they should be."""
        if wanted is not None:
            dataset = wanted.dataset
            return {keyword: _text(dataset.get(keyword)) for keyword in KEYS if keyword in dataset}
        identity, detail = row.identity, self._ledger.reports.detail(row.id)
        kept = (detail.attributes if detail else None) or {}
        values = {keyword: kept[keyword] for keyword in KEYS if keyword in kept}
        if identity is not None:
            values |= {
                "SOPInstanceUID": identity.instance,
                "SeriesInstanceUID": identity.series,
                "StudyInstanceUID": identity.study,
            }
        return values

    def _difference(self, row: Row, what: str, wanted: str, found: str) -> Difference:
        return Difference(row.path, row.identity.instance if row.identity else "", what, wanted, found)


def _bulks(wanted: Instance) -> tuple[Bulk, ...]:
    """The streams of an object; of a DICOM file that was sent as it is, those in the file."""
    if wanted.bulks or wanted.part10 is None:
        return wanted.bulks
    return reader.read(wanted.source.path, bare=True).bulks


def _same(wanted: Stream, found: Stream) -> bool:
    """Whether the bytes are the same, apart from one that makes their number even (PS3.5 7.1.1)."""
    if found.length not in (wanted.length, wanted.length + wanted.length % 2):
        return False
    return _digest(wanted) == _digest(found.cut(0, wanted.length))


def _digest(stream: Stream) -> bytes:
    found = blake3()
    for chunk in stream:
        found.update(chunk)
    return found.digest()


def _text(value: object) -> str:
    return "" if value is None else str(value)
