"""Small files of every kind that is stored, for `matrix.py`, made by libraries that are not under test."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from struct import pack

import examples
import videos
from gateway.config import Lossless, Reading, Sound

SIZE = (45, 35)
"""Columns and rows: no whole blocks, and enough for the wavelets of JPEG 2000."""


@dataclass(frozen=True)
class Input:
    """A kind of file: what it is called, how it is made, and how it is read."""

    name: str
    file: str
    make: Callable[[Path], object]
    reading: Reading = Reading()


def _saved(mode: str, form: str, **options: object) -> Callable[[Path], object]:
    """A picture written by Pillow."""
    return lambda path: examples.picture(mode, SIZE).save(path, form, **options)


def _frames(mode: str, form: str, count: int = 3, **options: object) -> Callable[[Path], object]:
    """Several pictures written by Pillow, each of another brightness."""

    def write(path: Path) -> None:
        pictures = [
            examples.picture(mode, SIZE).point(lambda value, n=n: (value + 40 * n) % 256)
            for n in range(count)
        ]
        pictures[0].save(path, form, save_all=True, append_images=pictures[1:], **options)

    return write


def _turned(orientation: int, size: tuple[int, int] = SIZE) -> Callable[[Path], object]:
    def write(path: Path) -> None:
        picture = examples.picture(size=size)
        exif = picture.getexif()
        exif[0x0112] = orientation
        picture.save(path, "JPEG", exif=exif)

    return write


def _jpegls(near: int = 0, *, grey: bool = False) -> Callable[[Path], object]:
    def write(path: Path) -> None:
        import jpeg_ls
        import numpy as np

        pixels = np.asarray(examples.picture("L" if grey else "RGB", SIZE))
        path.write_bytes(jpeg_ls.encode_array(pixels, lossy_error=near, interleave_mode=0 if grey else 2))

    return write


def _deep(form: str, count: int = 1) -> Callable[[Path], object]:
    """Grey of 16 bits."""

    def write(path: Path) -> None:
        import numpy as np
        from PIL import Image

        ramp = np.arange(SIZE[0] * SIZE[1], dtype=np.uint16).reshape(SIZE[1], SIZE[0]) * 41
        pictures = [Image.fromarray(ramp + number) for number in range(count)]
        more = {"save_all": True, "append_images": pictures[1:]} if count > 1 else {}
        pictures[0].save(path, form, **more)

    return write


def _plugged(plugin: str, write: Callable[[Path], object]) -> Callable[[Path], object]:
    """A picture that Pillow writes with a plug-in."""

    def load_and_write(path: Path) -> None:
        if plugin == "heif":
            import pillow_heif

            pillow_heif.register_heif_opener()
        else:
            import pillow_jxl  # noqa: F401 - registers itself
        write(path)

    return load_and_write


def _jxl_of_jpeg(path: Path) -> None:
    """JPEG XL from which a JPEG can be made again, bit by bit."""
    import pillow_jxl  # noqa: F401 - registers itself
    from PIL import Image

    jpeg = path.with_suffix(".jpg")
    jpeg.write_bytes(examples.jpeg())
    with Image.open(jpeg) as picture:
        picture.save(path, "JXL", lossless_jpeg=True)
    jpeg.unlink()


def _video(**options: object) -> Callable[[Path], object]:
    return lambda path: videos.make_video(path, **options)  # type: ignore[arg-type]


def _text(*lines: str) -> Callable[[Path], object]:
    return lambda path: path.write_text("\n".join(lines) + "\n")


def _stl(path: Path) -> None:
    """Two triangles in binary."""
    triangle = pack("<12fH", 0, 0, 1, 0, 0, 0, 10, 0, 0, 0, 10, 0, 0)
    path.write_bytes(b"binary".ljust(80, b"\0") + pack("<L", 2) + triangle * 2)


CDA = """<?xml version="1.0" encoding="UTF-8"?>
<ClinicalDocument xmlns="urn:hl7-org:v3">
  <id root="1.2.276.0.76.4.1" extension="4711"/>
  <code code="34133-9" codeSystem="2.16.840.1.113883.6.1" displayName="Summarization of Episode Note"/>
  <title>Summary</title><effectiveTime value="20240531143000+0200"/>
  <component><nonXMLBody>
    <text mediaType="application/pdf" representation="B64">JVBERi0=</text>
  </nonXMLBody></component>
</ClinicalDocument>"""

TRANSCODE = Reading(transcode=True, sound=Sound.CONVERT)
AS_VIDEO = Reading(as_video=True)
CUT: dict[str, object] = {"quality_mode": "rates", "quality_layers": [8]}
ONE_SOUND = videos.Sound()
_JXL = _plugged("jxl", _saved("RGB", "JXL", lossless=True))

INPUTS: tuple[Input, ...] = (
    Input("JPEG, colour", "a.jpg", _saved("RGB", "JPEG")),
    Input("JPEG, grey", "a.jpg", _saved("L", "JPEG")),
    Input("JPEG, coded as RGB", "a.jpg", _saved("RGB", "JPEG", keep_rgb=True)),
    Input("JPEG, progressive", "a.jpg", _saved("RGB", "JPEG", progressive=True)),
    Input("JPEG, CMYK", "a.jpg", _saved("CMYK", "JPEG")),
    Input("JPEG, lying on its side", "a.jpg", _turned(6)),
    Input("JPEG, lying on its side, of whole blocks", "a.jpg", _turned(6, (64, 48))),
    Input("JPEG 2000, reversible", "a.jp2", _saved("RGB", "JPEG2000", mct=1)),
    Input("JPEG 2000, irreversible", "a.jp2", _saved("RGB", "JPEG2000", mct=1, irreversible=True)),
    Input("JPEG 2000, no colour transform", "a.j2k", _saved("RGB", "JPEG2000", mct=0)),
    Input("JPEG 2000, grey", "a.j2k", _saved("L", "JPEG2000")),
    Input("JPEG-LS, colour", "a.jls", _jpegls()),
    Input("JPEG-LS, grey, near-lossless", "a.jls", _jpegls(2, grey=True)),
    Input("JPEG XL", "a.jxl", _JXL),
    Input("JPEG XL, as it is", "a.jxl", _JXL, Reading(allow_jxl=True)),
    Input("JPEG XL of a JPEG, as it is", "a.jxl", _jxl_of_jpeg, Reading(allow_jxl=True)),
    Input("PNG, colour", "a.png", _saved("RGB", "PNG")),
    Input("PNG, colour, as JPEG-LS", "a.png", _saved("RGB", "PNG"), Reading(lossless=Lossless.JPEG_LS)),
    Input("PNG, colour, as JPEG 2000", "a.png", _saved("RGB", "PNG"), Reading(lossless=Lossless.JPEG_2000)),
    Input("PNG, colour, as RLE", "a.png", _saved("RGB", "PNG"), Reading(lossless=Lossless.RLE)),
    Input("PNG, transparent", "a.png", _saved("RGBA", "PNG")),
    Input("PNG, grey", "a.png", _saved("L", "PNG")),
    Input("PNG, 16 bit", "a.png", _deep("PNG")),
    Input("PNG, palette", "a.png", lambda path: examples.picture(size=SIZE).quantize(16).save(path, "PNG")),
    Input("BMP", "a.bmp", _saved("RGB", "BMP")),
    Input("TIFF", "a.tif", _saved("RGB", "TIFF")),
    Input("TIFF, 16 bit", "a.tif", _deep("TIFF")),
    Input("TIFF, pages, colour", "a.tif", _frames("RGB", "TIFF")),
    Input("TIFF, pages, grey", "a.tif", _frames("L", "TIFF")),
    Input("TIFF, pages, 16 bit", "a.tif", _deep("TIFF", 3)),
    Input("TIFF, pages, colour, as RLE", "a.tif", _frames("RGB", "TIFF"), Reading(lossless=Lossless.RLE)),
    Input("TIFF, pages, grey, as JPEG-LS", "a.tif", _frames("L", "TIFF"), Reading(lossless=Lossless.JPEG_LS)),
    Input("WebP, lossy", "a.webp", _saved("RGB", "WEBP")),
    Input("WebP, animated", "a.webp", _frames("RGB", "WEBP", lossless=True, duration=100)),
    Input("GIF", "a.gif", _saved("L", "GIF")),
    Input("GIF, animated", "a.gif", _frames("RGB", "GIF", duration=[100, 200, 300])),
    Input("GIF, animated, as video", "a.gif", _frames("RGB", "GIF", duration=[100, 200, 300]), AS_VIDEO),
    Input("WebP, animated, as video", "a.webp", _frames("RGB", "WEBP", duration=100), AS_VIDEO),
    Input("PNG, animated, as video", "a.png", _frames("RGB", "PNG", duration=40), AS_VIDEO),
    Input("JPEG 2000, layers cut off", "a.j2k", _saved("RGB", "JPEG2000", mct=1, **CUT)),
    Input("HEIC", "a.heic", _plugged("heif", _saved("RGB", "HEIF"))),
    Input("MP4, H.264", "a.mp4", _video(codec="h264")),
    Input("MP4, H.264, with sound", "a.mp4", _video(codec="h264", sound=ONE_SOUND)),
    Input("MP4, HEVC", "a.mp4", _video(codec="hevc")),
    Input("MP4, HEVC Main 10", "a.mp4", _video(codec="hevc", pixels="yuv420p10le")),
    Input("transport stream, H.264", "a.ts", _video(codec="h264")),
    Input("transport stream, MPEG-2", "a.ts", _video(codec="mpeg2", size=(720, 576))),
    Input("MP4, varying frame rate", "a.mp4", _video(codec="h264", frames=4, times=[0, 40, 120, 160])),
    Input("transport stream, HEVC", "a.ts", _video(codec="hevc")),
    Input("bare H.264", "a.h264", _video(codec="h264"), Reading(frame_rate=Fraction(25))),
    Input("QuickTime, H.264", "a.mov", _video(codec="h264")),
    Input("Matroska, H.264", "a.mkv", _video(codec="h264")),
    Input("AVI, H.264", "a.avi", _video(codec="h264")),
    Input("Matroska, VP9, transcoded", "a.mkv", _video(codec="vp9"), TRANSCODE),
    Input("AVI, Motion JPEG, transcoded", "a.avi", _video(codec="mjpeg", pixels="yuvj420p"), TRANSCODE),
    Input("PDF", "a.pdf", lambda path: path.write_bytes(examples.pdf(Title="Letter"))),
    Input("CDA", "a.xml", _text(CDA)),
    Input("STL", "a.stl", _stl),
    Input("STL, text", "b.stl", _text("solid a", "facet normal 0 0 1", "outer loop", "vertex 0 0 0",
                                      "vertex 1 0 0", "vertex 0 1 0", "endloop", "endfacet", "endsolid a")),
    Input("OBJ", "a.obj", _text("mtllib a.mtl", "v 0 0 0", "v 1 0 0", "v 0 1 0", "f 1 2 3")),
    Input("MTL", "a.mtl", _text("newmtl skin", "Kd 0.8 0.6 0.5")),
)  # fmt: skip
