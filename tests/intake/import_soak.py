"""Imports of the size that hospitals have, for an hour or two.

python tests/intake/import_soak.py --files 100000 --kills 20 --tree 1000000     as `make soak` runs it
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from pathlib import Path

import legacy
from gateway.archive.server import running
from imports import JOBS, Door, check, crash, imported, in_archive

MIB = 1 << 20
LIMIT = 200 * MIB
A_FOLDER = 1_000
ONE_FOLDER = 100_000
"""Files of one folder, in which systems of old kept all they had."""


def disk(place: Path, files: int) -> None:
    """All of a large disk, twice: sums exact, faults named, memory bounded, nothing sent again."""
    made = legacy.write(place, files, decoded=100)
    with running(place / "archive") as url:
        door = Door(made, url, place)
        began = time.monotonic()
        first = door("--json")
        seconds = time.monotonic() - began
        check(door, first)
        _small(first.peak)
        _say(
            f"{files:,} files imported in {seconds:,.0f} s, {files / seconds:.0f}/s, {first.peak // MIB} MiB"
        )
        began = time.monotonic()
        again = door("--json", url="http://127.0.0.1:9/dicom-web")
        check(door, again)
        _small(again.peak)
        assert again.result["summary"]["run"]["files"] == 0
        _say(f"a second run ended after {time.monotonic() - began:.1f} s, {again.peak // MIB} MiB")
        verified = imported("verify", *door.words, "-u", url, "--json", "--sample", "5%")
        assert verified.status == 0, verified.out[-2000:]
        _small(verified.peak)
        assert in_archive(url) == door.stored()
        _say(f"read back: {verified.result['verify']}, {verified.peak // MIB} MiB")


def kills(place: Path, files: int, count: int) -> None:
    """Killed at random moments and resumed."""
    again = crash(place, files=files, kills=count, seed=11)
    assert again <= JOBS * count
    _say(f"{files:,} files, killed {count} times: each instance once, {again} sent a second time")


def tree(place: Path, files: int) -> None:
    """A tree that is too large for memory, scanned and planned."""
    root = place / "tree"
    for number in range(files):
        folder = "one" if number < ONE_FOLDER else f"{number // A_FOLDER:05}"
        if number % A_FOLDER == 0:
            (root / folder).mkdir(parents=True, exist_ok=True)
        (root / folder / f"IMG{number}.JPG").write_bytes(b"%d" % number)
    ledger = place / "import.db"
    for step in ("scan", "scan", "plan"):
        began = time.monotonic()
        done = imported(step, root, "--mapping", "photo", "--ledger", ledger, "--json")
        seconds = time.monotonic() - began
        found = done.result[step]
        assert found["files" if step == "scan" else "looked_at"] == files, done.err[-2000:]
        _small(done.peak)
        _say(f"{step} of {files:,} files: {seconds:,.0f} s, {done.peak // MIB} MiB")
    _say(f"the ledger has {ledger.stat().st_size // MIB} MiB")


def _small(peak: int) -> None:
    assert peak < LIMIT, f"{peak // MIB} MiB"


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main() -> None:
    """Runs what is asked for and prints the figures."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--files", type=int, default=100_000)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--tree", type=int, default=1_000_000)
    options = parser.parse_args()
    for run, arguments in (
        (tree, (options.tree,)),
        (kills, (2_000, options.kills)),
        (disk, (options.files,)),
    ):
        if arguments[-1]:
            place = Path(tempfile.mkdtemp())
            try:
                run(place, *arguments)
            finally:
                shutil.rmtree(place)


if __name__ == "__main__":
    main()
