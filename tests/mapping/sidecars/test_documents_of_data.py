"""JSON and YAML, which share their paths."""

import contextlib
import json as judge

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.mapping.sidecars import json, yaml

ORDER = (
    '{"patient": {"ids": [{"value": "4711001"}, {"value": 12}], "patient id": "x", "a.b": 1}, "urgent": true}'
)


@pytest.mark.parametrize(
    ("way", "value"),
    [
        ("patient.ids[0].value", "4711001"),
        ("patient.ids[1].value", 12),
        ("patient.ids[2].value", None),
        ("patient['patient id']", "x"),
        ('patient["a.b"]', 1),
        ("patient.patient id", "x"),
        ("urgent", True),
        ("urgent.not", None),
        ("patient[0]", None),
        ("patient.ids.value", None),
        ("other", None),
        ("['urgent']", True),
    ],
)
def test_paths_lead_to_values(way: str, value: object) -> None:
    assert json.path(way, {})(json.read(ORDER).tree) == value


@pytest.mark.parametrize(
    "way", [".a", "a.", "a..b", "a[", "a[x]", "a[-1]", "a[0]b", "[]", "a['", "a'b'", "$.a[*]"]
)
def test_what_is_no_path_is_said_at_once(way: str) -> None:
    with pytest.raises(ValueError, match="is not a path into the content"):
        json.path(way, {})


def test_a_list_has_no_names_of_its_own_but_paths() -> None:
    content = json.read('[{"mrn": "4711"}]')
    assert content.facts is None
    assert json.path("[0].mrn", {})(content.tree) == "4711"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "this is not JSON"),
        ('{"a": 1,}', "line 1, column 9"),
        ('{"a": NaN}', "NaN is no number"),
        ('{"mrn": "1", "b": {"mrn": 3}, "mrn": "2"}', "'mrn' occurs twice"),
        ("[" * 100_000, "nested too deeply"),
        ("1" * 5000, "Exceeds the limit"),
    ],
)
def test_what_is_no_json_is_refused_in_words(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        json.read(text)


@given(st.recursive(st.none() | st.text() | st.integers(), lambda inner: st.dictionaries(st.text(), inner)))
def test_json_comes_back_as_it_was_written(value: object) -> None:
    assert json.read(judge.dumps(value)).tree == value


def test_yaml_is_text() -> None:
    content = yaml.read("mrn: 0010\nsure: NO\nborn: 2020-01-01\nids:\n- {value: 4711}\nnone: ~\n")
    assert content.facts == {
        "mrn": "0010",
        "sure": "NO",
        "born": "2020-01-01",
        "ids": [{"value": "4711"}],
        "none": None,
    }
    assert yaml.path("ids[0].value", {})(content.tree) == "4711"
    assert yaml.read("- 1\n- 2").facts is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "nothing in this file"),
        ("a: 1\na: 2", "in line 2, column 1: a stands here a second time"),
        ("a: !!python/object:os.system x", "in line 1, column 4: tags"),
        ("a: &b 1\nc: *b", "anchors"),
        ("a: '1", "in line 1, column 4: the quote"),
        ("[" * 1000, "nested more than"),
        ("a: 1\x07", "U\\+0007"),
    ],
)
def test_what_is_not_plain_yaml_is_refused_in_words(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        yaml.read(text)


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused_in_words(text: str) -> None:
    for reader in (json, yaml):
        try:
            reader.read(text)
        except UnicodeError as error:
            pytest.fail(f"not in words: {error}")
        except ValueError:
            continue


@given(st.text(max_size=40))
def test_any_path_leads_somewhere_or_is_refused(way: str) -> None:
    with contextlib.suppress(ValueError):
        json.path(way, {})({"a": [1]})
