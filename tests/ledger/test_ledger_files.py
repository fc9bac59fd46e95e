"""What a scan tells the ledger, and what becomes of a file before it is claimed."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from gateway.ledger import Facts, Growing, Ready, Result, State
from gateway.ledger.states import FOLLOWERS
from gateway.stream import FileStamp


def test_scan_makes_a_row_for_each_destination(desk) -> None:
    ids = desk.found("a/b.jpg", "c.pdf", to=["one", "two"])
    assert [(each.path, each.destination, each.state) for each in desk.all()] == [
        ("a/b.jpg", "one", State.SEEN),
        ("c.pdf", "one", State.SEEN),
        ("a/b.jpg", "two", State.SEEN),
        ("c.pdf", "two", State.SEEN),
    ]
    assert len(set(ids)) == 4


def test_what_has_not_changed_is_not_seen_again(desk) -> None:
    desk.found("a.jpg")
    desk.time += 100
    assert desk.found("a.jpg") == ()
    assert desk.all()[0].since == desk.time - 100


def test_paths_in_one_scan_twice_are_one_file(desk) -> None:
    assert len(desk.found("a.jpg", "a.jpg")) == 1


@pytest.mark.parametrize(
    "name", ["ä/ß 日本.jpg", os.fsdecode(b"caf\xe9/\xff\xfe.jpg"), "a\nb'c;--.jpg", "％%_"]
)
def test_paths_of_any_bytes_come_back_as_they_were(desk, name: str) -> None:
    (file,) = desk.ready(name, group=name)
    assert desk.entry(file).path == name
    assert desk.found(name) == ()
    assert [each.path for each in desk.ledger.files.at("in", name)] == [name]
    assert desk.ledger.files.vanished("in", [name]) == 1


@pytest.mark.parametrize("inode", [0, 2**63 - 1, 2**63, 2**64 - 1])
def test_stamps_of_any_file_system_come_back_as_they_were(desk, inode: int) -> None:
    stamp = FileStamp(2**40, -5, inode)
    (file,) = desk.ledger.files.see("in", [("a", stamp)], ["archive"]).new
    assert desk.entry(file).stamp == stamp
    assert desk.ledger.files.see("in", [("a", stamp)], ["archive"]) == desk.ledger.files.see(
        "in", [], ["archive"]
    )


@pytest.mark.parametrize("state", ["seen", "settling", "ready", "retry", "held"])
def test_waiting_file_that_changes_starts_again(desk, state: str) -> None:
    if state in ("retry", "held"):
        result = Result(State(state), reason="no-row", text="No row", digest=b"1", depends={"t.csv": None})
        (file,) = desk.end("a.jpg", result=result)
    else:
        (file,) = desk.found("a.jpg")
        if state == "settling":
            desk.ledger.files.settle([file])
        elif state == "ready":
            desk.ledger.files.ready([Ready(file, study="1.2")])
    assert desk.state(file) == state
    assert desk.found("a.jpg", size=11) == (file,)
    entry = desk.entry(file)
    assert (entry.state, entry.stamp.size, entry.generation) == (State.SEEN, 11, 1)
    assert (entry.reason, entry.text, entry.digest, entry.due, entry.attempts) == (None, None, None, None, 0)
    assert list(desk.ledger.files.dependencies()) == []
    assert desk.claim(desk.owner()) is None


def test_finished_file_that_changes_is_another_generation(desk) -> None:
    (first,) = desk.end("a.jpg")
    (second,) = desk.found("a.jpg", size=11)
    assert second != first
    assert [(each.id, each.generation, each.current) for each in desk.ledger.files.at("in", "a.jpg")] == [
        (first, 1, False),
        (second, 2, True),
    ]
    assert desk.states() == {"seen": 1}  # what was replaced is history
    assert [each.id for each in desk.all(replaced=True)] == [first, second]
    assert desk.found("a.jpg", size=11) == ()
    assert desk.found("a.jpg", size=10) == (second,)


def test_file_that_is_being_worked_on_is_left_alone(desk) -> None:
    (file,) = desk.ready("a.jpg")
    owner = desk.owner()
    desk.claim(owner)
    assert desk.found("a.jpg", size=11) == ()
    desk.ledger.outcomes.record(owner, {file: Result(State.SEEN)})
    assert desk.found("a.jpg", size=11) == (file,)


def test_file_that_vanished_may_come_back(desk) -> None:
    desk.end("b.jpg")
    (file,) = desk.ready("a.jpg")
    assert desk.ledger.files.vanished("in", ["a.jpg", "b.jpg", "never.jpg"]) == 1
    assert (desk.state(file), desk.entry(file).reason) == (State.SKIPPED, "vanished")
    assert desk.claim(desk.owner()) is None
    assert desk.found("a.jpg") == (file,)
    assert desk.state(file) is State.SEEN


def test_settling_goes_on_from_when_it_began(desk) -> None:
    (file,) = desk.found("a.jpg")
    assert desk.ledger.files.settle([file]) == (file,)
    desk.time += 50
    assert desk.ledger.files.settle([file], "sidecar-missing", "Its sidecar is not there") == (file,)
    entry = desk.entry(file)
    assert (entry.since, entry.reason) == (desk.time - 50, "sidecar-missing")
    assert desk.ledger.files.reject([file], "incomplete", "It never ended") == (file,)
    assert desk.entry(file).finished_at == desk.time


def test_moves_that_no_state_allows_are_not_made(desk) -> None:
    (file,) = desk.end("a.jpg")
    files = desk.ledger.files
    assert files.settle([file]) == files.reject([file], "x", "x") == files.skip([file], "x", "x") == ()
    files.ready([Ready(file)])
    assert files.hold([file], "x", "x") == ()
    assert desk.state(file) is State.STORED


def test_every_state_can_be_left_or_is_an_end(desk) -> None:
    assert set(FOLLOWERS) == set(State)
    assert all(FOLLOWERS.values())


def test_held_before_a_claim_is_looked_at_again_by_one(desk) -> None:
    (file,) = desk.found("a.jpg")
    assert desk.ledger.files.hold([file], "no-sidecar", "No sidecar", again=Growing(600, 6000)) == (file,)
    owner = desk.owner()
    assert desk.ids(owner) == []
    desk.time += 600
    assert desk.ids(owner) == [file]


def test_change_of_a_table_wakes_what_it_holds(desk, store: Callable[..., Result]) -> None:
    old, new = FileStamp(1, 1, 1), FileStamp(2, 2, 1)
    (held,) = desk.end("a.jpg", result=Result(State.HELD, reason="no-row", depends={"/t.csv": old}))
    (done,) = desk.end(
        "b.jpg", result=Result(State.STORED, identity=store(1).identity, depends={"/t.csv": old, "/s": None})
    )
    assert set(desk.ledger.files.dependencies()) == {"/s", "/t.csv"}
    owner = desk.owner()
    assert desk.ledger.files.touched("/t.csv", old) == ()
    assert desk.ids(owner) == []
    assert desk.ledger.files.touched("/t.csv", new) == (done,)
    assert desk.ids(owner) == [held]
    assert desk.ledger.files.touched("/t.csv", new) == (done,)  # it is not forgotten by a crash
    desk.ledger.files.compared("/t.csv", new, [done])
    assert desk.ledger.files.touched("/t.csv", new) == ()
    assert desk.ledger.files.touched("/s", new) == (done,)
    assert desk.ledger.files.touched("/unknown", new) == ()


def test_digests_found_by_a_scan_are_kept(desk) -> None:
    (file,) = desk.found("a.jpg")
    desk.ledger.files.learn([Facts(file, digest=b"d" * 32, format="jpeg")])
    desk.ledger.files.learn([Facts(file, template="photo")])
    entry = desk.entry(file)
    assert (entry.digest, entry.format, entry.template) == (b"d" * 32, "jpeg", "photo")


def test_original_moves_when_all_destinations_have_answered(desk, store: Callable[..., Result]) -> None:
    one, two = desk.ready("a.jpg", to=["one", "two"], study="1.2")
    owner = desk.owner()
    due = Result(State.STORED, identity=store(1).identity, original_due=True)
    assert desk.ids(owner, ["one"]) == [one]
    desk.ledger.outcomes.record(owner, {one: due})
    assert desk.ledger.files.originals_due("in") == ()
    assert desk.ids(owner, ["two"]) == [two]
    desk.ledger.outcomes.record(owner, {two: due})
    (original,) = desk.ledger.files.originals_due("in")
    assert original.path == "a.jpg"
    assert [each.id for each in original.files] == [one, two]
    desk.ledger.files.original_done(original, "moved to done/a.jpg")
    assert desk.ledger.files.originals_due("in") == ()
    assert ("gateway", "original") in desk.happened(one)


def test_original_that_changed_in_between_stays(desk) -> None:
    result = Result(State.REJECTED, reason="x", original_due=True)
    desk.end("a.jpg", result=result)
    again = desk.found("a.jpg", size=11)
    assert desk.ledger.files.originals_due("in") == ()
    desk.ledger.files.skip(again, "not-meant", "A thumbnail")
    assert desk.ledger.files.originals_due("in") == ()  # what was rejected is not there any more


def test_scan_of_many_files_is_told_in_several_transactions(desk) -> None:
    scan = [(f"ward/{number // 1000}/IMG_{number}.JPG", FileStamp(number, 1, 1)) for number in range(25_000)]
    assert len(desk.ledger.files.see("in", scan, ["archive"]).new) == 25_000
    assert desk.ledger.files.see("in", scan, ["archive"]).new == ()
    assert desk.states() == {"seen": 25_000}
