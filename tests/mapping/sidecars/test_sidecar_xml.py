import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.mapping.sidecars import xml

EXAM = """<?xml version="1.0" encoding="windows-1252"?>
<exam room="3">
  <patient id=" 4711001 "><name>
     Müller^Jörg
  </name><born/></patient>
  <id type="mrn" value="4711001"/><id type="visit" value="77"/>
  <note>left <b>eye</b></note>
  <eye>OD</eye><eye>OD</eye>
</exam>"""

ECG = """<ecg xmlns="urn:ecg" xmlns:h="urn:hl7-org:v3" h:version="1">
  <h:patient><h:id extension="4711001" xml:lang="de"/></h:patient><rate>72</rate>
</ecg>"""


@pytest.mark.parametrize(
    ("way", "value"),
    [
        ("./patient/@id", "4711001"),
        ("patient/@id", "4711001"),
        ("patient/name", "Müller^Jörg"),
        (".//name", "Müller^Jörg"),
        ("./patient/born", None),
        ("./id[@type='mrn']/@value", "4711001"),
        ("./id[2]/@value", "77"),
        (".//id[@type='visit']/@value", "77"),
        ("@room", "3"),
        ("./@room", "3"),
        (".//@room", None),
        ("./note", "left eye"),
        ("./eye", "OD"),
        ("./other", None),
        ("./patient/@other", None),
    ],
)
def test_paths_from_the_root(way: str, value: str | None) -> None:
    assert xml.path(way, {})(xml.read(EXAM).tree) == value


@pytest.mark.parametrize(
    ("way", "value"),
    [
        ("./h:patient/h:id/@extension", "4711001"),
        (".//h:id/@xml:lang", "de"),
        ("@h:version", "1"),
        ("@{urn:hl7-org:v3}version", "1"),
        ("e:rate", "72"),
        ("{urn:ecg}rate", "72"),
        ("rate", None),
    ],
)
def test_paths_with_namespaces(way: str, value: str | None) -> None:
    spaces = {"h": "urn:hl7-org:v3", "e": "urn:ecg"}
    content = xml.read(ECG)
    assert xml.path(way, spaces)(content.tree) == value
    assert "urn:ecg" in content.hint
    assert xml.path("rate", {"": "urn:ecg"})(content.tree) == "72"


def test_a_path_to_values_that_differ_says_so() -> None:
    with pytest.raises(ValueError, match=r"\./id/@value leads to 2 different values: say which"):
        xml.path("./id/@value", {})(xml.read(EXAM).tree)


@pytest.mark.parametrize(
    "way",
    ["/exam/patient", "//patient", "./a[", "./a[@b=c]", "./p:a", "./a/@p:b", "./a/text()", "a(b)", "./a[0]"],
)
def test_what_is_no_path_is_said_at_once(way: str) -> None:
    with pytest.raises(ValueError, match=r"is not a path|not among the namespaces"):
        xml.path(way, {})


LAUGHS = '<!DOCTYPE a [<!ENTITY b "ha"><!ENTITY c "&b;&b;&b;">]><a>&c;</a>'
EXTERNAL = '<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>'


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "this is not XML"),
        ("<a><b></a>", "line 1"),
        ("<a>&nbsp;</a>", "undefined entity"),
        (LAUGHS, "DOCTYPE"),
        (EXTERNAL, "DOCTYPE"),
        ('<!DOCTYPE a SYSTEM "http://example.com/a.dtd"><a/>', "DOCTYPE"),
        ("<a>" * 1000, "100 elements within each other"),
        ("<a>" + "<b/>" * xml.ELEMENTS + "</a>", "more than 500,000 elements"),
    ],
)
def test_what_is_no_xml_or_dangerous_is_refused_in_words(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        xml.read(text)


@given(st.text(max_size=100), st.text(max_size=40))
def test_any_text_is_read_or_refused_in_words(inside: str, name: str) -> None:
    for text in (inside, f"<a>{inside}</a>", f'<a b="{inside}"/>', f"<{name}/>"):
        with contextlib.suppress(ValueError):
            assert xml.read(text).tree is not None


@given(st.text("./@[]='*:{}ab1!", max_size=20))
def test_any_path_leads_somewhere_or_is_refused(way: str) -> None:
    root = xml.read("<a b='1'><a>2</a><b a='3'/></a>").tree
    try:
        found = xml.path(way, {"a": "urn:a"})(root)
    except ValueError:
        return
    assert found is None or isinstance(found, str)
