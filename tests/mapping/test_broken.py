"""Mistakes that people make in mappings: what `gateway check` says of each, word for word.

Beside each mapping in `broken/` stands what is printed. Every line says where the mistake is, what it is,
and how to mend it.
"""

import re
from pathlib import Path

import pytest

from doors import gateway

FOLDER = Path(__file__).parent / "broken"
BROKEN = sorted(path.stem for path in FOLDER.glob("*.yaml"))
LINE = re.compile(r"[\w./-]+\.yaml:[1-9]\d*:[1-9]\d*: \S.*")
REMEDY = re.compile(
    r"\b(write|did you mean|there is|use|put|leave|name one|choose|save|check|rename|close|move|needs|"
    r"allows|at most|is written|takes|it has no)\b"
)


def expected(name: str) -> list[str]:
    return (FOLDER / f"{name}.txt").read_text("utf-8").splitlines()


@pytest.mark.parametrize("name", BROKEN)
def test_each_mistake_is_named_with_its_place_and_its_remedy(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(FOLDER)
    done = gateway("check", f"{name}.yaml")
    assert done.out.splitlines() == expected(name)
    assert (done.status, done.err) == (2, "")


@pytest.mark.parametrize("name", BROKEN)
def test_every_line_can_be_clicked_and_says_what_to_do(name: str) -> None:
    for line in expected(name):
        assert LINE.fullmatch(line)
        assert REMEDY.search(line.split(": ", 1)[1]), line


def test_there_are_many_and_some_have_several_mistakes() -> None:
    assert len(BROKEN) >= 20
    assert sum(len(expected(name)) > 1 for name in BROKEN) >= 5
    assert {path.stem for path in FOLDER.glob("*.txt")} == set(BROKEN)
