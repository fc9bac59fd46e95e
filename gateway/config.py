"""What was asked for: the destination, how files are read, and whose names UIDs are made in.

Front doors fill these from options or a configuration; the stages take them as they are. There is no
setting anywhere else: what a stage does follows from its arguments.
"""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from enum import StrEnum
from fractions import Fraction
from pathlib import Path

import platformdirs

from gateway.errors import Fatal

MEBIBYTE = 1024 * 1024
MAX_PIXELS = 250_000_000
"""Pixels that are decoded by default: columns times rows times frames."""


class Form(StrEnum):
    """How an instance travels: a Part 10 file, or metadata with bulk data parts."""

    DICOM = "dicom"
    JSON = "json"
    XML = "xml"

    @property
    def media_type(self) -> str:
        """The media type of the root part (PS3.18 8.7.3)."""
        return "application/dicom" if self is Form.DICOM else f"application/dicom+{self.value}"


class Lossless(StrEnum):
    """How pixels are stored that had to be decoded."""

    NATIVE = "native"
    JPEG_LS = "jpeg-ls"
    JPEG_2000 = "jpeg2000"
    RLE = "rle"


class Sound(StrEnum):
    """What becomes of a video's sound that DICOM does not allow."""

    KEEP = "keep"
    """Nothing: the video is rejected."""
    DROP = "drop"
    CONVERT = "convert"


@dataclass(frozen=True, slots=True)
class Reading:
    """How files are read and converted.

    `allow_encrypted` lets PDF through that need a password; `strip_app` leaves out the APPn segments
    of a JPEG that decoding does not need; `verbatim` sends DICOM files in transfer syntaxes that web
    services forbid, and `zero_preamble` clears their preamble. `media_type` is what the user says the
    files are: a file of other content fails.

    `as_video` makes a video of an animated picture, which is a picture of many frames otherwise.
    `keep_orientation` stores a picture as it lies, though its EXIF says to turn it; `allow_jxl` stores
    JPEG XL as it is. `transcode` converts videos that no transfer syntax permits to H.264 High, `sound`
    is for their sound, and `frame_rate` for raw streams that do not say theirs. `lossless` is how decoded
    pixels are stored, None for the template's choice. `max_pixels` bounds what is decoded: columns times
    rows times frames.
    """

    allow_encrypted: bool = False
    strip_app: bool = False
    verbatim: bool = False
    zero_preamble: bool = False
    media_type: str | None = None
    as_video: bool = False
    keep_orientation: bool = False
    allow_jxl: bool = False
    transcode: bool = False
    sound: Sound = Sound.KEEP
    frame_rate: Fraction | None = None
    lossless: Lossless | None = None
    max_pixels: int = MAX_PIXELS


@dataclass(frozen=True, slots=True)
class Credentials:
    """How the gateway says who it is. At most one of basic, bearer and command is set.

    `bearer_file` and `token_command` are asked again after a 401, so that a token may expire.
    Representations never show a secret.
    """

    user: str | None = None
    password: str | None = None
    bearer: str | None = None
    bearer_file: Path | None = None
    token_command: str | None = None

    def __repr__(self) -> str:
        return "Credentials(...)"


@dataclass(frozen=True, slots=True)
class Tls:
    """Whom the gateway trusts, and with which certificate it presents itself."""

    verify: bool = True
    check_hostname: bool = True
    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None


@dataclass(frozen=True, slots=True)
class Destination:
    """An archive and how to talk to it.

    `url` is the DICOMweb root or a `/studies` or `/studies/{uid}` target. `limit` and
    `max_request_size` (bytes) bound the instances in one request; one instance a request by default.
    `retry_for` bounds in seconds how long one request is tried again; `timeout` is how long to wait
    for an answer without hearing anything.
    """

    url: str
    form: Form = Form.DICOM
    accept: Form = Form.JSON
    credentials: Credentials = Credentials()
    tls: Tls = Tls()
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)  # may hold keys
    limit: int = 1
    max_request_size: int | None = None
    jobs: int = 1
    retry_for: float = 30.0
    timeout: float = 300.0
    connect_timeout: float = 10.0
    single_part: bool = False
    unquoted_type: bool = False
    chunked: bool = False
    skip_existing: bool = False


class Unidentified(StrEnum):
    """What becomes of a file whose patient is not established."""

    HOLD = "hold"
    """It is never sent until its patient is known: where nobody watches."""
    SEND = "send"
    """It is sent with a message: a person is there."""


@dataclass(frozen=True, slots=True)
class Site:
    """Facts of the place where files come from: a folder, an import, one call.

    `timezone` is an IANA name, `language` a language code for the names of months. `clock` is what
    must be added to a device's clock to make it right. A capture date before `since`, or more than
    `max_age` before the day of the run, is not believed. `variables` are the site's own.
    """

    institution: str = ""
    department: str = ""
    station: str = ""
    manufacturer: str = ""
    model: str = ""
    serial: str = ""
    software: str = ""
    issuer: str = ""
    issuer_accession: str = ""
    timezone: str = ""
    language: str = ""
    clock: timedelta = timedelta()
    since: date | None = None
    max_age: timedelta | None = None
    variables: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Namespace:
    """The namespace that a site's UIDs are made in, and where it came from in words.

    There is no built-in one: two hospitals' patient 123456 are different people.
    """

    value: uuid.UUID
    origin: str
    new: bool = False
    """Whether it was made now: worth telling, since all later UIDs depend on it."""


def uid_namespace(given: str | None = None, environment: Mapping[str, str] = os.environ) -> Namespace:
    """The namespace given (a UUID, or a domain name of the site's own), else this user's.

    The environment variable `GATEWAY_UID_NAMESPACE` is asked next. A user's is random, made once and
    kept in the user's configuration folder. Raises `Fatal` for text that is neither, and when the
    folder cannot be written.
    """
    if given is not None:
        return Namespace(_namespace_of(given, "--uid-namespace"), "given")
    if variable := environment.get("GATEWAY_UID_NAMESPACE"):
        return Namespace(_namespace_of(variable, "GATEWAY_UID_NAMESPACE"), "from GATEWAY_UID_NAMESPACE")
    return _own_namespace()


def _namespace_of(text: str, where: str) -> uuid.UUID:
    try:
        return uuid.UUID(text)
    except ValueError:
        pass
    name = text.strip().lower()
    if "." not in name.strip(".") or not name.replace(".", "").replace("-", "").isalnum():
        raise Fatal(
            f"{where} is {text!r}, which is neither a UUID nor a domain name: "
            "give for example the result of 'uuidgen', or 'imaging.hospital.example'"
        )
    return uuid.uuid5(uuid.NAMESPACE_DNS, name)


def _own_namespace() -> Namespace:
    path = Path(platformdirs.user_config_dir("stow-gateway")) / "uid-namespace"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        new = False
        if not path.exists():
            made = path.with_name(f"{path.name}.{os.getpid()}")
            made.write_text(f"{uuid.uuid4()}\n", encoding="ascii")
            with contextlib.suppress(FileExistsError):  # of two runs that start together, one is first
                path.hardlink_to(made)
                new = True
            made.unlink()
        text = path.read_text(encoding="ascii")
    except OSError as error:
        raise Fatal(
            f"the namespace for UIDs cannot be kept in {path} ({error.strerror}): give one with "
            "--uid-namespace or GATEWAY_UID_NAMESPACE"
        ) from error
    try:
        origin = f"made now and kept in {path}" if new else f"kept in {path}"
        return Namespace(uuid.UUID(text.strip()), origin, new)
    except ValueError as error:
        raise Fatal(f"{path} does not hold a UUID: mend it, or delete it to have a new one made") from error
