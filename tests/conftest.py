"""Fixtures that several rooms' tests share."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from gateway.archive.server import running
from support import orthanc_server, unavailable

# How long an example takes says more of the machine than of the code.
settings.register_profile("gateway", deadline=None)
settings.load_profile("gateway")


@pytest.fixture(scope="session")
def samples() -> Path:
    """The folder of real input files, named by GATEWAY_SAMPLES."""
    folder = os.environ.get("GATEWAY_SAMPLES")
    if not folder or not Path(folder).is_dir():
        unavailable("GATEWAY_SAMPLES does not name the folder of sample files")
    return Path(str(folder)).resolve()


@pytest.fixture(scope="session")
def orthanc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The DICOMweb root of an Orthanc that was started for these tests."""
    with orthanc_server(tmp_path_factory.mktemp("orthanc")) as url:
        yield f"{url}/dicom-web"


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[str]:
    """The DICOMweb root of an empty embedded archive; its files are in `archive` below `tmp_path`."""
    with running(tmp_path / "archive") as url:
        yield url


@pytest.fixture(autouse=True)
def _own_configuration(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads or writes the user's own configuration or credentials."""
    for name in ("GATEWAY_URL", "GATEWAY_TOKEN", "GATEWAY_USER", "GATEWAY_PASSWORD"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GATEWAY_UID_NAMESPACE", "0b0f4bb6-54a5-4d17-9f6e-0a6f5cf3c2b1")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.mktemp("config")))
    monkeypatch.setenv("GATEWAY_CACHE", str(tmp_path_factory.mktemp("cache")))
