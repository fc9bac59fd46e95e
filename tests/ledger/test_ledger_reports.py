"""What operators ask: counts, lists, searches; and what is left after a purge."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

import pytest

from gateway.ledger import Facts, Identity, Query, Result, State
from gateway.ledger.records import Count, Oldest
from gateway.stream import FileStamp


def test_counts_are_of_current_files(desk) -> None:
    desk.found("a.jpg", size=5)
    desk.found("b.jpg", folder="other", size=7)
    desk.end("c.jpg")
    assert desk.ledger.reports.counts() == (
        Count("in", "archive", State.SEEN, 1, 5),
        Count("in", "archive", State.STORED, 1, 10),
        Count("other", "archive", State.SEEN, 1, 7),
    )
    assert desk.ledger.reports.oldest() == (
        Oldest("in", "archive", State.SEEN, desk.time),
        Oldest("other", "archive", State.SEEN, desk.time),
    )


def test_reasons_are_counted(desk) -> None:
    desk.end("a.jpg", result=Result(State.HELD, reason="no-row"))
    desk.end("b.jpg", result=Result(State.HELD, reason="no-row"))
    desk.end("c.jpg", result=Result(State.HELD))
    assert desk.ledger.reports.reasons(State.HELD) == {"no-row": 2, "": 1}


def test_lists_are_filtered_and_paged(desk) -> None:
    first = desk.found("a.jpg", "b.jpg", "c.jpg")
    desk.time += 10
    other = desk.found("d.jpg", folder="other", to=["archive", "second"])
    held = desk.end("e.jpg", result=Result(State.HELD, reason="no-row"))

    def numbers(**which: object) -> list[int]:
        return [each.id for each in desk.all(**which)]

    assert numbers() == sorted([*first, *other, *held])
    assert numbers(folder="in") == sorted([*first, *held])
    assert numbers(folder="nowhere") == numbers(destination="nowhere") == []
    assert numbers(destination="second") == [other[1]]
    assert numbers(states=frozenset({State.HELD})) == list(held)
    assert numbers(states=frozenset({State.HELD, State.SEEN}), before=desk.time) == list(first)
    assert numbers(states=frozenset({State.HELD, State.SEEN})) == sorted([*first, *other, *held])
    assert numbers(reason="no-row") == list(held)
    assert numbers(ids=(first[0], held[0], 999)) == [first[0], held[0]]
    assert numbers(ids=(first[0], held[0]), states=frozenset({State.HELD})) == list(held)
    page = desk.ledger.reports.page(limit=2)
    assert [each.id for each in page] == [1, 2]
    assert [each.id for each in desk.ledger.reports.page(after=2, limit=2)] == [3, 4]


def test_every_file_comes_once_in_order(desk) -> None:
    ids = desk.found(*(f"{number}.jpg" for number in range(2500)))
    half = frozenset({State.SEEN, State.SETTLING})
    desk.ledger.files.settle(ids[::2])
    assert [each.id for each in desk.ledger.reports.every(Query(states=half))] == list(ids)
    assert [each.id for each in desk.ledger.reports.every()] == list(ids)


@pytest.mark.parametrize(
    "text",
    [
        "MÜLLER",
        "müller^ä",
        "mrn123",
        "MRN12",
        "acc-7",
        "1.2.1.5",
        "1.2.1",
        "1.2",
        "img_0005",
        "a/IMG_0005.jpg",
    ],
)
def test_where_is_my_picture(desk, store: Callable[..., Result], text: str) -> None:
    (file,) = desk.end("a/IMG_0005.jpg", result=store(5))
    desk.end("b/other.jpg", result=store(6, "9.9"), study="9.9")
    names = {"patient_id": "MRN123", "name": "Müller^Änne", "accession": "ACC-7"}
    desk.ledger.studies.freeze("1.2", {}, names)
    desk.ledger.studies.freeze("9.9", {}, {"patient_id": "777", "name": ""})
    assert [each.id for each in desk.ledger.reports.find(text)] == [file]


@pytest.mark.parametrize("text", ["", "  ", "nothing", "%", "'", "\udcff"])
def test_what_nobody_knows_is_not_found(desk, text: str) -> None:
    desk.end("a.jpg")
    assert desk.ledger.reports.find(text) == ()


def test_held_file_is_found_by_whom_it_may_show(desk, store: Callable[..., Result]) -> None:
    names = {"patient_id": "MRN123"}
    (file,) = desk.end("a.jpg", result=Result(State.HELD, reason="twins", names=names))
    assert [each.id for each in desk.ledger.reports.find("mrn123")] == [file]
    desk.ledger.decisions.retry(Query(), "anna")
    owner = desk.owner()
    desk.claim(owner)
    desk.ledger.outcomes.record(owner, {file: store(1)})
    assert desk.ledger.reports.find("mrn123") == ()  # its study would have the name


def test_hours_count_what_came_in(desk) -> None:
    desk.found("a.jpg")
    desk.time += 7200
    desk.end("b.jpg")
    hours = desk.ledger.reports.hours()
    assert [(each.at, each.state, each.files) for each in hours] == [
        (desk.time // 3600 * 3600 - 7200, State.SEEN, 1),
        (desk.time // 3600 * 3600, State.SEEN, 1),
        (desk.time // 3600 * 3600, State.STORED, 1),
    ]
    assert len(desk.ledger.reports.hours(since=desk.time)) == 2
    assert len(desk.ledger.reports.hours(until=desk.time - 7200)) == 1


def test_outcomes_by_format(desk) -> None:
    (file,) = desk.found("x.pdf")
    desk.ledger.files.learn([Facts(file, format="pdf")])
    identity = Identity("1", "1.1", "1.1.1")
    desk.end("a.jpg", result=Result(State.STORED, identity=identity, format="jpeg", template="t", seconds=2))
    found = {(each.format, each.state): each for each in desk.ledger.reports.outcomes()}
    assert set(found) == {("pdf", State.SEEN), ("jpeg", State.STORED)}
    assert found["jpeg", State.STORED].seconds == 2
    assert found["jpeg", State.STORED].size == 10


def test_events_are_never_changed(desk) -> None:
    (file,) = desk.end("a.jpg")
    connection = desk.ledger._database._connection()
    for statement in (
        "UPDATE events SET who = 'nobody'",
        "UPDATE events SET text = NULL",
        "DELETE FROM events",
    ):
        with pytest.raises(sqlite3.IntegrityError, match="never"):
            connection.execute(statement)
    assert desk.happened(file) == [("worker", "stored")]
    assert [each.what for each in desk.ledger.reports.events()] == ["stored"]


def test_purge_forgets_whom_and_keeps_what(desk, store: Callable[..., Result]) -> None:
    identity = Identity("1.2", "1.2.1", "1.2.1.1", "1.2.840")
    result = Result(
        State.STORED,
        identity=identity,
        digest=b"d" * 32,
        text="Meier^Anna was stored",
        attributes={"PatientName": "Meier^Anna"},
        answer="Meier^Anna",
        messages=("Meier^Anna",),
        depends={"/tables/Meier^Anna.xml": None},
    )
    (old,) = desk.end("Meier^Anna.jpg", result=result)
    finished = desk.time
    desk.ledger.studies.freeze("1.2", {"PatientName": "Meier^Anna"}, {"name": "Meier^Anna"})
    (held,) = desk.end("held.jpg", result=Result(State.HELD, reason="no-row", text="Whose?"), study="7")
    desk.time += 1000
    (new,) = desk.end("new.jpg", result=store(9, "3.4"), study="3.4")
    desk.ledger.studies.freeze("3.4", {"PatientName": "New"}, {"name": "New"})

    assert desk.ledger.upkeep.purge(desk.time, "anna") == 1
    detail = desk.ledger.reports.detail(old)
    assert (detail.entry.path, detail.entry.text) == ("", None)
    assert (detail.attributes, detail.answer, detail.messages, detail.depends) == (None, None, (), ())
    assert (detail.entry.state, detail.entry.finished_at) == (State.STORED, finished)
    assert (detail.entry.identity, detail.entry.digest) == (identity, b"d" * 32)
    assert detail.entry.destination == "archive"
    assert desk.ledger.studies.frozen("1.2") is None
    assert desk.ledger.studies.frozen("3.4") == {"PatientName": "New"}
    assert desk.ledger.reports.find("Meier") == ()
    assert [each.id for each in desk.ledger.reports.find("new")] == [new]
    assert desk.entry(held).text == "Whose?"
    assert desk.ledger.studies.stored("1.2.1.1", "archive").id == old
    assert desk.states() == {"stored": 2, "held": 1}
    assert desk.ledger.upkeep.purge(desk.time, "anna") == 0
    assert [each.what for each in desk.ledger.reports.events()].count("purge") == 2
    if desk.path:
        left = b"".join(each.read_bytes() for each in desk.path.parent.iterdir())
        assert b"Meier" not in left
        assert b"meier" not in left


def test_purged_file_that_still_lies_there_is_a_new_one(desk) -> None:
    desk.end("a.jpg")
    desk.time += 10
    desk.ledger.upkeep.purge(desk.time, "anna")
    assert len(desk.found("a.jpg")) == 1
    assert desk.states() == {"seen": 1, "stored": 1}


def test_file_whose_original_is_to_be_moved_is_not_purged(desk) -> None:
    desk.end("a.jpg", result=Result(State.REJECTED, original_due=True))
    desk.time += 10
    assert desk.ledger.upkeep.purge(desk.time, "anna") == 0
    (original,) = desk.ledger.files.originals_due("in")
    desk.ledger.files.original_done(original, "moved")
    assert desk.ledger.upkeep.purge(desk.time, "anna") == 1


def test_stamp_of_a_table_is_compared_whole(desk) -> None:
    stamp = FileStamp(1, 2, 3)
    desk.end("a.jpg", result=Result(State.HELD, depends={"/t": stamp}))
    for other in (FileStamp(2, 2, 3), FileStamp(1, 3, 3), FileStamp(1, 2, 4), None):
        desk.ledger.files.touched("/t", stamp)
        desk.ledger.files.touched("/t", other)
        owner = desk.owner()
        claim = desk.claim(owner)
        assert claim is not None
        desk.ledger.outcomes.record(owner, {claim.files[0].id: Result(State.HELD, depends={"/t": stamp})})
