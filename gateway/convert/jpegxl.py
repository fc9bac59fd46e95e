"""JPEG XL decoded by libjxl; `decode` and `check` run in a child process."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gateway.convert.decoding import needs, path_of
from gateway.convert.raster import turned
from gateway.convert.samples import BAND, TRANSPARENT, append, flattened
from gateway.errors import Reject
from gateway.stream import Stream

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True)
class Layout:
    """What comes out, upright. `bits` are those of a sample, more than 8 only in grey without transparency.

    `orientation` is how the picture lies (EXIF tag 274), for JPEG that is restored: its decoder leaves it.
    """

    rows: int
    columns: int
    samples: int
    bits: int
    orientation: int = 1


@dataclass(frozen=True, slots=True)
class Decoded:
    """What is to be said of what was done, and the bytes of the JPEG that was restored, 0 if none was."""

    messages: tuple[str, ...] = ()
    jpeg: int = 0


def decode(file: Stream, layout: Layout, target: Path) -> Decoded:
    """Decodes a file into a raw one of the samples that a layout describes."""
    pixels, jpeg = _pixels(file, layout)
    if pixels.shape[:2] != (layout.rows, layout.columns) or pixels.shape[2] - layout.samples not in {0, 1}:
        raise ValueError(f"the decoder found {pixels.shape} samples")
    has_alpha = pixels.shape[2] > layout.samples
    step = max(1, BAND // layout.columns)
    transparent = False
    with target.open("wb") as raw:
        for row in range(0, layout.rows, step):
            band = pixels[row : row + step]
            if has_alpha:
                alpha = band[..., -1]
                transparent = transparent or int(alpha.min()) < (1 << layout.bits) - 1
                band = flattened(band[..., :-1], alpha, layout.bits)
            append(raw, _unstretched(band, layout.bits))
    return Decoded((TRANSPARENT,) if transparent else (), jpeg)


def check(file: Stream, layout: Layout, _target: Path) -> None:
    """Decodes a file to see that it can be, and is the picture that its header describes."""
    pixels, _ = _pixels(file, layout)
    if pixels.shape != (layout.rows, layout.columns, layout.samples):
        raise ValueError(f"the decoder found {pixels.shape} samples")


def _pixels(file: Stream, layout: Layout) -> tuple[Array, int]:
    """Rows of pixels as the decoder gives them, and the bytes of the JPEG that they come from, if any."""
    import numpy as np

    with needs("decoders", file):
        from pillow_jxl import Decoder
    try:
        is_jpeg, info, decoded, *_ = Decoder(num_threads=0)(file.read())
    except RuntimeError as error:
        raise Reject(
            f"{path_of(file)} is damaged or not whole: no JPEG XL decoder takes it. Copy or export it again"
        ) from error
    if is_jpeg:
        return _jpeg(decoded, layout), len(decoded)
    kind = "<u2" if info.mode == "I;16" else "u1"
    if info.mode not in {"L", "LA", "RGB", "RGBA", "I;16"}:
        raise ValueError(f"its pixels are {info.mode}")
    return np.frombuffer(decoded, kind).reshape(info.height, info.width, -1), 0


def _jpeg(data: bytes, layout: Layout) -> Array:
    """The pixels of a JPEG picture, upright."""
    import numpy as np
    from PIL import Image

    Image.MAX_IMAGE_PIXELS = None  # they were counted before
    with Image.open(io.BytesIO(data)) as opened:
        pixels = np.asarray(opened)
    upright = turned(pixels, layout.orientation)
    return upright.reshape(*upright.shape[:2], -1)


def _unstretched(samples: Array, bits: int) -> Array:
    """Samples of more than 8 bits with their own values again, which the decoder stretches to 16 bits."""
    if bits in {8, 16}:
        return samples
    import numpy as np

    values: Array = (samples.astype(np.uint32) * ((1 << bits) - 1) + 0x7FFF) // 0xFFFF
    return values.astype("<u2")
