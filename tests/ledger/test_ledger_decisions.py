"""What a person decides is done once, to what was meant, and with the person's name."""

from __future__ import annotations

from collections.abc import Callable

from gateway.ledger import Query, Result, State


def test_retry_takes_all_of_a_reason(desk) -> None:
    one = desk.end("a.jpg", result=Result(State.HELD, reason="no-row"))
    desk.end("b.jpg", result=Result(State.HELD, reason="no-sidecar"))
    two = desk.end("c.jpg", result=Result(State.REFUSED, reason="no-row", attempts=3))
    held = frozenset({State.HELD, State.REFUSED})
    assert desk.ledger.decisions.retry(Query(states=held, reason="no-row"), "anna") == 2
    owner = desk.owner()
    claims = desk.ledger.claims.claim(owner, ["archive"], units=9)
    assert sorted(each.id for claim in claims for each in claim.files) == sorted([*one, *two])
    assert desk.entry(two[0]).attempts == 0
    assert desk.happened(two[0])[-1] == ("anna", "retry")


def test_files_of_one_study_are_retried_together(desk, store: Callable[..., Result]) -> None:
    ids = desk.end("a.jpg", "b.jpg")
    assert desk.ledger.decisions.retry(Query(ids=ids), "anna") == 2
    claim = desk.claim(desk.owner())
    assert (claim.study, [each.id for each in claim.files]) == ("1.2", list(ids))


def test_what_is_being_sent_or_growing_is_not_retried(desk) -> None:
    desk.ready("a.jpg")
    desk.claim(desk.owner())
    desk.found("b.jpg")
    assert desk.ledger.decisions.retry(Query(), "anna") == 0
    assert desk.states() == {"claimed": 1, "seen": 1}


def test_held_file_gets_what_it_lacks(desk) -> None:
    (file,) = desk.end("a.jpg", result=Result(State.HELD, reason="unidentified"))
    (stored,) = desk.end("b.jpg")
    decisions = desk.ledger.decisions
    assert decisions.assign(Query(ids=(file, stored)), "anna", {"PatientID": "1", "PatientSex": "F"}) == 1
    owner = desk.owner()
    (entry,) = desk.claim(owner).files
    assert entry.assigned == {"PatientID": "1", "PatientSex": "F"}
    desk.ledger.claims.leave(owner)
    desk.ledger.files.hold([file], "twins", "Two patients")
    assert decisions.assign(Query(ids=(file,)), "ben", {"PatientID": "2"}, study="1.2.3") == 1
    entry = desk.entry(file)
    assert (entry.assigned, entry.assigned_study) == ({"PatientID": "2", "PatientSex": "F"}, "1.2.3")
    last = desk.ledger.reports.detail(file).events[-1]
    assert (last.who, last.what) == ("ben", "assign")
    assert "1.2.3" in last.text


def test_rejected_by_hand(desk) -> None:
    (held,) = desk.end("a.jpg", result=Result(State.HELD, reason="no-row"))
    (stored,) = desk.end("b.jpg")
    assert desk.ledger.decisions.reject(Query(), "anna", "Not ours") == 1
    entry = desk.entry(held)
    assert (entry.state, entry.text, entry.finished_at) == (State.REJECTED, "Not ours", desk.time)
    assert desk.state(stored) is State.STORED
    assert [each.path for each in desk.ledger.files.originals_due("in")] == ["a.jpg"]
    assert desk.claim(desk.owner()) is None


def test_thousands_are_decided_about(desk) -> None:
    ids = desk.found(*(f"{number}.jpg" for number in range(12_000)))
    desk.ledger.files.hold(ids, "no-row", "No row")
    assert desk.ledger.decisions.retry(Query(reason="no-row"), "anna") == 12_000
    assert desk.states() == {"ready": 12_000}


def test_note_of_what_else_was_done(desk) -> None:
    desk.ledger.decisions.note("anna", "export", "all held files")
    (event,) = desk.ledger.reports.events()
    assert (event.who, event.what, event.file, event.text) == ("anna", "export", None, "all held files")
