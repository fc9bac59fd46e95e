# ruff: noqa: E501 - tables of cases are read best with a case a line
"""Models of YAML files: `gateway/documents.py`."""

from datetime import date, timedelta
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from gateway import documents
from gateway.documents import (
    Day,
    Duration,
    Flag,
    Model,
    Named,
    OneOrMore,
    Plain,
    SignedDuration,
    Size,
    Tree,
    Whole,
    Words,
)
from gateway.errors import Reject
from gateway.nodes import Fault, Listing, Place, parse


class Part(Model):
    """A part of a thing."""

    WHAT = "a part"

    file: Words
    """the file that is read."""
    scope: Literal["file", "folder"] = "file"


class Thing(Model):
    """A thing with one of everything."""

    WHAT = "a thing"

    plain: Plain = ""
    flag: Flag = False
    whole: Whole = 0
    wait: Duration = timedelta()
    clock: SignedDuration = timedelta()
    size: Size | None = None
    day: Day | None = None
    tree: Tree | None = None
    names: Named[Plain] = Field(default_factory=dict)
    parts: OneOrMore[Part] = ()
    kinds: OneOrMore[Literal["a", "b"]] = ()
    one: Part | None = None


def build(text: str) -> tuple[Thing | None, list[str]]:
    faults: list[Fault] = []
    node = parse(text, "t.yaml", faults)
    assert node is not None
    thing = documents.build(node, Thing, faults)
    return thing, [str(fault) for fault in sorted(faults)]


def right(text: str) -> Thing:
    thing, faults = build(text)
    assert faults == []
    assert thing is not None
    return thing


def test_every_scalar_is_what_its_field_says() -> None:
    thing = right(
        "plain: NO\nflag: yes\nwhole: 0010\nwait: 1h30m\nclock: -90s\nsize: 10MB\nday: 2015-01-31\n"
    )
    assert (thing.plain, thing.flag, thing.whole) == ("NO", True, 10)
    assert (thing.wait, thing.clock) == (timedelta(hours=1, minutes=30), timedelta(seconds=-90))
    assert (thing.size, thing.day) == (10_000_000, date(2015, 1, 31))


@pytest.mark.parametrize(
    ("text", "days"), [("2d", 2), ("2w", 14), ("10y", 3650), ("36h", 1.5), ("0.5d", 0.5), ("1d12h", 1.5)]
)
def test_durations(text: str, days: float) -> None:
    assert right(f"wait: {text}\n").wait == timedelta(days=days)


@pytest.mark.parametrize(
    ("text", "size"), [("512KiB", 524_288), ("1.5 GB", 1_500_000_000), ("7", 7), ("2mib", 2_097_152)]
)
def test_sizes(text: str, size: int) -> None:
    assert right(f"size: {text}\n").size == size


def test_nothing_behind_a_colon_is_as_if_the_key_were_not_there() -> None:
    thing = right("plain:\nflag: ~\nwait: null\nparts:\nnames: {a: , b: x}\n")
    assert thing.written == ("names",)
    assert thing.names == {"a": "", "b": "x"}


def test_one_thing_is_a_list_of_one() -> None:
    assert [part.file.text for part in right("parts: {file: a}\n").parts] == ["a"]
    assert [part.file.text for part in right("parts: [{file: a}, {file: b}]\n").parts] == ["a", "b"]
    assert (right("kinds: a\n").kinds, right("kinds: [b, a]\n").kinds) == (("a",), ("b", "a"))


def test_a_model_knows_where_it_stands() -> None:
    thing = right("one:\n  scope: folder\n  file: 'x'\ntree: [1]\n")
    assert thing.one is not None
    assert thing.one.place == Place("t.yaml", 2, 3)
    assert thing.one.at("file") == Place("t.yaml", 3, 9)
    assert thing.at("plain") == thing.place
    assert thing.one.written == ("scope", "file")
    assert thing.one.file.place == Place("t.yaml", 3, 9)
    assert isinstance(thing.tree, Listing)


MISTAKES = {
    "plan: x\n": ["1:1: a thing has no 'plan'; did you mean plain?"],
    "one: {fil: x}\n": ["1:6: a part needs file: the file that is read", "1:7: a part has no 'fil'; did you mean file?"],
    "one: x\n": ["1:6: one cannot be 'x': write a table with file, scope"],
    "one: {file: ''}\n": ["1:13: file cannot be '': write a text"],
    "one: {file: a, scope: folders}\n": ["1:23: scope cannot be 'folders': write file or folder"],
    "plain: [a]\n": ["1:8: plain cannot be a list: write a text"],
    "flag: maybe\n": ["1:7: flag cannot be 'maybe': write yes or no"],
    "whole: -1\n": ["1:8: whole cannot be '-1': write a whole number"],
    "wait: 10\n": ["1:7: wait cannot be '10': write a time with its unit, such as 10s, 5m, 1h30m, 2d or 10y"],
    "clock: 1 hour\n": ["1:8: clock cannot be '1 hour': write a time with its sign and unit, such as +1h or -90s"],
    "size: big\n": ["1:7: size cannot be 'big': write a size such as 10MB or 512KiB"],
    "day: 31.1.2015\n": ["1:6: day cannot be '31.1.2015': write a date such as 2015-01-31"],
    "names: [a]\n": ["1:8: names cannot be a list: write a table of names and values"],
    "names: {a: [b]}\n": ["1:12: a cannot be a list: write a text"],
    "kinds: [a, c]\n": ["1:12: kinds cannot be 'c': write a or b"],
    "[]\n": ["1:1: a thing cannot be a list: write a table with plain, flag, whole, wait, clock, size, day, tree, "
             "names, parts, kinds, one"],
}  # fmt: skip


@pytest.mark.parametrize("text", MISTAKES)
def test_each_mistake_is_named_where_it_is(text: str) -> None:
    assert build(text)[1] == [f"t.yaml:{line}" for line in MISTAKES[text]]


def test_what_is_right_is_there_beside_what_is_not() -> None:
    thing, faults = build(
        "plain: here\nflag: maybe\nparts:\n- file: a\n- {scope: file}\n- {file: b, scope: x}\n"
    )
    assert thing is not None
    assert thing.plain == "here"
    assert [part.file.text for part in thing.parts] == ["a", "b"]
    assert [fault.partition(":")[2].split(":")[0] for fault in faults] == ["2", "5", "6"]


def test_a_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "thing.yaml"
    path.write_text("plain: Grüße\n", "utf-8")
    faults: list[Fault] = []
    thing = documents.read(path, "thing.yaml", Thing, faults)
    assert thing is not None
    assert thing.plain == "Grüße"
    path.write_text("plain: {{ x }}\nflg: no\n", "utf-8")
    documents.read(path, "thing.yaml", Thing, faults)
    assert [(fault.place.line, fault.place.column) for fault in faults] == [(1, 8), (2, 1)]
    with pytest.raises(Reject):
        documents.read(tmp_path / "gone.yaml", "gone.yaml", Thing, faults)


def test_the_schema_says_what_editors_need() -> None:
    schema = documents.schema(Thing)
    assert schema["$schema"].startswith("https://json-schema.org/")
    assert schema["additionalProperties"] is False
    assert schema["description"] == "A thing with one of everything."
    properties = schema["properties"]
    assert properties.keys() == Thing.model_fields.keys()
    assert properties["parts"]["anyOf"] == [
        {"$ref": "#/$defs/Part"},
        {"type": "array", "items": {"$ref": "#/$defs/Part"}},
    ]
    part = schema["$defs"]["Part"]
    assert part["required"] == ["file"]
    assert part["properties"]["file"]["description"] == "the file that is read."
    assert part["properties"]["scope"]["enum"] == ["file", "folder"]
    assert "default" not in properties["wait"]


VALUES = st.recursive(
    st.sampled_from(["x", "''", "1", "yes", "5m", "~", "'{{ a }}'", "2015-01-31", "file"]),
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda items: f"[{', '.join(items)}]")
        | st.dictionaries(
            st.sampled_from([*Thing.model_fields, "file", "scope", "odd"]), inner, max_size=4
        ).map(lambda table: "{" + ", ".join(f"{key}: {value}" for key, value in table.items()) + "}")
    ),
    max_leaves=12,
)


@given(table=st.dictionaries(st.sampled_from([*Thing.model_fields, "odd"]), VALUES))
def test_any_table_is_read_or_refused_in_words(table: dict[str, str]) -> None:
    text = "".join(f"{key}: {value}\n" for key, value in table.items()) or "{}\n"
    thing, faults = build(text)
    known: Any = table.keys() - {"odd"}
    if not faults:
        assert thing is not None
        assert set(thing.written) <= known
    for fault in faults:
        assert fault.startswith("t.yaml:")
