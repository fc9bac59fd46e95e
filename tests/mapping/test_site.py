"""What the place that files come from says of them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset

from gateway.config import Site
from gateway.errors import Fatal
from gateway.mapping.compose import compose
from gateway.mapping.site import attributes, captured, corrected, parse, timezone_offset
from gateway.mapping.sources.group import Group
from gateway.model import Kind, Probe, Source
from gateway.stream import Stream

TODAY = date(2024, 6, 1)
BERLIN = Site(timezone="Europe/Berlin")
END = datetime(9999, 12, 31, 23, 59)  # noqa: DTZ001
TAKEN = datetime(2024, 5, 31, 14, 30)  # noqa: DTZ001 - local time, as cameras say it


def acquired(**values: str) -> Dataset:
    dataset = Dataset()
    for keyword, value in values.items():
        setattr(dataset, keyword, value)
    return dataset


def test_facts_fill_the_attributes_that_they_are_of() -> None:
    site = Site(
        institution="Clinic", department="Skin", station="S1", manufacturer="M", model="X", serial="1",
        software="2", issuer="HIS", issuer_accession="RIS",
    )  # fmt: skip
    composition = compose([attributes(site)], {})
    dataset = composition.dataset
    assert composition.faults == []
    assert (dataset.InstitutionName, dataset.InstitutionalDepartmentName, dataset.StationName) == (
        "Clinic",
        "Skin",
        "S1",
    )
    assert (dataset.Manufacturer, dataset.ManufacturerModelName) == ("M", "X")
    assert (dataset.DeviceSerialNumber, dataset.SoftwareVersions, dataset.IssuerOfPatientID) == (
        "1",
        "2",
        "HIS",
    )
    assert dataset.IssuerOfAccessionNumberSequence[0].LocalNamespaceEntityID == "RIS"
    assert set(composition.origins.values()) == {"site"}
    assert attributes(Site()) == ()


def test_facts_come_from_texts() -> None:
    found = parse(["institution=St. Mary's", "clock=+1h", "since=2015-01-01", "max_age=10y", "ward=3 a=b"])
    assert found == Site(
        institution="St. Mary's",
        clock=timedelta(hours=1),
        since=date(2015, 1, 1),
        max_age=timedelta(days=3650),
        variables={"ward": "3 a=b"},
    )


def test_all_that_is_wrong_with_facts_comes_at_once() -> None:
    with pytest.raises(Fatal) as raised:
        parse(["institution", "timezone=Berlin", "clock=soon", "ward=1", "ward=2", "my ward=3"])
    lines = str(raised.value).splitlines()
    assert len(lines) == 5
    for words in (
        "--site institution: write KEY=VALUE",
        "--site timezone: ",
        "--site clock: ",
        "--site ward: is given twice",
    ):
        assert any(line.startswith(words) for line in lines), (words, lines)
    with pytest.raises(Fatal, match=r"StationName \(SH\) cannot be .* 16"):
        parse(["station=a station of many more characters"])


@pytest.mark.parametrize(
    ("moment", "site", "problem"),
    [
        (datetime(2024, 6, 2, 23, 59), Site(), None),  # noqa: DTZ001
        (datetime(2024, 6, 3), Site(), "future"),  # noqa: DTZ001
        (datetime(1989, 12, 31), Site(), "before-1990"),  # noqa: DTZ001
        (datetime(2014, 12, 31), Site(since=date(2015, 1, 1)), "before-site"),  # noqa: DTZ001
        (datetime(2015, 1, 1), Site(since=date(2015, 1, 1)), None),  # noqa: DTZ001
        (datetime(2024, 5, 1), Site(max_age=timedelta(days=30)), "too-old"),  # noqa: DTZ001
        (datetime(2024, 5, 2), Site(max_age=timedelta(days=30)), None),  # noqa: DTZ001
    ],
)
def test_a_date_that_cannot_be_true_has_a_name(moment: datetime, site: Site, problem: str | None) -> None:
    found = captured(moment, site, TODAY)
    assert (found.problem, found.moment) == (problem, None if problem else moment)
    assert (found.message is None) == (problem is None)
    assert captured(None, site, TODAY).problem is None


def test_the_clock_of_a_device_is_made_right() -> None:
    facts = {"exif": {"captured": TAKEN, "make": "X"}, "pdf": {"created": TAKEN}}
    source = Source(Path("a.jpg"), Path())
    probe = Probe(source, "jpeg", Kind.IMAGE, "image/jpeg", "1.2", Stream(), captured=TAKEN, facts=facts)
    right = corrected(probe, timedelta(hours=-15))
    assert right.captured == right.facts["exif"]["captured"] == datetime(2024, 5, 30, 23, 30)  # noqa: DTZ001
    assert (right.facts["exif"]["make"], right.facts["pdf"]["created"]) == ("X", TAKEN)
    assert corrected(probe, timedelta()) is probe
    last = replace(probe, captured=END)
    assert corrected(last, timedelta(days=1)).captured == END


@pytest.mark.parametrize(
    ("values", "offset"),
    [
        ({"AcquisitionDateTime": "20240131120000"}, "+0100"),
        ({"AcquisitionDateTime": "20240731120000"}, "+0200"),
        ({"AcquisitionDateTime": "20240731120000.5-0730"}, "+0200"),  # by the site's clocks all the same
        ({"AcquisitionDateTime": "20241027003000+0000"}, "+0200"),  # the doubled hour, and known which
        ({"AcquisitionDateTime": "20241027013000+0000"}, "+0100"),
        ({"AcquisitionDateTime": "20240731+0000"}, "+0200"),
        ({"ContentDate": "20240731", "ContentTime": "1200"}, "+0200"),
        ({"AcquisitionDate": "20240131", "ContentDate": "20240731"}, "+0100"),
        ({"AcquisitionDateTime": "20241027023000"}, None),  # there are two of this
        ({"AcquisitionDateTime": "20241027013000"}, "+0200"),
        ({"AcquisitionDateTime": "20241027033000"}, "+0100"),
        ({"AcquisitionDateTime": "20240331023000"}, None),  # there is none of this
        ({"ContentDate": "20241027"}, None),  # a day with two offsets
        ({"ContentDate": "20241027", "ContentTime": "12"}, None),
        ({"ContentDate": "20241028"}, "+0100"),
        ({"ContentDate": "", "ContentTime": ""}, None),
        ({}, None),
    ],
)
def test_the_offset_from_utc_follows_from_the_moment(values: dict[str, str], offset: str | None) -> None:
    assert timezone_offset(acquired(**values), BERLIN) == offset


def test_without_a_time_zone_there_is_no_offset_of_all_times() -> None:
    for moment in ("20240731120000", "20240731120000+0530"):
        assert timezone_offset(acquired(AcquisitionDateTime=moment), Site()) is None


@given(st.datetimes(datetime(1990, 1, 1), datetime(2035, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001
def test_the_offset_is_never_a_wrong_one(moment: datetime) -> None:
    local = moment.astimezone(ZoneInfo("Europe/Berlin"))
    found = timezone_offset(acquired(AcquisitionDateTime=f"{local:%Y%m%d%H%M%S}"), BERLIN)
    assert found in (None, f"{local:%z}")


def test_a_group_knows_its_earliest_moment_and_asks_for_it_once() -> None:
    asked: list[datetime] = []

    def believed(moment: datetime) -> datetime | None:
        asked.append(moment)
        return moment if moment.year > 1990 else None

    aware = TAKEN.replace(hour=9, tzinfo=timezone(timedelta(hours=-8)))
    group = Group(("a.jpg", "b.jpg"), (TAKEN, aware, TAKEN.replace(year=1980)))
    for _ in range(3):
        assert group.facts("key", believed) == {"count": 2, "names": ("a.jpg", "b.jpg"), "captured": aware}
    assert len(asked) == 3
    assert Group().facts("key", believed) == {"count": 0, "names": (), "captured": None}
