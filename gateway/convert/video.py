"""New video files: coded pictures in another container, or pictures coded again as H.264.

    make(source, target, ...)       MP4, its index in front
    unpad(source, target, ...)      a transport stream without what cameras put before each packet

Both run in constant memory, but for eight bytes a picture.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.convert import video_stamps
from gateway.convert.video_recoding import Picture, RecodedPictures, RecodedSound
from gateway.convert.video_source import VideoSource, demuxing, in_words, packets_of
from gateway.convert.video_stamps import Stamps
from gateway.convert.video_tracks import CopiedPictures, CopiedSound, SoundTrack, Track
from gateway.errors import Reject
from gateway.stream import open_file

if TYPE_CHECKING:  # libav is large: it is loaded when a video comes
    from av.container import InputContainer, OutputContainer

__all__ = ["Made", "Picture", "SoundTrack", "VideoSource", "make", "unpad"]

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
    with demuxing(source, decode=True) as container, _writing(source, target) as out:
        tracks = _tracks(source, container, out, stamps, picture=picture, sounds=sounds)
        for number, packet in enumerate(packets_of(container, *tracks)):
            out.mux([*tracks[packet.stream_index].feed(packet)])
            if largest and number % _PACKETS_BETWEEN == _PACKETS_BETWEEN - 1:
                _check_size(source, target, largest)
        for track in tracks.values():
            out.mux([*track.end()])
    pictures = tracks.pop(source.stream)
    return Made(
        pictures.frames, pictures.damaged, sum(track.damaged for track in tracks.values()), stamps.restored
    )


def unpad(source: Path, target: Path, *, distance: int, first: int) -> None:
    """Writes the packets of a transport stream that stand `distance` bytes apart, from byte `first` on."""
    with in_words(source), open_file(source) as file, target.open("wb") as out:
        while chunk := file.read(distance * _PACKETS_READ):
            whole = len(chunk) - len(chunk) % distance
            for start in range(first, whole, distance):
                out.write(chunk[start : start + _PACKET])


@contextmanager
def _writing(source: VideoSource, target: Path) -> Iterator[OutputContainer]:
    """The new file, which is complete when the context ends."""
    import av

    try:
        with in_words(source.path), av.open(str(target), "w", format="mp4", options=_MUXER) as out:
            yield out
    except OverflowError as error:  # of PyAV, whose numbers have 32 bits
        raise Reject(
            f"{source.path} counts time in units that MP4 cannot have. Export it again as MP4"
        ) from error


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
) -> dict[int, Track]:
    """The tracks of the new file by the streams that they are made from."""
    template = container.streams[source.stream]
    tracks: dict[int, Track] = {}
    tracks[source.stream] = (
        RecodedPictures(out, template, source, stamps, picture)
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
