"""DICOM files on their way through, judged by pydicom, DCMTK and dciodvfy."""

from __future__ import annotations

import io
import struct
import subprocess
import warnings
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.encaps import generate_fragments

import examples
from gateway import formats
from gateway.config import Reading
from gateway.dicom.part10 import IMPLEMENTATION_CLASS_UID, write
from gateway.dicom.rewrite import adopt
from gateway.errors import Reject, Retry
from gateway.model import Attributes, Instance, Source
from gateway.stream import swapped
from part10s import (
    BIG_ENDIAN,
    DEFLATED,
    EXPLICIT,
    IDENTITY,
    IMPLICIT,
    SEQUENCE_END,
    STUDY_AND_SERIES,
    UNDEFINED,
    attributes,
    element,
    flat,
    item,
    packaged,
    packaged_file,
    part10,
    probe_of,
    uid,
)
from part10s import write as write_file
from support import dciodvfy, dcmdump, require

PIXEL_DATA = 0x7FE00010
JPEG = "1.2.840.10008.1.2.4.50"
UIDS = ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID")
PERSON = "Müller^Jörg"
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:pydicom")


def _complete() -> list[Path]:
    """The packaged files that are objects: with all UIDs."""
    files = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for path in packaged():
            dataset = pydicom.dcmread(path)
            if all(dataset.get(name) for name in UIDS) and path.name != "meta_missing_tsyntax.dcm":
                files.append(path)
    return files


COMPLETE = _complete()
WHOLE = [path for path in COMPLETE if "truncated" not in path.name]


def _adopted(path: Path, wanted: Attributes | None = None, **options: Any) -> Instance:
    return adopt(probe_of(path), wanted, **{"verbatim": False, **options})


def _bytes(instance: Instance) -> bytes:
    return write(instance).read()


def _result(instance: Instance) -> pydicom.FileDataset:
    return pydicom.dcmread(io.BytesIO(_bytes(instance)))


def _made(folder: Path, data: bytes, transfer_syntax: str = EXPLICIT) -> Path:
    return write_file(folder, part10(IDENTITY + STUDY_AND_SERIES + data, transfer_syntax))


def test_enough_files_are_packaged() -> None:
    assert len(WHOLE) > 120


# As they are


@pytest.mark.parametrize("path", COMPLETE, ids=lambda path: path.name)
def test_files_that_web_services_carry_are_sent_as_they_are(path: Path) -> None:
    syntax = pydicom.dcmread(path).file_meta.TransferSyntaxUID
    verbatim = syntax in (IMPLICIT, BIG_ENDIAN)
    instance = _adopted(path, attributes(), verbatim=verbatim)
    assert _bytes(instance) == path.read_bytes()
    dataset = pydicom.dcmread(path)
    found = (
        instance.sop_class_uid,
        instance.sop_instance_uid,
        instance.study_instance_uid,
        instance.series_instance_uid,
        instance.transfer_syntax,
    )
    assert found == (*(dataset[name].value for name in UIDS), syntax)
    assert bool(instance.messages) is ("truncated" in path.name)


def test_the_preamble_is_part_of_it(tmp_path: Path) -> None:
    data = part10(IDENTITY + STUDY_AND_SERIES, preamble=b"II*\0" + bytes(124)) + bytes(512)
    assert _bytes(_adopted(write_file(tmp_path, data))) == data


def test_only_the_character_set_is_nothing_to_change(tmp_path: Path) -> None:
    path = _made(tmp_path, b"")
    assert _bytes(_adopted(path, attributes(SpecificCharacterSet="ISO_IR 192"))) == path.read_bytes()
    assert (
        _bytes(_adopted(path, attributes(removed=("PatientName", "SpecificCharacterSet"))))
        == path.read_bytes()
    )


def test_a_file_that_is_not_whole_can_only_be_sent_as_it_is() -> None:
    path = packaged_file("MR_truncated.dcm")
    instance = _adopted(path)
    assert _bytes(instance) == path.read_bytes()
    assert "only 8,130 are there" in str(instance.metadata_obstacle)
    assert "PixelData" in instance.messages[0]
    assert adopt(probe_of(path, whole=False, messages=("is not whole",)), None, verbatim=False).messages == (
        "is not whole",
    )
    with pytest.raises(Reject, match=r"MR_truncated.dcm cannot be given a new header: it is damaged"):
        _adopted(path, attributes(PatientID="1"))
    with pytest.raises(Reject, match="--verbatim"):
        _adopted(packaged_file("rtplan_truncated.dcm"))


def test_a_file_that_changed_since_it_was_looked_at_is_tried_later(tmp_path: Path) -> None:
    path = _made(tmp_path, b"")
    probe = probe_of(path)
    _made(tmp_path, element(0x00100020, "LO", b"1 "))
    with pytest.raises(Retry, match="changed"):
        adopt(probe, None, verbatim=False)


# In another transfer syntax


@pytest.mark.parametrize("path", WHOLE, ids=lambda path: path.name)
def test_forbidden_transfer_syntaxes_become_explicit_little_endian(path: Path, tmp_path: Path) -> None:
    theirs = pydicom.dcmread(path)
    if theirs.file_meta.TransferSyntaxUID not in (IMPLICIT, BIG_ENDIAN):
        return
    instance = _adopted(path)
    ours = _result(instance)
    assert ours.file_meta.TransferSyntaxUID == instance.transfer_syntax == EXPLICIT
    assert "web services may not carry" in instance.messages[0]
    assert len(instance.messages) == (2 if "expb" in path.name and "rtdose" in path.name else 1)
    _compare(theirs, ours, but=set())
    dcmdump(write_file(tmp_path, _bytes(instance)))
    if "PixelData" in theirs:
        assert (ours.pixel_array == theirs.pixel_array).all()


def test_another_transfer_syntax_leaves_text_alone(tmp_path: Path) -> None:
    """Even text whose character set nobody knows."""
    latin = struct.pack("<HHL", 0x0010, 0x0010, 6) + b"M\xfcller"
    path = write_file(
        tmp_path,
        part10(
            b"".join(
                struct.pack("<HHL", tag >> 16, tag & 0xFFFF, len(value)) + value
                for tag, value in (
                    (0x00080005, b"ISO_IR 999"),
                    (0x00080016, b"1.2 "),
                    (0x00080018, b"1.3 "),
                    (0x00100010, b"M\xfcller"),
                    (0x0020000D, b"1.4 "),
                    (0x0020000E, b"1.5 "),
                )
            ),
            IMPLICIT,
        ),
    )
    assert latin in path.read_bytes()
    instance = _adopted(path)
    data = _bytes(instance)
    assert element(0x00100010, "PN", b"M\xfcller") in data
    assert element(0x00080005, "CS", b"ISO_IR 999") in data
    assert "PatientName has text" in str(instance.metadata_obstacle)


def test_implicit_vr_with_fragments_is_refused(tmp_path: Path) -> None:
    fragments = item(b"") + item(b"ab") + SEQUENCE_END
    data = b"".join(
        struct.pack("<HHL", tag >> 16, tag & 0xFFFF, 4) + b"1.2\0"
        for tag in (0x00080016, 0x00080018, 0x0020000D, 0x0020000E)
    )
    pixels = struct.pack("<HHL", 0x7FE0, 0x0010, UNDEFINED) + fragments
    path = write_file(tmp_path, part10(data + pixels, IMPLICIT))
    with pytest.raises(Reject, match="its pixel data are in fragments"):
        _adopted(path)
    assert _bytes(_adopted(path, verbatim=True)) == path.read_bytes()


# Without a preamble, or a data set alone


@pytest.mark.parametrize("name", ["ExplVR_BigEndNoMeta.dcm", "ExplVR_LitEndNoMeta.dcm", "rtstruct.dcm"])
@pytest.mark.parametrize("verbatim", [False, True])
def test_a_data_set_alone_gets_file_meta_information(name: str, verbatim: bool, tmp_path: Path) -> None:
    path = Path(pydicom.__file__).parent / "data" / "test_files" / name
    probe = formats.probe(Source(path, path.parent), Reading())
    instance = adopt(probe, None, verbatim=verbatim)
    ours = _result(instance)
    assert ours.file_meta.TransferSyntaxUID == instance.transfer_syntax == EXPLICIT
    assert ours.file_meta.MediaStorageSOPInstanceUID == ours.SOPInstanceUID == instance.sop_instance_uid
    assert "had no File Meta Information" in instance.messages[0]
    assert len(instance.messages) == (1 if name == "ExplVR_LitEndNoMeta.dcm" else 2)
    _compare(pydicom.dcmread(path, force=True), ours, but=set())
    dcmdump(write_file(tmp_path, _bytes(instance)))


def test_a_file_without_its_preamble_keeps_every_other_byte(tmp_path: Path) -> None:
    data = _made(tmp_path, b"").read_bytes()
    path = write_file(tmp_path, data[128:])
    probe = formats.probe(Source(path, tmp_path), Reading())
    assert _bytes(adopt(probe, None, verbatim=False)) == data
    changed = _result(adopt(probe, attributes(PatientName=PERSON), verbatim=False))
    assert changed.PatientName == PERSON


def test_a_damaged_data_set_alone_cannot_be_sent(tmp_path: Path) -> None:
    pixels = element(PIXEL_DATA, "OB", b"ab", 1000)
    path = write_file(tmp_path, IDENTITY + STUDY_AND_SERIES + pixels)
    probe = formats.probe(Source(path, tmp_path), Reading())
    with pytest.raises(Reject, match="Make a complete DICOM file of it where it came from"):
        adopt(probe, None, verbatim=True)


# With changes


def _compare(theirs: Dataset, ours: Dataset, *, but: set[str]) -> None:
    """Both have the same elements, except those named and the bytes of pixel data."""
    left, right = flat(theirs), flat(ours)
    for name in list(left | right):
        if name in but | {"(7FE0,0010)"} or (but and name.endswith("(0008,0005)")):
            left.pop(name, None)
            right.pop(name, None)
    left = {
        name: (vr, value.replace("b'Nested SQ'", "b'Nested SQ\\x00'")) for name, (vr, value) in left.items()
    }
    assert left == right


@pytest.mark.parametrize("path", WHOLE, ids=lambda path: path.name)
def test_a_new_name_changes_nothing_else(path: Path, tmp_path: Path) -> None:
    theirs = pydicom.dcmread(path)
    instance = _adopted(path, attributes(PatientName=PERSON))
    result = write_file(tmp_path, _bytes(instance))
    dcmdump(result)
    subprocess.run([require("dcmftest"), str(result)], check=True, capture_output=True)
    ours = pydicom.dcmread(result)
    assert (ours.PatientName, ours.SpecificCharacterSet) == (PERSON, "ISO_IR 192")
    assert instance.dataset.PatientName == PERSON
    _compare(theirs, ours, but={"(0010,0010)", "(0008,0005)"})
    assert ours.file_meta.MediaStorageSOPInstanceUID == ours.SOPInstanceUID == theirs.SOPInstanceUID
    assert ours.file_meta.ImplementationClassUID == IMPLEMENTATION_CLASS_UID
    assert ours.file_meta.get("SourceApplicationEntityTitle") == theirs.file_meta.get(
        "SourceApplicationEntityTitle"
    )
    if "PixelData" in theirs:
        words = theirs.file_meta.TransferSyntaxUID == BIG_ENDIAN and theirs["PixelData"].VR == "OW"
        assert ours.PixelData == (
            swapped(theirs.PixelData, max(theirs.BitsAllocated // 8, 2) if words else 1)
        )
        assert ours["PixelData"].is_undefined_length == theirs["PixelData"].is_undefined_length


@pytest.mark.parametrize(
    "name",
    [
        "MR_small.dcm",
        "MR_small_bigendian.dcm",
        "SC_rgb_rle_2frame.dcm",
        "JPEG2000.dcm",
        "image_dfl.dcm",
        "SC_rgb_small_odd_big_endian.dcm",
        "rtdose_expb.dcm",
        "examples_ybr_color.dcm",
    ],
)
def test_pixels_decode_to_the_same(name: str) -> None:
    path = packaged_file(name)
    ours = _result(_adopted(path, attributes(PatientName=PERSON)))
    assert (ours.pixel_array == pydicom.dcmread(path).pixel_array).all()


def test_an_object_stays_valid(tmp_path: Path) -> None:
    path = packaged_file("CT_small.dcm")
    before = set(dciodvfy(path))
    result = write_file(tmp_path, _bytes(_adopted(path, attributes(PatientName=PERSON, PatientSex="F"))))
    assert set(dciodvfy(result)) <= before


def test_deflated_files_are_inflated_to_be_changed(tmp_path: Path) -> None:
    path = packaged_file("image_dfl.dcm")
    kept = _adopted(path)
    assert (kept.transfer_syntax, kept.metadata_obstacle) == (DEFLATED, "its data set is deflated")
    changed = _adopted(path, attributes(PatientName=PERSON))
    assert (changed.transfer_syntax, changed.metadata_obstacle) == (EXPLICIT, None)
    assert "deflated" in changed.messages[0]
    assert _result(changed).file_meta.TransferSyntaxUID == EXPLICIT


def test_offset_tables_and_trailing_elements_are_kept(tmp_path: Path) -> None:
    fragments = item(struct.pack("<2L", 0, 10)) + item(b"ab") + item(b"cd") + SEQUENCE_END
    after = element(0x7FE10010, "LO", b"SOMEBODY") + element(0x7FE11001, "UN", b"\xff\xfe")
    padding = element(0xFFFCFFFC, "OB", bytes(70_000))
    count = element(0x00280008, "IS", b"2 ")
    data = count + element(PIXEL_DATA, "OB", fragments, UNDEFINED) + after + padding
    instance = _adopted(_made(tmp_path, data, JPEG), attributes(PatientID="1"))
    assert _bytes(instance).endswith(data[len(count) :])
    assert list(generate_fragments(_result(instance).PixelData))[1:] == [b"ab", b"cd"]


def test_private_and_unreadable_attributes_keep_their_bytes(tmp_path: Path) -> None:
    creator = element(0x00090010, "LO", b"SOMEBODY")
    unknown = element(0x00091001, "UN", b"\xe9\0\xff\1")
    number = element(0x00200013, "IS", b"1.5A")
    path = _made(tmp_path, creator + unknown + number)
    instance = _adopted(path, attributes(PatientID="1"))
    data = _bytes(instance)
    assert creator + unknown in data
    assert number in data
    assert "InstanceNumber" not in instance.dataset
    assert instance.metadata_obstacle == "InstanceNumber is not what its value representation demands"
    assert _adopted(path, attributes(InstanceNumber=7)).metadata_obstacle is None


@pytest.mark.parametrize(
    ("declared", "text"), [(b"ISO_IR 192", b"M\xfcller"), (b"", b"M\xfcller"), (b"ISO_IR 999", b"M\xfcller")]
)
def test_text_that_nobody_can_read_is_not_guessed(declared: bytes, text: bytes, tmp_path: Path) -> None:
    path = _made(tmp_path, element(0x00080005, "CS", declared) + element(0x00100010, "PN", text))
    assert _bytes(_adopted(path)) == path.read_bytes()
    with pytest.raises(
        Reject, match=r"PatientName has text beyond ASCII .* Set these attributes as well"
    ) as caught:
        _adopted(path, attributes(PatientID="1"))
    assert str(path) in str(caught.value)
    assert "ller" not in str(caught.value).replace(str(path), "")
    assert _result(_adopted(path, attributes(PatientName=PERSON))).PatientName == PERSON
    assert "PatientName" not in _result(_adopted(path, attributes(removed=("PatientName",))))


def _item(**values: Any) -> Dataset:
    dataset = Dataset()
    for keyword, value in values.items():
        setattr(dataset, keyword, value)
    return dataset


def _with_items(folder: Path) -> Path:
    first = uid(0x00081150, "1.1") + uid(0x00081155, "1.2")
    data = element(0x00081110, "SQ", item(first) + item(uid(0x00081155, "1.3")))
    return _made(folder, data)


def _references(instance: Instance) -> list[tuple[str | None, str | None]]:
    items = _result(instance).ReferencedStudySequence
    assert flat(_result(instance)).items() >= flat(instance.dataset).items()
    return [(each.get("ReferencedSOPClassUID"), each.get("ReferencedSOPInstanceUID")) for each in items]


def test_items_set_by_path_are_merged(tmp_path: Path) -> None:
    path = _with_items(tmp_path)
    items = [_item(ReferencedSOPInstanceUID="9.1"), Dataset(), _item(ReferencedSOPInstanceUID="9.3")]
    wanted = attributes(ReferencedStudySequence=items)
    assert _references(_adopted(path, wanted)) == [("1.1", "9.1"), (None, "1.3"), (None, "9.3")]
    assert wanted.dataset.ReferencedStudySequence[0].get("ReferencedSOPClassUID") is None


def test_sequences_set_as_a_whole_replace_all_items(tmp_path: Path) -> None:
    path = _with_items(tmp_path)
    wanted = attributes(
        whole=("ReferencedStudySequence",), ReferencedStudySequence=[_item(ReferencedSOPInstanceUID="9.1")]
    )
    assert _references(_adopted(path, wanted)) == [(None, "9.1")]
    assert _references(_adopted(path, attributes(ReferencedStudySequence=[]))) == []


def test_sequences_within_items_are_merged_as_well(tmp_path: Path) -> None:
    inner = element(
        0x00400008, "SQ", item(element(0x00080100, "SH", b"A ") + element(0x00080102, "SH", b"X "))
    )
    path = _made(tmp_path, element(0x00400275, "SQ", item(inner)))
    code = [_item(CodeValue="B")]
    request = [_item(ScheduledProtocolCodeSequence=code)]
    for whole, scheme in (((), "X"), (("RequestAttributesSequence.ScheduledProtocolCodeSequence",), None)):
        found = _result(_adopted(path, attributes(whole=whole, RequestAttributesSequence=request)))
        [merged] = found.RequestAttributesSequence[0].ScheduledProtocolCodeSequence
        assert (merged.CodeValue, merged.get("CodingSchemeDesignator")) == ("B", scheme)


def test_attributes_can_be_removed(tmp_path: Path) -> None:
    path = _with_items(tmp_path)
    gone = _adopted(path, attributes(removed=("ReferencedStudySequence",)))
    assert "ReferencedStudySequence" not in _result(gone)
    assert "ReferencedStudySequence" not in gone.dataset
    names = (
        "ReferencedStudySequence.ReferencedSOPClassUID",
        "ReferencedStudySequence[7].ReferencedSOPClassUID",
    )
    instance = _adopted(path, attributes(removed=(*names, "PatientID")))
    assert _references(instance) == [(None, "1.2"), (None, "1.3")]
    with pytest.raises(Reject, match=r"file.dcm has no StudyInstanceUID"):
        _adopted(path, attributes(removed=("StudyInstanceUID",)))


def test_large_values_can_be_replaced_and_removed(tmp_path: Path) -> None:
    path = _made(tmp_path, element(0x00282000, "OB", bytes(70_000)))
    assert [bulk.tag for bulk in _adopted(path).bulks] == [0x00282000]
    for wanted, profile in (
        (attributes(ICCProfile=b"new "), b"new "),
        (attributes(removed=("ICCProfile",)), None),
    ):
        instance = _adopted(path, wanted)
        assert instance.bulks == ()
        assert _result(instance).get("ICCProfile") == instance.dataset.get("ICCProfile") == profile


def test_pixel_data_cannot_be_set_or_removed(tmp_path: Path) -> None:
    path = _made(tmp_path, element(PIXEL_DATA, "OW", bytes(2)))
    for wanted in (attributes(PixelData=b"xx"), attributes(removed=("PixelData",))):
        with pytest.raises(Reject, match=r"PixelData of .*file.dcm cannot be set or removed"):
            _adopted(path, wanted)


def test_private_blocks_do_not_change_hands(tmp_path: Path) -> None:
    path = _made(tmp_path, element(0x00090010, "LO", b"SOMEBODY") + element(0x00091001, "LO", b"x "))
    wanted = attributes()
    wanted.dataset.private_block(0x0009, "ANOTHER", create=True).add_new(1, "LO", "y")
    with pytest.raises(Reject, match=r"has private attributes of 'SOMEBODY' at \(0009,0010\)"):
        _adopted(path, wanted)
    wanted = attributes()
    wanted.dataset.private_block(0x0009, "SOMEBODY", create=True).add_new(1, "LO", "y")
    assert _result(_adopted(path, wanted))[0x00091001].value == "y"


def test_the_object_may_become_another(tmp_path: Path) -> None:
    path = _made(tmp_path, b"")
    changed = _adopted(path, attributes(SOPInstanceUID="2.25.1", SOPClassUID="1.2.840.10008.5.1.4.1.1.4"))
    meta = _result(changed).file_meta
    assert changed.sop_instance_uid == meta.MediaStorageSOPInstanceUID == "2.25.1"
    assert changed.sop_class_uid == meta.MediaStorageSOPClassUID == "1.2.840.10008.5.1.4.1.1.4"


def test_verbatim_does_not_keep_what_is_changed() -> None:
    instance = _adopted(packaged_file("MR_small_implicit.dcm"), attributes(PatientID="1"), verbatim=True)
    assert instance.transfer_syntax == EXPLICIT


# A suffix


def test_a_suffix_goes_to_all_uids_of_the_object(tmp_path: Path) -> None:
    path = _made(tmp_path, b"")
    instance = _adopted(path, None, uid_suffix=".7")
    found = _result(instance)
    assert (found.StudyInstanceUID, found.SeriesInstanceUID, found.SOPInstanceUID) == (
        "1.2.3.7",
        "1.2.3.5.7",
        "1.2.3.4.7",
    )
    assert found.file_meta.MediaStorageSOPInstanceUID == instance.sop_instance_uid == "1.2.3.4.7"
    assert (instance.study_instance_uid, instance.series_instance_uid) == ("1.2.3.7", "1.2.3.5.7")
    typed = _adopted(path, attributes(StudyInstanceUID="1.9"), uid_suffix=".7")
    assert (typed.study_instance_uid, typed.series_instance_uid) == ("1.9", "1.2.3.5.7")


@pytest.mark.parametrize("suffix", [".", ".01", "x", " ", "." + "1" * 60, ".1\r\n"])
def test_a_suffix_that_makes_no_uid_is_refused(suffix: str, tmp_path: Path) -> None:
    path = _made(tmp_path, b"")
    with pytest.raises(Reject, match="cannot be stored with the suffix") as caught:
        _adopted(path, None, uid_suffix=suffix)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("tag", [0x00080016, 0x00080018, 0x0020000D, 0x0020000E])
def test_uids_are_needed_and_harmless(tag: int, tmp_path: Path) -> None:
    whole = {each: uid(each, "1.2") for each in (0x00080016, 0x00080018, 0x0020000D, 0x0020000E)}
    for wrong in (
        b"",
        uid(tag, ""),
        uid(tag, "../../1"),
        uid(tag, "1.2\\1.3"),
        uid(tag, "1" * 65),
        uid(tag, "1.2\r\nX: 1"),
    ):
        data = b"".join(wrong if each == tag else value for each, value in whole.items())
        with pytest.raises(Reject, match="It has to be repaired first") as caught:
            _adopted(write_file(tmp_path, part10(data)))
        assert "file.dcm has" in str(caught.value)


# Metadata and bulk data


@pytest.mark.parametrize(
    ("name", "syntax", "why"),
    [
        ("CT_small.dcm", EXPLICIT, None),
        ("reportsi.dcm", EXPLICIT, None),
        ("JPEG2000.dcm", "1.2.840.10008.1.2.4.91", None),
        ("MR_small_RLE.dcm", "1.2.840.10008.1.2.5", None),
        (
            "SC_rgb_rle_2frame.dcm",
            "1.2.840.10008.1.2.5",
            "each of its 2 compressed frames would have to be a part",
        ),
        ("rtdose.dcm", EXPLICIT, None),
        ("image_dfl.dcm", DEFLATED, "deflated"),
        ("badVR.dcm", EXPLICIT, "NumberOfFrames is not what"),
    ],
)
def test_what_may_travel_as_metadata(name: str, syntax: str, why: str | None) -> None:
    instance = _adopted(packaged_file(name))
    assert instance.transfer_syntax == syntax
    assert instance.metadata_obstacle is None if why is None else why in str(instance.metadata_obstacle)


def test_what_is_sent_verbatim_does_not_travel_as_metadata() -> None:
    instance = _adopted(packaged_file("MR_small_implicit.dcm"), verbatim=True)
    assert instance.metadata_obstacle == "Implicit VR Little Endian is sent as it is"


@pytest.mark.parametrize(
    ("syntax", "count", "fragmented", "why"),
    [
        ("1.2.840.10008.1.2.4.102", 300, True, None),
        (JPEG, 1, True, None),
        (JPEG, 1, False, "its pixel data are not in its transfer syntax"),
        (EXPLICIT, 300, False, None),
        (EXPLICIT, 1, True, "its pixel data are not in its transfer syntax"),
        ("1.2.840.10008.1.2.4.53", 1, True, "there is no media type for"),
        ("1.2.840.10008.1.2.1.98", 1, True, "there is no media type for"),
    ],
)
def test_pixel_data_that_can_be_one_part(
    syntax: str, count: int, fragmented: bool, why: str | None, tmp_path: Path
) -> None:
    frames = element(0x00280008, "IS", f"{count:<4}".encode())
    fragments = item(b"") + item(b"ab") + item(b"cd") + SEQUENCE_END
    native = element(PIXEL_DATA, "OB", b"abcd")
    pixels = element(PIXEL_DATA, "OB", fragments, UNDEFINED) if fragmented else native
    instance = _adopted(_made(tmp_path, frames + pixels, syntax))
    [bulk] = instance.bulks
    assert (bulk.value.read(), bulk.encapsulated) == (b"abcd", fragmented)
    assert instance.metadata_obstacle is None if why is None else why in str(instance.metadata_obstacle)


def test_unknown_transfer_syntaxes_go_through(tmp_path: Path) -> None:
    private = "1.2.840.113619.5.2"
    path = _made(tmp_path, element(0x00100020, "LO", b"1 "), private)
    assert _adopted(path, attributes(PatientID="2")).transfer_syntax == private
    implicit = packaged_file("MR_small_implicit.dcm").read_bytes()
    odd = write_file(tmp_path, implicit.replace(b"1.2.840.10008.1.2\0", b"1.2.840.113619.5.2"))
    assert _bytes(_adopted(odd)) == odd.read_bytes()
    with pytest.raises(Reject, match=r"its transfer syntax 1\.2\.840\.113619\.5\.2 is not known"):
        _adopted(odd, attributes(PatientID="2"))


def test_files_written_by_others_go_through(tmp_path: Path) -> None:
    path = write_file(tmp_path, examples.dicom(PatientName="Doe^Jane"))
    instance = _adopted(path, attributes(PatientName=PERSON))
    assert _result(instance).PixelData == bytes(range(256))
