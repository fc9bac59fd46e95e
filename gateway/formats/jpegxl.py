"""JPEG XL pictures (ISO/IEC 18181), bare or in boxes: decoded, or on request put into DICOM as they are.

Few archives can read JPEG XL yet, though PS3.5 8.2.15 has transfer syntaxes for it. Whether a picture
was compressed with loss follows from its header: the colours XYB and transformed blocks lose something,
samples coded as they are do not.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, BinaryIO

from gateway.config import Lossless, Reading
from gateway.convert import encode
from gateway.convert.decoding import SAID, Work, in_child
from gateway.convert.jpegxl import Decoded, Layout, check, decode
from gateway.convert.workshop import Workshop
from gateway.errors import Reject, Unfinished
from gateway.formats import jpegxl_header as headers
from gateway.formats.bits import Incomplete, Malformed
from gateway.formats.format import Format
from gateway.formats.jpeg_boxes import boxes, small
from gateway.formats.jpegxl_header import Header
from gateway.media_types import EXPLICIT_LITTLE, OCTETS
from gateway.model import Kind, LossyStep, Pixels, Probe, Source
from gateway.stream import FileSlice, FileStamp, Stream, open_file

SIGNATURE = b"\0\0\0\x0cJXL \r\n\x87\n"
"""The first box of a file that consists of boxes."""

_LOSSLESS, _OF_JPEG, _ANY = (f"1.2.840.10008.1.2.4.{end}" for end in (110, 111, 112))
_MAX_SIDE = 65_535
_MAX_BITS = 16
_BLACK, _FILTER = 4, 5
"""Kinds of extra channels without which the colours mean nothing (18181-1 table D.9)."""

_BYTES_A_SAMPLE = 64
"""Memory that the decoder takes at its worst: it works in floating point, on several copies."""

_JPEG, _JPEG_XL = "ISO_10918_1", "ISO_18181_1"
_UNTOLD = "does not say whether it was compressed with loss; it counts as if it had been"


@dataclass(slots=True)
class _Parts:
    """What a file consists of: the pieces of its codestream in order, and what else is of interest."""

    codestream: list[tuple[int, int]] = field(default_factory=list)
    is_jpeg: bool = False
    exif: bytes | None = None


def sniff(head: bytes) -> bool:
    """Whether these first bytes are those of a JPEG XL codestream, or of a file of boxes with one."""
    return head.startswith((headers.START, SIGNATURE))


def probe(source: Source, reading: Reading) -> Probe:
    """What a JPEG XL picture says of itself.

    Raises `Reject` for one that is damaged, and for what cannot be decoded without loss: animations,
    floating point numbers, colours of more than 8 bits.
    """
    from gateway.formats import exif

    path = source.path
    with open_file(path) as file:
        stamp = FileStamp.of(os.fstat(file.fileno()))
        try:
            parts = _parts(file, stamp.size)
            stream = Stream.of(
                *(FileSlice(path, start, end - start, stamp) for start, end in parts.codestream)
            )
            header = headers.read(stream.cut(0, min(headers.ENOUGH, stream.length)).read())
        except Incomplete as error:
            raise Unfinished(f"{path} is not whole: {error}. Copy it again") from error
        except Malformed as error:
            raise Reject(
                f"{path} is a damaged JPEG XL picture: {error}. Export or copy it again from where it came"
            ) from error
    if obstacle := _obstacle(header):
        raise Reject(f"{path} {obstacle}. Save it as a PNG picture and give that file")
    facts, fault = exif.read(parts.exif)
    base = Probe(
        source=source,
        format=FORMAT.name,
        kind=FORMAT.kind,
        media_type=OCTETS,
        transfer_syntax=EXPLICIT_LITTLE,
        content=Stream.of(FileSlice(path, 0, stamp.size, stamp)),
        pixels=_pixels(header, parts, stream.length),
        captured=facts["captured"],
        facts={"exif": facts},
        messages=tuple(what for what in (fault, *_said(header)) if what),
    )
    other = _decoded(base, header, reading.max_pixels)
    deep = header.bits > 8 and (not header.is_grey or header.extras)
    if reading.allow_jxl and header.orientation == 1 and not header.extras:
        as_it_is = _as_it_is(base, header, parts, stream, reading.max_pixels)
        return replace(as_it_is, otherwise=None if deep else other)
    if deep:
        raise Reject(
            f"{path} has colours or transparency of {header.bits} bits, which cannot be decoded exactly. "
            "Save it as a PNG picture and give that file"
        )
    return other


FORMAT = Format(
    name="jpegxl",
    title="a JPEG XL picture",
    short="JPEG XL",
    kind=Kind.IMAGE,
    media_type="image/jxl",
    extensions=(".jxl",),
    sniff=sniff,
    probe=probe,
    aliases=("jxl",),
)


def _parts(file: BinaryIO, size: int) -> _Parts:
    """Where the codestream of a file lies (18181-2 clause 9)."""
    parts = _Parts()
    if file.read(2) == headers.START:
        parts.codestream.append((0, size))
        return parts
    numbers: list[int] = []
    for kind, start, end in boxes(file, 0, size):
        if kind == b"jxlc":
            parts.codestream.append((start, end))
        elif kind == b"jxlp":
            numbers.append(int.from_bytes(small(file, start, min(start + 4, end)), "big"))
            parts.codestream.append((min(start + 4, end), end))
        elif kind == b"jbrd":
            parts.is_jpeg = True
        elif kind == b"Exif" and parts.exif is None:
            data = small(file, start, end)
            parts.exif = b"Exif\0\0" + data[4 + int.from_bytes(data[:4], "big") :]
    if not parts.codestream:
        raise Incomplete("it ends before its codestream")
    if numbers and numbers != [*range(len(parts.codestream) - 1), 1 << 31 | len(parts.codestream) - 1]:
        raise Incomplete("pieces of its codestream are missing")
    if not numbers and len(parts.codestream) > 1:
        raise Malformed("it has several codestreams")
    return parts


def _obstacle(header: Header) -> str | None:
    """Why a picture cannot become an object."""
    if max(header.columns, header.rows) > _MAX_SIDE:
        return (
            f"has {header.columns:,} x {header.rows:,} pixels, and a DICOM image has at most {_MAX_SIDE:,} "
            "in a row or column"
        )
    if header.is_animation:
        return "is an animation, which this version cannot convert"
    if header.is_float:
        return "has samples that are floating point numbers, which pictures in DICOM do not have"
    if header.bits > _MAX_BITS:
        return f"has samples of {header.bits} bits; the objects that pictures become have {_MAX_BITS} at most"
    if any(extra.associated for extra in header.extras):
        return "has colours that are mixed with their transparency already"
    if any(extra.kind in {_BLACK, _FILTER} for extra in header.extras):
        return "has colours for print or of a sensor, which this version cannot convert"
    return None


def _pixels(header: Header, parts: _Parts, length: int) -> Pixels:
    """The picture as it is decoded: upright, opaque, of at least 8 bits."""
    columns, rows = header.upright
    samples = 1 if header.is_grey else 3
    allocated = 8 if header.bits <= 8 else 16
    method = _method(header, parts)
    ratio = columns * rows * samples * allocated / 8 / length
    return Pixels(
        rows=rows,
        columns=columns,
        samples_per_pixel=samples,
        photometric_interpretation="MONOCHROME2" if header.is_grey else "RGB",
        bits_allocated=allocated,
        bits_stored=max(8, header.bits),
        planar_configuration=None if header.is_grey else 0,
        lossy=(LossyStep(float(f"{ratio:.4g}"), method),) if method else (),
    )


def _method(header: Header, parts: _Parts) -> str | None:
    """The method of the lossy compression that the picture went through, if it did."""
    if parts.is_jpeg:
        return _JPEG
    return None if header.modular and not header.is_xyb else _JPEG_XL


def _said(header: Header) -> list[str]:
    """What people should know of a picture in any form."""
    said = []
    if header.modular is None and not header.is_xyb:
        said.append(_UNTOLD)
    if not header.is_srgb:
        said.append("has other colours than those of sRGB, and no object says which; their values are kept")
    if unused := sum(extra.kind != headers.ALPHA for extra in header.extras):
        said.append(f"has {unused:,} extra channels that are not colours; they are left out")
    return said


def _decoded(base: Probe, header: Header, most: int) -> Probe:
    """The form in which the picture is decoded and stored without further loss."""
    plain = replace(base, messages=(*base.messages, SAID))
    return replace(plain, convert=partial(_decode, plain, _work(decode, header, most)))


def _decode(plain: Probe, work: Work[Decoded], shop: Workshop, lossless: Lossless) -> Probe:
    """Decodes the file in a child process, and stores what came out."""
    raw = shop.new(".raw")
    found = in_child(plain, work, shop, raw)
    pixels = plain.pixels
    if found.jpeg and pixels:  # the loss is that of the JPEG, and so is its ratio
        size = pixels.rows * pixels.columns * pixels.samples_per_pixel
        pixels = replace(pixels, lossy=(LossyStep(float(f"{size / found.jpeg:.4g}"), _JPEG),))
    done = replace(plain, pixels=pixels, messages=(*plain.messages, *found.messages))
    return encode.stored(done, raw, lossless, shop)


def _as_it_is(base: Probe, header: Header, parts: _Parts, stream: Stream, most: int) -> Probe:
    """The form in which the codestream goes into the object unchanged, once it has been seen to decode."""
    assert base.pixels is not None  # noqa: S101 - a picture has them
    colours = base.pixels.photometric_interpretation
    syntax = _ANY if base.pixels.lossy else _LOSSLESS
    if parts.is_jpeg:
        syntax = _OF_JPEG
        colours = "YBR_FULL_422" if not header.is_grey and header.ycc is not False else colours
    elif header.is_xyb and not header.is_grey:
        colours = "XYB"
    kept = replace(
        base,
        media_type=FORMAT.media_type,
        transfer_syntax=syntax,
        pixels=replace(base.pixels, bits_stored=header.bits, photometric_interpretation=colours),
    )
    work = _work(check, header, most)
    return replace(kept, convert=partial(_checked, kept, stream, work))


def _checked(kept: Probe, stream: Stream, work: Work[None], shop: Workshop, _lossless: Lossless) -> Probe:
    """The codestream itself, without the boxes, after a decoder has taken the file."""
    in_child(kept, work, shop, shop.new())
    return replace(kept, content=stream)


def _work(function: Any, header: Header, most: int) -> Work[Any]:
    """What the child process has to do."""
    columns, rows = header.upright
    samples = 1 if header.is_grey else 3
    layout = Layout(rows, columns, samples, max(8, header.bits), header.orientation)
    return Work(function, layout, columns * rows * (samples + 1), _BYTES_A_SAMPLE, most)
