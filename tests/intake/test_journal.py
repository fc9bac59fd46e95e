"""The log as a program reads it: one JSON object a line, and nothing of a patient in it."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from gateway.archive.server import running as archive
from gateway.cli import samples
from gateway.intake.journal import Journal
from gateway.intake.watch import running
from standing import START, configured, until


def journaled(stream: io.StringIO) -> list[dict[str, Any]]:
    text = stream.getvalue()
    assert text == "" or text.endswith("\n")
    return [json.loads(line) for line in text.splitlines()]


def test_an_event_is_one_line_with_its_time() -> None:
    stream = io.StringIO()
    journal = Journal(lambda: START + 0.25, stream)
    journal.event("stored", file=7, folder="Übergabe\nzwei", reason=None, bytes=0, why="")
    [line] = journaled(stream)
    assert datetime.fromisoformat(line.pop("time")) == datetime.fromtimestamp(START + 0.25, UTC)
    assert line == {"event": "stored", "file": 7, "folder": "Übergabe\nzwei", "bytes": 0, "why": ""}


def test_any_value_can_be_told() -> None:
    stream = io.StringIO()
    Journal(lambda: START, stream).event("odd", where=Path("a/b"), some=["x", None], error=ValueError("v"))
    [line] = journaled(stream)
    assert (line["where"], line["some"], line["error"]) == ("a/b", ["x", None], "v")


@pytest.mark.parametrize("text", ["Übergabe \udce4", "one\u2028line", "\x85\x00"])
def test_any_text_is_one_line_in_any_encoding(text: str) -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, "ascii", write_through=True)
    Journal(lambda: START, stream).event("odd", text=text)
    [line] = raw.getvalue().decode().splitlines()
    assert json.loads(line)["text"] == text


def test_a_log_that_cannot_be_written_stops_nothing() -> None:
    full = Path("/dev/full").open("w")  # noqa: SIM115 - closing it is what fails
    journal = Journal(lambda: START, full)
    journal.event("lost")
    with pytest.raises(OSError, match="No space"):
        full.close()
    journal.event("lost as well")


def test_lines_of_many_threads_do_not_mix() -> None:
    stream = io.StringIO()
    journal = Journal(lambda: START, stream)

    def tell(number: int) -> None:
        for count in range(200):
            journal.event("told", thread=number, count=count, text="x" * 500)

    threads = [threading.Thread(target=tell, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    told = [(line["thread"], line["count"]) for line in journaled(stream)]
    assert sorted(told) == [(number, count) for number in range(8) for count in range(200)]
    for number in range(8):
        assert [count for thread, count in told if thread == number] == list(range(200))


def test_a_defect_says_where_and_none_of_the_values() -> None:
    stream = io.StringIO()
    journal = Journal(lambda: START, stream)

    def deep(patient: str) -> None:
        raise KeyError(patient)

    try:
        deep("Doe^John")
    except KeyError as error:
        journal.defect("build", 7, error)
    [line] = journaled(stream)
    assert (line["event"], line["where"], line["file"], line["error"]) == ("defect", "build", 7, "KeyError")
    assert line["trace"][-1].endswith(" deep")
    assert line["trace"][-1].startswith("test_journal.py:")
    assert "Doe" not in stream.getvalue()


def test_each_line_is_there_at_once(tmp_path: Path) -> None:
    """A log that is read by another program is not kept back in a buffer."""
    script = (
        "import time\nfrom gateway.intake.journal import Journal\n"
        "Journal(time.time).event('first')\ninput()\nJournal(time.time).event('second')\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["event"] == "first"
        rest, _ = process.communicate("\n", timeout=30)
    assert json.loads(rest)["event"] == "second"
    assert process.returncode == 0


def test_the_log_of_a_run_names_no_patient(tmp_path: Path) -> None:

    with archive(tmp_path / "archive") as address:
        stream = io.StringIO()
        folder = {"rejected": str(tmp_path / "bad"), "originals": {"move": str(tmp_path / "done")}}
        with running(configured(tmp_path, address, folder=folder), Journal(time.time, stream)):
            photo = tmp_path / "wound.jpg"
            samples.photo(photo)
            photo.rename(tmp_path / "inbox" / "4711001_20240531_L_02.jpg")
            (tmp_path / "inbox" / "4711002_20240531_L_02.jpg").write_bytes(b"no picture of Doe^John")
            (tmp_path / "inbox" / "Doe^John.jpg").write_bytes((tmp_path / "done").name.encode())
            until(lambda: {"stored", "rejected"} <= {line["event"] for line in journaled(stream)})
    assert [line["event"] for line in journaled(stream)][-1] == "stopped"
    assert all(word not in stream.getvalue() for word in ("4711001", "4711002", "Doe", "20240531"))
