"""Functions in a process of their own: what they return, and what is left of those that fail."""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import child_work
from gateway.convert import child
from gateway.errors import Fatal, Reject, Retry
from gateway.model import LossyStep

PHOTO = Path("/photos/wound.jpg")


def refusal(function: object, *args: object, **limits: object) -> str:
    with pytest.raises(Reject) as caught:
        child.run(function, *args, about=PHOTO, **limits)
    assert str(caught.value).startswith(f"{PHOTO} cannot be converted")
    return str(caught.value)


def test_results_come_back_as_they_are() -> None:
    values = (1, 2.5, "Jörg", b"\0", None, True, (1, (2,)), Path("/a b"), [1], {"a": 1})
    assert child.run(child_work.echo, *values) == values
    assert child.run(child_work.step) == LossyStep(2.0, "ISO_10918_1")
    assert child.run(os.getpid) != os.getpid()


def test_errors_that_say_what_to_do_come_back_as_they_are() -> None:
    with pytest.raises(Reject, match=r"^/a is not liked$"):
        child.run(child_work.reject, Path("/a"), about=PHOTO)
    with pytest.raises(Retry, match="later"):
        child.run(child_work.retry)


@pytest.mark.parametrize(
    ("function", "args", "words"),
    [
        (os.abort, (), "crashed (SIGABRT)"),
        (child_work.crash_in_c, (), "crashed (SIG"),
        (os._exit, (3,), "ended with status 3"),
        (os._exit, (0,), "ended with status 0"),
        (int, ("x",), "ValueError: invalid literal"),
        (child_work.needs_a_library, (), "without no_such_library"),
    ],
)
def test_other_failures_are_refusals_that_say_what_happened(
    function: object, args: tuple, words: str
) -> None:
    assert words in refusal(function, *args)


def test_memory_is_bounded() -> None:
    assert "more memory than the 200 MiB" in refusal(child_work.eat, memory=200 << 20)
    assert "more memory than the 200 MiB" in refusal(bytearray, 1 << 40, memory=200 << 20)


def test_time_is_bounded() -> None:
    start = time.monotonic()
    assert "longer than the 1 seconds" in refusal(child_work.spin, seconds=1)
    assert "longer than the 0.5 seconds" in refusal(time.sleep, 600, seconds=0.5)
    assert time.monotonic() - start < 60


def test_nothing_is_said_on_the_streams(capfd: pytest.CaptureFixture[str]) -> None:
    assert child.run(child_work.chatter) == ("said", 2)
    refusal(os.abort)
    assert capfd.readouterr() == ("", "")


def test_nothing_is_left_behind(tmp_path: Path) -> None:
    assert child.run(child_work.temporary, folder=tmp_path).parent == tmp_path
    refusal(child_work.litter, folder=tmp_path)
    assert list(tmp_path.iterdir()) == []
    refusal(child_work.linger, tmp_path / "pid", seconds=1, folder=tmp_path)
    [left] = tmp_path.iterdir()
    with pytest.raises(ProcessLookupError):
        os.kill(int(left.read_text()), 0)


def test_secrets_stay_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEWAY_TOKEN", "secret")
    monkeypatch.setenv("SOME_PASSWORD", "secret")
    token, names = child.run(child_work.secrets)
    assert token is None
    assert "SOME_PASSWORD" not in names


def test_an_answer_cannot_run_anything_here() -> None:
    assert "gave no answer" in refusal(child_work.trap)
    assert not Path("/tmp/gateway-test-trap").exists()


def test_a_full_disk_is_nobodys_picture() -> None:
    with pytest.raises(Fatal, match="--tmp-dir"):
        child.run(child_work.full, about=PHOTO)


def test_it_starts_with_what_the_function_needs_alone() -> None:
    assert child.run(child_work.imported) == []
    start = time.process_time()
    child.run(os.getpid)
    assert time.process_time() - start < 1


@pytest.mark.parametrize("most", [1, 3])
def test_no_more_run_at_once_than_may(tmp_path: Path, most: int) -> None:
    """The others wait for their turn, and their time does not begin before."""
    child.at_once(most)
    try:
        with ThreadPoolExecutor(6) as pool:
            seen = list(pool.map(lambda _: child.run(child_work.together, tmp_path, most + 1), range(6)))
    finally:
        child.at_once(child.PROCESSORS)
    assert max(seen) <= most
