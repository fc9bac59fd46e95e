"""The day that a path says, and the many numbers in paths that are none."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from gateway.mapping.sources.days import day_of
from gateway.model import Source

ROOT = Path("/root")


def of(path: str) -> date | None:
    return day_of(Source(ROOT / path, ROOT))


@pytest.mark.parametrize(
    "path",
    [
        "4711001_20240531_L.jpg",
        "4711001_2024-05-31.pdf",
        "4711001_2024_05_31_L.jpg",
        "4711001_31.05.2024.pdf",
        "4711001/20240531_L.jpg",
        "4711001/2024-05-31 wound/IMG_0042.JPG",
        "4711001/2024.05.31/IMG_0042.JPG",
        "4711001/20230101/20240531_142200.jpg",
        "4711001/IMG_20240531_142200.jpg",
        "4711001_20240531/IMG_0042.JPG",
    ],
)
def test_days_where_people_write_them(path: str) -> None:
    assert of(path) == date(2024, 5, 31)


@pytest.mark.parametrize(
    "path",
    [
        "20240531_L.jpg",  # the first piece may be a Patient ID
        "20240531/IMG_0042.JPG",
        "4711001_Doe_20240531.jpg",  # may be a birth date
        "4711001_20240532.jpg",
        "4711001_202405311.jpg",
        "4711001_2024-0531.jpg",
        "4711001_19600103.jpg",
        "4711001_wound.jpg",
        "4711001/12345678.jpg",
    ],
)
def test_other_numbers_are_no_days(path: str) -> None:
    assert of(path) is None
