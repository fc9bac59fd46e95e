"""What a user reads who types something wrong: one sentence that says what to do."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from doors import gateway, stow
from gateway.cli import samples
from sink import sink


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("photo") / "wound.jpg"
    samples.photo(path)
    return path


def _sentence(text: str) -> str:
    """The one line that was said."""
    [line] = text.splitlines()
    assert line.startswith("gateway: ")
    assert "Traceback" not in line
    return line


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["stow", "--nope"], 2, "--nope"),
        (["stwo"], 2, "stwo"),
        (["stow"], 2, "name files or folders"),
        (["stow", "PHOTO"], 2, "--url"),
        (["stow", "--url", "archive", "PHOTO"], 2, "http://"),
        (["stow", "--url", "http://x", "-u", "http://y", "PHOTO"], 2, "one --url"),
        (["stow", "--url", "http://x", "-u", "a:b", "--bearer", "t", "PHOTO"], 2, "do not go together"),
        (["stow", "--url", "http://x", "-m", "PatientBirthDate=1980/01/02", "PHOTO"], 2, "YYYYMMDD"),
        (["stow", "--url", "http://x", "-m", "PatientNam=Doe", "PHOTO"], 2, "PatientName"),
        (["stow", "--url", "http://x", "-m", "PatientName", "PHOTO"], 2, "="),
        (["stow", "--url", "http://x", "-m", "Rows=5", "PHOTO"], 2, "Rows"),
        (["stow", "--url", "http://x", "-m", "PatientSex=male", "PHOTO"], 2, "M"),
        (["stow", "--url", "http://x", "--mapping", "nope", "PHOTO"], 2, "nope"),
        (["stow", "--url", "http://x", "--template", "nope", "PHOTO"], 2, "vl-photographic"),
        (["stow", "--url", "http://x", "--max-request-size", "many", "PHOTO"], 2, "500MB"),
        (["stow", "--url", "http://x", "-H", "nonsense", "PHOTO"], 2, "NAME:VALUE"),
        (["stow", "--url", "http://x", "-f", "missing.json", "PHOTO"], 2, "missing.json"),
        (["stow", "--url", "http://x", "EMPTY"], 2, "no files"),
        (["render"], 2, "name files or folders"),
        (["explain", "missing.jpg"], 2, "missing.jpg"),
    ],
)
def test_mistakes_are_one_sentence(
    arguments: list[str], status: int, words: str, photo: Path, tmp_path: Path
) -> None:
    names = {"PHOTO": str(photo), "EMPTY": str(tmp_path)}
    done = gateway(*(names.get(argument, argument) for argument in arguments))
    assert done.status == status
    assert words in _sentence(done.err)


def test_archive_that_is_down(photo: Path) -> None:
    done = gateway("stow", "--url", "http://127.0.0.1:9/dicom-web", "--retry-for", "0", photo)
    assert done.status == 5
    assert "127.0.0.1:9" in _sentence(done.err)
    assert "retry" in done.out


@pytest.mark.parametrize(
    ("answer", "words"), [(401, "password"), (403, "another account"), (404, "address"), (302, "address")]
)
def test_archive_that_does_not_let_us_in(answer: int, words: str, photo: Path) -> None:
    with sink(answer) as (url, _):
        done = gateway("stow", "--url", url, "-u", "user:wrong", photo)
    assert done.status == 2
    assert words in _sentence(done.err)
    assert "wrong" not in done.err + done.out
    assert "retry" in done.out


def test_nothing_is_converted_for_an_archive_that_is_away(tmp_path: Path) -> None:
    for number in range(6):
        Image.new("RGB", (8, 8), (number, 0, 0)).save(tmp_path / f"{number}.png")
    done = stow("--url", "http://127.0.0.1:9", "--retry-for", "0", "--tmp-dir", tmp_path / "tmp", tmp_path)
    assert done.status == 5
    assert [line["status"] for line in done.lines] == ["retry"] * 6
    assert len({line["sop_instance_uid"] for line in done.lines}) == 6
    assert list((tmp_path / "tmp").iterdir()) == []


def test_file_that_cannot_be_explained_says_why(photo: Path) -> None:
    done = gateway("explain", "--template", "ophthalmic-8-bit", photo)
    assert done.status == 3
    assert "ImageLaterality" in _sentence(done.err)


def test_archive_that_is_busy_is_for_later(photo: Path) -> None:
    with sink(503) as (url, server):
        done = stow("--url", url, "--retry-for", "0", photo)
        assert len(server.received) == 1
    assert (done.status, done.lines[0]["status"]) == (5, "retry")


def test_interruption_ends_at_once_with_the_table_so_far(photo: Path, tmp_path: Path) -> None:
    with sink(hang=True) as (url, server):
        process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "gateway",
                "stow",
                "--url",
                url,
                str(tmp_path / "missing.jpg"),
                str(photo),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        while not server.received:
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "1 file: 1 rejected" in out
    assert "stopped" in err
    assert "Traceback" not in err


def test_missing_file_does_not_stop_the_others(photo: Path, tmp_path: Path) -> None:
    done = stow("--dry-run", tmp_path / "missing.jpg", photo)
    assert done.status == 3
    assert [line["status"] for line in done.lines] == ["rejected", "rendered"]
    assert done.summary["files"] == 2


def test_help_and_version_load_nothing_heavy() -> None:
    code = (
        "import sys\nfrom gateway import cli\n"
        "for words in (['--help'], ['--version'], ['stow', '--help']):\n"
        "    cli.run(cli.group, 'gateway', words)\n"
        "heavy = {'pydicom', 'httpx', 'PIL', 'av', 'numpy', 'pypdf', 'jinja2', 'yaml', 'starlette', 'rich'}\n"
        "sys.exit(', '.join(heavy & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "Store sample files" in done.stdout


def test_stow_help_shows_the_names_that_people_know() -> None:
    text = gateway("stow", "--help").out
    for name in (
        "-m,",
        "-s,",
        "--url",
        "-u ",
        "-t,",
        "-a,",
        "-f,",
        "--xc",
        "-H,",
        "--bearer",
        "--uid-suffix",
    ):
        assert name in text


def test_options_of_stowrs_are_accepted(photo: Path) -> None:
    done = stow(
        "--dry-run", "--pixel-header", "--tsuid", "--encapsulatedDocLength", "--video",
        "--tmp-file-dir", "/tmp", "--tmp-file-prefix", "x", "--tmp-file-suffix", "y",
        "--contentType", "image/jpeg", "--no-app", "--allowAnyHost", "--disableTM", "-l", "5",
        "-a", "xml", "-t", "json", "-s", "PatientID=1", photo,
    )  # fmt: skip
    assert done.status == 0, done


def test_secrets_are_never_shown(photo: Path) -> None:
    done = gateway(
        "stow", "-v", "--url", "http://127.0.0.1:9", "--retry-for", "0", "-u", "user:hunter2", photo
    )
    assert "hunter2" not in done.out + done.err


def test_table_shows_names_that_would_confuse_a_terminal(tmp_path: Path) -> None:
    evil = tmp_path / "a\x1b[31mred.jpg"
    samples.photo(evil)
    done = gateway("stow", "--dry-run", evil)
    assert "\x1b[31m" not in done.out
    assert "\\x1b" in done.out


def test_completion_script_names_the_command() -> None:
    assert "_GATEWAY_COMPLETE" in gateway("completion", "bash").out
