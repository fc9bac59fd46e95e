"""A daemon that is killed again and again stores every file exactly once; `make soak` runs ten times this."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.archive.server import running
from intake.crash import crash
from support import orthanc_server

FILES, KILLS = 200, 5


@pytest.fixture
def embedded(tmp_path: Path) -> Iterator[tuple[str, str]]:
    with running(tmp_path / "archive") as url:
        base, _, path = url.rpartition("/")
        yield base, f"/{path}"


@pytest.mark.xdist_group("servers")
def test_killed_again_and_again_before_an_archive_that_makes_trouble(
    tmp_path: Path, embedded: tuple[str, str]
) -> None:
    base, path = embedded
    counted = crash(tmp_path / "place", base, path, files=FILES, kills=KILLS, seed=1, share=0.2)
    assert counted["stored"] == FILES - FILES // 50


@pytest.mark.xdist_group("servers")
def test_killed_again_and_again_before_orthanc(tmp_path: Path) -> None:
    (tmp_path / "orthanc").mkdir()
    with orthanc_server(tmp_path / "orthanc") as base:
        crash(tmp_path / "place", base, "/dicom-web", files=FILES, kills=KILLS, seed=2, share=0.0)
