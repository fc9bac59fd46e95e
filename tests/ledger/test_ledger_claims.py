"""Claims: one owner a study, oldest first, and nothing kept by the dead."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from gateway.ledger import ClaimLost, Growing, Identity, Ready, Result, State
from gateway.ledger.claims import LEASE, PATIENCE
from gateway.ledger.processes import Process


def test_claim_has_all_files_of_the_study_that_waited_longest(desk) -> None:
    (late,) = desk.ready("late.jpg", study="9")
    desk.time += 10
    first = desk.ready("a1.jpg", "a2.jpg", study="1")
    desk.time += 10
    more = desk.ready("a3.jpg", study="1")
    claim = desk.claim(desk.owner())
    assert claim.study == "9"
    assert [each.id for each in claim.files] == [late]
    claim = desk.claim(desk.owner())
    assert (claim.study, claim.destination) == ("1", "archive")
    assert [each.id for each in claim.files] == [*first, *more]
    assert {each.state for each in claim.files} == {State.CLAIMED}


def test_no_two_owners_have_one_study_for_one_destination(desk) -> None:
    desk.ready("a.jpg", study="1", to=["one", "two"])
    first, second = desk.owner(), desk.owner()
    assert desk.claim(first, ["one"]).study == "1"
    desk.ready("b.jpg", study="1", to=["one", "two"])
    assert desk.claim(second, ["one"]) is None
    assert desk.claim(first, ["one"]) is None
    assert len(desk.claim(second, ["two"]).files) == 2


def test_only_destinations_that_take_something_are_claimed_for(desk) -> None:
    desk.ready("a.jpg", to=["down", "up"])
    owner = desk.owner()
    assert desk.claim(owner, ["up", "unknown"]).destination == "up"
    assert desk.claim(owner, ["up"]) is None
    assert desk.claim(owner, []) is None


def test_files_that_nothing_holds_together_are_claimed_alone(desk) -> None:
    desk.ready("a.jpg", "b.jpg")
    owner = desk.owner()
    assert [len(desk.ids(owner)) for _ in range(3)] == [1, 1, 0]


def test_group_is_claimed_as_a_whole_in_its_folder(desk) -> None:
    here = desk.ready("exam1/a.jpg", "exam1/b.jpg", group="exam1")
    (there,) = desk.found("exam1/a.jpg", folder="other")
    desk.ledger.files.ready([Ready(there, group="exam1")])
    owner = desk.owner()
    assert desk.ids(owner) == list(here)
    assert desk.ids(owner) == [there]


def test_claim_of_many_units_stays_within_its_limits(desk) -> None:
    desk.ready("a.jpg", "b.jpg", "c.jpg")
    desk.ready("1.jpg", "2.jpg", "3.jpg", study="1")
    owner = desk.owner()
    claims = desk.ledger.claims.claim(owner, ["archive"], units=10, files=5)
    assert [len(each.files) for each in claims] == [1, 1, 1, 2]
    assert desk.claim(owner) is None
    desk.ledger.claims.release(claims[3])
    assert len(desk.claim(owner).files) == 3


def test_order_can_be_given(desk) -> None:
    ids = desk.found("a.jpg", "b.jpg", "c.jpg")
    desk.ledger.files.ready(Ready(each, due=due) for each, due in zip(ids, (3.0, 1.0, 2.0), strict=True))
    owner = desk.owner()
    assert [desk.ids(owner)[0] for _ in ids] == [ids[1], ids[2], ids[0]]


def test_rest_of_a_large_study_comes_with_the_next_claim(desk, store: Callable[..., Result]) -> None:
    ids = desk.ready(*(f"{number}.jpg" for number in range(10)), study="1.2")
    owner, other = desk.owner(), desk.owner()
    claim = desk.claim(owner, files=4)
    assert [each.id for each in claim.files] == list(ids[:4])
    assert desk.claim(other) is None
    desk.ledger.outcomes.record(owner, {each.id: store(each.id) for each in claim.files})
    assert desk.ids(other) == list(ids[4:])


@pytest.mark.parametrize("state", ["retry", "held"])
def test_files_that_are_given_back_are_as_they_were(desk, state: str) -> None:
    result = Result(State(state), reason="r", again=Growing(10, 10))
    (file,) = desk.end("a.jpg", result=result)
    desk.time += 10
    owner = desk.ledger.claims.join("here", Process("host", "space", 42, "1"))
    claim = desk.claim(owner)
    desk.ledger.claims.release(claim)
    assert desk.state(file) == state
    assert desk.ids(owner) == [file]
    desk.running[42] = False
    desk.ledger.claims.expire()
    entry = desk.entry(file)
    assert (entry.state, entry.reason, entry.since) == (state, "r", desk.time - 10)
    assert desk.ids(desk.owner()) == [file]


def test_time_after_which_a_unit_is_due_follows_its_files(desk) -> None:
    early, late = desk.found("early.jpg", "late.jpg")
    (other,) = desk.found("other.jpg")
    desk.ledger.files.ready(
        [Ready(early, study="1", due=1), Ready(late, study="1", due=9), Ready(other, due=5)]
    )
    desk.ledger.files.vanished("in", ["early.jpg"])
    owner = desk.owner()
    assert [desk.ids(owner), desk.ids(owner)] == [[other], [late]]


def test_files_move_to_their_study_once_it_is_known(desk, store: Callable[..., Result]) -> None:
    ids = desk.ready("a.jpg", "b.jpg", "c.jpg", group="exam")
    owner = desk.owner()
    desk.claim(owner)
    done = desk.ledger.claims.regroup(owner, {ids[0]: "1.1", ids[1]: "1.2", ids[2]: "1.1"})
    assert done.waiting == ()
    assert {each.study: [file.id for file in each.files] for each in done.claims} == {
        "1.1": [ids[0], ids[2]],
        "1.2": [ids[1]],
    }
    for claim in done.claims:
        desk.ledger.outcomes.record(owner, {each.id: store(each.id, claim.study) for each in claim.files})
    assert desk.states() == {"stored": 3}


def test_files_of_a_study_that_another_builds_wait_for_it(desk, store: Callable[..., Result]) -> None:
    (first,) = desk.ready("a.jpg")
    one = desk.owner()
    desk.claim(one)
    desk.ledger.claims.regroup(one, {first: "1.2"})
    (second,) = desk.ready("b.jpg")
    two = desk.owner()
    desk.claim(two)
    assert desk.ledger.claims.regroup(two, {second: "1.2"}).waiting == (second,)
    assert desk.state(second) is State.READY
    assert desk.claim(two) is None
    desk.ledger.outcomes.record(one, {first: store(first)})
    claim = desk.claim(two)
    assert (claim.study, [each.id for each in claim.files]) == ("1.2", [second])


def test_claim_that_was_regrouped_leaves_the_rest_of_its_group_claimed(desk) -> None:
    one, two = desk.ready("a.jpg", "b.jpg", group="exam")
    owner = desk.owner()
    claim = desk.claim(owner)
    desk.ledger.claims.regroup(owner, {one: "1.2"})
    assert desk.claim(desk.owner()) is None
    desk.ledger.claims.release(claim)
    assert [desk.state(each) for each in (one, two)] == [State.CLAIMED, State.READY]


def test_silent_owner_that_cannot_be_seen_loses_its_claims_after_ten_seconds(desk) -> None:
    (file,) = desk.ready("a.jpg")
    owner = desk.ledger.claims.join("elsewhere", Process("other", "space", 42, "1"))
    desk.running[42] = None
    desk.claim(owner)
    desk.time += LEASE
    assert desk.ledger.claims.expire() == ()
    desk.time += 0.1
    assert LEASE <= 10
    assert desk.ledger.claims.expire() == (file,)
    entry = desk.entry(file)
    assert (entry.state, entry.crashes) == (State.READY, 1)
    assert desk.ids(desk.owner()) == [file]
    assert desk.happened(file) == [("elsewhere", "expired")]


def test_owner_that_beats_keeps_its_claims(desk) -> None:
    desk.ready("a.jpg")
    owner = desk.ledger.claims.join("elsewhere", Process("other", "space", 42, "1"))
    desk.running[42] = None
    desk.claim(owner)
    for _ in range(10):
        desk.time += LEASE - 1
        desk.ledger.claims.beat(owner)
        assert desk.ledger.claims.expire() == ()


def test_owner_whose_process_is_gone_loses_its_claims_at_once(desk) -> None:
    (file,) = desk.ready("a.jpg")
    owner = desk.ledger.claims.join("here", Process("host", "space", 42, "1"))
    desk.claim(owner)
    assert desk.ledger.claims.expire() == ()
    desk.running[42] = False
    assert desk.ledger.claims.expire() == (file,)
    assert desk.ledger.claims.expire() == ()


def test_owner_that_can_be_seen_to_run_has_longer(desk) -> None:
    (file,) = desk.ready("a.jpg")
    desk.claim(desk.owner())
    desk.time += PATIENCE
    assert desk.ledger.claims.expire() == ()
    desk.time += 1
    assert desk.ledger.claims.expire() == (file,)


def test_owner_that_was_given_up_has_no_say_any_more(desk, store: Callable[..., Result]) -> None:
    (file,) = desk.ready("a.jpg", study="1.2")
    late = desk.ledger.claims.join("late", Process("host", "space", 42, "1"))
    claim = desk.claim(late)
    desk.running[42] = False
    desk.ledger.claims.expire()
    owner = desk.owner()
    desk.claim(owner)
    with pytest.raises(ClaimLost, match="join again") as caught:
        desk.ledger.claims.beat(owner, late)
    assert caught.value.owners == (late,)
    desk.ready("b.jpg")
    with pytest.raises(ClaimLost, match="joins again before it claims"):
        desk.claim(late)
    with pytest.raises(ClaimLost, match="no longer"):
        desk.ledger.outcomes.record(late, {file: store(1)})
    with pytest.raises(ClaimLost):
        desk.ledger.claims.sending(late, {file: Identity("1", "1.1", "1.1.1")})
    with pytest.raises(ClaimLost):
        desk.ledger.claims.regroup(late, {file: "1.3"})
    desk.ledger.claims.release(claim)
    assert desk.state(file) is State.CLAIMED
    desk.ledger.outcomes.record(owner, {file: store(1)})
    assert desk.happened(file) == [("late", "expired"), ("worker", "stored")]


def test_owner_that_leaves_gives_back_what_it_has(desk) -> None:
    (file,) = desk.ready("a.jpg")
    owner = desk.owner()
    desk.claim(owner)
    desk.ledger.claims.leave(owner)
    desk.ledger.claims.leave(owner)
    entry = desk.entry(file)
    assert (entry.state, entry.crashes) == (State.READY, 0)
    assert [each.gone_at for each in desk.ledger.claims.owners(gone=True)] == [desk.time]
    assert desk.ledger.claims.owners() == ()


def test_what_may_have_been_sent_is_known_after_a_crash(desk) -> None:
    (file,) = desk.ready("a.jpg", study="1.2")
    owner = desk.ledger.claims.join("here", Process("host", "space", 42, "1"))
    desk.claim(owner)
    identity = Identity("1.2", "1.2.1", "1.2.1.1", "1.2.840")
    desk.ledger.claims.sending(owner, {file: identity})
    desk.running[42] = False
    desk.ledger.claims.expire()
    (entry,) = desk.claim(desk.owner()).files
    assert (entry.doubt, entry.identity) == (True, identity)


def test_units_without_files_are_not_kept(desk, store: Callable[..., Result]) -> None:
    ids = desk.ready("a.jpg", "b.jpg", study="1.2")
    desk.found("a.jpg", size=11)
    owner = desk.owner()
    assert desk.ids(owner) == [ids[1]]
    desk.ledger.outcomes.record(owner, {ids[1]: store(1)})
    desk.ready("c.jpg", group="g")
    desk.ledger.files.vanished("in", ["c.jpg"])
    with desk.ledger._database.read() as transaction:
        assert transaction._connection.execute("SELECT count(*) FROM units").fetchone()[0] == 0
