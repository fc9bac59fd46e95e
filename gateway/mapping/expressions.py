"""Text with expressions in it: `{{ path.mrn | upper }}`.

The language is Jinja2's for expressions, in a sandbox that leaves nothing to call: no statements, no
functions, no methods, filters from a list of our own (`filters.py`), and bounded arithmetic. Names that
do not exist are found when a file is loaded, with where they stand; what can fail later is only what
depends on the file at hand, and it fails as a ValueError in words.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, time
from functools import cache
from numbers import Real
from typing import Any

from jinja2 import StrictUndefined, TemplateError, TemplateSyntaxError, Undefined, nodes
from jinja2.exceptions import SecurityError
from jinja2.parser import Parser
from jinja2.runtime import Context
from jinja2.sandbox import SandboxedEnvironment
from jinja2.visitor import NodeTransformer

from gateway.dicom.values import ONE_TEXT
from gateway.mapping import arguments
from gateway.mapping.arguments import OPEN
from gateway.mapping.filters import FILTERS, LIMIT, REMARKS, Bare, Kept, Structured, concatenate
from gateway.nodes import Fault, Place, Text, instead

Facts = Mapping[str, Any]
"""What is known of a file, by source: `facts["exif"]["make"]`.

A fact is text, a number, a date, a time, None, or a list or table of these. Beside the sources there may
be what filters look for (`MAPS`, `SITE` and `TODAY` in `filters.py`).
"""

LARGEST = 2**63
TOKENS = 400
"""Words and signs in one expression, which bound how deep it nests."""

_LEXEME = re.compile(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|\}\}|[{}]|[^'"{}]+|.""", re.DOTALL)
_MARK = re.compile(r"\{\{|\{%|\{#")
_PLAIN = (
    nodes.Add, nodes.And, nodes.Assign, nodes.Compare, nodes.Concat, nodes.CondExpr, nodes.Const,
    nodes.Div, nodes.Filter, nodes.FloorDiv, nodes.Getattr, nodes.Getitem, nodes.Keyword, nodes.List,
    nodes.Mod, nodes.Mul, nodes.Name, nodes.Neg, nodes.Not, nodes.Operand, nodes.Or, nodes.Pos,
    nodes.Pow, nodes.Slice, nodes.Sub, nodes.Template, nodes.Test, nodes.Tuple,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Use:
    """A source that an expression names, or a fact of it, and where that stands.

    An expression that names a fact names its source as well.
    """

    source: str
    name: str | None
    place: Place


@dataclass(frozen=True, slots=True)
class Expression:
    """What stands between `{{` and `}}`, ready to be evaluated.

    `picks` are the maps that it looks things up in, and where they are named.
    """

    evaluate: Callable[[Context], Any]
    uses: tuple[Use, ...]
    picks: tuple[tuple[str, Place], ...]
    code: str
    place: Place


@dataclass(frozen=True, slots=True)
class Rendered:
    """What became of a text. `said` is None where there is no expression in it, else whether any of
    them came to something, or is kept though it did not. `bare` is a number in it that may have lost
    zeros. `several` are the values of it, where an expression has put a separator between them on purpose."""

    text: str
    said: bool | None
    bare: int | None = None
    several: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Template:
    """Text with expressions in it."""

    parts: tuple[str | Expression, ...]

    @property
    def literal(self) -> str | None:
        """The text, if there is no expression in it."""
        if any(isinstance(part, Expression) for part in self.parts):
            return None
        return "".join(map(str, self.parts))

    @property
    def expressions(self) -> Iterator[Expression]:
        """All expressions, in order."""
        return (part for part in self.parts if isinstance(part, Expression))

    def split(self, separator: str, at_most: int = -1) -> list[Template]:
        """The templates between the separators in the text itself; results of expressions are never split."""
        found: list[list[str | Expression]] = [[]]
        for part in self.parts:
            if isinstance(part, Expression):
                found[-1].append(part)
                continue
            left = -1 if at_most < 0 else at_most - len(found) + 1
            first, *others = part.split(separator, left)
            found[-1].append(first)
            found.extend([other] for other in others)
        return [Template(tuple(part for part in parts if part != "")) for parts in found]

    def render(self, facts: Facts, remarks: list[str], vr: str | None = None) -> Rendered:
        """The text with the facts in it. Remarks of filters are added to the list.

        Where it is for a VR, what comes out of data must not have characters that separate values or
        components in it. Raises ValueError that says which expression failed, where and why.
        """
        said: bool | None = None
        bare: int | None = None
        meant = False
        texts = []
        for part in self.parts:
            if isinstance(part, Expression):
                value = _value(part, facts, remarks)
                if type(value) is Bare:
                    bare = value
                text = _result(part, value)
                if isinstance(text, Structured):
                    meant = meant or "\\" in text
                elif vr is not None:
                    _check_separators(part, text, vr)
                said = bool(said) or isinstance(text, Kept) or text.strip() != ""
                texts.append(text)
            else:
                texts.append(part)
        text = "".join(texts)
        if len(text) > LIMIT and said is not None:
            raise ValueError(f"the text would have {len(text):,} characters; at most {LIMIT:,} are possible")
        return Rendered(text, said, bare, _values(texts) if meant and vr not in ONE_TEXT else ())


def _values(texts: Iterable[str]) -> tuple[str, ...]:
    """The values between the separators that are meant."""
    found = [""]
    for text in texts:
        first, *others = text.split("\\") if isinstance(text, Structured) else (text,)
        found[-1] += first
        found += others
    return tuple(found)


def literal(text: str) -> Template:
    """Text that has no expressions, whatever it looks like."""
    return Template((text,) if text else ())


def parse(text: Text, faults: list[Fault]) -> Template:
    """The template in a scalar. What is wrong with it is added to the faults."""
    return Template(tuple(_parts(text, text.text or "", faults)))


def check(
    expressions: Iterable[Expression], known: Mapping[str, Iterable[str] | None], faults: list[Fault]
) -> None:
    """Adds a fault for every name that is not among the known sources and their facts.

    A source whose facts are None may have any: they depend on the file, or what is said about it is faulty.
    """
    for use in (use for expression in expressions for use in expression.uses):
        if use.source not in known:
            if use.name is None:
                message = f"there is no {use.source!r} here{instead(use.source, known)}"
                faults.append(Fault(use.place, message))
        elif use.name is not None and (names := known[use.source]) is not None and use.name not in names:
            faults.append(Fault(use.place, f"{use.source} has no {use.name!r}{instead(use.name, names)}"))


def _parts(text: Text, whole: str, faults: list[Fault]) -> Iterator[str | Expression]:
    position = 0
    while (mark := _MARK.search(whole, position)) is not None:
        if mark.start() > position:
            yield whole[position : mark.start()]
        if mark[0] != "{{":
            faults.append(Fault(text.at(mark.start()), _OTHERS[mark[0]]))
            return
        end = _end(whole, mark.end())
        if end is None:
            faults.append(
                Fault(text.at(mark.start()), "the {{ that begins here has no }} behind it: close it")
            )
            return
        code = whole[mark.end() : end]
        try:
            yield _compile(code, text, mark.end(), faults)
        except ValueError as error:
            faults.append(Fault(text.at(mark.start()), f"{error}, in {{{{{code}}}}}"))
        position = end + 2
    if position < len(whole):
        yield whole[position:]


_OTHERS = {
    "{%": "statements ({% %}) are not possible: write {{ 'L' if path.eye == '1' else 'R' }}",
    "{#": "comments in a text ({# #}) are not possible: write a comment behind a # outside of it",
}


def _end(whole: str, start: int) -> int | None:
    """Where the `}}` stands that closes the expression beginning at `start`; texts in it may have braces."""
    depth = 0
    for lexeme in _LEXEME.finditer(whole, start):
        if lexeme[0] == "}}" and depth < 1:
            return lexeme.start()
        depth += {"{": 1, "}": -1, "}}": -2}.get(lexeme[0], 0)
    return None


def _compile(code: str, text: Text, start: int, faults: list[Fault]) -> Expression:
    """The expression in `code`, which begins at `start` of the text. Raises ValueError if it is none."""
    try:
        tree = _parsed(code)
        problems = list(_problems(tree))
        uses, picks = dict.fromkeys(_uses(tree)), list(_picks(tree))
        evaluate = _nothing if problems else _evaluator(tree)
    except (RecursionError, MemoryError):
        raise ValueError("the expression nests too deeply") from None
    faults += [Fault(_place(name, r"\|?\s*", code, text, start), why) for name, why in problems]
    used = tuple(
        Use(source, name, _place(name or source, rf"\b{source}\W+" if name else "", code, text, start))
        for source, name in uses
    )
    picked = tuple((name, _place(name, r"\bpick\W+(?:name\W+)?", code, text, start)) for name in picks)
    return Expression(evaluate, used, picked, code.strip(), text.at(start - 2))


def _place(name: str, before: str, code: str, text: Text, start: int) -> Place:
    """Where a name stands, behind what `before` matches; else where the expression begins."""
    found = re.search(rf"{before}(\b{re.escape(name)}\b)", code) if name else None
    return text.at(start + found.start(1) if found else start - 2)


def _parsed(code: str) -> nodes.Template:
    """The syntax tree of an expression, which assigns its value to `result`. Raises ValueError in words."""
    if not code.strip():
        raise ValueError("there is nothing between {{ and }}")
    if len(code) > LIMIT:
        raise ValueError(f"the expression has more than {LIMIT:,} characters")
    if code[0] in "-+":
        raise ValueError(f"{{{{{code[0]} is not possible: write a space behind {{{{")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # about backslashes in quotes, as in '\\d'
            expression = _whole_expression(code)
    except TemplateSyntaxError as error:
        message = error.message or "this is not an expression"
        message = message.replace("unexpected 'end of template'", "something is missing at its end: close it")
        unclosed = message.startswith(('unexpected char "\'"', "unexpected char '\"'"))
        raise ValueError("a quote is not closed" if unclosed else message) from None
    except TemplateError as error:
        raise ValueError(f"this is not an expression: {error}") from None
    return nodes.Template([nodes.Assign(nodes.Name("result", "store"), expression, lineno=1)], lineno=1)


def _whole_expression(code: str) -> nodes.Expr:
    """The expression that a text is. Raises ValueError, or TemplateError of Jinja2's."""
    environment = _environment()
    if sum(1 for _ in environment.lexer.tokenize(code, state="variable")) > TOKENS:
        raise ValueError("the expression is too long: put parts of it into attributes of their own")
    parser = Parser(environment, code, state="variable")
    expression = parser.parse_expression()
    if not parser.stream.eos:
        raise ValueError(f"{str(parser.stream.current.value)!r} is not expected here")
    return expression


def _problems(tree: nodes.Template) -> Iterator[tuple[str, str]]:
    """What of an expression is Jinja2's language but not ours: a name to look for, and why not."""
    for node in tree.find_all(nodes.Node):
        if isinstance(node, nodes.Call):
            yield "", "nothing can be called: use a filter, as in {{ path.side | upper }}"
        elif isinstance(node, nodes.Filter) and node.name not in FILTERS:
            yield node.name, f"there is no filter {node.name!r}{instead(node.name, FILTERS)}"
        elif isinstance(node, nodes.Filter):
            if why := _misused(node):
                yield node.name, why
        elif isinstance(node, nodes.Test) and node.name not in _TESTS:
            yield node.name, f"there is no test {node.name!r}{instead(node.name, _TESTS)}"
        elif not isinstance(node, _PLAIN):
            yield "", f"{type(node).__name__.lower()} is not possible in an expression"


def _uses(tree: nodes.Template) -> Iterator[tuple[str, str | None]]:
    """The facts that an expression names, as source and name; what it calls is none of them."""
    called = [call.node for call in tree.find_all(nodes.Call)]
    for name in tree.find_all(nodes.Name):
        if name.ctx == "load" and not any(name is each for each in called):
            yield name.name, None
    for attribute in tree.find_all(nodes.Getattr):
        if isinstance(attribute.node, nodes.Name):
            yield attribute.node.name, attribute.attr
    for item in tree.find_all(nodes.Getitem):
        if isinstance(item.node, nodes.Name) and isinstance(item.arg, nodes.Const):
            yield item.node.name, str(item.arg.value)


def _misused(node: nodes.Filter) -> str | None:
    """What is wrong with the arguments of a filter, as far as they are written out."""
    if node.dyn_args or node.dyn_kwargs:
        return f"{node.name} takes its arguments one by one: * and ** are not possible"
    given = [_literal(argument) for argument in node.args]
    keywords = {key: _literal(value) for key, value in _keywords(node).items()}
    if node.name == "pick" and OPEN in (given[:1] or [keywords.get("name")]):
        return "pick takes the name of a map in quotes, as in pick('eye')"
    return arguments.fault(node.name, given, keywords)


def _keywords(node: nodes.Filter) -> dict[str, nodes.Expr]:
    return {str(each.key): each.value for each in node.kwargs}


def _literal(node: nodes.Expr) -> Any:
    """What is written out; `OPEN` for what facts decide."""
    return node.value if isinstance(node, nodes.Const) else OPEN


def _picks(tree: nodes.Template) -> Iterator[str]:
    """The names of the maps that an expression looks things up in."""
    for node in tree.find_all(nodes.Filter):
        if node.name == "pick":
            named = node.args[0] if node.args else _keywords(node).get("name")
            if isinstance(named, nodes.Const):
                yield str(named.value)


def _evaluator(tree: nodes.Template) -> Callable[[Context], Any]:
    """The function that evaluates an expression in a context."""
    environment = _environment()
    tree = _Rewriter().visit(tree)
    tree.set_environment(environment)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)  # about what fails with a file, as in true[0]
            run = environment.from_string(tree).root_render_func
    except (TemplateError, SyntaxError) as error:
        raise ValueError(f"this is not an expression: {error}") from None

    def evaluate(context: Context) -> Any:
        for _ in run(context):  # it puts the result into the context and yields nothing
            pass
        return context.vars["result"]

    return evaluate


def _nothing(_: Context) -> None:
    """What an expression with a problem comes to; nobody asks, since faults end the loading."""


@cache
def _environment() -> _Sandbox:
    """The sandbox, which keeps nothing between expressions."""
    return _Sandbox()


class _Rewriter(NodeTransformer):
    """Gives `~` to a function of ours, for which None is nothing; marks separators that are written out."""

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:
        self.generic_visit(node)
        return nodes.Filter(nodes.List(node.nodes), "~", [], [], None, None, lineno=node.lineno)

    def visit_Const(self, node: nodes.Const) -> nodes.Node:
        if not isinstance(node.value, str) or not any(sign in node.value for sign in "\\^="):
            return node
        return nodes.Filter(node, "meant", [], [], None, None, lineno=node.lineno)


_TESTS: Mapping[str, Callable[..., bool]] = {
    "defined": lambda value: not isinstance(value, Undefined),
    "none": lambda value: value is None,
}


class _Missing(StrictUndefined):
    """A name that does not exist, which says what there is instead once somebody asks for it."""

    __slots__ = ()

    @property
    def _undefined_message(self) -> str:
        if self._undefined_hint:
            return self._undefined_hint
        name, there = str(self._undefined_name), self._undefined_obj
        others = instead(name, map(str, there)) if isinstance(there, Mapping) else " here"
        return f"there is no {name!r}{others}"


class _Sandbox(SandboxedEnvironment):
    """Jinja2 with nothing in it but facts, our filters and bounded arithmetic."""

    intercepted_binops = frozenset(("*", "**", "%", "+"))

    def __init__(self) -> None:
        # folding constants would evaluate while a file is being loaded, before any bound applies
        super().__init__(undefined=_Missing, optimized=False, cache_size=0)
        self.globals.clear()
        self.filters = {**FILTERS, "~": concatenate, "meant": Structured}
        self.tests = dict(_TESTS)

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        if operator == "+" and isinstance(left, str) and isinstance(right, str):
            return concatenate([left, right])
        for side in (left, right):
            if not isinstance(side, Real):
                hint = "; ~ puts texts together" if operator == "+" else ""
                raise SecurityError(f"{operator} is for numbers, and {_kind(side)} is none{hint}")
        if operator == "**" and (abs(right) > 64 or abs(left) > 1024):
            raise SecurityError("** is for small numbers")
        result = super().call_binop(context, operator, left, right)
        if isinstance(result, complex) or abs(result) > LARGEST:
            raise SecurityError(f"the result of {operator} is too large")
        return result

    def getattr(self, obj: Any, attribute: str) -> Any:
        return self.getitem(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        if isinstance(obj, Undefined):
            return obj  # what is missing is what it would be a part of
        if isinstance(obj, Mapping):
            if isinstance(argument, str) and argument in obj:
                return obj[argument]
            return self.undefined(obj=obj, name=str(argument))
        if isinstance(obj, str | list | tuple) and isinstance(argument, int | slice):
            try:
                return obj[argument]
            except (IndexError, ValueError, TypeError) as error:
                return self.undefined(f"{_kind(obj)} has no such part: {error}")
        return self.undefined(f"{_kind(obj)} has nothing called {argument!r}")


def _kind(value: Any) -> str:
    """What a value is called in messages; what does not exist says so itself."""
    if isinstance(value, Undefined):
        return str(value)
    if value is None:
        return "nothing"
    if isinstance(value, Mapping):
        return "a table of facts"
    for types, name in _KINDS.items():
        if isinstance(value, types):
            return name
    return type(value).__name__


_KINDS: Mapping[type | tuple[type, ...], str] = {
    str: "text",
    bool: "true or false",
    (int, float): "a number",
    (list, tuple): "a list",
    (date, time): "a date or time",
}


def _value(expression: Expression, facts: Facts, remarks: list[str]) -> Any:
    """What an expression results in."""
    context = Context(_environment(), facts, None, {})  # type: ignore[arg-type]  # it is only read
    context.vars[REMARKS] = remarks
    try:
        return expression.evaluate(context)
    except Exception as error:  # whatever an expression can do wrong is about its value, never about us
        raise _failed(expression, error) from error


def _failed(expression: Expression, error: Exception) -> ValueError:
    return ValueError(f"{{{{ {expression.code} }}}} fails: {str(error) or type(error).__name__}")


def _result(expression: Expression, value: Any) -> str:
    """The text of what an expression results in; a `Kept` or `Structured` where it says so itself."""
    try:
        text = _as_text(value)
    except Exception as error:  # see above: what is missing says so now
        raise _failed(expression, error) from error
    if len(text) > LIMIT:
        raise ValueError(f"{{{{ {expression.code} }}}} results in more than {LIMIT:,} characters")
    return text


def _check_separators(expression: Expression, text: str, vr: str) -> None:
    """Raises ValueError where a text from data would be taken for several values, or for parts of a name."""
    if "\\" in text and vr not in ONE_TEXT:
        why = "a backslash separates values: add | clean"
    elif vr == "PN" and (found := next((sign for sign in "^=" if sign in text), None)):
        why = f"{found} separates the parts of a name: add | dicom_name if it is a whole one, or | clean"
    else:
        return
    raise ValueError(f"{{{{ {expression.code} }}}} comes to {text[:64]!r}, and {why}")


def _as_text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str | Real):
        return value if isinstance(value, str) else str(value)
    if isinstance(value, date | time):
        raise ValueError(
            "this is a date: say how to write it, with | dicom_date, | dicom_time or | dicom_datetime"
        )
    if isinstance(value, Undefined):
        return str(value)  # nothing for an `if` without `else`; for all else this raises what does not exist
    raise ValueError(f"the result is {_kind(value)} and not a value")
