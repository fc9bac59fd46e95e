"""Many files at once, dropped into a folder before the daemon starts; how long it takes.

python tests/intake/drop.py --files 100000      as `make soak` runs it
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from driven import jpeg
from gateway.archive.server import running
from watching import Watched


def drop(place: Path, url: str, count: int) -> float:
    """Drops so many small pictures, and waits until each is stored and moved; files a second."""
    watched = Watched(place, url)
    for number in range(count):
        folder = watched.inbox / f"{4711000 + number // 1000}"
        folder.mkdir(exist_ok=True)
        (folder / f"IMG_{number}.jpg").write_bytes(jpeg(number))
    began = time.monotonic()
    patience = 120 + count / 10
    with watched:
        watched.until(lambda: watched.states()["stored"] == count, "all files stored", patience)
        seconds = time.monotonic() - began
        watched.until(lambda: watched.settled(count), "all originals moved", patience)
        assert watched.stop() == 0
    assert len(watched.files_in(watched.done)) == count
    assert not [each for each in watched.events() if each["event"] in ("defect", "noise", "ledger-paused")]
    return count / seconds


def main() -> None:
    """Drops as many as it is told, and says how fast they went."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--files", type=int, default=100_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, running(Path(folder) / "archive") as url:
        rate = drop(Path(folder) / "place", url, options.files)
        assert sum(1 for _ in (Path(folder) / "archive").rglob("*.dcm")) == options.files
    sys.stdout.write(f"{options.files} files at once: {rate:.0f} files a second\n")


if __name__ == "__main__":
    main()
