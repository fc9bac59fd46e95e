"""Sidecars from outside: a mapping's table of settings, files on disk, and what becomes known of a file."""

from __future__ import annotations

import os
import unicodedata
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import examples
from gateway import documents, formats, stream
from gateway.config import Reading
from gateway.errors import Hold, Retry
from gateway.mapping.compose import compose
from gateway.mapping.expressions import Template
from gateway.mapping.expressions import parse as parse_expressions
from gateway.mapping.sources import sidecar
from gateway.mapping.sources.sidecar import SidecarModel, SidecarSource
from gateway.mapping.sources.source import Case, Found
from gateway.model import Probe, Source
from gateway.nodes import Fault, Place, Text, parse
from gateway.stream import FileStamp


def built(text: str) -> tuple[SidecarSource | None, list[str]]:
    faults: list[Fault] = []
    node = parse(text, "m.yaml", faults)
    assert node is not None
    model = documents.build(node, SidecarModel, faults)
    source = sidecar.read(model, faults, Path()) if model else None
    return source, [str(fault) for fault in sorted(faults)]


def given_source(text: str) -> SidecarSource:
    source, faults = built(text)
    assert faults == []
    assert source is not None
    return source


def parse_text(text: str) -> Template:
    return parse_expressions(Text(Place("m.yaml", 1, 1), text), [])


def photo(folder: Path, name: str = "IMG_1.jpg") -> Probe:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(examples.jpeg())
    return formats.probe(Source(folder / name, folder), Reading())


def find(source: SidecarSource, probe: Probe, **facts: Any) -> Found:
    media = {"name": probe.source.name, "stem": probe.source.path.stem}
    return source.find(Case(probe, {"media": media, **facts}))


def held(source: SidecarSource, probe: Probe, **facts: Any) -> Hold:
    with pytest.raises(Hold) as caught:
        find(source, probe, **facts)
    assert str(caught.value).startswith(f"{probe.source.shown}: ")
    return caught.value


def write(path: Path, text: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


# Where a sidecar is


@pytest.mark.parametrize("name", ["IMG_1.xml", "IMG_1.jpg.xml", "IMG_1.XML", "img_1.jpg.Xml", "IMG_1.xmp"])
def test_a_sidecar_is_beside_its_file(tmp_path: Path, name: str) -> None:
    beside = write(tmp_path / name, "<exam><mrn> 4711 </mrn></exam>")
    write(tmp_path / "IMG_10.xml", "<exam/>")
    source = given_source("{format: xml, select: {mrn: ./mrn}}")
    found = find(source, photo(tmp_path))
    assert found == Found({"mrn": "4711"}, depends=(beside,), where=name)
    assert source.names == ("mrn",)


def test_a_folder_has_one_for_all_files_which_is_read_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ini = write(tmp_path / "exam.ini", "station=3\r\n[Patient]\r\nName=M\xfcller".encode("cp1252"))
    os.utime(ini, (4, 4))
    source = given_source("{file: exam.ini, scope: folder}")
    reads: list[Path] = []
    inner = sidecar._bytes
    monkeypatch.setattr(sidecar, "_bytes", lambda path, *rest: reads.append(path) or inner(path, *rest))
    for name in ("a.jpg", "b.jpg", "c.jpg"):
        facts = find(source, photo(tmp_path, name)).facts
        assert facts["Patient"]["Name"] == "Müller"
        assert facts["station"] == "3"
    assert reads == [ini]
    write(ini, "[Patient]\nName=Meyer")
    os.utime(ini, (5, 5))
    assert find(source, photo(tmp_path, "a.jpg")).facts["patient"]["name"] == "Meyer"
    assert source.names is None
    assert source.scope == "folder"


def test_one_that_has_just_changed_may_change_again_without_a_sign(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "COARSE", 10**20)  # any time ago is just now
    ini = write(tmp_path / "exam.ini", "[Patient]\nID=4711001")
    os.utime(ini, (4, 4))
    source = given_source("{file: exam.ini, scope: folder}")
    assert find(source, photo(tmp_path, "a.jpg")).facts["Patient"]["ID"] == "4711001"
    before = FileStamp.of(ini.stat())
    ini.write_bytes(b"[Patient]\nID=4711002")
    os.utime(ini, (4, 4))
    assert FileStamp.of(ini.stat()) == before
    assert find(source, photo(tmp_path, "a.jpg")).facts["Patient"]["ID"] == "4711002"


def test_its_name_may_come_from_facts(tmp_path: Path) -> None:
    write(tmp_path / "xml" / "4711.xml", "<a><b>1</b></a>")
    probe = photo(tmp_path / "photos")
    for file in ("../xml/{{ path.mrn }}.xml", r"..\xml\{{ path.mrn }}.xml", f"{tmp_path}/xml/4711.xml"):
        source = given_source(f"{{file: '{file}', select: {{b: b}}}}")
        assert find(source, probe, path={"mrn": "4711"}).facts == {"b": "1"}
    assert [each.code for each in given_source("{file: '{{ path.mrn }}.ini'}").expressions] == ["path.mrn"]


def test_a_pattern_finds_what_only_ends_alike(tmp_path: Path) -> None:
    write(tmp_path / "IMG_1_20240531.txt", "mrn: 1")
    source = given_source("{file: '{{ media.stem }}_*.txt'}")
    assert find(source, photo(tmp_path)).facts["mrn"] == "1"


def test_signs_of_patterns_in_facts_stand_for_themselves(tmp_path: Path) -> None:
    write(tmp_path / "scan1.txt", "mrn: 1")
    probe = photo(tmp_path, "scan[1].jpg")
    for source in (given_source("{format: text}"), given_source("{file: '{{ media.stem }}*.txt'}")):
        assert held(source, probe).reason == "sidecar-missing"
    write(tmp_path / "scan[1].txt", "mrn: 2")
    for source in (given_source("{format: text}"), given_source("{file: '{{ media.stem }}*.txt'}")):
        assert find(source, probe).facts["mrn"] == "2"


@pytest.mark.parametrize(
    ("names", "settings"),
    [
        (("IMG_1.xml", "IMG_1.jpg.xml"), "{format: xml, select: {b: b}}"),
        (("a.xml", "b.xml"), "{file: '*.xml', select: {b: b}}"),
        (("IMG_1.XML", "Img_1.xml"), "{file: '{{ media.stem }}.xml', select: {b: b}}"),
    ],
)
def test_of_several_none_is_guessed(tmp_path: Path, names: tuple[str, ...], settings: str) -> None:
    paths = {write(tmp_path / name, "<a/>") for name in names}
    hold = held(given_source(settings), photo(tmp_path))
    assert hold.reason == "sidecar-ambiguous"
    assert set(hold.depends) == paths
    assert all(name in str(hold) for name in names)


def test_a_file_is_never_its_own_sidecar(tmp_path: Path) -> None:
    (tmp_path / "a.xml").write_bytes(examples.cda())
    probe = formats.probe(Source(tmp_path / "a.xml", tmp_path), Reading())
    for text in ("{format: xml, select: {b: b}}", "{file: '*.xml', select: {b: b}}"):
        assert held(given_source(text), probe).reason == "sidecar-missing"


def test_a_missing_sidecar_holds_the_file_until_it_comes(tmp_path: Path) -> None:
    source = given_source("{file: '{{ media.stem }}.ini', wait: 5m}")
    probe = photo(tmp_path)
    hold = held(source, probe)
    assert (hold.reason, hold.depends) == ("sidecar-missing", (tmp_path / "IMG_1.ini",))
    assert "there is no sidecar IMG_1.ini" in str(hold)
    assert "waits 0:05:00" in str(hold)
    assert source.wait == timedelta(minutes=5)
    assert held(given_source("{file: '*.ini'}"), probe).depends == (tmp_path,)
    write(hold.depends[0], "mrn=1")
    assert find(source, probe).facts["mrn"] == "1"


def test_a_sidecar_that_need_not_be_there_leaves_its_facts_out(tmp_path: Path) -> None:
    source = given_source("{format: ini, required: no, select: {mrn: Patient.ID, eye: Eye}}")
    found = find(source, photo(tmp_path))
    assert found.facts == {"mrn": None, "eye": None}
    assert found.messages == ("it has no sidecar",)


@pytest.mark.parametrize("value", ["../secret", "/etc/passwd", "a/../../secret", r"..\secret"])
def test_facts_do_not_lead_to_other_folders(tmp_path: Path, value: str) -> None:
    write(tmp_path / "secret.txt", "mrn: 1")
    source = given_source("{file: '{{ exif.description }}.txt'}")
    hold = held(source, photo(tmp_path / "in"), exif={"description": value})
    assert hold.reason == "sidecar"
    assert "leads to another folder" in str(hold)


@pytest.mark.parametrize("value", [None, "", "\0"])
def test_facts_that_come_to_nothing_name_no_sidecar(tmp_path: Path, value: str | None) -> None:
    write(tmp_path / ".txt", "mrn: 1")
    source = given_source("{file: '{{ path.mrn }}.txt'}")
    assert held(source, photo(tmp_path), path={"mrn": value}).reason == "sidecar-missing"


def test_names_that_the_file_system_does_not_take_hold_the_file(tmp_path: Path) -> None:
    source = given_source("{file: '{{ path.mrn }}.txt'}")
    assert held(source, photo(tmp_path), path={"mrn": "x" * 5000}).reason == "sidecar"
    assert held(source, photo(tmp_path), path={"mrn": "\ud800"}).reason in ("sidecar", "sidecar-missing")
    assert held(source, photo(tmp_path), path={}).reason == "mapping"


# What is in it


@pytest.mark.parametrize(
    ("name", "text", "settings", "facts"),
    [
        (
            "IMG_1.hl7",
            "MSH|^~\\&|A\rPID|1||4711^^^H~12||Doe^John",
            "select: {mrn: PID-3.1, other: 'PID-3[2]', none: PID-9}",
            {"mrn": "4711", "other": "12", "none": None},
        ),
        (
            "IMG_1.xml",
            '<e:ecg xmlns:e="urn:e"><e:id v="4711"/></e:ecg>',
            "namespaces: {x: urn:e}, select: {mrn: ./x:id/@v}",
            {"mrn": "4711"},
        ),
        ("IMG_1.json", '{"a": {"b": [{"c": 4711}]}}', "select: {mrn: 'a.b[0].c'}", {"mrn": 4711}),
        ("IMG_1.json", '{"a": {"b": [4711]}}', "required: yes", {"a": {"b": [4711]}}),
        ("IMG_1.yaml", "a: {b: 0010}", "select: {mrn: a.b}", {"mrn": "0010"}),
        ("IMG_1.ini", "[Patient]\nID=4711", "select: {mrn: patient.id}", {"mrn": "4711"}),
        ("IMG_1.txt", "Patient ID: 4711", "select: {mrn: patient_id}", {"mrn": "4711"}),
        ("IMG_1.txt", "Name: M\xfcller".encode("cp437"), "encoding: cp437", {"Name": "Müller"}),
    ],
)  # fmt: skip
def test_every_format(tmp_path: Path, name: str, text: str | bytes, settings: str, facts: object) -> None:
    write(tmp_path / name, text)
    assert find(given_source(f"{{file: {name}, {settings}}}"), photo(tmp_path)).facts == facts


@pytest.mark.parametrize(
    ("settings", "own", "other"),
    [
        ("{file: '{{ media.stem }}*.xml', select: {id: ./id}}", "x1", "x10"),
        ("{file: '{{ media.stem }}.xml', select: {id: ./id}}", "A", "a"),
        ("{file: '{{ media.stem }}_*.xml', select: {id: ./id}}", "x", "x_2"),
        ("{format: xml, select: {id: ./id}}", "IMG_1", "img_1"),
    ],
)
def test_the_sidecar_of_another_file_is_not_taken(
    settings: str, own: str, other: str, tmp_path: Path
) -> None:
    write(tmp_path / f"{other}.xml", "<a><id>4711001</id></a>")
    write(tmp_path / f"{other}.txt", "and something else")
    theirs = photo(tmp_path, f"{other}.jpg")
    source = given_source(settings)
    assert held(source, photo(tmp_path, f"{own}.jpg")).reason == "sidecar-missing"
    if "_*" not in settings:
        assert find(source, theirs).facts == {"id": "4711001"}
    theirs.source.path.unlink()
    if own != "x1":  # whose number goes on after its last digit
        assert find(source, photo(tmp_path, f"{own}.jpg")).facts == {"id": "4711001"}


def test_accents_are_letters_however_they_are_composed(tmp_path: Path) -> None:
    write(tmp_path / unicodedata.normalize("NFD", "Ärger.json"), '{"mrn": 4711}')
    file = photo(tmp_path, "Ärger.jpg")
    assert find(given_source("{file: '{{ media.stem }}.json'}"), file).facts == {"mrn": 4711}


def test_what_there_is_to_say_of_it_is_a_message(tmp_path: Path) -> None:
    write(tmp_path / "IMG_1.ini", "mrn=1\nmrn=2")
    [message] = find(given_source("{format: ini}"), photo(tmp_path)).messages
    assert message == "IMG_1.ini: mrn stands a second time in line 2, with another value"


@pytest.mark.parametrize("settings", ["", ", select: {mrn: mrn}"])
@pytest.mark.parametrize("form", ["ini", "text"])
def test_a_key_with_two_values_holds_the_file_that_needs_it(form: str, settings: str, tmp_path: Path) -> None:
    write(tmp_path / "a.txt", "mrn=4711001\nMRN = 4711002\nsex: F")
    source = given_source(f"{{file: a.txt, format: {form}{settings}}}")
    if settings:
        assert "its sidecar" in str(held(source, photo(tmp_path)))
        return
    facts = find(source, photo(tmp_path)).facts
    texts = {name: parse_text(f"{{{{ sidecar.{name} }}}}") for name in ("mrn", "sex")}
    assert texts["sex"].render({"sidecar": facts}, []).text == "F"
    with pytest.raises(ValueError, match="mrn stands there twice with different values, again in line 2"):
        texts["mrn"].render({"sidecar": facts}, [])


def test_paths_that_find_nothing_are_told_with_what_is_likely_wrong(tmp_path: Path) -> None:
    write(tmp_path / "IMG_1.xml", '<ecg xmlns="urn:e"><id>4711</id></ecg>')
    found = find(given_source("{format: xml, select: {mrn: ./id}}"), photo(tmp_path))
    assert found.facts == {"mrn": None}
    [message] = found.messages
    assert "nothing that select: names is in it; its elements are in the namespace urn:e" in message


@pytest.mark.parametrize(
    ("name", "text", "settings", "words"),
    [
        ("a.xml", "<a>", "select: {b: b}", "this is not XML"),
        ("a.xml", "<a><b>1</b><b>2</b></a>", "select: {b: b}", "2 different values"),
        ("a.xml", '<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', "select: {b: b}", "DOCTYPE"),
        ("a.json", "[1]", "required: yes", "name what is taken with select:"),
        ("a.json", "{", "required: yes", "this is not JSON"),
        ("a.yaml", "a: [", "required: yes", "in line"),
        ("a.ini", "", "required: yes", "nothing in it"),
        ("a.ini", b"a=\x81", "required: yes", "0x81, in line 1"),
        ("a.txt", "x" * 2_000_000, "required: yes", "larger than 1,024 KiB"),
        ("a.hl7", "PID|1", "select: {b: PID-3}", "does not begin with a segment MSH"),
        ("a.txt", "mrn: 1", "merge: yes", "'mrn'"),
        ("a.txt", "SOPInstanceUID: 1.2.3", "merge: yes, scope: folder", "of one object"),
    ],
)
def test_a_sidecar_that_cannot_be_used_can_be_mended(
    tmp_path: Path, name: str, text: str | bytes, settings: str, words: str
) -> None:
    path = write(tmp_path / name, text)
    hold = held(given_source(f"{{file: {name}, {settings}}}"), photo(tmp_path))
    assert (hold.reason, hold.depends) == ("sidecar", (path,))
    assert words in str(hold)
    assert str(path) in str(hold)


def test_a_sidecar_that_is_still_being_written_is_read_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "IMG_1.ini", "mrn=1")
    inner = sidecar.open_file

    def grown(each: Path) -> Any:
        write(path, "mrn=1\nname=Doe")
        return inner(each)

    monkeypatch.setattr(sidecar, "open_file", grown)
    with pytest.raises(Retry, match="changed while it was being read"):
        find(given_source("{format: ini}"), photo(tmp_path))


def test_all_attributes_of_it_can_be_taken(tmp_path: Path) -> None:
    write(tmp_path / "IMG_1.json", '{"PatientID": "4711", "PatientName": "Doe^John"}')
    source = given_source("{format: json, merge: yes}")
    composition = compose([find(source, photo(tmp_path)).attributes], {})
    assert composition.dataset.PatientID == "4711"
    assert composition.origins == {"PatientID": "sidecar IMG_1.json", "PatientName": "sidecar IMG_1.json"}


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    data=st.binary(max_size=60) | st.text(max_size=60).map(str.encode),
    form=st.sampled_from(
        [
            "ini",
            "text",
            "json",
            "yaml",
            "xml, select: {a: ./a}",
            "hl7v2, select: {a: PID-3.1}",
            "json, merge: yes",
            "yaml, merge: yes",
        ]
    ),
)
@example(data=b"1", form="json, merge: yes")
def test_any_content_is_used_or_holds_the_file(tmp_path: Path, data: bytes, form: str) -> None:
    write(tmp_path / "a.x", data)
    try:
        find(given_source(f"{{file: a.x, format: {form}}}"), photo(tmp_path))
    except Hold as hold:
        assert hold.reason == "sidecar"  # noqa: PT017  both are right


# What is wrong with settings


@pytest.mark.parametrize(
    ("text", "faults"),
    [
        ("{}", ["m.yaml:1:1: sidecar needs format: one of ini, xml, json, yaml, hl7v2, text"]),
        ("{file: exam.dat}", ["m.yaml:1:8: sidecar needs format: one of ini"]),
        ("{format: xls}", ["m.yaml:1:10: format cannot be 'xls': write ini or xml"]),
        ("{file: a.xml}", ["m.yaml:1:1: sidecar needs select: to name what is taken from xml"]),
        ("{file: a.hl7}", ["m.yaml:1:1: sidecar needs select: to name what is taken from hl7v2, such as {"]),
        ("{format: ini, scope: folder}", ["m.yaml:1:1: sidecar needs file: with scope: folder"]),
        ("{format: ini, required: no}", ["m.yaml:1:1: sidecar needs select: with required: no"]),
        ("{format: ini, encoding: klingon}", ["m.yaml:1:25: there is no encoding 'klingon'"]),
        ("{format: ini, namespaces: {a: b}}", ["m.yaml:1:27: namespaces are for XML, and this is ini"]),
        ("{file: '*/exam.ini'}", ["m.yaml:1:8: * and ? are for the name"]),
        ("{file: '{{ media.stem }.ini'}", ["m.yaml:1:9: the {{ that begins here has no }}"]),
        ("{format: ini, name: 'a b'}", ["m.yaml:1:21: 'a b' is no name"]),
        ("{format: ini, select: {a-b: c}}", ["m.yaml:1:29: 'a-b' is no name of a fact"]),
        (
            "{format: hl7v2, merge: yes, select: {a: PID.3, b: x}}",
            [
                "m.yaml:1:24: hl7v2 has no DICOM attributes to merge",
                "m.yaml:1:41: 'PID.3' is not a segment and field",
                "m.yaml:1:51: 'x' is not a segment and field",
            ],
        ),
        ("{format: xml, select: {a: ./p:b}}", ["m.yaml:1:27: './p:b' is not a path"]),
        ("{format: ini, slect: {a: b}}", ["m.yaml:1:15: sidecar has no 'slect'; did you mean select?"]),
    ],
)  # fmt: skip
def test_faults_say_where_they_stand(text: str, faults: list[str]) -> None:
    _, found = built(text)
    assert len(found) == len(faults)
    for got, wanted in zip(found, faults, strict=True):
        assert got.startswith(wanted)
