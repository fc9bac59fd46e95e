"""A small realistic set of input files, drawn rather than kept: a photo, a report, a video, a DICOM file."""

from __future__ import annotations

import math
import uuid
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import ExifTags, Image, ImageDraw, ImageFilter

if TYPE_CHECKING:
    from av import VideoFrame

CAPTURED = "2026:03:14 09:26:53"
"""When the photo says it was taken, in EXIF's form."""


def make(folder: Path) -> list[Path]:
    """Writes the files into a folder and returns their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    files = {
        "wound.jpg": photo,
        "report.pdf": report,
        "endoscopy.mp4": video,
        "phantom.dcm": dicom_file,
    }
    for name, write in files.items():
        write(folder / name)
    return [folder / name for name in files]


def describe(folder: Path) -> None:
    """Writes what an old system would export with the files: a table that says whose they are.

    And the mapping that reads it, for `gateway import`.
    """
    (folder / "legacy.csv").write_bytes(TABLE.encode("windows-1252"))
    (folder / "legacy.yaml").write_text(MAPPING, "utf-8")


TABLE = """\
file;patient;last;first;born;sex;accession;day;title
WOUND.JPG;4711001;Müller;Jürgen;03.01.1960;m;A1;14.03.2026;Wound
REPORT.PDF;4711001;Müller;Jürgen;03.01.1960;m;A1;14.03.2026;Referral
ENDOSCOPY.MP4;4711002;Groß;Zoë;01.06.1972;f;A2;14.03.2026;Gastroscopy
PHANTOM.DCM;PHANTOM;Phantom;Jürgen;-;-;-;-;Test image
"""

MAPPING = """\
extends: legacy                      # what tables of old systems have in common
sources:
  table:
    file: legacy.csv
    encoding: windows-1252
    key: '{{ row.file | lower }}'
    equals: '{{ media.relative | lower }}'
    null: ['-']
"""


def photo(path: Path, *, captured: str = CAPTURED) -> None:
    """A wound on skin with a ruler beside it, as a camera's JPEG with its EXIF."""
    image = Image.linear_gradient("L").resize((640, 480)).convert("RGB")
    skin = Image.new("RGB", image.size, (226, 178, 148))
    image = Image.blend(skin, image, 0.15)
    draw = ImageDraw.Draw(image)
    for step in range(40):
        shade = 90 + step * 3
        box = (200 + step * 2, 160 + step * 2, 440 - step * 2, 320 - step * 2)
        draw.ellipse(box, fill=(shade + 60, shade // 2, shade // 2))
    image = image.filter(ImageFilter.GaussianBlur(2))
    draw = ImageDraw.Draw(image)
    draw.rectangle((80, 400, 560, 440), fill="white")
    for tick in range(49):
        draw.line((80 + tick * 10, 400, 80 + tick * 10, 412 if tick % 5 else 420), fill="black")
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = "Demo"
    exif[ExifTags.Base.Model] = "Camera"
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] = captured
    image.save(path, quality=90, exif=exif)


def report(path: Path) -> None:
    """A one-page letter as PDF, with a title and a date."""
    lines = ["Referral", "", "Dear colleague,", "please see this patient's wound.", "Kind regards, Dr. Demo"]
    text = " T* ".join(f"({line}) Tj" for line in lines)
    content = f"BT /F1 18 Tf 72 720 Td 26 TL {text} ET".encode("ascii")
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R "
        b"/Resources << /Font << /F1 5 0 R >> >> >>",
        b"<< /Length %d >> stream\n%b\nendstream" % (len(content), content),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
        b"<< /Title (Referral letter) /CreationDate (D:20260314101500+01'00') >>",
    ]
    data = bytearray(b"%PDF-1.4\n")
    offsets = []
    for number, body in enumerate(objects, 1):
        offsets.append(len(data))
        data += b"%d 0 obj\n%b\nendobj\n" % (number, body)
    table = len(data)
    data += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    for offset in offsets:
        data += b"%010d 00000 n \n" % offset
    data += b"trailer << /Size %d /Root 1 0 R /Info 6 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (
        len(objects) + 1,
        table,
    )
    path.write_bytes(data)


def video(path: Path, *, frames: int = 50) -> None:
    """Two seconds through a tunnel, as H.264 High in MP4."""
    import av

    with av.open(str(path), "w", options={"movflags": "faststart"}) as container:
        stream = container.add_stream("libx264", rate=Fraction(25))
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        stream.options = {"profile": "high", "preset": "veryfast"}
        for number in range(frames):
            for packet in stream.encode(_frame(_tunnel(number))):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)


def _frame(image: Image.Image) -> VideoFrame:
    from av import VideoFrame

    frame: VideoFrame = VideoFrame.from_image(image)  # type: ignore[no-untyped-call]  # PyAV leaves it untyped
    return frame


def _tunnel(number: int) -> Image.Image:
    image = Image.new("RGB", (320, 240), (40, 10, 10))
    draw = ImageDraw.Draw(image)
    for ring in range(8, 0, -1):
        radius = ring * 22 - number * 22 % 22 - number % 22
        shade = 30 + 24 * ring
        x = 160 + 12 * math.sin((number + ring * 4) / 9)
        y = 120 + 8 * math.cos((number + ring * 4) / 7)
        if radius > 0:
            draw.ellipse(
                (x - radius, y - radius, x + radius, y + radius), fill=(shade, shade // 3, shade // 3)
            )
    return image


def dicom_file(path: Path) -> None:
    """A grey phantom as a DICOM file with native pixel data, as an older modality writes it."""
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage

    image = Image.radial_gradient("L").resize((128, 128))
    data = Dataset()
    data.SpecificCharacterSet = "ISO_IR 100"
    data.SOPClassUID = SecondaryCaptureImageStorage
    data.StudyInstanceUID, data.SeriesInstanceUID, data.SOPInstanceUID = (_new_uid() for _ in range(3))
    data.PatientName, data.PatientID = "Phantom^Jürgen", "PHANTOM"
    data.StudyDate = data.StudyTime = data.AccessionNumber = data.ReferringPhysicianName = ""
    data.PatientBirthDate = data.PatientSex = data.PatientOrientation = data.Laterality = ""
    data.Modality, data.ConversionType, data.StudyID = "OT", "WSD", "1"
    data.SeriesNumber = data.InstanceNumber = 1
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    data.Rows, data.Columns = image.height, image.width
    data.BitsAllocated = data.BitsStored = 8
    data.HighBit, data.PixelRepresentation = 7, 0
    data.PixelData = image.tobytes()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data.save_as(path, enforce_file_format=True)


def _new_uid() -> str:
    """A random UID (PS3.5 B.2)."""
    return f"2.25.{uuid.uuid4().int}"
