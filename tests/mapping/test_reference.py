"""What `docs/mapping.md` shows is right: every block of YAML in it is loaded as a mapping."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, ClassVar

import pytest
import yaml
from openpyxl import Workbook

import json_schemas
from gateway import documents
from gateway.mapping import conversion, filters
from gateway.mapping.language import load
from gateway.mapping.models import MappingModel, TemplateModel
from gateway.mapping.sources import OWN, group

DOCS = (Path(__file__).parents[2] / "docs/mapping.md").read_text("utf-8")
BLOCKS = re.findall(r"^```yaml\n(.*?)^```$", DOCS, re.MULTILINE | re.DOTALL)
LINES = [f"sources: {{{line}}}" for line in re.findall(r"^`(barcode: \{.*?\})` ", DOCS, re.MULTILINE)]

CONTEXT = r"""
sources:
  path: {name: '(?P<mrn>\d+)_(?P<eye>OD|OS)\.jpg'}
  table: {file: patients.csv, key: mrn, equals: '{{ path.mrn }}'}
maps: {eye: {OD: R, OS: L}}
"""
"""What a fragment may name that is said elsewhere in its mapping."""


class Editor(yaml.SafeLoader):
    """YAML as editors read it; dates are text in YAML 1.2."""

    yaml_implicit_resolvers: ClassVar[Any] = {
        sign: [(tag, pattern) for tag, pattern in found if not tag.endswith(":timestamp")]
        for sign, found in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


@pytest.fixture
def site(tmp_path: Path) -> Path:
    (tmp_path / "context.yaml").write_text(CONTEXT, "utf-8")
    (tmp_path / "patients.csv").write_text("mrn,eye,status,study\n", "utf-8")
    (tmp_path / "pages.csv").write_text("path,mrn\n", "utf-8")
    workbook = Workbook()
    workbook.active.append(["mrn", "last"])
    workbook.save(tmp_path / "patients.xlsx")
    return tmp_path


def test_there_are_such_blocks() -> None:
    assert len(BLOCKS) >= 5
    assert len(LINES) == 1


@pytest.mark.parametrize("block", [*BLOCKS, *LINES])
def test_what_is_shown_can_be_loaded(block: str, site: Path) -> None:
    is_whole = "\nattributes:" in block
    (site / "shown.yaml").write_text(block if is_whole else f"extends: context.yaml\n{block}", "utf-8")
    assert load(str(site / "shown.yaml")).files[-1] == site / "shown.yaml"


@pytest.mark.parametrize("block", [*BLOCKS, *LINES])
def test_what_is_shown_is_as_the_schema_says(block: str) -> None:
    said: Any = yaml.load(block, Editor)
    assert json_schemas.complaints(documents.schema(MappingModel), said) == []


def section(title: str) -> str:
    return re.split(r"^#+ ", DOCS.split(f"# {title}\n", 1)[1], maxsplit=1, flags=re.MULTILINE)[0]


def keys(title: str) -> set[str]:
    """What the first cells of a section's table name."""
    cells = re.findall(r"^\| (`.*?) \| ", section(title), re.MULTILINE)
    return {name for cell in cells for name in re.findall(r"`([\w.]+)", cell)}


def models(model: Any, *path: str) -> dict[str, Any]:
    """The properties of a table within a schema."""
    schema = documents.schema(model)
    return schema["$defs"][path[0]]["properties"] if path else schema["properties"]


def test_every_key_is_told() -> None:
    assert keys("Keys of a mapping") == set(models(MappingModel))
    assert keys("table") == set(models(MappingModel, "TableModel"))
    assert keys("sidecar") == set(models(MappingModel, "SidecarModel"))
    assert keys("Conversion") == set(conversion.KEYS)
    text = section("Site")
    assert [key for key in models(MappingModel, "SiteModel") if not re.search(rf"\b{key}\b", text)] == []
    text = section("barcode")
    assert [key for key in models(MappingModel, "BarcodeModel") if not re.search(rf"\b{key}\b", text)] == []
    text = section("Keys of a mapping")
    assert [key for key in models(TemplateModel) if f"`{key}`" not in text] == []


def test_every_filter_and_fact_is_told() -> None:
    assert set(re.findall(r"`(\w+)[(`]", section("Expressions"))) >= set(filters.FILTERS)
    facts = section("Facts")
    assert set(re.findall(r"`(\w+)\.\*`", facts)) >= {
        *OWN,
        "group",
        "site",
        "path",
        "row",
        "sidecar",
        "barcode",
    }
    for name in (*OWN["media"], *group.NAMES):
        assert f"`{name}`" in facts, name
