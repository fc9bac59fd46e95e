"""When the frames of a video are to be shown, from time stamps that come in the order of coding."""

from __future__ import annotations

import heapq
from array import array
from dataclasses import dataclass
from fractions import Fraction

VECTOR_LIMIT = 3854
"""Frame times that fit into 65,534 bytes, with 16 characters and a separator each (PS3.5 6.2, 7.1.2)."""

_REORDER = 32  # more pictures than any coding holds back before it shows one
_COARSE = 8  # clock ticks a frame below which a difference of one tick is no mere rounding
_JITTER = Fraction(1, 50)  # a frame's time may differ by this part of it where the rate is still constant

_THOUSAND_AND_ONE = (24, 30, 48, 60, 120, 240)
_RATES = sorted(
    {*map(Fraction, (10, 12, 15, 20, 24, 25, 30, 48, 50, 60, 90, 100, 120, 240))}
    | {Fraction(rate * 1000, 1001) for rate in _THOUSAND_AND_ONE}
)
"""Rates that cameras have. Coarse clocks round them; they are told from the rounded mean."""


@dataclass(frozen=True, slots=True)
class Timing:
    """How long frames are shown.

    `frame_times` are milliseconds: one value for a constant rate, one a frame, the first 0, for a varying
    one (PS3.3 C.7.6.5, Frame Time and Frame Time Vector). `rate` is the mean number of frames a second,
    `duration` is in seconds. `remark` says why one mean value stands for a varying rate.
    """

    frame_times: tuple[float, ...]
    rate: Fraction
    duration: Fraction
    remark: str | None = None


def steady(rate: Fraction, frames: int) -> Timing:
    """The timing of frames that follow each other at one rate."""
    return Timing((_milliseconds(1 / rate),), rate, frames / rate)


class Timeline:
    """Puts time stamps in order as they come and keeps what tells a constant rate, in constant memory."""

    def __init__(self, tick: Fraction) -> None:
        self._tick = tick
        self._waiting: list[int] = []
        self._coded: int | None = None
        self._frames = 0
        self._known = 0
        self._first = self._last = 0
        self._shortest = self._longest = 0
        self._increments = array("q")
        self._forward = self._steps = 0  # what remains of the increments where stamps jump back

    def add(self, stamp: int | None, coded: int | None = None) -> None:
        """Notes one frame by the stamps, in ticks, of when it is shown and decoded; they may be missing."""
        self._frames += 1
        if coded is not None:
            if self._coded is not None and coded < self._coded:  # stamps begin again
                self._pass_all()
            self._coded = coded
        if stamp is None:
            return
        heapq.heappush(self._waiting, stamp)
        if len(self._waiting) > _REORDER:
            self._pass(heapq.heappop(self._waiting))

    def constant(self, rate: Fraction, shown: Fraction) -> Timing:
        """The timing of a stream that itself says how long its frames are shown.

        `shown` is that time in frames of `rate`, which is more than there are coded where some are shown
        longer than others.
        """
        duration = shown / rate
        remark = None
        if shown != self._frames:
            remark = "its frames are shown for different times (pulldown); the object says their mean"
        return self._mean(duration / self._frames, remark)

    def timing(self, declared: Fraction | None, last: int | None) -> Timing | None:
        """The timing that the stamps show; None where they show none.

        `declared` is the rate that the coding names; `last` the ticks that the last frame is shown.
        """
        self._pass_all()
        span = (self._last - self._first) * self._tick
        steps = self._frames - 1
        if span <= 0 or self._steps < steps:
            return self._from_little(declared, last)
        mean = Fraction(self._last - self._first, steps)
        allowed = max(mean * _JITTER, 1 if mean >= _COARSE else 0)
        if self._longest - mean <= allowed and mean - self._shortest <= allowed:
            return self._mean(_nominal(mean * self._tick, self._tick / steps, declared))
        if self._frames > VECTOR_LIMIT:
            many = f"{self._frames:,} frame times do not fit into an object"
            return self._mean(mean * self._tick, f"its frame rate varies and {many}, which says their mean")
        duration = span + (last * self._tick if last else mean * self._tick)
        times = tuple(_milliseconds(step * self._tick) for step in (0, *self._increments))
        return Timing(times, self._frames / duration, duration)

    def _from_little(self, declared: Fraction | None, last: int | None) -> Timing | None:
        """The timing where stamps are missing or jump."""
        remark = None
        if self._frames > 1:
            remark = "its time stamps are incomplete or jump; the object says a mean frame time"
        if declared:
            return self._mean(1 / declared, remark)
        if self._known == self._frames == 1 and last and last > 0:
            return self._mean(last * self._tick)
        if self._forward == 0:
            return None
        missing = self._frames - self._known  # these lie within the increments of the others
        return self._mean(self._forward * self._tick / (self._steps + missing), remark)

    def _mean(self, frame_time: Fraction, remark: str | None = None) -> Timing:
        """A timing of one value, in seconds."""
        return Timing((_milliseconds(frame_time),), 1 / frame_time, frame_time * self._frames, remark)

    def _pass_all(self) -> None:
        """Takes all stamps that wait for earlier ones."""
        while self._waiting:
            self._pass(heapq.heappop(self._waiting))

    def _pass(self, stamp: int) -> None:
        """Takes the next stamp in the order of display."""
        self._known += 1
        if self._known == 1:
            self._first = self._last = stamp
            return
        increment = stamp - self._last
        self._last = stamp
        if increment < 0:
            return
        self._steps += 1
        self._forward += increment
        self._shortest = increment if self._steps == 1 else min(self._shortest, increment)
        self._longest = max(self._longest, increment)
        if len(self._increments) < VECTOR_LIMIT:
            self._increments.append(increment)


def _nominal(frame_time: Fraction, uncertainty: Fraction, declared: Fraction | None) -> Fraction:
    """The frame time of the rate that was meant where the clock's ticks only come near to it."""
    if declared and abs(1 / declared - frame_time) <= uncertainty:
        return 1 / declared
    nearest = min((1 / rate for rate in _RATES), key=lambda candidate: abs(candidate - frame_time))
    return nearest if abs(nearest - frame_time) < uncertainty else frame_time


def _milliseconds(seconds: Fraction) -> float:
    """Milliseconds to the nanosecond."""
    return round(float(seconds * 1000), 6)
