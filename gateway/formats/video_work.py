"""New files for videos that cannot go into an object as they are, and the proof that nothing was lost."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gateway.config import Lossless
from gateway.convert import video, video_end
from gateway.convert.video import Picture, SoundTrack, VideoSource
from gateway.convert.workshop import Workshop
from gateway.errors import Reject, Retry
from gateway.formats import hevc
from gateway.formats.bits import HEAD, Incomplete, units_after_start_codes
from gateway.formats.video_coding import Coding
from gateway.formats.video_foreign import Foreign
from gateway.formats.video_pictures import CODECS, codec_name, demuxing, only, splitting
from gateway.formats.video_refusals import damage_in_words
from gateway.formats.video_rules import FRAGMENT
from gateway.model import Pixels, Probe
from gateway.stream import FileSlice, FileStamp, Stream, open_file, stat

if TYPE_CHECKING:  # libav is large: it is loaded when a video comes
    from av.packet import Packet

_BARE_HEVC = "hevc"
"""libav's demuxer for streams of which nothing but decoding tells whether they are whole."""

_NEAR = Fraction(1, 1000)  # seconds that two clocks may differ by


@dataclass(frozen=True, slots=True)
class Work:
    """What is to be done to a video.

    Its pictures, of this `coding`, are copied, or made into a `picture`; `sounds` stay. `unpad` is the
    distance of a transport stream's packets and the first of them, where nothing else is to be done.
    `again` looks into the result.
    """

    source: VideoSource
    coding: Coding
    picture: Picture | None
    sounds: tuple[SoundTrack, ...]
    unpad: tuple[int, int] | None
    again: Callable[[Path], Probe]


def convert(planned: Probe, work: Work, shop: Workshop, lossless: Lossless) -> Probe:
    """The video in a new file of the workshop, looked into again.

    Raises `Reject` where it cannot be made or is not what it should be, and `Retry` where there is no
    room or the source changes.
    """
    stamp = _stamp(planned)
    target = shop.new(".ts" if work.unpad else ".mp4")
    try:
        with damage_in_words(planned.source):
            result = _unpadded(planned, work, target) if work.unpad else _made(planned, work, target)
        if FileStamp.of(stat(work.source.path)) != stamp:
            raise Retry(f"{work.source.path} changed while it was being read; try again when it is complete")
    except BaseException:
        target.unlink(missing_ok=True)
        raise
    return replace(result, convert=None)


def _stamp(planned: Probe) -> FileStamp | None:
    """What the file was like when it was looked into."""
    return next((piece.stamp for piece in planned.content.pieces if isinstance(piece, FileSlice)), None)


def _unpadded(planned: Probe, work: Work, target: Path) -> Probe:
    """A transport stream without what stands between its packets."""
    distance, first = work.unpad or (0, 0)
    video.unpad(work.source.path, target, distance=distance, first=first)
    _again(planned, work, target)
    return replace(planned, content=Stream.of(FileSlice.whole(target)))


def _made(planned: Probe, work: Work, target: Path) -> Probe:
    """A new MP4 file."""
    if work.source.demuxer == _BARE_HEVC and video_end.is_cut(work.source, _slices):
        raise Incomplete("its last picture is cut")
    fragments = work.picture is None and work.coding.codec == "HEVC"
    made = video.make(
        work.source,
        target,
        picture=work.picture,
        sounds=work.sounds,
        counter=lambda: _counter(work),
        largest=None if fragments else FRAGMENT,
    )
    wanted = planned.pixels.frames if planned.pixels else None
    if work.picture and made.frames != wanted and not isinstance(work.coding, Foreign):
        raise Reject(
            f"{work.source.path} is damaged: of its {wanted:,} pictures, {made.frames:,} can be decoded. "
            "Export it again"
        )
    result = _again(planned, work, target)
    if work.picture is None:
        _compare(work, target, stamped=not made.restored)
        return replace(planned, content=result.content)
    messages = list(planned.messages)
    if made.damaged_pictures:
        messages.append(f"{made.damaged_pictures:,} of its pictures were damaged before it came here")
    if made.damaged_sounds:
        messages.append("parts of its sound could not be decoded and are silent")
    return replace(planned, content=result.content, pixels=recoded(planned, result), messages=tuple(messages))


def _slices(packet: bytes) -> int:
    """How many slices of HEVC are in the packet of a bare stream."""
    return sum(map(hevc.is_picture, units_after_start_codes(packet)))


def recoded(planned: Probe, result: Probe) -> Pixels | None:
    """The pixels of pictures that were coded again: what they are now, and both losses."""
    old, new = planned.pixels, result.pixels
    if old is None or new is None:
        return new
    times = old.frame_times if old.frames == new.frames else new.frame_times
    return replace(new, frame_times=times, lossy=(*old.lossy, *new.lossy))


def _again(planned: Probe, work: Work, target: Path) -> Probe:
    """Looks into the result; packets of foreign codings are not always one frame each. Raises `Reject`."""
    return checked(planned, target, work.again, counted=not isinstance(work.coding, Foreign))


def checked(planned: Probe, target: Path, look: Callable[[Path], Probe], *, counted: bool = True) -> Probe:
    """What `look` says of a new file, which is to be what was planned, with as many frames if `counted`.

    Raises `Reject`.
    """
    path = planned.source.path
    try:
        result = look(target)
    except Reject as error:
        reason = str(error).replace(str(target), "the result")
        raise Reject(f"{path} was converted, but cannot be stored: {reason}") from error
    wanted, found = _summary(planned), _summary(result)
    if not counted:
        wanted, found = wanted[1:], found[1:]
    if wanted != found:
        raise Reject(
            f"{path} was converted, but the result is not what it should be "
            f"({_listed(found)} instead of {_listed(wanted)}). Check that it plays, or export it again"
        )
    return result


def _summary(probe: Probe) -> tuple[object, ...]:
    """What a plan and its result have in common."""
    pixels = probe.pixels
    if pixels is None:
        return ()
    return (pixels.frames, pixels.columns, pixels.rows, probe.transfer_syntax, len(probe.audio))


def _listed(values: tuple[object, ...]) -> str:
    return ", ".join(map(str, values))


def _counter(work: Work) -> Callable[[bytes], int]:
    """Counts the frames that begin in the packets of the source."""
    counter = work.coding.counter()
    with open_file(work.source.path) as file, demuxing(file, work.source.demuxer) as container:
        stream: Any = container.streams[work.source.stream]
        split, _ = splitting(stream, CODECS.get(codec_name(stream)))
    return lambda data: counter.begun(split(data, HEAD))


def _compare(work: Work, target: Path, *, stamped: bool) -> None:
    """Compares all coded pictures and copied sounds of the source with those of the result.

    Pictures are the same when their NAL units are: start codes and lengths are the container's. Raises
    `Reject` where something is missing, added or changed.
    """
    _compare_one(work, target, (work.source.stream, 0), stamped=stamped)
    for place, sound in enumerate(work.sounds, start=1):
        if sound.encoder is None:
            _compare_one(work, target, (sound.stream, place), stamped=False)


def _compare_one(work: Work, target: Path, streams: tuple[int, int], *, stamped: bool) -> None:
    """Compares one stream of the source with one of the result, and its times if it is `stamped`."""
    wrong = f"{work.source.path} did not come out of its conversion as it went in"
    with (
        _packets(work.source.path, work.source.demuxer, streams[0]) as before,
        _packets(target, "mp4", streams[1]) as after,
    ):
        origin: tuple[Fraction, Fraction] | None = None
        for number, (old, new) in enumerate(zip_longest(before, after), start=1):
            if old is None or new is None or old[0] != new[0]:
                raise Reject(f"{wrong}: its packet {number:,} differs. Export it again as MP4")
            if stamped and old[1] is not None and new[1] is not None:
                origin = origin or (old[1], new[1])
                if abs((old[1] - origin[0]) - (new[1] - origin[1])) > _NEAR:
                    raise Reject(f"{wrong}: its packet {number:,} has another time. Export it again as MP4")


_Coded = tuple[tuple[bytes, ...], Fraction | None]
"""A packet: its units, and when it is shown, in seconds."""


@contextmanager
def _packets(path: Path, demuxer: str, index: int) -> Iterator[Iterator[_Coded]]:
    """The packets of a stream, without what is their container's."""
    with open_file(path) as file, demuxing(file, demuxer) as container:
        stream: Any = container.streams[index]
        name = codec_name(stream)
        codec = CODECS.get(name)
        split, _ = splitting(stream, codec if codec and codec.configuration else None)
        tick = Fraction(stream.time_base or 1)

        def coded(packet: Packet[Any]) -> _Coded:
            data = _without_header(bytes(packet)) if name == "aac" else bytes(packet)
            units = tuple(unit.rstrip(b"\0") for unit in split(data, sys.maxsize))
            return units, None if packet.pts is None else packet.pts * tick

        yield map(coded, only(container, stream))


def _without_header(frame: bytes) -> bytes:
    """AAC without the header that it has in transport streams (ADTS, ISO/IEC 13818-7, 6.2)."""
    if frame[:1] != b"\xff" or frame[1] & 0xF6 != 0xF0:
        return frame
    return frame[7 if frame[1] & 1 else 9 :]
