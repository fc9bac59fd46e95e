"""Configurations of hot folders: what they mean, and what is said of those that are wrong.

Beside each configuration in `broken_configurations/` stands what `gateway check` prints, word for word;
`{here}` is that folder.
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from doors import gateway
from gateway.config import Form, Unidentified
from gateway.errors import Fatal
from gateway.intake.configuration import Action, By, Configuration, Route, Sidecars, kept_out, load, outline
from json_schemas import complaints

FOLDER = Path(__file__).parent / "broken_configurations"
BROKEN = sorted(path.stem for path in FOLDER.glob("*.yaml"))
LINE = re.compile(r"[\w./-]+\.yaml:[1-9]\d*:[1-9]\d*: \S.*")

SMALLEST = """\
destinations:
  archive: {url: http://127.0.0.1:8042/dicom-web}
folders:
  - path: inbox
    mapping: photo
    settle: 1s
    originals: {move: done}
ledger: ledger.db
"""


def read(folder: Path, text: str) -> Configuration:
    (folder / "gateway.yaml").write_text(text, "utf-8")
    return load(folder / "gateway.yaml")


def expected(name: str) -> list[str]:
    text = (FOLDER / f"{name}.txt").read_text("utf-8")
    return text.replace("{here}", str(FOLDER)).splitlines()


# What is wrong


@pytest.mark.parametrize("name", BROKEN)
def test_each_mistake_is_named_with_its_place(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(FOLDER)
    monkeypatch.delenv("NO_SUCH_VARIABLE_IS_SET", raising=False)
    done = gateway("check", f"{name}.yaml")
    assert done.out.splitlines() == expected(name)
    assert (done.status, done.err) == (2, "")


@pytest.mark.parametrize("name", BROKEN)
def test_every_line_can_be_clicked(name: str) -> None:
    assert all(LINE.fullmatch(line) for line in expected(name))


def test_there_are_many_and_some_have_several_mistakes() -> None:
    assert len(BROKEN) >= 25
    assert sum(len(expected(name)) > 1 for name in BROKEN) >= 10
    assert {path.stem for path in FOLDER.glob("*.txt")} == set(BROKEN)


def test_no_message_shows_a_password() -> None:
    assert "very-secret" in (FOLDER / "secret-in-the-file.yaml").read_text("utf-8")
    assert not any("very-secret" in line for name in BROKEN for line in expected(name))


def test_the_daemon_says_the_same_and_does_not_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(FOLDER)
    done = gateway("watch", "bad-durations.yaml")
    assert done.err.removeprefix("gateway: ").splitlines() == expected("bad-durations")
    assert done.status == 2


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(Fatal, match=r"gone\.yaml"):
        load(tmp_path / "gone.yaml")


# What is right


def test_the_smallest_one_works_as_it_stands(tmp_path: Path) -> None:
    made = read(tmp_path, SMALLEST)
    [folder] = made.folders
    assert (folder.name, folder.path) == ("inbox", tmp_path / "inbox")
    assert folder.mappings == ("photo",)
    assert folder.to == (Route("archive"),)
    assert (folder.settle, folder.scan) == (timedelta(seconds=1), timedelta(seconds=2))
    assert folder.group is None
    assert (folder.sidecar, folder.unidentified) == (Sidecars.OPTIONAL, Unidentified.HOLD)
    assert folder.originals.action is Action.MOVE
    assert folder.originals.root(tmp_path) == tmp_path / "done"
    assert folder.rejected == tmp_path / "rejected"
    assert (folder.recheck, folder.hold_for) == (timedelta(minutes=10), timedelta(hours=24))
    assert folder.events
    archive = made.archives["archive"]
    assert archive.destination.url == "http://127.0.0.1:8042/dicom-web"
    assert (archive.destination.form, archive.destination.jobs) == (Form.DICOM, 2)
    assert (archive.charset, archive.rate, archive.unsafe_resend) == (None, None, False)
    assert made.ledger == tmp_path / "ledger.db"
    assert made.alerts is None
    assert made.monitoring.port is None


def test_all_that_can_be_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ca.pem").write_text("", "utf-8")
    (tmp_path / "token").write_text("  t0ken\n", "utf-8")
    monkeypatch.setenv("ARCHIVE_LOGIN", "gateway:hunter:2")
    made = read(
        tmp_path,
        r"""
destinations:
  archive:
    url: https://archive.example/dicom-web
    charset: ISO_IR 100
    auth: {basic: {env: ARCHIVE_LOGIN}}
    tls: {ca: ca.pem, verify: no}
    jobs: 4
    rate: 120/m
    max_request_size: 10MB
    headers: {x-tenant: '{{ site.tenant }}-{{ site.station }}'}
    resend: unsafe
    timeout: 1m30s
  research:
    url: http://127.0.0.1/dicom-web
    form: json
    auth: {bearer: {file: token}}
  third:
    url: http://127.0.0.1/third
    auth: {bearer: {command: 'echo t'}}
  fourth:
    url: http://127.0.0.1/fourth
    auth: {token_command: 'echo t'}
folders:
  - path: data/endo
    name: endoscopy
    mapping: [endoscopy, ecg]
    site: {institution: St. Example, station: OR1, timezone: Europe/Berlin, variables: {tenant: north}}
    to: [archive, {name: research, when: "{{ media.kind == 'video' }}"}]
    group: {by: name, pattern: '^([^_]+)_', quiet: 1m, done: '*.done'}
    sidecar: required
    give_up: 2h
    ignore: '*.bak'
    originals: {move: 'kept/{{ original.date }}', retention: 30d}
    rejected: data/bad
    unidentified: send
    patient_id: '\d{7}'
    events: off
    recheck: 5m
    hold_for: 2d
    hours: 22:00-06:00
  - path: papers
    to: archive
    originals: delete
    site: {station: P, variables: {tenant: south}}
    hours: Mon-Fri 22:00 - 06:00
ledger: state/ledger.db
uid_namespace: imaging.hospital.example
tmp_dir: work
decoders: 3
monitoring: {port: 9100}
alerts:
  held_for: 2h
  disk: 5GB
  summary: 07:30
  mail: {to: ops@hospital.example, server: mail.hospital.example:587}
  webhook: https://chat.example/hook
""",
    )
    archive, research, third, fourth = made.archives.values()
    assert (archive.charset, archive.rate, archive.unsafe_resend) == ("ISO_IR 100", 2.0, True)
    assert archive.destination.credentials.user == "gateway"
    assert archive.destination.credentials.password == "hunter:2"  # the first colon alone separates
    assert (archive.destination.max_request_size, archive.destination.timeout) == (10_000_000, 90.0)
    assert archive.destination.tls.ca == tmp_path / "ca.pem"
    assert not archive.destination.tls.verify
    assert research.destination.form is Form.JSON
    assert research.destination.credentials.bearer_file == tmp_path / "token"
    assert third.destination.credentials.token_command == "echo t"
    assert fourth.destination.credentials.token_command == "echo t"
    endo, papers = made.folders
    assert archive.destination_for(endo.site).headers == (("x-tenant", "north-OR1"),)
    assert archive.destination_for(papers.site).headers == (("x-tenant", "south-P"),)
    assert [route.destination for route in endo.to] == ["archive", "research"]
    assert endo.to[1].when is not None
    assert endo.group is not None
    assert (endo.group.by, endo.group.quiet, endo.group.done) == (By.NAME, timedelta(minutes=1), "*.done")
    assert endo.patient_id is not None
    assert endo.ignore == ("*.bak",)
    assert not endo.events
    assert endo.hours is not None
    assert [endo.hours.includes(hour * 60) for hour in (21, 22, 5, 6)] == [False, True, True, False]
    assert papers.hours is not None
    friday = datetime(2026, 11, 20, 22, 30, 7, tzinfo=UTC)
    assert papers.hours.since(friday) == 1807
    assert papers.hours.since(friday + timedelta(hours=6)) == 1807 + 6 * 3600  # it is still Friday's night
    assert papers.hours.since(friday + timedelta(days=1)) is None
    assert papers.hours.since(friday - timedelta(hours=1)) is None
    assert papers.hours.since(friday + timedelta(days=3)) == 1807
    assert papers.originals.action is Action.DELETE
    assert made.alerts is not None
    assert (made.alerts.disk, made.alerts.summary) == (5_000_000_000, 450)
    assert (made.tmp_dir, made.decoders, made.monitoring.port) == (tmp_path / "work", 3, 9100)
    shown = repr(made)
    assert not any(secret in shown for secret in ("hunter", "t0ken", "chat.example"))


def test_places_are_relative_to_the_file_wherever_one_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "gateway.yaml").write_text(SMALLEST.replace("path: inbox", "path: ../inbox"), "utf-8")
    monkeypatch.chdir(tmp_path)
    made = load(Path("etc/gateway.yaml"))
    assert made.folders[0].path == tmp_path / "inbox"
    assert made.path == tmp_path / "etc" / "gateway.yaml"
    assert tmp_path / "etc" / "done" in set(kept_out(made))


def test_what_is_the_gateways_own_is_never_scanned(tmp_path: Path) -> None:
    (tmp_path / "inbox").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "inbox")
    made = read(
        tmp_path,
        SMALLEST.replace("{move: done}", "{move: 'link/done/{{ original.date }}-{{ original.folder }}'}")
        .replace("ledger: ledger.db", "ledger: inbox/ledger.db")
        .replace("settle: 1s", "rejected: other/../inbox/bad"),
    )
    inbox = tmp_path / "inbox"
    names = ("done", "bad", "ledger.db", "ledger.db-wal", "ledger.db-shm")
    assert {inbox / name for name in names} <= set(kept_out(made))


def test_one_place_under_two_names_is_one_place(tmp_path: Path) -> None:
    (tmp_path / "inbox").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "inbox")
    with pytest.raises(Fatal, match="one within the other"):
        read(tmp_path, SMALLEST.replace("  - path: inbox\n", "  - path: link\n  - path: inbox\n"))


@pytest.mark.parametrize(
    ("auth", "words"),
    [
        ("{basic: {command: 'exit 3'}}", "the command ended with 3"),
        ("{basic: {file: latin1}}", "latin1 is not text in UTF-8"),
        ("{bearer: {file: empty}}", "there is no secret in empty: it is empty"),
        ("{basic: {command: 'printf user'}}", "basic is a user and a password as USER:PASSWORD"),
    ],
)
def test_secrets_that_are_none(tmp_path: Path, auth: str, words: str) -> None:
    (tmp_path / "latin1").write_bytes(b"\xe4:\xf6")
    (tmp_path / "empty").write_bytes(b"\n")
    with pytest.raises(Fatal) as caught:
        read(tmp_path, SMALLEST.replace("dicom-web}", f"dicom-web, auth: {auth}}}"))
    [line] = str(caught.value).splitlines()
    assert line.startswith(f"{tmp_path}/gateway.yaml:2:")
    assert words in line


def test_where_the_ledger_is_can_be_told_without_secrets_and_mappings(tmp_path: Path) -> None:
    file = tmp_path / "gateway.yaml"
    faulty = SMALLEST.replace("photo", "gone.yaml").replace(
        "dicom-web}", "dicom-web, auth: {basic: {env: X}}}"
    )
    file.write_text(faulty, "utf-8")
    with pytest.raises(Fatal):
        load(file)
    found = outline(file)
    assert (found.ledger, found.folders) == (tmp_path / "ledger.db", {"inbox": tmp_path / "inbox"})
    file.write_text("ledger: [\n", "utf-8")
    with pytest.raises(Fatal, match=r"gateway\.yaml:\d+:\d+: "):
        outline(file)


# The schema


def test_the_schema_is_for_editors() -> None:
    schema = json.loads(gateway("check", "--schema", "config").out)
    assert {"destinations", "folders", "ledger"} == set(schema["required"])
    smallest = {
        "destinations": {"archive": {"url": "http://127.0.0.1/dicom-web"}},
        "folders": [{"path": "inbox", "mapping": "photo", "settle": "1s", "originals": {"move": "done"}}],
        "ledger": "ledger.db",
    }
    assert complaints(schema, smallest) == []
    assert complaints(schema, {**smallest, "folder": "inbox"})
    assert complaints(schema, {**smallest, "folders": [{"path": "inbox", "settle": "soon"}]})
