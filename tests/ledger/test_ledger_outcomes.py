"""Outcomes: recorded once, with the archive's words, and the next time when there is one."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from gateway.ledger import ClaimLost, Difference, Growing, Identity, Query, Result, State, attributes_digest
from gateway.ledger.packing import MAX_ANSWER
from gateway.model import Status

ONE = Identity("1.2", "1.2.1", "1.2.1.1", "1.2.840")


@pytest.mark.parametrize("state", sorted(Status))
def test_every_outcome_has_a_state(state: Status) -> None:
    if state is Status.RENDERED:
        with pytest.raises(ValueError, match="rendered"):
            State.of(state)
    else:
        assert State.of(state) in State


def test_outcome_keeps_the_archives_words(desk) -> None:
    result = Result(
        State.WARNING,
        reason="B000",
        text="The archive changed a value",
        identity=ONE,
        digest=b"d" * 32,
        format="jpeg",
        template="photo",
        attributes={"PatientName": "Müller^Änne", "Long": "x" * 5000},
        answer="{" + "y" * 100_000,
        retrieve_url="http://archive/studies/1.2",
        attempts=1,
        sent=123,
        seconds=0.5,
        messages=("wrong extension", "\udcff"),
        doubt=False,
    )
    (file,) = desk.end("a.jpg", result=result)
    detail = desk.ledger.reports.detail(file)
    entry = detail.entry
    assert (entry.state, entry.reason, entry.text) == (State.WARNING, "B000", "The archive changed a value")
    assert (entry.identity, entry.digest, entry.format, entry.template) == (ONE, b"d" * 32, "jpeg", "photo")
    assert (entry.attempts, entry.sent, entry.seconds) == (1, 123, 0.5)
    assert entry.retrieve_url == "http://archive/studies/1.2"
    assert entry.attributes_digest == attributes_digest(result.attributes)
    assert detail.messages == ("wrong extension", "\\udcff")
    assert len(detail.answer) == MAX_ANSWER
    assert detail.attributes["PatientName"] == "Müller^Änne"
    assert len(detail.attributes["Long"]) == 1024
    assert desk.happened(file) == [("worker", "warning")]


def test_outcome_counts_once(desk, store: Callable[..., Result]) -> None:
    (file,) = desk.ready("a.jpg", study="1.2")
    owner = desk.owner()
    desk.claim(owner)
    desk.ledger.outcomes.record(owner, {file: store(1)})
    with pytest.raises(ClaimLost):
        desk.ledger.outcomes.record(owner, {file: store(1)})
    assert desk.states() == {"stored": 1}
    assert [(each.state, each.files, each.size) for each in desk.ledger.reports.hours()] == [
        (State.SEEN, 1, 10),
        (State.STORED, 1, 10),
    ]


def test_nothing_is_recorded_when_one_file_is_not_the_owners(desk, store: Callable[..., Result]) -> None:
    one, two = desk.ready("a.jpg", "b.jpg")
    owner = desk.owner()
    assert desk.ids(owner) == [one]
    with pytest.raises(ClaimLost, match="1 of 2 files"):
        desk.ledger.outcomes.record(owner, {one: store(1), two: store(2)})
    assert desk.states() == {"claimed": 1, "ready": 1}
    assert desk.ledger.studies.instance("1.2.1.1") == ()


@pytest.mark.parametrize("state", ["claimed", "settling", "changed"])
def test_states_that_no_outcome_is_are_refused(desk, state: str) -> None:
    (file,) = desk.ready("a.jpg")
    owner = desk.owner()
    desk.claim(owner)
    with pytest.raises(ValueError, match=state):
        desk.ledger.outcomes.record(owner, {file: Result(State(state))})


def test_retries_come_later_and_later(desk) -> None:
    (file,) = desk.ready("a.jpg")
    owner = desk.owner()
    delays = []
    for _ in range(5):
        assert desk.ids(owner) == [file]
        result = Result(State.RETRY, reason="503", attempts=1, again=Growing(10, 50))
        desk.ledger.outcomes.record(owner, {file: result})
        delays.append(desk.entry(file).due - desk.time)
        desk.time += delays[-1] - 0.5
        assert desk.ids(owner) == []
        desk.time += 0.5
    assert delays == [10, 20, 40, 50, 50]
    assert desk.entry(file).attempts == 5
    assert desk.happened(file) == [("worker", "retry")]  # the same again is no news


def test_archive_that_asks_for_time_gets_it(desk) -> None:
    (file,) = desk.end("a.jpg", result=Result(State.RETRY, attempts=1, again=Growing(10, 50), after=300))
    assert desk.entry(file).due == desk.time + 300


def test_outage_costs_no_attempt(desk) -> None:
    (file,) = desk.end("a.jpg", result=Result(State.RETRY, text="The archive does not answer"))
    assert desk.entry(file).attempts == 0
    assert desk.entry(file).due > desk.time


def test_file_given_back_without_an_outcome_is_ready_again(desk) -> None:
    (file,) = desk.end("a.jpg", result=Result(State.READY, after=5))
    owner = desk.owner()
    assert desk.ids(owner) == []
    desk.time += 5
    assert desk.ids(owner) == [file]


def test_hold_that_goes_on_is_as_old_as_it_is(desk) -> None:
    (file,) = desk.ready("a.jpg")
    began = desk.time
    owner = desk.owner()
    delays = []
    for _ in range(3):
        assert desk.ids(owner) == [file]
        result = Result(State.HELD, reason="no-row", text="No row", again=Growing(600, 86400))
        desk.ledger.outcomes.record(owner, {file: result})
        delays.append(desk.entry(file).due - desk.time)
        desk.time += delays[-1]
    assert delays == [600, 1200, 2400]
    assert desk.entry(file).since == began
    assert [each.since for each in desk.ledger.reports.oldest()] == [began]
    assert desk.happened(file) == [("worker", "held")]
    assert desk.ids(owner) == [file]
    desk.ledger.outcomes.record(owner, {file: Result(State.HELD, reason="twins", text="Two rows")})
    entry = desk.entry(file)
    assert (entry.since, entry.checks, entry.due) == (desk.time, 1, None)
    assert desk.happened(file) == [("worker", "held"), ("worker", "held")]


def test_stored_attributes_that_would_differ_are_shown_not_sent(desk) -> None:
    before = {"PatientID": "1", "PatientName": "Mayer^A", "StudyDescription": "x"}
    after = {"PatientID": "1", "PatientName": "Meier^A", "Modality": "XC"}
    (file,) = desk.end("a.jpg", result=Result(State.STORED, identity=ONE, attributes=before))
    outcomes = desk.ledger.outcomes
    assert outcomes.compare(file, before, "same") == ()
    assert desk.state(file) is State.STORED
    assert outcomes.compare(file, after, "Its row has changed") == (
        Difference("PatientName", "Mayer^A", "Meier^A"),
        Difference("StudyDescription", "x", None),
        Difference("Modality", None, "XC"),
    )
    detail = desk.ledger.reports.detail(file)
    assert (detail.entry.state, detail.entry.text) == (State.CHANGED, "Its row has changed")
    assert (detail.attributes, detail.wanted) == (before, after)
    assert desk.claim(desk.owner()) is None
    assert desk.ledger.studies.stored("1.2.1.1", "archive").id == file
    assert outcomes.compare(file, before, "same") == ()
    assert desk.state(file) is State.STORED
    assert desk.ledger.reports.detail(file).wanted is None
    assert [what for _, what in desk.happened(file)] == ["stored", "changed", "unchanged"]


def test_what_was_never_stored_is_not_compared(desk) -> None:
    (held,) = desk.end("a.jpg", result=Result(State.HELD, attributes={"A": "1"}))
    (bare,) = desk.end("b.jpg", result=Result(State.STORED, identity=ONE))
    for file in (held, bare, 999):
        assert desk.ledger.outcomes.compare(file, {"A": "2"}, "x") == ()
    assert desk.states() == {"held": 1, "stored": 1}


def test_revision_is_raised_on_purpose(desk) -> None:
    (file,) = desk.end("a.jpg", result=Result(State.STORED, identity=ONE, attributes={"A": "1"}))
    assert desk.ledger.decisions.revise(Query(), "anna") == 0
    desk.ledger.outcomes.compare(file, {"A": "2"}, "x")
    assert desk.ledger.decisions.revise(Query(ids=(file,)), "anna") == 1
    owner = desk.owner()
    (entry,) = desk.claim(owner).files
    assert (entry.id, entry.revision) == (file, 1)
    new = Identity("1.2", "1.2.1", "1.2.1.2", "1.2.840")
    result = Result(State.STORED, identity=new, attributes={"A": "2"})
    desk.ledger.outcomes.record(owner, {file: result})
    detail = desk.ledger.reports.detail(file)
    assert (detail.entry.identity, detail.attributes, detail.wanted) == (new, {"A": "2"}, None)
    assert desk.happened(file)[-2:] == [("anna", "revise"), ("worker", "stored")]
