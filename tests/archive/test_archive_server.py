"""Running the embedded archive, and its page."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

import examples
from archive_requests import bulk, model, post
from gateway.archive.server import running
from videos import make_video

PROGRAM = """
import sys, pathlib
from gateway.archive.server import serve
serve(pathlib.Path(sys.argv[1]), 0, ready=lambda address: print(address, flush=True))
print("ended", flush=True)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_archive_ends_by_itself_when_it_is_told_to(number: int, tmp_path: Path, http: httpx.Client) -> None:
    command = [sys.executable, "-c", PROGRAM, str(tmp_path / "archive")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stderr
        address = process.stdout.readline().strip()
        assert http.get(f"{address}/dicom-web/studies").status_code == 204
        os.kill(process.pid, number)
        assert process.stdout.readline() == "ended\n"
        assert process.wait(20) == 0
        assert process.stderr.read() == ""


def test_archive_is_reached_from_this_machine_alone(tmp_path: Path) -> None:
    with running(tmp_path) as url:
        assert url.startswith("http://127.0.0.1:")
        assert url.endswith("/dicom-web")


@pytest.mark.parametrize("root", ["/dicom-web", "dicom-web/", "/a/b/c", "/", ""])
def test_root_is_where_it_is_wanted(root: str, tmp_path: Path, http: httpx.Client) -> None:
    with running(tmp_path, root=root) as url:
        answer = http.post(
            f"{url}/studies", content=examples.dicom(), headers={"Content-Type": "application/dicom"}
        )
        assert answer.status_code == 200
        retrieve_url = answer.json()["00081190"]["Value"][0]
        assert retrieve_url == f"{url}/studies/2.25.1002"
        assert http.get(retrieve_url).status_code == 200
        assert http.get(httpx.URL(url).join("/")).headers["Content-Type"].startswith("text/html")


def test_port_that_is_taken_is_an_error(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        with pytest.raises(OSError, match="in use"), running(tmp_path, port=other.getsockname()[1]):
            pass


def test_archive_goes_on_where_it_ended(tmp_path: Path, http: httpx.Client) -> None:
    with running(tmp_path) as url:
        http.post(f"{url}/studies", content=examples.dicom(), headers={"Content-Type": "application/dicom"})
    with running(tmp_path) as url:
        assert len(http.get(f"{url}/instances").json()) == 1


def test_many_clients_at_once(archive: str) -> None:
    def work(thread: int) -> None:
        with httpx.Client(trust_env=False) as http:
            for number in range(5):
                data = examples.dicom(SOPInstanceUID=f"2.25.{thread}.{number}")
                answer = http.post(
                    f"{archive}/studies", content=data, headers={"Content-Type": "application/dicom"}
                )
                assert answer.status_code == 200
                assert http.get(f"{archive}/studies").status_code == 200

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(httpx.get(f"{archive}/instances", trust_env=False).json()) == 30


# The page


def test_page_of_an_empty_archive_says_what_to_do(archive: str, http: httpx.Client) -> None:
    page = http.get(httpx.URL(archive).join("/"))
    assert page.status_code == 200
    assert f"gateway stow --url {archive} photo.jpg" in page.text


def test_page_shows_studies_and_escapes_what_they_say(
    archive: str, http: httpx.Client, stored: Callable[[bytes], str], tmp_path: Path
) -> None:
    evil = "<script>alert(1)</script>^\"'"
    url = stored(
        examples.dicom(PatientName=evil, StudyDescription="<b>", StudyDate="20260314", PatientID="4711")
    )
    pdf = {
        "SOPClassUID": "1.2.840.10008.5.1.4.1.1.104.1",
        "MIMETypeOfEncapsulatedDocument": "application/pdf",
        "EncapsulatedDocument": examples.pdf(),
        "SeriesInstanceUID": "2.25.8",
        "SOPInstanceUID": "2.25.7",
        "DocumentTitle": "Letter",
    }
    document = stored(examples.dicom(**pdf, PixelData=None, Rows=None))
    video = make_video(tmp_path / "clip.mp4", profile="high").read_bytes()
    post(http, archive, [model("2.25.6")], bulk(video, "video/mp4"))
    page = http.get(httpx.URL(archive).join("/"))
    assert "<script>" not in page.text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page.text
    facts = ("ID 4711", "2026-03-14 · OT", "&lt;b&gt;", "2 series, 3 instances")
    assert all(f"<li>{fact}</li>" in page.text for fact in facts), page.text
    path = httpx.URL(url).path
    assert f'href="{path}/rendered"' in page.text
    assert f'src="{path}/thumbnail"' in page.text
    assert f'href="{httpx.URL(document).path}/rendered"' in page.text
    assert "/instances/2.25.6/bulkdata/7FE00010" in page.text
    assert "script-src" not in page.headers["Content-Security-Policy"]
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]


def test_page_has_further_pages(archive: str, http: httpx.Client, stored: Callable[[bytes], str]) -> None:
    for number in range(27):
        stored(
            examples.dicom(
                StudyInstanceUID=f"2.25.7.{number}",
                SOPInstanceUID=f"2.25.8.{number}",
                PatientID=f"#{number:02}",
            )
        )
    first, second = (http.get(httpx.URL(archive).join(f"/?page={number}")).text for number in (1, 2))
    assert "27 studies" in first
    assert "27 studies" in second
    assert first.index("ID #26") < first.index("ID #25") < first.index("ID #02")
    assert "ID #01" not in first
    assert "ID #01" in second
    assert ('href="?page=2"' in first, 'href="?page=1"' in second) == (True, True)
    for wrong in ("0", "x", "-1", "9" * 30, "²"):
        assert http.get(httpx.URL(archive).join("/"), params={"page": wrong}).status_code == 400
