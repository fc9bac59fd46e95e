"""The archive's files: one Part 10 file an instance, under `<study>/<series>/<instance>.dcm`.

The files are the archive; the index beside them is only a way to find them, and is brought up to date
with them when the archive starts. One process works on a directory at a time.
"""

from __future__ import annotations

import logging
import re
import shutil
import sqlite3
import tempfile
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import Enum, auto
from itertools import islice
from pathlib import Path

from blake3 import blake3

from gateway.archive.index import Entry, Index, Record
from gateway.archive.levels import first, key, split
from gateway.dicom import json, reader
from gateway.dicom.reader import Part10
from gateway.errors import GatewayError, Reject
from gateway.stream import FileSlice

log = logging.getLogger(__name__)

INDEX_NAME = "index.sqlite"
INCOMING_NAME = ".incoming"

_UID = re.compile(r"[0-9]+(?:\.[0-9]+)*")
_BATCH = 500
_ORIGINAL_ATTRIBUTES = key("OriginalAttributesSequence")
_UID_KEYWORDS = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")


class Kept(Enum):
    """What became of an instance that was given to the archive."""

    NEW = auto()
    SAME = auto()
    """The archive has this very object already; its file stays as it is."""
    DIFFERENT = auto()
    """The archive has another object under this UID; it stays, and the new one is not kept."""


@dataclass(frozen=True, slots=True)
class Described:
    """A Part 10 file that was read, and what the index is to know of it."""

    part10: Part10
    entry: Entry


def is_uid(text: str) -> bool:
    """Whether a text has the characters of a UID, so that it can be the name of a file.

    Leading zeros in a component, which PS3.5 9.1 forbids, are met in real objects and taken.
    """
    return len(text) <= 64 and _UID.fullmatch(text) is not None


class Store:
    """The archive in a directory, which is made if there is none."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory.resolve()
        self._lock = threading.Lock()
        self._incoming = self._directory / INCOMING_NAME
        shutil.rmtree(self._incoming, ignore_errors=True)
        self._incoming.mkdir(parents=True)
        self.index = self._open_index()
        self._catch_up()

    def close(self) -> None:
        """Closes what is open between requests; the archive can go on being used."""
        self.index.close()

    @contextmanager
    def incoming(self) -> Iterator[Path]:
        """A folder for what is just coming in or being made; it goes away at the end."""
        with tempfile.TemporaryDirectory(dir=self._incoming, ignore_cleanup_errors=True) as folder:
            yield Path(folder)

    def path(self, record: Record) -> Path:
        """The file of an instance."""
        return self._directory / record.study_uid / record.series_uid / f"{record.sop_uid}.dcm"

    def keep(self, path: Path, described: Described) -> Kept:
        """Moves a file into the archive, unless the archive has an object with its UID."""
        record = described.entry.record
        with self._lock:
            existing = self.index.find(record.sop_uid)
            if existing is None:
                target = self.path(record)
                target.parent.mkdir(parents=True, exist_ok=True)
                path.replace(target)
                try:
                    self.index.add([described.entry])
                except BaseException:
                    target.unlink()
                    raise
                return Kept.NEW
        return Kept.SAME if _same(self.path(existing), path) else Kept.DIFFERENT

    def delete(self, records: Iterable[Record]) -> None:
        """Removes instances, their files and the folders that are empty without them."""
        gone = list(records)
        with self._lock:
            for record in gone:
                path = self.path(record)
                path.unlink(missing_ok=True)
                for folder in path.parents[:2]:
                    with suppress(OSError):  # it still has other instances
                        folder.rmdir()
            self.index.remove(gone)

    def _open_index(self) -> Index:
        path = self._directory / INDEX_NAME
        try:
            return Index(path)
        except sqlite3.DatabaseError as error:
            log.warning("The index %s cannot be read (%s) and is made again", path, error)
            for file in self._directory.glob(f"{INDEX_NAME}*"):
                file.unlink()
            return Index(path)

    def _catch_up(self) -> None:
        """Brings the index up to date with the files."""
        files = {
            path.relative_to(self._directory).as_posix(): path for path in self._directory.glob("*/*/*.dcm")
        }
        vanished = [record for record in self.index.all() if files.pop(self._relative(record), None) is None]
        if vanished:
            self.index.remove(vanished)
        missing = iter(files.values())
        while batch := list(islice(missing, _BATCH)):
            self.index.add(entry for path in batch if (entry := self._entry(path)))

    def _entry(self, path: Path) -> Entry | None:
        try:
            entry = describe(path).entry
        except Exception as error:  # a file that somebody put there must not keep the archive from starting
            log.warning("Left out of the index: %s: %s", path, error)
            return None
        if self._relative(entry.record) != path.relative_to(self._directory).as_posix():
            log.warning("Left out of the index: %s is not named by its UIDs", path)
            return None
        return entry

    def _relative(self, record: Record) -> str:
        return self.path(record).relative_to(self._directory).as_posix()


def describe(path: Path) -> Described:
    """What a Part 10 file is, read from its header.

    Raises `Reject` for a file that cannot be read and for one that lacks a UID.
    """
    read = reader.read(path)
    dataset = read.dataset
    for keyword in (*_UID_KEYWORDS, "SOPClassUID"):
        uid = dataset.get(keyword)
        if not uid:
            raise Reject(f"{path} has no {keyword}")
        if not is_uid(str(uid)):
            raise Reject(f"{path} has the {keyword} {str(uid)[:80]!r}, which is not a UID")
    if not is_uid(read.transfer_syntax):
        raise Reject(f"{path} has the transfer syntax {read.transfer_syntax[:80]!r}, which is not a UID")
    model = json.to_model(dataset)
    model[key("AvailableTransferSyntaxUID")] = {"vr": "UI", "Value": [read.transfer_syntax]}
    study_uid, series_uid, sop_uid = (str(dataset[keyword].value) for keyword in _UID_KEYWORDS)
    record = Record(study_uid, series_uid, sop_uid, str(dataset.SOPClassUID), read.transfer_syntax)
    modality = first(model, key("Modality"))
    return Described(read, Entry(record, modality if isinstance(modality, str) else "", split(model)))


def _same(one: Path, other: Path) -> bool:
    """Whether two files are the same object: equal bytes, or equal attributes and equal values.

    An object that came as metadata and bulk data may differ in bytes from the same object that came
    as a file: in the preamble, the order of private blocks, the digits of numbers.
    """
    if _digest(FileSlice.whole(one)) == _digest(FileSlice.whole(other)):
        return True
    try:
        first_read, second_read = reader.read(one), reader.read(other)
    except GatewayError:
        return False
    if first_read.transfer_syntax != second_read.transfer_syntax:
        return False
    return _content(first_read) == _content(second_read)


def _content(read: Part10) -> tuple[json.Model, dict[int, bytes]]:
    """What an object says, without the archive's own notes on what it changed."""
    model = json.to_model(read.dataset)
    model.pop(_ORIGINAL_ATTRIBUTES, None)
    return model, {bulk.tag: _digest(bulk.value) for bulk in read.bulks}


def _digest(stream: Iterable[bytes]) -> bytes:
    hasher = blake3()
    for chunk in stream:
        hasher.update(chunk)
    return hasher.digest()
