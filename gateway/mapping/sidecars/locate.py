"""Where the sidecar of a file is: the names that it may have, and which of them there are."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from glob import escape, has_magic
from pathlib import Path, PurePosixPath

from gateway.errors import Hold
from gateway.mapping.expressions import Expression, Facts, Template
from gateway.mapping.sidecars import format_of
from gateway.mapping.sidecars.folder import matching
from gateway.mapping.spelling import alike
from gateway.model import Source


@dataclass(frozen=True, slots=True)
class Wanted:
    """A name that a sidecar may have. `exact` is whether it is one file's, and not a pattern for several."""

    folder: Path
    name: str
    pattern: str
    exact: bool = True

    @property
    def changes(self) -> Path:
        """What changes when such a file comes: the file itself, or its folder."""
        return self.folder / self.name if self.exact else self.folder


def usual(source: Source, extensions: Iterable[str]) -> list[Wanted]:
    """The names that sidecars of a file have where a mapping does not name them."""
    stems = dict.fromkeys((source.shown.stem, source.name))
    names = [f"{stem}.{extension}" for stem in stems for extension in extensions]
    return [Wanted(_home(source), name, escape(name)) for name in names]


def named(template: Template, source: Source, facts: Facts) -> Wanted:
    """The name that a mapping gives, relative to the file's folder; in facts `*` stands for itself.

    Raises `Hold` where the facts come to nothing, or lead to another folder than the mapping says.
    """
    texts, said = [], []
    for part in template.parts:
        try:
            rendered = Template((part,)).render(facts, [])
        except ValueError as error:
            raise Hold(f"{source.shown}: the name of its sidecar: {error}", reason="mapping") from error
        texts.append(rendered.text.replace("\\", "/"))
        said.append(rendered.said)
    text = "".join(texts)
    if (True not in said and False in said) or not text.strip("/ ") or "\0" in text:
        raise Hold(f"{source.shown}: the name of its sidecar comes to nothing", reason="sidecar-missing")
    own = [_own(part) for part in template.parts]
    if _leads_out("".join(own), text):
        raise Hold(
            f"{source.shown}: the name of its sidecar, {text!r}, leads to another folder, which only text in "
            "the mapping itself may do",
            reason="sidecar",
        )
    parts = zip(template.parts, texts, strict=True)
    pattern = "".join(escape(got) if isinstance(part, Expression) else got for part, got in parts)
    folder, slash, name = text.rpartition("/")
    return Wanted(
        folder=_home(source) / (folder or slash),
        name=name,
        pattern=pattern.rpartition("/")[2],
        exact=not has_magic("".join(own)),
    )


def there(wanted: Iterable[Wanted], source: Source) -> list[Path]:
    """The files of exactly these names; where there are none, those that match in any case and are not
    those of another file than the source.

    Raises OSError or ValueError where the file system takes no such names.
    """
    wanted = tuple(wanted)
    exact = [path for path in (each.folder / each.name for each in wanted if each.exact) if path.is_file()]
    if exact:
        return exact
    found = dict.fromkeys(found for each in wanted for found in matching(each.folder, each.pattern))
    return [path for path in found if not _is_of_another(path, source)]


def _is_of_another(path: Path, source: Source) -> bool:
    """Whether a name that begins as the source's goes on to be that of another file.

    `x10.xml` is not of `x1.jpg`, nor `a.xml` of `A.jpg` where there is an `a.jpg`.
    """
    own = source.shown.stem
    if path.stem == own or not alike(path.stem).startswith(alike(own)):
        return False
    if path.stem[len(own) :][:1].isdecimal() and own[-1:].isdecimal():
        return True
    beside = matching(path.parent, f"{escape(path.stem)}.*")
    return any(
        each.stem == path.stem and each != source.path and format_of(each.name) is None for each in beside
    )


def _home(source: Source) -> Path:
    """The folder of a file, also when the file itself was moved away; that of an archive's member where it
    was unpacked."""
    shown = source.shown.parent
    return shown if source.member and shown.is_dir() else source.path.parent


def _own(part: str | Expression) -> str:
    """What of a name is the mapping's own text."""
    return "" if isinstance(part, Expression) else part.replace("\\", "/")


def _leads_out(own: str, text: str) -> bool:
    """Whether facts have made a path absolute, or lead up from where the mapping's own text leads."""
    ups = PurePosixPath(text).parts.count("..") > PurePosixPath(own).parts.count("..")
    return ups or (text.startswith("/") and not own.startswith("/"))
