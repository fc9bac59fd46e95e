"""Hostile files end in a rejection in words, within narrow limits of processor time and memory."""

from __future__ import annotations

import io
import json
import struct
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

import examples
from rasters import png_chunk

LIMITED = """
import json, math, pathlib, re, resource, sys
from gateway import formats, pipeline
from gateway.config import Reading, uid_namespace
from gateway.convert.workshop import Workshop
from gateway.model import Outcome
import av, numpy, PIL.Image, pypdf
used = resource.getrusage(resource.RUSAGE_SELF)
seconds = math.ceil(used.ru_utime + used.ru_stime + 1)
said = pathlib.Path("/proc/self/status").read_text()
memory = int(re.search("VmSize:[^0-9]*([0-9]+)", said)[1]) * 1024 + 300 * 1024 * 1024
resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
work = pipeline.Work(namespace=uid_namespace().value, reading=Reading(transcode=True))
with Workshop() as shop:
    for each in pipeline.render([pathlib.Path(sys.argv[1])], work, shop):
        print(json.dumps([each.status, each.text] if isinstance(each, Outcome) else ["rendered", None]))
"""
"""Renders one file with one second and 300 MB more than loading the stages took."""


def _png(width: int, height: int) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = zlib.compress(bytes(1 << 20))
    return (
        b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header) + png_chunk(b"IDAT", data) + png_chunk(b"IEND", b"")
    )


def _tiff(*entries: tuple[int, int, int, int], following: int = 0) -> bytes:
    """A little-endian TIFF of one directory at byte 8, with the next one anywhere."""
    fields = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    return b"II*\0" + struct.pack("<IH", 8, len(entries)) + fields + struct.pack("<I", following)


def _bmp(width: int, height: int) -> bytes:
    info = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, 0, 0, 2835, 2835, 0, 0)
    return b"BM" + struct.pack("<IHHI", 54, 0, 0, 54) + info


def _jpeg(width: int, height: int) -> bytes:
    data = examples.jpeg()
    at = data.index(b"\xff\xc0") + 5
    return data[:at] + struct.pack(">HH", height, width) + data[at + 4 :]


def _many_scans() -> bytes:
    data = examples.jpeg(size=(2000, 2000), progressive=True)
    start = data.index(b"\xff\xda")
    end = data.index(b"\xff\xda", start + 2)
    return data[:end] + data[start:end] * 2000 + data[end:]


def _gif(frames: int) -> bytes:
    frame = b"\x2c\0\0\0\0\xff\xff\xff\xff\0\x02\x02\x4c\x01\0"
    return b"GIF89a\xff\xff\xff\xff\x80\0\0\0\0\0\xff\xff\xff" + frame * frames + b";"


def _zip(levels: int) -> bytes:
    data = bytes(10 << 20)
    for level in range(levels):
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            for number in range(10):
                archive.writestr(f"{level}-{number}.zip", data)
        data = buffer.getvalue()
    return data


def _pdf() -> bytes:
    """A page tree that contains itself."""
    return (
        b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n"
        b"2 0 obj<</Type/Pages/Kids[2 0 R 2 0 R]/Count 2/Parent 2 0 R>>endobj\n"
        b"trailer<</Root 1 0 R/Prev 9>>\nstartxref\n9\n%%EOF\n"
    )


def _entities() -> bytes:
    lines = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10 if n else "lol"}">' for n in range(10))
    root = '<ClinicalDocument xmlns="urn:hl7-org:v3">&e9;</ClinicalDocument>'
    return f'<?xml version="1.0"?><!DOCTYPE x [{lines}]>{root}'.encode()


def _deep_dicom() -> bytes:
    item = b"\xfe\xff\x00\xe0\xff\xff\xff\xff\x08\x00\x40\x11SQ\0\0\xff\xff\xff\xff"
    return examples.dicom()[:400] + b"\x08\x00\x40\x11SQ\0\0\xff\xff\xff\xff" + item * 100_000


def _boxes() -> bytes:
    """Boxes within boxes, as long as the file."""
    depth = 100_000
    kinds = b"".join(struct.pack(">I4s", (depth - n) * 8, b"moov") for n in range(depth))
    return b"\0\0\0\x18ftypisom\0\0\0\0isomavc1" + kinds


HOSTILE: dict[str, Callable[[], bytes]] = {
    "nothing.jpg": lambda: b"",
    "bomb.png": lambda: _png(100_000, 100_000),
    "tall.png": lambda: _png(1, 2**31 - 1),
    "loop.tif": lambda: _tiff((256, 3, 1, 1), (257, 3, 1, 1), following=8),
    "bomb.tif": lambda: _tiff((256, 4, 1, 2**31), (257, 4, 1, 2**31), (273, 4, 1, 8), (279, 4, 1, 4)),
    "values.tif": lambda: _tiff((256, 4, 2**32 - 1, 8), (257, 4, 1, 1)),
    "bomb.bmp": lambda: _bmp(2**31 - 1, 2**31 - 1),
    "bomb.jpg": lambda: _jpeg(65535, 65535).replace(b"\xff\xc0", b"\xff\xc2", 1),
    "scans.jpg": _many_scans,
    "bomb.gif": lambda: _gif(5000),
    "bomb.webp": lambda: b"RIFF\x1e\0\0\0WEBPVP8L\x12\0\0\0\x2f" + struct.pack("<I", 0x0FFFFFFF) + bytes(13),
    "bomb.zip": lambda: _zip(3),
    "circle.pdf": _pdf,
    "entities.xml": _entities,
    "deep.xml": lambda: b'<ClinicalDocument xmlns="urn:hl7-org:v3">' + b"<a>" * 1_000_000,
    "deep.dcm": _deep_dicom,
    "boxes.mp4": _boxes,
    "endless.obj": lambda: b"v 1 2 3\n" * 3 + b"f 1 2 3 " * 1_000_000,
    "count.stl": lambda: bytes(80) + b"\xff\xff\xff\xff" + bytes(1000),
}


@pytest.mark.skipif(sys.platform != "linux", reason="the limits are counted from /proc")
@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_file_is_rejected_within_limits(name: str, tmp_path: Path) -> None:
    file = tmp_path / name
    file.write_bytes(HOSTILE[name]())
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(file)], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert done.returncode == 0, done
    outcomes = [json.loads(line) for line in done.stdout.splitlines()]
    assert outcomes
    for status, text in outcomes:
        assert status == "rejected", outcomes
        assert name in text or "zip" in name
