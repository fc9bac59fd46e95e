"""Memory: however large a file is, the whole process stays small."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import pytest
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage, generate_uid

from sink import sink

GIB = 1 << 30
LIMIT = 120 * 1024 * 1024
MEASURED = """
import pathlib, re, sys
from gateway import cli
status = cli.run(cli.group, "gateway", sys.argv[1:])
said = pathlib.Path("/proc/self/status").read_text()
print(re.search("VmHWM:[^0-9]*([0-9]+)", said)[1], file=sys.stderr)
sys.exit(status)
"""
"""A run that prints its own peak; what wait4 tells includes that of the process it was forked from."""

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="the peak is read from /proc"),
    pytest.mark.memory,
    pytest.mark.xdist_group("memory"),
]


def _jpeg(path: Path, size: int) -> None:
    """The headers of a real picture, then as much entropy-coded data as is asked for."""
    buffer = io.BytesIO()
    Image.effect_noise((64, 64), 50).save(buffer, "JPEG")
    data = buffer.getvalue()
    with path.open("wb") as file:
        file.write(data[:-2])
        noise = os.urandom(1 << 20).replace(b"\xff", b"\xfe")
        for _ in range(size >> 20):
            file.write(noise)
        file.write(data[-2:])


def _pdf(path: Path, size: int) -> None:
    """One page whose content is an enormous stream of nothing."""
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R >>",
    ]
    offsets = []
    with path.open("wb") as file:
        file.write(b"%PDF-1.4\n")
        for number, body in enumerate(objects, 1):
            offsets.append(file.tell())
            file.write(b"%d 0 obj\n%b\nendobj\n" % (number, body))
        offsets.append(file.tell())
        file.write(b"4 0 obj\n<< /Length %d >> stream\n" % size)
        file.seek(size, os.SEEK_CUR)
        file.write(b"\nendstream\nendobj\n")
        table = file.tell()
        file.write(b"xref\n0 5\n0000000000 65535 f \n")
        file.writelines(b"%010d 00000 n \n" % offset for offset in offsets)
        file.write(b"trailer << /Size 5 /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % table)


def _dicom(path: Path, size: int) -> None:
    """A native multi-frame image, mostly a hole in the file."""
    data = Dataset()
    data.SOPClassUID = SecondaryCaptureImageStorage
    data.StudyInstanceUID, data.SeriesInstanceUID, data.SOPInstanceUID = (generate_uid() for _ in range(3))
    data.PatientID = "MEMORY"
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    data.Rows, data.Columns, data.NumberOfFrames = 1024, 1024, size >> 20
    data.BitsAllocated = data.BitsStored = 8
    data.HighBit, data.PixelRepresentation = 7, 0
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data.save_as(path, enforce_file_format=True)
    with path.open("r+b") as file:
        file.seek(0, os.SEEK_END)
        file.write(b"\xe0\x7f\x10\x00OB\x00\x00" + size.to_bytes(4, "little"))
        file.truncate(file.tell() + size)


def _video(codec: str, **options: str) -> Callable[[Path, int], None]:
    """A maker of videos: a second of noise, repeated."""

    def write(path: Path, size: int) -> None:
        with av.open(str(path), "w") as container:
            stream = container.add_stream(codec, rate=Fraction(25))
            stream.width, stream.height, stream.pix_fmt = 1280, 720, "yuv420p"
            stream.options = options
            stream.codec_context.gop_size = 6
            stream.codec_context.max_b_frames = 0
            packets = []
            for number in range(6):
                frame = av.VideoFrame(1280, 720, "yuv420p")
                for plane in frame.planes:
                    plane.update(os.urandom(plane.buffer_size))
                frame.pts = number
                packets += stream.encode(frame)
            packets += stream.encode()
            data = [bytes(packet) for packet in packets]
            written = number = 0
            while written < size:
                packet = av.Packet(data[number % len(data)])
                packet.stream = stream
                packet.time_base = Fraction(1, 25)
                packet.pts = packet.dts = number
                packet.duration = 1
                packet.is_keyframe = number % len(data) == 0
                written += packet.size
                container.mux(packet)
                number += 1

    return write


MAKERS: dict[str, Callable[[Path, int], None]] = {
    "photo.jpg": _jpeg,
    "report.pdf": _pdf,
    "image.dcm": _dicom,
    "h264.mp4": _video("libx264", profile="high", preset="superfast", qp="10"),
    "h264.ts": _video("libx264", profile="high", preset="superfast", qp="10"),
    "hevc.mp4": _video(
        "libx265", preset="ultrafast", profile="main", **{"x265-params": "log-level=none:qp=10:bframes=0"}
    ),
}


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str, int], Path]]:
    """A maker of large files that keeps the last one for the next test."""
    folder = tmp_path_factory.mktemp("large")

    def make(name: str, size: int) -> Path:
        path = folder / f"{size >> 30}-{name}"
        if not path.exists():
            for old in folder.iterdir():
                old.unlink()
            MAKERS[name](path, size)
        return path

    yield make
    for old in folder.iterdir():
        old.unlink()


@pytest.mark.parametrize(
    ("name", "size", "form"),
    [
        *(
            (name, GIB, form)
            for name in ("photo.jpg", "report.pdf", "h264.mp4", "h264.ts")
            for form in ("dicom", "json", "xml")
        ),
        ("image.dcm", 3 * GIB, "dicom"),
        ("image.dcm", 3 * GIB, "json"),
        ("hevc.mp4", 3 * GIB, "dicom"),
        ("hevc.mp4", 3 * GIB, "xml"),
    ],
)
def test_peak_memory_of_the_whole_process(
    name: str, size: int, form: str, large: Callable[[str, int], Path]
) -> None:
    file = large(name, size)
    with sink() as (url, server):
        done = subprocess.run(
            [sys.executable, "-c", MEASURED, "stow", "--json", "-t", form, "--url", url, str(file)],
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done
    assert len(server.received) == 1
    assert server.received[0] > size
    assert int(done.stderr) * 1024 < LIMIT
