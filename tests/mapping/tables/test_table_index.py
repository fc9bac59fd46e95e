"""The index on disk, judged by a dict; where it is kept, and when it is made anew."""

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
import threading
from collections import defaultdict
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway import stream
from gateway.errors import Retry
from gateway.mapping.tables import cache, index, reading
from gateway.mapping.tables.index import Index
from gateway.mapping.tables.keys import Key, Part, joined
from gateway.mapping.tables.rows import Plan
from gateway.mapping.tables.sheet import BadTable, Layout, Line, Sheet
from gateway.mapping.tables.shelf import OPEN, Shelf


def plan(*columns: str, **layout: Any) -> Plan:
    return Plan(Layout(**layout), Key("row", tuple(Part(column) for column in columns or ("mrn",))))


MOMENTS = count(1_700_000_000)


def write(path: Path, *rows: str, columns: str = "mrn,last") -> Path:
    """A table that was written long ago, each one later than the others."""
    path.write_text("\n".join([columns, *rows]) + "\n", encoding="utf-8")
    moment = next(MOMENTS)
    os.utime(path, (moment, moment))
    return path


def indexes() -> list[Path]:
    return sorted((Path(os.environ["GATEWAY_CACHE"]) / "tables").iterdir())


CELL = st.none() | st.text(st.sampled_from("ab1 \u0308äA"), max_size=3)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    table=st.lists(st.tuples(CELL, CELL, CELL), max_size=12),
    columns=st.sampled_from([("a",), ("b", "a"), ("a", "b", "c")]),
    wanted=st.lists(st.tuples(CELL, CELL, CELL), max_size=4),
)
def test_rows_are_found_as_in_a_dict(
    tmp_path: Path, table: list[tuple[Any, ...]], columns: tuple[str, ...], wanted: list[tuple[Any, ...]]
) -> None:
    path = tmp_path / "index"
    path.unlink(missing_ok=True)
    lines = [Line(number, row) for number, row in enumerate(table, 2)]
    index.build(path, Sheet(["a", "b", "c"], iter(lines), "a test"), plan(*columns))
    judge: dict[str | None, list[int]] = defaultdict(list)
    for line in lines:
        judge[key_of(line.cells, columns)].append(line.number)
    opened = Index(path)
    for row in (*table, *wanted):
        key = key_of(row, columns)
        if key is not None:
            hits = opened.find(key, 99)
            assert [hit.number for hit in hits] == judge.get(key, [])
            for hit in hits:
                texts = [cell.strip() or None if cell else None for cell in table[hit.number - 2]]
                assert list(hit.cells.values()) == texts
    duplicates = {key: tuple(rows) for key, rows in judge.items() if key and len(rows) > 1}
    assert dict(opened.duplicates(99).first) == duplicates
    assert list(opened.without_key(99).first) == judge.get(None, [])
    used = [key for key in map(lambda row: key_of(row, columns), wanted) if key]
    left = sorted(number for key, rows in judge.items() if key and key not in used for number in rows)
    assert list(opened.unused(used, 99).first) == left
    assert opened.unused(used, 1).count == len(left)
    opened.close()


def key_of(cells: Any, columns: tuple[str, ...]) -> str | None:
    return joined([cells["abc".index(column)] or "" for column in columns])


def test_an_index_is_private(tmp_path: Path) -> None:
    Shelf(plan()).find(write(tmp_path / "t.csv", "1,Doe"), "1", 1)
    (found,) = indexes()
    assert found.suffix == ".sqlite"
    if os.name == "posix":
        assert stat.S_IMODE(found.stat().st_mode) == 0o600
        assert stat.S_IMODE(found.parent.stat().st_mode) == 0o700


@pytest.mark.skipif(os.name != "posix", reason="permissions as POSIX has them")
def test_a_folder_that_others_may_read_is_closed_and_one_of_theirs_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GATEWAY_CACHE", str(tmp_path))
    (tmp_path / "tables").mkdir(mode=0o755)
    assert stat.S_IMODE(cache.folder().stat().st_mode) == 0o700
    monkeypatch.setattr(os, "geteuid", lambda: 4711)
    with pytest.raises(BadTable, match="another user's"):
        cache.folder()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (tmp_path / "linked").mkdir()
    (tmp_path / "linked" / "tables").symlink_to(elsewhere)
    monkeypatch.undo()
    monkeypatch.setenv("GATEWAY_CACHE", str(tmp_path / "linked"))
    with pytest.raises(BadTable, match="another user's"):
        cache.folder()


def test_a_table_is_read_once_and_again_when_it_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    built: list[Path] = []
    build = index.build

    def counted(path: Path, *rest: Any) -> None:
        built.append(path)
        build(path, *rest)

    monkeypatch.setattr(index, "build", counted)
    table = write(tmp_path / "t.csv", "1,Doe")
    shelf = Shelf(plan())
    assert shelf.find(table, "1", 1)[0].cells["last"] == "Doe"
    assert Shelf(plan()).find(table, "1", 1)[0].cells["last"] == "Doe"
    assert len(built) == 1
    first = indexes()
    write(table, "1,Roe")
    assert shelf.find(table, "1", 1)[0].cells["last"] == "Roe"
    assert len(built) == 2
    assert len(indexes()) == 1
    assert indexes() != first
    table.unlink()
    with pytest.raises(BadTable, match="is not there"):
        shelf.find(table, "1", 1)


def test_a_table_that_has_just_changed_may_change_again_without_a_sign(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "COARSE", 10**20)  # any time ago is just now
    table = write(tmp_path / "t.csv", "1,Doe")
    shelf = Shelf(plan())
    assert shelf.find(table, "1", 1)[0].cells["last"] == "Doe"
    assert indexes() == []
    before = table.stat()
    table.write_bytes(table.read_bytes().replace(b"Doe", b"Roe"))
    os.utime(table, ns=(before.st_mtime_ns, before.st_mtime_ns))
    assert cache.FileStamp.of(table.stat()) == cache.FileStamp.of(before)
    assert shelf.find(table, "1", 1)[0].cells["last"] == "Roe"
    assert Shelf(plan()).find(table, "1", 1)[0].cells["last"] == "Roe"


def test_what_the_mapping_says_of_a_table_is_part_of_its_index(tmp_path: Path) -> None:
    table = write(tmp_path / "t.csv", "1,NULL", "2,Doe")
    assert Shelf(plan()).find(table, "1", 1)[0].cells["last"] == "NULL"
    assert Shelf(plan(null=frozenset({"NULL"}))).find(table, "1", 1)[0].cells["last"] is None
    assert Shelf(plan("last")).find(table, "Doe", 1)[0].number == 3
    assert len(indexes()) == 3


def test_settings_read_alike_in_every_process() -> None:
    code = (
        "from gateway.mapping.tables.keys import Key, Part\n"
        "from gateway.mapping.tables.rows import Plan\n"
        "from gateway.mapping.tables.sheet import Layout\n"
        "print(Plan(Layout(null=frozenset('abcdefgh')), Key('row', (Part('mrn'),))).settings)"
    )
    said = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        ).stdout
        for seed in "123"
    }
    assert len(said) == 1


def test_a_table_that_changes_while_it_is_read_is_tried_later(tmp_path: Path) -> None:
    table = write(tmp_path / "t.csv", "1,Doe")
    stamp = cache.stamp(table)
    chosen = plan()

    def changed(path: Path) -> None:
        with reading.opened(table, chosen.layout) as sheet:
            index.build(path, sheet, chosen)
        write(table, "1,Doe", "2,Roe")

    with pytest.raises(Retry, match="changed while it was being read"):
        cache.opened(table, chosen.settings, stamp, changed)
    assert indexes() == []


def test_an_index_that_was_damaged_is_made_anew(tmp_path: Path) -> None:
    table = write(tmp_path / "t.csv", "1,Doe")
    Shelf(plan()).find(table, "1", 1)
    (found,) = indexes()
    found.write_bytes(b"half of it")
    assert Shelf(plan()).find(table, "1", 1)[0].number == 2
    assert indexes() == [found]
    assert sqlite3.connect(found).execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_what_nobody_uses_goes(tmp_path: Path) -> None:
    write(tmp_path / "a.csv", "1,Doe")
    Shelf(plan()).find(tmp_path / "a.csv", "1", 1)
    (unused,) = indexes()
    left = unused.with_name("left.part")
    left.touch()
    for path, age in ((unused, cache.KEPT), (left, cache.ABANDONED)):
        then = path.stat().st_mtime - age - 60
        os.utime(path, (then, then))
    Shelf(plan()).find(write(tmp_path / "b.csv", "1,Doe"), "1", 1)
    assert len(indexes()) == 1
    assert indexes() != [unused]


def test_a_failure_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(BadTable, match="has no column 'mrn'"):
        Shelf(plan()).find(write(tmp_path / "t.csv", "1", columns="number"), "1", 1)
    assert indexes() == []


def test_many_processes_may_build_the_same_index(tmp_path: Path) -> None:
    table = write(tmp_path / "t.csv", *[f"{number},name {number}" for number in range(5000)])
    code = (
        "import sys\nfrom pathlib import Path\n"
        "from gateway.mapping.tables.keys import Key, Part\n"
        "from gateway.mapping.tables.rows import Plan\n"
        "from gateway.mapping.tables.sheet import Layout\n"
        "from gateway.mapping.tables.shelf import Shelf\n"
        "shelf = Shelf(Plan(Layout(), Key('row', (Part('mrn'),))))\n"
        "print(shelf.find(Path(sys.argv[1]), '4711', 2)[0].number)"
    )
    command = [sys.executable, "-c", code, str(table)]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(3)]
    assert [process.communicate()[0].strip() for process in running] == [b"4713"] * 3
    assert len(indexes()) == 1


def test_many_threads_may_ask_for_many_tables(tmp_path: Path) -> None:
    shelf = Shelf(plan())
    tables = [write(tmp_path / f"{number}.csv", f"1,name {number}") for number in range(OPEN + 5)]
    wrong: list[Any] = []

    def ask() -> None:
        for number, table in enumerate(tables * 2):
            found = shelf.find(table, "1", 1)[0].cells["last"]
            if found != f"name {number % len(tables)}":
                wrong.append(found)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert len(indexes()) == len(tables)


def test_a_log_beside_a_database_is_part_of_its_stamp(tmp_path: Path) -> None:
    table = tmp_path / "t.db"
    writer = sqlite3.connect(table)
    writer.execute("PRAGMA journal_mode = WAL")
    writer.executescript("CREATE TABLE p (mrn, last); INSERT INTO p VALUES ('1', 'Doe');")
    shelf = Shelf(plan())
    assert shelf.find(table, "1", 1)[0].cells["last"] == "Doe"
    writer.execute("UPDATE p SET last = 'Roe'")
    writer.commit()
    assert shelf.find(table, "1", 1)[0].cells["last"] == "Roe"
    writer.close()


def test_a_cache_that_cannot_be_written_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("GATEWAY_CACHE", str(tmp_path / "file"))
    with pytest.raises(BadTable, match="name a folder in GATEWAY_CACHE"):
        Shelf(plan()).find(write(tmp_path / "t.csv", "1,Doe"), "1", 1)


def test_flaws_are_counted_and_the_first_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index, "MOST_FLAWS", 3)
    table = write(tmp_path / "t.csv", "1,Doe", *["x"] * 10)
    flaws = Shelf(plan()).ask(table, lambda found: found.flaws(2))
    assert ([flaw.row for flaw in flaws.first], flaws.count) == ([3, 4], 10)
