"""Options that several commands share, and what they mean to the stages.

Names and letters are those that people know from dcm4che's `stowrs`, in its old dialect (`-m`, `-u URL`)
and its new one (`-s`, `--url`, `-u user:password`).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import fields
from fractions import Fraction
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from gateway.config import (
    MAX_PIXELS,
    MEBIBYTE,
    Credentials,
    Destination,
    Form,
    Lossless,
    Reading,
    Sound,
    Tls,
    Unidentified,
    uid_namespace,
)
from gateway.errors import Fatal

if TYPE_CHECKING:
    from gateway.pipeline import Work

Command = TypeVar("Command", bound=Callable[..., Any])
FILE = click.Path(path_type=Path, dir_okay=False, exists=True)


def _together(*options: Callable[[Command], Command]) -> Callable[[Command], Command]:
    """One decorator that adds all options, shown in this order."""
    return lambda command: reduce(lambda done, option: option(done), reversed(options), command)


def _ignored(*names: str, takes_value: bool = False) -> Callable[[Command], Command]:
    """An option of `stowrs` that asks for what always happens here, or for what is not needed."""
    return click.option(*names, hidden=True, expose_value=False, is_flag=not takes_value, default=None)


describing = _together(
    click.option("-m", "-s", "--set", "typed", metavar="ATTRIBUTE=VALUE", multiple=True,
                 help="Set an attribute: PatientName=John^Doe, 00100010=..., or a path through sequences."),
    click.option("-f", "--file", "attribute_file", metavar="FILE", type=FILE,
                 help="Attributes from DICOM JSON, Native XML or YAML, under those of -m. "
                 "Without other files it is stored as an object of its own."),
    click.option("--mapping", "mappings", metavar="NAME|FILE", multiple=True,
                 help="A mapping: whom and what the files show. Of several the first that is for a file."),
    click.option("--site", metavar="KEY=VALUE", multiple=True,
                 help="A fact of the place that the files come from: institution, timezone, clock, since, "
                 "or one of your own."),
    click.option("--patient-id", metavar="PATTERN",
                 help="A regular expression for the whole Patient ID; any other is doubted."),
    click.option("--unidentified", type=click.Choice([each.value for each in Unidentified]),
                 help="What becomes of files whose patient is not established: otherwise the mapping says, "
                 "or they are sent with a message."),
    click.option("--template", metavar="NAME", help="The DICOM object to make, such as vl-photographic."),
    click.option("--xc", is_flag=True,
                 help="Pictures become VL Photographic Images instead of Secondary Captures."),
    click.option("--uid-suffix", metavar="SUFFIX", default="",
                 help="Append to the Study, Series and SOP Instance UID of DICOM files."),
    click.option("--uid-namespace", metavar="UUID|DOMAIN",
                 help="Make UIDs in this namespace instead of your own (also GATEWAY_UID_NAMESPACE)."),
    click.option("--contentType", "--content-type", "media_type", metavar="TYPE",
                 help="Say what the files are; a file of other content is rejected."),
    click.option("--no-app", "strip_app", is_flag=True,
                 help="Leave out the APPn segments (EXIF, GPS, thumbnails) of JPEGs."),
    click.option("--allow-encrypted", is_flag=True,
                 help="Store PDFs that cannot be opened without a password."),
    click.option("--verbatim", is_flag=True,
                 help="Send DICOM files as they are even in transfer syntaxes that web services forbid."),
    click.option("--video", "as_video", is_flag=True,
                 help="Animated pictures become videos in H.264, which loses quality, instead of frames."),
    click.option("--keep-orientation", is_flag=True,
                 help="Store pictures as they lie, even where EXIF says to turn them."),
    click.option("--lossless", type=click.Choice([each.value for each in Lossless]),
                 help="How decoded pixels are stored; otherwise the template says, or native."),
    click.option("--max-pixels", type=click.IntRange(1), metavar="N", default=MAX_PIXELS,
                 show_default=True, help="Decode pictures of at most N pixels, all frames together."),
    click.option("--allow-jxl", is_flag=True, help="Store JPEG XL as it is instead of decoding it."),
    click.option("--transcode", is_flag=True,
                 help="Convert videos that DICOM does not take to H.264 High, which loses quality."),
    click.option("--audio", "sound", type=click.Choice([each.value for each in Sound]), default="keep",
                 show_default=True,
                 help="What becomes of sound that DICOM does not take: keep means a rejection."),
    click.option("--frame-rate", metavar="RATE", callback=lambda _c, _p, text: _rate(text),
                 help="Frames a second of raw video streams that do not say, such as 25 or 30000/1001."),
    click.option("--zero-preamble", is_flag=True, help="Clear the preamble of DICOM files."),
    click.option("--tmp-dir", metavar="DIR", type=click.Path(path_type=Path, file_okay=False),
                 help="Keep converted files here while they are sent."),
    _ignored("--pixel-header"),
    _ignored("--tsuid"),
    _ignored("--encapsulatedDocLength"),
    _ignored("--tmp-file-dir", takes_value=True),
    _ignored("--tmp-file-prefix", takes_value=True),
    _ignored("--tmp-file-suffix", takes_value=True),
)  # fmt: skip

reaching = _together(
    click.option("--url", metavar="URL", envvar="GATEWAY_URL",
                 help="The archive's DICOMweb address, with or without /studies or /studies/UID."),
    click.option("-u", "user_or_url", metavar="URL|USER:PASSWORD", multiple=True,
                 help="The address if it begins with http, else credentials."),
    click.option("-t", "--type", "form", type=click.Choice([form.value for form in Form]), default="dicom",
                 show_default=True, help="Send Part 10 files, or metadata (JSON or XML) with bulk data."),
    click.option("-a", "--accept", type=click.Choice(["json", "xml"]), default="json", show_default=True,
                 help="How the archive is asked to answer."),
    click.option("--timeout", type=click.FloatRange(0, min_open=True), default=300.0, show_default=True,
                 metavar="SECONDS", help="How long to wait for an answer."),
    click.option("--single-part", is_flag=True, help="Post each object by itself, not as multipart."),
    click.option("--unquoted-type", is_flag=True, help="Write the type parameter without quotes."),
    click.option("--chunked", is_flag=True, help="Send without Content-Length."),
    click.option("-H", "--header", "headers", metavar="NAME:VALUE", multiple=True,
                 help="Add a request header."),
    click.option("--bearer", metavar="TOKEN",
                 help="Send this bearer token (also GATEWAY_TOKEN, which 'ps' does not show)."),
    click.option("--bearer-file", metavar="FILE", type=FILE, help="Read the bearer token from a file."),
    click.option("--token-command", metavar="COMMAND", help="Run a command that prints the bearer token."),
    click.option("--cacert", metavar="FILE", type=FILE, help="Trust this certificate authority."),
    click.option("--cert", metavar="FILE", type=FILE, help="Present this client certificate."),
    click.option("--key", metavar="FILE", type=FILE,
                 help="The client certificate's key, if it is in a file of its own."),
    click.option("--insecure", "--disableTM", "insecure", is_flag=True,
                 help="Do not verify the archive's certificate."),
    click.option("--allowAnyHost", "any_host", is_flag=True,
                 help="Accept a certificate that was made for another host name."),
)  # fmt: skip
"""Where the archive is, and how it lets us in."""

sending = _together(
    reaching,
    click.option("-l", "--limit", type=click.IntRange(0), metavar="N",
                 help="At most N instances in one request; 0 is no limit. One by default."),
    click.option("--max-request-size", metavar="SIZE", callback=lambda _c, _p, text: size(text),
                 help="At most SIZE (such as 500MB) in one request that has several instances."),
    click.option("-j", "--jobs", type=click.IntRange(1, 64), default=1, show_default=True,
                 help="Connections that send at the same time."),
    click.option("--retry-for", type=click.FloatRange(0), default=30.0, show_default=True, metavar="SECONDS",
                 help="How long to try again when the archive is busy or away."),
    click.option("--skip-existing", is_flag=True,
                 help="Ask the archive first, and send only what it does not have."),
)  # fmt: skip

paths = click.argument("files", nargs=-1, type=click.Path(path_type=Path), metavar="FILE|DIR...")


def work(options: dict[str, Any]) -> Work:
    """What the describing options ask for; all faults in them are one `Fatal`."""
    # loading the stages takes longer than answering --help
    from gateway.mapping.description import description
    from gateway.pipeline import Work

    namespace = uid_namespace(options["uid_namespace"])
    if namespace.new:
        click.echo(f"gateway: UIDs are made in the namespace {namespace.value}, {namespace.origin}", err=True)
    asked = description(
        mappings=options["mappings"],
        template=options["template"],
        photographic=options["xc"],
        typed=options["typed"],
        attribute_file=options["attribute_file"],
        site=options["site"],
        patient_id=options["patient_id"],
        unidentified=Unidentified(options["unidentified"]) if options["unidentified"] else None,
    )
    return Work(
        namespace=namespace.value,
        reading=_reading(options),
        given=_given(),
        description=asked,
        uid_suffix=options["uid_suffix"],
        tmp_dir=options["tmp_dir"],
        object_file=options["attribute_file"],
    )


def _reading(options: dict[str, Any]) -> Reading:
    """How files are read by the options, which have the names of its fields."""
    values = {each.name: options[each.name] for each in fields(Reading)}
    lossless = values["lossless"]
    return Reading(
        **{**values, "sound": Sound(values["sound"]), "lossless": Lossless(lossless) if lossless else None}
    )


def _given() -> frozenset[str]:
    """The options that the user typed, or set in the environment."""
    context = click.get_current_context()
    return frozenset(
        name
        for name in context.params
        if context.get_parameter_source(name) is not click.core.ParameterSource.DEFAULT
    )


def destination(options: dict[str, Any]) -> Destination:
    """The destination that the sending options name. Raises `Fatal` for what does not fit together."""
    url, credentials = _address(options)
    limit = options["limit"]
    if limit is None:  # a bound in bytes alone puts as much as it permits into a request
        limit = 0 if options["max_request_size"] else 1
    if options["single_part"] and (options["form"] != "dicom" or limit != 1):
        raise Fatal(
            "--single-part posts one DICOM file at a time: leave out -t, --limit and --max-request-size"
        )
    return Destination(
        url=url,
        form=Form(options["form"]),
        accept=Form(options["accept"]),
        credentials=credentials,
        tls=Tls(
            verify=not options["insecure"],
            check_hostname=not options["any_host"],
            ca=options["cacert"],
            certificate=options["cert"],
            key=options["key"],
        ),
        headers=tuple(_header(text) for text in options["headers"]),
        limit=limit,
        max_request_size=options["max_request_size"],
        jobs=options["jobs"],
        retry_for=options["retry_for"],
        timeout=options["timeout"],
        single_part=options["single_part"],
        unquoted_type=options["unquoted_type"],
        chunked=options["chunked"],
        skip_existing=options["skip_existing"],
    )


def _address(options: dict[str, Any]) -> tuple[str, Credentials]:
    """The address and the credentials, of which `-u` may be either."""
    addresses = [text for text in options["user_or_url"] if text.lower().startswith(("http:", "https:"))]
    users = [text for text in options["user_or_url"] if text not in addresses]
    if options["url"] and not (addresses and _from_environment("url")):
        addresses.append(options["url"])
    if len(set(addresses)) > 1 or len(users) > 1:
        raise Fatal("there are several addresses or credentials: give one --url and one -u USER:PASSWORD")
    if not addresses:
        raise Fatal(
            "there is no address: give the archive's with --url, such as --url http://127.0.0.1:8042/dicom-web"
        )
    address = addresses[0]
    if not address.lower().startswith(("http://", "https://")):
        raise Fatal(f"--url {address} is not an address: it begins with http:// or https://")
    return address, _credentials(users[0] if users else None, options)


def _credentials(user: str | None, options: dict[str, Any]) -> Credentials:
    given = [
        name
        for name, value in (
            ("-u", user),
            ("--bearer", options["bearer"]),
            ("--bearer-file", options["bearer_file"]),
            ("--token-command", options["token_command"]),
        )
        if value is not None
    ]
    if len(given) > 1:
        raise Fatal(f"{' and '.join(given)} do not go together: give one of them")
    if user is not None:
        name, colon, password = user.partition(":")
        if not colon:
            raise Fatal("-u is neither an address that begins with http nor USER:PASSWORD")
        return Credentials(user=name, password=password)
    if given:
        return Credentials(
            bearer=options["bearer"],
            bearer_file=options["bearer_file"],
            token_command=options["token_command"],
        )
    if token := os.environ.get("GATEWAY_TOKEN"):
        return Credentials(bearer=token)
    if name := os.environ.get("GATEWAY_USER", ""):
        return Credentials(user=name, password=os.environ.get("GATEWAY_PASSWORD", ""))
    return Credentials()


def _from_environment(name: str) -> bool:
    source = click.get_current_context().get_parameter_source(name)
    return source is click.core.ParameterSource.ENVIRONMENT


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon or not name.strip() or not name.strip().isascii() or any(ch in text for ch in "\r\n"):
        raise Fatal(f"-H takes NAME:VALUE, such as 'x-tenant: 42'; {name.strip()!r} is not one")
    return name.strip(), value.strip()


def size(text: str | None) -> int | None:
    """Bytes in a size such as `500MB`, `2GiB` or `1048576`."""
    if text is None:
        return None
    units = {"": 1, "KB": 1000, "MB": 1000**2, "GB": 1000**3, "KIB": 1024, "MIB": MEBIBYTE, "GIB": 1024**3}
    number = text.strip().rstrip("BbIiKkMmGg ")
    unit = text.strip()[len(number) :].strip().upper()
    try:
        size = int(float(number) * units[unit if unit not in ("B",) else ""])
    except (ValueError, KeyError, OverflowError):
        size = 0
    if size < 1:
        raise click.BadParameter(f"{text!r} is not a size: write for example 500MB")
    return size


def _rate(text: str | None) -> Fraction | None:
    """Frames a second, as a number or a fraction."""
    if text is None:
        return None
    try:
        rate = Fraction(text)
    except (ValueError, ZeroDivisionError):
        rate = Fraction(0)
    if not 0 < rate <= 1000:
        raise click.BadParameter(f"{text!r} is no frame rate: write for example 25 or 30000/1001")
    return rate
