from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from gateway.config import Lossless, Reading, Sound
from gateway.errors import Fatal, Reject
from gateway.mapping.describe import Description, choose, describe, description, reading
from gateway.mapping.language import load
from gateway.model import Attributes, DicomFacts, Kind, Pixels, Probe, Source
from gateway.stream import FileSlice, Stream

TODAY = date(2024, 6, 1)
TAKEN = datetime(2024, 5, 31, 14, 30, 5)  # noqa: DTZ001 - local time, as cameras say it
COLOUR = Pixels(10, 10, 3, "YBR_FULL_422", planar_configuration=0)
JPEG_BASELINE = "1.2.840.10008.1.2.4.50"
JPEG_EXTENDED = "1.2.840.10008.1.2.4.51"
NATIVE = "1.2.840.10008.1.2.1"


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
    found = description(**options)
    return Description(found.mapping, found.template, found.photographic, found.typed, found.file, TODAY)


def shown(what: Probe, **options: Any) -> Attributes:
    return describe(what, asked(**options))


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
        description(mapping=name, template="nothing", typed=["PatientSex=male"], attribute_file=extra)
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
    assert attributes.messages == (message,)
    given = shown(document(tmp_path, captured=None), typed=["StudyDate=20200102", "ContentDate=20200102"])
    assert given.messages == ("it is not known when the file was made: AcquisitionDateTime is empty",)
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
    assert len(attributes.messages) == (0 if used else 2)
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
    assert attributes.messages == ("ManufacturerModelName: characters that LO does not permit became spaces",)
    assert "Manufacturer" not in shown(probe(tmp_path)).dataset
    assert shown(probe(tmp_path), photographic=True, typed=["ManufacturerModelName=X"]).messages == ()
    assert shown(document(tmp_path)).dataset.DocumentTitle == "Report"


def test_a_picture_that_an_object_may_not_carry_becomes_a_secondary_capture(tmp_path: Path) -> None:
    rgb = probe(tmp_path, pixels=Pixels(10, 10, 3, "RGB", planar_configuration=0))
    attributes = shown(rgb, template="vl-photographic")
    assert attributes.template == "secondary-capture"
    assert attributes.dataset.SOPClassUID == "1.2.840.10008.5.1.4.1.1.7"
    assert attributes.messages == (
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
    assert (attributes.template, attributes.messages) == (template, ())
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
    assert choose(coded, asked()) is coded
    assert choose(coded, asked(photographic=True)) is plain
    assert choose(coded, asked(template="vl-endoscopic")) is plain
    assert choose(coded, asked(template="multiframe-byte-secondary-capture")) is coded
    assert choose(coded, asked(template="encapsulated-pdf")) is coded
    assert choose(document(tmp_path), asked()).kind is Kind.DOCUMENT
    assert choose(dicom(tmp_path), asked()).kind is Kind.DICOM
    deep = probe(
        tmp_path,
        transfer_syntax=JPEG_EXTENDED,
        pixels=Pixels(9, 9, 1, "MONOCHROME2", 16, 12),
        otherwise=plain,
    )
    assert choose(deep, asked(template="ophthalmic-8-bit")) is plain


def test_the_command_line_has_the_last_word_on_conversion(tmp_path: Path) -> None:
    text = "convert: {lossless: rle, transcode: yes, audio: drop, orientation: keep, encrypted: allow}\n"
    given = load(mapping(tmp_path, text))
    usual = reading(Reading(), given)
    assert usual == Reading(
        lossless=Lossless.RLE,
        transcode=True,
        sound=Sound.DROP,
        keep_orientation=True,
        allow_encrypted=True,
    )
    asked_for = reading(Reading(lossless=Lossless.NATIVE, sound=Sound.CONVERT, max_pixels=5), given)
    assert (asked_for.lossless, asked_for.sound, asked_for.max_pixels) == (Lossless.NATIVE, Sound.CONVERT, 5)
    assert reading(Reading(), given, {"sound", "transcode"}) == replace(
        usual, sound=Sound.KEEP, transcode=False
    )
    assert reading(Reading(verbatim=True), None) == Reading(verbatim=True)


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


def test_values_that_cannot_be_reject_the_file_with_their_places(tmp_path: Path) -> None:
    name = mapping(
        tmp_path,
        "sources: {path: {name: '(?P<a>.*)\\.jpg'}}\nidentity: {study: '{{ 1 / 0 }}'}\n"
        "attributes:\n  PatientBirthDate: '{{ path.a }}'\n  PatientSex: '{{ path.a }}'\n",
    )
    with pytest.raises(Reject) as raised:
        shown(probe(tmp_path), mapping=name)
    lines = str(raised.value).splitlines()
    assert len(lines) == 3
    assert all(line.startswith(f"{tmp_path}/photo.jpg: {name}:") for line in lines)
    assert "PatientBirthDate (DA) cannot be 'photo'" in str(raised.value)
    assert f"{name}:2:20: {{{{ 1 / 0 }}}} fails: division by zero" in str(raised.value)


@pytest.mark.parametrize(
    ("name", "patient", "day", "side", "key"),
    [
        ("4711001_20240430_L_02.jpg", "4711001", "20240430", "L", "20240430"),
        ("4711001_20240430_r.JPEG", "4711001", "20240430", "R", "20240430"),
        ("4711001_20240430_left arm.jpg", "4711001", "20240430", None, "20240430"),
        ("4711001_heel.jpg", "4711001", "20240531", None, None),
        ("4711001.jpg", "4711001", "20240531", None, None),
    ],
)
def test_the_mapping_for_photos(
    name: str, patient: str, day: str, side: str | None, key: str | None, tmp_path: Path
) -> None:
    attributes = shown(probe(tmp_path, name), mapping="photo")
    dataset = attributes.dataset
    assert (dataset.PatientID, dataset.StudyDate, dataset.get("ImageLaterality")) == (patient, day, side)
    assert (attributes.template, attributes.scope, attributes.study_key) == ("vl-photographic", "photo", key)


@pytest.mark.parametrize(
    "name",
    [
        "IMG_1234.jpg", "DSC01234.JPG", "P1010001.JPG", "20240531_142200.jpg", "20240531142200_1.jpg",
        "202405311422_1.jpg", "PXL_20240531_142200123.jpg", "IMG-20240531-WA0001.jpg", "Scan_0001.jpg",
        "100CANON.jpg", "WhatsApp Image.jpg", "1234_a.jpg", "4711001.png", "4711001-2.jpg",
        "4711001_20241399_L.jpg",
    ],
)  # fmt: skip
def test_names_of_cameras_are_nobodys_number(name: str, tmp_path: Path) -> None:
    with pytest.raises(Reject):
        shown(probe(tmp_path, name), mapping="photo")


def test_the_mapping_for_documents(tmp_path: Path) -> None:
    what = document(tmp_path)
    path = tmp_path / "4711001_20240430_Referral_letter.pdf"
    path.write_bytes(b"x")
    named = Probe(
        Source(path, tmp_path), "pdf", Kind.DOCUMENT, what.media_type, what.transfer_syntax, what.content
    )
    dataset = shown(named, mapping="document").dataset
    assert (dataset.PatientID, dataset.StudyDate, dataset.DocumentTitle) == (
        "4711001",
        "20240430",
        "Referral letter",
    )
    assert dataset.ConversionType == "SD"
    with pytest.raises(Reject):
        shown(what, mapping="document")
