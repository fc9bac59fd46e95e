"""When the coded pictures of a video are to be shown and decoded.

Containers leave some of it out: Matroska when a picture is decoded, AVI when it is shown, bare streams
both. What is missing is restored, so that every picture keeps its place.
"""

from __future__ import annotations

import sys
from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from operator import lt
from typing import TYPE_CHECKING, Any

from gateway.convert.video_source import VideoSource, decoding, demuxing, packets_of
from gateway.errors import Reject, Unfinished

if TYPE_CHECKING:  # libav is large: it is loaded when a video comes
    from av.packet import Packet

_MISSING = -sys.maxsize
_LONGEST_REORDER = 64  # fields and frames that a coding may hold back, with room
_HALF = 2
"""Parts of a tick that stamps are counted in, so that the second field of a frame has one of its own."""


@dataclass(frozen=True, slots=True)
class Stamps:
    """When pictures are shown, in ticks of `tick` seconds.

    `shown` has a stamp for each picture in the order of coding, `display` the stamps in the order of
    showing. Where `shown` is empty, only decoding tells which picture is which. `restored` says that the
    stamps are not the container's own.
    """

    tick: Fraction
    shown: array[int]
    display: array[int]
    restored: bool = False

    @property
    def first(self) -> Fraction:
        """When the first picture is shown, in seconds of the container's clock."""
        return self.display[0] * self.tick if self.display else Fraction(0)

    @property
    def step(self) -> int:
        """The mean time of a picture, at least one tick."""
        return max(1, (self.display[-1] - self.display[0]) // max(1, len(self.display) - 1))

    def coded(self) -> array[int]:
        """When each picture is decoded: in this order, each of its own time, and none after it is shown.

        The first one is decoded as many places ahead as the coding holds pictures back. Raises ValueError
        where the stamps are not those of one recording.
        """
        order = array("q", sorted(self.shown))
        depth = max(_held_back(self.shown), default=0)
        if depth > _LONGEST_REORDER // 2:
            raise ValueError("its time stamps jump back")
        step = max(1, (order[-1] - order[0]) // max(1, len(order) - 1))
        coded = array("q")
        for index, shown in enumerate(self.shown):
            time = order[index - depth] if index >= depth else order[0] - (depth - index) * step
            if coded and time <= coded[-1]:
                time = coded[-1] + 1
            if time > shown:
                raise ValueError("several of its pictures bear the same time stamp")
            coded.append(time)
        return coded


def read(source: VideoSource, begun: Callable[[bytes], int]) -> Stamps:
    """The stamps of a video as its container gives them; `begun` tells how many frames begin in a packet.

    `shown` is empty where some are missing or wrong. Raises `Reject` where nothing else tells the times.
    """
    shown, coded, begins = array("q"), array("q"), bytearray()
    with demuxing(source) as container:
        tick = Fraction(container.streams[source.stream].time_base or 1)
        for packet in packets_of(container, source.stream):
            shown.append(_MISSING if packet.pts is None else packet.pts)
            coded.append(_MISSING if packet.dts is None else packet.dts)
            begins.append(begun(bytes(packet)))
    if source.rate is not None:
        first = min((time for time in shown if time != _MISSING), default=0) * tick
        start = round(first * source.rate * _HALF)
        times = array("q", (start + _HALF * index for index in range(sum(begins))))
        return Stamps(1 / source.rate / _HALF, array("q"), times, restored=True)
    order = array("q", sorted(shown))
    whole = _MISSING not in coded and all(map(lt, coded, coded[1:])) and max(begins, default=0) == 1
    if _MISSING not in shown and (all(map(lt, order, order[1:])) or not whole):
        return Stamps(tick, shown, order)
    if not whole:
        raise Reject(f"{source.path} does not say when its pictures are shown. Export it again as MP4")
    delay = next((pts - dts for pts, dts in zip(shown, coded, strict=True) if pts != _MISSING), 0)
    moments = sorted(time + delay for time, count in zip(coded, begins, strict=True) if count)
    return Stamps(tick / _HALF, array("q"), array("q", (_HALF * moment for moment in moments)), restored=True)


def ordered(source: VideoSource, stamps: Stamps, begun: Callable[[bytes], int]) -> Stamps:
    """The same stamps with the pictures in order, which one decoding pass tells; raises `Reject`."""
    if stamps.shown:
        return stamps
    begins = bytearray()

    def noted() -> Iterator[Packet[Any]]:
        for packet in packets_of(container, source.stream):
            begins.append(begun(bytes(packet)))
            yield packet

    order, cut = array("q"), -1
    with demuxing(source, decode=True) as container:
        for frame in decoding(source, container, noted()):
            order.append(frame.pts or 0)
            cut = max(cut, order[-1]) if frame.is_corrupt else cut
    if source.rate is not None and cut >= 0 and not any(begins[cut + 1 :]):
        raise Unfinished(f"{source.path} is not whole: its last picture is cut. Copy or export it again")
    if len(order) != len(stamps.display) or len(set(order)) != len(order):
        raise Reject(
            f"{source.path} has {len(stamps.display):,} pictures, of which {len(order):,} can be decoded, so "
            "their order is not known. Export it again as MP4"
        )
    shown = array("q", [_MISSING]) * len(begins)
    for time, index in zip(stamps.display, order, strict=True):
        shown[index] = time
    for index, count in enumerate(begins):
        if not count and index:  # the second field of a frame
            shown[index] = shown[index - 1] + 1
    if _MISSING in shown:
        number = shown.index(_MISSING) + 1
        raise Reject(f"{source.path}: its picture {number:,} cannot be put in order. Export it again as MP4")
    return replace(stamps, shown=shown)


def _held_back(shown: array[int]) -> Iterator[int]:
    """How many of the pictures coded shortly before each are shown after it."""
    window: list[int] = []
    for index, time in enumerate(shown):
        place = bisect_right(window, time)
        yield len(window) - place
        window.insert(place, time)
        if index >= _LONGEST_REORDER:
            window.remove(shown[index - _LONGEST_REORDER])
