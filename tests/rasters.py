"""Pictures that Pillow does not write, and what becomes of pictures."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from PIL.Image import Exif

from gateway.config import Lossless, Reading
from gateway.convert import child
from gateway.convert.workshop import Workshop
from gateway.errors import GatewayError
from gateway.formats import Format
from gateway.model import Pixels, Probe, Source

Array = np.ndarray[Any, Any]


def noise(rows: int = 13, columns: int = 21, samples: int = 3, bits: int = 8, seed: int = 1) -> Array:
    """Random samples: what is not kept exactly shows."""
    shape = (rows, columns, samples)[: 3 if samples > 1 else 2]
    kind = np.uint8 if bits == 8 else np.uint16
    return np.random.default_rng(seed).integers(0, 1 << bits, shape).astype(kind)


def saved(image: Array | Image.Image, format: str, **options: Any) -> bytes:
    """A picture in a format that Pillow writes."""
    picture = image if isinstance(image, Image.Image) else Image.fromarray(image)
    file = io.BytesIO()
    picture.save(file, format, **options)
    return file.getvalue()


def lying(orientation: int, taken: str = "") -> Exif:
    """EXIF data that say how a picture lies, and when it was taken."""
    exif = Exif()
    exif[274] = orientation
    if taken:
        exif.get_ifd(0x8769)[36867] = taken
    return exif


def upright(pixels: Array, orientation: int) -> Array:
    """Pixels turned as Pillow does it."""
    from PIL import ImageOps

    image = Image.fromarray(pixels)
    image.getexif()[274] = orientation
    return np.asarray(ImageOps.exif_transpose(image))


def in_process(function: Any, *args: Any, **limits: Any) -> Any:
    """Stands for a child process where nothing hostile is decoded."""
    return function(*args)


def probed(folder: Path, format: Format, data: bytes, **reading: Any) -> Probe:
    """The probe of a file of these bytes."""
    path = folder / "picture"
    path.write_bytes(data)
    assert format.sniff(data[:4096])
    return format.probe(Source(path, folder), Reading(**reading))


def converted(folder: Path, found: Probe, *, isolated: bool = False) -> tuple[Probe, Array]:
    """What a probe becomes with native pixels, and those: frames, rows, columns, samples."""
    assert found.convert is not None
    run = child.run
    try:
        child.run = child.run if isolated else in_process
        with Workshop(folder) as shop:
            result = found.convert(shop, Lossless.NATIVE)
            assert result.pixels is not None
            data = result.content.read()
    finally:
        child.run = run
    assert (result.transfer_syntax, result.convert) == ("1.2.840.10008.1.2.1", None)
    return result, samples_of(data, result.pixels)


def samples_of(data: bytes, pixels: Pixels) -> Array:
    """Raw pixels as an array."""
    kind = "<u2" if pixels.bits_allocated == 16 else "u1"
    shape = (pixels.frames or 1, pixels.rows, pixels.columns, pixels.samples_per_pixel)
    return np.frombuffer(data, kind).reshape(shape)


def decoded(folder: Path, format: Format, data: bytes, **reading: Any) -> tuple[Probe, Array]:
    """What a file becomes with native pixels, and its only frame or all of them."""
    result, values = converted(folder, probed(folder, format, data, **reading))
    if result.pixels and result.pixels.frames is None:
        values = values[0]
    return result, values[..., 0] if values.shape[-1] == 1 else values


def survive(folder: Path, format: Format, data: bytes) -> None:
    """Decodes what may be damaged: into pixels, or a refusal that names the file."""
    refused = ""
    try:
        converted(folder, probed(folder, format, data, max_pixels=1 << 20))
    except GatewayError as error:
        refused = str(error)
    assert not refused or str(folder) in refused


def on_white(colours: Array, cover: Array) -> Array:
    """Colours on white paper, without rounding."""
    most = float(np.iinfo(colours.dtype).max)
    alpha = cover[..., None] / most if colours.ndim == 3 else cover / most
    return np.asarray(colours * alpha + most * (1 - alpha))


def png_chunk(kind: bytes, value: bytes) -> bytes:
    """A chunk of a PNG with its sum."""
    return struct.pack(">L", len(value)) + kind + value + struct.pack(">L", zlib.crc32(kind + value))


def deep_png(samples: Array, extra: bytes = b"") -> bytes:
    """A PNG of 16 bits: grey, grey and alpha, RGB or RGBA by the number of samples."""
    rows, columns = samples.shape[:2]
    count = 1 if samples.ndim == 2 else samples.shape[2]
    header = struct.pack(">LLBBBBB", columns, rows, 16, {1: 0, 2: 4, 3: 2, 4: 6}[count], 0, 0, 0)
    lines = b"".join(b"\0" + line.astype(">u2").tobytes() for line in samples)
    data = png_chunk(b"IHDR", header) + extra + png_chunk(b"IDAT", zlib.compress(lines))
    return b"\x89PNG\r\n\x1a\n" + data + png_chunk(b"IEND", b"")


def tiff(
    samples: Array,
    photometric: int,
    *,
    order: str = "<",
    deflated: bool = False,
    bits: int | None = None,
    planes: int = 1,
    following: int = 0,
    tags: Sequence[tuple[int, int, Sequence[int]]] = (),
) -> bytes:
    """A TIFF of one page in one strip, or one for each plane; `tags` are a tag, its type (3 or 4), values."""
    rows, columns = samples.shape[:2]
    count = 1 if samples.ndim == 2 else samples.shape[2]
    parts = [samples] if planes == 1 else [samples[:, :, plane] for plane in range(count)]
    strips = [part.astype(part.dtype.newbyteorder(order)).tobytes() for part in parts]
    strips = [zlib.compress(strip) if deflated else strip for strip in strips]
    places = [8 + sum(map(len, strips[:number])) for number in range(len(strips))]
    entries: dict[int, tuple[int, Sequence[int]]] = {
        256: (4, [columns]),
        257: (4, [rows]),
        258: (3, [bits or samples.dtype.itemsize * 8] * count),
        259: (3, [8 if deflated else 1]),
        262: (3, [photometric]),
        273: (4, places),
        277: (3, [count]),
        278: (4, [rows]),
        279: (4, [len(strip) for strip in strips]),
        284: (3, [planes]),
    }
    entries |= {tag: (kind, values) for tag, kind, values in tags}
    data = b"".join(strips)
    start = 8 + len(data)
    behind = start + 2 + 12 * len(entries) + 4
    tail = b""
    body = struct.pack(f"{order}H", len(entries))
    for tag, (kind, values) in sorted(entries.items()):
        value = struct.pack(f"{order}{len(values)}{'H' if kind == 3 else 'L'}", *values)
        if len(value) > 4:
            value, tail = struct.pack(f"{order}L", behind + len(tail)), tail + value
        body += struct.pack(f"{order}HHL", tag, kind, len(values)) + value.ljust(4, b"\0")
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}L", start)
    return head + data + body + struct.pack(f"{order}L", following) + tail
