"""The image header of a JPEG XL codestream (ISO/IEC 18181-1, annexes D and F), read bit by bit.

It says size, depth, channels and colours, and with the first frame's header whether the picture was
compressed with loss. Nothing of the pixels is read.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from gateway.formats.bits import Incomplete, Malformed

START = b"\xff\x0a"
"""The first bytes of every codestream."""

ENOUGH = 64 * 1024
"""Bytes in which the header ends."""

GREY = 1
"""The number of the colour space that has one channel (table F.3)."""

ALPHA = 0
"""The number of transparency among the kinds of extra channels (table D.9)."""

_RATIOS = {1: (1, 1), 2: (12, 10), 3: (4, 3), 4: (3, 2), 5: (16, 9), 6: (5, 4), 7: (2, 1)}
"""Width to height by its code (table D.2)."""

_SRGB_TRANSFER, _D65, _SRGB_PRIMARIES, _CUSTOM = 13, 1, 1, 2
_MODULAR = 1


@dataclass(frozen=True, slots=True)
class Extra:
    """An extra channel; `associated` transparency has been multiplied into the colours."""

    kind: int
    bits: int
    associated: bool = False


@dataclass(frozen=True, slots=True)
class Header:
    """What a codestream says of itself; columns and rows are those before it is turned upright.

    `is_srgb` is False for other colours; `modular` and `ycc` are those of the first frame, None where
    they stand behind a colour profile, which is compressed.
    """

    columns: int
    rows: int
    orientation: int = 1
    bits: int = 8
    is_float: bool = False
    is_animation: bool = False
    is_grey: bool = False
    is_srgb: bool = True
    is_xyb: bool = True
    extras: tuple[Extra, ...] = ()
    modular: bool | None = None
    ycc: bool | None = None

    @property
    def upright(self) -> tuple[int, int]:
        """Columns and rows of the picture as it is shown."""
        return (self.rows, self.columns) if self.orientation > 4 else (self.columns, self.rows)


class _Bits:
    """Reads numbers, the lowest bit of each byte first (B.2)."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def bits(self, count: int) -> int:
        """An unsigned number of `count` bits, u(n)."""
        end = self._at + count
        if end > 8 * len(self._data):
            raise Incomplete("its header ends too early")
        first, last = self._at // 8, (end + 7) // 8
        value = int.from_bytes(self._data[first:last], "little") >> (self._at - 8 * first)
        self._at = end
        return value & ((1 << count) - 1)

    def flag(self) -> bool:
        """One bit."""
        return self.bits(1) == 1

    def chosen(self, *choices: tuple[int, int]) -> int:
        """A number in one of four ways: an offset, and so many bits (B.2.2, U32)."""
        offset, count = choices[self.bits(2)]
        return offset + self.bits(count)

    def enumerated(self) -> int:
        """The number of a name (B.2.6, Enum)."""
        return self.chosen((0, 0), (1, 0), (2, 4), (18, 6))

    def long(self) -> int:
        """A number of up to 64 bits (B.2.4, U64)."""
        match self.bits(2):
            case 0:
                return 0
            case 1:
                return 1 + self.bits(4)
            case 2:
                return 17 + self.bits(8)
        value, shift = self.bits(12), 12
        while self.flag():
            if shift == 60:
                return value | self.bits(4) << 60
            value |= self.bits(8) << shift
            shift += 8
        return value

    def skip(self, count: int) -> None:
        """Moves over so many bits."""
        if self._at + count > 8 * len(self._data):
            raise Incomplete("its header ends too early")
        self._at += count

    def align(self) -> None:
        """Moves to the next whole byte."""
        self._at = -(-self._at // 8) * 8


def read(data: bytes) -> Header:
    """The header at the start of a codestream, of which `data` are the first bytes.

    Raises `Malformed` for one that cannot be, and `Incomplete` where the bytes end too early.
    """
    if data[:2] != START:
        raise Malformed("its codestream does not begin with FF0A")
    bits = _Bits(data[2:])
    columns, rows = _size(bits)
    if bits.flag():  # all as it usually is
        return _with_frame(bits, Header(columns, rows))
    orientation, is_animation = 1, False
    extended = bits.flag()
    if extended:
        orientation = 1 + bits.bits(3)
        is_animation = _presentation(bits)
    depth, is_float = _depth(bits)
    bits.skip(1)  # buffers of 16 bits suffice
    extras = tuple(_extra(bits) for _ in range(bits.chosen((0, 0), (1, 0), (2, 4), (1, 12))))
    is_xyb = bits.flag()
    has_profile, is_grey, is_srgb = _colours(bits)
    if extended and not bits.flag():  # tone mapping
        bits.skip(16 + 16 + 1 + 16)
    _skip_extensions(bits)
    header = Header(
        columns, rows, orientation, depth, is_float, is_animation, is_grey, is_srgb, is_xyb, extras
    )
    return header if has_profile else _with_frame(bits, header)


def _size(bits: _Bits) -> tuple[int, int]:
    """Columns and rows (D.3.2)."""
    small = bits.flag()
    number: Callable[[], int] = (
        (lambda: 8 * (1 + bits.bits(5)))
        if small
        else (lambda: bits.chosen((1, 9), (1, 13), (1, 18), (1, 30)))
    )
    rows = number()
    ratio = bits.bits(3)
    if not ratio:
        return number(), rows
    across, down = _RATIOS[ratio]
    return rows * across // down, rows


def _presentation(bits: _Bits) -> bool:
    """Moves over intrinsic size, preview and animation headers; whether it is an animation (D.3.3)."""
    if bits.flag():
        _size(bits)
    if bits.flag():
        raise Malformed("it has a preview, which is not looked into")
    if not bits.flag():
        return False
    bits.chosen((100, 0), (1000, 0), (1, 10), (1, 30))
    bits.chosen((1, 0), (1001, 0), (1, 8), (1, 10))
    bits.chosen((0, 0), (0, 3), (0, 16), (0, 32))
    bits.skip(1)
    return True


def _depth(bits: _Bits) -> tuple[int, bool]:
    """Bits of a sample, and whether it is a floating point number (D.3.4)."""
    if bits.flag():
        depth = bits.chosen((32, 0), (16, 0), (24, 0), (1, 6))
        bits.skip(4)
        return depth, True
    return bits.chosen((8, 0), (10, 0), (12, 0), (1, 6)), False


def _extra(bits: _Bits) -> Extra:
    """An extra channel (D.3.6)."""
    if bits.flag():
        return Extra(ALPHA, 8)
    kind = bits.enumerated()
    depth, _ = _depth(bits)
    bits.chosen((0, 0), (3, 0), (4, 0), (1, 3))
    bits.skip(8 * bits.chosen((0, 0), (0, 4), (16, 5), (48, 10)))
    associated = kind == ALPHA and bits.flag()
    if kind == 2:  # a spot colour
        bits.skip(4 * 16)
    elif kind == 5:  # a colour filter
        bits.chosen((1, 0), (0, 2), (3, 4), (19, 8))
    return Extra(kind, depth, associated)


def _colours(bits: _Bits) -> tuple[bool, bool, bool]:
    """Whether there is a colour profile, only grey, and sRGB as usual (F.2)."""
    if bits.flag():
        return False, False, True
    has_profile = bits.flag()
    space = bits.enumerated()
    if has_profile:
        return True, space == GREY, False
    usual = space in {0, GREY}
    if space != 2:  # XYB, whose colours are fixed
        white = bits.enumerated()
        if white == _CUSTOM:
            _skip_coordinates(bits, 1)
        usual = usual and white == _D65
        if space != GREY:
            primaries = bits.enumerated()
            if primaries == _CUSTOM:
                _skip_coordinates(bits, 3)
            usual = usual and primaries == _SRGB_PRIMARIES
        if bits.flag():
            bits.skip(24)  # a gamma value
            usual = False
        else:
            usual = bits.enumerated() == _SRGB_TRANSFER and usual
    bits.enumerated()  # the rendering intent
    return False, space == GREY, usual


def _skip_coordinates(bits: _Bits, count: int) -> None:
    for _ in range(2 * count):
        bits.chosen((0, 19), (524_288, 19), (1_048_576, 20), (2_097_152, 21))


def _skip_extensions(bits: _Bits) -> None:
    """Moves over what later editions add (B.3)."""
    present = bits.long()
    lengths = [bits.long() for number in range(64) if present >> number & 1]
    bits.skip(sum(lengths))


def _with_frame(bits: _Bits, header: Header) -> Header:
    """The header with what stands in that of the first frame (F.2), before which is the colour transform."""
    if not bits.flag():
        if header.is_xyb and not bits.flag():
            bits.skip(16 * 16)
        weights = bits.bits(3)
        for number, count in enumerate((15, 55, 210)):
            if weights >> number & 1:
                bits.skip(16 * count)
    bits.align()
    modular, ycc = False, False
    if not bits.flag():
        bits.bits(2)  # the type of the frame
        modular = bits.bits(1) == _MODULAR
        bits.long()
        ycc = not header.is_xyb and bits.flag()
    return replace(header, modular=modular, ycc=ycc)
