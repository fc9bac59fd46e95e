"""The configuration of hot folders: one YAML file, checked before anything runs.

    destinations:
      archive: {url: http://127.0.0.1:8042/dicom-web}
    folders:
      - path: inbox
        mapping: photo
        settle: 1s
        originals: {move: done}
    ledger: ledger.db

Paths are relative to the file. Secrets are never in it: `auth` says where they are.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import Discriminator, Field, Tag

from gateway import documents, nodes
from gateway.config import Credentials, Destination, Form, Site, Tls, Unidentified, uid_namespace
from gateway.documents import Duration, Flag, Model, Named, OneOrMore, Plain, Size, Whole, Words
from gateway.errors import Fatal, Reject
from gateway.mapping import expressions, language, patient_ids, scope
from gateway.mapping.expressions import Facts, Template
from gateway.mapping.models import SiteModel
from gateway.mapping.models import site as read_site
from gateway.mapping.patient_ids import PatientIdsSaid
from gateway.mapping.patients import PatientIds
from gateway.mapping.sources import site as sites
from gateway.mapping.sources.sidecar import SidecarSource
from gateway.nodes import Fault, Place, Text
from gateway.stow import address

SECRET_SECONDS = 30
"""How long a command may take that prints a secret."""

ORIGINAL_FACTS = ("date", "folder", "relative", "name", "status", "patient", "accession", "study")
"""What the place that an original is moved to may name, as `original.*`."""

_NAME = re.compile(r"[A-Za-z0-9][\w.-]*")
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_HOURS = re.compile(
    r"(?:(?P<days>[a-z]{3}(?:[-,][a-z]{3})*) )?"
    r"([01]\d|2[0-3]):([0-5]\d) ?- ?([01]\d|2[0-3]):([0-5]\d)",
    re.IGNORECASE,
)
_CLOCK = re.compile(r"([01]\d|2[0-3]):([0-5]\d)")
_SERVER = re.compile(r"[^\s:]+(:[0-9]{1,5})?")
_HEADER_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_OWN_HEADERS = frozenset({"content-length", "transfer-encoding", "content-type"})
"""Headers that follow from what is sent."""


class By(StrEnum):
    """What makes files come together."""

    FOLDER = "folder"
    NAME = "name"
    QUIET = "quiet"


class Sidecars(StrEnum):
    """Whether a file waits for the file that describes it."""

    NONE = "none"
    OPTIONAL = "optional"
    REQUIRED = "required"


class Action(StrEnum):
    """What becomes of an original when all destinations have it."""

    KEEP = "keep"
    DELETE = "delete"
    MOVE = "move"


# What it is when it was read


@dataclass(frozen=True, slots=True)
class Grouping:
    """Which files come together, and when no more of them are expected.

    `pattern` finds the key in a file's name: its group, or all of what it matches. A group is closed
    when nothing has changed in it for `quiet`, or when a file is there that `done` matches.
    """

    by: By
    pattern: re.Pattern[str] | None = None
    quiet: timedelta = timedelta(seconds=30)
    done: str | None = None


@dataclass(frozen=True, slots=True)
class Originals:
    """What becomes of originals; `to` is the folder that they are moved to, with `original.*` in it."""

    action: Action = Action.KEEP
    to: Template | None = None
    retention: timedelta | None = None
    """How long moved originals are kept; None for ever."""

    def root(self, base: Path) -> Path | None:
        """The folder in which all moved originals are, whatever the expressions come to.

        `base` is that of the configuration. None where nothing is moved.
        """
        if self.to is None:
            return None
        whole = self.to.literal
        first = self.to.parts[0] if isinstance(self.to.parts[0], str) else ""
        return (base / (first.rpartition("/")[0] if whole is None else whole)).resolve()


@dataclass(frozen=True, slots=True)
class Route:
    """A destination, and for which files; None for all."""

    destination: str
    when: Template | None = None


@dataclass(frozen=True, slots=True)
class Hours:
    """The part of a day, in minutes after midnight, and the days of the week, of which 0 is Monday.

    Hours that go over midnight are those of the day on which they begin.
    """

    start: int
    end: int
    days: frozenset[int] = frozenset(range(7))

    def includes(self, minute: int) -> bool:
        """Whether a minute of the day is in it; it may go over midnight."""
        if self.start <= self.end:
            return self.start <= minute < self.end
        return minute >= self.start or minute < self.end

    def since(self, local: datetime) -> float | None:
        """Seconds since they began, at a local time; None outside of them."""
        minute = 60 * local.hour + local.minute
        gone = (minute - self.start) % 1440
        if not self.includes(minute) or (local - timedelta(minutes=gone)).weekday() not in self.days:
            return None
        return 60.0 * gone + local.second


@dataclass(frozen=True, slots=True)
class Folder:
    """A hot folder: where it is, whom and what its files show, where they go, what becomes of them."""

    name: str
    path: Path
    mappings: tuple[str, ...] = ()
    site: Site = field(default_factory=Site)
    to: tuple[Route, ...] = ()
    settle: timedelta = timedelta(seconds=5)
    scan: timedelta = timedelta(seconds=2)
    ignore: tuple[str, ...] = ()
    group: Grouping | None = None
    sidecar: Sidecars = Sidecars.OPTIONAL
    give_up: timedelta = timedelta(hours=1)
    originals: Originals = field(default_factory=Originals)
    rejected: Path = Path("rejected")
    unidentified: Unidentified = Unidentified.HOLD
    patient_id: PatientIds | None = None
    events: bool = True
    """Whether events of the operating system wake the scan early."""
    recheck: timedelta = timedelta(minutes=10)
    hold_for: timedelta = timedelta(hours=24)
    hours: Hours | None = None


@dataclass(frozen=True, slots=True)
class Archive:
    """A destination, and how carefully it wants to be treated.

    `headers` may name `site.*`: they are those of the folder that a file came from. `charset` is the
    Specific Character Set of what is sent, None for UTF-8. `rate` is requests a second.
    """

    name: str
    destination: Destination
    headers: tuple[tuple[str, Template], ...] = field(default=(), repr=False)
    charset: str | None = None
    rate: float | None = None
    unsafe_resend: bool = False
    """Whether the archive may lose what it receives a second time."""
    jxl: bool = False
    """Whether it takes JPEG XL as it is."""

    def destination_for(self, site: Site) -> Destination:
        """The destination with the headers for files of this site."""
        facts: Facts = {"site": sites.facts(site)}
        headers = tuple((name, value.render(facts, []).text) for name, value in self.headers)
        return replace(self.destination, headers=headers)


@dataclass(frozen=True, slots=True)
class Mail:
    """Where alerts are mailed to, and through which server."""

    to: tuple[str, ...]
    sender: str
    server: str = "localhost:25"


@dataclass(frozen=True, slots=True)
class Alerts:
    """When somebody is told, and how. `repeat` is how long nothing is said twice."""

    held_for: timedelta = timedelta(hours=1)
    disk: int = 1_000_000_000
    """Bytes that must be free where the ledger and converted files are."""
    offline_for: timedelta = timedelta(minutes=5)
    breaker_for: timedelta = timedelta(minutes=5)
    silence: timedelta = timedelta(hours=2)
    """How long a folder may be without a file in its usual hours."""
    repeat: timedelta = timedelta(hours=4)
    summary: int | None = None
    """Minute of the day at which a summary is sent."""
    mail: Mail | None = None
    webhook: str | None = field(default=None, repr=False)
    command: str | None = None


@dataclass(frozen=True, slots=True)
class Monitoring:
    """Where health and figures are asked for; no port, no answers."""

    host: str = "127.0.0.1"
    port: int | None = None


@dataclass(frozen=True, slots=True)
class Configuration:
    """What `gateway watch` runs on."""

    path: Path
    folders: tuple[Folder, ...]
    archives: Mapping[str, Archive]
    ledger: Path
    uid_namespace: str | None = None
    monitoring: Monitoring = field(default_factory=Monitoring)
    alerts: Alerts | None = None
    tmp_dir: Path | None = None
    decoders: int | None = None
    """Processes that decode at the same time; None for one a processor."""


# What may be written


class SecretModel(Model):
    """Where a secret is."""

    WHAT: ClassVar[str] = "a secret"

    env: Plain = ""
    """Environment variable that has it."""
    file: Plain = ""
    """File that has it."""
    command: Plain = ""
    """Command that prints it."""


class AuthModel(Model):
    """How the gateway says who it is."""

    WHAT: ClassVar[str] = "auth"

    basic: SecretModel | None = None
    """User and password, as USER:PASSWORD."""
    bearer: SecretModel | None = None
    """A bearer token; a file or command is asked again when the archive answers 401."""
    token_command: (
        Annotated[
            Annotated[Plain, Tag("(text)")] | Annotated[SecretModel, Tag("(table)")],
            Discriminator(lambda value: "(text)" if isinstance(value, Text) else "(table)"),
        ]
        | None
    ) = None
    """A command that prints a bearer token."""


class TlsModel(Model):
    """Whom the gateway trusts, and with which certificate it presents itself."""

    WHAT: ClassVar[str] = "tls"

    ca: Plain = ""
    """Certificate authority to trust."""
    cert: Plain = ""
    """Client certificate."""
    key: Plain = ""
    """The client certificate's key."""
    verify: Flag = True
    """Whether the archive's certificate is verified."""


class DestinationModel(Model):
    """An archive and how to talk to it."""

    WHAT: ClassVar[str] = "a destination"

    url: Plain
    """The archive's DICOMweb address."""
    form: Literal["dicom", "json", "xml"] = "dicom"
    """Part 10 files, or metadata with bulk data."""
    charset: Plain = ""
    """Specific Character Set to send, such as ISO_IR 100, for archives that do not know UTF-8."""
    auth: AuthModel | None = None
    """How the gateway says who it is."""
    tls: TlsModel | None = None
    """Certificates."""
    jobs: Whole = 2
    """Connections that send at the same time."""
    rate: Plain = ""
    """Requests at most, such as 10/s or 100/m."""
    max_request_size: Size | None = None
    """Bytes of an instance beyond which it is not sent."""
    headers: Named[Words] = Field(default_factory=dict)
    """Further request headers; they may name site.*."""
    resend: Literal["safe", "unsafe"] = "safe"
    """unsafe: the archive may lose what it receives twice, so it is asked before the first send."""
    jxl: Flag = False
    """Whether it takes JPEG XL as it is."""
    timeout: Duration = timedelta(minutes=5)
    """How long to wait for an answer."""
    single_part: Flag = False
    """Post each object by itself, not as multipart."""
    unquoted_type: Flag = False
    """Write the type parameter without quotes."""
    chunked: Flag = False
    """Send without Content-Length."""


class RouteModel(Model):
    """A destination, and for which files."""

    WHAT: ClassVar[str] = "a destination of a folder"

    name: Plain
    """Name of the destination."""
    when: Words | None = None
    """An expression: only files for which it comes to something go there."""


class GroupModel(Model):
    """Which files come together."""

    WHAT: ClassVar[str] = "group"

    by: Literal["folder", "name", "quiet"]
    """The folder, a key in the name, or all that comes until it is quiet."""
    pattern: Words | None = None
    """Regular expression that finds the key in the name."""
    quiet: Duration = timedelta(seconds=30)
    """The group is complete when nothing has changed in it for so long."""
    done: Plain = ""
    """The group is complete when there is a file of this name, such as *.done."""


class OriginalsModel(Model):
    """What becomes of originals when all destinations have them."""

    WHAT: ClassVar[str] = "originals"

    move: Words
    """Folder to move them to; it may name original.date, original.folder and the like."""
    retention: Duration | None = None
    """How long they are kept there."""


class FolderModel(Model):
    """A hot folder."""

    WHAT: ClassVar[str] = "a folder"

    path: Plain
    """Where it is."""
    name: Plain = ""
    """What it is called in logs and figures; its path unless given."""
    mapping: OneOrMore[Words] = ()
    """The mapping, or several that are tried in order."""
    site: SiteModel | None = None
    """Facts of the place."""
    to: OneOrMore[
        Annotated[
            Annotated[Words, Tag("(text)")] | Annotated[RouteModel, Tag("(table)")],
            Discriminator(lambda value: "(text)" if isinstance(value, Text) else "(table)"),
        ]
    ] = ()
    """Destinations; the only one by default."""
    settle: Duration = timedelta(seconds=5)
    """How long a file must not change before it is looked at."""
    scan: Duration = timedelta(seconds=2)
    """How often the folder is looked through."""
    ignore: OneOrMore[Plain] = ()
    """Names that are passed over, with * and ?."""
    group: GroupModel | None = None
    """Which files come together; each by itself unless given."""
    sidecar: Literal["none", "optional", "required"] = "optional"
    """Whether a file waits for the file that describes it."""
    give_up: Duration = timedelta(hours=1)
    """How long an incomplete file is waited for before it is rejected."""
    originals: (
        Annotated[
            Annotated[Literal["keep", "delete"], Tag("(text)")] | Annotated[OriginalsModel, Tag("(table)")],
            Discriminator(lambda value: "(text)" if isinstance(value, Text | str) else "(table)"),
        ]
        | None
    ) = None
    """What becomes of originals when all destinations have them: keep, delete, or {move: FOLDER}."""
    rejected: Plain = "rejected"
    """Folder for rejected files, each with its reason in NAME.error.json."""
    unidentified: Literal["hold", "send"] = "hold"
    """What becomes of a file whose patient is not established."""
    patient_id: PatientIdsSaid | None = None
    """What Patient IDs look like: a pattern, or a table with more."""
    events: Literal["auto", "off"] = "auto"
    """Whether events of the operating system wake the scan early."""
    recheck: Duration = timedelta(minutes=10)
    """How long until a held file is tried again for the first time."""
    hold_for: Duration = timedelta(hours=24)
    """How long a file may be held before it is reported."""
    hours: Plain = ""
    """When files usually come, such as 07:00-18:00; silence then is an alert."""


class MailModel(Model):
    """Mail for alerts."""

    WHAT: ClassVar[str] = "mail"

    to: OneOrMore[Plain]
    """Addresses."""
    sender: Plain = "stow-gateway"
    """The sender's address."""
    server: Plain = "localhost:25"
    """Mail server and port."""


class AlertsModel(Model):
    """When somebody is told, and how."""

    WHAT: ClassVar[str] = "alerts"

    held_for: Duration = timedelta(hours=1)
    """Tell when a file is held for longer."""
    disk: Size = 1_000_000_000
    """Tell when less is free."""
    offline_for: Duration = timedelta(minutes=5)
    """Tell when a folder is away for longer."""
    breaker_for: Duration = timedelta(minutes=5)
    """Tell when a destination takes nothing for longer."""
    silence: Duration = timedelta(hours=2)
    """Tell when no file has come to a folder for longer, in its hours."""
    repeat: Duration = timedelta(hours=4)
    """Tell the same again after."""
    summary: Plain = ""
    """Send a summary every day at, such as 07:00."""
    mail: MailModel | None = None
    """Mail it."""
    webhook: Plain = ""
    """Post it as JSON to this address."""
    command: Plain = ""
    """Run this command with it as JSON on standard input."""


class MonitoringModel(Model):
    """Where health and figures are asked for."""

    WHAT: ClassVar[str] = "monitoring"

    host: Plain = "127.0.0.1"
    """Address to listen on."""
    port: Whole | None = None
    """Port to listen on; 0 for any."""


class ConfigurationModel(Model):
    """Hot folders, destinations and the ledger."""

    WHAT: ClassVar[str] = "a configuration"

    destinations: Named[DestinationModel]
    """Archives by name."""
    folders: OneOrMore[FolderModel]
    """Hot folders."""
    ledger: Plain
    """The ledger's file."""
    uid_namespace: Plain = ""
    """Namespace of UIDs: a UUID or a domain name; the ledger's own unless given."""
    monitoring: MonitoringModel | None = None
    """Where health and figures are asked for."""
    alerts: AlertsModel | None = None
    """When somebody is told, and how."""
    tmp_dir: Plain = ""
    """Folder for converted files."""
    decoders: Whole | None = None
    """Processes that decode at the same time; one a processor unless given."""


# Reading


@dataclass(frozen=True, slots=True)
class Outline:
    """Where a configuration has its ledger and its folders, by name."""

    ledger: Path
    folders: Mapping[str, Path]


def outline(path: Path) -> Outline:
    """The places in a configuration alone, which takes neither its secrets nor its mappings.

    Raises `Fatal` with the faults of a file that does not say as much.
    """
    faults: list[Fault] = []
    model = _model(path, faults)
    if model is None or not model.ledger:
        nodes.fail(faults or [Fault(Place(str(path), 1, 1), "ledger needs the name of a file")])
    assert model is not None  # noqa: S101 - there are faults where there is no model
    folders = {each.name or each.path: _place(path, each.path) for each in model.folders}
    return Outline(_place(path, model.ledger), folders)


def load(path: Path) -> Configuration:
    """The configuration in a file. Raises `Fatal` with all its faults, a line each."""
    faults: list[Fault] = []
    model = _model(path, faults)
    made = Reader(path, faults).configuration(model) if model else None
    nodes.fail(faults)
    assert made is not None  # noqa: S101 - there are faults where there is no model
    return made


def _model(path: Path, faults: list[Fault]) -> ConfigurationModel | None:
    try:
        return documents.read(path, str(path), ConfigurationModel, faults)
    except Reject as error:
        raise Fatal(str(error)) from error


def _place(configuration: Path, text: str) -> Path:
    """A path as a configuration means it: relative to its own folder.

    Links are followed, so that two names of one place are known for the same.
    """
    return (configuration.parent / Path(text).expanduser()).resolve()


@dataclass(slots=True)
class Reader:
    """Makes of the models what the daemon runs on, and finds what a model alone cannot know."""

    path: Path
    faults: list[Fault]
    _mappings: dict[str, language.Mapping] = field(default_factory=dict)
    """Those that were read, by what they are called here."""

    def configuration(self, model: ConfigurationModel) -> Configuration:
        """All of it, as the daemon runs on it."""
        archives = {name: self.archive(name, each) for name, each in (model.destinations or {}).items()}
        if not archives and not any(fault.place >= model.at("destinations") for fault in self.faults):
            self._fault(model.at("destinations"), "destinations needs at least one archive: NAME: {url: ...}")
        folders = tuple(self._folder(each, archives) for each in model.folders or ())
        if not folders and not any(fault.place >= model.at("folders") for fault in self.faults):
            self._fault(model.at("folders"), "folders needs at least one hot folder: - path: inbox")
        self._check_apart(model, folders)
        self._check_headers(model, folders, archives)
        monitoring = model.monitoring
        if monitoring and (monitoring.port or 0) > 65535:
            self._fault(monitoring.at("port"), f"port cannot be {monitoring.port}: write at most 65535")
        if not model.ledger:
            self._fault(model.at("ledger"), "ledger needs the name of a file")
        self._check_namespace(model)
        made = Configuration(
            path=self.path.absolute(),
            folders=folders,
            archives=archives,
            ledger=self._place(model.ledger),
            uid_namespace=model.uid_namespace or None,
            monitoring=Monitoring(monitoring.host, monitoring.port) if monitoring else Monitoring(),
            alerts=self._alerts(model.alerts) if model.alerts else None,
            tmp_dir=self._place(model.tmp_dir) if model.tmp_dir else None,
            decoders=model.decoders or None,
        )
        self._check_places(model, made)
        return made

    def _fault(self, place: Place, message: str) -> None:
        self.faults.append(Fault(place, message))

    def _place(self, text: str) -> Path:
        return _place(self.path, text)

    def _check_namespace(self, model: ConfigurationModel) -> None:
        try:
            uid_namespace(model.uid_namespace or None) if model.uid_namespace else None
        except Fatal:
            message = f"uid_namespace cannot be {model.uid_namespace!r}: write a UUID or a domain of your own"
            self._fault(model.at("uid_namespace"), message)

    # Destinations

    def archive(self, name: str, model: DestinationModel) -> Archive:
        """A destination as it is run on."""
        if not _NAME.fullmatch(name):
            self._fault(model.place, f"{name!r} cannot be a destination's name: use letters, digits, - and _")
        self._check_url(model)
        if not model.jobs:
            self._fault(model.at("jobs"), "jobs cannot be 0: write how many connections send, such as 2")
        headers = tuple((key, self._template(text, {"site": None})) for key, text in model.headers.items())
        for key, text in model.headers.items():
            if not _HEADER_NAME.fullmatch(key) or key.lower() in _OWN_HEADERS:
                self._fault(text.place, f"{key!r} cannot be a header here: choose another, or leave it out")
        tls = model.tls
        if tls and tls.key and not tls.cert:
            self._fault(tls.at("key"), "key needs cert, the certificate that it belongs to")
        return Archive(
            name=name,
            destination=Destination(
                url=model.url,
                form=Form(model.form),
                credentials=self._credentials(model.auth) if model.auth else Credentials(),
                tls=Tls(
                    verify=tls.verify,
                    check_hostname=tls.verify,
                    ca=self._file(tls, "ca"),
                    certificate=self._file(tls, "cert"),
                    key=self._file(tls, "key"),
                )
                if tls
                else Tls(),
                jobs=max(1, model.jobs),
                max_request_size=model.max_request_size,
                timeout=model.timeout.total_seconds(),
                single_part=model.single_part,
                unquoted_type=model.unquoted_type,
                chunked=model.chunked,
            ),
            headers=headers,
            charset=self._charset(model),
            rate=self._rate(model),
            unsafe_resend=model.resend == "unsafe",
            jxl=model.jxl,
        )

    def _check_url(self, model: DestinationModel) -> None:
        if re.match(r"\w+://[^/]*@", model.url):  # not shown: it may have a password in it
            self._fault(model.at("url"), "url has a user or password in it: say under auth where they are")
            return
        try:
            address.parse(model.url)
        except Fatal:
            self._fault(model.at("url"), f"url cannot be {model.url!r}: write http://HOST/PATH or https://")

    def _charset(self, model: DestinationModel) -> str | None:
        from gateway.dicom import charsets

        if not model.charset:
            return None
        if model.charset not in charsets.KNOWN:
            known = ", ".join(charsets.KNOWN)
            self._fault(model.at("charset"), f"charset cannot be {model.charset!r}: write one of {known}")
        elif model.form != "dicom":
            self._fault(model.at("charset"), "charset is for Part 10 files: DICOM JSON and XML are UTF-8")
        return model.charset

    def _rate(self, model: DestinationModel) -> float | None:
        if not model.rate:
            return None
        match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?) ?/ ?([smh])", model.rate)
        if match is None or not float(match[1]):
            self._fault(model.at("rate"), f"rate cannot be {model.rate!r}: write 10/s, 100/m or 1000/h")
            return None
        return float(match[1]) / {"s": 1, "m": 60, "h": 3600}[match[2]]

    def _file(self, model: TlsModel, key: str) -> Path | None:
        text = getattr(model, key)
        if not text:
            return None
        path = self._place(text)
        if not path.is_file():
            self._fault(model.at(key), f"{key} is {path}, and there is no such file")
        return path

    def _credentials(self, model: AuthModel) -> Credentials:
        if len(model.written) != 1:
            self._fault(model.place, "auth is one of basic, bearer and token_command")
            return Credentials()
        if isinstance(model.token_command, str):
            return Credentials(token_command=model.token_command)
        if model.token_command is not None:
            return Credentials(token_command=self._secret(model.token_command))
        if model.bearer is not None:
            return self._bearer(model.bearer)
        user, sign, password = (self._secret(model.basic) if model.basic else "").partition(":")
        if (user or password) and not sign:
            self._fault(model.at("basic"), "basic is a user and a password as USER:PASSWORD")
        return Credentials(user=user, password=password)

    def _bearer(self, model: SecretModel) -> Credentials:
        if model.file:
            self._secret(model)  # says what is wrong with it now rather than at the first file
            return Credentials(bearer_file=self._place(model.file))
        if model.command:
            return Credentials(token_command=model.command)
        return Credentials(bearer=self._secret(model))

    def _secret(self, model: SecretModel) -> str:
        """The secret, which no message shows."""
        given = [key for key in ("env", "file", "command") if getattr(model, key)]
        if len(given) != 1:
            self._fault(model.place, "a secret is in one of env, file and command")
            return ""
        try:
            return _reveal(given[0], getattr(model, given[0]), self.path.parent)
        except ValueError as error:
            self._fault(model.at(given[0]), str(error))
            return ""

    # Folders

    def _folder(self, model: FolderModel, archives: Mapping[str, Archive]) -> Folder:
        site = read_site(model.site, self.faults) if model.site else Site()
        patient_id = model.patient_id
        mappings = tuple(self.mapping(each, archives) for each in model.mapping)
        made = Folder(
            name=model.name or model.path,
            path=self._place(model.path),
            mappings=mappings,
            site=site,
            to=self._routes(model, archives, self._facts(mappings)),
            settle=model.settle,
            scan=max(model.scan, timedelta(milliseconds=50)),
            ignore=model.ignore,
            group=self._grouping(model.group) if model.group else None,
            sidecar=Sidecars(model.sidecar),
            give_up=model.give_up,
            originals=self._originals(model),
            rejected=self._place(model.rejected),
            unidentified=Unidentified(model.unidentified),
            patient_id=patient_ids.read(patient_id, self.faults) if patient_id else None,
            events=model.events == "auto",
            recheck=model.recheck,
            hold_for=model.hold_for,
            hours=self._hours(model),
        )
        if all(name in self._mappings for name in made.mappings):
            why = unfit(made, (self._mappings[name] for name in made.mappings))
            if why is not None:
                self._fault(model.at("mapping"), f"the folder {made.name} {why}")
        return made

    def mapping(self, text: Text, archives: Mapping[str, Archive]) -> str:
        """A mapping by its name, or by its path as seen from the configuration; its faults are ours."""
        name = shown = text.text or ""
        if "/" in name or name.endswith((".yaml", ".yml")):
            name, shown = str(self._place(name)), str(self.path.parent / Path(name).expanduser())
        try:
            loaded = language.load(shown)
        except Fatal as error:
            lines = str(error).splitlines()
            if len(lines) == 1 and not re.match(r".+:\d+:\d+: ", lines[0]):
                self._fault(text.place, lines[0])
            else:
                self._fault(text.place, f"the mapping {text.text} has faults:\n" + "\n".join(lines))
            return name
        for unknown in dict.fromkeys(
            each for check in loaded.checks for each in check.send_to if each not in archives
        ):
            message = f"the mapping {text.text} sends files to {unknown!r}, and there is no such destination"
            self._fault(text.place, f"{message}{nodes.instead(unknown, archives)}")
        self._mappings[name] = loaded
        return name

    def _facts(self, mappings: Iterable[str]) -> dict[str, Iterable[str] | None]:
        """The sources that are there for files of these mappings, and the facts of each; None for any."""
        names = {"path", "row", "sidecar", "barcode"}  # where one of them cannot be read
        if all(name in self._mappings for name in mappings):
            names = {source.name for name in mappings for source in self._mappings[name].sources}
        return {**scope.own(Site()), "site": None, **dict.fromkeys(names)}

    def _routes(
        self,
        model: FolderModel,
        archives: Mapping[str, Archive],
        known: Mapping[str, Iterable[str] | None],
    ) -> tuple[Route, ...]:
        if not model.to:
            if len(archives) > 1:
                self._fault(model.place, f"the folder {model.path} needs to: there are {', '.join(archives)}")
            return tuple(map(Route, archives))
        routes: list[Route] = []
        for each in model.to:
            name, when = (each.text or "", None) if isinstance(each, Text) else (each.name, each.when)
            if name not in archives:
                message = f"there is no destination {name!r}{nodes.instead(name, archives)}"
                self._fault(each.place, message)
            if name in {each.destination for each in routes}:
                self._fault(each.place, f"{name} stands here a second time: leave one out")
            routes.append(Route(name, self._template(when, known) if when else None))
        return tuple(routes)

    def _grouping(self, model: GroupModel) -> Grouping:
        pattern = None
        if model.pattern:
            try:
                pattern = re.compile(model.pattern.text or "")
            except re.error as error:
                place = model.pattern.at(error.pos or 0)
                self._fault(place, f"this is not a regular expression: {error.msg}")
        if model.by == "name" and model.pattern is None:
            self._fault(model.place, "group by name needs a pattern that finds the key, such as '^[^_]+'")
        if model.by != "name" and model.pattern is not None:
            self._fault(model.at("pattern"), "pattern is for group by name")
        return Grouping(By(model.by), pattern, model.quiet, model.done or None)

    def _originals(self, model: FolderModel) -> Originals:
        given = model.originals
        if given is None:
            return Originals()
        if isinstance(given, str):
            return Originals(Action(given))
        return Originals(
            Action.MOVE, self._template(given.move, {"original": ORIGINAL_FACTS}), given.retention
        )

    def _hours(self, model: FolderModel) -> Hours | None:
        if not model.hours:
            return None
        match = _HOURS.fullmatch(model.hours.strip())
        days = _weekdays(match["days"]) if match else None
        if match is None or days is None:
            message = f"hours cannot be {model.hours!r}: write such as 07:00-18:00 or Mon-Fri 07:00-18:00"
            self._fault(model.at("hours"), message)
            return None
        first, second, third, fourth = map(int, match.groups()[1:])
        return Hours(60 * first + second, 60 * third + fourth, days)

    def _check_apart(self, model: ConfigurationModel, folders: Iterable[Folder]) -> None:
        """Two folders in one place, or one inside the other, would send a file twice."""
        seen: list[Folder] = []
        for made, written in zip(folders, model.folders, strict=True):
            for other in seen:
                if made.name == other.name:
                    self._fault(written.place, f"two folders are called {made.name}: give one a name")
                elif made.path.is_relative_to(other.path) or other.path.is_relative_to(made.path):
                    self._fault(written.at("path"), f"{made.path} and {other.path} are one within the other")
            seen.append(made)

    def _check_headers(
        self, model: ConfigurationModel, folders: Iterable[Folder], archives: Mapping[str, Archive]
    ) -> None:
        """Headers that name facts of a site need a site that has them."""
        for folder in folders:
            for route in folder.to:
                archive = archives.get(route.destination)
                try:
                    _ = archive.destination_for(folder.site) if archive else None
                except ValueError as error:
                    place = model.destinations[route.destination].at("headers")
                    self._fault(place, f"for files of {folder.name} there is no such header: {error}")

    def _check_places(self, model: ConfigurationModel, made: Configuration) -> None:
        """What was put aside must not come in again, nor must anything be deleted that was never moved."""
        watched = {folder.path: folder.name for folder in made.folders}
        precious = {*watched, made.path, made.ledger, *(folder.rejected for folder in made.folders)}
        for folder, written in zip(made.folders, model.folders, strict=True):
            place = folder.originals.root(made.path.parent)
            for key, each in (("originals", place), ("rejected", folder.rejected)):
                if each in watched:
                    message = f"files would be moved to {each} and come in again: use a folder of its own"
                    self._fault(written.at(key), message)
            if place is None or place in watched or folder.originals.retention is None:
                continue
            inside = sorted(each for each in precious if each.is_relative_to(place))
            if inside:
                message = (
                    f"retention deletes what is old in {place}, and {inside[0]} is there: begin move with a "
                    "folder of its own, such as done/"
                )
                self._fault(written.at("originals"), message)

    # Alerts

    def _alerts(self, model: AlertsModel) -> Alerts:
        if not (model.mail or model.webhook or model.command):
            self._fault(model.place, "alerts needs mail, webhook or command, or nobody hears of them")
        summary = _CLOCK.fullmatch(model.summary) if model.summary else None
        if model.summary and summary is None:
            self._fault(model.at("summary"), f"summary cannot be {model.summary!r}: write such as 07:00")
        mail = model.mail
        if mail and not _SERVER.fullmatch(mail.server):
            self._fault(mail.at("server"), f"server cannot be {mail.server!r}: write such as localhost:25")
        if mail and not mail.to:
            self._fault(mail.at("to"), "to needs an address")
        return Alerts(
            held_for=model.held_for,
            disk=model.disk,
            offline_for=model.offline_for,
            breaker_for=model.breaker_for,
            silence=model.silence,
            repeat=model.repeat,
            summary=60 * int(summary[1]) + int(summary[2]) if summary else None,
            mail=Mail(mail.to, mail.sender, mail.server) if mail else None,
            webhook=model.webhook or None,
            command=model.command or None,
        )

    def _template(self, text: Text, known: Mapping[str, Iterable[str] | None]) -> Template:
        """The template in a text, which may use these sources, and these facts of each; None for any."""
        template = expressions.parse(text, self.faults)
        expressions.check(template.expressions, known, self.faults)
        return template


def _weekdays(text: str | None) -> frozenset[int] | None:
    """The days in a text such as `Mon-Fri,Sun`, all days without one; None where it is none."""
    if text is None:
        return frozenset(range(7))
    found: set[int] = set()
    for part in text.lower().split(","):
        first, _, last = part.partition("-")
        if first not in _DAYS or (last or first) not in _DAYS:
            return None
        start, end = _DAYS.index(first), _DAYS.index(last or first)
        found |= {(start + number) % 7 for number in range((end - start) % 7 + 1)}
    return frozenset(found)


def _reveal(kind: str, text: str, folder: Path) -> str:
    """What is in a variable or file, or what a command prints. Raises ValueError without showing any."""
    secret = _read_secret(kind, text, folder)
    if not secret:
        raise ValueError(f"there is no secret in {text}: it is empty")
    return secret


def _read_secret(kind: str, text: str, folder: Path) -> str:
    if kind == "env":
        if not os.environ.get(text):
            raise ValueError(f"the environment variable {text} is not set")
        return os.environ[text].strip()
    if kind == "file":
        path = folder / Path(text).expanduser()
        try:
            return path.read_text("utf-8").strip()
        except OSError as error:
            raise ValueError(f"{path} cannot be read: {error.strerror}") from None
        except UnicodeDecodeError:
            raise ValueError(f"{path} is not text in UTF-8") from None
    try:
        done = subprocess.run(  # noqa: S602 - the operator's own command line, as the configuration says
            text, shell=True, cwd=folder, capture_output=True, text=True, timeout=SECRET_SECONDS, check=True
        )
    except subprocess.TimeoutExpired:
        raise ValueError(f"the command took more than {SECRET_SECONDS} s") from None
    except subprocess.CalledProcessError as error:
        raise ValueError(f"the command ended with {error.returncode}") from None
    except UnicodeDecodeError:
        raise ValueError("the command printed something else than text in UTF-8") from None
    return done.stdout.strip()


def unfit(folder: Folder, mappings: Iterable[language.Mapping]) -> str | None:
    """What a folder says that its mappings do not suit, as the end of a sentence; None where all is well."""
    mappings = tuple(mappings)
    reads = any(isinstance(source, SidecarSource) for mapping in mappings for source in mapping.sources)
    if folder.sidecar is Sidecars.REQUIRED and not reads:
        return "says sidecar: required, but none of its mappings reads one: add sidecar under sources"
    if folder.group is None and any(mapping.assemble for mapping in mappings):
        return (
            "has a mapping that makes documents of pages (assemble), and nothing says when all pages of one "
            "are there: add group to the folder, such as {by: quiet, quiet: 30s}"
        )
    return None


def kept_out(configuration: Configuration) -> Iterator[Path]:
    """The places of the configuration that are never scanned, wherever they are."""
    ledger = configuration.ledger
    yield from (ledger, ledger.with_name(f"{ledger.name}-wal"), ledger.with_name(f"{ledger.name}-shm"))
    yield configuration.path
    if configuration.tmp_dir:
        yield configuration.tmp_dir
    for folder in configuration.folders:
        yield folder.rejected
        if (moved := folder.originals.root(configuration.path.parent)) is not None:
            yield moved
