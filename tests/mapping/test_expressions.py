# ruff: noqa: E501 - tables of cases are read best with a case a line
import resource
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.mapping.expressions import LIMIT, Template, check, literal, parse
from gateway.nodes import Fault, Place, Text

FACTS: Mapping[str, Mapping[str, Any]] = {
    "path": {"mrn": "4711", "side": None, "back": r"a\b", "items": "a group called items", "n": "3"},
    "exif": {"make": "Canon", "orientation": 1, "captured": datetime(2024, 5, 31, 14, 30, tzinfo=UTC)},
}
KNOWN = {source: tuple(facts) for source, facts in FACTS.items()}
SIGNS = "()[]{}.|~+-*/%'\",:=<>!&#ab01 \\\n"
WORDS = (
    "path", ".mrn", "exif", " if ", " else ", " not ", " in ", " is ", "**", "//", " upper", "|replace", "default",
    "__class__", "range", "loop", "self", "true", "none", "{{", "}}", "{%",
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
        ("{{ row.mrn }}", "m.yaml:1:14: there is no 'row' here; there is exif, path"),
        ("x{{ path.mrm }}", "m.yaml:1:20: path has no 'mrm'; did you mean mrn?"),
        ("{{ exif['mak'] }}", "m.yaml:1:20: exif has no 'mak'; did you mean make?"),
        ("{{ exif.zzz }}", "m.yaml:1:19: exif has no 'zzz'; there is captured, make, orientation"),
        ("{{ path.mrn | uper }}", "m.yaml:1:25: there is no filter 'uper'; did you mean upper?"),
        ("{{ path.mrn is odd }}", "m.yaml:1:26: there is no test 'odd'; there is defined, none"),
        ("{% if x %}", "m.yaml:1:11: statements ({% %}) are not possible: write {{ 'L' if path.eye == '1' else 'R' }}"),
        ("a {# b #}", "m.yaml:1:13: comments in a text ({# #}) are not possible: write a comment behind a # outside of it"),
        ("a {{ b", "m.yaml:1:13: the {{ that begins here has no }} behind it"),
        ("{{ 'a }}", "m.yaml:1:11: a quote is not closed, in {{ 'a }}"),
        ("{{ }}", "m.yaml:1:11: there is nothing between {{ and }}, in {{ }}"),
        ("{{ path. }}", "m.yaml:1:11: expected name or number, in {{ path. }}"),
        ("{{ path.mrn path.n }}", "m.yaml:1:11: 'path' is not expected here, in {{ path.mrn path.n }}"),
        ("{{- path.mrn }}", "m.yaml:1:11: {{- is not possible: write a space behind {{, in {{- path.mrn }}"),
        ("{{ path.mrn() }}", "m.yaml:1:11: nothing can be called: use a filter, as in {{ path.side | upper }}"),
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
        ("{{ exif[path.mrn] }}", "there is no '4711'"),
        ("{{ path.mrn[9] }}", "text has no such part"),
        ("{{ exif.captured }}", "this is a date: say how to write it, with | dicom_date"),
        ("{{ exif }}", "the result is a source of facts and not a value"),
        ("{{ path.mrn / 2 }}", "unsupported operand"),
        ("{{ path.side.x }}", "nothing has nothing called 'x'"),
        ("{{ 1 / 0 }}", "division by zero"),
        ("{{ path.mrn.upper }}", "text has nothing called 'upper'"),
        ("{{ path.mrn['__class__'] }}", "text has nothing called '__class__'"),
        ("{{ exif.captured.year }}", "datetime has nothing called 'year'"),
    ],
)
def test_what_depends_on_the_file_fails_in_words(text: str, reason: str) -> None:
    assert reason in failure(text)
    assert failure(text).startswith(text)


@pytest.mark.parametrize(
    "text",
    [
        "{{ 'a' * 900000000 }}",
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
            result = parsed.render(FACTS, []).text
        except ValueError as error:
            result = str(error).partition(" fails: ")[0]
        assert len(result) <= LIMIT
