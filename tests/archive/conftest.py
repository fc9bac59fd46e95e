"""What the archive's tests share."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import httpx
import pytest


@pytest.fixture
def http() -> Iterator[httpx.Client]:
    """A client that goes to no proxy."""
    with httpx.Client(trust_env=False, timeout=60) as client:
        yield client


@pytest.fixture
def stored(archive: str, http: httpx.Client) -> Callable[[bytes], str]:
    """Stores a DICOM file and gives its address."""

    def store(data: bytes) -> str:
        answer = http.post(f"{archive}/studies", content=data, headers={"Content-Type": "application/dicom"})
        assert answer.status_code == 200, answer.text
        return str(answer.json()["00081199"]["Value"][0]["00081190"]["Value"][0])

    return store
