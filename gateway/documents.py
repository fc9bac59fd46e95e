"""YAML files read into models: every fault at its place, all of them at once.

A model is a pydantic class whose fields have the types below. They take nodes and not values, since
only a node knows where it stands and how it was written:

    class Folder(Model):
        path: Plain
        wait: Duration = timedelta(seconds=2)
        mapping: OneOrMore[Words] = ()

Nothing after a colon, `~` and `null` are as if the key were not there. What is faulty is left out of a
model, and the rest of it is there: whoever reads on finds the faults in that too. JSON Schemas are made
from the same models, for editors.
"""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from datetime import date, timedelta
from functools import cache
from itertools import pairwise
from pathlib import Path
from textwrap import dedent
from typing import Annotated, Any, ClassVar, Literal, TypeVar, get_args, get_origin

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    GetJsonSchemaHandler,
    ModelWrapValidatorHandler,
    PlainValidator,
    PrivateAttr,
    ValidationError,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    WithJsonSchema,
    WrapValidator,
    model_validator,
)
from pydantic.fields import FieldInfo
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import CoreSchema, ErrorDetails
from pydantic_core.core_schema import ModelSchema, WithDefaultSchema

from gateway import nodes
from gateway.nodes import Fault, Listing, Node, Place, Table, Text, instead

M = TypeVar("M", bound="Model")
T = TypeVar("T")

DIALECT = "https://json-schema.org/draft/2020-12/schema"

_NOWHERE = Place("", 0, 0)
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400, "y": 365 * 86_400}
_BYTES = {
    "": 1, "b": 1, "kb": 1000, "mb": 1000**2, "gb": 1000**3, "kib": 1024, "mib": 1024**2, "gib": 1024**3,
}  # fmt: skip
_STEP = re.compile(r"([0-9]+(?:\.[0-9]+)?)([smhdwy])")
_TIME = "([0-9]+([.][0-9]+)?[smhdwy])+"
_AMOUNT = re.compile(r"([0-9]+(?:\.[0-9]+)?) ?([KMG]i?B|B)?", re.IGNORECASE)
_SWITCH = {"yes": True, "true": True, "on": True, "no": False, "false": False, "off": False}


def read(path: Path, shown: str, model: type[M], faults: list[Fault]) -> M | None:
    """What a YAML file says, called `shown` in messages; its faults are added.

    None where nothing is left of it. Raises `Reject` when the file cannot be read.
    """
    node = nodes.read(path, shown, faults)
    return None if node is None else build(node, model, faults)


def build(node: Node, model: type[M], faults: list[Fault]) -> M | None:
    """The model that a node describes, without what is faulty in it; the faults are added.

    None where what is faulty cannot be left out.
    """
    found: list[Fault] = []
    try:
        built = model.model_validate(node, context=found)
    except ValidationError as error:
        found += _faults(error, node, model.WHAT or "this file")
        built = None
    faults += dict.fromkeys(found)
    return built


def schema(model: type[Model]) -> dict[str, Any]:
    """The JSON Schema of a model, for editors."""
    made = model.model_json_schema(schema_generator=_Schema)
    return {"$schema": DIALECT, **made}


class Model(BaseModel):
    """A table of a YAML file whose keys are known. What it has as `WHAT` it is called in messages."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, arbitrary_types_allowed=True, defer_build=True
    )
    WHAT: ClassVar[str] = ""

    _place: Place = PrivateAttr(default=_NOWHERE)
    _places: Mapping[str, Place] = PrivateAttr(default_factory=dict)

    @property
    def place(self) -> Place:
        """Where the table stands."""
        return self._place

    @property
    def written(self) -> tuple[str, ...]:
        """The keys that were given, in their order; what is faulty has its default nevertheless."""
        return tuple(self._places)

    def at(self, key: str) -> Place:
        """Where the value of a key stands; the table itself if it was not given."""
        return self._places.get(key, self._place)

    @model_validator(mode="wrap")
    @classmethod
    def _read(cls: type[M], value: Any, handler: ModelWrapValidatorHandler[M], info: ValidationInfo) -> M:
        if not isinstance(value, Table):
            if isinstance(value, Text | Listing):
                raise _Wrong(f"write a table with {', '.join(cls.model_fields)}")
            return handler(value)
        faults = info.context if isinstance(info.context, list) else []
        given = dict(_known(value, cls, faults))
        taken = {name: _taken(node, cls.model_fields[name]) for name, node in given.items()}
        try:
            built = handler(taken)
        except ValidationError as error:
            faults += _faults(error, value, cls.WHAT or "this table")
            built = handler(_right(taken, error))
        built._place = value.place
        built._places = {name: node.place for name, node in given.items()}
        return built


class _Wrong(ValueError):
    """A value that a type does not take; the text says what to write, in the imperative."""


class _Schema(GenerateJsonSchema):
    """Schemas with the docstrings of fields, without titles that only repeat the key, and without
    defaults that nobody would write."""

    def model_schema(self, schema: ModelSchema) -> JsonSchemaValue:
        made = super().model_schema(schema)
        model: type[BaseModel] = schema["cls"]
        for name, text in _docstrings(model).items():
            made.get("properties", {}).get(name, {}).setdefault("description", text)
        return made

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False

    def default_schema(self, schema: WithDefaultSchema) -> JsonSchemaValue:
        made = super().default_schema(schema)
        if not isinstance(schema.get("default"), str | bool | int):
            made.pop("default", None)
        return made


# Types of fields


def _scalar(value_of: Callable[[str], T], wanted: str) -> PlainValidator:
    """Takes the text of a scalar; what `value_of` raises ValueError for has to be as is wanted."""

    def take(value: Any) -> T:
        text = value.text or "" if isinstance(value, Text) else value
        if not isinstance(text, str):
            raise _Wrong(wanted)
        try:
            return value_of(text)
        except (ValueError, KeyError, OverflowError):
            raise _Wrong(wanted) from None

    return PlainValidator(take)


def _words(value: Any) -> Text:
    if not isinstance(value, Text) or not value.text:
        raise _Wrong("write a text")
    return value


def _tree(value: Any) -> Any:
    return value


def _items(value: Any) -> tuple[Any, ...]:
    if isinstance(value, Listing):
        return value.items
    return tuple(value) if isinstance(value, list | tuple) else (value,)


def _item(value: Any, handler: ValidatorFunctionWrapHandler, info: ValidationInfo) -> Any:
    """One of several things; None for a faulty one, so that faults in the others are found too."""
    try:
        return handler(value)
    except ValidationError as error:
        if not isinstance(info.context, list) or not isinstance(value, Text | Table | Listing):
            raise
        info.context.extend(_faults(error, value, info.field_name or "this"))
        return None


def _given(items: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(item for item in items if item is not None)


def _entries(value: Any) -> dict[str, Any]:
    if not isinstance(value, Table):
        raise _Wrong("write a table of names and values")
    return {key.text or "": node for key, node in value.entries}


def _duration(text: str) -> timedelta:
    steps = _STEP.findall(text)
    if not steps or "".join(map("".join, steps)) != text.strip():
        raise ValueError(text)
    return timedelta(seconds=sum(float(number) * _SECONDS[unit] for number, unit in steps))


def _signed(text: str) -> timedelta:
    sign = text[:1] if text[:1] in "+-" else ""
    duration = _duration(text.removeprefix(sign))
    return -duration if sign == "-" else duration


def _size(text: str) -> int:
    match = _AMOUNT.fullmatch(text.strip())
    if match is None or (size := int(float(match[1]) * _BYTES[(match[2] or "").lower()])) < 1:
        raise ValueError(text)
    return size


def _whole(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 15):
        raise ValueError(text)
    return int(text)


class _OneOrMore:
    """The schema of one thing or a list of them."""

    def __get_pydantic_json_schema__(
        self, core: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        listing = handler(core)
        return {"anyOf": [listing["items"], listing]}


_ANY_SCALAR = {"type": ["string", "number", "boolean"]}

Words = Annotated[Text, PlainValidator(_words), WithJsonSchema(_ANY_SCALAR)]
"""A text that is not empty, as the node that it is: for expressions and patterns, which have places in it."""

Plain = Annotated[str, _scalar(str, "write a text"), WithJsonSchema(_ANY_SCALAR)]
"""A text."""

Tree = Annotated[Node, PlainValidator(_tree), WithJsonSchema({})]
"""Whatever stands there, as a node."""

Flag = Annotated[
    bool,
    _scalar(lambda text: _SWITCH[text.lower()], "write yes or no"),
    WithJsonSchema({"enum": [True, False, "yes", "no", "on", "off"]}),
]
"""Yes or no."""

Whole = Annotated[
    int, _scalar(_whole, "write a whole number"), WithJsonSchema({"type": "integer", "minimum": 0})
]
"""A whole number, 0 or more."""

Duration = Annotated[
    timedelta,
    _scalar(_duration, "write a time with its unit, such as 10s, 5m, 1h30m, 2d or 10y"),
    WithJsonSchema({"type": "string", "pattern": rf"^{_TIME}$"}),
]
"""A length of time; a year has 365 days."""

SignedDuration = Annotated[
    timedelta,
    _scalar(_signed, "write a time with its sign and unit, such as +1h or -90s"),
    WithJsonSchema({"type": "string", "pattern": rf"^[+-]?{_TIME}$"}),
]
"""A length of time that may be negative."""

Size = Annotated[
    int,
    _scalar(_size, "write a size such as 10MB or 512KiB"),
    WithJsonSchema({"type": ["integer", "string"], "pattern": r"^[0-9.]+ ?([KMGkmg][Ii]?)?[Bb]?$"}),
]
"""A number of bytes: `10MB` are 10,000,000, `10MiB` 10,485,760."""

Day = Annotated[
    date,
    _scalar(date.fromisoformat, "write a date such as 2015-01-31"),
    WithJsonSchema({"type": "string", "format": "date"}),
]
"""A date as ISO 8601 writes it."""

OneOrMore = Annotated[
    tuple[Annotated[T, WrapValidator(_item)], ...],
    BeforeValidator(_items),
    AfterValidator(_given),
    _OneOrMore(),
]
"""One thing, or a list of them."""

Named = Annotated[dict[str, T], BeforeValidator(_entries)]
"""Things by names that are free to choose, in their order."""


# From nodes to models


def _known(table: Table, model: type[Model], faults: list[Fault]) -> Iterator[tuple[str, Node]]:
    """The entries of a table that the model knows; faults for the others, and for those that are missing."""
    keys = model.model_fields
    for key, node in table.entries:
        name = key.text or ""
        if name not in keys:
            what = model.WHAT or "this table"
            faults.append(Fault(key.place, f"{what} has no {name!r}{instead(name, keys)}"))
        elif not _is_nothing(node):
            yield name, node
    given = {key.text for key, node in table.entries if not _is_nothing(node)}
    for name, field in keys.items():
        if field.is_required() and name not in given:
            text = field.description or _docstrings(model).get(name, "")
            says = f": {text[0].lower()}{text[1:].rstrip('.')}" if text else ""
            faults.append(Fault(table.place, f"{model.WHAT or 'this table'} needs {name}{says}"))


@cache
def _docstrings(model: type[BaseModel]) -> dict[str, str]:
    """The texts below the fields of a model.

    pydantic can read them itself, but does so as soon as a class is made, which takes longer than
    reading a mapping.
    """
    found: dict[str, str] = {}
    for each in reversed(model.__mro__):
        if issubclass(each, Model) and each is not Model:
            with suppress(OSError):  # without its source a class has no such texts
                [made] = ast.parse(dedent(inspect.getsource(each))).body
                found |= dict(_below_fields(made)) if isinstance(made, ast.ClassDef) else {}
    return found


def _below_fields(made: ast.ClassDef) -> Iterator[tuple[str, str]]:
    for field, text in pairwise(made.body):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
            match text:
                case ast.Expr(ast.Constant(str(words))):
                    yield field.target.id, " ".join(words.split())


def _is_nothing(node: Node) -> bool:
    return isinstance(node, Text) and node.text is None


def _taken(node: Node, field: FieldInfo) -> Any:
    """A node as its field takes it: choices among literals are texts, all else are nodes."""
    return _literal(node) if _has_literal(field.annotation) else node


def _has_literal(annotation: Any) -> bool:
    return get_origin(annotation) is Literal or any(map(_has_literal, get_args(annotation)))


def _literal(node: Node) -> Any:
    if isinstance(node, Listing):
        return [_literal(item) for item in node.items]
    return node.text if isinstance(node, Text) else node


def _right(taken: dict[str, Any], error: ValidationError) -> dict[str, Any]:
    """What is left of a table without what is wrong; if that is all of it, the error stays."""
    wrong = {each["loc"][0] for each in error.errors() if each["loc"]}
    if not wrong & taken.keys():
        raise error
    return {name: value for name, value in taken.items() if name not in wrong}


def _faults(error: ValidationError, root: Node, name: str) -> Iterator[Fault]:
    """What is wrong below a node in sentences; what is missing was said when the table was read."""
    for each in error.errors():
        if each["type"] != "missing":
            yield _fault(each, root, name)


def _fault(error: ErrorDetails, root: Node, name: str) -> Fault:
    node, key = _found(root, error["loc"])
    name = key or name
    reason = error.get("ctx", {}).get("error")
    if isinstance(reason, _Wrong):
        return Fault(node.place, f"{name} cannot be {_shown(node)}: {reason}")
    if error["type"] == "literal_error":
        expected = str(error["ctx"]["expected"]).replace("'", "").replace(",", " or")
        return Fault(node.place, f"{name} cannot be {_shown(node)}: write {expected}")
    return Fault(node.place, str(reason) if reason else f"{name} cannot be {_shown(node)}: {error['msg']}")


def _found(node: Node, location: tuple[int | str, ...]) -> tuple[Node, str]:
    """The node that a location leads to, and the last key on the way."""
    key = ""
    for step in location:
        if isinstance(node, Table) and isinstance(step, str):
            inner = next((value for name, value in node.entries if name.text == step), None)
            node, key = (inner, step) if inner is not None else (node, key)
        elif isinstance(node, Listing) and isinstance(step, int):
            node = node.items[step]
    return node, key


def _shown(node: Node) -> str:
    if isinstance(node, Text):
        return repr(node.text) if node.text is not None else "nothing"
    return "a list" if isinstance(node, Listing) else "a table"
