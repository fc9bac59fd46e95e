import os
from datetime import datetime, timedelta
from pathlib import Path

import pytest

import examples
from gateway import documents, formats
from gateway.config import Reading, Site
from gateway.errors import Hold
from gateway.mapping.sources import OWN, ask, cda, exif, media, model, own, path, pdf, site, video
from gateway.mapping.sources.path import PathModel, Paths
from gateway.mapping.sources.source import Case, Found
from gateway.model import Kind, Probe, Source
from gateway.nodes import Fault, parse
from gateway.stream import Stream


def probed(file: Path, data: bytes, root: Path | None = None) -> Probe:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(data)
    return formats.probe(Source(file, root or file.parent), Reading())


def patterns(text: str) -> tuple[Paths | None, list[str]]:
    faults: list[Fault] = []
    node = parse(text, "m.yaml", faults)
    assert node is not None
    model = documents.build(node, PathModel, faults)
    found = path.read(model, faults, Path()) if model else None
    return found, [str(fault) for fault in faults]


def case(source: Source) -> Case:
    return Case(Probe(source, "jpeg", Kind.IMAGE, "image/jpeg", "", Stream()), {})


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
    facts = own(probed(tmp_path / "a.jpg", examples.jpeg()), None)
    assert set(facts) == set(OWN)
    for source, names in OWN.items():
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
        "kind": "image",
        "folder": "ward 3/bed",
        "relative": "ward 3/bed/Photo.One.JPG",
        "size": probe.content.length,
        "type": "image/jpeg",
        "format": "jpeg",
        "captured": taken,
        "captured_problem": None,
        "modified": None,
        "day": None,
        "patient": None,
        "patient_doubt": "no Patient ID in its path (folder: 'ward 3' begins with 'ward', as "
        "names that departments give; "
        "name: 'Photo.One' has no digit)",
    }


def test_a_path_is_taken_apart_by_patterns_for_all_of_it(tmp_path: Path) -> None:
    found, faults = patterns(
        "name: '(?P<mrn>\\d+)(?:_(?P<side>[LR]))?\\.jpg'\n"
        "folder: '(?P<ward>[^/]*)/?.*'\nrelative: '(?P<all>.*)'\n"
    )
    assert faults == []
    assert found is not None
    assert found.names == ("mrn", "side", "ward", "all")
    facts = found.find(case(Source(tmp_path / "w" / "x" / "12.jpg", tmp_path))).facts
    assert facts == {"mrn": "12", "side": None, "ward": "w", "all": "w/x/12.jpg"}


def test_letters_with_accents_are_letters_however_they_are_composed(tmp_path: Path) -> None:
    found, _ = patterns("name: '(?P<name>\\w+)_1\\.jpg'\n")
    assert found is not None
    assert found.find(case(Source(tmp_path / "Mu\u0308ller_1.jpg", tmp_path))).facts == {
        "name": "M\u00fcller"
    }


def test_a_file_with_another_path_is_held(tmp_path: Path) -> None:
    found, _ = patterns("name: '(?P<mrn>\\d+)\\.jpg'\n")
    assert found is not None
    with pytest.raises(Hold) as raised:
        found.find(case(Source(tmp_path / "12.jpg.bak", tmp_path)))
    assert raised.value.reason == "path"
    assert str(raised.value).startswith(
        f"{tmp_path}/12.jpg.bak: its name '12.jpg.bak' is not what the mapping expects: "
    )


@pytest.mark.parametrize(
    ("pattern", "optional"),
    [
        ("(?P<a>x)(?P<b>y)", set()),
        ("(?P<a>x)?(?P<b>y)", {"a"}),
        ("(?P<a>x)(?:_(?P<b>y))?", {"b"}),
        ("(?P<a>x)|(?P<b>y)", {"a", "b"}),
        ("(?:(?P<a>x)){0,3}(?P<b>y*)", {"a"}),
        ("(?:(?P<a>x)){1,3}(?P<b>y)*", {"b"}),
        ("((?P<a>x)(?P<b>y))", set()),
        ("(?=(?P<a>x))(?!(?P<b>y)).*", {"b"}),
        ("(?>(?P<a>x))(?P<b>y)?+", {"b"}),
        ("(?P<a>x)?(?(a)(?P<b>y)|z)", {"a", "b"}),
    ],
)
def test_groups_that_may_be_nothing_are_known(pattern: str, optional: set[str]) -> None:
    found, faults = patterns(f"name: '{pattern}'")
    assert faults == []
    assert found is not None
    assert found.optional == optional


def test_sources_are_asked_in_turn(tmp_path: Path) -> None:
    class Echo:
        names = None
        expressions = ()

        def __init__(self, name: str, reads: str, says: str) -> None:
            self.name, self.reads, self.says = name, reads, says

        def find(self, case: Case) -> Found:
            text = case.facts[self.reads]["fact"]
            depends = (tmp_path / "a.csv", tmp_path / f"{self.name}.csv")
            return Found(
                {"fact": text + self.says}, depends=depends, where=f"row {self.says}", messages=(text,)
            )

    probe = case(Source(tmp_path / "a.jpg", tmp_path)).probe
    known = ask(probe, {"own": {"fact": "0"}}, [Echo("one", "own", "1"), Echo("two", "one", "2")])
    assert known.facts == {"own": {"fact": "0"}, "one": {"fact": "01"}, "two": {"fact": "012"}}
    assert known.depends == (tmp_path / "a.csv", tmp_path / "one.csv", tmp_path / "two.csv")
    assert known.places == {"one": "row 1", "two": "row 2"}
    assert known.messages == ("0", "01")
    assert known.levels == ()


def test_a_site_says_what_it_knows_and_the_nearer_one_decides() -> None:
    clinic = Site(institution="Clinic", timezone="Europe/Berlin", variables={"ward": "1", "floor": "2"})
    folder = Site(
        station="Room 3", clock=timedelta(hours=1), max_age=timedelta(days=10), variables={"ward": "7"}
    )
    both = site.over(clinic, folder)
    assert set(site.facts(both)) == set(site.names(both))
    said = {name: value for name, value in site.facts(both).items() if value is not None}
    assert said == {
        "institution": "Clinic",
        "station": "Room 3",
        "timezone": "Europe/Berlin",
        "clock": 3600,
        "max_age": 10,
        "ward": "7",
        "floor": "2",
    }


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
        ("fodler: '(?P<a>y)'", "m.yaml:1:1: path has no 'fodler'; did you mean folder?"),
        ("name: null", "m.yaml:1:1: path has no pattern: give one for name, folder or relative"),
        ("name: {a: b}", "m.yaml:1:7: name cannot be a table: write a text"),
        ("[a]", "m.yaml:1:1: path cannot be a list: write a table with name, folder, relative"),
        ("name: '(?P<a>(x+)+)'", "m.yaml:1:7: '(?P<a>(x+)+)' repeats what is repeated already"),
    ],
)
def test_patterns_that_cannot_be_are_faults(text: str, fault: str) -> None:
    assert any(complaint.startswith(fault) for complaint in patterns(text)[1]), patterns(text)[1]
