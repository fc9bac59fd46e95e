"""TIFF pictures of one or several pages (TIFF 6.0, BigTIFF): decoded, and stored exactly.

Which pixels can be decoded is written down here, so that others are refused by their name before.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import BinaryIO

from gateway.config import Reading
from gateway.formats import raster
from gateway.formats.format import Format
from gateway.formats.raster import NotWhole, Picture, Unfit, aspect_of
from gateway.formats.tiff_directories import Directory, directories, inner
from gateway.model import Kind, Probe, Source

_KIND, _COLUMNS, _ROWS, _BITS, _COMPRESSION, _PHOTOMETRIC = 254, 256, 257, 258, 259, 262
_DESCRIPTION, _MAKE, _MODEL, _ORIENTATION, _SAMPLES = 270, 271, 272, 274, 277
_STRIPS, _STRIP_SIZES, _TILES, _TILE_SIZES = 273, 279, 324, 325
_ACROSS, _DOWN, _SOFTWARE, _MADE, _ARTIST, _COPYRIGHT = 282, 283, 305, 306, 315, 33432
_PALETTE, _EXTRA, _FORMAT, _CAMERA, _INKS, _PLANES = 320, 338, 339, 34665, 332, 284
_DNG_VERSION = 50706
_TAKEN, _TAKEN_FRACTION, _TAKEN_OFFSET, _SERIAL, _OWNER = 36867, 37521, 36881, 42033, 42032

_REDUCED, _MASK = 1, 4
"""Bits of the kind of a page: a smaller copy of another one, or what covers another one."""

_JPEG = 7
_DECODED = frozenset({1, 2, 3, 4, 5, _JPEG, 8, 32946, 32773, 34925, 50000})
"""Compressions that libtiff decodes."""

_COMPRESSIONS = {
    6: "JPEG in its old form", 9: "JBIG", 10: "JBIG", 32767: "Sony ARW", 33003: "JPEG 2000",
    33005: "JPEG 2000", 34661: "JBIG", 34712: "JPEG 2000", 34713: "Nikon NEF", 34887: "LERC",
    34892: "lossy JPEG (DNG)", 50001: "WebP", 50002: "JPEG XL",
}  # fmt: skip
_PHOTOMETRICS = {
    0: "grey", 1: "grey", 2: "RGB", 3: "palette", 4: "mask", 5: "CMYK", 6: "YCbCr", 8: "CIELab",
    9: "ICCLab", 10: "ITULab", 32803: "camera raw", 32844: "LogL", 32845: "LogLuv", 34892: "linear raw",
}  # fmt: skip

_SAVE = "Save it as an ordinary TIFF or PNG and give that file"


@dataclass(frozen=True, slots=True)
class _Page:
    """What is told of one page."""

    columns: int
    rows: int
    bits: int
    colour: bool
    inverted: bool
    orientation: int
    compressed: int
    """Bytes that were compressed with loss."""

    @property
    def upright(self) -> tuple[int, int]:
        """Columns and rows when it is turned upright."""
        return (self.rows, self.columns) if 5 <= self.orientation <= 8 else (self.columns, self.rows)


def sniff(head: bytes) -> bool:
    """Whether these first bytes are those of a TIFF, and of no camera's raw picture that begins like one."""
    return head.startswith((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")) and head[8:10] != b"CR"


def probe(source: Source, reading: Reading) -> Probe:
    """What a TIFF says of itself. Raises `Reject` for one that is not whole, or whose pages differ."""
    return raster.probe(source, reading, FORMAT, read)


FORMAT = Format(
    name="tiff",
    title="a TIFF picture",
    short="TIFF",
    kind=Kind.IMAGE,
    media_type="image/tiff",
    extensions=(".tif", ".tiff", ".btf"),
    sniff=sniff,
    probe=probe,
    aliases=("image/x-tiff",),
)


def read(file: BinaryIO, size: int) -> Picture:
    """What the directories of a TIFF say.

    Smaller copies of pages and masks are left out. NotWhole when pixels are missing, Unfit for what is
    not decoded.
    """
    every = list(directories(file, size))
    if not every:
        raise Unfit("is a TIFF without a picture. Check where it comes from")
    if any(_DNG_VERSION in each.entries for each in every):
        raise Unfit("is a camera's raw picture (DNG). Develop it and save it as TIFF or PNG")
    wanted = [number for number, each in enumerate(every) if not each.number(_KIND) & (_REDUCED | _MASK)]
    if not wanted:
        raise Unfit("holds smaller copies of a picture only, as cameras' raw pictures do. Develop it first")
    _check_stack(every)
    pages = [_page(every[number], size) for number in wanted]
    page = _common(pages)
    first = every[wanted[0]]
    left_out = len(every) - len(wanted)
    told = f"has {left_out:,} smaller copies or masks beside its pages; they are left out"
    return Picture(
        columns=page.columns,
        rows=page.rows,
        colour=any(each.colour for each in pages),
        decoder="TIFF",
        bits=page.bits,
        frames=tuple(wanted),
        orientation=page.orientation,
        turned_by_decoder=True,
        inverted=page.inverted,
        aspect=aspect_of(first.ratio(_ACROSS), first.ratio(_DOWN)),
        compressed=(sum(each.compressed for each in pages), "ISO_10918_1")
        if any(each.compressed for each in pages)
        else None,
        exif=_exif(first),
        messages=(told,) if left_out else (),
    )


def _check_stack(every: Sequence[Directory]) -> None:
    """ImageJ keeps large stacks behind a directory for the first of their pictures alone."""
    text = every[0].text(_DESCRIPTION) or ""
    count = re.search(r"^images=(\d{1,9})\s*$", text, re.MULTILINE) if text.startswith("ImageJ=") else None
    if count and int(count[1]) > len(every):
        raise Unfit(
            f"is an ImageJ stack of {count[1]} pictures, of which only {len(every)} can be found. {_SAVE}"
        )


def _common(pages: Sequence[_Page]) -> _Page:
    """The first page, when all others can be frames beside it; grey ones can be among coloured ones."""
    first = pages[0]
    for number, page in enumerate(pages[1:], 2):
        if _key(page) == _key(first):
            continue
        raise Unfit(
            f"has pages that cannot be frames of one image: page 1 has {_told(first)}, and page {number} has "
            f"{_told(page)}. Save each page in a file of its own"
        )
    return first


def _key(page: _Page) -> tuple[object, ...]:
    """What must be the same in all pages; each is turned upright by itself."""
    return (page.upright, page.bits, page.inverted)


def _told(page: _Page) -> str:
    columns, rows = page.upright
    return f"{columns:,} x {rows:,} pixels of {page.bits} bits"


def _page(directory: Directory, size: int) -> _Page:
    """What a directory says of its page. Raises Unfit for pixels that are not decoded."""
    compression = directory.number(_COMPRESSION, 1)
    photometric = directory.number(_PHOTOMETRIC, -1)
    samples = directory.number(_SAMPLES, 1)
    bits = set(directory.numbers(_BITS)[:samples] or (1,))
    what = _PHOTOMETRICS.get(photometric, f"photometric interpretation {photometric}")
    if photometric not in (0, 1, 2, 3, 5, 6):
        raise Unfit(f"is a TIFF whose pixels are {what}, which are not decoded. {_SAVE}")
    if compression not in _DECODED:
        name = _COMPRESSIONS.get(compression, f"the compression {compression}")
        raise Unfit(f"is a TIFF compressed with {name}, which is not decoded. {_SAVE}")
    if len(bits) != 1 or set(directory.numbers(_FORMAT)) - {1, 4}:
        raise Unfit(f"is a TIFF whose {what} pixels are signed, fractions or of mixed sizes. {_SAVE}")
    depth = bits.pop()
    if not _is_decoded(directory, photometric, samples, depth, compression):
        raise Unfit(
            f"is a TIFF of {samples} samples of {depth} bits a pixel ({what}, "
            f"{_COMPRESSIONS.get(compression, f'compression {compression}')}), which is not decoded. {_SAVE}"
        )
    compressed = _check_data(directory, size)
    return _Page(
        columns=directory.number(_COLUMNS),
        rows=directory.number(_ROWS),
        bits=depth if depth > 8 else 8,
        colour=photometric in (2, 5, 6) or (photometric == 3 and not _has_grey_palette(directory)),
        inverted=depth > 8 and photometric == 0,
        orientation=directory.number(_ORIENTATION, 1),
        compressed=compressed if compression == _JPEG else 0,
    )


def _is_decoded(directory: Directory, photometric: int, samples: int, depth: int, compression: int) -> bool:
    """Whether pixels are decoded exactly. Samples beyond those of colours are said to be what they are."""
    extra = len(directory.numbers(_EXTRA))
    together = directory.number(_PLANES, 1) == 1
    match photometric:
        case 0:
            little = directory.order == "<"
            return samples == 1 and (depth in (1, 2, 4, 8) or (depth == 16 and little))
        case 1 if depth == 12:
            return samples == 1 and directory.order == "<" and compression == 1
        case 1:
            return (samples == 1 and depth in (1, 2, 4, 8, 16)) or (
                samples - extra == 1 == extra and depth == 8
            )
        case 2 if depth == 16:
            return together and (samples == 3 or (samples == 4 and directory.number(_EXTRA) != 1))
        case 2:
            return depth == 8 and samples >= 3 and samples - max(extra, samples == 4) == 3
        case 3:
            return samples == 1 and depth in (1, 2, 4, 8)
        case 5:
            return depth == 8 and samples == 4 and directory.number(_INKS, 1) == 1
        case _:
            return depth == 8 and samples == 3 and compression == _JPEG


def _check_data(directory: Directory, size: int) -> int:
    """Bytes of the strips or tiles of a page. Raises NotWhole when some are not in the file."""
    tiled = _TILES in directory.entries
    places = directory.numbers(_TILES if tiled else _STRIPS)
    sizes = directory.numbers(_TILE_SIZES if tiled else _STRIP_SIZES)
    if not places or (sizes and len(sizes) != len(places)):
        raise NotWhole("it does not say where its pixels are")
    end = max(place + length for place, length in zip(places, sizes or (0,) * len(places), strict=True))
    if end > size:
        raise NotWhole(f"it ends {end - size:,} bytes before the end of its pixels")
    return sum(sizes)


def _has_grey_palette(directory: Directory) -> bool:
    """Whether a palette has no colours: three lists of 16 bits, of which the decoder takes the higher 8."""
    values = bytes(value >> 8 for value in directory.numbers(_PALETTE))
    third = len(values) // 3
    return values[:third] == values[third : 2 * third] == values[2 * third :]


def _exif(directory: Directory) -> bytes | None:
    """What a page says of its camera or scanner, as an EXIF segment; None where that is nothing.

    DateTime, which scanners write, stands for when the picture was taken where nothing else does.
    """
    from PIL.Image import Exif

    segment = Exif()
    camera = segment.get_ifd(_CAMERA)
    for tag in (_DESCRIPTION, _MAKE, _MODEL, _SOFTWARE, _ARTIST, _COPYRIGHT):
        if text := directory.text(tag):
            segment[tag] = text
    own = inner(directory, _CAMERA)
    for tag in (_TAKEN, _TAKEN_FRACTION, _TAKEN_OFFSET, _SERIAL, _OWNER):
        if own and (text := own.text(tag)):
            camera[tag] = text
    if _TAKEN not in camera and (made := directory.text(_MADE)):
        camera[_TAKEN] = made
    if not segment and not camera:
        return None
    return segment.tobytes()
