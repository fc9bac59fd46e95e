"""What a person decides is done once, to what was meant, and with the person's name."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from gateway.ledger import Identity, Query, Result, State

STORED = {"PatientID": "1", "StudyDescription": "Foot"}
WANTED = {"PatientID": "1", "StudyDescription": "Hand", "Laterality": "L"}


def changed(desk, wanted: dict[str, str] = WANTED, state: State = State.STORED) -> int:
    """A file that is stored, and would be sent with other attributes now."""
    result = Result(state, identity=Identity("1.2", "1.2.1", "1.2.1.1", "1.2.840"), attributes=STORED)
    (file,) = desk.end("a.jpg", result=result)
    assert desk.ledger.outcomes.compare(file, wanted, "Its row has changed")
    return file


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


@pytest.mark.parametrize("state", [State.STORED, State.WARNING, State.DUPLICATE])
def test_dismissed_change_is_not_shown_again(desk, state: State) -> None:
    file = changed(desk, state=state)
    desk.time += 60
    assert desk.ledger.decisions.dismiss(Query(), "anna", "The list is wrong") == 1
    assert desk.ledger.decisions.dismiss(Query(), "anna", "The list is wrong") == 0
    entry = desk.entry(file)
    assert (entry.state, entry.text, entry.since) == (state, None, desk.time)
    last = desk.ledger.reports.detail(file).events[-1]
    assert (last.who, last.what, last.at) == ("anna", "dismiss", desk.time)
    assert last.text == "The list is wrong (StudyDescription, Laterality)"
    assert desk.claim(desk.owner()) is None
    assert desk.ledger.files.originals_due("in") == ()
    for _ in range(2):
        assert desk.ledger.outcomes.compare(file, WANTED, "Its row has changed") == ()
        assert desk.state(file) is state
    detail = desk.ledger.reports.detail(file)
    assert (detail.attributes, detail.wanted, detail.events[-1].what) == (STORED, None, "dismiss")


def test_yet_another_change_is_shown(desk) -> None:
    file = changed(desk)
    desk.ledger.decisions.dismiss(Query(ids=(file,)), "anna", "no")
    outcomes = desk.ledger.outcomes
    (other,) = outcomes.compare(file, {**STORED, "StudyDescription": "Arm"}, "Its row has changed again")
    assert (other.stored, other.wanted) == ("Foot", "Arm")
    assert desk.state(file) is State.CHANGED
    assert outcomes.compare(file, WANTED, "and back") == ()  # what was dismissed stays so
    assert desk.state(file) is State.STORED
    assert outcomes.compare(file, STORED, "as it was") == ()
    assert outcomes.compare(file, WANTED, "and back") == ()
    assert [what for _, what in desk.happened(file)] == [
        "stored", "changed", "dismiss", "changed", "unchanged"
    ]  # fmt: skip


def test_change_that_is_too_long_to_be_kept_is_dismissed_whole(desk) -> None:
    wanted = {**STORED, "PatientComments": "x" * 5000}
    file = changed(desk, wanted)
    desk.ledger.decisions.dismiss(Query(), "anna", "no")
    assert desk.ledger.outcomes.compare(file, wanted, "same") == ()
    assert desk.state(file) is State.STORED
    assert desk.ledger.outcomes.compare(file, {**STORED, "PatientComments": "x" * 4999 + "y"}, "other")
    assert desk.state(file) is State.CHANGED


def test_what_is_sent_again_has_nothing_dismissed(desk) -> None:
    file = changed(desk)
    desk.ledger.decisions.dismiss(Query(), "anna", "no")
    assert desk.ledger.decisions.retry(Query(ids=(file,)), "anna") == 1
    owner = desk.owner()
    desk.claim(owner)
    new = Result(State.STORED, identity=Identity("1.2", "1.2.1", "1.2.1.2"), attributes={"PatientID": "1"})
    desk.ledger.outcomes.record(owner, {file: new})
    assert desk.ledger.outcomes.compare(file, WANTED, "x")
    assert desk.state(file) is State.CHANGED


def test_only_what_is_changed_is_dismissed(desk) -> None:
    (held,) = desk.end("b.jpg", result=Result(State.HELD, reason="no-row"))
    (stored,) = desk.end("c.jpg")
    file = changed(desk)
    assert desk.ledger.decisions.reject(Query(ids=(file, stored)), "anna", "no") == 0
    assert desk.ledger.decisions.dismiss(Query(ids=(held, stored)), "anna", "no") == 0
    assert desk.states() == {"held": 1, "stored": 1, "changed": 1}


def test_dismissal_is_forgotten_with_its_words(desk) -> None:
    file = changed(desk)
    desk.ledger.decisions.dismiss(Query(), "anna", "Meier^Anna is right")
    desk.time += 10
    desk.ledger.decisions.look([file], "ben", "find")
    assert desk.ledger.upkeep.purge(desk.time, "anna") == 1
    events = desk.ledger.reports.detail(file).events
    assert [(each.who, each.what, each.text) for each in events[-2:]] == [
        ("anna", "dismiss", None),
        ("ben", "find", None),
    ]


def test_who_looked_is_kept_of_every_file(desk) -> None:
    ids = desk.found(*(f"{number}.jpg" for number in range(3)))
    desk.ledger.decisions.look(ids[:2], "anna\udcff", "show")
    desk.ledger.decisions.look([], "anna", "show")
    found = [(each.file, each.who, each.at) for each in desk.ledger.reports.events() if each.what == "show"]
    assert found == [(each, "anna\\udcff", desk.time) for each in ids[:2]]
    assert desk.states() == {"seen": 3}


def test_thousands_are_decided_about(desk) -> None:
    ids = desk.found(*(f"{number}.jpg" for number in range(12_000)))
    desk.ledger.files.hold(ids, "no-row", "No row")
    assert desk.ledger.decisions.retry(Query(reason="no-row"), "anna") == 12_000
    assert desk.states() == {"ready": 12_000}


def test_note_of_what_else_was_done(desk) -> None:
    desk.ledger.decisions.note("anna", "export", "all held files")
    (event,) = desk.ledger.reports.events()
    assert (event.who, event.what, event.file, event.text) == ("anna", "export", None, "all held files")
