"""JPEG 2000 codestreams decoded: palettes looked up, colours turned to RGB, transparency laid over white.

`decode` runs in a child process. It is given what the headers say, and reads the codestream alone: what
decoders make of the boxes around it differs from one to the next.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gateway.convert.decoding import needs
from gateway.convert.samples import BAND, TRANSPARENT, append, flattened, rgb_of_ycc, scaled
from gateway.stream import Stream

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True)
class Channel:
    """Where one colour comes from: a component, or the column of a palette that it points into.

    `bits` and `signed` are those of the values that come out.
    """

    component: int
    bits: int
    signed: bool = False
    palette: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Layout:
    """What a picture consists of. `colours` are grey, or red, green and blue, or, with `ycc`, their like.

    `components` have the bits of each component of the codestream, and whether it is signed. `subsampled`
    colour differences have half the resolution of the luminance, across or both ways.
    """

    columns: int
    rows: int
    components: tuple[tuple[int, bool], ...]
    colours: tuple[Channel, ...]
    ycc: bool = False
    subsampled: bool = False
    alpha: Channel | None = None

    @property
    def bits(self) -> int:
        """Bits of a sample that comes out: samples of less than 8 are stretched to them."""
        return max(8, *(channel.bits for channel in self.colours))

    @property
    def alike(self) -> bool:
        """Whether all components have the same bits and sign."""
        return len(set(self.components)) == 1


def decode(codestream: Stream, layout: Layout, target: Path) -> tuple[str, ...]:
    """Decodes a codestream into a raw file of the samples that a layout describes.

    What is transparent is laid over white; that it was done is returned in words.
    The colours have the same bits, or at most 8 of them; so has the alpha channel.
    """
    planes = _alike(codestream, layout) if layout.alike else _different(codestream, layout)
    if planes.shape != (layout.rows, layout.columns, len(layout.components)):
        raise ValueError(f"the decoder found {planes.shape} samples")
    step = max(1, BAND // layout.columns)
    with target.open("wb") as file:
        for row in range(0, layout.rows, step):
            append(file, _samples(planes[row : row + step], layout))
    if layout.alpha is None:
        return ()
    top = (1 << layout.bits) - 1
    lowest = min(
        int(_channel(planes[row : row + step], layout.alpha, layout.bits).min())
        for row in range(0, layout.rows, step)
    )
    return (TRANSPARENT,) if lowest < top else ()


def _alike(codestream: Stream, layout: Layout) -> Array:
    """The values of all components, which have the same bits; signed ones raised to begin at 0.

    The decoder gives colour differences the resolution of the luminance, and then makes RGB of them.
    """
    import numpy as np

    with needs("decoders", codestream):
        from openjpeg.utils import decode as decoded

    (bits, signed), *_ = layout.components
    planes: Array = decoded(io.BytesIO(codestream.read()), j2k_format=0)
    planes = planes.reshape(*planes.shape[:2], -1)
    if not signed:
        return planes
    unsigned = np.dtype(f"u{planes.dtype.itemsize}")
    raised: Array = planes.view(unsigned) + unsigned.type(1 << (bits - 1))  # wraps around to what is meant
    return raised


def _different(codestream: Stream, layout: Layout) -> Array:
    """The values of components of at most 8 bits each, which Pillow stretches by zeros behind them."""
    import numpy as np
    from PIL import Image

    Image.MAX_IMAGE_PIXELS = None  # they were counted before
    with Image.open(io.BytesIO(codestream.read())) as opened:
        planes = np.asarray(opened).reshape(layout.rows, layout.columns, -1)
    shifts = np.array([8 - bits for bits, _ in layout.components], np.uint8)
    values: Array = planes >> shifts
    return values


def _samples(planes: Array, layout: Layout) -> Array:
    """Grey or RGB samples of some rows."""
    import numpy as np

    channels = [_channel(planes, channel, layout.bits) for channel in layout.colours]
    samples = np.stack(channels, axis=-1) if len(channels) > 1 else channels[0]
    if layout.ycc and not layout.subsampled:
        samples = rgb_of_ycc(samples, layout.bits)
    if layout.alpha:
        samples = flattened(samples, _channel(planes, layout.alpha, layout.bits), layout.bits)
    return samples


def _channel(planes: Array, channel: Channel, bits: int) -> Array:
    """The values of one channel, of `bits` bits."""
    import numpy as np

    values = planes[..., channel.component]
    if channel.palette:
        raised = 1 << (channel.bits - 1) if channel.signed else 0
        table = np.array(channel.palette, np.int64) + raised
        values = table[np.minimum(values, len(table) - 1)]  # as T.800 I.5.3.4 has it
        values = values.astype(np.uint8 if channel.bits <= 8 else np.uint16)
    return scaled(values, channel.bits) if bits == 8 else values
