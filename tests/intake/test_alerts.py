"""What people are told, and when: by a clock that the test turns, to servers and commands of its own."""

from __future__ import annotations

import io
import json
import queue
import shutil
import socket
import socketserver
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta, timezone
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, cast
from zoneinfo import ZoneInfo

import pytest

from gateway.intake import channels
from gateway.intake.alerts import Alerts, size, span
from gateway.intake.channels import Message, Teller, mail, post, run
from gateway.intake.configuration import Mail
from gateway.intake.journal import Journal
from gateway.intake.watch import running
from gateway.ledger import LedgerUnavailable, Query, State
from standing import START, Standing, configured, standing, until

MINUTE, HOUR, DAY = 60.0, 3600.0, 86_400.0
PLENTY = 10**12
NOTE = Message("Folder photos: 3 files held", "Folder photos: 3 files held\n", {"alerts": [{"kind": "held"}]})


class Told:
    """A daemon that stands still, its alerts, and what was told."""

    def __init__(self, it: Standing, **how: Any) -> None:
        self.it = it
        self.messages: queue.Queue[Message] = queue.Queue()
        self.free: int | None = PLENTY
        how.setdefault("zone", UTC)
        self.alerts = Alerts(it.daemon, tell_by={"test": self.messages.put}, free=lambda _: self.free, **how)

    def check(self, after: float = 0.0) -> list[str]:
        """Lets time pass in small steps, as the keeper does; each line that was told."""
        lines = []
        end = self.it.passed + after
        while True:
            self.alerts.check()
            lines += self.lines()
            if self.it.passed >= end:
                return lines
            self.it.passed = min(end, self.it.passed + max(5.0, after / 100))

    def lines(self) -> list[str]:
        return [line for message in self.all() for line in message.text.splitlines()]

    def all(self) -> list[Message]:
        """What was told until now; a last message shows that nothing is on its way any more."""
        last = Message("", "", {})
        for teller in self.alerts._tellers:
            teller.tell(last)
        found = []
        while (message := self.messages.get(timeout=10)) is not last:
            found.append(message)
        return found


@contextmanager
def told(place: Path, *, folder: dict[str, Any] | None = None, **alerts: Any) -> Iterator[Told]:
    """By default nobody hears: a command that does nothing is configured, and the test listens in."""
    configuration = configured(place, folder=folder, alerts={"command": "true", **alerts})
    with standing(configuration) as it:
        it.hot.scan()
        told = Told(it)
        with told.alerts:
            yield told


class Unreadable:
    """Reports of a ledger whose disk fails."""

    def __getattr__(self, name: str) -> Any:
        raise LedgerUnavailable(f"the ledger cannot be read for {name}")


# Each alert once, again after a while, and once when it is over


def test_held_files_are_told_when_they_are_held_for_long(tmp_path: Path) -> None:
    with told(tmp_path) as it:
        it.it.end("a.jpg", "b.jpg", state=State.HELD, reason="no-row")
        it.it.end("c.jpg", state=State.HELD, reason="unidentified")
        assert it.check(HOUR - 1) == []
        assert it.check(10) == [
            "Folder photos, on the way to archive: 3 files are held, the oldest for 1 h",
            "Reasons of all that is held: 2 no-row, 1 unidentified",
        ]
        assert it.check(3.9 * HOUR) == []
        assert it.check(0.2 * HOUR)[0].endswith("3 files are held, the oldest for 5 h")
        it.it.ledger.decisions.reject(Query(), "test", "not wanted")
        assert it.check(10) == [
            "Over: Folder photos, on the way to archive: no file is held for long any more"
        ]
        assert it.check(DAY) == []
        assert [line["status"] for line in it.it.events("alert")] == ["raised", "again", "over"]


def test_files_that_are_held_too_long_are_told_apart(tmp_path: Path) -> None:
    with told(tmp_path, folder={"hold_for": "2d"}, repeat="30d") as it:
        it.it.end("a.jpg", state=State.HELD, reason="no-row")
        assert len(it.check(1.9 * DAY)) == 2
        [line] = it.check(0.2 * DAY)
        assert line.startswith("Folder photos, on the way to archive: 1 file is held, the oldest for 2 d")
        assert line.endswith("longer than the 2 d of hold_for")


def test_a_folder_that_is_away_is_told(tmp_path: Path) -> None:
    with told(tmp_path) as it:
        shutil.move(tmp_path / "inbox", tmp_path / "away")
        it.it.hot.scan()
        assert it.check(4.9 * MINUTE) == []
        [line] = it.check(MINUTE)
        assert line.startswith("Folder photos: it cannot be read, for 5 min")
        shutil.move(tmp_path / "away", tmp_path / "inbox")
        it.it.hot.scan()
        assert it.check(10) == ["Over: Folder photos: it can be read again"]


def test_a_folder_that_is_back_soon_is_no_news(tmp_path: Path) -> None:
    with told(tmp_path) as it:
        for _ in range(5):
            shutil.move(tmp_path / "inbox", tmp_path / "away")
            it.it.hot.scan()
            assert it.check(4 * MINUTE) == []
            shutil.move(tmp_path / "away", tmp_path / "inbox")
            it.it.hot.scan()


@pytest.mark.parametrize(
    ("refused", "words"),
    [
        (False, "it takes nothing, for 5 min"),
        (True, "it answers, but does not let the gateway in, for 5 min"),
    ],
)
def test_a_paused_destination_is_told(tmp_path: Path, refused: bool, words: str) -> None:
    with told(tmp_path) as it:
        it.it.gate.failed("Doe^John has another birth date there", refused=refused)
        assert it.check(4 * MINUTE) == []
        it.it.gate.failed("Doe^John has another birth date there", refused=refused)
        [line] = it.check(2 * MINUTE)
        assert line.startswith(f"Destination archive: {words}")
        assert "Doe" not in line
        it.it.gate.succeeded()
        assert it.check(10) == ["Over: Destination archive: it takes files again"]


def test_a_disk_that_fills_up_is_told_once(tmp_path: Path) -> None:
    with told(tmp_path, disk="1GB") as it:
        it.free = 999_000_000
        assert it.check(10) == [
            "Disk of ledger: 999 MB free, less than 1 GB",
            "Disk of tmp_dir: 999 MB free, less than 1 GB",
        ]
        for free in (1_010_000_000, 990_000_000, 1_050_000_000, None, 999_000_000):
            it.free = free
            assert it.check(10) == []
        it.free = 1_200_000_000
        assert it.check(10) == [
            "Over: Disk of ledger: there is room again",
            "Over: Disk of tmp_dir: there is room again",
        ]


def test_a_ledger_that_takes_nothing_is_told(tmp_path: Path) -> None:
    with told(tmp_path) as it:
        it.it.daemon.ledger_trouble = "the disk of the ledger is full"
        assert it.check(20) == []
        assert it.check(20) == ["Ledger: nothing can be recorded, for 30 s: the disk of the ledger is full"]
        it.it.daemon.ledger_trouble = None
        assert it.check(10) == ["Over: Ledger: it can be written again"]


def test_what_cannot_be_read_is_not_over(tmp_path: Path) -> None:
    with told(tmp_path) as it:
        it.it.end("a.jpg", state=State.HELD, reason="no-row")
        assert len(it.check(1.1 * HOUR)) == 2
        reports, it.it.ledger.reports = it.it.ledger.reports, Unreadable()  # type: ignore[assignment]
        assert it.check(DAY) == []
        it.it.ledger.reports = reports
        assert it.check(10)[0].endswith("held, the oldest for 1 d 1 h")


def test_what_happens_together_is_one_message(tmp_path: Path) -> None:
    with told(tmp_path) as it:
        it.it.gate.failed("away")
        it.it.passed = HOUR
        it.free = 5
        it.it.daemon.ledger_trouble = None
        it.alerts.check()
        [message] = it.all()
        assert message.title.endswith(": 3 alerts")
        facts = json.loads(message.json)
        assert [(each["kind"], each["status"]) for each in facts["alerts"]] == [
            ("paused", "raised"),
            ("disk", "raised"),
            ("disk", "raised"),
        ]
        assert facts["alerts"][0]["destination"] == "archive"
        assert facts["alerts"][0]["seconds"] == 3600
        assert facts["gateway"] == socket.gethostname()
        assert datetime.fromisoformat(facts["time"]) == datetime.fromtimestamp(START + HOUR, UTC)
        assert facts["text"] == message.text


# Silence


def at(clock: str, zone: Any = UTC, days: int = 1) -> float:
    """Seconds from the start until a time of the day after."""
    local = datetime.fromtimestamp(START, zone) + timedelta(days=days)
    hour, minute = map(int, clock.split(":"))
    return local.replace(hour=hour, minute=minute, second=0).timestamp() - START


def until_then(it: Told, moment: float) -> list[str]:
    return it.check(moment - it.it.passed)


def file_comes(it: Told) -> None:
    (tmp := it.it.hot.folder.path / f"{it.it.passed}.jpg").write_bytes(b"x")
    it.it.hot.scan()
    assert it.it.hot.last_file == it.it.clock()
    tmp.unlink()


def test_silence_is_told_within_the_hours_of_a_folder(tmp_path: Path) -> None:
    with told(tmp_path, folder={"hours": "07:00-18:00"}) as it:
        assert until_then(it, at("08:59")) == []
        [line] = until_then(it, at("09:05"))
        assert line.startswith("Folder photos: no file has come for 1")
        assert until_then(it, at("12:59")) == []
        file_comes(it)
        assert it.check(10) == ["Over: Folder photos: files come again"]
        assert until_then(it, at("14:58")) == []
        assert until_then(it, at("15:05")) == ["Folder photos: no file has come for 2 h"]
        # evening, night and the first hours of the morning say nothing, and do not call it over
        assert until_then(it, at("18:00")) == []
        assert until_then(it, at("08:59", days=2)) == []
        assert until_then(it, at("09:05", days=2))[0].startswith("Folder photos: no file has come for 20 h")


def test_hours_may_go_over_midnight(tmp_path: Path) -> None:
    with told(tmp_path, folder={"hours": "22:00-06:00"}) as it:
        assert until_then(it, at("00:10")) == []  # the daemon has run for less
        assert until_then(it, at("00:20"))[0].startswith("Folder photos: no file has come for 2 h")


def test_hours_are_those_of_the_site(tmp_path: Path) -> None:
    zone = ZoneInfo("Asia/Tokyo")
    folder = {"hours": "07:00-18:00", "site": {"timezone": "Asia/Tokyo"}}
    with told(tmp_path, folder=folder) as it:
        # it starts at 07:13 there; at 09:13, when it is night in the zone of the machine, two hours are over
        assert until_then(it, at("09:12", zone, days=0)) == []
        assert len(until_then(it, at("09:15", zone, days=0))) == 1


def test_a_folder_without_hours_or_away_is_not_called_silent(tmp_path: Path) -> None:
    with told(tmp_path) as it:
        assert it.check(2 * DAY) == []
    with told(tmp_path, folder={"hours": "00:00-23:59"}, offline_for="100d") as it:
        shutil.move(tmp_path / "inbox", tmp_path / "away")
        it.it.hot.scan()
        assert it.check(2 * DAY) == []


# Mappings


def test_a_changed_mapping_that_has_faults_is_told(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text("extends: photo\n")
    with told(tmp_path, folder={"mapping": "./own.yaml"}) as it:
        (tmp_path / "own.yaml").write_text(
            "extends: photo\nattributes: {PatientBirthDat: x, PatientNam: y}\n"
        )
        it.it.hot.scan()
        [line] = it.check(10)
        assert line.startswith("Folder photos: its mapping has faults, and the one from before is used: ")
        assert "own.yaml:2:14: " in line
        assert line.endswith(" (and 1 more)")
        assert it.check(HOUR) == []
        (tmp_path / "own.yaml").write_text("extends: photo\n# mended\n")
        it.it.hot.scan()
        assert it.check(10) == ["Over: Folder photos: its mapping is in order"]


# Every day


def test_the_summary_comes_every_day_at_its_time(tmp_path: Path) -> None:
    with told(tmp_path, summary="07:00", held_for="100d", folder={"hold_for": "100d"}) as it:
        it.it.passed = at("06:00") - HOUR
        it.it.end("a.jpg", "b.jpg", size=1000)
        it.it.end("c.jpg", state=State.HELD, reason="no-row")
        it.it.ready("d.jpg")
        assert until_then(it, at("06:59")) == []
        it.it.passed = at("07:00")
        it.alerts.check()
        [message] = it.all()
        assert message.title.endswith(": the last 24 hours")
        assert message.text.splitlines() == [
            "photos to archive: 4 seen, 2 stored, 1 held",
            "",
            "Not finished now: 1 ready, 1 held",
            "The oldest held file has waited for 2 h",
        ]
        summary = json.loads(message.json)["summary"]
        assert summary["folders"] == [
            {"folder": "photos", "destination": "archive", "files": {"seen": 4, "stored": 2, "held": 1}}
        ]
        assert summary["unfinished"] == {"ready": 1, "held": 1}
        assert summary["oldest_held_seconds"] == 7200

        assert until_then(it, at("06:59", days=2)) == []
        it.it.gate.failed("away")
        assert until_then(it, at("07:02", days=2)) == [
            "photos to archive: nothing",
            "",
            "Not finished now: 1 ready, 1 held",
            "The oldest held file has waited for 1 d 2 h",
        ]
        assert until_then(it, at("07:10", days=2))[0].startswith("Destination archive")
        assert until_then(it, at("07:02", days=3))[-1] == "Destination archive: paused"


def test_the_summary_keeps_to_its_zone_and_waits_for_the_ledger(tmp_path: Path) -> None:
    configuration = configured(tmp_path, alerts={"command": "true", "summary": "07:00"})
    with standing(configuration) as standing_daemon:
        it = Told(standing_daemon, zone=timezone(timedelta(hours=5)))
        with it.alerts:
            it.it.passed = at("02:01")
            reports, it.it.ledger.reports = it.it.ledger.reports, Unreadable()  # type: ignore[assignment]
            assert it.check(60) == []
            it.it.ledger.reports = reports
            assert it.check(10)[0] == "photos to archive: nothing"
            assert it.check(10) == []


def test_times_and_sizes_are_said_as_people_do() -> None:
    assert [span(each) for each in (0, 59.7, 61, 3600, 3725, 86_400, 90_000, 86_460)] == [
        "0 s", "1 min", "1 min 1 s", "1 h", "1 h 2 min", "1 d", "1 d 1 h", "1 d",
    ]  # fmt: skip
    assert [size(each) for each in (0, 999, 1500, 2_340_000, 10**9, 10**13)] == [
        "0 bytes", "999 bytes", "1.5 kB", "2.34 MB", "1 GB", "10 TB",
    ]  # fmt: skip


# Mail


class MailServer(socketserver.ThreadingTCPServer):
    """As much of RFC 5321 as a client needs; `refuse` are addresses that it does not take."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, refuse: tuple[str, ...] = ()) -> None:
        super().__init__(("127.0.0.1", 0), _Smtp)
        self.refuse = refuse
        self.envelopes: list[list[str]] = []
        self.mails: queue.Queue[EmailMessage] = queue.Queue()


class _Smtp(socketserver.StreamRequestHandler):
    server: MailServer

    def handle(self) -> None:
        self._say("220 mail")
        envelope: list[str] = []
        while line := self.rfile.readline().decode().rstrip("\r\n"):
            verb = line.split(":")[0].upper()
            if verb.startswith("EHLO"):
                self._say("250-mail\r\n250 8BITMIME")
            elif verb in ("MAIL FROM", "RCPT TO"):
                refused = verb == "RCPT TO" and any(each in line for each in self.server.refuse)
                envelope += [] if refused else [line]
                self._say("550 no such user" if refused else "250 ok")
            elif verb == "DATA":
                self._say("354 go on")
                lines = iter(self.rfile.readline, b".\r\n")
                text = b"".join(each.removeprefix(b".") for each in lines)
                self.server.envelopes.append(envelope)
                mail = message_from_bytes(text.replace(b"\r\n", b"\n"), policy=policy.default)
                self.server.mails.put(cast("EmailMessage", mail))
                self._say("250 taken")
            elif verb == "QUIT":
                self._say("221 bye")
                return
            else:
                self._say("250 ok")

    def _say(self, text: str) -> None:
        self.wfile.write(f"{text}\r\n".encode())


@contextmanager
def serving(server: socketserver.BaseServer) -> Iterator[str]:
    """Lets a server answer; gives its host and port."""
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        host, port = server.server_address[:2]  # type: ignore[misc]
        yield f"{host}:{port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_mail_reaches_all_addresses(tmp_path: Path) -> None:
    server = MailServer()
    with serving(server) as address:
        mail(Mail(("it@example.org", "ops@example.org"), "gateway@example.org", address), NOTE)
        received = server.mails.get(timeout=10)
    assert server.envelopes[0][0].startswith("mail FROM:<gateway@example.org>")
    assert [line.split(" ")[0:2] for line in server.envelopes[0][1:]] == [
        ["rcpt", "TO:<it@example.org>"],
        ["rcpt", "TO:<ops@example.org>"],
    ]
    assert received["Subject"] == NOTE.title
    assert received["To"] == "it@example.org, ops@example.org"
    assert received["Auto-Submitted"] == "auto-generated"
    assert received["Date"]
    assert received["Message-ID"]
    assert received.get_content() == NOTE.text


def test_mail_takes_any_name_of_a_folder(tmp_path: Path) -> None:
    title = "Folder Übergabe\n日本: it cannot be read"
    server = MailServer()
    with serving(server) as address:
        mail(Mail(("it@example.org",), "stow-gateway", address), Message(title, f"{title}\n.\n", {}))
        received = server.mails.get(timeout=10)
    assert received["Subject"] == "Folder Übergabe 日本: it cannot be read"
    assert received.get_content() == f"{title}\n.\n"
    assert received["From"].startswith("stow-gateway@")


def test_addresses_that_are_refused_are_said() -> None:
    server = MailServer(refuse=("gone@",))
    with serving(server) as address, pytest.raises(channels.Untold, match="refused 1 of 2 addresses"):
        mail(Mail(("it@example.org", "gone@example.org"), "a@example.org", address), NOTE)
    assert server.mails.qsize() == 1


# Webhook


class Hook(ThreadingHTTPServer):
    """Keeps what is posted to it; `status` and `location` are its answer."""

    daemon_threads = True

    def __init__(self, status: int = 204, location: str = "") -> None:
        super().__init__(("127.0.0.1", 0), _Hooked)
        self.status, self.location = status, location
        self.posts: queue.Queue[tuple[str, str, Any]] = queue.Queue()


class _Hooked(BaseHTTPRequestHandler):
    server: Hook

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.posts.put((self.path, self.headers["Content-Type"], json.loads(body)))
        self.send_response(self.server.status)
        if self.server.location:
            self.send_header("Location", self.server.location)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


def test_a_webhook_gets_json() -> None:
    server = Hook()
    with serving(server) as address:
        post(f"http://{address}/hook?key=1", NOTE)
    path, media_type, facts = server.posts.get_nowait()
    assert (path, media_type) == ("/hook?key=1", "application/json")
    assert facts == {"title": NOTE.title, "text": NOTE.text, "alerts": [{"kind": "held"}]}


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_webhook_leads_nowhere_else(status: int, tmp_path: Path) -> None:
    other = Hook()
    with serving(other) as there, serving(Hook(status, f"http://{there}/")) as address:
        refused = pytest.raises(OSError, match=str(status))
        with refused:
            post(f"http://{address}/", NOTE)
    assert other.posts.empty()


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://127.0.0.1/x", "data:text/plain,x"])
def test_a_webhook_is_of_the_web(url: str) -> None:
    with pytest.raises(OSError, match="unknown url type"):
        post(url, NOTE)


# Command


def test_a_command_gets_json_and_runs_beside_the_configuration(tmp_path: Path) -> None:
    run("cat > told.json; pwd > where", tmp_path, NOTE)
    assert json.loads((tmp_path / "told.json").read_text())["title"] == NOTE.title
    assert (tmp_path / "where").read_text().strip() == str(tmp_path)


def test_a_command_that_fails_or_reads_nothing(tmp_path: Path) -> None:
    long = Message("", "x" * 1_000_000, {})
    run("true", tmp_path, long)
    with pytest.raises(channels.Untold, match="the command ended with 3"):
        run("exit 3", tmp_path, long)


def test_a_command_that_hangs_ends_with_all_it_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(channels, "SECONDS", 0.5)
    with pytest.raises(channels.Untold, match=r"the command took more than 0\.5 s"):
        run("sh -c 'echo $$ > child; exec sleep 600' & exec sleep 600", tmp_path, NOTE)
    child = Path("/proc") / (tmp_path / "child").read_text().strip()
    until(lambda: not child.exists() or ") Z " in (child / "stat").read_text())


# Telling


class Flaky:
    """A channel that fails a few times, then works."""

    def __init__(self, failures: int, error: Exception) -> None:
        self.failures, self.error = failures, error
        self.told: queue.Queue[str] = queue.Queue()

    def __call__(self, message: Message) -> None:
        self.failures -= 1
        if self.failures >= 0:
            raise self.error
        self.told.put(message.title)


def lines(log: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.getvalue().splitlines()]


def test_what_could_not_be_told_is_tried_again_in_order() -> None:
    log = io.StringIO()
    flaky = Flaky(2, ConnectionRefusedError(111, "Connection refused"))
    teller = Teller("mail", flaky, Journal(time.time, log), again=(0.01, 0.01))
    for title in ("first", "second"):
        teller.tell(Message(title, "", {}))
    assert [flaky.told.get(timeout=10), flaky.told.get(timeout=10)] == ["first", "second"]
    teller.close(10)
    assert [(each["event"], each["channel"], each["why"]) for each in lines(log)] == [
        ("untold", "mail", "Connection refused")
    ] * 2


def test_what_can_never_be_told_is_given_up_and_journaled() -> None:
    log = io.StringIO()
    flaky = Flaky(3, ValueError("https://example.org/?key=secret"))
    teller = Teller("webhook", flaky, Journal(time.time, log), again=(0.01, 0.01))
    for title in ("lost", "next"):
        teller.tell(Message(title, "", {}))
    assert flaky.told.get(timeout=10) == "next"
    teller.close(10)
    assert [each["why"] for each in lines(log)] == ["ValueError"] * 3
    assert "secret" not in log.getvalue()


def test_a_mail_server_that_hangs_stops_nothing(tmp_path: Path) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        address = "{}:{}".format(*silent.getsockname())
        server = Hook()
        with serving(server) as hook:
            configuration = configured(
                tmp_path,
                alerts={"mail": {"to": "it@example.org", "server": address}, "webhook": f"http://{hook}/"},
            )
            with standing(configuration) as it:
                alerts = Alerts(it.daemon, free=lambda _: 5)
                alerts.check()
                _, _, facts = server.posts.get(timeout=10)
                assert facts["alerts"][0]["kind"] == "disk"
                alerts._tellers[0].close(0.1)
                alerts._tellers[1].close(10)


def test_too_many_messages_do_not_pile_up() -> None:
    log = io.StringIO()
    going_on = threading.Event()
    teller = Teller("command", lambda _: bool(going_on.wait(30)) or None, Journal(time.time, log))
    for _ in range(channels.WAITING + 5):
        teller.tell(NOTE)
    going_on.set()
    teller.close(10)
    assert {each["why"] for each in lines(log)} == {"too many messages wait to be told"}


# All of it


def test_a_running_daemon_tells_all_channels(tmp_path: Path) -> None:
    mails, hook = MailServer(), Hook()
    with serving(mails) as mail_address, serving(hook) as hook_address:
        configuration = configured(
            tmp_path,
            alerts={
                "disk": "1000000GB",
                "mail": {"to": ["it@example.org"], "server": mail_address},
                "webhook": f"http://{hook_address}/",
                "command": "cat > told.json",
            },
        )
        log = io.StringIO()
        with running(configuration, Journal(time.time, log)):
            received = mails.mails.get(timeout=30)
            _, _, facts = hook.posts.get(timeout=30)
            until(lambda: (tmp_path / "told.json").exists() and (tmp_path / "told.json").read_text())
    assert facts["alerts"][0]["kind"] == "disk"
    assert "free, less than 1000 TB" in received.get_content()
    assert json.loads((tmp_path / "told.json").read_text()) == facts
    alerts = [line for line in lines(log) if line["event"] == "alert"]
    assert {(line["kind"], line["disk"], line["status"]) for line in alerts} >= {("disk", "ledger", "raised")}


def test_alerts_are_journaled_without_anybody_to_tell(tmp_path: Path) -> None:
    with standing(configured(tmp_path)) as it:
        alerts = Alerts(it.daemon, free=lambda _: 5)
        alerts.check()
        assert [each["kind"] for each in it.events("alert")] == ["disk", "disk"]
