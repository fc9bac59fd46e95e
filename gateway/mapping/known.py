"""What is known of a file before any source is asked: what it says itself, its site, what came with it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from gateway.config import Site
from gateway.mapping import site as place
from gateway.mapping.description import Description
from gateway.mapping.filters import MAPS, SITE, TODAY
from gateway.mapping.language import Mapping
from gateway.mapping.site import Captured
from gateway.mapping.sources import own
from gateway.mapping.sources import site as sites
from gateway.mapping.sources.group import Group
from gateway.model import NOTHING, Probe


@dataclass(frozen=True, slots=True)
class Known:
    """Facts by source, and what filters look for beside them."""

    facts: dict[str, Any]
    captured: Captured
    site: Site


def known(probe: Probe, mapping: Mapping | None, request: Description, group: Group) -> Known:
    """What is known of a file that a mapping may be for."""
    site = request.site_of(mapping)
    today = request.today or datetime.now(UTC).date()
    probe = place.corrected(probe, site.clock)
    captured = place.captured(probe.captured, site, today)
    facts = own(probe, captured.moment, captured.problem, request.patient_ids_of(mapping))
    facts |= {
        "site": sites.facts(site),
        "group": group.facts((site.clock, site.since, site.max_age, today), _believed(site, today)),
        MAPS: mapping.maps if mapping else NOTHING,
        SITE: site,
        TODAY: today,
    }
    return Known(facts, captured, site)


def _believed(site: Site, today: date) -> Callable[[datetime], datetime | None]:
    """What makes a moment that a file says right, or None if that cannot be."""
    return lambda moment: place.captured(place.added(moment, site.clock), site, today).moment
