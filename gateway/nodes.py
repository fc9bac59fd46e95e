"""YAML as it is written: every scalar is text, and everything knows where it stands.

YAML's own ideas of types are what makes it treacherous (`NO`, `0010`, `2020-01-01`), so a document is
read as nodes and never as values. What people get wrong most is found before YAML finds something
else: an unquoted `{{`, a quote that is not closed, a backslash in double quotes, a tab. Such a slip is
reported with the mended line, and reading goes on with that, so that all faults come at once.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml
from yaml import tokens as yt

from gateway.errors import Fatal
from gateway.stream import open_file

LIMIT = 256 * 1024
"""Bytes in a file, far more than anybody writes; it bounds the time that reading takes."""
UNQUOTED = "text that begins with {{ needs quotes round it"
DEPTH = 40
SLIPS = 40

_BREAK = re.compile("\r\n|[\r\n\x85\u2028\u2029]")
_UNPRINTABLE = re.compile("[^\x09\x0a\x0d\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_COMMENT = re.compile(r"\s+#.*$")


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where something stands; lines and columns count from 1."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True, order=True)
class Fault:
    """What is wrong, and where."""

    place: Place
    message: str

    def __str__(self) -> str:
        return f"{self.place}: {self.message}"


@dataclass(frozen=True, slots=True)
class Text:
    """A scalar. `text` is None for a plain `null`, `~` or nothing; `shift` is None where a column inside
    the text cannot be told, as in a block of lines, else the characters before it (a quote)."""

    place: Place
    text: str | None
    shift: int | None = None

    def at(self, offset: int) -> Place:
        """Where the character at `offset` of the text stands, as far as that can be told."""
        if self.shift is None:
            return self.place
        return Place(self.place.file, self.place.line, self.place.column + self.shift + offset)


@dataclass(frozen=True, slots=True)
class Table:
    """A mapping of keys to nodes, in the order written; no key occurs twice."""

    place: Place
    entries: tuple[tuple[Text, Node], ...]


@dataclass(frozen=True, slots=True)
class Listing:
    """A sequence of nodes."""

    place: Place
    items: tuple[Node, ...]


Node = Text | Table | Listing


def read(path: Path, shown: str, faults: list[Fault]) -> Node | None:
    """The content of a YAML file, called `shown` in messages; None when it is too broken to go on.

    Raises `Reject` when the file cannot be read.
    """
    with open_file(path) as file:
        data = file.read(LIMIT + 1)
    start = Place(shown, 1, 1)
    if len(data) > LIMIT:
        faults.append(Fault(start, f"the file is larger than {LIMIT // 1024} KiB, which no such file needs"))
        return None
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        column = error.start - data.rfind(b"\n", 0, error.start)
        message = f"the byte 0x{data[error.start]:02X} is not UTF-8: save the file as UTF-8"
        faults.append(Fault(Place(shown, line, column), message))
        return None
    return parse(text, shown, faults)


def parse(text: str, shown: str, faults: list[Fault]) -> Node | None:
    """The content of a YAML document; None when it is too broken to go on, or empty."""
    if (odd := _UNPRINTABLE.search(text)) is not None:
        before = _BREAK.split(text[: odd.start()])
        message = f"the character U+{ord(odd[0]):04X} must not stand in a YAML file"
        faults.append(Fault(Place(shown, len(before), len(before[-1]) + 1), message))
        return None
    lines = _BREAK.split(text)
    unquoted: set[tuple[int, int]] = set()
    for _ in range(SLIPS):
        slip = _slip(lines)
        if slip is None:
            return _compose(lines, _Reading(shown, faults, frozenset(unquoted)))
        faults.append(slip.fault(shown))
        if slip.mended is None:
            return None
        lines[slip.line] = slip.mended
        if slip.message == UNQUOTED:
            unquoted.add((slip.line, slip.column))
    return None


def fail(faults: Iterable[Fault]) -> None:
    """Raises `Fatal` with all faults, in the order in which they stand in the files, if there are any."""
    lines = list(dict.fromkeys(map(str, sorted(faults))))
    if lines:
        raise Fatal("\n".join(lines))


def instead(name: str, names: Iterable[str]) -> str:
    """The end of a sentence about a name that does not exist: what was meant, or what there is."""
    there = sorted(names)
    near = difflib.get_close_matches(name, there, n=1)
    if near:
        return f"; did you mean {near[0]}?"
    return f"; there is {', '.join(there)}" if there else ""


@dataclass(frozen=True, slots=True)
class _Slip:
    """A fault of the YAML itself, at a line and column from 0, and the line as it was probably meant."""

    line: int
    column: int
    message: str
    mended: str | None = None

    def fault(self, shown: str) -> Fault:
        hint = f"; write: {self.mended.strip()}" if self.mended is not None else ""
        return Fault(Place(shown, self.line + 1, self.column + 1), self.message + hint)


def _slip(lines: list[str]) -> _Slip | None:
    """The first thing that is not YAML, or not the part of YAML that is used here."""
    depth = flow = 0
    previous: yt.Token | None = None
    try:
        for token in yaml.scan("\n".join(lines), Loader=yaml.SafeLoader):
            depth += _step(token)
            slip = _of_token(token, previous, lines, flow)
            if depth > DEPTH:
                slip = _at(token.start_mark, f"this is nested more than {DEPTH} deep")
            if slip is not None:
                return slip
            flow += isinstance(token, (yt.FlowMappingStartToken, yt.FlowSequenceStartToken))
            flow -= isinstance(token, (yt.FlowMappingEndToken, yt.FlowSequenceEndToken))
            previous = token
    except yaml.MarkedYAMLError as error:
        return _of_error(error, lines)
    return None


def _step(token: yt.Token) -> int:
    if isinstance(
        token,
        (
            yt.BlockMappingStartToken,
            yt.BlockSequenceStartToken,
            yt.FlowMappingStartToken,
            yt.FlowSequenceStartToken,
        ),
    ):
        return 1
    return -isinstance(token, (yt.BlockEndToken, yt.FlowMappingEndToken, yt.FlowSequenceEndToken))


def _of_token(token: yt.Token, previous: yt.Token | None, lines: list[str], flow: int) -> _Slip | None:
    mark = token.start_mark
    if isinstance(token, yt.ScalarToken) and token.style in ("'", '"') and mark.line != token.end_mark.line:
        return _unclosed(mark, lines, inside=flow > 0)
    if (
        isinstance(token, yt.FlowMappingStartToken)
        and isinstance(previous, yt.FlowMappingStartToken)
        and previous.end_mark.index == mark.index
    ):
        return _unquoted(previous.start_mark, lines, inside=flow > 1)
    if isinstance(token, (yt.AnchorToken, yt.AliasToken)):
        return _at(
            mark, "anchors (&) and aliases (*) are not used here: write the value out, or quote the text"
        )
    if isinstance(token, yt.TagToken):
        return _at(
            mark, "tags (!) are not used here, every value is text: leave the tag out, or quote the text"
        )
    if isinstance(token, yt.DirectiveToken):
        return _at(mark, "directives (%) are not used here: leave the line out")
    return None


def _of_error(error: yaml.MarkedYAMLError, lines: list[str]) -> _Slip:
    mark = error.problem_mark or error.context_mark
    problem = error.problem or "this is not YAML"
    if mark is None:
        return _Slip(0, 0, problem)
    begin = error.context_mark
    if begin is not None and "quoted scalar" in (error.context or ""):
        if "escape" in problem or "hexadecimal" in problem:
            return _escaped(begin, mark, lines)
        return _unclosed(begin, lines, inside=False)
    if "'\\t'" in problem:
        line = lines[mark.line]
        mended = line[: mark.column] + line[mark.column :].replace("\t", "  ", 1)
        return _at(mark, "a tab cannot indent: use spaces", mended)
    return _at(mark, _PROBLEMS.get(problem, _in_words(problem)))


_PROBLEMS = {
    "mapping values are not allowed here": "a second colon on this line: put quotes round text that has one",
    "could not find expected ':'": "there is no colon after the key on the line before",
    "but found another document": "there is a second document: one file holds one",
}


def _in_words(problem: str) -> str:
    if problem.startswith("expected <block end>"):
        return "this does not fit what stands before it: check the indentation, and that quotes are closed"
    if problem.startswith("expected ',' or"):
        return "a comma or the closing bracket is missing before this"
    if "cannot start any token" in problem:
        return f"{problem.split()[2]} cannot begin a value: put quotes round the text"
    return f"this is not YAML: {problem}"


def _at(mark: yaml.Mark, message: str, mended: str | None = None) -> _Slip:
    return _Slip(mark.line, mark.column, message, mended)


def _unquoted(mark: yaml.Mark, lines: list[str], *, inside: bool) -> _Slip:
    """A `{{` that YAML takes for the beginning of a table; `inside` brackets the text ends at `}}`."""
    line = lines[mark.line]
    head, value = line[: mark.column], line[mark.column :]
    end = (value.find("}}") if inside else value.rfind("}}")) + 2
    mended = None
    if end > 1:
        if not inside:
            comment = _COMMENT.search(value, end)
            end = comment.start() if comment else len(value.rstrip())
        mended = head + "'" + value[:end].replace("'", "''") + "'" + value[end:]
    return _at(mark, UNQUOTED, mended)


def _unclosed(mark: yaml.Mark, lines: list[str], *, inside: bool) -> _Slip:
    """A quote that has no partner on its line."""
    line = lines[mark.line].rstrip()
    mended = None if inside else line + line[mark.column]
    return _at(mark, "the quote that begins here is not closed on this line", mended)


def _escaped(begin: yaml.Mark, mark: yaml.Mark, lines: list[str]) -> _Slip:
    """A backslash in double quotes that begins no escape, as in a pattern."""
    line = lines[mark.line]
    end = line.rfind('"')
    mended = None
    if begin.line == mark.line and end > begin.column:
        inner = line[begin.column + 1 : end].replace("'", "''")
        mended = f"{line[: begin.column]}'{inner}'{line[end + 1 :]}"
    return _at(begin, "a backslash in double quotes begins an escape: use single quotes", mended)


@dataclass(frozen=True, slots=True)
class _Reading:
    """What nodes are made with: the file's name, where faults go, and where quotes were added."""

    shown: str
    faults: list[Fault]
    unquoted: frozenset[tuple[int, int]]


def _compose(lines: list[str], reading: _Reading) -> Node | None:
    shown, faults = reading.shown, reading.faults
    try:
        root = yaml.compose("\n".join(lines), Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        faults.append(_of_error(error, lines).fault(shown))
        return None
    if root is None:
        faults.append(Fault(Place(shown, 1, 1), "there is nothing in this file"))
        return None
    return _node(root, reading)


def _node(node: yaml.Node, reading: _Reading) -> Node:
    place = Place(reading.shown, node.start_mark.line + 1, node.start_mark.column + 1)
    if isinstance(node, yaml.MappingNode):
        return Table(place, tuple(_entries(node, reading)))
    if isinstance(node, yaml.SequenceNode):
        return Listing(place, tuple(_node(item, reading) for item in node.value))
    return _text(node, place, reading)


def _text(node: yaml.Node, place: Place, reading: _Reading) -> Text:
    text, style = str(node.value), getattr(node, "style", None)
    if style is None and text in ("", "~", "null"):
        return Text(place, None)
    quote = 0 if style is None else 1
    width = node.end_mark.index - node.start_mark.index
    exact = style not in ("|", ">") and width == len(text) + 2 * quote
    if (node.start_mark.line, node.start_mark.column) in reading.unquoted:
        return Text(place, text, 0 if exact else None)
    return Text(place, text, quote if exact else None)


def _entries(node: yaml.MappingNode, reading: _Reading) -> Iterator[tuple[Text, Node]]:
    seen: dict[str, Place] = {}
    for key_node, value_node in node.value:
        key, value = _node(key_node, reading), _node(value_node, reading)
        if isinstance(key, Text) and key_node.value == "null":  # a name like any other, on this side
            key = Text(key.place, "null", key.shift)
        if not isinstance(key, Text) or not key.text:
            reading.faults.append(Fault(key.place, "a name is expected here, followed by a colon"))
        elif key.text in seen:
            first = seen[key.text].line
            message = f"{key.text} stands here a second time: the first is in line {first}; leave one out"
            reading.faults.append(Fault(key.place, message))
        else:
            seen[key.text] = key.place
            yield key, value
