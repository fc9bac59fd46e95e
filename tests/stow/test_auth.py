from __future__ import annotations

import base64
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from gateway.config import Credentials
from gateway.errors import Fatal, Refused
from gateway.stow import auth
from gateway.stow.auth import Authorization


def test_without_credentials_there_is_no_header() -> None:
    authorization = Authorization(Credentials())
    assert authorization.header() is None
    assert not authorization.renew(None)


def test_basic() -> None:
    header = Authorization(Credentials(user="jörg", password="a:b ü")).header()
    assert header is not None
    scheme, _, value = header.partition(" ")
    assert scheme == "Basic"
    assert base64.b64decode(value).decode() == "jörg:a:b ü"


def test_a_user_without_password() -> None:
    assert Authorization(Credentials(user="me")).header() == "Basic " + base64.b64encode(b"me:").decode()


def test_a_colon_in_a_user_name_is_refused() -> None:
    with pytest.raises(Fatal, match="colon"):
        Authorization(Credentials(user="a:b", password="c"))


def test_bearer() -> None:
    authorization = Authorization(Credentials(bearer=" abc.def-_~+/= \n"))
    assert authorization.header() == "Bearer abc.def-_~+/="
    assert not authorization.renew("Bearer abc.def-_~+/=")


@pytest.mark.parametrize("token", ["", "two words", "evil\r\nX-Header: 1", "umlaut-ü"])
def test_a_token_that_cannot_be_one_is_refused_without_being_shown(token: str) -> None:
    with pytest.raises(Refused) as caught:
        Authorization(Credentials(bearer=token))
    assert not token or token not in str(caught.value)


def test_a_token_file_is_read_again_only_when_it_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("first\n")
    authorization = Authorization(Credentials(bearer_file=file))
    assert authorization.header() == "Bearer first"
    file.write_text("second\n")
    assert authorization.header() == "Bearer first"
    assert authorization.renew("Bearer first")
    assert authorization.header() == "Bearer second"
    assert not authorization.renew("Bearer second")


def test_a_token_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="no-such-file cannot be read: No such file"):
        Authorization(Credentials(bearer_file=tmp_path / "no-such-file")).header()
    binary = tmp_path / "binary"
    binary.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(Refused, match="it is no text"):
        Authorization(Credentials(bearer_file=binary)).header()


def command(program: str) -> Credentials:
    return Credentials(token_command=f"{sys.executable} -c '{program}'")


def test_a_token_command_is_run_again_when_its_token_is_refused(tmp_path: Path) -> None:
    counter = tmp_path / "counter"
    program = (
        f'p = open("{counter}", "a+"); p.write("x"); p.flush(); p.seek(0); print("t" + str(len(p.read())))'
    )
    authorization = Authorization(command(program))
    assert authorization.header() == authorization.header() == "Bearer t1"
    assert authorization.renew("Bearer t1")
    assert authorization.header() == "Bearer t2"


@pytest.mark.parametrize(
    ("program", "words"),
    [
        ('import sys; print("hush"); print("hush", file=sys.stderr); sys.exit(3)', "failed with status 3"),
        ("pass", "is empty"),
        ('print("hush hush")', "has spaces"),
    ],
)
def test_a_token_command_that_fails_tells_no_secrets(program: str, words: str) -> None:
    with pytest.raises(Refused, match=words) as caught:
        Authorization(command(program)).header()
    assert "hush" not in str(caught.value)


def test_a_token_command_that_is_not_there() -> None:
    with pytest.raises(Refused, match="no-such-program cannot be started: No such file"):
        Authorization(Credentials(token_command="no-such-program --secret x")).header()


def test_a_token_command_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auth, "TOKEN_COMMAND_TIMEOUT", 0.05)
    with pytest.raises(Refused, match=r"did not end within 0\.05 seconds"):
        Authorization(command("import time; time.sleep(60)")).header()


@pytest.mark.parametrize("text", ["", "'open quote"])
def test_a_token_command_that_cannot_be_read(text: str) -> None:
    credentials = Credentials(token_command=text)
    if text:
        with pytest.raises(Fatal, match="Check its quotes"):
            Authorization(credentials)
    else:
        assert Authorization(credentials).header() is None


def test_threads_that_are_refused_together_renew_once(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("old")
    authorization = Authorization(Credentials(bearer_file=file))
    refused = authorization.header()
    reads: list[str] = []

    class Counting:
        def __call__(self) -> str:
            reads.append("read")
            return f"Bearer new{len(reads)}"

    authorization._read = Counting()
    threads = [threading.Thread(target=authorization.renew, args=(refused,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert reads == ["read"]
    assert authorization.header() == "Bearer new1"


@pytest.mark.parametrize("values", [{"user": "me", "password": "hush"}, {"bearer": "hush"}])
def test_representations_have_no_secrets(values: dict[str, Any]) -> None:
    credentials = Credentials(**values)
    assert "hush" not in repr(credentials)
    assert "hush" not in repr(Authorization(credentials))
