"""What the checks of a mapping say of a file, and where it goes besides.

All checks are made. The first that holds, rejects or skips the file decides; what the others have to
say is told with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from gateway.errors import GatewayError, Hold, Reject, Skip
from gateway.mapping.expressions import Expression, Facts, Template
from gateway.mapping.spelling import alike
from gateway.nodes import Place

NO = frozenset({"", "false", "0", "no"})
"""What an expression comes to that does not hold."""

Route = tuple[str, Template | None]
"""A destination, and the expression for the files that go there; None for all."""


@dataclass(frozen=True, slots=True)
class Check:
    """One check. `then` is None where the file only goes to further destinations, `send_to`."""

    when: Template | None
    agree: tuple[Template, ...]
    then: Literal["hold", "reject", "skip"] | None
    send_to: tuple[str, ...]
    say: Template | None
    place: Place

    @property
    def expressions(self) -> Iterator[Expression]:
        """All expressions in it."""
        for template in (self.when, *self.agree, self.say):
            if template is not None:
                yield from template.expressions

    def applies(self, facts: Facts) -> str | None:
        """Why it applies to a file, in words; None where it does not. Raises ValueError in words."""
        if self.when is not None:
            return self._told(facts, f"a check applies ({self.place})") if holds(self.when, facts) else None
        found = {_code(each): each.render(facts, []).text.strip() for each in self.agree}
        said = {code: text for code, text in found.items() if text}
        if len(set(map(alike, said.values()))) < 2:
            return None
        values = " and ".join(f"{code} is {text!r}" for code, text in said.items())
        return self._told(facts, f"{values}, and they must be the same ({self.place})")

    def _told(self, facts: Facts, otherwise: str) -> str:
        return (self.say.render(facts, []).text.strip() if self.say else "") or otherwise


@dataclass(frozen=True, slots=True)
class Verdict:
    """What all checks say of a file. `problems` keep it from being sent, the one that decides first."""

    problems: tuple[GatewayError, ...] = ()
    destinations: tuple[str, ...] = ()
    messages: tuple[str, ...] = ()


def holds(template: Template, facts: Facts) -> bool:
    """Whether an expression comes to something that is not `false`, `0` or `no`.

    Raises ValueError in words.
    """
    return template.render(facts, []).text.strip().casefold() not in NO


def judge(checks: Sequence[Check], routes: Iterable[Route], facts: Facts, shown: str) -> Verdict:
    """What the checks say of the file that is shown so; one that cannot be made holds it."""
    problems: list[GatewayError] = []
    destinations: list[str] = []
    messages: list[str] = []
    for name, when in routes:
        try:
            destinations += [name] if when is None or holds(when, facts) else []
        except ValueError as error:
            problems.append(Hold(f"{shown}: when it goes to {name} is not known: {error}", reason="mapping"))
    for check in checks:
        try:
            why = check.applies(facts)
        except ValueError as error:
            problems.append(Hold(f"{shown}: {check.place}: {error}", reason="mapping"))
            continue
        if why is not None and check.then is None:
            destinations += check.send_to
            messages += [why] if check.say else []
        elif why is not None and check.then is not None:
            problems.append(_problem(check.then, f"{shown}: {why}"))
    return Verdict(tuple(problems), tuple(dict.fromkeys(destinations)), tuple(messages))


def _problem(then: Literal["hold", "reject", "skip"], why: str) -> GatewayError:
    if then == "hold":
        return Hold(why, reason="check")
    return Reject(why) if then == "reject" else Skip(why)


def _code(template: Template) -> str:
    """An expression as it is written, without its braces."""
    return "".join(part.code if isinstance(part, Expression) else part for part in template.parts)
