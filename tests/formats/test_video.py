"""Videos: what they are, judged by ffprobe, and why some are refused."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from datetime import UTC, datetime
from fractions import Fraction
from functools import cache
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import av
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bitstreams import h264_fields, mpeg2_pictures
from gateway.config import Reading
from gateway.errors import GatewayError, Reject
from gateway.formats import probe, video
from gateway.formats.video_rules import FRAGMENT
from gateway.model import AudioChannel, Kind, Probe, Source
from videos import FAST_START, FRAGMENTED, Sound, ffprobe, make_video, remux

UIDS = "1.2.840.10008.1.2.4."
NTSC = Fraction(30000, 1001)
WIDE = Fraction(64, 45)


def look(path: Path, reading: Reading = Reading()) -> Probe:
    return probe(Source(path, path.parent), reading)


def refusal(path: Path) -> str:
    with pytest.raises(Reject) as caught:
        look(path)
    message = str(caught.value)
    assert message.startswith(str(path))
    return message


# --- what is stored -----------------------------------------------------------------------------------

STORED: list[tuple[str, str, str, dict[str, Any]]] = [
    ("h264.mp4", "102", "video/mp4", {}),
    ("h264.m4v", "102", "video/mp4", {"muxer": FAST_START}),
    ("h264.ts", "102", "video/mp4", {"sound": Sound()}),
    ("fragmented.mp4", "102", "video/mp4", {"muxer": FRAGMENTED, "sound": Sound(), "frames": 40}),
    ("interlaced.mp4", "102", "video/mp4", {"interlaced": True}),
    ("interlaced.ts", "102", "video/mp4", {"interlaced": True, "rate": NTSC}),
    ("cropped.mp4", "102", "video/mp4", {"size": (1920, 1080), "frames": 3}),
    ("fast.mp4", "104", "video/mp4", {"size": (1920, 1080), "rate": 60, "frames": 3}),
    ("level42.mp4", "104", "video/mp4", {"encoder": {"level": "42"}}),
    ("hevc.mp4", "107", "video/H265", {"codec": "hevc", "size": (322, 242)}),
    ("hevc.ts", "107", "video/H265", {"codec": "hevc", "encoder": {"preset": "medium"}, "frames": 40}),
    ("hevc-fragmented.mp4", "107", "video/H265", {"codec": "hevc", "muxer": FRAGMENTED}),
    ("hevc10.mp4", "108", "video/H265", {"codec": "hevc", "pixels": "yuv420p10le"}),
    ("hevc10.ts", "108", "video/H265", {"codec": "hevc", "pixels": "yuv420p10le", "sound": Sound("ac3")}),
    ("pal.mpg", "100", "video/mpeg", {"codec": "mpeg2", "size": (720, 576), "interlaced": True}),
    ("ntsc.vob", "100", "video/mpeg", {"codec": "mpeg2", "size": (720, 480), "rate": NTSC}),
    ("sd.ts", "100", "video/mpeg", {"codec": "mpeg2", "size": (352, 288), "sound": Sound("libmp3lame")}),
    ("sd.mp4", "100", "video/mpeg", {"codec": "mpeg2", "size": (352, 288)}),
    ("hd.ts", "101", "video/mpeg", {"codec": "mpeg2", "size": (1920, 1080), "interlaced": True, "frames": 4}),
]


@pytest.mark.parametrize(("name", "syntax", "media_type", "options"), STORED, ids=[row[0] for row in STORED])
def test_videos_are_what_ffprobe_says(
    tmp_path: Path, name: str, syntax: str, media_type: str, options: dict[str, Any]
) -> None:
    path = make_video(tmp_path / name, **options)
    found = look(path)
    judge = ffprobe(path)
    decoded = ffprobe(path, decode=True)
    assert found.pixels is not None
    assert (found.transfer_syntax, found.media_type) == (UIDS + syntax, media_type)
    assert found.kind is Kind.VIDEO
    assert found.content.read() == path.read_bytes()
    assert (found.pixels.columns, found.pixels.rows) == (judge["width"], judge["height"])
    assert found.pixels.frames == int(judge["nb_read_packets"]) == int(decoded["nb_read_frames"])
    assert found.pixels.frames == options.get("frames", 12)
    assert Fraction(judge["r_frame_rate"]) == options.get("rate", 25)
    assert found.pixels.frame_times == (round(float(1000 / Fraction(judge["r_frame_rate"])), 6),)
    deep = judge["pix_fmt"] == "yuv420p10le"
    assert (found.pixels.bits_allocated, found.pixels.bits_stored) == ((16, 10) if deep else (8, 8))
    assert found.pixels.photometric_interpretation == "YBR_PARTIAL_420"
    assert (found.pixels.samples_per_pixel, found.pixels.planar_configuration) == (3, 0)
    assert found.pixels.pixel_aspect_ratio is None
    facts = found.facts["video"]
    assert facts["profile"] == judge["profile"]
    assert facts["frame_rate"] == pytest.approx(float(Fraction(judge["r_frame_rate"])), abs=1e-6)
    assert facts["duration"] == pytest.approx(found.pixels.frames / facts["frame_rate"], abs=1e-4)
    assert found.messages == ()
    assert len(found.audio) == (1 if "sound" in options else 0)


def test_the_ratio_is_that_of_the_pictures_alone(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mp4", sound=Sound(), frames=30)
    with av.open(str(path)) as container:
        coded = sum(packet.size for packet in container.demux(container.streams.video[0]))
    pixels = look(path).pixels
    assert pixels is not None
    (step,) = pixels.lossy
    assert step.method == "ISO_14496_10"
    assert step.ratio == pytest.approx(64 * 48 * 3 * 30 / coded, abs=0.01)


@pytest.mark.parametrize(
    ("codec", "pixels", "bytes_each", "method"),
    [("hevc", "yuv420p10le", 2, "ISO_23008_2"), ("mpeg2", "yuv420p", 1, "ISO_13818_2")],
)
def test_the_ratio_counts_the_bytes_of_an_uncompressed_object(
    tmp_path: Path, codec: str, pixels: str, bytes_each: int, method: str
) -> None:
    path = make_video(tmp_path / "a.ts", codec=codec, pixels=pixels, size=(352, 288))
    with av.open(str(path)) as container:
        coded = sum(packet.size for packet in container.demux())
    found = look(path).pixels
    assert found is not None
    assert found.lossy[0].method == method
    assert found.lossy[0].ratio == pytest.approx(352 * 288 * 3 * bytes_each * 12 / coded, rel=0.001)


def test_the_facts_of_a_video(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mp4", rate=NTSC, metadata={"creation_time": "2024-03-01T10:11:12Z"})
    found = look(path)
    created = datetime(2024, 3, 1, 10, 11, 12, tzinfo=UTC)
    assert found.captured == created
    assert dict(found.facts["video"]) == {
        "codec": "H.264",
        "profile": "High",
        "level": "1.3",
        "container": "MP4",
        "width": 64,
        "height": 48,
        "frame_rate": 29.97003,
        "duration": 0.4004,
        "created": created,
    }


@pytest.mark.parametrize(
    ("size", "aspect", "expected"),
    [
        ((720, 576), Fraction(16, 15), (15, 16)),
        ((720, 576), WIDE, (45, 64)),
        ((720, 480), Fraction(8, 9), (9, 8)),
        ((720, 576), Fraction(1), None),
    ],
)
@pytest.mark.parametrize("suffix", [".vob", ".ts", ".mp4"])
def test_pixels_of_main_level_need_not_be_square(
    tmp_path: Path, suffix: str, size: tuple[int, int], aspect: Fraction, expected: tuple[int, int] | None
) -> None:
    rate = NTSC if size[1] == 480 else 25
    path = make_video(tmp_path / f"a{suffix}", codec="mpeg2", size=size, aspect=aspect, frames=3, rate=rate)
    pixels = look(path).pixels
    assert pixels is not None
    assert pixels.pixel_aspect_ratio == expected


@pytest.mark.parametrize("suffix", [".mp4", ".ts"])
def test_a_varying_rate_is_a_frame_time_each(tmp_path: Path, suffix: str) -> None:
    times = [0, 33, 70, 100, 140, 170, 210, 300, 400, 433, 466, 500]
    found = look(make_video(tmp_path / f"a{suffix}", times=times)).pixels
    assert found is not None
    steps = [0, *(later - earlier for earlier, later in pairwise(times))]
    assert found.frame_times == pytest.approx(steps, abs=0.012)
    assert found.frames == len(times)


def test_one_picture_is_a_video(tmp_path: Path) -> None:
    for suffix in (".mp4", ".ts"):
        found = look(make_video(tmp_path / f"a{suffix}", frames=1)).pixels
        assert found is not None
        assert (found.frames, found.frame_times) == (1, (40.0,))


@pytest.mark.parametrize("suffix", [".ts", ".mp4"])
def test_two_fields_of_h264_are_one_frame(tmp_path: Path, suffix: str) -> None:
    stream = tmp_path / "a.h264"
    stream.write_bytes(h264_fields(24))
    path = remux(stream, tmp_path / f"a{suffix}")
    assert int(ffprobe(path)["nb_read_packets"]) == 48
    assert int(ffprobe(path, decode=True)["nb_read_frames"]) == 24
    found = look(path)
    assert found.pixels is not None
    assert (found.pixels.rows, found.pixels.columns) == (32, 16)
    assert (found.pixels.frames, found.pixels.frame_times) == (24, (40.0,))
    assert found.facts["video"]["duration"] == pytest.approx(0.96)


def test_two_fields_of_mpeg2_are_one_frame(tmp_path: Path) -> None:
    stream = tmp_path / "a.m2v"
    stream.write_bytes(mpeg2_pictures([3, 1, 2, 3, 2, 1, 3, *[1, 2] * 10]))
    path = remux(stream, tmp_path / "a.mp4")
    assert int(ffprobe(path, decode=True)["nb_read_frames"]) == 15
    found = look(path).pixels
    assert found is not None
    assert (found.frames, found.frame_times) == (15, (40.0,))


def test_pulldown_is_said_as_its_mean(tmp_path: Path) -> None:
    stream = tmp_path / "a.m2v"
    stream.write_bytes(mpeg2_pictures([3] * 8, repeat={index: True for index in range(0, 8, 2)}))
    found = look(remux(stream, tmp_path / "a.mp4"))
    assert found.pixels is not None
    assert (found.pixels.frames, found.pixels.frame_times) == (8, (50.0,))
    assert "pulldown" in found.messages[0]


@pytest.mark.parametrize("tag", ["avc1", "avc3"])
def test_headers_are_found_among_the_samples(tmp_path: Path, tag: str) -> None:
    path = remux(make_video(tmp_path / "a.ts"), tmp_path / "a.mp4")
    data = bytearray(path.read_bytes())
    moov = data.index(b"moov")
    data[data.index(b"avc1", moov) : data.index(b"avc1", moov) + 4] = tag.encode()
    box = data.index(b"avcC", moov)
    data[box + 9] = 0xE0  # no sequence parameter set beside the samples
    path.write_bytes(data)
    found = look(path)
    assert found.facts["video"]["profile"] == "High"
    assert found.pixels is not None
    assert found.pixels.frames == 12


@pytest.mark.parametrize(
    ("sound", "suffix", "mode"),
    [
        (Sound(), ".mp4", "STEREO"),
        (Sound("libmp3lame", 44100), ".mp4", "STEREO"),
        (Sound("libmp3lame", 44100, "mono", 64000), ".mp4", "MONO"),
        (Sound("libmp3lame", 44100, "mono", 64000), ".ts", "MONO"),
        (Sound("mp2"), ".ts", "STEREO"),
        (Sound("ac3"), ".ts", "STEREO"),
    ],
)
def test_sound_is_described(tmp_path: Path, sound: Sound, suffix: str, mode: str) -> None:
    found = look(make_video(tmp_path / f"a{suffix}", sound=sound, frames=25))
    assert found.audio == (AudioChannel(1, mode),)
    assert found.messages == ()


def test_sound_tracks_are_numbered(tmp_path: Path) -> None:
    found = look(
        make_video(tmp_path / "a.mp4", sound=[Sound(), Sound(), Sound(layout="5.1", bit_rate=300_000)])
    )
    assert [channel.number for channel in found.audio] == [1, 2, 3]
    assert found.messages == ("its sound has more than two channels; the object describes it as stereo",)


def test_text_in_a_video_is_told(tmp_path: Path) -> None:
    subtitles = tmp_path / "a.srt"
    subtitles.write_text("1\n00:00:00,000 --> 00:00:00,400\nWords\n")
    plain = make_video(tmp_path / "plain.mp4")
    path = remux(plain, tmp_path / "a.mp4", "-c:s", "mov_text", beside=subtitles)
    assert "1 tracks of text or data" in look(path).messages[0]


def test_the_full_range_of_colours_is_told(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mp4", encoder={"x264-params": "fullrange=on"})
    assert "full range" in look(path).messages[0]


def test_a_cover_is_no_video(tmp_path: Path) -> None:
    picture = make_video(tmp_path / "cover.mkv", codec="mjpeg", pixels="yuvj420p", frames=1)
    plain = make_video(tmp_path / "plain.mp4")
    path = remux(plain, tmp_path / "a.mp4", "-disposition:v:1", "attached_pic", beside=picture)
    found = look(path).pixels
    assert found is not None
    assert found.frames == 12


# --- what is refused ----------------------------------------------------------------------------------

REFUSED: list[tuple[str, dict[str, Any], str, str]] = [
    ("a.mp4", {"profile": "baseline"}, "H.264 Constrained Baseline@L", "--transcode"),
    ("a.ts", {"profile": "main"}, "H.264 Main@L", "--transcode"),
    ("a.mp4", {"profile": "high10", "pixels": "yuv420p10le"}, "H.264 High 10@L", "--transcode"),
    ("a.mp4", {"profile": "high422", "pixels": "yuv422p"}, "H.264 High 4:2:2@L", "--transcode"),
    ("a.mp4", {"profile": "high444", "pixels": "yuv444p"}, "H.264 High 4:4:4 Predictive@L", "--transcode"),
    ("a.mp4", {"pixels": "gray"}, "not as 4:0:0", "--transcode"),
    ("a.mp4", {"encoder": {"level": "51"}}, "H.264 High@L5.1 of 64x48 in MP4", "--transcode"),
    ("a.mp4", {"aspect": Fraction(4, 3)}, "its pixels are 4:3", "--transcode"),
    ("a.ts", {"aspect": Fraction(8, 9)}, "its pixels are 8:9", "--transcode"),
    ("a.mp4", {"rotation": 90}, "turned, mirrored or stretched", "--transcode"),
    ("a.mp4", {"rotation": 180}, "turned, mirrored or stretched", "--transcode"),
    ("a.mp4", {"encoder": {"x264-params": "frame-packing=3"}}, "views of two eyes", "one view"),
    ("a.mp4", {"codec": "hevc", "pixels": "yuv422p"}, "HEVC Range Extensions@L", "--transcode"),
    ("a.mp4", {"codec": "hevc", "pixels": "yuv420p12le"}, "HEVC Range Extensions@L", "--transcode"),
    ("a.ts", {"codec": "hevc", "encoder": {"x265-params": "interlace=tff"}}, "two fields", "yadif"),
    ("a.mp4", {"codec": "hevc", "encoder": {"x265-params": "transfer=arib-std-b67"}}, "HDR", "SDR"),
    ("a.mp4", {"videos": 2}, "2 tracks of pictures", "Export each"),
    ("a.ts", {"videos": 2}, "2 tracks of pictures", "Export each"),
    ("a.mp4", {"sound": Sound(rate=44100)}, "AAC sound of 44.1 kHz with 2 channels", "--audio convert"),
    ("a.ts", {"sound": Sound(rate=44100)}, "AAC sound of 44.1 kHz with 2 channels", "--audio convert"),
    ("a.mp4", {"sound": Sound(layout="mono")}, "AAC sound of 48 kHz with 1 channel may", "--audio convert"),
    ("a.mp4", {"sound": Sound("libopus")}, "Opus sound of 48 kHz", "--audio convert"),
    ("a.mp4", {"sound": Sound("ac3")}, "AC-3 sound", "--audio convert"),
    (
        "a.vob",
        {"codec": "mpeg2", "size": (720, 576), "sound": Sound("mp2")},
        "MPEG-1 Layer II",
        "--audio convert",
    ),
    ("a.mp4", {"codec": "vp9"}, "holds VP9 Profile 0 of 64x48 in MP4", "--transcode"),
    ("a.mp4", {"codec": "mpeg4"}, "holds MPEG-4 Part 2 of 64x48 in MP4", "--transcode"),
    ("a.mp4", {"codec": "mjpeg", "pixels": "yuvj420p"}, "holds Motion JPEG of 64x48 in MP4", "--transcode"),
    ("a.mpg", {"codec": "mpeg1", "size": (352, 288)}, "holds MPEG-1 of 352x288", "--transcode"),
    ("a.ts", {"codec": "mpeg1", "size": (352, 288)}, "holds MPEG-1 of 352x288", "--transcode"),
    ("a.ts", {"codec": "mpeg2", "size": (1280, 720)}, "MPEG-2 Main@High 1440", "--transcode"),
    ("a.ts", {"codec": "mpeg2", "size": (1920, 800)}, "1920x1080 at 25", "--transcode"),
    (
        "a.ts",
        {
            "codec": "mpeg2",
            "size": (1280, 720),
            "aspect": Fraction(3, 4),
            "encoder": {"level": "4", "profile": "4"},
        },
        "16:9 only",
        "--transcode",
    ),
]


@pytest.mark.parametrize(("name", "options", "reason", "remedy"), REFUSED, ids=[row[2] for row in REFUSED])
def test_what_dicom_does_not_take_is_refused(
    tmp_path: Path, name: str, options: dict[str, Any], reason: str, remedy: str
) -> None:
    message = refusal(make_video(tmp_path / name, **options))
    assert reason in message
    assert remedy in message


def test_all_that_has_to_be_given_is_named_at_once(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mp4", profile="main", sound=Sound(rate=44100))
    message = refusal(path)
    assert "Give --transcode to have it converted to H.264 High, and --audio convert or" in message
    with pytest.raises(Reject, match="AAC sound of 44"):
        look(path, Reading(transcode=True))


def test_names_in_a_remedy_are_quoted(tmp_path: Path) -> None:
    many = [Sound("libmp3lame", 48000, bit_rate=64000)] * 10
    message = refusal(make_video(tmp_path / "it's {one}.mp4", sound=many))
    assert "ffmpeg -i '" in message
    assert "'it'\"'\"'s {one}'-dicom.mp4" in message


def test_sound_alone_is_no_video(tmp_path: Path) -> None:
    path = remux(make_video(tmp_path / "v.mp4", sound=Sound()), tmp_path / "a.mp4", "-vn")
    assert "no pictures" in refusal(path)
    path = remux(make_video(tmp_path / "v.ts", sound=Sound(), frames=50), tmp_path / "a.ts", "-vn")
    assert "no pictures" in refusal(path)


def test_encrypted_videos_are_refused(tmp_path: Path) -> None:
    key = "76a6c65c5ea762046bd749a2e632ccbb"
    path = remux(
        make_video(tmp_path / "plain.mp4"),
        tmp_path / "a.mp4",
        *("-encryption_scheme", "cenc-aes-ctr", "-encryption_key", key, "-encryption_kid", key),
    )
    assert "is encrypted" in refusal(path)


def test_a_video_that_changes_its_size_is_refused(tmp_path: Path) -> None:
    first = make_video(tmp_path / "a.ts").read_bytes()
    other = make_video(tmp_path / "b.ts", size=(80, 48)).read_bytes()
    path = tmp_path / "both.ts"
    path.write_bytes(first + other)
    assert "change their size or coding" in refusal(path)
    path.write_bytes(first + first)
    found = look(path)
    assert found.pixels is not None
    assert found.pixels.frames == 24
    assert "time stamps" in found.messages[0]


def test_a_file_is_not_taken_for_its_name(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mp4").rename(tmp_path / "a.jpg")
    found = look(path)
    assert found.format == "mp4"
    assert "MP4 video" in found.messages[0]


@pytest.mark.parametrize(
    ("name", "options", "reason", "remedy"),
    [
        ("a.mkv", {"profile": "main"}, "holds H.264 Main@L2.0 of 64x48 in Matroska", "--transcode"),
        ("a.mkv", {"sound": Sound("libopus")}, "Opus sound", "--audio convert"),
        ("a.mkv", {"sound": Sound("ac3")}, "AC-3 sound", "--audio convert"),
        ("a.avi", {"codec": "mpeg4"}, "holds MPEG-4 Part 2 Simple@L1 of 64x48 in AVI", "--transcode"),
        ("a.webm", {"codec": "vp9"}, "holds VP9 Profile 0 of 64x48 in Matroska", "--transcode"),
        ("a.mov", {"rotation": 90}, "turned, mirrored or stretched", "--transcode"),
        ("a.h264", {"encoder": {"x264-params": "force-cfr=0"}, "times": [0, 40, 90]}, "bare", "--frame-rate"),
    ],
)
def test_other_containers_are_refused_with_what_they_hold(
    tmp_path: Path, name: str, options: dict[str, Any], reason: str, remedy: str
) -> None:
    message = refusal(make_video(tmp_path / name, **{"frames": 3, **options}))
    assert reason in message
    assert remedy in message


def test_3gp_is_stored_if_it_says_that_it_is_mp4_too(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.3gp")
    assert look(path).convert is None
    path.write_bytes(path.read_bytes().replace(b"3gp6isomiso2avc1", b"3gp63gp53gp43gp6"))
    found = look(path)
    assert found.format == "3gp"
    assert found.convert is not None


# --- what is not whole --------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".mp4", ".ts", ".mpg"])
def test_a_cut_video_is_not_whole(tmp_path: Path, suffix: str) -> None:
    options: dict[str, Any] = {"codec": "mpeg2", "size": (352, 288)} if suffix == ".mpg" else {}
    path = make_video(tmp_path / f"a{suffix}", **options)
    data = path.read_bytes()
    for size in (len(data) - 50, len(data) * 2 // 3, len(data) // 3):
        path.write_bytes(data[: size - 7 if size % 2048 in (0, 1) or size % 188 == 0 else size])
        assert "is not whole" in refusal(path)


def test_a_recording_without_its_index_is_not_whole(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mp4")
    data = path.read_bytes()
    path.write_bytes(data[: data.index(b"moov") - 4])
    assert "index (the moov box) is missing" in refusal(path)


def test_pictures_that_are_gone_are_noticed(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mp4", frames=40)
    data = bytearray(path.read_bytes())
    start = data.index(b"mdat") + 4
    data[start + 800 : start + 1600] = bytes(800)
    path.write_bytes(data)
    assert "damaged" in refusal(path)


def test_an_index_that_points_outside_is_noticed(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mp4", muxer=FAST_START, frames=40, sound=Sound())
    data = bytearray(path.read_bytes())
    table = data.index(b"stco") + 8
    chunks = int.from_bytes(data[table : table + 4], "big")
    assert chunks > 2
    last = table + 4 * chunks
    data[last : last + 4] = (len(data) + 100).to_bytes(4, "big")
    path.write_bytes(data)
    assert "lists 40 pictures, of which 3" in refusal(path)


def test_an_index_of_too_many_samples_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mp4", sound=Sound())
    data = bytearray(path.read_bytes())
    at = data.index(b"stsz") + 8
    data[at : at + 8] = (1).to_bytes(4, "big") + (2**31).to_bytes(4, "big")
    path.write_bytes(data)
    assert "lists 2,147,483,648 samples, more than" in refusal(path)


def test_lost_packets_of_a_transport_stream_are_told(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.ts", frames=60, size=(352, 288))
    data = path.read_bytes()
    packets = [data[at : at + 188] for at in range(0, len(data), 188)]
    path.write_bytes(b"".join(packets[:60] + packets[62:]))
    found = look(path)
    assert "lost or damaged" in found.messages[-1]
    assert found.pixels is not None
    assert found.pixels.frames == int(ffprobe(path)["nb_read_packets"])


# --- sizes --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("codec", ["h264", "hevc"])
def test_only_hevc_may_be_larger_than_a_fragment(tmp_path: Path, codec: str) -> None:
    path = make_video(tmp_path / "a.mp4", codec=codec)
    size = path.stat().st_size
    with path.open("r+b") as file:  # a box of 4.5 GB that is a hole in the file
        file.seek(size)
        file.write((1).to_bytes(4, "big") + b"free" + (4_500_000_000).to_bytes(8, "big"))
        file.truncate(size + 4_500_000_000)
    if codec == "hevc":
        found = look(path)
        assert found.content.length == size + 4_500_000_000
        assert found.transfer_syntax == UIDS + "107"
    else:
        message = refusal(path)
        assert f"at most {FRAGMENT:,} bytes" in message
        assert "-f segment" in message


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    once = make_video(tmp_path / "once.ts", frames=50, size=(352, 288), bit_rate=20_000_000).read_bytes()
    path = tmp_path / "long.ts"
    with path.open("wb") as file:
        for _ in range(200_000_000 // len(once)):
            file.write(once)
    script = f"""
        import resource
        from pathlib import Path
        import av
        from gateway.config import Reading
        from gateway.formats import video
        from gateway.model import Source
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        path = Path({str(path)!r})
        found = video.TRANSPORT_STREAM.probe(Source(path, path.parent), Reading())
        print(found.pixels.frames, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    frames, grown = map(int, done.stdout.split())
    assert frames == 50 * (200_000_000 // len(once))
    assert grown < 40 * 1024 * (1024 if sys.platform == "darwin" else 1)


# --- real files ---------------------------------------------------------------------------------------


def test_real_videos(samples: Path) -> None:
    bottle = look(samples / "video" / "bottle.mp4")
    assert bottle.pixels is not None
    judge = ffprobe(samples / "video" / "bottle.mp4", decode=True)
    assert bottle.pixels.frames == 1189 == int(judge["nb_read_frames"])
    assert bottle.pixels.frame_times == (33.519553,)
    assert (bottle.pixels.columns, bottle.pixels.rows) == (640, 360)
    assert bottle.transfer_syntax == UIDS + "102"
    message = refusal(samples / "video" / "rabbit320.mp4")
    assert "H.264 Constrained Baseline@L1.3 of 320x240 in MP4" in message
    assert "--transcode" in message
    bird = look(samples / "video" / "bird.mkv")
    assert bird.pixels is not None
    assert (bird.pixels.columns, bird.pixels.rows, bird.pixels.frames) == (640, 480, 63)
    assert bird.transfer_syntax == UIDS + "102"
    assert "no pictures" in refusal(samples / "small" / "Mpeg4.mp4")
    assert "no pictures" in refusal(samples / "small" / "mp4-with-audio.mp4")


# --- damage -------------------------------------------------------------------------------------------

EXAMPLES: list[tuple[str, dict[str, Any]]] = [
    ("a.mp4", {"sound": Sound()}),
    ("b.mp4", {"muxer": FRAGMENTED, "codec": "hevc"}),
    ("c.ts", {"sound": Sound()}),
    ("d.mpg", {"codec": "mpeg2", "size": (352, 288)}),
    ("e.mkv", {}),
    ("f.avi", {}),
    ("g.mov", {}),
    ("h.flv", {"sound": Sound()}),
    ("i.hevc", {"codec": "hevc"}),
    ("j.webm", {"codec": "vp9"}),
]


@cache
def example(index: int) -> bytes:
    name, options = EXAMPLES[index]
    with TemporaryDirectory() as folder:
        return make_video(Path(folder) / name, frames=3, **options).read_bytes()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_damaged_videos_are_read_or_refused(tmp_path: Path, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(EXAMPLES) - 1))
    changed = bytearray(example(index))
    start = max(changed.find(b"moov"), 0)
    for _ in range(data.draw(st.integers(1, 8))):
        at = data.draw(st.integers(0, len(changed)) | st.integers(start, min(start + 1500, len(changed))))
        count = data.draw(st.sampled_from([1, 1, 1, 4, 40]))
        changed[at : at + count] = data.draw(st.binary(max_size=6))
    path = tmp_path / EXAMPLES[index][0]
    path.write_bytes(changed)
    source = Source(path, tmp_path)
    try:
        for form in video.FORMATS:
            if form.sniff(bytes(changed[:4096])):
                form.probe(source, Reading())
    except GatewayError:
        return


def test_a_header_among_pictures_that_is_nonsense_is_refused(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.ts")
    data = path.read_bytes()
    with av.open(str(path)) as container:
        headers = bytes(container.streams.video[0].codec_context.extradata or b"")
    unit = headers[headers.index(b"\x67") :][:8]
    path.write_bytes(data.replace(unit, unit[:1] + bytes([unit[1], 0, 62]) + unit[4:]))
    assert "H.264 High@L6.2" in refusal(path)
