"""`assemble:`, which files are the pages of one document, and what is made of them.

assemble:
  by: '{{ row.document }}'
  order: '{{ row.page }}'
  into: multipage-pdf
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar, Literal

from gateway.documents import Model, Words
from gateway.errors import Hold
from gateway.mapping import expressions
from gateway.mapping.compose import evaluate
from gateway.mapping.description import Description
from gateway.mapping.expressions import Expression, Facts, Template
from gateway.mapping.known import known
from gateway.mapping.select import Subject
from gateway.mapping.sources import ask
from gateway.nodes import Fault


class Into(StrEnum):
    """What is made of pages."""

    PDF = "multipage-pdf"
    FRAMES = "multiframe"


class AssembleModel(Model):
    """Which files are the pages of one document, and what is made of them."""

    WHAT: ClassVar[str] = "assemble"

    by: Words
    """The key of the document: files with the same one are its pages."""
    order: Words
    """The number of the page; pages are numbered one after the other, from 1 or 0."""
    into: Literal["multipage-pdf", "multiframe"]
    """A PDF document of several pages, or a picture of several frames."""


@dataclass(frozen=True, slots=True)
class Assembly:
    """Which files are the pages of one document, and what is made of them."""

    by: Template
    order: Template
    into: Into

    @property
    def expressions(self) -> tuple[Expression, ...]:
        """Those for the key and for the number."""
        return (*self.by.expressions, *self.order.expressions)


@dataclass(frozen=True, slots=True)
class Page:
    """A page: the key of its document, and its number there."""

    document: str
    number: int


def read(model: AssembleModel, faults: list[Fault]) -> Assembly:
    """What a model says; what is wrong with it is added to the faults."""
    by, order = expressions.parse(model.by, faults), expressions.parse(model.order, faults)
    for name, template, text in (("by", by, model.by), ("order", order, model.order)):
        if template.literal is not None:
            example = "'{{ row.page }}'"
            message = f"{name} is {text.text!r} for every file: write an expression, such as {example}"
            faults.append(Fault(text.place, message))
    return Assembly(by, order, Into(model.into))


def page_of(subject: Subject, request: Description) -> Page | None:
    """Which page a file is; None where its mapping assembles nothing.

    Raises `Hold` where that cannot be told, and what the sources of the mapping raise.
    """
    mapping = subject.mapping
    if mapping is None or mapping.assemble is None:
        return None
    facts = ask(
        subject.probe, known(subject.probe, mapping, request, subject.group).facts, mapping.sources
    ).facts
    document = _evaluated(subject, mapping.assemble.by, facts, "by")
    number = _evaluated(subject, mapping.assemble.order, facts, "order")
    if not number.isascii() or not number.isdigit():
        raise _hold(subject, f"it should be the page {number!r}, and pages are numbered 1, 2, 3")
    return Page(f"{mapping.name}\x1f{document}", int(number))


def _evaluated(subject: Subject, template: Template, facts: Facts, what: str) -> str:
    try:
        text = evaluate(template, facts)
    except ValueError as error:
        raise _hold(subject, f"{what} of assemble: {error}") from error
    if text is None:
        raise _hold(subject, f"{what} of assemble comes to nothing, so its document is not known")
    return text


def _hold(subject: Subject, why: str) -> Hold:
    files = subject.mapping.files if subject.mapping else ()
    return Hold(f"{subject.probe.source.shown}: {why}", reason="page", depends=files)
