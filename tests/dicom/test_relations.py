"""References: a model names its materials and these their textures, by what they became."""

from __future__ import annotations

from pathlib import Path

import pydicom
import pytest
from PIL import Image

import examples
from doors import gateway
from support import dcmdump

DEVICE = [
    word
    for name in ("Manufacturer", "ManufacturerModelName", "DeviceSerialNumber", "SoftwareVersions")
    for word in ("-m", f"{name}=1")
]
MODEL = [*DEVICE, "-m", "MeasurementUnitsCodeSequence=UCUM:mm:mm", "-m", "PatientID=1"]
OBJ, MTL = "1.2.840.10008.5.1.4.1.1.104.4", "1.2.840.10008.5.1.4.1.1.104.5"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    model = tmp_path / "model"
    (model / "maps").mkdir(parents=True)
    (model / "skull.obj").write_bytes(examples.obj(library="skull.mtl"))
    (model / "skull.mtl").write_bytes(examples.mtl(texture="maps/bone 1.png"))
    Image.new("RGB", (8, 8)).save(model / "maps" / "bone 1.png")
    return model


def _objects(folder: Path, *files: Path) -> dict[str, pydicom.Dataset]:
    out = folder.parent / "out"
    done = gateway("render", *MODEL, "--part10", out, *files)
    assert done.status == 0, done
    objects = {}
    for path in out.iterdir():
        dcmdump(path)
        dataset = pydicom.dcmread(path)
        objects[str(dataset.SOPClassUID)] = dataset
    return objects


def test_a_model_names_what_its_materials_and_textures_became(folder: Path) -> None:
    objects = _objects(folder, folder)
    model, library = objects[OBJ], objects[MTL]
    [texture] = [each for uid, each in objects.items() if uid not in (OBJ, MTL)]
    for user, used, name in ((model, library, "skull.mtl"), (library, texture, "maps/bone%201.png")):
        [item] = user.ReferencedInstanceSequence
        assert item.ReferencedSOPClassUID == used.SOPClassUID
        assert item.ReferencedSOPInstanceUID == used.SOPInstanceUID
        assert item.RelativeURIReferenceWithinEncapsulatedDocument == name
        [series] = user.ReferencedSeriesSequence
        assert series.SeriesInstanceUID == used.SeriesInstanceUID
        assert series.ReferencedInstanceSequence[0].ReferencedSOPInstanceUID == used.SOPInstanceUID
    assert "ReferencedInstanceSequence" not in texture


def test_what_was_not_sent_with_it_is_not_named(folder: Path) -> None:
    [model] = _objects(folder, folder / "skull.obj").values()
    assert "ReferencedInstanceSequence" not in model


@pytest.mark.parametrize("name", ["../skull.mtl", "/etc/passwd", "C:\\skull.mtl", "missing.mtl", "maps"])
def test_only_files_beside_it_are_looked_for(folder: Path, name: str) -> None:
    (folder / "skull.obj").write_bytes(examples.obj(library=name))
    (folder.parent / "skull.mtl").write_bytes(examples.mtl())
    objects = _objects(folder, folder)
    assert "ReferencedInstanceSequence" not in objects[OBJ]
