"""New video files: coded pictures in another container, or pictures coded again as H.264.

    make(source, target, ...)       MP4, its index in front
    animate(raw, target, ...)       the same from decoded pictures
    unpad(source, target, ...)      a transport stream without what cameras put before each packet

All run in constant memory, but for eight bytes a picture.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate, chain, pairwise
from math import gcd
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from gateway.convert import video_stamps
from gateway.convert.video_recoding import Picture, PictureCoder, RecodedPictures, RecodedSound, TooDense
from gateway.convert.video_source import VideoSource, demuxing, in_words, packets_of
from gateway.convert.video_stamps import Stamps
from gateway.convert.video_tracks import CopiedPictures, CopiedSound, SoundTrack, Track
from gateway.errors import Reject
from gateway.stream import open_file

if TYPE_CHECKING:  # libav is large: it is loaded when a video comes
    from av.container import InputContainer, OutputContainer
    from av.video.frame import VideoFrame

__all__ = ["Made", "Picture", "SoundTrack", "VideoSource", "animate", "make", "unpad"]

Result = TypeVar("Result")

Counter = Callable[[bytes], int]
"""How many frames begin in a packet; it may remember the packets before."""

_MUXER = {"movflags": "faststart", "fflags": "+bitexact"}  # the result names no version of a library
_PACKET = 188
_PACKETS_READ = 4096
_PACKETS_BETWEEN = 1000  # after which the size of the result is looked at


@dataclass(frozen=True, slots=True)
class Made:
    """How many pictures were coded again, and how much of pictures and sound was damaged.

    All are 0 where everything was copied. `restored` says that stamps of pictures were missing.
    """

    frames: int
    damaged_pictures: int
    damaged_sounds: int
    restored: bool


def make(
    source: VideoSource,
    target: Path,
    *,
    picture: Picture | None,
    sounds: tuple[SoundTrack, ...],
    counter: Callable[[], Counter],
    largest: int | None,
) -> Made:
    """Writes a video to `target` as MP4 and says what was done.

    Coded pictures are copied, or coded again as `picture` says; `sounds` are the tracks that stay.
    `counter` makes a new counter of frames. Writing stops beyond `largest` bytes.

    Raises `Reject` where pictures cannot be put in order, decoded or stored, and `Retry` where the disk
    is full.
    """
    stamps = video_stamps.read(source, counter())
    if picture is None:
        stamps = video_stamps.ordered(source, stamps, counter())

    def write(*, limited: bool) -> Made:
        with demuxing(source, decode=True) as container, _writing(source.path, target) as out:
            tracks = _tracks(source, container, out, stamps, picture=picture, sounds=sounds, limited=limited)
            for number, packet in enumerate(packets_of(container, *tracks)):
                out.mux([*tracks[packet.stream_index].feed(packet)])
                if largest and number % _PACKETS_BETWEEN == _PACKETS_BETWEEN - 1:
                    _check_size(source, target, largest)
            for track in tracks.values():
                out.mux([*track.end()])
        pictures = tracks.pop(source.stream)
        damaged = sum(track.damaged for track in tracks.values())
        return Made(pictures.frames, pictures.damaged, damaged, stamps.restored)

    return _within_rate(write)


def unpad(source: Path, target: Path, *, distance: int, first: int) -> None:
    """Writes the packets of a transport stream that stand `distance` bytes apart, from byte `first` on."""
    with in_words(source), open_file(source) as file, target.open("wb") as out:
        while chunk := file.read(distance * _PACKETS_READ):
            whole = len(chunk) - len(chunk) % distance
            for start in range(first, whole, distance):
                out.write(chunk[start : start + _PACKET])


def animate(raw: Path, target: Path, picture: Picture, times: Sequence[int], *, about: Path) -> None:
    """Writes frames of RGB, which a raw file has one after the other, to `target` as MP4 with H.264.

    `times` are the microseconds that each is shown. An odd width or height is made even by repeating the
    last column or row, where the frames are not scaled anyway. Raises `Reject` and `Retry` about a file.
    """
    import av
    import numpy as np

    columns, rows = picture.size
    frames = np.memmap(raw, "u1", "r", shape=(len(times), rows, columns, 3))
    more = ((0, 0), (0, 0)) if picture.scaled else ((0, rows % 2), (0, columns % 2))
    tick = gcd(*times)
    shown = [start // tick for start in accumulate(times, initial=0)]
    durations = {start: end - start for start, end in pairwise(shown)}

    def frame_of(number: int) -> VideoFrame:
        frame = av.VideoFrame.from_ndarray(np.pad(frames[number], (*more, (0, 0)), "edge"), "rgb24")
        frame.pts = number
        return frame

    def write(*, limited: bool) -> None:
        with _writing(about, target) as out:
            coder = PictureCoder(
                out, frame_of(0), picture, Fraction(tick, 1_000_000), shown.__getitem__, limited=limited
            )
            coded = (coder.feed(frame_of(number)) for number in range(len(times)))
            for packet in chain(chain.from_iterable(coded), coder.end()):
                packet.duration = durations[packet.pts or 0]  # the encoder forgets that of the last one
                out.mux(packet)

    _within_rate(write)


def _within_rate(write: Callable[..., Result]) -> Result:
    """What writing comes to; pictures are `limited` only where they have to be, since that takes long."""
    try:
        return write(limited=False)
    except TooDense:
        return write(limited=True)


@contextmanager
def _writing(about: Path, target: Path) -> Iterator[OutputContainer]:
    """The new file, which is complete when the context ends."""
    import av

    try:
        with in_words(about), av.open(str(target), "w", format="mp4", options=_MUXER) as out:
            yield out
    except OverflowError as error:  # of PyAV, whose numbers have 32 bits
        raise Reject(f"{about} counts time in units that MP4 cannot have. Export it again as MP4") from error


def _check_size(source: VideoSource, target: Path, largest: int) -> None:
    """Stops when there is more than an object can hold."""
    if target.exists() and target.stat().st_size > largest:
        raise Reject(
            f"{source.path} becomes larger than the {largest:,} bytes that an object can hold. "
            "Split it into shorter recordings"
        )


def _tracks(
    source: VideoSource,
    container: InputContainer,
    out: OutputContainer,
    stamps: Stamps,
    *,
    picture: Picture | None,
    sounds: Iterable[SoundTrack],
    limited: bool,
) -> dict[int, Track]:
    """The tracks of the new file by the streams that they are made from."""
    template = container.streams[source.stream]
    tracks: dict[int, Track] = {}
    tracks[source.stream] = (
        RecodedPictures(out, template, source, stamps, picture, limited=limited)
        if picture
        else CopiedPictures(out, template, source, stamps)
    )
    for sound in sounds:
        template = container.streams[sound.stream]
        tracks[sound.stream] = (
            RecodedSound(out, template, source, sound.encoder, stamps.first)
            if sound.encoder
            else CopiedSound(out, template, stamps.first)
        )
    return tracks
