"""Sources of facts, a module each: what they know of a file, for templates and mappings to name.

A source of the file itself has `NAMES`, every fact that it can know, and `facts(probe)`, in which each
of them is None where this file does not say it. A source that a mapping sets up is a `GivenSource`: a
pattern for paths, a table, a sidecar, a bar code. Each may use what the ones before it found.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from gateway.errors import GatewayError, Hold, Reject, Retry
from gateway.mapping.assignments import Assignment
from gateway.mapping.expressions import Facts
from gateway.mapping.patients import PatientIds
from gateway.mapping.sources import cda, exif, media, model, pdf, video
from gateway.mapping.sources.source import Case, Found, GivenSource
from gateway.model import Probe

OWN: Mapping[str, tuple[str, ...]] = {
    "cda": cda.NAMES,
    "exif": exif.NAMES,
    "media": media.NAMES,
    "model": model.NAMES,
    "pdf": pdf.NAMES,
    "video": video.NAMES,
}
"""The sources that every file has, and the facts of each."""


@dataclass(frozen=True, slots=True)
class Gathered:
    """All that is known of a file.

    `levels` are the attributes that sources bring as a whole, the first source's lowest. `depends` are
    the files that facts come from, and `places` where in them, by source.
    """

    facts: Facts
    levels: tuple[tuple[Assignment, ...], ...] = ()
    depends: tuple[Path, ...] = ()
    places: Mapping[str, str] | None = None
    messages: tuple[str, ...] = ()


def own(
    probe: Probe,
    captured: datetime | None,
    problem: str | None = None,
    rule: PatientIds | None = None,
) -> dict[str, Any]:
    """What a file says itself; `captured` is when it was made, as far as that can be true, and `problem`
    why it cannot.

    `rule` says what Patient IDs look like.
    """
    return {
        "cda": cda.facts(probe),
        "exif": exif.facts(probe),
        "media": media.facts(probe, captured, problem, rule),
        "model": model.facts(probe),
        "pdf": pdf.facts(probe),
        "video": video.facts(probe),
    }


def ask(
    probe: Probe,
    facts: Facts,
    sources: Iterable[GivenSource],
    troubles: list[GatewayError] | None = None,
) -> Gathered:
    """The facts that are known already, and what each source knows besides, asked in turn.

    Raises what a source raises: `Hold`, `Retry` or `Reject`. With a list for `troubles` that goes there,
    and the facts are those of the other sources, but for those that need one that is missing.
    """
    known = Gathered(facts, places={})
    for source in sources:
        try:
            if troubles and not known.facts.keys() >= used(source):
                continue
            known = _with(known, source.name, source.find(Case(probe, known.facts)))
        except (Hold, Retry, Reject) as error:
            if isinstance(error, Hold):  # what was asked for may be wrong because of what was read before
                error.depends = tuple(dict.fromkeys((*known.depends, *error.depends)))
            if troubles is None:
                raise
            troubles.append(error)
    return known


def used(source: GivenSource) -> set[str]:
    """The names of the sources that a source uses."""
    return {use.source for expression in source.expressions for use in expression.uses}


def _with(known: Gathered, name: str, found: Found) -> Gathered:
    return replace(
        known,
        facts={**known.facts, name: found.facts},
        levels=(*known.levels, found.attributes) if found.attributes else known.levels,
        depends=tuple(dict.fromkeys((*known.depends, *found.depends))),
        places={**(known.places or {}), name: found.where} if found.where else known.places,
        messages=(*known.messages, *found.messages),
    )
