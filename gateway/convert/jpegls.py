"""JPEG-LS streams decoded by CharLS; `decode` runs in a child process."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from gateway.convert.decoding import needs
from gateway.convert.samples import BAND, append, rgb_of_ycc, scaled
from gateway.stream import Stream


@dataclass(frozen=True, slots=True)
class Frame:
    """What a stream says of its samples. `ycc` are luminance and colour differences."""

    rows: int
    columns: int
    samples: int
    bits: int
    ycc: bool = False


def decode(stream: Stream, frame: Frame, target: Path) -> tuple[str, ...]:
    """Decodes a stream into a raw file of grey or RGB samples, pixel by pixel; of at least 8 bits."""
    import numpy as np

    with needs("decoders", stream):
        from jpeg_ls import decode_buffer

    data, header = decode_buffer(b"".join(stream))
    values = np.frombuffer(data, "u1" if frame.bits <= 8 else "<u2")
    rows, columns, samples = frame.rows, frame.columns, frame.samples
    if samples > 1 and header["interleave_mode"] == 0:  # a plane for each colour
        values = np.moveaxis(values.reshape(samples, rows, columns), 0, -1)
    values = values.reshape(rows, columns, samples)
    step = max(1, BAND // columns)
    with target.open("wb") as file:
        for row in range(0, rows, step):
            band = values[row : row + step]
            band = scaled(band, frame.bits) if frame.bits < 8 else band
            append(file, rgb_of_ycc(band, max(8, frame.bits)) if frame.ycc else band)
    return ()
