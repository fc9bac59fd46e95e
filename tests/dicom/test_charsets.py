"""Text in the character sets that archives ask for, judged by DCMTK, pydicom, iconv and dciodvfy."""

from __future__ import annotations

import io
import re
import subprocess
import unicodedata
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pydicom
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset

import instances
from gateway.dicom import part10
from gateway.dicom.charsets import KNOWN, character_set, recode
from gateway.dicom.repertoires import declared
from gateway.errors import Hold
from gateway.model import Bulk, Instance
from gateway.stream import Stream
from part10s import packaged_file
from support import dciodvfy, require

JAPANESE = ("ISO 2022 IR 87", "ISO 2022 IR 159", r"ISO 2022 IR 13\ISO 2022 IR 87")
"""Not known to DCMTK where it converts by the C library, as it does in Debian."""

VALUES = {
    **{term: term for term in KNOWN},
    "ISO_IR 6": None,
    "ISO 2022 IR 87": ["", "ISO 2022 IR 87"],
    "ISO 2022 IR 159": ["", "ISO 2022 IR 87", "ISO 2022 IR 159"],
    r"ISO 2022 IR 13\ISO 2022 IR 87": ["ISO 2022 IR 13", "ISO 2022 IR 87"],
    "ISO 2022 IR 149": ["", "ISO 2022 IR 149"],
    "ISO 2022 IR 58": ["", "ISO 2022 IR 58"],
}
"""What Specific Character Set has to say (PS3.3 C.12.1.1.2); nothing for ASCII."""


def _object(**values: Any) -> Instance:
    """A Secondary Capture that lacks nothing."""
    dataset = Dataset()
    dataset.PatientBirthDate = dataset.PatientSex = dataset.StudyTime = dataset.ReferringPhysicianName = ""
    dataset.StudyID = "1"
    dataset.ConversionType = "WSD"
    dataset.AccessionNumber = dataset.PatientOrientation = dataset.Laterality = ""
    dataset.SeriesNumber = 1
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.Rows, dataset.Columns = 2, 2
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 8, 8, 7, 0
    bulk = Bulk(0x7FE00010, "OB", Stream.of(bytes(4)))
    path = Path("Doe^Jane.jpg")
    made = instances.instance(path, 3, instances.SECONDARY_CAPTURE, instances.EXPLICIT_LITTLE, bulk)
    made.dataset.update(dataset)
    for keyword, value in {"PatientName": "Doe^Jane", **values}.items():
        setattr(made.dataset, keyword, value)
    return made


def _recoded(charset: str, **values: Any) -> Dataset:
    return recode(_object(**values), charset).dataset


def _read(instance: Instance) -> pydicom.FileDataset:
    return pydicom.dcmread(io.BytesIO(part10.write(instance).read()))


def _in_utf8(folder: Path, instance: Instance) -> pydicom.FileDataset:
    """The file after DCMTK turned its text into UTF-8."""
    path = folder / "recoded.dcm"
    path.write_bytes(part10.write(instance).read())
    done = subprocess.run(
        [require("dcmconv"), "+U8", str(path), str(folder / "utf8.dcm")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return pydicom.dcmread(folder / "utf8.dcm")


def _bytes(instance: Instance, keyword: str) -> bytes:
    """The value of an attribute as it stands in the file."""
    raw = _read(instance).get_item(keyword)
    assert raw is not None
    value = raw.value
    assert isinstance(value, bytes)
    return value


def _held(charset: str, **values: Any) -> str:
    with pytest.raises(Hold) as caught:
        recode(_object(**values), charset)
    assert caught.value.reason == "charset"
    return str(caught.value)


def _characters(charset: str) -> Iterator[str]:
    """All of the Basic Multilingual Plane that a set has, but what means something in a text."""
    values = VALUES[charset]
    repertoire = declared(values if isinstance(values, list) else [values or ""])
    for code in (*range(0x20, 0xD800), *range(0xE000, 0x10000)):
        if repertoire.has(chr(code)):
            yield chr(code)


NAMES = [
    ("ISO_IR 100", "Müller^Jörg", None),
    ("ISO_IR 100", "Łukasz^Żółć", "Lukasz^Zólc"),
    ("ISO_IR 6", "Müller-Ößberg^Jörg", "Mueller-Oessberg^Joerg"),
    ("ISO_IR 6", "MÜLLER^JÖRG Ä.", "MUELLER^JOERG Ae."),
    ("ISO_IR 6", "Ångström^Øyvind", "Aangstroem^Oeyvind"),
    ("ISO_IR 6", "İğne^Şükrü Çağlı", "Igne^Suekrue Cagli"),
    ("ISO_IR 6", "Řehoř^Ďáblík", "Rehor^Dablik"),
    ("ISO_IR 6", "Παπαδόπουλος^Γιώργος", "Papadopoulos^Giorgos"),
    ("ISO_IR 6", "ΠΑΠΑΔΟΠΟΥΛΟΣ^Θ", "PAPADOPOULOS^Th"),
    ("ISO_IR 100", "Щербаков^Юрий", "Shcherbakov^Iurii"),
    ("ISO_IR 6", "O’Brien^Zoë\u200b", "O'Brien^Zoe"),
    ("ISO_IR 101", "Łukasz^Żółć", None),
    ("ISO_IR 109", "Ġużè^Ħobża", None),
    ("ISO_IR 110", "Šķēle^Ņina", None),
    ("ISO_IR 144", "Щербаков^Юрий", None),
    ("ISO_IR 126", "Παπαδόπουλος^Γιώργος", None),
    ("ISO_IR 127", "محمد^علي", None),
    ("ISO_IR 138", "כהן^דוד", None),
    ("ISO_IR 148", "İğne^Şükrü", None),
    ("ISO_IR 166", "สมชาย^ใจดี", None),
    ("ISO_IR 13", "ﾔﾏﾀﾞ^ﾀﾛｳ", None),
    ("ISO_IR 13", "やまだ^タロウ", "ﾔﾏﾀﾞ^ﾀﾛｳ"),
    ("ISO 2022 IR 149", "Hong^Gildong=洪^吉洞=홍^길동", None),
    ("ISO 2022 IR 149", "홍^길동", "==홍^길동"),
    ("ISO 2022 IR 58", "Zhang^XiaoDong=张^小东", None),
    ("ISO 2022 IR 58", "张^小东", "=张^小东"),
    ("GB18030", "Wang^XiaoDong=王^小东", None),
    ("GB18030", "Müller^Łukasz=𠀀^山", None),
    ("GBK", "Wang^XiaoDong=王^小东", None),
    ("GBK", "王^小东", None),
]


@pytest.mark.parametrize(("charset", "name", "becomes"), NAMES)
def test_names_arrive_in_the_character_set_asked_for(
    tmp_path: Path, charset: str, name: str, becomes: str | None
) -> None:
    recoded = recode(_object(PatientName=name), charset)
    assert recoded.dataset.PatientName == (becomes or name)
    assert _in_utf8(tmp_path, recoded).PatientName == (becomes or name)
    read = _read(recoded)
    assert read.get("SpecificCharacterSet") == VALUES[charset]
    if charset != "ISO 2022 IR 58":  # pydicom leaves its escape sequences in the text
        assert read.PatientName == (becomes or name)


@pytest.mark.parametrize(
    ("charset", "name", "becomes"),
    [
        ("ISO 2022 IR 87", "Yamada^Tarou=山田^太郎=やまだ^たろう", None),
        ("ISO 2022 IR 87", "Müller^Jörg=山田^太郎", "Mueller^Joerg=山田^太郎"),
        ("ISO 2022 IR 87", "山田^太郎", "=山田^太郎"),
        ("ISO 2022 IR 87", "高橋^みどり", "=高橋^みどり"),
        ("ISO 2022 IR 87", "ﾔﾏﾀﾞ^ﾀﾛｳ", "==ヤマダ^タロウ"),
        ("ISO 2022 IR 87", "=葛\U000e0100城", "=葛城"),
        ("ISO 2022 IR 159", "=髙木^丂", "=高木^丂"),
        (r"ISO 2022 IR 13\ISO 2022 IR 87", "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎=やまだ^たろう", None),
        (r"ISO 2022 IR 13\ISO 2022 IR 87", "ヤマダ^タロウ=山田^太郎", "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎"),
    ],
)
def test_japanese_names_arrive(charset: str, name: str, becomes: str | None) -> None:
    if "髙" in name:
        with pytest.raises(Hold, match=r"PatientName has the character U\+9AD9"):
            recode(_object(PatientName=name), charset)
        name, becomes = name.replace("髙", "高"), name.replace("髙", "高")
    read = _read(recode(_object(PatientName=name), charset))
    assert read.PatientName == (becomes or name)
    assert list(read.SpecificCharacterSet) == VALUES[charset]


@pytest.mark.parametrize(
    ("charset", "name", "value"),
    [  # PS3.5 H.3.1, H.3.2, I.2 and K.2
        (
            "ISO 2022 IR 87",
            "Yamada^Tarou=山田^太郎=やまだ^たろう",
            b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B=\x1b$B$d$^$@\x1b(B^\x1b$B$?$m$&\x1b(B",
        ),
        (
            r"ISO 2022 IR 13\ISO 2022 IR 87",
            "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎=やまだ^たろう",
            b"\xd4\xcf\xc0\xde^\xc0\xdb\xb3=\x1b$B;3ED\x1b(J^\x1b$BB@O:\x1b(J="
            b"\x1b$B$d$^$@\x1b(J^\x1b$B$?$m$&\x1b(J",
        ),
        (
            "ISO 2022 IR 149",
            "Hong^Gildong=洪^吉洞=홍^길동",
            b"Hong^Gildong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7=\x1b$)C\xc8\xab^\x1b$)C\xb1\xe6\xb5\xbf",
        ),
        (
            "ISO 2022 IR 58",
            "Zhang^XiaoDong=张^小东",
            b"Zhang^XiaoDong=\x1b$)A\xd5\xc5^\x1b$)A\xd0\xa1\xb6\xab",
        ),
        ("GB18030", "Wang^XiaoDong=王^小东", b"Wang^XiaoDong=\xcd\xf5^\xd0\xa1\xb6\xab"),
    ],
)
def test_escape_sequences_are_those_of_the_standard(charset: str, name: str, value: bytes) -> None:
    written = _bytes(recode(_object(PatientName=name), charset), "PatientName")
    assert written == value + b" " * (len(value) % 2)


@pytest.mark.parametrize(
    "file",
    ["chrArab", "chrFren", "chrGerm", "chrGreek", "chrH31", "chrH32", "chrHbrw", "chrI2", "chrRuss", "chrX2"],
)
def test_files_of_others_have_the_same_bytes(file: str) -> None:
    theirs = pydicom.dcmread(packaged_file(f"{file}.dcm"))
    charset = theirs.SpecificCharacterSet
    charset = charset if isinstance(charset, str) else "\\".join(charset).lstrip("\\")
    raw = pydicom.dcmread(packaged_file(f"{file}.dcm")).get_item("PatientName")
    assert raw is not None
    ours = _bytes(recode(_object(PatientName=str(theirs.PatientName)), charset), "PatientName")
    assert ours.rstrip() == raw.value.rstrip(b" =")


@pytest.mark.parametrize("charset", [term for term in KNOWN if term not in JAPANESE])
def test_dcmtk_reads_every_character_of_a_set(tmp_path: Path, charset: str) -> None:
    text = "".join(_characters(charset))
    assert len(text) > 90
    recoded = recode(_object(TextValue=text), charset)
    assert _in_utf8(tmp_path, recoded).TextValue == text


@pytest.mark.parametrize("charset", [term for term in KNOWN if term not in ("ISO 2022 IR 58", "ISO_IR 6")])
def test_pydicom_reads_every_character_of_a_set(charset: str) -> None:
    text = "".join(_characters(charset))
    assert _read(recode(_object(TextValue=text), charset)).TextValue == text


@pytest.mark.parametrize("charset", JAPANESE[:2])
def test_iconv_reads_every_character_of_the_japanese_sets(charset: str) -> None:
    text = "".join(_characters(charset))
    written = _bytes(recode(_object(TextValue=text), charset), "TextValue")
    done = subprocess.run(
        [require("iconv"), "-f", "ISO-2022-JP-2", "-t", "UTF-8"],
        input=written,
        capture_output=True,
        check=True,
    )
    assert done.stdout.decode().rstrip() == text.rstrip()


@pytest.mark.parametrize("charset", KNOWN)
def test_the_own_reader_reads_every_character_of_a_set(charset: str) -> None:
    text = "".join(_characters(charset))
    values = VALUES[charset]
    term = "\\".join(values) if isinstance(values, list) else values or ""
    written = _bytes(recode(_object(TextValue=text), charset), "TextValue")
    assert character_set(term.encode()).to_utf8(written.rstrip()) == (text.rstrip().encode(), True)


@pytest.mark.parametrize("charset", sorted({*KNOWN} - {"GBK", "ISO_IR 13"}))  # dciodvfy does not know them
def test_a_recoded_object_is_valid(tmp_path: Path, charset: str) -> None:
    item = Dataset()
    item.SpecificCharacterSet = "ISO_IR 192"
    item.RequestedProcedureDescription = "Wunde „links“, 5 µg, 3·10² m²"
    item.ScheduledProcedureStepID = "1"
    names = {VALUES[c] and c: name for c, name, becomes in NAMES if becomes is None}
    name = {**names, **dict.fromkeys(JAPANESE, "Yamada^Tarou=山田^太郎")}.get(charset, "Müller^Jörg")
    recoded = recode(_object(PatientName=name, RequestAttributesSequence=[item]), charset)
    path = tmp_path / "recoded.dcm"
    path.write_bytes(part10.write(recoded).read())
    assert dciodvfy(path) == []
    [found] = pydicom.dcmread(path).RequestAttributesSequence
    assert charset == "ISO_IR 192" or "SpecificCharacterSet" not in found


def test_every_text_in_every_depth_is_recoded(tmp_path: Path) -> None:
    inner = Dataset()
    inner.CodeMeaning = "Łódź"
    outer = Dataset()
    outer.PersonName = ["Żółć^A", "Müller^B"]
    outer.ConceptCodeSequence = [inner]
    outer.UnformattedTextValue = "a\\b\r\n„ü“"
    instance = _object(
        ContentSequence=[outer],
        OtherPatientNames=["Ł^A", "Ö^B"],
        InstitutionAddress="Straße 1\r\nKøbenhavn – DK",
        StationName="µScope",
        LongCodeValue="Ω" * 3,
        OtherPatientIDs=["Łä", "é"],
    )
    instance.dataset.private_block(0x0009, "Ważny", create=True).add_new(1, "LO", "Ęó")
    recoded = recode(instance, "ISO_IR 100")
    for read in (_read(recoded), _in_utf8(tmp_path, recoded)):
        [outer] = read.ContentSequence
        assert list(outer.PersonName) == ["Zólc^A", "Müller^B"]
        assert outer.ConceptCodeSequence[0].CodeMeaning == "Lódz"
        assert outer.UnformattedTextValue == 'a\\b\r\n"ü"'
        assert list(read.OtherPatientNames) == ["L^A", "Ö^B"]
        assert read.InstitutionAddress == "Straße 1\r\nKøbenhavn - DK"
        assert read.StationName == "µScope"
        assert list(read.OtherPatientIDs) == ["Lä", "é"]
        assert read.private_block(0x0009, "Wazny")[1].value == "Eó"
    assert set(recoded.messages) == {
        f"{name} is transliterated: ISO_IR 100 does not have all of its characters"
        for name in (
            "LongCodeValue",
            "InstitutionAddress",
            "(0009,0010)",
            "(0009,1001)",
            "OtherPatientIDs",
            "OtherPatientNames",
            "ContentSequence[0].UnformattedTextValue",
            "ContentSequence[0].PersonName",
            "ContentSequence[0].ConceptCodeSequence[0].CodeMeaning",
        )
    }
    assert not any(value in "".join(recoded.messages) for value in ("Ł", "ódź", "Straße", "Zólc"))


def test_what_fits_is_left_alone() -> None:
    instance = _object(PatientName="Müller^Jörg", StudyDescription="Füße")
    recoded = recode(instance, "ISO_IR 100")
    assert recoded.messages == ()
    assert instance.dataset.SpecificCharacterSet == "ISO_IR 192"
    identity = ("sop_instance_uid", "series_instance_uid", "study_instance_uid", "bulks", "transfer_syntax")
    assert all(getattr(recoded, name) == getattr(instance, name) for name in identity)
    assert recode(instance, "ISO_IR 192") is instance


def test_a_dicom_file_stays_as_it_is() -> None:
    instance = replace(_object(PatientName="山田^太郎"), part10=Stream.of(b"whatever it is"))
    assert recode(instance, "ISO_IR 6") is instance


def test_ascii_needs_no_character_set() -> None:
    read = _read(recode(_object(PatientName="Müller^Jörg"), "ISO_IR 6"))
    assert "SpecificCharacterSet" not in read
    assert read.PatientName == "Mueller^Joerg"


def test_accents_are_composed_first() -> None:
    recoded = recode(_object(PatientName="Mu\u0308ller^Jo\u0308rg"), "ISO_IR 100")
    assert (recoded.dataset.PatientName, recoded.messages) == ("Müller^Jörg", ())


@pytest.mark.parametrize(
    ("charset", "values", "says"),
    [
        ("ISO_IR 100", {"PatientName": "Yamada^Tarou=山田^太郎"}, r"PatientName has the character U\+5C71"),
        ("ISO_IR 100", {"StudyDescription": "ok 👍"}, r"StudyDescription has the character U\+1F44D"),
        ("ISO_IR 6", {"PatientName": "כהן^דוד"}, r"U\+05DB"),
        ("ISO_IR 6", {"StudyDescription": "ガ"}, r"U\+30AC"),
        ("ISO 2022 IR 87", {"PatientName": "山田^太郎=x"}, r"U\+5C71"),
        ("ISO_IR 6", {"PatientName": "A^B≤C"}, r"U\+2264"),
        ("ISO_IR 6", {"PatientName": "A 10²"}, r"U\+00B2"),
        ("ISO_IR 100", {"StudyDescription": "\u200b"}, r"U\+200B"),
        ("ISO_IR 100", {"StudyDescription": "a\x1b-Fb"}, r"U\+001B"),
        ("GB18030", {"StudyDescription": "\ue000"}, r"U\+E000"),
        ("ISO_IR 6", {"AccessionNumber": "Ä" * 9}, "AccessionNumber has 18 characters, and SH allows 16"),
        ("ISO_IR 6", {"PatientName": f"{'ü' * 33}^A"}, "PatientName has 68 characters, and PN allows 64"),
        ("ISO_IR 6", {"StudyDescription": "Ж" * 33}, "StudyDescription has 66 characters"),
        ("ISO_IR 6", {"InstitutionAddress": "ß" * 513}, "1026 characters, and ST allows 1024"),
        ("ISO 2022 IR 87", {"OtherPatientIDs": ["x山" * 32] * 250}, "OtherPatientIDs takes 72,249 bytes"),
    ],
)
def test_what_cannot_be_carried_holds_the_file(charset: str, values: dict[str, Any], says: str) -> None:
    message = _held(charset, **values)
    assert re.search(says, message)
    assert message.startswith("Doe^Jane.jpg cannot be sent in the character set " + charset)
    assert not any(str(value) in message for value in values.values())


@pytest.mark.parametrize("charset", ["ISO_IR 13", r"ISO 2022 IR 13\ISO 2022 IR 87"])
def test_nothing_becomes_a_yen_sign_or_an_overline(charset: str) -> None:
    """JIS X 0201 has them where ASCII has the backslash and the tilde, and readers differ."""
    yen = b"JPY" if charset == "ISO_IR 13" else b"\x1b$B!o\x1b(J"
    stroke = b"/" if charset == "ISO_IR 13" else b"\x1b$B!@\x1b(J"
    written = _bytes(recode(_object(ImageComments="C:\\a 5¥"), charset), "ImageComments")
    assert written.rstrip() == b"C:" + stroke + b"a 5" + yen
    assert "U+007E" in _held("ISO_IR 13", ImageComments="~5")


def test_the_initial_set_is_back_before_each_delimiter() -> None:
    recoded = recode(_object(ImageComments="山\r\n田\ta", OtherPatientIDs=["山", "田"]), "ISO 2022 IR 87")
    assert _bytes(recoded, "ImageComments") == b"\x1b$B;3\x1b(B\r\n\x1b$BED\x1b(B\ta"
    assert _bytes(recoded, "OtherPatientIDs").rstrip() == b"\x1b$B;3\x1b(B\\\x1b$BED\x1b(B"


_text = st.text(
    st.characters(exclude_categories=("Cs", "Cc")) | st.sampled_from("äÖßłŠ’“–µ²½°€≤…Ωβжгあア山한'=^?"),
    min_size=1,
    max_size=20,
)


def _questions(text: str) -> int:
    return unicodedata.normalize("NFKC", text).count("?")


@settings(deadline=None, max_examples=400)
@given(charset=st.sampled_from(KNOWN), text=_text)
def test_any_text_arrives_or_holds(charset: str, text: str) -> None:
    text = unicodedata.normalize("NFC", text.replace("\\", "")).strip()
    assume(text and len(text) <= 40)
    try:
        recoded = recode(_object(StudyDescription=text, PatientComments=text), charset)
    except Hold:
        return
    carried = str(recoded.dataset.StudyDescription)
    assert carried.count("?") <= _questions(text)
    assert (carried != text) == bool(recoded.messages)
    if charset != "ISO 2022 IR 58":
        assert str(_read(recoded).PatientComments) == str(recoded.dataset.PatientComments).rstrip()
    values = VALUES[charset]
    term = "\\".join(values) if isinstance(values, list) else values or ""
    written = _bytes(recoded, "StudyDescription")
    assert character_set(term.encode()).to_utf8(written)[0].decode().rstrip() == carried.rstrip()


@settings(deadline=None, max_examples=200)
@given(charset=st.sampled_from(KNOWN), groups=st.lists(_text, min_size=1, max_size=3))
def test_any_name_arrives_or_holds(charset: str, groups: list[str]) -> None:
    name = "=".join(re.sub(r"[=\\\s]", "", group).replace("^^", "") for group in groups).strip("=^")
    assume(name and unicodedata.is_normalized("NFC", name))
    try:
        recoded = recode(_object(PatientName=name), charset)
    except Hold:
        return
    carried = str(recoded.dataset.PatientName)
    assert carried.count("^") == name.count("^")
    assert carried.strip("=").count("=") <= name.count("=")
    if charset != "ISO 2022 IR 58":
        assert str(_read(recoded).PatientName).rstrip() == carried.rstrip()
