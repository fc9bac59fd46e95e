"""Small videos made on the spot, in every coding and container that tests ask for.

    path = make_video(tmp_path / "clip.mp4", codec="h264", frames=50, rate=Fraction(30000, 1001))

The container follows from the file's suffix. The pictures move, so that no two frames are coded alike.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.audio.resampler import AudioResampler

from support import require

CONTAINERS = {
    ".mp4": "mp4",
    ".m4v": "mp4",
    ".mov": "mov",
    ".3gp": "3gp",
    ".mkv": "matroska",
    ".avi": "avi",
    ".ts": "mpegts",
    ".mpg": "mpeg",
    ".vob": "vob",
    ".h264": "h264",
    ".hevc": "hevc",
    ".m2v": "mpeg2video",
    ".webm": "webm",
    ".flv": "flv",
}
ENCODERS = {
    "h264": "libx264",
    "hevc": "libx265",
    "mpeg2": "mpeg2video",
    "mpeg1": "mpeg1video",
    "mpeg4": "mpeg4",
    "vp9": "libvpx-vp9",
    "av1": "libsvtav1",
    "mjpeg": "mjpeg",
}
FRAGMENTED = {"movflags": "frag_keyframe+empty_moov+default_base_moof"}
FAST_START = {"movflags": "faststart"}


@dataclass(frozen=True)
class Sound:
    """A sound track to put beside the pictures."""

    codec: str = "aac"
    rate: int = 48000
    layout: str = "stereo"
    bit_rate: int = 128000


def make_video(
    path: Path,
    *,
    codec: str = "h264",
    profile: str | None = None,
    frames: int = 12,
    rate: Fraction | int = 25,
    size: tuple[int, int] = (64, 48),
    pixels: str = "yuv420p",
    times: Sequence[int] | None = None,
    sound: Sound | Sequence[Sound] = (),
    encoder: Mapping[str, str] | None = None,
    muxer: Mapping[str, str] | None = None,
    metadata: Mapping[str, str] | None = None,
    interlaced: bool = False,
    aspect: Fraction | None = None,
    rotation: int = 0,
    videos: int = 1,
    gop: int = 6,
    bit_rate: int = 400_000,
) -> Path:
    """A video of `frames` pictures; `times` are their milliseconds where the rate varies.

    `pixels`, `profile` and `encoder` are ffmpeg's words, `muxer` its options (`FRAGMENTED`, `FAST_START`).
    `aspect` is a pixel's width divided by its height, `rotation` degrees that players turn the picture by.
    """
    tick = Fraction(1, 1000) if times is not None else 1 / Fraction(rate)
    stamps = times if times is not None else range(frames)
    options = _options(codec, profile, dict(encoder or {}), interlaced=interlaced)
    with av.open(str(path), "w", format=CONTAINERS[path.suffix], options=dict(muxer or {})) as container:
        container.metadata.update(metadata or {})
        streams: list[Any] = []
        for _ in range(videos):
            stream: Any = container.add_stream(ENCODERS[codec], rate=Fraction(rate), options=options)
            stream.width, stream.height, stream.pix_fmt = *size, pixels
            stream.gop_size, stream.bit_rate = gop, bit_rate
            stream.codec_context.time_base = tick
            if aspect is not None:
                stream.codec_context.sample_aspect_ratio = aspect
            if rotation:
                stream.set_display_rotation(rotation)
            streams.append(stream)
        tracks = [_add_sound(container, item) for item in _listed(sound)]
        for stamp, index in zip(stamps, range(frames), strict=True):
            for stream in streams:
                frame = _picture(index, size, pixels)
                frame.pts, frame.time_base = stamp, tick
                container.mux(stream.encode(frame))
        for item, track in zip(_listed(sound), tracks, strict=True):
            for part in _silence(item, track, float(frames * tick)):
                container.mux(track.encode(part))
        for stream in (*streams, *tracks):
            container.mux(stream.encode(None))
    return path


def _options(codec: str, profile: str | None, chosen: dict[str, str], *, interlaced: bool) -> dict[str, str]:
    """Encoder options: fast, silent, and the same everywhere."""
    if codec == "h264":
        chosen = {"preset": "veryfast", "threads": "1", **chosen}
        if interlaced:
            chosen.setdefault("x264-params", "interlaced=1")
    elif codec == "hevc":
        params = ["log-level=none:pools=none:frame-threads=1", chosen.get("x265-params", "")]
        chosen = {"preset": "ultrafast", **chosen, "x265-params": ":".join(filter(None, params))}
    elif interlaced:
        chosen = {"flags": "+ildct+ilme", **chosen}
    return chosen if profile is None else {**chosen, "profile": profile}


def _listed(sound: Sound | Sequence[Sound]) -> list[Sound]:
    """The sounds as a list."""
    return [sound] if isinstance(sound, Sound) else list(sound)


def _add_sound(container: Any, sound: Sound) -> Any:
    """A track for a sound."""
    track = container.add_stream(sound.codec, rate=sound.rate)
    track.layout, track.bit_rate = sound.layout, sound.bit_rate
    return track


def _picture(index: int, size: tuple[int, int], pixels: str) -> av.VideoFrame:
    """Bands of grey that move by three lines a frame."""
    width, height = size
    plain = av.VideoFrame(width, height, "yuv420p")
    bands = bytes((16 + (row * 5 + index * 15) % 220) for row in range(height))
    luma = plain.planes[0]
    luma.update(b"".join(bytes([band]) * luma.line_size for band in bands))
    for plane in plain.planes[1:]:
        plane.update(bytes([128 + index % 30]) * plane.buffer_size)
    return plain if pixels == "yuv420p" else plain.reformat(format=pixels)


def _silence(sound: Sound, track: Any, seconds: float) -> Iterator[av.AudioFrame]:
    """Silence, in the form that the encoder wants."""
    channels = 1 if sound.layout == "mono" else 6 if sound.layout == "5.1" else 2
    frame = av.AudioFrame(format="s16", layout=sound.layout, samples=max(1152, int(sound.rate * seconds)))
    frame.sample_rate = sound.rate
    frame.planes[0].update(bytes(frame.samples * channels * 2))
    frame.pts = 0
    frame.time_base = Fraction(1, sound.rate)
    yield from AudioResampler(format=track.format, layout=sound.layout, rate=sound.rate).resample(frame)


def remux(source: Path, target: Path, *arguments: str, beside: Path | None = None) -> Path:
    """The same coded pictures in another container, by the ffmpeg program; with another file's tracks."""
    inputs = [source, beside] if beside else [source]
    command = [require("ffmpeg"), "-v", "error", "-y"]
    for path in inputs:
        command += ["-i", str(path)]
    for index in range(len(inputs)):
        command += ["-map", str(index)]
    subprocess.run([*command, "-c", "copy", *arguments, str(target)], check=True, capture_output=True)
    return target


def ffprobe(path: Path, *, decode: bool = False) -> dict[str, Any]:
    """What the ffprobe program says of the first video stream, its frames counted.

    `nb_read_packets` are the coded pictures, `nb_read_frames` (with `decode`) those that a decoder shows.
    """
    count = "-count_frames" if decode else "-count_packets"
    command = [
        require("ffprobe"),
        "-v",
        "error",
        count,
        "-select_streams",
        "v:0",
        "-show_streams",
        "-of",
        "json",
    ]
    done = subprocess.run([*command, str(path)], check=True, capture_output=True, text=True)
    stream: dict[str, Any] = json.loads(done.stdout)["streams"][0]
    return stream
