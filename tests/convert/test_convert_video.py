"""Videos put into MP4 and coded again: ffprobe, ffmpeg and dciodvfy are the judges."""

from __future__ import annotations

import os
import resource
import subprocess
import uuid
from collections.abc import Iterator
from fractions import Fraction
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import av
import pydicom
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bitstreams import h264_fields
from gateway import pipeline
from gateway.config import Lossless, Reading
from gateway.config import Sound as Choice
from gateway.convert.workshop import Workshop
from gateway.dicom import part10
from gateway.errors import GatewayError, Reject, Retry
from gateway.formats import probe
from gateway.model import AudioChannel, Outcome, Probe, Source
from gateway.stream import FileSlice
from support import dciodvfy, require
from videos import Sound, ffprobe, make_video, remux

UIDS = "1.2.840.10008.1.2.4."
NTSC = Fraction(30000, 1001)
B_FRAMES = {"x264-params": "scenecut=0:b-adapt=0:bframes=3:force-cfr=1"}
TRANSCODE = Reading(transcode=True)


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Workshop]:
    with Workshop(tmp_path / "shop") as made:
        yield made


def look(path: Path, reading: Reading = Reading()) -> Probe:
    return probe(Source(path, path.parent), reading)


def converted(path: Path, shop: Workshop, reading: Reading = Reading()) -> tuple[Probe, Probe, Path]:
    """What was planned, what came of it, and the new file."""
    planned = look(path, reading)
    assert planned.convert is not None
    assert planned.content.read() == path.read_bytes()
    result = planned.convert(shop, Lossless.NATIVE)
    (piece,) = result.content.pieces
    assert isinstance(piece, FileSlice)
    assert result.convert is None
    assert (result.transfer_syntax, result.media_type) == (planned.transfer_syntax, planned.media_type)
    assert planned.pixels is not None
    assert result.pixels is not None
    assert (result.pixels.columns, result.pixels.rows) == (planned.pixels.columns, planned.pixels.rows)
    assert result.pixels.frames == int(ffprobe(piece.path, decode=True)["nb_read_frames"])
    return planned, result, piece.path


def ffmpeg(*arguments: object) -> subprocess.CompletedProcess[bytes]:
    """What the ffmpeg program makes of something."""
    command = [require("ffmpeg"), "-y", *map(str, arguments)]
    return subprocess.run(command, check=True, capture_output=True)


def frames(path: Path) -> list[str]:
    """The sums of all decoded pictures in the order of showing."""
    done = ffmpeg("-i", path, "-map", "0:v", "-f", "framemd5", "-").stdout.decode()
    return [line.rsplit(",", 1)[1].strip() for line in done.splitlines() if not line.startswith("#")]


def coded(path: Path, kind: str = "v") -> bytes:
    """All coded units, in H.264 each behind a start code: the same in every container."""
    extra = ("-bsf:v", "h264_mp4toannexb,filter_units=remove_types=9") if kind == "v" else ()
    return ffmpeg("-i", path, "-map", f"0:{kind}", "-c", "copy", *extra, "-f", "data", "-").stdout


def likeness(path: Path, other: Path) -> float:
    """The signal-to-noise ratio of two videos, which ffmpeg sets upright, in decibels."""
    done = ffmpeg("-i", path, "-i", other, "-lavfi", "[0][1]psnr", "-f", "null", "-")
    return float(done.stderr.decode().rpartition("average:")[2].split()[0])


def chart(path: Path, turn: int = 0, *, flip: bool = False) -> Path:
    """A test picture that shows how it lies, in a file that tells players to turn it."""
    plain = path.with_name("plain.mp4")
    picture = ("-f", "lavfi", "-i", "testsrc2=size=160x90:rate=25:duration=0.2")
    ffmpeg(*picture, "-c:v", "libx264", "-profile:v", "high", "-pix_fmt", "yuv420p", plain)
    with av.open(str(plain)) as old, av.open(str(path), "w") as new:
        template = old.streams.video[0]
        stream = new.add_stream_from_template(template)
        stream.set_display_rotation(turn, hflip=flip)
        for packet in old.demux(template):
            if packet.size:
                packet.stream = stream
                new.mux(packet)
    return path


# --- a new container ----------------------------------------------------------------------------------

MOVED: list[tuple[str, str, dict[str, Any]]] = [
    ("a.mov", "102", {"encoder": B_FRAMES, "rate": NTSC, "sound": Sound()}),
    ("a.mkv", "102", {"encoder": B_FRAMES, "rate": NTSC, "sound": Sound()}),
    ("a.avi", "102", {"encoder": B_FRAMES, "rate": NTSC}),
    ("a.flv", "102", {"encoder": B_FRAMES, "sound": Sound()}),
    ("a.h264", "102", {"encoder": B_FRAMES, "rate": NTSC}),
    ("b.mkv", "107", {"codec": "hevc", "encoder": {"preset": "medium"}}),
    ("b.hevc", "107", {"codec": "hevc", "encoder": {"preset": "medium"}}),
    ("c.mkv", "108", {"codec": "hevc", "pixels": "yuv420p10le"}),
    ("d.mkv", "100", {"codec": "mpeg2", "encoder": {"bf": "2"}, "size": (352, 288)}),
    ("d.avi", "100", {"codec": "mpeg2", "encoder": {"bf": "2"}, "size": (352, 288)}),
    ("d.m2v", "100", {"codec": "mpeg2", "encoder": {"bf": "2"}, "size": (352, 288)}),
]


@pytest.mark.parametrize(("name", "syntax", "options"), MOVED, ids=[row[0] for row in MOVED])
def test_coded_pictures_go_into_mp4_untouched(
    tmp_path: Path, shop: Workshop, name: str, syntax: str, options: dict[str, Any]
) -> None:
    path = make_video(tmp_path / name, frames=25, **options)
    planned, result, made = converted(path, shop)
    assert result.transfer_syntax == UIDS + syntax
    assert result.pixels == planned.pixels
    assert result.pixels is not None
    assert result.pixels.frame_times == (round(float(1000 / Fraction(options.get("rate", 25))), 6),)
    assert "new MP4 file with its coded pictures as they are" in result.messages[0]
    assert int(ffprobe(made)["nb_read_packets"]) == 25 == int(ffprobe(path)["nb_read_packets"])
    assert frames(made) == frames(path)
    if options.get("codec", "h264") == "h264":
        assert coded(made) == coded(path)
    if "sound" in options:
        assert result.audio == (AudioChannel(1, "STEREO"),)
        assert coded(made, "a") == coded(path, "a")
    data = made.read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")
    assert b"Lavf" not in data


def test_a_new_container_is_the_same_each_time(tmp_path: Path, shop: Workshop) -> None:
    path = make_video(tmp_path / "a.mkv", sound=Sound(), encoder=B_FRAMES)
    assert converted(path, shop)[2].read_bytes() == converted(path, shop)[2].read_bytes()


def test_frames_keep_the_times_that_they_vary_by(tmp_path: Path, shop: Workshop) -> None:
    times = [0, 33, 70, 100, 140, 170, 210, 300, 400, 433, 466, 500]
    path = make_video(tmp_path / "a.mkv", times=times, encoder={"x264-params": "scenecut=0:b-adapt=0"})
    made = converted(path, shop)[2]
    with av.open(str(made)) as container:
        stamps = sorted(packet.pts * packet.time_base for packet in container.demux(video=0) if packet.size)
    assert [float(stamp - stamps[0]) * 1000 for stamp in stamps] == pytest.approx(times)


def test_two_fields_stay_one_frame(tmp_path: Path, shop: Workshop) -> None:
    path = tmp_path / "a.h264"
    path.write_bytes(h264_fields(24))
    _, result, made = converted(path, shop)
    assert result.pixels is not None
    assert (result.pixels.frames, result.pixels.frame_times) == (24, (40.0,))
    assert int(ffprobe(made)["nb_read_packets"]) == 48
    assert frames(made) == frames(path)


@pytest.mark.parametrize("suffix", [".h264", ".m2v"])
def test_a_bare_stream_that_is_cut_is_refused(tmp_path: Path, shop: Workshop, suffix: str) -> None:
    codec = "mpeg2" if suffix == ".m2v" else "h264"
    path = make_video(tmp_path / f"a{suffix}", codec=codec, size=(352, 288), frames=13)
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(Reject, match=r"not whole|cannot be decoded"):
        converted(path, shop, Reading(frame_rate=Fraction(25)))


BARE_HEVC: list[dict[str, Any]] = [
    {},
    {"encoder": {"preset": "medium", "x265-params": "bframes=3"}},
    {"encoder": {"x265-params": "wpp=1:pools=2"}},
    {"pixels": "yuv420p10le"},
    {"pixels": "yuv422p"},
]


@pytest.mark.parametrize("options", BARE_HEVC)
def test_a_bare_hevc_stream_tells_by_its_last_picture_whether_it_is_whole(
    tmp_path: Path, shop: Workshop, options: dict[str, Any]
) -> None:
    size, rate = (320, 240), 3_000_000
    path = make_video(tmp_path / "a.hevc", codec="hevc", size=size, frames=12, bit_rate=rate, **options)
    assert converted(path, shop, TRANSCODE)[1].pixels is not None
    data = path.read_bytes()
    last = len(data) - data.rindex(b"\0\0\1")
    assert last > 200
    for missing in (4, 20, last // 2, last - 20):
        path.write_bytes(data[:-missing])
        with pytest.raises(Reject, match=r"not whole: its last picture is cut|can be decoded"):
            converted(path, shop, TRANSCODE)


def test_a_bare_hevc_stream_with_several_slices_has_the_last_one(tmp_path: Path, shop: Workshop) -> None:
    path = tmp_path / "a.hevc"
    picture = ("-f", "lavfi", "-i", "testsrc2=size=320x240:rate=25:duration=0.4", "-pix_fmt", "yuv420p")
    ffmpeg(*picture, "-c:v", "libx265", "-x265-params", "slices=3:log-level=none", path)
    converted(path, shop)
    data = path.read_bytes()
    path.write_bytes(data[: data.rindex(b"\0\0\1")])
    with pytest.raises(Reject, match="not whole: its last picture is cut"):
        converted(path, shop)


def test_a_bare_stream_needs_a_rate(tmp_path: Path, shop: Workshop) -> None:
    path = make_video(tmp_path / "a.h264")
    with pytest.raises(Reject, match="--frame-rate"):
        look(path)
    result = converted(path, shop, Reading(frame_rate=Fraction(50)))[1]
    assert result.pixels is not None
    assert result.pixels.frame_times == (20.0,)


def test_packets_of_cameras_lose_what_stands_between_them(tmp_path: Path, shop: Workshop) -> None:
    plain = make_video(tmp_path / "a.ts", encoder=B_FRAMES, sound=Sound("ac3"), frames=40)
    path = remux(plain, tmp_path / "a.m2ts", "-mpegts_m2ts_mode", "1")
    _, result, made = converted(path, shop)
    assert result.audio == (AudioChannel(1, "STEREO"),)
    data = path.read_bytes()
    assert made.read_bytes() == b"".join(data[at + 4 : at + 192] for at in range(0, len(data), 192))
    assert frames(made) == frames(path)


def test_real_matroska(samples: Path, shop: Workshop) -> None:
    path = samples / "video" / "bird.mkv"
    _, result, made = converted(path, shop)
    assert result.pixels is not None
    assert (result.pixels.frames, result.pixels.frame_times) == (63, (33.333333,))
    assert frames(made) == frames(path)
    assert coded(made) == coded(path)


# --- sound --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "sound", "codec"),
    [
        ("a.mp4", Sound(rate=44100), "aac"),
        ("a.ts", Sound(layout="mono"), "aac"),
        ("a.mkv", Sound("libopus", layout="mono"), "aac"),
        ("a.mov", Sound("pcm_s16le", 22050), "aac"),
        ("a.vob", Sound("mp2"), "mp3"),
    ],
)
def test_sound_is_converted_or_left_out(
    tmp_path: Path, shop: Workshop, name: str, sound: Sound, codec: str
) -> None:
    pictures: dict[str, Any] = {"codec": "mpeg2", "size": (720, 576)} if name == "a.vob" else {}
    path = make_video(tmp_path / name, sound=sound, frames=25, **pictures)
    with pytest.raises(Reject, match=r"--audio convert.*--audio drop"):
        look(path)
    _, result, made = converted(path, shop, Reading(sound=Choice.CONVERT))
    assert result.audio == (AudioChannel(1, "STEREO"),)
    assert f"is converted to {codec.upper()} of 48 kHz with 2 channels" in result.messages[1]
    with av.open(str(made)) as container:
        track = container.streams.audio[0]
        assert (track.codec_context.name.removesuffix("float"), track.rate, track.channels) == (
            codec,
            48000,
            2,
        )
        assert track.duration * track.time_base == pytest.approx(1, abs=0.1)
    assert frames(made) == frames(path)
    _, result, made = converted(path, shop, Reading(sound=Choice.DROP))
    assert result.audio == ()
    assert "sound" in result.messages[1]
    assert "is left out" in result.messages[1]
    with av.open(str(made)) as container:
        assert not container.streams.audio


def test_sound_that_may_stay_does(tmp_path: Path, shop: Workshop) -> None:
    path = make_video(tmp_path / "a.mkv", sound=[Sound(), Sound("libopus"), Sound("libmp3lame", 44100)])
    result = converted(path, shop, Reading(sound=Choice.DROP))[1]
    assert result.audio == (AudioChannel(1, "STEREO"), AudioChannel(2, "STEREO"))


# --- coded again --------------------------------------------------------------------------------------

RECODED: list[tuple[str, dict[str, Any], str, tuple[int, int], tuple[str, ...]]] = [
    ("a.mp4", {"profile": "baseline"}, "102", (64, 48), ("ISO_14496_10",)),
    ("a.ts", {"profile": "main"}, "102", (64, 48), ("ISO_14496_10",)),
    ("a.mp4", {"profile": "high422", "pixels": "yuv422p10le"}, "102", (64, 48), ("ISO_14496_10",)),
    ("a.mp4", {"encoder": {"level": "51"}}, "102", (64, 48), ("ISO_14496_10",)),
    ("a.mp4", {"aspect": Fraction(4, 3)}, "102", (86, 48), ("ISO_14496_10",)),
    ("a.mp4", {"aspect": Fraction(8, 9)}, "102", (64, 54), ("ISO_14496_10",)),
    ("a.mpg", {"codec": "mpeg1", "size": (352, 288)}, "102", (352, 288), ("ISO_11172_2",)),
    ("a.avi", {"codec": "mpeg4", "encoder": {"bf": "2"}}, "102", (64, 48), ("ISO_14496_2",)),
    ("a.webm", {"codec": "vp9"}, "102", (64, 48), ("VP9",)),
    (
        "a.mkv",
        {"codec": "av1", "size": (128, 96), "bit_rate": 0, "encoder": {"crf": "40", "preset": "10"}},
        "102",
        (128, 96),
        ("AV1",),
    ),
    ("a.avi", {"codec": "mjpeg", "pixels": "yuvj422p", "size": (63, 47)}, "102", (64, 48), ("ISO_10918_1",)),
    ("a.mp4", {"codec": "mpeg4", "size": (2560, 1440)}, "102", (1920, 1080), ("ISO_14496_2",)),
    (
        "a.mov",
        {"codec": "mjpeg", "pixels": "yuvj420p", "size": (1080, 1920), "rate": 60},
        "104",
        (1080, 1920),
        ("ISO_10918_1",),
    ),
]


@pytest.mark.parametrize(
    ("name", "options", "syntax", "size", "methods"), RECODED, ids=[f"{row[0]}-{row[1]}" for row in RECODED]
)
def test_pictures_are_coded_again_as_h264_high(
    tmp_path: Path,
    shop: Workshop,
    name: str,
    options: dict[str, Any],
    syntax: str,
    size: tuple[int, int],
    methods: tuple[str, ...],
) -> None:
    path = make_video(tmp_path / name, frames=4, **options)
    with pytest.raises(Reject, match="--transcode"):
        look(path)
    planned, result, made = converted(path, shop, TRANSCODE)
    judge = ffprobe(made)
    assert result.pixels is not None
    assert planned.pixels is not None
    assert result.transfer_syntax == UIDS + syntax
    assert (judge["codec_name"], judge["profile"], judge["pix_fmt"]) == ("h264", "High", "yuv420p")
    assert judge["level"] == (42 if syntax == "104" else 41)
    assert judge["sample_aspect_ratio"] == "1:1"
    assert (judge["width"], judge["height"]) == size == (result.pixels.columns, result.pixels.rows)
    assert (result.pixels.frames, result.pixels.frame_times) == (4, planned.pixels.frame_times)
    assert tuple(step.method for step in result.pixels.lossy) == (*methods, "ISO_14496_10")
    assert result.pixels.lossy[0] == planned.pixels.lossy[0]
    assert "are coded again as H.264 High" in result.messages[0]
    if judge.get("color_range"):
        assert judge["color_range"] == "tv"


def test_pictures_coded_again_keep_their_times_and_are_the_same_each_time(
    tmp_path: Path, shop: Workshop
) -> None:
    times = [0, 33, 70, 150, 400]
    path = make_video(tmp_path / "a.webm", codec="vp9", frames=5, times=times)
    first, second = (converted(path, shop, TRANSCODE) for _ in range(2))
    assert first[2].read_bytes() == second[2].read_bytes()
    assert first[1].pixels is not None
    assert first[1].pixels.frame_times == (0.0, 33.0, 37.0, 80.0, 250.0)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
@pytest.mark.parametrize(
    "how", [{"turn": 90}, {"turn": 180}, {"turn": 270}, {"flip": True}, {"turn": 90, "flip": True}], ids=str
)
def test_pictures_are_set_upright(tmp_path: Path, shop: Workshop, suffix: str, how: dict[str, Any]) -> None:
    path = chart(tmp_path / f"a{suffix}", **how)
    with pytest.raises(Reject, match=r"turned, mirrored or stretched.*--transcode"):
        look(path)
    _, result, made = converted(path, shop, TRANSCODE)
    assert result.pixels is not None
    upright = (90, 160) if how.get("turn") in (90, 270) else (160, 90)
    assert (result.pixels.columns, result.pixels.rows) == upright
    assert "set upright" in result.messages[0]
    judge = chart(tmp_path / "judge.mp4", **how)  # which every ffmpeg turns
    assert likeness(made, judge) > 35


@pytest.mark.parametrize("turn", ["rotate=90", "rotate=180:flip=vertical"])
def test_a_message_in_the_stream_turns_pictures_too(tmp_path: Path, shop: Workshop, turn: str) -> None:
    plain = chart(tmp_path / "b.mp4")
    path = remux(plain, tmp_path / "a.mp4", "-bsf:v", f"h264_metadata=display_orientation=insert:{turn}")
    _, result, made = converted(path, shop, TRANSCODE)
    assert "set upright" in result.messages[0]
    ffmpeg("-i", path, "-frames:v", "1", tmp_path / "judge.png")
    assert likeness(made, tmp_path / "judge.png") > 20


def test_interlaced_pictures_stay_interlaced(tmp_path: Path, shop: Workshop) -> None:
    path = make_video(
        tmp_path / "a.ts",
        codec="mpeg2",
        size=(1440, 1080),
        interlaced=True,
        frames=3,
        aspect=Fraction(4, 3),
    )
    _, result, made = converted(path, shop, TRANSCODE)
    assert result.pixels is not None
    assert (result.pixels.columns, result.pixels.rows) == (1920, 1080)
    assert ffprobe(made)["field_order"] in ("tt", "tb")


def test_a_lossless_source_has_lost_once(tmp_path: Path, shop: Workshop) -> None:
    plain = make_video(tmp_path / "b.mp4", frames=3)
    path = remux(plain, tmp_path / "a.avi", "-c:v", "ffv1")
    _, result, _ = converted(path, shop, TRANSCODE)
    assert result.pixels is not None
    assert [step.method for step in result.pixels.lossy] == ["ISO_14496_10"]


def test_high_dynamic_range_is_not_mapped(tmp_path: Path, shop: Workshop) -> None:
    path = make_video(tmp_path / "a.mp4", codec="hevc", encoder={"x265-params": "transfer=arib-std-b67"})
    with pytest.raises(Reject, match="HDR"):
        look(path, TRANSCODE)


def test_large_pictures_are_refused_before_they_are_decoded(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.webm", codec="vp9", frames=1)
    with pytest.raises(Reject, match="more than the 1,000 to be decoded"):
        look(path, Reading(transcode=True, max_pixels=1000))


def test_real_baseline(samples: Path, shop: Workshop) -> None:
    path = samples / "video" / "rabbit320.mp4"
    with pytest.raises(Reject, match=r"--transcode .*--audio convert or --audio drop"):
        look(path)
    reading = Reading(transcode=True, sound=Choice.DROP)
    _, result, made = converted(path, shop, reading)
    assert result.pixels is not None
    assert result.pixels.frames == 234 == int(ffprobe(path)["nb_read_packets"])
    assert likeness(made, path) > 38
    assert {converted(path, shop, reading)[2].read_bytes() for _ in range(4)} == {made.read_bytes()}


def test_pictures_coded_again_keep_within_the_bit_rate_of_their_level(tmp_path: Path, shop: Workshop) -> None:
    """Noise takes several times the bits; what a decoder has received is never less than it needs."""
    path = tmp_path / "a.mkv"
    noise = "color=gray:size=1280x720:rate=60:duration=1.2,noise=alls=100:all_seed=1:allf=t"
    ffmpeg("-f", "lavfi", "-i", noise, "-c:v", "mpeg4", "-q:v", "1", path)
    _, _, made = converted(path, shop, TRANSCODE)
    there = 78_125_000.0  # bits, in a buffer that is full at first (H.264 Table A-1, High profile)
    with av.open(str(made)) as container:
        sizes = [8 * packet.size for packet in container.demux(video=0) if packet.size]
    assert len(sizes) == 72
    assert sum(sizes) > 62_500_000
    for size in sizes:
        assert size <= there
        there = min(there - size + 62_500_000 / 60, 78_125_000.0)


# --- what goes wrong ----------------------------------------------------------------------------------


def test_a_source_that_changes_is_for_later(tmp_path: Path, shop: Workshop) -> None:
    path = make_video(tmp_path / "a.mkv")
    planned = look(path)
    assert planned.convert is not None
    path.write_bytes(make_video(tmp_path / "b.mkv").read_bytes())
    with pytest.raises(Retry, match="changed while it was being read"):
        planned.convert(shop, Lossless.NATIVE)
    assert not [*shop.folder.glob("*.mp4")]


@pytest.mark.parametrize("reading", [Reading(), TRANSCODE])
def test_a_full_disk_is_for_later(tmp_path: Path, shop: Workshop, reading: Reading) -> None:
    profile = "main" if reading.transcode else "high"
    planned = look(make_video(tmp_path / "a.mkv", profile=profile, frames=30, bit_rate=5_000_000), reading)
    assert planned.convert is not None
    assert shop.folder.is_dir()
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1500, before[1]))
    try:
        with pytest.raises(Retry, match=r"no room for the result.*--tmp-dir"):
            planned.convert(shop, Lossless.NATIVE)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not [*shop.folder.glob("*.mp4")]


def test_stamps_that_jump_back_are_refused(tmp_path: Path, shop: Workshop) -> None:
    once = make_video(tmp_path / "a.ts", sound=Sound(rate=44100), frames=40).read_bytes()
    path = tmp_path / "b.ts"
    path.write_bytes(once + once)
    with pytest.raises(Reject, match=r"cannot be put into MP4: .* time stamp"):
        converted(path, shop, Reading(sound=Choice.DROP))


def test_pictures_coded_again_are_the_same_each_time(tmp_path: Path, shop: Workshop) -> None:
    path = tmp_path / "a.mkv"
    noisy = (
        "-f",
        "lavfi",
        "-i",
        "testsrc2=size=322x242:rate=25:duration=0.4,noise=alls=40:all_seed=1:allf=t",
    )
    ffmpeg(*noisy, "-c:v", "mpeg4", "-q:v", "2", path)
    results = set()
    for _ in range(6):
        litter = [os.urandom(size) for size in (1_000, 20_000, 120_000) for _ in range(40)]
        del litter  # memory that an encoder may get next is not what it was before
        results.add(converted(path, shop, TRANSCODE)[2].read_bytes())
    assert len(results) == 1


def test_pictures_that_cannot_be_decoded_are_refused(tmp_path: Path, shop: Workshop) -> None:
    path = make_video(tmp_path / "a.mkv", codec="vp9", frames=8)
    with av.open(str(path)) as container:
        start, size = [(packet.pos, packet.size) for packet in container.demux(video=0) if packet.size][3]
    data = bytearray(path.read_bytes())
    block = data.index(b"\xa3", start or 0)
    data[block + 6 : block + size] = bytes(size - 6)
    path.write_bytes(data)
    with pytest.raises(Reject, match="cannot be decoded"):
        converted(path, shop, TRANSCODE)


DAMAGED: list[tuple[str, dict[str, Any]]] = [
    ("a.mp4", {"profile": "baseline", "sound": Sound(rate=44100)}),
    ("b.mkv", {"codec": "vp9", "sound": Sound("libopus")}),
    ("c.avi", {"codec": "mpeg4", "encoder": {"bf": "2"}}),
    ("d.h264", {"encoder": B_FRAMES}),
    ("e.flv", {"encoder": B_FRAMES, "sound": Sound()}),
    ("f.mkv", {"codec": "hevc", "pixels": "yuv422p"}),
]


@cache
def example(index: int) -> bytes:
    name, options = DAMAGED[index]
    with TemporaryDirectory() as folder:
        return make_video(Path(folder) / name, frames=4, **options).read_bytes()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_videos_are_converted_or_refused(tmp_path: Path, shop: Workshop, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(DAMAGED) - 1))
    changed = bytearray(example(index))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(changed)))
        count = data.draw(st.sampled_from([1, 1, 2, 8]))
        changed[at : at + count] = data.draw(st.binary(min_size=count, max_size=count))
    path = tmp_path / DAMAGED[index][0]
    path.write_bytes(changed)
    before = {*shop.folder.iterdir()}
    try:
        planned = look(path, Reading(transcode=True, sound=Choice.CONVERT, max_pixels=1_000_000))
        if planned.convert:
            planned.convert(shop, Lossless.NATIVE)
    except GatewayError:
        assert {*shop.folder.iterdir()} == before


# --- the object ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "options", "reading"),
    [
        ("a.mkv", {"sound": Sound()}, Reading()),
        ("a.webm", {"codec": "vp9", "times": [0, 30, 80, 120, 160]}, TRANSCODE),
        (
            "a.mov",
            {"sound": Sound(rate=44100), "rotation": 90},
            Reading(transcode=True, sound=Choice.CONVERT),
        ),
    ],
)
def test_the_object_is_valid(tmp_path: Path, name: str, options: dict[str, Any], reading: Reading) -> None:
    path = make_video(tmp_path / name, frames=5, **options)
    work = pipeline.Work(uuid.uuid4(), reading=reading, tmp_dir=tmp_path / "shop")
    file = tmp_path / "object.dcm"
    with Workshop(work.tmp_dir) as shop:
        for instance in pipeline.render([path], work, shop):
            assert not isinstance(instance, Outcome), instance
            file.write_bytes(part10.write(instance).read())
            assert instance.temporary
    assert dciodvfy(file) == []
    dataset = pydicom.dcmread(file)
    assert dataset.NumberOfFrames == 5
    steps = 2 if reading.transcode else 1
    assert dataset["LossyImageCompressionMethod"].VM == dataset["LossyImageCompressionRatio"].VM == steps
