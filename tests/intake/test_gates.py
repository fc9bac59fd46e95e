"""When a destination is paused and goes on: nothing is lost, and no file pays for an outage."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from driven import Answer, Book, Driven, configure, driven, failed, picture, status, unreachable
from gateway.config import Destination, Site
from gateway.errors import Fatal, Refused
from gateway.intake.archives import FIRST_PAUSE, LONGEST_PAUSE, Gate
from gateway.intake.configuration import Archive
from gateway.ledger import Query, State
from gateway.stow.client import Client

URL = "http://archive.test/dicom-web"


class Clock:
    def __init__(self) -> None:
        self.time = 0.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.time += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


def gate(clock: Clock, **more: Any) -> Gate:
    return Gate(Archive("archive", Destination(URL), **more), clock=clock, sleep=clock.sleep)


# The breaker


def test_breaker_opens_for_longer_each_time_and_closes_at_once(clock: Clock) -> None:
    it = gate(clock)
    pauses = []
    for _ in range(10):
        assert it.admits()
        it.failed("it does not answer")
        began = clock.time
        while not it.admits():
            clock.time += 1
        pauses.append(clock.time - began)
        it.give_up_turn()
    assert pauses[:3] == [FIRST_PAUSE, 2 * FIRST_PAUSE, 4 * FIRST_PAUSE]
    assert pauses[-1] == LONGEST_PAUSE
    assert it.health.paused_since == 0.0
    assert it.succeeded() is True
    assert (it.health.paused_since, it.admits(), it.admits()) == (None, True, True)
    it.failed("again")
    clock.time += FIRST_PAUSE
    assert it.admits()


def test_one_send_probes_and_the_others_wait(clock: Clock) -> None:
    it = gate(clock)
    it.failed("it does not answer")
    clock.time += FIRST_PAUSE
    assert [it.admits() for _ in range(3)] == [True, False, False]
    it.give_up_turn()
    assert it.admits()


def test_what_the_archive_asks_for_is_waited_for(clock: Clock) -> None:
    it = gate(clock)
    it.failed("busy", after=120)
    clock.time += 119
    assert not it.admits()
    clock.time += 1
    assert it.admits()


def test_only_the_first_failure_is_news(clock: Clock) -> None:
    it = gate(clock)
    assert [it.failed("x"), it.failed("y"), it.succeeded(), it.succeeded()] == [True, False, True, False]
    assert it.failed("z", refused=True)
    assert (it.health.why, it.health.refused) == ("z", True)


def test_rate_is_kept_over_all_sends(clock: Clock) -> None:
    asked: list[float] = []

    def answer(_: httpx.Request) -> httpx.Response:
        asked.append(clock.time)
        return httpx.Response(204)

    it = Gate(
        Archive("archive", Destination(URL), rate=2.0),
        clock=clock,
        sleep=clock.sleep,
        open_client=lambda to: Client(to, transport=httpx.MockTransport(answer)),
    )
    for _ in range(4):
        it.instances_of("1.2", Site())
    assert asked == [0.0, 0.5, 1.0, 1.5]


def test_connection_that_cannot_be_set_up_pauses_the_destination(clock: Clock) -> None:
    def broken(_: Destination) -> Client:
        raise Fatal("the certificate is not there")

    it = Gate(Archive("archive", Destination(URL)), clock=clock, sleep=clock.sleep, open_client=broken)
    with pytest.raises(Refused, match="the certificate is not there"):
        it.instances_of("1.2", Site())


# Outages, as files meet them


@pytest.fixture
def book() -> Book:
    return Book()


@pytest.fixture
def it(tmp_path: Path, book: Book) -> Iterator[Driven]:
    with driven(configure(tmp_path, URL), archive=book) as made:
        yield made


def drop(it: Driven, count: int = 1) -> list[str]:
    names = [f"4711001_20240531_L_{number}.jpg" for number in range(count)]
    for number, name in enumerate(names):
        picture(it.inbox / name, number)
    it.settle()
    return names


def until_done(it: Driven, seconds: float = 3600) -> None:
    """Workers come by every second."""
    end = it.passed + seconds
    while any(row.state is not State.STORED for row in it.rows()):
        assert it.passed < end, it.states()
        it.work()
        it.passed += 1


def test_outage_pauses_and_files_keep_their_attempts(it: Driven, book: Book) -> None:
    names = drop(it, 5)
    book.answers += [unreachable] * 40
    it.work()
    assert it.events("paused")
    assert sorted(it.states().values()) == ["ready"] * 4 + ["retry paused"]
    until_done(it)
    assert {row.path: row.attempts for row in it.rows()} == dict.fromkeys(names, 1)
    assert len(it.events("paused")) == len(it.events("resumed")) == 1
    assert set(book.stored.values()) == {1}


def test_retry_after_is_honoured(it: Driven, book: Book) -> None:
    drop(it, 2)
    book.answers += [status(503, Retry_After="600")] * 20
    it.work()
    sent = sum(book.posted.values())
    began = it.passed
    while it.passed < began + 590:
        it.work()
        it.passed += 5
    assert sum(book.posted.values()) == sent
    book.answers.clear()
    until_done(it)
    assert [row.attempts for row in it.rows()] == [1, 1]


@pytest.mark.parametrize("code", [401, 403, 404])
def test_destination_that_does_not_let_us_in_rejects_nothing(it: Driven, book: Book, code: int) -> None:
    drop(it, 3)
    book.answers += [status(code)] * 3
    it.work()
    assert it.gate.health.refused
    assert sum(book.posted.values()) == 1
    assert set(it.states().values()) == {"ready", "retry paused"}
    book.answers.clear()
    until_done(it)
    assert set(book.stored.values()) == {1}


def test_refused_token_is_fetched_anew_once(tmp_path: Path, book: Book) -> None:
    """Only when the new one is refused as well is the destination paused."""
    token = tmp_path / "token"
    token.write_text("old")
    seen: list[str] = []

    def archive(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers["Authorization"])
        return book(request) if seen[-1] == "Bearer new" else httpx.Response(401)

    destination = {"url": URL, "auth": {"bearer": {"file": str(token)}}, "jobs": 1}
    with driven(configure(tmp_path, destinations={"archive": destination}), archive=archive) as it:
        drop(it)
        it.work()
        assert it.gate.health.refused
        assert [row.state for row in it.rows()] == [State.RETRY]
        token.write_text("new")
        until_done(it)
    assert seen[-1] == "Bearer new"
    assert len(seen) <= 4


def test_lost_answer_is_looked_up_before_anything_is_sent_again(it: Driven, book: Book) -> None:
    drop(it)
    book.answers.append(book.losing)
    it.work()
    assert (it.rows()[0].state, len(book.searches), set(book.posted.values())) == (State.STORED, 1, {1})


def test_answer_that_cannot_be_looked_up_is_looked_up_later(it: Driven, book: Book) -> None:
    drop(it)
    book.answers.append(book.losing)
    book.searching = lambda _: httpx.Response(503)
    it.work()
    assert (it.rows()[0].state, it.rows()[0].doubt) == (State.RETRY, True)
    book.searching = None
    until_done(it)
    assert set(book.posted.values()) == {1}


def test_archive_that_hangs_up_on_everything_gets_one_file_at_a_time(it: Driven, book: Book) -> None:
    """As a load balancer does whose archive is down: nobody knows what became of a request."""

    def hang_up(request: httpx.Request, *_: object) -> httpx.Response:
        raise httpx.RemoteProtocolError("closed", request=request)

    drop(it, 10)
    book.answers += [hang_up] * 1000
    book.searching = hang_up
    it.work()
    assert it.events("paused") == [{"destination": "archive"}]
    assert len(book.posted) == 1
    assert sorted(it.states().values()) == ["ready"] * 9 + ["retry unknown"]
    book.answers.clear()
    book.searching = None
    until_done(it)
    assert set(book.stored.values()) == {1}


def test_lost_request_is_sent_again_once_the_archive_says_it_has_it_not(it: Driven, book: Book) -> None:
    def lost(request: httpx.Request, _: list[str]) -> httpx.Response:
        raise httpx.ReadTimeout("", request=request)

    drop(it)
    book.answers += [lost] * 3
    until_done(it)
    assert len(book.searches) >= 3
    assert set(book.stored.values()) == {1}


def test_what_was_being_sent_when_its_owner_died_is_looked_up(it: Driven, book: Book) -> None:
    drop(it)
    [claim] = it.ledger.claims.claim(it.workers[0].owner, ["archive"])
    it.ledger.claims.release(claim)
    worker = it.workers[0]

    class Killed(BaseException):
        pass

    def dying(request: httpx.Request, uids: list[str]) -> httpx.Response:
        book.store(request, uids)
        raise Killed

    book.answers.append(dying)
    with pytest.raises(Killed):
        worker.step()
    it.ledger.claims.leave(worker.owner)
    worker.join_again()
    it.work()
    assert [row.state for row in it.rows()] == [State.STORED]
    assert (set(book.posted.values()), len(book.searches)) == ({1}, 1)


def unsafe(tmp_path: Path) -> Any:
    archive = {"url": URL, "jobs": 1, "resend": "unsafe"}
    return configure(tmp_path, destinations={"archive": archive}, uid_namespace="clinic.example")


def test_unsafe_archive_is_asked_once_a_study_before_the_first_send(tmp_path: Path, book: Book) -> None:
    with driven(unsafe(tmp_path), archive=book) as it:
        drop(it, 20)
        it.work()
        assert len(book.searches) == 1
        picture(it.inbox / "4711002_20240531_L_1.jpg", 99)
        it.through()
        assert len(book.searches) == 2
        assert (len(book.posted), set(book.posted.values())) == (21, {1})


def test_unsafe_archive_is_sent_nothing_that_it_has(tmp_path: Path, book: Book) -> None:
    with driven(unsafe(tmp_path), archive=book) as it:
        drop(it, 3)
        it.work()
    for file in tmp_path.glob("ledger.db*"):  # a new ledger knows of nothing
        file.unlink()
    with driven(unsafe(tmp_path), archive=book) as it:
        it.through()
        assert [row.state for row in it.rows()] == [State.DUPLICATE] * 3
    assert set(book.posted.values()) == {1}


def test_unsafe_archive_that_cannot_be_asked_is_paused(tmp_path: Path, book: Book) -> None:
    with driven(unsafe(tmp_path), archive=book) as it:
        drop(it, 2)
        book.searching = lambda _: httpx.Response(503)
        it.work()
        assert (sum(book.posted.values()), it.gate.health.paused_since is not None) == (0, True)
        assert it.daemon.ledger_trouble is None
        book.searching = None
        until_done(it)


def test_unsafe_archive_that_may_have_it_and_does_not_say_holds_it(tmp_path: Path, book: Book) -> None:
    with driven(unsafe(tmp_path), archive=book) as it:
        drop(it)
        book.answers.append(book.losing)
        book.searching = lambda request: (
            httpx.Response(204) if "SOPInstanceUID" not in request.url.params else httpx.Response(503)
        )
        it.work()
        assert it.rows()[0].doubt
        book.searching = lambda _: httpx.Response(403)
        for _ in range(10):
            it.passed += 60
            it.work()
        assert it.held("4711001_20240531_L_0.jpg") == "unknown"
    assert set(book.posted.values()) == {1}


# Refusals


@pytest.mark.parametrize("reason", [0xA771, 0xA777, 0xA778, 0xA779])
def test_refusal_that_a_person_must_settle_holds_and_is_not_sent_again(
    it: Driven, book: Book, reason: int
) -> None:
    [name] = drop(it)
    book.answers.append(failed(reason))
    it.work()
    assert it.held(name) == f"{reason:04X}"
    it.passed += 7 * 86_400
    it.work()
    assert set(book.posted.values()) == {1}
    it.ledger.decisions.retry(Query(), "anna")
    it.work()
    assert it.state(name) is State.STORED


@pytest.mark.parametrize("reason", [0xA700, 0xB00F])
def test_refusal_that_may_pass_is_tried_again_less_and_less_often(
    it: Driven, book: Book, reason: int
) -> None:
    [name] = drop(it)
    book.answers += [failed(reason)] * 500
    it.work()
    sent = []
    for _ in range(4):
        before, began = sum(book.posted.values()), it.passed
        while sum(book.posted.values()) == before:
            it.work()
            it.passed += 1
        sent.append(it.passed - began)
        assert it.state(name) is State.RETRY
    assert sent == sorted(sent)
    assert sent[-1] > 2 * sent[0]
    book.answers.clear()
    until_done(it, 4 * 3600)


@pytest.mark.parametrize("answer", [failed(0x0110), status(500), lambda _, __: httpx.Response(200)])
def test_trouble_with_one_object_is_shown_to_a_person_and_may_pass(
    it: Driven, book: Book, answer: Answer
) -> None:
    """It is parked while others are stored, and goes once the archive takes it."""
    [name, other] = drop(it, 2)
    bad: list[str] = []

    def picky(request: httpx.Request, uids: list[str]) -> httpx.Response:
        book.answers.append(picky)
        bad.extend(uids if not bad else ())
        return answer(request, uids) if uids == bad else book.store(request, uids)

    book.answers.append(picky)
    for _ in range(1800):
        it.work()
        it.passed += 1
    assert it.held(name) in ("0110", "not-stored")
    assert it.state(other) is State.STORED
    assert (it.inbox / name).exists()
    book.answers.clear()
    until_done(it, 86_400)
    assert set(book.stored.values()) == {1}


@pytest.mark.parametrize("reason", [0xA900, 0xC000, 0x0122])
def test_refusal_for_good_ends_the_file(it: Driven, book: Book, reason: int, tmp_path: Path) -> None:
    [name] = drop(it)
    book.answers += [failed(reason)] * 2
    it.work()
    assert it.state(name) is State.REFUSED
    it.scan()
    assert (tmp_path / "rejected" / name).exists()
    said = (tmp_path / "rejected" / f"{name}.error.json").read_text()
    assert f'"{reason:04X}"' in said
    assert '"failed"' in said


def test_credentials_go_along(tmp_path: Path, book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARCHIVE", "user:secret")
    seen: list[str] = []

    def archive(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers["Authorization"])
        return book(request)

    destination = {"url": URL, "auth": {"basic": {"env": "ARCHIVE"}}}
    with driven(configure(tmp_path, destinations={"archive": destination}), archive=archive) as it:
        drop(it)
        it.work()
    assert seen == ["Basic " + base64.b64encode(b"user:secret").decode()]
