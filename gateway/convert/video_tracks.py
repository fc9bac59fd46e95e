"""The tracks of a new video that are copied from the old one.

A track is fed the packets of its stream and gives those of the new file.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Protocol

from gateway.convert.video_source import VideoSource
from gateway.convert.video_stamps import Stamps
from gateway.errors import Reject

if TYPE_CHECKING:  # libav is large: it is loaded when a video comes
    from av.container import OutputContainer
    from av.packet import Packet


@dataclass(frozen=True, slots=True)
class SoundTrack:
    """A sound track that stays; `encoder` is what it is coded again with, None where it is copied."""

    stream: int
    encoder: str | None = None


class Track(Protocol):
    """Makes packets of the new file from those of one stream."""

    @property
    def frames(self) -> int:
        """How many pictures were coded again."""

    @property
    def damaged(self) -> int:
        """How much could not be decoded well."""

    def feed(self, packet: Packet[Any]) -> Iterator[Packet[Any]]:
        """What one packet of the old file adds."""

    def end(self) -> Iterator[Packet[Any]]:
        """What is left when there are no more."""


class CopiedPictures:
    """Pictures as they are, with the stamps that they should have."""

    frames = damaged = 0

    def __init__(self, out: OutputContainer, template: Any, source: VideoSource, stamps: Stamps) -> None:
        self._stamps = stamps
        try:
            self._coded = stamps.coded()
        except ValueError as error:
            raise Reject(f"{source.path} cannot be put into MP4: {error}. Export it again") from error
        self._stream = out.add_stream_from_template(template)
        self._stream.time_base = stamps.tick
        self._count = 0

    def feed(self, packet: Packet[Any]) -> Iterator[Packet[Any]]:
        """The same packet, stamped."""
        stamps = self._stamps
        packet.pts = stamps.shown[self._count] - stamps.display[0]
        packet.dts = self._coded[self._count] - stamps.display[0]
        if stamps.restored:
            packet.duration = stamps.step
        packet.time_base, packet.stream = stamps.tick, self._stream
        self._count += 1
        yield packet

    def end(self) -> Iterator[Packet[Any]]:
        """Nothing."""
        yield from ()


class CopiedSound:
    """Sound as it is, in step with pictures of which the first is shown at `first` seconds."""

    frames = damaged = 0

    def __init__(self, out: OutputContainer, template: Any, first: Fraction) -> None:
        self._stream = out.add_stream_from_template(template)
        self._origin = round(first / template.time_base)
        self._last: int | None = None
        self._duration = 1

    def feed(self, packet: Packet[Any]) -> Iterator[Packet[Any]]:
        """The same packet, stamped."""
        stamp = packet.pts if packet.pts is not None else packet.dts
        time = None if stamp is None else stamp - self._origin
        if self._last is not None:
            time = self._last + self._duration if time is None else max(time, self._last + 1)
        packet.pts = packet.dts = self._last = time or 0
        self._duration = packet.duration or 1
        packet.stream = self._stream
        yield packet

    def end(self) -> Iterator[Packet[Any]]:
        """Nothing."""
        yield from ()
