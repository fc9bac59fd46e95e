"""Bar codes as a source: which of the codes in a file says whom it shows."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import zxingcpp
from PIL import Image

import examples
from gateway import documents, formats
from gateway.config import Reading
from gateway.convert import barcodes
from gateway.errors import Hold
from gateway.mapping.sources import barcode
from gateway.mapping.sources.barcode import BarcodeModel, BarcodeSource
from gateway.mapping.sources.source import Case, Found
from gateway.model import Probe, Source
from gateway.nodes import Fault, parse

PATTERN = r"(?P<accession>A-\d+)\|(?P<mrn>\d{7})(?:\|(?P<eye>[LR]))?"
NONE = {"text": None, "format": None, "accession": None, "mrn": None, "eye": None}


def built(text: str) -> tuple[BarcodeSource | None, list[str]]:
    faults: list[Fault] = []
    node = parse(text, "m.yaml", faults)
    assert node is not None
    model = documents.build(node, BarcodeModel, faults)
    source = barcode.read(model, faults, Path()) if model else None
    return source, [str(fault) for fault in sorted(faults)]


def source_of(settings: str = "") -> BarcodeSource:
    source, faults = built(f"pattern: '{PATTERN}'\n{settings}")
    assert faults == []
    assert source is not None
    return source


def photo(folder: Path, *texts: str, form: str = "QRCode", name: str = "a.png") -> Probe:
    """A picture with codes in it, below each other."""
    sheet = Image.new("RGB", (600, 60 + 300 * len(texts)), "white")
    for number, text in enumerate(texts):
        drawn = zxingcpp.create_barcode(text, getattr(zxingcpp.BarcodeFormat, form))
        image = zxingcpp.write_barcode_to_image(drawn, scale=3, add_quiet_zones=True)
        rows, columns = image.shape[:2]
        sheet.paste(Image.frombytes("L", (columns, rows), bytes(memoryview(image))), (30, 30 + 300 * number))
    sheet.save(folder / name)
    return probed(folder / name)


def probed(path: Path) -> Probe:
    return formats.probe(Source(path, path.parent), Reading())


def find(source: BarcodeSource, probe: Probe) -> Found:
    return source.find(Case(probe, {}))


def held(source: BarcodeSource, probe: Probe) -> Hold:
    with pytest.raises(Hold) as caught:
        find(source, probe)
    assert str(caught.value).startswith(f"{probe.source.shown}")
    return caught.value


def test_the_groups_of_the_pattern_are_facts(tmp_path: Path) -> None:
    source = source_of()
    found = find(source, photo(tmp_path, "A-77|4711001"))
    assert found.where == "QRCode"
    assert found.facts == {
        "text": "A-77|4711001",
        "format": "QRCode",
        "accession": "A-77",
        "mrn": "4711001",
        "eye": None,
    }
    assert source.names == tuple(found.facts)
    assert source.name == "barcode"


def test_the_whole_text_can_be_used(tmp_path: Path) -> None:
    source, faults = built("pattern: '\\{.*\\}'")
    assert faults == []
    assert source is not None
    text = json.dumps({"mrn": "4711001"})
    assert find(source, photo(tmp_path, text)).facts == {"text": text, "format": "QRCode"}


def test_codes_that_do_not_match_are_passed_over(tmp_path: Path) -> None:
    found = find(source_of(), photo(tmp_path, "https://example.com/A-77|4711001", "A-77|4711001"))
    assert found.facts["mrn"] == "4711001"


def test_the_same_text_twice_is_one(tmp_path: Path) -> None:
    assert find(source_of(), photo(tmp_path, "A-77|4711001", "A-77|4711001")).facts["mrn"] == "4711001"


def test_several_texts_that_match_hold_the_file(tmp_path: Path) -> None:
    hold = held(source_of(), photo(tmp_path, "A-77|4711001", "A-78|4711002"))
    assert hold.reason == "barcode-ambiguous"
    assert "'A-77|4711001'" in str(hold)
    assert "'A-78|4711002'" in str(hold)


def test_a_file_without_a_code_is_held_or_has_none_of_the_facts(tmp_path: Path) -> None:
    probe = photo(tmp_path)
    hold = held(source_of(), probe)
    assert hold.reason == "barcode-missing"
    assert "there is no bar code in it" in str(hold)
    assert find(source_of("missing: nothing"), probe).facts == NONE


def test_codes_that_do_not_match_are_named(tmp_path: Path) -> None:
    hold = held(source_of(), photo(tmp_path, "4012345678901"))
    assert hold.reason == "barcode-missing"
    assert "'4012345678901'" in str(hold)


def test_only_wanted_symbologies_count(tmp_path: Path) -> None:
    probe = photo(tmp_path, "A-77|4711001", form="Code128")
    assert find(source_of("formats: [Code128, QRCode]"), probe).facts["format"] == "Code128"
    assert held(source_of("formats: QRCode"), probe).reason == "barcode-missing"


def test_a_page_of_a_pdf(tmp_path: Path) -> None:
    photo(tmp_path, name="1.png")
    photo(tmp_path, "A-77|4711001", name="2.png")
    first, second = (Image.open(tmp_path / f"{number}.png") for number in (1, 2))
    first.save(tmp_path / "a.pdf", save_all=True, append_images=[second], resolution=100)
    probe = probed(tmp_path / "a.pdf")
    assert held(source_of(), probe).reason == "barcode-missing"
    assert find(source_of("page: 2"), probe).facts["mrn"] == "4711001"
    hold = held(source_of("page: 3"), probe)
    assert hold.reason == "barcode"
    assert "no page 3" in str(hold)


def test_files_that_are_no_pictures_have_none(tmp_path: Path) -> None:
    (tmp_path / "a.stl").write_bytes(examples.stl())
    probe = probed(tmp_path / "a.stl")
    assert held(source_of(), probe).reason == "barcode-missing"
    assert find(source_of("missing: nothing"), probe).facts == NONE


def test_a_file_is_looked_into_once_until_it_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[Path] = []
    inner = barcodes.find
    monkeypatch.setattr(
        barcodes, "find", lambda path, *rest, **more: looked.append(path) or inner(path, *rest, **more)
    )
    source = source_of()
    probe = photo(tmp_path, "A-77|4711001")
    assert [find(source, probe).facts["mrn"] for _ in range(3)] == ["4711001"] * 3
    assert looked == [tmp_path / "a.png"]
    changed = photo(tmp_path, "A-77|4711002", "https://example.com")
    assert find(source, changed).facts["mrn"] == "4711002"
    assert len(looked) == 2


@pytest.mark.parametrize(
    ("text", "faults"),
    [
        ("{}", ["m.yaml:1:1: barcode needs pattern"]),
        ("{pattern: 'a('}", ["m.yaml:1:13: this is not a regular expression"]),
        ("{pattern: '(\\w+\\s*)+'}", ["m.yaml:1:11: '(\\\\w+\\\\s*)+' repeats what is repeated already"]),
        ("{pattern: '(?P<text>a)'}", ["m.yaml:1:11: barcode.text is the code's own text"]),
        ("{pattern: a, page: 0}", ["m.yaml:1:20: pages count from 1"]),
        (
            "{pattern: a, formats: [QR, QrCode]}",
            [
                "m.yaml:1:24: there is no symbology 'QR'",
                "m.yaml:1:28: there is no symbology 'QrCode'; did you mean QRCode?",
            ],
        ),
    ],
)
def test_faults_say_where_they_stand(text: str, faults: list[str]) -> None:
    _, found = built(text)
    assert len(found) == len(faults)
    for got, wanted in zip(found, faults, strict=True):
        assert got.startswith(wanted)


def test_what_is_not_installed_is_said_when_the_mapping_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    _, faults = built("{pattern: a}")
    [fault] = faults
    assert "bar codes need zxingcpp and pypdfium2" in fault
    assert "pip install 'stow-gateway[barcode]'" in fault
