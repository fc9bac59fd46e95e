"""Instances made by hand, for tests of what happens to instances."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydicom.dataset import Dataset

from gateway.model import Bulk, Instance, Source
from gateway.stream import FileSlice, Stream

SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
ENCAPSULATED_PDF = "1.2.840.10008.5.1.4.1.1.104.1"
JPEG_BASELINE = "1.2.840.10008.1.2.4.50"
EXPLICIT_LITTLE = "1.2.840.10008.1.2.1"
STUDY = "2.25.1"
SERIES = "2.25.2"


def photo(folder: Path, number: int = 3, *, content: bytes | None = None, **changes: Any) -> Instance:
    """A Secondary Capture around the bytes of a file, `2.25.<number>`."""
    path = folder / f"Jane Doe {number}.jpg"
    path.write_bytes(b"\xff\xd8 of number %d \xff\xd9" % number if content is None else content)
    bulk = Bulk(0x7FE00010, "OB", Stream.of(FileSlice.whole(path)), "image/jpeg", encapsulated=True)
    return instance(path, number, SECONDARY_CAPTURE, JPEG_BASELINE, bulk, **changes)


def document(folder: Path, number: int = 4, **changes: Any) -> Instance:
    """An Encapsulated PDF."""
    path = folder / f"{number}.pdf"
    path.write_bytes(b"%%PDF-1.4 of number %d %%%%EOF" % number)
    bulk = Bulk(0x00420011, "OB", Stream.of(FileSlice.whole(path)), "application/pdf")
    return instance(path, number, ENCAPSULATED_PDF, EXPLICIT_LITTLE, bulk, **changes)


def instance(
    path: Path, number: int, sop_class: str, transfer_syntax: str, *bulks: Bulk, **changes: Any
) -> Instance:
    dataset = Dataset()
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.SOPClassUID = sop_class
    dataset.SOPInstanceUID = f"2.25.{number}"
    dataset.StudyDate = ""
    dataset.Modality = "OT"
    dataset.PatientName = "Müller^Jürgen"
    dataset.PatientID = "4711"
    dataset.StudyInstanceUID = STUDY
    dataset.SeriesInstanceUID = SERIES
    dataset.InstanceNumber = number
    values: dict[str, Any] = {
        "source": Source(path, path.parent),
        "sop_class_uid": sop_class,
        "sop_instance_uid": f"2.25.{number}",
        "series_instance_uid": SERIES,
        "study_instance_uid": STUDY,
        "transfer_syntax": transfer_syntax,
        "dataset": dataset,
        "bulks": bulks,
        **changes,
    }
    return Instance(**values)
