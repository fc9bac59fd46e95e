from datetime import UTC, date, datetime, time, timedelta, timezone
from typing import Any

import pytest

from gateway.mapping.expressions import parse
from gateway.nodes import Fault, Place, Text

MOMENT = datetime(2024, 5, 31, 14, 3, 7, 250_000, tzinfo=timezone(timedelta(hours=5, minutes=30)))


def apply(expression: str, value: Any) -> tuple[str, list[str]]:
    """What `{{ x.v | ... }}` comes to, and the remarks that are made on it."""
    faults: list[Fault] = []
    template = parse(Text(Place("m.yaml", 1, 1), f"{{{{ x.v | {expression} }}}}", 1), faults)
    assert faults == []
    remarks: list[str] = []
    return template.render({"x": {"v": value}}, remarks).text, remarks


@pytest.mark.parametrize(
    ("expression", "value", "result"),
    [
        ("upper", "straße", "STRASSE"),
        ("lower", "ABC", "abc"),
        ("trim", "  a b ", "a b"),
        ("replace('_', ' ')", "a_b_c", "a b c"),
        ("default('x')", None, "x"),
        ("default('x')", "", "x"),
        ("default('x')", "a", "a"),
        ("default(0)", None, "0"),
        ("upper", 12, "12"),
        ("keep_empty", None, ""),
        ("dicom_date", MOMENT, "20240531"),
        ("dicom_date", date(980, 1, 2), "09800102"),
        ("dicom_date", "2024-05-31", "20240531"),
        ("dicom_date", "20240531", "20240531"),
        ("dicom_date('%d.%m.%Y')", "31.05.2024", "20240531"),
        ("dicom_date('%d.%m.%Y', '%Y/%m/%d')", " 2024/5/31 ", "20240531"),
        ("dicom_time", MOMENT, "140307.250000"),
        ("dicom_time", time(1, 2), "010200"),
        ("dicom_time", "14:03", "140300"),
        ("dicom_time('%I:%M %p')", "02:03 PM", "140300"),
        ("dicom_datetime", MOMENT, "20240531140307.250000+0530"),
        ("dicom_datetime", datetime(2024, 5, 31, 14, 3), "20240531140300"),  # noqa: DTZ001 - local time, as cameras say it
        ("dicom_datetime", datetime(2024, 5, 31, tzinfo=UTC), "20240531000000+0000"),
        (
            "dicom_datetime",
            MOMENT.replace(tzinfo=timezone(-timedelta(hours=3, minutes=30))),
            "20240531140307.250000-0330",
        ),
        ("dicom_datetime", "2024-05-31T14:03:07Z", "20240531140307+0000"),
        ("dicom_datetime('%d%m%y %H%M')", "310524 1403", "20240531140300"),
    ],
)
def test_filters_do_what_they_say(expression: str, value: Any, result: str) -> None:
    assert apply(expression, value)[0] == result


@pytest.mark.parametrize(
    "expression",
    [
        "upper",
        "lower",
        "trim",
        "replace('a', 'b')",
        "dicom_date",
        "dicom_time",
        "dicom_datetime",
        "fit('LO')",
        "keep_empty",
    ],
)
@pytest.mark.parametrize("value", [None, ""])
def test_nothing_goes_through_every_filter(expression: str, value: str | None) -> None:
    assert apply(expression, value) == ("", [])


@pytest.mark.parametrize(
    ("expression", "value", "reason"),
    [
        ("dicom_date", "31.05.2024", "'31.05.2024' is not a date written as %Y%m%d or %Y-%m-%d"),
        ("dicom_date('%d.%m.%Y')", "30.02.2024", "not a date written as %d.%m.%Y"),
        ("dicom_date('%d.%m.%Y')", "31.05.2024 x", "not a date written as %d.%m.%Y"),
        ("dicom_date('%Q')", "x", "'%Q' is not a format"),
        ("dicom_date('%d%')", "01%", "'%d%' is not a format"),
        ("dicom_date('%d %d')", "1 1", "'%d %d' is not a format"),
        ("dicom_time", "2 o'clock", "is not a time written as"),
        ("dicom_datetime", "yesterday", "is not a date and time as in 2024-05-31T14:30:00"),
        ("replace('', 'x')", "abc", "needs a text to look for"),
        ("fit('PN')", "abc", "fit knows SH, LO, ST, LT, not PN"),
        ("upper", {"a": 1}, "one value is expected here"),
    ],
)
def test_what_a_filter_cannot_use_is_said(expression: str, value: Any, reason: str) -> None:
    with pytest.raises(ValueError, match="fails") as raised:
        apply(expression, value)
    assert reason in str(raised.value)


def test_what_files_say_is_made_to_fit_with_a_remark() -> None:
    assert apply("fit('LO')", "Ca\u0301mera  One ") == ("Cámera One", [])
    assert apply("fit('LO')", "a\\b\x00c\ud800")[0] == "a b c"
    assert apply("fit('LO')", "a\\b")[1] == ["characters that LO does not permit became spaces"]
    assert apply("fit('ST')", "a\\b") == ("a\\b", [])
    text, remarks = apply("fit('SH')", "123456789012345 7890")
    assert text == "123456789012345"
    assert remarks == ["the text was cut to 16 characters, the most that SH holds"]
