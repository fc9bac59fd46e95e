"""Independent judges and servers that several tests share."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

STRICT = os.environ.get("GATEWAY_FORBID_SKIPS") == "1"
"""Whether a missing tool or sample fails the test instead of skipping it."""


def require(tool: str) -> str:
    """The path of a program; without it the test is skipped, or fails where skips are forbidden."""
    path = shutil.which(tool, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if path is None:
        unavailable(f"the program {tool} is not installed")
    return str(path)


def unavailable(reason: str) -> None:
    """Skips the test, or fails it where skips are forbidden."""
    if STRICT:
        pytest.fail(f"{reason}, and skips are forbidden here")
    pytest.skip(reason)


def dciodvfy(path: Path) -> list[str]:
    """The error lines of dicom3tools' validator; its exit status proves nothing."""
    done = subprocess.run(
        [require("dciodvfy"), "-new", str(path)],
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    lines = (done.stdout + done.stderr).splitlines()
    return [line for line in lines if line.startswith(("Error", "Abort")) or "Object Not found" in line]


def dcmdump(path: Path) -> str:
    """DCMTK's reading of a file; it must be able to read it."""
    done = subprocess.run(
        [require("dcmdump"), str(path)], capture_output=True, text=True, errors="replace", check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def free_port() -> int:
    """A port that nothing listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def orthanc_server(directory: Path, **configuration: object) -> Iterator[str]:
    """A fresh Orthanc with its DICOMweb plugin; yields the base URL of its REST interface."""
    program = require("Orthanc")
    if not Path("/usr/share/orthanc/plugins").is_dir():
        unavailable("Orthanc's DICOMweb plugin is not installed")
    for _ in range(5):  # somebody else may take the port between the look and the start
        port = free_port()
        name = f"gateway-test-{os.getpid()}-{port}"
        settings = {
            "Name": name,
            "StorageDirectory": str(directory / "db"),
            "IndexDirectory": str(directory / "db"),
            "HttpPort": port,
            "DicomServerEnabled": False,
            "RemoteAccessAllowed": False,
            "AuthenticationEnabled": False,
            "Plugins": ["/usr/share/orthanc/plugins"],
            "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
            **configuration,
        }
        (directory / "orthanc.json").write_text(json.dumps(settings))
        log = (directory / "orthanc.log").open("wb")
        process = subprocess.Popen([program, str(directory / "orthanc.json")], stdout=log, stderr=log)
        try:
            if _answers_as(f"http://127.0.0.1:{port}", name, process):
                yield f"http://127.0.0.1:{port}"
                return
        finally:
            process.kill()
            process.wait()
            log.close()
    pytest.fail(f"Orthanc did not start: {(directory / 'orthanc.log').read_text(errors='replace')[-2000:]}")


def _answers_as(url: str, name: str, process: subprocess.Popen[bytes]) -> bool:
    """Whether the server at `url` is the one that was started, once it answers."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    for _ in range(300):
        if process.poll() is not None:
            return False
        try:
            with opener.open(f"{url}/system", timeout=2) as answer:
                return bool(json.load(answer)["Name"] == name)
        except OSError:
            time.sleep(0.05)
    return False
