"""Options that say whom and what files show."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from doors import gateway, stow
from gateway.cli import samples


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "4711001_wound.jpg"
    samples.photo(path)
    return path


def rendered(*arguments: object) -> list[dict[str, Any]]:
    """The objects that `gateway render` prints."""
    done = gateway("render", *arguments)
    objects: list[dict[str, Any]] = json.loads(done.out)
    return objects


def test_mappings_are_tried_in_order(photo: Path, tmp_path: Path) -> None:
    (tmp_path / "scans.yaml").write_text("match: {kind: pdf}\nattributes: {PatientID: scan}\n")
    (tmp_path / "photos.yaml").write_text("match: {kind: image}\nattributes: {PatientID: photo}\n")
    both = ("--mapping", tmp_path / "scans.yaml", "--mapping", tmp_path / "photos.yaml")
    [shown] = rendered(*both, photo)
    assert shown["00100020"]["Value"] == ["photo"]
    [line] = stow("--dry-run", *both[:2], photo).lines
    assert line["status"] == "held"
    assert "is not for it" in line["text"]


def test_conversions_are_those_of_the_mapping_and_kind(photo: Path, tmp_path: Path) -> None:
    (tmp_path / "turned.yaml").write_text(
        "kinds: {image: {convert: {orientation: keep}}, video: {convert: {transcode: yes}}}\n"
    )
    samples.photo(tmp_path / "lying.jpg")
    kept = rendered("--mapping", tmp_path / "turned.yaml", photo)
    assert kept[0]["00280010"]["Value"] == rendered("--keep-orientation", photo)[0]["00280010"]["Value"]


def test_facts_of_the_site_fill_attributes(photo: Path) -> None:
    [shown] = rendered("--site", "institution=St. Mary's", "--site", "timezone=Europe/Berlin", photo)
    assert shown["00080080"]["Value"] == ["St. Mary's"]
    assert shown["00080201"]["Value"] == ["+0100"]
    wrong = gateway("render", "--site", "timezone=Berlin", photo)
    assert (wrong.status, "--site timezone: " in wrong.err) == (2, True)


def test_files_of_nobody_are_sent_with_a_message_or_held(photo: Path) -> None:
    [line] = stow("--dry-run", photo).lines
    assert line["status"] == "rendered"
    assert "the patient is not known: PatientID is empty" in line["text"]
    [line] = stow("--dry-run", "--unidentified", "hold", photo).lines
    assert line["status"] == "held"
    [line] = stow("--dry-run", "--unidentified", "hold", "-m", "PatientID=4711001", photo).lines
    assert line["status"] == "rendered"


def test_patient_ids_must_be_as_the_pattern_says(photo: Path) -> None:
    options = ("--dry-run", "--unidentified", "hold", "--patient-id", r"\d{7}")
    assert stow(*options, "-m", "PatientID=4711001", photo).lines[0]["status"] == "rendered"
    [line] = stow(*options, "-m", "PatientID=471100", photo).lines
    assert (line["status"], "is not what patient_id expects" in line["text"]) == ("held", True)
    wrong = gateway("render", "--patient-id", "(", photo)
    assert (wrong.status, "--patient-id: " in wrong.err) == (2, True)


def test_a_check_may_skip_a_file(photo: Path, tmp_path: Path) -> None:
    (tmp_path / "site.yaml").write_text(
        "checks:\n- {when: '{{ media.name == \"phantom.jpg\" }}', then: skip, say: a phantom}\n"
        "- {when: yes, then: {send_to: research}}\nattributes: {PatientID: '4711001'}\n"
    )
    samples.photo(tmp_path / "phantom.jpg")
    done = stow("--dry-run", "--mapping", tmp_path / "site.yaml", photo, tmp_path / "phantom.jpg")
    by_name = {Path(line["source"]).name: line for line in done.lines}
    assert (done.status, by_name["phantom.jpg"]["status"]) == (0, "skipped")
    assert "a phantom" in by_name["phantom.jpg"]["text"]
    assert "a check sends it to research too" in by_name[photo.name]["text"]
