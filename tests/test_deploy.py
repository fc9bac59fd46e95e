"""What is shipped to run the gateway as a service: held against what systemd says, and against the gateway.

Neither systemd nor Docker runs here. What only they can show is listed in `deploy/README.md`.
"""

from __future__ import annotations

import io
import json
import re
import shlex
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from doors import gateway
from gateway.intake import watch
from gateway.intake.configuration import SECRET_SECONDS, Configuration, load
from gateway.intake.journal import Journal
from gateway.intake.status import serving
from gateway.intake.watch import running
from gateway.ledger.database import PATIENCE
from standing import configured, standing, until
from support import require

TOP = Path(__file__).parents[1]
DEPLOY = TOP / "deploy"
PROGRAM = Path(sys.executable).with_name("gateway")
INSTALLED = "/opt/stow-gateway/bin/gateway"


# systemd


def seconds(text: str) -> float:
    """A time span of systemd.time(7)."""
    match = re.fullmatch(r"(\d+)(s|min)", text)
    assert match
    return float(match[1]) * {"s": 1, "min": 60}[match[2]]


@pytest.fixture(scope="module")
def unit() -> dict[str, str]:
    """The settings of the unit; none is given twice."""
    settings: dict[str, str] = {}
    for line in (DEPLOY / "stow-gateway.service").read_text("utf-8").splitlines():
        if line and not line.startswith(("#", "[")):
            name, sign, value = line.partition("=")
            assert sign
            assert name not in settings
            settings[name] = value
    return settings


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """The unit as it is where the gateway is installed: systemd looks whether programs are there."""
    path = tmp_path / "stow-gateway.service"
    text = (DEPLOY / "stow-gateway.service").read_text("utf-8")
    path.write_text(text.replace(INSTALLED, str(PROGRAM)), "utf-8")
    return path


def test_systemd_takes_the_unit(installed: Path) -> None:
    done = subprocess.run(
        [require("systemd-analyze"), "verify", str(installed)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_systemd_would_notice_a_fault_in_the_unit(installed: Path) -> None:
    installed.write_text(installed.read_text("utf-8").replace("WatchdogSec=", "WatchdogSek="), "utf-8")
    done = subprocess.run(
        [require("systemd-analyze"), "verify", str(installed)], capture_output=True, text=True, check=False
    )
    assert "WatchdogSek" in done.stderr


def test_the_sandbox_leaves_little_exposed(installed: Path) -> None:
    done = subprocess.run(
        [
            require("systemd-analyze"), "security", "--offline=true", "--no-pager", "--threshold=25",
            str(installed),
        ],
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_unit_waits_as_long_as_the_gateway_takes(unit: dict[str, str]) -> None:
    assert (unit["Type"], unit["NotifyAccess"]) == ("notify", "main")
    assert (unit["KillSignal"], unit["KillMode"], unit["Restart"]) == ("SIGTERM", "mixed", "on-failure")
    assert seconds(unit["TimeoutStopSec"]) > watch.GRACE + 2 * watch.TROUBLE
    assert seconds(unit["WatchdogSec"]) > PATIENCE + watch.TROUBLE
    assert seconds(unit["TimeoutStartSec"]) > SECRET_SECONDS


def test_the_commands_of_the_unit_are_there(unit: dict[str, str]) -> None:
    for setting in ("ExecStartPre", "ExecStart"):
        program, command, *arguments = shlex.split(unit[setting].lstrip("-"))
        assert program == INSTALLED
        assert gateway(command, "--help").status == 0
        assert arguments == ["/etc/stow-gateway/gateway.yaml"]


def test_a_wrong_configuration_ends_with_the_status_that_is_not_tried_again(
    unit: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "gateway.yaml").write_text("folders: []\n", "utf-8")
    assert gateway("watch", tmp_path / "gateway.yaml").status == int(unit["RestartPreventExitStatus"])


# Container


@pytest.fixture(scope="module")
def image() -> list[tuple[str, str]]:
    """The instructions of the Dockerfile, in order."""
    text = (DEPLOY / "Dockerfile").read_text("utf-8")
    text = re.sub(r"^\s*#.*\n", "", text, flags=re.MULTILINE).replace("\\\n", "")
    pairs = [line.split(maxsplit=1) for line in text.splitlines() if line.strip()]
    return [(name, rest) for name, rest in pairs]


def test_the_base_is_given_and_names_no_registry(image: list[tuple[str, str]]) -> None:
    assert image[0][0] == "ARG"
    base = image[0][1].removeprefix("BASE=")
    assert re.fullmatch(r"python:3\.\d+-slim", base)
    assert [rest.split()[0] for name, rest in image if name == "FROM"] == ["${BASE}", "${BASE}"]


def test_the_image_is_not_run_by_root(image: list[tuple[str, str]]) -> None:
    users = [rest for name, rest in image if name == "USER"]
    assert users == ["${UID}:${GID}"]
    arguments = dict(rest.split("=") for name, rest in image if name == "ARG" and "=" in rest)
    assert int(arguments["UID"]) > 0
    assert int(arguments["GID"]) > 0
    last = max(number for number, (name, _) in enumerate(image) if name in ("RUN", "COPY"))
    assert last < [name for name, _ in image].index("USER")


def test_what_is_copied_is_there_and_is_let_in(image: list[tuple[str, str]]) -> None:
    copied = [
        each for name, rest in image if name == "COPY" and "--from" not in rest for each in rest.split()[:-1]
    ]
    ignored = (DEPLOY / "Dockerfile.dockerignore").read_text("utf-8").splitlines()
    assert [each for each in copied if not (TOP / each).exists()] == []
    assert sorted(each.removeprefix("!") for each in ignored if each.startswith("!")) == sorted(copied)


def test_what_is_installed_has_the_extras_that_are_named(image: list[tuple[str, str]]) -> None:
    import tomllib

    [install] = [rest for name, rest in image if name == "RUN" and "pip install" in rest]
    extras = re.search(r"\.\[(.*)\]", install)
    assert extras
    known = tomllib.loads((TOP / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
    assert set(extras[1].split(",")) == set(known) - {"dev"}


def health_check(image: list[tuple[str, str]], port: int) -> int:
    """Runs the image's health check; its exit status."""
    [text] = [rest for name, rest in image if name == "HEALTHCHECK"]
    program, *arguments = json.loads(text.partition("CMD ")[2])
    assert program == "python"
    done = subprocess.run(
        [sys.executable, *arguments], env={"GATEWAY_PORT": str(port)}, capture_output=True, check=False
    )
    return done.returncode


def test_the_health_check_knows_a_healthy_gateway(image: list[tuple[str, str]], tmp_path: Path) -> None:
    with standing(configured(tmp_path, monitoring={"port": 0})) as it:
        with serving(it.daemon) as url:
            port = int(url.rpartition(":")[2])
            assert health_check(image, port) == 0
            it.daemon._start(lambda: None, "ends")
            it.daemon._threads[0].join()
            assert health_check(image, port) == 1
        assert health_check(image, port) == 1


def test_the_image_starts_the_gateway(image: list[tuple[str, str]]) -> None:
    settings = dict(image)
    entry, command = json.loads(settings["ENTRYPOINT"]), json.loads(settings["CMD"])
    assert entry == ["gateway"]
    assert gateway(command[0], "--help").status == 0
    assert command[1:] == ["/config/gateway.yaml"]
    assert settings["STOPSIGNAL"] == "SIGTERM"


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    made: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8"))
    return made


def test_compose_names_only_what_is_there(compose: dict[str, Any], image: list[tuple[str, str]]) -> None:
    service = compose["services"]["gateway"]
    assert (DEPLOY / service["build"]["context"]).resolve() == TOP
    assert TOP / service["build"]["dockerfile"] == DEPLOY / "Dockerfile"
    mounted = [each.split(":")[0] for each in service["volumes"]]
    assert {each for each in mounted if not each.startswith(".")} == set(compose["volumes"])
    assert [each for each in mounted if each.startswith(".") and not (DEPLOY / each).exists()] == []
    assert set(service["secrets"]) == set(compose["secrets"])
    arguments = {rest.split("=")[0] for name, rest in image if name == "ARG"}
    assert set(service["build"]["args"]) <= arguments


def test_compose_confines_the_gateway_and_lets_it_end(compose: dict[str, Any]) -> None:
    service = compose["services"]["gateway"]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]
    assert service["stop_grace_period"] == "1m"
    assert watch.GRACE + 2 * watch.TROUBLE < 60
    assert all(each.startswith("127.0.0.1:") for each in service["ports"])


def test_the_share_is_mounted_for_the_user_of_the_image(compose: dict[str, Any]) -> None:
    inbox = compose["volumes"]["inbox"]
    assert (inbox["driver"], inbox["driver_opts"]["type"]) == ("local", "cifs")
    options = dict(each.partition("=")[::2] for each in inbox["driver_opts"]["o"].split(","))
    built = compose["services"]["gateway"]["build"]["args"]
    assert (options["uid"], options["gid"]) == (str(built["UID"]), str(built["GID"]))
    assert "SMB_PASSWORD" in options["password"]  # the secret itself is in .env


# The sample configuration


@pytest.fixture
def sample(tmp_path: Path) -> Configuration:
    """`deploy/gateway.yaml` with the container's places below a folder of the test."""
    text = (DEPLOY / "gateway.yaml").read_text("utf-8")
    for place in ("/inbox", "/state", "/run/secrets"):
        assert place in text
        text = text.replace(place, f"{tmp_path}{place}")
    for folder in ("inbox/photos", "inbox/documents", "state", "run/secrets", "config"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "run/secrets/archive_token").write_text("token", "utf-8")
    path = tmp_path / "config" / "gateway.yaml"
    path.write_text(text.replace("{host: 0.0.0.0, port: 9108}", "{host: 127.0.0.1, port: 0}"), "utf-8")
    return load(path)


def test_the_sample_configuration_is_right_for_the_image(
    sample: Configuration, compose: dict[str, Any], image: list[tuple[str, str]], tmp_path: Path
) -> None:
    written = yaml.safe_load((DEPLOY / "gateway.yaml").read_text("utf-8"))["monitoring"]
    assert written == {"host": "0.0.0.0", "port": 9108}
    assert compose["services"]["gateway"]["ports"] == [f"127.0.0.1:{written['port']}:{written['port']}"]
    assert any(name == "ENV" and f"GATEWAY_PORT={written['port']}" in rest for name, rest in image)
    mounted = {each.split(":")[1] for each in compose["services"]["gateway"]["volumes"]}
    assert sample.tmp_dir
    places = [
        sample.ledger,
        sample.tmp_dir,
        *(each.path for each in sample.folders),
        *(each.rejected for each in sample.folders),
    ]
    tops = {f"/{each.relative_to(tmp_path).parts[0]}" for each in places}
    assert tops <= mounted


def test_the_sample_configuration_runs(sample: Configuration) -> None:
    log = io.StringIO()
    with running(sample, Journal(time.time, log)) as daemon:
        until(lambda: log.getvalue().count('"watching"') == len(sample.folders))
        assert daemon.healthy
    assert "defect" not in log.getvalue()


# The guide


def test_the_guide_names_files_that_are_there() -> None:
    text = (DEPLOY / "README.md").read_text("utf-8")
    named = set(re.findall(r"deploy/[\w.-]+", text))
    assert named
    assert [each for each in named if not (TOP / each).exists()] == []
