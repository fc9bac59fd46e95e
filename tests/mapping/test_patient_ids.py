"""What is taken for a Patient ID, and what never is."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import documents, nodes
from gateway.mapping.models import MappingModel
from gateway.mapping.patient_ids import read
from gateway.mapping.patients import PatientIds, candidate, doubt, plausible
from gateway.model import Source

ROOT = Path("/root")

DEVICES = (
    # cameras and phones
    "IMG_0042.JPG", "IMG_E0042.HEIC", "_MG_0042.JPG", "MVI_0042.MOV", "DSC_0042.JPG", "_DSC0042.JPG",
    "DSC00042.JPG", "DSCN0042.JPG", "DSCF0042.JPG", "_DSF0042.JPG", "P1010001.JPG", "P5310042.JPG",
    "PC310042.JPG", "CIMG0042.JPG", "HPIM0042.JPG", "IMGP0042.JPG", "_IGP0042.JPG", "RIMG0042.JPG",
    "SAM_0042.JPG", "SANY0042.JPG", "PICT0042.JPG", "STA_0042.JPG", "100_0042.JPG", "L1000042.JPG",
    "GOPR0042.MP4", "GX010042.MP4", "DJI_0042.JPG", "C0001.MP4", "MAH00042.MP4", "00042.MTS", "MOV_0042.mp4",
    "PXL_20240531_122200123.jpg", "PXL_20240531_122200123.MP.jpg", "VID_20240531_142200.mp4",
    "MVIMG_20240531_142200.jpg", "20240531_142200.jpg", "20240531_142200(0).jpg", "2024-05-31 14.22.00.jpg",
    "20240531142200.jpg", "WIN_20240531_14_22_00_Pro.jpg", "1717158120123.jpg", "FullSizeRender 2.jpg",
    "2P8A0042.CR3", "R0010042.JPG",
    "0B0F4BB6-54A5-4D17-9F6E-0A6F5CF3C2B1.JPG", "Photo 31.05.24, 14 22 00.jpg", "Bild 042.jpg",
    # scanners
    "Scan0042.pdf", "Scan_20240531.pdf", "scan 42.pdf", "Scanned_from_a_Xerox_2024.pdf", "SCN_0042.pdf",
    "SKM_C25824053114220.pdf", "SKMBT_C22424053114220.pdf", "doc00042720240531142200.pdf", "HP0042.pdf",
    "EPSON042.JPG", "CCF05312024.pdf", "BRW4CD577_000042.pdf", "Numérisation_20240531.pdf",
    "Scannable Document on 31 May 2024 at 14_22_00.pdf", "CamScanner 31-05-2024 14.22.pdf",
    # messengers and computers
    "IMG-20240531-WA0042.jpg", "VID-20240531-WA0042.mp4", "WhatsApp Image 2024-05-31 at 14.22.00.jpeg",
    "signal-2024-05-31-142200.jpg", "signal-2024-05-31-14-22-00-123.jpg", "photo_2024-05-31_14-22-00.jpg",
    "FB_IMG_1717158120123.jpg", "received_1234567890123456.jpeg", "mmexport1717158120123.jpg",
    "viber_image_2024-05-31_14-22-00-123.jpg", "Snapchat-1234567890.jpg",
    "Screenshot 2024-05-31 at 14.22.00.png", "Screenshot_20240531-142200.png",
    "Bildschirmfoto 2024-05-31 um 14.22.00.png", "image0.jpeg",
    "image (3).png", "Unbenannt 2.png", "Copy of 42.jpg", "4711001 (2).jpg", "4711001 - Kopie.jpg",
    "4711001 - Copy (3).jpg",
)  # fmt: skip
"""Names that cameras, scanners, messengers and computers give to files."""

FOLDERS = (
    "DCIM", "100CANON", "101MSDCF", "100APPLE", "100NIKON", "100OLYMP", "100_PANA", "100_FUJI", "100MEDIA",
    "100GOPRO", "100ANDRO", "100D3200", "100EOS5D", "102_0531", "2024", "2024-05", "202405", "20240531",
    "2024-05-31", "31.05.2024", "5-31-2024", "31. Mai 2024", "May 2024", "240531", "Camera", "Camera01",
    "New folder (2)",
    "Neuer Ordner (3)", "WhatsApp Images", "Scans 2024", "USB DISK", "001", "7", "Tag 3",
    "exam_0001", "Ward7", "Station 12", "RAUM 0815",
)  # fmt: skip
"""Names of folders that nobody gave to say who a patient is."""

PATIENTS = (
    "4711001", "4711", "0004711001", "12345678", "K-2024-001234", "2024-004711", "P4711", "A12", "MRN123456",
    "PAT-001", "943-476-5919", "9434765919", "S1234567D", "IMGARD12", "Ä4711", "患者4711", "GX01",
)  # fmt: skip
"""Patient IDs as sites write them."""

NHS = "9434765919", "4010232137", "9876543210"
AADHAAR = "499118665246"
PERSONNUMMER = "811218-9876"
NIR = "2 55 08 14 168 025 38"
BELGIAN = "85.07.30-033.28", "17.07.30-033.84"


def of(*parts: str, rule: PatientIds | None = None) -> tuple[str | None, str | None]:
    """What a path below the root says."""
    return candidate(Source(ROOT.joinpath(*parts), ROOT), rule)


def rules(text: str) -> PatientIds:
    """The rules that a mapping gives."""
    faults: list[nodes.Fault] = []
    node = nodes.parse(text, "m.yaml", faults)
    assert node is not None
    model = documents.build(node, MappingModel, faults)
    assert model is not None
    assert model.patient_id is not None
    made = read(model.patient_id, faults)
    assert faults == []
    return made


# Without a pattern


@pytest.mark.parametrize("name", DEVICES)
def test_names_that_devices_give_are_nobodys(name: str) -> None:
    value, why = of(name)
    assert value is None
    assert why is not None
    assert why.startswith("no Patient ID in its path (name: ")
    assert of("DCIM", "100CANON", name)[0] is None, "nor below a camera's folders"


@pytest.mark.parametrize("folder", FOLDERS)
def test_folders_that_nobody_named_for_a_patient(folder: str) -> None:
    value, why = of(folder, "IMG_0042.JPG")
    assert value is None
    assert why is not None
    assert f"folder: {folder!r}" in why
    assert "name: 'IMG'" in why


@pytest.mark.parametrize("text", PATIENTS)
def test_patient_ids_from_folders_and_names(text: str) -> None:
    assert plausible(text) is None
    assert of(text, "2024-05-31", "IMG_0042.JPG") == (text, None)
    assert of(f"{text}_20240531_L.jpg") == (text, None)
    assert of(f"{text}.jpg") == (text, None)
    assert of("DCIM", f"{text}_L.jpg") == (text, None), "the name counts where the folder says nothing"


def test_the_folder_comes_before_the_name() -> None:
    assert of("4711001", "56234_L.jpg") == ("4711001", None)


@pytest.mark.parametrize("name", ["4711002_1.jpg", "4711002.jpg"])
def test_a_folder_and_a_name_that_are_written_alike_and_differ_are_a_doubt(name: str) -> None:
    assert of("4711001", name) == (
        None,
        "two Patient IDs in its path: the folder '4711001' and the name '4711002'",
    )


def test_members_of_an_archive_that_is_named_for_a_patient() -> None:
    archive = ROOT / "4711001.zip!"
    source = Source(Path("/elsewhere/1"), ROOT, archive / "IMG_0042.JPG")
    assert candidate(source, None) == ("4711001", None)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("wound", "'wound' has no digit"),
        ("20240531", "'20240531' is a date"),
        ("4711001 2024-05-31", "'4711001 2024-05-31' has a date"),
        ("2024", "'2024' is a year or a month"),
        ("Mueller 1960", "'Mueller 1960' has a year, and no number beside it"),
        ("1717158120", "'1717158120' is a time stamp: it counts from 1970"),
        ("20240531142200", "'20240531142200' is a time stamp"),
        ("IMG0042", "'IMG0042' begins with 'IMG', as names that cameras give"),
        ("0042", "'0042' is a counter"),
        ("0000000", "'0000000' is a placeholder"),
        ("1.2.840.10008.1.1", "'1.2.840.10008.1.1' is a UID or a network address"),
        ("4" * 65, "'44444444444444444444...' has 65 characters, and a Patient ID at most 64"),
    ],
)
def test_it_says_why(text: str, why: str) -> None:
    assert plausible(text) == why


@given(st.dates(date(1900, 1, 1), date(2099, 12, 31)), st.sampled_from(["", "-", ".", "_", "/", " "]))
def test_no_day_is_a_patient_id(day: date, between: str) -> None:
    for form in ("%Y{0}%m{0}%d", "%d{0}%m{0}%Y", "%m{0}%d{0}%Y"):
        assert plausible(day.strftime(form.format(between)))
    assert plausible(day.strftime("%y%m%d"))


@given(st.integers(1_000_000_000, 2_000_000_000))
def test_no_moment_of_this_century_is_a_patient_id(seconds: int) -> None:
    for unit in (1, 1000, 1_000_000):
        assert plausible(str(seconds * unit))


@given(st.text(max_size=80))
def test_any_text_is_judged(text: str) -> None:
    why = plausible(text)
    assert why is not None or any(character in "0123456789" for character in text)
    doubt(text, text, PatientIds(emergency=("e*",), placeholders=frozenset({"x"})))


# With rules


def test_a_pattern_has_the_last_word() -> None:
    rule = rules(r"patient_id: '\d{6}'")
    assert of("240531", "IMG_1.JPG", rule=rule) == ("240531", None), (
        "a date, but the site says that it is not"
    )
    value, why = of("4711001", "IMG_0042.JPG", rule=rule)
    assert value is None
    assert why is not None
    assert r"the Patient ID '4711001' is not what patient_id expects: \d{6}" in why


def test_a_time_stamp_is_no_patient_though_it_matches() -> None:
    rule = rules(r"patient_id: '\d{8}'")
    assert of("20240531_L.jpg", rule=rule) == ("20240531", None)
    assert of("20240531_142200.jpg", rule=rule) == (
        None,
        "no Patient ID in its path (name: '20240531_142200' is a time stamp)",
    )
    rule = rules(r"patient_id: '\d{12}'")
    assert of("202405311422", "IMG_0042.JPG", rule=rule) == ("202405311422", None), "the pattern says so"


def test_two_patients_in_one_path_are_a_doubt() -> None:
    rule = rules(r"patient_id: '\d{7}'")
    assert of("4711001", "4711001_L.jpg", rule=rule) == ("4711001", None)
    assert of("4711001", "4711002_L.jpg", rule=rule) == (
        None,
        "two Patient IDs in its path: the folder '4711001' and the name '4711002'",
    )


@pytest.mark.parametrize(
    "text",
    [
        "UNKNOWN",
        "unknown",
        "Unknown_Patient",
        "0000000",
        "000-00",
        "9999999",
        "N/A",
        "n.n.",
        "TEST",
        "Test Patient",
        "xxx",
        "-",
        "???",
        ".",
    ],
)
def test_placeholders_are_doubted_always(text: str) -> None:
    assert doubt(text, "Doe^Jane", None) == f"the Patient ID {text!r} is a placeholder: it stands for nobody"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("4711\u200e001", "a sign in it that nobody sees (LEFT-TO-RIGHT MARK)"),
        ("\ufeff4711001", "a sign in it that nobody sees (ZERO WIDTH NO-BREAK SPACE)"),
        ("４７１１００１", "digits that are not 0 to 9"),
        ("٤٧١١٠٠١", "digits that are not 0 to 9"),
    ],
)
def test_what_looks_like_a_patient_id_and_is_another_is_doubted_always(text: str, why: str) -> None:
    rule = PatientIds(re.compile(r"[\d\u200e\ufeff]+"))
    for each in (None, rule):
        assert why in (doubt(text, "", each) or "")


@pytest.mark.parametrize("text", ["4711001", "0", "99", "TEST4711", "10000000", "NA1"])
def test_other_patient_ids_are_not(text: str) -> None:
    assert (doubt(text, "", None) is None) == (text != "0")


def test_placeholders_of_the_site() -> None:
    rule = rules("patient_id: {placeholders: [NEU, 12345]}")
    assert doubt("neu", "", rule) == "the Patient ID 'neu' is a placeholder: it stands for nobody"
    assert doubt("12345", "", rule)
    assert doubt("123456", "", rule) is None


def test_emergency_and_test_patients() -> None:
    rule = rules("patient_id: {emergency: 'E*', test: ['99*', 'zz*^*', 'test^*']}")
    assert (
        doubt("E4711", "", rule)
        == "the Patient ID 'E4711' is that of an emergency patient: it or the name matches 'e*'"
    )
    assert (
        doubt("994711", "", rule)
        == "the Patient ID '994711' is that of a test patient: it or the name matches '99*'"
    )
    assert doubt("4711", "ZZTop^Billy", rule)
    assert doubt("4711", "Test^Anna", rule)
    assert doubt("4711", "Testa^Anna", rule) is None
    assert of("E4711", "IMG_1.JPG", rule=rule)[0] is None


@pytest.mark.parametrize(
    ("sort", "numbers"),
    [
        ("mod11", NHS),
        ("verhoeff", (AADHAAR,)),
        ("luhn", (PERSONNUMMER,)),
        ("mod97", (NIR, *BELGIAN)),
    ],
)
def test_check_digits_of_published_examples(sort: str, numbers: tuple[str, ...]) -> None:
    rule = rules(f"patient_id: {{check_digit: {sort}}}")
    for number in numbers:
        assert doubt(number, "", rule) is None
        last = (int(number[-1]) + 1) % 10
        wrong = f"{number[:-1]}{last}"
        assert doubt(wrong, "", rule) == (
            f"the Patient ID {wrong!r} has a wrong check digit ({sort}): it may be mistyped"
        )
    assert doubt("A", "", rule)


@pytest.mark.parametrize("sort", ["luhn", "mod11", "mod97", "verhoeff"])
@given(body=st.integers(10_000_000, 99_999_999), place=st.integers(0, 7), other=st.integers(1, 9))
def test_a_mistyped_digit_is_found(sort: str, body: int, place: int, other: int) -> None:
    rule = rules(f"patient_id: {{check_digit: {sort}}}")
    tails = [f"{tail:02d}" for tail in range(98)] if sort == "mod97" else list("0123456789")
    right = [f"{body}{tail}" for tail in tails if doubt(f"{body}{tail}", "", rule) is None]
    assert len(right) <= (2 if sort == "mod97" else 1)
    for number in right:
        digit = (int(number[place]) + other) % 10
        wrong = f"{number[:place]}{digit}{number[place + 1 :]}"
        assert sort == "mod97" or doubt(wrong, "", rule)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("patient_id: '\\d{7'", None),
        (
            "patient_id: '(\\d{7}'",
            "m.yaml:1:14: this is not a regular expression: missing ), unterminated subpattern",
        ),
        (
            "patient_id: {pattern: '['}",
            "m.yaml:1:24: this is not a regular expression: unterminated character set",
        ),
        (
            "patient_id: {check_digit: mod12}",
            "m.yaml:1:27: check_digit cannot be 'mod12': write luhn or mod11 or mod97 or verhoeff",
        ),
        ("patient_id: {tset: x}", "m.yaml:1:14: patient_id has no 'tset'; did you mean test?"),
    ],
)
def test_faults_are_named_where_they_stand(text: str, fault: str | None) -> None:
    faults: list[nodes.Fault] = []
    node = nodes.parse(text, "m.yaml", faults)
    assert node is not None
    model = documents.build(node, MappingModel, faults)
    if model is not None and model.patient_id is not None:
        read(model.patient_id, faults)
    assert len(faults) == bool(fault)
    assert all(str(each).startswith(fault or "") for each in faults)
