"""How long storing takes beside other tools, as ratios measured in one run.

    .venv/bin/python benchmarks/store.py [FILES]

Makes FILES (200) small photos, stores them in a server that throws them away, and does the same with what
people use instead: dicomweb-client for finished DICOM files, and DCMTK's img2dcm with curl where they are
installed. Each pair is run in turn, so that a machine that slows down slows both.
"""

from __future__ import annotations

import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from gateway.cli import samples
from sink import sink

RUNS = 5
BIN = Path(sys.executable).parent
GATEWAY = str(BIN / "gateway")


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    with tempfile.TemporaryDirectory() as name, sink() as (url, _):
        folder = Path(name)
        photos = folder / "photos"
        photos.mkdir()
        for number in range(count):
            samples.photo(
                photos / f"{number}.jpg",
                captured=f"2026:01:01 {number // 3600:02}:{number // 60 % 60:02}:{number % 60:02}",
            )
        objects = folder / "objects"
        _run([GATEWAY, "render", "--part10", str(objects), str(photos)])
        ours = [GATEWAY, "stow", "--quiet", "--url", url]
        pairs: dict[str, tuple[Callable[[], None], Callable[[], None]]] = {
            "DICOM files, dicomweb-client": (
                lambda: _run([*ours, str(objects)]),
                lambda: _run(
                    [
                        str(BIN / "dicomweb_client"),
                        "--url",
                        url,
                        "store",
                        "instances",
                        *map(str, objects.iterdir()),
                    ]
                ),
            ),
            "photos, metadata instead of Part 10": (
                lambda: _run([*ours, "-t", "json", str(photos)]),
                lambda: _run([*ours, str(photos)]),
            ),
            "photos, four connections instead of one": (
                lambda: _run([*ours, "--jobs", "4", str(photos)]),
                lambda: _run([*ours, str(photos)]),
            ),
        }
        if shutil.which("img2dcm") and shutil.which("curl"):
            pairs["photos, img2dcm and curl"] = (
                lambda: _run([*ours, str(photos)]),
                lambda: _img2dcm(photos, folder, url),
            )
        print(f"{count} files; how many times as long as the other, median of {RUNS} pairs")
        for title, (first, second) in pairs.items():
            ratios = [_seconds(first) / _seconds(second) for _ in range(RUNS)]
            print(f"{title:42} {statistics.median(ratios):5.2f}   ({min(ratios):.2f} to {max(ratios):.2f})")


def _img2dcm(photos: Path, folder: Path, url: str) -> None:
    """One process a file, as scripts do it."""
    for photo in photos.iterdir():
        converted = folder / "converted.dcm"
        _run(["img2dcm", str(photo), str(converted)])
        _run(
            ["curl", "-s", "-o", "/dev/null", "-H", "Content-Type: application/dicom",
             "--data-binary", f"@{converted}", f"{url}/studies"]
        )  # fmt: skip


def _run(command: Sequence[str]) -> None:
    subprocess.run(command, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _seconds(run: Callable[[], None]) -> float:
    started = time.perf_counter()
    run()
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
