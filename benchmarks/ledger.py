"""What the ledger costs with many files, as figures and as ratios of one run.

    .venv/bin/python benchmarks/ledger.py [FILES] [FOLDER]

Fills a ledger with FILES (200,000; the figures that matter are those of 10,000,000, which takes three
minutes and six gigabytes) by plain SQL: nine of ten stored, in studies of five, the rest waiting, with a
few held. Then it measures what a daemon and a batch do all day, and how it compares with a ledger of
2,000 files: what is looked up by an index must not grow with the number of files.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from gateway.ledger import Identity, Ledger, Query, Ready, Result, State
from gateway.stream import FileStamp

SMALL = 2_000
STUDY = 5
RUNS = 200
NOW = 1_700_000_000.0
UID = f"2.25.3{'0' * 32}"
"""With the number of a file behind it, as long as the UIDs that are made of names."""
LIMITS = {"claim a study": 0.010, "open": 5.0}
"""Seconds that may not be exceeded, whatever the number of files."""

FILL = """
INSERT INTO folders VALUES (1, 'legacy');
INSERT INTO destinations VALUES (1, 'archive');
CREATE TEMP TABLE number (n INTEGER PRIMARY KEY);
INSERT INTO number WITH RECURSIVE c (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < {files})
    SELECT n FROM c;
INSERT INTO studies (id, uid, frozen, frozen_at)
    SELECT n, '2.25.1' || n, '{{"PatientID":"' || n || '"}}', {now} FROM number WHERE n <= {done} / {study};
INSERT INTO series (id, uid, study, number, instances)
    SELECT n, '2.25.2' || n, n, 1, {study} FROM number WHERE n <= {done} / {study};
INSERT INTO instances (id, uid, series, number, sop_class)
    SELECT n, '{uid}' || n, (n - 1) / {study} + 1, (n - 1) % {study} + 1,
        '1.2.840.10008.5.1.4.1.1.77.1.4'
    FROM number WHERE n <= {done};
INSERT INTO names (value, kind, study)
    SELECT printf('mrn%08d', n), 'patient_id', n FROM number WHERE n <= {done} / {study};
INSERT INTO units (id, key, destination, due)
    SELECT n, 'study:2.25.1' || n, 1, {now} - n FROM number
    WHERE n > {done} / {study} AND n <= {files} / {study};
INSERT INTO files (id, folder, path, name, destination, state, since, due, unit, instance, size, modified_ns,
        inode, seen_at, finished_at, digest, format, template, reason)
    SELECT n, 1, CAST(printf('%04d/%06d/IMG_%08d.tif', n / 100000, n / 100, n) AS BLOB),
        printf('img_%08d.tif', n), 1,
        CASE WHEN n <= {done} THEN 'stored' WHEN n % 100 = 0 THEN 'held' ELSE 'ready' END,
        {now} - n, CASE WHEN n > {done} AND n % 100 THEN {now} - n END,
        CASE WHEN n > {done} THEN (n - 1) / {study} + 1 END, CASE WHEN n <= {done} THEN n END,
        n, n, n, {now}, CASE WHEN n <= {done} THEN {now} END, randomblob(32), 'tiff', 'document',
        CASE WHEN n > {done} AND n % 100 = 0 THEN 'no-row' END
    FROM number;
INSERT INTO events (at, who, what, file) SELECT {now}, 'import', 'stored', n FROM number WHERE n <= {done};
DROP TABLE number;
"""


def main() -> None:
    files = int(sys.argv[1]) if len(sys.argv) > 1 else 200_000
    with tempfile.TemporaryDirectory(dir=sys.argv[2] if len(sys.argv) > 2 else None) as folder:
        few = measure(Path(folder) / "few.db", SMALL)
        many = measure(Path(folder) / "many.db", files)
        size = (Path(folder) / "many.db").stat().st_size
    print(f"\n{files:,} files, {size / files:.0f} bytes each; milliseconds, and the ratio to {SMALL:,} files")
    for name, seconds in many.items():
        limit = f"   limit {LIMITS[name] * 1000:.0f} ms" if name in LIMITS else ""
        print(f"{name:42}{seconds * 1000:10.2f}{seconds / few[name]:10.1f}{limit}")
    failed = [name for name, limit in LIMITS.items() if many[name] > limit]
    if failed:
        sys.exit(f"over the limit: {', '.join(failed)}")


def measure(path: Path, files: int) -> dict[str, float]:
    """Seconds for each thing that is done all day, median of many."""
    done = files * 9 // 10 // STUDY * STUDY
    _fill(path, files, done)
    figures: dict[str, float] = {}
    started = time.perf_counter()
    ledger = Ledger.open(path, now=lambda: NOW)
    ledger.claims.expire()
    ledger.reports.counts()
    figures["open"] = time.perf_counter() - started
    owner = ledger.claims.join("benchmark")
    claims = []

    def claim() -> None:
        claims.extend(ledger.claims.claim(owner, ["archive"]))

    def number() -> None:
        claim = claims[len(claims) - 1 - counter("number")]
        ledger.studies.number(_identities(claim))

    def record() -> None:
        claim = claims.pop()
        results = {
            each.id: Result(State.STORED, identity=identity, digest=b"d" * 32, attempts=1)
            for each, identity in zip(claim.files, _identities(claim), strict=True)
        }
        ledger.outcomes.record(owner, results)

    counts: dict[str, int] = {}

    def counter(name: str) -> int:
        counts[name] = counts.get(name, -1) + 1
        return counts[name]

    runs = min(RUNS, (files - done) // STUDY // 2)
    figures["claim a study"] = _median(claim, runs)
    figures["number a study's instances"] = _median(number, runs)
    figures["record a study's outcomes"] = _median(record, runs)
    figures["look whether an instance is stored"] = _median(
        lambda: ledger.studies.stored(f"{UID}{done - counter('stored')}", "archive"), runs
    )
    figures["count by state"] = _median(ledger.reports.counts, runs)
    figures["oldest by state"] = _median(ledger.reports.oldest, runs)
    held = Query(states=frozenset({State.HELD}))
    figures["a page of held files"] = _median(lambda: ledger.reports.page(held, limit=50), runs)
    figures["find by Patient ID"] = _median(lambda: ledger.reports.find("MRN00000007"), runs)
    figures["find by file name"] = _median(lambda: ledger.reports.find("IMG_00000007.tif"), runs)
    known = [(_path(each), FileStamp(each, each, each)) for each in range(1, SMALL)]
    figures[f"see {SMALL:,} files again"] = _median(
        lambda: ledger.files.see("legacy", known, ["archive"]), 10
    )

    def new() -> None:
        start = counter("new") * SMALL
        scan = [(f"new/{start + each}", FileStamp(1, 1, 1)) for each in range(SMALL)]
        seen = ledger.files.see("legacy", scan, ["archive"])
        ledger.files.ready(Ready(each) for each in seen.new)

    figures[f"see {SMALL:,} new files, make them ready"] = _median(new, 10)
    ledger.close()
    return figures


def _fill(path: Path, files: int, done: int) -> None:
    started = time.perf_counter()
    ledger = Ledger.open(path, now=lambda: NOW)
    connection = ledger._database._connection()  # type: ignore[attr-defined]
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute("PRAGMA cache_size = -1000000")
    connection.executescript(
        "BEGIN;" + FILL.format(files=files, done=done, study=STUDY, now=NOW, uid=UID) + "COMMIT;"
    )
    ledger.close()
    print(f"{files:,} files filled in {time.perf_counter() - started:.0f} s")


def _identities(claim) -> list[Identity]:  # type: ignore[no-untyped-def]
    return [Identity(claim.study, f"{claim.study}.1", f"{claim.study}.1.{each.id}") for each in claim.files]


def _path(number: int) -> str:
    return f"{number // 100000:04}/{number // 100:06}/IMG_{number:08}.tif"


def _median(act: Callable[[], object], runs: int) -> float:
    seconds = []
    for _ in range(runs):
        started = time.perf_counter()
        act()
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds)


if __name__ == "__main__":
    main()
