# ruff: noqa: E501 - tables of cases are read best with a case a line
import resource
import time
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.config import Site
from gateway.mapping.expressions import LIMIT, Template, check, literal, parse
from gateway.mapping.filters import MAPS, REMARKS, SITE, TODAY
from gateway.nodes import Fault, Place, Text

FACTS: Mapping[str, Any] = {
    "path": {"mrn": "4711", "side": None, "back": r"a\b", "items": "a group called items", "n": "3"},
    "exif": {"make": "Canon", "orientation": 1, "captured": datetime(2024, 5, 31, 14, 30, tzinfo=UTC)},
    "sidecar": {
        "patient": {"id": "4711", "names": ["Doe", "John"], "address": None},
        "series": [{"number": 1}, {"number": 2.5}],
        "valid": True,
        "born": date(1979, 5, 31),
    },
    "result": {"text": "a table called result"},
}
KNOWN = {source: None if source == "sidecar" else tuple(facts) for source, facts in FACTS.items()}
SIGNS = "()[]{}.|~+-*/%'\",:=<>!&#ab01 \\\n"
WORDS = (
    "path", ".mrn", "exif", " if ", " else ", " not ", " in ", " is ", "**", "//", " upper", "|replace", "default",
    "__class__", "range", "loop", "self", "true", "none", "{{", "}}", "{%", "sidecar", ".patient", ".names", "|join(',')",
    "|dicom_date", "('%d.%m.%Y')", "(birth=true)", "|person_name(", "given=", "|dicom_name", "|pad(", "|part('_'", "|match('(",
    "|pick('eye'", "|clean", "|fit('LO')", "|age(", "|digits", "~", "[0]", "[::2]", "*x", "**x",
)  # fmt: skip
CODE = st.lists(st.sampled_from([*SIGNS, *WORDS]), max_size=60).map("".join)


def template(text: str, faults: list[Fault] | None = None) -> Template:
    found: list[Fault] = [] if faults is None else faults
    parsed = parse(Text(Place("m.yaml", 1, 10), text, 1), found)
    assert faults is not None or found == []
    return parsed


def rendered(text: str) -> str:
    return template(text).render(FACTS, []).text


def complaints(text: str) -> list[str]:
    faults: list[Fault] = []
    check(template(text, faults).expressions, KNOWN, faults)
    return [str(fault) for fault in faults]


def failure(text: str) -> str:
    with pytest.raises(ValueError) as raised:  # noqa: PT011 - the text is what is looked at
        rendered(text)
    return str(raised.value)


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("plain", "plain"),
        ("{{ path.mrn }}", "4711"),
        ("MRN {{path.mrn}}!", "MRN 4711!"),
        ("{{ path['mrn'] }}{{ exif.orientation }}", "47111"),
        ("{{ path.mrn[:2] }}", "47"),
        ("{{ path.mrn[0] }}", "4"),
        ("{{ path.side }}", ""),
        ("{{ path.items }}", "a group called items"),
        ("{{ path.side | default('U') }}", "U"),
        ("{{ 'R' if path.mrn == '4711' else 'L' }}", "R"),
        ("{{ path.mrn ~ '-' ~ path.side ~ 1 }}", "4711-1"),
        ("{{ '}}' }}{{ '{{' }}{{ \"it's\" }}", "}}{{it's"),
        ("{{ 1 + 2 * 3 }}", "7"),
        ("{{ 7 % 4 }}{{ 2 ** 3 }}{{ 7 // 2 }}", "383"),
        ("{{ 'a' in path.mrn }}", "False"),
        ("{{ 'x' if path.side }}", ""),
        ("{{ path.mrn is defined and path.side is none }}", "True"),
        ("}} and } and { are text", "}} and } and { are text"),
        ("{{ sidecar.patient.id }}{{ sidecar['patient']['id'] }}", "47114711"),
        ("{{ sidecar.patient.names[0] }}{{ sidecar.patient.names[-1][:2] }}", "DoeJo"),
        ("{{ sidecar.patient.names | join('^') }}{{ sidecar.series[1].number }}", "Doe^John2.5"),
        ("{{ sidecar.patient.names[5] | default('none') }}{{ sidecar.patient.address }}", "none"),
        ("{{ sidecar.a.b[0].c | default('none') }}{{ sidecar.a.b is defined }}", "noneFalse"),
        ("{{ 'Doe' in sidecar.patient.names }}{{ 'yes' if sidecar.valid }}", "Trueyes"),
        ("{{ sidecar.born | dicom_date }}{{ (exif.captured | dicom_date)[:4] }}", "197905312024"),
        ("{{ result.text }}", "a table called result"),
        ("{{ 'a' + 'b' }}{{ 1 + 2.5 }}", "ab3.5"),
        ("{{ 'a' if 1 < 2 <= 2 and not 3 in [1, 2] else 'b' }}", "a"),
        ("", ""),
    ],
)
def test_expressions_come_to_text(text: str, result: str) -> None:
    assert complaints(text) == []
    assert rendered(text) == result


def test_a_text_knows_whether_its_expressions_said_anything() -> None:
    assert template("plain").render(FACTS, []).said is None
    assert template("x {{ path.side }}").render(FACTS, []).said is False
    assert template("{{ path.side }}{{ path.mrn }}").render(FACTS, []).said is True
    assert template("{{ path.side | keep_empty }}").render(FACTS, []).said is True


def test_only_the_texts_own_backslashes_separate() -> None:
    parts = template(r"x\{{ path.back }}y\\{{ 'a\\b' }}").split("\\")
    assert [part.render(FACTS, []).text for part in parts] == ["x", r"a\by", "", r"a\b"]
    assert [part.literal for part in literal("a:b:c:d").split(":", 2)] == ["a", "b", "c:d"]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("{{ pth.mrn }}", "m.yaml:1:14: there is no 'pth' here; did you mean path?"),
        ("{{ row.mrn }}", "m.yaml:1:14: there is no 'row' here; there is exif, path, result, sidecar"),
        ("x{{ path.mrm }}", "m.yaml:1:20: path has no 'mrm'; did you mean mrn?"),
        ("{{ exif['mak'] }}", "m.yaml:1:20: exif has no 'mak'; did you mean make?"),
        ("{{ exif.zzz }}", "m.yaml:1:19: exif has no 'zzz'; there is captured, make, orientation"),
        ("{{ path.mrn | uper }}", "m.yaml:1:25: there is no filter 'uper'; did you mean upper?"),
        ("{{ path.mrn is odd }}", "m.yaml:1:26: there is no test 'odd'; there is defined, none"),
        ("{% if x %}", "m.yaml:1:11: statements ({% %}) are not possible: write {{ 'L' if path.eye == '1' else 'R' }}"),
        ("a {# b #}", "m.yaml:1:13: comments in a text ({# #}) are not possible: write a comment behind a # outside of it"),
        ("a {{ b", "m.yaml:1:13: the {{ that begins here has no }} behind it: close it"),
        ("{{ 'a }}", "m.yaml:1:11: a quote is not closed, in {{ 'a }}"),
        ("{{ }}", "m.yaml:1:11: there is nothing between {{ and }}, in {{ }}"),
        ("{{ path. }}", "m.yaml:1:11: expected name or number, in {{ path. }}"),
        ("{{ path.mrn path.n }}", "m.yaml:1:11: 'path' is not expected here, in {{ path.mrn path.n }}"),
        ("{{- path.mrn }}", "m.yaml:1:11: {{- is not possible: write a space behind {{, in {{- path.mrn }}"),
        ("{{ path.mrn() }}", "m.yaml:1:11: nothing can be called: use a filter, as in {{ path.side | upper }}"),
        ("{{ path.mrn | dicom_date('%Q') }}", "m.yaml:1:25: '%Q' is not a format for a date: there is no %Q; there is %Y %y %m %d %B %b %j %H %I %M %S %f %p %z %A %a"),
        ("{{ path.mrn | pad }}", "m.yaml:1:25: pad takes (width): missing a required argument: 'width'"),
        ("{{ path.mrn | meant }}", "m.yaml:1:25: there is no filter 'meant'; did you mean match?"),
        ("{{ {'a': 1} }}", "m.yaml:1:11: dict is not possible in an expression"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_found_when_it_is_read(text: str, complaint: str) -> None:
    assert complaint in complaints(text)


def test_an_expression_with_two_mistakes_has_two_faults() -> None:
    assert complaints("{{ exif.mak | uper }}") == [
        "m.yaml:1:25: there is no filter 'uper'; did you mean upper?",
        "m.yaml:1:19: exif has no 'mak'; did you mean make?",
    ]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{{ exif[path.mrn] }}", "there is no '4711'; there is captured, make, orientation"),
        ("{{ sidecar.patient.idd }}", "there is no 'idd'; did you mean id?"),
        ("{{ sidecar.patent.id }}", "there is no 'patent'; did you mean patient?"),
        ("{{ sidecar.patient.names }}", "the result is a list and not a value"),
        ("{{ sidecar.patient | upper }}", "one value is expected here, not a table or list of them"),
        ("{{ sidecar.patient.names.first }}", "a list has nothing called 'first'"),
        ("{{ sidecar.patient.address.street }}", "nothing has nothing called 'street'"),
        ("{{ sidecar.a * 2 }}", "there is no 'a'"),
        ("{{ path.mrn + 1 }}", "+ is for numbers, and text is none; ~ puts texts together"),
        ("{{ path.side + path.mrn }}", "+ is for numbers, and nothing is none; ~ puts texts together"),
        ("{{ path.mrn[9] }}", "text has no such part"),
        ("{{ exif.captured }}", "this is a date: say how to write it, with | dicom_date"),
        ("{{ exif }}", "the result is a table of facts and not a value"),
        ("{{ path.mrn / 2 }}", "unsupported operand"),
        ("{{ path.side.x }}", "nothing has nothing called 'x'"),
        ("{{ 1 / 0 }}", "division by zero"),
        ("{{ path.mrn.upper }}", "text has nothing called 'upper'"),
        ("{{ path.mrn['__class__'] }}", "text has nothing called '__class__'"),
        ("{{ exif.captured.year }}", "a date or time has nothing called 'year'"),
    ],
)
def test_what_depends_on_the_file_fails_in_words(text: str, reason: str) -> None:
    assert reason in failure(text)
    assert failure(text).startswith(text)


@pytest.mark.parametrize(
    "text",
    [
        "{{ 'a' * 900000000 }}",
        "{{ 'a' | pad(900000000) }}",
        "{{ [path.mrn, path.mrn, path.mrn] | join('"
        + "a" * 6000
        + "') ~ path.mrn | join('"
        + "a" * 3000
        + "') }}",
        "{{ path.mrn | attr('__class__') }}",
        "{{ path.mrn['__class__'] }}",
        "{{ sidecar.patient.names.__class__.__base__.__subclasses__ }}",
        "{{ exif.captured.__class__ }}",
        "{{ exif.captured.__reduce__ }}",
        "{{ ('a' | upper).__init__.__globals__ }}",
        "{{ path.mrn.__add__ }}",
        "{{ '{0.__class__.__mro__}'.format(path) }}",
        "{{ '{:0999999999}' | format(1) }}",
        "{{ '%c' % 'a' }}",
        "{{ '%s' * 1 % path }}",
        "{{ path.mrn[::0] }}",
        "{{ path.mrn[0:'a'] }}",
        "{{ 2 ** 64 ** 64 }}",
        "{{ 1e308 * 1e308 }}",
        "{{ 9223372036854775807 + 9223372036854775807 }}",
        "{{ '" + "9" * 5000 + "' * " + "9" * 5000 + " }}",
        "{{ " + " ~ ".join(["('" + "a" * 90 + "' | replace('a', '" + "b" * 90 + "'))"] * 20) + " }}",
        "{{ " + "[" * 1000 + "]" * 1000 + " }}",
        "{{ path.mrn" + " | upper" * 2000 + " }}",
        "{{ path" + ".mrn" * 3000 + " }}",
        "{{ path" + "['mrn']" * 120 + " }}",
        "{{ " + "path.mrn if 1 else " * 150 + "1 }}",
        "{{ 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!' | match('(a+)+$') }}",
        "{{ ' maps' }}{{  maps }}{{ range(99999) }}",
        "{{ joiner('a')() }}",
        "{{ namespace(a=1) }}",
        "{{ caller() }}",
        "{{ varargs }}",
        "{{ loop.index }}",
        "{{ path.mrn is callable }}",
        "{{ path | list }}",
        "{{ path | tojson }}",
        "{{ path | pprint }}",
        "{{ path.mrn | safe }}",
        "{{ 900000000 * 'a' }}",
        "{{ [1] * 900000000 }}",
        "{{ '%0999999999d' % 1 }}",
        "{{ '%0999999999d' | format(1) }}",
        "{{ 'a'.center(500000000) }}",
        "{{ 'a' | center(500000000) }}",
        "{{ 'a'.format(1) }}",
        "{{ 9 ** 9 ** 9 ** 9 }}",
        "{{ 9999999999 * 9999999999 * 9999999999 }}",
        "{{ (-1) ** 0.5 }}",
        "{% for a in range(99999) %}{% for b in range(99999) %}x{% endfor %}{% endfor %}",
        "{{ range(99999) | map('upper') | join }}",
        "{{ lipsum(9999) }}",
        "{{ cycler.__init__.__globals__ }}",
        "{{ self.__init__ }}",
        "{{ ''.__class__.__mro__ }}",
        "{{ path['__class__']['__mro__'] }}",
        "{{ ('a' | replace('a', '" + "a" * 5000 + "')) | replace('a', '" + "b" * 3000 + "') }}",
        "{{ " + "(" * 3000 + "1" + ")" * 3000 + " }}",
        "{{ " + "1+" * 4000 + "1 }}",
        "{{ " + "not " * 2000 + "1 }}",
        "{{ " + "9" * 6000 + " }}",
        "{{ '" + "a" * 9000 + "' ~ '" + "b" * 9000 + "' }}",
    ],
)
def test_hostile_expressions_are_refused_at_no_cost(text: str) -> None:
    began, memory = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    faults: list[Fault] = []
    parsed = template(text, faults)
    check(parsed.expressions, KNOWN, faults)
    if not faults:
        with pytest.raises(ValueError, match=r"fails|results in more"):
            parsed.render(FACTS, [])
    assert time.process_time() - began < 2
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory < 50 * 1024


def test_what_other_names_of_the_context_hold_cannot_be_named() -> None:
    for name in (MAPS, SITE, TODAY, REMARKS):
        for text in (f"{{{{ {name} }}}}", f"{{{{ path[{name!r}] }}}}", f"{{{{ {name.strip()} }}}}"):
            with pytest.raises(ValueError, match="there is no"):
                template(text).render({**FACTS, MAPS: {}, SITE: None, TODAY: None}, [])


def test_maps_that_are_looked_into_are_known() -> None:
    found = template("{{ path.side | pick('eye') }} {{ path.n | upper | pick(name='part', default='') }}")
    assert [(name, str(place)) for each in found.expressions for name, place in each.picks] == [
        ("eye", "m.yaml:1:32"),
        ("part", "m.yaml:1:72"),
    ]
    assert found.render({**FACTS, MAPS: {"part": {"3": "Skin"}, "eye": {}}}, []).text == " Skin"


def test_facts_are_neither_copied_nor_changed() -> None:
    class Watched(dict[str, Any]):
        def keys(self) -> Any:
            raise AssertionError("somebody copies the facts")

        __iter__ = items = values = keys

    facts, before = Watched(FACTS), str(FACTS)
    assert template("{{ path.mrn | upper }}{{ sidecar.patient.id }}").render(facts, []).text == "47114711"
    assert str(FACTS) == before


def test_a_result_has_a_bound() -> None:
    long = "('" + "a" * (LIMIT // 3) + "' | replace('a', 'bb'))"
    assert len(rendered(f"{{{{ {long} }}}}")) == LIMIT // 3 * 2
    assert "results in more than 10,240 characters" in failure(f"{{{{ {long} ~ {long} }}}}")
    assert "the text would have" in failure(f"{{{{ {long} }}}}{{{{ {long} }}}}")


@given(CODE)
@example("{{ path.mrn[::0] }}")
@example("{{ 1e999 ** 64 }}")
@example("{{ '\\N{x}' }}")
@example("{{ path.mrn[1:2, 3] }}")
@example("{{ *path }}")
@example("{{ 1_000 }}")
@example("{{ true }}{{ None }}{{ 'a' 'b' }}")
def test_any_text_is_rendered_or_explained(code: str) -> None:
    for text in (code, "{{ " + code + " }}"):
        faults: list[Fault] = []
        parsed = template(text, faults)
        check(parsed.expressions, KNOWN, faults)
        if faults:
            continue
        try:
            result = parsed.render(
                {**FACTS, MAPS: {"eye": {"OD": "R"}}, SITE: Site(), TODAY: date(2024, 6, 1)}, [], "PN"
            ).text
        except ValueError as error:
            result = str(error).partition(" fails: ")[0]
        assert len(result) <= LIMIT
