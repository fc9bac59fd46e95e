"""Small valid files of each format, made by libraries that are not under test."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pydicom
from PIL import Image
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian
from pypdf import PdfWriter


def picture(mode: str = "RGB", size: tuple[int, int] = (37, 23)) -> Image.Image:
    """A picture with a gradient in each of its colours, of a size that fills no whole blocks."""
    bands = len(Image.new(mode, (1, 1)).getbands())
    width, height = size
    data = bytes(
        (x * 7 + y * 3 * (band + 1)) % 256
        for y in range(height)
        for x in range(width)
        for band in range(bands)
    )
    return Image.frombytes(mode, size, data)


def jpeg(mode: str = "RGB", size: tuple[int, int] = (37, 23), **options: Any) -> bytes:
    """A JPEG written by Pillow; options are those of its writer."""
    file = io.BytesIO()
    picture(mode, size).save(file, "JPEG", **options)
    return file.getvalue()


def pdf(pages: int = 1, **info: str) -> bytes:
    """A PDF written by pypdf, with the entries of its document information: Title="…"."""
    writer = PdfWriter()
    for _ in range(pages):
        writer.add_blank_page(width=100, height=200)
    writer.add_metadata({f"/{name}": value for name, value in info.items()})
    file = io.BytesIO()
    writer.write(file)
    return file.getvalue()


def dataset(**attributes: Any) -> pydicom.Dataset:
    """A small secondary capture image; attributes by keyword, None to leave one out."""
    result = pydicom.Dataset()
    values = {
        "SOPClassUID": "1.2.840.10008.5.1.4.1.1.7",
        "SOPInstanceUID": "2.25.1001",
        "StudyInstanceUID": "2.25.1002",
        "SeriesInstanceUID": "2.25.1003",
        "PatientID": "P1",
        "PatientName": "Doe^Jane",
        "Modality": "OT",
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "Rows": 16,
        "Columns": 16,
        "BitsAllocated": 8,
        "BitsStored": 8,
        "HighBit": 7,
        "PixelRepresentation": 0,
        "PixelData": bytes(range(256)),
    }
    for keyword, value in (values | attributes).items():
        if value is not None:
            setattr(result, keyword, value)
    if "PixelData" in result:
        result["PixelData"].VR = "OB"
    return result


def dicom(
    transfer_syntax: str = ExplicitVRLittleEndian,
    *,
    content: pydicom.Dataset | None = None,
    **attributes: Any,
) -> bytes:
    """A DICOM file written by pydicom; attributes are those of `dataset`."""
    written = dataset(**attributes) if content is None else content
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = transfer_syntax
    meta.MediaStorageSOPClassUID = written.get("SOPClassUID", "1.2.840.10008.5.1.4.1.1.7")
    meta.MediaStorageSOPInstanceUID = written.get("SOPInstanceUID", "2.25.1001")
    written.file_meta = meta
    file = io.BytesIO()
    pydicom.dcmwrite(file, written, enforce_file_format=True)
    return file.getvalue()


def write(path: Path, data: bytes) -> Path:
    """The data in a file."""
    path.write_bytes(data)
    return path
