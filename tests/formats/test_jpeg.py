"""JPEG pictures: what goes into DICOM as it is, and what is refused."""

from __future__ import annotations

import io
import struct
import subprocess
import tempfile
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import ExifTags, Image, ImageOps

import examples
from gateway.config import Reading
from gateway.errors import GatewayError, Reject
from gateway.formats import exif, jpeg, probe
from gateway.model import Probe, Source
from support import require

NATIVE = "1.2.840.10008.1.2.1"
BASELINE, EXTENDED, LOSSLESS, LOSSLESS_FIRST = (f"1.2.840.10008.1.2.4.{last}" for last in (50, 51, 57, 70))


def look(folder: Path, data: bytes, reading: Reading = Reading(), name: str = "photo.jpg") -> Probe:
    path = examples.write(folder / name, data)
    return probe(Source(path, folder), reading)


def refusal(folder: Path, data: bytes) -> str:
    with pytest.raises(Reject) as caught:
        look(folder, data)
    return str(caught.value)


def at(data: bytes, marker: int) -> int:
    """Where the first segment with this marker begins."""
    position = 2
    while data[position + 1] != marker:
        position += 2 + int.from_bytes(data[position + 2 : position + 4], "big")
    return position


def segment(marker: int, data: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(data) + 2) + data


def inserted(data: bytes, *more: bytes, position: int = 2) -> bytes:
    return data[:position] + b"".join(more) + data[position:]


def without(data: bytes, marker: int) -> bytes:
    start = at(data, marker)
    return data[:start] + data[start + 2 + int.from_bytes(data[start + 2 : start + 4], "big") :]


def pixels(data: bytes) -> bytes:
    with Image.open(io.BytesIO(data)) as opened:
        return opened.convert("RGB").tobytes()


# --- Pillow is the judge of size and colours ---------------------------------------------------------


def test_cameras_pictures_are_as_pillow_sees_them(samples: Path) -> None:
    seen = 0
    for path in sorted((samples / "jpeg").iterdir()):
        with Image.open(path) as opened:
            turned = opened.getexif().get(ExifTags.Base.Orientation, 1) in range(2, 9)
            found = probe(Source(path, samples), Reading())
            assert found.pixels is not None
            assert (found.pixels.columns, found.pixels.rows) == ImageOps.exif_transpose(opened).size
            assert bool(found.convert) is turned
            if turned:
                continue
            assert (opened.mode, found.pixels.photometric_interpretation) == ("RGB", "YBR_FULL_422")
            assert found.transfer_syntax == BASELINE
            assert found.content.read() == path.read_bytes()
            seen += 1
    assert seen > 5


@pytest.mark.parametrize(
    ("mode", "options", "colours"),
    [
        ("L", {}, "MONOCHROME2"),
        ("RGB", {"subsampling": "4:4:4"}, "YBR_FULL_422"),
        ("RGB", {"subsampling": "4:2:2"}, "YBR_FULL_422"),
        ("RGB", {"subsampling": "4:2:0"}, "YBR_FULL_422"),
        ("RGB", {"keep_rgb": True}, "RGB"),
        ("RGB", {"restart_marker_blocks": 1}, "YBR_FULL_422"),
        ("RGB", {"optimize": True, "comment": b"made for a test"}, "YBR_FULL_422"),
    ],
)
def test_baseline_pictures_pass_through(tmp_path: Path, mode: str, options: dict, colours: str) -> None:
    data = examples.jpeg(mode, **options)
    found = look(tmp_path, data)
    assert found.pixels is not None
    assert (found.transfer_syntax, found.media_type, found.kind) == (BASELINE, "image/jpeg", "image")
    assert (found.pixels.columns, found.pixels.rows) == (37, 23)
    assert found.pixels.photometric_interpretation == colours
    assert found.pixels.samples_per_pixel == len(mode)
    assert found.pixels.planar_configuration == (None if mode == "L" else 0)
    assert (found.pixels.bits_allocated, found.pixels.bits_stored, found.pixels.frames) == (8, 8, None)
    (step,) = found.pixels.lossy
    assert step.method == "ISO_10918_1"
    assert step.ratio == pytest.approx(37 * 23 * len(mode) / len(data), rel=1e-3)
    assert found.content.read() == data
    assert found.messages == ()


def test_three_scans_of_one_colour_each_are_one_picture(tmp_path: Path) -> None:
    planes = [examples.jpeg("L"), examples.jpeg("L", size=(37, 23), quality=75), examples.jpeg("L")]
    grey = without(planes[0], 0xE0)
    frame, scan = at(grey, 0xC0), at(grey, 0xDA)
    header = grey[frame + 4 : frame + 9] + b"\3" + b"".join(bytes((number, 0x11, 0)) for number in (1, 2, 3))
    scans = []
    for number, plane in enumerate(planes, 1):
        start = at(plane, 0xDA)
        scans.append(segment(0xDA, bytes((1, number, 0, 0, 63, 0))) + plane[start + 10 : -2])
    data = grey[:frame] + segment(0xC0, header) + grey[frame + 13 : scan] + b"".join(scans) + b"\xff\xd9"
    with Image.open(io.BytesIO(data)) as opened:
        opened.load()
        assert opened.mode == "RGB"
    assert look(tmp_path, data).content.read() == data
    assert "does not" not in str(look(tmp_path, data).messages)
    assert "hold each of its components" in refusal(tmp_path, data[: -2 - len(scans[-1])] + b"\xff\xd9")


# --- what DCMTK's encoder makes of grey values and colours --------------------------------------------


def compressed(folder: Path, *options: str, **attributes: object) -> bytes:
    """The JPEG stream that DCMTK makes of a DICOM image."""
    source = examples.write(folder / "source.dcm", examples.dicom(**attributes))
    target = folder / "target.dcm"
    subprocess.run([require("dcmcjpeg"), *options, str(source), str(target)], check=True, capture_output=True)
    return next(iter(pydicom.encaps.generate_frames(pydicom.dcmread(target).PixelData, number_of_frames=1)))


TWELVE = {
    "BitsAllocated": 16,
    "BitsStored": 12,
    "HighBit": 11,
    "PixelData": struct.pack("<256H", *((x * 16) % 4096 for x in range(256))),
}
COLOUR = {
    "SamplesPerPixel": 3,
    "PhotometricInterpretation": "RGB",
    "PlanarConfiguration": 0,
    "PixelData": bytes(range(256)) * 3,
}


@pytest.mark.parametrize(
    ("options", "attributes", "syntax", "stored", "colours", "lossy"),
    [
        (["+ee"], TWELVE, EXTENDED, 12, "MONOCHROME2", True),
        (["+e1", "+pl", "+bt"], TWELVE, LOSSLESS_FIRST, 12, "MONOCHROME2", False),
        (["+el", "+sv", "4"], TWELVE, LOSSLESS, 16, "MONOCHROME2", False),
        (["+e1"], {}, LOSSLESS_FIRST, 8, "MONOCHROME2", False),
        (["+e1"], COLOUR, LOSSLESS_FIRST, 8, "RGB", False),
        (["+e1", "+pt", "2"], {}, LOSSLESS_FIRST, 8, "MONOCHROME2", True),
    ],
)
def test_extended_and_lossless_pictures_pass_through(
    tmp_path: Path, options: list[str], attributes: dict, syntax: str, stored: int, colours: str, lossy: bool
) -> None:
    stream = compressed(tmp_path, *options, **attributes)
    found = look(tmp_path, stream)
    assert found.pixels is not None
    assert found.transfer_syntax == syntax
    assert (found.pixels.rows, found.pixels.columns) == (16, 16)
    assert (found.pixels.bits_stored, found.pixels.bits_allocated) == (stored, 16 if stored > 8 else 8)
    assert found.pixels.photometric_interpretation == colours
    assert bool(found.pixels.lossy) is lossy
    assert stream.startswith(found.content.read())


def test_lossless_ycc_is_named_so_and_has_a_form_in_rgb(tmp_path: Path) -> None:
    stream = compressed(tmp_path, "+e1", **COLOUR)
    bare = stream[: stream.rindex(b"\xff\xd9") + 2]
    jfif = segment(0xE0, b"JFIF\0\1\2\0\0\1\0\1\0\0")
    found = look(tmp_path, inserted(bare, jfif))
    assert colours_of(found) == [(LOSSLESS_FIRST, "YBR_FULL", 8), (NATIVE, "RGB", 8)]
    frame = at(bare, 0xC3)
    thinner = bytearray(bare)
    thinner[frame + 11] = 0x21
    assert colours_of(look(tmp_path, bytes(thinner))) == [(NATIVE, "RGB", 8)]
    deeper = bytearray(inserted(bare, jfif))
    deeper[at(bytes(deeper), 0xC3) + 4] = 12
    assert colours_of(look(tmp_path, bytes(deeper))) == [(NATIVE, "RGB", 8)]


def colours_of(found: Probe | None) -> list[tuple[str, str, int]]:
    """Transfer syntax, colours and bits of all forms of a picture."""
    forms = []
    while found:
        assert found.pixels
        forms.append(
            (found.transfer_syntax, found.pixels.photometric_interpretation, found.pixels.bits_stored)
        )
        found = found.otherwise
    return forms


def test_extended_with_eight_bits_is_grey_only(tmp_path: Path) -> None:
    for mode in ("L", "RGB"):
        data = bytearray(examples.jpeg(mode))
        data[at(bytes(data), 0xC0) + 1] = 0xC1
        found = look(tmp_path, bytes(data))
        assert found.transfer_syntax == (EXTENDED if mode == "L" else BASELINE)
        assert bool(found.convert) is (mode == "RGB")


# --- colours ------------------------------------------------------------------------------------------

JFIF = segment(0xE0, b"JFIF\0\1\2\0\0\1\0\1\0\0")


def adobe(transform: int) -> bytes:
    return segment(0xEE, b"Adobe\0\x64\0\0\0\0" + bytes((transform,)))


def numbered(data: bytes, numbers: bytes) -> bytes:
    """The picture with other numbers of its components."""
    changed = bytearray(data)
    frame, scan = at(data, 0xC0), at(data, 0xDA)
    for index, number in enumerate(numbers):
        changed[frame + 10 + 3 * index] = number
        changed[scan + 5 + 2 * index] = number
    return bytes(changed)


@pytest.mark.parametrize(
    ("segments", "numbers", "colours"),
    [
        ((), b"\1\2\3", "YBR_FULL_422"),
        ((), b"\0\1\2", "YBR_FULL_422"),
        ((), b"RGB", "RGB"),
        ((adobe(0),), b"\1\2\3", "RGB"),
        ((adobe(1),), b"RGB", "YBR_FULL_422"),
        ((adobe(2),), b"\1\2\3", "YBR_FULL_422"),
        ((JFIF,), b"RGB", "YBR_FULL_422"),
        ((JFIF, adobe(0)), b"\1\2\3", "YBR_FULL_422"),
        ((adobe(1), adobe(0)), b"\1\2\3", "RGB"),
        ((segment(0xE0, b"JFXX\0\x10"),), b"RGB", "RGB"),
    ],
)
@pytest.mark.parametrize("strip", [False, True])
def test_colours_are_what_decoders_take_them_for(
    tmp_path: Path, segments: tuple[bytes, ...], numbers: bytes, colours: str, strip: bool
) -> None:
    bare = numbered(without(examples.jpeg(), 0xE0), numbers)
    data = inserted(bare, *segments, segment(0xE1, b"Exif\0\0nonsense"), segment(0xFE, b"a remark"))
    found = look(tmp_path, data, Reading(strip_app=strip))
    assert found.pixels is not None
    assert found.pixels.photometric_interpretation == colours
    content = found.content.read()
    assert pixels(content) == pixels(data)
    if strip:
        assert b"Exif" not in content
        assert b"a remark" not in content
        again = look(tmp_path, content)
        assert again.pixels is not None
        assert again.pixels.photometric_interpretation == colours


def test_stripping_leaves_nothing_that_decoding_does_not_need(tmp_path: Path, samples: Path) -> None:
    for path in (samples / "jpeg" / "Landscape_1.jpg", samples / "jpeg" / "gps.jpg"):
        found = probe(Source(path, samples), Reading(strip_app=True))
        content = found.content.read()
        assert found.content.length == len(content) < path.stat().st_size
        assert pixels(content) == pixels(path.read_bytes())
        assert not set(range(0xE0, 0xF0)) & {content[place + 1] for place in places(content)}
        assert found.facts["exif"]["orientation"] == 1


def places(data: bytes) -> list[int]:
    """Where the segments before the first scan begin."""
    found, position = [], 2
    while data[position + 1] != 0xDA:
        found.append(position)
        position += 2 + int.from_bytes(data[position + 2 : position + 4], "big")
    return found


# --- structure ----------------------------------------------------------------------------------------


def test_fill_bytes_and_comments_may_stand_before_any_segment(tmp_path: Path) -> None:
    data = examples.jpeg()
    for place in reversed(places(data)):
        data = inserted(data, segment(0xFE, b"remark"), b"\xff\xff", position=place)
    data = data[:-2] + b"\xff" * 300_000 + b"\xff\xd9"
    assert look(tmp_path, data).content.read() == data


def test_what_follows_the_picture_is_cut_and_said(tmp_path: Path) -> None:
    data = examples.jpeg()
    found = look(tmp_path, data + b"\0\xff\xd9rest")
    assert found.content.read() == data
    assert found.messages == ("has 7 bytes behind its picture; they are left out",)


def test_of_several_pictures_the_first_is_taken(tmp_path: Path) -> None:
    file = io.BytesIO()
    first = examples.picture()
    first.save(file, "MPO", save_all=True, append_images=[examples.picture(size=(10, 10))])
    found = look(tmp_path, file.getvalue())
    assert pixels(found.content.read()) == pixels(file.getvalue())
    assert "further pictures" in found.messages[0]
    assert found.content.read().count(b"\xff\xd9") == 1


def test_every_truncation_is_noticed(tmp_path: Path) -> None:
    data = examples.jpeg(exif=b"Exif\0\0MM\0*\0\0\0\x08\0\0")
    for length in range(3, len(data)):
        assert "photo.jpg is " in refusal(tmp_path, data[:length])
    assert "not whole" in refusal(tmp_path, data[:-1])


def test_a_marker_across_two_reads_is_found(tmp_path: Path) -> None:
    data = examples.jpeg()
    start = at(data, 0xDA) + 14
    for length in range(256 * 1024 - 4, 256 * 1024 + 5):
        longer = data[:start] + bytes(length) + data[-2:]
        assert look(tmp_path, longer).content.length == len(longer)


def changed(data: bytes, marker: int, offset: int, *values: int) -> bytes:
    """The picture with other bytes at an offset from a marker."""
    start = at(data, marker) + offset
    return data[:start] + bytes(values) + data[start + len(values) :]


JPEG = examples.jpeg()
GREY = examples.jpeg("L")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (changed(examples.jpeg("CMYK"), 0xC0, 4, 12), "12 bits"),
        (changed(changed(examples.jpeg("CMYK"), 0xC0, 4, 12), 0xC0, 1, 0xC1), "CMYK"),
        (changed(JPEG, 0xC0, 1, 0xCB), "arithmetically"),
        (changed(JPEG, 0xC0, 1, 0xCD), "hierarchical"),
        (inserted(JPEG, segment(0xDE, b"")), "hierarchical"),
        (changed(JPEG, 0xC0, 1, 0xF7), "JPEG-LS"),
        (changed(JPEG, 0xC0, 5, 0, 0), "does not say its height"),
        (JPEG[:-2] + 2 * segment(0xDC, b"\0\x17") + JPEG[-2:], "more than once"),
        (changed(JPEG, 0xC0, 5, 0, 0)[:-2] + segment(0xDC, b"\0\0") + JPEG[-2:], "does not say its height"),
        (JPEG[:-2] + segment(0xDC, b"\0\0\x17") + JPEG[-2:], "height"),
        (examples.jpeg(progressive=True)[:-2].rpartition(b"\xff\xc4")[0] + b"\xff\xda", "not whole"),
        (changed(examples.jpeg(progressive=True), 0xDA, 13, 0x10), "each of its components once"),
        (changed(JPEG, 0xC0, 7, 0, 0), "0 columns"),
        (changed(JPEG, 0xC0, 4, 12), "12 bits"),
        (changed(JPEG, 0xC0, 9, 2), "wrong length"),
        (changed(JPEG, 0xC0, 9, 0), "wrong length"),
        (changed(JPEG, 0xC0, 11, 0x05), "sampling"),
        (changed(JPEG, 0xC0, 13, 1), "same number"),
        (changed(JPEG, 0xDA, 5, 9), "names a component"),
        (changed(JPEG, 0xDA, 4, 1), "wrong length"),
        (without(JPEG, 0xC4), "table"),
        (without(JPEG, 0xDB), "quantization table 0 is missing"),
        (changed(JPEG, 0xDB, 4, 0x15), "quantization table has a wrong length"),
        (changed(JPEG, 0xC4, 5, 255), "Huffman table has a wrong length"),
        (without(JPEG, 0xC0), "frame header"),
        (inserted(JPEG, JPEG[at(JPEG, 0xC0) : at(JPEG, 0xC4)]), "2 frame headers"),
        (inserted(JPEG, b"\xff\xd8"), "none belongs"),
        (inserted(JPEG, b"\xff\x01"), "none belongs"),
        (inserted(JPEG, b"nonsense", position=20), "no marker at byte 20"),
        (inserted(JPEG, b"\xff\xfe\0\1"), "impossible length"),
        (JPEG[:2] + segment(0xFE, b"") * 70_000 + JPEG[2:], "65,536 segments"),
        (JPEG[:2] + JPEG[at(JPEG, 0xC4) : at(JPEG, 0xDA)] * 3_000 + JPEG[2:], "more room"),
        (JPEG[:2] + b"\xff\xd9", "frame header"),
    ],
)
def test_refusals_say_why(tmp_path: Path, data: bytes, words: str) -> None:
    assert words in refusal(tmp_path, data)


def test_two_components_are_grey(tmp_path: Path) -> None:
    frame, scan = at(JPEG, 0xC0), at(JPEG, 0xDA)
    data = (
        JPEG[:frame]
        + segment(0xC0, JPEG[frame + 4 : frame + 9] + b"\2" + JPEG[frame + 10 : frame + 16])
        + JPEG[frame + 19 : scan]
        + segment(0xDA, b"\2" + JPEG[scan + 5 : scan + 9] + b"\0\x3f\0")
        + JPEG[scan + 14 :]
    )
    assert colours_of(look(tmp_path, data)) == [(NATIVE, "MONOCHROME2", 8)]


@pytest.mark.parametrize("strip", [False, True])
def test_a_height_behind_the_picture_is_written_into_its_header(tmp_path: Path, strip: bool) -> None:
    behind = changed(JPEG, 0xC0, 5, 0, 0)[:-2] + segment(0xDC, b"\0\x17") + JPEG[-2:]
    found = look(tmp_path, behind, Reading(strip_app=strip))
    assert found.content.read() == (without(JPEG, 0xE0) if strip else JPEG)
    assert found.transfer_syntax == BASELINE
    assert "height" in found.messages[0]


def test_forms_of_pictures_that_cannot_go_in_as_they_are(tmp_path: Path) -> None:
    decoded = (NATIVE, "RGB", 8)
    recoded = (BASELINE, "YBR_FULL_422", 8)
    for data, expected in (
        (JPEG, [recoded, decoded]),
        (examples.jpeg(progressive=True), [recoded, decoded]),
        (examples.jpeg("L", progressive=True), [(BASELINE, "MONOCHROME2", 8), (NATIVE, "MONOCHROME2", 8)]),
        (examples.jpeg(keep_rgb=True), [(BASELINE, "RGB", 8), decoded]),
        (examples.jpeg(keep_rgb=True, progressive=True), [(BASELINE, "RGB", 8), decoded]),
        (changed(JPEG, 0xC0, 1, 0xC9), [recoded, decoded]),
        (examples.jpeg("CMYK"), [decoded]),
        (examples.jpeg("CMYK", progressive=True), [decoded]),
        (changed(changed(JPEG, 0xC0, 4, 12), 0xC0, 1, 0xC1), [decoded]),
    ):
        assert colours_of(look(tmp_path, data)) == expected


# --- EXIF ---------------------------------------------------------------------------------------------


def with_exif(
    main: dict[int, object], camera: dict[int, object] | None = None, gps: dict | None = None
) -> bytes:
    made = Image.Exif()
    made.update(main)
    made.get_ifd(ExifTags.IFD.Exif).update(camera or {})
    made.get_ifd(ExifTags.IFD.GPSInfo).update(gps or {})
    return examples.jpeg(exif=made.tobytes())


@pytest.mark.parametrize("orientation", range(10))
def test_pictures_that_must_be_turned_are_turned_when_the_object_is_built(
    tmp_path: Path, orientation: int
) -> None:
    data = with_exif({ExifTags.Base.Orientation: orientation})
    found = look(tmp_path, data)
    assert found.pixels is not None
    assert bool(found.convert) is (2 <= orientation <= 8)
    assert (found.pixels.columns, found.pixels.rows) == ((23, 37) if 5 <= orientation <= 8 else (37, 23))
    assert found.facts["exif"]["orientation"] == orientation
    assert found.messages == ()
    kept = look(tmp_path, data, Reading(keep_orientation=True))
    assert kept.pixels is not None
    assert (kept.pixels.columns, kept.pixels.rows) == (37, 23)
    assert kept.content.read() == data
    assert bool(kept.messages) is bool(found.convert)


def test_facts_of_the_camera(tmp_path: Path) -> None:
    data = with_exif(
        {
            ExifTags.Base.Make: "Maker\0rubbish",
            ExifTags.Base.Model: "  Model  1 ",
            ExifTags.Base.Software: "1.0\n2",
            ExifTags.Base.Artist: "Jörg".encode(),
            ExifTags.Base.Copyright: "",
        },
        {
            ExifTags.Base.DateTimeOriginal: "2024:02:29 23:59:58",
            ExifTags.Base.SubsecTimeOriginal: "25",
            ExifTags.Base.OffsetTimeOriginal: "-03:30",
            ExifTags.Base.BodySerialNumber: "S/N 1",
            ExifTags.Base.CameraOwnerName: "Owner",
        },
        {1: "S", 2: (1.0, 30.0, 0.0), 3: "E", 4: (10.0, 0.0, 36.0)},
    )
    found = look(tmp_path, data)
    captured = datetime(2024, 2, 29, 23, 59, 58, 250_000, timezone(-timedelta(hours=3, minutes=30)))
    assert found.captured == captured
    assert found.captured.utcoffset() == captured.utcoffset()
    assert found.facts["exif"] == {
        "make": "Maker",
        "model": "Model 1",
        "serial": "S/N 1",
        "software": "1.0 2",
        "captured": captured,
        "orientation": None,
        "artist": "Jörg",
        "owner": "Owner",
        "copyright": None,
        "description": None,
        "latitude": -1.5,
        "longitude": 10.01,
    }


@pytest.mark.parametrize(
    ("written", "offset", "expected"),
    [
        ("2024:01:02 03:04:05", None, datetime(2024, 1, 2, 3, 4, 5)),  # noqa: DTZ001
        ("2024-01-02T03:04:05", "Z", datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC)),
        ("2024:01:02 03:04:05", "+99:99", datetime(2024, 1, 2, 3, 4, 5)),  # noqa: DTZ001
        ("2024:01:02 03:04:05", "east", datetime(2024, 1, 2, 3, 4, 5)),  # noqa: DTZ001
        ("0000:00:00 00:00:00", None, None),
        ("    :  :     :  :  ", None, None),
        ("2023:02:29 00:00:00", None, None),
        ("yesterday", None, None),
        ("", None, None),
    ],
)
def test_capture_dates(tmp_path: Path, written: str, offset: str | None, expected: datetime | None) -> None:
    camera: dict[int, object] = {ExifTags.Base.DateTimeOriginal: written}
    if offset:
        camera[ExifTags.Base.OffsetTimeOriginal] = offset
    assert look(tmp_path, with_exif({}, camera)).captured == expected


def test_broken_exif_is_a_message(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for rubbish in (
        b"Exif\0\0rubbish",
        b"Exif\0\0MM\0*\xff\xff\xff\xff",
        b"Exif\0\0II*\0\x08\0\0\0\xff\xff",
    ):
        found = look(tmp_path, inserted(JPEG, segment(0xE1, rubbish)))
        assert "EXIF" in found.messages[0]
        assert set(found.facts["exif"].values()) == {None}
    assert capfd.readouterr() == ("", "")


def test_without_exif_all_facts_are_unknown(tmp_path: Path) -> None:
    found = look(tmp_path, JPEG)
    assert set(found.facts["exif"].values()) == {None}
    assert found.captured is None


@given(st.binary(max_size=400))
def test_no_exif_breaks_the_reading(data: bytes) -> None:
    for start in (b"", b"Exif\0\0", b"Exif\0\0II*\0\x08\0\0\0"):
        exif.read(start + data)


VALID_EXIF = with_exif(
    {ExifTags.Base.Make: "Maker"},
    {ExifTags.Base.DateTimeOriginal: "2024:02:29 23:59:58"},
    {1: "N", 2: (1.0, 2.0, 3.0)},
)


@given(st.data())
def test_no_change_of_a_picture_breaks_the_reading(data: st.DataObject) -> None:
    original = data.draw(st.sampled_from([JPEG, GREY, VALID_EXIF, examples.jpeg("CMYK")]))
    changed_bytes = bytearray(original)
    for _ in range(data.draw(st.integers(1, 4))):
        changed_bytes[data.draw(st.integers(3, 700)) % len(original)] = data.draw(st.integers(0, 255))
    with tempfile.TemporaryDirectory() as folder:
        path = examples.write(Path(folder) / "x.jpg", bytes(changed_bytes))
        try:
            found = jpeg.probe(Source(path, path.parent), Reading(strip_app=data.draw(st.booleans())))
        except GatewayError:
            return
        assert found.content.length == len(found.content.read())
