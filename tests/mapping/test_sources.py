import os
from datetime import datetime
from pathlib import Path

import pytest

import examples
from gateway import formats
from gateway.config import Reading
from gateway.errors import Reject
from gateway.mapping.sources import cda, exif, gather, known, media, model, path, pdf, video
from gateway.mapping.sources.path import Patterns
from gateway.model import Probe, Source
from gateway.nodes import Fault, parse


def probed(file: Path, data: bytes, root: Path | None = None) -> Probe:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(data)
    return formats.probe(Source(file, root or file.parent), Reading())


def patterns(text: str) -> tuple[Patterns, list[str]]:
    faults: list[Fault] = []
    node = parse(text, "m.yaml", faults)
    assert node is not None
    found = path.read(node, faults)
    return found, [str(fault) for fault in faults]


def test_every_fact_that_a_format_knows_can_be_named(tmp_path: Path) -> None:
    picture = probed(tmp_path / "a.jpg", examples.jpeg())
    document = probed(tmp_path / "a.pdf", examples.pdf(Title="Report"))
    assert picture.facts["exif"].keys() <= set(exif.NAMES)
    assert document.facts["pdf"].keys() <= set(pdf.NAMES)
    assert pdf.facts(document)["title"] == "Report"
    letter = probed(tmp_path / "a.xml", examples.cda())
    assert letter.facts["cda"].keys() == set(cda.NAMES)
    assert cda.facts(letter)["identifier"] == "1.2.276.0.76.1^4711"
    materials = probed(tmp_path / "skull.mtl", examples.mtl())
    surface = probed(tmp_path / "skull.obj", examples.obj())
    assert materials.facts["model"].keys() | surface.facts["model"].keys() == set(model.NAMES)
    assert model.facts(surface) == {
        "title": "Skull",
        "triangles": 40,
        "vertices": 120,
        "bounds": "0, 0, 0, 40, 1.5, 0.25",
        "materials": None,
        "mtllib": "skull.mtl",
        "textures": "bone.jpg",
    }


def test_each_source_answers_for_every_file(tmp_path: Path) -> None:
    facts = gather(probed(tmp_path / "a.jpg", examples.jpeg()), None, ())
    assert set(facts) - {"path"} == set(known(()))
    for source, names in known(()).items():
        assert set(facts[source]) == set(names)
    for other in ("cda", "model", "pdf", "video"):
        assert all(value is None for value in facts[other].values())
    assert set(video.NAMES) == set(facts["video"])


def test_media_says_what_every_file_has(tmp_path: Path) -> None:
    taken = datetime(2024, 5, 31, 14, 30)  # noqa: DTZ001 - local time, as cameras say it
    file = tmp_path / "ward 3" / "bed" / "Photo.One.JPG"
    probe = probed(file, examples.jpeg(), tmp_path)
    os.utime(file, (1_700_000_000, 1_700_000_000))
    probe = formats.probe(probe.source, Reading())
    facts = media.facts(probe, taken)
    assert facts["modified"].timestamp() == 1_700_000_000
    assert facts["modified"].tzinfo is not None
    assert dict(facts, modified=None) == {
        "name": "Photo.One.JPG",
        "stem": "Photo.One",
        "extension": "jpg",
        "folder": "ward 3/bed",
        "relative": "ward 3/bed/Photo.One.JPG",
        "size": probe.content.length,
        "type": "image/jpeg",
        "format": "jpeg",
        "captured": taken,
        "modified": None,
    }


def test_a_path_is_taken_apart_by_patterns_for_all_of_it(tmp_path: Path) -> None:
    found, faults = patterns(
        "name: '(?P<mrn>\\d+)(?:_(?P<side>[LR]))?\\.jpg'\n"
        "folder: '(?P<ward>[^/]*)/?.*'\nrelative: '(?P<all>.*)'\n"
    )
    assert faults == []
    assert path.names(found) == ("mrn", "side", "ward", "all")
    source = Source(tmp_path / "w" / "x" / "12.jpg", tmp_path)
    assert path.facts(source, found) == {"mrn": "12", "side": None, "ward": "w", "all": "w/x/12.jpg"}
    with pytest.raises(Reject) as raised:
        path.facts(Source(tmp_path / "12.jpg.bak", tmp_path), found)
    assert str(raised.value).startswith(
        f"{tmp_path}/12.jpg.bak: its name '12.jpg.bak' is not what the mapping expects: "
    )


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (
            "name: '(?P<mrn>\\d{8}'",
            "m.yaml:1:8: this is not a regular expression: missing ), unterminated subpattern",
        ),
        (
            "name: '(?P<a>x)(?P<a>y)'",
            "m.yaml:1:20: this is not a regular expression: redefinition of group name",
        ),
        ("name: '\\d+'", "m.yaml:1:7: the pattern has no group with a name"),
        (
            "name: '(?P<a>x)'\nfolder: '(?P<a>y)'",
            "m.yaml:2:9: another pattern has a group 'a' too: rename one",
        ),
        ("fodler: '(?P<a>y)'", "m.yaml:1:1: path has no 'fodler'; there is name, folder, relative"),
        ("name: null", "m.yaml:1:7: name is a regular expression for the whole name"),
        ("name: {a: b}", "m.yaml:1:7: name is a regular expression for the whole name"),
        ("[a]", "m.yaml:1:1: path has patterns, each for one of name, folder, relative"),
    ],
)
def test_patterns_that_cannot_be_are_faults(text: str, fault: str) -> None:
    assert any(complaint.startswith(fault) for complaint in patterns(text)[1]), patterns(text)[1]
