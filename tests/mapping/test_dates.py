# ruff: noqa: E501 - tables of cases are read best with a case a line
import subprocess
import sys
from datetime import UTC, date, datetime, time, timedelta, timezone
from typing import Any

import pytest
from babel.dates import format_date
from hypothesis import given
from hypothesis import strategies as st
from pydicom import valuerep

from gateway.mapping import dates
from gateway.mapping.dates import Moment, What, compiled, read

LANGUAGES = ["de", "de-AT", "fr_FR", "es", "it", "nl", "pl", "cs", "tr", "ru", "el", "sv", "pt_BR"]
FORMATS = ["%d.%m.%Y", "%Y-%m-%d", "%d%m%Y", "%B %d, %Y", "%d %b %Y", "%Y%j", "%A, %d. %B %Y", "%m/%d/%Y"]
ZONES = [None, UTC, timezone(timedelta(hours=5, minutes=30)), timezone(-timedelta(hours=11))]


@pytest.mark.parametrize(
    ("text", "formats", "what", "moment"),
    [
        ("31.05.2024", ("%d.%m.%Y",), "date", Moment(date(2024, 5, 31))),
        (" 1.5.2024 ", ("%d.%m.%Y",), "date", Moment(date(2024, 5, 1))),
        ("5/31/2024", ("%d/%m/%Y", "%m/%d/%Y"), "date", Moment(date(2024, 5, 31))),
        ("05/06/2024", ("%d/%m/%Y", "%m/%d/%Y"), "date", Moment(date(2024, 6, 5))),
        ("10056823", ("%d%m%y%H",), "date", Moment(date(2068, 5, 10), time(23), short=True)),
        ("100569", ("%d%m%y",), "date", Moment(date(1969, 5, 10), short=True)),
        ("Fri 31 may 2024", ("%a %d %B %Y",), "date", Moment(date(2024, 5, 31))),
        ("5 Sept. 2024", ("%d %b %Y",), "date", Moment(date(2024, 9, 5))),
        ("100 % 2024-060", ("100 %% %Y-%j",), "date", Moment(date(2024, 2, 29))),
        ("2024年5月31日", ("%Y年%m月%d日",), "date", Moment(date(2024, 5, 31))),
        ("2:03 p.m.", ("%I:%M %p",), "time", Moment(None, time(14, 3))),
        ("12:00 AM", ("%I:%M %p",), "time", Moment(None, time(0, 0))),
        ("12:30 pm", ("%I:%M %p",), "time", Moment(None, time(12, 30))),
        ("140307.25", ("%H%M%S.%f",), "time", Moment(None, time(14, 3, 7, 250_000))),
        ("20240531", (), "date", Moment(date(2024, 5, 31))),
        ("2024-05-31", (), "date", Moment(date(2024, 5, 31))),
        ("2024:05:31 14:03:07", (), "date and time", Moment(date(2024, 5, 31), time(14, 3, 7))),
        ("202405311403", (), "date", Moment(date(2024, 5, 31), time(14, 3))),
        (
            "20240531140307.1234-1100",
            (),
            "date and time",
            Moment(date(2024, 5, 31), time(14, 3, 7, 123_400, ZONES[3])),
        ),
        ("2024-05-31T14:03:07,123456789Z", (), "time", Moment(date(2024, 5, 31), time(14, 3, 7, 123_456, UTC))),
        ("20240531", (), "date and time", Moment(date(2024, 5, 31))),
        ("14:03", (), "time", Moment(None, time(14, 3))),
        ("9:03", (), "time", Moment(None, time(9, 3))),
        ("140307", (), "time", Moment(None, time(14, 3, 7))),
        ("1403+0530", (), "time", Moment(None, time(14, 3, tzinfo=ZONES[2]))),
    ],
)  # fmt: skip
def test_dates_are_read_as_they_are_written(
    text: str, formats: tuple[str, ...], what: What, moment: Moment
) -> None:
    assert read(text, formats, what) == moment


@pytest.mark.parametrize(
    ("text", "formats", "what", "reason"),
    [
        ("31.02.2024", ("%d.%m.%Y",), "date", "'31.02.2024' is not a date written as %d.%m.%Y: day "),
        ("2024111", ("%Y%m%d",), "date", "'2024111' is not a date written as %Y%m%d"),
        ("31.05.24", ("%d.%m.%Y", "%Y-%m-%d"), "date", "written as %d.%m.%Y or %Y-%m-%d"),
        ("31.05.2024 x", ("%d.%m.%Y",), "date", "is not a date"),
        ("31.05.0000", ("%d.%m.%Y",), "date", "is not a date"),
        ("9999999", ("%Y%j",), "date", "is not a date"),
        ("2023366", ("%Y%j",), "date", "a year has no such day"),
        ("13:30 PM", ("%I:%M %p",), "time", "there are twelve hours"),
        ("1 Mai 2024", ("%d %b %Y",), "date", "'Mai' is the name of no month in English, and the site's language"),
        ("1 Ma 2024", ("%d %b %Y",), "date", "'Ma' is the name of no month"),
        ("31.05.2024", (), "date", "is not a date as in 20240531 or 2024-05-31; other forms need their format, as in dicom_date('%d.%m.%Y')"),
        ("2024-0531", (), "date", "is not a date"),
        ("2024-W22-5", (), "date", "is not a date"),
        ("20240532", (), "date", "is not a date as in 20240531 or 2024-05-31: day "),
        ("2024-05-31T25:00", (), "date and time", "hour "),
        ("20240531", (), "time", "is not a time"),
        ("14", (), "time", "is not a time"),
        ("14:00+0160", (), "time", "an hour has no such minute"),
        ("14:00+9900", (), "time", "is not a time"),
        ("1" * 5000, (), "date", "is not a date"),
    ],
)  # fmt: skip
def test_what_is_no_date_is_refused_in_words(
    text: str, formats: tuple[str, ...], what: What, reason: str
) -> None:
    with pytest.raises(ValueError, match="is not a") as raised:
        read(text, formats, what)
    assert reason in str(raised.value)
    assert len(str(raised.value)) < 300


@pytest.mark.parametrize(
    ("written", "what", "reason"),
    [
        ("%Q", "date", "'%Q' is not a format for a date: there is no %Q; there is %Y %y %m"),
        ("%-d", "date", "there is no %-"),
        ("%d.%m.%Y%", "date", "it ends with a %"),
        ("%d.%d.%Y", "date", "the day stands there twice"),
        ("%d %m %B %Y", "date", "the month stands there twice"),
        ("%d.%m.", "date", "it has no year (%Y or %y)"),
        ("%Y-%d", "date", "it has no month (%m or %B or %j)"),
        ("%Y-%m", "date and time", "it has no day (%d or %j)"),
        ("DD.MM.YYYY", "date", "it has no year"),
        ("%d.%m.%Y", "time", "it has no hour (%H or %I)"),
        ("%I:%M", "time", "%I, the hour of twelve, and %p go together"),
        ("%H:%M %p", "time", "%I, the hour of twelve, and %p go together"),
    ],
)
def test_what_is_no_format_is_refused_in_words(written: str, what: What, reason: str) -> None:
    with pytest.raises(ValueError, match="is not a format") as raised:
        compiled(written, what)
    assert reason in str(raised.value)


@given(day=st.dates(min_value=date(1000, 1, 1)), written=st.sampled_from(FORMATS))
def test_formats_mean_what_the_standard_library_means(day: date, written: str) -> None:
    text = day.strftime(written)
    assert read(text, (written,), "date").day == datetime.strptime(text, written).date()  # noqa: DTZ007


@pytest.mark.parametrize("language", LANGUAGES)
def test_months_have_the_names_of_the_sites_language(language: str) -> None:
    locale = language.replace("-", "_")
    for month in range(1, 13):
        day = date(2024, month, 5)
        for width in ("MMMM", "MMM", "LLLL", "LLL"):
            text = format_date(day, f"d. {width} y", locale=locale)
            if any(sign.isdigit() for sign in text[3:-5]):
                continue
            assert read(text, ("%d. %B %Y",), "date", language=language).day == day, text
        assert read(f"{day:%d. %b %Y}", ("%d. %b %Y",), "date", language="de").day == day


@pytest.mark.parametrize(
    ("text", "language", "month"),
    [
        ("14 FEVRIER 2024", "fr", 2), ("14 AOUT 2024", "fr", 8), ("14 DECEMBRE 2024", "fr", 12),
        ("14 FEVR. 2024", "fr", 2), ("14 Mrz 2024", "de", 3), ("14 Mrz. 2024", "de-AT", 3),
        ("14 Marz 2024", "de", 3), ("14 SRPEN 2024", "cs", 8),
    ],
)  # fmt: skip
def test_months_as_systems_write_them_that_know_no_accents(text: str, language: str, month: int) -> None:
    assert read(text, ("%d %B %Y",), "date", language=language).day == date(2024, month, 14)


def test_a_month_that_two_languages_see_differently_is_refused() -> None:
    with pytest.raises(ValueError, match="the name of several months in English and 'fi'"):
        read("5 mar 2024", ("%d %b %Y",), "date", language="fi")
    with pytest.raises(ValueError, match="the site's language 'klingon' is not known"):
        read("5 tam 2024", ("%d %b %Y",), "date", language="klingon")


def test_other_languages_are_loaded_when_a_month_needs_them() -> None:
    script = (
        "import sys; from gateway.mapping.dates import read; "
        "read('5 May 2024', ('%d %B %Y',), 'date'); read('5.5.2024', ('%d.%m.%Y',), 'date', language='de'); "
        "sys.exit('babel' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


@pytest.mark.parametrize(("pivot", "year"), [(0, 1924), (24, 1924), (25, 2024), (100, 2024)])
def test_the_pivot_is_the_first_year_of_the_last_century(pivot: int, year: int) -> None:
    assert read("31.05.24", ("%d.%m.%y",), "date", pivot=pivot).day == date(year, 5, 31)


@given(
    moment=st.datetimes(min_value=datetime(1000, 1, 1)),  # noqa: DTZ001 - local times, as devices write them
    zone=st.sampled_from(ZONES),
    spaces=st.sampled_from(["iso", "hl7", "exif"]),
)
def test_standard_forms_are_read_and_come_out_as_dicom_knows_them(
    moment: datetime, zone: Any, spaces: str
) -> None:
    moment = moment.replace(tzinfo=zone)
    offset = moment.strftime("%z")
    text = {
        "iso": moment.isoformat(),
        "hl7": f"{moment:%Y%m%d%H%M%S}.{moment.microsecond:06d}{offset}",
        "exif": f"{moment:%Y:%m:%d %H:%M:%S}.{moment.microsecond:06d}{offset}",
    }[spaces]
    found = read(text, (), "date and time")
    assert found.day is not None
    assert found.clock is not None
    assert datetime.combine(found.day, found.clock) == moment
    assert valuerep.DA(dates.da(found.day)) == moment.date()
    assert valuerep.TM(dates.tm(found.clock)) == moment.time()
    written = dates.da(found.day) + dates.tm(found.clock) + dates.offset(moment)
    assert valuerep.DT(written) == moment


@given(text=st.text(max_size=40) | st.text("0123456789.:-/TZ+ amp", max_size=30))
def test_any_text_is_a_date_or_refused_in_words(text: str) -> None:
    for formats in ((), ("%d.%m.%Y", "%d %B %y"), ("%Y%m%d%H%M%S",)):
        try:
            found = str(read(text, formats, "date", language="de").day)
        except ValueError as error:
            found = str(error)
        assert "is not a date" in found or valuerep.DA(found.replace("-", "")) is not None


@given(written=st.text(max_size=12) | st.text("%YymdBbjHIMSfpzAa. ", max_size=14))
def test_any_text_is_a_format_or_refused_in_words(written: str) -> None:
    try:
        found = compiled(written, "date").pattern
    except ValueError as error:
        found = str(error)
    assert "is not a format for a date: " in found or "(?P<Y>" in found or "(?P<y>" in found


@pytest.mark.parametrize(
    ("born", "day", "age"),
    [
        (date(1979, 5, 31), date(2024, 5, 30), "044Y"),
        (date(1979, 5, 31), date(2024, 5, 31), "045Y"),
        (date(2022, 5, 31), date(2024, 5, 31), "002Y"),
        (date(2022, 6, 1), date(2024, 5, 31), "023M"),
        (date(2024, 4, 30), date(2024, 5, 30), "001M"),
        (date(2024, 5, 1), date(2024, 5, 31), "030D"),
        (date(2024, 5, 31), date(2024, 5, 31), "000D"),
        (date(1, 1, 1), date(2024, 1, 1), "999Y"),
    ],
)
def test_ages_are_told_in_years_months_or_days(born: date, day: date, age: str) -> None:
    assert dates.age(born, day) == age
    assert valuerep.validate_value("AS", age, valuerep.config.RAISE) is None


def test_nobody_is_examined_before_birth() -> None:
    with pytest.raises(ValueError, match="the birth date 2024-06-01 is after the day 2024-05-31"):
        dates.age(date(2024, 6, 1), date(2024, 5, 31))


def test_a_moment_is_told_by_the_clocks_of_the_site() -> None:
    moment = datetime(2024, 5, 31, 23, 30, tzinfo=UTC)
    assert dates.local(moment, "Europe/Berlin").isoformat() == "2024-06-01T01:30:00+02:00"
    assert dates.local(moment, "") is moment
    naive = moment.replace(tzinfo=None)
    assert dates.local(naive, "Europe/Berlin") is naive
    for name in ("Europe/Atlantis", "../etc/passwd"):
        with pytest.raises(ValueError, match="is not known: give one such as Europe/Berlin"):
            dates.local(moment, name)
