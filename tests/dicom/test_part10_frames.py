from __future__ import annotations

import struct
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.encaps import generate_frames, parse_basic_offsets

import examples
from gateway.dicom import part10
from gateway.dicom.frames import frames
from gateway.dicom.reader import read
from gateway.errors import Reject
from gateway.model import Bulk, Instance, Source
from gateway.stream import FileSlice, FileStamp, Stream

RLE = "1.2.840.10008.1.2.5"


def instance(parts: tuple[Stream, ...], dataset: Dataset | None = None) -> Instance:
    content = examples.dataset(PixelData=None, NumberOfFrames=len(parts)) if dataset is None else dataset
    return Instance(
        source=Source(Path("/here/a.gif"), Path("/here")),
        sop_class_uid=content.SOPClassUID,
        sop_instance_uid=content.SOPInstanceUID,
        series_instance_uid=content.SeriesInstanceUID,
        study_instance_uid=content.StudyInstanceUID,
        transfer_syntax=RLE,
        dataset=content,
        bulks=(Bulk(0x7FE00010, "OB", Stream.of(*parts), "image/dicom-rle", True, parts),),
    )


def test_each_frame_is_a_fragment_and_the_table_says_where(tmp_path: Path) -> None:
    parts = tuple(Stream.of(bytes([65 + number]) * (number + 3)) for number in range(5))
    file = examples.write(tmp_path / "a.dcm", part10.write(instance(parts)).read())
    value = dcmread(file).PixelData
    padded = [part.read() + b"\0" * (part.length % 2) for part in parts]
    assert list(generate_frames(value, number_of_frames=5)) == padded
    offsets = parse_basic_offsets(value)
    assert len(offsets) == 5
    body = value[8 + 4 * 5 :]
    for offset, frame in zip(offsets, padded, strict=True):
        assert struct.unpack_from("<LL", body, offset) == (0xE000FFFE, len(frame))
        assert body[offset + 8 :].startswith(frame)
    assert [frame.read() for frame in frames(read(file))] == padded


def test_a_table_that_32_bits_do_not_reach_stays_empty() -> None:
    stamp = FileStamp(0, 0, 0)
    large = Stream.of(FileSlice(Path("/nowhere"), 0, 3 << 30, stamp))
    stream = part10.write(instance((large, large, Stream.of(b"ab"))))
    written = next(piece for piece in stream.pieces if isinstance(piece, bytes))
    assert written.endswith(
        struct.pack("<HH2s2xL", 0x7FE0, 0x10, b"OB", 0xFFFFFFFF)
        + struct.pack("<HHL", 0xFFFE, 0xE000, 0)
        + struct.pack("<HHL", 0xFFFE, 0xE000, 3 << 30)
    )


def test_a_frame_that_is_no_fragment_is_refused() -> None:
    stamp = FileStamp(0, 0, 0)
    large = Stream.of(FileSlice(Path("/nowhere"), 0, 5 << 30, stamp))
    with pytest.raises(Reject, match="too large: it has a frame of"):
        part10.write(instance((large, Stream.of(b"ab"))))
