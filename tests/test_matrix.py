"""Every kind of file in every object that may take it; `make matrix` prints the same as a page."""

from pathlib import Path

import pytest

import matrix
from gateway.convert.workshop import Workshop
from gateway.dicom.iods import IODS
from gateway.mapping.sheets import available
from gateway.mapping.templates import load_template
from gateway.model import Source
from matrix_inputs import INPUTS, Input

PICTURES_AND_VIDEOS = [
    name for name in available("templates") if IODS[load_template(name).sop_class_uid].encodings
]


@pytest.mark.parametrize("each", INPUTS, ids=[each.name for each in INPUTS])
def test_files_become_valid_objects(each: Input, tmp_path: Path) -> None:
    with Workshop(tmp_path) as shop:
        row = matrix.row_of(each, tmp_path / "files", shop)
    assert row.refused is None
    assert row.default is not None
    assert row.results
    for result in (row.default, *row.results.values()):
        assert result.errors == (), result


@pytest.mark.parametrize("template", PICTURES_AND_VIDEOS)
def test_pixels_that_an_object_permits_make_it_a_valid_one(template: str, tmp_path: Path) -> None:
    source = Source(tmp_path / "nothing", tmp_path)
    source.path.write_bytes(b"")
    combinations = [each for each in matrix.permitted() if each.template == template]
    assert combinations
    for each in combinations:
        errors = matrix.judged(matrix.synthetic(each, source), tmp_path / "object.dcm")
        assert errors == (), each
