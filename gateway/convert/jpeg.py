"""JPEG pictures recoded and turned without loss, or decoded upright.

`recode` and `decode` run in a child process. They take a stream that is known to be whole, since the
libraries fill in silently what is missing.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gateway.convert.samples import BAND, append, rgb_of_ycc

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image

    Array = np.ndarray[Any, Any]

_LIBJPEG = "turbo210"
"""The variant of libjpeg that reads arithmetic coding and writes baseline pictures."""

_START, _FRAME, _SCAN = b"\xff\xd8", 0xC0, 0xDA
_APPLICATION = range(0xE0, 0xF0)

_DEEPEST_TABLE = 255
"""Largest value of a quantization table of one byte, which baseline pictures have (T.81 B.2.4.1)."""


@dataclass(frozen=True, slots=True)
class Turn:
    """How a picture is put upright: columns made rows first, then mirrored, then put upside down."""

    transposed: bool = False
    mirrored: bool = False
    flipped: bool = False


TURNS = {
    1: Turn(),
    2: Turn(mirrored=True),
    3: Turn(mirrored=True, flipped=True),
    4: Turn(flipped=True),
    5: Turn(transposed=True),
    6: Turn(transposed=True, mirrored=True),
    7: Turn(transposed=True, mirrored=True, flipped=True),
    8: Turn(transposed=True, flipped=True),
}
"""What each EXIF orientation (tag 274) asks for."""


def whole_blocks(rows: int, columns: int, sampling: Sequence[tuple[int, int]], turn: Turn) -> bool:
    """Whether a picture can be turned as it is coded.

    Blocks that reach over an edge do so on the right and below; they cannot be on the other side. An
    edge that stays on its side, or becomes the other one of the two, may have such blocks. `sampling`
    has the factors of each component, across and down.
    """
    widest, tallest = (max(factors[axis] for factors in sampling) for axis in (0, 1))
    mirrored, flipped = turn.mirrored, turn.flipped
    if turn.transposed:  # mirrored are then the columns that were rows
        mirrored, flipped = flipped, mirrored
    return not (
        (mirrored and any(columns * across % (8 * widest) for across, _ in sampling))
        or (flipped and any(rows * down % (8 * tallest) for _, down in sampling))
    )


# Recoded


def recode(source: Path, target: Path, orientation: int, numbers: bytes, head: bytes) -> bool:
    """Writes the coefficients of a JPEG, put upright, as a baseline JPEG of Huffman coding.

    `numbers` are those of its components, which tell colours, and `head` is what stands at its start:
    whole segments. False where there is no baseline picture of these coefficients. Raises OSError for a
    picture that cannot be read.
    """
    import jpeglib

    jpeglib.version.set(_LIBJPEG)
    try:
        picture = _turned(jpeglib.read_dct(str(source)), TURNS[orientation])
    except OSError as error:
        raise OSError("libjpeg cannot read its coefficients") from error
    if any(table.max() > _DEEPEST_TABLE for table in picture.qt):
        return False
    try:
        picture.write_dct(str(target), flags=["+OPTIMIZE_CODING"])
    except OSError:  # coefficients that only other processes can have
        return False
    target.write_bytes(_dressed(target.read_bytes(), numbers, head))
    return _equal(picture, jpeglib.read_dct(str(target)))


def _turned(picture: Any, turn: Turn) -> Any:
    """A picture of jpeglib with its coefficients, tables and sampling turned; no longer tied to its file."""
    import jpeglib
    import numpy as np

    colour = picture.has_chrominance
    coefficients = [picture.Y, picture.Cb, picture.Cr] if colour else [picture.Y]
    tables = [np.array(picture.get_component_qt(number)) for number in range(len(coefficients))]
    picture.Y, picture.Cb, picture.Cr = ([_blocks(each, turn) for each in coefficients] + [None, None])[:3]
    picture.qt = np.stack([table.T if turn.transposed else table for table in tables])
    picture.quant_tbl_no = np.arange(len(tables))
    if turn.transposed:
        picture.height, picture.width = picture.width, picture.height
        picture.block_dims = picture.block_dims[:, ::-1]
        picture.samp_factor = picture.samp_factor[:, ::-1]
    # What the components are is said by the segments at the start; libjpeg is not to convert them.
    picture.jpeg_color_space = jpeglib.JCS_YCbCr if colour else jpeglib.JCS_GRAYSCALE
    picture.content = picture.markers = picture.huffmans = None
    return picture


def _blocks(coefficients: Array, turn: Turn) -> Array:
    """The coefficients of a component turned: rows of blocks of rows of frequencies.

    Turning a cosine round changes the sign of every other one.
    """
    import numpy as np

    signs = np.array([1, -1] * 4, np.int16)
    if turn.transposed:
        coefficients = coefficients.transpose(1, 0, 3, 2)
    if turn.mirrored:
        coefficients = coefficients[:, ::-1] * signs
    if turn.flipped:
        coefficients = coefficients[::-1] * signs[:, None]
    return np.ascontiguousarray(coefficients)


def _dressed(data: bytes, numbers: bytes, head: bytes) -> bytes:
    """What libjpeg wrote, with another start and the components' own numbers."""
    dressed = bytearray(_START + head)
    at = len(_START)
    while True:
        marker = data[at + 1]
        end = at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        segment = bytearray(data[at:end])
        if marker == _FRAME:
            segment[10::3] = numbers
        if marker == _SCAN:
            segment[5 : 5 + 2 * len(numbers) : 2] = numbers
        if marker not in _APPLICATION:
            dressed += segment
        at = end
        if marker == _SCAN:
            return bytes(dressed + data[end:])


def _equal(picture: Any, written: Any) -> bool:
    """Whether a picture that was written has the coefficients, tables and sampling that it was to have."""
    import numpy as np

    return (
        (picture.height, picture.width) == (written.height, written.width)
        and np.array_equal(picture.samp_factor, written.samp_factor)
        and all(
            np.array_equal(getattr(picture, name), getattr(written, name))
            for name in (("Y", "Cb", "Cr") if picture.has_chrominance else ("Y",))
        )
        and all(
            np.array_equal(table, written.get_component_qt(number)) for number, table in enumerate(picture.qt)
        )
    )


# Decoded


@dataclass(frozen=True, slots=True)
class Decoded:
    """The rows and columns of a raw file, and the bits and number of its samples.

    `profiled` says that a colour profile in the picture was used.
    """

    rows: int
    columns: int
    samples: int
    bits: int
    profiled: bool = False


def decode(source: Path, target: Path, orientation: int) -> Decoded:
    """Decodes a JPEG of 8 bits and one, three or four components into a raw file of grey or RGB, upright.

    Inks are turned to colours by the profile that the picture has for them, else plainly. Raises OSError
    for a picture that is not whole.
    """
    from PIL import Image

    Image.MAX_IMAGE_PIXELS = None  # its size is known and was judged before
    with Image.open(source, formats=("JPEG",)) as opened:
        opened.load()
        picture, profiled = _of_inks(opened) if opened.mode == "CMYK" else (opened.copy(), False)
    picture = _upright(picture, TURNS[orientation])
    step = max(1, BAND // picture.width)
    with target.open("wb") as file:
        for top in range(0, picture.height, step):
            bottom = min(top + step, picture.height)
            file.write(picture.crop((0, top, picture.width, bottom)).tobytes())
    return Decoded(picture.height, picture.width, len(picture.getbands()), 8, profiled)


def _of_inks(picture: Image) -> tuple[Image, bool]:
    """The sRGB of inks, and whether their profile told it."""
    from PIL import ImageCms

    profile = picture.info.get("icc_profile")
    if profile:
        try:
            inks = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            colours = ImageCms.profileToProfile(
                picture, inks, ImageCms.createProfile("sRGB"), outputMode="RGB"
            )
        except (OSError, ImageCms.PyCMSError):  # no profile of inks
            return picture.convert("RGB"), False
        if colours:
            return colours, True
    return picture.convert("RGB"), False


def _upright(picture: Image, turn: Turn) -> Image:
    from PIL.Image import Transpose

    for wanted, how in (
        (turn.transposed, Transpose.TRANSPOSE),
        (turn.mirrored, Transpose.FLIP_LEFT_RIGHT),
        (turn.flipped, Transpose.FLIP_TOP_BOTTOM),
    ):
        if wanted:
            picture = picture.transpose(how)
    return picture


def decode_deep(source: Path, target: Path, orientation: int, bits: int, ycc: bool) -> Decoded:
    """Decodes a JPEG of one to three components into a raw file of grey or RGB, upright.

    Of two components the first one is taken. Colours come out with the 8 bits that objects have, and
    grey values with at least as many. Raises ImportError where the decoder is not installed,
    RuntimeError for a picture that it cannot decode.
    """
    import numpy as np
    from libjpeg.utils import decode as decoded

    samples = decoded(source.read_bytes(), 0)
    if samples.ndim == 3 and samples.shape[2] == 2:
        samples = samples[:, :, 0]
    turn, colour = TURNS[orientation], samples.ndim == 3
    wanted = 8 if colour else max(8, bits)
    if turn.transposed:
        samples = samples.swapaxes(0, 1)
    samples = samples[:: -1 if turn.flipped else 1, :: -1 if turn.mirrored else 1]
    step = max(1, BAND // samples.shape[1])
    with target.open("wb") as file:
        for top in range(0, samples.shape[0], step):
            band = samples[top : top + step]
            if ycc:
                band = rgb_of_ycc(band, bits)
            if bits != wanted:
                most = (1 << bits) - 1
                band = ((band.astype(np.uint32) * 255 + most // 2) // most).astype(np.uint8)
            append(file, band)
    rows, columns = samples.shape[:2]
    return Decoded(rows, columns, 3 if colour else 1, wanted)
