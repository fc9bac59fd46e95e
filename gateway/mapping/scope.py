"""Whether what expressions name is there, found when a mapping is loaded."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from gateway.config import Site
from gateway.mapping import expressions
from gateway.mapping.expressions import Expression
from gateway.mapping.guards import unguarded
from gateway.mapping.sources import OWN, group, site
from gateway.nodes import Fault, instead


@dataclass(frozen=True, slots=True)
class Scope:
    """What expressions may name at one point of a mapping.

    `known` are the facts of each source, None where any may come. `maps` are the tables for `pick`,
    `optional` the groups of patterns for paths that need not be there, and `later` the sources that are
    not asked yet at this point, with what is to be said of each.
    """

    known: Mapping[str, Iterable[str] | None]
    maps: Iterable[str] = ()
    optional: frozenset[str] = frozenset()
    later: Mapping[str, str] = field(default_factory=dict)

    def check(self, used: Iterable[Expression], faults: list[Fault], *, as_test: bool = False) -> None:
        """Adds a fault for every name that is not there.

        `as_test` says that it is only asked whether expressions come to something, so that a group that
        may be nothing needs no guard.
        """
        general = {**self.known, "site": None, **dict.fromkeys(self.later)}
        for expression in used:
            expressions.check([expression], general, faults)
            faults += self._of_site(expression)
            faults += self._misplaced(expression)
            faults += self._unknown_maps(expression)
            if not as_test:
                faults += self._unguarded(expression)

    def _misplaced(self, expression: Expression) -> Iterator[Fault]:
        for use in expression.uses:
            if use.source in self.later and use.name is None:
                yield Fault(use.place, self.later[use.source].format(name=use.source))

    def _of_site(self, expression: Expression) -> Iterator[Fault]:
        there = tuple(self.known.get("site") or ())
        for use in expression.uses:
            if use.source == "site" and use.name is not None and use.name not in there:
                message = (
                    f"site has no {use.name!r}{instead(use.name, there)}; a fact of the site's own has its "
                    "default under site: variables:"
                )
                yield Fault(use.place, message)

    def _unknown_maps(self, expression: Expression) -> Iterator[Fault]:
        for name, place in expression.picks:
            if name not in self.maps:
                hint = instead(name, self.maps) or ": write it under maps:"
                yield Fault(place, f"there is no map {name!r}{hint}")

    def _unguarded(self, expression: Expression) -> Iterator[Fault]:
        """Groups that may be nothing, where an expression does not say what is to happen then."""
        places = {use.name: use.place for use in expression.uses if use.source == "path"}
        if self.optional.isdisjoint(places):
            return
        for name in dict.fromkeys(name for source, name in unguarded(expression.code) if source == "path"):
            if name in self.optional:
                message = (
                    f"the group {name!r} of the pattern is nothing for some files: write "
                    f"path.{name} | default('') if that is meant"
                )
                yield Fault(places[name], message)


def own(given: Site) -> dict[str, Iterable[str] | None]:
    """The sources that every mapping and template may name."""
    return {**OWN, "group": group.NAMES, "site": site.names(given)}
