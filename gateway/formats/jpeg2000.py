"""JPEG 2000 pictures (ITU-T T.800) and HTJ2K (T.814): the codestream goes into DICOM as it is.

The boxes of a JP2 file stay behind (PS3.5 A.4.4), so what they say has to be what DICOM says: a palette,
transparency, colours in another order and components that differ are decoded and stored without loss.

A codestream of the reversible wavelet without quantization counts as lossless, unless its packets show that
layers or passes were left out. HTJ2K is taken at the word of its headers.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from gateway.config import Reading
from gateway.convert.decoding import SAID, Work, decoded
from gateway.convert.jpeg2000 import Channel, Layout, decode
from gateway.errors import Reject
from gateway.formats import jpeg2000_boxes as boxes
from gateway.formats import jpeg2000_codestream as codestreams
from gateway.formats.format import Format
from gateway.formats.jpeg2000_boxes import Header
from gateway.formats.jpeg2000_codestream import Codestream, damaged
from gateway.formats.jpeg2000_packets import Passes, passes_of
from gateway.media_types import EXPLICIT_LITTLE, OCTETS
from gateway.model import Kind, LossyStep, Pixels, Probe, Source
from gateway.stream import FileSlice, FileStamp, Stream, open_file

_FAMILY = "1.2.840.10008.1.2.4"
_MAX_BITS = 16
_MAX_SIDE = 65_535
"""Rows and Columns are numbers of 16 bits (PS3.3 C.7.6.3)."""

_BYTES_A_SAMPLE = 24
"""Memory that the decoder takes at its worst, with its tables and both forms of the samples."""

_LEFT_OUT = {
    Passes.TOO_FEW: ("is coded reversibly, but layers or coding passes were left out: it counts as lossy",),
    Passes.MOST: (
        "lacks some of its last coding passes; encoders leave them out where they change nothing, and so it "
        "counts as lossless, which is not certain",
    ),
    Passes.UNKNOWN: (
        "it was not found out whether coding passes were left out; it counts as lossless, as its header says",
    ),
}
"""What is told of a reversible codestream."""

_NEEDED = {"GRAY": 1, "RGB": 3, "YCC": 3}
"""Colours of each colour space."""


@dataclass(frozen=True, slots=True)
class Coding:
    """How an object carries a codestream."""

    transfer_syntax: str
    media_type: str
    method: str | None
    """The method of lossy compression; None without loss."""


def sniff(head: bytes) -> bool:
    """Whether these first bytes are those of a JP2, JPX or JPH file or of a codestream."""
    return head.startswith((boxes.SIGNATURE, codestreams.START))


def probe(source: Source, reading: Reading) -> Probe:
    """What a JPEG 2000 file says of itself.

    The content is the codestream, from SOC to EOC. Raises `Reject` for a picture that is not whole, or
    whose components or colours are none that DICOM has.
    """
    path = source.path
    with open_file(path) as file:
        stamp = FileStamp.of(os.fstat(file.fileno()))
        is_file = file.read(4) != codestreams.START
        header = boxes.read(file, path, stamp.size) if is_file else Header(0, stamp.size)
        stream = codestreams.read(file, path, header.start, header.limit)
        passes = Passes.ALL
        if stream.reversible and not (stream.high_throughput or stream.part_2):
            passes = passes_of(file, stream.structure)
            stream = replace(stream, cut=passes is Passes.TOO_FEW)
    if max(stream.columns, stream.rows) > _MAX_SIDE:
        raise Reject(
            f"{path} has {stream.columns:,} x {stream.rows:,} pixels, and a DICOM image has at most "
            f"{_MAX_SIDE:,} in a row or column. Give a smaller picture"
        )
    layout = choose_layout(header, stream, path)
    colours = photometric_interpretation(layout, stream)
    base = Probe(
        source=source,
        format=FORMAT.name,
        kind=FORMAT.kind,
        media_type=OCTETS,
        transfer_syntax=EXPLICIT_LITTLE,
        content=Stream.of(FileSlice(path, stream.start, stream.length, stamp)),
        messages=(*_LEFT_OUT.get(passes, ()), *_left_out(header, stream, layout)),
    )
    step = _lossy(stream, layout, choose_coding(stream))
    other = _decoded(base, layout, step, reading.max_pixels)
    if colours is None:
        return other
    as_it_is = _as_it_is(base, stream, colours, step)
    return replace(as_it_is, otherwise=other if _can_be_decoded(layout) else None)


FORMAT = Format(
    name="jpeg2000",
    title="a JPEG 2000 picture",
    short="JPEG 2000",
    kind=Kind.IMAGE,
    media_type="image/jp2",
    extensions=(".jp2", ".j2k", ".j2c", ".jpc", ".jpf", ".jpx", ".jph", ".jhc"),
    sniff=sniff,
    probe=probe,
    aliases=("image/jpx", "image/jph", "image/jphc", "image/j2c"),
)


def choose_coding(stream: Codestream) -> Coding:
    """The transfer syntax of a codestream (PS3.5 A.4.4 and 8.2.4; HTJ2K A.4.11 and 10.18)."""
    if stream.high_throughput:
        method = None if stream.lossless else "ISO_15444_15"
        end = "203" if method else "202" if stream.progressive_by_resolution else "201"
        return Coding(f"{_FAMILY}.{end}", "image/jphc", method)
    method = None if stream.lossless else "ISO_15444_1"
    return Coding(f"{_FAMILY}.{'91' if method else '90'}", "image/jp2", method)


def photometric_interpretation(layout: Layout, stream: Codestream) -> str | None:
    """The photometric interpretation of a codestream that DICOM carries as it is; None if it does not.

    A colour transformation inside the codestream is named (PS3.5 8.2.4): then its result is RGB.
    """
    plain = _plain(layout)
    if layout.alpha or layout.colours != plain or not layout.alike or stream.part_2:
        return None
    if layout.subsampled:
        return None
    transformed, wavelets = stream.transformed, stream.wavelets
    if len(plain) == 1:
        return None if transformed else "MONOCHROME2"
    if plain[0].signed or transformed is None or (transformed and len(wavelets) > 1):
        return None
    if layout.ycc:
        return "YBR_FULL" if not transformed and layout.bits == 8 else None
    return "RGB" if not transformed else "YBR_RCT" if True in wavelets else "YBR_ICT"


def choose_layout(header: Header, stream: Codestream, path: Path) -> Layout:
    """Which components the colours of a picture are in, and what else there is.

    Raises `Reject` for what is neither grey nor three colours with the same depth.
    """
    space = header.space or {1: "GRAY", 3: "RGB"}.get(len(stream.components))
    if space is None:
        raise _refusal(path, f"has {len(stream.components)} components and does not say what they are")
    if space not in _NEEDED:
        raise _refusal(path, f"is {space}, which this version cannot convert")
    channels = _channels(header, stream, path)
    colours, alpha = _purposes(header, channels, _NEEDED[space], path)
    subsampled = any((each.across, each.down) != (1, 1) for each in stream.components)
    layout = Layout(
        columns=stream.columns,
        rows=stream.rows,
        components=tuple((each.bits, each.signed) for each in stream.components),
        colours=colours,
        ycc=space == "YCC",
        subsampled=subsampled,
        alpha=alpha,
    )
    if fault := _obstacle(layout, stream, header.space):
        raise _refusal(path, fault)
    return layout


def _channels(header: Header, stream: Codestream, path: Path) -> list[Channel]:
    """All channels: components, or what the palette makes of them (T.800 I.5.3.5)."""
    components = stream.components
    if header.palette is None:
        return [Channel(number, each.bits, each.signed) for number, each in enumerate(components)]
    palette = header.palette
    channels: list[Channel] = []
    for number, column in header.mapped:
        if number >= len(components) or (column is not None and column >= len(palette.columns)):
            raise damaged(path, "its component mapping names what is not there")
        if column is None:
            channels.append(Channel(number, components[number].bits, components[number].signed))
        else:
            values = palette.columns[column]
            channels.append(Channel(number, palette.bits[column], palette.signed[column], values))
    return channels


def _purposes(
    header: Header, channels: list[Channel], needed: int, path: Path
) -> tuple[tuple[Channel, ...], Channel | None]:
    """The channels of the colours in their order, and that of the transparency (T.800 I.5.3.6)."""
    if not header.purposes:
        if not needed <= len(channels) <= needed + 1:
            raise _refusal(path, f"has {len(channels)} channels where {needed} make up its colours")
        return tuple(channels[:needed]), None
    if any(purpose.channel >= len(channels) for purpose in header.purposes):
        raise damaged(path, "its channel definition names what is not there")
    colours = {
        purpose.colour: channels[purpose.channel]
        for purpose in header.purposes
        if purpose.kind == boxes.COLOUR
    }
    if any(purpose.kind == boxes.PREMULTIPLIED for purpose in header.purposes):
        raise _refusal(path, "has colours that are mixed with their transparency already")
    alphas = [channels[each.channel] for each in header.purposes if each.kind == boxes.OPACITY]
    if sorted(colours) != list(range(1, needed + 1)):
        raise _refusal(path, f"does not say which channels its {needed} colours are in")
    return tuple(colours[number] for number in sorted(colours)), alphas[0] if alphas else None


def _obstacle(layout: Layout, stream: Codestream, space: str | None) -> str | None:
    """Why a picture can neither be stored as it is nor be decoded without loss."""
    deepest = max(bits for bits, _ in layout.components)
    deepest = max(deepest, *(channel.bits for channel in layout.colours))
    if deepest > _MAX_BITS:
        return f"has samples of {deepest} bits; the objects that pictures become have {_MAX_BITS} at most"
    channels = (*layout.colours, *([layout.alpha] if layout.alpha else []))
    if layout.bits > 8 and any(channel.bits != layout.bits for channel in channels):
        return "has colours of different depths, of more than 8 bits"
    if not layout.alike and deepest > 8:
        return "has components of different depths, one of them of more than 8 bits"
    if layout.subsampled and not _is_usual(layout, stream, space):
        return "has components of different resolutions"
    if layout.alpha and any(channel.signed for channel in layout.colours):
        return "has transparent pixels with signed values"
    return None


def _is_usual(layout: Layout, stream: Codestream, space: str | None) -> bool:
    """Whether this is luminance and two colour differences of half the resolution, across or both ways.

    A codestream without a header that looks so is taken for it, as decoders do.
    """
    resolutions = [(each.across, each.down) for each in stream.components]
    return (
        resolutions in ([(1, 1), (2, 1), (2, 1)], [(1, 1), (2, 2), (2, 2)])
        and space in ("YCC", None)
        and layout.colours == _plain(layout)
        and layout.alike
        and not layout.colours[0].signed
        and not stream.transformed
    )


def _plain(layout: Layout) -> tuple[Channel, ...]:
    """The channels of a codestream without a header: its components."""
    return tuple(Channel(number, bits, signed) for number, (bits, signed) in enumerate(layout.components))


def _can_be_decoded(layout: Layout) -> bool:
    """Whether decoding gives the same values: signed grey ones would lose their meaning."""
    return len(layout.colours) > 1 or not layout.colours[0].signed


def _as_it_is(base: Probe, stream: Codestream, colours: str, step: LossyStep | None) -> Probe:
    """The form in which the codestream goes into the object unchanged."""
    coding = choose_coding(stream)
    first = stream.components[0]
    samples = len(stream.components)
    return replace(
        base,
        media_type=coding.media_type,
        transfer_syntax=coding.transfer_syntax,
        pixels=Pixels(
            rows=stream.rows,
            columns=stream.columns,
            samples_per_pixel=samples,
            photometric_interpretation=colours,
            bits_allocated=8 if first.bits <= 8 else 16,
            bits_stored=first.bits,
            pixel_representation=int(first.signed),
            planar_configuration=0 if samples > 1 else None,
            lossy=(step,) if step else (),
        ),
    )


def _decoded(base: Probe, layout: Layout, step: LossyStep | None, most: int) -> Probe:
    """The form in which the picture is decoded and stored without loss."""
    samples = len(layout.colours)
    pixels = Pixels(
        rows=layout.rows,
        columns=layout.columns,
        samples_per_pixel=samples,
        photometric_interpretation="RGB" if samples > 1 else "MONOCHROME2",
        bits_allocated=8 if layout.bits == 8 else 16,
        bits_stored=layout.bits,
        planar_configuration=0 if samples > 1 else None,
        lossy=(step,) if step else (),
    )
    plain = replace(base, pixels=pixels, messages=(*base.messages, _said(layout)))
    size = layout.columns * layout.rows * len(layout.components)
    return replace(plain, convert=partial(decoded, plain, Work(decode, layout, size, _BYTES_A_SAMPLE, most)))


def _lossy(stream: Codestream, layout: Layout, coding: Coding) -> LossyStep | None:
    """The compression that the codestream is, if it is a lossy one (PS3.3 C.7.6.1.1.5)."""
    if coding.method is None:
        return None
    size = layout.columns * layout.rows * len(layout.colours) * (1 if layout.bits == 8 else 2)
    return LossyStep(float(f"{size / stream.length:.4g}"), coding.method)


def _said(layout: Layout) -> str:
    """What decoding does to a picture, for people."""
    what = [SAID]
    if any(channel.palette for channel in layout.colours):
        what.append("its palette is looked up")
    return "; ".join(what)


def _left_out(header: Header, stream: Codestream, layout: Layout) -> tuple[str, ...]:
    """What of the file is not stored."""
    said = []
    if extra := header.limit - stream.end:
        said.append(f"has {extra:,} bytes behind its picture; they are left out")
    if header.further:
        said.append(f"has {header.further:,} further codestreams; they are left out")
    used = {channel.component for channel in (*layout.colours, *([layout.alpha] if layout.alpha else []))}
    if unused := len(layout.components) - len(used):
        said.append(f"has {unused:,} components that are not colours; they are left out")
    return tuple(said)


def _refusal(path: Path, reason: str) -> Reject:
    return Reject(f"{path} {reason}. Save it as a JPEG 2000 or PNG picture in RGB or grey and give that file")
