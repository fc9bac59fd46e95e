"""What other doors need of the main path: candidates, groups, and identities of their own choosing."""

from __future__ import annotations

import shutil
import uuid
from dataclasses import replace
from pathlib import Path

import pytest
from blake3 import blake3
from PIL import Image

from gateway import pipeline
from gateway.cli import samples
from gateway.convert.workshop import Workshop
from gateway.dicom.identity import identify
from gateway.errors import Hold
from gateway.mapping.description import description
from gateway.model import Instance, Outcome, Source, Status

NAMESPACE = uuid.UUID("0b0f4bb6-54a5-4d17-9f6e-0a6f5cf3c2b1")


def work(folder: Path, text: str) -> pipeline.Work:
    (folder / "site.yaml").write_text(text)
    return pipeline.Work(NAMESPACE, description=description(mappings=[str(folder / "site.yaml")]))


def test_a_candidate_has_what_a_ledger_keeps(tmp_path: Path) -> None:
    samples.photo(tmp_path / "4711001.jpg")
    (tmp_path / "p.csv").write_text("mrn,sex\n4711001,F\n4711002,M\n")
    given = work(
        tmp_path,
        "sources: {table: {file: p.csv, key: mrn, equals: '{{ media.stem }}'}}\n"
        "checks: [{when: yes, then: {send_to: research}, say: for research}]\n"
        "attributes: {PatientID: '{{ media.stem }}', PatientSex: '{{ row.sex }}'}\n",
    )
    source = Source(tmp_path / "4711001.jpg", tmp_path)
    candidate = pipeline.examine(source, given)
    digest = blake3(source.path.read_bytes())
    assert (candidate.digest, candidate.digest_bytes) == (digest.hexdigest(), digest.digest())
    assert candidate.depends == (tmp_path / "p.csv",)
    assert (candidate.destinations, candidate.messages) == (("research",), ("for research",))
    assert candidate.claim is not None
    assert (candidate.claim.patient, candidate.claim.scope) == ("4711001", "site")
    again = pipeline.examine(pipeline.look(source, given), given, digest=digest.digest())
    assert (again.claim, again.digest) == (candidate.claim, candidate.digest)
    with pytest.raises(Hold):
        pipeline.examine(Source(shutil.copy(source.path, tmp_path / "x.jpg"), tmp_path), given)


def test_a_candidate_is_constructed_with_an_identity_of_ones_own(tmp_path: Path) -> None:
    samples.photo(tmp_path / "a.jpg")
    given = pipeline.Work(NAMESPACE)
    candidate = pipeline.examine(Source(tmp_path / "a.jpg", tmp_path), given)
    assert candidate.claim is not None
    [identity] = identify([replace(candidate.claim, study_uid="2.25.7")], NAMESPACE)
    with Workshop(tmp_path / "t") as shop:
        instance = pipeline.construct(candidate, replace(identity, instance_number=9), {}, given, shop)
    assert (instance.study_instance_uid, instance.dataset.InstanceNumber) == ("2.25.7", 9)


def test_files_that_came_together_are_those_of_a_folder(tmp_path: Path) -> None:
    for day, name in enumerate(("one/a.jpg", "one/b.jpg", "two/c.jpg"), 1):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        samples.photo(tmp_path / name, captured=f"2024:05:0{day} 12:00:00")
    (tmp_path / "two" / "notes.txt").write_text("no picture")
    given = work(tmp_path, "attributes: {PatientID: '{{ group.count }}', StudyID: '{{ group.names[0] }}'}\n")
    with Workshop(tmp_path / "t") as shop:
        found = {
            each.source.name: (each.dataset.PatientID, each.dataset.StudyID)
            for each in pipeline.render([tmp_path / "one", tmp_path / "two"], given, shop)
            if isinstance(each, Instance)
        }
    assert found == {"a.jpg": ("2", "a.jpg"), "b.jpg": ("2", "a.jpg"), "c.jpg": ("1", "c.jpg")}


def test_duplicates_are_told_before_they_are_converted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.new("RGB", (8, 8), (1, 2, 3)).save(tmp_path / "a.png")
    shutil.copy(tmp_path / "a.png", tmp_path / "b.png")
    converted: list[str] = []
    construct = pipeline.construct

    def counted(candidate: pipeline.Candidate, *rest: object) -> Instance:
        assert candidate.probe is not None
        converted.append(candidate.probe.source.name)
        return construct(candidate, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(pipeline, "construct", counted)
    with Workshop(tmp_path / "t") as shop:
        _, second = pipeline.render([tmp_path / "a.png", tmp_path / "b.png"], pipeline.Work(NAMESPACE), shop)
    assert isinstance(second, Outcome)
    assert (second.status, second.source.name) == (Status.DUPLICATE, "b.png")
    assert second.sop_class_uid == "1.2.840.10008.5.1.4.1.1.7"
    assert converted == ["a.png"]


def test_an_object_that_lacks_a_value_is_held_where_a_mapping_may_be_mended(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    given = work(tmp_path, "template: dermoscopic-photographic\nattributes: {PatientID: '4711'}\n")
    with Workshop(tmp_path / "t") as shop:
        [outcome] = pipeline.render([tmp_path / "a.png"], given, shop)
        assert isinstance(outcome, Outcome)
        assert outcome.status is Status.HELD
        assert "Manufacturer has no value" in str(outcome.text)
        assert [path.suffix for path in shop.folder.iterdir() if path.name != ".lock"] == []


def test_a_file_is_read_as_its_mapping_says(tmp_path: Path) -> None:
    samples.photo(tmp_path / "a.jpg")
    (tmp_path / "keep.yaml").write_text("match: {name: 'a*'}\nwhen: no\nconvert: {orientation: keep}\n")
    (tmp_path / "turn.yaml").write_text("kinds: {image: {convert: {lossless: rle}}}\n")
    names = [str(tmp_path / "keep.yaml"), str(tmp_path / "turn.yaml")]
    given = pipeline.Work(NAMESPACE, description=description(mappings=names))
    candidate = pipeline.examine(Source(tmp_path / "a.jpg", tmp_path), given)
    assert candidate.subject is not None
    assert candidate.subject.mapping is not None
    assert candidate.subject.mapping.name == "turn"
    assert (candidate.reading.keep_orientation, str(candidate.reading.lossless)) == (False, "rle")
    typed = replace(given, given=frozenset({"lossless"}))
    assert pipeline.examine(Source(tmp_path / "a.jpg", tmp_path), typed).reading.lossless is None
