"""DICOM files: what identifies them, judged by pydicom and DCMTK."""

from __future__ import annotations

import re
import struct
import tempfile
import warnings
import zlib
from pathlib import Path

import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

import examples
from gateway.config import Reading
from gateway.errors import GatewayError, Reject
from gateway.formats import dicom, probe
from gateway.model import DicomFacts, Probe, Source
from support import dcmdump

TEST_FILES = Path(pydicom.__file__).parent / "data"
UIDS = ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID")


def look(folder: Path, data: bytes, reading: Reading = Reading()) -> Probe:
    path = examples.write(folder / "image.dcm", data)
    return probe(Source(path, folder), reading)


def refusal(folder: Path, data: bytes) -> str:
    with pytest.raises(Reject) as caught:
        look(folder, data)
    return str(caught.value)


def explicit(tag: int, vr: bytes, value: bytes, length: int | None = None) -> bytes:
    """An element in Explicit VR Little Endian."""
    size = len(value) if length is None else length
    head = struct.pack("<HH", tag >> 16, tag & 0xFFFF) + vr
    if vr in (b"OB", b"SQ", b"UN", b"UT"):
        return head + struct.pack("<HI", 0, size) + value
    return head + struct.pack("<H", size) + value


def uid(tag: int, text: str) -> bytes:
    value = text.encode()
    return explicit(tag, b"UI", value + b"\0" * (len(value) % 2))


META = bytes(128) + b"DICM" + uid(0x00020010, ExplicitVRLittleEndian)
CLASS = uid(0x00080016, "1.2.840.10008.5.1.4.1.1.7")
INSTANCE = uid(0x00080018, "2.25.1")
STUDY = uid(0x0020000D, "2.25.2")
SERIES = uid(0x0020000E, "2.25.3")
WHOLE = META + CLASS + INSTANCE + STUDY + SERIES
ITEM, ITEM_END, SEQUENCE_END = (struct.pack("<HHI", 0xFFFE, last, 0) for last in (0xE000, 0xE00D, 0xE0DD))
OPEN_ITEM = struct.pack("<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF)


def test_pydicoms_files_are_as_pydicom_reads_them() -> None:
    stored, refused, cut_off = 0, [], []
    for path in sorted(TEST_FILES.rglob("*")):
        if not path.is_file() or path.read_bytes()[128:132] != b"DICM":
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            judged = pydicom.dcmread(path)
            expected = [judged.get(keyword) for keyword in UIDS]
            patient_id = str(judged.get("PatientID", "") or "").strip()
        syntax = judged.file_meta.get("TransferSyntaxUID")
        try:
            found = dicom.probe(Source(path, path.parent), Reading())
        except Reject as error:
            if None not in expected and syntax is not None:
                refused.append((path.name, str(error)))
            continue
        facts = found.dicom
        assert facts is not None
        assert [
            facts.sop_class_uid,
            facts.sop_instance_uid,
            facts.study_instance_uid,
            facts.series_instance_uid,
        ] == expected, path.name
        assert facts.patient_id == patient_id, path.name
        assert found.transfer_syntax == facts.transfer_syntax_uid == syntax
        assert found.content.length == path.stat().st_size
        stored += 1
        if not found.whole:
            cut_off.append(path.name)
    assert stored > 60
    assert refused == []
    assert cut_off == ["MR_truncated.dcm", "rtplan_truncated.dcm"]


@pytest.mark.parametrize(
    "syntax",
    [ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian],
)
def test_every_encoding_is_read(tmp_path: Path, syntax: str) -> None:
    content = examples.dataset()
    content.AnatomicRegionSequence = [pydicom.Dataset()]
    content.AnatomicRegionSequence[0].CodeValue = "1"
    content["AnatomicRegionSequence"].is_undefined_length = True
    data = examples.dicom(syntax, content=content)
    found = look(tmp_path, data)
    assert found.dicom == DicomFacts(
        "1.2.840.10008.5.1.4.1.1.7", "2.25.1001", "2.25.1003", "2.25.1002", syntax, "P1"
    )
    assert found.content.read() == data
    assert (found.kind, found.media_type, found.messages) == ("dicom", "application/dicom", ())
    dump = dcmdump(tmp_path / "image.dcm")
    assert re.findall(r"\(0020,000d\) UI \[([\d.]+)\]", dump) == ["2.25.1002"]
    for part in (0.7, 0.9, 0.99):
        cut_off = look(tmp_path, data[: int(len(data) * part)])
        assert not cut_off.whole
        assert "not whole" in " ".join(cut_off.messages)


def test_whatever_stands_in_the_preamble_it_is_dicom(tmp_path: Path) -> None:
    for magic in (
        b"II*\0",
        b"MM\0*",
        b"\x89PNG\r\n\x1a\n",
        b"\xff\xd8\xff\xe0",
        b"%PDF-1.7",
        b"PK\3\4",
        b"\0\0\0\x18ftypmp42",
    ):
        data = magic + WHOLE[len(magic) :]
        assert look(tmp_path, data).content.read() == data


@pytest.mark.parametrize("missing", UIDS)
@pytest.mark.parametrize("value", [None, ""])
def test_what_identifies_an_object_must_be_there(tmp_path: Path, missing: str, value: str | None) -> None:
    tag = pydicom.datadict.tag_for_keyword(missing)
    parts = {0x00080016: CLASS, 0x00080018: INSTANCE, 0x0020000D: STUDY, 0x0020000E: SERIES}
    parts[tag] = b"" if value is None else uid(tag, value)
    assert f"has no {missing} ({tag >> 16:04X},{tag & 0xFFFF:04X})" in refusal(
        tmp_path, META + b"".join(parts.values())
    )


@pytest.mark.parametrize(
    "value", ["1.2.x", "1..2", ".1.2", "1.2.", "1", "1." * 32 + "1", "1.2\\1.3", "1.2 1", "é", "1.2\n"]
)
def test_malformed_uids_are_named(tmp_path: Path, value: str) -> None:
    message = refusal(tmp_path, META + CLASS + INSTANCE + uid(0x0020000D, value) + SERIES)
    assert "has the StudyInstanceUID (0020,000D) " in message
    assert "no UID" in message


def test_uids_may_be_padded_with_spaces_and_have_leading_zeros(tmp_path: Path) -> None:
    found = look(tmp_path, META + CLASS + explicit(0x00080018, b"UI", b"1.02.3 ") + STUDY + SERIES)
    assert found.dicom is not None
    assert found.dicom.sop_instance_uid == "1.02.3"


@pytest.mark.parametrize(
    ("declared", "value", "read"),
    [
        ("", b"P 1 ", "P 1"),
        ("", b"", ""),
        ("ISO_IR 100", "Gr\u00f6\u00df1".encode("latin-1"), "Gr\u00f6\u00df1"),
        ("ISO_IR 192", "\u5c711".encode(), "\u5c711"),
        ("\\ISO 2022 IR 87", "\u5c71".encode("iso2022_jp"), "\u5c71"),
        ("NONSENSE", b"P1", "P1"),
        ("NONSENSE", b"\xff1", "\u00ff1"),
    ],
)
def test_the_patient_id_is_read_in_its_character_set(
    tmp_path: Path, declared: str, value: bytes, read: str
) -> None:
    padded = [text + b" " * (len(text) % 2) for text in (declared.encode(), value)]
    character_set, patient = explicit(0x00080005, b"CS", padded[0]), explicit(0x00100020, b"LO", padded[1])
    found = look(tmp_path, META + character_set + CLASS + INSTANCE + patient + STUDY + SERIES)
    assert found.dicom is not None
    assert found.dicom.patient_id == read


def test_file_meta_must_name_a_transfer_syntax(tmp_path: Path) -> None:
    bare = bytes(128) + b"DICM"
    assert "no TransferSyntaxUID (0002,0010)" in refusal(
        tmp_path, bare + uid(0x00020002, "1.2") + CLASS + INSTANCE + STUDY + SERIES
    )
    assert "no UID" in refusal(
        tmp_path, bare + uid(0x00020010, "explicit") + CLASS + INSTANCE + STUDY + SERIES
    )


@pytest.mark.parametrize("missing", [128, 132])
def test_a_file_without_its_preamble_gets_one(tmp_path: Path, missing: int) -> None:
    data = examples.dicom()
    found = look(tmp_path, data[missing:])
    assert found.content.read() == bytes(128) + b"DICM" + data[132:]
    assert found.messages == ("had no preamble, and was given an empty one",)
    assert found.dicom == look(tmp_path, data).dicom


@pytest.mark.parametrize(
    ("syntax", "name"),
    [
        (ExplicitVRLittleEndian, "Explicit VR Little Endian"),
        (ImplicitVRLittleEndian, "Implicit VR Little Endian"),
        (ExplicitVRBigEndian, "Explicit VR Big Endian"),
    ],
)
@pytest.mark.parametrize("start", [b"", bytes(128) + b"DICM", b"DICM"])
def test_a_data_set_alone_shows_its_transfer_syntax(
    tmp_path: Path, syntax: str, name: str, start: bytes
) -> None:
    data = examples.dicom(syntax)
    meta = 132 + 12 + int.from_bytes(data[140:144], "little")
    if start == b"DICM" and syntax != ExplicitVRLittleEndian:
        return  # a prefix is only taken for one before File Meta Information
    found = look(tmp_path, start + data[meta:]) if start != b"DICM" else look(tmp_path, start + data[132:])
    assert found.transfer_syntax == syntax
    assert found.dicom == DicomFacts(
        "1.2.840.10008.5.1.4.1.1.7", "2.25.1001", "2.25.1003", "2.25.1002", syntax, "P1"
    )
    assert ("no File Meta Information" in found.messages[0]) is (start != b"DICM")
    assert start == b"DICM" or name in found.messages[0]


@pytest.mark.parametrize(
    "data",
    [
        b"\x08\0\x05\0CS\x0a\0ISO_IR 192",
        b"\x08\0\x16\0\x1a\0\0\x001.2.840.10008",
        b"\0\x08\0\x16UI\0\x1a1.2.840.10008",
        b"\x02\0\0\0UL\4\0\xc0\0\0\0\x02\0\x01\0OB",
        b"DICM\x02\0\0\0UL\4\0",
    ],
)
def test_scraps_of_a_data_set_are_not_whole(tmp_path: Path, data: bytes) -> None:
    message = refusal(tmp_path, data)
    assert "not whole" in message or "has no" in message


@pytest.mark.parametrize(
    "data",
    [
        b"\x08\0\x05\0CS\x0a\0ISO_IR 192" + b"\x06\0\x05\0CS\x0a\0ISO_IR 192",
        b"\x08\0\x05\0CS\x0a\0ISO_IR 192" + b"\xff\xff\x05\0CS\x0a\0ISO_IR 192",
        b"\x08\0\x05\0\xff\x0f\0\0" + b"ISO_IR 192" * 500,
        b"\x08\0\x05\x01CS\x0a\0ISO_IR 192",
    ],
)
def test_what_only_begins_like_a_data_set_is_none(tmp_path: Path, data: bytes) -> None:
    assert "of no kind that is known" in refusal(tmp_path, data)


def test_a_preamble_is_cleared_when_that_is_wanted(tmp_path: Path) -> None:
    data = b"II*\0" + examples.dicom()[4:]
    found = look(tmp_path, data, Reading(zero_preamble=True))
    assert found.content.read() == bytes(4) + data[4:]
    assert found.messages == ("had something in its preamble, which was cleared",)
    clean = look(tmp_path, examples.dicom(), Reading(zero_preamble=True))
    assert (clean.content.read(), clean.messages) == (examples.dicom(), ())


def test_a_wrong_group_length_does_not_matter(tmp_path: Path) -> None:
    data = bytes(128) + b"DICM" + explicit(0x00020000, b"UL", b"\xff\xff\0\0") + WHOLE[132:]
    assert look(tmp_path, data).dicom is not None


@pytest.mark.parametrize("where", ["meta", "data set"])
def test_an_index_of_a_medium_is_no_object(tmp_path: Path, where: str) -> None:
    index = "1.2.840.10008.1.3.10"
    data = META + (uid(0x00020002, index) + CLASS if where == "meta" else uid(0x00080016, index))
    assert "DICOMDIR" in refusal(tmp_path, data + INSTANCE + STUDY + SERIES)


def test_a_contradiction_between_meta_and_data_set_is_a_message(tmp_path: Path) -> None:
    found = look(tmp_path, META + uid(0x00020003, "2.25.99") + CLASS + INSTANCE + STUDY + SERIES)
    assert found.messages == (
        "is 2.25.99 by its File Meta Information and 2.25.1 by its data set, which counts",
    )


def test_implicit_vr_under_another_name_is_a_message(tmp_path: Path) -> None:
    data = examples.dicom(ImplicitVRLittleEndian)
    lied = data.replace(b"\x12\0" + b"1.2.840.10008.1.2\0", b"\x14\0" + b"1.2.840.10008.1.2.1\0", 1)
    assert lied != data
    found = look(tmp_path, lied)
    assert found.dicom is not None
    assert "is written in Implicit VR, against its transfer syntax 1.2.840.10008.1.2.1" in found.messages[0]


def test_sequences_of_undefined_length_are_passed_over(tmp_path: Path) -> None:
    implicit = struct.pack("<HHI", 0x0009, 0x1002, 4) + b"abcd"
    private = explicit(0x00091001, b"SQ", b"", 0xFFFFFFFF) + (
        ITEM
        + OPEN_ITEM
        + explicit(0x00091002, b"LO", b"ab")
        + explicit(0x00091003, b"SQ", b"", 0xFFFFFFFF)
        + OPEN_ITEM
        + uid(0x00080018, "9.9.9")
        + ITEM_END
        + SEQUENCE_END
        + ITEM_END
        + SEQUENCE_END
    )
    unknown = explicit(0x00091004, b"UN", b"", 0xFFFFFFFF) + OPEN_ITEM + implicit + ITEM_END + SEQUENCE_END
    fragments = explicit(0x7FE00010, b"OB", b"", 0xFFFFFFFF) + ITEM + ITEM[:4] + b"\2\0\0\0ab" + SEQUENCE_END
    found = look(tmp_path, META + CLASS + INSTANCE + private + unknown + STUDY + SERIES + fragments)
    assert found.dicom is not None
    assert found.dicom.sop_instance_uid == "2.25.1"
    assert found.messages == ()
    open_ended = META + CLASS + INSTANCE + private + STUDY + SERIES + fragments[: -len(SEQUENCE_END)]
    assert "ends within a sequence" in " ".join(look(tmp_path, open_ended).messages)
    assert "no item before byte" in refusal(tmp_path, META + private[:12] + CLASS + INSTANCE + STUDY + SERIES)


def test_a_fault_behind_the_identification_is_a_message(tmp_path: Path) -> None:
    found = look(
        tmp_path, WHOLE + explicit(0x00400275, b"SQ", b"", 0xFFFFFFFF) + explicit(0x00400276, b"LO", b"xx")
    )
    assert "cannot be followed to its end" in found.messages[0]


def test_padding_behind_the_data_set_is_no_fault(tmp_path: Path) -> None:
    for padding in (b"\0", bytes(4000), b" " * 4000, explicit(0xFFFCFFFC, b"OB", bytes(500))):
        assert look(tmp_path, WHOLE + explicit(0x7FE00010, b"OB", b"ab") + padding).messages == ()


def test_hostile_depth_and_number_are_bounded(tmp_path: Path) -> None:
    deep = (explicit(0x00091003, b"SQ", b"", 0xFFFFFFFF) + OPEN_ITEM) * 5_000
    assert "deeper than 64" in refusal(tmp_path, META + deep)
    assert "100,000 elements" in refusal(tmp_path, META + bytes(8 * 200_000))


def test_a_deflated_flood_ends(tmp_path: Path) -> None:
    meta = bytes(128) + b"DICM" + uid(0x00020010, DeflatedExplicitVRLittleEndian)
    pack = zlib.compressobj(9, wbits=-zlib.MAX_WBITS)
    flood = pack.compress(explicit(0x00091001, b"OB", b"", 0xFFFFFFF0))
    flood += b"".join(pack.compress(bytes(1 << 20)) for _ in range(80)) + pack.flush()
    assert "67,108,864 bytes" in refusal(tmp_path, meta + flood)
    pack = zlib.compressobj(9, wbits=-zlib.MAX_WBITS)
    late = pack.compress(CLASS + INSTANCE + STUDY + SERIES + explicit(0x7FE00010, b"OB", b"", 80 << 20))
    late += b"".join(pack.compress(bytes(1 << 20)) for _ in range(80)) + pack.flush()
    assert look(tmp_path, meta + late).messages == ()
    assert "not deflated" in refusal(tmp_path, meta + b"\xff" * 100)


FILES = [
    examples.dicom(syntax)
    for syntax in (
        ExplicitVRLittleEndian,
        ImplicitVRLittleEndian,
        ExplicitVRBigEndian,
        DeflatedExplicitVRLittleEndian,
    )
]


@given(st.data())
def test_no_change_of_a_file_breaks_the_reading(data: st.DataObject) -> None:
    original = data.draw(st.sampled_from(FILES))
    changed = bytearray(original)
    for _ in range(data.draw(st.integers(1, 5))):
        changed[data.draw(st.integers(132, len(original) - 1))] = data.draw(st.integers(0, 255))
    with tempfile.TemporaryDirectory() as folder:
        path = examples.write(Path(folder) / "x.dcm", bytes(changed))
        try:
            assert dicom.probe(Source(path, path.parent), Reading()).content.length == len(original)
        except GatewayError:
            return


@given(st.binary(max_size=300))
def test_no_data_set_breaks_the_reading(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = examples.write(Path(folder) / "x.dcm", META + data)
        with pytest.raises(Reject):
            dicom.probe(Source(path, path.parent), Reading())


def test_nothing_is_said_on_the_terminal(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = TEST_FILES / "test_files" / "badVR.dcm"
    dicom.probe(Source(path, path.parent), Reading())
    assert capfd.readouterr() == ("", "")
