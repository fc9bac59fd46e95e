"""Part 10 files written, judged by pydicom, DCMTK and dciodvfy."""

from __future__ import annotations

import io
import struct
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.encaps import generate_fragments
from pydicom.uid import UID

import examples
from gateway.dicom.part10 import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME, write
from gateway.dicom.reader import read
from gateway.errors import Reject
from gateway.model import Bulk, Instance, Source
from gateway.stream import FileSlice, FileStamp, Stream
from part10s import EXPLICIT, SECONDARY_CAPTURE
from part10s import write as write_file
from support import dciodvfy, dcmdump, require

JPEG = "1.2.840.10008.1.2.4.50"
H264 = "1.2.840.10008.1.2.4.102"
HEVC = "1.2.840.10008.1.2.4.107"
RLE = "1.2.840.10008.1.2.5"
PIXEL_DATA = 0x7FE00010
DOCUMENT = 0x00420011


def _secondary_capture(**values: Any) -> Dataset:
    """All that a Secondary Capture Image must have."""
    dataset = Dataset()
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.SOPClassUID = SECONDARY_CAPTURE
    dataset.SOPInstanceUID = "2.25.4"
    dataset.StudyInstanceUID = "2.25.2"
    dataset.SeriesInstanceUID = "2.25.3"
    dataset.PatientName = "Müller^Jörg=山田^太郎"
    dataset.PatientID = "4711"
    for keyword in ("PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "ReferringPhysicianName"):
        setattr(dataset, keyword, "")
    dataset.StudyID = "1"
    dataset.Modality = "OT"
    dataset.ConversionType = "WSD"
    dataset.AccessionNumber = dataset.PatientOrientation = dataset.Laterality = ""
    dataset.SeriesNumber = dataset.InstanceNumber = 1
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.Rows, dataset.Columns = 23, 37
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 8, 8, 7, 0
    for keyword, value in values.items():
        setattr(dataset, keyword, value)
    return dataset


def _instance(
    dataset: Dataset, *bulks: Bulk, transfer_syntax: str = EXPLICIT, path: Path = Path("a.jpg")
) -> Instance:
    return Instance(
        source=Source(path, path.parent),
        sop_class_uid=dataset.SOPClassUID,
        sop_instance_uid=dataset.SOPInstanceUID,
        series_instance_uid=dataset.SeriesInstanceUID,
        study_instance_uid=dataset.StudyInstanceUID,
        transfer_syntax=transfer_syntax,
        dataset=dataset,
        bulks=bulks,
    )


def _written(instance: Instance) -> pydicom.FileDataset:
    return pydicom.dcmread(io.BytesIO(write(instance).read()))


def _judged(folder: Path, instance: Instance) -> pydicom.FileDataset:
    """The file as pydicom reads it, if DCMTK takes it as well."""
    path = write_file(folder, write(instance).read())
    dcmdump(path)
    subprocess.run([require("dcmftest"), str(path)], check=True, capture_output=True)
    return pydicom.dcmread(path)


def test_a_picture_is_one_fragment_after_an_empty_table(tmp_path: Path) -> None:
    jpeg = examples.jpeg("L")
    jpeg += b"\0" * (1 - len(jpeg) % 2)
    assert len(jpeg) % 2 == 1
    source = FileSlice.whole(write_file(tmp_path, jpeg, "a.jpg"))
    bulk = Bulk(PIXEL_DATA, "OB", Stream.of(source), "image/jpeg", encapsulated=True)
    dataset = _secondary_capture(LossyImageCompression="01")
    instance = _instance(dataset, bulk, transfer_syntax=JPEG)
    found = _judged(tmp_path, instance)
    assert list(generate_fragments(found.PixelData)) == [b"", jpeg + b"\0"]
    assert found["PixelData"].is_undefined_length
    assert found.pixel_array.shape == (23, 37)
    assert found.PatientName == "Müller^Jörg=山田^太郎"
    assert dciodvfy(tmp_path / "file.dcm") == []


def test_native_values_have_an_even_length(tmp_path: Path) -> None:
    pixels = bytes(range(23 * 11)) * 1 + bytes(23 * 26)
    found = _judged(tmp_path, _instance(_secondary_capture(), Bulk(PIXEL_DATA, "OB", Stream.of(pixels))))
    assert found.PixelData == pixels + b"\0"
    assert found["PixelData"].VR == "OB"
    assert found.pixel_array.tobytes() == pixels
    assert dciodvfy(tmp_path / "file.dcm") == []


def test_a_document_is_padded_with_a_zero_byte(tmp_path: Path) -> None:
    pdf = examples.pdf()
    pdf += b"\n" * (1 - len(pdf) % 2)
    dataset = _secondary_capture(
        EncapsulatedDocumentLength=len(pdf), MIMETypeOfEncapsulatedDocument="application/pdf"
    )
    found = _judged(tmp_path, _instance(dataset, Bulk(DOCUMENT, "OB", Stream.of(pdf), "application/pdf")))
    assert found.EncapsulatedDocument == pdf + b"\0"


def test_large_values_stand_between_other_attributes_in_the_order_of_tags(tmp_path: Path) -> None:
    dataset = _secondary_capture(ICCProfile=None)
    del dataset.ICCProfile
    block = dataset.private_block(0x7FE1, "SOMEBODY", create=True)
    block.add_new(1, "LO", "after")
    bulks = (
        Bulk(PIXEL_DATA, "OB", Stream.of(b"pixels")),
        Bulk(0x00282000, "OB", Stream.of(b"profile")),
        Bulk(0xFFFCFFFC, "OB", Stream.of(bytes(10))),
        Bulk(0x7FE00001, "OV", Stream.of(bytes(16))),
    )
    found = _judged(tmp_path, _instance(dataset, *bulks))
    tags = list(found.keys())
    assert tags == sorted(tags)
    assert (found.ICCProfile, found.PixelData, found[0x7FE11001].value) == (b"profile\0", b"pixels", "after")
    assert found[0xFFFCFFFC].value == bytes(10)


def test_the_file_meta_information_names_the_object_and_this_product(tmp_path: Path) -> None:
    data = write(_instance(_secondary_capture())).read()
    assert data[:132] == bytes(128) + b"DICM"
    meta = pydicom.dcmread(io.BytesIO(data)).file_meta
    assert meta.MediaStorageSOPClassUID == SECONDARY_CAPTURE
    assert meta.MediaStorageSOPInstanceUID == "2.25.4"
    assert meta.TransferSyntaxUID == EXPLICIT
    assert meta.ImplementationClassUID == IMPLEMENTATION_CLASS_UID
    assert meta.ImplementationVersionName == IMPLEMENTATION_VERSION_NAME
    assert meta.FileMetaInformationVersion == b"\0\1"
    start = 132 + 12 + meta.FileMetaInformationGroupLength
    assert data[start : start + 4] == b"\x08\0\x05\0"
    assert len(IMPLEMENTATION_VERSION_NAME) <= 16
    assert not any(letter.isdigit() for letter in IMPLEMENTATION_VERSION_NAME)
    assert UID(IMPLEMENTATION_CLASS_UID).is_valid


def test_the_same_instance_is_always_the_same_bytes(tmp_path: Path) -> None:
    source = FileSlice.whole(write_file(tmp_path, b"odd", "a.jpg"))
    bulk = Bulk(PIXEL_DATA, "OB", Stream.of(source), encapsulated=True)
    stream = write(_instance(_secondary_capture(), bulk, transfer_syntax=JPEG))
    assert (
        stream.read()
        == stream.read()
        == write(_instance(_secondary_capture(), bulk, transfer_syntax=JPEG)).read()
    )
    assert stream.length == len(stream.read())


def test_a_complete_file_is_written_as_it_is() -> None:
    complete = Stream.of(b"whatever it is")
    assert write(replace(_instance(_secondary_capture()), part10=complete)) is complete


def test_text_is_utf8_unless_the_data_set_declares_otherwise() -> None:
    dataset = _secondary_capture()
    del dataset.SpecificCharacterSet
    found = _written(_instance(dataset))
    assert (found.SpecificCharacterSet, found.PatientName) == ("ISO_IR 192", "Müller^Jörg=山田^太郎")
    dataset = _secondary_capture(SpecificCharacterSet="ISO_IR 100", PatientName="Müller^Jörg")
    found = _written(_instance(dataset))
    assert (found.SpecificCharacterSet, found.PatientName) == ("ISO_IR 100", "Müller^Jörg")


def test_no_character_is_replaced_silently() -> None:
    with pytest.raises(ValueError, match=r"U\+5C71"):
        write(_instance(_secondary_capture(SpecificCharacterSet="ISO_IR 100")))
    with pytest.raises(ValueError, match="the character set ISO_IR 999"):
        write(_instance(_secondary_capture(SpecificCharacterSet="ISO_IR 999")))


@pytest.mark.parametrize(("sign", "vr", "value"), [(0, "US", 40_000), (1, "SS", -5)])
def test_ambiguous_attributes_get_the_vr_that_they_have_here(sign: int, vr: str, value: int) -> None:
    dataset = _secondary_capture(PixelRepresentation=sign)
    dataset.SmallestImagePixelValue = value
    child = Dataset()
    child.PixelPaddingValue = value
    dataset.ReferencedStudySequence = [child]
    bulk = Bulk(0x00281201, "OW", Stream.of(bytes(4)))
    found = _written(_instance(dataset, bulk))
    assert (found["SmallestImagePixelValue"].VR, found.SmallestImagePixelValue) == (vr, value)
    assert vr == found.ReferencedStudySequence[0]["PixelPaddingValue"].VR
    assert dataset["SmallestImagePixelValue"].VR == "US or SS"
    assert dataset.PixelRepresentation == sign


def test_group_lengths_are_not_written() -> None:
    dataset = _secondary_capture()
    dataset[0x00080000] = DataElement(0x00080000, "UL", 99)
    assert 0x00080000 not in _written(_instance(dataset))


@pytest.mark.parametrize(
    ("vr", "length", "written"), [("DS", 3, "DS"), ("DS", 70_000, "UN"), ("UT", 70_001, "UT")]
)
def test_values_of_any_vr_may_stay_outside(vr: str, length: int, written: str) -> None:
    found = _written(_instance(_secondary_capture(), Bulk(0x0040A30A, vr, Stream.of(b"1" * length))))
    raw = found.get_item(0x0040A30A)
    assert written == raw.VR
    assert raw.value == b"1" * length + b" " * (length % 2)


# More than fits


def _sparse(folder: Path, size: int) -> Stream:
    path = folder / "large.bin"
    with path.open("wb") as file:
        file.truncate(size)
    return Stream.of(FileSlice(path, 0, size, FileStamp.of(path.stat())))


@pytest.mark.parametrize(
    ("tag", "encapsulated", "syntax", "words"),
    [
        (DOCUMENT, False, EXPLICIT, "EncapsulatedDocument would have 4,294,967,295 bytes"),
        (PIXEL_DATA, False, EXPLICIT, "PixelData would have 4,294,967,295 bytes"),
        (PIXEL_DATA, True, H264, "MPEG-4 AVC/H.264 .* one fragment .* HEVC"),
        (PIXEL_DATA, True, RLE, "RLE Lossless"),
    ],
)
def test_what_does_not_fit_is_refused_in_words(
    tag: int, encapsulated: bool, syntax: str, words: str, tmp_path: Path
) -> None:
    bulk = Bulk(tag, "OB", _sparse(tmp_path, 0xFFFFFFFF), encapsulated=encapsulated)
    instance = _instance(_secondary_capture(), bulk, transfer_syntax=syntax, path=tmp_path / "large.mp4")
    with pytest.raises(Reject, match=words) as caught:
        write(instance)
    assert str(tmp_path / "large.mp4") in str(caught.value)


@pytest.mark.parametrize("size", [0xFFFFFFFE, 0xFFFFFFFD])
def test_what_just_fits_is_one_fragment(size: int, tmp_path: Path) -> None:
    bulk = Bulk(PIXEL_DATA, "OB", _sparse(tmp_path, size), encapsulated=True)
    stream = write(_instance(_secondary_capture(), bulk, transfer_syntax=H264))
    head, piece, tail = stream.pieces
    assert isinstance(head, bytes)
    assert isinstance(piece, FileSlice)
    assert head[-8:] == b"\xfe\xff\x00\xe0" + struct.pack("<L", 0xFFFFFFFE)
    assert piece.length == size
    assert tail == bytes(size % 2) + b"\xfe\xff\xdd\xe0" + bytes(4)


def test_hevc_of_more_than_four_gibibytes_has_several_fragments(tmp_path: Path) -> None:
    size = (1 << 33) + 1
    bulk = Bulk(PIXEL_DATA, "OB", _sparse(tmp_path, size), "video/H265", encapsulated=True)
    stream = write(_instance(_secondary_capture(), bulk, transfer_syntax=HEVC))
    written = tmp_path / "large.dcm"
    with written.open("wb") as file:
        for piece in stream.pieces:
            if isinstance(piece, bytes):
                file.write(piece)
            else:
                file.seek(piece.length, 1)
    assert written.stat().st_size == stream.length
    part = read(written)
    assert part.fragments is not None
    assert [length for _, length in part.fragments.places] == [0xFFFFFFFE, 0xFFFFFFFE, 6]
    assert part.bulks[0].value.length == size + 1
