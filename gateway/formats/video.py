"""Videos in all containers: what they are, and what has to be done to them.

MP4 and transport streams with H.264, HEVC or MPEG-2, and program streams with MPEG-2, go into the object
as they are; the same pictures in other containers are put into MP4, and others are coded again where that
is wanted. The structure of a file is checked from beginning to end, its coded pictures are counted, and
what they are like is read from their own headers.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from gateway.config import Reading
from gateway.convert.video import VideoSource
from gateway.formats import isobmff, mpeg_systems
from gateway.formats.format import Format
from gateway.formats.video_examine import examine
from gateway.formats.video_forms import (
    Form,
    check_avi,
    check_bare,
    check_flash,
    check_matroska,
    check_mp4,
    check_program,
    check_transport,
)
from gateway.formats.video_pictures import (
    by_coding,
    by_showing,
    demuxing,
)
from gateway.formats.video_plan import Found, Plan, done, pixels_of, remarks
from gateway.formats.video_refusals import (
    damage_in_words,
)
from gateway.formats.video_rules import (
    Container,
)
from gateway.formats.video_work import Work, convert
from gateway.model import Kind, Probe, Source
from gateway.stream import FileSlice, Stream, open_file

_MP4_BRANDS = frozenset(
    {
        b"avc1",
        b"cmf2",
        b"cmfc",
        b"dash",
        b"f4v ",
        b"hvc1",
        *(b"iso%c" % digit for digit in b"m23456789abc"),
        b"M4V ",
        b"M4VH",
        b"M4VP",
        b"mp41",
        b"mp42",
        b"MSNV",
    }
)

_FINEST = 100_000  # parts of a second that a rate is told in


def sniff_mp4(head: bytes) -> bool:
    """Whether these are the first bytes of an MP4 file."""
    return bool(isobmff.brands(head) & _MP4_BRANDS) and head[8:12] != b"qt  "


def sniff_transport(head: bytes) -> bool:
    """Whether these are the first bytes of a transport stream."""
    return mpeg_systems.packet_distance(head) is not None


def _starts(expression: bytes) -> Callable[[bytes], bool]:
    """A test of the first bytes."""
    compiled = re.compile(expression, re.DOTALL)
    return lambda head: compiled.match(head) is not None


def _format(
    form: Form,
    title: str,
    media_type: str,
    extensions: tuple[str, ...],
    sniff: Callable[[bytes], bool],
    *,
    short: str | None = None,
    aliases: tuple[str, ...] = (),
) -> Format:
    """A format of videos."""
    return Format(
        name=form.name,
        title=title,
        short=short or form.container.short,
        kind=Kind.VIDEO,
        media_type=media_type,
        extensions=extensions,
        sniff=sniff,
        probe=partial(_probe, form=form),
        aliases=aliases,
    )


def _probe(source: Source, reading: Reading, form: Form) -> Probe:
    """Looks into a video; raises `Reject`."""
    content = FileSlice.whole(source.path)
    with damage_in_words(source), open_file(source.path) as file:
        structure = form.check(source, file, content.length)
        with demuxing(file, form.demuxer) as demuxer:
            found, plan = examine(source, reading, content.length, (form, structure, demuxer))
    return _described(source, reading, content, found, plan)


_MP4 = Form("mp4", Container.MP4, "mp4", check_mp4)
MP4 = _format(_MP4, "an MP4 video", "video/mp4", (".mp4", ".m4v", ".mp4v"), sniff_mp4)
TRANSPORT_STREAM = _format(
    Form("mpegts", Container.TRANSPORT, "mpegts", check_transport),
    "an MPEG transport stream",
    "video/mp2t",
    (".ts", ".m2ts", ".mts", ".m2t"),
    sniff_transport,
    aliases=("mpeg", "video/mpeg"),
)
PROGRAM_STREAM = _format(
    Form("mpeg", Container.PROGRAM, "mpeg", check_program),
    "an MPEG program stream",
    "video/mpeg",
    (".mpg", ".mpeg", ".vob", ".m2p"),
    mpeg_systems.sniff_program,
)
QUICKTIME = _format(
    Form("quicktime", Container.QUICKTIME, "mov", check_mp4),
    "a QuickTime movie",
    "video/quicktime",
    (".mov", ".qt"),
    _starts(rb".{4}(?:ftypqt  |moov|mdat|wide|pnot|(?:free|skip).{0,4000}(?:moov|mdat))"),
)
MOBILE = _format(
    Form("3gp", Container.MOBILE, "mov", check_mp4),
    "a 3GP video",
    "video/3gpp",
    (".3gp", ".3g2"),
    lambda head: head[4:10] in (b"ftyp3g", b"ftypkd") and not sniff_mp4(head),
    aliases=("video/3gpp2",),
)
MATROSKA = _format(
    Form("matroska", Container.MATROSKA, "matroska", check_matroska, by_showing),
    "a Matroska or WebM video",
    "video/x-matroska",
    (".mkv", ".webm", ".mk3d"),
    _starts(rb"\x1aE\xdf\xa3"),
    aliases=("webm", "video/matroska", "video/webm"),
)
AVI = _format(
    Form("avi", Container.AVI, "avi", check_avi, by_coding),
    "an AVI video",
    "video/x-msvideo",
    (".avi",),
    _starts(rb"RIFF.{4}AVI "),
    aliases=("video/avi", "video/vnd.avi"),
)
FLASH = _format(
    Form("flv", Container.FLASH, "flv", check_flash),
    "a Flash video",
    "video/x-flv",
    (".flv",),
    _starts(rb"FLV\x01"),
)
BARE_H264 = _format(
    Form("h264", Container.BARE, "h264", check_bare),
    "a bare H.264 stream",
    "video/h264",
    (".h264", ".264", ".avc"),
    _starts(rb"\0{2,3}\x01(?:[\x67\x27\x47]|\x09.\0{2,3}\x01[\x67\x27\x47])"),
    short="bare H.264",
)
BARE_HEVC = _format(
    Form("hevc", Container.BARE, "hevc", check_bare),
    "a bare HEVC stream",
    "video/h265",
    (".hevc", ".h265", ".265"),
    _starts(rb"\0{2,3}\x01[\x40\x42\x46]\x01"),
    short="bare HEVC",
)
BARE_MPEG = _format(
    Form("mpegvideo", Container.BARE, "mpegvideo", check_bare),
    "a bare MPEG video stream",
    "video/mpv",
    (".m2v", ".m1v", ".mpv"),
    _starts(rb"\0\0\x01\xb3"),
    short="bare MPEG video",
)
FORMATS = (
    MP4,
    TRANSPORT_STREAM,
    PROGRAM_STREAM,
    QUICKTIME,
    MOBILE,
    MATROSKA,
    AVI,
    FLASH,
    BARE_H264,
    BARE_HEVC,
    BARE_MPEG,
)


def _described(source: Source, reading: Reading, content: FileSlice, found: Found, plan: Plan) -> Probe:
    """What an object needs to know of a video that may be stored."""
    created = found.structure.movie.created if found.structure.movie else None
    planned = Probe(
        source=source,
        format=found.form.name,
        kind=Kind.VIDEO,
        media_type=plan.level.carrier.media_type,
        transfer_syntax=plan.level.carrier.uid,
        content=Stream.of(content),
        pixels=pixels_of(found, plan),
        audio=plan.sounds.described(),
        captured=created,
        facts={
            "video": {
                "codec": found.coding.codec,
                "profile": found.coding.profile,
                "level": found.coding.level,
                "container": found.form.container.short,
                "width": found.coding.width,
                "height": found.coding.height,
                "frame_rate": round(float(found.timing.rate), 6),
                "duration": round(float(found.timing.duration), 6),
                "created": created,
            }
        },
        messages=(*done(found, plan), *remarks(found, plan)),
    )
    if not plan.renewed and not plan.unpad:
        return planned
    return replace(planned, convert=partial(convert, planned, _work(source, reading, found, plan)))


def _work(source: Source, reading: Reading, found: Found, plan: Plan) -> Work:
    """What is to be done to a video."""
    bare = found.form.container is Container.BARE
    distance = found.structure.distance
    return Work(
        source=VideoSource(
            path=source.path,
            demuxer=found.form.demuxer,
            stream=found.stream,
            rate=found.timing.rate.limit_denominator(_FINEST) if bare or found.pictures.unstamped else None,
            max_pixels=reading.max_pixels,
        ),
        coding=found.coding,
        picture=plan.recoded.picture if plan.recoded else None,
        sounds=plan.sounds.tracks,
        unpad=(distance, mpeg_systems.FIRST[distance]) if plan.unpad else None,
        again=partial(_result, found.form if plan.unpad else _MP4),
    )


def _result(form: Form, path: Path) -> Probe:
    """Looks into a file that was made."""
    return _probe(Source(path, path.parent), Reading(), form)
