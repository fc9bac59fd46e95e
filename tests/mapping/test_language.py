# ruff: noqa: E501 - tables of cases are read best with a case a line
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config import Lossless, Site, Unidentified
from gateway.errors import Fatal
from gateway.mapping import sheets
from gateway.mapping.assignments import Assignment
from gateway.mapping.conversion import Conversion
from gateway.mapping.language import Mapping, load
from gateway.mapping.match import Match
from gateway.mapping.sheets import available, own
from gateway.mapping.templates import load_template
from gateway.model import Kind, Probe, Source
from gateway.stream import Stream

GOOD = """\
template: vl-photographic
sources:
  path: {name: '(?P<mrn>\\d+)\\.jpg'}
identity:
  study: '{{ path.mrn }}'
attributes:
  PatientID: '{{ path.mrn }}'
"""

LINES = st.sampled_from(
    [
        "template: x", "template: secondary-capture", "extends: m.yaml", "extends: photo", "sources:",
        "  path: {name: '(?P<a>.)'}", "identity: {study: '{{ path.a }}'}", "attributes:",
        "  PatientID: '{{ path.a | upper }}'", "  00100010: {{ a }}", "  AnatomicRegionSequence: SCT:1:x",
        "  - a", "  ReferencedImageSequence[1]: {A: b}", "\tx: y", "  X.Y[0].Z: 'a", "''", "a: b: c",
    ]
)  # fmt: skip


def write(folder: Path, text: str, name: str = "site.yaml") -> str:
    path = folder / name
    path.write_text(text, "utf-8")
    return str(path)


def complaints(folder: Path, text: str) -> list[str]:
    name = write(folder, text)
    with pytest.raises(Fatal) as raised:
        load(name)
    return [line.removeprefix(f"{name}:") for line in str(raised.value).splitlines()]


def test_a_mapping_is_read(tmp_path: Path) -> None:
    mapping = load(write(tmp_path, GOOD))
    assert (mapping.name, mapping.template) == ("site", "vl-photographic")
    assert [(source.name, source.names) for source in mapping.sources] == [("path", ("mrn",))]
    assert mapping.study is not None
    assert mapping.series is None
    assert [each.name for level in mapping.levels for each in level] == ["PatientID"]
    assert mapping.levels[0][0].origin == f"{tmp_path}/site.yaml:7"


def test_everything_in_a_mapping_is_optional(tmp_path: Path) -> None:
    name = write(tmp_path, "template: null\nextends:\nsources: ~\nidentity:\nattributes:\n")
    assert load(name) == Mapping("site", Path(name), levels=((),), files=(Path(name),))


@pytest.mark.parametrize("name", available("mappings"))
def test_every_mapping_of_ours_is_right(name: str) -> None:
    assert load(name).name == name


@pytest.mark.parametrize("name", available("templates"))
def test_every_template_of_ours_is_right(name: str) -> None:
    assert load_template(name).sop_class_uid.startswith("1.2.840.10008.5.1.4.1.1.")


def test_ours_are_found_beside_the_package() -> None:
    assert (own("templates") / "common.yaml").is_file()
    assert "common" not in available("templates")


def test_an_installed_package_brings_them_along(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sheets, "__file__", str(tmp_path / "gateway" / "mapping" / "sheets.py"))
    (tmp_path / "templates").mkdir()
    assert own("templates") == tmp_path / "templates"
    (tmp_path / "gateway" / "data" / "templates").mkdir(parents=True)
    assert own("templates") == tmp_path / "gateway" / "data" / "templates"


def test_a_mapping_that_extends_another_overrides_its_parts(tmp_path: Path) -> None:
    write(tmp_path, GOOD, "base.yaml")
    mapping = load(
        write(
            tmp_path,
            "extends: base.yaml\nidentity: {series: 'one'}\nattributes:\n  PatientSex: O\n  PatientComments: '{{ path.mrn }}'\n",
        )
    )
    assert mapping.template == "vl-photographic"
    assert mapping.study is not None
    assert mapping.series is not None
    assert [[each.name for each in level] for level in mapping.levels] == [
        ["PatientID"],
        ["PatientSex", "PatientComments"],
    ]


def test_one_pattern_overrides_another_and_both_files_are_checked(tmp_path: Path) -> None:
    base = write(tmp_path, GOOD, "base.yaml")
    name = write(tmp_path, "extends: base.yaml\nsources: {path: {folder: '(?P<ward>.*)'}}\n")
    with pytest.raises(Fatal) as raised:
        load(name)
    assert str(raised.value).splitlines() == [
        f"{base}:5:19: path has no 'mrn'; there is ward",
        f"{base}:7:23: path has no 'mrn'; there is ward",
    ]


def test_going_round_in_a_circle_is_a_fault(tmp_path: Path) -> None:
    write(tmp_path, "extends: site.yaml\n", "base.yaml")
    with pytest.raises(Fatal, match=r"base\.yaml:1:10: extends goes round in a circle"):
        load(write(tmp_path, "extends: base.yaml\n"))


def test_what_is_not_there_is_named_with_what_is(tmp_path: Path) -> None:
    with pytest.raises(Fatal, match=r"there is no mapping 'phto': did you mean photo\?"):
        load("phto")
    with pytest.raises(Fatal, match="there is no mapping"):
        load(str(tmp_path / "gone.yaml"))
    assert complaints(tmp_path, "extends: gone.yaml\ntemplate: gone\n") == [
        f"1:10: there is no mapping 'gone.yaml': name one of {', '.join(available('mappings'))}, or a file that exists",
        f"2:11: there is no template 'gone': name one of {', '.join(available('templates'))}, or a file that exists",
    ]


def test_a_template_of_the_users_is_relative_to_the_mapping(tmp_path: Path) -> None:
    write(tmp_path, "extends: vl-photographic\nattributes: {Manufacturer: ACME}\n", "mine.yaml")
    mapping = load(write(tmp_path, "template: ./mine.yaml\n"))
    assert mapping.template is not None
    template = load_template(mapping.template)
    assert template.name == "mine"
    assert template.levels[-1][0].origin == f"template {tmp_path}/mine.yaml:2"


def test_a_template_that_names_no_object_is_none(tmp_path: Path) -> None:
    with pytest.raises(Fatal, match="the template common does not say which object it is for"):
        load_template("common")
    with pytest.raises(
        Fatal, match=r"t\.yaml:1:1: a template has no 'sources'; there is attributes, convert, extends"
    ):
        load_template(write(tmp_path, "sources: {}\n", "t.yaml"))


def test_files_say_how_conversions_are_made(tmp_path: Path) -> None:
    write(tmp_path, "convert: {lossless: rle, frame_rate: 30000/1001, jxl: keep}\n", "base.yaml")
    mapping = load(
        write(tmp_path, "extends: base.yaml\nconvert: {lossless: jpeg2000, transcode: no, audio:}\n")
    )
    assert mapping.convert == Conversion(
        lossless=Lossless.JPEG_2000, frame_rate=Fraction(30000, 1001), allow_jxl=True, transcode=False
    )
    own = write(tmp_path, "extends: vl-photographic\nconvert: {lossless: rle}\n", "own.yaml")
    assert load_template(own).lossless is Lossless.RLE
    with pytest.raises(Fatal, match=r"w\.yaml:1:11: convert has no 'transcode'; there is lossless"):
        load_template(write(tmp_path, "convert: {transcode: yes}\n", "w.yaml"))


# Mistakes that people make: each a document, and the beginnings of the complaints that it gets
MISTAKES = {
    "misspelt key": ("atributes:\n  PatientID: x\n", ["1:1: a mapping has no 'atributes'; did you mean attributes?"]),
    "misspelt keyword": ("attributes:\n  PatientNam: x\n", ["2:3: 'PatientNam' is not an attribute"]),
    "misspelt tag": ("attributes:\n  0010001: x\n", ["2:3: '0010001' is not an attribute"]),
    "same attribute by keyword and tag": (
        "attributes:\n  PatientID: a\n  (0010,0020): b\n",
        ["3:3: (0010,0020) is PatientID, which stands in line 2 already"],
    ),
    "duplicate key": ("attributes:\n  PatientID: a\n  PatientID: b\n", ["3:3: PatientID stands here a second time"]),
    "wrong date": ("attributes:\n  PatientBirthDate: 1980/01/02\n", ["2:21: PatientBirthDate (DA) cannot be '1980/01/02'"]),
    "too long": ("attributes:\n  AccessionNumber: 12345678901234567\n", ["2:20: AccessionNumber (SH) cannot be"]),
    "wrong code": ("attributes:\n  PatientSex: male\n", ["2:15: PatientSex (CS) cannot be 'male'"]),
    "too many values": ("attributes:\n  PatientID: a\\b\n", ["2:14: PatientID (LO) takes 1 value, not 2"]),
    "pixels": ("attributes:\n  Rows: '5'\n", ["2:3: Rows follows from the content of the file and cannot be set"]),
    "character set": ("attributes:\n  SpecificCharacterSet: ISO_IR 100\n", ["2:3: SpecificCharacterSet cannot be set"]),
    "SOP class": ("attributes:\n  SOPClassUID: 1.2\n", ["2:3: SOPClassUID comes with the object template"]),
    "unquoted expression": (
        GOOD.replace("'{{ path.mrn }}'\nattr", "{{ path.mrn }}\nattr"),
        ["5:10: text that begins with {{ needs quotes round it; write: study: '{{ path.mrn }}'"],
    ),
    "two mistakes in an unquoted expression": (
        "attributes:\n  PatientID: {{ exif.mak }}\n",
        ["2:14: text that begins with {{ needs quotes round it; write: PatientID: '{{ exif.mak }}'", "2:22: exif has no 'mak'"],
    ),
    "undefined name": (GOOD.replace("PatientID: '{{ path.mrn", "PatientID: '{{ path.mnr"), ["7:23: path has no 'mnr'; did"]),
    "undefined source": ("attributes:\n  PatientID: '{{ row.mrn }}'\n", ["2:18: there is no 'row' here; there is cda, exif"]),
    "bad pattern": (GOOD.replace("\\d+)", "\\d+"), ["3:17: this is not a regular expression"]),
    "text for a sequence": (
        "attributes:\n  AnatomicRegionSequence: Skin\n",
        ["2:27: AnatomicRegionSequence is a sequence: write a code as SCHEME:VALUE:MEANING"],
    ),
    "list for text": (
        "attributes:\n  ImageType: [ORIGINAL, PRIMARY]\n",
        ["2:14: ImageType (CS) takes text and not a list; several values are separated by a backslash"],
    ),
    "table for text": ("attributes:\n  PatientName: {Alphabetic: x}\n", ["2:16: PatientName (PN) takes text and not a table"]),
    "path through text": ("attributes:\n  PatientID.PatientName: x\n", ["2:3: PatientID.PatientName: PatientID (LO) is no seq"]),
    "an item": ("attributes:\n  ReferencedImageSequence[1]: {}\n", ["2:3: ReferencedImageSequence[1] is one item"]),
    "private": ("attributes:\n  00091001: x\n", ["2:3: (0009,1001) is private"]),
    "file meta": ("attributes:\n  TransferSyntaxUID: '1.2'\n", ["2:3: (0002,0010) belongs to the File Meta Information"]),
    "unknown source": ("sources: {tabel: {file: x}}\n", ["1:11: sources has no 'tabel'; did you mean table?"]),
    "unknown key": ("identity: {patient: x}\n", ["1:12: identity has no 'patient'; there is otherwise, series, study"]),
    "conversion": (
        "convert:\n  lossless: png\n  transcode: maybe\n  audio: [drop]\n  frame_rate: 0\n  video: yes\n",
        [
            "2:13: lossless cannot be 'png': write native or jpeg-ls or jpeg2000 or rle",
            "3:14: transcode cannot be 'maybe': write yes or no",
            "4:10: audio cannot be a table or list: write keep or drop or convert",
            "5:15: frame_rate cannot be '0': write a number or a fraction, such as 25 or 30000/1001",
            "6:3: convert has no 'video'",
        ],
    ),
    "wrong meaning": (
        "attributes:\n  AnatomicRegionSequence: SCT:39937001:Head\n",
        ["2:27: AnatomicRegionSequence cannot be SCT:39937001:Head, since 39937001 is a code of SCT and means Skin: write SCT:39937001:Skin"],
    ),
    "no table": ("attributes: [a]\nidentity: x\nsources: y\n", ["1:13: attributes is a table", "2:11: identity cannot be 'x': write a table", "3:10: sour"]),
    "key that is no text": ("identity: {study: [a]}\nextends: [b]\ntemplate: {a: b}\n", ["1:19: study cannot be a list: write a text", "2:10: ext", "3:11: tem"]),
    "inside an item": (
        "attributes:\n  RequestAttributesSequence:\n  - StudyInstanceUID: abc\n    Nonsense: '{{ x }\n",
        ["3:23: StudyInstanceUID (UI) cannot be 'abc'", "4:5: 'Nonsense' is not", "4:15: the quote", "4:16: the {{ that begins here"],
    ),
    "no mapping at all": ("- a\n- b\n", ["1:1: a mapping is a table with the keys template, extends, match"]),
    "two mistakes on a line": ("attributes:\n  PatientNam: '{{ path.a | uper }}'\n", ["2:3: 'PatientNam'", "2:28: there is no filter 'uper'"]),
}  # fmt: skip


@pytest.mark.parametrize("name", MISTAKES)
def test_each_mistake_is_named_where_it_is(name: str, tmp_path: Path) -> None:
    text, expected = MISTAKES[name]
    found = complaints(tmp_path, text)
    assert len(found) == len(expected), found
    for complaint, beginning in zip(found, expected, strict=True):
        assert complaint.startswith(beginning)


def test_all_mistakes_come_at_once(tmp_path: Path) -> None:
    text = "templat: x\n" + GOOD + "  PatientSex: male\n  StudyDate: {{ media.captured }}\n  Rows: '1'\n"
    assert [line.split(":")[0] for line in complaints(tmp_path, text)] == ["1", "9", "10", "11"]


FULL = """\
match: {name: '*.jpg', kind: image}
when: '{{ path.mrn }}'
sources:
  path: {name: '(?P<mrn>\\d+)_(?P<eye>OD|OS)\\.jpg'}
maps:
  eye: {OD: R, OS: L}
  ward: {'1': North}
attributes:
  PatientID: '{{ path.mrn }}'
  ImageLaterality: '{{ path.eye | pick("eye") }}'
convert: {jxl: keep}
kinds:
  video: {template: video-photographic, attributes: {SeriesDescription: Film}, convert: {transcode: yes}}
  model: {attributes: {DocumentTitle: Model}}
checks:
- {when: '{{ path.mrn == "0" }}', then: hold}
site: {institution: Clinic, station: Room 1, variables: {ward: North}}
patient_id: '\\d{7}'
unidentified: hold
"""


def kind_of(name: str, kind: Kind) -> Probe:
    return Probe(Source(Path(f"a.{name}"), Path()), name, kind, "", "", Stream())


def names(levels: tuple[tuple[Assignment, ...], ...]) -> list[list[str]]:
    return [[each.name for each in level] for level in levels]


def test_every_key_is_read(tmp_path: Path) -> None:
    mapping = load(write(tmp_path, FULL))
    assert mapping.match == Match((("name", ("*.jpg",)), ("kind", ("image",))))
    assert mapping.when is not None
    assert mapping.maps == {"eye": {"OD": "R", "OS": "L"}, "ward": {"1": "North"}}
    assert mapping.site == Site(institution="Clinic", station="Room 1", variables={"ward": "North"})
    assert mapping.unidentified is Unidentified.HOLD
    assert mapping.patient_id is not None
    assert [check.then for check in mapping.checks] == ["hold"]
    assert mapping.files == (tmp_path / "site.yaml",)


def test_a_kind_has_what_is_for_all_and_what_is_for_it(tmp_path: Path) -> None:
    mapping = load(write(tmp_path, "template: secondary-capture\n" + FULL))
    picture = mapping.part(kind_of("jpeg", Kind.IMAGE))
    assert (picture.template, picture.levels, picture.convert) == (
        "secondary-capture",
        mapping.levels,
        mapping.convert,
    )
    film = mapping.part(kind_of("mp4", Kind.VIDEO))
    assert film.template == "video-photographic"
    assert names(film.levels) == [["PatientID", "ImageLaterality"], ["SeriesDescription"]]
    assert film.convert == Conversion(allow_jxl=True, transcode=True)
    for model in ("stl", "obj", "mtl"):
        assert names(mapping.part(kind_of(model, Kind.DOCUMENT)).levels)[-1] == ["DocumentTitle"]
    assert mapping.part(kind_of("pdf", Kind.DOCUMENT)).levels == mapping.levels


def test_every_key_of_a_mapping_can_be_overridden(tmp_path: Path) -> None:
    write(tmp_path, FULL, "base.yaml")
    own = """\
extends: base.yaml
match: {name: '*.jpeg'}
when: '{{ path.mrn != "1" }}'
maps: {eye: {OS: LEFT}, side: {a: b}}
attributes: {PatientSex: O}
kinds:
  video: {attributes: {SeriesDescription: Clip}}
  stl: {attributes: {DocumentTitle: Surface}}
checks: {when: '{{ path.eye }}', then: skip}
site: {station: Room 2, variables: {floor: '3'}}
patient_id: {pattern: '\\d{8}'}
unidentified: send
"""
    mapping = load(write(tmp_path, own))
    assert mapping.match == Match((("name", ("*.jpeg",)), ("kind", ("image",))))
    assert mapping.when is not None
    assert [each.code for each in mapping.when.expressions] == ['path.mrn != "1"']
    assert mapping.maps == {"eye": {"OD": "R", "OS": "LEFT"}, "ward": {"1": "North"}, "side": {"a": "b"}}
    assert names(mapping.levels) == [["PatientID", "ImageLaterality"], ["PatientSex"]]
    film = mapping.part(kind_of("mp4", Kind.VIDEO))
    assert film.template == "video-photographic"
    assert names(film.levels) == [
        ["PatientID", "ImageLaterality"],
        ["SeriesDescription"],
        ["PatientSex"],
        ["SeriesDescription"],
    ]
    assert [each.text() for each in film.levels[-1]] == ["Clip"]
    assert names(mapping.part(kind_of("stl", Kind.DOCUMENT)).levels)[-1] == ["DocumentTitle"]
    assert [check.then for check in mapping.checks] == ["hold", "skip"]
    assert mapping.site == Site(
        institution="Clinic", station="Room 2", variables={"ward": "North", "floor": "3"}
    )
    assert mapping.patient_id is not None
    assert mapping.patient_id.pattern is not None
    assert mapping.patient_id.pattern.pattern == "\\d{8}"
    assert mapping.unidentified is Unidentified.SEND
    assert mapping.files == (tmp_path / "base.yaml", tmp_path / "site.yaml")


def test_a_source_of_the_same_name_takes_the_place_of_the_other(tmp_path: Path) -> None:
    base = "sources:\n  sidecar: [{file: a.ini, select: {x: a}}, {name: b, file: b.ini, select: {x: a}}]\n"
    write(tmp_path, base, "base.yaml")
    own = "extends: base.yaml\nsources:\n  path: {name: '(?P<a>.*)'}\n  sidecar: {file: c.ini, select: {y: a}}\n"
    mapping = load(write(tmp_path, own))
    assert [(source.name, source.names) for source in mapping.sources] == [
        ("path", ("a",)),
        ("sidecar", ("y",)),
        ("b", ("x",)),
    ]


GUARDS = {
    "{{ path.side }}": False,
    "{{ path.side | upper }}": False,
    "{{ path['side'] }}": False,
    "{{ path.mrn ~ path.side }}": False,
    "{{ path.side | replace('L', 'R') | pick('eye') }}": False,
    "{{ path.side | default('') }}": True,
    "{{ path.side | default('') | upper }}": True,
    "{{ path.side | upper | default('U') }}": True,
    "{{ path.side or 'U' }}": True,
    "{{ 'L' if path.side == '1' else 'R' }}": True,
    "{{ path.side if path.side }}": True,
    "{{ path.side | keep_empty }}": True,
    "{{ path.side | pick('eye', '') }}": True,
    "{{ path.mrn }}": True,
}


@pytest.mark.parametrize("value", GUARDS)
def test_a_group_that_may_be_nothing_needs_a_guard(value: str, tmp_path: Path) -> None:
    text = (
        "sources:\n  path: {name: '(?P<mrn>\\d+)(?:_(?P<side>[LR]))?\\.jpg'}\nmaps: {eye: {L: R}}\n"
        f'attributes:\n  ImageComments: "{value}"\n'
    )
    if GUARDS[value]:
        assert load(write(tmp_path, text)).levels
    else:
        [complaint] = complaints(tmp_path, text)
        assert complaint.startswith("5:")
        assert complaint.endswith(
            "the group 'side' of the pattern is nothing for some files: write path.side | default('') if that is meant"
        )


def test_a_source_uses_those_before_it(tmp_path: Path) -> None:
    text = (
        "sources:\n"
        "  sidecar: [{file: '{{ b.x }}.ini', select: {x: a}}, {name: b, file: '{{ sidecar.x }}.ini', select: {x: a}}]\n"
        "  path: {name: '(?P<a>.*)'}\n"
        "when: '{{ path.a ~ sidecar.x }}'\n"
    )
    assert complaints(tmp_path, text) == [
        "2:24: b comes later: a source may use those that stand before it, so move b up",
        "4:20: when is asked before sidecar is: it may use path, site, group and what the file says itself; write it "
        "as one of the checks, with then: skip",
    ]


def test_two_sources_have_two_names(tmp_path: Path) -> None:
    text = "sources:\n  sidecar: [{file: a.ini, select: {x: a}}, {file: b.ini, select: {x: a}}, {name: exif, file: c.ini, select: {x: a}}]\n"
    assert complaints(tmp_path, text) == [
        "2:44: there is another source 'sidecar': give this one another name",
        "2:75: there is another source 'exif': give this one another name",
    ]


def test_a_variable_of_the_site_has_a_default_in_the_mapping(tmp_path: Path) -> None:
    use = "attributes: {ImageComments: '{{ site.ward }}'}\n"
    assert load(write(tmp_path, "site: {variables: {ward: }}\n" + use)).site.variables == {"ward": ""}
    [complaint] = complaints(tmp_path, use)
    assert complaint.startswith("1:38: site has no 'ward'; there is")
    assert complaint.endswith("a fact of the site's own has its default under site: variables:")


def test_faults_of_a_source_hide_no_others(tmp_path: Path) -> None:
    text = (
        "sources:\n  path: {name: '(?P<a>'}\n  sidecar: {name: exam, fle: x, format: ini, select: {x: a}}\n"
        "attributes:\n  PatientID: '{{ path.mrn }}'\n  PatientSex: x\n  ImageComments: '{{ exam.x ~ exfi.make }}'\n"
    )
    assert [complaint.split(": ")[0] for complaint in complaints(tmp_path, text)] == [
        "2:17", "3:25", "6:15", "7:31",
    ]  # fmt: skip


@given(lines=st.lists(LINES))
def test_any_mapping_is_read_or_refused_in_words(
    lines: list[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.getbasetemp()
    name = write(folder, "\n".join(lines), "m.yaml")
    try:
        load(name)
    except Fatal as error:
        for line in str(error).splitlines():
            assert line.startswith(f"{folder}/m.yaml:") or "mappings/photo.yaml" in line, line
