"""Coded video written bit by bit: headers with any value, and frames whose fields are coded apart.

No encoder at hand codes the two fields of a frame as pictures of their own, as broadcast cameras do.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence


class BitWriter:
    """Writes numbers as bits, the highest first."""

    def __init__(self) -> None:
        self.text = ""

    def bits(self, value: int, count: int) -> BitWriter:
        """An unsigned number of `count` bits."""
        if count:
            self.text += format(value, f"0{count}b")
        return self

    def flags(self, *values: object) -> BitWriter:
        """One bit each."""
        self.text += "".join("1" if value else "0" for value in values)
        return self

    def unsigned(self, *values: int) -> BitWriter:
        """Numbers in Exp-Golomb code."""
        for value in values:
            digits = format(value + 1, "b")
            self.text += "0" * (len(digits) - 1) + digits
        return self

    def signed(self, *values: int) -> BitWriter:
        """Signed numbers in Exp-Golomb code."""
        return self.unsigned(*(2 * value - 1 if value > 0 else -2 * value for value in values))

    def align(self, bit: str = "0") -> BitWriter:
        """Fills up to a whole byte."""
        self.text += bit * (-len(self.text) % 8)
        return self

    def end(self) -> bytes:
        """The bytes, with the bit that ends a NAL unit."""
        self.flags(True).align()
        return self.bytes()

    def bytes(self) -> bytes:
        """The bytes, filled up with zero bits."""
        self.align()
        return int("1" + self.text, 2).to_bytes(len(self.text) // 8 + 1, "big")[1:]


def nal(header: bytes, payload: bytes) -> bytes:
    """A NAL unit: zeros that would look like a start code get a byte between them."""
    escaped = bytearray()
    zeros = 0
    for byte in payload:
        if zeros >= 2 and byte <= 3:
            escaped.append(3)
            zeros = 0
        escaped.append(byte)
        zeros = zeros + 1 if byte == 0 else 0
    return header + bytes(escaped)


def byte_stream(units: Iterable[bytes]) -> bytes:
    """NAL units behind start codes."""
    return b"".join(b"\0\0\0\x01" + unit for unit in units)


def h264_sequence(
    *,
    profile: int = 100,
    constraints: int = 0,
    level: int = 30,
    chroma: int = 1,
    bits: tuple[int, int] = (8, 8),
    blocks: tuple[int, int] = (1, 2),
    frames_only: bool = True,
    crop: tuple[int, int, int, int] | None = None,
    order: int = 0,
    scaling: bool = False,
    aspect: tuple[int, int] | int | None = None,
    colour: tuple[int, int, int, int] | None = None,
    timing: tuple[int, int] | None = None,
) -> bytes:
    """A sequence parameter set; `blocks` are macroblocks across and down a frame."""
    out = BitWriter().bits(profile, 8).bits(constraints, 8).bits(level, 8).unsigned(0)
    if profile in (100, 110, 118, 122, 128, 244):
        out.unsigned(chroma)
        if chroma == 3:
            out.flags(False)
        out.unsigned(bits[0] - 8, bits[1] - 8).flags(False, scaling)
        if scaling:
            _h264_scaling(out, lists=12 if chroma == 3 else 8)
    out.unsigned(0)  # four bits of frame number
    out.unsigned(order)
    if order == 0:
        out.unsigned(0)
    elif order == 1:
        out.flags(False).signed(-1, 2).unsigned(2).signed(3, -3)
    out.unsigned(1).flags(False).unsigned(blocks[0] - 1)
    out.unsigned(blocks[1] - 1 if frames_only else blocks[1] // 2 - 1).flags(frames_only)
    if not frames_only:
        out.flags(False)
    out.flags(True, crop is not None)
    if crop:
        out.unsigned(*crop)
    usability = aspect is not None or colour is not None or timing is not None
    out.flags(usability)
    if usability:
        aspect_and_colour(out, aspect, colour)
        out.flags(False, timing is not None)
        if timing:
            out.bits(timing[0], 32).bits(timing[1], 32).flags(True)
        out.flags(False, False, False, False)
    return nal(b"\x67", out.end())


def aspect_and_colour(
    out: BitWriter, aspect: tuple[int, int] | int | None, colour: tuple[int, int, int, int] | None
) -> None:
    """The beginning of the usability information, the same in H.264 and HEVC."""
    out.flags(aspect is not None)
    if isinstance(aspect, int):
        out.bits(aspect, 8)
    elif aspect is not None:
        out.bits(255, 8).bits(aspect[0], 16).bits(aspect[1], 16)
    out.flags(False, colour is not None)
    if colour:
        out.bits(5, 3).flags(colour[0], True).bits(colour[1], 8).bits(colour[2], 8).bits(colour[3], 8)


def _h264_scaling(out: BitWriter, lists: int) -> None:
    """Scaling lists of all forms: left out, ended early, and complete."""
    for index in range(lists):
        form = index % 3
        out.flags(form)
        if form == 1:
            out.signed(-8)  # makes the next scale 0: the rest is as predefined
        elif form == 2:
            out.signed(*([1] * (16 if index < 6 else 64)))


def h264_fields(pairs: Sequence[tuple[str, str]] | int, *, level: int = 30) -> bytes:
    """H.264 High of 16x32 pixels whose frames are two fields (`T`, `B`), or one where the other is missing.

    `pairs` are the fields of each frame, or the number of complete frames.
    """
    frames = [("T", "B")] * pairs if isinstance(pairs, int) else list(pairs)
    units = [h264_sequence(frames_only=False, level=level, timing=(1, 50)), h264_picture_parameters()]
    for number, fields in enumerate(frames):
        for position, parity in enumerate(field for field in fields if field):
            units.append(b"\x09\x10")
            units.append(
                _h264_field(number % 16, bottom=parity == "B", refresh=number == 0 and position == 0)
            )
    return byte_stream(units)


def h264_picture_parameters() -> bytes:
    """A picture parameter set for CAVLC."""
    out = BitWriter().unsigned(0, 0).flags(False, False).unsigned(0, 0, 0).flags(False).bits(0, 2)
    return nal(b"\x68", out.signed(0, 0, 0).flags(True, False, False).end())


def _h264_field(number: int, *, bottom: bool, refresh: bool) -> bytes:
    """One field of one macroblock whose samples are not compressed."""
    out = BitWriter().unsigned(0, 7, 0).bits(number, 4).flags(True, bottom)
    if refresh:
        out.unsigned(0)
    out.bits(number * 2 % 16 + bottom, 4)  # pic_order_cnt_lsb
    out.flags(False, False) if refresh else out.flags(False)
    out.signed(0).unsigned(1)  # quantiser, no deblocking
    out.unsigned(25).align()  # I_PCM
    samples = bytes([(40 + number * 8) % 220 + 16]) * 256 + b"\x80" * 128
    payload = out.bytes() + samples
    return nal(b"\x65" if refresh else b"\x61", payload + b"\x80")


def mpeg2_sequence(
    *,
    size: tuple[int, int] = (16, 32),
    aspect: int = 2,
    rate: int = 3,
    profile_level: int | None = 0x48,
    progressive: bool = False,
    chroma: int = 1,
    display: tuple[int, int] | None = None,
    colour: tuple[int, int, int] | None = None,
) -> bytes:
    """A sequence header with its extensions; without `profile_level` it is one of MPEG-1."""
    head = BitWriter().bits(size[0] & 4095, 12).bits(size[1] & 4095, 12).bits(aspect, 4).bits(rate, 4)
    data = b"\0\0\x01\xb3" + head.bits(1000, 18).flags(True).bits(20, 10).flags(False, False, False).bytes()
    if profile_level is None:
        return data
    more = BitWriter().bits(1, 4).bits(profile_level, 8).flags(progressive).bits(chroma, 2)
    more.bits(size[0] >> 12, 2).bits(size[1] >> 12, 2).bits(0, 12).flags(True).bits(0, 8).flags(False)
    data += b"\0\0\x01\xb5" + more.bits(0, 7).bytes()
    if display or colour:
        shown = BitWriter().bits(2, 4).bits(1, 3).flags(colour is not None)
        for code in colour or ():
            shown.bits(code, 8)
        width, height = display or size
        data += b"\0\0\x01\xb5" + shown.bits(width, 14).flags(True).bits(height, 14).bytes()
    return data


def mpeg2_pictures(structures: Sequence[int], *, repeat: Mapping[int, bool] | None = None) -> bytes:
    """MPEG-2 of 16x32 pixels: top fields (1), bottom fields (2) and frames (3), all intra coded.

    `repeat` names the pictures, counted from 0, that repeat their first field.
    """
    data = mpeg2_sequence()
    for index, structure in enumerate(structures):
        again = bool(repeat and repeat.get(index))
        head = BitWriter().bits(index % 1024, 10).bits(1, 3).bits(0xFFFF, 16).flags(False)
        code = BitWriter().bits(8, 4).bits(0xFFFF, 16).bits(0, 2).bits(structure, 2)
        code.flags(structure == 3, structure == 3, False, False, False, False, again, again, again, False)
        data += b"\0\0\x01\0" + head.bytes() + b"\0\0\x01\xb5" + code.bytes()
        for row in range(2 if structure == 3 else 1):
            part = BitWriter().bits(1, 5).flags(False)
            part.flags(True, True)  # next address, intra
            for block in range(6):
                part.text += ("100" if block < 4 else "00") + "10"  # no difference, end of block
            data += bytes([0, 0, 1, row + 1]) + part.bytes()
    return data + b"\0\0\x01\xb7"
