"""Frame times from time stamps in the order of coding."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.formats.video_timing import VECTOR_LIMIT, Timeline, Timing

RATES = [Fraction(24000, 1001), Fraction(24), Fraction(25), Fraction(30000, 1001), Fraction(30), Fraction(60)]
CLOCKS = [90_000, 1000, 600, 12_800, 48_000, 11_456]


def timing(
    stamps: list[int | None], clock: int = 1000, declared: Fraction | None = None, last: int | None = None
) -> Timing | None:
    timeline = Timeline(Fraction(1, clock))
    for stamp in stamps:
        timeline.add(stamp)
    return timeline.timing(declared, last)


def found(
    stamps: list[int | None], clock: int = 1000, declared: Fraction | None = None, last: int | None = None
) -> Timing:
    result = timing(stamps, clock, declared, last)
    assert result is not None
    return result


@given(
    rate=st.sampled_from(RATES),
    clock=st.sampled_from(CLOCKS),
    frames=st.integers(40, 400),
    start=st.integers(-1000, 10**9),
    moved=st.lists(st.integers(0, 30), max_size=20),
)
def test_a_constant_rate_is_one_frame_time(
    rate: Fraction, clock: int, frames: int, start: int, moved: list[int]
) -> None:
    stamps: list[int | None] = [start + round(index * clock / rate) for index in range(frames)]
    for index in moved:  # as pictures that refer to later ones are coded after those
        stamps.insert(min(index + 5, frames), stamps.pop(index))
    result = found(stamps, clock, rate)
    assert result.frame_times == (round(float(1000 / rate), 6),)
    assert result.rate == rate
    assert result.duration == frames / rate
    assert result.remark is None


@pytest.mark.parametrize("rate", RATES)
def test_a_coarse_clock_does_not_hide_a_rate_that_cameras_have(rate: Fraction) -> None:
    stamps: list[int | None] = [int(index * 1000 / rate) for index in range(300)]
    assert found(stamps).rate == rate


def test_a_rate_that_no_camera_has_stays_as_it_is() -> None:
    result = found([index * 384 for index in range(100)], clock=11_456)
    assert result.frame_times == (33.519553,)
    assert result.rate == Fraction(11_456, 384)


def test_a_varying_rate_is_a_frame_time_each() -> None:
    result = found([0, 70, 33, 100, 400], last=50)
    assert result.frame_times == (0.0, 33.0, 37.0, 30.0, 300.0)
    assert result.duration == Fraction(450, 1000)
    assert result.rate == Fraction(5000, 450)
    assert result.remark is None


def test_frames_without_a_known_end_are_given_the_mean() -> None:
    assert found([0, 100, 400]).duration == Fraction(600, 1000)


@pytest.mark.parametrize("frames", [VECTOR_LIMIT, VECTOR_LIMIT + 1])
def test_more_frame_times_than_fit_become_their_mean(frames: int) -> None:
    result = found([index * 40 + (index % 7) * 5 for index in range(frames)])
    if frames == VECTOR_LIMIT:
        assert len(result.frame_times) == frames
        assert len("\\".join(f"{time:016.6f}" for time in result.frame_times)) <= 65534
    else:
        assert result.frame_times == pytest.approx((40.0,), abs=0.01)
        assert "3,855 frame times do not fit" in (result.remark or "")


def test_single_ticks_are_no_rate_where_the_clock_counts_frames() -> None:
    assert found([0, 1, 2, 4, 5, 6], clock=30).frame_times == (
        0.0,
        33.333333,
        33.333333,
        66.666667,
        33.333333,
        33.333333,
    )


def test_a_declared_rate_stands_in_for_missing_stamps() -> None:
    result = found([0, None, None, 90, None], declared=Fraction(25))
    assert result.frame_times == (40.0,)
    assert "incomplete" in (result.remark or "")


def test_missing_stamps_lie_between_the_others() -> None:
    assert found([0, None, None, 120, None, 200]).frame_times == (40.0,)


def test_stamps_that_begin_again_are_passed_over() -> None:
    once: list[int | None] = [index * 40 for index in range(500)]
    result = found(once + once)
    assert result.frame_times == pytest.approx((40.0,), rel=0.1)
    assert result.remark
    assert found(once + once, declared=Fraction(25)).duration == 40


def test_one_frame_lasts_as_long_as_it_says() -> None:
    assert found([7], last=40).frame_times == (40.0,)
    assert found([7], declared=Fraction(50)).frame_times == (20.0,)
    assert found([7], last=40).remark is None


@pytest.mark.parametrize("stamps", [[7], [None], [7, 7, 7], [None, None]])
def test_nothing_is_made_up(stamps: list[int | None]) -> None:
    assert timing(stamps) is None


def test_a_stream_may_say_itself_how_long_frames_are_shown() -> None:
    timeline = Timeline(Fraction(1, 90_000))
    for _ in range(4):
        timeline.add(None)
    even = timeline.constant(Fraction(30000, 1001), Fraction(4))
    assert (even.frame_times, even.remark) == ((33.366667,), None)
    film = timeline.constant(Fraction(30000, 1001), Fraction(5))
    assert film.frame_times == (41.708333,)
    assert film.rate == Fraction(24000, 1001)
    assert "pulldown" in (film.remark or "")


@given(st.lists(st.one_of(st.none(), st.integers(-(2**62), 2**62)), min_size=1, max_size=200))
def test_any_stamps_give_a_timing_or_none(stamps: list[int | None]) -> None:
    result = timing(stamps, clock=90_000)
    if result is not None:
        assert result.rate > 0
        assert all(time >= 0 for time in result.frame_times)
        assert len(result.frame_times) in (1, len(stamps))
