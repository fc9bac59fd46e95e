"""Models of mappings and templates, and the JSON Schemas that editors get."""

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

import json_schemas
from gateway import documents
from gateway.config import Site
from gateway.documents import Model
from gateway.mapping import conversion, models
from gateway.mapping.models import MappingModel, SiteModel, TemplateModel
from gateway.mapping.sheets import MAPPINGS, TEMPLATES, available, own
from gateway.nodes import Fault, parse


def judged(model: type[Model], value: Any) -> list[str]:
    return json_schemas.complaints(documents.schema(model), value)


def written(path: Path) -> Any:
    """A file as an editor reads it, but for dates, which are text in YAML 1.2."""
    return yaml.load(path.read_text("utf-8"), Loader=yaml.BaseLoader)


def read_site(text: str) -> tuple[Site, list[str]]:
    faults: list[Fault] = []
    node = parse(text, "m.yaml", faults)
    assert node is not None
    model = documents.build(node, SiteModel, faults)
    assert model is not None
    return models.site(model, faults), [str(fault) for fault in faults]


def test_a_site_has_its_facts() -> None:
    site, faults = read_site(
        "institution: Clinic\ntimezone: Europe/Berlin\nlanguage: de\nclock: -1h\nsince: 2015-01-01\n"
        "max_age: 10y\nvariables: {ward: 3}\n"
    )
    assert faults == []
    assert site == Site(
        institution="Clinic",
        timezone="Europe/Berlin",
        language="de",
        clock=timedelta(hours=-1),
        since=date(2015, 1, 1),
        max_age=timedelta(days=3650),
        variables={"ward": "3"},
    )


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("timezone: Berlin", "m.yaml:1:11: there is no time zone 'Berlin': write its IANA name"),
        ("timezone: ../etc/passwd", "m.yaml:1:11: there is no time zone"),
        ("language: german", "m.yaml:1:11: there is no language 'german': write its code, such as de"),
        ("variables: {station: x}", "m.yaml:1:12: site.station cannot be a variable's name"),
        ("variables: {my ward: x}", "m.yaml:1:12: site.my ward cannot be a variable's name"),
        ("instituton: x", "m.yaml:1:1: site has no 'instituton'; did you mean institution?"),
    ],
)
def test_facts_of_a_site_that_cannot_be(text: str, fault: str) -> None:
    assert [complaint for complaint in read_site(text)[1] if complaint.startswith(fault)]


def test_the_keys_of_files_are_those_of_their_models() -> None:
    assert set(MAPPINGS.keys) == MappingModel.model_fields.keys()
    assert set(TEMPLATES.keys) == TemplateModel.model_fields.keys()
    assert set(SiteModel.model_fields) == {each for each in Site.__dataclass_fields__}


def test_every_key_is_described() -> None:
    schema = documents.schema(MappingModel)
    tables = [schema, *schema["$defs"].values()]
    for table in tables:
        assert table["additionalProperties"] is False
        assert table["description"]
        for key, value in table["properties"].items():
            assert value["description"], key
    convert = schema["properties"]["convert"]["anyOf"][0]["properties"]
    assert set(convert) == set(conversion.KEYS)
    assert convert["transcode"] == {"enum": ["yes", "no", True, False]}


GOOD: dict[str, Any] = {
    "template": "vl-photographic",
    "match": {"name": ["*.jpg", "*.jpeg"], "kind": "image"},
    "when": "{{ path.mrn }}",
    "sources": {
        "path": {"name": "(?P<mrn>.*)"},
        "table": {"file": "p.csv", "key": "mrn", "equals": "{{ path.mrn }}", "many": "list"},
        "sidecar": [{"file": "exam.ini", "scope": "folder", "wait": "10s", "merge": True}],
    },
    "identity": {"study": "{{ path.mrn }}"},
    "convert": {"lossless": "jpeg-ls", "frame_rate": 25},
    "attributes": {"PatientID": "{{ path.mrn }}", "PatientSex": None, "(0010,0030)": 19800102},
    "maps": {"eye": {"OD": "R", "1": 1}},
    "kinds": {"video": {"template": "video-photographic"}},
    "checks": [{"when": "{{ path.mrn }}", "then": "hold"}],
    "site": {"institution": "Clinic", "clock": "+1h", "variables": {"ward": 3}},
    "patient_id": {"pattern": "[0-9]{7}", "test": "99*"},
    "unidentified": "hold",
}

BAD: dict[str, Any] = {
    "an unknown key": {"templat": "x"},
    "an unknown key within": {"identity": {"patient": "x"}},
    "a wrong choice": {"unidentified": "keep"},
    "a wrong choice in a list": {"match": {"kind": ["image", "picture"]}},
    "a list for a text": {"when": ["a"]},
    "a text for a table": {"sources": "path"},
    "a duration without a unit": {"site": {"clock": "1 hour"}},
    "a check that does nothing": {"checks": [{"when": "{{ path.mrn }}"}]},
    "a wrong conversion": {"convert": {"lossless": "png"}},
    "an attribute that is none": {"attributes": {"Patient ID": "x"}},
}


def test_the_schema_takes_what_a_mapping_may_say() -> None:
    assert judged(MappingModel, GOOD) == []
    for key, value in GOOD.items():
        assert judged(MappingModel, {key: value}) == [], key


@pytest.mark.parametrize("name", BAD)
def test_the_schema_refuses_what_it_may_not(name: str) -> None:
    assert judged(MappingModel, BAD[name])


@pytest.mark.parametrize("name", available("mappings"))
def test_the_schema_takes_our_mappings(name: str) -> None:
    assert judged(MappingModel, written(own("mappings") / f"{name}.yaml")) == []


@pytest.mark.parametrize("name", [*available("templates"), "common"])
def test_the_schema_takes_our_templates(name: str) -> None:
    assert judged(TemplateModel, written(own("templates") / f"{name}.yaml")) == []
