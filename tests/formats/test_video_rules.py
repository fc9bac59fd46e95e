"""Which transfer syntax carries what (PS3.5 8.2.5 to 8.2.12)."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest

from bitstreams import h264_sequence, mpeg2_sequence
from gateway.formats import h264, hevc, mpeg2
from gateway.formats.bits import units_after_start_codes
from gateway.formats.video_coding import Coding, Colour
from gateway.formats.video_rules import (
    FRAGMENT,
    Container,
    Sound,
    Unsuitable,
    check_pictures,
    check_sound,
    level_for,
    suits,
)

HD = (120, 68)
NTSC = Fraction(30000, 1001)


def avc(size: tuple[int, int] = HD, **options: Any) -> h264.Sequence:
    return h264.parse(h264_sequence(blocks=size, **options))


def h265(**changes: Any) -> hevc.Sequence:
    main = hevc.Sequence(
        codec="HEVC",
        profile="Main",
        level="5.1",
        width=3840,
        height=2160,
        chroma="4:2:0",
        bits=8,
        aspect=None,
        colour=Colour(),
        rate=None,
        profile_code=1,
        profiles=frozenset({1, 2}),
        level_code=153,
        high_tier=False,
        fields_apart=False,
    )
    return replace(main, **changes)


def h262(**options: Any) -> mpeg2.Sequence:
    return next(mpeg2.sequences(units_after_start_codes(mpeg2_sequence(**options))))


def uid(coding: Coding, rate: Fraction | int = 25) -> str:
    check_pictures(coding, 100_000)
    return level_for(coding, Fraction(rate)).carrier.uid.removeprefix("1.2.840.10008.1.2.4.")


@pytest.mark.parametrize(
    ("coding", "rate", "syntax"),
    [
        (avc(level=41), 30, "102"),
        (avc(level=30), 25, "102"),
        (avc(level=42), 25, "104"),
        (avc(level=41), 60, "104"),  # faster than the level that it names
        (avc(level=42), 64, "104"),
        (avc((64, 48), level=41), 80, "102"),  # the XGA of PS3.5 8.2.7, note 6
        (avc((40, 23), level=32, frames_only=True, aspect=1), NTSC, "102"),
        (avc(level=41, aspect=(7, 7)), 25, "102"),
        (avc(level=40, frames_only=False), 25, "102"),
        (h265(), 60, "107"),
        (h265(width=4096), 60, "107"),
        (h265(profile="Main 10", profile_code=2, profiles=frozenset({2}), bits=10), 60, "108"),
        (h265(profile="Main 10", profile_code=2, profiles=frozenset({1, 2})), 60, "107"),
        (h262(size=(720, 576), rate=3), 25, "100"),
        (h262(size=(720, 480), rate=4), NTSC, "100"),
        (h262(size=(352, 240), rate=5, aspect=1), 30, "100"),
        (h262(size=(720, 576), rate=1), Fraction(24000, 1001), "100"),
        (h262(size=(1920, 1080), rate=4, aspect=3, profile_level=0x44), NTSC, "101"),
        (h262(size=(1280, 720), rate=8, aspect=3, profile_level=0x44), 60, "101"),
    ],
)
def test_the_lowest_level_that_holds_is_taken(coding: Coding, rate: Fraction | int, syntax: str) -> None:
    assert uid(coding, rate) == syntax


@pytest.mark.parametrize(
    ("coding", "rate", "reason"),
    [
        (avc(profile=77), 25, "High profile only"),
        (avc(profile=66, constraints=0x40), 25, "High profile only"),
        (avc(profile=110), 25, "High profile only"),
        (avc(profile=118), 25, "two eyes"),
        (avc(profile=128), 25, "two eyes"),
        (avc(bits=(10, 8)), 25, "not as 4:2:0 with 10"),
        (avc(chroma=0), 25, "not as 4:0:0"),
        (avc(chroma=2), 25, "not as 4:2:2"),
        (avc(level=50), 25, "up to level 4.2"),
        (avc(level=41, aspect=14), 25, "4:3 instead of square"),
        (avc(level=41, aspect=(8, 9)), 25, "8:9 instead of square"),
        (avc(level=41), 120, "is more than the levels permit"),
        (avc((260, 20), level=41), 25, None),
        (avc((300, 4), level=42), 5, "is more than the levels permit"),
        (avc((240, 136), level=42), 5, "is more than the levels permit"),
        (avc(colour=(0, 9, 1, 1)), 25, "HDR or BT.2020"),
        (avc(colour=(0, 1, 18, 1)), 25, "HDR or BT.2020"),
        (avc(colour=(0, 1, 1, 0)), 25, "not the luma and chroma"),
        (avc(colour=(0, 1, 1, 8)), 25, "not the luma and chroma"),
        (h265(level_code=156, level="5.2"), 25, "up to level 5.1 in Main tier, not 5.2 in Main tier"),
        (h265(high_tier=True), 25, "not 5.1 in High tier"),
        (h265(profiles=frozenset({4})), 25, "Main or Main 10 profile only"),
        (h265(profiles=frozenset({1, 2}), bits=10), 25, None),
        (h265(profiles=frozenset({2}), bits=9), 25, "not as 4:2:0 with 9"),
        (h265(profiles=frozenset({2})), 25, "not as 4:2:0 with 8"),
        (h265(chroma="4:2:2"), 25, "not as 4:2:2"),
        (h265(fields_apart=True), 25, "two fields"),
        (h265(aspect=Fraction(4, 3)), 25, "4:3 instead of square"),
        (h265(), 120, "is more than the levels permit"),
        (h262(profile_level=None), 25, "no transfer syntax"),
        (h262(profile_level=0x58), 25, "Main profile"),
        (h262(profile_level=0x85, chroma=2), 25, "Main profile"),
        (h262(size=(720, 576), rate=4), NTSC, "720x576 at 25"),
        (h262(size=(720, 480), rate=6), 50, "720x480 at 30"),
        (h262(size=(736, 480), rate=4), NTSC, "720x480 at 30"),
        (h262(size=(1280, 720), profile_level=0x46), 25, "Main level or High level only"),
        (h262(size=(1440, 1080), aspect=3, profile_level=0x44), 25, "1920x1080"),
        (h262(size=(1920, 1080), aspect=3, rate=2, profile_level=0x44), 24, "1920x1080"),
        (h262(size=(1920, 1080), aspect=3, rate=7, profile_level=0x44), 60, "1920x1080"),
        (h262(size=(1920, 1080), aspect=1, profile_level=0x44), 25, "16:9"),
        (h262(rate=0), 25, "no frame rate"),
        (h262(aspect=0), 25, "no aspect ratio"),
    ],
)
def test_what_no_transfer_syntax_permits_is_refused(
    coding: Coding, rate: Fraction, reason: str | None
) -> None:
    if reason is None:
        uid(coding, rate)
        return
    with pytest.raises(Unsuitable, match=reason) as caught:
        uid(coding, rate)
    assert caught.value.remedy.format(file="a.mov", stem="a")


def test_a_stream_of_too_many_bits_is_told() -> None:
    level = level_for(avc(level=41), Fraction(25))
    full = 10 * level.bit_rate // 8 + level.buffer // 8
    assert level.strain(Fraction(25), 250, full) is None
    assert "84.4 Mbit a second" in str(level.strain(Fraction(25), 250, full + 1))


def test_only_hevc_may_be_longer_than_a_fragment() -> None:
    check_pictures(h265(), FRAGMENT * 2)
    for coding in (avc(), h262()):
        check_pictures(coding, FRAGMENT)
        with pytest.raises(
            Unsuitable, match=r"4,294,967,294 bytes, and the file has 4,294,967,295"
        ) as caught:
            check_pictures(coding, FRAGMENT + 1)
        assert "-f segment" in caught.value.remedy


@pytest.mark.parametrize("container", Container)
def test_containers_are_those_that_the_standard_names(container: Container) -> None:
    for coding, allowed in (
        (avc(), "MP4 MPEG-TS"),
        (h265(), "MP4 MPEG-TS"),
        (h262(), "MP4 MPEG-TS MPEG-PS"),
    ):
        assert suits(coding, container) is (container.short in allowed.split())


MP4, TS = Container.MP4, Container.TRANSPORT


@pytest.mark.parametrize(
    ("sound", "container"),
    [
        (Sound("aac", 48000, 2, 128_000), MP4),
        (Sound("aac", 48000, 6, 640_000), TS),
        (Sound("aac", 48000, 2, None), MP4),
        (Sound("mp3", 44100, 1, 320_000), MP4),
        (Sound("mp2", 32000, 2, 384_000), TS),
        (Sound("ac3", 48000, 6, 448_000), TS),
        (Sound("pcm_bluray", 96000, 2, 4_608_000), TS),
    ],
)
def test_sound_that_may_go_with_h264_and_hevc(sound: Sound, container: Container) -> None:
    check_sound(sound, avc(), container)
    check_sound(sound, h265(), container)


@pytest.mark.parametrize(
    ("sound", "container", "text"),
    [
        (Sound("aac", 44100, 2, None), MP4, "AAC sound of 44.1 kHz with 2 channels"),
        (Sound("aac", 48000, 1, None), MP4, "AAC sound of 48 kHz with 1 channel may"),
        (Sound("aac", 48000, 2, 700_000), MP4, "AAC sound"),
        (Sound("mp3", 22050, 2, None), TS, "MP3 sound of 22.05 kHz"),
        (Sound("mp2", 48000, 1, None), TS, "MPEG-1 Layer II sound"),
        (Sound("ac3", 48000, 2, None), MP4, "AC-3 sound"),
        (Sound("eac3", 48000, 2, None), TS, "E-AC-3 sound"),
        (Sound("pcm_bluray", 44100, 2, None), TS, "LPCM sound"),
        (Sound("opus", 48000, 2, None), MP4, "Opus sound of 48 kHz with 2 channels"),
        (Sound("", 0, 0, None), MP4, "sound of unknown rate"),
    ],
)
def test_sound_that_may_not_go_with_h264(sound: Sound, container: Container, text: str) -> None:
    with pytest.raises(Unsuitable, match=text) as caught:
        check_sound(sound, avc(), container)
    assert "--audio convert" in caught.value.remedy
    assert "--audio drop" in caught.value.remedy


def test_mpeg2_goes_with_mp3_alone() -> None:
    check_sound(Sound("mp3", 48000, 2, None), h262(), Container.PROGRAM)
    for codec in ("mp2", "ac3", "aac"):
        with pytest.raises(Unsuitable, match="DICOM permits MP3") as caught:
            check_sound(Sound(codec, 48000, 2, None), h262(), TS)
        assert "--audio convert" in caught.value.remedy
