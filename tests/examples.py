"""Small valid files of each format, made by libraries that are not under test."""

from __future__ import annotations

import io
import struct
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


def raster(format: str, mode: str = "RGB", size: tuple[int, int] = (37, 23), **options: Any) -> bytes:
    """A picture in a format that Pillow writes; options are those of its writer."""
    file = io.BytesIO()
    picture(mode, size).save(file, format, **options)
    return file.getvalue()


def jpegls() -> bytes:
    """A JPEG-LS picture written by CharLS."""
    from jpeg_ls import encode_buffer

    return bytes(encode_buffer(picture().tobytes(), 23, 37, 3, 8, interleave_mode=2))


def jpegxl() -> bytes:
    """A JPEG XL picture in boxes, written by libjxl."""
    import pillow_jxl  # noqa: F401 - registers itself

    return raster("JXL", size=(200, 150), use_container=True)


def heic(size: tuple[int, int] = (64, 48), **options: Any) -> bytes:
    """A HEIC picture written by pillow-heif."""
    import pillow_heif

    file = io.BytesIO()
    pillow_heif.from_pillow(picture("RGB", size)).save(file, **options)
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


def cda(header: str = "", body: str = "", *, declaration: str = '<?xml version="1.0"?>') -> bytes:
    """A clinical document with these elements in its header and body."""
    named = header or (
        '<id root="1.2.276.0.76.1" extension="4711"/>'
        '<code code="34133-9" codeSystem="2.16.840.1.113883.6.1" displayName="Summary of episode note"/>'
        '<title>Arztbrief für Jörg</title><effectiveTime value="20240531143000+0200"/>'
    )
    text = body or "<component><structuredBody/></component>"
    return f'{declaration}<ClinicalDocument xmlns="urn:hl7-org:v3">{named}{text}</ClinicalDocument>'.encode()


def _corners(number: int) -> list[tuple[float, float, float]]:
    return [(number, 0.0, 0.0), (number + 1.0, 0.0, 0.0), (number, 1.5, 0.25)]


def stl(facets: int = 100, header: bytes = b"Exported by a test") -> bytes:
    """A binary STL model: a strip of triangles."""
    parts = [header.ljust(80, b"\0"), struct.pack("<I", facets)]
    for number in range(facets):
        numbers = (value for corner in _corners(number) for value in corner)
        parts.append(struct.pack("<12fH", 0, 0, 1, *numbers, 0))
    return b"".join(parts)


def ascii_stl(facets: int = 100, title: str = "part", end: str = "\n") -> bytes:
    """The same in ASCII."""
    lines = [f"solid {title}"]
    for number in range(facets):
        lines += ["  facet normal 0 0 1.0e0", "    outer loop"]
        lines += [f"      vertex {x:e} {y:g} {z}" for x, y, z in _corners(number)]
        lines += ["    endloop", "  endfacet"]
    return end.join([*lines, f"endsolid {title}", ""]).encode()


def obj(triangles: int = 40, library: str = "skull.mtl") -> bytes:
    """An OBJ model: the same strip again."""
    lines = ["# exported by a test", f"mtllib {library}", "o Skull"]
    lines += [f"v {x} {y} {z}" for number in range(triangles) for x, y, z in _corners(number)]
    lines += ["vt 0 0", "vn 0 0 1", "usemtl bone", "s off"]
    lines += [f"f {3 * n + 1}/1/1 {3 * n + 2}/1/1 {3 * n + 3}/1/1" for n in range(triangles)]
    return "\n".join([*lines, ""]).encode()


def mtl(texture: str = "bone.jpg") -> bytes:
    """A material library with one material and texture."""
    return (
        f"# exported by a test\nnewmtl bone\nNs 96.078431\nKa 1.0 1.0 1.0\nKd 0.64 0.64 0.64\n"
        f"Ks 0.5 0.5 0.5\nNi 1.0\nd 1.0\nillum 2\nmap_Kd {texture}\n"
    ).encode()


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
