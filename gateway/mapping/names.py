"""Names of persons as PN (PS3.5 6.2.1): up to three groups, each of up to five components.

    Müller^Anna^Maria^Dr.^MSc               family, given, middle, prefix, suffix
    Yamada^Tarou=山田^太郎=やまだ^たろう      alphabetic, ideographic, phonetic

Every function raises ValueError in words for what cannot be part of a name.
"""

from __future__ import annotations

import re
import unicodedata

LONGEST = 64
"""Characters of one group."""

COMPONENTS = ("family", "given", "middle", "prefix", "suffix")
GROUPS = ("alphabetic", "ideographic", "phonetic")

FORMS = ("family, given", "family given", "given family")
"""How names are written that have no `^`."""

PARTICLES = frozenset(
    [
        "af",
        "al",
        "av",
        "bin",
        "bint",
        "da",
        "das",
        "de",
        "degli",
        "dei",
        "del",
        "della",
        "den",
        "der",
        "des",
        "di",
        "do",
        "dos",
        "du",
        "el",
        "ibn",
        "la",
        "las",
        "le",
        "los",
        "ten",
        "ter",
        "van",
        "vom",
        "von",
        "y",
        "zu",
        "zum",
        "zur",
    ]
)
"""Small words before a family name that belong to it, where they are written small."""

_SEPARATORS = re.compile(r"[\\^=]")


def group(*components: str) -> str:
    """One group of a name, from its components in the order that PN has them."""
    mended = [_component(text, name) for text, name in zip(components, COMPONENTS, strict=False)]
    return _bounded("^".join(mended).rstrip("^"))


def together(*groups: str) -> str:
    """The name that has these groups: alphabetic, ideographic, phonetic; any may be empty."""
    for text, name in zip(groups, GROUPS, strict=False):
        if "=" in text:
            raise ValueError(f"{text!r} has several groups (=) and cannot be the {name} one of a name")
    return "=".join(groups).rstrip("=")


def taken_apart(text: str, form: str) -> str:
    """One group of a name from text in one of the `FORMS`.

    Without a comma the first or last word is the family name. Where it is the last, the particles before
    it belong to it: Ludwig van Beethoven becomes `van Beethoven^Ludwig`.
    """
    words = text.split()
    if form == "family, given":
        family, *others = text.split(",")
        if len(others) > 1:
            raise ValueError(f"{text!r} has more than one comma, and one separates family and given name")
        return group(family, *others)
    if form == "family given":
        return group(" ".join(words[:1]), " ".join(words[1:]))
    split = len(words) - 1
    while split > 0 and words[split - 1] in PARTICLES:
        split -= 1
    return group(" ".join(words[max(split, 0) :]), " ".join(words[: max(split, 0)]))


def checked(text: str) -> str:
    """A name that is written as PN already, without the blanks round its components."""
    groups = _mended(text).split("=")
    if len(groups) > len(GROUPS):
        raise ValueError(f"{text!r} has more than three groups (=), which no name has")
    for each in groups:
        if each.count("^") >= len(COMPONENTS):
            raise ValueError(f"{text!r} has more than five components (^), which no name has")
    return together(*(group(*each.split("^")) for each in groups))


def check_form(form: str) -> None:
    """Raises ValueError for a form that names are not read in."""
    if form not in FORMS:
        raise ValueError(f"there is no form {form!r} of names; there is {' or '.join(map(repr, FORMS))}")


def _mended(text: str) -> str:
    """The text with composed accents, and with one blank between words."""
    return " ".join(unicodedata.normalize("NFC", text).split())


def _component(text: str, name: str) -> str:
    mended = _mended(text)
    found = _SEPARATORS.search(mended)
    if found:
        raise ValueError(
            f"the {name} part of the name is {mended!r}, and {found[0]} cannot stand in one: mend it "
            "with | clean, or read a whole name with | dicom_name"
        )
    return mended


def _bounded(text: str) -> str:
    if len(text) > LONGEST:
        raise ValueError(f"{text!r} has {len(text)} characters, and a group of a name has {LONGEST} at most")
    return text
