"""What decoders give, turned into the samples that DICOM has: grey or red, green and blue, opaque."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

BAND = 1 << 20
"""Samples that are worked on at a time: sums need several times as much memory as the samples."""


TRANSPARENT = "is transparent in places; it is stored on white"
"""What is said of a picture that `flattened` has changed."""


def write(target: Path, samples: Array) -> None:
    """Writes rows of samples as a raw file: one byte each, or two with the lower one first."""
    with target.open("wb") as file:
        append(file, samples)


def append(file: BinaryIO, samples: Array) -> None:
    """Writes rows of samples behind what is in a raw file."""
    import numpy as np

    wanted = np.dtype("u1" if samples.dtype.itemsize == 1 else "<u2")
    file.write(np.ascontiguousarray(samples).astype(wanted, copy=False).tobytes())


def scaled(samples: Array, bits: int) -> Array:
    """Samples of at most 8 bits stretched to 8: no two values become the same."""
    if bits == 8:
        return samples
    import numpy as np

    top = (1 << bits) - 1
    table = np.array([(value * 255 + top // 2) // top for value in range(top + 1)], np.uint8)
    return table[samples]


def flattened(samples: Array, alpha: Array, bits: int) -> Array:
    """Colours or grey over white, as much of it as is not covered; both of `bits` bits.

    `alpha` has one value a pixel, `samples` one or three.
    """
    import numpy as np

    top = (1 << bits) - 1
    cover = alpha.astype(np.uint64)
    if samples.ndim > alpha.ndim:
        cover = cover[..., None]
    mixed = samples.astype(np.uint64) * cover + np.uint64(top) * (top - cover)
    return ((mixed + top // 2) // top).astype(samples.dtype)


def rgb_of_ycc(samples: Array, bits: int) -> Array:
    """Red, green and blue of luminance and colour differences over the full range (ITU-T T.871, 7)."""
    import numpy as np

    half, top = 1 << (bits - 1), (1 << bits) - 1
    luminance, blue, red = (samples[..., number].astype(np.float64) for number in range(3))
    blue -= half
    red -= half
    colours = (
        luminance + 1.402 * red,
        luminance - 0.344136 * blue - 0.714136 * red,
        luminance + 1.772 * blue,
    )
    return np.stack([np.clip(np.rint(each), 0, top) for each in colours], axis=-1).astype(samples.dtype)
