"""`gateway check CONFIG`: places, samples, archives and clocks, before anything runs."""

from __future__ import annotations

import json
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

import examples
from doors import Done, gateway
from gateway.archive.server import running
from ledgers import Day
from support import free_port, require

MAPPING = """\
template: vl-photographic
sources:
  path: {name: '(?P<mrn>\\d{7})\\.\\w+'}
attributes: {PatientID: '{{ path.mrn }}', PatientName: 'Doe^Jane'}
patient_id: '\\d{7}'
"""
WADL = """<?xml version="1.0"?>
<application xmlns="http://wadl.dev.java.net/2009/02"><resources base="http://x"><resource path="studies">
<method name="GET"><response><representation mediaType="application/dicom+json"/></response></method>
<method id="StoreInstances" name="POST"><request>
{}</request><response><representation mediaType="application/dicom+xml"/></response></method>
</resource></resources></application>"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    (tmp_path / "inbox").mkdir()
    (tmp_path / "site.yaml").write_text(MAPPING, "utf-8")
    return tmp_path


def configure(site: Path, url: str = "http://127.0.0.1:1/dicom-web", **more: Any) -> Path:
    """A configuration of one folder; `more` are further keys of destination, folder and file."""
    folder = {
        "path": "inbox",
        "mapping": "site.yaml",
        "originals": {"move": "done"},
        **more.get("folder", {}),
    }
    made = {
        "destinations": {"archive": {"url": url, **more.get("destination", {})}},
        "folders": [folder],
        "ledger": "ledger.db",
        **more.get("top", {}),
    }
    path = site / "gateway.yaml"
    path.write_text(json.dumps(made), "utf-8")  # JSON is YAML
    return path


def lines(done: Done, level: str) -> list[str]:
    return [line[9:] for line in done.out.splitlines() if line.startswith(level)]


def offline(site: Path, **more: Any) -> Done:
    return gateway("check", "--offline", configure(site, **more))


class Answers(BaseHTTPRequestHandler):
    """Answers by method as its server says: status, media type, body, further headers."""

    protocol_version = "HTTP/1.1"
    server: Archive

    def _answer(self) -> None:
        self.server.asked.append((self.command, self.path, self.headers.get("Authorization")))
        status, kind, body, headers = self.server.answers[self.command]
        data = body.encode()
        self.send_response_only(status)
        for name, value in {"Date": self.server.date, "Content-Type": kind, **headers}.items():
            if value:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_OPTIONS = _answer

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""


Answer = tuple[int, str, str, Mapping[str, str]]
NOTHING: Answer = (404, "", "", {})
STUDIES: Answer = (200, "application/dicom+json", "[]", {})


class Archive(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, options: Answer, search: Answer, skew: float) -> None:
        super().__init__(("127.0.0.1", 0), Answers)
        self.answers = {"OPTIONS": options, "GET": search}
        self.date = formatdate(time.time() + skew, usegmt=True)
        self.asked: list[tuple[str, str, str | None]] = []


@contextmanager
def archive(
    options: Answer = NOTHING, search: Answer = STUDIES, *, skew: float = 0
) -> Iterator[tuple[str, Archive]]:
    server = Archive(options, search, skew)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/rs", server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


# All of it


def test_all_is_well_and_nothing_stays(site: Path) -> None:
    (site / "inbox" / "4711001.jpg").write_bytes(examples.jpeg())
    with running(site.parent / f"{site.name}-archive") as url:
        path = configure(site, url)
        before = {each: each.stat().st_mtime_ns for each in site.rglob("*") if each.is_file()}
        done = gateway("check", path)
        assert gateway("check", path).out == done.out
    assert (done.status, done.err) == (0, "")
    assert not lines(done, "fault")
    assert not lines(done, "warning")
    said = lines(done, "ok")
    assert said[0].startswith(f"the ledger {site}/ledger.db: new, on a local disk (")
    assert said[1].startswith(f"the folder {site}/inbox: on ")
    assert f"the place for rejected files: {site}/rejected, made when it is needed, " in said[2]
    assert f"the place for stored originals: {site}/done, made when it is needed, " in said[3]
    assert said[4].startswith("the place for converted files: ")
    assert said[5].startswith(
        f"{site}/inbox/4711001.jpg would be sent to archive as VL Photographic Image Storage"
    )
    assert (
        said[6] == f"archive at {url}/studies lets us in; it does not say which forms it takes; dicom is sent"
    )
    assert said[7] == "the clock of archive and ours agree"
    assert {each: each.stat().st_mtime_ns for each in site.rglob("*") if each.is_file()} == before
    assert sorted(each.name for each in site.iterdir()) == ["gateway.yaml", "inbox", "site.yaml"]


def test_orthanc_lets_us_in(site: Path, orthanc: str) -> None:
    done = gateway("check", configure(site, orthanc))
    assert done.status == 0
    assert any(line.startswith(f"archive at {orthanc}/studies lets us in") for line in lines(done, "ok"))


def test_a_configuration_is_checked_by_itself(site: Path) -> None:
    done = gateway("check", configure(site), site / "inbox")
    assert (done.status, done.out) == (2, "")
    assert "a configuration is checked by itself" in done.err
    done = gateway("check", "--offline", "photo")
    assert done.status == 2
    assert "--offline is for a configuration" in done.err


# Places


def test_a_folder_that_is_not_there(site: Path) -> None:
    (site / "inbox").rmdir()
    done = offline(site)
    assert done.status == 2
    assert lines(done, "fault") == [f"the folder {site}/inbox is not there: make it, or mend path"]
    (site / "inbox").write_text("", "utf-8")
    assert lines(offline(site), "fault")[0] == f"the folder {site}/inbox is not a folder"


@pytest.mark.parametrize(
    ("more", "what"),
    [
        (
            {"folder": {"rejected": "/proc/bad"}},
            "the place for rejected files, /proc/bad, cannot be written: ",
        ),
        (
            {"folder": {"originals": {"move": "/proc/done/{{ original.date }}"}}},
            "the place for stored originals",
        ),
        ({"top": {"tmp_dir": "/proc/tmp"}}, "the place for converted files, /proc/tmp, cannot be written: "),
        ({"top": {"ledger": "/proc/ledger.db"}}, "the ledger /proc/ledger.db cannot be made: "),
        ({"top": {"ledger": "no/such/ledger.db"}}, "/no/such/ledger.db cannot be made: No such file"),
    ],
)
def test_places_that_cannot_be_written(site: Path, more: dict[str, Any], what: str) -> None:
    done = offline(site, **more)
    assert done.status == 2
    [fault] = lines(done, "fault")
    assert what in fault


def test_an_inbox_from_which_nothing_can_be_taken(site: Path) -> None:
    folder = {"path": "/proc/self/attr", "originals": "delete"}
    done = offline(site, folder=folder)
    assert done.status == 2
    [fault] = lines(done, "fault")
    assert "the folder /proc/" in fault
    assert "so files cannot be taken out of it" in fault
    kept = offline(site, folder={**folder, "originals": "keep"})
    assert kept.status == 0
    assert "so rejected files cannot be taken out of it" in lines(kept, "warning")[0]


def test_a_ledger_that_is_there_and_one_that_is_none(site: Path) -> None:
    day = Day(site / "ledger.db")
    day.held()
    day.ledger.close()
    assert "ledger.db: one file in it, on a local disk" in lines(offline(site), "ok")[0]
    [fault] = lines(offline(site, top={"uid_namespace": "other.example"}), "fault")
    assert "another namespace" in fault
    (site / "ledger.db").unlink()
    (site / "ledger.db").write_text("this is a letter and no database", "utf-8")
    done = offline(site)
    assert done.status == 2
    assert "is not a ledger" in lines(done, "fault")[0]


# Samples


def test_what_would_become_of_the_files_that_lie_there(site: Path) -> None:
    files = {
        "4711001.jpg": examples.jpeg(),
        "IMG_1.jpg": examples.jpeg(),
        "4711002.txt": b"no picture",
        "4711003.png": examples.raster("PNG")[:-20],
        "4711004.jpg": b"",
        "ward.done": b"x",
        ".hidden.jpg": examples.jpeg(),
    }
    for name, data in files.items():
        (site / "inbox" / name).write_bytes(data)
    done = offline(site, folder={"group": {"by": "folder", "done": "*.done"}})
    assert done.status == 0
    inbox = site / "inbox"
    assert any(line.startswith(f"{inbox}/4711001.jpg would be sent to archive") for line in lines(done, "ok"))
    held, rejected, unfinished = sorted(lines(done, "warning"), key=lambda line: line.split(" ")[1:4])
    assert held.startswith(f"{inbox}/4711003.png is not complete, and would be waited for: it ")
    assert rejected.startswith(f"{inbox}/IMG_1.jpg would be held (path): the mapping site is not for it: ")
    assert unfinished.startswith(f"{inbox}/4711002.txt would be rejected: it ")
    assert not any(name in done.out for name in ("4711004", "ward.done", "hidden"))


def test_only_some_of_many_are_tried(site: Path) -> None:
    for number in range(25):
        (site / "inbox" / f"{4711000 + number}.jpg").write_bytes(examples.jpeg())
    said = lines(offline(site), "ok")
    assert sum("would be sent" in line for line in said) == 20
    assert f"{site}/inbox has 5 more files, which were not tried" in said


def test_text_that_the_destination_cannot_carry_is_found(site: Path) -> None:
    (site / "site.yaml").write_text(MAPPING.replace("Doe^Jane", "山田^太郎"), "utf-8")
    (site / "inbox" / "4711001.jpg").write_bytes(examples.jpeg())
    [warning] = lines(offline(site, destination={"charset": "ISO_IR 100"}), "warning")
    assert "4711001.jpg would be held" in warning
    assert not lines(offline(site, destination={"charset": "ISO 2022 IR 87"}), "warning")


def test_a_file_that_no_destination_is_for(site: Path) -> None:
    (site / "inbox" / "4711001.jpg").write_bytes(examples.jpeg())
    when = {"to": [{"name": "archive", "when": "{{ 'no' }}"}]}
    [warning] = lines(offline(site, folder=when), "warning")
    assert warning == f"{site}/inbox/4711001.jpg would be passed over: no destination is for it"


# Archives


@pytest.mark.parametrize("kind", ["xml", "json"])
def test_what_an_archive_says_of_itself(site: Path, kind: str) -> None:
    types = ['multipart/related; type="application/dicom"', "multipart/related; type=application/dicom+xml"]
    if kind == "xml":
        each = "".join(f'<representation mediaType="{one.replace(chr(34), "&quot;")}"/>' for one in types)
        options = (200, "application/vnd.sun.wadl+xml", WADL.format(each), {})
    else:
        method = {"@name": "POST", "request": {"representation": [{"@mediaType": one} for one in types]}}
        described = {"application": {"resource": {"@path": "studies", "method": [method]}}}
        options = (200, "application/json", json.dumps(described), {})
    with archive(options) as (url, _):
        right = gateway("check", configure(site, url))
        wrong = gateway("check", configure(site, url, destination={"form": "json"}))
    assert f"archive at {url}/studies lets us in; takes dicom, xml; dicom is sent" in lines(right, "ok")
    assert wrong.status == 0
    [warning] = lines(wrong, "warning")
    assert (
        warning == f"archive at {url}/studies answers, but it says that it takes dicom, xml, and form is json"
    )


def test_it_is_asked_with_the_credentials_and_headers_of_the_folder(site: Path) -> None:
    (site / "login").write_text("gateway:secret", "utf-8")
    with archive() as (url, server):
        done = gateway(
            "check", configure(site, f"{url}?tenant=7", destination={"auth": {"basic": {"file": "login"}}})
        )
    assert done.status == 0
    assert {authorization for _, _, authorization in server.asked} == {"Basic Z2F0ZXdheTpzZWNyZXQ="}
    assert ("GET", "/rs/studies?limit=1&tenant=7") in {each[:2] for each in server.asked}
    assert "secret" not in done.out


@pytest.mark.parametrize(
    ("options", "search", "level", "words"),
    [
        (NOTHING, (401, "", "", {}), "fault", "The archive wants to know who is sending (HTTP 401)"),
        (STUDIES, (401, "", "", {}), "fault", "The archive wants to know who is sending (HTTP 401)"),
        (NOTHING, NOTHING, "fault", "There is nothing at this address (HTTP 404)"),
        (NOTHING, (302, "", "", {"Location": "/login"}), "fault", "sends us to another address (HTTP 302)"),
        (
            NOTHING,
            (503, "text/plain", "starting", {}),
            "fault",
            "not available just now (HTTP 503): starting",
        ),
        (NOTHING, (403, "", "", {}), "warning", "answers, but a search was not answered (HTTP 403)"),
        (
            (204, "", "", {"Allow": "OPTIONS, post"}),
            NOTHING,
            "warning",
            "a search was not answered (HTTP 404)",
        ),
    ],
)
def test_archives_that_do_not_let_us_in(
    site: Path, options: Answer, search: Answer, level: str, words: str
) -> None:
    with archive(options, search) as (url, _):
        done = gateway("check", configure(site, url))
    [found] = lines(done, level)
    assert words in found
    assert url in found
    assert done.status == (2 if level == "fault" else 0)


def test_an_archive_that_is_away(site: Path) -> None:
    url = f"http://127.0.0.1:{free_port()}/dicom-web"
    done = gateway("check", configure(site, url))
    [fault] = lines(done, "fault")
    assert fault.startswith(f"archive: {url}/studies cannot be reached: connection refused")
    assert done.status == 2
    assert not lines(offline(site), "fault")


@pytest.mark.parametrize(("skew", "words"), [(-3600, "60 minutes behind"), (1200, "20 minutes ahead of")])
def test_a_clock_that_is_wrong(site: Path, skew: float, words: str) -> None:
    with archive(skew=skew) as (url, _):
        done = gateway("check", configure(site, url))
    [warning] = lines(done, "warning")
    assert warning == f"the clock of archive is {words} ours: set whichever is wrong"
    assert done.status == 0


def test_a_certificate_that_is_not_trusted(site: Path) -> None:
    made = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=x"]
    files = ["-keyout", "key.pem", "-out", "cert.pem", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([require("openssl"), *made, *files], cwd=site, check=True, capture_output=True)
    with archive() as (url, server):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(site / "cert.pem", site / "key.pem")
        server.socket = context.wrap_socket(server.socket, server_side=True)
        secured = url.replace("http:", "https:")
        distrusted = gateway("check", configure(site, secured))
        trusted = gateway("check", configure(site, secured, destination={"tls": {"ca": "cert.pem"}}))
    assert distrusted.status == 2
    [fault] = lines(distrusted, "fault")
    assert "its certificate is not trusted" in fault
    assert "tls: ca" in fault
    assert trusted.status == 0


def test_a_destination_that_no_folder_uses(site: Path) -> None:
    second = {"archive": {"url": "http://127.0.0.1:1/rs"}, "spare": {"url": "http://127.0.0.1:2/rs"}}
    done = offline(site, folder={"to": "archive"}, top={"destinations": second})
    assert lines(done, "warning") == ["no folder sends to spare of its own; a mapping may"]
    assert done.status == 0
