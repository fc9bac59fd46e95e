"""Documents and pictures made of single pages, each in a file of its own, as a mapping's `assemble` says.

The pages of one document are claimed together. It is sent as one object that has the first page's
description and place, and all of them are that instance. A page that is missing holds all the others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from pathlib import Path

from blake3 import blake3

from gateway import pipeline
from gateway.config import Lossless
from gateway.convert import child, pages
from gateway.convert.pages import Sheet
from gateway.convert.workshop import Workshop
from gateway.errors import Fatal, GatewayError, Hold, Reject, Retry, Skip
from gateway.ledger import Entry
from gateway.mapping.assembly import Assembly, Into, Page, page_of
from gateway.mapping.language import Mapping
from gateway.mapping.select import select
from gateway.model import Kind, LossyStep, Probe, Source
from gateway.pipeline import Candidate, Work

SECONDS_A_PAGE = 10.0
"""Processor time that joining a page may take."""

MOST_PAGES = 100_000
"""Files that are claimed together where some are pages of documents, which must not be parted."""

MISSING_PAGE = "missing-page"
"""Why pages are held whose document is not whole; they are claimed with whatever comes to it."""

NAMED = 10
"""Numbers of pages that a message names."""


@dataclass(frozen=True, slots=True)
class Joined:
    """One file, or the pages of one document in their order, and what they become; or why they do not."""

    files: tuple[tuple[Entry, Candidate], ...]
    candidate: Candidate | None = None
    error: Reject | Hold | Skip | Retry | None = None


Assemble = Callable[[Sequence[tuple[Entry, Candidate]], Work, Workshop], Iterable[Joined]]
"""Joins what belongs together of the files that were claimed together."""


def is_asked(mappings: Iterable[Mapping]) -> bool:
    """Whether one of the mappings makes documents of pages."""
    return any(mapping.assemble for mapping in mappings)


def document_of(source: Source, work: Work) -> str | None:
    """With what a page is claimed; None for a file by itself."""
    try:
        subject = select(pipeline.look(source, work), work.description)
        page = page_of(subject, work.description)
    except (Reject, Hold, Skip, Retry, Fatal):  # it is told when the file is claimed
        return None
    return group_of(page) if page else None


def group_of(page: Page) -> str:
    """With what a page is claimed: a name of its document that says nothing about it."""
    return f"//{blake3(page.document.encode('utf-8', 'surrogateescape')).hexdigest(16)}"


def join(files: Sequence[tuple[Entry, Candidate]], work: Work, shop: Workshop) -> Iterator[Joined]:
    """Joins the pages among files that were claimed together; other files stay as they are."""
    documents: dict[str, list[tuple[Page, Entry, Candidate]]] = {}
    for entry, candidate in files:
        try:
            page = page_of(candidate.subject, work.description) if candidate.subject else None
        except (Hold, Reject, Retry) as error:
            yield Joined(((entry, candidate),), error=error)
            continue
        if page is None:
            yield Joined(((entry, candidate),), candidate)
        else:
            documents.setdefault(page.document, []).append((page, entry, candidate))
    for found in documents.values():
        found.sort(key=lambda each: each[0].number)
        together = tuple((entry, candidate) for _, entry, candidate in found)
        try:
            _check_numbers([page.number for page, _, _ in found], together)
            yield Joined(together, _document([candidate for _, candidate in together], work, shop))
        except (Hold, Reject, Skip, Retry) as error:
            yield Joined(together, error=error)


def _check_numbers(numbers: Sequence[int], files: Sequence[tuple[Entry, Candidate]]) -> None:
    """Raises `Hold` unless pages are numbered one after the other, from 0 or 1."""
    shown = ", ".join(map(str, numbers[:NAMED])) + (", ..." if len(numbers) > NAMED else "")
    twice = next((one for one, other in pairwise(numbers) if one == other), None)
    missing = next((one + 1 for one, other in pairwise(numbers) if other > one + 1), None)
    if numbers[0] > 1:
        missing = 1
    if twice is None and missing is None:
        return
    what = f"page {missing} is missing" if twice is None else f"page {twice} is there twice"
    first = files[0][1]
    assert first.probe is not None  # noqa: S101 - pages are files
    raise Hold(
        f"{first.probe.source.shown}: its document is not whole: it has the pages {shown}, so that {what}. "
        "None of them is sent until all are there",
        reason=MISSING_PAGE,
        depends=tuple(dict.fromkeys(_depends(candidate for _, candidate in files))),
    )


def _depends(candidates: Iterable[Candidate]) -> Iterator[Path]:
    """What may bring a missing page: the tables, the mapping, and the folders of the others."""
    for candidate in candidates:
        if candidate.subject and candidate.subject.mapping:
            yield from candidate.subject.mapping.files
        yield from candidate.depends
        if candidate.probe:
            yield candidate.probe.source.path.parent


def _document(candidates: Sequence[Candidate], work: Work, shop: Workshop) -> Candidate:
    """What pages become together."""
    first = candidates[0].subject
    assert first is not None and first.mapping is not None  # noqa: S101, PT018 - it has the rule for pages
    assert first.mapping.assemble is not None  # noqa: S101
    made, count = _made(candidates, first.mapping.assemble, shop)
    source = Source(made, first.probe.source.root, member=first.probe.source.shown)
    mapping = replace(first.mapping, match=None, when=None, assemble=None)
    alone = replace(work, description=replace(work.description, mappings=(mapping,)))
    try:
        probe = _as_pages(pipeline.look(source, alone), candidates, count)
        return pipeline.examine(probe, alone, first.group, digest=_digest(candidates))
    except GatewayError:
        made.unlink(missing_ok=True)
        raise


def _made(candidates: Sequence[Candidate], assembly: Assembly, shop: Workshop) -> tuple[Path, int]:
    """The file with all pages, and how many there are."""
    sheets = [_sheet(candidate, assembly) for candidate in candidates]
    made = shop.new(".pdf" if assembly.into is Into.PDF else ".tif")
    size = sum(sheet.path.stat().st_size for sheet in sheets)
    most = max(_decoded(candidate) for candidate in candidates)
    try:
        count = child.run(
            pages.to_pdf if assembly.into is Into.PDF else pages.to_frames,
            sheets,
            made,
            seconds=child.SECONDS + SECONDS_A_PAGE * len(sheets),
            memory=child.MEMORY + 4 * size + 16 * most,
            about=sheets[0].shown,
            folder=shop.folder,
        )
    except GatewayError:
        made.unlink(missing_ok=True)
        raise
    return made, count


def _sheet(candidate: Candidate, assembly: Assembly) -> Sheet:
    """A file as one to be joined. Raises `Hold` for what cannot be a page."""
    probe = candidate.probe
    assert probe is not None  # noqa: S101 - pages are files
    is_pdf = probe.format == "pdf"
    if not (probe.kind is Kind.IMAGE or (is_pdf and assembly.into is Into.PDF)):
        raise Hold(
            f"{probe.source.shown} is {probe.format}, which cannot be a page of {assembly.into}: "
            "take it out of the document in the mapping",
            reason="page",
        )
    return Sheet(probe.source.path, probe.source.shown, is_pdf)


def _decoded(candidate: Candidate) -> int:
    """Bytes of a page's pixels."""
    pixels = candidate.probe.pixels if candidate.probe else None
    if pixels is None:
        return 0
    return pixels.rows * pixels.columns * pixels.samples_per_pixel * pixels.bits_allocated // 8


def _digest(candidates: Iterable[Candidate]) -> bytes:
    """What identifies the document: its pages in their order, not the file that was made of them."""
    found = blake3(b"pages")
    for candidate in candidates:
        found.update(candidate.digest_bytes or b"")
    return found.digest()


def _as_pages(probe: Probe, candidates: Sequence[Candidate], count: int) -> Probe:
    """The probe of what was made, with what is known of its pages."""
    told = (message for message in probe.messages if "its name says" not in message)
    found = replace(probe, messages=(*told, f"is made of {count} pages in {len(candidates)} files"))
    steps = tuple(
        dict.fromkeys(
            step
            for candidate in candidates
            if candidate.probe and candidate.probe.pixels
            for step in candidate.probe.pixels.lossy
        )
    )
    if not steps or found.pixels is None or found.convert is None:
        return found
    return replace(found, pixels=replace(found.pixels, lossy=steps), convert=partial(_lossy, found, steps))


def _lossy(probe: Probe, steps: tuple[LossyStep, ...], shop: Workshop, lossless: Lossless) -> Probe:
    """The frames, which say that their pages were compressed with loss before."""
    assert probe.convert is not None  # noqa: S101 - asked by the caller
    made = probe.convert(shop, lossless)
    return replace(made, pixels=replace(made.pixels, lossy=steps) if made.pixels else None)
