"""Health, readiness and figures, asked as a supervisor and Prometheus ask; and what systemd is told."""

from __future__ import annotations

import io
import json
import os
import shutil
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics
from prometheus_client.parser import text_string_to_metric_families as plain_text

from gateway.archive.server import running as archive
from gateway.cli import samples
from gateway.errors import Fatal
from gateway.intake.configuration import Configuration
from gateway.intake.journal import Journal
from gateway.intake.status import serving
from gateway.intake.timing import BOUNDS, Durations
from gateway.intake.watch import notify, running
from gateway.ledger import State
from standing import Standing, configured, standing, until
from support import free_port

HOUR = 3600.0


@dataclass
class Reply:
    status: int
    type: str
    text: str


def get(url: str, method: str = "GET", **headers: str) -> Reply:
    request = urllib.request.Request(url, headers=headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=10) as reply:
            return Reply(reply.status, reply.headers["Content-Type"], reply.read().decode())
    except urllib.error.HTTPError as error:
        with error:
            return Reply(error.code, error.headers["Content-Type"], error.read().decode())


def figures(url: str) -> dict[str, float]:
    """All samples of /metrics, by name and the values of the labels that files have."""
    order = ("folder", "destination", "state", "place", "le")
    reply = get(f"{url}/metrics")
    assert reply.status == 200
    return {
        " ".join(
            (
                sample.name.removeprefix("stow_gateway_"),
                *(sample.labels[each] for each in order if each in sample.labels),
            )
        ): sample.value
        for family in plain_text(reply.text)
        for sample in family.samples
    }


def run_for_a_moment(configuration: Configuration) -> None:
    with running(configuration, Journal(time.time, io.StringIO())):
        pass


@contextmanager
def served(place: Path) -> Iterator[tuple[Standing, str]]:
    with standing(configured(place, monitoring={"port": 0})) as it, serving(it.daemon) as url:
        yield it, url


# Health


def test_the_port_is_journaled_and_answers(tmp_path: Path) -> None:
    with served(tmp_path) as (it, url):
        assert it.events("monitoring") == [{"url": url}]
        assert url.startswith("http://127.0.0.1:")
        assert get(f"{url}/healthz") == Reply(200, "text/plain; charset=utf-8", "ok\n")
        assert get(f"{url}/healthz?verbose", "HEAD") == Reply(200, "text/plain; charset=utf-8", "")
        assert get(f"{url}/nothing").status == 404
        assert get(f"{url}/healthz", "DELETE").status == 501
    with pytest.raises(urllib.error.URLError):
        get(f"{url}/healthz")


def test_a_port_that_is_taken_is_said(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        configuration = configured(tmp_path, monitoring={"port": port})
        with pytest.raises(Fatal, match=rf"cannot listen on 127\.0\.0\.1:{port} \(Address already") as told:
            run_for_a_moment(configuration)
        assert "name another port" in str(told.value)


def test_a_host_that_is_not_ours_is_said(tmp_path: Path) -> None:
    configuration = configured(tmp_path, monitoring={"host": "192.0.2.1", "port": 0})
    with pytest.raises(Fatal, match=r"192\.0\.2\.1:0 .* another host of this machine"):
        run_for_a_moment(configuration)


def test_without_a_port_nobody_is_answered(tmp_path: Path) -> None:
    log = io.StringIO()
    with running(configured(tmp_path), Journal(time.time, log)) as daemon:
        until(lambda: "started" in log.getvalue())
        assert daemon.healthy
    assert "monitoring" not in log.getvalue()


def test_a_silent_client_keeps_nobody_waiting(tmp_path: Path) -> None:
    with served(tmp_path) as (_, url):
        port = int(url.rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port)), socket.create_connection(("127.0.0.1", port)):
            assert get(f"{url}/healthz").status == 200


def test_a_daemon_whose_thread_has_ended_is_not_healthy(tmp_path: Path) -> None:
    with served(tmp_path) as (it, url):
        it.daemon._start(lambda: None, "ends")
        until(lambda: get(f"{url}/healthz").status == 503)


def test_readiness_says_what_is_wrong(tmp_path: Path) -> None:
    with served(tmp_path) as (it, url):
        first = get(f"{url}/readyz")
        assert (first.status, first.type) == (503, "application/json")
        assert json.loads(first.text)["folders"] == {"photos": "not looked through yet"}

        it.hot.scan()
        ready = {"ready": True, "gateway": "ok", "ledger": "ok", "folders": {"photos": "ok"}}
        answer = get(f"{url}/readyz")
        assert (answer.status, json.loads(answer.text)) == (200, ready)

        it.passed += 16
        assert json.loads(get(f"{url}/readyz").text)["folders"] == {"photos": "not looked through for 16 s"}

        shutil.move(tmp_path / "inbox", tmp_path / "away")
        it.hot.scan()
        it.passed += 20
        assert json.loads(get(f"{url}/readyz").text)["folders"] == {"photos": "offline for 20 s"}

        shutil.move(tmp_path / "away", tmp_path / "inbox")
        it.hot.scan()
        it.daemon.ledger_trouble = "the disk of the ledger is full"
        answer = get(f"{url}/readyz")
        assert (answer.status, json.loads(answer.text)["ledger"]) == (503, "the disk of the ledger is full")

        it.daemon.ledger_trouble = None
        it.daemon.stopping.set()
        assert json.loads(get(f"{url}/readyz").text) == {**ready, "ready": False, "gateway": "stopping"}


def test_folders_that_are_not_opened_yet_are_not_ready(tmp_path: Path) -> None:
    it = Standing(configured(tmp_path, monitoring={"port": 0}))
    with it.ledger, serving(it.daemon) as url:
        answer = get(f"{url}/readyz")
        assert (answer.status, json.loads(answer.text)["folders"]) == (503, {"photos": "not opened yet"})


# Figures


def test_figures_of_files_are_those_of_the_ledger(tmp_path: Path) -> None:
    with served(tmp_path) as (it, url):
        it.end("a.jpg", "b.jpg", size=1000)
        it.end("c.jpg", state=State.WARNING, size=500)
        it.end("d.jpg", state=State.DUPLICATE, size=7000)
        it.end("e.jpg", "f.jpg", state=State.HELD, reason="no-row")
        it.passed += 600
        it.ready("g.jpg", "h.jpg")
        it.seen("i.jpg")
        it.passed += 60
        found = figures(url)
    assert {name: value for name, value in found.items() if name.startswith("files photos") and value} == {
        "files photos archive stored": 2,
        "files photos archive warning": 1,
        "files photos archive duplicate": 1,
        "files photos archive held": 2,
        "files photos archive ready": 2,
        "files photos archive seen": 1,
    }
    assert found["files photos archive rejected"] == 0
    assert found["queued_files photos archive"] == 2
    assert found["oldest_ready_seconds photos archive"] == 60
    assert found["oldest_held_seconds photos archive"] == 660
    assert found["seen_files_total photos archive"] == 9
    assert found["stored_bytes_total photos archive"] == 2500
    assert found["outcome_files_total photos archive stored"] == 2
    assert found["outcome_files_total photos archive held"] == 2


def test_totals_go_on_over_hours_and_restarts(tmp_path: Path) -> None:
    with served(tmp_path) as (it, url):
        for hour in range(5):
            it.end(f"{hour}.jpg", size=100)
            assert figures(url)["stored_bytes_total photos archive"] == 100 * (hour + 1)
            assert figures(url)["seen_files_total photos archive"] == hour + 1
            it.passed += HOUR
        passed = it.passed
    with served(tmp_path) as (it, url):
        it.passed = passed + 100 * HOUR
        assert figures(url)["stored_bytes_total photos archive"] == 500
        it.end("last.jpg", size=1)
        assert figures(url)["stored_bytes_total photos archive"] == 501


def test_figures_of_folders_and_destinations(tmp_path: Path) -> None:
    with served(tmp_path) as (it, url):
        it.hot.scan()
        it.passed += 3
        found = figures(url)
        assert (found["folder_online photos"], found["folder_scan_age_seconds photos"]) == (1, 3)
        assert (found["breaker_open archive"], found["breaker_open_seconds archive"]) == (0, 0)
        assert found["ledger_trouble"] == 0
        free = shutil.disk_usage(tmp_path).free
        assert found["disk_free_bytes ledger"] == pytest.approx(free, rel=0.2)
        assert "disk_free_bytes tmp_dir" in found
        assert found["process_resident_memory_bytes"] > 1e6

        it.gate.failed("Connection refused by 4711001")
        (tmp_path / "inbox").rename(tmp_path / "away")
        it.hot.scan()
        it.daemon.ledger_trouble = "full"
        it.passed += 30
        found = figures(url)
        assert (found["breaker_open archive"], found["breaker_open_seconds archive"]) == (1, 30)
        assert (found["folder_online photos"], found["folder_scan_age_seconds photos"]) == (0, 33)
        assert found["ledger_trouble"] == 1


def test_figures_name_no_patient(tmp_path: Path) -> None:
    with served(tmp_path) as (it, url):
        it.end("4711001_20240531_L_01.jpg", state=State.HELD, reason="no-row")
        it.gate.failed("Doe^John has another birth date")
        answers = [get(f"{url}/{name}").text for name in ("metrics", "readyz", "healthz")]
    assert all(word not in text for text in answers for word in ("4711001", "Doe", "1.2.3"))


def test_a_ledger_that_cannot_be_read_leaves_the_other_figures(tmp_path: Path) -> None:
    with served(tmp_path) as (it, url):
        it.hot.scan()
        it.ledger.close()
        (tmp_path / "ledger.db").rename(tmp_path / "gone.db")
        (tmp_path / "ledger.db").mkdir()
        found = figures(url)
        assert (found["ledger_trouble"], found["folder_online photos"]) == (1, 1)
        assert "files photos archive stored" not in found
        (tmp_path / "ledger.db").rmdir()
        (tmp_path / "gone.db").rename(tmp_path / "ledger.db")
        assert figures(url)["ledger_trouble"] == 0


def test_both_forms_of_exposition_are_well_formed(tmp_path: Path) -> None:
    with served(tmp_path) as (it, url):
        it.end("a.jpg")
        it.daemon.durations["archive"].add(0.3)
        plain = get(f"{url}/metrics")
        newer = get(f"{url}/metrics", Accept="application/openmetrics-text; version=1.0.0")
    assert plain.type.startswith("text/plain; version=0.0.4")
    assert newer.type.startswith("application/openmetrics-text; version=1.0.0")
    ours = {family.name: family.type for family in open_metrics(newer.text) if "stow_gateway" in family.name}
    assert ours == {
        family.name.removesuffix("_total").removesuffix("_info"): ours.get(family.name.removesuffix("_info"))
        for family in plain_text(plain.text)
        if "stow_gateway" in family.name
    }
    assert ours["stow_gateway_send_seconds"] == "histogram"
    assert ours["stow_gateway_stored_bytes"] == "counter"
    assert ours["stow_gateway_files"] == "gauge"


def test_durations_fall_into_buckets() -> None:
    durations = Durations()
    for seconds in (0.01, 0.05, 0.06, 3.0, 1000.0):
        durations.add(seconds)
    buckets, total = durations.read()
    assert [bound for bound, _ in buckets] == [*map(str, BOUNDS), "+Inf"]
    counts = dict(buckets)
    assert [counts[each] for each in ("0.05", "0.1", "5.0", "300.0", "+Inf")] == [2, 3, 4, 4, 5]
    assert total == pytest.approx(1003.12)


def test_a_whole_run_is_seen_from_outside(tmp_path: Path) -> None:
    with archive(tmp_path / "archive") as address:
        configuration = configured(tmp_path, address, monitoring={"port": 0})
        log = io.StringIO()
        with running(configuration, Journal(time.time, log)):
            [url] = [json.loads(line)["url"] for line in log.getvalue().splitlines() if "monitoring" in line]
            until(lambda: get(f"{url}/readyz").status == 200)
            assert get(f"{url}/healthz").status == 200
            photo = tmp_path / "wound.jpg"
            samples.photo(photo)
            photo.rename(tmp_path / "inbox" / "4711001_20240531_L_02.jpg")
            until(lambda: figures(url)["files photos archive stored"] == 1)
            found = figures(url)
            assert found["send_seconds_count archive"] == 1
            assert 0 < found["send_seconds_sum archive"] < 30
            assert found["stored_bytes_total photos archive"] > 1000


# systemd


@pytest.fixture(params=["path", "abstract"])
def manager(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[socket.socket]:
    """The socket on which systemd listens to its services (sd_notify(3))."""
    names = {"path": str(tmp_path / "notify"), "abstract": f"@stow-gateway-{os.getpid()}-{free_port()}"}
    name = names[request.param]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(name.replace("@", "\0"))
        listening.settimeout(30)
        monkeypatch.setenv("NOTIFY_SOCKET", name)
        yield listening


def test_systemd_is_told_by_datagrams(manager: socket.socket) -> None:
    notify("READY=1")
    notify("STATUS=ready")
    assert [manager.recv(100), manager.recv(100)] == [b"READY=1", b"STATUS=ready"]


def test_nobody_is_told_without_systemd(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    notify("READY=1")
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "nobody"))
    notify("READY=1")


def test_a_daemon_tells_systemd_of_its_life(manager: socket.socket, tmp_path: Path) -> None:
    with running(configured(tmp_path), Journal(time.time, io.StringIO())):
        told = [manager.recv(100) for _ in range(3)]
    assert told == [b"READY=1", b"WATCHDOG=1", b"WATCHDOG=1"]
    manager.settimeout(5)
    while (last := manager.recv(100)) == b"WATCHDOG=1":
        pass
    assert last == b"STOPPING=1"


def test_a_sick_daemon_gives_no_sign_of_life(manager: socket.socket, tmp_path: Path) -> None:
    with running(configured(tmp_path), Journal(time.time, io.StringIO())) as daemon:
        assert [manager.recv(100), manager.recv(100)] == [b"READY=1", b"WATCHDOG=1"]
        daemon._start(lambda: None, "ends")
        until(lambda: not daemon.healthy)
        manager.settimeout(3.5)  # more than three of the keeper's rounds
        with pytest.raises(TimeoutError):
            for _ in range(3):
                manager.recv(100)
