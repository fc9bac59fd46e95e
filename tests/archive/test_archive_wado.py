"""Retrieving from the embedded archive: files, metadata, frames, bulk data, pictures (PS3.18 10.4)."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pydicom
import pytest
from PIL import Image

import examples
from archive_requests import bulk, location, model, post
from gateway.dicom import xml
from gateway.stow.multipart import PartData, PartStart, Reader, parse_content_type
from videos import make_video

EXPLICIT = "1.2.840.10008.1.2.1"
BASELINE = "1.2.840.10008.1.2.4.50"
BY_ITSELF = "application/dicom; transfer-syntax="
Stored = Callable[[bytes], str]


def _parts(answer: httpx.Response) -> list[tuple[str, bytes]]:
    """Content-Type and content of each part."""
    assert answer.status_code == 200, answer.text
    content_type = parse_content_type(answer.headers["Content-Type"])
    assert content_type.media_type == "multipart/related"
    assert int(answer.headers["Content-Length"]) == len(answer.content)
    reader = Reader(content_type.parameters["boundary"])
    parts: list[tuple[str, bytes]] = []
    for event in reader.feed(answer.content):
        if isinstance(event, PartStart):
            parts.append((event.headers["content-type"], b""))
        elif isinstance(event, PartData):
            parts[-1] = parts[-1][0], parts[-1][1] + event.data
    reader.close()
    for each, _ in parts:
        assert parse_content_type(each).media_type == content_type.parameters["type"]
    return parts


def _testdata(name: str) -> bytes:
    path = pydicom.data.get_testdata_file(name, download=False)
    if path is None:
        pytest.skip(f"pydicom came without {name}")
    return Path(str(path)).read_bytes()


def _dataset(data: bytes) -> pydicom.Dataset:
    return pydicom.dcmread(io.BytesIO(data))


# Files


@pytest.mark.parametrize(
    ("accept", "alone"),
    [
        (None, False),
        ("*/*", False),
        ('multipart/related; type="application/dicom"', False),
        ("multipart/related; type=application/dicom; transfer-syntax=*", False),
        ("multipart/related", False),
        ("application/dicom", True),
        ("application/dicom; transfer-syntax=*", True),
        (f"{BY_ITSELF}{BASELINE}, {BY_ITSELF}{EXPLICIT};q=0.5", True),
        ("application/dicom;q=0.9, */*;q=0.1", True),
    ],
)
def test_file_comes_as_it_was_stored(
    accept: str | None, alone: bool, stored: Stored, http: httpx.Client
) -> None:
    data = examples.dicom()
    url = stored(data)
    request = http.build_request("GET", url)
    del request.headers["Accept"]
    if accept:
        request.headers["Accept"] = accept
    answer = http.send(request)
    if alone:
        assert answer.content == data
        assert answer.headers["Content-Type"] == f"application/dicom; transfer-syntax={EXPLICIT}"
    else:
        assert _parts(answer) == [(f"application/dicom; transfer-syntax={EXPLICIT}", data)]
    by_parameter = http.get(url, params={"accept": "application/dicom"}, headers={"Accept": "text/html"})
    assert by_parameter.content == data


@pytest.mark.parametrize(
    "name",
    [
        "MR_small_implicit.dcm",
        "MR_small_bigendian.dcm",
        "image_dfl.dcm",
        "MR_small_RLE.dcm",
        "JPEG2000.dcm",
        "MR_small_jpeg_ls_lossless.dcm",
        "SC_rgb_jpeg_dcmtk.dcm",
        "SC_rgb_rle_2frame.dcm",
    ],
)
def test_file_is_decoded_where_that_is_asked_for(name: str, stored: Stored, http: httpx.Client) -> None:
    source = _dataset(_testdata(name))
    accept = f"application/dicom; transfer-syntax={EXPLICIT}"
    answer = http.get(stored(_testdata(name)), headers={"Accept": accept})
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Type"] == accept
    made = _dataset(answer.content)
    assert made.file_meta.TransferSyntaxUID == EXPLICIT
    assert made.SOPInstanceUID == source.SOPInstanceUID
    assert made.get("PatientName") == source.get("PatientName")
    assert np.array_equal(made.pixel_array, source.pixel_array)
    if "LossyImageCompression" in source:
        assert made.LossyImageCompression == source.LossyImageCompression


def test_file_that_cannot_be_had_so_is_refused_in_words(stored: Stored, http: httpx.Client) -> None:
    url = stored(_testdata("JPEG2000.dcm"))
    for accept in (
        f"application/dicom; transfer-syntax={BASELINE}",
        "image/jpeg",
        "text/html",
        'multipart/related; type="image/png"',
    ):
        answer = http.get(url, headers={"Accept": accept})
        assert answer.status_code == 406
        assert answer.json()["message"]


def test_series_and_study_are_all_their_instances(stored: Stored, http: httpx.Client) -> None:
    files = [
        examples.dicom(SOPInstanceUID=f"2.25.{n}", SeriesInstanceUID=f"2.25.9{n // 2}") for n in range(3)
    ]
    urls = [stored(each) for each in files]
    study, series = urls[0].split("/series/")[0], urls[0].split("/instances/")[0]
    assert [content for _, content in _parts(http.get(study))] == files
    assert [content for _, content in _parts(http.get(series))] == files[:2]
    assert http.get(study, headers={"Accept": "application/dicom"}).status_code == 406


@pytest.mark.parametrize(
    "path", ["", "/metadata", "/frames/1", "/rendered", "/thumbnail", "/bulkdata/7FE00010"]
)
def test_what_is_not_there_is_not_found(path: str, stored: Stored, http: httpx.Client) -> None:
    url = stored(examples.dicom())
    for missing in (
        url.replace("/instances/2.25.1001", "/instances/2.25.9"),
        url.replace("2.25.1002", "2.25.9"),
    ):
        answer = http.get(missing + path)
        assert answer.status_code == 404
        assert answer.json()["message"] == "There is no such instance here"
    assert http.get(url.replace("2.25.1001", "..%5c") + path).status_code == 400


# Metadata


def test_metadata_refer_to_bulk_data_that_are_there(stored: Stored, http: httpx.Client) -> None:
    url = stored(examples.dicom(ICCProfile=b"P" * 70_000, EncapsulatedDocument=None))
    answer = http.get(f"{url}/metadata")
    assert answer.headers["Content-Type"] == "application/dicom+json"
    [metadata] = answer.json()
    assert not any(tag.startswith("0002") for tag in metadata)
    assert metadata["00100010"]["Value"] == [{"Alphabetic": "Doe^Jane"}]
    for tag, content in (("7FE00010", bytes(range(256))), ("00282000", b"P" * 70_000)):
        assert http.get(metadata[tag]["BulkDataURI"]).content == content


def test_metadata_in_xml_say_the_same(stored: Stored, http: httpx.Client) -> None:
    url = stored(examples.dicom(PatientName="Müller^Anna", SpecificCharacterSet="ISO_IR 100"))
    [in_json] = http.get(f"{url}/metadata", headers={"Accept": "application/json"}).json()
    [(_, in_parts)] = _parts(
        http.get(f"{url}/metadata", headers={"Accept": 'multipart/related; type="application/dicom+xml"'})
    )
    alone = http.get(f"{url}/metadata", headers={"Accept": "application/dicom+xml"})
    assert alone.headers["Content-Type"] == "application/dicom+xml"
    assert xml.load(alone.content) == xml.load(in_parts) == in_json


def test_metadata_of_many_instances_are_one_array(stored: Stored, http: httpx.Client) -> None:
    urls = [stored(examples.dicom(SOPInstanceUID=f"2.25.{n}")) for n in range(101)]
    answer = http.get(f"{urls[0].split('/series/')[0]}/metadata")
    assert [each["00080018"]["Value"][0] for each in answer.json()] == [f"2.25.{n}" for n in range(101)]


# Frames


@pytest.mark.parametrize(
    ("accept", "decoded"),
    [
        ("*/*", False),
        ('multipart/related; type="image/jpeg"', False),
        (f'multipart/related; type="image/jpeg"; transfer-syntax={BASELINE}', False),
        ('multipart/related; type="application/octet-stream"; transfer-syntax=*', False),
        ('multipart/related; type="application/octet-stream"', True),
        (f'multipart/related; type="application/octet-stream"; transfer-syntax={EXPLICIT}', True),
    ],
)
def test_frames_as_they_are_stored_or_decoded(
    accept: str, decoded: bool, archive: str, http: httpx.Client
) -> None:
    picture = examples.jpeg()
    url = location(post(http, archive, [model()], bulk(picture, f"image/jpeg; transfer-syntax={BASELINE}")))
    [(content_type, content)] = _parts(http.get(f"{url}/frames/1", headers={"Accept": accept}))
    if decoded:
        assert content_type == f"application/octet-stream; transfer-syntax={EXPLICIT}"
        expected = np.asarray(Image.open(io.BytesIO(picture))).astype(int)
        found = np.frombuffer(content, np.uint8).reshape(expected.shape)
        assert np.abs(found - expected).mean() < 1
    else:
        assert content_type == f"image/jpeg; transfer-syntax={BASELINE}"
        assert content in (picture, picture + b"\0")


def test_several_frames_in_the_order_they_are_asked_for(stored: Stored, http: httpx.Client) -> None:
    frames = [bytes([n]) * 256 for n in range(3)]
    url = stored(examples.dicom(NumberOfFrames=3, PixelData=b"".join(frames)))
    found = [content for _, content in _parts(http.get(f"{url}/frames/3,1"))]
    assert found == [frames[2], frames[0]]
    rle = _testdata("SC_rgb_rle_2frame.dcm")
    url = stored(rle)
    accept = {"Accept": 'multipart/related; type="application/octet-stream"'}
    found = [content for _, content in _parts(http.get(f"{url}/frames/1,2", headers=accept))]
    assert b"".join(found) == _dataset(rle).pixel_array.tobytes()


def test_one_frame_by_itself(archive: str, stored: Stored, http: httpx.Client) -> None:
    url = stored(examples.dicom())
    answer = http.get(f"{url}/frames/1", headers={"Accept": "application/octet-stream"})
    assert answer.content == bytes(range(256))
    picture = examples.jpeg()
    url = location(post(http, archive, [model()], bulk(picture, "image/jpeg")))
    answer = http.get(f"{url}/frames/1", headers={"Accept": "image/jpeg"})
    assert answer.headers["Content-Type"].startswith("image/jpeg")
    assert answer.content in (picture, picture + b"\0")


@pytest.mark.parametrize(
    ("numbers", "status"),
    [("0", 404), ("2", 404), ("1,2", 404), ("x", 400), ("1,,1", 400), ("-1", 400), ("1.0", 400)],
)
def test_frames_that_there_are_not(numbers: str, status: int, stored: Stored, http: httpx.Client) -> None:
    assert http.get(f"{stored(examples.dicom())}/frames/{numbers}").status_code == status


def test_frames_that_cannot_be_given(stored: Stored, archive: str, http: httpx.Client) -> None:
    url = stored(examples.dicom())
    assert http.get(f"{url}/frames/1", headers={"Accept": "image/jpeg"}).status_code == 406
    no_pixels = stored(examples.dicom(SOPInstanceUID="2.25.2", PixelData=None))
    assert http.get(f"{no_pixels}/frames/1").status_code == 406
    broken = bulk(examples.jpeg()[:-40] + b"\xff\xd9", "image/jpeg")
    url = location(post(http, archive, [model("2.25.3")], broken))
    accept = {"Accept": f'multipart/related; type="application/octet-stream"; transfer-syntax={EXPLICIT}'}
    assert http.get(f"{url}/frames/1", headers=accept).status_code in {200, 406}


# Bulk data


def test_video_comes_back_byte_for_byte_and_in_pieces(
    archive: str, http: httpx.Client, tmp_path: Path
) -> None:
    for number, suffix in enumerate((".mp4", ".ts")):
        video = make_video(tmp_path / f"clip{suffix}", profile="high", size=(128, 96)).read_bytes()
        if len(video) % 2 == 0 and suffix == ".mp4":  # so that there is a byte of padding
            video += b"\0\0\0\x09freeX"
        answer = post(http, archive, [model(f"2.25.{number + 1}")], bulk(video, "video/mp4"))
        assert answer.status_code == 200, answer.text
        [metadata] = http.get(f"{location(answer)}/metadata").json()
        uri = metadata["7FE00010"]["BulkDataURI"]
        whole = http.get(uri)
        assert whole.content == video
        assert whole.headers["Content-Type"].startswith("video/mp4")
        assert [content for _, content in _parts(http.get(uri, headers={"Accept": "multipart/related"}))] == [
            video
        ]
        for asked, start, end in (
            ("0-99", 0, 100),
            ("100-", 100, None),
            ("-10", -10, None),
            ("5-999999999", 5, None),
        ):
            piece = http.get(uri, headers={"Range": f"bytes={asked}"})
            assert (piece.status_code, piece.content) == (206, video[start:end])
            assert piece.headers["Content-Range"].endswith(f"/{len(video)}")
        assert http.get(uri, headers={"Range": f"bytes={len(video)}-"}).status_code == 416
        assert http.get(uri, headers={"Range": "lines=1-2"}).status_code == 200
        assert http.get(f"{location(answer)}/frames/1").status_code == 406


def test_document_comes_back_byte_for_byte(stored: Stored, http: httpx.Client) -> None:
    document = examples.pdf() + b"\n" * (1 - len(examples.pdf()) % 2)
    assert len(document) % 2 == 1
    common: dict[str, Any] = {
        "SOPClassUID": "1.2.840.10008.5.1.4.1.1.104.1",
        "MIMETypeOfEncapsulatedDocument": "application/pdf",
        "PixelData": None,
    }
    for number, length in enumerate((len(document), None)):
        url = stored(
            examples.dicom(
                **common,
                SOPInstanceUID=f"2.25.{number}",
                EncapsulatedDocument=document + b"\0",
                EncapsulatedDocumentLength=length,
            )
        )
        [metadata] = http.get(f"{url}/metadata").json()
        answer = http.get(metadata["00420011"]["BulkDataURI"])
        assert answer.content == document
        assert answer.headers["Content-Type"] == "application/pdf"
        assert "sandbox" in answer.headers["Content-Security-Policy"]
        shown = http.get(f"{url}/rendered")
        assert (shown.headers["Content-Type"], shown.content) == ("application/pdf", document)
        assert http.get(f"{url}/rendered", headers={"Accept": "image/jpeg"}).status_code == 406
        assert http.get(f"{url}/thumbnail").status_code == 406


def test_bulk_data_as_octets_and_unknown_ones(stored: Stored, http: httpx.Client) -> None:
    url = stored(examples.dicom())
    answer = http.get(f"{url}/bulkdata/7fe00010", headers={"Accept": "application/octet-stream"})
    assert answer.content == bytes(range(256))
    assert http.get(f"{url}/bulkdata/7FE00010", headers={"Accept": "image/png"}).status_code == 406
    for name in ("00100010", "x", "7FE00010x"):
        assert http.get(f"{url}/bulkdata/{name}").status_code == 404


# Pictures


def _image(answer: httpx.Response) -> Image.Image:
    assert answer.status_code == 200, answer.text
    return Image.open(io.BytesIO(answer.content))


def test_colour_picture(archive: str, http: httpx.Client) -> None:
    picture = examples.jpeg(size=(320, 200))
    url = location(post(http, archive, [model()], bulk(picture, "image/jpeg")))
    shown = _image(http.get(f"{url}/rendered"))
    assert (shown.format, shown.size, shown.mode) == ("JPEG", (320, 200), "RGB")
    png = _image(http.get(f"{url}/rendered", headers={"Accept": "image/png"}))
    expected = np.asarray(Image.open(io.BytesIO(picture)).convert("RGB")).astype(int)
    assert (png.format, np.abs(np.asarray(png) - expected).max()) == ("PNG", 0)
    small = _image(http.get(f"{url}/rendered", params={"viewport": "100,100", "quality": "50"}))
    assert small.size == (100, 63)
    assert _image(http.get(f"{url}/thumbnail")).size == (160, 100)
    assert http.get(f"{url}/rendered", headers={"Accept": "application/pdf"}).status_code == 406


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({}, [0, 128, 255]),
        ({"PhotometricInterpretation": "MONOCHROME1"}, [255, 127, 0]),
        ({"WindowCenter": "64", "WindowWidth": "128"}, [0, 255, 255]),
        (
            {"RescaleSlope": "2", "RescaleIntercept": "0", "WindowCenter": "128", "WindowWidth": "256"},
            [0, 255, 255],
        ),
    ],
)
def test_grey_values(
    attributes: dict[str, Any], expected: list[int], stored: Stored, http: httpx.Client
) -> None:
    pixels = bytes([0, 128, 255, 0])
    url = stored(examples.dicom(Rows=1, Columns=4, PixelData=pixels, **attributes))
    shown = np.asarray(_image(http.get(f"{url}/rendered", headers={"Accept": "image/png"})))
    assert np.abs(shown[0, :3].astype(int) - expected).max() <= 1


def test_grey_values_of_many_bits_and_a_window_that_is_asked_for(stored: Stored, http: httpx.Client) -> None:
    data = _testdata("MR_small_RLE.dcm")
    url = stored(data)
    shown = _image(http.get(f"{url}/rendered"))
    assert (shown.mode, shown.size) == ("L", (64, 64))
    assert shown.getextrema()[1] - shown.getextrema()[0] > 100
    dark = _image(http.get(f"{url}/rendered", params={"window": "100000,10,linear"}))
    assert dark.getextrema() == (0, 0)


@pytest.mark.parametrize(
    "name",
    [
        "examples_palette.dcm",
        "SC_rgb_rle.dcm",
        "SC_rgb_small_odd.dcm",
        "JPEG2000.dcm",
        "MR_small_bigendian.dcm",
    ],
)
def test_pictures_of_many_kinds(name: str, stored: Stored, http: httpx.Client) -> None:
    source = _dataset(_testdata(name))
    shown = _image(http.get(f"{stored(_testdata(name))}/rendered"))
    assert shown.size == (source.Columns, source.Rows)
    assert shown.getextrema() != (0, 0)


def test_frames_are_shown_one_by_one(stored: Stored, http: httpx.Client) -> None:
    url = stored(examples.dicom(NumberOfFrames=2, PixelData=bytes(256) + b"\xff" * 256))
    first, second = (_image(http.get(f"{url}/frames/{n}/rendered")).getextrema() for n in (1, 2))
    assert (first, second) == ((0, 0), (255, 255))
    assert _image(http.get(f"{url}/rendered")).getextrema() == (0, 0)
    assert http.get(f"{url}/frames/3/rendered").status_code == 404


@pytest.mark.parametrize(
    ("suffix", "codec"), [(".mp4", "h264"), (".ts", "h264"), (".mp4", "hevc"), (".mpg", "mpeg2")]
)
def test_first_frame_of_a_video(
    suffix: str, codec: str, archive: str, http: httpx.Client, tmp_path: Path
) -> None:
    size = (128, 96) if codec != "mpeg2" else (720, 480)
    rate = 25 if codec != "mpeg2" else 30
    profile = "high" if codec == "h264" else None
    video = make_video(
        tmp_path / f"clip{suffix}", codec=codec, profile=profile, size=size, rate=rate
    ).read_bytes()
    answer = post(http, archive, [model()], bulk(video, "video/mpeg" if codec == "mpeg2" else "video/mp4"))
    assert answer.status_code == 200, answer.text
    shown = _image(http.get(f"{location(answer)}/rendered"))
    assert (shown.size, shown.format) == (size, "JPEG")
    assert http.get(f"{location(answer)}/frames/2/rendered").status_code == 404


def test_objects_that_show_nothing(stored: Stored, http: httpx.Client) -> None:
    for number, attributes in enumerate(
        ({"PixelData": None}, {"Rows": None}, {"Rows": 60000, "Columns": 60000})
    ):
        url = stored(examples.dicom(SOPInstanceUID=f"2.25.{number}", **attributes))
        answer = http.get(f"{url}/rendered")
        assert answer.status_code == 406, answer.text
        assert answer.json()["message"].startswith("The instance cannot be shown as a picture")


@pytest.mark.parametrize(
    "query",
    [
        "viewport=x",
        "viewport=1",
        "viewport=0,0",
        "window=1",
        "window=1,0",
        "window=nan,1",
        "quality=0",
        "quality=best",
    ],
)
def test_parameters_of_pictures_are_checked(query: str, stored: Stored, http: httpx.Client) -> None:
    assert http.get(f"{stored(examples.dicom())}/rendered?{query}").status_code == 400


# Deleting, and what there is at an address


def test_deleting(stored: Stored, archive: str, http: httpx.Client) -> None:
    urls = [stored(examples.dicom(SOPInstanceUID=f"2.25.{n}")) for n in range(3)]
    answer = http.delete(urls[0])
    assert (answer.status_code, answer.content) == (204, b"")
    assert http.get(urls[0]).status_code == 404
    assert len(http.get(f"{archive}/instances").json()) == 2
    assert http.delete(urls[0].split("/series/")[0]).status_code == 204
    assert http.get(f"{archive}/instances").status_code == 204
    assert stored(examples.dicom(SOPInstanceUID="2.25.0")) == urls[0]


def test_methods_of_an_address(stored: Stored, archive: str, http: httpx.Client) -> None:
    url = stored(examples.dicom())
    options = http.options(url)
    assert (options.status_code, options.headers["Allow"]) == (204, "DELETE, GET, HEAD, OPTIONS")
    assert http.options(f"{archive}/studies").headers["Allow"] == "GET, HEAD, OPTIONS, POST"
    refused = http.put(url, content=b"x")
    assert (refused.status_code, refused.json()["message"]) == (405, "PUT is not possible at this address")
    assert set(refused.headers["Allow"].split(", ")) == {"DELETE", "GET", "HEAD", "OPTIONS"}
    assert http.get(f"{archive}/nothing").status_code == 404
    head = http.head(url, headers={"Accept": "application/dicom"})
    assert (head.status_code, head.content) == (200, b"")
    assert int(head.headers["Content-Length"]) == len(examples.dicom())


def test_file_that_vanished_is_not_found(stored: Stored, http: httpx.Client, tmp_path: Path) -> None:
    url = stored(examples.dicom())
    next(tmp_path.rglob("*.dcm")).unlink()
    for path in ("", "/metadata", "/rendered"):
        answer = http.get(url + path)
        assert answer.status_code == 404
        assert json.loads(answer.content)["message"] == "There is no such instance here any more"
