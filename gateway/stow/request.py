"""Store requests: instances as a body to post (PS3.18 8.6.1, 10.5.1).

    dicom   one part an instance, each a complete DICOM file
    json    one part with one array of data sets, then a part for each bulk value
    xml     one part with a data set for each instance, then a part for each bulk value

A request has one form: files and metadata are never mixed (PS3.18 10.5.1.4).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from urllib.parse import quote

from gateway.config import Form
from gateway.dicom import json, part10, xml
from gateway.dicom.elements import PIXEL_DATA
from gateway.dicom.json import Model
from gateway.errors import Reject
from gateway.media_types import EXPLICIT_LITTLE
from gateway.model import Bulk, Instance
from gateway.stow import address, multipart
from gateway.stow.multipart import Part
from gateway.stream import Stream

ENVELOPE = 512
"""More bytes than a body has besides those of its instances."""


@dataclass(frozen=True, slots=True)
class Request:
    """A body that is ready to be posted, as often as needed."""

    instances: tuple[Instance, ...]
    form: Form
    content_type: str
    body: Stream


@dataclass(frozen=True)
class Prepared:
    """What one instance contributes to a body: its metadata, if it travels so, and its parts."""

    instance: Instance
    form: Form
    metadata: bytes
    parts: tuple[Part, ...]

    @cached_property
    def size(self) -> int:
        """Bytes that a body becomes longer by this instance."""
        lines = multipart.BOUNDARY_LENGTH + len("--\r\n\r\n")
        parts = sum(lines + len(multipart.head(part)) + part.content.length for part in self.parts)
        return parts + len(self.metadata) + (ENVELOPE if self.form is Form.XML else len(","))


def build(instances: Sequence[Instance], form: Form, *, unquoted_type: bool = False) -> Request:
    """The request that stores these instances together.

    Raises `Reject` for an instance that this form cannot carry.
    """
    return join([prepare(instance, form) for instance in instances], unquoted_type=unquoted_type)


def prepare(instance: Instance, form: Form) -> Prepared:
    """What an instance contributes in a form. Raises `Reject` when it cannot travel in it."""
    if form is Form.DICOM:
        file = Part((("Content-Type", form.media_type),), part10.write(instance))
        return Prepared(instance, form, b"", (file,))
    if instance.metadata_obstacle:
        raise Reject(
            f"{instance.source.shown} cannot be sent as metadata and bulk data: {instance.metadata_obstacle}"
        )
    model = metadata(instance)
    written = json.dump([model])[1:-1] if form is Form.JSON else xml.dump(model)
    return Prepared(instance, form, written, tuple(_bulk_part(instance, bulk) for bulk in instance.bulks))


def join(prepared: Sequence[Prepared], *, unquoted_type: bool = False) -> Request:
    """The request of one or more prepared instances, all of one form.

    `unquoted_type` writes the type parameter without quotes. Metadata come before every bulk part, as
    PS3.18 8.6.1.2 wants it.
    """
    form = prepared[0].form
    parts = [*_metadata_parts(prepared, form), *(part for each in prepared for part in each.parts)]
    boundary = multipart.boundary([*map(multipart.head, parts), *(each.metadata for each in prepared)])
    return Request(
        instances=tuple(each.instance for each in prepared),
        form=form,
        content_type=multipart.related(form.media_type, boundary, quoted=not unquoted_type),
        body=multipart.write(parts, boundary),
    )


def single(prepared: Prepared) -> Request:
    """The request that is nothing but one DICOM file, for archives that know no multipart bodies."""
    return Request((prepared.instance,), Form.DICOM, Form.DICOM.media_type, prepared.parts[0].content)


def metadata(instance: Instance) -> Model:
    """The data set of an instance, with references in place of its bulk values."""
    return json.to_model(
        instance.dataset,
        {bulk.tag: bulk_uri(instance, bulk) for bulk in instance.bulks},
        {bulk.tag: bulk.vr for bulk in instance.bulks},
    )


def bulk_uri(instance: Instance, bulk: Bulk) -> str:
    """The name of a bulk value in a request: BulkDataURI and Content-Location alike.

    Receivers compare the two byte for byte. It tells nothing that the instance's UID does not.
    """
    return f"bulk/{quote(instance.sop_instance_uid, safe='')}/{bulk.tag:08X}"


def study_in_url(url: str) -> str | None:
    """The Study Instance UID that a store address names, which all instances must then have.

    Raises `Fatal` for what is no address.
    """
    return address.parse(url).study


def _metadata_parts(prepared: Sequence[Prepared], form: Form) -> list[Part]:
    headers = (("Content-Type", form.media_type),)
    match form:
        case Form.DICOM:
            return []
        case Form.JSON:
            array = b"[" + b",".join(each.metadata for each in prepared) + b"]"
            return [Part(headers, Stream.of(array))]
        case Form.XML:
            return [Part(headers, Stream.of(each.metadata)) for each in prepared]


def _bulk_part(instance: Instance, bulk: Bulk) -> Part:
    content_type = bulk.media_type
    if bulk.tag in PIXEL_DATA:  # without it, image/jpeg is taken for lossless JPEG (PS3.18 Table 8.7.3-5)
        transfer_syntax = instance.transfer_syntax if bulk.encapsulated else EXPLICIT_LITTLE
        content_type += f"; transfer-syntax={transfer_syntax}"
    headers = (("Content-Type", content_type), ("Content-Location", bulk_uri(instance, bulk)))
    return Part(headers, bulk.value)
