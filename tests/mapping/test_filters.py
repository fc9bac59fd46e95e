# ruff: noqa: E501 - tables of cases are read best with a case a line
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta, timezone
from typing import Any

import pytest
from pydicom.valuerep import PersonName

from gateway.config import Site
from gateway.mapping.expressions import parse
from gateway.mapping.filters import FILTERS, MAPS, SITE, TODAY
from gateway.nodes import Fault, Place, Text

MOMENT = datetime(2024, 5, 31, 14, 3, 7, 250_000, tzinfo=timezone(timedelta(hours=5, minutes=30)))
CONTEXT = {
    MAPS: {
        "eye": {"OD": "R", "OS": "L", "OU": "B"},
        "part": {"1": "SCT:39937001:Skin", "path": "a\\b^c=d"},
        "cases": {"a": "small", "A": "large"},
        "accents": {"\u00c4": "yes"},
        "many": {f"key{number}": "" for number in range(200)},
    },
    SITE: Site(language="de", timezone="Europe/Berlin"),
    TODAY: date(2024, 6, 1),
}


def complaints(expression: str) -> list[str]:
    """The faults that are found in `{{ x.v | ... }}` when it is read."""
    faults: list[Fault] = []
    parse(Text(Place("m.yaml", 1, 1), f"{{{{ x.v | {expression} }}}}", 1), faults)
    return [fault.message for fault in faults]


def apply(
    expression: str, value: Any, *, vr: str | None = None, context: Mapping[str, Any] = CONTEXT
) -> tuple[str, list[str]]:
    """What `{{ x.v | ... }}` comes to, and the remarks that are made on it."""
    faults: list[Fault] = []
    template = parse(Text(Place("m.yaml", 1, 1), f"{{{{ x.v | {expression} }}}}", 1), faults)
    assert faults == []
    remarks: list[str] = []
    return template.render({**context, "x": {"v": value, "w": "W"}}, remarks, vr).text, remarks


def failure(expression: str, value: Any, vr: str | None = None) -> str:
    with pytest.raises(ValueError, match=r"^\{\{ x\.v") as raised:
        apply(expression, value, vr=vr)
    return str(raised.value)


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
        ("dicom_time", MOMENT, "103307.250000"),
        ("dicom_time", MOMENT.replace(tzinfo=None), "140307.250000"),
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
        ("dicom_datetime", "20240531", "20240531"),
        ("dicom_datetime", date(2024, 5, 31), "20240531"),
        ("dicom_datetime", "20240531140307.25-0500", "20240531140307.250000-0500"),
        ("dicom_datetime", "2024-05-31T14:03-00:00", "20240531140300+0000"),
        ("dicom_date('%d. %B %Y')", "5. März 2024", "20240305"),
        ("dicom_date('%d. %b %Y')", "5. Dez 2024", "20241205"),
        ("dicom_date('%d.%m.%y', pivot=30)", "31.05.29", "20290531"),
        ("dicom_date('%d.%m.%y', pivot=30)", "31.05.30", "19300531"),
        ("dicom_date('%d.%m.%y', pivot=30, birth=true)", "31.05.29", "19290531"),
        ("dicom_date('%d.%m.%y', pivot=30, birth=true)", "29.02.28", "19280229"),
        ("dicom_date('%d.%m.%y', pivot=30, birth=true)", "31.05.24", "20240531"),
        ("dicom_date(birth=true)", "20240602", "20240602"),
        ("dicom_date(birth=true)", "1979-05-31T00:00:00+03:00", "19790531"),
        ("dicom_date('%d.%m.%Y', never=['01.01.1900', '99991231'])", "01.01.1900", ""),
        ("dicom_date('%d.%m.%Y', never=['01.01.1900', '99991231'])", "31.12.9999", ""),
        ("dicom_date('%d.%m.%Y', never=['01.01.1900', '99991231'])", "02.01.1900", "19000102"),
        ("dicom_date(never=['1900-01-01', 'unknown'])", " Unknown ", ""),
        ("dicom_date(never='19000101')", date(1900, 1, 1), ""),
        ("dicom_time(never='00:00')", "00:00", ""),
        ("dicom_datetime(never=('99991231', ))", "99991231235959", ""),
        ("dicom_date", "2024-05-31T23:30:00Z", "20240601"),
        ("dicom_time", "2024-05-31T23:30:00Z", "013000"),
        ("dicom_time", "23:30Z", "233000"),
        ("age('20240531')", "19790531", "045Y"),
        ("age(x.w | default('') | replace('W', '2024-05-31'))", date(2024, 5, 1), "030D"),
        ("age('')", "19790531", ""),
        ("pick('eye')", "OD", "R"),
        ("pick('eye')", " od ", "R"),
        ("pick('accents')", "A\u0308", "yes"),
        ("pick('accents')", "a\u0308", "yes"),
        ("pick('cases')", "a", "small"),
        ("pick('cases')", "A", "large"),
        ("pick('eye', 'U')", "XX", "U"),
        ("pick('eye', default=x.w)", "XX", "W"),
        ("pick('eye', '')", "XX", ""),
        ("pick('eye', 'U')", None, "U"),
        ("pick('part')", 1, "SCT:39937001:Skin"),
        ("clean", " a^b\\c ==\td\x00\ud800 ", "a b c d"),
        ("clean", 12, "12"),
        ("part('_')", "4711_L_02", "4711"),
        ("part('_', 1)", "4711_L_02", "L"),
        ("part('_', -1)", "4711_L_ 02 ", "02"),
        ("part('_', 9)", "4711_L_02", ""),
        ("part('_', -9)", "4711_L_02", ""),
        ("match('[0-9]{7}')", "MRN 4711001 left", "4711001"),
        ("match('MRN ([0-9]+)')", "MRN 4711001 left", "4711001"),
        ("match('(a)|b')", "b", ""),
        (r"match('\\b(\\d+)')", "MRN 4711001", "4711001"),
        ("match('0*(.*)')", "0004711", "4711"),
        ("match('x')", "abc", ""),
        ("digits", "MRN 47-11/001", "4711001"),
        ("digits", "٣", ""),
        ("pad(8)", "4711", "00004711"),
        ("pad(8)", 4711, "00004711"),
        ("pad(2)", "4711", "4711"),
        ("join(', ')", ["a", None, "", "b", 3], "a, b, 3"),
        ("join(', ')", ("a",), "a"),
        ("join(', ')", "a", "a"),
        ("join('')", [], ""),
    ],
)
def test_filters_do_what_they_say(expression: str, value: Any, result: str) -> None:
    assert apply(expression, value)[0] == result


ARGUMENTS = {
    "age": "('20240531')", "default": "('')", "fit": "('LO')", "join": "(',')", "match": "('a')", "pad": "(8)",
    "part": "('_')", "pick": "('eye')", "replace": "('a', 'b')",
}  # fmt: skip


@pytest.mark.parametrize("expression", [name + ARGUMENTS.get(name, "") for name in FILTERS])
@pytest.mark.parametrize("value", [None, ""])
def test_nothing_goes_through_every_filter(expression: str, value: str | None) -> None:
    assert apply(expression, value) == ("", [])


@pytest.mark.parametrize(
    ("expression", "value", "reason"),
    [
        (
            "dicom_date",
            "31.05.2024",
            "'31.05.2024' is not a date as in 20240531 or 2024-05-31; other forms need their format",
        ),
        ("dicom_date('%d.%m.%Y')", "31.02.2024", "'31.02.2024' is not a date written as %d.%m.%Y: day "),
        (
            "dicom_date('%d.%m.%y', birth=true)",
            "31.05.29",
            "2029-05-31 is to come and cannot be a birth date: give pivot=",
        ),
        ("dicom_date(birth=true, pivot=30)", "20240603", "2024-06-03 is to come and cannot be a birth date"),
        ("dicom_date('%d.%m.%Y', x.w)", "x", "'W' is not a format"),
        ("dicom_time", "2 o'clock", "is not a time as in"),
        (
            "dicom_datetime",
            "yesterday",
            "is not a date and time as in 20240531143000 or 2024-05-31T14:30:00+02:00",
        ),
        ("dicom_date(birth=true)", ["19790531"], "one value is expected here"),
        ("age('19790530')", "19790531", "the birth date 1979-05-31 is after the day 1979-05-30"),
        ("replace(x.v | replace('abc', ''), 'x')", "abc", "needs a text to look for"),
        ("part(x.v | replace('abc', ''))", "abc", "needs the text that separates"),
        ("pad(x.w)", "abc", "pad takes a number of digits up to 64, not 'W'"),
        ("match(x.w | replace('W', '['))", "abc", "'[' is not a regular expression"),
        ("match('a')", "b" * 10_241, "at most 10,240 characters, and this has 10,241"),
        ("join(',')", [["a"]], "one value is expected here"),
        ("join('x' | pad(2))", ["a"] * 6000, "more than 10,240 characters"),
        (
            "pick('eye')",
            "XX",
            "the map 'eye' has no 'XX'; it has OD, OS, OU: add it, or give a default, as in pick('eye', '')",
        ),
        ("pick('many')", "XX", "key11 and 188 more"),
        ("pick('cases')", "\u0061\u0301", "the map 'cases' has no"),
        ("pick('ear')", "XX", "there is no map 'ear'; there is accents, cases, eye, many, part"),
        (
            "person_name('Anna')",
            "Mül=ler",
            "the family part of the name is 'Mül=ler', and = cannot stand in one",
        ),
        ("person_name(given=x.w, ideographic='山田^太郎' ~ x.v)", "M^", "cannot stand in one"),
        ("person_name('b' | pad(60))", "Müller", "has 67 characters, and a group of a name has 64 at most"),
        ("dicom_name", "a^b^c^d^e^f", "more than five components"),
        ("dicom_name(form='family, given')", "a, b, c", "more than one comma"),
        ("upper", {"a": 1}, "one value is expected here"),
    ],
)
def test_what_a_filter_cannot_use_is_said(expression: str, value: Any, reason: str) -> None:
    assert reason in failure(expression, value)


@pytest.mark.parametrize(
    ("expression", "complaint"),
    [
        ("dicom_date('%Q')", "'%Q' is not a format for a date: there is no %Q"),
        ("dicom_date('%d.%m.%Y', '%d')", "'%d' is not a format for a date: it has no year"),
        ("dicom_date('%d%')", "it ends with a %"),
        ("dicom_time('%d.%m.%Y')", "'%d.%m.%Y' is not a format for a time: it has no hour (%H or %I)"),
        ("dicom_datetime('%H:%M')", "'%H:%M' is not a format for a date and time: it has no year"),
        ("dicom_date(pivott=3)", "dicom_date has no 'pivott'; did you mean pivot?"),
        ("dicom_date(pivot='30')", "pivot is the first of the two digits that mean 19.., 0 to 100, not '30'"),
        ("dicom_date(pivot=1930)", "not 1930"),
        ("dicom_date(birth='yes')", "birth is true or false, not 'yes'"),
        ("dicom_date(*x)", "dicom_date takes its arguments one by one"),
        ("dicom_name(form='first last')", "there is no form 'first last' of names"),
        ("fit('PN')", "fit knows SH, LO, ST, LT, not PN"),
        ("fit", "fit takes (vr): missing a required argument: 'vr'"),
        ("upper('x')", "upper takes (): too many positional arguments"),
        ("replace('', 'x')", "what to replace is a text in quotes that is not empty"),
        ("part('')", "what separates parts is a text in quotes that is not empty"),
        ("part('_', '1')", "part counts from 0, and '1' is no number"),
        ("pad(999999999)", "pad takes a number of digits up to 64, not 999999999"),
        ("match('(')", "'(' is not a regular expression: missing )"),
        ("match('(a+)+$')", "repeats what is repeated already"),
        ("match(1)", "a regular expression is a text in quotes"),
        (
            r"match('\bMRN (\d+)')",
            r"the control character '\x08' in it, which is what quotes in an expression make",
        ),
        (r"match('(.)\1')", r"of a single backslash: write two, as in \\b or \\1"),
        ("dicom_date(1)", "a format is a text in quotes"),
        ("pick()", "pick takes (name, default): missing a required argument: 'name'"),
        ("pick(x.v)", "pick takes the name of a map in quotes, as in pick('eye')"),
        ("pick(1)", "the name of a map is a text in quotes"),
    ],
)
def test_arguments_are_looked_at_when_they_are_read(expression: str, complaint: str) -> None:
    found = complaints(expression)
    assert len(found) == 1
    assert complaint in found[0]


def test_arguments_that_facts_decide_are_looked_at_later() -> None:
    assert complaints("dicom_date(x.format, pivot=x.pivot) | pad(x.width)") == []


def test_a_fault_in_an_argument_has_the_place_of_its_filter() -> None:
    faults: list[Fault] = []
    parse(Text(Place("m.yaml", 4, 9), "at {{ path.day | trim | dicom_date('%d.%m') }}", 1), faults)
    assert [str(fault) for fault in faults] == [
        "m.yaml:4:34: '%d.%m' is not a format for a date: it has no year (%Y or %y)"
    ]


def test_a_birth_date_is_compared_with_the_day_it_is_where_nobody_says_which() -> None:
    tomorrow = datetime.now(UTC).date() + timedelta(days=1)
    assert apply("dicom_date(birth=true)", tomorrow, context={})[0] == f"{tomorrow:%Y%m%d}"
    with pytest.raises(ValueError, match="is to come"):
        apply("dicom_date(birth=true)", date(9999, 1, 1), context={})


@pytest.mark.parametrize(
    ("expression", "value", "name"),
    [
        ("person_name('Anna')", "Müller", "Müller^Anna"),
        (
            "person_name(given='Anna', middle='Maria', prefix='Dr.', suffix='MSc')",
            "Müller",
            "Müller^Anna^Maria^Dr.^MSc",
        ),
        ("person_name(given=x.none | default(none))", "Müller", "Müller"),
        (
            "person_name('Tarou', ideographic='山田' | person_name('太郎'), phonetic='やまだ' | person_name('たろう'))",
            "Yamada",
            "Yamada^Tarou=山田^太郎=やまだ^たろう",
        ),
        (
            "dicom_name | person_name(ideographic='山田 太郎' | dicom_name(form='family given'))",
            "Yamada^Tarou",
            "Yamada^Tarou=山田^太郎",
        ),
        ("person_name(ideographic='山田')", None, "=山田"),
        ("dicom_name", " Müller ^Anna", "Müller^Anna"),
        ("dicom_name('family, given') | upper", "Müller, Anna", "MÜLLER^ANNA"),
        ("dicom_name(form='given family') | default('x') | trim", "Anna von Stein", "von Stein^Anna"),
    ],
)
def test_names_are_made_of_their_parts(expression: str, value: Any, name: str) -> None:
    text, _ = apply(expression, value, vr="PN")
    assert text == name
    assert str(PersonName(text)) == name


@pytest.mark.parametrize(
    ("expression", "value", "vr", "result"),
    [
        ("trim", "a\\b", "LT", "a\\b"),
        ("trim", "a^b=c", "LO", "a^b=c"),
        ("clean", "a\\b", "LO", "a b"),
        ("clean", "a^b", "PN", "a b"),
        ("pick('part')", "path", "PN", "a\\b^c=d"),
        ("replace(', ', '^')", "Müller, Anna", "PN", "Müller^Anna"),
        ("default('') ~ '^' ~ x.w", "Müller", "PN", "Müller^W"),
        ("default('') + '^' + x.w", "Müller", "PN", "Müller^W"),
        ("join('\\\\')", ["ORIGINAL", "PRIMARY"], "CS", "ORIGINAL\\PRIMARY"),
        ("default('Müller^Anna')", None, "PN", "Müller^Anna"),
        ("default('') and 'Unknown^' ~ x.w", "x", "PN", "Unknown^W"),
    ],
)
def test_separators_that_a_mapping_writes_are_meant(
    expression: str, value: Any, vr: str, result: str
) -> None:
    assert apply(expression, value, vr=vr)[0] == result


@pytest.mark.parametrize(
    ("expression", "value", "vr", "reason"),
    [
        ("trim", "a\\b", "LO", "comes to 'a\\\\b', and a backslash separates values: add | clean"),
        ("trim", "a\\b", "PN", "a backslash separates values"),
        (
            "trim",
            "Doe^John",
            "PN",
            "^ separates the parts of a name: add | dicom_name if it is a whole one, or | clean",
        ),
        ("trim", "Doe=X", "PN", "= separates the parts of a name"),
        ("default('') ~ '^' ~ x.w", "a^b", "PN", "^ separates"),
        ("replace('b', '^')", "a^b", "PN", "^ separates"),
        ("default('x^y')", "a^b", "PN", "^ separates"),
        ("pick('eye', x.v)", "a\\b", "LO", "a backslash separates"),
        ("join(',')", ["a", "b\\c"], "LO", "a backslash separates"),
        ("upper", "a^b", "PN", "^ separates"),
    ],
)
def test_separators_that_data_brings_are_refused(expression: str, value: Any, vr: str, reason: str) -> None:
    assert reason in failure(expression, value, vr)


def test_what_files_say_is_made_to_fit_with_a_remark() -> None:
    assert apply("fit('LO')", "Ca\u0301mera  One ") == ("Cámera One", [])
    assert apply("fit('LO')", "a\\b\x00c\ud800")[0] == "a b c"
    assert apply("fit('LO')", "a\\b")[1] == ["characters that LO does not permit became spaces"]
    assert apply("fit('ST')", "a\\b") == ("a\\b", [])
    text, remarks = apply("fit('SH')", "123456789012345 7890")
    assert text == "123456789012345"
    assert remarks == ["the text was cut to 16 characters, the most that SH holds"]
