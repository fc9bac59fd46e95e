"""Decoded pixels into the transfer syntax in which they are stored, without loss (PS3.5 8.2, A.4, G).

Pixels come as a raw file: the frames one after the other, each row by row and pixel by pixel, samples
of more than 8 bits in two bytes, the lower one first. One frame is in memory at a time.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gateway.config import Lossless
from gateway.convert.workshop import Workshop
from gateway.errors import Reject
from gateway.media_types import EXPLICIT_LITTLE, OCTETS
from gateway.model import Pixels, Probe
from gateway.stream import FileSlice, Stream

if TYPE_CHECKING:
    import numpy as np

_RLE_SEGMENTS = 15
"""Bytes of a pixel that RLE has room for (PS3.5 G.5)."""

_SMALLEST_JPEG_2000 = 32
"""Rows and columns that the five wavelet decompositions of the coder need."""

_BAND = 1 << 20
"""Bytes that are packed at a time: NumPy takes many times as much for it."""


class _DoesNotFit(Exception):
    """These pixels cannot be coded so: why, in words."""


@dataclass(frozen=True, slots=True)
class Coding:
    """A lossless transfer syntax, the media type of its pixels (PS3.18 Table 8.7.3-5), and its coder."""

    transfer_syntax: str
    media_type: str
    encode: Callable[[bytes, Pixels], bytes]


def stored(probe: Probe, raw: Path, lossless: Lossless, shop: Workshop) -> Probe:
    """The probe with its decoded pixels as the content of an object; `probe.pixels` says how they lie.

    The raw file is the content itself or is deleted. Pixels that would not get smaller (a few of them,
    or noise) may stay native. Raises `Reject` when the coder is not installed.
    """
    pixels = probe.pixels
    if pixels is None:
        raise ValueError("pixels that nothing is known of")
    whole = FileSlice.whole(raw)
    size = frame_size(pixels)
    if whole.length != size * (pixels.frames or 1):
        raise ValueError(f"{whole.length} bytes are not {pixels.frames or 1} frames of {size}")
    native = replace(
        probe,
        content=Stream.of(whole),
        transfer_syntax=EXPLICIT_LITTLE,
        media_type=OCTETS,
        frames=(),
        convert=None,
    )
    if lossless is Lossless.NATIVE:
        return native
    coding = _CODINGS[lossless]
    target = shop.new(".frames")
    try:
        content, frames = _encoded(whole, pixels, coding, target)
    except ImportError as error:
        target.unlink(missing_ok=True)
        raise Reject(
            f"{probe.source.path} is to be stored as {coding.media_type}, and what makes that is not "
            "installed: install the extra 'decoders' of stow-gateway, or have native pixels stored"
        ) from error
    except _DoesNotFit as error:
        target.unlink(missing_ok=True)
        told = f"is stored with native pixels, since {coding.media_type} cannot have them: {error}"
        return replace(native, messages=(*probe.messages, told))
    raw.unlink()
    return replace(
        probe,
        content=content,
        transfer_syntax=coding.transfer_syntax,
        media_type=coding.media_type,
        pixels=_as_coded(pixels, lossless),
        frames=frames,
        convert=None,
    )


def frame_size(pixels: Pixels) -> int:
    """Bytes of one frame that is not compressed."""
    return pixels.rows * pixels.columns * pixels.samples_per_pixel * pixels.bits_allocated // 8


def _as_coded(pixels: Pixels, lossless: Lossless) -> Pixels:
    """The pixels as their stream has them: JPEG 2000 turns colours (PS3.5 8.2.4)."""
    if lossless is Lossless.JPEG_2000 and pixels.photometric_interpretation == "RGB":
        return replace(pixels, photometric_interpretation="YBR_RCT")
    return pixels


def _encoded(
    whole: FileSlice, pixels: Pixels, coding: Coding, target: Path
) -> tuple[Stream, tuple[Stream, ...]]:
    """The compressed frames in a file, and where each of several is."""
    size = frame_size(pixels)
    lengths: list[int] = []
    with target.open("wb") as file:
        for start in range(0, whole.length, size):
            data = coding.encode(b"".join(whole.cut(start, size)), pixels)
            lengths.append(len(data))
            file.write(data)
    content = FileSlice.whole(target)
    if len(lengths) == 1:
        return Stream.of(content), ()
    return Stream.of(content), tuple(_cut(content, lengths))


def _cut(content: FileSlice, lengths: list[int]) -> Iterator[Stream]:
    start = 0
    for length in lengths:
        yield Stream.of(content.cut(start, length))
        start += length


# The coders


def _jpeg_ls(frame: bytes, pixels: Pixels) -> bytes:
    """A frame in JPEG-LS, its colours interleaved by sample (ITU-T T.87)."""
    from jpeg_ls import encode_buffer

    try:
        data = encode_buffer(
            _unsigned(frame, pixels),
            pixels.rows,
            pixels.columns,
            pixels.samples_per_pixel,
            pixels.bits_stored,
            interleave_mode=2 if pixels.samples_per_pixel > 1 else 0,
        )
    except RuntimeError as error:  # the coder has a buffer of twice the frame
        raise _DoesNotFit("they would become more than twice as large") from error
    return bytes(data)


def _unsigned(frame: bytes, pixels: Pixels) -> bytes:
    """The frame without the sign that fills the bits above those stored: JPEG-LS knows none."""
    if not pixels.pixel_representation or pixels.bits_stored == pixels.bits_allocated:
        return frame
    import numpy as np

    samples = np.frombuffer(frame, "<u2" if pixels.bits_allocated == 16 else "u1")
    mask = np.array((1 << pixels.bits_stored) - 1, samples.dtype)
    masked: bytes = np.bitwise_and(samples, mask).tobytes()
    return masked


def _jpeg_2000(frame: bytes, pixels: Pixels) -> bytes:
    """A frame as a JPEG 2000 codestream: the reversible wavelet, and for RGB the reversible colours."""
    from openjpeg.utils import encode_buffer

    if min(pixels.rows, pixels.columns) < _SMALLEST_JPEG_2000:
        raise _DoesNotFit(f"they are fewer than {_SMALLEST_JPEG_2000} rows or columns")

    colours = {"RGB": 1, "MONOCHROME2": 2}.get(pixels.photometric_interpretation, 0)
    return bytes(
        encode_buffer(
            frame,
            pixels.columns,
            pixels.rows,
            pixels.samples_per_pixel,
            pixels.bits_stored,
            bool(pixels.pixel_representation),
            photometric_interpretation=colours,
        )
    )


def _rle(frame: bytes, pixels: Pixels) -> bytes:
    """A frame in RLE: a segment for each byte of a pixel, the highest of each sample first (PS3.5 G.2)."""
    import numpy as np

    width = pixels.samples_per_pixel * pixels.bits_allocated // 8
    if width > _RLE_SEGMENTS:
        raise _DoesNotFit(f"RLE has {_RLE_SEGMENTS} bytes a pixel at most, and these have {width}")
    planes = np.frombuffer(frame, np.uint8).reshape(pixels.rows, pixels.columns, width)
    each = pixels.bits_allocated // 8
    order = [sample * each + byte for sample in range(pixels.samples_per_pixel) for byte in range(each)[::-1]]
    segments = [_packed(planes[:, :, number]) for number in order]
    offsets = [64 + sum(map(len, segments[:number])) for number in range(len(segments))]
    unused = [0] * (_RLE_SEGMENTS - len(segments))
    return struct.pack("<16L", len(segments), *offsets, *unused) + b"".join(segments)


def _packed(plane: np.ndarray[Any, Any]) -> bytes:
    """A segment: each row by itself, and a byte of padding where the length would be odd (PS3.5 G.3, G.4)."""
    step = max(1, _BAND // plane.shape[1])
    data = b"".join(pack_bits(plane[row : row + step]) for row in range(0, len(plane), step))
    return data + b"\0"[: len(data) % 2]


def pack_bits(rows: np.ndarray[Any, Any]) -> bytes:
    """Rows of bytes as PackBits, in which no run goes beyond its row (PS3.5 G.3.1).

    Three and more equal bytes are a replicate run, all others literal ones.
    """
    import numpy as np

    flat, columns = rows.reshape(-1), rows.shape[1]
    # Runs of equal bytes; then short ones that follow each other are one literal stretch.
    differs = np.append(True, flat[1:] != flat[:-1])
    differs[::columns] = True
    starts = np.flatnonzero(differs)
    repeated = np.diff(np.append(starts, flat.size)) >= 3
    begins = repeated | np.append(True, repeated[:-1]) | (starts % columns == 0)
    starts, repeated = starts[begins], repeated[begins]
    sizes = np.diff(np.append(starts, flat.size))
    # Runs of at most 128 bytes. A replicate run of one byte is written as the literal run that it is.
    counts = -(-sizes // 128)
    number = np.repeat(np.arange(starts.size), counts)
    within = 128 * (np.arange(number.size) - np.repeat(np.cumsum(counts) - counts, counts))
    lengths = np.minimum(sizes[number] - within, 128)
    repeated = repeated[number]
    written = np.where(repeated, 2, lengths + 1)
    heads = np.cumsum(written) - written
    # The source in its order, without what runs repeat, and a head before each run.
    kept = np.repeat(~repeated, lengths)
    kept[starts[number] + within] = True
    packed = np.empty(int(written.sum()), np.uint8)
    body = np.ones(packed.size, bool)
    body[heads] = False
    packed[heads] = np.where(repeated, 257 - lengths, lengths - 1) & 0xFF
    packed[body] = flat[kept]
    return packed.tobytes()


_CODINGS: Mapping[Lossless, Coding] = {
    Lossless.JPEG_LS: Coding("1.2.840.10008.1.2.4.80", "image/jls", _jpeg_ls),
    Lossless.JPEG_2000: Coding("1.2.840.10008.1.2.4.90", "image/jp2", _jpeg_2000),
    Lossless.RLE: Coding("1.2.840.10008.1.2.5", "image/dicom-rle", _rle),
}
