"""Where the table for a file is: the same for all of them, or one for each folder or file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from gateway.errors import Hold
from gateway.mapping.expressions import Expression, Template
from gateway.mapping.sources.source import Case

OWN = "./"
"""How names begin that are relative to the file's own folder."""
TRUSTED = frozenset({"site"})
"""Sources whose facts may say which folder it is: people write them down."""


@dataclass(frozen=True, slots=True)
class Location:
    """The name of a table, which may have expressions.

    It is relative to `folder`, that of the mapping; or to the file's own, if it begins with `./`.
    """

    template: Template
    folder: Path

    @property
    def fixed(self) -> Path | None:
        """Where the table is, if that is the same for all files."""
        literal = self.template.literal
        if literal is None or _slashes(literal).startswith(OWN):
            return None
        return self.folder / _slashes(literal)

    def of(self, case: Case) -> Path:
        """Where the table for a file is.

        Raises `Hold` where facts come to nothing, or lead to another folder than the mapping says.
        """
        if (fixed := self.fixed) is not None:
            return fixed
        source = case.probe.source
        texts = [_slashes(self._render(part, case)) for part in self.template.parts]
        name = "".join(texts)
        if texts and not texts[0]:
            name = name.lstrip("/")  # the folder at the root has no name: '{{ media.folder }}/data.csv'
        if not name.strip("/ ") or "\0" in name:
            raise Hold(f"{source.shown}: the name of its table comes to nothing", reason="table")
        if self._leads_out(name):
            raise Hold(
                f"{source.shown}: the name of its table, {name!r}, leads to another folder, which only text "
                "in the mapping itself may do",
                reason="table",
            )
        return (source.path.parent if name.startswith(OWN) else self.folder) / name

    def _render(self, part: str | Expression, case: Case) -> str:
        try:
            return Template((part,)).render(case.facts, []).text
        except ValueError as error:
            message = f"{case.probe.source.shown}: the name of its table: {error}"
            raise Hold(message, reason="mapping") from error

    def _leads_out(self, name: str) -> bool:
        """Whether facts have made a path absolute, or lead up from where the mapping's own text leads."""
        own = "".join(_slashes(part) if isinstance(part, str) else "x" for part in self.template.parts)
        if PurePosixPath(name).parts.count("..") > PurePosixPath(own).parts.count(".."):
            return True
        first = self.template.parts[0]
        trusted = isinstance(first, Expression) and {use.source for use in first.uses} <= TRUSTED
        return Path(name).is_absolute() and not trusted and not Path(own).is_absolute()


def _slashes(text: str) -> str:
    return text.replace("\\", "/")
