"""Videos: MP4 and transport streams with H.264, HEVC or MPEG-2, and program streams with MPEG-2.

The whole file goes into the object as it is. Its structure is checked from beginning to end, its coded
pictures are counted, and what they are like is read from their own headers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING, BinaryIO

from gateway.config import Reading
from gateway.formats import isobmff, mpeg_systems
from gateway.formats.bits import Malformed
from gateway.formats.format import Format
from gateway.formats.sei import FURTHER_VIEWS, TURNED
from gateway.formats.video_coding import UNSPECIFIED, Coding
from gateway.formats.video_pictures import CODECS, Codec, PictureReader, Pictures, codec_name, demuxing, only
from gateway.formats.video_refusals import (
    check_count,
    check_distance,
    check_index,
    check_movie,
    damage_in_words,
    refusing,
    unknown_coding,
)
from gateway.formats.video_rules import (
    CONVERT,
    ONE_SOUND,
    ONE_VIEW,
    Container,
    Level,
    Sound,
    Unsuitable,
    check_container,
    check_pictures,
    check_sound,
    level_for,
)
from gateway.formats.video_timing import Timing
from gateway.model import AudioChannel, Kind, LossyStep, Pixels, Probe, Source
from gateway.stream import FileSlice, Stream, open_file, stat

if TYPE_CHECKING:  # libav is large: it is loaded when a video comes
    from av.container import InputContainer
    from av.video.stream import VideoStream

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
_VIEW_BOXES = frozenset({"lhvC", "mvcC", "svcC"})  # ISO/IEC 14496-15
_DEMUXERS = {Container.MP4: "mp4", Container.TRANSPORT: "mpegts", Container.PROGRAM: "mpeg"}
_MOST_SOUNDS = 9  # PS3.3 C.7.6.5, Channel Identification Code

_MOBILE = (b"ftyp3g", b"ftypkd")
_REFUSED: dict[Container, tuple[str, Callable[[bytes], bool]]] = {
    Container.QUICKTIME: ("mov", lambda head: head[4:12] == b"ftypqt  "),
    Container.MOBILE: ("mov", lambda head: head[4:10] in _MOBILE and not sniff_mp4(head)),
    Container.MATROSKA: ("matroska", lambda head: head.startswith(b"\x1aE\xdf\xa3")),
    Container.AVI: ("avi", lambda head: head[:4] == b"RIFF" and head[8:12] == b"AVI "),
}


@dataclass(frozen=True, slots=True)
class _Structure:
    """What the structure of the container says.

    `movie` is the index of MP4, `damaged` counts packets of a transport stream that were damaged on the way.
    """

    movie: isobmff.Movie | None = None
    damaged: int = 0

    @property
    def track(self) -> isobmff.Track | None:
        """The track of pictures in MP4."""
        tracks = self.movie.tracks if self.movie else ()
        return next((track for track in tracks if track.handler == "vide"), None)


@dataclass(frozen=True, slots=True)
class _Found:
    """All that was found in a file; `others` are tracks of neither pictures nor sound."""

    container: Container
    structure: _Structure
    coding: Coding
    pictures: Pictures
    timing: Timing
    sounds: tuple[Sound, ...]
    others: int
    level: Level


def sniff_mp4(head: bytes) -> bool:
    """Whether these are the first bytes of an MP4 file."""
    return bool(isobmff.brands(head) & _MP4_BRANDS) and head[8:12] != b"qt  "


def sniff_transport(head: bytes) -> bool:
    """Whether these are the first bytes of a transport stream."""
    return mpeg_systems.packet_distance(head) is not None


def probe_mp4(source: Source, reading: Reading) -> Probe:
    """What an MP4 video is; raises `Reject`."""
    return _probe(source, Container.MP4)


def probe_transport(source: Source, reading: Reading) -> Probe:
    """What a transport stream is; raises `Reject`."""
    return _probe(source, Container.TRANSPORT)


def probe_program(source: Source, reading: Reading) -> Probe:
    """What a program stream is; raises `Reject`."""
    return _probe(source, Container.PROGRAM)


MP4 = Format(
    name="mp4",
    title="an MP4 video",
    short="MP4",
    kind=Kind.VIDEO,
    media_type="video/mp4",
    extensions=(".mp4", ".m4v", ".mp4v"),
    sniff=sniff_mp4,
    probe=probe_mp4,
)
TRANSPORT_STREAM = Format(
    name="mpegts",
    title="an MPEG transport stream",
    short="MPEG-TS",
    kind=Kind.VIDEO,
    media_type="video/mp2t",
    extensions=(".ts", ".m2ts", ".mts", ".m2t"),
    sniff=sniff_transport,
    probe=probe_transport,
    aliases=("mpeg", "video/mpeg"),
)
PROGRAM_STREAM = Format(
    name="mpeg",
    title="an MPEG program stream",
    short="MPEG-PS",
    kind=Kind.VIDEO,
    media_type="video/mpeg",
    extensions=(".mpg", ".mpeg", ".vob", ".m2p"),
    sniff=mpeg_systems.sniff_program,
    probe=probe_program,
)
FORMATS = (MP4, TRANSPORT_STREAM, PROGRAM_STREAM)


def refuse_container(source: Source, head: bytes) -> None:
    """Refuses videos in other containers by their first bytes, and says what they hold and what would help.

    Raises `Reject`; returns where the bytes are no such video or where it cannot be taken apart.
    """
    container = next((found for found, (_, sniff) in _REFUSED.items() if sniff(head)), None)
    if container is None:
        return
    size = stat(source.path).st_size
    with suppress(Malformed), open_file(source.path) as file:
        if container in (Container.QUICKTIME, Container.MOBILE):
            check_index(isobmff.read(file, size), size)
        with demuxing(file, _REFUSED[container][0]) as demuxer:
            stream = _picture_stream(source, demuxer)
            coding = PictureReader(only(demuxer, stream), stream, _codec(source, container, stream)).coding
            with refusing(source, coding, container):
                check_pictures(coding, size)
                _check_sounds(_sounds(demuxer), coding, Container.MP4)
                check_container(coding, container)


def _probe(source: Source, container: Container) -> Probe:
    """Looks into a video."""
    content = FileSlice.whole(source.path)
    with damage_in_words(source), open_file(source.path) as file:
        structure = _check_structure(source, file, container, content.length)
        with demuxing(file, _DEMUXERS[container]) as demuxer:
            return _examine(source, content, container, structure, demuxer)


def _check_structure(source: Source, file: BinaryIO, container: Container, size: int) -> _Structure:
    """Reads the structure of the container; what is missing or damaged is `Malformed`."""
    if container is Container.MP4:
        movie = isobmff.read(file, size)
        check_movie(source, movie, size)
        return _Structure(movie)
    if container is Container.TRANSPORT:
        check_distance(source, file)
        return _Structure(damaged=mpeg_systems.check_transport(file, size))
    mpeg_systems.check_program(file, size)
    return _Structure()


def _examine(
    source: Source, content: FileSlice, container: Container, structure: _Structure, demuxer: InputContainer
) -> Probe:
    """Reads pictures and sound, and refuses what no transfer syntax permits."""
    stream = _picture_stream(source, demuxer)
    reader = PictureReader(only(demuxer, stream), stream, _codec(source, container, stream))
    coding = _as_shown(reader.coding, structure.track)
    sounds = _sounds(demuxer)
    others = len(demuxer.streams) - len(demuxer.streams.video) - len(sounds)
    with refusing(source, coding, container):
        check_pictures(coding, content.length)
        check_container(coding, container)
        _check_display(structure.track, reader.obstacle())
        _check_sounds(sounds, coding, container)
        pictures = reader.read()
        _check_all_read(structure, pictures)
        timing = pictures.timing
        if timing is None:
            raise Unsuitable("nothing says how long its frames are shown", CONVERT)
        level = level_for(coding, timing.rate)
    found = _Found(container, structure, coding, pictures, timing, sounds, others, level)
    return _described(source, content, found)


def _described(source: Source, content: FileSlice, found: _Found) -> Probe:
    """What an object needs to know of a video that may be stored."""
    created = found.structure.movie.created if found.structure.movie else None
    return Probe(
        source=source,
        format=next(form.name for form in FORMATS if form.short == found.container.short),
        kind=Kind.VIDEO,
        media_type=found.level.carrier.media_type,
        transfer_syntax=found.level.carrier.uid,
        content=Stream.of(content),
        pixels=_pixels(found),
        audio=tuple(
            AudioChannel(number, "MONO" if sound.channels == 1 else "STEREO")  # PS3.3 C.7.6.5 knows no others
            for number, sound in enumerate(found.sounds, start=1)
        ),
        captured=created,
        facts={
            "video": {
                "codec": found.coding.codec,
                "profile": found.coding.profile,
                "level": found.coding.level,
                "container": found.container.short,
                "width": found.coding.width,
                "height": found.coding.height,
                "frame_rate": round(float(found.timing.rate), 6),
                "duration": round(float(found.timing.duration), 6),
                "created": created,
            }
        },
        messages=tuple(_remarks(found)),
    )


def _picture_stream(source: Source, demuxer: InputContainer) -> VideoStream:
    """The one stream of pictures; a cover is none."""
    from av.stream import Disposition

    streams = [
        stream for stream in demuxer.streams.video if not stream.disposition & Disposition.attached_pic
    ]
    check_count(source, len(streams))
    return streams[0]


def _codec(source: Source, container: Container, stream: VideoStream) -> Codec:
    """How the pictures' headers are read; refuses codings that DICOM does not know."""
    name = codec_name(stream)
    if name not in CODECS:
        raise unknown_coding(source, name, container)
    return CODECS[name]


def _as_shown(coding: Coding, track: isobmff.Track | None) -> Coding:
    """What pictures are like to players, who follow the index of MP4 where the pictures leave it open."""
    if track is None:
        return coding
    if track.colour and coding.colour.primaries == coding.colour.transfer == UNSPECIFIED:
        coding = replace(coding, colour=track.colour)
    if track.aspect and all(track.aspect) and coding.aspect in (None, 1):
        coding = replace(coding, aspect=Fraction(*track.aspect))
    return coding


def _check_display(track: isobmff.Track | None, obstacle: str | None) -> None:
    """Refuses pictures that are not to be shown one by one as they are coded; raises `Unsuitable`."""
    if track and track.boxes & _VIEW_BOXES:
        obstacle = FURTHER_VIEWS
    if track and track.turned:
        obstacle = TURNED
    if obstacle:
        remedy = CONVERT if obstacle == TURNED else ONE_VIEW
        raise Unsuitable(f"its pictures are not to be shown as they are coded: {obstacle}", remedy)


def _check_all_read(structure: _Structure, pictures: Pictures) -> None:
    """Compares what was read with the index of MP4; raises `Malformed`."""
    if structure.movie is None or structure.track is None:
        return
    listed = structure.movie.samples(structure.track)
    if pictures.packets != listed or pictures.interrupted:
        whole = pictures.packets - pictures.interrupted
        raise Malformed(f"its index lists {listed:,} pictures, of which {whole:,} can be read")


def _sounds(demuxer: InputContainer) -> tuple[Sound, ...]:
    """What libav knows of the sound tracks; of a coding that it does not know, nothing."""
    return tuple(
        Sound(codec_name(stream), context.sample_rate or 0, context.layout.nb_channels, context.bit_rate)
        if (context := stream.codec_context)
        else Sound("", 0, 0, None)
        for stream in demuxer.streams.audio
    )


def _check_sounds(sounds: Sequence[Sound], coding: Coding, container: Container) -> None:
    """Refuses sound that may not go with the pictures; raises `Unsuitable`."""
    for sound in sounds:
        check_sound(sound, coding, container)
    if len(sounds) > _MOST_SOUNDS:
        raise Unsuitable(
            f"an object describes {_MOST_SOUNDS} sound tracks at most, not {len(sounds)}", ONE_SOUND
        )


def _pixels(found: _Found) -> Pixels:
    """The pixels that the pictures decode to (PS3.5 8.2.5 to 8.2.11).

    The compression ratio is that of all frames as an uncompressed object would have them, three samples a
    pixel, to the coded pictures without container and sound.
    """
    coding, pictures = found.coding, found.pictures
    allocated = 8 if coding.bits == 8 else 16
    uncompressed = coding.width * coding.height * 3 * allocated // 8 * pictures.frames
    aspect = coding.aspect or Fraction(1)
    return Pixels(
        rows=coding.height,
        columns=coding.width,
        samples_per_pixel=3,
        photometric_interpretation="YBR_PARTIAL_420",
        bits_allocated=allocated,
        bits_stored=coding.bits,
        planar_configuration=0,
        pixel_aspect_ratio=(aspect.denominator, aspect.numerator) if aspect != 1 else None,
        frames=pictures.frames,
        frame_times=found.timing.frame_times,
        lossy=(LossyStep(round(uncompressed / pictures.size, 2), found.level.carrier.method),),
    )


def _remarks(found: _Found) -> Iterator[str]:
    """What users should know of a video that is stored."""
    if found.timing.remark:
        yield found.timing.remark
    if strain := found.level.strain(found.timing.rate, found.pictures.frames, found.pictures.size):
        yield strain
    if found.coding.colour.full_range:
        yield (
            "its colours have the full range, which YBR_PARTIAL_420 does not say; "
            "viewers that do not read the video's own header show them too harsh"
        )
    if found.structure.damaged or found.pictures.interrupted:
        yield "parts of it were lost or damaged before it came here; some pictures may be shown wrong"
    if any(sound.channels > 2 for sound in found.sounds):
        yield "its sound has more than two channels; the object describes it as stereo"
    if found.others:
        yield f"it also has {found.others} tracks of text or data, which go into the object with it"
