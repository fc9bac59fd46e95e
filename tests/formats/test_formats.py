"""What every format must do, run over all of them, and how files are told apart."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from functools import cache
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
MADE = {"dicom": examples.dicom, "jpeg": examples.jpeg, "pdf": examples.pdf}


@cache
def example(name: str) -> bytes:
    """A valid file of the format with this name."""
    if name in MADE:
        return MADE[name]()
    extension = next(format.extensions[0] for format in FORMATS if format.name == name)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"clip{extension}"
        codec = "mpeg2" if extension == ".mpg" else "h264"
        size = (720, 576) if codec == "mpeg2" else (64, 48)
        return make_video(
            path, codec=codec, profile="high" if codec == "h264" else None, size=size
        ).read_bytes()


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
    found = probe(source(tmp_path, "file.png", example(format.name)), Reading())
    assert found.messages[0] == f"file.png is {format.title} by its content; its name says PNG"


@ALL
def test_what_the_user_says_it_is_must_be_true(tmp_path: Path, format: Format) -> None:
    made = source(tmp_path, "file", example(format.name))
    names = {format.name, format.media_type, format.media_type.upper() + "; x=y", *format.aliases}
    for token in (*names, *format.extensions, *(extension[1:] for extension in format.extensions)):
        assert probe(made, Reading(media_type=token)).format == format.name
    for token in ("image/png", "nonsense", ""):
        with pytest.raises(Reject, match=rf"file is {format.title} by its content, not {token} as"):
            probe(made, Reading(media_type=token))


@ALL
@pytest.mark.parametrize("part", [0.6, 0.75, 0.9, 0.97])
def test_a_truncated_file_is_refused_in_words(tmp_path: Path, format: Format, part: float) -> None:
    data = example(format.name).rstrip(b"\n")
    data = data[: int(len(data) * part)]
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
    made = source(
        tmp_path, "file", data[:200] if format.kind is Kind.DICOM else data[: len(data) * 2 // 3 + 100]
    )

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
    assert "though its name says STL" in refusal(tmp_path, b"\1\2\3\4" * 100, "part.stl")


# --- kinds that are refused by name -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("small/bmp.bmp", "BMP"),
        ("small/gif.gif", "GIF"),
        ("small/jpeg2.jp2", "JPEG 2000"),
        ("small/jxl.jxl", "JPEG XL"),
        ("small/png-transparent.png", "PNG"),
        ("small/png-truncated.png", "PNG"),
        ("jpeg2000/file1.jp2", "JPEG 2000"),
        ("jpeg2000/p0_06.j2k", "JPEG 2000"),
        ("tiff/smile.tiff", "TIFF"),
        ("tiff/smile-lzw.tiff", "TIFF"),
    ],
)
def test_real_files_of_known_kinds_are_named(samples: Path, path: str, name: str) -> None:
    with pytest.raises(Reject, match=f"; {name} cannot be converted by this version. "):
        probe(Source(samples / path, samples), Reading())


@pytest.mark.parametrize("writer", ["PNG", "GIF", "BMP", "TIFF", "WEBP", "PPM", "JPEG2000", "ICO", "AVIF"])
def test_pictures_that_pillow_writes_are_named(tmp_path: Path, writer: str) -> None:
    path = tmp_path / "picture.jpg"
    try:
        examples.picture(size=(32, 32)).save(path, writer)
    except (OSError, KeyError):
        pytest.skip(f"this Pillow does not write {writer}")
    with pytest.raises(Reject, match="cannot be converted by this version") as caught:
        probe(Source(path, tmp_path), Reading())
    names = {"JPEG2000": "JPEG 2000", "WEBP": "WebP", "PPM": "Netpbm"}
    assert f"; {names.get(writer, writer)} cannot" in str(caught.value)


@pytest.mark.parametrize(
    ("data", "title"),
    [
        (b"\xff\xd8\xff\xf7\0\x0b\x08\0\1\0\1\1\1\x11\0", "a JPEG-LS picture"),
        (b"II+\0\x08\0\0\0", "a TIFF picture"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "a HEIC or HEIF picture"),
        (b"\0\0\0\x14ftypqt  \0\0\0\0qt  ", "a QuickTime movie"),
        (b"\0\0\x10\0moov\0\0\0\x6cmvhd", "a QuickTime movie"),
        (b"\0\0\0\x18ftypM4A \0\0\0\0isomM4A ", "a sound file"),
        (b"\0\0\0\x18ftyp3gp4\0\0\0\x003gp4", "a media file of the MP4 family"),
        (b"RIFF\0\0\0\0AVI LIST", "an AVI video"),
        (b"RIFF\0\0\0\0WAVEfmt ", "a sound file"),
        (b"\x1aE\xdf\xa3\x01\0\0\0", "a Matroska or WebM video"),
        (b"0&\xb2u\x8ef\xcf\x11\xa6\xd9", "a Windows Media video"),
        (b"\0\0\0\1\x67\x64\0\x1f", "a bare H.264 or HEVC stream"),
        (b"\0\0\1\xb3\x2d\x02\x40\x33", "a bare MPEG video stream"),
        (b"PK\3\4\x14\0\x06\0\x08\0[Content_Types].xml...word/document.xml", "a Word document"),
        (b"PK\3\4\x14\0\0\0mimetypeapplication/vnd.oasis.opendocument.text", "an OpenDocument file"),
        (b"PK\3\4\x14\0\0\0photo.jpg", "a ZIP archive"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\0\0", "an old Office document"),
        (b"{\\rtf1\\ansi}", "a rich text document"),
        (b"<!DOCTYPE html><html>%PDF-1.4</html>", "a web page"),
        (b"\xef\xbb\xbf\n<?xml version='1.0'?><svg xmlns='x'/>", "a drawing in SVG"),
        (
            b"<?xml version='1.0'?>\n<!-- x -->\n<ClinicalDocument xmlns='urn:hl7-org:v3'>",
            "a clinical document (CDA)",
        ),
        (b"<?xml version='1.0'?><NativeDicomModel/>", "DICOM data in XML"),
        (b"<?xml version='1.0'?><a/>", "an XML document"),
        (b"MSH|^~\\&|A|B", "a message in HL7 version 2"),
        (b"solid part\n facet normal 0 0 1\n", "an STL model"),
        (b"# made by x\nmtllib x.mtl\no part\nv 0.0 1.0 -1.0\n", "an OBJ model"),
        (b"\x1f\x8b\x08\0", "a gzip archive"),
        (b"\x08\0\x05\0CS\x0a\0ISO_IR 192", "DICOM data without the preamble"),
        (b"\x08\0\x16\0\x1a\0\0\x001.2.840.10008", "DICOM data without the preamble"),
        (b"\0\x08\0\x16UI\0\x1a1.2.840.10008", "DICOM data without the preamble"),
        (b"\x02\0\0\0UL\4\0\xc0\0\0\0\x02\0\x01\0OB", "DICOM data without the preamble"),
        (b"DICM\x02\0\0\0UL\4\0", "DICOM data without the preamble"),
        ("Größe, und so weiter\n".encode(), "text"),
    ],
)
def test_known_kinds_are_named_with_a_remedy(tmp_path: Path, data: bytes, title: str) -> None:
    message = refusal(tmp_path, data, "photo.jpg")
    assert f"photo.jpg is {title}" in message
    assert "cannot be converted by this version. " in message


@pytest.mark.parametrize("suffix", [".mov", ".avi", ".mkv", ".h264", ".hevc", ".m2v", ".webm", ".flv"])
def test_videos_of_other_containers_are_named(tmp_path: Path, suffix: str) -> None:
    codec = {".hevc": "hevc", ".m2v": "mpeg2", ".webm": "vp9", ".flv": "h264"}.get(suffix, "h264")
    path = make_video(tmp_path / f"clip{suffix}", codec=codec)
    named = {
        ".mov": "QuickTime", ".avi": "AVI", ".mkv": "Matroska", ".h264": "bare H.264", ".hevc": "bare H.264",
        ".m2v": "bare MPEG video", ".webm": "Matroska", ".flv": "Flash video",
    }  # fmt: skip
    with pytest.raises(Reject, match=named[suffix]):
        probe(Source(path, tmp_path), Reading())


def test_a_tiff_is_never_taken_for_dicom(tmp_path: Path) -> None:
    for order in ("<", ">"):
        path = tmp_path / "scan.dcm"
        Image.new("L", (64, 64)).save(path, "TIFF", big_tiff=False, tiffinfo={270: f"order {order}"})
        with pytest.raises(Reject, match="is a TIFF picture"):
            identify(Source(path, tmp_path))


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


def test_telling_formats_apart_loads_no_library() -> None:
    code = (
        "import sys, gateway.formats\nprint(*({'PIL', 'av', 'numpy', 'pypdf', 'pydicom'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
