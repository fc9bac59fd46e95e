from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from gateway.config import Lossless, Reading, Sound, Unidentified
from gateway.errors import Fatal, Hold, Reject, Skip
from gateway.mapping.describe import describe, draft
from gateway.mapping.description import Description, description
from gateway.mapping.language import load
from gateway.mapping.select import reading, select
from gateway.mapping.sources.group import Group
from gateway.model import Attributes, DicomFacts, Kind, Pixels, Probe, Source
from gateway.stream import FileSlice, Stream

TODAY = date(2024, 6, 1)
TAKEN = datetime(2024, 5, 31, 14, 30, 5)  # noqa: DTZ001 - local time, as cameras say it
COLOUR = Pixels(10, 10, 3, "YBR_FULL_422", planar_configuration=0)
JPEG_BASELINE = "1.2.840.10008.1.2.4.50"
JPEG_EXTENDED = "1.2.840.10008.1.2.4.51"
NATIVE = "1.2.840.10008.1.2.1"
NOBODY = "the patient is not known: PatientID is empty"


def probe(folder: Path, name: str = "photo.jpg", **changes: Any) -> Probe:
    """What a JPEG would be found to be; changes are of the probe's fields."""
    path = folder / name
    path.write_bytes(b"content")
    fields: dict[str, Any] = {
        "source": Source(path, folder),
        "format": "jpeg",
        "kind": Kind.IMAGE,
        "media_type": "image/jpeg",
        "transfer_syntax": JPEG_BASELINE,
        "content": Stream.of(FileSlice.whole(path)),
        "pixels": COLOUR,
        "captured": TAKEN,
        "facts": {"exif": {"make": "Canon", "model": "EOS\\40D"}},
    }
    return Probe(**fields | changes)


def document(folder: Path, **changes: Any) -> Probe:
    fields = {
        "format": "pdf",
        "kind": Kind.DOCUMENT,
        "media_type": "application/pdf",
        "pixels": None,
        "facts": {"pdf": {"title": "Report"}},
    }
    return probe(folder, "a.pdf", **fields | {"transfer_syntax": "1.2.840.10008.1.2.1"} | changes)


def dicom(folder: Path, **changes: Any) -> Probe:
    known = DicomFacts("1.2.840.10008.5.1.4.1.1.2", "1.3", "1.4", "1.5", "1.2.840.10008.1.2.1")
    return probe(
        folder, "a.dcm", format="dicom", kind=Kind.DICOM, pixels=None, dicom=known, captured=None, **changes
    )


def asked(**options: Any) -> Description:
    """The description of options, on a day that never changes."""
    if mapping := options.pop("mapping", None):
        options["mappings"] = [mapping]
    return replace(description(**options), today=TODAY)


def shown(what: Probe, **options: Any) -> Attributes:
    request = asked(**options)
    return describe(select(what, request), request)


def told(attributes: Attributes) -> tuple[str, ...]:
    """What there is to say, besides that nobody said whom the file shows."""
    return tuple(each for each in attributes.messages if each != NOBODY)


def form(what: Probe, request: Description) -> Probe:
    return select(what, request).probe


def mapping(folder: Path, text: str) -> str:
    path = folder / "site.yaml"
    path.write_text(text, "utf-8")
    return str(path)


def test_each_kind_of_file_has_a_template(tmp_path: Path) -> None:
    video = probe(
        tmp_path,
        "a.mp4",
        kind=Kind.VIDEO,
        transfer_syntax="1.2.840.10008.1.2.4.102",
        pixels=Pixels(10, 10, 3, "YBR_PARTIAL_420", frames=5),
    )
    assert shown(probe(tmp_path)).template == "secondary-capture"
    assert shown(probe(tmp_path), photographic=True).template == "vl-photographic"
    assert shown(video, photographic=True).template == "video-photographic"
    assert shown(document(tmp_path), photographic=True).template == "encapsulated-pdf"
    assert shown(probe(tmp_path), template="vl-photographic").template == "vl-photographic"


def test_typed_wins_over_file_over_mapping_over_template(tmp_path: Path) -> None:
    name = mapping(
        tmp_path, "attributes:\n  Modality: DOC\n  PatientID: m\n  PatientSex: O\n  PatientName: m\n"
    )
    extra = tmp_path / "extra.yaml"
    extra.write_text("PatientID: f\nPatientSex: F\n")
    attributes = shown(probe(tmp_path), mapping=name, attribute_file=extra, typed=["PatientID=t"])
    dataset = attributes.dataset
    assert (dataset.PatientID, dataset.PatientSex, dataset.PatientName, dataset.Modality) == (
        "t",
        "F",
        "m",
        "DOC",
    )
    assert dataset.ConversionType == "WSD"
    assert attributes.origins["PatientID"] == "-m"
    assert attributes.origins["PatientSex"] == f"-f {extra}:2"
    assert attributes.origins["PatientName"] == f"{name}:5"
    assert attributes.origins["ConversionType"].startswith("template secondary-capture.yaml:")
    assert attributes.typed == (("PatientID", "t"), ("PatientSex", "F"))


def test_what_was_typed_reads_the_same_however_it_was_written(tmp_path: Path) -> None:
    as_json, as_yaml = tmp_path / "a.json", tmp_path / "a.yaml"
    as_json.write_text(
        '{"00100020": {"vr": "LO", "Value": ["1"]}, "00080008": {"vr": "CS", "Value": ["A", "B"]}}'
    )
    as_yaml.write_text("PatientID: 1\nImageType: A\\B\n")
    expected = (("ImageType", "A\\B"), ("PatientID", "1"))
    assert shown(probe(tmp_path), attribute_file=as_json).typed == expected
    assert shown(probe(tmp_path), attribute_file=as_yaml).typed == expected
    assert shown(probe(tmp_path), typed=["00100020=1", r"ImageType=A\B"]).typed == expected
    items = shown(probe(tmp_path), typed=["ProcedureCodeSequence=L:1:One"]).typed
    assert items == (("ProcedureCodeSequence", "L:1:One"),)


def test_a_description_says_what_was_given(tmp_path: Path) -> None:
    extra = tmp_path / "a.json"
    extra.write_text(
        '{"0020000D": {"vr": "UI", "Value": ["1.2"]}, "0020000E": {"vr": "UI", "Value": ["1.3"]}}'
    )
    request = asked(typed=["SeriesInstanceUID=1.9"], attribute_file=extra)
    assert request.typed_value("StudyInstanceUID") == "1.2"
    assert request.typed_value("SeriesInstanceUID") == "1.9"
    assert request.typed_value("SOPInstanceUID") is None


def test_all_that_is_wrong_with_the_options_comes_at_once(tmp_path: Path) -> None:
    extra = tmp_path / "a.json"
    extra.write_text("{")
    name = mapping(tmp_path, "templat: x\n")
    with pytest.raises(Fatal) as raised:
        description(mappings=[name], template="nothing", typed=["PatientSex=male"], attribute_file=extra)
    lines = str(raised.value).splitlines()
    assert [line.split(" ")[0] for line in lines] == ["-m", f"{extra}:", f"{name}:1:1:", "there"]


def test_dates_are_those_of_the_file(tmp_path: Path) -> None:
    dataset = shown(probe(tmp_path)).dataset
    assert (dataset.StudyDate, dataset.StudyTime) == ("20240531", "143005")
    assert (dataset.ContentDate, dataset.ContentTime) == ("20240531", "143005")
    assert dataset.AcquisitionDateTime == "20240531143005"
    aware = TAKEN.replace(tzinfo=timezone(timedelta(hours=2)))
    assert shown(probe(tmp_path, captured=aware)).dataset.AcquisitionDateTime == "20240531143005+0200"


def test_a_date_that_is_not_known_is_empty_with_a_message(tmp_path: Path) -> None:
    attributes = shown(document(tmp_path, captured=None))
    for keyword in ("StudyDate", "StudyTime", "ContentDate", "AcquisitionDateTime"):
        assert attributes.dataset[keyword].is_empty
    assert "ContentTime" not in attributes.dataset
    message = "it is not known when the file was made: ContentDate and AcquisitionDateTime are empty"
    assert told(attributes) == (message,)
    given = shown(document(tmp_path, captured=None), typed=["StudyDate=20200102", "ContentDate=20200102"])
    assert told(given) == ("it is not known when the file was made: AcquisitionDateTime is empty",)
    assert shown(dicom(tmp_path)).messages == ()


@pytest.mark.parametrize(
    ("moment", "used"),
    [
        (datetime(1990, 1, 1), True),  # noqa: DTZ001
        (datetime(2024, 6, 2, 23, 59), True),  # noqa: DTZ001
        (datetime(2024, 6, 2, 23, 59, tzinfo=UTC), True),
        (datetime(1989, 12, 31, 23, 59), False),  # noqa: DTZ001
        (datetime(1980, 1, 1), False),  # noqa: DTZ001
        (datetime(2024, 6, 3), False),  # noqa: DTZ001
    ],
)
def test_a_date_that_cannot_be_true_is_not_used(moment: datetime, used: bool, tmp_path: Path) -> None:
    attributes = shown(probe(tmp_path, captured=moment))
    assert bool(attributes.dataset.StudyDate) is used
    assert len(told(attributes)) == (0 if used else 2)
    if not used:
        why = "that is to come" if moment.year > 2000 else "that is before 1990"
        expected = f"the file says that it was made on {moment.date()}, and {why}: the date is not used"
        assert attributes.messages[0] == expected


def test_the_time_of_the_file_itself_is_only_used_where_a_mapping_says_so(tmp_path: Path) -> None:
    name = mapping(tmp_path, "attributes:\n  StudyDate: '{{ media.modified | dicom_date }}'\n")
    file = probe(tmp_path, captured=None)
    modified = datetime.fromtimestamp(file.source.path.stat().st_mtime, UTC).astimezone()
    assert shown(file, mapping=name).dataset.StudyDate == f"{modified:%Y%m%d}"
    assert shown(file).dataset["StudyDate"].is_empty


def test_what_files_say_is_made_to_fit(tmp_path: Path) -> None:
    attributes = shown(probe(tmp_path), photographic=True)
    assert (attributes.dataset.Manufacturer, attributes.dataset.ManufacturerModelName) == ("Canon", "EOS 40D")
    assert told(attributes) == ("ManufacturerModelName: characters that LO does not permit became spaces",)
    assert "Manufacturer" not in shown(probe(tmp_path)).dataset
    assert (
        shown(probe(tmp_path), photographic=True, typed=["ManufacturerModelName=X", "PatientID=1"]).messages
        == ()
    )
    assert shown(document(tmp_path)).dataset.DocumentTitle == "Report"


def test_a_picture_that_an_object_may_not_carry_becomes_a_secondary_capture(tmp_path: Path) -> None:
    rgb = probe(tmp_path, pixels=Pixels(10, 10, 3, "RGB", planar_configuration=0))
    attributes = shown(rgb, template="vl-photographic")
    assert attributes.template == "secondary-capture"
    assert attributes.dataset.SOPClassUID == "1.2.840.10008.5.1.4.1.1.7"
    assert told(attributes) == (
        "becomes the object secondary-capture and not vl-photographic: "
        "a VL Photographic Image is not stored with RGB pixels in this compression",
    )
    deep = probe(tmp_path, transfer_syntax=JPEG_EXTENDED, pixels=Pixels(1, 1, 1, "MONOCHROME2", 16, 12))
    assert shown(deep, photographic=True).template == "secondary-capture"
    assert "12 bits a sample" in shown(deep, photographic=True).messages[0]
    with pytest.raises(
        Reject, match=r"photo\.jpg cannot become the object secondary-capture: a Secondary Capture"
    ):
        shown(probe(tmp_path, transfer_syntax="1.2.840.10008.1.2.4.55"))


@pytest.mark.parametrize(
    ("pixels", "template"),
    [
        (COLOUR, "secondary-capture"),
        (Pixels(9, 9, 1, "MONOCHROME2", 16, 16), "secondary-capture"),
        (Pixels(9, 9, 1, "MONOCHROME2", frames=2), "multiframe-byte-secondary-capture"),
        (Pixels(9, 9, 1, "MONOCHROME2", 16, 12, frames=2), "multiframe-word-secondary-capture"),
        (
            Pixels(9, 9, 3, "RGB", planar_configuration=0, frames=2),
            "multiframe-true-color-secondary-capture",
        ),
    ],
)
def test_pictures_become_what_they_fit_into(pixels: Pixels, template: str, tmp_path: Path) -> None:
    what = probe(tmp_path, transfer_syntax=NATIVE, pixels=pixels)
    if pixels is COLOUR:
        what = probe(tmp_path)
    attributes = shown(what)
    assert (attributes.template, told(attributes)) == (template, ())
    asked_for = "multiframe-byte-secondary-capture" if pixels.samples_per_pixel > 1 else "vl-photographic"
    other = shown(what, template=asked_for)
    if pixels is not COLOUR and (pixels.bits_stored > 8 or pixels.frames):
        assert other.template == template
        assert other.messages[0].startswith(f"becomes the object {template} and not {asked_for}: ")


def test_documents_become_what_they_are(tmp_path: Path) -> None:
    names = {
        "text/xml": "encapsulated-cda",
        "model/stl": "encapsulated-stl",
        "model/obj": "encapsulated-obj",
        "model/mtl": "encapsulated-mtl",
    }
    for media_type, template in names.items():
        assert shown(document(tmp_path, media_type=media_type)).template == template
    with pytest.raises(Reject, match="an Encapsulated PDF holds application/pdf and not model/stl"):
        shown(document(tmp_path, media_type="model/stl"), template="encapsulated-pdf")


def test_the_first_form_that_the_object_takes_is_chosen(tmp_path: Path) -> None:
    plain = probe(tmp_path, transfer_syntax=NATIVE, pixels=Pixels(10, 10, 3, "RGB", planar_configuration=0))
    coded = probe(tmp_path, pixels=Pixels(10, 10, 3, "RGB", planar_configuration=0), otherwise=plain)
    assert form(coded, asked()) is coded
    assert form(coded, asked(photographic=True)) is plain
    assert form(coded, asked(template="vl-endoscopic")) is plain
    assert form(coded, asked(template="multiframe-byte-secondary-capture")) is coded
    assert form(coded, asked(template="encapsulated-pdf")) is coded
    assert form(document(tmp_path), asked()).kind is Kind.DOCUMENT
    assert form(dicom(tmp_path), asked()).kind is Kind.DICOM
    deep = probe(
        tmp_path,
        transfer_syntax=JPEG_EXTENDED,
        pixels=Pixels(9, 9, 1, "MONOCHROME2", 16, 12),
        otherwise=plain,
    )
    assert form(deep, asked(template="ophthalmic-8-bit")) is plain


def test_the_command_line_has_the_last_word_on_conversion(tmp_path: Path) -> None:
    text = "convert: {lossless: rle, transcode: yes, audio: drop, orientation: keep, encrypted: allow}\n"
    given = load(mapping(tmp_path, text))
    usual = reading(probe(tmp_path), given, Reading())
    assert usual == Reading(
        lossless=Lossless.RLE,
        transcode=True,
        sound=Sound.DROP,
        keep_orientation=True,
        allow_encrypted=True,
    )
    asked_for = reading(
        probe(tmp_path), given, Reading(lossless=Lossless.NATIVE, sound=Sound.CONVERT, max_pixels=5)
    )
    assert (asked_for.lossless, asked_for.sound, asked_for.max_pixels) == (Lossless.NATIVE, Sound.CONVERT, 5)
    assert reading(probe(tmp_path), given, Reading(), frozenset({"sound", "transcode"})) == replace(
        usual, sound=Sound.KEEP, transcode=False
    )
    assert reading(probe(tmp_path), None, Reading(verbatim=True)) == Reading(verbatim=True)


def test_a_template_says_how_pixels_are_stored(tmp_path: Path) -> None:
    own = tmp_path / "own.yaml"
    own.write_text("extends: secondary-capture\nconvert: {lossless: jpeg-ls}\n")
    assert shown(probe(tmp_path), template=str(own)).lossless is Lossless.JPEG_LS
    assert shown(probe(tmp_path)).lossless is None


def test_a_template_is_for_one_kind_of_file(tmp_path: Path) -> None:
    with pytest.raises(
        Reject, match=r"photo\.jpg is a picture, and the template encapsulated-pdf is for a document"
    ):
        shown(probe(tmp_path), template="encapsulated-pdf")
    with pytest.raises(
        Reject, match=r"a\.pdf is a document, and the template vl-photographic is for a picture"
    ):
        shown(document(tmp_path), mapping=mapping(tmp_path, "template: vl-photographic\n"))
    with pytest.raises(Reject, match=r"a\.dcm is a DICOM object already"):
        shown(dicom(tmp_path), template="vl-photographic")
    foreign = tmp_path / "ct.yaml"
    foreign.write_text("attributes: {SOPClassUID: 1.2.840.10008.5.1.4.1.1.2}\n")
    with pytest.raises(
        Fatal, match=r"the template ct is for 1\.2\.840\.10008\.5\.1\.4\.1\.1\.2, which this version cannot"
    ):
        shown(probe(tmp_path), template=str(foreign))


def test_a_dicom_file_gets_what_was_given_and_nothing_else(tmp_path: Path) -> None:
    attributes = shown(dicom(tmp_path))
    assert (len(attributes.dataset), attributes.template, attributes.removed) == (0, "", ())
    name = mapping(tmp_path, "attributes:\n  InstitutionName: Here\n  PatientComments: null\n")
    attributes = shown(dicom(tmp_path), mapping=name, typed=["PatientID=4711"], photographic=True)
    assert sorted(element.keyword for element in attributes.dataset) == ["InstitutionName", "PatientID"]
    assert attributes.removed == ("PatientComments",)


def test_a_file_of_attributes_is_for_the_object_that_it_names(tmp_path: Path) -> None:
    extra = tmp_path / "a.yaml"
    extra.write_text("SOPClassUID: 1.2.840.10008.5.1.4.1.1.7\nPatientID: a\n")
    attributes = shown(probe(tmp_path), attribute_file=extra)
    assert attributes.dataset.PatientID == "a"
    assert attributes.typed == (("PatientID", "a"),)
    with pytest.raises(
        Reject, match=r"describes one of 1\.2\.840\.10008\.5\.1\.4\.1\.1\.7: choose another template"
    ):
        shown(probe(tmp_path), attribute_file=extra, photographic=True)
    with pytest.raises(Reject, match="choose another template"):
        shown(dicom(tmp_path), attribute_file=extra)


def test_values_that_cannot_be_hold_the_file_with_their_places(tmp_path: Path) -> None:
    name = mapping(
        tmp_path,
        "sources: {path: {name: '(?P<a>.*)\\.jpg'}}\nidentity: {study: '{{ 1 / 0 }}'}\n"
        "attributes:\n  PatientBirthDate: '{{ path.a }}'\n  PatientSex: '{{ path.a }}'\n",
    )
    with pytest.raises(Hold) as raised:
        shown(probe(tmp_path), mapping=name)
    assert (raised.value.reason, raised.value.depends) == ("mapping", (Path(name),))
    lines = str(raised.value).splitlines()
    assert len(lines) == 3
    assert all(line.startswith(f"{tmp_path}/photo.jpg: {name}:") for line in lines)
    assert "PatientBirthDate (DA) cannot be 'photo'" in str(raised.value)
    assert f"{name}:2:20: {{{{ 1 / 0 }}}} fails: division by zero" in str(raised.value)


# Several mappings


def several(folder: Path, *texts: str) -> Description:
    """The description of mappings tried in order, called `m0.yaml`, `m1.yaml` and so on."""
    names = []
    for number, text in enumerate(texts):
        (folder / f"m{number}.yaml").write_text(text, "utf-8")
        names.append(str(folder / f"m{number}.yaml"))
    return replace(description(mappings=names), today=TODAY)


def test_the_first_mapping_that_is_for_a_file_is_taken(tmp_path: Path) -> None:
    request = several(
        tmp_path,
        "match: {kind: pdf}\n",
        "sources: {path: {name: '(?P<a>\\d+)\\.jpg'}}\n",
        "when: '{{ exif.make == \"Nikon\" }}'\n",
        "match: {name: 'PHOTO*'}\nwhen: '{{ exif.make }}'\n",
        "{}\n",
    )
    chosen = {
        what.source.name: mapping.name
        for what in (document(tmp_path), probe(tmp_path, "1.jpg"), probe(tmp_path), probe(tmp_path, "x.jpg"))
        if (mapping := select(what, request).mapping)
    }
    assert chosen == {"a.pdf": "m0", "1.jpg": "m1", "photo.jpg": "m3", "x.jpg": "m4"}


def test_a_file_that_no_mapping_is_for_is_held_with_every_reason(tmp_path: Path) -> None:
    texts = (
        "match: {kind: pdf}\n",
        "sources: {path: {name: '(?P<a>\\d+)'}}\n",
        "when: '{{ exif.serial }}'\n",
    )
    with pytest.raises(Hold) as raised:
        select(probe(tmp_path), several(tmp_path, *texts))
    assert raised.value.reason == "no-mapping"
    assert raised.value.depends == tuple(tmp_path / f"m{number}.yaml" for number in range(3))
    message = str(raised.value)
    assert message.startswith(f"{tmp_path}/photo.jpg: none of the mappings is for it: m0: its kind 'image' ")
    assert "m1: its name 'photo.jpg' is not what the mapping expects: (?P<a>\\d+)" in message
    assert f"m2: its when does not hold ({tmp_path}/m2.yaml:1:8)" in message


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("sources: {path: {name: '(?P<a>\\d+)'}}\n", "path"),
        ("match: {name: x}\n", "no-mapping"),
        ("when: '{{ exif.make | dicom_date }}'\n", "mapping"),
    ],
)
def test_what_a_single_mapping_is_not_for_is_held(text: str, reason: str, tmp_path: Path) -> None:
    with pytest.raises(Hold, match=r"photo\.jpg: ") as raised:
        select(probe(tmp_path), several(tmp_path, text))
    assert (raised.value.reason, raised.value.depends) == (reason, (tmp_path / "m0.yaml",))


def test_kinds_have_templates_and_attributes_of_their_own(tmp_path: Path) -> None:
    name = mapping(
        tmp_path,
        "template: vl-photographic\n"
        "attributes: {PatientID: a, StudyDescription: all}\n"
        "kinds:\n"
        "  pdf: {template: encapsulated-pdf, attributes: {StudyDescription: papers}}\n"
        "  dicom: {attributes: {InstitutionName: Here}}\n",
    )
    picture, paper = shown(probe(tmp_path), mapping=name), shown(document(tmp_path), mapping=name)
    assert (picture.template, picture.dataset.StudyDescription) == ("vl-photographic", "all")
    assert (paper.template, paper.dataset.StudyDescription) == ("encapsulated-pdf", "papers")
    assert paper.dataset.PatientID == "a"
    assert shown(dicom(tmp_path), mapping=name).dataset.InstitutionName == "Here"


# Precedence


def test_the_site_and_sidecars_stand_between_template_and_mapping(tmp_path: Path) -> None:
    (tmp_path / "photo.json").write_text(
        '{"00080080": {"vr": "LO", "Value": ["sidecar"]}, "00081010": {"vr": "SH", "Value": ["sidecar"]}}'
    )
    name = mapping(
        tmp_path,
        "sources: {sidecar: {format: json, merge: true}}\n"
        "site: {institution: site, department: site, station: site, manufacturer: site, serial: site}\n"
        "attributes: {InstitutionName: mapping}\n",
    )
    attributes = shown(probe(tmp_path), mapping=name, photographic=True, site=["serial=option"])
    dataset = attributes.dataset
    assert (dataset.InstitutionName, dataset.StationName) == ("mapping", "sidecar")
    assert (dataset.InstitutionalDepartmentName, dataset.Manufacturer) == ("site", "site")
    assert dataset.DeviceSerialNumber == "option"
    assert attributes.origins["StationName"] == "sidecar photo.json"
    assert attributes.origins["Manufacturer"] == "site"
    assert attributes.depends == (tmp_path / "photo.json",)
    assert "InstitutionalDepartmentName" not in shown(dicom(tmp_path), site=["department=x"]).dataset


def test_facts_of_the_site_are_there_for_expressions(tmp_path: Path) -> None:
    name = mapping(
        tmp_path,
        "site: {department: Skin, variables: {ward: '3'}}\n"
        "attributes: {StudyDescription: '{{ site.department }} {{ site.ward }} {{ site.clock }}'}\n",
    )
    assert shown(probe(tmp_path), mapping=name).dataset.StudyDescription == "Skin 3"
    other = shown(probe(tmp_path), mapping=name, site=["ward=4", "clock=+90s"])
    assert other.dataset.StudyDescription == "Skin 4 90"


# Dates


def test_the_clock_of_the_device_is_corrected(tmp_path: Path) -> None:
    dataset = shown(probe(tmp_path), site=["clock=-15h"]).dataset
    assert (dataset.ContentDate, dataset.ContentTime) == ("20240530", "233005")


def test_times_have_their_offset_from_utc(tmp_path: Path) -> None:
    there = ["timezone=Europe/Berlin"]
    attributes = shown(probe(tmp_path), site=there)
    assert attributes.dataset.TimezoneOffsetFromUTC == "+0200"
    assert attributes.origins["TimezoneOffsetFromUTC"] == "site"
    assert "TimezoneOffsetFromUTC" not in shown(probe(tmp_path)).dataset
    twice = TAKEN.replace(month=10, day=27, hour=2, year=2019)
    assert "TimezoneOffsetFromUTC" not in shown(probe(tmp_path, captured=twice), site=there).dataset
    aware = shown(probe(tmp_path, captured=twice.replace(tzinfo=timezone(timedelta(hours=1)))), site=there)
    assert aware.dataset.TimezoneOffsetFromUTC == "+0100"
    typed = shown(probe(tmp_path), site=there, typed=["TimezoneOffsetFromUTC=-0330"])
    assert typed.dataset.TimezoneOffsetFromUTC == "-0330"


def test_a_date_that_cannot_be_true_is_a_named_problem(tmp_path: Path) -> None:
    name = mapping(
        tmp_path,
        "site: {since: 2024-06-01}\n"
        "checks: [{when: '{{ media.captured_problem }}', then: hold, say: '{{ media.captured_problem }}'}]\n",
    )
    with pytest.raises(Hold, match=r"photo\.jpg: before-site$") as raised:
        shown(probe(tmp_path), mapping=name)
    assert raised.value.reason == "check"
    assert (
        "the site has no files from before 2024-06-01"
        in shown(probe(tmp_path), site=["since=2024-06-01"]).messages[0]
    )


def test_files_that_came_together_know_each_other(tmp_path: Path) -> None:
    name = mapping(
        tmp_path,
        "attributes:\n"
        "  StudyDate: '{{ group.captured | dicom_date }}'\n"
        "  StudyDescription: '{{ group.count }} of {{ group.names[0] }}'\n",
    )
    request = replace(description(mappings=[name], site=["clock=+1d"]), today=TODAY)
    together = Group(("a.jpg", "photo.jpg"), (TAKEN, TAKEN.replace(day=29), TAKEN.replace(year=1980)))
    dataset = describe(select(probe(tmp_path), request, together), request).dataset
    assert (dataset.StudyDate, dataset.StudyDescription) == ("20240530", "2 of a.jpg")


# Who


@pytest.mark.parametrize(
    ("options", "text", "held"),
    [
        ({}, "", False),
        ({"unidentified": Unidentified.HOLD}, "", True),
        ({}, "unidentified: hold\n", True),
        ({"unidentified": Unidentified.SEND}, "unidentified: hold\n", False),
    ],
)
def test_a_file_whose_patient_is_not_known(
    options: dict[str, Any], text: str, held: bool, tmp_path: Path
) -> None:
    if text:
        options = {**options, "mapping": mapping(tmp_path, text)}
    if not held:
        assert NOBODY in shown(probe(tmp_path), **options).messages
        return
    with pytest.raises(Hold, match="the patient is not known: PatientID is empty") as raised:
        shown(probe(tmp_path), **options)
    assert raised.value.reason == "unidentified"
    assert NOBODY not in shown(probe(tmp_path), typed=["PatientID=1234"], **options).messages


def test_where_nobody_watches_a_file_is_held_unless_something_says_otherwise(tmp_path: Path) -> None:
    request = replace(asked(), unattended=True)
    with pytest.raises(Hold):
        describe(select(probe(tmp_path), request), request)
    sent = replace(asked(mapping=mapping(tmp_path, "unidentified: send\n")), unattended=True)
    assert NOBODY in describe(select(probe(tmp_path), sent), sent).messages


@pytest.mark.parametrize(
    ("patient_id", "rule", "words"),
    [
        ("0000000", {}, "is a placeholder"),
        ("471", {"patient_id": r"\d{7}"}, "is not what patient_id expects"),
    ],
)
def test_a_patient_id_in_doubt_establishes_nobody(
    patient_id: str, rule: dict[str, str], words: str, tmp_path: Path
) -> None:
    name = mapping(tmp_path, f"unidentified: hold\nattributes: {{PatientID: '{patient_id}'}}\n")
    with pytest.raises(Hold, match=words) as raised:
        shown(probe(tmp_path), mapping=name, **rule)
    assert raised.value.reason == "unidentified"
    sent = shown(probe(tmp_path), mapping=name, unidentified=Unidentified.SEND, **rule)
    assert any(words in message for message in sent.messages)


def test_a_rule_of_the_mapping_and_one_of_the_folder_are_taken_together(tmp_path: Path) -> None:
    name = mapping(
        tmp_path,
        "unidentified: hold\n"
        "patient_id: {pattern: '\\d+', test: '99*'}\n"
        "attributes: {PatientID: '9900001'}\n",
    )
    for options in ({}, {"patient_id": r"\d{7}"}):
        with pytest.raises(Hold, match="a test patient"):
            shown(probe(tmp_path), mapping=name, **options)


def test_dicom_files_are_asked_who_they_show_where_it_matters(tmp_path: Path) -> None:
    nobody = dicom(tmp_path)
    assert nobody.dicom is not None
    known = replace(nobody, dicom=replace(nobody.dicom, patient_id="4711001"))
    assert shown(nobody).messages == ()
    hold = mapping(tmp_path, "unidentified: hold\n")
    for options in ({"unidentified": Unidentified.HOLD}, {"mapping": hold}):
        with pytest.raises(Hold, match="the patient is not known"):
            shown(nobody, **options)
        assert shown(known, **options).messages == ()
        assert shown(nobody, typed=["PatientID=4711001"], **options).messages == ()


@pytest.mark.parametrize("where", ["mapping", "option"])
def test_a_rule_that_was_given_on_purpose_holds_also_where_a_person_is_there(
    where: str, tmp_path: Path
) -> None:
    rule = "patient_id: '\\d{7}'\n" if where == "mapping" else ""
    options: dict[str, Any] = {} if rule else {"patient_id": r"\d{7}"}
    name = mapping(tmp_path, f"{rule}attributes: {{PatientID: '{{{{ media.stem }}}}'}}\n")
    with pytest.raises(Hold, match="not what patient_id expects") as raised:
        shown(probe(tmp_path), mapping=name, **options)
    assert raised.value.reason == "unidentified"
    assert Path(name) in raised.value.depends
    doubt = (
        "the patient is not known for certain: the Patient ID '{}' is not what patient_id expects: \\d{{7}}"
    )
    sent = shown(probe(tmp_path), mapping=name, unidentified=Unidentified.SEND, **options)
    assert doubt.format("photo") in sent.messages
    typed = shown(probe(tmp_path), mapping=name, typed=["PatientID=4711"], **options)
    assert doubt.format("4711") in typed.messages
    willing = mapping(tmp_path, Path(name).read_text("utf-8") + "unidentified: send\n")
    assert doubt.format("photo") in shown(probe(tmp_path), mapping=willing, **options).messages


def test_a_dicom_file_of_another_patient_is_held(tmp_path: Path) -> None:
    file = dicom(tmp_path)
    assert file.dicom is not None
    file = replace(file, dicom=replace(file.dicom, patient_id="4711002 "))
    name = mapping(tmp_path, "attributes: {PatientID: '4711001', StudyID: '1'}\n")
    with pytest.raises(Hold) as raised:
        shown(file, mapping=name)
    assert raised.value.reason == "unidentified"
    assert f"the patient '4711002' by its own Patient ID, and '4711001' by {name}:1: to" in str(raised.value)
    (tmp_path / "a.ini").write_text("PatientID=4711001\n")
    merged = mapping(tmp_path, "sources: {sidecar: {file: a.ini, merge: yes}}\n")
    with pytest.raises(Hold, match=r"by sidecar a\.ini: to"):
        shown(file, mapping=merged)
    sent = shown(file, mapping=name, unidentified=Unidentified.SEND)
    assert any("by its own Patient ID" in message for message in sent.messages)


@pytest.mark.parametrize(
    ("text", "own", "typed"),
    [
        ("attributes: {PatientID: '4711001'}", "4711001 ", []),
        ("attributes: {PatientID: '4711001'}", "", []),
        ("attributes: {PatientID: '4711001'}", "UNKNOWN", []),
        ("attributes: {PatientID: '4711001'}", "4711002", ["PatientID=4711003"]),
        (
            "attributes:\n  PatientID: '1'\nkinds: {dicom: {attributes: {PatientID: '4711001'}}}",
            "4711002",
            [],
        ),
        ("attributes: {StudyID: '1'}", "4711002", []),
        ("attributes: {PatientID: null}", "4711002", ["PatientID=4711003"]),
    ],
)
def test_a_dicom_file_of_the_same_patient_or_one_changed_on_purpose_is_not(
    text: str, own: str, typed: list[str], tmp_path: Path
) -> None:
    file = dicom(tmp_path)
    assert file.dicom is not None
    file = replace(file, dicom=replace(file.dicom, patient_id=own))
    assert shown(file, mapping=mapping(tmp_path, f"{text}\n"), typed=typed).messages == ()


@pytest.mark.parametrize(
    ("taken", "clock", "offset"),
    [
        (datetime(2024, 5, 31, 12, tzinfo=UTC), "140000", "+0200"),
        (datetime(2024, 1, 31, 12, tzinfo=timezone(timedelta(hours=-8))), "210000", "+0100"),
        (datetime(2023, 10, 29, 0, 30, tzinfo=UTC), "023000", "+0200"),
        (datetime(2023, 10, 29, 1, 30, tzinfo=UTC), "023000", "+0100"),
        (datetime(2023, 10, 29, 2, 30), "023000", None),  # noqa: DTZ001 - as cameras say it
    ],
)
def test_times_and_their_offset_from_utc_are_of_the_same_clock(
    taken: datetime, clock: str, offset: str | None, tmp_path: Path
) -> None:
    dataset = shown(probe(tmp_path, captured=taken), site=["timezone=Europe/Berlin"]).dataset
    assert dataset.ContentTime == clock
    assert dataset.get("TimezoneOffsetFromUTC") == offset


# Faults, checks, codes


def test_a_doubt_depends_on_all_that_was_read_for_the_file(tmp_path: Path) -> None:
    (tmp_path / "photo.ini").write_text("sex=F\n")
    table = tmp_path / "t.csv"
    sources = (
        "sources: {sidecar: {file: photo.ini}, table: {file: t.csv, key: mrn, equals: '{{ media.stem }}'}}\n"
    )
    check = (
        "checks: {agree: ['{{ sidecar.sex }}', '{{ row.sex }}'], then: hold}\nattributes: {PatientID: '1'}\n"
    )
    name = mapping(tmp_path, sources + check)
    for content, reason in (("mrn,sex\nphoto,M\n", "check"), ("mrn,sex\nx,M\n", "no-row")):
        table.write_text(content)
        with pytest.raises(Hold) as raised:
            shown(probe(tmp_path), mapping=name)
        assert raised.value.reason == reason
        assert set(raised.value.depends) == {Path(name), tmp_path / "photo.ini", table}


def test_a_value_that_must_be_there_and_comes_to_nothing_is_a_fault(tmp_path: Path) -> None:
    name = mapping(
        tmp_path,
        "template: ophthalmic-8-bit\n"
        "attributes:\n  PatientName: '{{ exif.owner }}'\n  ImageLaterality: '{{ exif.owner }}'\n",
    )
    with pytest.raises(Hold) as raised:
        shown(probe(tmp_path), mapping=name, typed=["PatientID=1234"])
    assert raised.value.reason == "mapping"
    [line] = str(raised.value).splitlines()
    assert f"{name}:4:3: ImageLaterality comes to nothing, and an Ophthalmic" in line


def test_checks_and_faults_come_at_once_and_a_check_decides(tmp_path: Path) -> None:
    text = (
        "checks:\n- {when: yes, then: THEN, say: no good}\n- {when: yes, then: {send_to: research}}\n"
        "attributes: {PatientID: '4711001', PatientSex: '{{ media.stem }}'}\n"
    )
    for then, kind, lines in (("hold", Hold, 2), ("reject", Reject, 2), ("skip", Skip, 1)):
        with pytest.raises(kind, match=r"^\S+/photo\.jpg: no good") as raised:
            shown(probe(tmp_path), mapping=mapping(tmp_path, text.replace("THEN", then)))
        assert len(str(raised.value).splitlines()) == lines


def test_checks_and_routes_name_destinations(tmp_path: Path) -> None:
    name = mapping(
        tmp_path, "checks: [{when: '{{ exif.make }}', then: {send_to: research}, say: to research}]\n"
    )
    request = replace(asked(mapping=name), routes=(("main", None), ("research", None)))
    attributes = describe(select(probe(tmp_path), request), request)
    assert attributes.destinations == ("main", "research")
    assert "to research" in attributes.messages
    assert shown(probe(tmp_path), mapping=name).destinations == ("research",)


# Drafts


def test_a_draft_tells_what_has_lost(tmp_path: Path) -> None:
    name = mapping(
        tmp_path, "attributes:\n  Modality: DOC\n  PatientName: '{{ exif.owner }}'\n  StudyID: null\n"
    )
    request = asked(mapping=name, typed=["Modality=XC"])
    made = draft(select(probe(tmp_path), request), request, in_full=True)
    said = [(each.origin, each.value, each.won) for each in made.trail if each.name == "Modality"]
    assert said[:2] == [("-m", "XC", True), (f"{name}:2", "DOC", False)]
    assert said[2][0].startswith("template ")
    assert said[2][1:] == ("OT", False)
    assert [(each.value, each.won) for each in made.trail if each.name == "PatientName"] == [("", False)]
    assert [(each.value, each.won) for each in made.trail if each.name == "StudyID"] == [(None, True)]
    assert made.problems == []
    assert made.attributes == describe(select(probe(tmp_path), request), request)


def test_a_draft_goes_on_where_a_source_has_failed(tmp_path: Path) -> None:
    name = mapping(
        tmp_path,
        "sources: {sidecar: {file: photo.ini, select: {sex: P.sex}}}\n"
        "checks: [{when: '{{ sidecar.sex }}', then: hold}]\n"
        "attributes: {PatientID: '4711', PatientSex: '{{ sidecar.sex }}'}\n",
    )
    request = asked(mapping=name)
    with pytest.raises(Hold) as raised:
        describe(select(probe(tmp_path), request), request)
    assert raised.value.reason == "sidecar-missing"
    made = draft(select(probe(tmp_path), request), request, in_full=True)
    assert list(map(str, made.problems)) == [str(raised.value)]
    assert made.attributes.dataset.PatientID == "4711"
    [sex] = [each for each in made.trail if each.name == "PatientSex"]
    assert (sex.value, sex.problem) == (None, "is not known without sidecar")
