"""Animations as videos: Pillow composes the frames that they are compared with."""

from __future__ import annotations

import dataclasses
import io
import itertools
import os
from collections.abc import Iterator
from datetime import date
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pydicom
import pytest
from PIL import Image

from gateway.config import Lossless, Reading
from gateway.convert.workshop import Workshop
from gateway.dicom import part10
from gateway.dicom.build import build
from gateway.dicom.identity import Identity
from gateway.errors import Reject, Retry
from gateway.formats import probe
from gateway.mapping.describe import describe
from gateway.mapping.description import description
from gateway.mapping.select import Subject, select
from gateway.model import Kind, Probe, Source
from rasters import lying
from support import dciodvfy, dcmdump

AS_VIDEO = Reading(as_video=True)
H264 = "1.2.840.10008.1.2.4.102"
VIDEO_PHOTOGRAPHIC = "1.2.840.10008.5.1.4.1.1.77.1.4.1"
VARYING = [100, 200, 50, 30, 70]


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Workshop]:
    with Workshop(tmp_path / "shop") as made:
        yield made


def pictures(columns: int = 96, rows: int = 64, count: int = 5) -> list[Image.Image]:
    """A disc that moves over bands of few colours, which no palette changes."""
    y, x = np.mgrid[0:rows, 0:columns]
    made = []
    for number in range(count):
        values = np.where((y // 16 % 2)[..., None] == 0, (210, 180, 160), (170, 140, 130))
        disc = (x - 20 - 8 * number) ** 2 + (y - rows // 2) ** 2 < 200
        values[disc] = (120, 60, 50)
        made.append(Image.fromarray(values.astype("u1")))
    return made


def animation(path: Path, *, size: tuple[int, int] = (96, 64), **options: Any) -> Path:
    """An animated picture of the kind that the name says."""
    first, *others = pictures(*size)
    if path.suffix == ".webp":
        options.setdefault("lossless", True)
    first.save(path, save_all=True, append_images=others, **options)
    return path


def look(path: Path, reading: Reading = AS_VIDEO) -> Probe:
    return probe(Source(path, path.parent), reading)


def converted(found: Probe, shop: Workshop) -> Probe:
    assert found.convert is not None
    return found.convert(shop, Lossless.NATIVE)


def shown(data: bytes) -> tuple[list[np.ndarray[Any, Any]], list[Fraction]]:
    """The decoded frames of a video, and when each is shown; the last moment is the end."""
    with av.open(io.BytesIO(data)) as container:
        stream = container.streams.video[0]
        tick = Fraction(stream.time_base or 1)
        frames = [*container.decode(stream)]
        times = [(frame.pts or 0) * tick for frame in frames]
        return [frame.to_ndarray(format="rgb24") for frame in frames], [*times, (stream.duration or 0) * tick]


def composed(path: Path) -> list[np.ndarray[Any, Any]]:
    with Image.open(path) as image:
        frames = []
        for number in itertools.count():
            try:
                image.seek(number)
            except EOFError:
                return frames
            frames.append(np.asarray(image.convert("RGB")))
    raise AssertionError


def likeness(one: np.ndarray[Any, Any], other: np.ndarray[Any, Any]) -> float:
    """The signal-to-noise ratio in decibels."""
    return float(10 * np.log10(255**2 / max(1e-9, np.mean((one.astype(float) - other) ** 2))))


KINDS: list[tuple[str, dict[str, Any], list[int]]] = [
    ("a.gif", {"duration": VARYING}, VARYING),
    ("a.gif", {"duration": 40}, [40] * 5),
    ("a.webp", {"duration": VARYING}, VARYING),
    ("a.png", {"duration": 100 / 3}, [100, 100, 100, 100, 100]),
]


@pytest.mark.parametrize(("name", "options", "times"), KINDS)
@pytest.mark.parametrize("size", [(96, 64), (97, 65)])
def test_a_video_shows_the_same_frames_at_the_same_times(
    tmp_path: Path,
    shop: Workshop,
    name: str,
    options: dict[str, Any],
    times: list[int],
    size: tuple[int, int],
) -> None:
    path = animation(tmp_path / name, size=size, **options)
    found = look(path)
    assert (found.kind, found.transfer_syntax, found.media_type) == (Kind.VIDEO, H264, "video/mp4")
    result = converted(found, shop)
    assert result.pixels is not None
    even = (size[0] + size[0] % 2, size[1] + size[1] % 2)
    assert (result.pixels.columns, result.pixels.rows, result.pixels.frames) == (*even, 5)
    assert found.pixels == dataclasses.replace(result.pixels, lossy=())
    frames, moments = shown(result.content.read())
    for wanted, frame in zip(composed(path), frames, strict=True):
        assert frame.shape == (even[1], even[0], 3)
        assert likeness(wanted, frame[: size[1], : size[0]]) > 35
        edges = [frame[:, -1].astype(int) - frame[:, -2], frame[-1].astype(int) - frame[-2]]
        assert size == even or max(np.abs(edge).mean() for edge in edges) < 8
    unit = Fraction(100, 3) / 100 if name == "a.png" else 1
    ends = [Fraction(end) * unit / 1000 for end in itertools.accumulate(times, initial=0)]
    assert [*map(float, moments[:-1])] == pytest.approx([*map(float, ends[:-1])], abs=5e-6)
    assert float(moments[-1]) == pytest.approx(float(ends[-1]), abs=1e-3)  # MP4 has it in milliseconds
    told = [message for message in result.messages if "even sizes" in message]
    assert bool(told) is (size != even)


def test_still_pictures_and_pages_are_no_videos(tmp_path: Path) -> None:
    first, *others = pictures()
    for name, options in (
        ("a.gif", {}),
        ("a.png", {}),
        ("a.tif", {"save_all": True, "append_images": others}),
    ):
        first.save(tmp_path / name, **options)
        found = look(tmp_path / name)
        assert (found.kind, found.otherwise) == (Kind.IMAGE, None)


def test_an_animation_has_frames_unless_a_video_is_asked_for(tmp_path: Path) -> None:
    path = animation(tmp_path / "a.gif", duration=VARYING)
    found = look(path, Reading())
    assert found.pixels is not None
    assert (found.kind, found.pixels.photometric_interpretation) == (Kind.IMAGE, "RGB")
    assert select(found, description()).probe.kind is Kind.IMAGE
    for template in ("video-photographic", "video-endoscopic"):
        chosen = select(found, description(template=template))
        assert (chosen.probe.kind, chosen.probe.transfer_syntax) == (Kind.VIDEO, H264)
        assert describe(chosen, description(template=template)).template == template
    assert select(look(path), description()).probe.kind is Kind.VIDEO
    many = "multiframe-true-color-secondary-capture"
    assert select(look(path), description(template=many)).probe.kind is Kind.IMAGE


@pytest.mark.parametrize(
    ("name", "options", "steps"),
    [
        ("a.gif", {"duration": VARYING}, ["ISO_14496_10"]),
        ("a.webp", {"duration": 40, "lossless": False}, ["RFC_6386", "ISO_14496_10"]),
        ("a.png", {"duration": 40}, ["ISO_14496_10"]),
    ],
)
def test_judges_find_nothing_against_the_object(
    tmp_path: Path, shop: Workshop, name: str, options: dict[str, Any], steps: list[str]
) -> None:
    found = look(animation(tmp_path / name, size=(97, 65), **options))
    asked = dataclasses.replace(description(), today=date(2024, 6, 1))
    attributes = describe(Subject(found), asked)
    made = converted(found, shop)
    identity = Identity("2.25.1", "2.25.2", "2.25.3", series_number=1, instance_number=1)
    target = tmp_path / "a.dcm"
    with target.open("wb") as file:
        file.writelines(part10.write(build(made, attributes, identity)))
    assert dciodvfy(target) == []
    assert "MPEG4HighProfile" in dcmdump(target)
    dataset = pydicom.dcmread(target)
    assert dataset.SOPClassUID == VIDEO_PHOTOGRAPHIC
    assert (dataset.Rows, dataset.Columns, dataset.NumberOfFrames) == (66, 98, 5)
    assert dataset.PhotometricInterpretation == "YBR_PARTIAL_420"
    assert (dataset.LossyImageCompression, [*_values(dataset.LossyImageCompressionMethod)]) == ("01", steps)
    ratios = [float(ratio) for ratio in _values(dataset.LossyImageCompressionRatio)]
    with av.open(io.BytesIO(made.content.read())) as container:
        coded = sum(packet.size for packet in container.demux(video=0))
    assert ratios[-1] == pytest.approx(66 * 98 * 3 * 5 / coded, abs=0.01)
    if options["duration"] == VARYING:
        assert [*map(float, dataset.FrameTimeVector)] == [0, *VARYING[:-1]]


def _values(value: Any) -> Any:
    return [value] if isinstance(value, str | float) else value


def test_a_video_is_the_same_each_time(tmp_path: Path, shop: Workshop) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (6, 120, 160, 3)).astype("u1")
    first, *others = map(Image.fromarray, noise)
    first.save(tmp_path / "a.webp", save_all=True, append_images=others, duration=40, lossless=True)
    found = look(tmp_path / "a.webp")
    results = set()
    for _ in range(8):
        litter = [os.urandom(size) for size in (1_000, 20_000, 120_000) for _ in range(40)]
        del litter  # memory that an encoder may get next is not what it was before
        results.add(converted(found, shop).content.read())
    assert len(results) == 1


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("a.gif", {"duration": 40}, None),
        ("a.gif", {"duration": 40, "loop": 0}, "played again and again"),
        ("a.gif", {"duration": 40, "loop": 2}, "played 3 times"),
        ("a.webp", {"duration": 40, "loop": 1}, None),
        ("a.webp", {"duration": 40, "loop": 0}, "played again and again"),
        ("a.png", {"duration": 40, "loop": 1}, None),
        ("a.png", {"duration": 40, "loop": 7}, "played 7 times"),
    ],
)
def test_what_a_video_cannot_say_of_repetition_is_told(
    tmp_path: Path, name: str, options: dict[str, Any], words: str | None
) -> None:
    path = animation(tmp_path / name, **options)
    told = [message for message in look(path).messages if "played" in message]
    assert len(told) == (words is not None)
    assert words is None or words in told[0]
    assert not any("played" in message for message in look(path, Reading()).messages)


def test_turned_and_oblong_pixels_are_set_right(tmp_path: Path, shop: Workshop) -> None:
    path = animation(tmp_path / "a.webp", duration=40, exif=lying(6))
    found = look(path)
    result = converted(found, shop)
    frames, _ = shown(result.content.read())
    assert likeness(np.rot90(composed(path)[2], -1), frames[2]) > 35
    found = look(animation(tmp_path / "a.png", duration=40, dpi=(100, 200)))
    assert found.pixels is not None
    assert (found.pixels.columns, found.pixels.rows, found.pixels.pixel_aspect_ratio) == (192, 64, None)
    assert "High of 192x64" in found.messages[0]
    assert shown(converted(found, shop).content.read())[0][0].shape == (64, 192, 3)


def test_frames_that_are_too_fast_for_a_video_are_refused(tmp_path: Path) -> None:
    path = animation(tmp_path / "a.png", duration=0.02)
    with pytest.raises(Reject, match="Leave --video out"):
        look(path)
    found = look(path, Reading())
    assert (found.kind, found.otherwise) == (Kind.IMAGE, None)


def test_nothing_is_left_of_what_fails(tmp_path: Path, shop: Workshop) -> None:
    path = animation(tmp_path / "a.gif", duration=40)
    found = look(path)
    os.utime(path, (1, 1))
    with pytest.raises(Retry, match="changed"):
        converted(found, shop)
    data = bytearray(animation(tmp_path / "b.gif", duration=40).read_bytes())
    data[-60:-10] = bytes(50)
    (tmp_path / "b.gif").write_bytes(data)
    with pytest.raises(Reject):
        converted(look(tmp_path / "b.gif"), shop)
    assert [each for each in shop.folder.iterdir() if each.suffix in (".raw", ".mp4")] == []
