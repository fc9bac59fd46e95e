"""A daemon that is killed again and again while files come and the archive makes trouble.

python tests/intake/crash.py --files 2000 --kills 50      the whole of it, as `make soak` runs it
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

from PIL import Image

from faults import Fault, proxy, seldom
from gateway.archive.server import running
from imports import in_archive
from support import orthanc_server
from watching import Watched

BROKEN_EVERY = 50
"""Of so many files one is none that anybody can store."""
JOBS = 2


def write_files(inbox: Path, numbers: Iterable[int], seed: int) -> int:
    """Drops files as a modality does, each complete at once; how many of them can be stored."""
    chance = random.Random(seed)
    good = 0
    for number in numbers:
        part = inbox / f".{number}.part"
        if number % BROKEN_EVERY == BROKEN_EVERY - 1:
            part.write_bytes(b"this is no picture\n" + str(number).encode())
        else:
            colour = tuple(chance.randrange(256) for _ in range(3))
            Image.new("RGB", (16 + number % 7, 16), colour).save(part, "JPEG", comment=str(number).encode())
            good += 1
        part.rename(inbox / f"{4711000 + number % 40}_20240531_L_{number}.jpg")
    return good


def crash(
    place: Path, upstream: str, path: str, *, files: int, kills: int, seed: int, share: float
) -> dict[str, int]:
    """Runs it, and checks what must hold at the end; what was counted."""
    chance = random.Random(seed)
    plan: Callable[[int], Fault] = seldom(seed, share)
    with proxy(upstream, plan) as (address, between):
        watched = Watched(place, f"{address}{path}", jobs=JOBS)
        with watched:
            good = 0
            for life in range(kills):  # there is work in each of its lives
                numbers = range(files * life // kills, files * (life + 1) // kills)
                good += write_files(watched.inbox, numbers, seed + life)
                time.sleep(chance.uniform(0.3, 2.5))
                watched.kill()
                watched.start()
            watched.until(
                lambda: watched.settled(files),
                "all files settled",
                patience=60 + files * 0.5,
            )
            assert watched.stop() == 0
    _check(watched, between.sent, between.answered, good=good, files=files)
    uids = in_archive(f"{upstream}{path}")
    assert len(uids) == good, f"the archive has {len(uids)} instances of {good} files"
    again = sum(count - 1 for count in between.answered.values() if count > 1)
    assert again <= JOBS * kills, f"{again} instances were stored again in {kills} kills"
    return {"files": files, "kills": kills, "stored": good, "stored again": again, **_named(between.faults)}


def _named(faults: Counter[Fault]) -> dict[str, int]:
    return {fault.name.lower(): count for fault, count in faults.items() if fault is not Fault.NONE}


def _check(watched: Watched, sent: Counter[str], answered: Counter[str], *, good: int, files: int) -> None:
    """Every original is where it belongs, and every row says what became of its file."""
    done, rejected = watched.files_in(watched.done), watched.files_in(watched.rejected)
    reasons = [name for name in rejected if name.endswith(".error.json")]
    assert len(done) == good, f"{len(done)} originals are in done, and {good} were stored"
    assert len(reasons) == len(rejected) - len(reasons) == files - good
    assert watched.states()["rejected"] == files - good
    assert set(answered) <= set(sent)
    odd = [each for each in watched.events() if each["event"] in ("defect", "noise")]
    assert not odd, odd[:3]


def main() -> None:
    """Runs both archives and prints what was counted."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--files", type=int, default=2000)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    common = {"files": options.files, "kills": options.kills, "seed": options.seed}
    with tempfile.TemporaryDirectory() as folder, running(Path(folder) / "archive") as url:
        place = Path(folder) / "embedded"
        base, _, path = url.rpartition("/")
        _say("embedded archive, with faults", crash(place, base, f"/{path}", share=0.2, **common))
    with tempfile.TemporaryDirectory() as folder, orthanc_server(Path(folder)) as base:
        place = Path(folder) / "orthanc"
        _say("Orthanc", crash(place, base, "/dicom-web", share=0.0, **common))


def _say(what: str, counted: dict[str, int]) -> None:
    sys.stdout.write(f"{what}: {', '.join(f'{count} {name}' for name, count in counted.items())}\n")


if __name__ == "__main__":
    main()
