"""Storing in the embedded archive: every form of request, and what it says about each instance."""

from __future__ import annotations

import json
import socket
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pydicom
import pytest
from pydicom.encaps import generate_frames

import examples
from archive_requests import (
    BOUNDARY,
    JSON,
    XML,
    body,
    bulk,
    failures,
    grey,
    location,
    model,
    post,
    related,
    stored,
)
from gateway.dicom import xml
from support import dciodvfy
from videos import make_video

JPEG_TYPE = "image/jpeg; transfer-syntax=1.2.840.10008.1.2.4.50"
PART10 = {"Content-Type": "application/dicom"}


def _retrieved(http: httpx.Client, url: str) -> pydicom.Dataset:
    answer = http.get(url, headers={"Accept": "application/dicom"})
    assert answer.status_code == 200, answer.text
    return pydicom.dcmread(BytesIO(answer.content))


def _frame(dataset: pydicom.Dataset) -> bytes:
    return next(generate_frames(dataset.PixelData, number_of_frames=1))


# DICOM files


def test_file_is_kept_byte_for_byte_even_its_preamble(
    archive: str, http: httpx.Client, tmp_path: Path
) -> None:
    data = b"II*\0" + b"\xab" * 124 + examples.dicom()[128:]
    answer = http.post(
        f"{archive}/studies",
        content=body((PART10, data)),
        headers={"Content-Type": related("application/dicom")},
    )
    assert (answer.status_code, stored(answer)) == (200, ["2.25.1001"])
    assert answer.headers["Content-Type"] == JSON
    assert http.get(location(answer), headers={"Accept": "application/dicom"}).content == data
    assert (tmp_path / "archive/2.25.1002/2.25.1003/2.25.1001.dcm").read_bytes() == data
    assert list((tmp_path / "archive/.incoming").iterdir()) == []


@pytest.mark.parametrize(
    "content_type",
    [
        f'multipart/related; type="application/dicom"; boundary={BOUNDARY}',
        f"multipart/related; type=application/dicom; boundary={BOUNDARY}",
        f'Multipart/Related;boundary="{BOUNDARY}";TYPE=Application/DICOM',
        f"multipart/related; boundary={BOUNDARY}",
        'multipart/related; type="application/dicom"',
        "multipart/related",
        "multipart/related;",
    ],
)
def test_content_type_may_leave_things_out(content_type: str, archive: str, http: httpx.Client) -> None:
    answer = http.post(
        f"{archive}/studies", content=body((PART10, examples.dicom())), headers={"Content-Type": content_type}
    )
    assert (answer.status_code, stored(answer)) == (200, ["2.25.1001"])


def test_parts_need_no_headers(archive: str, http: httpx.Client) -> None:
    answer = http.post(
        f"{archive}/studies",
        content=body(({}, examples.dicom())),
        headers={"Content-Type": related("application/dicom")},
    )
    assert stored(answer) == ["2.25.1001"]


def test_body_without_a_length_is_stored(archive: str, http: httpx.Client) -> None:
    data = examples.dicom(PixelData=bytes(1_000_000), Rows=1000, Columns=1000)
    pieces = iter([data[start : start + 10_000] for start in range(0, len(data), 10_000)])
    answer = http.post(f"{archive}/studies", content=pieces, headers=PART10)
    assert stored(answer) == ["2.25.1001"]
    assert http.get(location(answer), headers={"Accept": "application/dicom"}).content == data


def test_every_instance_has_a_word_of_its_own(archive: str, http: httpx.Client) -> None:
    good, other = (
        examples.dicom(SOPInstanceUID="2.25.11"),
        examples.dicom(SOPInstanceUID="2.25.12", StudyInstanceUID="2.25.9"),
    )
    parts = [(PART10, each) for each in (good, b"no DICOM at all", other, good[:140])]
    answer = http.post(
        f"{archive}/studies/2.25.1002",
        content=body(*parts),
        headers={"Content-Type": related("application/dicom")},
    )
    assert (answer.status_code, stored(answer)) == (202, ["2.25.11"])
    assert [(uid, reason) for uid, reason, _ in failures(answer)] == [
        ("2.25.12", 0xC409),
        ("", 0xC000),
        ("", 0xC000),
    ]
    assert "2.25.9" in failures(answer)[0][2]
    assert failures(answer)[1][2].startswith("Part 2 of the body")
    assert "/tmp" not in answer.text
    assert len(answer.headers.get_list("Warning", split_commas=False)) == 3
    only_bad = http.post(f"{archive}/studies", content=b"no DICOM at all", headers=PART10)
    assert (only_bad.status_code, stored(only_bad)) == (409, [])


def test_damaged_file_is_kept_with_a_warning(archive: str, http: httpx.Client) -> None:
    data = examples.dicom()[:-100]
    answer = http.post(f"{archive}/studies", content=data, headers=PART10)
    assert (answer.status_code, stored(answer)) == (200, ["2.25.1001"])
    assert answer.json()["00081199"]["Value"][0]["00081196"]["Value"] == [0xB007]
    assert "damaged" in answer.headers["Warning"]
    assert http.get(location(answer), headers={"Accept": "application/dicom"}).content == data
    explicit = {"Accept": "application/dicom; transfer-syntax=1.2.840.10008.1.2.1"}
    assert http.get(location(answer), headers=explicit).content == data
    assert http.get(f"{location(answer)}/frames/1").status_code == 406


def test_the_same_object_again_is_stored_and_another_one_is_not(
    archive: str, http: httpx.Client, tmp_path: Path
) -> None:
    first = examples.dicom()
    post_file = lambda data: http.post(f"{archive}/studies", content=data, headers=PART10)  # noqa: E731
    assert post_file(first).status_code == 200
    file = tmp_path / "archive/2.25.1002/2.25.1003/2.25.1001.dcm"
    before = file.stat()
    assert stored(post_file(first)) == ["2.25.1001"]
    assert stored(post_file(b"\1" * 128 + first[128:])) == ["2.25.1001"]
    for different in (examples.dicom(PatientName="Roe^Richard"), examples.dicom(PixelData=bytes(256))):
        answer = post_file(different)
        assert (answer.status_code, failures(answer)[0][:2]) == (409, ("2.25.1001", 0x0111))
    assert file.read_bytes() == first
    assert file.stat() == before


def test_object_without_uids_or_with_a_path_in_them_is_refused(
    archive: str, http: httpx.Client, tmp_path: Path
) -> None:
    for name, value in (
        ("StudyInstanceUID", None),
        ("SeriesInstanceUID", "../../x"),
        ("StudyInstanceUID", ".."),
    ):
        data = examples.dicom(**{name: value})
        answer = http.post(f"{archive}/studies", content=data, headers=PART10)
        assert answer.status_code == 409
        assert name in failures(answer)[0][2]
    assert not list(tmp_path.rglob("*.dcm"))


def test_transfer_syntax_that_is_no_uid_never_reaches_a_header(archive: str, http: httpx.Client) -> None:
    data = examples.dicom().replace(b"1.2.840.10008.1.2.1\0", b"1.2.8\r\nX-Evil: yes\0\0", 1)
    answer = http.post(f"{archive}/studies", content=data, headers=PART10)
    assert (answer.status_code, failures(answer)[0][1]) == (409, 0xC000)
    assert "X-Evil" not in answer.headers


@pytest.mark.parametrize(
    "name",
    [
        "MR_small_implicit.dcm",
        "MR_small_bigendian.dcm",
        "image_dfl.dcm",
        "MR_small_RLE.dcm",
        "JPEG2000.dcm",
        "rtplan.dcm",
    ],
)
def test_files_of_other_transfer_syntaxes_are_kept(name: str, archive: str, http: httpx.Client) -> None:
    path = pydicom.data.get_testdata_file(name, download=False)
    if path is None:
        pytest.skip(f"pydicom came without {name}")
    data = Path(str(path)).read_bytes()
    answer = http.post(f"{archive}/studies", content=data, headers=PART10)
    assert answer.status_code == 200, answer.text
    assert http.get(location(answer), headers={"Accept": "application/dicom"}).content == data
    assert http.get(f"{location(answer)}/metadata").status_code == 200


# Metadata and bulk data


def _as_xml(metadata: dict[str, Any], *parts: tuple[dict[str, str], bytes]) -> bytes:
    return body(({"Content-Type": XML}, xml.dump(metadata)), *parts)


@pytest.mark.parametrize("form", ["json", "xml"])
@pytest.mark.parametrize("content_type", [JPEG_TYPE, "image/jpeg", "application/octet-stream", "image/jpg"])
def test_picture_that_the_metadata_do_not_describe(
    form: str, content_type: str, archive: str, http: httpx.Client, tmp_path: Path
) -> None:
    picture = examples.jpeg()
    metadata = model(T00200020={"vr": "CS"}, T00200060={"vr": "CS"}, T00080064={"vr": "CS", "Value": ["WSD"]})
    part = bulk(picture, content_type)
    if form == "json":
        answer = post(http, archive, [metadata], part)
    else:
        answer = http.post(
            f"{archive}/studies", content=_as_xml(metadata, part), headers={"Content-Type": related(XML)}
        )
    assert (answer.status_code, stored(answer)) == (200, ["2.25.1"])
    made = _retrieved(http, location(answer))
    assert (made.Rows, made.Columns, made.PhotometricInterpretation) == (23, 37, "YBR_FULL_422")
    assert made.file_meta.TransferSyntaxUID == "1.2.840.10008.1.2.4.50"
    assert (made.LossyImageCompression, made.LossyImageCompressionMethod) == ("01", "ISO_10918_1")
    assert _frame(made) in (picture, picture + b"\0")
    assert made.pixel_array.shape == (23, 37, 3)
    assert "OriginalAttributesSequence" not in made
    made.save_as(tmp_path / "made.dcm", enforce_file_format=True)
    assert [error for error in dciodvfy(tmp_path / "made.dcm") if "Type 2" not in error] == []


def test_bitstream_wins_over_wrong_attributes(archive: str, http: httpx.Client) -> None:
    wrong = model(
        T00280004={"vr": "CS", "Value": ["RGB"]},
        T00280010={"vr": "US", "Value": [480]},
        T00280100={"vr": "US", "Value": [16]},
        T00282110={"vr": "CS", "Value": ["00"]},
    )
    answer = post(
        http, archive, [wrong], bulk(examples.jpeg(), "image/jpeg; transfer-syntax=1.2.840.10008.1.2.4.70")
    )
    assert (answer.status_code, stored(answer)) == (200, ["2.25.1"])
    [item] = answer.json()["00081199"]["Value"]
    assert item["00081196"]["Value"] == [0xB000]
    words = item["00741048"]["Value"][0]["00000902"]["Value"][0]
    assert "Rows was 480; the bitstream says 23" in words
    assert "1.2.840.10008.1.2.4.70" in words
    assert "Rows was 480" in answer.headers["Warning"]
    made = _retrieved(http, location(answer))
    assert (made.Rows, made.BitsAllocated, made.PhotometricInterpretation) == (23, 8, "YBR_FULL_422")
    assert made.LossyImageCompression == "01"
    [original] = made.OriginalAttributesSequence
    assert original.ReasonForTheAttributeModification == "COERCE"
    assert original.ModifiedAttributesSequence[0].Rows == 480
    again = post(
        http, archive, [wrong], bulk(examples.jpeg(), "image/jpeg; transfer-syntax=1.2.840.10008.1.2.4.70")
    )
    assert stored(again) == ["2.25.1"]


def test_colours_that_the_bitstream_does_not_tell_are_the_client_s(archive: str, http: httpx.Client) -> None:
    buffer = BytesIO()
    examples.picture().save(buffer, "JPEG")
    without_jfif = buffer.getvalue()[:2] + buffer.getvalue()[20:]
    rgb = model(T00280004={"vr": "CS", "Value": ["RGB"]})
    answer = post(http, archive, [rgb], bulk(without_jfif, JPEG_TYPE))
    assert stored(answer) == ["2.25.1"]
    assert _retrieved(http, location(answer)).PhotometricInterpretation == "RGB"


def test_grey_picture_keeps_monochrome1(archive: str, http: httpx.Client) -> None:
    metadata = model(T00280004={"vr": "CS", "Value": ["MONOCHROME1"]})
    answer = post(http, archive, [metadata], bulk(examples.jpeg("L"), JPEG_TYPE))
    made = _retrieved(http, location(answer))
    assert (made.PhotometricInterpretation, made.SamplesPerPixel) == ("MONOCHROME1", 1)


def test_progressive_picture_is_refused_and_may_be_sent_otherwise(archive: str, http: httpx.Client) -> None:
    answer = post(http, archive, [model()], bulk(examples.jpeg(progressive=True), JPEG_TYPE))
    assert (answer.status_code, failures(answer)[0][:2]) == (409, ("2.25.1", 0xC122))
    assert "progressive" in failures(answer)[0][2]
    assert "part-" not in answer.text


@pytest.mark.parametrize(
    ("suffix", "codec", "media_type", "syntax"),
    [
        (".mp4", "h264", "video/mp4", "1.2.840.10008.1.2.4.102"),
        (".mp4", "hevc", "video/H265", "1.2.840.10008.1.2.4.107"),
        (".ts", "h264", "video/mp4", "1.2.840.10008.1.2.4.102"),
    ],
)
def test_video_is_described_by_itself(
    suffix: str, codec: str, media_type: str, syntax: str, archive: str, http: httpx.Client, tmp_path: Path
) -> None:
    profile = "high" if codec == "h264" else None
    video = make_video(tmp_path / f"clip{suffix}", codec=codec, profile=profile, size=(128, 96)).read_bytes()
    metadata = model(T00080016={"vr": "UI", "Value": ["1.2.840.10008.5.1.4.1.1.77.1.4.1"]})
    answer = post(http, archive, [metadata], bulk(video, media_type))
    assert (answer.status_code, stored(answer)) == (200, ["2.25.1"]), answer.text
    made = _retrieved(http, location(answer))
    assert made.file_meta.TransferSyntaxUID == syntax
    assert (made.NumberOfFrames, made.Rows, made.Columns, made.FrameTime) == (12, 96, 128, 40)
    assert made.FrameIncrementPointer == 0x00181063
    [uri] = [
        each["BulkDataURI"]
        for each in http.get(f"{location(answer)}/metadata").json()[0].values()
        if "BulkDataURI" in each
    ]
    assert http.get(uri).content == video


@pytest.mark.parametrize("form", ["json", "xml"])
def test_document_says_its_own_length_and_type(form: str, archive: str, http: httpx.Client) -> None:
    document = examples.pdf(Title="Letter") + b"\n" * (1 - len(examples.pdf(Title="Letter")) % 2)
    metadata = model(
        T00080016={"vr": "UI", "Value": ["1.2.840.10008.5.1.4.1.1.104.1"]},
        T00420011={"vr": "OB", "BulkDataURI": "report"},
        T7FE00010=None,
    )
    part = bulk(document, "application/pdf", "report")
    if form == "json":
        answer = post(http, archive, metadata, part)
    else:
        answer = http.post(
            f"{archive}/studies", content=_as_xml(metadata, part), headers={"Content-Type": related(XML)}
        )
    assert stored(answer) == ["2.25.1"], answer.text
    made = _retrieved(http, location(answer))
    assert made.MIMETypeOfEncapsulatedDocument == "application/pdf"
    assert made.EncapsulatedDocumentLength == len(document) % 2 + len(document) - len(document) % 2
    assert http.get(f"{location(answer)}/bulkdata/00420011").content == document
    assert http.get(f"{location(answer)}/rendered").content == document


def test_native_pixels_must_be_as_many_as_the_attributes_say(archive: str, http: httpx.Client) -> None:
    pixels = bytes(range(256))
    for content_type in (
        "application/octet-stream",
        "application/octet-stream; transfer-syntax=1.2.840.10008.1.2.1",
    ):
        answer = post(http, archive, [model(**grey())], bulk(pixels, content_type))
        assert stored(answer) == ["2.25.1"]
    made = _retrieved(http, location(answer))
    assert made.file_meta.TransferSyntaxUID == "1.2.840.10008.1.2.1"
    assert made.PixelData == pixels
    for metadata, reason in ((grey(rows=17), 0xA900), ({}, 0xC122)):
        wrong = post(http, archive, [model("2.25.2", **metadata)], bulk(pixels, "application/octet-stream"))
        assert (wrong.status_code, failures(wrong)[0][:2]) == (409, ("2.25.2", reason))
    inline = {"vr": "OB", "InlineBinary": "AAEC"}
    odd = post(http, archive, [model("2.25.3", **grey(1, 3, T7FE00010=inline))])
    assert _retrieved(http, location(odd)).PixelData == b"\0\1\2\0"


def test_codings_that_are_not_looked_into_need_their_attributes(archive: str, http: httpx.Client) -> None:
    path = pydicom.data.get_testdata_file("MR_small_jpeg_ls_lossless.dcm", download=False)
    source = pydicom.dcmread(path)
    frame = _frame(source)
    attributes = grey(64, 64)
    attributes |= {f"T0028010{n}": {"vr": "US", "Value": [v]} for n, v in enumerate((16, 16, 15, 1))}
    answer = post(
        http, archive, [model(**attributes)], bulk(frame, "image/jls; transfer-syntax=1.2.840.10008.1.2.4.80")
    )
    made = _retrieved(http, location(answer))
    assert (made.pixel_array == source.pixel_array).all()
    missing = post(http, archive, [model("2.25.2")], bulk(frame, "image/jls"))
    assert failures(missing)[0][1] == 0xA900
    unknown = post(http, archive, [model("2.25.3", **attributes)], bulk(frame, "image/png"))
    assert failures(unknown)[0][1] == 0xC122


@pytest.mark.parametrize(
    ("uri", "headers"),
    [
        ("bulk/1", {"Content-Location": "bulk/1"}),
        ("bulk/1", {"Content-Location": '"bulk/1"'}),
        ("http://client.example/bulk/1", {"Content-Location": "http://client.example/bulk/1"}),
        ("a b.jpg", {"Content-Location": "a b.jpg"}),
        ("a%20b.jpg", {"Content-Location": "a b.jpg"}),
        ("cid:x@y", {"Content-ID": "<x@y>"}),
        ("http://[", {"Content-Location": "http://["}),
    ],
)
def test_bulk_data_are_found_by_name(
    uri: str, headers: dict[str, str], archive: str, http: httpx.Client
) -> None:
    metadata = model(T7FE00010={"vr": "OB", "BulkDataURI": uri})
    part = {"Content-Type": JPEG_TYPE, **headers}, examples.jpeg()
    assert stored(post(http, archive, [metadata], part)) == ["2.25.1"]


def test_relative_and_absolute_names_are_the_same(archive: str, http: httpx.Client) -> None:
    metadata = model(T7FE00010={"vr": "OB", "BulkDataURI": f"{archive}/bulk/1"})
    assert stored(post(http, archive, [metadata], bulk(examples.jpeg(), JPEG_TYPE))) == ["2.25.1"]


def test_missing_bulk_data_fail_only_what_needs_them(archive: str, http: httpx.Client) -> None:
    missing = model("2.25.2", T7FE00010={"vr": "OB", "BulkDataURI": "bulk/other"})
    answer = post(http, archive, [model(), missing], bulk(examples.jpeg(), JPEG_TYPE))
    assert (answer.status_code, stored(answer)) == (202, ["2.25.1"])
    assert failures(answer) == [
        ("2.25.2", 0xA922, "Missing bulk data: no part has the Content-Location bulk/other")
    ]


def test_frames_in_parts_of_one_name_are_refused(archive: str, http: httpx.Client) -> None:
    part = bulk(examples.jpeg(), JPEG_TYPE)
    answer = post(http, archive, [model()], part, part)
    assert failures(answer)[0][:2] == ("2.25.1", 0xC122)


def test_bulk_data_of_any_attribute_and_depth_are_joined(archive: str, http: httpx.Client) -> None:
    item = {
        "0040A010": {"vr": "CS", "Value": ["CONTAINS"]},
        "00420011": {"vr": "OB", "BulkDataURI": "nested"},
    }
    metadata = model(
        **grey(),
        T00282000={"vr": "OB", "BulkDataURI": "profile"},
        T0040A730={"vr": "SQ", "Value": [item, {}]},
    )
    answer = post(
        http,
        archive,
        [metadata],
        bulk(bytes(256), "application/octet-stream"),
        bulk(b"ICC!" * 30_000, "application/octet-stream", "profile"),
        bulk(b"document", "application/octet-stream", "nested"),
    )
    made = _retrieved(http, location(answer))
    assert made.ICCProfile == b"ICC!" * 30_000
    assert made.ContentSequence[0].EncapsulatedDocument == b"document"
    found = http.get(f"{location(answer)}/metadata").json()[0]
    assert http.get(found["00282000"]["BulkDataURI"]).content == b"ICC!" * 30_000


def test_several_metadata_parts_and_an_object_without_bulk_data(archive: str, http: httpx.Client) -> None:
    one, two = model("2.25.1", T7FE00010=None), model("2.25.2", T7FE00010=None)
    parts = [({"Content-Type": JSON}, json.dumps(each).encode()) for each in (one, [two])]
    answer = http.post(f"{archive}/studies", content=body(*parts), headers={"Content-Type": related(JSON)})
    assert stored(answer) == ["2.25.1", "2.25.2"]
    parts = [({"Content-Type": XML}, xml.dump(each)) for each in (one, two)]
    answer = http.post(f"{archive}/studies", content=body(*parts), headers={"Content-Type": related(XML)})
    assert stored(answer) == ["2.25.1", "2.25.2"]  # the same objects again


def test_object_that_came_as_a_file_is_the_same_as_metadata(archive: str, http: httpx.Client) -> None:
    sent = post(
        http,
        archive,
        [model(**grey(T00281050={"vr": "DS", "Value": ["1.50"]}))],
        bulk(bytes(256), "application/octet-stream"),
    )
    assert sent.status_code == 200
    file = http.get(location(sent), headers={"Accept": "application/dicom"}).content
    dataset = pydicom.dcmread(BytesIO(file))
    dataset.WindowCenter = "1.5"
    dataset.file_meta.ImplementationVersionName = "OTHER"
    buffer = BytesIO()
    dataset.save_as(buffer)
    answer = http.post(f"{archive}/studies", content=buffer.getvalue(), headers=PART10)
    assert stored(answer) == ["2.25.1"]


def test_files_and_metadata_are_not_mixed(archive: str, http: httpx.Client) -> None:
    answer = post(http, archive, [model(T7FE00010=None)], (PART10, examples.dicom()))
    assert (answer.status_code, stored(answer)) == (202, ["2.25.1"])
    assert failures(answer)[0][:2] == ("", 0xC000)
    other = http.post(
        f"{archive}/studies",
        content=body(({"Content-Type": JSON}, b"[]")),
        headers={"Content-Type": related("application/dicom")},
    )
    assert other.status_code == 409


@pytest.mark.parametrize(
    ("attributes", "reason", "word"),
    [
        ({"T00080018": None}, 0xA900, "SOPInstanceUID"),
        ({"T00080016": {"vr": "UI"}}, 0xA900, "SOPClassUID"),
        ({"T00280010": {"vr": "US", "Value": ["many"]}}, 0xC000, "Rows"),
        ({"T00100010": {"vr": "ZZ"}}, 0xC000, "PatientName"),
        ({"T0020000D": {"vr": "UI", "Value": ["../x"]}}, 0xC000, "StudyInstanceUID"),
        ({"T00400275": {"vr": "SQ", "Value": [{"00400009": {"vr": "SH", "BulkDataURI": "x"}}]}}, 0xC000, ""),
    ],
)
def test_metadata_that_are_no_object(
    attributes: dict[str, Any], reason: int, word: str, archive: str, http: httpx.Client
) -> None:
    answer = post(http, archive, [model(**attributes)], bulk(examples.jpeg(), JPEG_TYPE))
    assert answer.status_code == 409
    assert failures(answer)[0][1] == reason
    assert word in failures(answer)[0][2]


def test_text_of_all_scripts_is_kept(archive: str, http: httpx.Client) -> None:
    name = {"Alphabetic": "Müller^Jörg", "Ideographic": "山田^太郎"}
    answer = post(http, archive, [model(T00100010={"vr": "PN", "Value": [name]}, T7FE00010=None)])
    made = _retrieved(http, location(answer))
    assert made.PatientName == "Müller^Jörg=山田^太郎"
    assert made.SpecificCharacterSet == "ISO_IR 192"


# Refusals


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("application/json", 415),
        (JSON, 415),
        ("multipart/form-data; boundary=x", 415),
        ('multipart/related; type="image/jpeg"; boundary=x', 415),
        ('multipart/related; type="application/dicom+json"; boundary=x', 400),
        ('multipart/related; type="application/dicom"; boundary=""', 400),
        ("multipart/related; =", 400),
        ("", 415),
    ],
)
def test_requests_that_are_none_are_refused_in_words(
    content_type: str, status: int, archive: str, http: httpx.Client
) -> None:
    content = b"x" * 300_000
    answer = http.post(f"{archive}/studies", content=content, headers={"Content-Type": content_type})
    assert answer.status_code == status
    assert answer.headers["Content-Type"] == "application/json"
    assert len(answer.json()["message"]) > 20


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (b"", "no parts"),
        (f"--{BOUNDARY}--\r\n".encode(), "no parts"),
        (body((PART10, b"x"))[:-20], "closing"),
        (f"--{BOUNDARY}\r\nno header\r\n\r\n".encode(), "header"),
    ],
)
def test_malformed_bodies_store_nothing(content: bytes, word: str, archive: str, http: httpx.Client) -> None:
    answer = http.post(
        f"{archive}/studies", content=content, headers={"Content-Type": related("application/dicom")}
    )
    assert answer.status_code == 400
    assert word in answer.json()["message"]


def test_refusal_of_a_body_amid_it_is_heard(archive: str, http: httpx.Client) -> None:
    content = f"--{BOUNDARY}\r\nno header\r\n\r\n".encode() + bytes(8_000_000)
    answer = http.post(
        f"{archive}/studies", content=content, headers={"Content-Type": related("application/dicom")}
    )
    assert answer.status_code == 400


@pytest.mark.parametrize("content", [b"{", b"[1]", b"\xff\xfe", b"[" * 100_000])
def test_metadata_that_are_not_json_store_nothing(content: bytes, archive: str, http: httpx.Client) -> None:
    parts = body(({"Content-Type": JSON}, content))
    answer = http.post(f"{archive}/studies", content=parts, headers={"Content-Type": related(JSON)})
    assert answer.status_code == 400


def test_content_encoding_is_refused(archive: str, http: httpx.Client) -> None:
    answer = http.post(f"{archive}/studies", content=b"x", headers={**PART10, "Content-Encoding": "gzip"})
    assert answer.status_code == 415


def test_study_in_the_address_must_be_a_uid(archive: str, http: httpx.Client) -> None:
    assert http.post(f"{archive}/studies/x", content=examples.dicom(), headers=PART10).status_code == 400


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        (None, JSON),
        ("*/*", JSON),
        ("application/json", JSON),
        ("application/dicom+json", JSON),
        ("application/*", JSON),
        ("application/dicom+xml", XML),
        ("application/dicom+xml;q=0.5, application/dicom+json;q=0.4", XML),
        ("text/html, */*;q=0.1", JSON),
    ],
)
def test_answer_comes_in_the_form_that_is_accepted(
    accept: str | None, media_type: str, archive: str, http: httpx.Client
) -> None:
    request = http.build_request("POST", f"{archive}/studies", content=examples.dicom(), headers=PART10)
    del request.headers["Accept"]
    if accept:
        request.headers["Accept"] = accept
    answer = http.send(request)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == media_type
    found = answer.json() if media_type == JSON else xml.load(answer.content)
    assert found["00081199"]["Value"][0]["00081155"]["Value"] == ["2.25.1001"]


def test_answer_that_cannot_be_given_stores_nothing(archive: str, http: httpx.Client) -> None:
    headers = {**PART10, "Accept": "text/html"}
    assert http.post(f"{archive}/studies", content=examples.dicom(), headers=headers).status_code == 406
    assert http.get(f"{archive}/instances").status_code == 204


def test_connection_that_breaks_off_stores_nothing(archive: str, http: httpx.Client, tmp_path: Path) -> None:
    address = urlsplit(archive)
    data = examples.dicom()
    with socket.create_connection((str(address.hostname), int(address.port or 0))) as connection:
        lines = [
            "POST {}/studies HTTP/1.1",
            "Host: x",
            "Content-Type: application/dicom",
            "Content-Length: 99999",
        ]
        head = "\r\n".join([*lines, "", ""]).format(address.path)
        connection.sendall(head.encode() + data)
    for _ in range(100):
        if not list((tmp_path / "archive/.incoming").iterdir()):
            break
        http.get(f"{archive}/studies")
    assert http.get(f"{archive}/studies").status_code == 204
    assert list((tmp_path / "archive/.incoming").iterdir()) == []
