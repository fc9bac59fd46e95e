import unicodedata

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pydicom.valuerep import PersonName

from gateway.mapping import names

PART = st.text(st.characters(exclude_categories=("C",), exclude_characters="\\^="), max_size=12)


@given(parts=st.lists(PART, min_size=5, max_size=5))
def test_components_are_where_they_belong(parts: list[str]) -> None:
    name = PersonName(names.group(*parts))
    found = [name.family_name, name.given_name, name.middle_name, name.name_prefix, name.name_suffix]
    assert found == [" ".join(unicodedata.normalize("NFC", part).split()) for part in parts]
    assert not names.group(*parts).endswith("^")


@pytest.mark.parametrize(
    ("components", "name"),
    [
        (("Müller", "Anna"), "Müller^Anna"),
        (("Mu\u0308ller ", " Anna  Maria"), "Müller^Anna Maria"),
        (("Müller", "", "", "Dr."), "Müller^^^Dr."),
        (("", "Anna"), "^Anna"),
        (("", "", "", "", ""), ""),
        (("山田\u3000", "太郎"), "山田^太郎"),
    ],
)
def test_names_are_put_together(components: tuple[str, ...], name: str) -> None:
    assert names.group(*components) == name


def test_three_groups_make_one_name() -> None:
    whole = names.together("Yamada^Tarou", "山田^太郎", "やまだ^たろう")
    assert PersonName(whole).ideographic == "山田^太郎"
    assert names.together("", "山田^太郎", "") == "=山田^太郎"
    assert names.together("Yamada^Tarou", "", "やまだ^たろう") == "Yamada^Tarou==やまだ^たろう"
    assert names.together("Doe^John", "", "") == "Doe^John"
    with pytest.raises(ValueError, match=r"several groups \(=\) and cannot be the ideographic one"):
        names.together("a", "b=c", "")


@pytest.mark.parametrize(
    ("text", "form", "name"),
    [
        ("Müller, Anna", "family, given", "Müller^Anna"),
        ("Müller,Anna Maria", "family, given", "Müller^Anna Maria"),
        ("Müller", "family, given", "Müller"),
        ("von der Heide, Rolf", "family, given", "von der Heide^Rolf"),
        ("Anna Maria Müller", "given family", "Müller^Anna Maria"),
        ("Ludwig van Beethoven", "given family", "van Beethoven^Ludwig"),
        ("van Gogh", "given family", "van Gogh"),
        ("Müller", "given family", "Müller"),
        ("  ", "given family", ""),
        ("MÜLLER ANNA MARIA", "family given", "MÜLLER^ANNA MARIA"),
        ("山田\u3000太郎", "family given", "山田^太郎"),
    ],
)
def test_names_in_other_forms_are_taken_apart(text: str, form: str, name: str) -> None:
    assert names.taken_apart(text, form) == name


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Doe^John", "Doe^John"),
        (" Doe ^ John ^^ ", "Doe^John"),
        ("Yamada^Tarou=山田^太郎=", "Yamada^Tarou=山田^太郎"),
        ("", ""),
    ],
)
def test_names_that_are_written_as_dicom_has_them_stay(text: str, name: str) -> None:
    assert names.checked(text) == name


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a^b^c^d^e^f", "more than five components"),
        ("a=b=c=d", "more than three groups"),
        ("a\\b", "the family part of the name is 'a\\\\b', and \\ cannot stand in one"),
        ("a" * 40 + "^" + "b" * 24, "has 65 characters, and a group of a name has 64 at most"),
    ],
)
def test_what_no_name_can_be_is_refused(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match="name") as raised:
        names.checked(text)
    assert reason in str(raised.value)


def test_separators_in_a_part_are_refused_with_the_remedy() -> None:
    with pytest.raises(ValueError, match=r"the given part of the name is 'An=na'.* \| clean"):
        names.group("Müller", "An=na")
    with pytest.raises(ValueError, match="more than one comma"):
        names.taken_apart("Müller, Anna, Dr.", "family, given")
    with pytest.raises(ValueError, match="there is no form 'first last' of names; there is 'family, given'"):
        names.check_form("first last")


def test_a_group_has_64_characters() -> None:
    assert len(names.group("a" * 40, "b" * 23)) == 64


@given(text=st.text(max_size=80), form=st.sampled_from(["", *names.FORMS]))
def test_any_text_is_a_name_or_refused_in_words(text: str, form: str) -> None:
    try:
        name = names.taken_apart(text, form) if form else names.checked(text)
    except ValueError as error:
        assume("name" not in str(error))
        raise
    assert all(len(group) <= 64 for group in name.split("="))
    assert names.checked(name) == name
