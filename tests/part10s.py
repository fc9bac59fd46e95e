"""DICOM files of pydicom's own tests, files made by hand, and a way to compare data sets."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import pydicom
from pydicom.dataset import Dataset

from gateway.model import Attributes, Kind, Probe, Source
from gateway.stream import FileSlice, Stream

EXPLICIT = "1.2.840.10008.1.2.1"
IMPLICIT = "1.2.840.10008.1.2"
BIG_ENDIAN = "1.2.840.10008.1.2.2"
DEFLATED = "1.2.840.10008.1.2.1.99"
SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"

_DATA = Path(pydicom.__file__).parent / "data"
_SHORT = "AE AS AT CS DA DS DT FD FL IS LO LT PN SH SL SS ST TM UI UL US"


def packaged() -> list[Path]:
    """The Part 10 files that pydicom brings with it; none is fetched."""
    folders = ("test_files", "charset_files", "palettes")
    files = [file for folder in folders for file in (_DATA / folder).rglob("*") if file.is_file()]
    return sorted(file for file in files if file.read_bytes()[128:132] == b"DICM")


def packaged_file(name: str) -> Path:
    """One of them by name."""
    return next(file for file in packaged() if file.name == name)


def element(tag: int, vr: str, value: bytes, length: int | None = None) -> bytes:
    """An element in Explicit VR Little Endian, with any length that is wanted."""
    length = len(value) if length is None else length
    head = struct.pack("<HH2s", tag >> 16, tag & 0xFFFF, vr.encode())
    return head + (struct.pack("<H", length) if vr in _SHORT else struct.pack("<HL", 0, length)) + value


def item(content: bytes, length: int | None = None) -> bytes:
    """An item of a sequence, or a fragment."""
    return b"\xfe\xff\x00\xe0" + struct.pack("<L", len(content) if length is None else length) + content


SEQUENCE_END = b"\xfe\xff\xdd\xe0" + bytes(4)
ITEM_END = b"\xfe\xff\x0d\xe0" + bytes(4)
UNDEFINED = 0xFFFFFFFF


def uid(tag: int, text: str) -> bytes:
    """A UID as an element."""
    return element(tag, "UI", text.encode() + b"\0" * (len(text) % 2))


IDENTITY = uid(0x00080016, SECONDARY_CAPTURE) + uid(0x00080018, "1.2.3.4")
STUDY_AND_SERIES = uid(0x0020000D, "1.2.3") + uid(0x0020000E, "1.2.3.5")


def part10(data_set: bytes, transfer_syntax: str = EXPLICIT, preamble: bytes = bytes(128)) -> bytes:
    """A Part 10 file around the bytes of a data set."""
    return (
        preamble + b"DICM" + uid(0x00020002, SECONDARY_CAPTURE) + uid(0x00020010, transfer_syntax) + data_set
    )


def write(folder: Path, data: bytes, name: str = "file.dcm") -> Path:
    """The data in a file."""
    path = folder / name
    path.write_bytes(data)
    return path


def probe_of(path: Path, **values: Any) -> Probe:
    """What the format says of a DICOM file, as far as it matters to the file's rewriting."""
    known = {"source": Source(path, path.parent), "format": "dicom", "kind": Kind.DICOM}
    media = {
        "media_type": "application/dicom",
        "transfer_syntax": "",
        "content": Stream.of(FileSlice.whole(path)),
    }
    return Probe(**{**known, **media, **values})


def attributes(*, removed: tuple[str, ...] = (), whole: tuple[str, ...] = (), **values: Any) -> Attributes:
    """Attributes to be set, by keyword; `whole` names sequences that were set as a whole."""
    dataset = Dataset()
    for keyword, value in values.items():
        setattr(dataset, keyword, value)
    return Attributes(dataset, dict.fromkeys(whole, "-m"), "", removed=removed)


def flat(dataset: Dataset, prefix: str = "") -> dict[str, tuple[str, str]]:
    """Every element of a data set, also within sequences, by its path: VR and value; no group lengths."""
    found: dict[str, tuple[str, str]] = {}
    for tag in list(dataset.keys()):
        if tag.element == 0:
            continue
        each = dataset[tag]
        if each.VR != "SQ":
            found[f"{prefix}{tag}"] = (str(each.VR), repr(each.value))
            continue
        found[f"{prefix}{tag}"] = ("SQ", str(len(each.value)))
        for number, child in enumerate(each.value):
            found |= flat(child, f"{prefix}{tag}[{number}]")
    return found
