from pathlib import Path

import pytest

from gateway import documents
from gateway.mapping import match
from gateway.mapping.match import Match
from gateway.mapping.models import MatchModel
from gateway.model import Kind, Probe, Source
from gateway.nodes import Fault, parse
from gateway.stream import Stream

ROOT = Path("/in")
PHOTO = Probe(
    Source(ROOT / "ward 3" / "Bed" / "4711_L.JPG", ROOT), "jpeg", Kind.IMAGE, "image/jpeg", "", Stream()
)
SURFACE = Probe(Source(ROOT / "skull.stl", ROOT), "stl", Kind.DOCUMENT, "model/stl", "", Stream())


def read(text: str) -> tuple[Match, list[str]]:
    faults: list[Fault] = []
    node = parse(text, "m.yaml", faults)
    assert node is not None
    model = documents.build(node, MatchModel, faults)
    assert model is not None
    return match.read(model, faults), [str(fault) for fault in faults]


@pytest.mark.parametrize(
    ("text", "fits"),
    [
        ("name: '*.jpg'", True),
        ("name: '*.png'", False),
        ("name: ['*.png', '47??_[LR].jpg']", True),
        ("folder: 'ward 3*'", True),
        ("folder: 'ward 3'", False),
        ("relative: 'ward*/4711*'", True),
        ("relative: '4711*'", False),
        ("kind: image", True),
        ("kind: [video, pdf]", False),
        ("format: 'jp*'", True),
        ("type: 'image/*'", True),
        ("type: video/mp4", False),
        ("{name: '*.jpg', kind: image, format: jpeg}", True),
        ("{name: '*.jpg', kind: video}", False),
    ],
)
def test_patterns_fit_whatever_the_capitals_and_all_must(text: str, fits: bool) -> None:
    found, faults = read(text)
    assert faults == []
    assert (found.why_not(PHOTO) is None) is fits


def test_accents_fit_however_they_are_composed() -> None:
    file = Source(ROOT / "A\u0308rzte" / "a.jpg", ROOT)
    probe = Probe(file, "jpeg", Kind.IMAGE, "image/jpeg", "", Stream())
    assert read("folder: '\u00e4rz??'")[0].why_not(probe) is None


@pytest.mark.parametrize("kind", ["stl", "model", "document"])
def test_a_model_is_of_several_kinds(kind: str) -> None:
    assert read(f"kind: {kind}")[0].why_not(SURFACE) is None
    assert read("kind: obj")[0].why_not(SURFACE) == "its kind 'stl' does not match obj"


def test_it_says_why_a_file_does_not_fit() -> None:
    assert read("name: ['*.png', '*.bmp']")[0].why_not(PHOTO) == (
        "its name '4711_L.JPG' does not match *.png or *.bmp"
    )


def test_of_two_the_later_one_decides_key_by_key() -> None:
    lower, higher = read("{name: '*.png', kind: image}")[0], read("name: '*.jpg'")[0]
    assert lower.under(higher) == Match((("name", ("*.jpg",)), ("kind", ("image",))))


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("format: jpg", "m.yaml:1:9: no file has the format 'jpg'; did you mean jpeg?"),
        ("type: image", "m.yaml:1:7: no file has the type 'image'; did you mean image/bmp?"),
        ("nam: x", "m.yaml:1:1: match has no 'nam'; did you mean name?"),
        ("kind: photo", "m.yaml:1:7: kind cannot be 'photo': write image or video or pdf or"),
    ],
)
def test_what_no_file_can_have_is_a_fault(text: str, fault: str) -> None:
    _, faults = read(text)
    assert len(faults) == 1
    assert faults[0].startswith(fault.split(";", maxsplit=1)[0])
