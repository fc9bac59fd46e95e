"""`patient_id:`, what Patient IDs look like at a site.

    patient_id: '\\d{7}'
    patient_id: {pattern: '\\d{10}', check_digit: mod11, emergency: 'E*', test: ['99*', 'ZZZ*']}

What is done with the rules is in `patients.py`.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Discriminator, Tag

from gateway.documents import Model, OneOrMore, Plain, Words
from gateway.mapping import patterns
from gateway.mapping.patients import CheckDigit, PatientIds, plain
from gateway.nodes import Fault, Text


class PatientIdsModel(Model):
    """What Patient IDs look like at the site, and which of them are nobody's."""

    WHAT: ClassVar[str] = "patient_id"

    pattern: Words | None = None
    """Regular expression that the whole Patient ID matches."""
    check_digit: CheckDigit | None = None
    """How the last digit, or the last two, follow from the others; letters and separators do not count."""
    emergency: OneOrMore[Plain] = ()
    """Patterns of emergency patients' Patient IDs or names, such as E*."""
    test: OneOrMore[Plain] = ()
    """Patterns of test patients' Patient IDs or names, such as ZZZ*."""
    placeholders: OneOrMore[Plain] = ()
    """Further Patient IDs that stand for nobody."""


PatientIdsSaid = Annotated[
    Annotated[Words, Tag("(text)")] | Annotated[PatientIdsModel, Tag("(table)")],
    Discriminator(lambda value: "(text)" if isinstance(value, Text) else "(table)"),
]
"""`patient_id:` as it may be written: a pattern, or a table with more."""


def read(given: PatientIdsModel | Text, faults: list[Fault]) -> PatientIds:
    """The rules that `patient_id:` gives: a table of them, or a pattern alone."""
    if isinstance(given, Text):
        return PatientIds(patterns.read(given, faults))
    return PatientIds(
        pattern=patterns.read(given.pattern, faults) if given.pattern else None,
        check_digit=given.check_digit,
        emergency=tuple(map(str.casefold, given.emergency)),
        test=tuple(map(str.casefold, given.test)),
        placeholders=frozenset(map(plain, given.placeholders)),
    )
