"""What the archive holds, in an SQLite file: found by UID, searched by attributes.

The index is a copy of what the Part 10 files say and can be made again from them at any time.
Every operation has a connection for itself, so that threads never share one; SQLite's write-ahead log
lets them read while one writes.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import islice
from pathlib import Path
from typing import Any

from gateway.archive.levels import Level, Model, key, level_of
from gateway.archive.matching import Key, alternatives, matches

SCHEMA_REVISION = 1
_SCHEMA = """
CREATE TABLE studies (
    id INTEGER PRIMARY KEY,
    uid TEXT NOT NULL UNIQUE,
    attributes TEXT NOT NULL
);
CREATE TABLE series (
    id INTEGER PRIMARY KEY,
    uid TEXT NOT NULL,
    study INTEGER NOT NULL REFERENCES studies (id),
    modality TEXT NOT NULL,
    attributes TEXT NOT NULL,
    UNIQUE (uid, study)
);
CREATE INDEX series_of_study ON series (study);
CREATE TABLE instances (
    id INTEGER PRIMARY KEY,
    uid TEXT NOT NULL UNIQUE,
    study INTEGER NOT NULL REFERENCES studies (id),
    series INTEGER NOT NULL REFERENCES series (id),
    sop_class TEXT NOT NULL,
    transfer_syntax TEXT NOT NULL,
    attributes TEXT NOT NULL
);
CREATE INDEX instances_of_study ON instances (study);
CREATE INDEX instances_of_series ON instances (series);
"""

_FROM = {
    Level.STUDY: "FROM studies",
    Level.SERIES: "FROM series JOIN studies ON studies.id = series.study",
    Level.INSTANCE: """
        FROM instances
        JOIN series ON series.id = instances.series
        JOIN studies ON studies.id = instances.study
    """,
}
_TABLES = {Level.STUDY: "studies", Level.SERIES: "series", Level.INSTANCE: "instances"}
_COLUMNS = {
    Level.STUDY: "studies.id, studies.uid, '', '', studies.attributes, '', ''",
    Level.SERIES: "series.id, studies.uid, series.uid, '', studies.attributes, series.attributes, ''",
    Level.INSTANCE: (
        "instances.id, studies.uid, series.uid, instances.uid, "
        "studies.attributes, series.attributes, instances.attributes"
    ),
}
_UID_CONDITIONS = {
    key("StudyInstanceUID"): "studies.uid IN (SELECT value FROM json_each(?))",
    key("SeriesInstanceUID"): "series.uid IN (SELECT value FROM json_each(?))",
    key("SOPInstanceUID"): "instances.uid IN (SELECT value FROM json_each(?))",
}
_MODALITIES_IN_STUDY = key("ModalitiesInStudy")

Counts = Callable[[str, str], Model]
"""What the archive knows by counting: of a study, or of a series in it."""


@dataclass(frozen=True, slots=True)
class Record:
    """Where an instance belongs and how it is encoded."""

    study_uid: str
    series_uid: str
    sop_uid: str
    sop_class: str
    transfer_syntax: str


@dataclass(frozen=True, slots=True)
class Entry:
    """An instance to be indexed: its record, and the attributes of each level as JSON text."""

    record: Record
    modality: str
    attributes: dict[Level, str]


@dataclass(frozen=True, slots=True)
class Found:
    """A study, series or instance that a search found; UIDs of lower levels are empty.

    `attributes` has those of its own level and of the levels above.
    """

    study_uid: str
    series_uid: str
    sop_uid: str
    attributes: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Page:
    """Some of the results of a search, and how many there are behind them."""

    found: tuple[Found, ...]
    remaining: int


class Index:
    """The index in one SQLite file; one of another revision is emptied.

    Raises `sqlite3.DatabaseError` for a file that is no database or is damaged.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._idle: list[sqlite3.Connection] = []
        try:
            self._prepare()
        except sqlite3.DatabaseError:
            self.close()
            raise

    def close(self) -> None:
        """Closes the file; the index opens it again when it is used."""
        while self._idle:
            self._idle.pop().close()

    def _prepare(self) -> None:
        with self._connect() as database:
            database.execute("PRAGMA journal_mode = WAL")
            if database.execute("PRAGMA quick_check").fetchone()[0] != "ok":
                raise sqlite3.DatabaseError("it is damaged")
            if database.execute("PRAGMA user_version").fetchone()[0] != SCHEMA_REVISION:
                for table in reversed(_TABLES.values()):
                    database.execute(f"DROP TABLE IF EXISTS {table}")
                database.executescript(f"BEGIN; {_SCHEMA} PRAGMA user_version = {SCHEMA_REVISION}; COMMIT;")

    def add(self, entries: Iterable[Entry]) -> None:
        """Put instances in, all or none. An instance that is there already stays as it is."""
        with self._writing() as database:
            for entry in entries:
                _insert(database, entry)

    def remove(self, records: Iterable[Record]) -> None:
        """Take instances out, and the series and studies that are empty without them."""
        with self._writing() as database:
            database.executemany("DELETE FROM instances WHERE uid = ?", ((each.sop_uid,) for each in records))
            database.execute("DELETE FROM series WHERE id NOT IN (SELECT series FROM instances)")
            database.execute("DELETE FROM studies WHERE id NOT IN (SELECT study FROM instances)")

    def find(self, sop_uid: str) -> Record | None:
        """The instance with this SOP Instance UID, wherever it belongs."""
        found = list(self._records("WHERE instances.uid = ?", (sop_uid,)))
        return found[0] if found else None

    def instances(self, study_uid: str, series_uid: str = "", sop_uid: str = "") -> list[Record]:
        """The instances of a study, of a series, or the one of these three UIDs; in order of arrival."""
        where, values = "WHERE studies.uid = ?", [study_uid]
        if series_uid:
            where, values = f"{where} AND series.uid = ?", [*values, series_uid]
        if sop_uid:
            where, values = f"{where} AND instances.uid = ?", [*values, sop_uid]
        return list(self._records(f"{where} ORDER BY instances.id", values))

    def all(self) -> Iterator[Record]:
        """Every instance, in no order."""
        return self._records("", ())

    def search(
        self,
        level: Level,
        keys: Sequence[Key],
        *,
        limit: int,
        offset: int = 0,
        newest_first: bool = False,
    ) -> Page:
        """What matches all keys, in order of arrival."""
        where, values = _uid_conditions(keys)
        others = [each for each in keys if not each.universal and each.path[0] not in _UID_CONDITIONS]
        order = f"ORDER BY {_TABLES[level]}.id {'DESC' if newest_first else 'ASC'}"
        with self._connect() as database:
            query = f"SELECT {_COLUMNS[level]} {_FROM[level]} {where} {order}"
            if others:
                rows = (row for row in database.execute(query, values) if _row_matches(database, row, others))
                chosen = list(islice(rows, offset, offset + limit))
                remaining = sum(1 for _ in rows)
            else:
                chosen = database.execute(f"{query} LIMIT ? OFFSET ?", (*values, limit, offset)).fetchall()
                count = database.execute(f"SELECT count(*) {_FROM[level]} {where}", values).fetchone()[0]
                remaining = max(0, count - offset - len(chosen))
            counts = _counter(database)
            return Page(tuple(_found(level, row, counts) for row in chosen), remaining)

    def _records(self, where: str, values: Sequence[str]) -> Iterator[Record]:
        query = (
            "SELECT studies.uid, series.uid, instances.uid, instances.sop_class, instances.transfer_syntax "
            f"{_FROM[Level.INSTANCE]} {where}"
        )
        with self._connect() as database:
            for row in database.execute(query, values):
                yield Record(*row)

    @contextmanager
    def _connect(self) -> Iterator[sqlite3.Connection]:
        """A connection that nobody else has for now; opening one costs more than most uses of it."""
        try:
            database = self._idle.pop()
        except IndexError:
            database = sqlite3.connect(self._path, timeout=60, isolation_level=None, check_same_thread=False)
            database.execute(
                "PRAGMA synchronous = OFF"
            )  # what a power cut takes is made again from the files
        try:
            yield database
        finally:
            self._idle.append(database)

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._connect() as database:
            database.execute("BEGIN IMMEDIATE")
            try:
                yield database
            except BaseException:
                database.execute("ROLLBACK")
                raise
            database.execute("COMMIT")


def _insert(database: sqlite3.Connection, entry: Entry) -> None:
    record, attributes = entry.record, entry.attributes
    database.execute(
        "INSERT OR IGNORE INTO studies (uid, attributes) VALUES (?, ?)",
        (record.study_uid, attributes[Level.STUDY]),
    )
    study = database.execute("SELECT id FROM studies WHERE uid = ?", (record.study_uid,)).fetchone()[0]
    database.execute(
        "INSERT OR IGNORE INTO series (uid, study, modality, attributes) VALUES (?, ?, ?, ?)",
        (record.series_uid, study, entry.modality, attributes[Level.SERIES]),
    )
    series = database.execute(
        "SELECT id FROM series WHERE uid = ? AND study = ?", (record.series_uid, study)
    ).fetchone()[0]
    database.execute(
        "INSERT OR IGNORE INTO instances (uid, study, series, sop_class, transfer_syntax, attributes) "
        "VALUES (?, ?, ?, ?, ?, ?)",
        (record.sop_uid, study, series, record.sop_class, record.transfer_syntax, attributes[Level.INSTANCE]),
    )


def _uid_conditions(keys: Sequence[Key]) -> tuple[str, list[str]]:
    """The keys that name UIDs, as an SQL clause and its values; the clause is empty without any."""
    chosen = [each for each in keys if each.path[0] in _UID_CONDITIONS and not each.universal]
    conditions = [_UID_CONDITIONS[each.path[0]] for each in chosen]
    values = [json.dumps(alternatives(each)) for each in chosen]
    return "WHERE " * bool(chosen) + " AND ".join(conditions), values


def _row_matches(database: sqlite3.Connection, row: Sequence[Any], keys: Sequence[Key]) -> bool:
    return all(matches(_attributes_for(database, row, each), each) for each in keys)


def _attributes_for(database: sqlite3.Connection, row: Sequence[Any], wanted: Key) -> Model:
    """The attributes of the level that a key belongs to; only these need to be read."""
    name = wanted.path[0]
    if name == _MODALITIES_IN_STUDY:
        return {name: {"vr": "CS", "Value": _modalities(database, row[1])}}
    return _loaded(row[4 + level_of(name)] or "{}")


def _found(level: Level, row: Sequence[Any], counts: Counts) -> Found:
    _, study_uid, series_uid, sop_uid, *texts = row
    attributes: dict[str, Any] = {}
    for text in texts[: level + 1]:
        attributes.update(_loaded(text))
    attributes.update(counts(study_uid, ""))
    if level > Level.STUDY:
        attributes.update(counts(study_uid, series_uid))
    return Found(study_uid, series_uid, sop_uid, attributes)


def _counter(database: sqlite3.Connection) -> Counts:
    """Counts of studies and series, each made once in a search."""

    @cache
    def counts(study_uid: str, series_uid: str) -> Model:
        if series_uid:
            number = _number(
                database,
                f"{_FROM[Level.INSTANCE]} WHERE studies.uid = ? AND series.uid = ?",
                study_uid,
                series_uid,
            )
            return {key("NumberOfSeriesRelatedInstances"): number}
        return {
            _MODALITIES_IN_STUDY: {"vr": "CS", "Value": _modalities(database, study_uid)},
            key("NumberOfStudyRelatedSeries"): _number(
                database, f"{_FROM[Level.SERIES]} WHERE studies.uid = ?", study_uid
            ),
            key("NumberOfStudyRelatedInstances"): _number(
                database, f"{_FROM[Level.INSTANCE]} WHERE studies.uid = ?", study_uid
            ),
        }

    return counts


def _number(database: sqlite3.Connection, what: str, *uids: str) -> dict[str, Any]:
    return {"vr": "IS", "Value": [database.execute(f"SELECT count(*) {what}", uids).fetchone()[0]]}


def _modalities(database: sqlite3.Connection, study_uid: str) -> list[str]:
    rows = database.execute(
        f"SELECT DISTINCT modality {_FROM[Level.SERIES]} "
        "WHERE studies.uid = ? AND modality <> '' ORDER BY modality",
        (study_uid,),
    )
    return [row[0] for row in rows]


@lru_cache(maxsize=64)
def _loaded(text: str) -> Model:
    """The attributes in a row; neighbouring rows share those of their study and series."""
    model: Model = json.loads(text)
    return model
