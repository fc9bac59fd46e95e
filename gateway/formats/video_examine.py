"""Looks into the pictures and sound of a video that has been opened."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING

from gateway.config import Reading
from gateway.formats import isobmff, video_foreign
from gateway.formats.bits import Malformed
from gateway.formats.sei import FURTHER_VIEWS
from gateway.formats.video_coding import UNSPECIFIED, Coding
from gateway.formats.video_forms import Form, Structure
from gateway.formats.video_pictures import (
    CODECS,
    PictureReader,
    Pictures,
    codec_name,
    only,
)
from gateway.formats.video_plan import Found, Plan, must_recode, plan_for, timing_of
from gateway.formats.video_refusals import (
    check_count,
    refusing,
    unknown_coding,
)
from gateway.formats.video_rules import (
    ONE_VIEW,
    Container,
    Sound,
    Unsuitable,
)
from gateway.formats.video_turn import UPRIGHT, Matrix, after
from gateway.model import Source

if TYPE_CHECKING:  # libav is large: it is loaded when a video comes
    from av.container import InputContainer
    from av.video.stream import VideoStream

_VIEW_BOXES = frozenset({"lhvC", "mvcC", "svcC"})  # ISO/IEC 14496-15
_ALMOST_SQUARE = Fraction(1, 100)  # by which containers round the shape of square pixels


def examine(
    source: Source, reading: Reading, size: int, opened: tuple[Form, Structure, InputContainer]
) -> tuple[Found, Plan]:
    """What is in a video of `size` bytes, and what becomes of it; raises `Reject` where nothing can."""
    form, structure, demuxer = opened
    stream = _picture_stream(source, demuxer)
    reader = _reader(source, form, demuxer, stream, structure.track)
    coding = _as_shown(reader.coding, structure.track, stream)
    sounds = _sounds(demuxer)
    others = len(demuxer.streams) - len(demuxer.streams.video) - len(sounds)
    number = stream.index if form.container is Container.AVI else demuxer.streams.video.index(stream)
    with refusing(source, coding, form.container):
        turn = _turn(structure, number, reader)
        again = must_recode(coding, turn, reading, sounds)
        pictures = reader.read(form.clock)
        _check_all_read(structure.listed(number), pictures)
        timing = timing_of(form, coding, pictures, reading)
        found = Found(form, size, structure, stream.index, coding, turn, pictures, timing, sounds, others)
        return found, plan_for(found, reading, again=again)


def _reader(
    source: Source,
    form: Form,
    demuxer: InputContainer,
    stream: VideoStream,
    track: isobmff.Track | None,
) -> PictureReader:
    """A reader of the pictures; refuses codings that are not known."""
    name = codec_name(stream)
    if name in CODECS:
        return PictureReader(only(demuxer, stream), stream, CODECS[name])
    foreign = video_foreign.look(stream, track.size if track else None)
    if foreign is None:
        raise unknown_coding(source, name, form.container)
    return PictureReader(only(demuxer, stream), stream, None, foreign)


def _turn(structure: Structure, number: int, reader: PictureReader) -> Matrix:
    """How pictures are to be turned; refuses those that are not to be shown one by one as they are."""
    obstacle, turn = reader.display()
    track = structure.track
    if track and track.boxes & _VIEW_BOXES:
        obstacle = FURTHER_VIEWS
    if obstacle:
        raise Unsuitable(f"its pictures are not to be shown as they are coded: {obstacle}", ONE_VIEW)
    turn = after(turn, structure.turns.get(number, UPRIGHT))
    if track:
        turn = after(turn, track.turn)
    if turn is None:
        raise Unsuitable(
            "its pictures are to be stretched, or turned by less than a quarter",
            "Export it as it is to be shown",
        )
    return turn


def _picture_stream(source: Source, demuxer: InputContainer) -> VideoStream:
    """The one stream of pictures; a cover is none."""
    from av.stream import Disposition

    streams = [
        stream for stream in demuxer.streams.video if not stream.disposition & Disposition.attached_pic
    ]
    check_count(source, len(streams))
    return streams[0]


def _as_shown(coding: Coding, track: isobmff.Track | None, stream: VideoStream) -> Coding:
    """What pictures are like to players, who follow the container where the pictures leave it open."""
    if track and track.colour and coding.colour.primaries == coding.colour.transfer == UNSPECIFIED:
        coding = replace(coding, colour=track.colour)
    if coding.aspect not in (None, 1):
        return coding
    if track:
        aspect = Fraction(*track.aspect) if track.aspect and all(track.aspect) else None
    else:
        aspect = stream.sample_aspect_ratio or None
    if aspect and abs(aspect - 1) > _ALMOST_SQUARE:
        coding = replace(coding, aspect=aspect)
    return coding


def _check_all_read(listed: int | None, pictures: Pictures) -> None:
    """Compares what was read with what the container lists; raises `Malformed`."""
    if listed is not None and (pictures.packets != listed or pictures.interrupted):
        whole = pictures.packets - pictures.interrupted
        raise Malformed(f"its index lists {listed:,} pictures, of which {whole:,} can be read")


def _sounds(demuxer: InputContainer) -> tuple[Sound, ...]:
    """What libav knows of the sound tracks; of a coding that it does not know, nothing."""
    return tuple(
        Sound(
            codec_name(stream),
            context.sample_rate or 0,
            context.layout.nb_channels,
            context.bit_rate,
            stream.index,
        )
        if (context := stream.codec_context)
        else Sound("", 0, 0, None, stream.index)
        for stream in demuxer.streams.audio
    )
