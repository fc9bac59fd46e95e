"""Whole objects made of files, as a command would make them, written for judges to read."""

from __future__ import annotations

import uuid
from pathlib import Path

import numpy as np
import pydicom

from gateway import pipeline
from gateway.config import Reading
from gateway.convert.workshop import Workshop
from gateway.dicom import part10
from gateway.mapping.description import description
from gateway.model import Instance

NAMESPACE = uuid.UUID("0b0f4bb6-54a5-4d17-9f6e-0a6f5cf3c2b1")
TYPED = ("PatientID=4711", "PatientName=Doe^Jane", "StudyDate=20240101", "StudyTime=120000")


def made(
    path: Path, folder: Path, template: str | None = None, reading: Reading = Reading()
) -> tuple[Instance, Path]:
    """The instance that a file becomes, and its Part 10 file in a folder. A refusal fails."""
    work = pipeline.Work(NAMESPACE, reading, description=description(template=template, typed=TYPED))
    target = folder / f"{path.name}.dcm"
    with Workshop(folder / "t") as shop:
        [each] = pipeline.render([path], work, shop)
        assert isinstance(each, Instance), each
        with target.open("wb") as file:
            file.writelines(part10.write(each))
    return each, target


def pixels(path: Path) -> np.ndarray:
    """What pydicom and its plug-ins decode, colours as RGB."""
    return pydicom.dcmread(path).pixel_array
