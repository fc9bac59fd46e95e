import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.mapping.patterns import compiled


@pytest.mark.parametrize(
    "pattern",
    [
        r"(\d{7})_(.*)\.jpe?g",
        r"\d+(?:\.\d+)*",
        r"(?:,\d+)*x",
        r"(?:[A-Z]+-)+[A-Z]+",
        r"(\w++\s*)+",
        r"(?>a+)+",
        r"((a+)++)+",
        r"(a+){2,5}",
        r"(?P<a>\w)(?P=a)+",
        r"(?=.*\d).+",
        r"(a|b|cd)*",
        r"(\w)(?:\1b+)+",
    ],
)
def test_patterns_that_come_to_an_end_are_taken(pattern: str) -> None:
    assert compiled(pattern).pattern == pattern


@pytest.mark.parametrize(
    "pattern",
    [
        r"(a+)+$",
        r"(\w+\s*)+",
        r"(a*b?)*",
        r"((a+))*",
        r"(?i:a+)*",
        r"(?:x|a+)*",
        r"(?:(?:x+y)+z?)+",
        r"(?:(?:a{2,})*)+",
        r"x(?:y(?:[a-z]+-?)+)",
        r"(a+?)+?",
        r"(?>(a+)+)",
        r"(x)?(?(1)(a+)+|b)",
    ],
)
def test_patterns_that_may_take_for_ever_are_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match="repeats what is repeated already, which can take for ever"):
        compiled(pattern)


@pytest.mark.parametrize("pattern", ["(", "[a", "a{2,1}", "(?P<1>a)", "*", r"\Q", "(?<=a+)b"])
def test_what_is_no_pattern_is_refused_in_words(pattern: str) -> None:
    with pytest.raises(ValueError, match="is not a regular expression: "):
        compiled(pattern)


@pytest.mark.filterwarnings("ignore::FutureWarning")
@given(pattern=st.text(r"ab()[]{}|*+?\.^$12,:<>=!Pdw-", max_size=24))
def test_any_text_is_a_pattern_or_refused_in_words(pattern: str) -> None:
    try:
        said = compiled(pattern).pattern
    except ValueError as error:
        said = str(error)
    assert said == pattern or "regular expression" in said or "repeats what is repeated" in said
