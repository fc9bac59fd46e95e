"""`gateway support-bundle`: what is in it, and that no patient and no secret is."""

from __future__ import annotations

import json
import re
import sqlite3
import zipfile
from pathlib import Path

import pytest
import yaml

from doors import gateway
from gateway.ledger import Query, Result, State
from gateway.stream import FileStamp
from ledgers import Day

PATIENT = ("Doe", "Jane", "4711001", "A123", "scan-", "20250615", "Zebedee", "quagga")
SECRETS = ("hunter2", "s3cr3t", "t0p", "k3y", "p4ss")

CONFIGURATION = """\
# the password is s3cr3t-in-a-comment
destinations:
  archive:
    url: https://archive.example/rs?token=t0p-of-the-query
    auth: {basic: {env: ARCHIVE_LOGIN}}
    headers: {X-Api-Key: k3y-one, x-site: '{{ site.code }}'}
folders:
  - path: inbox
    mapping: site.yaml
    site: {institution: St. Example, variables: {code: k3y-two}}
ledger: ledger.db
alerts:
  webhook: https://chat.example/hook/t0p-of-the-path
  command: notify --password p4ss-word
"""


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ARCHIVE_LOGIN", "user:hunter2")
    (tmp_path / "gateway.yaml").write_text(CONFIGURATION, "utf-8")
    (tmp_path / "site.yaml").write_text("attributes: {PatientID: 'Zebedee'}\n", "utf-8")
    (tmp_path / "inbox").mkdir()
    return tmp_path


def bundle(site: Path, *more: str) -> dict[str, str]:
    out = site / "bundle.zip"
    done = gateway("support-bundle", "--config", site / "gateway.yaml", "-o", out, *more)
    assert done.status == 0, done.err
    assert out.stat().st_mode & 0o777 == 0o600
    with zipfile.ZipFile(out) as packed:
        assert packed.testzip() is None
        return {name: packed.read(name).decode() for name in packed.namelist()}


def busy(site: Path) -> Day:
    """A ledger with patients in every column, table and event that can hold one."""
    day = Day(site / "ledger.db")
    day.stored()
    held = day.held()
    day.changed("quagga.jpg")
    day.rejected("Doe/Jane.jpg", site / "rejected" / "Doe" / "Jane.jpg", FileStamp(1, 1, 1))
    day.file("warn.jpg", Result(State.WARNING, "B000", "Doe^Jane became Doe^J"))
    second = day.held("Zebedee.jpg", "no-row")
    day.ledger.decisions.assign(Query(ids=(held,)), "roe", {"PatientName": "Zebedee"}, "1.2.3")
    day.ledger.decisions.reject(Query(ids=(second,)), "roe", "this is not Jane Doe")
    day.ledger.decisions.note("roe", "export", "quagga")
    day.ledger.close()
    return day


def test_there_are_no_patients_and_no_secrets_in_it(site: Path) -> None:
    busy(site)
    text = "\n".join(sqlite3.connect(site / "ledger.db").iterdump())
    assert all(
        name.lower() in text.lower() for name in PATIENT if name != "20250615"
    )  # it is compressed there
    parts = bundle(site)
    whole = "\n".join(f"{name}\n{text}" for name, text in parts.items())
    assert not [name for name in PATIENT if name.lower() in whole.lower()]
    assert not [secret for secret in SECRETS if secret in whole]
    raw = (site / "bundle.zip").read_bytes()
    assert not [word for word in (*PATIENT, *SECRETS) if word.encode() in raw]


def test_the_configuration_is_there_without_secrets(site: Path) -> None:
    made = yaml.safe_load(bundle(site)["configuration.yaml"])
    archive = made["destinations"]["archive"]
    assert archive["url"] == "https://archive.example/rs"
    assert archive["auth"] == {"basic": {"env": "ARCHIVE_LOGIN"}}
    assert archive["headers"] == {"X-Api-Key": "(masked)", "x-site": "(masked)"}
    [folder] = made["folders"]
    assert folder["mapping"] == "site.yaml"
    assert folder["site"] == {"institution": "St. Example", "variables": {"code": "(masked)"}}
    assert made["alerts"] == {"webhook": "(masked)", "command": "(masked)"}


def test_secrets_where_nobody_expects_them_are_masked_too(site: Path) -> None:
    (site / "gateway.yaml").write_text(
        "destinations:\n"
        "  archive:\n"
        "    url: https://user:hunter2@archive.example/rs\n"
        "    auth: {bearer: s3cr3t, basic: [t0p], password: k3y, token_command: {command: 'echo p4ss'}}\n"
        "    password: hunter2\n"
        "folders: {path: inbox, settle: soon}\n"
        "secret: {of: [s3cr3t]}\n"
        "ledger: ledger.db\n",
        "utf-8",
    )
    parts = bundle(site)
    assert not [secret for secret in SECRETS for text in parts.values() if secret in text]
    made = yaml.safe_load(parts["configuration.yaml"])
    assert made["destinations"]["archive"] == {
        "url": "https://archive.example/rs",
        "auth": {
            "bearer": "(masked)",
            "basic": ["(masked)"],
            "password": "(masked)",
            "token_command": {"command": "(masked)"},
        },
        "password": "(masked)",
    }
    assert made["secret"] == "(masked)"
    lines = parts["faults.txt"].splitlines()
    assert len(lines) >= 4
    assert all(re.fullmatch(r"\S+gateway\.yaml:\d+:\d+", line) for line in lines)


def test_what_helps_is_there(site: Path) -> None:
    busy(site)
    parts = bundle(site)
    assert list(parts) == [
        "configuration.yaml",
        "faults.txt",
        "versions.json",
        "mappings.json",
        "disks.json",
        "ledger.json",
        "events.ndjson",
    ]
    versions = json.loads(parts["versions.json"])
    assert {"gateway", "python", "sqlite", "system"} <= versions.keys()
    assert "pydicom" in versions["packages"]
    assert parts["faults.txt"] == ""
    assert [Path(each["file"]).name for each in json.loads(parts["mappings.json"])] == ["site.yaml"]
    assert json.loads(parts["disks.json"])["inbox"]["free"] > 0
    ledger = json.loads(parts["ledger.json"])
    counts = {each["state"]: each["files"] for each in ledger["counts"]}
    assert counts == {"stored": 1, "ready": 1, "changed": 1, "rejected": 2, "warning": 1}
    assert ledger["reasons"]["rejected"] == {"by-hand": 1, "rejected": 1}
    assert {each["name"] for each in ledger["owners"]} == {"worker"}
    events = [json.loads(line) for line in parts["events.ndjson"].splitlines()]
    assert {"held", "assign", "original", "reject", "export"} <= {each["what"] for each in events}
    assert [each["text"] for each in events if each["what"] == "held"] == ["unidentified", "no-row"]


def test_only_the_last_events_are_packed(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from gateway.cli import support_bundle

    monkeypatch.setattr(support_bundle, "EVENTS", 3)
    day = Day(site / "ledger.db")
    for number in range(17):
        day.ledger.decisions.note("roe", f"note{number}")
    day.ledger.close()
    events = [json.loads(line) for line in bundle(site)["events.ndjson"].splitlines()]
    assert [each["what"] for each in events] == ["note14", "note15", "note16"]


def test_mappings_are_packed_on_demand(site: Path) -> None:
    assert "mappings/1-site.yaml" not in bundle(site)
    assert "Zebedee" in bundle(site, "--with-mappings")["mappings/1-site.yaml"]


def test_without_a_ledger_and_with_a_broken_one(site: Path) -> None:
    assert json.loads(bundle(site)["ledger.json"]) == {"there": False}
    assert not (site / "ledger.db").exists()
    (site / "ledger.db").write_bytes(b"Doe^Jane" * 1000)
    assert bundle(site)["ledger-error.txt"] == "Fatal\n"


def test_a_configuration_that_cannot_be_read_at_all(site: Path) -> None:
    (site / "gateway.yaml").write_bytes(b"ledger: \xff s3cr3t\n")
    parts = bundle(site)
    assert not [secret for secret in SECRETS for text in parts.values() if secret in text]
    assert "versions.json" in parts


def test_a_place_that_cannot_be_written(site: Path) -> None:
    done = gateway("support-bundle", "--config", site / "gateway.yaml", "-o", site / "no" / "b.zip")
    assert done.status == 2
    assert "b.zip cannot be written: No such file or directory" in done.err
