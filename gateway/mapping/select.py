"""Which of several mappings is for a file, and in which form it goes into its object.

The first mapping is taken whose `match` fits, whose patterns for paths match, and whose `when` holds. A
file that none is for is held: guessing would put it under somebody else's name.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from gateway.config import Reading
from gateway.errors import Hold
from gateway.mapping.conversion import Conversion
from gateway.mapping.description import Description
from gateway.mapping.expressions import Facts
from gateway.mapping.known import known
from gateway.mapping.language import Mapping
from gateway.mapping.objects import form_of
from gateway.mapping.sources.group import Group
from gateway.mapping.sources.source import Case
from gateway.mapping.verdict import holds
from gateway.model import Probe

ALONE = Group()


@dataclass(frozen=True, slots=True)
class Subject:
    """A file in the form that its object takes, the mapping that is for it, and what came with it."""

    probe: Probe
    mapping: Mapping | None = None
    group: Group = ALONE


def select(probe: Probe, request: Description, group: Group = ALONE) -> Subject:
    """The file with its mapping. Raises `Hold` when there are mappings and none is for it."""
    reasons: list[tuple[Mapping, str, str]] = []
    for mapping in request.mappings:
        why_not = _why_not(mapping, probe, request, group)
        if why_not is None:
            return Subject(form_of(probe, request, mapping), mapping, group)
        reasons.append((mapping, *why_not))
    if not reasons:
        return Subject(form_of(probe, request, None), None, group)
    depends = tuple(file for mapping in request.mappings for file in mapping.files)
    if len(reasons) == 1:
        mapping, reason, why = reasons[0]
        raise Hold(
            f"{probe.source.shown}: the mapping {mapping.name} is not for it: {why}",
            reason=reason,
            depends=depends,
        )
    told = "; ".join(f"{mapping.name}: {why}" for mapping, _, why in reasons)
    raise Hold(
        f"{probe.source.shown}: none of the mappings is for it: {told}", reason="no-mapping", depends=depends
    )


def readings(sketch: Probe, request: Description, options: Reading, given: frozenset[str]) -> list[Reading]:
    """How a file may have to be read, as the mappings say that may be for it, the likeliest first.

    `sketch` is what is known of it before it is read.
    """
    found = (reading(sketch, mapping, options, given) for mapping in _likely(sketch, request))
    return list(dict.fromkeys(found)) or [options]


def reading(
    sketch: Probe, mapping: Mapping | None, options: Reading, given: frozenset[str] = frozenset()
) -> Reading:
    """How a file is read: as the options say, and where they leave it open, as its mapping does.

    `given` are the fields of the options that somebody set, be it to the default.
    """
    return _over(mapping.part(sketch).convert, options, given) if mapping else options


@lru_cache(maxsize=256)  # one for all the files that are read alike
def _over(convert: Conversion, options: Reading, given: frozenset[str]) -> Reading:
    return convert.over(options, given)


def _likely(sketch: Probe, request: Description) -> Iterator[Mapping]:
    """The mappings that nothing speaks against yet."""
    for mapping in request.mappings:
        unfit = mapping.match.why_not(sketch) if mapping.match else None
        if unfit is None and _path(mapping, sketch, {})[1] is None:
            yield mapping


def _why_not(mapping: Mapping, probe: Probe, request: Description, group: Group) -> tuple[str, str] | None:
    """The name of what speaks against a mapping, and why in a sentence; None if it is for the file."""
    if mapping.match and (unfit := mapping.match.why_not(probe)):
        return "no-mapping", unfit
    path, why = _path(mapping, probe, {})
    if why is not None:
        return "path", why
    if mapping.when is None:
        return None
    facts = {**known(probe, mapping, request, group).facts, **path}
    where = next((expression.place for expression in mapping.when.expressions), mapping.path)
    try:
        applies = holds(mapping.when, facts)
    except ValueError as error:
        message = f"{probe.source.shown}: {where}: {error}"
        raise Hold(message, reason="mapping", depends=mapping.files) from error
    return None if applies else ("no-mapping", f"its when does not hold ({where})")


def _path(mapping: Mapping, probe: Probe, facts: Facts) -> tuple[Facts, str | None]:
    """What the patterns for paths find, and why they do not fit."""
    for source in mapping.sources:
        if source.name == "path":
            try:
                return {source.name: source.find(Case(probe, facts)).facts}, None
            except Hold as error:
                return {}, str(error).removeprefix(f"{probe.source.shown}: ")
    return {}, None
