"""The disk of an old archive: pictures, documents and DICOM files by year and box, and two tables that say
whose they are, one of files and one of patients, as they were exported on Windows."""

from __future__ import annotations

import io
import random
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pydicom

import examples
import sites

MAPPING = r"""
    extends: common
    patient_id: 'P\d{6}'
    sources:
      table:
        - name: page
          file: pages.csv
          encoding: windows-1252
          key: '{{ row.PFAD | replace("\\", "/") | lower }}'
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
"""

A_CASE = 25
"""Files of one case, all of one patient."""
A_BOX = 200
"""Files of one folder."""
EVERY = 100
"""Of so many files one is faulty."""

LITTER = (".DS_Store", "2001/Thumbs.db", "2001/@eaDir/SCAN000000.JPG", "2001/~$letter.doc", "copy.part")
"""What desktops and file servers have left there."""

NAMES = ("Müller", "Weiß", "Øgård", "O'Neill", "Großmann-Lüdenscheidt", "Łukasz".replace("Ł", "L"))
FIRST = ("Jürgen", "Änne", "Søren", "Zoë", "Hans", "Éva")

FAULTS: tuple[tuple[str, str, str], ...] = (
    ("empty", "rejected", "is empty"),
    ("truncated picture", "rejected", "is not whole"),
    ("truncated document", "rejected", "is not whole"),
    ("text", "rejected", "is text"),
    ("word", "rejected", "cannot be converted"),
    ("no row", "held", "has no row with"),
    ("two rows", "held", "only one may have it"),
    ("unknown patient", "held", "has no row with NUMMER"),
    ("impossible date", "held", "'31.02.2009'"),
    ("strange sex", "held", "the map 'sex' has no"),
)
"""Ten kinds of faults, what becomes of such a file, and what has to be said of it."""


@dataclass(slots=True)
class Legacy:
    """The disk: `faults` are the files that cannot be stored, with the outcome and what is to be said."""

    place: Path
    files: int = 0
    faults: dict[str, tuple[str, str]] = field(default_factory=dict)
    formats: Counter[str] = field(default_factory=Counter)

    @property
    def tree(self) -> Path:
        return self.place / "disk"

    @property
    def mapping(self) -> Path:
        return self.place / "legacy.yaml"

    @property
    def good(self) -> int:
        return self.files - len(self.faults)


def write(place: Path, count: int, *, decoded: int = 50, seed: int = 1) -> Legacy:
    """Writes so many files and their tables; of each `decoded` files one is a PNG or TIFF."""
    made = Legacy(place)
    made.tree.mkdir(parents=True)
    chance = random.Random(seed)
    make = _Maker()
    pages: list[tuple[str, ...]] = []
    patients: dict[str, tuple[str, ...]] = {}
    fault_at = {number * EVERY + chance.randrange(EVERY) for number in range(count // EVERY)}
    kinds = 0
    for number in range(count):
        case, box = number // A_CASE, number // A_BOX
        patient = f"P{case % 900_000:06}"
        fault = ""
        if number in fault_at:
            fault, status, said = FAULTS[kinds % len(FAULTS)]
            kinds += 1
        extension, data = make(number, fault, decoded)
        path = f"{2001 + box % 20}/Box {box:05}/SCAN{number:06}.{extension}"
        file = made.tree / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
        made.files += 1
        made.formats[extension] += 1
        if fault:
            made.faults[path] = (status, said)
        row = (path.replace("/", "\\"), patient, f"F{case}", f"B{number // 5}", "31.05.2009", "Überweisung")
        if fault == "unknown patient":
            row = (row[0], "P999999", *row[2:])
        elif fault in ("impossible date", "strange sex"):
            odd = f"P9{kinds:05}"
            row = (row[0], odd, f"F{case}x{kinds}", *row[3:])
            born = "31.02.2009" if fault == "impossible date" else "03.01.1960"
            patients[odd] = (odd, "Müller", "Jürgen", born, "?" if fault == "strange sex" else "M")
        if fault != "no row":
            pages.append(row)
        if fault == "two rows":
            pages.append(row)
        patients.setdefault(patient, _patient(patient, case))
    for name in LITTER:
        (made.tree / name).parent.mkdir(exist_ok=True)
        (made.tree / name).write_bytes(b"litter")
    header = ("PFAD", "PATIENT", "FALL", "BELEG", "DATUM", "TITEL")
    sites.table(place / "pages.csv", header, pages, encoding="cp1252")
    header = ("NUMMER", "NAME", "VORNAME", "GEBOREN", "GESCHLECHT")
    sites.table(place / "patients.csv", header, patients.values(), encoding="cp1252")
    made.mapping.write_text(sites._plain(MAPPING), "utf-8")
    return made


def _patient(number: str, case: int) -> tuple[str, ...]:
    born = "01.01.1900" if case % 50 == 7 else f"{1 + case % 28:02}.{1 + case % 12:02}.{1930 + case % 70}"
    return number, NAMES[case % len(NAMES)], FIRST[case % len(FIRST)], born, "MW"[case % 2]


class _Maker:
    """Makes files that differ from each other, quickly."""

    def __init__(self) -> None:
        self._jpegs = [examples.jpeg(size=(80 + 16 * n, 64)) for n in range(4)]
        self._pdf = examples.pdf(1)
        self._png = examples.raster("PNG", size=(60, 40))
        self._dicom = pydicom.dcmread(io.BytesIO(examples.dicom()))

    def __call__(self, number: int, fault: str, decoded: int) -> tuple[str, bytes]:
        broken: dict[str, Callable[[], tuple[str, bytes]]] = {
            "empty": lambda: ("JPG", b""),
            "truncated picture": lambda: ("JPG", self._jpeg(number)[:-40]),
            "truncated document": lambda: ("PDF", self._pdf[: len(self._pdf) // 2]),
            "text": lambda: ("TXT", b"Dies ist kein Bild.\r\n" + str(number).encode()),
            "word": lambda: ("DOC", bytes.fromhex("d0cf11e0a1b11ae1") + bytes(2048)),
        }
        if fault in broken:
            return broken[fault]()
        if fault or number % 10 < 6:
            return "JPG", self._jpeg(number)
        if number % 10 < 9:
            return "PDF", self._pdf + f"% {number}\n".encode()
        if number % (decoded * 10) < 100:
            return ("PNG", self._png_of(number)) if number % 20 < 10 else ("TIF", self._tiff(number))
        return "DCM", self._dicom_of(number)

    def _jpeg(self, number: int) -> bytes:
        return sites.commented(self._jpegs[number % len(self._jpegs)], str(number))

    def _png_of(self, number: int) -> bytes:
        return examples.raster("PNG", size=(60 + number % 7, 40 + number // 10 % 11))

    def _tiff(self, number: int) -> bytes:
        return examples.raster("TIFF", "L", (60 + number % 7, 40 + number // 10 % 11))

    def _dicom_of(self, number: int) -> bytes:
        case = number // A_CASE
        content = self._dicom.copy()
        for keyword, value in (
            ("StudyInstanceUID", f"2.25.4711{case}"),
            ("SeriesInstanceUID", f"2.25.4712{case}"),
            ("SOPInstanceUID", f"2.25.4713{number}"),
            ("PatientID", f"P{case % 900_000:06}"),
        ):
            setattr(content, keyword, value)
        return examples.dicom(content=content)


def lines(report: Path) -> Iterator[dict[str, object]]:
    """All lines of a report, with the list in which each stands."""
    import json

    for name in ("stored", "duplicate", "held", "rejected", "skipped", "retry"):
        with (report / f"{name}.ndjson").open("rb") as file:
            for line in file:
                yield {"list": name, **json.loads(line)}
