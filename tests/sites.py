"""Folders as sites have them: files of patients who never were, the same bytes every time.

Each function fills a folder and returns the folder that is to be sent. What a site's own mapping needs
besides lies beside that folder, so that it is not sent along.
"""

from __future__ import annotations

import csv
import io
import textwrap
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import examples
from rasters import lying, saved
from videos import make_video

CAMERA = {271: "Canon", 272: "EOS 90D", 305: "Firmware 1.3.0"}
"""EXIF of the camera that took all photos: make, model and software."""


def photo(text: str, taken: str = "", *, size: tuple[int, int] = (37, 23)) -> bytes:
    """A JPEG that is different for every text; `taken` is as EXIF writes it: `2024:05:31 14:22:00`."""
    exif = lying(1, taken)
    for tag, value in CAMERA.items():
        exif[tag] = value
    exif.get_ifd(0x8769)[0xA431] = "012345678901"
    return commented(saved(examples.picture("RGB", size), "JPEG", exif=exif), text)


def commented(jpeg: bytes, text: str) -> bytes:
    """The JPEG with a comment."""
    comment = text.encode()
    return jpeg[:2] + b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment + jpeg[2:]


def report(text: str, **info: str) -> bytes:
    """A PDF of one page that is different for every text."""
    return examples.pdf(1, Subject=text, **info)


def table(
    path: Path, header: Sequence[str], rows: Iterable[Sequence[str]], *, encoding: str = "utf-8"
) -> Path:
    """A table as spreadsheets export it in much of Europe: semicolons between the columns."""
    text = io.StringIO()
    writer = csv.writer(text, delimiter=";", lineterminator="\r\n")
    writer.writerow(header)
    writer.writerows(rows)
    return examples.write(path, text.getvalue().encode(encoding))


def _fill(folder: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


# One folder for each ready-made mapping


def photos(folder: Path) -> Path:
    """Dermatology and wound care: some photos are named, others are as the camera called them."""
    return _fill(
        folder,
        {
            "4711001_20240531_L_02.jpg": photo("wound", "2024:05:31 14:22:00"),
            "4711001_20240531_wound.jpg": photo("wound again", "2024:05:31 14:23:00"),
            "4711001_heel.jpg": photo("heel", "2024:06:03 09:10:11"),
            "4711002/IMG_0042.JPG": photo("by folder", "2024:05:31 08:00:00"),
            "4711002/20240601_R_1.jpg": photo("by folder and day"),
            "4711003/undated.jpg": photo("undated"),
            "DCIM/100CANON/IMG_0043.JPG": photo("nobody", "2024:05:31 08:01:00"),
            "20240531_142200.jpg": photo("nobody either", "2024:05:31 14:22:00"),
        },
    )


def exams(folder: Path) -> Path:
    """Endoscopy: a folder a patient, in it one an examination, with stills and a video."""
    _fill(
        folder,
        {
            "4711001/20240531 OGD/still_001.jpg": photo("still 1"),
            "4711001/20240531 OGD/still_002.jpg": photo("still 2"),
            "4711001/2024-06-03/still_001.jpg": photo("still 3"),
            "DVD 3/still_001.jpg": photo("still of nobody"),
        },
    )
    make_video(folder / "4711001/20240531 OGD/clip.mp4")
    return folder


def eyes(folder: Path) -> Path:
    """Ophthalmology: the eye stands in the name or in a folder."""
    taken = "2024:05:31 14:22:00"
    return _fill(
        folder,
        {
            "4711001_OD_1.jpg": photo("right", taken),
            "4711001_os_2.jpg": photo("left", taken),
            "4711002/OU/IMG_0001.JPG": photo("both", taken),
            "4711002/20240601_093000_OD.jpg": photo("named day and time"),
            "4711003_fundus.jpg": photo("no eye", taken),
        },
    )


def slides(folder: Path) -> Path:
    """Microscopy: a specimen for each picture, named behind the patient, and a video."""
    _fill(
        folder,
        {
            "4711001_H24-01234-1A_01.tif": examples.raster("TIFF", size=(40, 30)),
            "4711001_H24-01234-1A_02.png": examples.raster("PNG", size=(41, 30)),
            "4711002/H24-01235-2.jpg": photo("slide", "2024:05:31 14:22:00"),
            "4711002/IMG_0042.JPG": photo("no specimen", "2024:05:31 14:23:00"),
        },
    )
    make_video(folder / "4711001_H24-01236-1.mp4")
    return folder


def papers(folder: Path) -> Path:
    """Scans and referrals: PDFs, pages as pictures, and a clinical document."""
    page = examples.raster("TIFF", "L", (60, 80))
    return _fill(
        folder,
        {
            "4711001_20240531_Referral_letter.pdf": report("referral", Title="Scan"),
            "4711001_20240531.pdf": report("untitled", Title="Discharge letter"),
            "4711002/Scan_0042.pdf": report("scan"),
            "4711002/page.tif": page,
            "4711002/summary.xml": examples.cda(),
            "Scan_0043.pdf": report("nobody"),
        },
    )


def tracings(folder: Path) -> Path:
    """ECG: PDFs with an annotated ECG beside each, one of which says another patient than the folder."""
    return _fill(
        folder,
        {
            "4711001/rest.pdf": report("rest"),
            "4711001/rest.xml": aecg("4711001", "20240531142200", name=("Müller", "Jürgen")),
            "4711002_20240601.pdf": report("another"),
            "4711002_20240601.xml": aecg("4711002", "20240601093000.000+0200"),
            "4711003/rest.pdf": report("wrong folder"),
            "4711003/rest.xml": aecg("4711004", "20240531150000"),
            "4711005/alone.pdf": report("alone"),
        },
    )


def prints(folder: Path) -> Path:
    """Models for printing: a surface in STL, and one in OBJ with its materials."""
    return _fill(
        folder,
        {
            "4711001_20240531_skull.stl": examples.stl(),
            "4711002/skull.obj": examples.obj(4),
            "4711002/skull.mtl": examples.mtl(),
        },
    )


def export(folder: Path) -> Path:
    """A legacy system's export that fits the example table of the mapping `legacy`."""
    return _fill(
        folder,
        {
            "2009/0001/IMG00001.JPG": photo("export 1"),
            "2009/0001/IMG00002.JPG": photo("export 2"),
            "2010/0002/DOC00001.PDF": report("export 3"),
            "2010/0002/UNLISTED.PDF": report("export 4"),
        },
    )


def aecg(
    patient: str, when: str, *, name: tuple[str, str] | None = None, born: str = "19600103", sex: str = "M"
) -> bytes:
    """An annotated ECG of HL7 version 3 without its curves; the name is family and given."""
    person = f"<name><family>{name[0]}</family><given>{name[1]}</given></name>" if name else ""
    return (
        '<?xml version="1.0" encoding="UTF-8"?>'
        '<AnnotatedECG xmlns="urn:hl7-org:v3" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">'
        '<id root="2.16.840.1.113883.3.5"/><code code="93000" codeSystem="2.16.840.1.113883.6.12"/>'
        f'<effectiveTime><low value="{when}"/></effectiveTime>'
        "<componentOf><timepointEvent><componentOf><subjectAssignment><subject><trialSubject>"
        f'<id root="2.16.840.1.113883.3.55" extension="{patient}"/><subjectDemographicPerson>{person}'
        f'<administrativeGenderCode code="{sex}" codeSystem="2.16.840.1.113883.5.1"/>'
        f'<birthTime value="{born}"/></subjectDemographicPerson>'
        "</trialSubject></subject></subjectAssignment></componentOf></timepointEvent></componentOf>"
        "</AnnotatedECG>"
    ).encode()


# Five sites with mappings of their own


@dataclass(frozen=True)
class Site:
    """A folder that is to be sent, and the mapping for it."""

    folder: Path
    mapping: Path

    def correct(self, old: str, new: str) -> None:
        """Changes the mapping."""
        text = self.mapping.read_text()
        assert old in text
        self.mapping.write_text(text.replace(old, new))


Make = Callable[[Path], Site]
"""Makes a site in a folder."""


def _site(folder: Path, files: dict[str, bytes], mapping: str) -> Site:
    return Site(_fill(folder / "in", files), examples.write(folder / "site.yaml", mapping.encode()))


def photos_by_number(folder: Path) -> Site:
    """Photos named by medical record number, of seven digits and a check digit, among stray ones."""
    mapping = r"""
        extends: photo
        patient_id: {pattern: '\d{8}', check_digit: luhn, test: '99*'}
        site: {institution: Klinikum Köln, department: Dermatologie, issuer: KIS}
    """
    files = {
        "47110010_20240531_L_01.jpg": photo("a", "2024:05:31 14:22:00"),
        "47110010_20240531_R_02.jpg": photo("b", "2024:05:31 14:23:00"),
        "47110028_sole.jpg": photo("c", "2024:06:03 10:00:00"),
        "47110029_sole.jpg": photo("mistyped", "2024:06:03 10:01:00"),
        "99110017_sole.jpg": photo("test patient", "2024:06:03 10:02:00"),
        "IMG_0042.JPG": photo("stray", "2024:06:03 10:03:00"),
        "20240603_100400.jpg": photo("stray, too", "2024:06:03 10:04:00"),
    }
    return _site(folder, files, _plain(mapping))


EXAM = """\
Gerät=Videoprozessor EPK-1000
[Patient]
Nummer={number}
Name=Müller-Lüdenscheidt
Vorname=Jürgen
Geburtsdatum=03.01.60
Geschlecht=m
[Untersuchung]
Datum=31. Mai 2024
Uhrzeit=14:22
Art=Ösophago-Gastro-Duodenoskopie 100%
Arzt=Dr. Weiß
"""


def exams_with_ini(folder: Path) -> Site:
    """Examination folders of an endoscopy workplace: JPG, AVI, and what they are in Windows-1252."""
    mapping = r"""
        extends: endoscopy
        sources:
          sidecar:
            file: exam.ini
            scope: folder
            encoding: windows-1252
            select:
              number: Patient.Nummer
              last: Patient.Name
              first: Patient.Vorname
              born: Patient.Geburtsdatum
              sex: Patient.Geschlecht
              day: Untersuchung.Datum
              time: Untersuchung.Uhrzeit
              what: Untersuchung.Art
              doctor: Untersuchung.Arzt
        site: {language: de, timezone: Europe/Berlin, station: ENDO1}
        maps:
          sex: {m: M, w: F, d: O}
        identity:
          study: '{{ media.folder }}'
        attributes:
          PatientID: '{{ sidecar.number }}'
          PatientName: '{{ sidecar.last | person_name(sidecar.first) }}'
          PatientBirthDate: '{{ sidecar.born | dicom_date("%d.%m.%y", pivot=30, birth=true) }}'
          PatientSex: '{{ sidecar.sex | pick("sex") }}'
          StudyDate: '{{ sidecar.day | dicom_date("%d. %B %Y") }}'
          StudyTime: '{{ sidecar.time | dicom_time }}'
          StudyDescription: '{{ sidecar.what }}'
          PerformingPhysicianName: '{{ sidecar.doctor }}'
    """
    files = {
        "exam_0001/exam.ini": EXAM.format(number="4711001").encode("cp1252"),
        "exam_0001/still_001.jpg": photo("still 1"),
        "exam_0001/still_002.jpg": photo("still 2"),
        "exam_0002/still_001.jpg": photo("no sidecar"),
        "exam_0003/exam.ini": EXAM.format(number="").encode("cp1252"),
        "exam_0003/still_001.jpg": photo("no number"),
    }
    site = _site(folder, files, _plain(mapping))
    make_video(site.folder / "exam_0001/clip.avi")
    return site


def eyes_with_table(folder: Path) -> Site:
    """Fundus pictures by patient: the eye in the name, and once more in a CSV in each folder."""
    mapping = r"""
        extends: ophthalmology
        sources:
          table:
            file: 'in/{{ media.folder }}/images.csv'
            key: file
            equals: '{{ media.name }}'
        maps:
          side: {right: R, left: L, both: B}
        checks:
          - agree: ['{{ path.eye | pick("eye") }}', '{{ row.eye | pick("side") }}']
            then: hold
            say: 'the name says {{ path.eye }}, and the table {{ row.eye }}'
        attributes:
          PatientName: '{{ row.name | dicom_name }}'
    """
    taken = "2024:05:31 14:22:00"
    columns = ("file", "eye", "name")
    files = {
        "4711001/a_OD_1.jpg": photo("right", taken),
        "4711001/a_OS_2.jpg": photo("left", taken),
        "4711002/b_OD_1.jpg": photo("right or left", taken),
        "4711002/b_OS_2.jpg": photo("not in the table", taken),
    }
    site = _site(folder, files, _plain(mapping))
    rows = [("a_OD_1.jpg", "right", "Doe^Jane"), ("a_OS_2.jpg", "left", "Doe^Jane")]
    table(site.folder / "4711001/images.csv", columns, rows)
    table(site.folder / "4711002/images.csv", columns, [("b_OD_1.jpg", "left", "Roe^Richard")])
    return site


def tracings_with_xml(folder: Path) -> Site:
    """ECG as PDF with a vendor's XML beside it, in a namespace of its own."""
    mapping = r"""
        extends: ecg
        patient_id: '\d{7}'
        sources:
          sidecar:
            file: '{{ media.stem }}.xml'
            namespaces: {e: 'http://ecg.example/export/2.1'}
            select:
              patient: './e:subject/e:pid'
              given: './e:subject/e:name/@given'
              family: './e:subject/e:name/@family'
              born: './e:subject/e:born'
              sex: './e:subject/e:sex'
              started: './e:recording/@started'
    """
    files = {
        "ecg_0001.pdf": report("1"),
        "ecg_0001.xml": _vendor("4711001", "Jürgen", "Müller"),
        "ecg_0002.pdf": report("2"),
        "ecg_0002.xml": _vendor("471100", "Zoë", "Łukasz"),
        "ecg_0003.pdf": report("no XML"),
    }
    return _site(folder, files, _plain(mapping))


def _vendor(patient: str, given: str, family: str) -> bytes:
    return (
        '<?xml version="1.0" encoding="UTF-8"?><x:ecg xmlns:x="http://ecg.example/export/2.1"><x:subject>'
        f'<x:pid>{patient}</x:pid><x:name given="{given}" family="{family}"/><x:born>1960-01-03</x:born>'
        '</x:subject><x:recording started="2024-05-31T14:22:00+02:00"/></x:ecg>'
    ).encode()


def scans_with_tables(folder: Path) -> Site:
    """An old archive's export: TIFFs of single pages, and tables of pages (by UNC paths) and patients."""
    mapping = r"""
        extends: common
        patient_id: 'P\d{6}'
        sources:
          table:
            - name: page
              file: pages.csv
              encoding: windows-1252
              key: '{{ row.PFAD | replace("\\\\ARCHIV\\scan$\\", "") | replace("\\", "/") | lower }}'
              equals: '{{ media.relative | lower }}'
            - name: patient
              file: patients.csv
              encoding: windows-1252
              key: NUMMER
              equals: '{{ page.PATIENT }}'
              null: ['NULL', '-']
        identity:
          study: '{{ page.FALL }}'
          series: '{{ page.BELEG }}'
        maps:
          sex: {M: M, W: F}
        attributes:
          PatientID: '{{ patient.NUMMER }}'
          PatientName: '{{ patient.NAME | person_name(patient.VORNAME) }}'
          PatientBirthDate: '{{ patient.GEBOREN | dicom_date("%d.%m.%Y", never=["01.01.1900"], birth=true) }}'
          PatientSex: '{{ patient.GESCHLECHT | pick("sex") }}'
          AccessionNumber: '{{ page.FALL }}'
          StudyDate: '{{ page.DATUM | dicom_date("%d.%m.%Y") }}'
          StudyDescription: Akte
          SeriesDescription: '{{ page.TITEL }}'
          InstanceNumber: '{{ page.SEITE }}'
    """
    files = {
        f"2009/{number:04}.TIF": examples.raster("TIFF", "L", (60 + number, 80)) for number in range(1, 7)
    }
    site = _site(folder, files, _plain(mapping))
    pages = [
        (rf"\\ARCHIV\scan$\2009\{number:04}.TIF", patient, case, paper, str(page), "31.05.2009", title)
        for number, patient, case, paper, page, title in (
            (1, "P004711", "F1", "B1", 1, "Überweisung"),
            (2, "P004711", "F1", "B1", 2, "Überweisung"),
            (3, "P004711", "F1", "B2", 1, "Röntgenbefund"),
            (4, "P004712", "F2", "B3", 1, "Aufklärung"),
            (5, "P004799", "F3", "B4", 1, "Überweisung"),
        )
    ]
    header = ("PFAD", "PATIENT", "FALL", "BELEG", "SEITE", "DATUM", "TITEL")
    table(folder / "pages.csv", header, pages, encoding="cp1252")
    patients = [
        ("P004711", "Müller", "Jürgen", "03.01.1960", "M"),
        ("P004712", "Groß", "Zoé", "01.01.1900", "W"),
    ]
    table(
        folder / "patients.csv",
        ("NUMMER", "NAME", "VORNAME", "GEBOREN", "GESCHLECHT"),
        patients,
        encoding="cp1252",
    )
    return site


def _plain(text: str) -> str:
    """Text from between triple quotes without its indentation."""
    return textwrap.dedent(text).lstrip()


# A thousand files and a table

PEOPLE = (
    ("Müller", "Jürgen", "", ""),
    ("Weiß", "Änne", "", ""),
    ("Øgård", "Søren", "", ""),
    ("O'Neill-Šťastný", "Zoë", "", ""),
    ("Yamada", "Tarou", "山田 太郎", "やまだ たろう"),
    ("Satou", "Hanako", "佐藤 花子", "サトウ ハナコ"),
)
"""Family and given name, and both once more in ideographic and phonetic characters."""

COLUMNS = ("mrn", "last", "first", "ideographic", "phonetic", "born", "sex", "ward")
BORN = ("%d.%m.%Y", "%Y-%m-%d", "%m/%d/%Y")
"""The three ways in which the table writes birth dates."""

HEALTHY, FAULTY = 380, 20
"""Patients with 980 photos together, and patients with one each and something wrong about it."""

ODDITIES: tuple[tuple[dict[str, str], str], ...] = (
    ({"born": "31.02.1970"}, "'31.02.1970'"),
    ({"born": "1970/13/01"}, "'1970/13/01'"),
    ({"born": "unbekannt"}, "'unbekannt'"),
    ({"born": "01.01.2999"}, "2999"),
    ({"sex": "x"}, "the map 'sex' has no 'x'"),
    ({"sex": "männlich"}, "the map 'sex' has no 'männlich'"),
    ({"last": "Müller\\Meier"}, "Müller\\\\Meier"),
    ({"last": "Müller^Jürgen"}, "Müller^Jürgen"),
    ({"first": "Jürgen=Hans"}, "Jürgen=Hans"),
    ({"last": "M" * 70}, "64"),
    ({"ideographic": "山" * 70}, "64"),
    ({"ward": "W" * 65}, "InstitutionalDepartmentName"),
    ({"ward": "3\\4"}, "InstitutionalDepartmentName"),
)
"""What is wrong in a patient's row, and what has to be said of it."""


@dataclass(frozen=True)
class Thousand:
    """A folder of 1,000 photos with a table of patients, and what is wrong with 20 of them.

    `rows` are the table's, by Patient ID. `faults` are names of files and what has to be said of each.
    """

    site: Site
    rows: dict[str, dict[str, str]]
    faults: dict[str, tuple[str, ...]]
    twice: tuple[str, ...]
    """Patient IDs that have a second row."""

    @property
    def table(self) -> Path:
        """The table of patients."""
        return self.site.mapping.with_name("patients.csv")

    def write(self) -> None:
        """Writes the table."""
        rows = [*self.rows.values(), *(self.rows[mrn] for mrn in self.twice)]
        table(self.table, COLUMNS, ([row[column] for column in COLUMNS] for row in rows))


def thousand(folder: Path) -> Thousand:
    """A thousand photos of 400 patients, 20 of whom have something wrong in a row, a name or a number."""
    mapping = r"""
        template: vl-photographic
        unidentified: hold
        patient_id: {pattern: '\d{7}', test: '99*'}
        site: {language: de}
        sources:
          path: {name: '(?P<mrn>\d{7})_(?P<day>\d{8})_(?P<side>[LRB])_\d+\.jpg'}
          table: {file: patients.csv, key: mrn, equals: '{{ path.mrn }}'}
        maps:
          sex: {m: M, w: F, d: O}
        identity:
          study: '{{ path.day }}'
        attributes:
          PatientID: '{{ row.mrn }}'
          PatientName: >-
            {{ row.last | person_name(row.first,
                                      ideographic=row.ideographic | dicom_name("family given"),
                                      phonetic=row.phonetic | dicom_name("family given")) }}
          PatientBirthDate: '{{ row.born | dicom_date("%d.%m.%Y", "%Y-%m-%d", "%m/%d/%Y", birth=true) }}'
          PatientSex: '{{ row.sex | pick("sex") }}'
          InstitutionalDepartmentName: '{{ row.ward }}'
          StudyDate: '{{ path.day | dicom_date }}'
          ImageLaterality: '{{ path.side }}'
    """
    rows = {mrn: _row(mrn, number) for number, mrn in enumerate(_numbers(HEALTHY + FAULTY))}
    files = {_photo_name(list(rows)[number % HEALTHY], number): number for number in range(1000 - FAULTY)}
    faults: dict[str, tuple[str, ...]] = {}
    sick = iter(list(rows)[HEALTHY:])
    place = {mrn: row for row, mrn in enumerate(rows, 2)}
    for changes, said in ODDITIES:
        mrn = next(sick)
        rows[mrn] |= changes
        faults[_photo_name(mrn, 0)] = (said, f"patients.csv, row {place[mrn]}", "site.yaml:")
    twice = (next(sick), next(sick))
    for _ in range(2):
        missing = next(sick)
        faults[_photo_name(missing, 0)] = ("patients.csv", f"{missing!r}")
        del rows[missing]
    for mrn, said in (("0000000", "placeholder"), ("9911001", "test patient")):
        rows[mrn] = {**rows.pop(next(sick)), "mrn": mrn}
        faults[_photo_name(mrn, 0)] = (said, mrn)
    faults[_photo_name(next(sick), 0).replace("_2024", "-2024")] = (r"(?P<mrn>\d{7})",)
    for again, mrn in enumerate(twice, len(rows) + 2):
        faults[_photo_name(mrn, 0)] = ("patients.csv", f"{mrn!r} in rows {place[mrn]} and {again}")
    assert len(faults) == FAULTY
    files |= dict.fromkeys(faults, 0)
    site = _site(folder, {name: photo(name) for name in files}, _plain(mapping))
    made = Thousand(site, rows, faults, twice)
    made.write()
    return made


def _numbers(count: int) -> list[str]:
    return [f"{4711000 + number}" for number in range(count)]


def _row(mrn: str, number: int) -> dict[str, str]:
    person = PEOPLE[number % len(PEOPLE)]
    born = date(1930, 1, 1) + timedelta(days=67 * number)
    values = (
        mrn,
        *person,
        born.strftime(BORN[number % len(BORN)]),
        "mwd"[number % 3],
        f"Station {number % 7}",
    )
    return dict(zip(COLUMNS, values, strict=True))


def _photo_name(mrn: str, number: int) -> str:
    day = date(2024, 5, 31) + timedelta(days=number % 5)
    return f"{mrn}_{day:%Y%m%d}_{'LRB'[number % 3]}_{number}.jpg"
