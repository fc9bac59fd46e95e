"""How long finding a row takes in a table, as ratios to other ways, measured in one run.

    .venv/bin/python benchmarks/tables.py [ROWS]

Makes a Windows-1252 table of ROWS (1,000,000) patients, builds its index, and looks rows up with and
without it: in a dict that holds all of the table, and by reading the table from its beginning, as scripts
do it. A look-up through the mapping renders the key, checks that the table has not changed, and makes facts.
"""

from __future__ import annotations

import csv
import os
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from gateway import documents
from gateway.mapping.sources import table
from gateway.mapping.sources.source import Case
from gateway.nodes import Fault, fail, parse

SETTINGS = "{file: patients.csv, key: %s, equals: '{{ path.mrn }}'}"
LOOK_UPS = 1000
SCANS = 3
RUNS = 5


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    if len(sys.argv) > 2:
        return _measured(Path(sys.argv[2]), "mrn")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["GATEWAY_CACHE"] = str(folder / "cache")
        patients = folder / "patients.csv"
        _write(patients, count)
        print(f"{count:,} rows, {patients.stat().st_size / 1e6:.0f} MB")
        peak = subprocess.run(
            [sys.executable, __file__, str(count), name], capture_output=True, text=True, check=True
        )
        print(peak.stdout, end="")
        _compare(folder, count)


def _write(path: Path, count: int) -> None:
    with path.open("w", encoding="cp1252", newline="") as file:
        writer = csv.writer(file, delimiter=";")
        writer.writerow(["mrn", "last", "first", "born", "path"])
        for number in range(count):
            day = f"{number % 28 + 1:02}.{number % 12 + 1:02}.{1930 + number % 90}"
            writer.writerow([f"{number:08}", f"Müller-{number}", "Jörg", day, rf"\\NAS\Bilder\{number}.TIF"])


def _measured(folder: Path, key: str) -> None:
    """Builds the index in this process, and says how long that took and how much memory it needed."""
    seconds = _seconds(lambda: _source(folder, key).find(_case(0)))
    reading = _seconds(lambda: _scan(folder / "patients.csv", "none"))
    print(f"building the index                 {seconds / reading:8.1f} times as long as reading the table")
    status = Path("/proc/self/status")
    if status.exists():
        found = re.search("VmHWM:[^0-9]*([0-9]+)", status.read_text())
        print(f"peak of the process that builds it {int(found[1]) / 1000 if found else 0:8.0f} MB")


def _compare(folder: Path, count: int) -> None:
    source = _source(folder, "mrn")
    source.find(_case(0))
    held = {row[0]: row for row in csv.reader(_lines(folder / "patients.csv"), delimiter=";")}
    numbers = [random.Random(1).randrange(count) for _ in range(LOOK_UPS)]
    found = [_each(lambda number: source.find(_case(number)), numbers) for _ in range(RUNS)]
    index = statistics.median(found)
    judge = statistics.median(_each(lambda number: held[f"{number:08}"], numbers) for _ in range(RUNS))
    scan = statistics.median(
        _each(lambda number: _scan(folder / "patients.csv", f"{number:08}"), [number])
        for number in numbers[:SCANS]
    )
    print(f"a look-up                          {index * 1000:8.3f} ms ({min(found) * 1000:.3f} at best)")
    print(f"reading the table for each         {scan / index:8.0f} times as long")
    print(f"a dict of the whole table in memory{judge / index:8.3f} times as long")


def _source(folder: Path, key: str) -> table.TableSource:
    faults: list[Fault] = []
    node = parse(SETTINGS % key, "mapping.yaml", faults)
    assert node is not None
    model = documents.build(node, table.TableModel, faults)
    assert model is not None
    source = table.read(model, faults, folder)
    fail(faults)
    return source


def _case(number: int) -> Case:
    probe: Any = SimpleNamespace(source=SimpleNamespace(shown=Path("IMG.jpg"), root=Path()))
    return Case(probe, {"path": {"mrn": f"{number:08}"}})


def _scan(path: Path, key: str) -> list[str] | None:
    return next((row for row in csv.reader(_lines(path), delimiter=";") if row[0] == key), None)


def _lines(path: Path) -> Any:
    with path.open(encoding="cp1252", newline="") as file:
        yield from file


def _each(work: Callable[[int], Any], numbers: list[int]) -> float:
    """Seconds that one piece of work takes."""
    return _seconds(lambda: [work(number) for number in numbers]) / len(numbers)


def _seconds(work: Callable[[], Any]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
