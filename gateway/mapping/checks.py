"""`checks:`, what must be true of a file before it is sent, and what becomes of it otherwise.

    checks:
    - agree: ['{{ path.eye | pick("eye") }}', '{{ row.eye }}']
      then: hold
      say: 'the name says {{ path.eye }}, and the table {{ row.eye }}'
    - when: '{{ row.status == "phantom" }}'
      then: skip
    - when: '{{ row.study }}'
      then: {send_to: research}

What they say of a file is in `verdict.py`.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Discriminator, Tag

from gateway.documents import Model, OneOrMore, Plain, Words
from gateway.mapping import expressions
from gateway.mapping.verdict import Check
from gateway.nodes import Fault, Table

__all__ = ["Check", "CheckModel", "read"]


class SendToModel(Model):
    """Further destinations of a file."""

    WHAT: ClassVar[str] = "then"

    send_to: OneOrMore[Plain]
    """A destination's name, or several."""


class CheckModel(Model):
    """What must be true of a file, and what becomes of it otherwise."""

    WHAT: ClassVar[str] = "a check"

    when: Words | None = None
    """An expression: the check applies where it comes to something."""
    agree: OneOrMore[Words] = ()
    """Expressions: the check applies where two of them come to something different."""
    then: Annotated[
        Annotated[Literal["hold", "reject", "skip"], Tag("(text)")] | Annotated[SendToModel, Tag("(table)")],
        Discriminator(lambda value: "(table)" if isinstance(value, Table | SendToModel) else "(text)"),
    ]
    """What becomes of the file: hold, reject, skip, or a table with send_to."""
    say: Words | None = None
    """What people are told; it may hold expressions."""


def read(model: CheckModel, faults: list[Fault]) -> Check:
    """The check that a model describes; what is wrong with it is added to the faults."""
    if (model.when is None) == (not model.agree):
        message = "a check has either when: or agree:, an expression or a list of them"
        faults.append(Fault(model.place, message))
    elif model.when is None and len(model.agree) < 2:
        faults.append(Fault(model.at("agree"), "agree compares two expressions or more: write a list"))
    return Check(
        when=expressions.parse(model.when, faults) if model.when else None,
        agree=tuple(expressions.parse(each, faults) for each in model.agree),
        then=None if isinstance(model.then, SendToModel) else model.then,
        send_to=model.then.send_to if isinstance(model.then, SendToModel) else (),
        say=expressions.parse(model.say, faults) if model.say else None,
        place=model.place,
    )
