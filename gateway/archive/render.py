"""Pictures for people: what an object shows, as JPEG or PNG (PS3.18 8.7.4, Rendered Media Types)."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydicom.dataset import Dataset
from pydicom.multival import MultiValue

from gateway.archive.pixels import NotDecodable, Picture, decode, separate_frames
from gateway.dicom.frames import frames
from gateway.dicom.reader import Part10
from gateway.errors import GatewayError
from gateway.media_types import is_video
from gateway.stream import Stream

if TYPE_CHECKING:  # Pillow, PyAV and numpy are loaded when a picture is asked for
    from PIL.Image import Image

BASELINE_JPEG = "1.2.840.10008.1.2.4.50"
DEFAULT_QUALITY = 90

_CONTAINERS = {b"ftyp": "mp4", b"styp": "mp4", b"moov": "mp4"}


class NotRenderable(Exception):
    """An object that cannot be shown as a picture; the message is a sentence that says why."""


@dataclass(frozen=True, slots=True)
class Look:
    """How a picture is to be shown: the largest width and height, and center and width of a window."""

    viewport: tuple[int, int] | None = None
    window: tuple[float, float] | None = None
    quality: int = DEFAULT_QUALITY


def render(read: Part10, number: int, media_type: str, look: Look) -> bytes:
    """A frame, counted from 0, as `image/jpeg` or `image/png`.

    A video is shown by its first frame. Raises `NotRenderable`, and IndexError for a frame that is
    not there.
    """
    from PIL import Image

    try:
        image = _image(read, number, look.window)
        if look.viewport:
            image.thumbnail(look.viewport)
        buffer = io.BytesIO()
        if media_type == "image/png":
            image.save(buffer, "PNG")
        else:
            image.save(buffer, "JPEG", quality=look.quality)
    except (NotDecodable, GatewayError) as error:
        raise NotRenderable(str(error).replace(str(read.path), "The object")) from error
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise NotRenderable("The pixel data are damaged, or too large to be shown") from error
    return buffer.getvalue()


def _image(read: Part10, number: int, window: tuple[float, float] | None) -> Image:
    if is_video(read.transfer_syntax):
        if number:
            raise IndexError(number)
        return _first_of_video(frames(read)[0])
    frame = separate_frames(read)[number]
    photometric = str(read.dataset.get("PhotometricInterpretation", ""))
    if read.transfer_syntax == BASELINE_JPEG and photometric.startswith("YBR"):
        return _jpeg(frame)
    return _from_samples(read, decode(read, frame), window)


def _jpeg(frame: Stream) -> Image:
    """A colour JPEG; no window applies to it."""
    from PIL import Image

    return Image.open(io.BytesIO(frame.read()), formats=["JPEG"]).convert("RGB")


def _first_of_video(stream: Stream) -> Image:
    import av

    head = stream.cut(0, min(16, stream.length)).read()
    # never guessed: some of ffmpeg's formats name other files to be opened
    container_format = _CONTAINERS.get(head[4:8]) or ("mpegts" if head[:1] == b"G" else "mpeg")
    try:
        with av.open(_Reader(stream), "r", format=container_format) as container:
            for frame in container.decode(video=0):
                picture: Callable[[], Image] = frame.to_image
                return picture()
    except (av.error.FFmpegError, IndexError) as error:
        raise NotRenderable("The video cannot be decoded") from error
    raise NotRenderable("The video has no frames")


def _from_samples(read: Part10, picture: Picture, window: tuple[float, float] | None) -> Image:
    """Samples as they are meant to be seen (PS3.3 C.7.6.3.1.2, C.11.1, C.11.2)."""
    import numpy as np
    from PIL import Image
    from pydicom.pixels.processing import apply_color_lut

    samples = picture.samples
    if picture.photometric_interpretation == "PALETTE COLOR":
        samples = apply_color_lut(samples, read.dataset)
    if samples.ndim == 3:
        shift = max(0, samples.dtype.itemsize * 8 - 8)
        return Image.fromarray((samples >> shift).astype(np.uint8)[..., :3], "RGB")
    grey = _windowed(samples, read, window)
    if picture.photometric_interpretation == "MONOCHROME1":
        grey = 255 - grey
    return Image.fromarray(grey, "L")


def _windowed(samples: Any, read: Part10, window: tuple[float, float] | None) -> Any:
    """Grey values of 8 bits: by the window asked for, or the object's, or else from least to greatest."""
    import numpy as np
    from pydicom.pixels.processing import apply_modality_lut, apply_voi

    dataset = read.dataset
    values = apply_modality_lut(samples, dataset)
    window = window or _own_window(dataset)
    if window:
        center, width = window[0] - 0.5, max(window[1] - 1, 1e-9)
        low, high = center - width / 2, center + width / 2
    else:
        if dataset.get("VOILUTSequence"):
            values = apply_voi(values, dataset)
        whole_range = values.dtype == np.uint8
        low, high = (0.0, 255.0) if whole_range else (float(values.min()), float(values.max()))
    scaled = (values.astype(np.float64) - low) / max(high - low, 1e-9)
    return (np.clip(scaled, 0, 1) * 255 + 0.5).astype(np.uint8)


def _own_window(dataset: Dataset) -> tuple[float, float] | None:
    """The first window that the object itself names."""
    values = []
    for keyword in ("WindowCenter", "WindowWidth"):
        value = dataset.get(keyword)
        if isinstance(value, MultiValue):
            value = next(iter(value), None)
        if value in (None, ""):
            return None
        values.append(float(value))
    return values[0], values[1]


class _Reader(io.RawIOBase):
    """A stream as a file that can be read anywhere."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._stream.length}[whence]
        self._position = max(0, base + offset)
        return self._position

    def read(self, size: int = -1) -> bytes:
        left = max(0, self._stream.length - self._position)
        length = left if size < 0 else min(size, left)
        data = self._stream.cut(self._position, length).read() if length else b""
        self._position += length
        return data
