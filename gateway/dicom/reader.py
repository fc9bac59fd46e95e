"""Part 10 files taken apart: the header in memory, everything large by where it is in the file (PS3.10 7).

A header here is the data set without pixel data, documents and other large binary values. It is
brought into one form, whatever the transfer syntax (`normal.py`), and decoded by pydicom when asked.
"""

from __future__ import annotations

import io
import os
import re
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filereader import read_dataset

from gateway.dicom.charsets import SPECIFIC_CHARACTER_SET, UNDECLARED, UTF8_TERM, CharacterSet, character_set
from gateway.dicom.elements import (
    EXPLICIT,
    PIXEL_DATA,
    UNDEFINED,
    Budget,
    Damaged,
    Element,
    Encoding,
    FileWindow,
    Memory,
    Region,
    Window,
    header,
    name_of,
)
from gateway.dicom.normal import (
    PIXEL_REPRESENTATION,
    WORD_SIZES,
    Normalizer,
    Scope,
    check_width,
    implied_vr,
)
from gateway.errors import Reject, Retry
from gateway.media_types import (
    EXPLICIT_BIG,
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
    INFLATED,
    MEDIA_TYPES,
    OCTETS,
)
from gateway.model import Bulk
from gateway.stream import CHUNK, FileSlice, FileStamp, Stream, open_file

LARGE = 64 * 1024
"""Bytes above which a binary value stays in the file."""

MAX_HEADER = 64 * 1024 * 1024
"""Bytes of header that are held in memory; a deflated data set has at most as many altogether."""

ENCAPSULATED_DOCUMENT = 0x00420011
SPECTROSCOPY_DATA = 0x56000020

_UTF8_DECLARED = header(SPECIFIC_CHARACTER_SET, "CS", len(UTF8_TERM)) + UTF8_TERM.encode()
_MAX_FILE_META = 1024 * 1024
_ALWAYS_BULK = PIXEL_DATA | {ENCAPSULATED_DOCUMENT, SPECTROSCOPY_DATA}
_BINARY_VRS = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "UN"})
_LONG_TEXT_VRS = frozenset({"UC", "UT"})
_NO_GROUPS = frozenset({0x0000, 0x0002, 0xFFFE, 0xFFFF})
"""Groups of commands, File Meta Information and items, which a data set does not have."""

_MEDIA_TYPE = re.compile(r"[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}")


@dataclass(frozen=True, slots=True)
class Fragments:
    """Encapsulated pixel data as it stands in the file (PS3.5 A.4).

    `whole` is everything between the element's header and the end of its delimiter. `offset_table` is
    the value of the Basic Offset Table. `places` has where each fragment's value begins and its
    length; positions are counted as that table does, from the first byte after it.
    """

    whole: Stream
    offset_table: Stream
    places: tuple[tuple[int, int], ...]
    body: Stream

    def value(self, first: int, last: int) -> Stream:
        """The fragments from the one numbered `first` up to but not including `last`, joined."""
        return Stream.of(*(self.body.cut(start, length) for start, length in self.places[first:last]))


@dataclass(frozen=True, slots=True)
class Part10:
    """A Part 10 file.

    `dataset` has every attribute that pydicom can read but the bulk ones; it is decoded when it is
    looked at. `elements` has the same by tag, as bytes in the normal form, and also what pydicom
    cannot read. `faulty`, `illegible` and `omitted` are the top-level attributes in which something is
    not what its VR demands, in which text has no certain character set, and which are damaged or too
    large to be held in memory; the last are missing in `elements` too. `damage` says why the file
    cannot be followed to its end, as when that is missing. `file_meta` is empty for a bare data set.
    """

    path: Path
    stamp: FileStamp
    transfer_syntax: str
    encoding: Encoding
    file_meta: FileMetaDataset
    dataset: Dataset
    elements: Mapping[int, bytes]
    bulks: tuple[Bulk, ...]
    fragments: Fragments | None
    faulty: tuple[int, ...] = ()
    illegible: tuple[int, ...] = ()
    omitted: tuple[int, ...] = ()
    damage: str | None = None


def read(path: Path, *, bare: bool = False) -> Part10:
    """The file taken apart, in memory that does not depend on how large its values are.

    Of a file that is damaged or ends too soon it is what comes before that. `bare` also takes a file
    without the preamble of Part 10, or with a data set alone, whose transfer syntax its first element
    shows. Raises `Reject` for others, for one whose File Meta Information names no transfer syntax, and
    where damage leaves nothing to rely on. `Retry` comes later, from reading values, if the file has
    changed by then.
    """
    with _opened(path, bare) as reader:
        return reader.part10()


def elements_with_their_text(part10: Part10) -> Mapping[int, bytes]:
    """The elements of a file's header with text in the character set that it is in.

    Raises what `read` does, and `Retry` if the file has changed since.
    """
    with _opened(part10.path, bare=True) as reader:
        if reader.stamp != part10.stamp:
            raise Retry(f"{part10.path} changed while it was being read; try again when it is complete")
        return reader.elements_with_their_text()


def decoded(elements: Mapping[int, bytes]) -> Dataset:
    """The data set whose elements in the normal form these are."""
    data = b"".join(elements[tag] for tag in sorted(elements))
    return read_dataset(io.BytesIO(data), is_implicit_VR=False, is_little_endian=True)


@contextmanager
def _opened(path: Path, bare: bool) -> Iterator[_Reader]:
    with open_file(path) as file:
        try:
            yield _Reader(path, file, bare)
        except Damaged as error:
            raise Reject(
                f"{path} is damaged: {error}. Get the file again from where it came from, and check it there"
            ) from error
        except OSError as error:
            raise Reject(f"{path} cannot be read: {error.strerror or type(error).__name__}") from error


@dataclass(frozen=True, slots=True)
class _Places:
    """Where the elements of a data set are and end: those of the header, and those that stay in the file."""

    header: dict[int, tuple[Element, int]]
    bulks: dict[int, tuple[Element, int]]
    omitted: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Normal:
    """A header in the normal form, and the tags of those elements with which something is wrong."""

    elements: dict[int, bytes]
    faulty: list[int]
    illegible: list[int]
    omitted: list[int]


class _Reader:
    """One file being read; what its parts have in common."""

    def __init__(self, path: Path, file: BinaryIO, bare: bool) -> None:
        self._bare = bare
        self.stamp = FileStamp.of(os.fstat(file.fileno()))
        self._path = path
        self._file = file
        self._window: Window = FileWindow(file, self.stamp.size)
        self._damage: str | None = None

    def part10(self) -> Part10:
        file_meta, transfer_syntax, region, places = self._surveyed()
        normal = self._normal(region, places)
        sound = self._normal(region, places, sound_only=True) if normal.faulty else normal
        dataset = decoded(sound.elements)
        fragments = self._fragments(region, places)
        compressed = MEDIA_TYPES.get(transfer_syntax, OCTETS)
        bulks = [
            Bulk(tag, "OB", fragments.value(0, len(fragments.places)), compressed, encapsulated=True)
            if fragments is not None and element.length == UNDEFINED
            else self._native(region, element, dataset)
            for tag, (element, _) in sorted(places.bulks.items())
        ]
        return Part10(
            path=self._path,
            stamp=self.stamp,
            transfer_syntax=transfer_syntax,
            encoding=region.encoding,
            file_meta=file_meta,
            dataset=dataset,
            elements=normal.elements,
            bulks=tuple(bulks),
            fragments=fragments,
            faulty=tuple(normal.faulty),
            illegible=tuple(normal.illegible),
            omitted=(*places.omitted, *normal.omitted),
            damage=self._damage,
        )

    def elements_with_their_text(self) -> Mapping[int, bytes]:
        _, _, region, places = self._surveyed()
        return self._normal(region, places, keep_text=True).elements

    def _surveyed(self) -> tuple[FileMetaDataset, str, Region, _Places]:
        """What the file is, and where its elements are."""
        start, file_meta = self._file_meta()
        transfer_syntax = self._transfer_syntax(file_meta, start)
        if transfer_syntax in INFLATED:
            self._window, start = self._inflated(start), 0
        declared = Encoding(transfer_syntax == IMPLICIT_LITTLE, transfer_syntax != EXPLICIT_BIG)
        region = Region(self._window, self._window.size, declared, Budget()).as_found(start)
        return file_meta, transfer_syntax, region, self._located(region, start)

    def _file_meta(self) -> tuple[int, FileMetaDataset]:
        """Where the data set begins, and the File Meta Information before it (PS3.10 7.1)."""
        size = self._window.size
        offset = self._beginning(size)
        region = Region(self._window, size, EXPLICIT, Budget()).as_found(offset)
        normalizer, scope = Normalizer(sound_only=True), Scope()
        parts: dict[int, bytes] = {}
        while size - offset >= 8 and self._window.read(offset, 2) == b"\2\0":
            element = region.element_at(offset)
            if element.length > _MAX_FILE_META or offset > _MAX_FILE_META:
                raise Damaged(f"its File Meta Information has more than {_MAX_FILE_META:,} bytes")
            parts[element.tag], offset = normalizer.element(region, element, scope)
        return offset, FileMetaDataset(decoded(parts))

    def _beginning(self, size: int) -> int:
        """Where the elements begin: after the preamble and prefix, or at once in a bare file."""
        if size >= 132 and self._window.read(128, 4) == b"DICM":
            return 132
        if self._bare and size >= 8:
            return 4 if self._window.read(0, 4) == b"DICM" else 0
        raise Reject(
            f"{self._path} is no DICOM file that can be stored: there is no 'DICM' after a preamble of "
            "128 bytes (PS3.10 7.1). Convert it to a Part 10 file first"
        )

    def _apparent_syntax(self, start: int) -> str:
        """The transfer syntax that the first element of a data set shows; the default of PS3.5 10.1 else."""
        first = self._window.read(start, min(6, self._window.size - start))
        if first[:1] == b"\0":
            return EXPLICIT_BIG
        return EXPLICIT_LITTLE if first[4:].isalpha() and first[4:].isupper() else IMPLICIT_LITTLE

    def _transfer_syntax(self, file_meta: FileMetaDataset, start: int) -> str:
        if self._bare and not file_meta:
            return self._apparent_syntax(start)
        value = file_meta.get("TransferSyntaxUID")
        if not isinstance(value, str) or not value:
            raise Reject(
                f"{self._path} cannot be read: its File Meta Information does not say the transfer syntax "
                "(0002,0010). Convert it to a complete Part 10 file first"
            )
        return str(value)

    def _inflated(self, start: int) -> Memory:
        """The deflated data set (PS3.5 A.5), as much of it as is held in memory."""
        inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        data = bytearray()
        self._file.seek(start)
        try:
            while len(data) <= MAX_HEADER and not inflater.eof:
                chunk = inflater.unconsumed_tail or self._file.read(CHUNK)
                if not chunk:
                    raise Damaged("its deflated data set is not complete")
                data += inflater.decompress(chunk, MAX_HEADER + 1 - len(data))
            if len(data) > MAX_HEADER:
                raise Damaged(f"its deflated data set has more than {MAX_HEADER:,} bytes")
        except zlib.error:
            self._note(Damaged("its data set cannot be inflated"))
        except Damaged as error:
            self._note(error)
        return Memory(bytes(data[:MAX_HEADER]))

    def _located(self, region: Region, start: int) -> _Places:
        """Where each top-level element is; of two with one tag the later counts."""
        held: dict[int, tuple[Element, int]] = {}
        bulks: dict[int, tuple[Element, int]] = {}
        omitted: list[int] = []
        charset = UNDECLARED
        total = 0
        for element, end in self._elements(region, start):
            size = MAX_HEADER if end is None else end - element.start
            if end is not None and self._is_bulk(element, charset):
                bulks[element.tag] = element, end
            elif end is None or (size > LARGE and total + size > MAX_HEADER):
                omitted.append(element.tag)
            else:
                held[element.tag] = element, end
                total += size
            if element.tag == SPECIFIC_CHARACTER_SET and size <= LARGE:
                charset = character_set(
                    self._window.read(element.value, size - (element.value - element.start))
                )
            check_width(len(held) + len(bulks) + len(omitted))
            if total > MAX_HEADER:
                raise Damaged(f"its header has more than {MAX_HEADER:,} bytes")
        return _Places(held, bulks, tuple(omitted))

    def _elements(self, region: Region, offset: int) -> Iterator[tuple[Element, int | None]]:
        """Each top-level element and where it ends; no end for one that is damaged, which is the last."""
        while offset < region.end and not self._is_padding(offset):
            try:
                element = region.element_at(offset)
                if element.tag >> 16 in _NO_GROUPS:
                    raise Damaged(f"there is no attribute at byte {offset:,}")
            except Damaged as error:
                self._note(error)
                return
            try:
                offset = region.end_of(element)
            except Damaged as error:
                self._note(error)
                yield element, None
                return
            yield element, offset

    def _note(self, error: Damaged) -> None:
        """Keep the first damage that is found: the rest follows from it."""
        self._damage = self._damage or str(error)

    def _is_padding(self, offset: int) -> bool:
        """Whether nothing but zeros follows, as in files that were copied in blocks."""
        left = self._window.size - offset
        if left > LARGE or any(self._window.read(offset, min(left, 8))):
            return False
        return not any(self._window.read(offset, left))

    def _is_bulk(self, element: Element, charset: CharacterSet) -> bool:
        vr = element.vr or implied_vr(element.tag, element.length)
        if element.tag in _ALWAYS_BULK:
            if vr not in _BINARY_VRS:
                raise Damaged(f"{name_of(element.tag)} is of VR {vr}")
            return element.length > 0
        if element.length == UNDEFINED or element.length <= LARGE:
            return False
        return vr in _BINARY_VRS or (vr in _LONG_TEXT_VRS and charset.is_utf8)

    def _normal(
        self, region: Region, places: _Places, *, sound_only: bool = False, keep_text: bool = False
    ) -> _Normal:
        """The header in the normal form, and what is wrong with it."""
        result = _Normal({} if keep_text else {SPECIFIC_CHARACTER_SET: _UTF8_DECLARED}, [], [], [])
        scope = Scope()
        if PIXEL_REPRESENTATION in places.header:  # attributes before it may depend on it
            self._normalized(region, *places.header[PIXEL_REPRESENTATION], Normalizer(), scope)
        for tag, (element, end) in sorted(places.header.items()):
            normalizer = Normalizer(sound_only, keep_text)
            try:
                result.elements[tag] = self._normalized(region, element, end, normalizer, scope)
            except Damaged as error:
                self._note(error)
                result.omitted.append(tag)
            result.faulty.extend([tag] * normalizer.faulty)
            result.illegible.extend([tag] * normalizer.illegible)
        return result

    def _normalized(
        self, region: Region, element: Element, end: int, normalizer: Normalizer, scope: Scope
    ) -> bytes:
        window = Memory(self._window.read(element.start, end - element.start))
        inside = Region(window, window.size, region.encoding, region.budget)
        moved = element._replace(start=0, value=element.value - element.start)
        return normalizer.element(inside, moved, scope)[0]

    def _stream(self, offset: int, length: int, swap: int = 1) -> Stream:
        """Bytes of the data set by where they are."""
        if isinstance(self._window, Memory):
            return Stream.of(self._window.read(offset, length))
        return Stream.of(FileSlice(self._path, offset, length, self.stamp, swap))

    def _fragments(self, region: Region, places: _Places) -> Fragments | None:
        """The fragments of encapsulated pixel data; None if there are none."""
        for tag in PIXEL_DATA & places.bulks.keys():
            element, end = places.bulks[tag]
            if element.length == UNDEFINED:
                items, _ = replace(region, budget=Budget()).fragments(element)
                if not items:
                    raise Damaged("its pixel data have no Basic Offset Table (PS3.5 A.4)")
                body = sum(items[0])
                return Fragments(
                    whole=self._stream(element.value, end - element.value),
                    offset_table=self._stream(*items[0]),
                    places=tuple((start - body, length) for start, length in items[1:]),
                    body=self._stream(body, end - body),
                )
        return None

    def _native(self, region: Region, element: Element, dataset: Dataset) -> Bulk:
        vr, little = element.vr or "UN", region.encoding.little
        if vr == "UN":  # in Little Endian whatever the rest is in (PS3.5 6.2.2)
            vr, little = implied_vr(element.tag, element.length), True
        if element.tag == ENCAPSULATED_DOCUMENT:
            length = _document_length(dataset, element.length)
            return Bulk(element.tag, vr, self._stream(element.value, length), _document_type(dataset))
        size = _sample_size(dataset) if element.tag in PIXEL_DATA and vr == "OW" else WORD_SIZES.get(vr, 1)
        if element.length % size:
            raise Damaged(
                f"{name_of(element.tag)} has {element.length:,} bytes, which are no words of {size}"
            )
        return Bulk(element.tag, vr, self._stream(element.value, element.length, 1 if little else size))


def _sample_size(dataset: Dataset) -> int:
    """Bytes of the numbers that pixel data of VR OW are made of in Big Endian.

    PS3.5 6.2 has words of 16 bits turned round, which leaves open how larger samples are put together.
    Those who wrote such files turned round whole samples, and so does pydicom; DCMTK does not.
    """
    allocated = dataset.get("BitsAllocated")
    return allocated // 8 if allocated in (32, 64) else 2


def _document_length(dataset: Dataset, length: int) -> int:
    """The document's own length, without the byte that pads it (PS3.3 C.24.2)."""
    true_length = dataset.get("EncapsulatedDocumentLength")
    return length - 1 if true_length == length - 1 else length


def _document_type(dataset: Dataset) -> str:
    """The media type that a document says it has; what is none must not reach a header of HTTP."""
    text = str(dataset.get("MIMETypeOfEncapsulatedDocument") or "").strip()
    return text if _MEDIA_TYPE.fullmatch(text) else OCTETS
