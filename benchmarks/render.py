"""What it costs to describe a file by a mapping, as ratios measured in one run.

    .venv/bin/python benchmarks/render.py [FILES]

Renders the 30 expressions of a mapping for FILES (2,000) files that differ, and beside it what cannot be
avoided: the same expressions in Jinja2's own sandbox without anything of ours, and the result as JSON. Then
the same mapping as a file, through all that a file goes through until its data set is there. Every pair is
run in turn, so that a machine that slows down slows both.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import Any

from jinja2.sandbox import SandboxedEnvironment

from gateway.cli import samples
from gateway.config import Reading, Site
from gateway.formats import probe
from gateway.mapping.describe import describe
from gateway.mapping.description import description
from gateway.mapping.expressions import parse
from gateway.mapping.filters import MAPS, SITE, TODAY
from gateway.mapping.select import select
from gateway.model import Source
from gateway.nodes import Fault, Place, Text

RUNS = 5
REPEATED = 200
MOST = 1.0
"""Milliseconds that rendering may cost."""

EXPRESSIONS = {
    "PatientID": "{{ path.patient | pad(10) }}",
    "IssuerOfPatientID": "{{ path.issuer | default('HOSPITAL') }}",
    "PatientName": "{{ row.last | person_name(row.first, prefix=row.title) }}",
    "PatientBirthDate": "{{ row.born | dicom_date('%d.%m.%Y', '%d.%m.%y', pivot=30, birth=true) }}",
    "PatientSex": "{{ row.sex | pick('sex', 'O') }}",
    "PatientAge": "{{ row.born | dicom_date('%d.%m.%Y') | age(path.day) }}",
    "PatientComments": "{{ row.comment | clean }}",
    "OtherPatientNames": "{{ row.maiden | dicom_name(form='family, given') }}",
    "StudyDate": "{{ path.day | dicom_date }}",
    "StudyTime": "{{ row.time | dicom_time('%H:%M') }}",
    "StudyDescription": "{{ row.study | fit('LO') }}",
    "StudyID": "{{ path.day ~ '-' ~ path.number }}",
    "AccessionNumber": "{{ row.order | digits | pad(8) }}",
    "ReferringPhysicianName": "{{ row.referrer | dicom_name(form='given family') }}",
    "SeriesDescription": "{{ row.region | trim | upper }}",
    "SeriesDate": "{{ media.captured | dicom_date }}",
    "SeriesTime": "{{ media.captured | dicom_time }}",
    "SeriesNumber": "{{ path.number | default(1) }}",
    "OperatorsName": "{{ row.operator | replace(', ', '^') }}",
    "BodyPartExamined": "{{ row.region | match('([A-Za-z]+)') | upper }}",
    "ImageLaterality": "{{ 'R' if path.side == 'OD' else 'L' if path.side == 'OS' else 'U' }}",
    "Laterality": "{{ path.side | pick('eye', '') }}",
    "ContentDate": "{{ media.captured | dicom_date | keep_empty }}",
    "ContentTime": "{{ media.captured | dicom_time | keep_empty }}",
    "AcquisitionDateTime": "{{ media.captured | dicom_datetime }}",
    "InstitutionName": "{{ site.institution }}",
    "StationName": "{{ site.station | default('NONE') | fit('SH') }}",
    "DeviceSerialNumber": "{{ row.device | part('/', -1) }}",
    "ImageComments": "{{ row.comment | fit('LT') }}",
    "InstanceNumber": "{{ path.number }}",
}
MAPS_GIVEN = {"sex": {"m": "M", "w": "F", "d": "O"}, "eye": {"OD": "R", "OS": "L"}}
COLUMNS = {
    "last": "Müller", "first": "Anna", "title": "Dr.", "born": "31.05.1979", "sex": "w",
    "maiden": "Schulz, Anna", "time": "14:30", "study": "Wunddokumentation", "order": "A-4711/24",
    "referrer": "Karl von Stein", "region": " Unterschenkel links ", "operator": "Klein, Eva",
    "device": "cam/4711", "comment": "nach Biopsie",
}  # fmt: skip


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 2_000
    facts = [_facts(number) for number in range(count)]
    compared = {
        "rendering, Jinja2's own sandbox": (_ours(facts), _bare(facts)),
        "rendering, json.dumps of the result": (_ours(facts), _as_json(facts)),
    }
    print(f"{len(EXPRESSIONS)} expressions, {count} files")
    print(f"how many times as long as the other, median of {RUNS} pairs")
    for title, (first, second) in compared.items():
        ratios = [_seconds(first) / _seconds(second) for _ in range(RUNS)]
        print(f"{title:42} {statistics.median(ratios):5.2f}   ({min(ratios):.2f} to {max(ratios):.2f})")
    cost = _told("rendering", _ours(facts), count)
    with tempfile.TemporaryDirectory() as name:
        _told("describing a photo", _described(Path(name)), REPEATED)
    if cost > MOST:
        sys.exit(f"rendering costs more than {MOST} ms a file")


def _facts(number: int) -> dict[str, Any]:
    return {
        "path": {
            "patient": str(4_711_000 + number),
            "issuer": None,
            "day": "20240531",
            "side": "OD",
            "number": number,
        },
        "row": {**COLUMNS, "first": f"Anna {number}"},
        "media": {"captured": datetime(2024, 5, 31, number % 24, number % 60)},  # noqa: DTZ001 - as cameras say it
        "site": {"institution": "Hospital", "station": None},
        MAPS: MAPS_GIVEN,
        SITE: Site(language="de", timezone="Europe/Berlin"),
        TODAY: date(2024, 6, 1),
    }


def _ours(facts: list[dict[str, Any]]) -> Callable[[], None]:
    faults: list[Fault] = []
    templates = [parse(Text(Place("render", 1, 1), text, 1), faults) for text in EXPRESSIONS.values()]
    assert not faults, faults

    def run() -> None:
        for each in facts:
            for template in templates:
                template.render(each, [])

    return run


def _bare(facts: list[dict[str, Any]]) -> Callable[[], None]:
    """The same in a sandbox as it comes, whose filters give back what they are given."""
    environment = SandboxedEnvironment()
    for name in ("age", "clean", "dicom_date", "dicom_datetime", "dicom_name", "dicom_time", "digits", "fit",
                 "keep_empty", "match", "pad", "part", "person_name", "pick"):  # fmt: skip
        environment.filters[name] = lambda value, *_, **__: str(value)
    templates = [environment.from_string(text) for text in EXPRESSIONS.values()]

    def run() -> None:
        for each in facts:
            for template in templates:
                template.render(each)

    return run


def _as_json(facts: list[dict[str, Any]]) -> Callable[[], None]:
    templates = [parse(Text(Place("render", 1, 1), text, 1), []) for text in EXPRESSIONS.values()]
    results = [
        {key: template.render(each, []).text for key, template in zip(EXPRESSIONS, templates, strict=True)}
        for each in facts
    ]

    def run() -> None:
        for each in results:
            json.dumps(each)

    return run


def _described(folder: Path) -> Callable[[], None]:
    """A photo in a folder with a table and a mapping, described again and again."""
    photo = folder / "4711001_20240531_OD_7.jpg"
    samples.photo(photo, captured="2024:05:31 14:30:00")
    (folder / "patients.csv").write_text(
        "patient;" + ";".join(COLUMNS) + "\n4711001;" + ";".join(COLUMNS.values()) + "\n", encoding="utf-8"
    )
    os.utime(folder / "patients.csv", (0, 0))  # what has just changed is read anew
    mapping = folder / "mapping.yaml"
    mapping.write_text(
        "template: vl-photographic\n"
        "sources:\n"
        "  path: {name: '(?P<patient>\\d{7})_(?P<day>\\d{8})_(?P<side>OD|OS)_(?P<number>\\d+)\\.jpg'}\n"
        "  table: {file: patients.csv, key: patient, equals: '{{ path.patient }}'}\n"
        f"maps: {json.dumps(MAPS_GIVEN)}\n"
        "attributes:\n"
        + "".join(
            f"  {keyword}: {json.dumps(text)}\n"
            for keyword, text in EXPRESSIONS.items()
            if keyword != "IssuerOfPatientID"
        )
        + "  IssuerOfPatientID: '{{ site.issuer | default(\"HOSPITAL\") }}'\n",
        encoding="utf-8",
    )
    request = description(mappings=[str(mapping)])
    found = probe(Source(photo, folder), Reading())

    def run() -> None:
        for _ in range(REPEATED):
            describe(select(found, request), request)

    return run


def _told(title: str, run: Callable[[], None], count: int) -> float:
    """Prints what a file costs, and gives it back in milliseconds."""
    cost = statistics.median(_seconds(run) for _ in range(RUNS)) / count * 1000
    print(f"{title:42} {cost:5.2f} ms a file")
    return cost


def _seconds(run: Callable[[], None]) -> float:
    started = time.perf_counter()
    run()
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
