"""The tracks of a new video that are coded again: pictures as H.264, sound as AAC or MP3."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from gateway.convert.video_source import VideoSource, decoding, demuxing, packets_of, prepare
from gateway.convert.video_stamps import Stamps
from gateway.errors import Reject

if TYPE_CHECKING:  # libav is large: it is loaded when a video comes
    from av.audio.frame import AudioFrame
    from av.container import OutputContainer
    from av.filter import Graph
    from av.packet import Packet
    from av.video.frame import VideoFrame

THREADS = 4
"""The encoder's threads: a fixed number, on which its result depends."""

_QUALITY = "18"  # constant rate factor at which x264's losses are hardly seen
_BIT_RATE, _BUFFER = 62_500_000, 78_125_000  # of High profile at level 4.1 and 4.2 (H.264 Table A-1, A.3.3)
_AT_FIRST = 0.9  # how full a decoder's buffer is when it begins, as x264 takes it
_LIMITED, _BT709 = 1, 1  # codes of libav for colours
_BT2020, _HIGH_DYNAMIC_RANGE = 9, (16, 18)
_SOUND_RATE = 48_000
_FRAME_SIZES = {"aac": 1024, "libmp3lame": 1152}
_SOUND_BIT_RATE = 192_000
_LONGEST_GAP = 1  # seconds of silence that are made; longer ones stay gaps


@dataclass(frozen=True, slots=True)
class Picture:
    """What coded pictures are made into: H.264 High of `columns` by `rows` square pixels.

    `size` is that of the source, before `turn`, libav's filters that set it upright. `scaled` says that
    the pixels are resampled; otherwise an odd size is filled up to an even one.
    """

    size: tuple[int, int]
    columns: int
    rows: int
    scaled: bool
    turn: tuple[str, ...]
    level: str
    rate: Fraction


class TooDense(Exception):
    """Pictures came out larger than the level allows: they are to be coded `limited`."""


class PictureCoder:
    """Codes pictures that look like the first one as H.264 High, in the memory of a few.

    Each comes with its number as its stamp; `time` says when it is shown, in ticks of `tick` seconds. The
    same pictures always become the same bytes. `limited` keeps the encoder within the bit rate of the
    level, which it can do so with one thread only; without it, pictures that are too large raise `TooDense`.
    """

    def __init__(
        self,
        out: OutputContainer,
        look: VideoFrame,
        picture: Picture,
        tick: Fraction,
        time: Callable[[int], int],
        *,
        limited: bool,
    ) -> None:
        self._look, self._picture, self._tick, self._time = look, picture, tick, time
        self._fields = look.interlaced_frame and not picture.turn and picture.rows % 4 == 0
        self._stream = _encoder(out, tick, picture, look, fields=self._fields, limited=limited)
        self._buffer = None if limited else _Buffer(picture.rate)
        self._graph = self._filters()
        self.frames = 0

    def feed(self, frame: VideoFrame) -> Iterator[Packet[Any]]:
        """The packets that one picture completes."""
        frame.time_base = Fraction(1)
        self._graph.push(frame)
        yield from self._encoded()

    def end(self) -> Iterator[Packet[Any]]:
        """The packets of the pictures that were held back."""
        self._graph.push(None)
        yield from self._encoded()
        yield from self._coded(None)

    def _coded(self, frame: VideoFrame | None) -> Iterator[Packet[Any]]:
        """The packets that one upright picture completes, or that were held back."""
        for packet in self._stream.encode(frame):
            if self._buffer:
                self._buffer.take(packet.size)
            yield packet

    def _encoded(self) -> Iterator[Packet[Any]]:
        """The packets of the pictures that come out of the filters."""
        for frame in _pulled(self._graph):
            frame.pts = self._time(round((frame.pts or 0) * (frame.time_base or Fraction(1))))
            frame.time_base = self._tick
            frame.pict_type = 0  # the encoder would repeat the old choice
            self.frames += 1
            yield from self._coded(frame)

    def _filters(self) -> Graph:
        """From decoded pictures to upright ones of square pixels, 4:2:0 and 8 bits."""
        from av.filter import Graph

        look, picture = self._look, self._picture
        graph = Graph()
        entry = (
            f"video_size={look.width}x{look.height}:pix_fmt={look.format.name}:time_base=1/1:"
            f"colorspace={look.colorspace}:range={look.color_range}"
        )
        nodes = [graph.add("buffer", entry)]
        if look.interlaced_frame and not self._fields:
            nodes.append(graph.add("yadif", "mode=send_frame:deint=interlaced"))
        for each in picture.turn:
            name, _, values = each.partition("=")
            nodes.append(graph.add(name, values or None))
        size = f"{picture.columns}:{picture.rows}" if picture.scaled else "iw:ih"
        matrix = ":out_color_matrix=bt709" if look.format.is_rgb else ""
        nodes.append(graph.add("scale", f"{size}:flags=lanczos+accurate_rnd:interl=-1:out_range=tv{matrix}"))
        nodes.append(graph.add("format", "yuv420p"))
        nodes.append(graph.add("pad", f"{picture.columns}:{picture.rows}"))
        nodes.append(graph.add("buffersink"))
        graph.link_nodes(*nodes).configure()
        return graph


class _Buffer:
    """The coded pictures that a decoder has received and not decoded yet, in bits (H.264 C.1.2)."""

    def __init__(self, rate: Fraction) -> None:
        self._received = _BIT_RATE / rate
        self._bits = Fraction(_AT_FIRST) * _BUFFER

    def take(self, size: int) -> None:
        """Decodes a picture of so many bytes. Raises `TooDense` where not all of it has come by then."""
        self._bits -= 8 * size
        if self._bits < 0:
            raise TooDense
        self._bits = min(self._bits + self._received, Fraction(_BUFFER))


class RecodedPictures:
    """Pictures of a video decoded and coded again, each at its time; `limited` as for `PictureCoder`."""

    def __init__(
        self,
        out: OutputContainer,
        template: Any,
        source: VideoSource,
        stamps: Stamps,
        picture: Picture,
        *,
        limited: bool,
    ) -> None:
        self._source, self._stamps, self._old = source, stamps, template
        prepare(template)
        self._look = _first_picture(source)
        _check_colours(source, self._look)
        self._coder = PictureCoder(out, self._look, picture, stamps.tick, self._time, limited=limited)
        self._packets = self.damaged = 0
        self._last: int | None = None

    @property
    def frames(self) -> int:
        """How many pictures were coded again."""
        return self._coder.frames

    def feed(self, packet: Packet[Any]) -> Iterator[Packet[Any]]:
        """The new packets of the pictures that one old packet completes."""
        import av

        packet.pts = packet.dts = self._packets
        self._packets += 1
        try:
            decoded = self._old.decode(packet)
        except av.InvalidDataError as error:
            raise Reject(
                f"{self._source.path} is damaged: its picture {self._packets:,} cannot be decoded. "
                "Export it again"
            ) from error
        for frame in decoded:
            yield from self._take(frame)

    def end(self) -> Iterator[Packet[Any]]:
        """The packets of the pictures that were held back."""
        for frame in self._old.decode(None):
            yield from self._take(frame)
        if self.frames:
            yield from self._coder.end()

    def _take(self, frame: VideoFrame) -> Iterator[Packet[Any]]:
        """The packets that one decoded picture completes."""
        if (frame.width, frame.height) != (self._look.width, self._look.height):
            raise Reject(
                f"{self._source.path} has pictures of {self._look.width}x{self._look.height} and of "
                f"{frame.width}x{frame.height}; an object has one size. Split it and give the parts"
            )
        self.damaged += frame.is_corrupt
        yield from self._coder.feed(frame)

    def _time(self, number: int) -> int:
        """When the picture that began in a packet is shown."""
        known = self._stamps.shown or self._stamps.display
        index = number if self._stamps.shown else self.frames
        if index >= len(known):
            raise Reject(f"{self._source.path} has more pictures than its container lists. Export it again")
        time = known[index] - self._stamps.display[0]
        if self._last is not None and time <= self._last:
            raise Reject(
                f"{self._source.path} has time stamps that jump back at picture {self.frames + 1:,}. "
                "Export it again, or split it there"
            )
        self._last = time
        return time


class RecodedSound:
    """Sound decoded and coded as AAC or MP3 of 48 kHz and two channels; short gaps become silence."""

    def __init__(self, out: Any, template: Any, source: VideoSource, encoder: str, first: Fraction) -> None:
        self._path, self._old, self._first, self._encoder = source.path, template, first, encoder
        self._stream = out.add_stream(encoder, rate=_SOUND_RATE)
        self._stream.layout, self._stream.bit_rate = "stereo", _SOUND_BIT_RATE
        self._graph: Graph | None = None
        self._form: tuple[int, str, str] | None = None
        self._next = Fraction(0)
        self.frames = self.damaged = 0

    def feed(self, packet: Packet[Any]) -> Iterator[Packet[Any]]:
        """The new packets that one old packet completes."""
        import av

        try:
            decoded = self._old.decode(packet)
        except av.InvalidDataError:
            self.damaged += 1
            return
        for frame in decoded:
            yield from self._take(frame)

    def end(self) -> Iterator[Packet[Any]]:
        """The packets of the sound that was held back."""
        for frame in self._old.decode(None):
            yield from self._take(frame)
        if self._graph:
            yield from self._drained(self._graph)
            yield from self._stream.encode(None)

    def _take(self, frame: AudioFrame) -> Iterator[Packet[Any]]:
        """Sends decoded sound through the filters, new ones after a gap or where its form changes."""
        form = (frame.sample_rate, frame.format.name, frame.layout.name)
        tick = frame.time_base or Fraction(1, frame.sample_rate)
        time = self._next if frame.pts is None else frame.pts * tick - self._first
        if self._graph and (form != self._form or abs(time - self._next) > _LONGEST_GAP):
            yield from self._drained(self._graph)
            self._graph = None
            if time < self._next - _LONGEST_GAP:
                raise Reject(
                    f"{self._path} has sound whose time stamps jump back. Give --audio drop to leave it out"
                )
        if self._graph is None:
            self._graph, self._form = self._filters(frame), form
        frame.pts = round(time / tick)
        self._next = time + Fraction(frame.samples, frame.sample_rate)
        self._graph.push(frame)
        yield from self._encoded(self._graph)

    def _drained(self, graph: Graph) -> Iterator[Packet[Any]]:
        """The packets of the sound that is left in filters that get no more."""
        graph.push(None)
        yield from self._encoded(graph)

    def _encoded(self, graph: Graph) -> Iterator[Packet[Any]]:
        """The packets of the sound that comes out of the filters."""
        for frame in _pulled(graph):
            yield from self._stream.encode(frame)

    def _filters(self, frame: AudioFrame) -> Graph:
        """From decoded sound to even pieces of stereo at 48 kHz."""
        from av.filter import Graph

        graph = Graph()
        graph.link_nodes(
            graph.add_abuffer(
                sample_rate=frame.sample_rate,
                format=frame.format.name,
                layout=frame.layout.name,
                time_base=frame.time_base,
            ),
            graph.add("aresample", f"{_SOUND_RATE}:async=1"),
            graph.add("aformat", "sample_fmts=fltp:channel_layouts=stereo"),
            graph.add("asetnsamples", f"n={_FRAME_SIZES[self._encoder]}:p=1"),
            graph.add("abuffersink"),
        ).configure()
        return graph


def _pulled(graph: Graph) -> Iterator[Any]:
    """What has come out of the filters by now."""
    import av

    while True:
        try:
            yield graph.pull()
        except (av.BlockingIOError, av.EOFError):
            return


def _first_picture(source: VideoSource) -> VideoFrame:
    """The first picture, decoded."""
    with demuxing(source, decode=True) as container:
        first = next(decoding(source, container, packets_of(container, source.stream)), None)
    if first is None:
        raise Reject(f"{source.path} has no picture that can be decoded. Check that it plays")
    return first


def _check_colours(source: VideoSource, look: VideoFrame) -> None:
    """Refuses colours that would have to be mapped to fewer; raises `Reject`."""
    if look.color_trc in _HIGH_DYNAMIC_RANGE or look.color_primaries == _BT2020:
        raise Reject(
            f"{source.path} has HDR or BT.2020 colours, which are not converted to those that DICOM can say. "
            "Export it again with standard colours (SDR, BT.709) and 8 bits"
        )


def _encoder(
    out: OutputContainer,
    tick: Fraction,
    picture: Picture,
    look: VideoFrame,
    *,
    fields: bool,
    limited: bool,
) -> Any:
    """The stream of new pictures.

    x264 keeps within a bit rate by what its threads have coded by then, so that with several of them the
    result would vary.
    """
    options = {
        "crf": _QUALITY,
        "preset": "medium",
        "profile": "high",
        "level": picture.level,
        "threads": "1" if limited else str(THREADS),
        "a53cc": "0",
        "mbtree": "0",  # with AVX-512, x264 reads memory for it that nobody wrote: results would vary
    }
    if limited:
        options |= {"maxrate": str(_BIT_RATE), "bufsize": str(_BUFFER)}
    if fields:
        options["flags"] = "+ildct+ilme"
    stream: Any = out.add_stream("libx264", rate=picture.rate, options=options)
    stream.width, stream.height, stream.pix_fmt = picture.columns, picture.rows, "yuv420p"
    context = stream.codec_context
    context.time_base = tick
    context.sample_aspect_ratio = Fraction(1)
    context.color_range = _LIMITED
    context.colorspace = _BT709 if look.format.is_rgb else look.colorspace
    context.color_primaries, context.color_trc = look.color_primaries, look.color_trc
    return stream
