"""`sidecar`: what a file beside a file says, or one for all files in a folder.

    sidecar:
      file: '{{ media.stem }}.xml'
      namespaces: {h: 'urn:hl7-org:v3'}
      select: {mrn: './/h:id/@extension', eye: './h:exam/h:eye'}

Which of several files is meant is never guessed, and a file is held until its sidecar is there. A sidecar
that many files share is read once, as long as it does not change.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from glob import has_magic
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field

from gateway.documents import Duration, Flag, Model, Named, Plain, Words
from gateway.errors import Hold, Reject, Retry
from gateway.mapping import encodings, expressions
from gateway.mapping.assignments import Assignment
from gateway.mapping.expressions import Expression, Facts, Template
from gateway.mapping.sidecars import READERS, format_of, locate, merge
from gateway.mapping.sidecars.locate import Wanted
from gateway.mapping.sidecars.reader import Content
from gateway.mapping.sidecars.reader import Path as Way
from gateway.mapping.sources.source import Case, Found, name_pattern
from gateway.model import Source
from gateway.nodes import Fault
from gateway.stream import FileStamp, open_file, stat

KEPT = 8
"""Sidecars of which is remembered what they say: those of the folders that are just being worked on."""


class SidecarModel(Model):
    """A file beside a file, or one for all files in a folder."""

    WHAT: ClassVar[str] = "sidecar"

    name: Plain = "sidecar"
    """The name under which its facts are used."""
    file: Words | None = None
    """Its name, relative to the file's folder: an expression, or a pattern with * and ?."""
    scope: Literal["file", "folder"] = "file"
    """Whether there is one for each file, or one for all files in a folder."""
    format: Literal["ini", "xml", "json", "yaml", "hl7v2", "text"] | None = None
    """What it is written in; as its extension says if this is left out."""
    encoding: Plain | None = None
    """Its encoding, such as windows-1252; found out if this is left out."""
    namespaces: Named[Plain] = Field(default_factory=dict)
    """XML namespaces by the prefixes that paths use."""
    select: Named[Words] = Field(default_factory=dict)
    """Facts by name, and where each stands: a path, a key, a segment and field."""
    wait: Duration = timedelta()
    """How long a hot folder waits for it."""
    required: Flag = True
    """Whether a file without its sidecar is held."""
    merge: Flag = False
    """Whether all DICOM attributes in it are taken, below those of the mapping."""


def read(model: SidecarModel, faults: list[Fault], folder: Path) -> SidecarSource:
    """The source that a model describes; what is wrong with it is added to the faults."""
    form = _format(model, faults)
    template = expressions.parse(model.file, faults) if model.file else None
    if template is not None:
        _check_folder(template, model, faults)
    if model.encoding and not encodings.known(model.encoding):
        message = f"there is no encoding {model.encoding!r}: name one such as windows-1252 or iso8859-15"
        faults.append(Fault(model.at("encoding"), message))
    if not model.name.isidentifier():
        faults.append(Fault(model.at("name"), f"{model.name!r} is no name: take letters, digits and _"))
    if model.scope == "folder" and "file" not in model.written:
        faults.append(Fault(model.place, "sidecar needs file: with scope: folder, such as exam.ini"))
    if form is None:  # what else there is to say depends on it
        return SidecarSource(model, "text", template, {})
    _check_shape(model, form, faults)
    return SidecarSource(model, form, template, _ways(model, form, faults))


def _format(model: SidecarModel, faults: list[Fault]) -> str | None:
    """The format that is given, else the one that the name's extension says; None where that is at fault."""
    if model.format or "format" in model.written:
        return model.format
    named = format_of(model.file.text or "") if model.file else None
    if named is None:
        message = f"sidecar needs format: one of {', '.join(READERS)}"
        faults.append(Fault(model.at("file"), message))
    return named


def _check_folder(template: Template, model: SidecarModel, faults: list[Fault]) -> None:
    """Patterns are for names; a folder's name is known."""
    text = "".join(part if isinstance(part, str) else "x" for part in template.parts)
    if has_magic(text.replace("\\", "/").rpartition("/")[0]):
        faults.append(Fault(model.at("file"), "* and ? are for the name of the sidecar, not for its folders"))


def _check_shape(model: SidecarModel, form: str, faults: list[Fault]) -> None:
    """Whether what is said goes together with the format."""
    if model.namespaces and form != "xml":
        faults.append(Fault(model.at("namespaces"), f"namespaces are for XML, and this is {form}"))
    if model.merge and form not in merge.FORMATS:
        message = f"{form} has no DICOM attributes to merge: name what is taken from it with select:"
        faults.append(Fault(model.at("merge"), message))
    if "select" in model.written or model.merge:
        return
    if not READERS[form].natural:
        example = "PID-3.1" if form == "hl7v2" else "./patient/@id"
        message = f"sidecar needs select: to name what is taken from {form}, such as {{mrn: {example}}}"
        faults.append(Fault(model.place, message))
    elif not model.required:
        message = "sidecar needs select: with required: no, so that its facts have names where it is missing"
        faults.append(Fault(model.place, message))


def _ways(model: SidecarModel, form: str, faults: list[Fault]) -> dict[str, Way]:
    ways: dict[str, Way] = {}
    for name, node in model.select.items():
        if not name.isidentifier():
            faults.append(Fault(node.place, f"{name!r} is no name of a fact: take letters, digits and _"))
        try:
            ways[name] = READERS[form].path(node.text or "", model.namespaces)
        except ValueError as error:
            faults.append(Fault(node.place, str(error)))
    return ways


class SidecarSource:
    """Finds and reads the sidecar of each file.

    `wait` is how long a file may wait for its sidecar where files still arrive; `scope` says whether
    the files of a folder share one.
    """

    def __init__(
        self, model: SidecarModel, form: str, template: Template | None, ways: Mapping[str, Way]
    ) -> None:
        self.name = model.name
        self.wait = model.wait
        self.scope = model.scope
        self._required = model.required
        self._encoding = model.encoding
        self._merge = model.merge
        self._form = form
        self._reader = READERS[form]
        self._template = template
        self._ways = ways
        self._remembered = lru_cache(maxsize=KEPT)(self._read)

    @property
    def names(self) -> tuple[str, ...] | None:
        """The facts that are selected; all that the sidecar has where nothing is."""
        if self._ways:
            return tuple(self._ways)
        return None if self._reader.natural and self._required else ()

    @property
    def expressions(self) -> Iterator[Expression]:
        """Those in its name."""
        if self._template is not None:
            yield from self._template.expressions

    @property
    def companions(self) -> tuple[str, ...]:
        """The names that sidecars may have; where that could be any name, those of their format."""
        pattern = name_pattern(self._template) if self._template else "*"
        if pattern.strip("*."):
            return (pattern,)
        return tuple(f"*.{extension}" for extension in self._reader.extensions)

    def find(self, case: Case) -> Found:
        """What the sidecar of a file says.

        Raises `Hold` with the reason `sidecar-missing`, `sidecar-ambiguous` where there are several, or
        `sidecar` for one that cannot be read; and `Retry` for one that is being written.
        """
        source = case.probe.source
        wanted = self._wanted(source, case.facts)
        path = self._chosen(source, wanted)
        if path is None:  # one that comes later is noticed
            depends = tuple(each.changes for each in wanted if each.exact)
            return Found(dict.fromkeys(self._ways), depends=depends, messages=("it has no sidecar",))
        try:
            stamp = FileStamp.of(stat(path))
            return self._remembered(path, stamp) if stamp.settled else self._read(path, stamp)
        except ValueError as error:
            message = f"{source.shown}: its sidecar {path} cannot be used: {error}"
            raise Hold(message, reason="sidecar", depends=(path,)) from error
        except Reject as error:
            raise Hold(f"{source.shown}: {error}", reason="sidecar", depends=(path,)) from error

    def demanded(self) -> SidecarSource:
        """The same source, for files that wait for their sidecar."""
        made = copy(self)
        made._required = True
        return made

    def unread(self) -> Unread:
        """A source of the same facts, for files of which nothing beside them is read."""
        return Unread(self.name, tuple(self._ways))

    def _wanted(self, source: Source, facts: Facts) -> list[Wanted]:
        """The names that the sidecar of a file may have."""
        if self._template is None:
            return locate.usual(source, self._reader.extensions)
        return [locate.named(self._template, source, facts)]

    def _chosen(self, source: Source, wanted: Sequence[Wanted]) -> Path | None:
        """The sidecar of a file; None where there is none and need not be."""
        try:
            found = [each for each in locate.there(wanted, source) if not _is_same(each, source.path)]
        except (OSError, ValueError) as error:
            message = f"{source.shown}: its sidecar {wanted[0].name!r} cannot be looked for: {error}"
            raise Hold(message, reason="sidecar") from error
        if len(found) > 1:
            raise Hold(
                f"{source.shown}: any of {', '.join(each.name for each in found)} may be its sidecar: remove "
                "all but one, or say in the mapping which file: is meant",
                reason="sidecar-ambiguous",
                depends=tuple(found),
            )
        if not found and self._required:
            waits = f"; a hot folder waits {self.wait} for it" if self.wait else ""
            raise Hold(
                f"{source.shown}: there is no sidecar {wanted[0].name} in {wanted[0].folder}: add it, or say "
                f"required: no in the mapping{waits}",
                reason="sidecar-missing",
                depends=tuple(each.changes for each in wanted),
            )
        return found[0] if found else None

    def _read(self, path: Path, stamp: FileStamp) -> Found:
        """What a sidecar says, whichever file it is asked for. Raises ValueError in words."""
        text = encodings.decode(_bytes(path, stamp, self._reader.limit), self._encoding)
        content = self._reader.read(text)
        facts, messages = self._facts(content)
        attributes: tuple[Assignment, ...] = ()
        if self._merge:
            attributes = merge.attributes(content, text, self._form, path, f"sidecar {path.name}")
            if self.scope == "folder" and any(each.name == "SOPInstanceUID" for each in attributes):
                raise ValueError("SOPInstanceUID is of one object, and this is for all files in the folder")
        return Found(
            facts,
            attributes,
            depends=(path,),
            where=path.name,
            messages=tuple(f"{path.name}: {each}" for each in (*content.remarks, *messages)),
        )

    def _facts(self, content: Content) -> tuple[Mapping[str, Any], tuple[str, ...]]:
        """The facts that are selected, or all, and what there is to say about them."""
        if self._ways:
            facts = {name: way(content.tree) for name, way in self._ways.items()}
            if all(value is None for value in facts.values()):
                return facts, (f"nothing that select: names is in it{content.hint}",)
            return facts, ()
        if content.facts is None and self._reader.natural and not self._merge:
            raise ValueError("its content is no table of names and values: name what is taken with select:")
        return content.facts or {}, ()


@dataclass(frozen=True, slots=True)
class Unread:
    """Sidecars that are not read: the file has what it would have without one."""

    name: str
    names: tuple[str, ...]
    expressions: tuple[Expression, ...] = ()
    companions: tuple[str, ...] = ()

    def find(self, case: Case) -> Found:
        """Nothing at all."""
        return Found(dict.fromkeys(self.names))


def _is_same(path: Path, other: Path) -> bool:
    return os.path.normpath(path) == os.path.normpath(other)


def _bytes(path: Path, stamp: FileStamp, limit: int) -> bytes:
    """The bytes of a sidecar, if it is still the file that the stamp is of."""
    with open_file(path) as file:
        data = file.read(limit + 1)
        if FileStamp.of(os.fstat(file.fileno())) != stamp:
            raise Retry(f"{path} changed while it was being read; try again when it is complete")
    if len(data) > limit:
        raise ValueError(f"it is larger than {limit // 1024:,} KiB, which no sidecar of its format needs")
    if not data.strip():
        raise ValueError("there is nothing in it")
    return data
