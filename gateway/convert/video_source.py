"""A video that is converted: its packets, and the pictures that they decode to."""

from __future__ import annotations

import errno
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gateway.errors import Reject, Retry
from gateway.stream import open_file

if TYPE_CHECKING:  # libav is large: it is loaded when a video comes
    from av.container import InputContainer
    from av.packet import Packet
    from av.video.frame import VideoFrame

_OPTIONS = {"advanced_editlist": "0"}  # every coded picture counts, also those that an edit list leaves out
_SOUNDS_THAT_TELL = "aac,aac_latm,mp3float"  # whose rate and channels only their own frames tell
_GENERATE_STAMPS = 1  # AVFMT_FLAG_GENPTS, which PyAV sets: it would hold packets back in search of stamps
_READ = 64 * 1024
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@dataclass(frozen=True, slots=True)
class VideoSource:
    """A video file and which of its streams are the pictures.

    `demuxer` is libav's name for its container. `rate`, in frames a second, stands in for stamps that are
    missing, as in bare streams; it is None where the container's own count. Pictures are decoded up to
    `max_pixels` each.
    """

    path: Path
    demuxer: str
    stream: int
    rate: Fraction | None
    max_pixels: int


@contextmanager
def demuxing(source: VideoSource, *, decode: bool = False) -> Iterator[InputContainer]:
    """The container of a video, opened; to be decoded as well if asked for. Its faults are `Reject`."""
    import av

    limits = {"max_pixels": str(source.max_pixels)}
    if not decode:
        limits["codec_whitelist"] = _SOUNDS_THAT_TELL
    with in_words(source.path), open_file(source.path) as file:
        container = av.open(
            file,
            "r",
            format=source.demuxer,
            container_options={**_OPTIONS, **limits},
            options=limits if decode else {},
            buffer_size=_READ,
            metadata_errors="replace",
        )
        with container:
            container.flags &= ~_GENERATE_STAMPS
            yield container


def packets_of(container: InputContainer, *streams: int) -> Iterator[Packet[Any]]:
    """The packets of these streams in the order of the file; those of the others are passed over unread."""
    from av.stream import Discard

    for stream in container.streams:
        if stream.index not in streams:
            stream.discard = Discard.all
    with suppress(IndexError):  # PyAV, behind the last packet, if streams began within the file
        yield from (packet for packet in container.demux(streams) if packet.size)


def decoding(
    source: VideoSource, container: InputContainer, packets: Iterable[Packet[Any]]
) -> Iterator[VideoFrame]:
    """The decoded pictures in the order in which they are shown.

    The stamp of each is the number of the packet that it began in. Raises `Reject` for a picture that
    cannot be decoded.
    """
    import av

    stream: Any = container.streams[source.stream]
    prepare(stream)
    for number, packet in enumerate(packets):
        packet.pts = packet.dts = number
        try:
            yield from packet.decode()
        except av.InvalidDataError as error:
            raise _undecodable(source, number) from error
    yield from stream.decode(None)


def prepare(stream: Any) -> None:
    """Makes a decoder show all pictures that it can.

    It has one thread: where data are damaged, libav's decoders may wait for each other for ever.
    """
    from av.codec.context import Flags, Flags2

    stream.thread_count = 1
    stream.codec_context.flags |= Flags.output_corrupt
    stream.codec_context.flags2 |= Flags2.show_all


def _undecodable(source: VideoSource, number: int) -> Reject:
    return Reject(f"{source.path} is damaged: its picture {number + 1:,} cannot be decoded. Export it again")


@contextmanager
def in_words(path: Path) -> Iterator[None]:
    """Makes a `Reject` of libav's errors, and a `Retry` of a disk that is full."""
    import av

    try:
        yield
    except (av.FFmpegError, OSError) as error:
        if error.errno in _FULL:
            raise Retry(
                f"{path} cannot be converted now, for there is no room for the result. "
                "Make room, or name another folder with --tmp-dir"
            ) from error
        raise Reject(
            f"{path} cannot be converted ({error.strerror}). Check that it plays, or export it again"
        ) from error
