"""What checks say of files, and what is said of checks that are wrong."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from gateway import documents
from gateway.errors import Hold, Reject, Skip
from gateway.mapping.checks import Check, CheckModel, read
from gateway.mapping.expressions import parse as template
from gateway.mapping.verdict import Verdict, holds, judge
from gateway.nodes import Fault, Listing, Text, parse

FACTS = {"path": {"eye": "OD", "side": "od", "mrn": "4711", "none": None, "two": "two"}, "row": {"eye": "OS"}}


def checks(text: str) -> tuple[list[Check], list[str]]:
    """The checks in a list, and the faults."""
    faults: list[Fault] = []
    node = parse(text, "m.yaml", faults)
    assert isinstance(node, Listing)
    models = [documents.build(item, CheckModel, faults) for item in node.items]
    found = [read(model, faults) for model in models if model]
    return found, [str(fault) for fault in faults]


def verdict(text: str, facts: dict[str, Any] = FACTS) -> Verdict:
    found, faults = checks(text)
    assert faults == []
    return judge(found, (), facts, "a.jpg")


def told(found: Verdict) -> Sequence[str]:
    return [str(problem) for problem in found.problems]


def test_values_that_must_agree_hold_the_file_where_they_do_not() -> None:
    found = verdict("- agree: ['{{ path.eye }}', '{{ row.eye }}']\n  then: hold\n")
    [problem] = found.problems
    assert isinstance(problem, Hold)
    assert problem.reason == "check"
    assert (
        str(problem) == "a.jpg: path.eye is 'OD' and row.eye is 'OS', and they must be the same (m.yaml:1:3)"
    )


@pytest.mark.parametrize(
    "values",
    [
        "'{{ path.eye }}', '{{ path.side }} '",
        "'{{ path.eye }}', '{{ path.none }}', OD",
        "'{{ path.none }}', OD",
        "\u00c4, A\u0308, a\u0308",
    ],
)
def test_capitals_blanks_accents_and_nothing_are_no_difference(values: str) -> None:
    assert verdict(f"- agree: [{values}]\n  then: hold\n") == Verdict()


@pytest.mark.parametrize(("then", "kind"), [("hold", Hold), ("reject", Reject), ("skip", Skip)])
def test_a_check_says_what_becomes_of_the_file(then: str, kind: type[Exception]) -> None:
    found = verdict(
        f"- when: '{{{{ path.eye == \"OD\" }}}}'\n  then: {then}\n  say: 'eye {{{{ path.eye }}}}'\n"
    )
    assert [type(problem) for problem in found.problems] == [kind]
    assert told(found) == ["a.jpg: eye OD"]


def test_the_first_decides_and_the_others_are_told_too() -> None:
    found = verdict(
        "- {when: yes, then: {send_to: research}, say: for research}\n"
        "- {when: no, then: reject}\n"
        "- {when: yes, then: skip, say: phantom}\n"
        "- {when: yes, then: hold, say: doubtful}\n"
        "- {when: yes, then: {send_to: [teaching, research]}}\n"
    )
    assert isinstance(found.problems[0], Skip)
    assert told(found) == ["a.jpg: phantom", "a.jpg: doubtful"]
    assert found.destinations == ("research", "teaching")
    assert found.messages == ("for research",)


def test_a_check_that_cannot_be_made_holds_the_file() -> None:
    found = verdict("- when: '{{ path.two | dicom_date }}'\n  then: skip\n")
    [problem] = found.problems
    assert isinstance(problem, Hold)
    assert problem.reason == "mapping"
    assert str(problem).startswith("a.jpg: m.yaml:1:3: {{ path.two | dicom_date }} fails: ")


@pytest.mark.parametrize(
    ("text", "expected"),
    [("{{ path.none }}", False), ("{{ 0 }}", False), ("{{ 1 == 2 }}", False), ("No", False), ("FALSE", False),
     ("{{ path.eye }}", True), ("{{ 1 == 1 }}", True), ("yes", True), ("00", True)],
)  # fmt: skip
def test_what_holds(text: str, expected: bool) -> None:
    node = parse(f"'{text}'", "m.yaml", [])
    assert isinstance(node, Text)
    assert holds(template(node, []), FACTS) is expected


def test_routes_are_further_destinations() -> None:
    node = parse("'{{ path.eye == \"OD\" }}'", "m.yaml", [])
    assert isinstance(node, Text)
    when = template(node, [])
    assert judge((), (("a", None), ("b", when)), FACTS, "a.jpg").destinations == ("a", "b")
    assert judge((), (("b", when),), {"path": {"eye": "OS"}}, "a.jpg").destinations == ()
    [problem] = judge((), (("b", when),), {}, "a.jpg").problems
    assert "a.jpg: when it goes to b is not known: " in str(problem)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("- {when: x, agree: [a, b], then: hold}", "m.yaml:1:3: a check has either when: or agree:"),
        ("- {then: hold}", "m.yaml:1:3: a check has either when: or agree:"),
        ("- {agree: a, then: hold}", "m.yaml:1:11: agree compares two expressions or more: write a list"),
        ("- {when: x}", "m.yaml:1:3: a check needs then"),
        ("- {when: x, then: send}", "m.yaml:1:19: then cannot be 'send': write hold or reject or skip"),
        ("- {when: x, then: {send: y}}", "m.yaml:1:20: then has no 'send'; did you mean send_to?"),
        ("- {when: x, then: hold, says: y}", "m.yaml:1:25: a check has no 'says'; did you mean say?"),
        ("- {when: '{{ path.', then: hold}", "m.yaml:1:11: the {{ that begins here has no }} behind it"),
    ],
)
def test_mistakes_are_told_at_their_places(text: str, fault: str) -> None:
    _, faults = checks(text)
    assert any(each.startswith(fault) for each in faults), faults
