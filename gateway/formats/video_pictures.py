"""The coded pictures of a video: found by libav (PyAV), counted by their own headers, never decoded."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain, takewhile
from typing import TYPE_CHECKING, BinaryIO

from gateway.formats import h264, hevc, mpeg2
from gateway.formats.bits import (
    HEAD,
    START_CODE,
    Incomplete,
    Malformed,
    units_after_start_codes,
    units_with_lengths,
)
from gateway.formats.sei import TURNED
from gateway.formats.video_coding import Coding, FrameCounter
from gateway.formats.video_timing import Timeline, Timing
from gateway.formats.video_turn import UPRIGHT, Matrix, after

if TYPE_CHECKING:  # libav is large: it is loaded when a video comes
    from av.container import InputContainer
    from av.packet import Packet
    from av.stream import Stream
    from av.video.stream import VideoStream

_OPTIONS = {
    # Every coded picture counts, also those that an edit list leaves out.
    "ignore_editlist": "1",
    "advanced_editlist": "0",
    # No decoder is opened but those of sounds whose rate or channels only their own frames tell.
    "codec_whitelist": "aac,aac_latm,mp3float",
}
_GENERATE_STAMPS = 1  # AVFMT_FLAG_GENPTS, which PyAV sets: it would hold packets back in search of stamps
_READ = 64 * 1024
_HEADERS_WITHIN = 500  # packets in which the first sequence header must come


@dataclass(frozen=True, slots=True)
class Codec:
    """How the units of one coding are read.

    `configuration` takes apart what MP4 has beside the samples; it is None where samples are separated by
    start codes in every container. `sequences` finds sequence headers, `is_picture` tells where they end,
    `obstacle` says what else in them keeps pictures from being shown one by one, and `turn` how they are
    to be turned.
    """

    configuration: Callable[[bytes], tuple[int, list[bytes]]] | None
    sequences: Callable[[Iterable[bytes]], Iterator[Coding]]
    is_picture: Callable[[bytes], bool]
    obstacle: Callable[[bytes], str | None]
    turn: Callable[[bytes], Matrix | None]


_MPEG = Codec(None, mpeg2.sequences, mpeg2.is_picture, mpeg2.obstacle, mpeg2.turn)
CODECS = {
    "h264": Codec(h264.configuration, h264.sequences, h264.is_picture, h264.obstacle, h264.turn),
    "hevc": Codec(hevc.configuration, hevc.sequences, hevc.is_picture, hevc.obstacle, hevc.turn),
    "mpeg2video": _MPEG,
    "mpeg1video": _MPEG,
}
"""The codings whose headers are read, by libav's names."""

Split = Callable[[bytes, int], Iterator[bytes]]
"""Takes packets apart: the first bytes, as many as wanted, of each unit."""


Stamps = tuple[int | None, int | None]
"""When a picture is shown and when it is decoded, in ticks, as far as that is known."""

Clock = Callable[["Packet[VideoStream]"], Stamps]
"""What stamps of a packet mean something."""


@dataclass(frozen=True, slots=True)
class Pictures:
    """The pictures of a whole file.

    `packets` are those of the container, `size` their bytes without it. `timing` is None where nothing
    says how long frames are shown. `interrupted` counts pictures before which something is missing, and
    `unstamped` those without a time of any kind.
    """

    frames: int
    packets: int
    size: int
    timing: Timing | None
    interrupted: int
    unstamped: int


def as_stamped(packet: Packet[VideoStream]) -> Stamps:
    """The stamps of a packet."""
    return packet.pts, packet.dts


def by_showing(packet: Packet[VideoStream]) -> Stamps:
    """The stamps of a packet whose container does not say when it is decoded."""
    return packet.pts, None


def by_coding(packet: Packet[VideoStream]) -> Stamps:
    """The stamps of a packet whose container counts pictures as they are coded."""
    return packet.dts, None


@contextmanager
def demuxing(file: BinaryIO, demuxer: str) -> Iterator[InputContainer]:
    """The container in a file, opened by one of libav's demuxers; its faults are `Malformed`."""
    import av

    file.seek(0)
    try:
        with av.open(
            file,
            "r",
            format=demuxer,
            container_options=_OPTIONS,
            buffer_size=_READ,
            metadata_errors="replace",
        ) as container:
            container.flags &= ~_GENERATE_STAMPS
            yield container
    except av.FFmpegError as error:
        raise Malformed(f"it cannot be taken apart ({error.strerror})") from error


def codec_name(stream: Stream) -> str:
    """libav's name of what a stream is coded with; empty if it knows none."""
    context = stream.codec_context
    return context.codec.canonical_name if context else ""


def only(container: InputContainer, wanted: VideoStream) -> Iterator[Packet[VideoStream]]:
    """The packets of one stream; those of the others are passed over unread."""
    from av.stream import Discard

    for stream in container.streams:
        if stream.index != wanted.index:
            stream.discard = Discard.all
    with suppress(IndexError):  # PyAV, behind the last packet, if streams began within the file
        yield from (packet for packet in container.demux(wanted) if packet.size)


def splitting(stream: VideoStream, codec: Codec | None) -> tuple[Split, Iterator[bytes]]:
    """How the packets of a stream are taken apart, and the headers that are beside them.

    Without a `codec`, a packet is one unit. Raises `Malformed`.
    """
    if codec is None:
        return _one, iter(())
    headers = stream.codec_context.extradata or b""
    if codec.configuration and headers and START_CODE not in headers[:4]:
        length, units = codec.configuration(headers)
        return lambda data, head: units_with_lengths(data, length, head), iter(units)
    return units_after_start_codes, units_after_start_codes(headers)


def _one(data: bytes, head: int) -> Iterator[bytes]:
    """A packet that is not taken apart."""
    yield data[:head]


class PictureReader:
    """Reads the pictures of a stream: first what they are like, then all of them."""

    def __init__(
        self,
        packets: Iterator[Packet[VideoStream]],
        stream: VideoStream,
        codec: Codec | None,
        known: Coding | None = None,
    ) -> None:
        """Finds the first sequence header, in `stream` or in the first of its packets.

        Without a `codec`, the coding is what is `known` of it. Raises `Malformed`.
        """
        self._codec = codec
        self._tick = Fraction(stream.time_base) if stream.time_base else Fraction(1, 90_000)
        self._split, units = splitting(stream, codec)
        self._packets = packets
        if known is None:
            found = [*self._sequences(units)]
            known = self._same(found) if found else self._first()
        self.coding = known

    def read(self, stamps: Clock = as_stamped) -> Pictures:
        """Reads all packets; `stamps` are those of a packet that mean something.

        Raises `Incomplete` where the last picture is cut, and `Malformed` where pictures are damaged or
        their coding changes.
        """
        counter, timeline = self.coding.counter(), Timeline(self._tick)
        frames = packets = size = interrupted = unstamped = 0
        last: Packet[VideoStream] | None = None
        for packet in self._packets:
            data = bytes(packet)
            size += len(data)
            packets += 1
            unstamped += packet.pts is None and packet.dts is None
            interrupted += packet.is_corrupt
            begun = counter.begun(self._split(data, HEAD))
            if begun:
                timeline.add(*stamps(packet))
            for _ in range(begun - 1):
                timeline.add(None)
            frames += begun
            if packet.is_keyframe:
                self._check(data)
            last = packet
        if last is None or not frames:
            raise Incomplete("no picture is in it")
        if last.is_corrupt:
            raise Incomplete("its last picture is cut")
        timing = self._timing(counter, timeline, last)
        return Pictures(frames, packets, size, timing, interrupted, unstamped)

    def display(self) -> tuple[str | None, Matrix | None]:
        """What the headers before the first picture say of showing pictures.

        What is against showing them one by one, and how they are to be turned.
        """
        first = next(self._packets, None) if self._codec else None
        if first is None or self._codec is None:
            return None, UPRIGHT
        self._packets = chain([first], self._packets)
        found: str | None = None
        turn: Matrix | None = UPRIGHT
        for unit in self._headers(bytes(first)):
            text = self._codec.obstacle(unit)
            if text == TURNED:
                turn = after(turn, self._codec.turn(unit))
            found = found or (text if text != TURNED else None)
        return found, turn

    def _timing(self, counter: FrameCounter, timeline: Timeline, last: Packet[VideoStream]) -> Timing | None:
        """How long frames are shown, by the stream itself or by its time stamps."""
        if counter.shown and self.coding.rate:
            return timeline.constant(self.coding.rate, counter.shown)
        return timeline.timing(self.coding.rate, last.duration)

    def _first(self) -> Coding:
        """The first sequence header among the packets, which stay to be read."""
        passed = []
        found: list[Coding] = []
        for packet in self._packets:
            passed.append(packet)
            found = [*self._sequences(self._headers(bytes(packet)))]
            if found or len(passed) == _HEADERS_WITHIN:
                break
        self._packets = chain(passed, self._packets)
        if not found:
            raise Malformed("no header says what its pictures are like")
        return self._same(found)

    def _sequences(self, units: Iterable[bytes]) -> Iterator[Coding]:
        """The sequence headers among units."""
        return self._codec.sequences(units) if self._codec else iter(())

    def _headers(self, data: bytes) -> Iterator[bytes]:
        """The units of a packet before its first picture."""
        is_picture = self._codec.is_picture if self._codec else bool
        return takewhile(lambda unit: not is_picture(unit), self._split(data, HEAD))

    def _check(self, data: bytes) -> None:
        """Compares the sequence headers before a picture with the first one."""
        self._same([self.coding, *self._sequences(self._headers(data))])

    def _same(self, found: list[Coding]) -> Coding:
        """The one coding that all sequence headers describe."""
        if any(coding != found[0] for coding in found):
            raise Malformed("its pictures change their size or coding on the way")
        return found[0]
