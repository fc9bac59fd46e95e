"""What every format must do, run over all of them, and how files are told apart."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from functools import cache, partial
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

import examples
from gateway import formats
from gateway.config import Reading
from gateway.errors import GatewayError, Reject, Retry
from gateway.formats import FORMATS, HEAD, Format, identify, known, probe
from gateway.model import Kind, Probe, Source
from gateway.stream import FileStamp
from videos import make_video

ALL = pytest.mark.parametrize("format", FORMATS, ids=lambda format: format.name)
MADE = {
    "bmp": partial(examples.raster, "BMP"),
    "gif": partial(examples.raster, "GIF"),
    "heic": examples.heic,
    "png": partial(examples.raster, "PNG", size=(200, 150), compress_level=0),
    "tiff": partial(examples.raster, "TIFF"),
    "webp": partial(examples.raster, "WEBP"),
    "cda": examples.cda,
    "dicom": examples.dicom,
    "jpeg": examples.jpeg,
    "jpeg2000": partial(examples.raster, "JPEG2000"),
    "jpegls": examples.jpegls,
    "jpegxl": examples.jpegxl,
    "mtl": examples.mtl,
    "obj": examples.obj,
    "pdf": examples.pdf,
    "stl": examples.stl,
}
ENDLESS = {"obj", "mtl"}
"""Formats whose files do not say where they end; a line that is cut off is all that shows it."""
BARE = {"h264", "hevc", "mpegvideo"}
"""Formats that consist of pictures one after the other: only decoding shows that the last one is cut."""
CODECS = {"mpeg": "mpeg2", "mpegvideo": "mpeg2", "hevc": "hevc"}
"""What videos hold that do not hold H.264."""


@cache
def example(name: str) -> bytes:
    """A valid file of the format with this name."""
    if name in MADE:
        return MADE[name]()
    extension = next(format.extensions[0] for format in FORMATS if format.name == name)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"clip{extension}"
        codec = CODECS.get(name, "h264")
        made = make_video(
            path,
            codec=codec,
            profile="high" if codec == "h264" else None,
            size=(720, 576) if codec == "mpeg2" else (64, 48),
            encoder={"x264-params": "force-cfr=1"} if codec == "h264" else None,
        ).read_bytes()
    return made.replace(b"3gp6isomiso2avc1", b"3gp63gp53gp43gp6") if name == "3gp" else made


def source(folder: Path, name: str, data: bytes) -> Source:
    return Source(examples.write(folder / name, data), folder)


def refusal(folder: Path, data: bytes, name: str = "file") -> str:
    with pytest.raises(Reject) as caught:
        probe(source(folder, name, data), Reading())
    message = str(caught.value)
    assert str(folder / name) in message
    return message


# --- the suite that runs over all formats -------------------------------------------------------------


@ALL
def test_a_format_is_told_by_its_content_alone(tmp_path: Path, format: Format) -> None:
    data = example(format.name)
    for name in ("file", "file.xyz", "file.", f"file{format.extensions[0].upper()}"):
        found = probe(source(tmp_path, name, data), Reading())
        assert (found.format, found.kind) == (format.name, format.kind)
        assert not [message for message in found.messages if "its name says" in message]
    assert [other.name for other in FORMATS if other.sniff(data[:HEAD])] == [format.name]


@ALL
def test_a_probe_is_complete(tmp_path: Path, format: Format) -> None:
    data = example(format.name)
    made = source(tmp_path, "file", data)
    found = probe(made, Reading())
    assert found.source == made
    assert found.media_type.count("/") == 1
    assert found.transfer_syntax.startswith("1.2.840.10008.1.2")
    assert found.content.read() in data
    assert found.content.length == len(found.content.read()) > 0
    assert (found.pixels is not None) is (format.kind in (Kind.IMAGE, Kind.VIDEO))
    assert (found.dicom is not None) is (format.kind is Kind.DICOM)


@ALL
def test_a_wrong_extension_is_a_message(tmp_path: Path, format: Format) -> None:
    for other in FORMATS:
        if other.extensions[0] in format.extensions:
            continue
        name = f"file{other.extensions[0]}"
        found = probe(source(tmp_path, name, example(format.name)), Reading())
        assert found.messages[0] == f"{name} is {format.title} by its content; its name says {other.short}"
    found = probe(source(tmp_path, "file.psd", example(format.name)), Reading())
    assert found.messages[0] == f"file.psd is {format.title} by its content; its name says Photoshop"


@ALL
def test_what_the_user_says_it_is_must_be_true(tmp_path: Path, format: Format) -> None:
    made = source(tmp_path, "file", example(format.name))
    names = {format.name, format.media_type, format.media_type.upper() + "; x=y", *format.aliases}
    for token in (*names, *format.extensions, *(extension[1:] for extension in format.extensions)):
        assert probe(made, Reading(media_type=token)).format == format.name
    for token in ("image/vnd.adobe.photoshop", "nonsense", ""):
        with pytest.raises(Reject, match=re.escape(f"file is {format.title} by its content, not {token} as")):
            probe(made, Reading(media_type=token))


@ALL
@pytest.mark.parametrize("part", [0.6, 0.75, 0.9, 0.97])
def test_a_truncated_file_is_refused_in_words(tmp_path: Path, format: Format, part: float) -> None:
    data = example(format.name).rstrip(b"\n")
    data = data[: int(len(data) * part)]
    if format.name in ENDLESS:
        data = data[: data.rindex(b"\n") + 2]
    if format.name in BARE:
        data = data[:6]
    if format.kind is Kind.DICOM:  # goes through as it is while it knows who it is, and says so
        found = probe(source(tmp_path, "image.dcm", data), Reading())
        assert not found.whole
        message = " ".join(found.messages)
    else:
        message = refusal(tmp_path, data)
    assert "whole" in message or "damaged" in message or "ends" in message
    assert "Traceback" not in message


@ALL
def test_a_file_that_changes_while_it_is_read_is_for_later(
    tmp_path: Path, format: Format, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = example(format.name)
    short = data[:200] if format.kind is Kind.DICOM else data[: len(data) * 2 // 3 + 100]
    if format.name in ENDLESS:
        short = data[: data.rindex(b"\n", 0, -1) + 2]
    if format.name in BARE:
        short = data[:9]
    made = source(tmp_path, "file", short)

    def growing(source: Source, reading: Reading) -> Probe:
        try:
            return format.probe(source, reading)
        except Reject:
            source.path.write_bytes(data)
            raise

    monkeypatch.setattr(formats, "FORMATS", (replace(format, probe=growing),))
    monkeypatch.setattr(formats, "identify", lambda source: formats.FORMATS[0])
    with pytest.raises(Retry, match="changed while it was being read"):
        probe(made, Reading())
    assert probe(made, Reading()).content.read() in data


@ALL
def test_content_is_that_of_the_file_that_was_looked_at(tmp_path: Path, format: Format) -> None:
    data = example(format.name)
    made = source(tmp_path, "file", data)
    found = probe(made, Reading())
    assert all(piece.stamp == FileStamp.of(made.path.stat()) for piece in found.content.pieces)
    made.path.write_bytes(data + b"more")
    with pytest.raises(Retry, match="changed"):
        found.content.read()


@ALL
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.data())
def test_no_content_breaks_the_reading(tmp_path: Path, format: Format, data: st.DataObject) -> None:
    original = example(format.name)
    changed = bytearray(original)
    for _ in range(data.draw(st.integers(0, 6))):
        changed[data.draw(st.integers(0, min(len(original), 3000) - 1))] = data.draw(st.integers(0, 255))
    start = data.draw(st.integers(0, 3))
    end = data.draw(st.sampled_from([len(original), len(original) // 2, len(original) - 1, 200]))
    made = source(tmp_path, "file", bytes(changed[start:end]))
    try:
        found = probe(made, Reading())
    except GatewayError:
        return
    assert found.content.length == len(found.content.read())


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.binary(max_size=5000))
def test_nothing_is_taken_for_what_it_is_not(tmp_path: Path, data: bytes) -> None:
    for format in FORMATS:
        format.sniff(data[:HEAD])
    with pytest.raises(Reject):
        probe(source(tmp_path, "file", data), Reading())


# --- files that are no content ------------------------------------------------------------------------


def test_what_is_no_readable_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "folder.jpg").mkdir()
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "plain").touch()
    for name, words in (
        ("folder.jpg", "is a directory"),
        ("pipe.jpg", "not a regular file"),
        ("missing.jpg", "cannot be read: No such file"),
        ("plain/inside.jpg", "cannot be read: Not a directory"),
    ):
        with pytest.raises(Reject, match=words):
            probe(Source(tmp_path / name, tmp_path), Reading())
    assert "is empty" in refusal(tmp_path, b"")


def test_unknown_content_is_refused_with_what_its_name_says(tmp_path: Path) -> None:
    assert "no kind that is known here" in refusal(tmp_path, b"\1\2\3\4" * 100)
    assert "though its name says PDF" in refusal(tmp_path, b"\1\2\3\4" * 100, "letter.PDF")
    assert "though its name says PLY" in refusal(tmp_path, b"\1\2\3\4" * 100, "part.ply")


# --- kinds that are refused by name -------------------------------------------------------------------


@pytest.mark.parametrize("writer", ["PPM", "ICO", "AVIF"])
def test_pictures_that_pillow_writes_are_named(tmp_path: Path, writer: str) -> None:
    path = tmp_path / "picture.jpg"
    try:
        examples.picture(size=(32, 32)).save(path, writer)
    except (OSError, KeyError):
        pytest.skip(f"this Pillow does not write {writer}")
    with pytest.raises(Reject, match="cannot be converted by this version") as caught:
        probe(Source(path, tmp_path), Reading())
    names = {"PPM": "Netpbm"}
    assert f"; {names.get(writer, writer)} cannot" in str(caught.value)


@pytest.mark.parametrize(
    ("data", "title"),
    [
        (b"\0\0\0\x18ftypmif1\0\0\0\0mif1avif", "a HEIF picture that is not coded in HEVC"),
        (b"II*\0\x10\0\0\0CR\x02\0", "a camera's raw picture"),
        (b"\0\0\0\x18ftypM4A \0\0\0\0isomM4A ", "a sound file"),
        (b"\0\0\0\x18ftypmj2s\0\0\0\0mj2s", "a media file of the MP4 family"),
        (b"RIFF\0\0\0\0WAVEfmt ", "a sound file"),
        (b"0&\xb2u\x8ef\xcf\x11\xa6\xd9", "a Windows Media video"),
        (b"PK\3\4\x14\0\x06\0\x08\0[Content_Types].xml...word/document.xml", "a Word document"),
        (b"PK\3\4\x14\0\0\0mimetypeapplication/vnd.oasis.opendocument.text", "an OpenDocument file"),
        (b"PK\3\4\x14\0\0\0photo.jpg", "a ZIP archive"),
        (b"ply\nformat ascii 1.0\n", "a PLY model"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\0\0", "an old Office document"),
        (b"{\\rtf1\\ansi}", "a rich text document"),
        (b"<!DOCTYPE html><html>%PDF-1.4</html>", "a web page"),
        (b"\xef\xbb\xbf\n<?xml version='1.0'?><svg xmlns='x'/>", "a drawing in SVG"),
        (b"<?xml version='1.0'?><NativeDicomModel/>", "DICOM data in XML"),
        (b"MSH|^~\\&|A|B", "a message in HL7 version 2"),
        (b"\x1f\x8b\x08\0", "a gzip archive"),
        ("Größe, und so weiter\n".encode(), "text"),
    ],
)
def test_known_kinds_are_named_with_a_remedy(tmp_path: Path, data: bytes, title: str) -> None:
    message = refusal(tmp_path, data, "photo.jpg")
    assert f"photo.jpg is {title}" in message
    assert "cannot be converted by this version. " in message


@pytest.mark.parametrize(
    "data",
    [
        b"<?xml version='1.0'?><a/>",
        b"<?xml version='1.0'?>\n<!-- ClinicalDocument -->\n<a:b xmlns:a='urn:hl7-org:v3'>",
        b"\xef\xbb\xbf<ClinicalDocument xmlns='urn:other'/>",
        "\ufeff<?xml version='1.0' encoding='UTF-16'?><a/>".encode("utf-16-le"),
        b"<!DOCTYPE a [<!ENTITY x 'y'>]><a/>",
        b"<?xml version='1.0'?><!--" + b"x" * 5000 + b"--><a/>",
    ],
)
def test_other_xml_is_named_by_its_root(tmp_path: Path, data: bytes) -> None:
    message = refusal(tmp_path, data, "letter.xml")
    assert "is an XML document with the root element " in message
    assert "no clinical document" in message


@pytest.mark.parametrize(
    "data",
    [
        b"v 1 2 3 is what we said\nf 1 2 3\n",
        b"Dear all,\nv 1 2 3\nv 2 3 4\nf 1 2 3\n",
        b"newmtl is the word\nthat came first\n",
        b"solid work\nand no facets\n",
        b"solid",
        b"o\ng\ns\n",
        b"# a comment\n",
        b"<",
        b"< 3 > 2\n",
    ],
)
def test_text_is_not_taken_for_a_model(tmp_path: Path, data: bytes) -> None:
    assert "is text" in refusal(tmp_path, data, "notes.obj")


def test_a_tiff_is_never_taken_for_dicom(tmp_path: Path) -> None:
    for order in ("<", ">"):
        path = tmp_path / "scan.dcm"
        Image.new("L", (64, 64)).save(path, "TIFF", big_tiff=False, tiffinfo={270: f"order {order}"})
        assert identify(Source(path, tmp_path)).name == "tiff"


def test_every_kind_has_a_name_of_its_own_extension() -> None:
    taken = {extension for format in FORMATS for extension in format.extensions}
    for kind in (*known.KNOWN, *known.VAGUE):
        assert not taken & set(kind.extensions), kind.title
        assert all(extension == extension.lower() and extension[0] == "." for extension in kind.extensions)


# --- size ---------------------------------------------------------------------------------------------


def sparse_jpeg(path: Path) -> None:
    data = example("jpeg")
    scan = data.index(b"\xff\xda") + 14
    with path.open("wb") as file:
        file.write(data[:scan])
        file.seek(1 << 30, os.SEEK_CUR)
        file.write(data[-2:])


def sparse_pdf(path: Path) -> None:
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]/Contents 4 0 R>>",
        b"<</Length %d>>stream\n" % (1 << 30),
    ]
    with path.open("wb") as file:
        file.write(b"%PDF-1.4\n")
        offsets = []
        for number, text in enumerate(objects, 1):
            offsets.append(file.tell())
            file.write(b"%d 0 obj\n" % number + text)
            if text.endswith(b"stream\n"):
                file.seek(1 << 30, os.SEEK_CUR)
                file.write(b"\nendstream")
            file.write(b"\nendobj\n")
        table = file.tell()
        file.write(b"xref\n0 5\n0000000000 65535 f \n" + b"".join(b"%010d 00000 n \n" % at for at in offsets))
        file.write(b"trailer\n<</Size 5/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % table)


def large_cda(path: Path) -> None:
    data = example("cda")
    with path.open("wb") as file:
        file.write(data.removesuffix(b"</ClinicalDocument>") + b"<component><nonXMLBody><text>")
        for _ in range(64):
            file.write(b"QUJD" * (1 << 18))
        file.write(b"</text></nonXMLBody></component></ClinicalDocument>")


def large_stl(path: Path) -> None:
    facet = example("stl")[84:134]
    with path.open("wb") as file:
        file.write(bytes(80) + (64 << 14).to_bytes(4, "little"))
        for _ in range(64):
            file.write(facet * (1 << 14))


def sparse_dicom(path: Path) -> None:
    data = example("dicom")
    value = data.rindex(bytes(range(256)))
    with path.open("wb") as file:
        file.write(data[: value - 4] + (1 << 30).to_bytes(4, "little"))
        file.seek(1 << 30, os.SEEK_CUR)
        file.truncate()


MEASURE = """
import re, sys
from pathlib import Path
from gateway.config import Reading
from gateway.formats import probe
from gateway.model import Source
path = Path(sys.argv[1])
found = probe(Source(path, path.parent), Reading())
status = Path("/proc/self/status").read_text()
print(found.content.length, int(re.search(r"VmHWM:\\s+(\\d+) kB", status)[1]) // 1024)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak of a process from /proc")
@pytest.mark.parametrize("write", [sparse_jpeg, sparse_pdf, sparse_dicom])
def test_a_file_of_a_gibibyte_is_probed_in_constant_memory(
    tmp_path: Path, write: Callable[[Path], None]
) -> None:
    path = tmp_path / "large"
    write(path)
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, str(path)], capture_output=True, text=True, check=True
    )
    length, megabytes = map(int, done.stdout.split())
    assert length == path.stat().st_size > 1 << 30
    assert megabytes < 80


@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak of a process from /proc")
@pytest.mark.parametrize("write", [large_cda, large_stl])
def test_a_file_that_is_read_to_its_end_is_read_in_constant_memory(
    tmp_path: Path, write: Callable[[Path], None]
) -> None:
    path = tmp_path / "large"
    write(path)
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, str(path)], capture_output=True, text=True, check=True
    )
    length, megabytes = map(int, done.stdout.split())
    assert length == path.stat().st_size > 50 << 20
    assert megabytes < 80


def test_telling_formats_apart_loads_no_library() -> None:
    code = (
        "import sys, gateway.formats\nprint(*({'PIL', 'av', 'numpy', 'pypdf', 'pydicom'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
