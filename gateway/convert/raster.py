"""Pictures decoded into native pixels: upright, opaque, grey or RGB, and otherwise as the file has them.

Decoding is done in a child process with limits. What it writes is what `encode.stored` takes: the frames
one after the other. Pillow decodes nearly everything. It has no colours of 16 bits, and takes the higher
byte of each: of a TIFF it is asked for the lower ones too, and a PNG is decoded by FFmpeg.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gateway.config import Lossless
from gateway.convert import child, encode
from gateway.convert.workshop import Workshop
from gateway.errors import GatewayError, Reject, Retry, Unfinished
from gateway.model import Pixels, Probe
from gateway.stream import FileSlice, FileStamp, stat

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image

    Array = np.ndarray[Any, Any]

DEEP_PNG = "png"
"""FFmpeg's decoder, which a recipe asks for by this name; others are formats of Pillow."""

_DEEP = {
    "gray16le": (1, "<u2"), "gray16be": (1, ">u2"), "ya16le": (2, "<u2"), "ya16be": (2, ">u2"),
    "rgb48le": (3, "<u2"), "rgb48be": (3, ">u2"), "rgba64le": (4, "<u2"), "rgba64be": (4, ">u2"),
}  # fmt: skip
"""FFmpeg's names of pixels of 16 bits: samples of a pixel, and how they are written."""

_SECONDS_A_MEGAPIXEL = 2.0
_BYTES_A_PIXEL = 48
"""What decoding may take: several times what it needs for one frame, as decoder, NumPy and Pillow hold it."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a picture is decoded.

    `decoder` is the name of a format of Pillow (`PNG`), or `DEEP_PNG`. `frames` are the numbers of those
    wanted. `orientation` is what is left to be done about how the pixels lie (EXIF tag 274); `inverted` says
    that the highest value is black, and the decoder leaves it so.
    """

    decoder: str
    frames: tuple[int, ...] = (0,)
    orientation: int = 1
    inverted: bool = False


def decoded(probe: Probe, recipe: Recipe, shop: Workshop, lossless: Lossless) -> Probe:
    """The probe with its picture decoded and stored as `lossless` says.

    `probe.content` is the file, `probe.pixels` what is wanted of it: 8 or 16 bits, one or three samples.
    Raises `Reject` for a picture that cannot be decoded, and `Retry` when the file has changed.
    """
    raw, told = raw_frames(probe, recipe, shop)
    try:
        return encode.stored(replace(probe, messages=(*probe.messages, *told)), raw, lossless, shop)
    except GatewayError:
        raw.unlink(missing_ok=True)
        raise


def raw_frames(probe: Probe, recipe: Recipe, shop: Workshop) -> tuple[Path, tuple[str, ...]]:
    """A new raw file with the frames one after the other, and what the user should know of it.

    Raises as `decoded` does, and leaves nothing behind then.
    """
    pixels = probe.pixels
    if pixels is None:
        raise ValueError("pixels that nothing is known of")
    path = probe.source.path
    _check_unchanged(probe)
    raw = shop.new(".raw")
    frame = pixels.rows * pixels.columns
    try:
        told = child.run(
            write,
            path,
            raw,
            pixels,
            recipe,
            seconds=child.SECONDS + _SECONDS_A_MEGAPIXEL * frame * len(recipe.frames) / 1e6,
            memory=child.MEMORY + _BYTES_A_PIXEL * frame + probe.content.length,
            about=path,
            folder=shop.folder,
        )
        _check_unchanged(probe)
    except GatewayError:
        raw.unlink(missing_ok=True)
        raise
    return raw, told


def _check_unchanged(probe: Probe) -> None:
    for piece in probe.content.pieces:
        if isinstance(piece, FileSlice) and FileStamp.of(stat(piece.path)) != piece.stamp:
            raise Retry(f"{piece.path} changed while it was being read; try again when it is complete")


def write(path: Path, raw: Path, pixels: Pixels, recipe: Recipe) -> tuple[str, ...]:
    """Decode the frames of a picture into a raw file; what the user should know of it is returned.

    Needs the memory of a frame or two, and is called in a child process. Raises `Reject` for a picture
    that is damaged or not as its header says.
    """
    import numpy as np

    told: dict[str, None] = {}
    if recipe.decoder == DEEP_PNG:
        frames = iter((_deep_png(path, told),))
    else:
        frames = _frames(path, pixels, recipe, told)
    with raw.open("wb") as file:
        for frame in frames:
            upright = turned(frame, recipe.orientation)
            shape = (pixels.rows, pixels.columns, 3)[: 3 if pixels.samples_per_pixel == 3 else 2]
            if upright.shape != shape or upright.itemsize * 8 != pixels.bits_allocated:
                raise _undecoded(path, "its pixels are not as its header says")
            file.write(np.ascontiguousarray(upright).data)
    return tuple(told)


def turned(frame: Array, orientation: int) -> Array:
    """The frame turned upright, by how its pixels lie (EXIF tag 274): 1 is upright already."""
    import numpy as np

    match orientation:
        case 2:
            return frame[:, ::-1]
        case 3:
            return frame[::-1, ::-1]
        case 4:
            return frame[::-1]
        case 5:
            return np.swapaxes(frame, 0, 1)
        case 6:
            return np.rot90(frame, -1)
        case 7:
            return np.swapaxes(frame[::-1, ::-1], 0, 1)
        case 8:
            return np.rot90(frame)
        case _:
            return frame


def _undecoded(path: Path, why: str) -> Reject:
    return Reject(f"{path} cannot be decoded: {why}. Check that it is not damaged, or export it again")


# Pillow


def _frames(path: Path, pixels: Pixels, recipe: Recipe, told: dict[str, None]) -> Iterator[Array]:
    """The frames as Pillow decodes and composes them."""
    from PIL import Image

    Image.MAX_IMAGE_PIXELS = None  # its size is known, and was compared with the limit
    if recipe.decoder == "HEIF":
        _register_heif(path)
    deep = pixels.bits_allocated == 16 and pixels.samples_per_pixel == 3
    try:
        with Image.open(path, formats=(recipe.decoder,)) as image:
            for number in recipe.frames:
                image.seek(number)
                if deep:
                    _tell_profile(image, told)
                    yield _without_cover(_deep_colours(path, number), told)
                else:
                    yield _pixels(image, pixels, recipe, told)
    except EOFError as error:
        raise Unfinished(
            f"{path} is not whole: it has fewer frames or pages than it says. Copy or export it again"
        ) from error
    except (OSError, SyntaxError, ValueError, TypeError, LookupError, ArithmeticError) as error:
        if "truncated" in str(error):
            raise Unfinished(f"{path} is not whole: {error}. Copy or export it again") from error
        raise _undecoded(path, str(error) or type(error).__name__) from error


def _register_heif(path: Path) -> None:
    try:
        from pillow_heif import register_heif_opener
    except ImportError as error:
        raise Reject(
            f"{path} is a HEIC picture, and what decodes it is not installed: "
            "install the extra 'heic' of stow-gateway"
        ) from error
    register_heif_opener(thumbnails=False)


def _pixels(image: Image, pixels: Pixels, recipe: Recipe, told: dict[str, None]) -> Array:
    """The pixels of a frame as they are wanted; what was done for it is told."""
    import numpy as np

    _tell_profile(image, told)
    if pixels.bits_allocated == 16:
        values = np.asarray(image)
        if values.ndim != 2 or values.dtype.kind not in "iu":
            raise ValueError(f"its pixels are {image.mode}")
        deep = values.astype("<u2")
        return ~deep if recipe.inverted else deep
    mode = "RGB" if pixels.samples_per_pixel == 3 else "L"
    if image.mode == "CMYK":
        image = _from_cmyk(image, told)
    if image.has_transparency_data:
        image = _on_white(image, told)
    if image.mode not in ("1", "L", "P", "RGB", "YCbCr"):
        raise ValueError(f"its pixels are {image.mode}")
    if mode == "RGB" or image.mode in ("1", "L"):
        return np.asarray(image.convert(mode))
    red, green, blue = image.convert("RGB").split()
    if red.tobytes() != green.tobytes() or red.tobytes() != blue.tobytes():
        raise ValueError("it has colours where it should be grey")
    return np.asarray(red)


def _deep_colours(path: Path, number: int) -> Array:
    """A page of a TIFF whose colours have 16 bits, decoded once for each byte of them."""
    import numpy as np

    high, low = (np.asarray(_bytes_of(path, number, low=low)).astype("<u2") for low in (False, True))
    colours: Array = high << 8 | low
    return colours


def _bytes_of(path: Path, number: int, *, low: bool) -> Image:
    """A page of a TIFF, of whose samples of two bytes one is taken.

    Pillow's name for how they lie says which: `RGB;16L` is the second, and `RGB;16B` the first.
    """
    from PIL import Image as pil

    with pil.open(path, formats=("TIFF",)) as image:
        image.seek(number)
        tiles = [(tile, tile.args if isinstance(tile.args, tuple) else ("",)) for tile in image.tile]
        if not all(args[0][-4:] in _OTHER_BYTE for _, args in tiles):
            raise ValueError("its pixels are not of 16 bits")
        if low:
            image.tile = [
                tile._replace(args=(args[0][:-4] + _OTHER_BYTE[args[0][-4:]], *args[1:]))
                for tile, args in tiles
            ]
        image.load()
        return image.copy()


_OTHER_BYTE = {";16L": ";16B", ";16B": ";16L", ";16N": ";16B" if sys.byteorder == "little" else ";16L"}


def _on_white(image: Image, told: dict[str, None]) -> Image:
    """The picture on white, as paper is: DICOM has no transparency (PS3.18 10.5.2)."""
    from PIL import Image as pil

    colours = image.convert("RGBA")
    lowest, _ = colours.getchannel("A").getextrema()
    if lowest == 255:
        return colours.convert("RGB")
    told.setdefault("is transparent in places; it is stored on white")
    white = pil.new("RGBA", image.size, "white")
    white.alpha_composite(colours)
    return white.convert("RGB")


def _from_cmyk(image: Image, told: dict[str, None]) -> Image:
    """The colours of a print as RGB: by its own profile, or plainly where it has none."""
    import io

    from PIL import ImageCms

    profile = image.info.get("icc_profile")
    if profile:
        try:
            converted = ImageCms.profileToProfile(
                image,
                ImageCms.ImageCmsProfile(io.BytesIO(profile)),
                ImageCms.createProfile("sRGB"),
                outputMode="RGB",
            )
        except (ImageCms.PyCMSError, OSError):
            converted = None
        if converted is not None:
            told.setdefault("has colours for print (CMYK); they are converted to sRGB by its profile")
            return converted
    told.setdefault("has colours for print (CMYK) without a profile; they are converted to RGB plainly")
    return image.convert("RGB")


def _tell_profile(image: Image, told: dict[str, None]) -> None:
    """Tells of a profile by which the colours are not those of sRGB: values are kept as they are."""
    profile = image.info.get("icc_profile")
    if not profile or image.mode == "CMYK":
        return
    name = _profile_name(profile)
    if "srgb" not in name.lower():
        what = f"the colour profile {name!r}" if name else "a colour profile"
        told.setdefault(f"has {what}, which is not stored with its pixels; their values are kept")


def _profile_name(profile: bytes) -> str:
    import io

    from PIL import ImageCms

    try:
        name = ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(io.BytesIO(profile)))
    except (ImageCms.PyCMSError, OSError, TypeError, ValueError):
        return ""
    return " ".join("".join(sign if sign.isprintable() else " " for sign in name).split())[:64]


# FFmpeg


def _deep_png(path: Path, told: dict[str, None]) -> Array:
    """The picture in a PNG whose samples have 16 bits."""
    import av

    context: Any = av.CodecContext.create("png", "r")
    context.options = {"err_detect": "explode"}
    try:
        found = [*context.decode(av.Packet(path.read_bytes())), *context.decode(None)]
    except av.FFmpegError as error:
        raise _undecoded(path, error.strerror or str(error)) from error
    if len(found) != 1:
        raise _undecoded(path, "it holds no picture that can be decoded")
    return _deep_pixels(path, found[0], told)


def _deep_pixels(path: Path, frame: Any, told: dict[str, None]) -> Array:
    """The pixels of a frame of FFmpeg, without transparency."""
    import numpy as np

    if frame.format.name not in _DEEP:
        raise _undecoded(path, f"its pixels are {frame.format.name}")
    samples, order = _DEEP[frame.format.name]
    plane = frame.planes[0]
    lines = np.frombuffer(plane, order).reshape(frame.height, plane.line_size // 2)
    values = lines[:, : frame.width * samples].reshape(frame.height, frame.width, samples).astype("<u2")
    values = _without_cover(values, told)
    return values[:, :, 0] if values.shape[2] == 1 else values


def _without_cover(values: Array, told: dict[str, None]) -> Array:
    """Samples of 16 bits on white, where the second or fourth says how much the others cover of it."""
    import numpy as np

    if values.shape[2] % 2:
        return values
    colours, cover = values[:, :, :-1], values[:, :, -1:].astype(np.uint64)
    if cover.min() == 0xFFFF:
        return colours
    told.setdefault("is transparent in places; it is stored on white")
    mixed = colours * cover + 0xFFFF * (0xFFFF - cover)
    return ((mixed + 0x7FFF) // 0xFFFF).astype("<u2")
